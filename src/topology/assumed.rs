//! What is assumed of a host where nobody stated or measured it.

use super::Virtualization;
use crate::units::{Mebibytes, PerSecond};

/// I/O operations per second of every disk: those of a small SSD. libvirt reports none.
pub const IOPS: PerSecond = PerSecond::new(20_000);

/// Up to this many cores a host reserves none: one of two would be half of them.
const TOO_FEW_CORES: usize = 2;

/// Why a host is taken to run guests in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VirtualizationGround {
    /// The user stated it.
    Stated,
    /// The user stated it, and libvirt does not offer it.
    StatedNotOffered,
    /// The source does not say what the host offers.
    Unknown,
    /// The host offers KVM; no guest was started to verify it.
    KvmOffered,
    /// The host offers emulation only.
    OnlyTcgOffered,
    /// The host offers no guests of this architecture.
    NothingOffered,
}

impl VirtualizationGround {
    /// Whether it is an assumption.
    #[must_use]
    pub const fn is_assumed(self) -> bool {
        matches!(self, Self::Unknown | Self::KvmOffered | Self::NothingOffered)
    }
}

/// Chooses how a host runs guests, by what the user states and the host offers.
#[must_use]
pub fn virtualization(
    stated: Option<Virtualization>,
    offered: Option<&[String]>,
) -> (Virtualization, VirtualizationGround) {
    use VirtualizationGround as Ground;
    let offers = |kind: Virtualization| {
        offered.unwrap_or_default().iter().any(|offer| offer == kind.as_str())
    };
    match stated {
        Some(kind) if offered.is_none() || offers(kind) => (kind, Ground::Stated),
        Some(kind) => (kind, Ground::StatedNotOffered),
        None if offered.is_none() => (Virtualization::Kvm, Ground::Unknown),
        None if offers(Virtualization::Kvm) => (Virtualization::Kvm, Ground::KvmOffered),
        None if offers(Virtualization::Tcg) => (Virtualization::Tcg, Ground::OnlyTcgOffered),
        None => (Virtualization::Tcg, Ground::NothingOffered),
    }
}

/// What a host keeps for itself, for emulators and for I/O threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Cores; none on a host with very few.
    pub cores: usize,
    /// Memory.
    pub memory: Mebibytes,
}

/// Of a host with more NUMA nodes than that many cores each, one core in so many is kept.
const ONE_CORE_IN: usize = 16;

/// Assumes a reserve, of host files that are written and of hosts of a spec that state
/// none: one core per NUMA node that has cores, at most a sixteenth of all and at least one;
/// 2 GiB, a thirty-second part on big hosts, at most an eighth. Tiny hosts keep no core.
/// `cores` are those of each NUMA node.
#[must_use]
pub fn reserve(cores: &[usize], memory: Mebibytes) -> Reserve {
    let share = Mebibytes::from_gib(((memory.get() >> 10) / 32).max(2));
    let all: usize = cores.iter().sum();
    let nodes = cores.iter().filter(|cores| **cores > 0).count();
    let kept = if all <= TOO_FEW_CORES { 0 } else { nodes.min((all / ONE_CORE_IN).max(1)) };
    Reserve { cores: kept, memory: share.min(Mebibytes::new(memory.get() / 8)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_decides_before_the_host_does() {
        let (kvm, both) = ("kvm".to_owned(), ["qemu".to_owned(), "kvm".to_owned()]);
        let chosen = |stated, offered: Option<&[String]>| virtualization(stated, offered);
        assert_eq!(
            chosen(Some(Virtualization::Tcg), Some(&[kvm])),
            (Virtualization::Tcg, VirtualizationGround::StatedNotOffered)
        );
        let (kind, ground) = chosen(None, Some(&both));
        assert_eq!((kind, ground.is_assumed()), (Virtualization::Kvm, true));
        let (kind, ground) = chosen(None, Some(&both[..1]));
        assert_eq!((kind, ground.is_assumed()), (Virtualization::Tcg, false));
        assert_eq!(chosen(None, None).1, VirtualizationGround::Unknown);
    }

    #[test]
    fn small_hosts_reserve_little() {
        assert_eq!(reserve(&[2], Mebibytes::from_gib(8)).cores, 0);
        let many = reserve(&[4; 32], Mebibytes::from_gib(512));
        assert_eq!(many.cores, 8, "a NUMA node for each L3 cache");
        assert_eq!(reserve(&[1; 4], Mebibytes::from_gib(8)).cores, 1);
        assert_eq!(reserve(&[1], Mebibytes::from_gib(4)).memory, Mebibytes::new(512));
        let big = reserve(&[48, 48, 0], Mebibytes::from_gib(768));
        assert_eq!(big, Reserve { cores: 2, memory: Mebibytes::from_gib(24) });
    }
}
