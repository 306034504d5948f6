//! `hostsplit verify`: whether what runs is what was planned.

use std::path::PathBuf;

use crate::cli::error::{Outcome, exit};
use crate::cli::session::Session;
use crate::cli::ui::{self, Format};
use crate::deploy::verify;
use crate::plan::Plan;
use crate::report::status::{verification_json, verification_text};
use crate::secret::Make;
use crate::topology::Virtualization;

/// Compares what runs with the plan, and puts a short load on every group.
///
/// Pins, memory and NUMA binding as libvirt says, CPUs and memory as the guest
/// says, roles, slots, replicas and passwords as the cluster says. Then a value
/// goes through every group, and a load of a few seconds, whose rate is set
/// beside what the plan promises. Ends with 5 when something differs or falls
/// short.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plan file
    plan: PathBuf,
    /// Put no load on the services
    #[arg(long)]
    no_load: bool,
    /// Where the deployment's secrets are kept [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// The plan cannot be read.
pub fn run(args: Args) -> Outcome {
    let Args { plan, no_load, state, format } = args;
    let mut session = Session::open(&plan, state, None)?;
    let hosts = session.connect()?;
    session.look_for_secrets(&hosts, Make::Nothing);
    let found = verify(&session.context(&hosts), &hosts.unreachable, !no_load);
    match format {
        Format::Text => ui::data(&verification_text(&found))?,
        Format::Json => ui::data(&format!("{:#}\n", verification_json(&found)))?,
    }
    if let Some(hosts) = emulated(&session.plan) {
        ui::say(&format!(
            "note: {hosts} emulate their guests: everything works, speeds mean nothing"
        ));
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
