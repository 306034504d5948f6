//! Where secrets come from and where they are kept.
//!
//! ```text
//! .hostsplit/<deployment>/secrets/<service>           for clients, if we made it
//!                                /<service>.internal  for ourselves and replicas
//!                                /ca.crt, /ca.key     who signs certificates
//!                                /ca.former.crt       who signed those that guests had
//!                                /<instance>.crt, .key
//!                                /.made               what of these we made
//! ```
//!
//! All files have mode 0600, their directory 0700. Passwords that are not there
//! can be handed in as [`Recovered`]: what runs knows them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Result;
use super::folder::{Folder, Forgotten};
use super::own;
use super::search::Search;
use super::{Identity, Needs, SecretNeed, Secrets, ServiceSecrets, needs_of};
use crate::ids::{InstanceName, ServiceName};
use crate::plan::{Plan, ServicePlan};
use crate::spec::Password;

/// What a reference to a secret leads to besides files.
pub trait Sources {
    /// Returns the value of an environment variable.
    fn environment(&self, name: &str) -> Option<String>;

    /// Runs a command and returns what it writes to its stdout; `None` where no command
    /// may be run.
    ///
    /// # Errors
    /// It could not be started, or did not end well.
    fn run(&self, command: &str) -> io::Result<Option<String>>;

    /// Whether commands may be run: a plan that is only looked at runs nothing.
    fn runs_commands(&self) -> bool;

    /// Returns the time since the beginning of 1970, by which certificates are judged.
    fn now(&self) -> Duration;
}

/// Passwords by service that were found where they are in use.
pub type Recovered = BTreeMap<ServiceName, ServiceSecrets>;

/// What the plan asks for and the directory lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Services of which one password or both are not there.
    pub passwords: Vec<Lacking>,
    /// Whether certificates are asked for and nobody is there to sign them.
    pub authority: bool,
    /// Whether a certificate of the user's own, or its key, cannot be read here.
    pub certificates: bool,
}

/// A service that lacks a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// The service.
    pub service: ServiceName,
    /// Whether the one for clients is among them.
    pub client: bool,
}

impl Missing {
    /// Whether everything is there.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.passwords.is_empty() && !self.authority && !self.certificates
    }
}

/// What is done about secrets that are nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// Nothing: they are left out.
    Nothing,
    /// They are made and not kept: to see what a deploy would change.
    Ephemeral,
    /// They are made and kept, as are those that were recovered. Only the holder
    /// of the deployment's lock may.
    Stored,
}

/// The secrets of one deployment on the operator's machine.
#[derive(Clone, Debug)]
pub struct SecretStore {
    folder: Folder,
    beside: PathBuf,
    needs: Needs,
    /// Certificates that guests have.
    identities: BTreeMap<InstanceName, Identity>,
}

impl SecretStore {
    /// Returns the secrets of a state directory; `beside` is where relative references
    /// begin, `needs` what engines ask for.
    #[must_use]
    pub fn new(state: &Path, beside: &Path, needs: Needs) -> Self {
        let (folder, beside) = (Folder::new(state.join("secrets")), beside.to_owned());
        Self { folder, beside, needs, identities: BTreeMap::new() }
    }

    /// Takes certificates that guests have for those of their instances, as long as nobody is
    /// here who could sign others.
    pub fn know(&mut self, identities: BTreeMap<InstanceName, Identity>) {
        self.identities = identities;
    }

