//! Certificates: a small authority of the deployment that vouches for each
//! instance at its addresses.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use super::Secret;
use crate::ids::{DeploymentName, InstanceName};

/// Who signs the certificates of a deployment.
pub struct Authority {
    certificate: String,
    key: Secret,
    issuer: Issuer<'static, KeyPair>,
}

/// What an instance shows to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Certificate of the authority, in PEM.
    pub authority: String,
    /// Its own certificate, in PEM.
    pub certificate: String,
    /// Its own key, in PEM.
    pub key: Secret,
}

impl Authority {
    /// Makes a new one. Its certificate does not expire while anybody who reads this
    /// lives: it is trusted by nobody but this deployment, which makes another when its
    /// file is removed.
    ///
    /// # Errors
    /// The library, in words.
    pub fn generate(deployment: &DeploymentName) -> Result<Self, String> {
        let key = KeyPair::generate().map_err(|error| error.to_string())?;
        let params = params(deployment);
        let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
        let pem = Secret::from(key.serialize_pem());
        Ok(Self { certificate: certificate.pem(), key: pem, issuer: Issuer::new(params, key) })
    }

    /// Returns the one whose certificate and key were kept.
    ///
    /// # Errors
    /// The key is none.
    pub fn read(
        deployment: &DeploymentName,
        certificate: String,
        key: Secret,
    ) -> Result<Self, String> {
        let pair = KeyPair::from_pem(key.expose()).map_err(|error| error.to_string())?;
        // What a signature needs of the authority is its name and its key.
        Ok(Self { certificate, key, issuer: Issuer::new(params(deployment), pair) })
    }

    /// Returns its certificate, in PEM: what clients have to trust.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Returns its key, in PEM.
    #[must_use]
    pub const fn key(&self) -> &Secret {
        &self.key
    }

    /// Vouches for an instance at its addresses, as a server and as a client of
    /// the others.
    ///
    /// # Errors
    /// The library, in words.
    pub fn vouch(
        &self,
        instance: &InstanceName,
        addresses: &[Ipv4Addr],
    ) -> Result<Identity, String> {
        let key = KeyPair::generate().map_err(|error| error.to_string())?;
        let certificate =
            self.sign(instance, addresses, &key).map_err(|error| error.to_string())?.pem();
        let (authority, key) = (self.certificate.clone(), key.serialize_pem().into());
        Ok(Identity { authority, certificate, key })
    }

    fn sign(
        &self,
        instance: &InstanceName,
        addresses: &[Ipv4Addr],
        key: &KeyPair,
    ) -> Result<Certificate, rcgen::Error> {
        let mut params = CertificateParams::new(vec![instance.to_string()])?;
        params.distinguished_name = name(instance.as_str());
        let addresses = addresses.iter().map(|one| SanType::IpAddress(IpAddr::V4(*one)));
        params.subject_alt_names.extend(addresses);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Replication and the cluster's bus connect as clients with the same.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.signed_by(key, &self.issuer)
    }
}

fn params(deployment: &DeploymentName) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(&format!("hostsplit {deployment}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_authority_vouches_like_the_one_that_was_made() {
        let deployment = DeploymentName::new("shop").unwrap();
        let made = Authority::generate(&deployment).unwrap();
        let read = Authority::read(&deployment, made.certificate().to_owned(), made.key().clone());
        let instance = InstanceName::new("cache-0").unwrap();
        let identity = read.unwrap().vouch(&instance, &[Ipv4Addr::new(10, 0, 0, 1)]).unwrap();
        assert_eq!(identity.authority, made.certificate());
        assert!(identity.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!format!("{identity:?}").contains("PRIVATE KEY"));
        assert!(Authority::read(&deployment, String::new(), "no key".to_owned().into()).is_err());
    }
}
