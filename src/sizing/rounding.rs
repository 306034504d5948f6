//! Sizes of guests as multiples of what their pages need.

use crate::profile::Profile;
use crate::units::Mebibytes;

/// Returns the memory of a guest that needs `mib`: not less than the profile's least,
/// and a multiple of what its pages need.
pub(super) fn rounded_memory(profile: &Profile, mib: u64) -> Mebibytes {
    rounded(profile, mib.max(profile.guest.minimum_mib.whole()))
}

/// Returns the next multiple of what the profile's pages need.
pub(super) fn rounded(profile: &Profile, mib: u64) -> Mebibytes {
    let unit = profile.guest.rounding_mib.whole().max(1);
    Mebibytes::new(mib.div_ceil(unit).saturating_mul(unit))
}
