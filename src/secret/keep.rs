//! Where secrets come from and where they are kept.
//!
//! ```text
//! .hostsplit/<deployment>/secrets/<service>           for clients, if we made it
//!                                /<service>.internal  for ourselves and replicas
//!                                /ca.crt, /ca.key     who signs certificates
//!                                /<instance>.crt, .key
//! ```
//!
//! All files have mode 0600, their directory 0700.
#![expect(clippy::disallowed_methods, reason = "edge: the files of the secrets directory")]

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{Authority, Credentials, Identity, Secret, Secrets};
use crate::files;
use crate::ids::ServiceName;
use crate::plan::{Instance, Plan};
use crate::spec::Password;

/// A secret that cannot be had. Never carries one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file system refused.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner can read a file.
    #[error("{} can be read by others (mode {mode:o}); chmod 600 it, and change what it holds", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something that is no secret.
    #[error("service {service}: the password from {origin} cannot be used: {problem}")]
    Unusable {
        /// The service.
        service: ServiceName,
        /// Where it came from.
        origin: String,
        /// Why not.
        problem: String,
    },
    /// Keys or certificates.
    #[error("{}: {problem}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

type Result<T> = std::result::Result<T, SecretError>;

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SecretError {
    let path = path.to_owned();
    move |source| SecretError::Io { what, path, source }
}

/// What a reference to a secret leads to besides files.
pub trait Sources {
    /// The value of an environment variable.
    fn environment(&self, name: &str) -> Option<String>;

    /// What a command writes to its stdout.
    ///
    /// # Errors
    /// It could not be started, or did not end well.
    fn run(&self, command: &str) -> io::Result<String>;
}

/// The secrets of one deployment on the operator's machine.
#[derive(Clone, Debug)]
pub struct Keep {
    directory: PathBuf,
    beside: PathBuf,
}

impl Keep {
    /// The secrets of a state directory; `beside` is where relative references
    /// begin.
    #[must_use]
    pub fn new(state: &Path, beside: &Path) -> Self {
        Self { directory: state.join("secrets"), beside: beside.to_owned() }
    }

    /// The secrets that a plan asks for, as far as they are there.
    ///
    /// # Errors
    /// A reference that leads nowhere; a file that others can read.
    pub fn read(&self, plan: &Plan, sources: &dyn Sources) -> Result<Secrets> {
        self.find(plan, sources, false)
    }

    /// The same; what is missing is made and kept. Only the holder of the
    /// deployment's lock may.
    ///
    /// # Errors
    /// As [`Keep::read`]; the file system.
    pub fn settle(&self, plan: &Plan, sources: &dyn Sources) -> Result<Secrets> {
        self.find(plan, sources, true)
    }

    fn find(&self, plan: &Plan, sources: &dyn Sources, make: bool) -> Result<Secrets> {
        let mut secrets = Secrets::default();
        for service in &plan.services {
            let Some(password) = &service.access.password else { continue };
            let client = self.client(&service.name, password, sources, make)?;
            let internal = self.kept(&format!("{}.internal", service.name), &service.name, make)?;
            if let Some((client, internal)) = client.zip(internal) {
                let credentials = Credentials { client, internal };
                secrets.credentials.insert(service.name.clone(), credentials);
            }
        }
        let wants = |instance: &&Instance| {
            let mut services = plan.services.iter();
            services.any(|service| service.name == instance.service && service.access.tls)
        };
        let wanting: Vec<&Instance> = plan.instances.iter().filter(wants).collect();
        if wanting.is_empty() {
            return Ok(secrets);
        }
        let Some(authority) = self.authority(plan, make)? else { return Ok(secrets) };
        for instance in wanting {
            if let Some(identity) = self.identity(&authority, instance, make)? {
                secrets.identities.insert(instance.name.clone(), identity);
            }
        }
        Ok(secrets)
    }

