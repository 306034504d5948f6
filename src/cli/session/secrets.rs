//! The secrets of a session: found here or in guests, made, kept.

use super::Session;
use crate::cli::error::CliError;
use crate::cli::run::confirm;
use crate::cli::secrets::commands;
use crate::cli::ui;
use crate::deploy::{Hosts, Recovery, RecoveryOutcome, recover, wake_and_recover};
use crate::report::secrets::recovery_lines;
use crate::secret::Make;
use crate::state::store::Lock;

impl Session {
    /// Shows the commands of the plan that print passwords and lets them run, once the
    /// operator has agreed. All but a deploy go without them: what guests have is taken
    /// for what they would print.
    ///
    /// # Errors
    /// The operator has not agreed.
    pub fn let_commands_run(&mut self, yes: bool) -> Result<(), CliError> {
        let commands = commands(&self.plan);
        if commands.is_empty() || self.is_simulated() {
            return Ok(());
        }
        ui::say(&format!(
            "the plan has passwords or keys that commands print; they run in a shell on this machine:\n{}",
            commands.join("\n")
        ));
        confirm("Run these commands?", yes)?;
        self.sources.runs_commands = true;
        Ok(())
    }

    /// Finds the passwords and certificates that the plan needs: here, or in the guests
    /// that have them. Keeps nothing yet, whatever `make` is: a deploy generates missing
    /// ones and keeps them once it is confirmed. Returns whether guests that are powered
    /// off may have more.
    ///
    /// # Errors
    /// A reference that leads nowhere; the file system.
    pub fn find_secrets(&mut self, hosts: &Hosts, make: Make) -> Result<bool, CliError> {
        let missing = self.secret_store.missing(&self.plan, &self.sources)?;
        tracing::info!(services = missing.passwords.len(), "services without local passwords");
        let recovery = recover(&self.context(hosts), &missing);
        self.use_recovered(&recovery, make)?;
        Ok(recovery
            .services
            .iter()
            .any(|(_, outcome)| matches!(outcome, RecoveryOutcome::PoweredOff { .. })))
    }

    /// The same, starting guests that are powered off to read their secrets. The caller
    /// holds the lock.
    ///
    /// # Errors
    /// As [`Session::find_secrets`].
    pub fn wake_for_secrets(&mut self, hosts: &Hosts, _lock: &Lock) -> Result<(), CliError> {
        let missing = self.secret_store.missing(&self.plan, &self.sources)?;
        let note = |line: String| ui::say(&line);
        let recovery = wake_and_recover(&self.context(hosts), &missing, &note);
        self.use_recovered(&recovery, Make::Stored)
    }

    /// [`Session::find_secrets`] for commands that only read: a failure is a note, and
    /// instances then differ in the secrets that were not found.
    pub fn look_for_secrets(&mut self, hosts: &Hosts, make: Make) {
        if let Err(error) = self.find_secrets(hosts, make) {
            ui::say(&format!("note: {}", error.message));
        }
    }

    /// Keeps the secrets that were found and generated; those of a simulation stay in
    /// memory. The caller holds the lock.
    ///
    /// # Errors
    /// A reference that leads nowhere; the file system.
    pub fn store_secrets(&mut self, _lock: &Lock) -> Result<(), CliError> {
        if self.is_simulated() {
            return Ok(());
        }
        let known = std::mem::take(&mut self.secrets).services;
        self.secrets = self.secret_store.find(&self.plan, &self.sources, &known, Make::Stored)?;
        Ok(())
    }

    fn use_recovered(&mut self, recovery: &Recovery, make: Make) -> Result<(), CliError> {
        for line in recovery_lines(recovery, &self.secret_store.directory(), make) {
            // Once is enough, though guests are queried twice.
            if self.shown.insert(line.clone()) {
                let note = if make == Make::Stored { "" } else { "note: " };
                ui::say(&format!("{note}{line}"));
            }
        }
        self.secret_store.know(recovery.identities.clone());
        let make = if make == Make::Stored { Make::Ephemeral } else { make };
        self.secrets =
            self.secret_store.find(&self.plan, &self.sources, &recovery.passwords, make)?;
        Ok(())
    }
}
