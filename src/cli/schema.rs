//! `hostsplit schema`: the JSON Schema of a file that users write.

use super::error::{Outcome, exit};
use super::ui;
use crate::spec::{Document, schema};

/// Files that have a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum File {
    /// Spec
    #[default]
    Spec,
    /// Host file, as discover and import write it
    Host,
    /// Image manifest
    Image,
}

/// Print the JSON Schema of an input file, for validation and completion in editors
///
/// Write it beside the spec and name it in the spec's first line; the YAML language
/// server (VS Code, Vim, Emacs) then marks errors and documents each field:
///
///   hostsplit schema > spec.schema.json
///
///   # yaml-language-server: $schema=spec.schema.json
///
/// A schema covers the form of one file. `hostsplit check` also finds errors across
/// fields and files, such as duplicate names.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Kind of file
    #[arg(value_enum, default_value_t)]
    file: File,
}

/// Runs the command.
///
/// # Errors
/// stdout cannot be written.
pub fn run(args: &Args) -> Outcome {
    let document = match args.file {
        File::Spec => Document::Spec,
        File::Host => Document::Host,
        File::Image => Document::Image,
    };
    ui::data(&format!("{:#}\n", schema(document)))?;
    Ok(exit::DONE)
}
