//! Writes a spec of a family ([`families`]) to standard output, for `hostsplit plan`.
//!
//! ```text
//! cargo bench --no-default-features --bench family -- priced 400 1200 > spec.yaml
//! ```

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program that prints"
)]

#[path = "cases/dice.rs"]
mod dice;
#[path = "cases/families.rs"]
mod families;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match families::text(&words) {
        Some(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        // A run of all benchmarks asks for none.
        None if words.is_empty() => ExitCode::SUCCESS,
        None => {
            eprintln!("no such family: see benches/cases/families.rs");
            ExitCode::FAILURE
        }
    }
}