    fn client(
        &self,
        service: &ServiceName,
        password: &Password,
        sources: &dyn Sources,
        make: bool,
    ) -> Result<Option<Secret>> {
        let unusable = |origin: &str, problem: String| SecretError::Unusable {
            service: service.clone(),
            origin: origin.to_owned(),
            problem,
        };
        let (origin, text) = match password {
            Password::Generated => return self.kept(service.as_str(), service, make),
            Password::File(file) => {
                let path = self.beside.join(file);
                let text = fs::read_to_string(&path).map_err(failed("cannot read", &path))?;
                closed(&path)?;
                (format!("file {file}"), text)
            }
            Password::Environment(name) => {
                let origin = format!("environment variable {name}");
                let text = sources.environment(name);
                let text = text.ok_or_else(|| unusable(&origin, "it is not set".to_owned()))?;
                (origin, text)
            }
            Password::Command(command) => {
                let origin = format!("`{command}`");
                let text = sources.run(command);
                let text = text.map_err(|error| unusable(&origin, error.to_string()))?;
                (origin, text)
            }
        };
        Secret::parse(&text).map(Some).map_err(|problem| unusable(&origin, problem))
    }

    /// A password that we made before, or make now.
    fn kept(&self, name: &str, service: &ServiceName, make: bool) -> Result<Option<Secret>> {
        if let Some(text) = self.text(name)? {
            let origin = self.directory.join(name).display().to_string();
            let parsed = Secret::parse(&text).map_err(|problem| {
                let service = service.clone();
                SecretError::Unusable { service, origin, problem }
            })?;
            return Ok(Some(parsed));
        }
        if !make {
            return Ok(None);
        }
        let path = self.directory.join(name);
        let secret = Secret::generate().map_err(failed("no random bytes for", &path))?;
        self.put(name, &format!("{}\n", secret.expose()))?;
        Ok(Some(secret))
    }

    fn authority(&self, plan: &Plan, make: bool) -> Result<Option<Authority>> {
        let wrong =
            |problem| SecretError::Authority { path: self.directory.join("ca.key"), problem };
        if let Some((certificate, key)) = self.text("ca.crt")?.zip(self.text("ca.key")?) {
            return Authority::read(&plan.name, certificate, Secret(key)).map(Some).map_err(wrong);
        }
        if !make {
            return Ok(None);
        }
        let authority = Authority::generate(&plan.name).map_err(wrong)?;
        // The certificate last: it says that the key is there.
        self.put("ca.key", authority.key().expose())?;
        self.put("ca.crt", authority.certificate())?;
        Ok(Some(authority))
    }

    /// The certificate of an instance. One that another authority signed, or for
    /// another address, is made anew.
    fn identity(
        &self,
        authority: &Authority,
        instance: &Instance,
        make: bool,
    ) -> Result<Option<Identity>> {
        let Some(address) = instance.address else { return Ok(None) };
        let (crt, key) = (format!("{}.crt", instance.name), format!("{}.key", instance.name));
        let stamp =
            format!("# {address}, signed by the authority of:\n{}", authority.certificate());
        if let Some((text, key)) = self.text(&crt)?.zip(self.text(&key)?)
            && let Some(certificate) = text.strip_prefix(&stamp)
        {
            let authority = authority.certificate().to_owned();
            let certificate = certificate.to_owned();
            return Ok(Some(Identity { authority, certificate, key: Secret(key) }));
        }
        if !make {
            return Ok(None);
        }
        let path = self.directory.join(&crt);
        let identity = authority
            .vouch(&instance.name, address)
            .map_err(|problem| SecretError::Authority { path, problem })?;
        self.put(&key, identity.key.expose())?;
        self.put(&crt, &(stamp + &identity.certificate))?;
        Ok(Some(identity))
    }

