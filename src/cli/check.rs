//! `hostsplit check`: validates a spec, audits a plan.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::error::{CliError, Outcome, exit};
use super::file_kind::FileKind;
use super::ui::{self, Format};
use crate::audit;
use crate::plan::store;
use crate::report::plan::Summary;
use crate::report::spec;
use crate::spec::{Spec, SpecErrors, load};

/// Validate a spec, or audit a plan (a file that ends in .json)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Spec (YAML) or plan (JSON)
    file: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// The file cannot be read, the spec has errors, or the plan has findings.
pub fn run(args: &Args) -> Outcome {
    if args.file.extension().is_some_and(|extension| extension == "json") {
        check_plan(args)
    } else {
        check_spec(args)
    }
}

fn check_spec(args: &Args) -> Outcome {
    match (load(&args.file), args.format) {
        (Ok(spec), Format::Text) => {
            ui::data(&format!("{}: valid\n{}", args.file.display(), spec::text(&spec)))?;
            Ok(exit::DONE)
        }
        (Ok(spec), Format::Json) => {
            ui::data(&format!("{:#}\n", spec::json(&spec)))?;
            Ok(exit::DONE)
        }
        (Err(errors), Format::Text) => Err(spec_error(&args.file, &errors)),
        (Err(errors), Format::Json) => {
            ui::data(&format!("{:#}\n", spec::problems_json(&errors)))?;
            Ok(exit::ERROR)
        }
    }
}

fn check_plan(args: &Args) -> Outcome {
    let plan = store::read(&args.file)
        .map_err(|error| FileKind::explain(&args.file, FileKind::Plan, error.into()))?;
    let profiles = plan.profiles.resolve()?;
    let findings = audit::audit(&plan, &profiles);
    let code = if audit::is_fit(&findings) { exit::DONE } else { exit::FAILED_CHECK };
    match args.format {
        Format::Text => {
            let closing = Summary::new(&plan, &profiles, findings).closing();
            ui::data(&format!("{closing}\n"))?;
        }
        Format::Json => ui::data(&format!("{:#}\n", json!({ "findings": findings })))?,
    }
    Ok(code)
}

/// Loads a spec for a command.
///
/// # Errors
/// Its errors, as they are shown.
pub(super) fn load_spec(path: &Path) -> Result<Spec, CliError> {
    let spec = load(path).map_err(|errors| spec_error(path, &errors))?;
    let (hosts, services) = (spec.topology.hosts.len(), spec.services.len());
    tracing::info!(path = %path.display(), hosts, services, "spec loaded");
    Ok(spec)
}

fn spec_error(path: &Path, errors: &SpecErrors) -> CliError {
    let error = match errors.diagnostics.as_slice() {
        [only] => CliError { hint: only.hint.clone(), ..CliError::new(only) },
        all => {
            let count = all.len();
            CliError::new(format!("{count} errors in {}\n{errors}", path.display()))
        }
    };
    FileKind::explain(path, FileKind::Spec, error)
}
