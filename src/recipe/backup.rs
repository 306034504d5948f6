//! Copies of data in a guest: where the program of an engine that makes one says what came of
//! it.
//!
//! The program is given the device of an empty disk, which it fills as a data volume is laid
//! out, so that another guest can start with it. It runs as a unit of its own, so it goes on
//! when the run that started it is killed.

/// The transient unit in which the program runs.
pub const UNIT: &str = "hostsplit-backup";
/// What it wrote.
pub const LOG: &str = "/run/hostsplit-backup.log";
/// Is there once the copy is complete, until it is taken away or the guest boots: what was
/// copied, as JSON.
pub const RESULT: &str = "/run/hostsplit-backup.json";
/// The serial number of the disk.
pub const SERIAL: &str = "backup";
/// The device of the disk.
pub const DEVICE: &str = "/dev/disk/by-id/virtio-backup";
