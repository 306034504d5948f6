//! The files that an instance's engine reads, rendered.

use super::{Context, StepError};
use crate::engine::EngineError;
use crate::guest::GuestFile;
use crate::plan::{Instance, ServicePlan};
use crate::render;
use crate::software::Software;

/// All files of an instance, the one that names the others last.
///
/// # Errors
/// An engine that cannot be set up; secrets that nobody made yet.
pub(super) fn files(
    context: &Context<'_>,
    service: &ServicePlan,
    instance: &Instance,
) -> Result<Vec<GuestFile>, StepError> {
    let software = software(service)?;
    let missing = |what: &str| EngineError::Plan {
        instance: instance.name.clone(),
        problem: format!("its {what} was not made; `hostsplit deploy` makes it"),
    };
    let closed = |path: &str, text: String| GuestFile {
        path: path.to_owned(),
        text,
        mode: 0o400,
        owner: software.owner.to_owned(),
    };
    let mut files = Vec::new();
    if service.access.tls {
        let identity = context.secrets.identities.get(&instance.name);
        let identity = identity.ok_or_else(|| missing("certificate"))?;
        let tls = &software.tls;
        files.push(closed(tls.authority, identity.authority.clone()));
        files.push(closed(tls.certificate, identity.certificate.clone()));
        files.push(closed(tls.key, identity.key.expose().to_owned()));
    }
    if service.access.password.is_some() {
        let credentials = context.secrets.credentials.get(&service.name);
        let credentials = credentials.ok_or_else(|| missing("password"))?;
        files.push(closed(software.secrets, render::redis_secrets(credentials)?));
    }
    files.push(configuration(service, instance)?);
    Ok(files)
}

/// The one file that follows from the plan alone and holds no secret.
///
/// # Errors
/// An engine that cannot be set up.
pub(super) fn configuration(
    service: &ServicePlan,
    instance: &Instance,
) -> Result<GuestFile, StepError> {
    let software = software(service)?;
    Ok(GuestFile {
        path: software.config.to_owned(),
        text: render::redis_conf(instance)?,
        mode: 0o640,
        owner: software.owner.to_owned(),
    })
}

fn software(service: &ServicePlan) -> Result<&'static Software, StepError> {
    let engine = service.engine;
    let found = Software::of(engine.as_str());
    Ok(found.ok_or_else(|| EngineError::Unsupported { service: service.name.clone(), engine })?)
}
