//! `hostsplit drain`: plans a deployment off a host, or back onto it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::check::note_unreached;
use super::diff::change;
use super::error::{CliError, Outcome, exit};
use super::plan::{infeasible_error, judged};
use super::session::refuse_faults;
use super::show::shown;
use super::ui::{self, PlanFormat};
use crate::explain::spec_of;
use crate::ids::HostName;
use crate::plan::{Plan, store};
use crate::planner::{self, PlanError};
use crate::profile::Profiles;
use crate::report::moves::Moves;
use crate::solve::{Limits, SolveError};
use crate::spec::Spec;
use crate::units;

/// Plan everything off a host, for maintenance or for good
///
/// Nothing is planned on the host any more, until `--back`; the rest stays where it is as
/// far as possible. Where the policy cannot hold without the host, what is left of it is
/// said. Deploy the plan to empty the host.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file, as deployed
    plan: PathBuf,
    /// Hosts to empty
    #[arg(required = true, value_name = "HOST", value_parser = |name: &str| HostName::new(name))]
    hosts: Vec<HostName>,
    /// Let instances be planned on the hosts again
    #[arg(long)]
    back: bool,
    /// Plan file to write, replaced atomically [default: the plan file itself]
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Time limit of the search, such as 90s or 1.5m; a bare number is in seconds
    /// [default: 60s]
    #[arg(long, value_parser = units::duration, value_name = "TIME")]
    time_limit: Option<Duration>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
}

/// Runs the command.
///
/// # Errors
/// The plan fails its audit; a host that it does not have; no plan without the host.
pub fn run(args: &Args) -> Outcome {
    let prior = store::read(&args.plan)?;
    refuse_faults(&prior)?;
    let known = || prior.topology.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>();
    if let Some(host) = args.hosts.iter().find(|host| prior.topology.host(host).is_none()) {
        return Err(CliError::new(format!("the plan has no host {host}"))
            .hint(format!("its hosts are {}", known().join(", "))));
    }
    let mut drained: BTreeSet<HostName> = prior.drained.clone();
    for host in &args.hosts {
        if args.back {
            drained.remove(host);
        } else {
            drained.insert(host.clone());
        }
    }
    let policy = prior.policy_when_whole.clone().unwrap_or_else(|| prior.policy.clone());
    let mut spec = Spec { drained, policy, ..spec_of(&prior) };
    for vm in &mut spec.vms {
        vm.restart |= prior.restart_when_whole.contains(&vm.name);
    }
    note_unreached(&spec);
    let profiles = spec.profiles.resolve()?;
    let default = Limits::default();
    let limits =
        Limits::of_seconds(args.time_limit.map_or(default.seconds, |limit| limit.as_secs_f64()));
    let plan = without(&spec, &profiles, &limits, &prior)?;
    let output = args.output.as_ref().unwrap_or(&args.plan);
    let summary =
        judged(&plan, &profiles)?.against(Moves::new(&prior, &plan), change(&prior, &plan));
    store::may_replace(output)?;
    store::write(output, &plan.to_text()?)?;
    let text = shown(&summary, args.format)?;
    if args.format == PlanFormat::Text {
        ui::data(&format!("{} written to {}\n", text.trim_end(), output.display()))?;
        ui::say(&format!("next: hostsplit deploy {}", output.display()));
    } else {
        ui::data(&text)?;
    }
    Ok(exit::DONE)
}

/// What is given up where the hosts that are left cannot keep it, the least first.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Relaxed {
    /// Room to restart fixed machines.
    restart: bool,
    /// A majority that decides by itself.
    quorum: bool,
}

/// The plan without the hosts; where the rest cannot keep room to restart machines, or no
/// majority is left to decide after a loss, one that gives that up until they are back.
fn without(
    spec: &Spec,
    profiles: &Profiles,
    limits: &Limits,
    prior: &Plan,
) -> Result<Plan, CliError> {
    let mut first = None;
    for (restart, quorum) in [(false, false), (true, false), (false, true), (true, true)] {
        let relaxed = Relaxed { restart, quorum };
        let Some(less) = relaxed.of(spec) else { continue };
        match planner::make_with(&less, profiles, limits, Some(prior)) {
            Ok((plan, _)) => return Ok(relaxed.noted(spec, plan)),
            // Where time is up, the one that asks for less may be found in time.
            Err(
                error @ (PlanError::Infeasible(_) | PlanError::Solve(SolveError::Limit { .. })),
            ) => drop(first.get_or_insert(error)),
            Err(error) => return Err(error.into()),
        }
    }
    // The spec itself was tried first.
    Err(match first {
        Some(PlanError::Infeasible(why)) => infeasible_error(&why),
        Some(error) => error.into(),
        None => CliError::new("no plan was sought"),
    })
}

impl Relaxed {
    /// The spec without what is given up; `None` where it does not ask for that.
    fn of(self, spec: &Spec) -> Option<Spec> {
        let mut less = spec.clone();
        if self.restart {
            less.vms.iter_mut().for_each(|vm| vm.restart = false);
        }
        if self.quorum {
            less.policy = spec.policy.with_manual_quorum();
        }
        let is_less =
            (!self.restart || less.vms != spec.vms) && (!self.quorum || less.policy != spec.policy);
        is_less.then_some(less)
    }

    /// The plan with what holds again once it is whole, which is said.
    fn noted(self, spec: &Spec, mut plan: Plan) -> Plan {
        if self.quorum {
            ui::say(
                "note: without these hosts the loss of another one can take a majority: \
                 until they are back, a person decides then (`hostsplit show` says how)",
            );
            plan.policy_when_whole = Some(spec.policy.clone());
        }
        if self.restart {
            let own = spec.vms.iter().filter(|vm| vm.restart).map(|vm| &vm.name);
            plan.restart_when_whole = own.cloned().collect();
            let names: Vec<&str> = plan.restart_when_whole.iter().map(|one| one.as_str()).collect();
            ui::say(&format!(
                "note: without these hosts there is no room to restart {} after the loss of \
                 another one, until they are back",
                names.join(", ")
            ));
        }
        plan
    }
}
