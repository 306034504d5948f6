//! `hostsplit deploy`: makes the hosts hold what is planned.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::cli::error::{CliError, Outcome, exit};
use crate::cli::run::{self, Manner};
use crate::cli::session::{Hosts, Session, parse_duration};
use crate::cli::ui::{self, Format};
use crate::deploy::{DiffContext, Obstacle, TextChange, assume, gaps, preflight, text_changes};
use crate::graph::{Actions, decide};
use crate::plan::Plan;
use crate::report::changes::{Shown, changes_json, changes_text};
use crate::report::deploy::{obstacles_json, obstacles_text};
use crate::report::graph::{actions_json, actions_text, closing_line};
use crate::secret::Make;
use crate::state::store::Lock;
use crate::state::world::World;

/// Which texts a dry run shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Diff {
    /// None.
    None,
    /// Those that are there and would change.
    #[default]
    Changed,
    /// New ones too.
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

/// Makes the hosts hold what is planned: images, volumes, VMs, clusters.
///
/// Safe to run again at any time: it looks at the hosts first, does what is
/// missing, and nothing when nothing is. Ends with 6 when only a part could be
/// done; the same command again resumes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plan file
    plan: PathBuf,
    /// Only say what would be done; ends with 3 if anything would be
    #[arg(long)]
    dry_run: bool,
    /// Without any host: compare with the plan that was deployed last, or with
    /// empty hosts
    #[arg(long, requires = "dry_run")]
    offline: bool,
    /// Which texts a dry run shows: domain XML, seeds, configuration
    #[arg(long, value_enum, default_value_t, requires = "dry_run")]
    diff: Diff,
    /// End with 3 instead of 0 when something was changed
    #[arg(long)]
    detailed_exitcode: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Where lock and journal are kept [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Actions at a time on one host
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    parallel: u8,
    /// Where the image's relative paths begin [default: beside the plan]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// How the outcome is shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// How long a guest may take to boot [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// Runs the command.
///
/// # Errors
/// The plan, an obstacle on the hosts, or what could not be done.
pub fn run(args: Args) -> Outcome {
    let Args { plan, state, images, timeout, .. } = &args;
    let again = plan.display().to_string();
    let mut session = Session::open(plan, state.clone(), images.clone())?.patience(*timeout);
    refuse(&gaps(&session.plan), "gap", "the plan cannot be deployed")?;
    if args.dry_run {
        let prior = session.prior();
        return if args.offline {
            offline(&session, prior.as_ref(), &args)
        } else {
            dry(&mut session, prior.as_ref(), &args)
        };
    }
    let lock = session.lock("deploy")?;
    if let Some(text) = session.history().last.and_then(|last| last.interruption()) {
        ui::say(&format!("resuming: {text}"));
    }
    let hosts = session.connect()?;
    let asleep = session.find_secrets(&hosts, Make::Stored)?;
    let (_, actions, obstacles) = look(&session, &hosts);
    refuse(&obstacles, "obstacle", "nothing was changed")?;
    if actions.counts().changes() == 0 {
        session.store_secrets(&lock)?;
        match args.format {
            Format::Text => ui::data("nothing to do: everything is as planned\n")?,
            Format::Json => ui::data(&format!("{}\n", actions_json(&actions)))?,
        }
        return Ok(exit::DONE);
    }
    if args.yes {
        ui::say(&closing_line(&actions));
    } else {
        ui::say(&actions_text(&actions));
    }
    run::confirm("Do this?", args.yes)?;
    let actions = if asleep { wake(&mut session, &hosts, &lock)? } else { actions };
    session.store_secrets(&lock)?;
    session.store.save_plan(session.text.as_bytes())?;
    let parallel = args.parallel.into();
    let manner = Manner { command: "deploy", parallel, format: args.format };
    let code = run::run(&session, &hosts, &actions, &lock, manner)?;
    ui::say(&format!("next: hostsplit verify {again}"));
    Ok(if args.detailed_exitcode && code == exit::DONE { exit::CHANGES } else { code })
}

/// Asks guests that are off for secrets, and looks again.
fn wake(session: &mut Session, hosts: &Hosts, lock: &Lock) -> Result<Actions, CliError> {
    session.wake_for_secrets(hosts, lock)?;
    let (_, actions, obstacles) = look(session, hosts);
    refuse(&obstacles, "obstacle", "guests were started to ask them, nothing else was changed")?;
    Ok(actions)
}

fn look(session: &Session, hosts: &Hosts) -> (World, Actions, Vec<Obstacle>) {
    let world = session.observe(hosts);
    let actions = decide(&session.plan, &world);
    let obstacles = preflight(&session.plan, &world, &actions, session.images());
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

/// Says what would be done on the hosts as they are.
fn dry(session: &mut Session, prior: Option<&Plan>, args: &Args) -> Outcome {
    let hosts = session.connect_to_look()?;
    session.look_for_secrets(&hosts, Make::Ephemeral);
    let (world, actions, obstacles) = look(session, &hosts);
    let context = session.context(&hosts);
    let sight = DiffContext {
        plan: &session.plan,
        world: &world,
        actions: &actions,
        prior,
        context: Some(&context),
    };
    show(&actions, &text_changes(&sight), &obstacles, args)
}

/// Says what would be done if the hosts held the plan that was deployed last.
fn offline(session: &Session, prior: Option<&Plan>, args: &Args) -> Outcome {
    ui::say(&match prior {
        Some(_) => format!(
            "offline: no host is asked; compared with the plan that was deployed last, {}",
            session.store.plan_path().display()
        ),
        None => "offline: no host is asked; compared with empty hosts".to_owned(),
    });
    let world = assume(&session.plan, prior);
    let actions = decide(&session.plan, &world);
    let sight =
        DiffContext { plan: &session.plan, world: &world, actions: &actions, prior, context: None };
    show(&actions, &text_changes(&sight), &[], args)
}

fn show(actions: &Actions, changes: &[TextChange], obstacles: &[Obstacle], args: &Args) -> Outcome {
    let shown = args.diff.into();
    match args.format {
        Format::Text => {
            ui::data(&format!("{}{}", changes_text(changes, shown), actions_text(actions)))?;
        }
        Format::Json => {
            let mut value = actions_json(actions);
            if let Some(object) = value.as_object_mut() {
                object.insert("diffs".to_owned(), changes_json(changes, shown));
                object.insert("obstacles".to_owned(), json!(obstacles_json(obstacles)));
            }
            ui::data(&format!("{value:#}\n"))?;
        }
    }
    refuse(obstacles, "obstacle", "a deploy would change nothing")?;
    Ok(if actions.counts().changes() == 0 { exit::DONE } else { exit::CHANGES })
}
