//! The `hostsplit` command: parse, trace, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    hostsplit::cli::run()
}
