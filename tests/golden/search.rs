//! The files of search engines.

use super::*;

use hostsplit::guest_file::GuestFile;
use hostsplit::plan::ServicePlan;
use hostsplit::profile::Profiles;
use hostsplit::recipe::Credentials;
use hostsplit::recipe::{self, search};
use hostsplit::secret::{Identity, Secret, Secrets};
use hostsplit::solve::Limits;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/search")
}

fn planned() -> Plan {
    let spec = hostsplit::spec::load(&directory().join("spec.yaml")).unwrap();
    let profiles = Profiles::builtin().unwrap();
    hostsplit::planner::make(&spec, &profiles, &Limits::default()).unwrap().0
}

fn files(service: &ServicePlan, instance: &Instance) -> Vec<GuestFile> {
    let setup = recipe::of(service.engine).setup.unwrap();
    let secret = |text: &str| Secret::parse(text).unwrap();
    let known =
        Credentials { client: secret("for-#all;clients"), internal: secret("for-ourselves") };
    let identity = Identity {
        authority: "(authority)\n".to_owned(),
        certificate: format!("({})\n", instance.name),
        key: "(key)\n".to_owned().into(),
    };
    let secrets = Secrets {
        services: [(service.name.clone(), known.into())].into(),
        identities: [(instance.name.clone(), identity)].into(),
    };
    let files = setup.files(service, instance, &secrets).unwrap();
    assert_eq!(files.last().unwrap().path, setup.gate, "what gates a start is written last");
    files
}

/// The files of all instances, one after the other, and how each would found the cluster.
#[test]
fn files_of_search_engines_are_the_golden_ones() {
    let bless = std::env::var_os("HOSTSPLIT_BLESS").is_some();
    let plan = planned();
    let mut differing = Vec::new();
    for instance in &plan.instances {
        let service = plan.service_of(instance).unwrap();
        let founding = search::bootstrap(search::Package::of(service.engine), instance);
        let mut text = String::new();
        for file in files(service, instance).into_iter().chain([founding]) {
            let GuestFile { path, mode, owner, text: content } = &file;
            text += &format!("==> {path} {mode:o} {owner}\n{content}");
        }
        let path = directory().join(format!("expected/{}", instance.name));
        if bless {
            fs::write(&path, &text).unwrap();
        } else if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            differing.push(format!("{}:\n{text}", path.display()));
        }
    }
    assert!(differing.is_empty(), "not as in the golden files:\n{}", differing.join("\n"));
}

/// Nobody's configuration says who founds the cluster; one that says which configuration it is
/// holds all of it, the heap too.
#[test]
fn a_configuration_founds_nothing_and_says_which_one_it_is() {
    let mut plan = planned();
    for instance in &plan.instances {
        for file in files(plan.service_of(instance).unwrap(), instance) {
            assert!(!file.text.contains("cluster.initial_"), "{}", file.path);
        }
    }
    let one = &mut plan.instances[0];
    let before = search::planned_digest(one).unwrap();
    one.settings.insert("jvm.heap".to_owned(), Setting::Bytes(1 << 30));
    assert_ne!(search::planned_digest(one).unwrap(), before);
    one.settings.insert("no such\nname".to_owned(), 1.into());
    assert_eq!(search::planned_digest(one), None);
}
