//! `hostsplit deploy`: applies a plan to its hosts.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::cli::error::{CliError, Outcome, exit};
use crate::cli::run::{self, RunOptions};
use crate::cli::session::Session;
use crate::cli::ui::{self, Format};
use crate::deploy::{
    Allowed, DiffContext, Hosts, Obstacle, assume, gaps, preflight, refused_impacts, text_changes,
    verify,
};
use crate::graph::{Actions, decide, lost_volumes};
use crate::ids::{HostName, ServiceName};
use crate::plan::Plan;
use crate::report::change::Change;
use crate::report::changes::{Shown, changes_json, changes_text};
use crate::report::deploy::{obstacles_json, obstacles_text, simulated_json, simulated_line};
use crate::report::graph::{actions_json, actions_text, closing_line, lost_json, lost_text};
use crate::report::status::{verification_json, verification_text};
use crate::secret::Make;
use crate::state::store::Lock;
use crate::state::world::{World, is_ours};
use crate::units;

/// Diffs of a dry run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Diff {
    /// No diffs
    None,
    /// Diffs of what exists and would change
    #[default]
    Changed,
    /// Diffs of new texts too
    All,
}

impl From<Diff> for Shown {
    fn from(diff: Diff) -> Self {
        match diff {
            Diff::None => Self::None,
            Diff::Changed => Self::Changed,
            Diff::All => Self::All,
        }
    }
}

/// Apply a plan to its hosts: images, volumes, VMs, configuration, clusters
///
/// Safe to run again at any time: it reads the state of the hosts first and applies
/// only the differences. Exits with 6 when it is incomplete; the same command again
/// resumes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file
    plan: PathBuf,
    /// Show planned changes without applying them; exits with 3 if there are any
    #[arg(long)]
    dry_run: bool,
    /// Contact no host: compare with the last deployed plan, or with empty hosts
    #[arg(long, requires = "dry_run")]
    offline: bool,
    /// Diffs to show: domain XML, seeds, configuration
    #[arg(long, value_enum, default_value_t, requires = "dry_run")]
    diff: Diff,
    /// Deploy to simulated hosts in memory and verify the result: needs no libvirt, no image
    /// and no confirmation, and leaves the state directory alone
    #[arg(long, conflicts_with_all = ["dry_run", "offline", "diff", "state", "images"])]
    simulate: bool,
    /// Exit with 3 instead of 0 when something was changed
    #[arg(long)]
    detailed_exitcode: bool,
    /// Proceed without confirmation
    #[arg(long, short)]
    yes: bool,
    /// State directory with lock, journal and secrets [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Concurrent actions per host
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    parallel: u8,
    /// Base directory of the image's relative paths [default: that of the plan]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Let a service or a fixed VM be down meanwhile; repeatable
    #[arg(long, value_name = "SERVICE", value_parser = |name: &str| ServiceName::new(name))]
    allow_downtime: Vec<ServiceName>,
    /// Let a service or a fixed VM lose data; repeatable
    #[arg(long, value_name = "SERVICE", value_parser = |name: &str| ServiceName::new(name))]
    allow_data_loss: Vec<ServiceName>,
    /// Leave out a host that is off, for good or for now: nothing on it is waited for; repeatable
    #[arg(long, value_name = "HOST", value_parser = |name: &str| HostName::new(name))]
    without: Vec<HostName>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Time limit for a guest to boot, such as 90s or 1.5h; a bare number is in seconds
    /// [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
}

