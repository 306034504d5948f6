//! What the URI of a host makes libvirt do on the operator's machine.

/// Returns what in a URI runs a program here, names a key or a file, or is an option in the
/// place of a name: `ext`, `command=`, `netcat=`, `keyfile=`, a leading `-`, a file for the
/// test driver, `embed`. Empty for a URI that only leads somewhere.
///
/// libvirt's remote driver knows the first four
/// (<https://libvirt.org/uri.html#remote-uris>); `ssh` takes what begins with a hyphen for an
/// option. The test driver reads any path but `/default`, and quotes from it what is not XML
/// (<https://libvirt.org/drvtest.html>); `/embed` runs QEMU in this process
/// (<https://libvirt.org/drvqemu.html#embedded-driver>).
#[must_use]
pub fn programs(uri: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let (driver, transport) = scheme.split_once('+').unwrap_or((scheme, ""));
    if transport.eq_ignore_ascii_case("ext") {
        found.push("ext");
    }
    let end_of = |text: &str, stop: &[char]| text.find(stop).unwrap_or(text.len());
    // Without slashes there is no name of a host, and the path is relative.
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(end_of(rest, &['/', '?', '#'])),
        None => ("", rest),
    };
    let file = decoded(path.get(..end_of(path, &['?', '#'])).unwrap_or_default());
    if driver.eq_ignore_ascii_case("test") && !["", "/", "/default"].contains(&file.as_str()) {
        found.push("a file for the test driver");
    }
    if driver.eq_ignore_ascii_case("qemu") && file.trim_end_matches('/') == "/embed" {
        found.push("embed");
    }
    let authority = decoded(authority);
    if authority.split('@').any(|part| part.starts_with('-')) {
        found.push("a name that begins with a hyphen");
    }
    let query = path.split_once('?').map_or("", |(_, query)| query);
    for pair in query.split(['&', ';']) {
        let name = decoded(pair.split('=').next().unwrap_or_default()).to_ascii_lowercase();
        for (known, shown) in
            [("command", "command="), ("netcat", "netcat="), ("keyfile", "keyfile=")]
        {
            if name.trim() == known && !found.contains(&shown) {
                found.push(shown);
            }
        }
    }
    found
}

/// Replaces `%41` and the like; what is malformed stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let code = others.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match byte.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = others.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::programs;

    #[test]
    fn what_a_uri_does_here_is_named() {
        for (uri, expected) in [
            ("qemu+ssh://root@h1/system", &[][..]),
            ("qemu:///system", &[]),
            ("qemu+unix:///system?socket=/run/h1", &[]),
            ("qemu+tls://[::1]:16514/system?no_tty=1&pkipath=/etc/pki", &[]),
            ("qemu+ext:///system?command=/tmp/x", &["ext", "command="]),
            ("QEMU+EXT://h1/system", &["ext"]),
            ("qemu+ssh://h1/system?no_tty=1&netcat=sh%20-c%20id", &["netcat="]),
            ("qemu+ssh://h1/system?NetCat=x", &["netcat="]),
            ("qemu+ssh://h1/system?%6eetcat=x", &["netcat="]),
            ("qemu+ssh://h1/system?keyfile=/home/me/.ssh/id", &["keyfile="]),
            ("test:///default", &[]),
            ("test:///%64efault?x", &[]),
            ("test://h1", &[]),
            ("test:///home/me/.netrc", &["a file for the test driver"]),
            ("test:///default/../%2fetc/passwd", &["a file for the test driver"]),
            ("test:.netrc", &["a file for the test driver"]),
            ("TEST:/etc/passwd", &["a file for the test driver"]),
            ("qemu:///embed?root=/home/me", &["embed"]),
            ("qemu+ssh://-oProxyCommand=x/system", &["a name that begins with a hyphen"]),
            ("qemu+ssh://a@%2doProxyCommand=x/system", &["a name that begins with a hyphen"]),
        ] {
            assert_eq!(programs(uri), expected, "{uri}");
        }
    }
}
