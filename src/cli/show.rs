//! `hostsplit show`: the summary of a plan.

use std::path::PathBuf;

use super::error::{CliError, Outcome, exit};
use super::file_kind::FileKind;
use super::ui::{self, PlanFormat};
use crate::audit;
use crate::plan::store;
use crate::report::plan::Summary;

/// Show a plan: services, instances, hosts, and the failures it survives
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file
    #[arg(default_value = "plan.json")]
    plan: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
}

/// Runs the command.
///
/// # Errors
/// The plan cannot be read.
pub fn run(args: &Args) -> Outcome {
    let plan = store::read(&args.plan)
        .map_err(|error| FileKind::explain(&args.plan, FileKind::Plan, error.into()))?;
    let profiles = plan.profiles.resolve()?;
    let findings = audit::audit(&plan, &profiles);
    let summary = Summary::new(&plan, &profiles, findings);
    ui::data(&shown(&summary, args.format)?)?;
    Ok(exit::DONE)
}

/// A summary in the requested format.
pub(super) fn shown(summary: &Summary, format: PlanFormat) -> Result<String, CliError> {
    Ok(match format {
        PlanFormat::Text => format!("{summary}{}\n", summary.closing()),
        PlanFormat::Markdown => summary.markdown(),
        PlanFormat::Json => format!("{}\n", serde_json::to_string_pretty(summary)?),
    })
}
