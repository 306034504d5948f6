//! Scripted failures: which call fails, and on which side of its effect.

use std::fmt;

use crate::hypervisor::{ErrorKind, HypervisorError};
use crate::ids::HostName;

/// A call to a simulated host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Number among the calls that can change something, from 1; 0 for those
    /// that only look.
    pub number: u64,
    /// The host.
    pub host: HostName,
    /// Method of [`crate::hypervisor::Hypervisor`]; `agent` calls carry the
    /// agent's command too: `agent guest-exec`.
    pub name: String,
    /// What it was for: a domain, `pool/volume`, the path of an `exec`.
    pub object: String,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// An error, and nothing happened.
    Before,
    /// It happened, and the answer was lost.
    After,
    /// We die before it: it and all later calls fail until
    /// [`super::SimulatedWorld::revive`].
    DieBefore,
    /// It happens, and we die before the answer.
    DieAfter,
}

/// Says which calls a fault strikes.
type Chooser = Box<dyn Fn(&Call) -> bool + Send>;

/// A scripted failure.
pub struct Fault {
    strikes: Chooser,
    mode: Mode,
    /// How often it still strikes.
    left: u32,
    /// What libvirt says, instead of the script's own words.
    message: Option<String>,
}

impl Fault {
    /// Strikes the calls that `strikes` chooses, at most `times` times.
    pub fn when(mode: Mode, times: u32, strikes: impl Fn(&Call) -> bool + Send + 'static) -> Self {
        Self { strikes: Box::new(strikes), mode, left: times, message: None }
    }

    /// The same, with the words that libvirt would use.
    #[must_use]
    pub fn saying(self, message: &str) -> Self {
        Self { message: Some(message.to_owned()), ..self }
    }

    /// Strikes the changing call of that number, once.
    #[must_use]
    pub fn at(number: u64, mode: Mode) -> Self {
        Self::when(mode, 1, move |call| call.number == number)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({:?}, {} left)", self.mode, self.left)
    }
}

/// A fault that strikes a call.
pub(super) struct Strike {
    pub(super) mode: Mode,
    message: Option<String>,
}

impl Strike {
    /// The error of the call that is struck.
    pub(super) fn error(&self, call: &Call) -> HypervisorError {
        let (kind, words) = match self.mode {
            Mode::Before | Mode::DieBefore => {
                (ErrorKind::Other, "scripted failure before the effect")
            }
            Mode::After | Mode::DieAfter => {
                (ErrorKind::Unreachable, "scripted failure after the effect")
            }
        };
        failure(call, kind, self.message.as_deref().unwrap_or(words))
    }
}

/// The script and the log.
#[derive(Debug, Default)]
pub(super) struct Faults {
    script: Vec<Fault>,
    log: Vec<Call>,
    dead: bool,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.script.push(fault);
    }

    /// Forgets the script and lives again.
    pub(super) fn revive(&mut self) {
        self.script.clear();
        self.dead = false;
    }

    /// We die here: all calls fail until we live again.
    pub(super) const fn die(&mut self) {
        self.dead = true;
    }

    pub(super) fn log(&self) -> &[Call] {
        &self.log
    }

    /// Counts a call and finds the fault that strikes it, if one does.
    ///
    /// # Errors
    /// We are dead.
    pub(super) fn enter(
        &mut self,
        host: &HostName,
        name: &str,
        object: &str,
        changes: bool,
    ) -> Result<(Call, Option<Strike>), HypervisorError> {
        let number = if changes { self.log.len() as u64 + 1 } else { 0 };
        let call =
            Call { number, host: host.clone(), name: name.to_owned(), object: object.to_owned() };
        if self.dead {
            return Err(failure(&call, ErrorKind::Unreachable, "the simulated process is dead"));
        }
        if changes {
            self.log.push(call.clone());
        }
        let fault = self.script.iter_mut().find(|fault| fault.left > 0 && (fault.strikes)(&call));
        let strike = fault.map(|fault| {
            fault.left -= 1;
            Strike { mode: fault.mode, message: fault.message.clone() }
        });
        let mode = strike.as_ref().map(|strike| strike.mode);
        self.dead = matches!(mode, Some(Mode::DieBefore | Mode::DieAfter));
        Ok((call, strike))
    }
}

/// An error of a call, in libvirt's form.
pub(super) fn failure(call: &Call, kind: ErrorKind, message: &str) -> HypervisorError {
    HypervisorError {
        host: call.host.to_string(),
        what: format!("{} {}", call.name, call.object).trim_end().to_owned(),
        kind,
        message: message.to_owned(),
        code: None,
    }
}
