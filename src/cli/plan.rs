//! `hostsplit plan`: finds the best plan, audits it and writes it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::load_spec;
use jiff::civil::Date;

use super::diff::change;
use super::error::{CliError, Outcome, exit};
use super::file_kind::FileKind;
use super::outlook::{day, growth, outlook};
use super::show::shown;
use super::ui::{self, PlanFormat};
use crate::audit;
use crate::plan::{Plan, store};
use crate::planner::{self, PlanError};
use crate::profile::Profiles;
use crate::report::infeasible;
use crate::report::moves::Moves;
use crate::report::outlook::Growth;
use crate::report::plan::Summary;
use crate::solve::{self, Infeasible, Limits};
use crate::spec::Spec;
use crate::units;

/// Find the optimal plan for a spec and write it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Spec file
    spec: PathBuf,
    /// Plan file to write, replaced atomically
    #[arg(short, long, default_value = "plan.json")]
    output: PathBuf,
    /// Time limit of the search, such as 90s or 1.5m; a bare number is in seconds
    /// [default: 60s]; a plan that reaches it reports its gap
    #[arg(long, value_parser = units::duration, value_name = "TIME")]
    time_limit: Option<Duration>,
    /// Part by which an objective may be above its proved bound, such as 0.5%: its search ends
    /// there
    #[arg(long, value_parser = gap, value_name = "PERCENT", default_value = "0%")]
    gap: f64,
    /// Also find the largest multiple of all demands that fits the hosts
    #[arg(long)]
    max_load: bool,
    /// Also compute the date on which the hosts are full, at a growth rate such as 3%/month
    #[arg(long, value_parser = growth, value_name = "RATE")]
    growth: Option<Growth>,
    /// Date from which demands grow [default: today]
    #[arg(long, value_parser = day, requires = "growth", value_name = "DATE")]
    from: Option<Date>,
    /// Earlier plan of the same deployment; among plans of equal cost, the one that moves the
    /// fewest of its instances is chosen, and the steps of the change are shown
    #[arg(long, value_name = "PLAN")]
    prior: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
}

/// Reads a gap such as `0.5%`.
fn gap(text: &str) -> Result<f64, String> {
    let percent = text.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok());
    percent
        .filter(|percent| (0.0..100.0).contains(percent))
        .map(|percent: f64| percent / 100.0)
        .ok_or_else(|| format!("{text:?} is no gap; expected a percentage below 100, such as 0.5%"))
}

/// Runs the command.
///
/// # Errors
/// The spec has errors, no plan satisfies it, or the plan fails its audit or
/// cannot be written. In none of these cases is the old plan touched.
pub fn run(args: &Args) -> Outcome {
    let mut spec = load_spec(&args.spec)?;
    // Before the search: it may take long, and what is there may be the spec itself.
    store::may_replace(&args.output)?;
    let prior = args.prior.as_deref().map(|path| load_prior(path, &spec)).transpose()?;
    if let Some(prior) = &prior {
        let known = prior.drained.iter().filter(|host| spec.topology.host(host).is_some());
        spec.drained = known.cloned().collect();
        for host in &spec.drained {
            ui::say(&format!("note: {host} is being emptied; `hostsplit drain --back` ends that"));
        }
    }
    let profiles = spec.profiles.resolve()?;
    let default = Limits::default();
    let seconds = args.time_limit.map_or(default.seconds, |limit| limit.as_secs_f64());
    let limits = Limits { seconds, gap: args.gap };
    on_interrupt()?;
    tracing::info!(time_limit_s = limits.seconds, "searching");
    let plan = match planner::make_with(&spec, &profiles, &limits, prior.as_ref()) {
        Ok((plan, report)) => {
            for (tier, seconds) in &report.seconds {
                tracing::info!(tier = %tier, seconds = format_args!("{seconds:.2}"), "tier solved");
            }
            if solve::is_cancelled() {
                ui::say(
                    "note: search interrupted; this is the best plan found so far (see objectives)",
                );
            } else if report.limit_hit {
                ui::say(&format!(
                    "note: time limit of {} s reached; this is the best plan found (see \
                     objectives), a longer --time-limit may improve it",
                    limits.seconds
                ));
            }
            plan
        }
        Err(PlanError::Infeasible(why)) => return no_plan(args, &why),
        Err(error) if solve::is_cancelled() => {
            return Err(CliError::from(error).code(exit::INTERRUPTED));
        }
        Err(error) => return Err(error.into()),
    };
    let mut summary = judged(&plan, &profiles)?;
    if let Some(prior) = &prior {
        summary = summary.against(Moves::new(prior, &plan), change(prior, &plan));
    }
    if args.max_load || args.growth.is_some() {
        summary.outlook = outlook(&spec, &profiles, &limits, (args.growth, args.from))?;
    }
    store::write(&args.output, &plan.to_text()?)?;
    tracing::info!(path = %args.output.display(), instances = plan.instances.len(), "plan written");
    let mut text = shown(&summary, args.format)?;
    if args.format == PlanFormat::Text {
        text = format!("{} written to {}\n", text.trim_end(), args.output.display());
    }
    ui::data(&text)?;
    for note in summary.notes() {
        ui::say(&format!("note: {note}; memory and disks are planned as with KVM"));
    }
    if let Some(directory) = images_elsewhere(&plan, args) {
        let directory = directory.display();
        ui::say(&format!(
            "note: the image's files are not in the plan's directory; deploy it with --images \
             {directory}"
        ));
    }
    Ok(if solve::is_cancelled() { exit::INTERRUPTED } else { exit::DONE })
}

