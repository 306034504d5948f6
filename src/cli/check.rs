//! `hostsplit check`: validates a spec, audits a plan.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::error::{CliError, Outcome, exit};
use super::file_kind::FileKind;
use super::ui::{self, Format};
use crate::audit;
use crate::plan::store;
use crate::report::plan::Summary;
use crate::report::spec;
use crate::spec::{Reach, Spec, SpecErrors, load_within};

/// Validate a spec, or audit a plan
///
/// The audit derives a plan again from what it carries. What only the spec and its hosts
/// know is compared with --spec.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Spec or plan
    file: PathBuf,
    /// Spec that the plan is to be one of, with its hosts
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// The file cannot be read, the spec has errors, or the plan has findings.
pub fn run(args: &Args) -> Outcome {
    let by_name = || args.file.extension().is_some_and(|extension| extension == "json");
    let is_plan = match FileKind::of(&args.file) {
        Some(kind) => kind == FileKind::Plan,
        None => by_name(),
    };
    if is_plan || args.spec.is_some() { check_plan(args) } else { check_spec(args) }
}

fn check_spec(args: &Args) -> Outcome {
    match (load_within(&args.file, reach()), args.format) {
        (Ok(spec), Format::Text) => {
            note_unreached(&spec);
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
    let mut findings = audit::audit(&plan, &profiles);
    if let Some(spec) = &args.spec {
        findings.extend(audit::against(&plan, &load_spec(spec)?));
    }
    let code = if audit::is_fit(&findings) { exit::DONE } else { exit::FAILED_CHECK };
    match args.format {
        Format::Text => {
            let closing = Summary::new(&plan, &profiles, findings).closing();
            ui::data(&format!("{closing}\n"))?;
            ui::data(
                "values of the objectives are derived again, their bounds are the plan's claim\n",
            )?;
            if let Some(spec) = args.spec.as_ref().filter(|_| code == exit::DONE) {
                ui::data(&format!("a plan of {}\n", spec.display()))?;
            }
        }
        Format::Json => {
            let claims = ["bounds of the objectives"];
            ui::data(&format!("{:#}\n", json!({ "findings": findings, "claims": claims })))?;
        }
    }
    Ok(code)
}

/// Whether the operator lets specs include files from anywhere.
static ANYWHERE: AtomicBool = AtomicBool::new(false);

/// Lets specs include files from anywhere, for this run.
pub(super) fn include_anywhere() {
    ANYWHERE.store(true, Ordering::SeqCst);
}

fn reach() -> Reach {
    if ANYWHERE.load(Ordering::SeqCst) { Reach::Anywhere } else { Reach::Beside }
}

/// Loads a spec for a command.
///
/// # Errors
/// Its errors, as they are shown.
pub(super) fn load_spec(path: &Path) -> Result<Spec, CliError> {
    let spec = load_within(path, reach()).map_err(|errors| spec_error(path, &errors))?;
    let (hosts, services) = (spec.topology.hosts.len(), spec.services.len());
    tracing::info!(path = %path.display(), hosts, services, "spec loaded");
    note_unreached(&spec);
    Ok(spec)
}

/// Says which hosts take no instance, because they are of another architecture than guests or
/// lack the network's bridge: nothing else would show that they are not planned with.
pub(super) fn note_unreached(spec: &Spec) {
    for host in spec.topology.hosts.iter().filter(|host| !host.architecture.is_of_guests()) {
        ui::say(&format!(
            "note: {} takes no instance: it is {}, and guests are x86_64 (`architecture:` of the \
             host)",
            host.name,
            host.architecture.as_str()
        ));
    }
    let Some(network) = &spec.network else { return };
    for host in spec
        .topology
        .hosts
        .iter()
        .filter(|host| host.architecture.is_of_guests() && !spec.reaches_network(host))
    {
        ui::say(&format!(
            "note: {} takes no instance: it has no bridge {} (`bridges:` of the host)",
            host.name, network.bridge
        ));
    }
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
