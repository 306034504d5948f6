//! The secrets of a session: found here or in guests, made, kept.

use super::{Hosts, Session};
use crate::cli::error::CliError;
use crate::cli::{secrets, ui};
use crate::deploy::{Recovery, RecoveryOutcome, recover, wake_and_recover};
use crate::report::secrets::recovery_lines;
use crate::secret::Make;
use crate::state::store::Lock;

impl Session {
    /// Finds the passwords and certificates that the plan asks for: here, or in
    /// the guests that have them. Nothing is kept yet, whatever `make` says: of
    /// what nobody has, a deploy makes new ones and keeps them once it goes ahead.
    /// Whether guests that are off may know more.
    ///
    /// # Errors
    /// A reference that leads nowhere; the file system.
    pub fn find_secrets(&mut self, hosts: &Hosts, make: Make) -> Result<bool, CliError> {
        let missing = self.secret_store.missing(&self.plan)?;
        let recovery = recover(&self.context(hosts), &hosts.unreachable, &missing);
        self.use_recovered(&recovery, make)?;
        Ok(recovery
            .services
            .iter()
            .any(|(_, outcome)| matches!(outcome, RecoveryOutcome::PoweredOff { .. })))
    }

    /// The same, starting guests that are off to ask them. The lock is there to be
    /// held.
    ///
    /// # Errors
    /// As [`Session::find_secrets`].
    pub fn wake_for_secrets(&mut self, hosts: &Hosts, _lock: &Lock) -> Result<(), CliError> {
        let missing = self.secret_store.missing(&self.plan)?;
        let note = |line: String| ui::say(&line);
        let recovery = wake_and_recover(&self.context(hosts), &hosts.unreachable, &missing, &note);
        self.use_recovered(&recovery, Make::Stored)
    }

    /// [`Session::find_secrets`] for those who only look: they see that instances do not know the
    /// secrets that cannot be found.
    pub fn look_for_secrets(&mut self, hosts: &Hosts, make: Make) {
        if let Err(error) = self.find_secrets(hosts, make) {
            ui::say(&format!("note: {}", error.message));
        }
    }

    /// Keeps the secrets that were found and made. The lock is there to be held.
    ///
    /// # Errors
    /// A reference that leads nowhere; the file system.
    pub fn store_secrets(&mut self, _lock: &Lock) -> Result<(), CliError> {
        let known = std::mem::take(&mut self.secrets).credentials;
        self.secrets =
            self.secret_store.find(&self.plan, &secrets::System, &known, Make::Stored)?;
        Ok(())
    }

    fn use_recovered(&mut self, recovery: &Recovery, make: Make) -> Result<(), CliError> {
        for line in recovery_lines(recovery, &self.secret_store.directory(), make) {
            // What was said before guests were asked need not be said again.
            if self.told.insert(line.clone()) {
                let note = if make == Make::Stored { "" } else { "note: " };
                ui::say(&format!("{note}{line}"));
            }
        }
        let make = if make == Make::Stored { Make::Ephemeral } else { make };
        self.secrets =
            self.secret_store.find(&self.plan, &secrets::System, &recovery.passwords, make)?;
        Ok(())
    }
}
