//! The files of web servers and gateways, and what the real programs say of them.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};

use super::*;

use hostsplit::guest_file::GuestFile;
use hostsplit::ids::{DeploymentName, InstanceName};
use hostsplit::plan::ServicePlan;
use hostsplit::profile::Profiles;
use hostsplit::recipe::{self, haproxy, web};
use hostsplit::secret::{Authority, Identity, Secret, Secrets};
use hostsplit::solve::Limits;
use hostsplit::spec::{Cluster, Engine, KeySource, OwnCertificate};

/// The signal that asks a program to end.
const SIGTERM: i32 = 15;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/web")
}

fn planned() -> Plan {
    let spec = hostsplit::spec::load(&directory().join("spec.yaml")).unwrap();
    let profiles = Profiles::builtin().unwrap();
    hostsplit::planner::make(&spec, &profiles, &Limits::default()).unwrap().0
}

/// Secrets that are the same each time, with such identities.
fn secrets(plan: &Plan, identity: impl Fn(&InstanceName) -> Identity) -> Secrets {
    let secret = |text: &str| Secret::parse(text).unwrap();
    let known = [
        (haproxy::STATISTICS.name, secret("00112233445566778899")),
        (haproxy::VRRP.name, secret("aabbccddeeff00112233")),
    ];
    let of = |service: &ServicePlan| (service.name.clone(), known.clone().into_iter().collect());
    let identities = plan.instances.iter().map(|one| (one.name.clone(), identity(&one.name)));
    Secrets { services: plan.services.iter().map(of).collect(), identities: identities.collect() }
}

fn files(plan: &Plan, instance: &Instance, secrets: &Secrets) -> Vec<GuestFile> {
    let service = plan.service_of(instance).unwrap();
    let setup = recipe::of(service.engine).setup.unwrap();
    let files = setup.files(service, instance, secrets).unwrap();
    assert_eq!(files.last().unwrap().path, setup.gate, "what gates a start is written last");
    files
}

/// Web servers and gateways: databases have golden files of their own.
fn of_the_web(plan: &Plan) -> impl Iterator<Item = &Instance> {
    let cluster = |one: &Instance| plan.service_of(one).unwrap().engine.cluster();
    plan.instances.iter().filter(move |one| !cluster(one).holds_data())
}

