//! `hostsplit show`: a plan as a person reads it.

use std::path::PathBuf;

use super::error::{CliError, Outcome, exit};
use super::ui::{self, PlanFormat};
use crate::audit;
use crate::plan::store;
use crate::report::plan::Summary;

/// Show a plan: services, instances, hosts, and what it survives.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plan.
    #[arg(default_value = "plan.json")]
    plan: PathBuf,
    /// How to show it.
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
}

/// Runs the command.
///
/// # Errors
/// The plan is unreadable.
pub fn run(args: &Args) -> Outcome {
    let plan = store::read(&args.plan)?;
    let profiles = plan.profiles.resolve()?;
    let findings = audit::audit(&plan, &profiles);
    let summary = Summary::new(&plan, &profiles, findings);
    ui::data(&shown(&summary, args.format)?)?;
    Ok(exit::DONE)
}

/// A summary in the form that was asked for.
pub(super) fn shown(summary: &Summary, format: PlanFormat) -> Result<String, CliError> {
    Ok(match format {
        PlanFormat::Text => format!("{summary}{}\n", summary.closing()),
        PlanFormat::Markdown => summary.markdown(),
        PlanFormat::Json => format!("{}\n", serde_json::to_string_pretty(summary)?),
    })
}
