//! `hostsplit graph`: a plan's resources and what each needs.

use std::path::PathBuf;

use crate::cli::error::{Outcome, exit};
use crate::cli::session::Session;
use crate::cli::ui;
use crate::deploy::assume;
use crate::graph::{Graph, decide, dot, dot_of, text, text_of};
use crate::report::graph::graph_json;
use crate::secret::Make;

/// Languages of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// A line per resource, each after what it needs.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For Graphviz: `| dot -Tsvg`.
    Dot,
}

/// Shows a plan's resources in the order they need each other.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plan file
    plan: PathBuf,
    /// Look at the hosts, and show what is to be done with each resource and why
    #[arg(long)]
    actions: bool,
    /// With --actions: ask no host, compare with the plan that was deployed last,
    /// or with empty hosts
    #[arg(long, requires = "actions")]
    offline: bool,
    /// Where lock and journal are kept [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    format: Language,
}

/// Runs the command.
///
/// # Errors
/// The plan cannot be read.
pub fn run(args: Args) -> Outcome {
    let Args { plan, actions, offline, state, format } = args;
    let mut session = Session::open(&plan, state, None)?;
    if !actions {
        let graph = Graph::of(&session.plan);
        ui::data(&match format {
            Language::Text => text(&graph),
            Language::Json => format!("{:#}\n", graph_json(&graph, None)),
            Language::Dot => dot(&graph),
        })?;
        return Ok(exit::DONE);
    }
    let world = if offline {
        assume(&session.plan, session.prior().as_ref())
    } else {
        let hosts = session.connect_to_look()?;
        session.look_for_secrets(&hosts, Make::Ephemeral);
        session.observe(&hosts)
    };
    let actions = decide(&session.plan, &world);
    ui::data(&match format {
        Language::Text => text_of(&actions),
        Language::Json => format!("{:#}\n", graph_json(actions.graph(), Some(&actions))),
        Language::Dot => dot_of(&actions),
    })?;
    Ok(exit::DONE)
}
