//! URIs of hosts: the drivers and transports of libvirt that a host may be reached by.

/// libvirt's drivers, with their transports, that run the guests we make.
pub const SCHEMES: &[&str] = &[
    "qemu",
    "qemu+unix",
    "qemu+ssh",
    "qemu+tls",
    "qemu+tcp",
    "qemu+libssh",
    "qemu+libssh2",
    "qemu+ext",
    "test",
];

/// Returns what comes before the first colon of a URI.
#[must_use]
pub fn scheme(uri: &str) -> Option<&str> {
    uri.split_once(':').map(|(scheme, _)| scheme)
}

/// Whether a URI is one of a driver and a transport that a host may be reached by.
#[must_use]
pub fn is_known(uri: &str) -> bool {
    scheme(uri).is_some_and(|scheme| SCHEMES.contains(&scheme))
}
