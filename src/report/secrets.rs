//! What became of secrets that are not on this machine, in words; none contains a
//! secret.

use std::path::Path;

use serde_json::{Value, json};

use crate::deploy::{Recovery, RecoveryOutcome};
use crate::ids::InstanceName;
use crate::secret::{Forgotten, Make};
use crate::units::counted;

/// What a recovery found, a line for each service and for the authority;
/// `directory` is where the secrets were expected.
#[must_use]
pub fn recovery_lines(recovery: &Recovery, directory: &Path, make: Make) -> Vec<String> {
    let place = directory.display();
    let services = recovery.services.iter().filter_map(|(service, outcome)| {
        let absent = format!("the passwords of {service} are not in {place}");
        match (outcome, make) {
            (RecoveryOutcome::New, _) => None,
            (RecoveryOutcome::Found { from, others }, Make::Stored) => {
                let others = having_others(others, true);
                Some(format!("recovered the passwords of {service} from {from}{others}"))
            }
            (RecoveryOutcome::Found { from, others }, Make::Ephemeral) => {
                let others = having_others(others, true);
                Some(format!("{absent}; a deploy recovers them from {from}{others}"))
            }
            (RecoveryOutcome::Found { from, others }, Make::Nothing) => {
                let others = having_others(others, false);
                Some(format!("{absent}; using those of {from}{others}"))
            }
            (RecoveryOutcome::PoweredOff { instances }, _) => {
                let off = instances.first()?.instance.as_str();
                Some(match make {
                    Make::Stored => format!("{absent}; starting {off} (powered off) to read them"),
                    Make::Ephemeral => {
                        format!("{absent}; a deploy starts {off} (powered off) to read them")
                    }
                    Make::Nothing => {
                        format!("{absent}; {off}, which may have them, is powered off")
                    }
                })
            }
            (RecoveryOutcome::Denied, _) => Some(format!(
                "{absent}, and a read-only connection cannot query guests for them; a deploy does"
            )),
            (RecoveryOutcome::Lost, Make::Stored) => Some(format!(
                "{absent} and no guest has them: new ones are generated, and clients need the \
                 one in {}",
                directory.join(service.as_str()).display()
            )),
            (RecoveryOutcome::Lost, _) => Some(format!(
                "{absent} and no guest has them: a deploy generates new ones, and clients need \
                 them"
            )),
        }
    });
    let mut lines: Vec<String> = services.collect();
    if recovery.authority_lost {
        let what =
            format!("the CA of the certificates is not in {place}, and no guest has its key");
        let kept = recovery.identities.len() as u64;
        let of_guests = match kept {
            0 => String::new(),
            count => format!("{} of guests go on to be used, ", counted(count, "certificate")),
        };
        let end = match make {
            Make::Stored => "a new one and new certificates are generated",
            Make::Ephemeral | Make::Nothing => "a deploy generates a new one and new certificates",
        };
        let certificate = directory.join("ca.crt");
        let (end, clients) = match kept {
            0 => (end.to_owned(), format!("clients need the new {}", certificate.display())),
            _ => (
                format!("{of_guests}for other instances {end}"),
                format!("clients of these need the new {}", certificate.display()),
            ),
        };
        lines.push(format!("{what}: {end}, and {clients}"));
    }
    lines
}

/// Instances that were given other passwords, and whether they get those found.
fn having_others(others: &[InstanceName], get: bool) -> String {
    let names: Vec<&str> = others.iter().map(InstanceName::as_str).collect();
    match (names.len(), get) {
        (0, _) => String::new(),
        (1, true) => format!("; {} has different ones and gets these", names.join(", ")),
        (1, false) => format!("; {} has different ones", names.join(", ")),
        (_, true) => format!("; {} have different ones and get these", names.join(", ")),
        (_, false) => format!("; {} have different ones", names.join(", ")),
    }
}

