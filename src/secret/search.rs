//! The secrets of a plan: those that are here, then those that were recovered, then
//! new ones.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::{Result, SecretError};
use super::folder::{Folder, closed, failed};
use super::own::{self, in_guest, text_of};
use super::store::{Make, Recovered, Sources, file_of};
use super::{Authority, Identity, Needs, Secret, SecretNeed, Secrets, needs_of};
use crate::ids::InstanceName;
use crate::plan::{Instance, Plan, ServicePlan};
use crate::spec::{Cluster, Password};

/// Largest file of a password, in bytes.
const MAX_PASSWORD_FILE: u64 = 64 << 10;

/// The file of who signed the certificates that guests had when its key was lost.
const FORMER: &str = "ca.former.crt";

/// One search for the secrets of a plan.
pub(super) struct Search<'a> {
    pub folder: &'a Folder,
    /// Where relative references begin.
    pub beside: &'a Path,
    pub plan: &'a Plan,
    pub needs: Needs,
    pub sources: &'a dyn Sources,
    pub recovered: &'a Recovered,
    /// Certificates that guests have.
    pub identities: &'a BTreeMap<InstanceName, Identity>,
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
        self.certified(&mut secrets)?;
        let wants = |instance: &&Instance| {
            let service = self.plan.service_of(instance);
            service.is_some_and(|service| {
                service.access.tls.is_offered() && service.access.certificate.is_none()
            })
        };
        let wanting: Vec<&Instance> = self.plan.instances.iter().filter(wants).collect();
        if wanting.is_empty() {
            return Ok(secrets);
        }
        let former = self.former()?;
        let kept = self.kept_authority()?;
        let mut found = Vec::new();
        for instance in &wanting {
            found.push(self.known(kept.as_ref(), former.as_deref(), instance)?);
        }
        let is_whole = former.is_some() && found.iter().all(Option::is_some);
        let authority = match kept {
            // What guests have is enough.
            None if is_whole => None,
            None => self.new_authority()?,
            kept => kept,
        };
        if authority.is_none() && !is_whole {
            return Ok(secrets);
        }
        let own = authority.as_ref().map_or("", Authority::certificate);
        // Everybody trusts both, so that one with a certificate of the former is as good.
        let trusted = match &former {
            Some(former) if !own.contains(former.as_str()) => format!("{own}{former}"),
            _ => own.to_owned(),
        };
        for (instance, known) in wanting.into_iter().zip(found) {
            let identity = match (known, &authority) {
                (Some(known), _) => Some(known),
                (None, Some(authority)) => self.signed(authority, instance)?,
                (None, None) => None,
            };
            if let Some(identity) = identity {
                let identity = Identity { authority: trusted.clone(), ..identity };
                secrets.identities.insert(instance.name.clone(), identity);
            }
        }
        // A gateway trusts the members behind it, whichever certificate it shows itself.
        for instance in &self.plan.instances {
            let service = self.plan.service_of(instance);
            let is_own = service.is_some_and(|service| service.access.certificate.is_some());
            if is_own
                && self.passes_on(instance)
                && let Some(identity) = secrets.identities.get_mut(&instance.name)
            {
                identity.authority.clone_from(&trusted);
            }
        }
        // One that passes connections on shows no certificate.
        let shows = |one: &Instance| {
            self.plan.service_of(one).is_some_and(|service| service.access.tls.is_offered())
        };
        let passing = self.plan.instances.iter().filter(|one| self.passes_on(one) && !shows(one));
        for instance in passing {
            let (certificate, key) = (String::new(), String::new().into());
            let identity = Identity { authority: trusted.clone(), certificate, key };
            secrets.identities.entry(instance.name.clone()).or_insert(identity);
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
                let text =
                    text_of(&path, MAX_PASSWORD_FILE).map_err(failed("cannot read", &path))?;
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

    /// Whether a gateway has members that end TLS behind it.
    fn passes_on(&self, instance: &Instance) -> bool {
        // A database is asked how it is without TLS, by a program beside it.
        let pools = self.plan.services.iter().filter(|one| speaks_http(one));
        let behind =
            pools.filter(|one| one.access.tls.is_offered() && one.access.certificate.is_none());
        let mut gateways = behind.filter_map(|one| one.gateway.as_ref());
        gateways.any(|gateway| *gateway == instance.service)
    }

    /// Who signs certificates, if its key is here.
    fn kept_authority(&self) -> Result<Option<Authority>> {
        let (plan, folder) = (self.plan, &self.folder);
        let wrong = |problem| SecretError::Authority { path: folder.path("ca.key"), problem };
        match folder.text("ca.crt")?.zip(folder.text("ca.key")?) {
            Some((certificate, key)) => {
                Authority::read(&plan.name, certificate, key.into()).map(Some).map_err(wrong)
            }
            None => Ok(None),
        }
    }

    /// Makes who signs certificates, if anything is to be made.
    fn new_authority(&self) -> Result<Option<Authority>> {
        let folder = &self.folder;
        if self.make == Make::Nothing {
            return Ok(None);
        }
        let wrong = |problem| SecretError::Authority { path: folder.path("ca.key"), problem };
        let authority = Authority::generate(&self.plan.name).map_err(wrong)?;
        if self.make == Make::Stored {
            // One without its key must not be taken for that of the new key.
            folder.remove("ca.crt")?;
        }
        // The certificate last: it says that the key is there.
        self.put("ca.key", authority.key().expose())?;
        self.put("ca.crt", authority.certificate())?;
        Ok(Some(authority))
    }

    /// Finds the certificates that services have of their own, the same for all instances of
    /// one.
    fn certified(&self, secrets: &mut Secrets) -> Result<()> {
        let reader = own::Reader { beside: self.beside, sources: self.sources };
        for (service, certificate) in own::certified(self.plan) {
            let found = match reader.identity(&service.name, certificate) {
                // A command that changes nothing shows what guests have.
                Err(_) if self.make == Make::Nothing => None,
                found => found?,
            };
            for instance in self.plan.members(&service.name) {
                let known = || in_guest(self.identities, &instance.name, certificate);
                let identity = found.clone().or_else(known);
                secrets.identities.extend(identity.map(|one| (instance.name.clone(), one)));
            }
        }
        Ok(())
    }

    /// Returns the certificate of who signed those that guests have and whose key is gone: of
    /// several the one of the first instance.
    fn former(&self) -> Result<Option<String>> {
        if let Some(former) = self.folder.text(FORMER)? {
            return Ok(Some(former));
        }
        let is_signed = |name: &InstanceName| {
            let instance = self.plan.instance(name);
            let service = instance.and_then(|one| self.plan.service_of(one));
            service.is_some_and(|service| service.access.certificate.is_none())
        };
        let mut signed = self.identities.iter().filter(|(name, _)| is_signed(name));
        let former = signed.next().map(|(_, one)| one.authority.clone());
        if let Some(former) = &former {
            self.put(FORMER, former)?;
        }
        Ok(former)
    }

    /// Returns the address at which clients of several instances end their TLS: that of a
    /// gateway, also for the members of a pool whose connections it passes on as they are.
    fn shared_address(&self, instance: &Instance) -> Option<Ipv4Addr> {
        let service = self.plan.service_of(instance)?;
        if service.engine.cluster() == Cluster::GatewayPair {
            return self.plan.vip_of(service);
        }
        let gateway = self.plan.service(service.gateway.as_ref()?)?;
        let ends_tls = gateway.access.tls.is_offered() && speaks_http(service);
        if ends_tls { None } else { self.plan.vip_of(gateway) }
    }

    /// Returns the certificate of an instance that is here, or in its guest. One that another
    /// authority signed, or for another address, is none.
    fn known(
        &self,
        authority: Option<&Authority>,
        former: Option<&str>,
        instance: &Instance,
    ) -> Result<Option<Identity>> {
        let Some(addresses) = self.addresses(instance) else { return Ok(None) };
        let folder = &self.folder;
        let (crt, key) = files_of(instance);
        let kept = folder.text(&crt)?.zip(folder.text(&key)?);
        for signer in authority.map(Authority::certificate).into_iter().chain(former) {
            let stamp = stamp(&addresses, signer);
            let kept =
                kept.as_ref().and_then(|(text, key)| Some((text.strip_prefix(&stamp)?, key)));
            if let Some((certificate, key)) = kept {
                let (authority, certificate) = (signer.to_owned(), certificate.to_owned());
                return Ok(Some(Identity { authority, certificate, key: key.clone().into() }));
            }
        }
        let found = self.identities.get(&instance.name).zip(former);
        let found = found.filter(|(found, former)| {
            found.authority == **former && addresses.iter().all(|one| vouches(found, *one))
        });
        let Some((found, former)) = found else { return Ok(None) };
        self.put(&key, found.key.expose())?;
        self.put(&crt, &(stamp(&addresses, former) + &found.certificate))?;
        Ok(Some(found.clone()))
    }

    /// Makes the certificate of an instance, if anything is to be made.
    fn signed(&self, authority: &Authority, instance: &Instance) -> Result<Option<Identity>> {
        let Some(addresses) = self.addresses(instance) else { return Ok(None) };
        if self.make == Make::Nothing {
            return Ok(None);
        }
        let (crt, key) = files_of(instance);
        let path = self.folder.path(&crt);
        let identity = authority
            .vouch(&instance.name, &addresses)
            .map_err(|problem| SecretError::Authority { path, problem })?;
        self.put(&key, identity.key.expose())?;
        self.put(&crt, &(stamp(&addresses, authority.certificate()) + &identity.certificate))?;
        Ok(Some(identity))
    }

    /// The addresses at which an instance ends TLS.
    fn addresses(&self, instance: &Instance) -> Option<Vec<Ipv4Addr>> {
        let own = instance.address?;
        Some(std::iter::once(own).chain(self.shared_address(instance)).collect())
    }
}

/// Whether a gateway may end TLS before the instances of a service, and asks them by it.
const fn speaks_http(service: &ServicePlan) -> bool {
    matches!(service.engine.cluster(), Cluster::Pool | Cluster::Quorum)
}

/// The names of the files of an instance's certificate and key.
fn files_of(instance: &Instance) -> (String, String) {
    (format!("{}.crt", instance.name), format!("{}.key", instance.name))
}

/// What a kept certificate begins with.
fn stamp(addresses: &[Ipv4Addr], signer: &str) -> String {
    let written: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    format!("# {}, signed by the authority of:\n{signer}", written.join(" "))
}

/// Whether a certificate is for an address: its alternative names have it as four bytes with
/// their tag and length. <https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.6>
fn vouches(identity: &Identity, address: Ipv4Addr) -> bool {
    let lines = identity.certificate.lines().filter(|line| !line.starts_with("-----"));
    let body: String = lines.map(str::trim).collect();
    let Ok(bytes) = STANDARD.decode(body) else { return false };
    let [a, b, c, d] = address.octets();
    bytes.windows(6).any(|window| window == [0x87, 4, a, b, c, d])
}
