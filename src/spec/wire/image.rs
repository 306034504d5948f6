//! `image:`, inline or in a file of its own.

use std::collections::BTreeMap;

use crate::spec::read::form::{At, Spanned, described, wire};
use crate::spec::read::scalar::{DiskFormat, Sha256, Text};
use crate::units::Mebibytes;

wire! {
    /// What instances boot from.
    struct Image {
        /// Name, for people.
        required name: At<Text>,
        /// Kernel command line; needs a kernel.
        optional cmdline: At<Text>,
        /// The disk. It must hold cloud-init, the QEMU guest agent and the
        /// engines.
        required disk: Spanned<Disk>,
        /// Kernel for a direct boot; without it the disk's boot loader starts.
        optional kernel: Spanned<File>,
        /// Initial RAM disk; needs a kernel.
        optional initrd: Spanned<File>,
        /// Versions of the engines that the disk holds, by engine.
        optional engines: BTreeMap<String, At<Text>>,
    }

    /// The disk of an image.
    struct Disk {
        /// Path, relative to this file.
        required file: At<Text>,
        /// qcow2.
        required format: At<DiskFormat>,
        /// SHA-256 of the file.
        required sha256: At<Sha256>,
        /// Virtual size.
        required virtual_size: At<Mebibytes>,
    }

    /// A file of an image.
    struct File {
        /// Path, relative to this file.
        required file: At<Text>,
        /// SHA-256 of the file.
        required sha256: At<Sha256>,
    }
}
described!(Image, Disk, File);