    /// Returns where they lie.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.folder.path("")
    }

    /// Returns what the plan asks for and is not there. What a command would print is not
    /// there for those that may not run it.
    ///
    /// # Errors
    /// The file system.
    pub fn missing(&self, plan: &Plan, sources: &dyn Sources) -> Result<Missing> {
        let mut missing = Missing::default();
        for service in &plan.services {
            let password = service.access.password.as_ref();
            let mut lacking = Vec::new();
            for need in needs_of(self.needs, service) {
                let is_ours = !need.for_clients || password == Some(&Password::Generated);
                let is_unread =
                    matches!(password, Some(Password::Command(_))) && !sources.runs_commands();
                let is_lacking = match (is_ours, is_unread) {
                    (true, _) => !self.folder.has(&file_of(&service.name, *need))?,
                    (false, is_unread) => is_unread,
                };
                if is_lacking {
                    lacking.push(need);
                }
            }
            if !lacking.is_empty() {
                let client = lacking.iter().any(|need| need.for_clients);
                missing.passwords.push(Lacking { service: service.name.clone(), client });
            }
        }
        let is_signed = |service: &ServicePlan| {
            service.access.tls.is_offered() && service.access.certificate.is_none()
        };
        let asked = plan.services.iter().any(is_signed);
        missing.authority = asked && !(self.folder.has("ca.crt")? && self.folder.has("ca.key")?);
        missing.certificates = own::Reader { beside: &self.beside, sources }.lacks(plan);
        Ok(missing)
    }

    /// Returns the secrets that a plan asks for: those that are here, then those that
    /// were recovered, then, as `make` says, new ones.
    ///
    /// # Errors
    /// A reference that leads nowhere; a file that others can read; the file
    /// system.
    pub fn find(
        &self,
        plan: &Plan,
        sources: &dyn Sources,
        recovered: &Recovered,
        make: Make,
    ) -> Result<Secrets> {
        if make != Make::Nothing {
            own::Reader { beside: &self.beside, sources }.are_valid(plan)?;
        }
        let (folder, beside, needs) = (&self.folder, &self.beside, self.needs);
        let identities = &self.identities;
        Search { folder, beside, plan, needs, sources, recovered, identities, make }.run()
    }

    /// Removes what we made: the deployment is gone. Other files stay.
    ///
    /// # Errors
    /// The file system.
    pub fn forget(&self) -> Result<Forgotten> {
        self.folder.forget()
    }

    /// Whether anything is there.
    ///
    /// # Errors
    /// The file system.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.folder.names()?.is_empty())
    }
}

