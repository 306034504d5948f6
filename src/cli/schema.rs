//! `hostsplit schema`: the JSON Schema of a file that users write.

use super::error::{Outcome, exit};
use super::ui;
use crate::spec::{Document, schema};

/// Files that have a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum File {
    /// A spec.
    #[default]
    Spec,
    /// A host file, as `discover` and `import` write it.
    Host,
    /// An image manifest.
    Image,
}

/// Print the JSON Schema that editors check and complete a file by.
///
/// Write it beside the spec and name it in the spec's first line; the YAML language
/// server (VS Code, Vim, Emacs) then marks mistakes and shows what each field means:
///
///   hostsplit schema > spec.schema.json
///
///   # yaml-language-server: $schema=spec.schema.json
///
/// A schema knows the form of a file. What only hangs together in the whole, such as a
/// name that stands twice, `hostsplit check` says.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Which file.
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
