//! `hostsplit deploy`: makes the hosts hold what is planned.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::cli::error::{CliError, Outcome, exit};
use crate::cli::run::{self, Manner};
use crate::cli::session::{Hosts, Session, parse_duration};
use crate::cli::ui::{self, Format};
use crate::deploy::{Problem, preflight};
use crate::graph::{Actions, decide};
use crate::report::deploy::{problems_json, problems_text};
use crate::report::graph::{actions_json, actions_text, closing_line};

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
    let Args { plan, dry_run, yes, state, parallel, images, format, timeout } = args;
    let again = plan.display().to_string();
    let mut session = Session::open(&plan, state, images)?.patience(timeout);
    if session.plan.image.is_none() {
        let message = format!("{again} names no image, so its instances have nothing to boot from");
        return Err(CliError::new(message).hint("add `image:` to the spec and plan again"));
    }
    if dry_run {
        return show(&session, &session.connect()?, format);
    }
    let lock = session.lock("deploy")?;
    session.settle_secrets(&lock)?;
    if let Some(text) = session.history().last.and_then(|last| last.interruption()) {
        ui::say(&format!("resuming: {text}"));
    }
    let hosts = session.connect()?;
    let (actions, problems) = look(&session, &hosts);
    refuse(&problems)?;
    if actions.counts().changes() == 0 {
        match format {
            Format::Text => ui::data("nothing to do: everything is as planned\n")?,
            Format::Json => ui::data(&format!("{}\n", actions_json(&actions)))?,
        }
        return Ok(exit::DONE);
    }
    if yes {
        ui::say(&closing_line(&actions));
    } else {
        ui::say(&actions_text(&actions));
    }
    run::confirm("Do this?", yes)?;
    session.store.save_plan(session.text.as_bytes())?;
    let manner = Manner { command: "deploy", parallel: parallel.into(), format };
    let code = run::run(&session, &hosts, &actions, &lock, manner)?;
    ui::say(&format!("next: hostsplit verify {again}"));
    Ok(code)
}

fn look(session: &Session, hosts: &Hosts) -> (Actions, Vec<Problem>) {
    let world = session.observe(hosts);
    let actions = decide(&session.plan, &world);
    let problems = preflight(&session.plan, &world, &actions, session.images());
    (actions, problems)
}

fn refuse(problems: &[Problem]) -> Result<(), CliError> {
    if problems.is_empty() {
        return Ok(());
    }
    let count = problems.len();
    let noun = if count == 1 { "obstacle" } else { "obstacles" };
    let text = problems_text(problems);
    Err(CliError::new(format!("{count} {noun}; nothing was changed:\n{text}")))
}

fn show(session: &Session, hosts: &Hosts, format: Format) -> Outcome {
    let (actions, problems) = look(session, hosts);
    match format {
        Format::Text => ui::data(&actions_text(&actions))?,
        Format::Json => {
            let mut value = actions_json(&actions);
            if let Some(object) = value.as_object_mut() {
                object.insert("problems".to_owned(), json!(problems_json(&problems)));
            }
            ui::data(&format!("{value:#}\n"))?;
        }
    }
    refuse(&problems)?;
    Ok(if actions.counts().changes() == 0 { exit::DONE } else { exit::CHANGES })
}
