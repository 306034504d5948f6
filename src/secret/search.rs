//! The secrets of a plan: those that are here, then those that were recovered, then
//! new ones.
#![expect(clippy::disallowed_methods, reason = "edge: files that a spec refers to")]

use std::fs;
use std::io::{self, Read as _};
use std::net::Ipv4Addr;
use std::path::Path;

use zeroize::Zeroizing;

use super::error::{Result, SecretError};
use super::folder::{Folder, closed, failed};
use super::store::{Make, Recovered, Sources, file_of};
use super::{Authority, Identity, Needs, Secret, SecretNeed, Secrets, needs_of};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::spec::{Cluster, Password};

/// Largest file of a password, in bytes.
const MAX_PASSWORD_FILE: u64 = 64 << 10;

/// The text of a password's file: a regular one, and a small one. Anything else, such as a
/// device, may be without end, or may do something when it is read.
fn password_file(path: &Path) -> io::Result<String> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if found.len() > MAX_PASSWORD_FILE {
        return Err(io::Error::other("it is too large for a password"));
    }
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_PASSWORD_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// One search for the secrets of a plan.
pub(super) struct Search<'a> {
    pub folder: &'a Folder,
    /// Where relative references begin.
    pub beside: &'a Path,
    pub plan: &'a Plan,
    pub needs: Needs,
    pub sources: &'a dyn Sources,
    pub recovered: &'a Recovered,
    pub make: Make,
}

