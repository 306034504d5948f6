//! Certificates of the user's own: taken up by one gateway or member after the other, and named
//! before they end.

use std::path::Path;

use hostsplit::certificate::Chain;
use hostsplit::graph::decide;
use hostsplit::plan::Plan;
use hostsplit::planner::make;
use hostsplit::profile::Profiles;
use hostsplit::report::faults::fault_line;
use hostsplit::secret::{Identity, Secrets};
use hostsplit::simulated::{Client, Mode, Requests, SimulatedWorld};
use hostsplit::solve::Limits;
use hostsplit::spec::{Demand, Engine, GatewayDemand, KeySource, OwnCertificate, WebDemand};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::fixture::{self, Purpose, Run, connected, run_knowing, starts};
use crate::pools::{ADDRESS, spec};

const NAME: &str = "shop.example.com";

/// A certificate that vouches for itself, until then.
fn signed(year: i32) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.not_after = date_time_ymd(year, 1, 1);
    let certificate = params.self_signed(&key).unwrap().pem();
    let authority = certificate.clone();
    Identity { authority, certificate, key: key.serialize_pem().into() }
}

/// A service whose clients see a certificate of its own.
#[derive(Clone, Copy)]
enum At {
    Gateway,
    Members,
}

/// Two members behind two gateways, of which one kind ends TLS.
fn plan(at: At, identity: &Identity) -> Plan {
    let mut spec = spec(Engine::Nginx, 1_000);
    let (name, index) = match at {
        At::Gateway => ("edge", 1),
        At::Members => ("web", 0),
    };
    match &mut spec.services[index].demand {
        Demand::GatewayPair(GatewayDemand { tls, .. }) | Demand::Pool(WebDemand { tls, .. }) => {
            *tls = true;
        }
        other => unreachable!("{other:?}"),
    }
    let chain = Chain::read(&identity.certificate).unwrap();
    let access = &mut spec.services[index].access;
    access.tls = hostsplit::spec::Tls::On;
    access.certificate = Some(Box::new(OwnCertificate {
        chain: "shop.pem".to_owned(),
        sha256: chain.digest(),
        names: chain.names().to_vec(),
        ends: chain.ends(),
        name: NAME.to_owned(),
        key: KeySource::File("shop.key".to_owned()),
    }));
    let plan = make(&spec, &Profiles::builtin().unwrap(), &Limits::default()).unwrap().0;
    assert!(
        plan.services.iter().any(|one| one.name.as_str() == name && one.access.tls.is_offered())
    );
    plan
}

fn secrets(plan: &Plan, identity: &Identity) -> Secrets {
    let mut secrets = fixture::secrets();
    secrets.identities = plan
        .instances
        .iter()
        .filter(|one| plan.service_of(one).unwrap().access.certificate.is_some())
        .map(|one| (one.name.clone(), identity.clone()))
        .collect();
    secrets
}

fn deploy(plan: &Plan, world: &SimulatedWorld, state: &Path, identity: &Identity) -> Run {
    let quiet: fixture::Happening<'_, '_> = (&|_| {}, &|journal| Box::new(journal));
    run_knowing(plan, world, state, Purpose::Deploy, quiet, &secrets(plan, identity))
}

fn is_as_planned(plan: &Plan, world: &SimulatedWorld, identity: &Identity) -> bool {
    connected(plan, world, &secrets(plan, identity), |context| {
        decide(plan, &hostsplit::deploy::observe(context)).counts().changes() == 0
    })
}

fn deployed(plan: &Plan, state: &Path, identity: &Identity) -> SimulatedWorld {
    let world = SimulatedWorld::new(&plan.topology);
    let first = deploy(plan, &world, state, identity);
    assert!(first.is_complete(), "{}", first.story());
    world.attach(Client { contacts: vec![(ADDRESS, 443)], password: None, encrypted: true });
    let _ = world.take_requests();
    world
}

