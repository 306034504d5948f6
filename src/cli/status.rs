//! `hostsplit status`: the planned and the observed state of each instance.

use std::path::PathBuf;

use crate::cli::error::{Outcome, exit};
use crate::cli::session::Session;
use crate::cli::ui::{self, Format};
use crate::deploy::review;
use crate::report::status::{Status, status_json, status_text};
use crate::secret::Make;

/// Show the planned and the observed state of each instance: domain, guest, engine
///
/// Below them what is wrong, a line each with its effect and what repairs it, and the run
/// that is changing the deployment or did last. Exits with 5 if anything is wrong.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file
    plan: PathBuf,
    /// State directory with lock, journal and secrets [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// The plan cannot be read, or fails its audit.
pub fn run(args: Args) -> Outcome {
    let Args { plan, state, format } = args;
    let mut session = Session::open(&plan, state, None)?;
    let hosts = session.connect_to_look()?;
    session.look_for_secrets(&hosts, Make::Nothing);
    let world = session.observe(&hosts);
    let found = review(&session.context(&hosts), &world);
    let holder = session.store.holder();
    let history = session.history();
    let (holder, last) = (holder.as_deref(), history.last.as_ref());
    let status = Status { plan: &session.plan, world: &world, found: &found, holder, last };
    match format {
        Format::Text => ui::data(&status_text(&status))?,
        Format::Json => ui::data(&format!("{:#}\n", status_json(&status)))?,
    }
    Ok(if status.is_ok() { exit::DONE } else { exit::FAILED_CHECK })
}
