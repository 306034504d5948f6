//! `hostsplit profile`: what one instance of an engine can do, with its evidence.

use std::path::PathBuf;

use super::check::load_spec;
use super::error::{CliError, Outcome, exit};
use super::ui::{self, Format};
use crate::profile::{Profile, Profiles};
use crate::report::profile::{ProfileList, ProfileSheet};

/// Show the performance profile of an engine with its evidence, or list all profiles
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Engine such as redis or mysql
    engine: Option<String>,
    /// Apply the overrides under `profiles:` of this spec
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// The engine is unknown, or the spec has errors.
pub fn run(args: &Args) -> Outcome {
    let profiles = match &args.spec {
        Some(path) => load_spec(path)?.profiles.resolve()?,
        None => Profiles::builtin()?,
    };
    let text = match &args.engine {
        None => {
            let list = ProfileList::new(&profiles);
            shown(args.format, &list, || list.json())
        }
        Some(name) => {
            let sheet = ProfileSheet::new(named(&profiles, name)?);
            shown(args.format, &sheet, || sheet.json())
        }
    };
    ui::data(&text)?;
    Ok(exit::DONE)
}

fn named<'a>(profiles: &'a Profiles, name: &str) -> Result<&'a Profile, CliError> {
    let found = profiles.all().find(|profile| profile.engine.as_str() == name);
    found.ok_or_else(|| {
        let all: Vec<&str> = profiles.all().map(|profile| profile.engine.as_str()).collect();
        CliError::new(format!("unknown engine {name:?}"))
            .code(exit::USAGE)
            .hint(format!("expected one of: {}", all.join(", ")))
    })
}

fn shown(
    format: Format,
    text: &impl std::fmt::Display,
    json: impl FnOnce() -> serde_json::Value,
) -> String {
    match format {
        Format::Text => text.to_string(),
        Format::Json => format!("{:#}\n", json()),
    }
}
