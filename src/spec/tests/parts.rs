//! Specs of several files.

use super::*;

const TOP: &str = "\
name: shop
include: [parts/*.yaml]
hosts: [{ include: h/*.yaml }]
vms: [{ include: vms.yaml }]
";

fn parts() -> Files {
    let files = Files(tempfile::tempdir().unwrap());
    files
        .put("spec.yaml", TOP)
        .put(
            "h/all.yaml",
            "- { name: h1, cores: 4, memory: 8GiB }\n- { name: h2, cores: 4, memory: 8GiB }\n",
        )
        .put("vms.yaml", "name: one\nvcpus: 1\nmemory: 1GiB\n")
        .put(
            "parts/a.yaml",
            "vms: [{ name: two, vcpus: 1, memory: 1GiB }]\ninclude: [more/b.yaml]\n",
        )
        .put("parts/more/b.yaml", "hosts: [{ name: h3, cores: 4, memory: 8GiB }]\n");
    files
}

#[test]
fn parts_are_merged_and_may_have_parts() {
    let spec = parts().load().unwrap();
    assert_eq!(spec.topology.hosts.len(), 3);
    let names: Vec<&str> = spec.vms.iter().map(|vm| vm.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn no_file_is_read_twice() {
    let files = parts();
    files.put("parts/more/b.yaml", "include: [../a.yaml]\n");
    insta::assert_snapshot!(files.errors(), @"
    parts/more/b.yaml:1:11: include: parts/more/../a.yaml is included already at spec.yaml:2:11
    hint: each file is read once; narrow the pattern or remove this include
    ");
    files.put("parts/more/b.yaml", "include: [../../spec.yaml]\n");
    insta::assert_snapshot!(files.errors(), @"
    parts/more/b.yaml:1:11: include: parts/more/../../spec.yaml is the spec itself
    hint: each file is read once; narrow the pattern or remove this include
    ");
    files.put("parts/more/b.yaml", "include: [b.yaml, ../../vms.yaml]\n");
    insta::assert_snapshot!(files.errors(), @"
    parts/more/b.yaml:1:11: include: parts/more/b.yaml is included already at parts/a.yaml:2:11
    hint: each file is read once; narrow the pattern or remove this include
    parts/more/b.yaml:1:19: include: parts/more/../../vms.yaml is included already at spec.yaml:4:18
    hint: each file is read once; narrow the pattern or remove this include
    ");
}

/// A spec from anywhere may name any file, and a link may lead to one.
#[test]
#[expect(clippy::disallowed_methods, reason = "makes the files that the test reads")]
fn includes_stay_beside_the_spec_unless_they_are_allowed() {
    let elsewhere = tempfile::tempdir().unwrap();
    let secret = elsewhere.path().join("secret.yaml");
    std::fs::write(&secret, "name: three\nvcpus: 1\nmemory: hunter2 is the password\n").unwrap();
    let files = parts();
    std::os::unix::fs::symlink(&secret, files.0.path().join("parts/link.yaml")).unwrap();
    files.put("vms.yaml", "name: one\nvcpus: 1\nmemory: a b\n");
    insta::assert_snapshot!(files.errors(), @r#"
    spec.yaml:2:11: include: parts/link.yaml is outside of the spec's directory
    hint: if the spec is yours, pass --include-anywhere; else read what it is after
    vms.yaml:3:9: memory: "a…" is not a size such as 64GiB or 512MiB
    "#);
    let spec = files.0.path().join("spec.yaml");
    let errors = load_within(&spec, Reach::Anywhere).unwrap_err().to_string();
    assert!(errors.contains("link.yaml:1:1:") && !errors.contains("is outside"), "{errors}");
    assert!(!errors.contains("password"), "{errors}");
}

/// Names of files elsewhere are no business of a spec's author either.
#[test]
#[expect(clippy::disallowed_methods, reason = "makes the files that the test reads")]
fn a_pattern_lists_nothing_outside() {
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir(elsewhere.path().join("alice")).unwrap();
    std::fs::write(elsewhere.path().join("alice/id"), "").unwrap();
    std::fs::write(elsewhere.path().join("alice/key"), "").unwrap();
    let files = parts();
    let includes = |patterns: &str| {
        files.put("spec.yaml", format!("name: s\ninclude: [{patterns}]\n"));
        let errors = files.errors();
        errors.replace(elsewhere.path().to_str().unwrap(), "/home")
    };
    let all = format!(
        "../*/x, 'parts/[a-b]/../../../*', '.?/*', parts/.*/../x, {}/*/*",
        elsewhere.path().display()
    );
    insta::assert_snapshot!(includes(&all), @r#"
    spec.yaml:2:11: include: "../*/x" leads outside of the spec's directory
    hint: if the spec is yours, pass --include-anywhere; else read what it is after
    spec.yaml:2:19: include: "parts/[a-b]/../../../*" leads outside of the spec's directory
    hint: if the spec is yours, pass --include-anywhere; else read what it is after
    spec.yaml:2:45: include: ".?/*" leads outside of the spec's directory
    hint: if the spec is yours, pass --include-anywhere; else read what it is after
    spec.yaml:2:53: include: "parts/.*/../x" leads outside of the spec's directory
    hint: if the spec is yours, pass --include-anywhere; else read what it is after
    spec.yaml:2:68: include: "/home/*/*" leads outside of the spec's directory
    hint: if the spec is yours, pass --include-anywhere; else read what it is after
    "#);
    // A link makes the text of a pattern harmless.
    std::os::unix::fs::symlink(elsewhere.path(), files.0.path().join("link")).unwrap();
    insta::assert_snapshot!(includes("link/*/*, link/alice/id"), @r#"
    spec.yaml:2:11: include: "link/*/*" leads outside of the spec's directory
    hint: if the spec is yours, pass --include-anywhere; else read what it is after
    spec.yaml:2:21: include: "link/alice/id" leads outside of the spec's directory
    hint: if the spec is yours, pass --include-anywhere; else read what it is after
    "#);
    let inside = format!("'{}/vms.yaml'", files.0.path().display());
    assert!(!includes(&inside).contains("outside"), "{}", includes(&inside));
}

#[test]
fn mistakes_in_parts_stand_where_they_are() {
    let files = parts();
    files.put("parts/more/b.yaml", "name: other\nvms:\n  - { name: one, vcpus: 0, memory: 1GiB }\n  - { include: x.yaml, name: y }\n");
    insta::assert_snapshot!(files.errors(), @r#"
    parts/more/b.yaml:1:1: unknown field "name"; expected include, hosts, services or vms
    parts/more/b.yaml:3:13: duplicate name "one", first defined at vms.yaml:1:7
    parts/more/b.yaml:3:25: vcpus: 0 is out of range: at least 1
    parts/more/b.yaml:4:7: include: must be the only field of its map
    hint: give the include an entry of its own
    "#);
    let files = parts();
    files.put("vms.yaml", "vms: [{ name: one, vcpus: 1, memory: 1GiB }]\n");
    insta::assert_snapshot!(files.errors(), @r#"
    vms.yaml:1:1: the field "memory" is missing
    vms.yaml:1:1: the field "name" is missing
    vms.yaml:1:1: the field "vcpus" is missing
    vms.yaml:1:1: unknown field "vms"; expected name, count, vcpus, memory, disk, iops, network, spread, on, not_on, apart, near, restart or migrate
    "#);
}
