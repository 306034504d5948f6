//! (in the making)

pub mod deploy;
pub mod graph;
pub mod status;
