//! `hostsplit destroy`: removes what a deployment made.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use crate::cli::error::{CliError, Outcome, exit};
use crate::cli::run::{self, Manner};
use crate::cli::session::{Hosts, Session};
use crate::cli::ui::{self, Format};
use crate::graph::{Actions, decide_removal};
use crate::ids::HostName;
use crate::plan::Plan;
use crate::report::graph::{actions_json, actions_text, closing_line};
use crate::report::secrets::{forgotten_json, forgotten_lines};
use crate::secret::SecretStore;
use crate::state::world::{Seen, World};

/// Removes the deployment's VMs, their volumes, and image files nobody else uses.
///
/// Only what carries the deployment's tag or its volumes' names is touched. Data
/// volumes are kept unless --data is given, and with them the passwords and keys
/// in the state directory: a later deploy goes on with both. Ends with 6 when a
/// host could not be reached; the same command again goes on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plan file
    plan: PathBuf,
    /// Remove the data volumes too
    #[arg(long)]
    data: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Where lock and journal are kept [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How the outcome is shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// The plan, a host that did not answer, or what could not be removed.
pub fn run(args: Args) -> Outcome {
    let Args { plan, data, yes, state, format } = args;
    let session = Session::open(&plan, state, None)?;
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
    }
    secrets(session.secret_store(), data && everywhere, format)?;
    say_unreachable(&hosts)
}

/// Secrets go with the last of what they guard; files that we did not make stay.
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
            ui::say(&format!("kept the passwords and keys in {place}: a later deploy uses them"));
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
    ui::say(&if yes { closing_line(actions) } else { actions_text(actions) });
    let what = if data { "data included" } else { "data volumes are kept" };
    run::confirm(&format!("Remove all this ({what})?"), yes)?;
    let manner = Manner { command: "destroy", parallel: 4, format };
    run::run(session, hosts, actions, lock, manner)?;
    Ok(())
}

/// Data volumes that stay: of instances of the plan, and of others of ours.
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
    let noun = if kept.len() == 1 { "data volume" } else { "data volumes" };
    let names: Vec<String> =
        kept.iter().map(|(host, pool, name)| format!("{pool}/{name} on {host}")).collect();
    ui::say(&format!("kept {} {noun}: {}", kept.len(), names.join(", ")));
    ui::say("remove them with --data");
    Ok(())
}

fn say_unreachable(hosts: &Hosts) -> Outcome {
    if hosts.unreachable.is_empty() {
        return Ok(exit::DONE);
    }
    let lines: Vec<String> = hosts
        .unreachable
        .iter()
        .map(|(host, error)| format!("  {host}: {}", error.message))
        .collect();
    Err(CliError::new(format!("not everywhere: hosts did not answer\n{}", lines.join("\n")))
        .code(exit::PARTLY_DONE)
        .hint("bring them back and run the same command again"))
}