/// What of a file that clients' certificates are in holds it.
fn holders(plan: &Plan, world: &SimulatedWorld, identity: &Identity) -> usize {
    let files = ["/etc/haproxy/server.pem", "/etc/nginx/server.crt"];
    let all = plan.instances.iter().flat_map(|one| files.map(|path| (one, path)));
    let holds = |(one, path): &(&hostsplit::plan::Instance, &str)| {
        world.file(&one.domain, path).is_some_and(|text| text.contains(&identity.certificate))
    };
    all.filter(holds).count()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "reads what the deploys wrote")]
fn another_certificate_is_taken_up_without_a_restart_or_a_lost_request() {
    let (old, new) = (signed(2027), signed(2028));
    for at in [At::Gateway, At::Members] {
        let (before, after) = (plan(at, &old), plan(at, &new));
        let state = tempfile::tempdir().unwrap();
        let world = deployed(&before, state.path(), &old);
        assert_eq!((holders(&before, &world, &old), holders(&before, &world, &new)), (2, 0));
        let started = starts(&before, &world);
        let changed = deploy(&after, &world, state.path(), &new);
        assert!(changed.is_complete(), "{}", changed.story());
        let Requests { answered, refused } = world.take_requests();
        assert_eq!(refused, [""; 0]);
        assert!(answered > 0 && starts(&after, &world) == started);
        assert_eq!((holders(&after, &world, &old), holders(&after, &world, &new)), (0, 2));
        assert!(is_as_planned(&after, &world, &new));
        let journal = std::fs::read_dir(state.path()).unwrap();
        for file in journal.filter_map(|file| std::fs::read_to_string(file.unwrap().path()).ok()) {
            assert!(!file.contains("PRIVATE KEY"), "{file}");
        }
    }
}

#[test]
fn a_change_of_it_that_was_killed_anywhere_is_finished_by_the_next_deploy() {
    let (old, new) = (signed(2027), signed(2028));
    for at in [At::Gateway, At::Members] {
        let (before, after) = (plan(at, &old), plan(at, &new));
        let calls = {
            let state = tempfile::tempdir().unwrap();
            let world = deployed(&before, state.path(), &old);
            let begun = world.log().len();
            assert!(deploy(&after, &world, state.path(), &new).is_complete());
            world.log().len() - begun
        };
        for call in (1..=calls).step_by(7) {
            let state = tempfile::tempdir().unwrap();
            let world = deployed(&before, state.path(), &old);
            let mode = if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter };
            world.fail_at((world.log().len() + call) as u64, mode);
            let _ = deploy(&after, &world, state.path(), &new);
            world.revive();
            let again = deploy(&after, &world, state.path(), &new);
            assert!(again.is_complete(), "call {call}: {}", again.story());
            assert_eq!(holders(&after, &world, &new), 2, "call {call}");
            assert!(is_as_planned(&after, &world, &new), "call {call}");
            assert_eq!(world.take_requests().refused, [""; 0], "call {call}");
        }
    }
}

#[test]
fn the_end_of_a_certificate_is_named_with_what_renews_it() {
    for (year, fault) in [
        (2027, None),
        (
            2026,
            Some(
                "edge-0: certificate is over since 2026-01-01T00:00:00Z, planned valid; put a renewed one into shop.pem, then hostsplit plan and hostsplit deploy",
            ),
        ),
    ] {
        let own = signed(year);
        let (plan, state) = (plan(At::Gateway, &own), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path(), &own);
        let secrets = secrets(&plan, &own);
        let [reviewed, verified] = connected(&plan, &world, &secrets, |context| {
            let seen = hostsplit::deploy::observe(context);
            [hostsplit::deploy::review(context, &seen), hostsplit::deploy::verify(context, false)]
        });
        for found in [reviewed, verified] {
            assert_eq!(found.is_ok(), fault.is_none(), "{found:?}");
            let lines: Vec<String> = found.faults.iter().map(fault_line).collect();
            assert_eq!(lines, Vec::from_iter(fault.map(str::to_owned)));
            let [only] = found.certificates.as_slice() else { panic!("{found:?}") };
            assert_eq!(only.ends, format!("{year}-01-01T00:00:00Z"));
            assert_eq!(only.chain.as_deref(), Some("shop.pem"));
        }
    }
}
