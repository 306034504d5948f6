//! Lets hosts of a running deployment fail, one after the other, and measures what the
//! plan promises: that every group takes writes again in time, and that nothing is lost.
//!
//! [`Drill::run`] sends numbered values through every group ([`crate::engine::Series`])
//! while a host is cut off ([`Cut`]), until all groups have served for a while. Then the
//! host is brought back and the deployment is made whole by the same decision and walk as
//! in a deploy. Whatever goes wrong on the way, the host is brought back first; after a
//! run that was killed, a deploy does it.

mod cut;
mod error;
mod fence;
mod finding;
mod promise;
mod run;
mod trickle;

pub use self::cut::Cut;
pub use self::error::DrillError;
pub use self::fence::{Fence, FenceAction};
pub use self::finding::Finding;
pub use self::promise::{Promise, promise};
pub use self::run::{Drill, Phase};
pub use self::trickle::Gap;
