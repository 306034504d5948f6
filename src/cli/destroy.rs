//! `hostsplit destroy`: removes what a deployment created.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use crate::cli::error::{CliError, Outcome, exit};
use crate::cli::run::{self, RunOptions};
use crate::cli::session::Session;
use crate::cli::ui::{self, Format};
use crate::deploy::Hosts;
use crate::graph::{Actions, decide_removal, lost_volumes};
use crate::ids::HostName;
use crate::plan::Plan;
use crate::report::graph::{actions_json, actions_text, closing_line, lost_json, lost_text};
use crate::report::secrets::{forgotten_json, forgotten_lines};
use crate::secret::SecretStore;
use crate::state::world::{Places, Seen, World};
use crate::units::counted;

/// Remove a deployment's VMs, their volumes, and image files that nothing else uses
///
/// Touches only what carries the deployment's tag or its volumes' names. Keeps data
/// volumes unless --data is given, and with them the passwords and keys in the state
/// directory, so that a later deploy reuses both. Exits with 6 when a host could not
/// be reached; the same command again resumes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file
    plan: PathBuf,
    /// Remove data volumes too
    #[arg(long)]
    data: bool,
    /// Show what would be removed and kept, and remove nothing; exits with 3 if there is
    /// anything to remove
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Proceed without confirmation
    #[arg(long, short)]
    yes: bool,
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
/// The plan cannot be read, a host did not answer, or something could not be removed.
pub fn run(args: Args) -> Outcome {
    let Args { plan, data, dry_run, yes, state, format } = args;
    let session = Session::open_despite_findings(&plan, state)?;
    if dry_run {
        return dry(&session, data, format);
    }
    let lock = session.lock("destroy")?;
    let hosts = session.connect()?;
    let world = session.observe_hosts(&hosts);
    let actions = decide_removal(&session.plan, &world, data);
    if actions.counts().changes() == 0 {
        match format {
            Format::Text => ui::data("nothing to remove\n")?,
            Format::Json => ui::data(&format!("{}\n", actions_json(&actions)))?,
        }
    } else {
        remove(&session, &hosts, &actions, data, yes, &lock, format)?;
    }
    if !data {
        say_kept(&kept(&session.plan, &world, &actions), format)?;
    }
    let everywhere = world.hosts.values().all(|host| matches!(host, Seen::Reached(_)));
    if everywhere {
        session.store.forget_plan()?;
        session.store.save_places(&Places::new())?;
    }
    secrets(session.secret_store(), data && everywhere, format)?;
    say_unreachable(&hosts, "destroy is incomplete")
}

/// Shows what a removal would do, over connections that cannot change anything.
fn dry(session: &Session, data: bool, format: Format) -> Outcome {
    let hosts = session.connect_to_look()?;
    let world = session.observe_hosts(&hosts);
    let actions = decide_removal(&session.plan, &world, data);
    let changes = actions.counts().changes();
    let lost = lost_volumes(&session.plan, &actions);
    match format {
        Format::Text if changes == 0 => ui::data("nothing to remove\n")?,
        Format::Text => ui::data(&format!("{}{}", lost_text(&lost), actions_text(&actions)))?,
        Format::Json => {
            let mut value = actions_json(&actions);
            if let Some(object) = value.as_object_mut() {
                object.insert("volumes".to_owned(), lost_json(&lost));
            }
            ui::data(&format!("{value}\n"))?;
        }
    }
    if !data {
        say_kept(&kept(&session.plan, &world, &actions), format)?;
    }
    say_unreachable(&hosts, "a removal would be incomplete")?;
    Ok(if changes == 0 { exit::DONE } else { exit::CHANGES })
}

/// Removes the secrets once nothing uses them; keeps files that hostsplit did not create.
fn secrets(store: &SecretStore, nothing_left: bool, format: Format) -> Result<(), CliError> {
    let directory = store.directory();
    if nothing_left {
        let forgotten = store.forget()?;
        return match format {
            Format::Json => ui::data(&format!("{}\n", forgotten_json(&forgotten))),
            Format::Text => {
                forgotten_lines(&forgotten, &directory).iter().for_each(|line| ui::say(line));
                Ok(())
            }
        };
    }
    if store.is_empty()? {
        return Ok(());
    }
    let place = directory.display();
    match format {
        Format::Json => {
            ui::data(&format!("{}\n", json!({ "event": "kept", "secrets": place.to_string() })))
        }
        Format::Text => {
            ui::say(&format!("kept the passwords and keys in {place}; a later deploy reuses them"));
            Ok(())
        }
    }
}

fn remove(
    session: &Session,
    hosts: &Hosts,
    actions: &Actions,
    data: bool,
    yes: bool,
    lock: &crate::state::store::Lock,
    format: Format,
) -> Result<(), CliError> {
    let lost = lost_text(&lost_volumes(&session.plan, actions));
    ui::say(&if yes { closing_line(actions) } else { format!("{lost}{}", actions_text(actions)) });
    let what = if data { "data volumes included" } else { "data volumes are kept" };
    run::confirm(&format!("Remove these resources ({what})?"), yes)?;
    let options = RunOptions { command: "destroy", parallel: 4, format };
    run::run(session, hosts, actions, lock, options)?;
    Ok(())
}

/// Data volumes that are kept: of planned instances, and of others of this deployment.
fn kept(plan: &Plan, world: &World, actions: &Actions) -> Vec<Kept> {
    let planned = plan.instances.iter().filter_map(|instance| {
        let data = instance.data.as_ref()?;
        let seen = world.view(&instance.host)?.volume(&data.pool, &data.name)?;
        Some((instance.host.clone(), data.pool.clone(), seen.name.clone()))
    });
    let others = actions.all_unwanted().flat_map(|unwanted| {
        let kept = unwanted.kept.iter();
        kept.map(|(pool, name)| (unwanted.host.clone(), pool.clone(), name.clone()))
    });
    let all: BTreeSet<Kept> = planned.chain(others).collect();
    all.into_iter().collect()
}

/// Host, pool and name of a volume.
type Kept = (HostName, String, String);

fn say_kept(kept: &[Kept], format: Format) -> Result<(), CliError> {
    if format == Format::Json {
        let volumes = kept
            .iter()
            .map(|(host, pool, name)| json!({ "host": host, "pool": pool, "volume": name }));
        let volumes: Vec<_> = volumes.collect();
        return ui::data(&format!("{}\n", json!({ "event": "kept", "volumes": volumes })));
    }
    if kept.is_empty() {
        return Ok(());
    }
    let names: Vec<String> =
        kept.iter().map(|(host, pool, name)| format!("{pool}/{name} on {host}")).collect();
    ui::say(&format!("kept {}: {}", counted(kept.len() as u64, "data volume"), names.join(", ")));
    ui::say("pass --data to remove them");
    Ok(())
}

fn say_unreachable(hosts: &Hosts, meaning: &str) -> Outcome {
    if hosts.unreachable.is_empty() {
        return Ok(exit::DONE);
    }
    let lines: Vec<String> = hosts
        .unreachable
        .iter()
        .map(|(host, error)| format!("  {host}: {}", error.message))
        .collect();
    Err(CliError::new(format!("{meaning}: hosts did not answer\n{}", lines.join("\n")))
        .code(exit::PARTLY_DONE)
        .hint("run the same command again when they are back"))
}
