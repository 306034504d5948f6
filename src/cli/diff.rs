//! `hostsplit diff`: what a change from one plan to another does, step by step.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::error::{CliError, Outcome, exit};
use super::file_kind::FileKind;
use super::ui::{self, Format};
use crate::deploy::assume;
use crate::graph::decide;
use crate::plan::{Plan, store};
use crate::report::change::Change;
use crate::report::moves::Moves;

/// Show what a deploy would change from one plan to another: steps, seconds, bytes
///
/// Contacts no host: the hosts are taken to hold what the old plan says. Times are
/// estimates.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan that is deployed
    old: PathBuf,
    /// Plan that is to be deployed
    new: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// A plan cannot be read, or they are plans of different deployments.
pub fn run(args: &Args) -> Outcome {
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    if old.name != new.name {
        return Err(CliError::new(format!(
            "{} is a plan of deployment {}, {} of {}",
            args.old.display(),
            old.name,
            args.new.display(),
            new.name
        ))
        .hint("diff compares two plans of one deployment"));
    }
    let (moves, change) = (Moves::new(&old, &new), change(&old, &new));
    match args.format {
        Format::Text => ui::data(&format!("{moves}\n{change}"))?,
        Format::Json => {
            ui::data(&format!("{:#}\n", json!({ "moves": moves, "change": change })))?;
        }
    }
    Ok(exit::DONE)
}

fn read(path: &Path) -> Result<Plan, CliError> {
    store::read(path).map_err(|error| FileKind::explain(path, FileKind::Plan, error.into()))
}

/// Decides on hosts that hold the old plan, and sums that up.
pub(super) fn change(old: &Plan, new: &Plan) -> Change {
    Change::new(old, new, &decide(new, &assume(new, Some(old))))
}
