//! How a gateway learns what a database server is: it asks a small program in the server's
//! guest by HTTP. What is not a clear yes is a no, also no answer at all.

/// The port of that program, at the server's own address.
pub const PORT: u16 = 9200;

/// Answered with 200 by the one that takes writes.
pub const PRIMARY: &str = "/primary";

/// Answered with 200 by those that copy another one and are not far behind.
pub const REPLICA: &str = "/replica";

/// Seconds by which one may be behind that others read at.
pub const MOST_BEHIND_S: u32 = 10;
