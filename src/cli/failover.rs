//! `hostsplit failover`: lets another copy of a database lead.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::drill::Fences;
use super::error::{CliError, Outcome, exit};
use super::run::confirm;
use super::service_of;
use super::session::Session;
use super::ui;
use crate::deploy::{Allowed, Failover, FailoverError, Leadership};
use crate::drill::{Fence as _, FenceAction};
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Plan, ServicePlan};
use crate::report;
use crate::secret::Make;
use crate::spec::Cluster;
use crate::state::journal::Entry;
use crate::state::store::Recorder as _;

/// Let another copy of a database take over from its primary
///
/// Without --force both answer: the primary takes no more writes, the replica applies what is
/// left and takes over; no write is lost. With --force the primary does not answer: it is
/// switched off by its host's hypervisor, or by the host's fence, before the replica that has
/// most takes over; what the primary took without an acknowledgement is lost. The former
/// primary returns as a replica by `hostsplit deploy`. One that answers and is stuck, so that no
/// write comes back from it, is switched off as well. With `failover: automatic` copies
/// elect by themselves; --force forms their group anew of those that answer where a majority is
/// lost.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file, as deployed
    plan: PathBuf,
    /// The service
    #[arg(value_parser = |name: &str| ServiceName::new(name))]
    service: ServiceName,
    /// Its group, where it has several
    #[arg(long)]
    group: Option<u32>,
    /// Replica that is to take over [default: the planned primary, else the one that has most]
    #[arg(long, value_name = "INSTANCE", value_parser = |name: &str| InstanceName::new(name))]
    to: Option<InstanceName>,
    /// The primary does not answer: switch it off and let a replica take over
    #[arg(long)]
    force: bool,
    /// I have made sure that instances which do not answer are off and stay off
    #[arg(long, requires = "force")]
    fenced: bool,
    /// Give up transactions that other replicas have
    #[arg(long, requires = "force", requires = "to")]
    allow_data_loss: bool,
    /// Proceed without confirmation
    #[arg(long, short)]
    yes: bool,
    /// State directory with lock, journal and secrets [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// The service elects by itself; the primary may still take writes; no replica can take over.
pub fn run(args: Args) -> Outcome {
    let allowed = Allowed {
        data_loss: args.allow_data_loss.then(|| args.service.clone()).into_iter().collect(),
        ..Allowed::default()
    };
    let mut session = Session::open(&args.plan, args.state.clone(), None)?.allowing(allowed);
    let group = group(service(&session.plan, &args.service)?, args.group)?;
    let lock = session.lock("failover")?;
    session.let_commands_run(args.yes)?;
    let hosts = session.connect()?;
    session.find_secrets(&hosts, Make::Stored)?;
    session.store_secrets(&lock)?;
    let context = session.context(&hosts);
    let failover = Failover::of(&context, service(&session.plan, &args.service)?, group)
        .map_err(CliError::new)?;
    let copies = failover.leadership().map_err(CliError::new)?;
    let journal = session.store.journal(&lock)?;
    journal.write(Entry::Started {
        command: "failover".to_owned(),
        plan: session.digest(),
        hostsplit: env!("CARGO_PKG_VERSION").to_owned(),
        actions: 1,
    })?;
    let ended = if args.force {
        forced(&session.plan, &failover, &copies, &args)
    } else {
        planned(&session.plan, &failover, &copies, &args)
    };
    let failed = usize::from(ended.is_err());
    journal.write(Entry::Finished { done: 1 - failed, failed, skipped: 0 })?;
    let leader = ended?;
    ui::say(&format!("{leader} is the primary of {} now", args.service));
    let service = service(&session.plan, &args.service)?;
    ui::say(&report::clients::after_failover(&session.plan, service, group, &leader));
    ui::say(&format!("next: hostsplit status {}", args.plan.display()));
    Ok(exit::DONE)
}

fn service<'p>(plan: &'p Plan, name: &ServiceName) -> Result<&'p ServicePlan, CliError> {
    let service = service_of(plan, name)?;
    if service.engine.cluster() != Cluster::PrimaryReplica {
        return Err(CliError::new(format!(
            "{name}: {} decides by itself who leads",
            service.engine
        ))
        .hint("`hostsplit deploy` gives the lead back to where it is planned"));
    }
    Ok(service)
}

/// The group that is meant.
fn group(service: &ServicePlan, asked: Option<u32>) -> Result<u32, CliError> {
    let known: Vec<u32> = service.groups.iter().map(|group| group.index).collect();
    match (asked, known.as_slice()) {
        (None, [only]) => Ok(*only),
        (Some(asked), known) if known.contains(&asked) => Ok(asked),
        _ => {
            let names: Vec<String> = known.iter().map(ToString::to_string).collect();
            Err(CliError::new(format!("{}: which group is meant?", service.name))
                .hint(format!("say --group, one of {}", names.join(", "))))
        }
    }
}

