//! Plans of every format that can be read, as the programs of their time wrote them:
//! what has been deployed stays readable, and says the same.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "edge: reads stored plans")]

use std::fs;
use std::path::Path;

use hostsplit::plan::{FORMAT, Plan, Setting};
use hostsplit::recipe;
use hostsplit::spec::Engine;

#[path = "support/bench.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod bench;

/// The stored plans with their formats.
fn stored() -> Vec<(u32, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let formats = 2..=FORMAT;
    formats
        .map(|format| (format, fs::read_to_string(folder.join(format!("{format}.json"))).unwrap()))
        .collect()
}

#[test]
fn every_format_is_read_and_written_as_the_newest() {
    for (format, text) in stored() {
        let head: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(head["format"], format);
        let plan = Plan::from_text(&text).unwrap();
        assert_eq!(plan.format, FORMAT);
        let again = plan.to_text().unwrap();
        assert_eq!(Plan::from_text(&again).unwrap(), plan);
        if format == FORMAT {
            assert_eq!(again, text, "the newest format is canonical");
        }
    }
}

#[test]
fn settings_of_format_2_are_typed_and_mean_what_they_meant() {
    let (_, text) = stored().remove(0);
    let plan = Plan::from_text(&text).unwrap();
    let old: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (instance, old) in plan.instances.iter().zip(old["instances"].as_array().unwrap()) {
        let config = old["config"].as_object().unwrap();
        assert_eq!(instance.settings.len(), config.len());
        for (name, text) in config {
            let spelled = recipe::redis::words(&instance.settings[name]).join(" ");
            assert_eq!(spelled, text.as_str().unwrap().replace("\"\"", ""), "{name}");
        }
        let is_redis = plan.service_of(instance).is_some_and(|one| one.engine == Engine::Redis);
        assert_eq!(is_redis, !config.is_empty(), "{}", instance.name);
        if !is_redis {
            continue;
        }
        assert!(matches!(instance.settings["maxmemory"], Setting::Bytes(_)));
        assert!(matches!(instance.settings["cluster-enabled"], Setting::Switch(true)));
        assert!(matches!(instance.settings["cluster-announce-ip"], Setting::Address(_)));
        assert!(matches!(instance.settings["save"], Setting::Words(_)));
    }
}

/// The commands that must go on working with what was deployed before an update, as far
/// as they need no host.
#[test]
fn older_plans_are_shown_checked_and_compared() {
    for (format, text) in stored() {
        let bench = bench::Bench::new();
        bench.put("plan.json", &text);
        for args in [
            &["show", "plan.json"][..],
            &["show", "plan.json", "--format", "json"],
            &["graph", "plan.json"],
            &["deploy", "plan.json", "--dry-run", "--offline"],
        ] {
            let said = bench.run(args);
            let fine = said.starts_with("exit 0\n") || said.starts_with("exit 3\n");
            assert!(fine, "format {format}: {args:?}: {said}");
        }
    }
}