    /// The text of a file of ours; `None` if there is none.
    fn text(&self, name: &str) -> Result<Option<String>> {
        let path = self.directory.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => closed(&path).map(|()| Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("cannot read", &path)(error)),
        }
    }

    /// Writes a file of ours; it is never there in part, and never open.
    fn put(&self, name: &str, text: &str) -> Result<()> {
        let directory = &self.directory;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(directory).map_err(failed("cannot make", directory))?;
        let path = directory.join(name);
        let new = directory.join(format!(".{name}.{}.tmp", std::process::id()));
        let write = || {
            // Of a process of our number that was killed.
            let _ = fs::remove_file(&new);
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            files::sync_directory(directory)
        };
        write().map_err(failed("cannot write", &path))
    }
}

/// Refuses a file that others than its owner can read.
fn closed(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).map_err(failed("cannot look at", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SecretError::Open { path: path.to_owned(), mode }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample;
    use crate::spec::Access;

    struct Given;

    impl Sources for Given {
        fn environment(&self, name: &str) -> Option<String> {
            (name == "CACHE_PASSWORD").then(|| "from-the-environment".to_owned())
        }

        fn run(&self, command: &str) -> io::Result<String> {
            match command {
                "pass cache" => Ok("from-the-command\n".to_owned()),
                _ => Err(io::Error::other("exit status 1")),
            }
        }
    }

    fn plan(password: Password, tls: bool) -> Plan {
        let mut plan = sample::plan().unwrap();
        plan.services[0].access = Access { password: Some(password), tls };
        plan
    }

    #[test]
    fn what_is_made_is_kept_closed_and_found_again() {
        let state = tempfile::tempdir().unwrap();
        let keep = Keep::new(state.path(), state.path());
        let plan = plan(Password::Generated, true);
        assert!(keep.read(&plan, &Given).unwrap().credentials.is_empty(), "reading makes nothing");
        let made = keep.settle(&plan, &Given).unwrap();
        let again = keep.settle(&plan, &Given).unwrap();
        assert!(made.credentials == again.credentials && made.identities == again.identities);
        assert_eq!((made.credentials.len(), made.identities.len()), (1, 6));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let secrets = state.path().join("secrets");
        assert_eq!(mode(&secrets), 0o700);
        for file in fs::read_dir(&secrets).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }

    #[test]
    fn an_instance_that_moved_to_another_address_gets_another_certificate() {
        let state = tempfile::tempdir().unwrap();
        let keep = Keep::new(state.path(), state.path());
        let mut plan = plan(Password::Generated, true);
        let before = keep.settle(&plan, &Given).unwrap();
        plan.instances[0].address = "10.20.0.99".parse().ok();
        let after = keep.settle(&plan, &Given).unwrap();
        let differs = |ordinal: usize| {
            let name = &plan.instances[ordinal].name;
            before.identities[name] != after.identities[name]
        };
        assert!(differs(0) && !differs(1));
    }

    #[test]
    fn references_are_followed() {
        let state = tempfile::tempdir().unwrap();
        let keep = Keep::new(state.path(), state.path());
        let file = state.path().join("password");
        fs::write(&file, "from-the-file-system\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        for (password, found) in [
            (Password::File("password".into()), "from-the-file-system"),
            (Password::Environment("CACHE_PASSWORD".into()), "from-the-environment"),
            (Password::Command("pass cache".into()), "from-the-command"),
        ] {
            let secrets = keep.settle(&plan(password, false), &Given).unwrap();
            let (_, credentials) = secrets.credentials.first_key_value().unwrap();
            assert_eq!(credentials.client.expose(), found);
        }
        assert!(!state.path().join("secrets/cache").exists(), "what is referenced is not kept");
    }

    #[test]
    fn what_leads_nowhere_or_lies_open_is_refused_by_name() {
        let state = tempfile::tempdir().unwrap();
        let keep = Keep::new(state.path(), state.path());
        let why = |password| keep.settle(&plan(password, false), &Given).unwrap_err().to_string();
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
