//! Files that no honest user wrote, or whose editor went wrong.

use std::path::Path;

use super::*;

fn said(text: impl AsRef<[u8]>) -> String {
    let files = Files::good();
    files.put("spec.yaml", text).errors()
}

#[test]
fn marks_of_editors_and_other_systems_are_taken() {
    let files = Files::good();
    assert!(files.put("spec.yaml", format!("\u{feff}{SPEC}")).load().is_ok());
    assert!(files.put("spec.yaml", SPEC.replace('\n', "\r\n")).load().is_ok());
}

#[test]
fn what_is_no_text_is_refused_with_its_place() {
    insta::assert_snapshot!(said(b"\xff\xfen\0a\0m\0"), @"spec.yaml:1:1: is not UTF-8 text: byte 1 is wrong");
    insta::assert_snapshot!(said("name: a\nb: \0"), @"spec.yaml:2:4: is not text: byte 12 is zero");
    insta::assert_snapshot!(said("name: a\n\tb: c\n"), @"
    spec.yaml:1:7: while scanning a plain scalar, found a tab
    hint: YAML is indented with spaces only
    ");
    insta::assert_snapshot!(said("name: a\npolicy:\n\tsurvive: host\n"), @"
    spec.yaml:3:2: tabs disallowed within this context (block indentation)
    hint: YAML is indented with spaces only
    ");
    insta::assert_snapshot!(said("\u{1b}[31mname: a"), @r"spec.yaml:1:1: unexpected character: `\u{1b}'");
    insta::assert_snapshot!(said("just words"), @r#"spec.yaml:1:1: found "just words"; expected a map such as { field: value }"#);
    insta::assert_snapshot!(said("[a, b]"), @"spec.yaml:1:1: found a list; expected a map such as { field: value }");
    insta::assert_snapshot!(said("? [a]\n: b\n"), @"spec.yaml:1:3: found a list or a map; expected the name of a field");
    insta::assert_snapshot!(said("name: !!python/object a\n"), @"
    spec.yaml:1:1: there are no hosts
    hint: `hostsplit discover URI` writes host files; name them as `hosts: [{ include: hosts/*.yaml }]`
    spec.yaml:1:1: there is nothing to plan: neither services nor vms
    hint: name what the hosts are for, as `services:` or `vms:`
    ");
    insta::assert_snapshot!(said("name: [a, b\nhosts: ]\n"), @"spec.yaml:2:6: illegal placement of ':' indicator");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "makes a pipe")]
fn what_is_no_file_is_refused() {
    let files = Files::good();
    let spec = files.0.path().join("spec.yaml");
    let message = |path: &Path| {
        load(path).unwrap_err().to_string().replace(&format!("{}/", files.0.path().display()), "")
    };
    insta::assert_snapshot!(message(files.0.path().join("hosts").as_path()), @"hosts: is a directory; expected a file");
    insta::assert_snapshot!(message(files.0.path().join("none.yaml").as_path()), @"none.yaml: cannot read it: No such file or directory (os error 2)");
    std::fs::remove_file(&spec).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&spec).status().unwrap();
    assert!(made.success());
    insta::assert_snapshot!(message(&spec), @"spec.yaml: is a pipe; expected a file");
    insta::assert_snapshot!(message(Path::new("/dev/zero")), @"
    /dev/zero: is larger than 4 MiB
    hint: split it: `include: [part.yaml]`
    ");
}

#[test]
fn quantities_are_above_zero_and_below_the_absurd() {
    let data = |to: &str| changed("spec.yaml", "data: 150MiB", to);
    insta::assert_snapshot!(data("data: -5GiB"), @r#"spec.yaml:8:78: data: "-5GiB" is not a size such as 64GiB or 512MiB"#);
    insta::assert_snapshot!(data("data: 0GiB"), @"spec.yaml:8:78: data: 0MiB is out of range: at least 1MiB");
    insta::assert_snapshot!(data("data: 99999999TiB"), @"spec.yaml:8:78: data: 99999999TiB is out of range: at most 1024TiB");
    insta::assert_snapshot!(data("data: 99999999999999999999999999TiB"), @r#"spec.yaml:8:78: data: "99999999999999999999999999TiB" is not a size such as 64GiB or 512MiB"#);
    insta::assert_snapshot!(data("data: 1e9GiB"), @r#"spec.yaml:8:78: data: "1e9GiB" has the unknown unit "e9GiB"; expected a size such as 64GiB or 512MiB"#);
    insta::assert_snapshot!(data("data: .inf"), @r#"spec.yaml:8:78: data: ".inf" is not a size such as 64GiB or 512MiB"#);
    insta::assert_snapshot!(data("data: "), @"spec.yaml:8:76: data: found nothing; expected a size such as 64GiB or 512MiB");
    insta::assert_snapshot!(data("data: [1GiB]"), @"spec.yaml:8:78: data: found a list; expected a size such as 64GiB or 512MiB");
    insta::assert_snapshot!(changed("spec.yaml", "reads: 3k/s, writes: 1k/s", "reads: 0/s, writes: 0/s"), @"spec.yaml:8:43: demand: reads and writes are both zero");
    insta::assert_snapshot!(changed("spec.yaml", "reads: 3k/s", "reads: 999999999G/s"), @"spec.yaml:8:52: reads: 999999999G/s is out of range: at most 1000G/s");
    insta::assert_snapshot!(changed("spec.yaml", "vcpus: 1", "vcpus: 1.5"), @r#"spec.yaml:10:39: vcpus: "1.5" is not a whole number such as 4"#);
    insta::assert_snapshot!(changed("spec.yaml", "vcpus: 1", "vcpus: 0x10"), @r#"spec.yaml:10:39: vcpus: "0x10" is not a whole number such as 4"#);
}

#[test]
fn a_bomb_of_aliases_is_not_unfolded() {
    let mut bomb = "a: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = level - 1;
        let all = vec![format!("*a{below}"); 9].join(", ");
        bomb.push_str(&format!("b{level}: &a{level} [{all}]\n"));
    }
    insta::assert_snapshot!(said(bomb), @"spec.yaml:6:10: the file is too large or too deeply nested (alias replay limit exceeded: total_replayed_events=100001 > 100000)");
}

proptest::proptest! {
    #[test]
    fn no_change_of_bytes_makes_it_panic(
        edits in proptest::collection::vec((0usize..4_096, 0u8.., 0usize..3), 1..6)
    ) {
        let files = Files::good();
        for good in [
            SPEC,
            include_str!("../../../examples/infeasible/spec.yaml"),
            include_str!("../../../examples/four-services/spec.yaml"),
        ] {
            let mut bytes = good.as_bytes().to_vec();
            for (at, byte, cut) in &edits {
                let start = at % bytes.len();
                let end = (start + cut).min(bytes.len());
                bytes.splice(start..end, [*byte]);
            }
            if let Err(errors) = files.put("spec.yaml", &bytes).load() {
                proptest::prop_assert!(!errors.diagnostics.is_empty());
            }
        }
    }
}
