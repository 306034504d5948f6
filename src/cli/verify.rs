//! `hostsplit verify`: compares what runs with the plan.

use std::path::PathBuf;

use crate::cli::error::{Outcome, exit};
use crate::cli::session::Session;
use crate::cli::ui::{self, Format};
use crate::deploy::verify;
use crate::plan::Plan;
use crate::report::status::{verification_json, verification_text};
use crate::secret::Make;
use crate::topology::Virtualization;

/// Compare what runs with the plan, and load-test every group
///
/// Checks vCPU pinning, memory and NUMA binding as libvirt reports them, CPUs and memory
/// as guests report them, roles, slots, replicas and passwords as clusters report them.
/// Then writes and reads a value through every group, and compares the rate under a load
/// of a few seconds with the plan. Exits with 5 if something differs or falls short.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file
    plan: PathBuf,
    /// Skip the load test
    #[arg(long)]
    no_load: bool,
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
    let Args { plan, no_load, state, format } = args;
    let mut session = Session::open(&plan, state, None)?;
    let hosts = session.connect()?;
    session.look_for_secrets(&hosts, Make::Nothing);
    let found = verify(&session.context(&hosts), !no_load);
    match format {
        Format::Text => ui::data(&verification_text(&found))?,
        Format::Json => ui::data(&format!("{:#}\n", verification_json(&found)))?,
    }
    if let Some(hosts) = emulated(&session.plan) {
        ui::say(&format!("note: software emulation on {hosts}: rates are not meaningful"));
    }
    Ok(if found.is_ok() { exit::DONE } else { exit::FAILED_CHECK })
}

/// Hosts of the plan without hardware virtualisation.
fn emulated(plan: &Plan) -> Option<String> {
    let hosts = plan.topology.hosts.iter();
    let names: Vec<&str> = hosts
        .filter(|host| host.hypervisor == Virtualization::Tcg)
        .filter(|host| plan.on_host(&host.name).next().is_some())
        .map(|host| host.name.as_str())
        .collect();
    if names.is_empty() { None } else { Some(names.join(", ")) }
}
