//! `hostsplit graph`: a plan's resources and what each needs.

use std::path::PathBuf;

use crate::cli::error::{Outcome, exit};
use crate::cli::session::Session;
use crate::cli::ui;
use crate::graph::{Graph, dot, text};
use crate::report::graph::graph_json;

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
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    format: Language,
}

/// Runs the command.
///
/// # Errors
/// The plan cannot be read.
pub fn run(args: Args) -> Outcome {
    let Args { plan, format } = args;
    let session = Session::open(&plan, None, None)?;
    let graph = Graph::of(&session.plan);
    match format {
        Language::Text => ui::data(&text(&graph))?,
        Language::Json => ui::data(&format!("{:#}\n", graph_json(&graph)))?,
        Language::Dot => ui::data(&dot(&graph))?,
    }
    Ok(exit::DONE)
}
