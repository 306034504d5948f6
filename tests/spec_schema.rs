//! The JSON Schemas that editors use, against the files that users read and write.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that reads the examples"
)]

use std::fs;
use std::path::{Path, PathBuf};

use hostsplit::spec::{Document, schema};
use jsonschema::Validator;
use serde_json::Value;

/// A YAML text as an editor hands it to a schema.
fn value(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
}

fn validator(document: Document) -> Validator {
    jsonschema::draft202012::new(&schema(document)).unwrap()
}

/// What is wrong with a file by its schema.
fn faults(document: Document, yaml: &str) -> Vec<String> {
    let value = value(yaml);
    let validator = validator(document);
    validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// What kind of file a text is, by what only such a file holds.
fn kind(yaml: &str) -> Document {
    let value = value(yaml);
    let has = |field: &str| value.get(field).is_some();
    if has("services") || has("vms") {
        Document::Spec
    } else if has("disk") && has("engines") {
        Document::Image
    } else {
        Document::Host
    }
}

fn yaml_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_example_is_valid() {
    let mut files = Vec::new();
    yaml_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"), &mut files);
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let faults = faults(kind(&text), &text);
        assert!(faults.is_empty(), "{}: {faults:#?}", file.display());
    }
}

#[test]
fn every_yaml_block_of_the_readme_is_valid() {
    let readme = include_str!("../README.md");
    let blocks: Vec<&str> =
        readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        let faults = faults(kind(block), block);
        assert!(faults.is_empty(), "{block}\n{faults:#?}");
    }
}