/// Ctrl-C ends the search with the best plan so far; a second one ends the program.
#[expect(clippy::disallowed_methods, reason = "edge: the user wants to leave at once")]
fn on_interrupt() -> Result<(), CliError> {
    let handler = || {
        if solve::is_cancelled() {
            std::process::exit(exit::INTERRUPTED.into());
        }
        ui::say("stopping the search; press Ctrl-C again to quit immediately");
        solve::cancel();
    };
    ctrlc::set_handler(handler).map_err(CliError::from)
}

/// The prior plan, which must be of the spec's deployment: another one's instances
/// are other VMs.
fn load_prior(path: &Path, spec: &Spec) -> Result<Plan, CliError> {
    let prior =
        store::read(path).map_err(|error| FileKind::explain(path, FileKind::Plan, error.into()))?;
    if prior.name == spec.name {
        return Ok(prior);
    }
    Err(CliError::new(format!(
        "{} is a plan of deployment {}, but the spec defines {}",
        path.display(),
        prior.name,
        spec.name
    ))
    .hint("--prior expects the last deployed plan of the same deployment"))
}

/// The spec's directory, if the image's relative paths begin there and the plan
/// is written to another one.
fn images_elsewhere<'a>(plan: &Plan, args: &'a Args) -> Option<&'a Path> {
    let image = plan.image.as_ref()?;
    let mut files = [Some(&image.disk), image.kernel.as_ref(), image.initrd.as_ref()].into_iter();
    let is_relative =
        files.any(|file| file.is_some_and(|file| Path::new(&file.file).is_relative()));
    let parent = |path: &'a Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let (from, to) = (parent(&args.spec), parent(&args.output));
    (is_relative && from != to).then_some(from)
}

/// The plan's summary, if the audit lets it pass.
pub(super) fn judged(plan: &Plan, profiles: &Profiles) -> Result<Summary, CliError> {
    let findings = audit::audit(plan, profiles);
    let is_fit = audit::is_fit(&findings);
    tracing::info!(findings = findings.len(), passed = is_fit, "plan audited");
    let summary = Summary::new(plan, profiles, findings);
    if is_fit {
        return Ok(summary);
    }
    Err(CliError::new(format!(
        "the plan fails its audit and is not written\n{}",
        summary.closing()
    ))
    .code(exit::FAILED_CHECK)
    .hint("this is a bug in hostsplit, not in the spec; please report it with the spec"))
}

fn no_plan(args: &Args, why: &Infeasible) -> Outcome {
    if args.format == PlanFormat::Json {
        ui::data(&format!("{:#}\n", infeasible::json(why)))?;
    }
    Err(infeasible_error(why))
}

/// The error that says why there is no plan.
pub(super) fn infeasible_error(why: &Infeasible) -> CliError {
    let error = CliError::new(infeasible::text(why)).code(exit::INFEASIBLE);
    match infeasible::hint(why) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
