//! From decided actions to a finished walk: confirms, writes the journal, shows
//! progress, sums up. Shared by `deploy` and `destroy`.

use std::io::{self, BufRead, IsTerminal};

use crate::cli::error::{CliError, Outcome, exit};
use crate::cli::progress;
use crate::cli::session::Session;
use crate::cli::ui::{self, Format};
use crate::deploy::{Hosts, execute, walk};
use crate::graph::Actions;
use crate::report::deploy::{critical_line, failures_text, summary_json, summary_line, waits_text};
use crate::state::journal::Entry;
use crate::state::store::{Lock, Recorder};

/// Options of a run.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// The command, for the journal and the lock.
    pub command: &'static str,
    /// Concurrent actions per host.
    pub parallel: usize,
    /// How progress and summary are shown.
    pub format: Format,
}

/// Asks for confirmation on the terminal.
///
/// # Errors
/// There is no terminal and `yes` is false, or the answer is no.
pub fn confirm(question: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !ui::is_watched() {
        let message = "cannot ask for confirmation: stdin or stderr is not a terminal";
        return Err(CliError::new(message).code(exit::USAGE).hint("pass --yes to proceed"));
    }
    ui::say(&format!("{question} Type \"yes\" to continue:"));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| CliError::new(format!("cannot read the answer: {error}")))?;
    if answer.trim() == "yes" {
        Ok(())
    } else {
        Err(CliError::new("not confirmed; nothing more was changed"))
    }
}

/// Walks the actions. Returns the exit code: all done, or partly.
///
/// # Errors
/// The journal cannot be begun; a failed action is no error but exit code 6.
pub fn run(
    session: &Session,
    hosts: &Hosts,
    actions: &Actions,
    lock: &Lock,
    options: RunOptions,
) -> Outcome {
    let journal = session.store.journal(lock)?;
    journal.write(Entry::Started {
        command: options.command.to_owned(),
        plan: session.digest(),
        hostsplit: env!("CARGO_PKG_VERSION").to_owned(),
        actions: actions.counts().changes(),
    })?;
    let context = session.context(hosts);
    let observer = progress::observer(options.format, actions);
    tracing::info!(changes = actions.counts().changes(), parallel = options.parallel, "applying");
    let begun = session.took();
    let outcome = walk(
        actions,
        options.parallel,
        &|vertex| execute(&context, actions, vertex, observer.as_ref()),
        Some(&journal),
        observer.as_ref(),
        session.clock(),
    );
    drop(observer);
    let (done, failed, skipped) = (outcome.done, outcome.failures.len(), outcome.skipped);
    let took = session.took().saturating_sub(begun);
    tracing::info!(done, failed, skipped, seconds = took.as_secs(), "applied");
    let written = journal.write(Entry::Finished { done, failed, skipped });
    match options.format {
        Format::Text => {
            ui::data(&format!("{}\n", summary_line(&outcome, took)))?;
            if let Some(line) = critical_line(actions, &outcome) {
                ui::data(&format!("{line}\n"))?;
            }
        }
        Format::Json => ui::data(&format!("{}\n", summary_json(actions, &outcome, took)))?,
    }
    written?;
    if failed == 0 && skipped == 0 {
        return Ok(exit::DONE);
    }
    let causes = failures_text(&outcome.failures);
    // A removal has said it before it began.
    let is_deploy = options.command == "deploy";
    let away = hosts.unreachable.keys().filter(|_| is_deploy);
    let waits = waits_text(skipped, away);
    let hint = match waits {
        Some(_) if failed == 0 => "bring it back and run the same command again, or leave it out",
        _ => "run the same command again to resume",
    };
    let causes = format!("{causes}{}", waits.unwrap_or_default());
    Err(CliError::new(format!("{} is incomplete:\n{causes}", options.command))
        .code(exit::PARTLY_DONE)
        .hint(hint))
}
