//! Certificates of the user's own: read again by each deploy, and compared with what was
//! planned. Nothing of them is kept here.
#![expect(clippy::disallowed_methods, reason = "edge: files that a spec refers to")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use rcgen::KeyPair;
use zeroize::Zeroizing;

use super::error::{Result, SecretError};
use super::folder::closed;
use super::store::Sources;
use super::{Identity, Secret};
use crate::certificate::{Chain, Validity};
use crate::ids::{InstanceName, ServiceName};
use crate::plan::{Plan, ServicePlan};
use crate::spec::{KeySource, OwnCertificate};

/// Where they are looked for.
pub(super) struct Reader<'a> {
    /// Where relative references begin.
    pub beside: &'a Path,
    pub sources: &'a dyn Sources,
}

/// The text of a file: a regular one, and a small one. Anything else, such as a device, may be
/// without end, or may do something when it is read.
pub(super) fn text_of(path: &Path, most: u64) -> io::Result<String> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if found.len() > most {
        return Err(io::Error::other(format!("it is larger than {} KiB", most >> 10)));
    }
    let mut text = String::new();
    fs::File::open(path)?.take(most).read_to_string(&mut text)?;
    Ok(text)
}

/// The services that have a certificate of their own.
pub(super) fn certified(plan: &Plan) -> impl Iterator<Item = (&ServicePlan, &OwnCertificate)> {
    let own = |service: &'_ ServicePlan| service.access.tls.is_offered();
    let services = plan.services.iter().filter(move |service| own(service));
    services.filter_map(|service| Some((service, service.access.certificate.as_deref()?)))
}

impl Reader<'_> {
    /// The certificate and the key of a service; `None` where a command would print the key
    /// that may not be run.
    pub(super) fn identity(
        &self,
        service: &ServiceName,
        own: &OwnCertificate,
    ) -> Result<Option<Identity>> {
        let chain = self.chain(service, own)?;
        let Some((origin, text)) = self.key(service, own)? else { return Ok(None) };
        let refused = |problem: String| SecretError::Key {
            service: service.clone(),
            origin: origin.clone(),
            problem,
        };
        let key = KeyPair::from_pem(&text).map_err(|_| {
            refused(
                "it is no private key in PEM without a passphrase; `openssl pkcs8 -topk8 -nocrypt \
                 -in KEY` writes one"
                    .to_owned(),
            )
        })?;
        if key.public_key_raw() != chain.public_key() {
            return Err(refused(format!("it is not the key of the certificate in {}", own.chain)));
        }
        let (certificate, authority) = (chain.pem().to_owned(), chain.pem().to_owned());
        let key = Secret::from(key.serialize_pem());
        Ok(Some(Identity { authority, certificate, key }))
    }

    /// The certificate of a service, if its file holds what was planned with.
    pub(super) fn chain(&self, service: &ServiceName, own: &OwnCertificate) -> Result<Chain> {
        let wrong = |problem: String| SecretError::Certificate {
            service: service.clone(),
            file: own.chain.clone(),
            problem,
        };
        let text = text_of(&self.beside.join(&own.chain), OwnCertificate::MOST);
        let chain = text.map_err(|error| error.to_string()).and_then(|text| Chain::read(&text));
        let chain = chain.map_err(wrong)?;
        if chain.digest() == own.sha256 && chain.names() == own.names && chain.ends() == own.ends {
            return Ok(chain);
        }
        let ends = chain.ends();
        Err(wrong(format!(
            "it is another one than the plan was made with, and ends {ends}; take it up by \
             `hostsplit plan` and `hostsplit deploy`"
        )))
    }

    fn key(
        &self,
        service: &ServiceName,
        own: &OwnCertificate,
    ) -> Result<Option<(String, Zeroizing<String>)>> {
        let wrong = |origin: &str, problem: String| SecretError::Key {
            service: service.clone(),
            origin: origin.to_owned(),
            problem,
        };
        let (origin, text) = match &own.key {
            KeySource::File(file) => {
                let origin = format!("file {file}");
                let path = self.beside.join(file);
                let text = text_of(&path, OwnCertificate::MOST);
                let text = text.map_err(|error| wrong(&origin, error.to_string()))?;
                let text = Zeroizing::new(text);
                closed(&path)?;
                return Ok(Some((origin, text)));
            }
            KeySource::Environment(name) => {
                let text = self.sources.environment(name);
                let origin = format!("environment variable {name}");
                let text = text.ok_or_else(|| wrong(&origin, "it is not set".to_owned()))?;
                (origin, text)
            }
            KeySource::Command(command) => {
                let origin = format!("`{}`", command.escape_debug());
                let text = self.sources.run(command);
                match text.map_err(|error| wrong(&origin, error.to_string()))? {
                    Some(text) => (origin, text),
                    None => return Ok(None),
                }
            }
        };
        Ok(Some((origin, Zeroizing::new(text))))
    }

    /// Refuses certificates that clients would refuse.
    pub(super) fn are_valid(&self, plan: &Plan) -> Result<()> {
        for (service, own) in certified(plan) {
            let chain = self.chain(&service.name, own)?;
            let problem = match chain.validity(self.sources.now()) {
                Validity::Valid | Validity::EndsSoon { .. } => continue,
                Validity::NotYet => "it is not valid yet".to_owned(),
                Validity::Over => format!(
                    "it has ended, {}; put a renewed one in its place, and take it up by \
                     `hostsplit plan` and `hostsplit deploy`",
                    own.ends
                ),
            };
            let (service, file) = (service.name.clone(), own.chain.clone());
            return Err(SecretError::Certificate { service, file, problem });
        }
        Ok(())
    }

    /// Whether what a guest has is needed: a key cannot be read here, or a certificate is
    /// another than the planned one.
    pub(super) fn lacks(&self, plan: &Plan) -> bool {
        certified(plan).any(|(service, own)| {
            let is_unread =
                matches!(own.key, KeySource::Command(_)) && !self.sources.runs_commands();
            // What a command prints is asked for once it is needed.
            let is_here = match own.key {
                KeySource::Command(_) => self.chain(&service.name, own).is_ok(),
                _ => self.identity(&service.name, own).is_ok(),
            };
            is_unread || !is_here
        })
    }
}

/// What a guest of a service has, if it is the certificate that was planned with.
pub(super) fn in_guest(
    identities: &BTreeMap<InstanceName, Identity>,
    instance: &InstanceName,
    own: &OwnCertificate,
) -> Option<Identity> {
    let found = identities.get(instance)?;
    let is_planned = Chain::read(&found.certificate).is_ok_and(|one| one.digest() == own.sha256);
    is_planned.then(|| found.clone())
}
