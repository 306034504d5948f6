//! What a request costs, and what it moves.
//!
//! ```text
//! cost  = size + tls + application
//! size  = empty + (1 - empty) · min(KiB, 1) + per_kib_to_10 · (min(KiB, 10) - 1)
//!         + per_kib_above_10 · (KiB - 10)                       no term below zero
//! tls   = tls + tls_per_kib · (KiB - 1) + handshake · handshakes_per_request
//! application = cpu_us / 1e6 · X(e) / e
//! bytes = requests · (response + overhead) / serving
//! ```
//!
//! in requests for 1 KiB. The application's time is what a core does meanwhile, so
//! that it adds up over cores without the server's contention:
//! `1 / X = cost / X(e) = (size + tls) / X(e) + cpu_us / (1e6 · e)`.

use crate::profile::{Pool, Profile, ceil, real};
use crate::sizing::{CpuPlacement, core_speed};
use crate::spec::WebDemand;
use crate::units::BitsPerSecond;

/// A demand with the numbers that turn it into work.
#[derive(Clone, Copy, Debug)]
pub(in crate::sizing) struct Load<'a> {
    pub demand: &'a WebDemand,
    pub rules: &'a Pool,
    pub profile: &'a Profile,
}

impl Load<'_> {
    /// Returns the work of a request on an instance with that placement.
    pub fn cost(self, vcpus: u32, placement: CpuPlacement) -> f64 {
        let tls = if self.demand.tls { self.tls() } else { 0.0 };
        let core = core_speed(self.profile, vcpus, placement);
        self.size() + tls + real(self.demand.cpu_us) / 1e6 * core
    }

    /// Whether the responses are of a size that the profile does not know.
    pub fn extrapolated(self) -> bool {
        !self.rules.work.per_kib_above_10.holds_at(real(self.demand.response_bytes.get()))
    }

    /// Bandwidth of each of so many serving instances.
    pub fn network(self, serving: u64) -> BitsPerSecond {
        let response = real(self.demand.response_bytes.get());
        let each = response + self.rules.network.overhead_bytes.default;
        let all = real(self.demand.requests_per_s.get()) * each * 8.0;
        BitsPerSecond::new(ceil(all / real(serving.max(1))))
    }

    fn kib(self) -> f64 {
        real(self.demand.response_bytes.get()) / 1024.0
    }

    fn size(self) -> f64 {
        let (numbers, kib) = (&self.rules.work, self.kib());
        let empty = numbers.empty.default;
        empty
            + (1.0 - empty) * kib.min(1.0)
            + numbers.per_kib_to_10.default * (kib.min(10.0) - 1.0).max(0.0)
            + numbers.per_kib_above_10.default * (kib - 10.0).max(0.0)
    }

    fn tls(self) -> f64 {
        let numbers = &self.rules.work;
        numbers.tls.default
            + numbers.tls_per_kib.default * (self.kib() - 1.0).max(0.0)
            + numbers.handshake.default * numbers.handshakes_per_request.default
    }
}
