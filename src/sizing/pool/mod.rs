//! Layouts of a pool: equal instances without data, of which any can answer any
//! request. Under a policy the survivors of any one failure domain carry all
//! requests; see `spread`.
//!
//! ```text
//! memory = ceil64(max(guest + files + vcpus · workers · MiB, minimum))
//! ```
//!
//! with the workers of the application too where requests take its time.

mod layouts;
mod work;

pub(super) use self::layouts::PoolLayouts;
#[cfg(test)]
pub(super) use self::work::Load;