/// The primary answers.
fn planned(
    plan: &Plan,
    failover: &Failover<'_>,
    copies: &Leadership<'_>,
    args: &Args,
) -> Result<InstanceName, CliError> {
    let name = &args.service;
    let Some(leader) = &copies.leader else {
        let ailing = copies.ailing.iter().map(|(one, why)| format!("{one}: {why}"));
        let ailing: Vec<String> = ailing.collect();
        return Err(CliError::new(format!("{name}: no primary answers: {}", ailing.join("; ")))
            .code(exit::FAILED_CHECK)
            .hint("if it will not come back soon, let a replica take over with --force"));
    };
    let lead = plan.service(name).and_then(|one| {
        let mut groups = one.groups.iter();
        groups.find(|group| group.lead == *leader || group.replicas.contains(leader))
    });
    let lead = lead.map(|group| &group.lead).filter(|lead| *lead != leader);
    let healthy = |one: &&InstanceName| copies.healthy.contains(*one) && *one != leader;
    let to = match &args.to {
        Some(to) => Some(to).filter(healthy),
        None => lead.filter(healthy).or_else(|| copies.healthy.iter().find(healthy)),
    };
    let Some(to) = to else {
        let asked = args.to.as_ref().map_or("no replica".to_owned(), ToString::to_string);
        let why = args.to.as_ref().and_then(|to| copies.ailing.get(to));
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        return Err(CliError::new(format!(
            "{name}: {asked} could not take over from {leader}{why}"
        ))
        .code(exit::FAILED_CHECK)
        .hint("`hostsplit status` says what ails them"));
    };
    ui::say(&format!(
        "{leader} hands over to {to}: writes are refused for about 2 s, and none is lost"
    ));
    confirm("Hand over?", args.yes)?;
    let stuck = |error| {
        CliError::new(error).hint(format!(
            "{leader} may be stuck, as on a full disk: --force switches it off where no write comes \
             back from it"
        ))
    };
    failover.hand_over(to).map_err(stuck)?;
    Ok(to.clone())
}

/// The primary does not answer.
fn forced(
    plan: &Plan,
    failover: &Failover<'_>,
    copies: &Leadership<'_>,
    args: &Args,
) -> Result<InstanceName, CliError> {
    let name = &args.service;
    let mut silent = copies.silent.clone();
    if let Some(leader) = &copies.leader {
        let Some(why) = failover.stuck(leader).map_err(CliError::new)? else {
            let answers = FailoverError::Answers { service: name.clone(), leader: leader.clone() };
            return Err(CliError::new(answers).hint("leave --force out: then no write is lost"));
        };
        ui::say(&format!("{leader} answers, and no write comes back from it: {why}"));
        silent.extend(plan.instance(leader));
    }
    let names: Vec<&str> = silent.iter().map(|one| one.name.as_str()).collect();
    if names.is_empty() && !args.fenced {
        return Err(CliError::new(format!("{name}: all instances answer, and none takes writes"))
            .hint(
                "`hostsplit deploy` lets the one take writes that has all transactions; where the \
                 primary is not in the plan any more, make sure that it is off and stays off, then \
                 add --fenced",
            ));
    }
    let names = if names.is_empty() { vec!["the former primary"] } else { names };
    let elects = plan.service(name).is_some_and(|service| service.demand.elects());
    let what = if elects {
        "those that are left form the group anew. What a majority without them had acknowledged \
         is lost"
    } else {
        "a replica takes over. What the primary took without the acknowledgement of a replica is \
         lost"
    };
    ui::say(&format!("{} will be off, and {what}.", names.join(" and ")));
    let fenced: BTreeSet<&HostName> = silent.iter().map(|one| &one.host).collect();
    for (host, command) in fenced.iter().filter_map(|host| Some((*host, fence_of(plan, host)?))) {
        let others = plan.on_host(host).filter(|one| silent.iter().all(|own| own.name != one.name));
        let others: Vec<&str> = others.map(|one| one.name.as_str()).collect();
        let with = if others.is_empty() {
            String::new()
        } else {
            format!(", and with it {}", others.join(", "))
        };
        ui::say(&format!(
            "{host} as a whole{with}, if its hypervisor does not do so: by `{}`",
            command.join(" ")
        ));
    }
    confirm("Take over?", args.yes)?;
    let mut off = BTreeSet::new();
    for instance in silent.iter().copied() {
        let fence = |host: &HostName| {
            let command = fence_of(plan, host)?;
            Some(Fences.run(command, host, FenceAction::Off))
        };
        match failover.switch_off(instance, &fence) {
            Ok(said) => ui::say(&said),
            Err(error) if args.fenced => ui::say(&format!("{error}; you say that it is off")),
            Err(error) => {
                return Err(CliError::new(error).code(exit::FAILED_CHECK).hint(format!(
                    "make sure that {} is off and stays off, then add --fenced",
                    instance.name
                )));
            }
        }
        off.insert(instance.name.clone());
    }
    failover.promote(&off, args.to.as_ref()).map_err(CliError::new)
}

/// The command that fences a host.
fn fence_of<'p>(plan: &'p Plan, host: &HostName) -> Option<&'p Vec<String>> {
    Some(&plan.topology.host(host)?.fence.as_ref()?.command)
}
