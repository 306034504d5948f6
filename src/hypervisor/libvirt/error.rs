//! libvirt's errors, put down to a host and to what was tried.

use virt::connect::Connect;
use virt::error::Error;
use virt_sys as sys;

use crate::hypervisor::{ErrorKind, HypervisorError, Result};

/// What is being done, and where.
pub(super) struct CallSite<'a> {
    pub connection: &'a Connect,
    pub host: &'a str,
    pub what: String,
}

impl CallSite<'_> {
    /// Puts a libvirt error down to this place. On a connection that is gone
    /// every error means that the host is unreachable.
    pub fn named<T>(&self, result: std::result::Result<T, Error>) -> Result<T> {
        result.map_err(|source| {
            let mut error = of(self.host, self.what.clone(), &source);
            if !self.connection.is_alive().unwrap_or(false) {
                error.kind = ErrorKind::Unreachable;
            }
            error
        })
    }

    /// As [`Self::named`], but `None` where the object has meanwhile gone.
    pub fn unless_gone<T>(&self, result: std::result::Result<T, Error>) -> Result<Option<T>> {
        match self.named(result) {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// As [`Self::named`], but `None` where the driver cannot do such a thing.
    pub fn if_supported<T>(&self, result: std::result::Result<T, Error>) -> Result<Option<T>> {
        match self.named(result) {
            Err(HypervisorError { code: Some((code, _)), .. })
                if is(code, sys::VIR_ERR_NO_SUPPORT) =>
            {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Makes an error of this program at this place.
    pub fn error(&self, message: impl Into<String>) -> HypervisorError {
        HypervisorError {
            host: self.host.to_owned(),
            what: self.what.clone(),
            kind: ErrorKind::Other,
            message: message.into(),
            code: None,
        }
    }
}

/// Turns a libvirt error into one of this crate, without regard to the connection.
pub(super) fn of(host: &str, what: String, source: &Error) -> HypervisorError {
    let code = source.code().to_raw();
    HypervisorError {
        host: host.to_owned(),
        what,
        kind: kind(code, source.message()),
        message: source.message().to_owned(),
        code: Some((number(code), number(source.domain().to_raw()))),
    }
}

/// Returns the kind of failure that an error number means.
fn kind(code: sys::virErrorNumber, message: &str) -> ErrorKind {
    match code {
        sys::VIR_ERR_NO_DOMAIN | sys::VIR_ERR_NO_STORAGE_POOL | sys::VIR_ERR_NO_STORAGE_VOL => {
            ErrorKind::NotFound
        }
        sys::VIR_ERR_DOM_EXIST | sys::VIR_ERR_STORAGE_VOL_EXIST => ErrorKind::Exists,
        // A domain of the same name and another UUID; older releases use this number for volumes too.
        sys::VIR_ERR_OPERATION_FAILED if message.contains("already exists") => ErrorKind::Exists,
        sys::VIR_ERR_AGENT_UNRESPONSIVE
        | sys::VIR_ERR_AGENT_UNSYNCED
        | sys::VIR_ERR_AGENT_COMMAND_TIMEOUT => ErrorKind::AgentSilent,
        sys::VIR_ERR_OPERATION_INVALID if message.contains("guest agent") => ErrorKind::AgentSilent,
        sys::VIR_ERR_NO_CONNECT | sys::VIR_ERR_INVALID_CONN | sys::VIR_ERR_RPC => {
            ErrorKind::Unreachable
        }
        sys::VIR_ERR_OPERATION_DENIED | sys::VIR_ERR_ACCESS_DENIED => ErrorKind::Denied,
        _ => ErrorKind::Other,
    }
}

/// Whether a connection was refused to us and not unreachable.
pub(super) fn is_refusal(source: &Error) -> bool {
    let refusals = [
        sys::VIR_ERR_ACCESS_DENIED,
        sys::VIR_ERR_AUTH_CANCELLED,
        sys::VIR_ERR_AUTH_FAILED,
        sys::VIR_ERR_AUTH_UNAVAILABLE,
        sys::VIR_ERR_OPERATION_DENIED,
    ];
    // A socket that may not be opened is an error of the system.
    refusals.contains(&source.code().to_raw()) || source.message().contains("Permission denied")
}

fn is(code: i32, number: sys::virErrorNumber) -> bool {
    u32::try_from(code) == Ok(number)
}

/// Narrows a number of libvirt's, which are small; one that is not is shown as the
/// largest.
fn number(raw: u32) -> i32 {
    i32::try_from(raw).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_callers_tell_apart() {
        let cases = [
            (sys::VIR_ERR_NO_DOMAIN, "Domain not found", ErrorKind::NotFound),
            (sys::VIR_ERR_NO_STORAGE_VOL, "Storage volume not found", ErrorKind::NotFound),
            (sys::VIR_ERR_STORAGE_VOL_EXIST, "exists", ErrorKind::Exists),
            (
                sys::VIR_ERR_OPERATION_FAILED,
                "domain 'a' already exists with uuid 5f6c3c0a",
                ErrorKind::Exists,
            ),
            (sys::VIR_ERR_OPERATION_FAILED, "cannot lock", ErrorKind::Other),
            (
                sys::VIR_ERR_AGENT_UNRESPONSIVE,
                "Guest agent is not responding: QEMU guest agent is not connected",
                ErrorKind::AgentSilent,
            ),
            (sys::VIR_ERR_OPERATION_INVALID, "domain is not running", ErrorKind::Other),
            (sys::VIR_ERR_NO_CONNECT, "no", ErrorKind::Unreachable),
            (sys::VIR_ERR_OPERATION_DENIED, "read only access prevents it", ErrorKind::Denied),
            (sys::VIR_ERR_INTERNAL_ERROR, "QEMU said no", ErrorKind::Other),
        ];
        for (code, message, expected) in cases {
            assert_eq!(kind(code, message), expected, "{code} {message}");
        }
    }
}
