//! `hostsplit graph`: a plan's resources and their dependencies.

use std::path::PathBuf;

use crate::cli::error::{Outcome, exit};
use crate::cli::session::Session;
use crate::cli::ui;
use crate::deploy::assume;
use crate::graph::{Graph, decide, dot, dot_of, text, text_of};
use crate::report::graph::graph_json;
use crate::secret::Make;

/// Formats of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum GraphFormat {
    /// One line per resource, after those it depends on
    #[default]
    Text,
    /// For programs
    Json,
    /// For Graphviz: | dot -Tsvg
    Dot,
}

/// Show a plan's resources in the order of their dependencies
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file
    plan: PathBuf,
    /// Read the state of the hosts and show the action for each resource with its reason
    #[arg(long)]
    actions: bool,
    /// Contact no host: compare with the last deployed plan, or with empty hosts
    #[arg(long, requires = "actions")]
    offline: bool,
    /// State directory with lock, journal and secrets [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: GraphFormat,
}

/// Runs the command.
///
/// # Errors
/// The plan cannot be read; it fails its audit, and actions are asked for.
pub fn run(args: Args) -> Outcome {
    let Args { plan, actions, offline, state, format } = args;
    let mut session = Session::open_despite_findings(&plan, state)?;
    if !actions {
        let graph = Graph::of(&session.plan);
        ui::data(&match format {
            GraphFormat::Text => text(&graph),
            GraphFormat::Json => format!("{:#}\n", graph_json(&graph, None)),
            GraphFormat::Dot => dot(&graph),
        })?;
        return Ok(exit::DONE);
    }
    session.refuse_findings()?;
    let world = if offline {
        assume(&session.plan, session.prior())
    } else {
        let hosts = session.connect_to_look()?;
        session.look_for_secrets(&hosts, Make::Ephemeral);
        session.observe(&hosts)
    };
    let actions = decide(&session.plan, &world);
    ui::data(&match format {
        GraphFormat::Text => text_of(&actions),
        GraphFormat::Json => format!("{:#}\n", graph_json(actions.graph(), Some(&actions))),
        GraphFormat::Dot => dot_of(&actions),
    })?;
    Ok(exit::DONE)
}