impl Args {
    /// A deploy that goes on with what another command has begun, and was confirmed there.
    pub(super) fn of(
        plan: PathBuf,
        state: Option<PathBuf>,
        images: Option<PathBuf>,
        timeout: Option<Duration>,
    ) -> Self {
        Self {
            plan,
            dry_run: false,
            offline: false,
            diff: Diff::default(),
            simulate: false,
            detailed_exitcode: false,
            yes: true,
            state,
            parallel: 4,
            images,
            allow_downtime: Vec::new(),
            allow_data_loss: Vec::new(),
            without: Vec::new(),
            format: Format::default(),
            timeout,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// The plan cannot be read, preflight found a problem, or an action failed.
pub fn run(args: Args) -> Outcome {
    let Args { plan, state, images, timeout, .. } = &args;
    let again = plan.display().to_string();
    let session = if args.simulate {
        Session::simulated(plan)?
    } else {
        Session::read(plan, state.clone(), images.clone())?
    };
    let allowed = allowed(&session, &args)?;
    for host in &allowed.left_out {
        let names: Vec<String> =
            session.plan.on_host(host).map(|one| one.name.to_string()).collect();
        ui::say(&if names.is_empty() {
            format!("note: {host} is left out")
        } else {
            format!(
                "note: {host} is left out, and with it {}: what they hold a copy of has a copy \
                 less until it is back or planned otherwise (hostsplit drain)",
                names.join(", ")
            )
        });
    }
    let mut session = session.patience(*timeout).allowing(allowed);
    refuse(&gaps(&session.plan), "missing input", "the plan cannot be deployed")?;
    session.refuse_findings()?;
    if args.simulate {
        return simulate(&mut session, &args);
    }
    if args.dry_run {
        let prior = session.prior().cloned();
        return if args.offline {
            offline(&session, prior.as_ref(), &args)
        } else {
            dry(&mut session, prior.as_ref(), &args)
        };
    }
    let code = apply(&mut session, &args)?;
    if code.is_some() {
        ui::say(&format!("next: hostsplit verify {again}"));
    }
    Ok(match code {
        Some(exit::DONE) if args.detailed_exitcode => exit::CHANGES,
        Some(code) => code,
        None => exit::DONE,
    })
}

/// What the arguments allow; a name that means nothing is a mistake.
fn allowed(session: &Session, args: &Args) -> Result<Allowed, CliError> {
    let Args { allow_downtime, allow_data_loss, without, .. } = args;
    let plan = &session.plan;
    let former = session.former_hosts();
    let is_known =
        |host: &HostName| plan.topology.host(host).is_some() || former.contains_key(host);
    if let Some(host) = without.iter().find(|host| !is_known(host)) {
        let known: Vec<&str> = plan.topology.hosts.iter().map(|one| one.name.as_str()).collect();
        return Err(CliError::new(format!("--without {host}: the plan has no such host"))
            .hint(format!("its hosts are {}", known.join(", "))));
    }
    Ok(Allowed {
        downtime: allow_downtime.iter().cloned().collect(),
        data_loss: allow_data_loss.iter().cloned().collect(),
        left_out: without.iter().cloned().collect(),
    })
}

/// Observes the hosts, decides, confirms and walks. Returns the exit code of the walk;
/// `None` if nothing had to be done.
fn apply(session: &mut Session, args: &Args) -> Result<Option<u8>, CliError> {
    let lock = session.lock("deploy")?;
    if let Some(text) = session.history().last.and_then(|last| last.interruption()) {
        ui::say(&format!("resuming: {text}"));
    }
    refuse_restoring(session)?;
    session.let_commands_run(args.yes)?;
    let hosts = session.connect()?;
    let asleep = session.find_secrets(&hosts, Make::Stored)?;
    let (world, actions, obstacles) = look(session, &hosts);
    refuse(&obstacles, "preflight problem", "nothing was changed")?;
    keep_former_hosts(session, &world)?;
    session.keep_places(&world)?;
    let refused = refused_impacts(&actions, session.allowed());
    refuse(&refused, "refused change", "nothing was changed")?;
    if actions.counts().changes() == 0 {
        session.store_secrets(&lock)?;
        // What it says besides, such as a host that is used again, is deployed as well.
        session.save_plan()?;
        session.forget_left_out()?;
        let is_partial = world.is_partly_seen(used(&session.plan));
        match args.format {
            Format::Text if is_partial => ui::data(&format!(
                "{}no changes on the hosts that answered\n",
                actions_text(&actions)
            ))?,
            Format::Text => ui::data("no changes: the hosts match the plan\n")?,
            Format::Json => ui::data(&format!("{}\n", actions_json(&actions)))?,
        }
        return Ok(is_partial.then_some(exit::PARTLY_DONE));
    }
    if args.yes {
        ui::say(&closing_line(&actions));
    } else {
        if let Some(summary) = summary(&session.plan, session.prior(), &actions) {
            ui::say(&summary.to_string());
        }
        let lost = lost_text(&lost_volumes(&session.plan, &actions));
        ui::say(&format!("{lost}{}", actions_text(&actions)));
    }
    run::confirm("Apply these changes?", args.yes || session.is_simulated())?;
    let actions = if asleep {
        let known = wake(session, &hosts, &lock)?;
        // Only now is it known what the guests run with.
        if actions_text(&known) != actions_text(&actions) {
            ui::say(&actions_text(&known));
            run::confirm("Go on with these changes?", args.yes || session.is_simulated())?;
        }
        known
    } else {
        actions
    };
    session.store_secrets(&lock)?;
    session.save_plan()?;
    let parallel = args.parallel.into();
    let options = RunOptions { command: "deploy", parallel, format: args.format };
    let code = run::run(session, &hosts, &actions, &lock, options)?;
    if code == exit::DONE {
        session.forget_left_out()?;
    }
    Ok(Some(code))
}

/// Refuses to form a service anew whose data was being replaced.
fn refuse_restoring(session: &Session) -> Result<(), CliError> {
    let services = session.store.restoring()?;
    let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(CliError::new(format!(
        "{}: a restore was cut off, and the data is not all there",
        names.join(", ")
    ))
    .hint("run the same `hostsplit restore` again; it begins anew"))
}

/// The hosts that a plan uses.
fn used(plan: &Plan) -> impl Iterator<Item = &HostName> {
    plan.instances.iter().map(|one| &one.host)
}

/// Remembers hosts that the plan has no more for as long as they may run something.
fn keep_former_hosts(session: &Session, world: &World) -> Result<(), CliError> {
    let mut former = session.former_hosts();
    former.retain(|host, _| {
        world.view(host).is_none_or(|view| {
            view.domains.iter().any(|domain| is_ours(domain, &session.plan.name))
        })
    });
    Ok(session.store.save_former_hosts(&former)?)
}

/// Deploys to simulated hosts and compares what runs with the plan.
fn simulate(session: &mut Session, args: &Args) -> Outcome {
    ui::say("simulation: no real host is contacted");
    let applied = apply(session, args);
    if let Err(error) = &applied
        && error.code != exit::PARTLY_DONE
    {
        return applied.map(|_| exit::DONE);
    }
    let hosts = session.connect()?;
    let found = verify(&session.context(&hosts), false);
    let plan = &session.plan;
    match args.format {
        Format::Text => {
            ui::data(&verification_text(&found))?;
            ui::data(&format!("{}\n", simulated_line(plan)))?;
        }
        Format::Json => {
            ui::data(&format!("{}\n", verification_json(&found)))?;
            ui::data(&format!("{}\n", simulated_json(plan)))?;
        }
    }
    Ok(match applied? {
        _ if !found.is_ok() => exit::FAILED_CHECK,
        Some(exit::DONE) if args.detailed_exitcode => exit::CHANGES,
        code => code.unwrap_or(exit::DONE),
    })
}

/// Starts guests that are powered off to read secrets, and observes again.
fn wake(session: &mut Session, hosts: &Hosts, lock: &Lock) -> Result<Actions, CliError> {
    session.wake_for_secrets(hosts, lock)?;
    let (_, actions, obstacles) = look(session, hosts);
    refuse(
        &obstacles,
        "preflight problem",
        "guests were started to read secrets, nothing else was changed",
    )?;
    refuse(
        &refused_impacts(&actions, session.allowed()),
        "refused change",
        "guests were started to read secrets, nothing else was changed",
    )?;
    Ok(actions)
}

fn look(session: &Session, hosts: &Hosts) -> (World, Actions, Vec<Obstacle>) {
    let world = session.observe(hosts);
    let actions = decide(&session.plan, &world);
    let obstacles = preflight(&session.plan, &world, &actions, session.images());
    let changes = actions.counts().changes();
    tracing::info!(changes, obstacles = obstacles.len(), "decided and checked");
    (world, actions, obstacles)
}

fn refuse(obstacles: &[Obstacle], noun: &str, meaning: &str) -> Result<(), CliError> {
    if obstacles.is_empty() {
        return Ok(());
    }
    let count = obstacles.len();
    let plural = if count == 1 { "" } else { "s" };
    let text = obstacles_text(obstacles);
    Err(CliError::new(format!("{count} {noun}{plural}; {meaning}:\n{text}")))
}

/// Shows what would be done on the hosts as they are.
fn dry(session: &mut Session, prior: Option<&Plan>, args: &Args) -> Outcome {
    let hosts = session.connect_to_look()?;
    session.look_for_secrets(&hosts, Make::Ephemeral);
    let (world, actions, obstacles) = look(session, &hosts);
    let context = session.context(&hosts);
    let diff = DiffContext {
        plan: &session.plan,
        world: &world,
        actions: &actions,
        prior,
        context: Some(&context),
    };
    show(&diff, &obstacles, args)
}

/// Shows what would be done if the hosts matched the last deployed plan.
fn offline(session: &Session, prior: Option<&Plan>, args: &Args) -> Outcome {
    ui::say(&match prior {
        Some(_) => format!(
            "offline: no host is contacted; comparing with the last deployed plan, {}",
            session.store.plan_path().display()
        ),
        None => "offline: no host is contacted; comparing with empty hosts".to_owned(),
    });
    let world = assume(&session.plan, prior);
    let actions = decide(&session.plan, &world);
    let diff =
        DiffContext { plan: &session.plan, world: &world, actions: &actions, prior, context: None };
    show(&diff, &[], args)
}

/// What is done, in words, where it is known what was deployed before.
fn summary(plan: &Plan, prior: Option<&Plan>, actions: &Actions) -> Option<Change> {
    let prior = prior.filter(|prior| prior.name == plan.name)?;
    (actions.counts().changes() > 0).then(|| Change::new(prior, plan, actions))
}

fn show(diff: &DiffContext<'_>, obstacles: &[Obstacle], args: &Args) -> Outcome {
    let (actions, changes) = (diff.actions, text_changes(diff));
    let (changes, shown) = (changes.as_slice(), args.diff.into());
    let summary = summary(diff.plan, diff.prior, actions);
    match args.format {
        Format::Text => {
            let summary = summary.map_or_else(String::new, |summary| format!("{summary}\n"));
            let (diffs, actions) = (changes_text(changes, shown), actions_text(actions));
            let lost = lost_text(&lost_volumes(diff.plan, diff.actions));
            ui::data(&format!("{summary}{diffs}{lost}{actions}"))?;
        }
        Format::Json => {
            let mut value = actions_json(actions);
            if let Some(object) = value.as_object_mut() {
                object.insert("diffs".to_owned(), changes_json(changes, shown));
                object.insert("obstacles".to_owned(), json!(obstacles_json(obstacles)));
                object.insert("change".to_owned(), json!(summary));
                let lost = lost_volumes(diff.plan, diff.actions);
                object.insert("volumes".to_owned(), lost_json(&lost));
            }
            ui::data(&format!("{value:#}\n"))?;
        }
    }
    refuse(obstacles, "preflight problem", "a deploy would change nothing")?;
    Ok(match actions.counts().changes() {
        0 if diff.world.is_partly_seen(used(diff.plan)) => exit::PARTLY_DONE,
        0 => exit::DONE,
        _ => exit::CHANGES,
    })
}
