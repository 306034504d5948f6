//! The only room that prints, exits and reads argv and the environment: one
//! file per command.

mod backup;
mod check;
mod deploy;
mod destroy;
mod diff;
mod discover;
mod drain;
mod drill;
pub mod error;
mod explain;
mod failover;
mod file_kind;
mod graph;
mod import;
mod outlook;
mod plan;
mod profile;
mod progress;
mod restore;
mod rollback;
mod run;
mod schema;
mod secrets;
mod session;
mod show;
mod status;
pub mod ui;
mod uris;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::error::{CliError, Outcome, exit};
use crate::ids::ServiceName;
use crate::plan::{Plan, ServicePlan};

/// Split big servers into right-sized, pinned VMs, prove the split, and run clusters
/// on them
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_long_help = EXIT_CODES)]
struct Args {
    /// Increase log verbosity: -v steps, -vv details; HOSTSPLIT_LOG sets a filter
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Format of the log on stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
    /// Follow URIs of a plan's hosts that run programs here or name keys or files: ext, command=,
    /// netcat=, keyfile=, /embed, test: with a path
    #[arg(long, global = true)]
    allow_uri_programs: bool,
    /// Let specs include files from outside of their directory
    #[arg(long, global = true)]
    include_anywhere: bool,
    #[command(subcommand)]
    command: Command,
}

/// Formats of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object per line, with its spans
    Json,
}

/// The one place that documents [`exit`] for users.
const EXIT_CODES: &str = "\
Exit codes:
  0  done, or nothing to do
  1  error
  2  wrong command line
  3  changes are pending (deploy --dry-run) or were made (deploy --detailed-exitcode)
  4  no plan satisfies the spec
  5  an audit, a verification or a drill failed
  6  deploy or destroy is incomplete; run the same command again to resume
130  plan was interrupted; the best plan so far is written, if there was one";

#[derive(Debug, Subcommand)]
enum Command {
    Discover(discover::Args),
    Import(import::Args),
    Check(check::Args),
    Schema(schema::Args),
    Plan(plan::Args),
    Show(show::Args),
    Diff(diff::Args),
    Explain(explain::Args),
    Profile(profile::Args),
    Graph(graph::Args),
    Deploy(deploy::Args),
    Status(status::Args),
    Verify(verify::Args),
    Drain(drain::Args),
    Rollback(rollback::Args),
    Failover(failover::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Drill(drill::Args),
    Destroy(destroy::Args),
}

/// Runs the command line.
#[must_use]
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::DONE };
            // If this fails the terminal is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    trace(args.verbose, args.log_format);
    if args.allow_uri_programs {
        uris::allow();
    }
    if args.include_anywhere {
        check::include_anywhere();
    }
    ExitCode::from(dispatch(args.command).unwrap_or_else(|error| {
        ui::fail(&error);
        error.code
    }))
}

/// A service of a plan, by the name that was given.
fn service_of<'p>(plan: &'p Plan, name: &ServiceName) -> Result<&'p ServicePlan, CliError> {
    plan.service(name).ok_or_else(|| {
        let names: Vec<&str> = plan.services.iter().map(|one| one.name.as_str()).collect();
        CliError::new(format!("the plan has no service {name}"))
            .hint(format!("its services are {}", names.join(", ")))
    })
}

/// Runs a command inside its span.
fn dispatch(command: Command) -> Outcome {
    let span = tracing::info_span!("run", command = command.name());
    let _entered = span.enter();
    tracing::info!("started");
    let outcome = match command {
        Command::Discover(args) => discover::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Graph(args) => graph::run(args),
        Command::Deploy(args) => deploy::run(args),
        Command::Status(args) => status::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Drain(args) => drain::run(&args),
        Command::Rollback(args) => rollback::run(args),
        Command::Failover(args) => failover::run(args),
        Command::Backup(args) => backup::run(args),
        Command::Restore(args) => restore::run(args),
        Command::Drill(args) => drill::run(args),
        Command::Destroy(args) => destroy::run(args),
    };
    match &outcome {
        Ok(code) => tracing::info!(code, "finished"),
        Err(error) => tracing::info!(code = error.code, "failed"),
    }
    outcome
}

impl Command {
    /// The word on the command line.
    const fn name(&self) -> &'static str {
        match self {
            Self::Discover(_) => "discover",
            Self::Import(_) => "import",
            Self::Check(_) => "check",
            Self::Schema(_) => "schema",
            Self::Plan(_) => "plan",
            Self::Show(_) => "show",
            Self::Diff(_) => "diff",
            Self::Explain(_) => "explain",
            Self::Profile(_) => "profile",
            Self::Graph(_) => "graph",
            Self::Deploy(_) => "deploy",
            Self::Status(_) => "status",
            Self::Verify(_) => "verify",
            Self::Drain(_) => "drain",
            Self::Rollback(_) => "rollback",
            Self::Failover(_) => "failover",
            Self::Backup(_) => "backup",
            Self::Restore(_) => "restore",
            Self::Drill(_) => "drill",
            Self::Destroy(_) => "destroy",
        }
    }
}

/// Sends the log to stderr, as `-v`, `HOSTSPLIT_LOG` and `--log-format` request. Each
/// span says at its end how long it took.
fn trace(verbose: u8, format: LogFormat) {
    use std::io::IsTerminal as _;

    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::fmt::format::FmtSpan;
    let level = match verbose {
        0 => "warn",
        1 => "hostsplit=info",
        _ => "hostsplit=debug",
    };
    let filter = EnvFilter::try_from_env("HOSTSPLIT_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::CLOSE)
        // It would say on stderr that stderr cannot be written to.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // A terminal has colours unless NO_COLOR says otherwise, a file never.
    let log = if std::io::stderr().is_terminal() { log } else { log.with_ansi(false) };
    match format {
        LogFormat::Text => log.without_time().init(),
        LogFormat::Json => log.json().init(),
    }
}
