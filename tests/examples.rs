//! Every folder of `examples/` that can be planned without a lab: its spec is
//! sound, its plan is the one in `expected/`, and that plan passes its audit. After
//! a wanted change: `HOSTSPLIT_BLESS=1 cargo test --test examples`, then read the
//! diff.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "edge: runs the binary, reads and writes files")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folders with an expected screen, in the order of their names.
fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.join("spec.yaml").exists()).collect();
    cases.sort();
    cases
}

fn run(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostsplit"));
    command.args(args).current_dir(directory).env_clear().output().unwrap()
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    let (out, err) = (String::from_utf8_lossy(out), String::from_utf8_lossy(err));
    format!("{out}{err}exit {}\n", output.status.code().unwrap())
}

#[test]
fn every_example_has_a_page_of_its_own() {
    for case in cases() {
        let page = fs::read_to_string(case.join("README.md"));
        assert!(page.is_ok_and(|page| page.starts_with("# ")), "{}/README.md", case.display());
    }
}

#[test]
fn every_example_is_planned_as_expected() {
    let bless = std::env::var_os("HOSTSPLIT_BLESS").is_some();
    let plans = tempfile::tempdir().unwrap();
    let mut differing = Vec::new();
    // The quickstart's hosts are discovered in the lab.
    for case in cases().into_iter().filter(|case| !case.ends_with("quickstart")) {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        let checked = run(&case, &["check", "spec.yaml"]);
        assert!(checked.status.success(), "{name}: {}", text(&checked));
        let plan = plans.path().join(format!("{name}.json"));
        let plan = plan.to_str().unwrap();
        let planned = run(&case, &["plan", "spec.yaml", "-o", plan]);
        let screen = text(&planned).replace(plan, "plan.json");
        let expected = case.join("expected/plan.txt");
        if bless {
            fs::create_dir_all(expected.parent().unwrap()).unwrap();
            fs::write(&expected, &screen).unwrap();
        } else if fs::read_to_string(&expected).ok().as_ref() != Some(&screen) {
            differing.push(format!("{}:\n{screen}", expected.display()));
        }
        if planned.status.success() {
            let audited = run(&case, &["check", plan]);
            assert!(audited.status.success(), "{name}: {}", text(&audited));
            assert!(!screen.contains("best bound"), "{name}: a tier is not proved optimal");
        }
    }
    assert!(differing.is_empty(), "not as expected:\n{}", differing.join("\n"));
}

#[test]
fn the_example_that_can_be_deployed_is_deployed_to_simulated_hosts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cache-cluster");
    let directory = tempfile::tempdir().unwrap();
    let plan = directory.path().join("plan.json");
    let plan = plan.to_str().unwrap();
    let planned = run(&root, &["plan", "spec.yaml", "-o", plan]);
    assert!(planned.status.success(), "{}", text(&planned));
    let deployed = text(&run(directory.path(), &["deploy", plan, "--simulate"]));
    assert!(deployed.ends_with("exit 0\n"), "{deployed}");
    assert!(deployed.contains("0 faults. Read/write probe: 3 of 3 groups"), "{deployed}");
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing but the plan is left: {left:?}");
}
