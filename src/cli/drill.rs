//! `hostsplit drill`: lets hosts fail and measures what the plan promises.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cli::error::{CliError, Outcome, exit};
use crate::cli::progress;
use crate::cli::run::confirm;
use crate::cli::session::Session;
use crate::cli::ui::{self, Format};
use crate::drill::{Cut, Drill, DrillError, Fence, FenceAction, Finding, Promise, promise};
use crate::ids::HostName;
use crate::plan::Plan;
use crate::report::drill::{findings_json, findings_text, phase_line, question};
use crate::report::status::{verification_json, verification_text};
use crate::secret::Make;
use crate::state::journal::Entry;
use crate::state::store::Recorder;
use crate::topology::Host;
use crate::units;

/// Let hosts fail, one after the other, and measure what the plan promises
///
/// Numbered values are written and read through every group all the time. Each host is cut
/// off until every group takes writes again, brought back, and the deployment waited for.
/// Refuses a deployment that is not as planned. Exits with 5 when an acknowledged write was
/// lost, or writes were refused for longer than promised. Ctrl-C brings the host back
/// first; after a run that was killed, `hostsplit deploy` does.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file
    plan: PathBuf,
    /// Host that is to fail; repeatable [default: each host whose loss is survived]
    #[arg(long, value_name = "HOST", value_parser = |name: &str| HostName::new(name))]
    host: Vec<HostName>,
    /// How it fails; repeatable
    #[arg(long, value_enum, default_value = "power")]
    cut: Vec<Kind>,
    /// Drill simulated hosts in memory, to which the plan is deployed first
    #[arg(long, conflicts_with = "state")]
    simulate: bool,
    /// Proceed without confirmation
    #[arg(long, short)]
    yes: bool,
    /// State directory with lock, journal and secrets [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Time limit for a host to come back and for a guest to boot, such as 90s; a bare number is
    /// in seconds [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
}

/// Ways to fail, as words of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// VMs lose their power, or the host by `fence: { command: .. }` of its file
    Power,
    /// VMs lose their network, or the host by its fence
    Cable,
    /// VMs stop to run and keep their memory
    Hang,
}

impl From<Kind> for Cut {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Power => Self::Power,
            Kind::Cable => Self::Cable,
            Kind::Hang => Self::Hang,
        }
    }
}

/// Whether Ctrl-C was pressed.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Runs the command.
///
/// # Errors
/// The plan cannot be read, the deployment is not whole, or a host did not come back.
pub fn run(args: Args) -> Outcome {
    let Args { plan, host, cut, simulate, yes, state, format, timeout } = args;
    let session =
        if simulate { Session::simulated(&plan) } else { Session::open(&plan, state, None) };
    let mut session = session?.patience(timeout);
    session.refuse_findings()?;
    let targets = targets(&session.plan, &host)?;
    let mut cuts: Vec<Cut> = Vec::new();
    cuts.extend(cut.into_iter().map(Cut::from));
    cuts.dedup();
    let lock = session.lock("drill")?;
    let connector = session.connector()?;
    let hosts = session.connect()?;
    session.find_secrets(&hosts, Make::Stored)?;
    session.store_secrets(&lock)?;
    let context = session.context(&hosts);
    let observer = progress::lines(format);
    let drill = Drill {
        plan: &session.plan,
        connector: connector.as_ref(),
        clock: context.clock,
        images: context.images,
        patience: context.patience,
        secrets: context.secrets,
        fence: &Fences,
        observer: observer.as_ref(),
        is_stopped: &|| STOPPED.load(Ordering::SeqCst),
        says: &|host, phase| ui::say(&phase_line(host, phase)),
    };
    if simulate {
        ui::say("simulation: no real host is contacted; the plan is deployed first");
        drill.make_whole().map_err(CliError::new)?;
    }
    drill.check().map_err(|error| refused(&error, format, &plan))?;
    let names: Vec<&HostName> = targets.iter().map(|(host, _)| &host.name).collect();
    ui::say(&question(&session.plan, &names, &cuts));
    confirm("Begin the drill?", yes || simulate)?;
    ctrlc::set_handler(on_interrupt)?;
    let journal = session.store.journal(&lock)?;
    let failures: Vec<(&Host, &Promise, Cut)> = targets
        .iter()
        .flat_map(|(host, promised)| cuts.iter().map(move |cut| (host, promised, *cut)))
        .collect();
    journal.write(Entry::Started {
        command: "drill".to_owned(),
        plan: session.digest(),
        hostsplit: env!("CARGO_PKG_VERSION").to_owned(),
        actions: failures.len(),
    })?;
    let (findings, ended) = walk(&drill, &failures, &journal);
    let (done, failed) = (findings.len(), usize::from(ended.is_err()));
    let skipped = failures.len().saturating_sub(done + failed);
    // A host that is not back leaves the drill open: the next deploy says so.
    let written = match &ended {
        Err(DrillError::NotBack { .. }) => Ok(()),
        _ => journal.write(Entry::Finished { done, failed, skipped }),
    };
    match format {
        Format::Text if findings.is_empty() => {}
        Format::Text => ui::data(&findings_text(&findings))?,
        Format::Json => ui::data(&format!("{}\n", findings_json(&findings)))?,
    }
    ended.map_err(|error| failure(&error, &plan))?;
    written?;
    Ok(if findings.iter().all(Finding::is_kept) { exit::DONE } else { exit::FAILED_CHECK })
}

