//! Which NIC carries the guests' traffic, where nobody states it.

use super::Nic;
use crate::units::BitsPerSecond;

/// The NIC that is assumed to carry the bridge, and thus the bandwidth of the host: one
/// NIC, never a sum, for the bridge is on one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The NIC.
    pub nic: String,
    /// Its speed.
    pub bits_per_s: BitsPerSecond,
    /// Why it.
    pub choice: UplinkChoice,
}

/// Why a NIC is taken for the uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UplinkChoice {
    /// It is the only one.
    Only,
    /// It is the fastest.
    Fastest,
    /// It is the fastest of those whose speed is known.
    FastestKnown,
}

impl Uplink {
    /// The fastest NIC, of equal ones the first; `None` if no speed is known.
    #[must_use]
    pub fn of(nics: &[Nic]) -> Option<Self> {
        let known = nics.iter().filter_map(|nic| Some((nic.bits_per_s?, nic)));
        let (bits_per_s, nic) = known.rev().max_by_key(|(speed, _)| *speed)?;
        let choice = match nics {
            [_] => UplinkChoice::Only,
            _ if nics.iter().all(|nic| nic.bits_per_s.is_some()) => UplinkChoice::Fastest,
            _ => UplinkChoice::FastestKnown,
        };
        Some(Self { nic: nic.name.clone(), bits_per_s, choice })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nic(name: &str, gbit: Option<u64>) -> Nic {
        let bits_per_s = gbit.map(|gbit| BitsPerSecond::new(gbit * 1_000_000_000));
        Nic { name: name.to_owned(), bits_per_s, numa: None, shares_address: false }
    }

    #[test]
    fn the_first_of_the_fastest_is_taken() {
        let taken = |nics: &[Nic]| Uplink::of(nics).map(|it| (it.nic, it.choice));
        let [slow, a, b] = [nic("slow", Some(1)), nic("a", Some(25)), nic("b", Some(25))];
        assert_eq!(taken(&[]), None);
        assert_eq!(taken(&[nic("dark", None)]), None);
        assert_eq!(
            taken(std::slice::from_ref(&slow)),
            Some(("slow".to_owned(), UplinkChoice::Only))
        );
        let all = [slow, a.clone(), b];
        assert_eq!(taken(&all), Some(("a".to_owned(), UplinkChoice::Fastest)));
        let some = [nic("dark", None), a];
        assert_eq!(taken(&some), Some(("a".to_owned(), UplinkChoice::FastestKnown)));
    }
}