const SPEC: &str = "\
name: shop
include: [part.yaml]
policy: { survive: [host, { level: rack, quorum: manual }], objective: [unmet, cost] }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199, vip: 10.20.0.10 }
image: { include: image/image.yaml }
hosts:
  - include: hosts/*.yaml
  - { name: h1, count: 40, cores: 24, threads: 2, memory: 96GiB, network: 16 Gbit/s, disk: 2TiB, iops: 100k/s, cost: 4800, reserve: none, labels: { rack: r1 } }
services:
  - { name: cache, engine: redis, demand: { reads: 900k/s, writes: 100k/s, value: 512B, data: 96GiB, persistence: aof }, prefer: { site: main } }
  - { name: orders, engine: mysql, demand: { reads: 60k/s, writes: 4k/s, data: 400GiB, working_set: 20%, shards: 2 } }
  - { name: search, engine: elasticsearch, demand: { index: 80k docs/s, queries: 2k/s, data: 2TiB, copies: 2, document: 1KiB, shards_per_query: 5 } }
  - { name: web, engine: apache, demand: { requests: 40k/s, response: 10KiB, cpu: 5ms, tls: false }, gateway: edge, port: 8080, serve: { content: site }, health: { path: /ready, expect: 200 } }
  - { name: app, engine: nginx, demand: { requests: 1/s }, serve: { proxy: 'http://10.0.0.9:8080' } }
  - { name: edge, engine: haproxy }
  - { name: other, engine: haproxy, demand: { requests: 1/s, tls: true }, vip: 10.20.0.11 }
vms:
  - { name: builder, count: 6, vcpus: 8, memory: 32GiB, disk: 200GiB, iops: 1k/s, network: 1 Gbit/s, spread: host, on: [h1, { rack: r1 }], not_on: { host: h2 }, apart: [cache, orders], near: web, restart: true }
  - { name: worker, count: 6, vcpus: 8, memory: 32GiB, spread: { per: rack, at_most: 2 } }
  - include: vms.yaml
profiles:
  redis: { file: own/redis.toml, set: { threads.one_thread: 95000, sharded.work.write: 1.2 } }
  mysql: { set: { usl.kappa: 2.1e-4 } }
";

#[test]
fn a_spec_that_uses_every_field_is_valid() {
    assert_eq!(faults(Document::Spec, SPEC), [""; 0]);
}

/// What a schema can see of the mistakes that `hostsplit check` tells.
const WRONG: &[(&str, &str)] = &[
    ("name: shop", "nam: shop"),
    ("name: shop", "name: Shop"),
    ("name: shop", "name: [shop]"),
    ("vip: 10.20.0.10", "vpi: 10.20.0.10"),
    ("vip: 10.20.0.10", "vip: 10.20.0"),
    ("addresses: 10.20.0.50-10.20.0.199", "addresses: 10.20.0.50"),
    ("subnet: 10.20.0.0/24", "subnet: 10.20.0.0"),
    ("[host, {", "[hots, {"),
    ("[host, {", "[host, site, {"),
    ("quorum: manual", "quorum: none"),
    ("[unmet, cost]", "unmet"),
    ("[unmet, cost]", "[unmet, costs]"),
    ("include: [part.yaml]", "include: part.yaml"),
    ("- include: hosts/*.yaml", "- { include: hosts/*.yaml, name: h2 }"),
    ("cores: 24", "cores: many"),
    ("cores: 24, ", ""),
    ("memory: 96GiB", "memory: 96"),
    ("memory: 96GiB", "memory: 96Gb"),
    ("reserve: none", "reserve: nothing"),
    ("disk: 2TiB, iops: 100k/s", "numa: []"),
    ("engine: redis", "engine: rediss"),
    ("reads: 900k/s, ", ""),
    ("reads: 900k/s", "reads: -900k/s"),
    ("reads: 900k/s", "reads: 900"),
    ("persistence: aof", "persistence: always"),
    ("engine: redis", "engine: mysql"),
    ("working_set: 20%", "working_set: 0.2"),
    ("index: 80k docs/s", "index: 80k doc/s"),
    ("requests: 40k/s, response", "reads: 40k/s, response"),
    ("cpu: 5ms", "cpu: 5"),
    ("  redis: { file", "  rediss: { file"),
    ("{ file: own/redis.toml, set", "{ flie: own/redis.toml, set"),
    ("95000", "many"),
    ("95000", "-1"),
    ("95000", "2000000000000"),
    ("threads.one_thread: ", "one_thread: "),
    ("{ usl.kappa: 2.1e-4 }", "{}"),
    ("tls: false", "tls: maybe"),
    ("engine: apache", "engine: redis"),
    ("content: site", "contents: site"),
    ("content: site", "content: [site]"),
    ("serve: { content: site }", "serve: site"),
    ("health: { path: /ready, expect: 200 }", "health: /ready"),
    ("vip: 10.20.0.11", "vip: 10.20.0"),
    ("persistence: aof }", "persistence: aof }, vip: 10.20.0.11"),
    ("persistence: aof }", "persistence: aof }, serve: { content: site }"),
    ("persistence: aof }", "persistence: aof }, health: { path: /ready }"),
    ("engine: haproxy }\n", "engine: nginx }\n"),
    ("vcpus: 8, ", ""),
    ("count: 6", "count: -6"),
    ("spread: host", "spread: room"),
    ("near: web", "near: { name: web }"),
    ("prefer: { site: main }", "prefer: { row: main }"),
    ("apart: [cache, orders]", "apart: []"),
    ("apart: [cache, orders]", "apart: [Cache]"),
    ("spread: host", "spread: { at_most: 2 }"),
    ("spread: host", "spread: { per: host, at_most: two }"),
    ("spread: host", "spread: { per: host, most: 2 }"),
];

#[test]
fn what_is_wrong_in_form_is_wrong_by_the_schema() {
    for (from, to) in WRONG {
        assert!(SPEC.contains(from), "{from}");
        let spec = SPEC.replacen(from, to, 1);
        assert!(!faults(Document::Spec, &spec).is_empty(), "{to} is let through");
    }
}

#[test]
fn host_files_and_manifests_have_schemas_of_their_own() {
    let host = "name: h1\nhypervisor: kvm\nnuma: [{ id: 0, memory: 8GiB, pages: { 2MiB: 4 }, l3: [{ size: 32MiB, cores: [[0, 1]] }] }]\npools: []\n";
    assert_eq!(faults(Document::Host, host), [""; 0]);
    assert!(!faults(Document::Host, &host.replace("pools: []\n", "")).is_empty());
    assert!(!faults(Document::Host, &host.replace("[[0, 1]]", "[0, 1]")).is_empty());
    let digest = "0".repeat(64);
    let image = format!(
        "name: debian\ndisk: {{ file: a, format: qcow2, sha256: '{digest}', virtual_size: 3GiB }}\nengines: {{ redis: 8.0 }}\n"
    );
    assert_eq!(faults(Document::Image, &image), [""; 0]);
    assert!(!faults(Document::Image, &image.replace("qcow2", "raw")).is_empty());
}