/// Returns the file of a secret: named as the service if clients know it, so that
/// the password is found at once, else as service and secret.
pub(super) fn file_of(service: &ServiceName, need: SecretNeed) -> String {
    if need.for_clients { service.to_string() } else { format!("{service}.{}", need.name) }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "they look at the files")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::{Authority, Secret};
    use super::*;
    use crate::certificate::Chain;
    use crate::engines::Engine;
    use crate::sample;
    use crate::spec::{Access, KeySource, OwnCertificate, Tls};

    struct Given;

    impl Sources for Given {
        fn environment(&self, name: &str) -> Option<String> {
            (name == "CACHE_PASSWORD").then(|| "from-the-environment".to_owned())
        }

        fn run(&self, command: &str) -> io::Result<Option<String>> {
            match command {
                "pass cache" => Ok(Some("from-the-command\n".to_owned())),
                _ => Err(io::Error::other("exit status 1")),
            }
        }

        fn runs_commands(&self) -> bool {
            true
        }

        fn now(&self) -> Duration {
            Duration::from_secs(1_780_000_000)
        }
    }

    /// Sources of a command that only looks.
    struct Looking;

    impl Sources for Looking {
        fn environment(&self, _: &str) -> Option<String> {
            None
        }

        fn run(&self, command: &str) -> io::Result<Option<String>> {
            assert!(command.is_empty(), "{command} is not run");
            Ok(None)
        }

        fn runs_commands(&self) -> bool {
            false
        }

        fn now(&self) -> Duration {
            Duration::from_secs(1_780_000_000)
        }
    }

    #[test]
    fn commands_are_not_run_to_look() {
        let state = tempfile::tempdir().unwrap();
        let store = SecretStore::new(state.path(), state.path(), needs);
        let plan = plan(Password::Command(String::new()), false);
        let missing = store.missing(&plan, &Looking).unwrap();
        assert!(missing.passwords.iter().all(|lacking| lacking.client));
        let find = |recovered: &Recovered, make| {
            store.find(&plan, &Looking, recovered, make).unwrap().services
        };
        assert!(find(&Recovered::new(), Make::Nothing).is_empty());
        assert_eq!(find(&Recovered::new(), Make::Ephemeral).len(), 1);
        let secret = |text| Secret::parse(text).unwrap();
        let known = [("client", secret("that-of-a-guest")), ("internal", secret("for-ourselves"))];
        let known = ServiceSecrets::from_iter(known);
        let cache = ServiceName::new("cache").unwrap();
        let recovered = Recovered::from([(cache, known.clone())]);
        assert!(find(&recovered, Make::Nothing).values().eq([&known]));
        assert!(store.is_empty().unwrap());
    }

    const NEEDS: [SecretNeed; 2] = [
        SecretNeed { name: "client", for_clients: true },
        SecretNeed { name: "internal", for_clients: false },
    ];

    fn needs(_: Engine) -> &'static [SecretNeed] {
        &NEEDS
    }

    fn settle(store: &SecretStore, plan: &Plan) -> Result<Secrets> {
        store.find(plan, &Given, &Recovered::new(), Make::Stored)
    }

    fn plan(password: Password, tls: bool) -> Plan {
        let mut plan = sample::plan();
        plan.services[0].access = Access {
            password: Some(password),
            tls: if tls { Tls::On } else { Tls::Off },
            ..Access::default()
        };
        plan
    }

    #[test]
    fn what_is_made_is_kept_closed_and_found_again() {
        let state = tempfile::tempdir().unwrap();
        let store = SecretStore::new(state.path(), state.path(), needs);
        let plan = plan(Password::Generated, true);
        for make in [Make::Nothing, Make::Ephemeral] {
            let found = store.find(&plan, &Given, &Recovered::new(), make).unwrap();
            assert_eq!(found.services.is_empty(), make == Make::Nothing);
            assert_eq!(found.identities.is_empty(), make == Make::Nothing);
            assert!(store.is_empty().unwrap(), "only a deploy keeps any");
        }
        let cache = ServiceName::new("cache").unwrap();
        let passwords = vec![Lacking { service: cache, client: true }];
        assert_eq!(
            store.missing(&plan, &Given).unwrap(),
            Missing { passwords, authority: true, certificates: false }
        );
        let made = settle(&store, &plan).unwrap();
        let again = settle(&store, &plan).unwrap();
        assert!(made.services == again.services && made.identities == again.identities);
        assert_eq!((made.services.len(), made.identities.len()), (1, 6));
        assert!(store.missing(&plan, &Given).unwrap().is_nothing());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let secrets = state.path().join("secrets");
        assert_eq!(mode(&secrets), 0o700);
        for file in fs::read_dir(&secrets).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }

    #[test]
    fn what_is_here_counts_more_than_what_was_recovered() {
        let state = tempfile::tempdir().unwrap();
        let store = SecretStore::new(state.path(), state.path(), needs);
        let plan = plan(Password::Generated, false);
        let secret = |text| Secret::parse(text).unwrap();
        let (client, internal) = (secret("for-all-clients"), secret("for-ourselves"));
        let known = ServiceSecrets::from_iter([("client", client), ("internal", internal.clone())]);
        let recovered = Recovered::from([(ServiceName::new("cache").unwrap(), known.clone())]);
        let looked = store.find(&plan, &Given, &recovered, Make::Nothing).unwrap();
        assert!(looked.services.values().eq([&known]) && store.is_empty().unwrap());
        let kept = store.find(&plan, &Given, &recovered, Make::Stored).unwrap();
        assert!(kept.services == looked.services);
        assert!(settle(&store, &plan).unwrap().services == kept.services);

        fs::write(state.path().join("secrets/cache"), "of-an-operator").unwrap();
        fs::remove_file(state.path().join("secrets/cache.internal")).unwrap();
        let mixed = store.find(&plan, &Given, &recovered, Make::Stored).unwrap();
        let expected = ServiceSecrets::from_iter([
            ("client", secret("of-an-operator")),
            ("internal", internal),
        ]);
        assert!(mixed.services.values().eq([&expected]));
    }

    #[test]
    fn an_authority_without_its_key_is_another() {
        let state = tempfile::tempdir().unwrap();
        let store = SecretStore::new(state.path(), state.path(), needs);
        let plan = plan(Password::Generated, true);
        let before = settle(&store, &plan).unwrap();
        fs::remove_file(state.path().join("secrets/ca.key")).unwrap();
        assert!(store.missing(&plan, &Given).unwrap().authority);
        let after = settle(&store, &plan).unwrap();
        let first = &plan.instances[0].name;
        assert!(before.identities[first].authority != after.identities[first].authority);
        assert_eq!(settle(&store, &plan).unwrap().identities, after.identities);
    }

    #[test]
    fn an_instance_that_moved_to_another_address_gets_another_certificate() {
        let state = tempfile::tempdir().unwrap();
        let store = SecretStore::new(state.path(), state.path(), needs);
        let mut plan = plan(Password::Generated, true);
        let before = settle(&store, &plan).unwrap();
        plan.instances[0].address = "10.20.0.99".parse().ok();
        let after = settle(&store, &plan).unwrap();
        let differs = |ordinal: usize| {
            let name = &plan.instances[ordinal].name;
            before.identities[name] != after.identities[name]
        };
        assert!(differs(0) && !differs(1));
    }

    #[test]
    fn a_gateway_vouches_at_the_address_of_its_clients_too() {
        let state = tempfile::tempdir().unwrap();
        let store = SecretStore::new(state.path(), state.path(), needs);
        let mut plan = plan(Password::Generated, true);
        plan.services[0].engine = Engine::Haproxy;
        let before = settle(&store, &plan).unwrap().identities;
        let network = plan.network.as_mut().unwrap();
        network.vip = "10.20.0.10".parse().ok();
        let after = settle(&store, &plan).unwrap().identities;
        assert!(before.iter().all(|(name, identity)| after[name] != *identity));
        assert_eq!(settle(&store, &plan).unwrap().identities, after);
        // A member whose connections a gateway passes on as they are.
        let mut pool = plan.services[0].clone();
        pool.engine = Engine::Nginx;
        pool.gateway = Some(ServiceName::new("edge").unwrap());
        let mut gateway = plan.services.remove(0);
        gateway.name = ServiceName::new("edge").unwrap();
        plan.services = vec![pool, gateway];
        let ends_tls = settle(&store, &plan).unwrap().identities;
        assert!(after.iter().all(|(name, identity)| ends_tls[name] != *identity));
        plan.services[1].access.tls = Tls::Off;
        assert_eq!(settle(&store, &plan).unwrap().identities.len(), after.len());
        let text = fs::read_to_string(state.path().join("secrets/cache-0.crt")).unwrap();
        assert!(text.starts_with("# 10.20.0.50 10.20.0.10, signed by"), "{text}");
    }

    #[test]
    fn secrets_that_no_client_knows_need_no_password_of_clients() {
        fn inner(_: Engine) -> &'static [SecretNeed] {
            &NEEDS[1..]
        }
        let state = tempfile::tempdir().unwrap();
        let mut plan = plan(Password::Generated, false);
        plan.services[0].access = Access::default();
        let store = SecretStore::new(state.path(), state.path(), needs);
        assert!(store.missing(&plan, &Given).unwrap().is_nothing());
        assert!(settle(&store, &plan).unwrap().services.is_empty(), "clients need none");
        let store = SecretStore::new(state.path(), state.path(), inner);
        let lacking = store.missing(&plan, &Given).unwrap().passwords;
        assert_eq!(lacking.iter().map(|one| one.client).collect::<Vec<_>>(), [false]);
        let made = settle(&store, &plan).unwrap().services;
        assert!(made.values().all(|all| all.get("internal").is_some()) && made.len() == 1);
        assert!(store.missing(&plan, &Given).unwrap().is_nothing());
        assert!(settle(&store, &plan).unwrap().services == made);
    }

    #[test]
    fn references_are_followed() {
        let state = tempfile::tempdir().unwrap();
        let store = SecretStore::new(state.path(), state.path(), needs);
        let file = state.path().join("password");
        fs::write(&file, "from-the-file-system\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        for (password, found) in [
            (Password::File("password".into()), "from-the-file-system"),
            (Password::Environment("CACHE_PASSWORD".into()), "from-the-environment"),
            (Password::Command("pass cache".into()), "from-the-command"),
        ] {
            let secrets = settle(&store, &plan(password, false)).unwrap();
            let (_, known) = secrets.services.first_key_value().unwrap();
            assert_eq!(known.get("client").unwrap().expose(), found);
        }
        assert!(!state.path().join("secrets/cache").exists(), "what is referenced is not kept");
    }

    #[test]
    fn another_authority_takes_three_deploys_in_which_everybody_is_trusted() {
        let state = tempfile::tempdir().unwrap();
        let store = SecretStore::new(state.path(), state.path(), needs);
        let plan = plan(Password::Generated, true);
        let first = settle(&store, &plan).unwrap().identities;
        let secrets = state.path().join("secrets");
        let certificates = |all: &BTreeMap<InstanceName, Identity>| {
            all.values().map(|one| one.certificate.clone()).collect::<Vec<_>>()
        };
        let trusts = |all: &BTreeMap<InstanceName, Identity>, text: &str| {
            all.values().all(|one| one.authority == text)
        };
        fs::rename(secrets.join("ca.crt"), secrets.join("ca.former.crt")).unwrap();
        let new = Authority::generate(&plan.name).unwrap();
        for (name, text) in [("ca.crt", new.certificate()), ("ca.key", new.key().expose())] {
            fs::write(secrets.join(name), text).unwrap();
            fs::set_permissions(secrets.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let both = settle(&store, &plan).unwrap().identities;
        assert_eq!(certificates(&both), certificates(&first));
        let former = &first.values().next().unwrap().authority;
        assert!(trusts(&both, &format!("{}{former}", new.certificate())));
        for name in first.keys() {
            fs::remove_file(secrets.join(format!("{name}.crt"))).unwrap();
        }
        let signed = settle(&store, &plan).unwrap().identities;
        let before = certificates(&first);
        assert!(certificates(&signed).iter().all(|one| !before.contains(one)));
        assert!(trusts(&signed, &format!("{}{former}", new.certificate())));
        fs::remove_file(secrets.join("ca.former.crt")).unwrap();
        let alone = settle(&store, &plan).unwrap().identities;
        assert_eq!(certificates(&alone), certificates(&signed));
        assert!(trusts(&alone, new.certificate()));
    }

    /// A certificate of the service's own, and its key, in files beside the plan.
    fn certified(state: &Path, key: KeySource, until: i32) -> Plan {
        let own = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["shop.test".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let text = params.self_signed(&own).unwrap().pem();
        fs::write(state.join("shop.pem"), &text).unwrap();
        fs::write(state.join("shop.key"), own.serialize_pem()).unwrap();
        fs::set_permissions(state.join("shop.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let chain = Chain::read(&text).unwrap();
        let mut plan = sample::plan();
        let access = &mut plan.services[0].access;
        access.tls = Tls::On;
        access.certificate = Some(Box::new(OwnCertificate {
            chain: "shop.pem".to_owned(),
            sha256: chain.digest(),
            names: chain.names().to_vec(),
            ends: chain.ends(),
            name: "shop.test".to_owned(),
            key,
        }));
        plan
    }

    #[test]
    fn a_certificate_of_the_users_own_is_shown_by_all_and_kept_nowhere() {
        let state = tempfile::tempdir().unwrap();
        let store = SecretStore::new(state.path(), state.path(), needs);
        let plan = certified(state.path(), KeySource::File("shop.key".into()), 2030);
        assert!(store.missing(&plan, &Given).unwrap().is_nothing());
        let found = settle(&store, &plan).unwrap().identities;
        let text = fs::read_to_string(state.path().join("shop.pem")).unwrap();
        assert_eq!(found.len(), plan.members(&plan.services[0].name).count());
        for one in found.values() {
            assert_eq!((&one.certificate, &one.authority), (&text, &text));
            assert!(one.key.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
        }
        assert!(store.is_empty().unwrap());
        // Who only looks takes what guests have for what is gone here.
        fs::remove_file(state.path().join("shop.key")).unwrap();
        assert!(store.missing(&plan, &Given).unwrap().certificates);
        let look = |store: &SecretStore| {
            store.find(&plan, &Given, &Recovered::new(), Make::Nothing).unwrap().identities
        };
        assert!(look(&store).is_empty());
        let mut knowing = store.clone();
        knowing.know(found.clone());
        assert!(look(&knowing) == found);
    }

    #[test]
    fn a_certificate_that_clients_would_refuse_is_refused_with_the_remedy() {
        let state = tempfile::tempdir().unwrap();
        let store = SecretStore::new(state.path(), state.path(), needs);
        let file = || KeySource::File("shop.key".into());
        let why = |plan: &Plan| settle(&store, plan).unwrap_err().to_string();
        let plan = certified(state.path(), file(), 2026);
        insta::assert_snapshot!(why(&plan), @"service cache: the certificate in shop.pem cannot be used: it has ended, 2026-01-01T00:00:00Z; put a renewed one in its place, and take it up by `hostsplit plan` and `hostsplit deploy`");
        let plan = certified(state.path(), file(), 2030);
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        fs::write(state.path().join("shop.key"), other).unwrap();
        insta::assert_snapshot!(why(&plan), @"service cache: the key from file shop.key cannot be used: it is not the key of the certificate in shop.pem");
        fs::write(state.path().join("shop.key"), "hunter2").unwrap();
        let said = why(&plan);
        assert!(!said.contains("hunter2"));
        insta::assert_snapshot!(said, @"service cache: the key from file shop.key cannot be used: it is no private key in PEM without a passphrase; `openssl pkcs8 -topk8 -nocrypt -in KEY` writes one");
        let before = certified(state.path(), file(), 2030);
        certified(state.path(), file(), 2031);
        insta::assert_snapshot!(why(&before), @"service cache: the certificate in shop.pem cannot be used: it is another one than the plan was made with, and ends 2031-01-01T00:00:00Z; take it up by `hostsplit plan` and `hostsplit deploy`");
        let plan = certified(state.path(), KeySource::Environment("NONE".into()), 2030);
        insta::assert_snapshot!(why(&plan), @"service cache: the key from environment variable NONE cannot be used: it is not set");
        let plan = certified(state.path(), file(), 2030);
        fs::set_permissions(state.path().join("shop.key"), fs::Permissions::from_mode(0o644))
            .unwrap();
        assert!(why(&plan).contains("chmod 600"));
    }

    #[test]
    fn what_leads_nowhere_or_lies_open_is_refused_by_name() {
        let state = tempfile::tempdir().unwrap();
        let store = SecretStore::new(state.path(), state.path(), needs);
        let why = |password| settle(&store, &plan(password, false)).unwrap_err().to_string();
        insta::assert_snapshot!(
            why(Password::Environment("NONE".into())),
            @"service cache: the password from environment variable NONE cannot be used: it is not set"
        );
        insta::assert_snapshot!(
            why(Password::Command("false".into())),
            @"service cache: the password from `false` cannot be used: exit status 1"
        );
        let file = state.path().join("password");
        fs::write(&file, "from-the-file-system").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(why(Password::File("password".into())).contains("chmod 600"));
    }
}
