//! `hostsplit profile`: what one instance of an engine can do, and how that is
//! known.

use std::path::PathBuf;

use super::check::load_spec;
use super::error::{CliError, Outcome, exit};
use super::ui::{self, Format};
use crate::profile::{Profile, Profiles};
use crate::report::profile::{ProfileList, ProfileSheet};

/// Show what one instance of an engine can do, and how that is known.
///
/// Without an engine all profiles are listed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The engine: redis, mysql and so on.
    engine: Option<String>,
    /// With what this spec says of profiles.
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
    /// How to show it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// There is no profile of that engine, or the spec has mistakes.
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
        CliError::new(format!("there is no profile of an engine {name:?}"))
            .code(exit::USAGE)
            .hint(format!("the engines are {}", all.join(", ")))
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
