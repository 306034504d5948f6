//! The only room that prints, exits and reads argv and the environment: one
//! file per command.

mod check;
mod deploy;
mod destroy;
mod discover;
pub mod error;
mod explain;
mod graph;
mod import;
mod outlook;
mod plan;
mod profile;
mod progress;
mod run;
mod schema;
mod secrets;
mod session;
mod show;
mod status;
pub mod ui;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::error::{Outcome, exit};

/// Splits big servers into right-sized, pinned VMs, proves the split, and runs
/// clusters on them.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    /// Show what happens inside: -v steps, -vv details. `HOSTSPLIT_LOG` takes a filter.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Discover(discover::Args),
    Import(import::Args),
    Check(check::Args),
    Schema(schema::Args),
    Plan(plan::Args),
    Show(show::Args),
    Explain(explain::Args),
    Profile(profile::Args),
    Graph(graph::Args),
    Deploy(deploy::Args),
    Status(status::Args),
    Verify(verify::Args),
    Destroy(destroy::Args),
}

/// Runs the command line.
#[must_use]
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::DONE };
            // The terminal is gone if this fails; there is nobody left to tell.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    trace(args.verbose);
    ExitCode::from(dispatch(args.command).unwrap_or_else(|error| {
        ui::fail(&error);
        error.code
    }))
}

fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Discover(args) => discover::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Graph(args) => graph::run(args),
        Command::Deploy(args) => deploy::run(args),
        Command::Status(args) => status::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Destroy(args) => destroy::run(args),
    }
}

/// Sends traces to stderr, as `-v` or `HOSTSPLIT_LOG` ask.
fn trace(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = match verbose {
        0 => "warn",
        1 => "hostsplit=info",
        _ => "hostsplit=debug",
    };
    let filter = EnvFilter::try_from_env("HOSTSPLIT_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
}
