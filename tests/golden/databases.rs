//! The files of databases.

use super::*;

use hostsplit::guest_file::GuestFile;
use hostsplit::profile::Profiles;
use hostsplit::recipe;
use hostsplit::recipe::Credentials;
use hostsplit::secret::{Identity, Secret, Secrets};
use hostsplit::solve::Limits;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/databases")
}

/// The files of all instances, one after the other.
#[test]
fn files_of_databases_are_the_golden_ones() {
    let bless = std::env::var_os("HOSTSPLIT_BLESS").is_some();
    let spec = hostsplit::spec::load(&directory().join("spec.yaml")).unwrap();
    let profiles = Profiles::builtin().unwrap();
    let plan = hostsplit::planner::make(&spec, &profiles, &Limits::default()).unwrap().0;
    let secret = |text: &str| Secret::parse(text).unwrap();
    let known =
        Credentials { client: secret("for-#all;clients"), internal: secret("for-ourselves") };
    let identity = |one: &Instance| Identity {
        authority: "(authority)\n".to_owned(),
        certificate: format!("({})\n", one.name),
        key: "(key)\n".to_owned().into(),
    };
    let secrets = Secrets {
        services: plan
            .services
            .iter()
            .map(|one| (one.name.clone(), known.clone().into()))
            .collect(),
        identities: plan.instances.iter().map(|one| (one.name.clone(), identity(one))).collect(),
    };
    let mut differing = Vec::new();
    for instance in &plan.instances {
        let service = plan.service_of(instance).unwrap();
        let setup = recipe::of(service.engine).setup.unwrap();
        let files = setup.files(service, instance, &secrets).unwrap();
        assert_eq!(files.last().unwrap().path, setup.gate, "what gates a start is written last");
        let mut text = String::new();
        for GuestFile { path, mode, owner, text: content } in &files {
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
