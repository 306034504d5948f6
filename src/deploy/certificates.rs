//! When the certificates end that services show to their clients: those that were planned
//! with, or made, which guests hold where no file of theirs differs.

use super::{Context, Verification};
use crate::certificate::{Chain, Validity};
use crate::engine::{Difference, Fact};
use crate::ids::ServiceName;
use crate::plan::ServicePlan;

/// The certificate of a service's instances that ends first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFound {
    /// The service.
    pub service: ServiceName,
    /// The file of one of the user's own; `None` for those that the deployment's authority
    /// signed.
    pub chain: Option<String>,
    /// When it ends.
    pub ends: String,
    /// How long it is still valid.
    pub validity: Validity,
}

/// Adds what is known of the certificates of all services, and a difference for each that ends
/// soon.
pub(super) fn look(context: &Context<'_>, found: &mut Verification) {
    let now = context.clock.date();
    for service in &context.plan.services {
        let Some((instance, chain)) = first_to_end(context, service) else { continue };
        let (ends, validity) = (chain.ends(), chain.validity(now));
        let words = match validity {
            Validity::Valid => None,
            Validity::EndsSoon { days: 0 } => Some((format!("about to end, {ends}"), "renewed")),
            Validity::EndsSoon { days } => Some((format!("to end in {days} d, {ends}"), "renewed")),
            Validity::Over => Some((format!("over since {ends}"), "valid")),
            Validity::NotYet => Some(("not valid yet".to_owned(), "valid")),
        };
        found.checks += 1;
        found.differences.extend(words.map(|(found, planned)| Difference {
            instance,
            fact: Fact::Certificate,
            planned: planned.to_owned(),
            found,
        }));
        let chain = service.access.certificate.as_ref().map(|own| own.chain.clone());
        let service = service.name.clone();
        found.certificates.push(CertificateFound { service, chain, ends, validity });
    }
}

/// The instance of a service whose certificate ends first, in the order of the plan.
fn first_to_end(
    context: &Context<'_>,
    service: &ServicePlan,
) -> Option<(crate::ids::InstanceName, Chain)> {
    let shows = service.access.tls.is_offered();
    let members = context.plan.members(&service.name).filter(|_| shows);
    let chains = members.filter_map(|one| {
        let identity = context.secrets.identities.get(&one.name)?;
        Some((one.name.clone(), Chain::read(&identity.certificate).ok()?))
    });
    chains.min_by_key(|(_, chain)| chain.end())
}