/// Lets one host after the other fail, until one is not measured.
fn walk(
    drill: &Drill<'_>,
    failures: &[(&Host, &Promise, Cut)],
    journal: &dyn Recorder,
) -> (Vec<Finding>, Result<(), DrillError>) {
    let mut findings = Vec::new();
    for (host, promised, cut) in failures {
        let (vertex, place) = (format!("{cut} cut"), Some(host.name.to_string()));
        let intent = Entry::Intent {
            vertex: vertex.clone(),
            host: place.clone(),
            action: "drill".to_owned(),
            reason: "requested".to_owned(),
        };
        if let Err(error) = journal.write(intent) {
            return (findings, Err(error.into()));
        }
        match drill.run(host, *cut, (*promised).clone()) {
            Ok(finding) => findings.push(finding),
            Err(error) => return (findings, Err(error)),
        }
        if let Err(error) = journal.write(Entry::Done { vertex, host: place }) {
            return (findings, Err(error.into()));
        }
    }
    (findings, Ok(()))
}

/// The hosts that are to fail, with what is promised for each.
fn targets(plan: &Plan, asked: &[HostName]) -> Result<Vec<(Host, Promise)>, CliError> {
    let profiles = plan.profiles.resolve()?;
    let known = |name: &HostName| {
        plan.topology.host(name).ok_or_else(|| {
            let names: Vec<&str> =
                plan.topology.hosts.iter().map(|one| one.name.as_str()).collect();
            CliError::new(format!("--host {name}: the plan has no such host"))
                .hint(format!("its hosts are {}", names.join(", ")))
        })
    };
    let unpromised =
        |host: &Host, why: &str| format!("{}: its loss is not survived: {why}", host.name);
    let mut targets = Vec::new();
    for name in asked {
        let host = known(name)?;
        let promised = promise(plan, &profiles, name);
        let promised = promised.map_err(|why| CliError::new(unpromised(host, &why)))?;
        targets.push((host.clone(), promised));
    }
    if asked.is_empty() {
        for host in &plan.topology.hosts {
            if plan.on_host(&host.name).all(|one| plan.service_of(one).is_none()) {
                continue;
            }
            match promise(plan, &profiles, &host.name) {
                Ok(promised) => targets.push((host.clone(), promised)),
                Err(why) => ui::say(&format!("note: left out: {}", unpromised(host, &why))),
            }
        }
    }
    if targets.is_empty() {
        return Err(CliError::new(
            "the plan does not survive the loss of any host that runs a service",
        )
        .hint("plan with `policy: { survive: host }`"));
    }
    Ok(targets)
}

/// Why a drill is not begun; what differs is data.
fn refused(error: &DrillError, format: Format, plan: &std::path::Path) -> CliError {
    if let DrillError::NotWhole(found) = error {
        // The refusal counts, written or not.
        let _ = match format {
            Format::Text => ui::data(&verification_text(found)),
            Format::Json => ui::data(&format!("{}\n", verification_json(found))),
        };
    }
    failure(error, plan)
}

fn failure(error: &DrillError, plan: &std::path::Path) -> CliError {
    let deploy = format!("hostsplit deploy {}", plan.display());
    match error {
        DrillError::NotWhole(_) | DrillError::NotServing { .. } => CliError::new(error)
            .code(exit::FAILED_CHECK)
            .hint(format!("bring it to its plan first: {deploy}")),
        DrillError::NotBack { .. } => CliError::new(error)
            .code(exit::PARTLY_DONE)
            .hint(format!("once the host answers, bring the rest back: {deploy}")),
        _ => CliError::new(error),
    }
}

/// Ctrl-C ends the drill once the host is back; a second one ends the program.
#[expect(clippy::disallowed_methods, reason = "edge: the user wants to leave at once")]
fn on_interrupt() {
    if STOPPED.swap(true, Ordering::SeqCst) {
        ui::say("quit; what is cut off comes back with `hostsplit deploy`");
        std::process::exit(exit::PARTLY_DONE.into());
    }
    ui::say("stopping: the host is brought back first; press Ctrl-C again to quit immediately");
}

/// Runs fences on this machine.
pub(super) struct Fences;

impl Fence for Fences {
    #[expect(clippy::disallowed_methods, reason = "edge: an operator's own command fences a host")]
    fn run(&self, command: &[String], host: &HostName, action: FenceAction) -> Result<(), String> {
        let (program, args) = command.split_first().ok_or("the fence has no command")?;
        let said = |what: &str| format!("fence {program:?} {action} {host}: {what}");
        let mut fence = Command::new(program);
        fence.args(args).env("HOST", host.as_str()).env("ACTION", action.as_str());
        // stdout is for data.
        let status = fence.stdin(Stdio::null()).stdout(io::stderr()).status();
        match status.map_err(|error| said(&error.to_string()))? {
            status if status.success() => Ok(()),
            status => Err(said(&status.to_string())),
        }
    }
}