/// What became of the secrets of a deployment that was removed with its data.
#[must_use]
pub fn forgotten_lines(forgotten: &Forgotten, directory: &Path) -> Vec<String> {
    let Forgotten { removed, left } = forgotten;
    let mut lines = Vec::new();
    if *removed > 0 {
        let files = counted(*removed as u64, "secret file");
        let are = if *removed == 1 { "is" } else { "are" };
        lines.push(format!("removed {files} that {are} no longer in use: {}", directory.display()));
    }
    if !left.is_empty() {
        let names: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
        lines.push(format!(
            "kept (not created by hostsplit, or modified since): {}",
            names.join(", ")
        ));
    }
    lines
}

/// The same as one JSON object.
#[must_use]
pub fn forgotten_json(forgotten: &Forgotten) -> Value {
    let Forgotten { removed, left } = forgotten;
    json!({ "event": "forgotten", "secrets_removed": removed, "left": left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::PoweredOff;
    use crate::ids::{HostName, ServiceName};

    fn lines(outcomes: Vec<(&str, RecoveryOutcome)>, make: Make) -> String {
        let services =
            outcomes.into_iter().map(|(name, outcome)| (ServiceName::new(name).unwrap(), outcome));
        let recovery =
            Recovery { services: services.collect(), authority_lost: true, ..Recovery::default() };
        recovery_lines(&recovery, Path::new("s"), make).join("\n")
    }

    fn powered_off(name: &str) -> PoweredOff {
        PoweredOff {
            instance: InstanceName::new(name).unwrap(),
            host: HostName::new("h1").unwrap(),
            domain: format!("shop-{name}"),
        }
    }

    fn all() -> Vec<(&'static str, RecoveryOutcome)> {
        let name = |name| InstanceName::new(name).unwrap();
        vec![
            (
                "cache",
                RecoveryOutcome::Found { from: name("cache-0"), others: vec![name("cache-3")] },
            ),
            ("queue", RecoveryOutcome::Lost),
            ("store", RecoveryOutcome::PoweredOff { instances: vec![powered_off("store-1")] }),
            ("fresh", RecoveryOutcome::New),
        ]
    }

    #[test]
    fn a_deploy_reports_what_it_recovered_and_what_clients_need() {
        insta::assert_snapshot!(lines(all(), Make::Stored), @"
        recovered the passwords of cache from cache-0; cache-3 has different ones and gets these
        the passwords of queue are not in s and no guest has them: new ones are generated, and clients need the one in s/queue
        the passwords of store are not in s; starting store-1 (powered off) to read them
        the CA of the certificates is not in s, and no guest has its key: a new one and new certificates are generated, and clients need the new s/ca.crt
        ");
        insta::assert_snapshot!(lines(all(), Make::Ephemeral), @"
        the passwords of cache are not in s; a deploy recovers them from cache-0; cache-3 has different ones and gets these
        the passwords of queue are not in s and no guest has them: a deploy generates new ones, and clients need them
        the passwords of store are not in s; a deploy starts store-1 (powered off) to read them
        the CA of the certificates is not in s, and no guest has its key: a deploy generates a new one and new certificates, and clients need the new s/ca.crt
        ");
        insta::assert_snapshot!(lines(all(), Make::Nothing), @"
        the passwords of cache are not in s; using those of cache-0; cache-3 has different ones
        the passwords of queue are not in s and no guest has them: a deploy generates new ones, and clients need them
        the passwords of store are not in s; store-1, which may have them, is powered off
        the CA of the certificates is not in s, and no guest has its key: a deploy generates a new one and new certificates, and clients need the new s/ca.crt
        ");
        insta::assert_snapshot!(lines(vec![("cache", RecoveryOutcome::Denied)], Make::Ephemeral), @"
        the passwords of cache are not in s, and a read-only connection cannot query guests for them; a deploy does
        the CA of the certificates is not in s, and no guest has its key: a deploy generates a new one and new certificates, and clients need the new s/ca.crt
        ");
    }

    #[test]
    fn removed_and_kept_secret_files_are_reported() {
        let forgotten = Forgotten { removed: 3, left: vec!["s/notes".into()] };
        insta::assert_snapshot!(forgotten_lines(&forgotten, Path::new("s")).join("\n"), @"
        removed 3 secret files that are no longer in use: s
        kept (not created by hostsplit, or modified since): s/notes
        ");
        assert!(forgotten_lines(&Forgotten::default(), Path::new("s")).is_empty());
    }
}
