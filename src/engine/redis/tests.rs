//! Whole clusters on simulated hosts.
