//! A file as a guest is to have it.

use std::fmt;

/// User and group that own a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: &'static str,
    /// The group.
    pub group: &'static str,
}

impl fmt::Display for Owner {
    /// As `chown` takes it: `user:group`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.user, self.group)
    }
}

/// A file that an instance needs, rendered.
#[derive(Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Absolute path in the guest.
    pub path: String,
    /// Content.
    pub text: String,
    /// Permission bits, such as `0o640`.
    pub mode: u32,
    /// Owner.
    pub owner: Owner,
}

impl fmt::Debug for GuestFile {
    /// Leaves the content out: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, text, mode, owner } = self;
        write!(f, "GuestFile({path}, {} bytes, {mode:o}, {owner})", text.len())
    }
}
