//! `hostsplit explain`: the reasons for a plan.

use std::path::PathBuf;

use serde_json::json;

use super::error::{CliError, Outcome, exit};
use super::ui::{self, Format};
use crate::explain;
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Plan, store};
use crate::profile::Profiles;
use crate::report::explain as report;
use crate::report::plan::Summary;
use crate::solve::Limits;

/// Explain a plan: an instance (why here, where else it could run), a service (other
/// layouts and their totals), or the cost of each rule
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file
    plan: PathBuf,
    /// Instance such as cache-3, or service such as cache
    #[arg(required_unless_present_any = ["price", "why_not"])]
    what: Option<String>,
    /// Show what the plan would cost without each rule
    #[arg(long, conflicts_with = "what")]
    price: bool,
    /// Show what one more instance on a host would cost, or which rule it would violate:
    /// "cache on h3"
    #[arg(long, value_name = "SERVICE on HOST", conflicts_with_all = ["what", "price"])]
    why_not: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// The plan cannot be read, or has no such instance or service.
pub fn run(args: &Args) -> Outcome {
    let plan = store::read(&args.plan)?;
    let profiles = plan.profiles.resolve()?;
    let limits = Limits::of_seconds(10.0);
    let (text, value) = match (&args.what, &args.why_not) {
        (Some(what), _) => about(&plan, &profiles, what, &limits)?,
        (None, Some(text)) => why_not(&plan, &profiles, text, &limits)?,
        (None, None) => {
            let prices = explain::prices(&plan, &profiles, &limits);
            (report::prices(&prices), json!({ "prices": prices }))
        }
    };
    match args.format {
        Format::Text => ui::data(&text)?,
        Format::Json => ui::data(&format!("{value:#}\n"))?,
    }
    for note in Summary::new(&plan, &profiles, Vec::new()).notes() {
        ui::say(&format!("note: {note}"));
    }
    Ok(exit::DONE)
}

fn why_not(
    plan: &Plan,
    profiles: &Profiles,
    text: &str,
    limits: &Limits,
) -> Result<(String, serde_json::Value), CliError> {
    let expected = || {
        CliError::new(format!(
            "cannot parse {text:?}: expected SERVICE on HOST, e.g. \"cache on h3\""
        ))
        .code(exit::USAGE)
    };
    let (what, host) = text.split_once(" on ").ok_or_else(expected)?;
    // Instances of a service are interchangeable, so one names its service.
    let instance = plan.instances.iter().find(|one| one.name.as_str() == what.trim());
    let service = match instance {
        Some(instance) => instance.service.clone(),
        None => ServiceName::new(what.trim()).map_err(|_| expected())?,
    };
    let host = HostName::new(host.trim()).map_err(|_| expected())?;
    let why = explain::why_not(plan, profiles, (&service, &host), limits).ok_or_else(|| {
        let hosts: Vec<&str> = plan.topology.hosts.iter().map(|one| one.name.as_str()).collect();
        CliError::new(format!("the plan has no service {service} or no host {host}"))
            .hint(format!("hosts are {}", hosts.join(", ")))
    })?;
    Ok((report::why_not(&why), json!({ "why_not": report::why_not_json(&why) })))
}

fn about(
    plan: &Plan,
    profiles: &Profiles,
    what: &str,
    limits: &Limits,
) -> Result<(String, serde_json::Value), CliError> {
    if let Ok(name) = InstanceName::new(what)
        && let Some(why) = explain::instance(plan, profiles, &name)
    {
        return Ok((report::instance(plan, profiles, &why), json!({ "instance": why })));
    }
    if let Ok(name) = ServiceName::new(what)
        && let Some(why) = explain::service(plan, profiles, &name, limits)
    {
        return Ok((report::service(&why), json!({ "service": why })));
    }
    let services: Vec<&str> = plan.services.iter().map(|one| one.name.as_str()).collect();
    let known = match services.as_slice() {
        [] => "the plan has no services".to_owned(),
        [first, ..] => {
            format!("services are {}, instances are named like {first}-0", services.join(", "))
        }
    };
    Err(CliError::new(format!("the plan has neither a service nor an instance {what:?}"))
        .hint(known))
}
