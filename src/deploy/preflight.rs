//! (next)
/// P
#[derive(Debug)]
pub struct Problem;
/// P
pub fn preflight() {}