/// The files of all instances, one after the other.
#[test]
fn files_of_web_servers_and_gateways_are_the_golden_ones() {
    let bless = std::env::var_os("HOSTSPLIT_BLESS").is_some();
    let plan = planned();
    let name = |text: &str| Identity {
        authority: "(authority)\n".to_owned(),
        certificate: format!("({text})\n"),
        key: "(key)\n".to_owned().into(),
    };
    let secrets = secrets(&plan, |instance| name(instance.as_str()));
    let mut differing = Vec::new();
    for instance in of_the_web(&plan) {
        let mut text = String::new();
        for file in files(&plan, instance, &secrets) {
            let GuestFile { path, mode, owner, .. } = &file;
            text += &format!("==> {path} {mode:o} {owner}\n{}", file.text);
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

#[test]
fn each_configuration_says_which_one_it_is() {
    let plan = planned();
    let mut seen = std::collections::BTreeSet::new();
    for instance in of_the_web(&plan) {
        let service = plan.service_of(instance).unwrap();
        if service.engine == Engine::Haproxy {
            continue;
        }
        let text = web::configuration(service, instance).unwrap();
        let digest = web::planned_digest(service, instance).unwrap();
        assert_eq!(web::digest_in(&text), Some(digest.as_str()));
        assert!(seen.insert(digest), "{}", instance.name);
    }
    let mut other = plan.clone();
    for instance in &mut other.instances {
        instance.settings.insert("no such\nname".to_owned(), 1.into());
        let service = plan.service_of(instance).unwrap();
        if service.engine.cluster() == Cluster::Pool {
            assert!(web::configuration(service, instance).is_err());
        }
    }
}

/// A gateway alone, and the active one of two sites, have an address that nobody takes over;
/// the other one of two sites has none.
#[test]
fn an_address_that_nobody_takes_over_is_a_fixed_one() {
    let small = |survive: &str, labels: [&str; 2]| {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = labels.map(|site| match site {
            "" => String::new(),
            site => format!(", labels: {{ site: {site} }}"),
        });
        let spec = format!(
            "name: shop
policy: {{ survive: {survive} }}
network: {{ bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.99, vip: 10.20.0.10 }}
hosts:
  - {{ name: h1, cores: 8, memory: 32GiB, disk: 1TiB{one} }}
  - {{ name: h2, cores: 8, memory: 32GiB, disk: 1TiB{other} }}
services:
  - {{ name: edge, engine: haproxy, demand: {{ requests: 10/s }} }}
"
        );
        fs::write(folder.path().join("spec.yaml"), spec).unwrap();
        let spec = hostsplit::spec::load(&folder.path().join("spec.yaml")).unwrap();
        let profiles = Profiles::builtin().unwrap();
        let plan = hostsplit::planner::make(&spec, &profiles, &Limits::default()).unwrap().0;
        let none = Identity {
            authority: String::new(),
            certificate: String::new(),
            key: String::new().into(),
        };
        let secrets = secrets(&plan, |_| none.clone());
        let kept = |one: &Instance| {
            let files = files(&plan, one, &secrets);
            let unit = files.iter().find(|file| file.path == haproxy::VRRP_UNIT_CONFIG).unwrap();
            let announces = unit.text.contains("arping -q -U -c 1 -w 2 -I $$(sed 's/.*=//' /run/keepalived-interface.conf) 10.20.0.10;");
            let file = files.iter().find(|file| file.path == haproxy::VRRP_CONFIG).unwrap();
            let has = |word: &str| file.text.contains(word);
            assert_eq!(has("static_ipaddress"), announces, "nobody else announces it");
            (one.role, has("static_ipaddress {\n    10.20.0.10/32"), has("vrrp_instance"))
        };
        plan.instances.iter().map(kept).collect::<Vec<_>>()
    };
    let (active, standby) = (Role::Active, Role::Standby);
    assert_eq!(small("none", ["", ""]), [(active, true, false)]);
    assert_eq!(small("host", ["", ""]), [(active, false, true), (standby, false, true)]);
    assert_eq!(small("site", ["a", "b"]), [(active, true, false), (standby, false, false)]);
}

/// The plan with certificates of the user's own where TLS ends.
fn certified(mut plan: Plan) -> Plan {
    for service in &mut plan.services {
        if service.access.tls.is_offered() && service.name.as_str() != "app" {
            service.access.certificate = Some(Box::new(OwnCertificate {
                chain: "shop.pem".to_owned(),
                sha256: "0".repeat(64),
                names: vec!["shop.test".to_owned()],
                ends: "2030-01-01T00:00:00Z".to_owned(),
                name: "shop.test".to_owned(),
                key: KeySource::Environment("KEY".to_owned()),
            }));
        }
    }
    for instance in &mut plan.instances {
        if instance.settings.contains_key("frontend.front") {
            instance.settings.insert("backend.front.own_certificate".to_owned(), true.into());
        }
    }
    plan
}

#[test]
fn a_certificate_of_the_users_own_is_part_of_the_configuration() {
    let plan = certified(planned());
    let identity = Identity {
        authority: "(authority)\n".to_owned(),
        certificate: "(certificate)\n".to_owned(),
        key: "(key)\n".to_owned().into(),
    };
    let secrets = secrets(&plan, |_| identity.clone());
    let text = |name: &str, path: &str| {
        let instance = plan.instances.iter().find(|one| one.name.as_str() == name).unwrap();
        files(&plan, instance, &secrets)
            .into_iter()
            .find(|file| file.path == path)
            .map(|one| one.text)
    };
    let zeros = "0".repeat(64);
    for (name, path) in [("edge-0", haproxy::CONFIG), ("front-0", "/etc/apache2/apache2.conf")] {
        assert!(text(name, path).unwrap().contains(&zeros), "{name}");
    }
    assert!(!text("app-0", "/etc/nginx/nginx.conf").unwrap().contains(&zeros));
    // What is passed on is asked how it is without a look at who vouches for it.
    let door = text("door-0", haproxy::CONFIG).unwrap();
    assert!(door.contains("check-ssl verify none") && !door.contains(haproxy::AUTHORITY), "{door}");
    assert_eq!(text("door-0", haproxy::AUTHORITY), None);
}

/// Addresses of this machine, in the place of those of the plan: nginx binds to them even to
/// judge a file.
fn here(text: &str, root: &Path) -> String {
    let text = text.replace("10.20.0.", "127.20.0.");
    ["/etc/nginx/server", "/etc/apache2/server", "/etc/haproxy/", "/etc/keepalived/", "/run/"]
        .iter()
        .fold(text, |text, path| {
            text.replace(&format!(" {path}"), &format!(" {}{path}", root.display()))
        })
}

/// Each file is what its program takes: the packages that `tests/setup` installs are asked.
#[test]
fn the_programs_themselves_take_the_files() {
    let known = ["nginx", "apache2ctl", "haproxy", "keepalived"];
    let is_there = |program: &&str| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
        found.is_ok_and(|found| found.status.success())
    };
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !is_root || !known.iter().all(is_there) {
        println!("skipped: not root, or one of {known:?} is not installed, so none was asked");
        return;
    }
    let plan = certified(planned());
    let authority = Authority::generate(&DeploymentName::new("shop").unwrap()).unwrap();
    let secrets = secrets(&plan, |one| authority.vouch(one, &[[127, 0, 0, 1].into()]).unwrap());
    for instance in of_the_web(&plan) {
        let root = tempfile::tempdir().unwrap();
        let service = plan.service_of(instance).unwrap();
        let mut checks: Vec<(&str, &[&str])> = haproxy::CHECKS.into();
        checks.extend(web::Package::ALL.map(|package| (package.config, package.check)));
        let files = files(&plan, instance, &secrets);
        for file in &files {
            let path = root.path().join(file.path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, here(&file.text, root.path())).unwrap();
        }
        fs::create_dir_all(root.path().join("run/haproxy")).unwrap();
        fs::create_dir_all(root.path().join("run/apache2")).unwrap();
        let asked = checks.iter().filter(|(path, _)| files.iter().any(|one| one.path == **path));
        let mut count = 0;
        for (path, command) in asked {
            count += 1;
            let path = root.path().join(path.trim_start_matches('/'));
            let (program, arguments) = command.split_first().unwrap();
            let mut judge = Command::new(program);
            let output = judge.args(arguments).arg(&path).process_group(0).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let text = fs::read_to_string(&path).unwrap();
            // keepalived 2.2.7, of Debian 12, ends its judgement of a file with a script in it
            // by a signal to itself; of a file that it refuses it exits with 4 or 5.
            let is_fine = output.status.success() || output.status.signal() == Some(SIGTERM);
            assert!(is_fine, "{}: {said}\n{text}", instance.name);
        }
        assert_eq!(count, if service.engine == Engine::Haproxy { 2 } else { 1 });
    }
}