impl Search<'_> {
    pub(super) fn run(&self) -> Result<Secrets> {
        let mut secrets = Secrets::default();
        for service in &self.plan.services {
            let mut found = Vec::new();
            let needs = needs_of(self.needs, service);
            for need in needs {
                let secret = self.secret(service, *need)?;
                found.extend(secret.map(|secret| (need.name, secret)));
            }
            if !needs.is_empty() && found.len() == needs.len() {
                secrets.services.insert(service.name.clone(), found.into_iter().collect());
            }
        }
        // A gateway that passes connections on as they are is asked by who trusts the members.
        let passes_on = |service: &ServicePlan| {
            let mut services = self.plan.services.iter();
            services.any(|one| {
                one.gateway.as_ref() == Some(&service.name) && one.access.tls.is_offered()
            })
        };
        let wants = |instance: &&Instance| {
            let service = self.plan.service_of(instance);
            service.is_some_and(|service| service.access.tls.is_offered() || passes_on(service))
        };
        let wanting: Vec<&Instance> = self.plan.instances.iter().filter(wants).collect();
        if wanting.is_empty() {
            return Ok(secrets);
        }
        let Some(authority) = self.authority()? else { return Ok(secrets) };
        for instance in wanting {
            if let Some(identity) = self.identity(&authority, instance)? {
                secrets.identities.insert(instance.name.clone(), identity);
            }
        }
        Ok(secrets)
    }

    /// One secret of a service: what the spec refers to, for the one that clients know,
    /// else our own.
    fn secret(&self, service: &ServicePlan, need: SecretNeed) -> Result<Option<Secret>> {
        let unusable = |origin: &str, problem: String| SecretError::Unusable {
            service: service.name.clone(),
            origin: origin.to_owned(),
            problem,
        };
        let password = service.access.password.as_ref().filter(|_| need.for_clients);
        let (origin, text) = match password {
            None | Some(Password::Generated) => return self.kept(service, need),
            Some(Password::File(file)) => {
                let path = self.beside.join(file);
                let text = password_file(&path).map_err(failed("cannot read", &path))?;
                closed(&path)?;
                (format!("file {file}"), text)
            }
            Some(Password::Environment(name)) => {
                let origin = format!("environment variable {name}");
                let text = self.sources.environment(name);
                let text = text.ok_or_else(|| unusable(&origin, "it is not set".to_owned()))?;
                (origin, text)
            }
            Some(Password::Command(command)) => {
                let origin = format!("`{}`", command.escape_debug());
                let text = self.sources.run(command);
                match text.map_err(|error| unusable(&origin, error.to_string()))? {
                    Some(text) => (origin, text),
                    None => return self.unread(service, need),
                }
            }
        };
        let text = Zeroizing::new(text);
        Secret::parse(&text).map(Some).map_err(|problem| unusable(&origin, problem))
    }

    /// A password that is not read: the one that guests have, else one to go on with.
    fn unread(&self, service: &ServicePlan, need: SecretNeed) -> Result<Option<Secret>> {
        let known = self.recovered.get(&service.name).and_then(|known| known.get(need.name));
        match known {
            Some(known) => Ok(Some(known.clone())),
            None if self.make == Make::Nothing => Ok(None),
            None => {
                let path = self.folder.path(&file_of(&service.name, need));
                Secret::generate().map(Some).map_err(failed("no random bytes for", &path))
            }
        }
    }

    /// A password that we made before, know otherwise, or make now.
    fn kept(&self, service: &ServicePlan, need: SecretNeed) -> Result<Option<Secret>> {
        let known = self.recovered.get(&service.name).and_then(|known| known.get(need.name));
        let name = &file_of(&service.name, need);
        let path = self.folder.path(name);
        if let Some(text) = self.folder.text(name)?.map(Zeroizing::new) {
            let parsed = Secret::parse(&text).map_err(|problem| {
                let (service, origin) = (service.name.clone(), path.display().to_string());
                SecretError::Unusable { service, origin, problem }
            })?;
            return Ok(Some(parsed));
        }
        let secret = match known {
            Some(known) => known.clone(),
            None if self.make == Make::Nothing => return Ok(None),
            None => Secret::generate().map_err(failed("no random bytes for", &path))?,
        };
        self.put(name, &Zeroizing::new(format!("{}\n", secret.expose())))?;
        Ok(Some(secret))
    }

    fn put(&self, name: &str, text: &str) -> Result<()> {
        if self.make == Make::Stored { self.folder.put(name, text) } else { Ok(()) }
    }

    fn authority(&self) -> Result<Option<Authority>> {
        let (plan, folder) = (self.plan, &self.folder);
        let wrong = |problem| SecretError::Authority { path: folder.path("ca.key"), problem };
        if let Some((certificate, key)) = folder.text("ca.crt")?.zip(folder.text("ca.key")?) {
            return Authority::read(&plan.name, certificate, key.into()).map(Some).map_err(wrong);
        }
        if self.make == Make::Nothing {
            return Ok(None);
        }
        let authority = Authority::generate(&plan.name).map_err(wrong)?;
        if self.make == Make::Stored {
            // One without its key must not be taken for that of the new key.
            folder.remove("ca.crt")?;
        }
        // The certificate last: it says that the key is there.
        self.put("ca.key", authority.key().expose())?;
        self.put("ca.crt", authority.certificate())?;
        Ok(Some(authority))
    }

    /// Returns the address at which clients of several instances end their TLS: that of a
    /// gateway, also for the members of a pool whose connections it passes on as they are.
    fn shared_address(&self, instance: &Instance) -> Option<Ipv4Addr> {
        let service = self.plan.service_of(instance)?;
        if service.engine.cluster() == Cluster::GatewayPair {
            return self.plan.vip_of(service);
        }
        let gateway = self.plan.service(service.gateway.as_ref()?)?;
        if gateway.access.tls.is_offered() { None } else { self.plan.vip_of(gateway) }
    }

    /// Returns the certificate of an instance. One that another authority signed, or
    /// for another address, is made anew.
    fn identity(&self, authority: &Authority, instance: &Instance) -> Result<Option<Identity>> {
        let Some(address) = instance.address else { return Ok(None) };
        let addresses: Vec<Ipv4Addr> =
            std::iter::once(address).chain(self.shared_address(instance)).collect();
        let folder = &self.folder;
        let (crt, key) = (format!("{}.crt", instance.name), format!("{}.key", instance.name));
        let written: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let written = written.join(" ");
        let stamp =
            format!("# {written}, signed by the authority of:\n{}", authority.certificate());
        if let Some((text, key)) = folder.text(&crt)?.zip(folder.text(&key)?)
            && let Some(certificate) = text.strip_prefix(&stamp)
        {
            let authority = authority.certificate().to_owned();
            let certificate = certificate.to_owned();
            return Ok(Some(Identity { authority, certificate, key: key.into() }));
        }
        if self.make == Make::Nothing {
            return Ok(None);
        }
        let path = folder.path(&crt);
        let identity = authority
            .vouch(&instance.name, &addresses)
            .map_err(|problem| SecretError::Authority { path, problem })?;
        self.put(&key, identity.key.expose())?;
        self.put(&crt, &(stamp + &identity.certificate))?;
        Ok(Some(identity))
    }
}
