//! Layouts of a gateway: one instance that carries everything, and under a policy
//! another that takes its address over.
//!
//! ```text
//! work   = requests · (1 + tls + handshake · handshakes_per_request)
//!          + KiB · (per_kib + tls_per_kib) + transactions · transaction
//! memory = ceil64(max(guest + (requests + transactions) · connection_s · KiB of one, minimum))
//! bytes  = responses + requests · overhead + transactions · transaction_bytes
//! ```
//!
//! Requests and responses are the sums over all pools behind it, transactions those over all
//! databases. What comes from
//! the pools goes on to the clients, so each way of the NIC carries the bytes once.

use super::cpu_option::{self, CpuOption};
use super::dominance::undominated;
use super::input::Layouts;
use super::rounding::rounded_memory;
use super::{Candidate, EngineLimit, LimitedResource, SizingInput};
use crate::plan::{Binding, Capacity, Layout};
use crate::profile::{GatewayPair, ceil, real};
use crate::spec::GatewayDemand;
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

/// The layouts of one service.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatewayPairLayouts<'a> {
    demand: &'a GatewayDemand,
    rules: &'a GatewayPair,
    input: &'a SizingInput<'a>,
}

impl<'a> GatewayPairLayouts<'a> {
    /// Returns the layouts for that demand.
    pub(super) const fn new(
        demand: &'a GatewayDemand,
        rules: &'a GatewayPair,
        input: &'a SizingInput,
    ) -> Self {
        Self { demand, rules, input }
    }

    fn options(&self) -> impl Iterator<Item = CpuOption> {
        cpu_option::options(self.input, |_, _| 1.0)
    }

    /// The whole work in requests for nothing, rounded up.
    fn work(&self) -> PerSecond {
        let numbers = &self.rules.work;
        let handshakes = numbers.handshake.default * numbers.handshakes_per_request.default;
        let (tls, tls_per_kib) = if self.demand.tls {
            (numbers.tls.default + handshakes, numbers.tls_per_kib.default)
        } else {
            (0.0, 0.0)
        };
        let kib = real(self.demand.response_bytes_per_s) / 1024.0;
        let work = real(self.demand.requests_per_s.get()) * (1.0 + tls)
            + kib * (numbers.per_kib.default + tls_per_kib)
            + real(self.demand.transactions_per_s.get()) * numbers.transaction.default;
        PerSecond::new(ceil(work))
    }

    fn candidate(&self, option: CpuOption) -> Candidate {
        let survives = self.input.context.policy.survives();
        let copies = if survives { 2 } else { 1 };
        let ceiling = option.ceiling;
        Candidate {
            layout: Layout {
                groups: 1,
                copies,
                instances: copies,
                vcpus: option.vcpus,
                memory_mib: self.memory(),
                data_mib: Mebibytes::ZERO,
                witness: None,
            },
            capacity: Some(Capacity {
                unit: self.input.profile.unit.clone(),
                ceiling_per_s: ceiling.ceiling,
                usable_per_s: ceiling.usable,
                total_per_s: ceiling.usable,
                demand_per_s: self.work(),
                iops_per_s: PerSecond::ZERO,
                binding: if survives { Binding::Copies } else { Binding::Throughput },
                placement: option.placement,
                extrapolated: ceiling.extrapolated,
            }),
            unmet_per_s: PerSecond::ZERO,
            network: self.network(),
            iops: PerSecond::ZERO,
            root_mib: None,
            max_per_domain: survives.then_some(1),
            leaders: 1,
        }
    }

    fn network(&self) -> BitsPerSecond {
        let numbers = &self.rules.network;
        let of = |rate: PerSecond, each: f64| ceil(real(rate.get()) * each);
        let headers = of(self.demand.requests_per_s, numbers.overhead_bytes.default);
        let passed_on = of(self.demand.transactions_per_s, numbers.transaction_bytes.default);
        let bytes = self.demand.response_bytes_per_s.saturating_add(headers);
        BitsPerSecond::new(bytes.saturating_add(passed_on).saturating_mul(8))
    }

    fn memory(&self) -> Mebibytes {
        let numbers = &self.rules.memory;
        let each = if self.demand.tls {
            numbers.kib_per_tls_connection.default
        } else {
            numbers.kib_per_connection.default
        };
        let connections = real(self.demand.passed_on_per_s().get()) * numbers.connection_s.default;
        let held = ceil(connections * each / 1024.0);
        let guest = self.input.profile.guest.base_mib.whole();
        rounded_memory(self.input.profile, guest.saturating_add(held))
    }
}

impl Layouts for GatewayPairLayouts<'_> {
    /// Those whose one active instance carries everything, fewest virtual CPUs first.
    fn full(&self) -> Vec<Candidate> {
        let work = self.work();
        let fits = |option: &CpuOption| option.ceiling.usable >= work;
        let all = self.options().filter(fits).map(|option| self.candidate(option)).collect();
        undominated(self.input, all)
    }

    /// The largest instances, as if they carried everything.
    fn unconstrained(&self) -> Vec<Candidate> {
        let most = self.options().map(|option| option.vcpus).max();
        let largest = self.options().filter(|option| Some(option.vcpus) == most);
        largest.map(|option| self.candidate(option)).collect()
    }

    /// More than one instance carries.
    fn exceeded_limit(&self) -> Option<EngineLimit> {
        let needed = self.work().get();
        let usable = self.options().map(|option| option.ceiling.usable.get());
        let available = usable.max().unwrap_or(0);
        let limited = LimitedResource::GatewayRequests;
        (needed > available).then_some(EngineLimit { limited, needed, available })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::trial;
    use crate::spec::{Demand, Engine, Policy};
    use crate::topology::Level;

    fn input(requests: u64, bytes: u64, tls: bool) -> (Engine, Demand) {
        let requests_per_s = PerSecond::new(requests);
        let demand = GatewayDemand {
            requests_per_s,
            transactions_per_s: PerSecond::ZERO,
            response_bytes_per_s: bytes,
            tls,
        };
        (Engine::Haproxy, Demand::GatewayPair(demand))
    }

    #[test]
    fn one_instance_carries_everything_and_another_stands_by() {
        let policy = Policy::surviving(Level::Host);
        let all =
            trial::with(input(40_000, 40_000 * 10_240, true), &policy, 2, |input| input.full());
        for one in &all {
            let capacity = one.capacity.clone().unwrap();
            // 40,000 · (1 + 0.52 + 0.374) + 400,000 · 0.43.
            assert_eq!(capacity.demand_per_s.get(), 247_760);
            assert!(capacity.usable_per_s >= capacity.demand_per_s);
            assert_eq!(capacity.total_per_s, capacity.usable_per_s);
            assert_eq!((one.layout.instances, one.layout.copies, one.leaders), (2, 2, 1));
            assert_eq!(one.max_per_domain, Some(1));
            assert_eq!(one.network.get(), 8 * 40_000 * 10_840);
            // 256 + 40,000 · 195 / 1,024, up to 64.
            assert_eq!(one.layout.memory_mib, Mebibytes::new(7_936));
        }
        // A larger instance does the same with more.
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn alone_where_nothing_is_promised() {
        let all = trial::with(input(1_000, 0, false), &Policy::nothing(), 1, |input| input.full());
        assert_eq!(
            (all[0].layout.instances, all[0].layout.vcpus, all[0].max_per_domain),
            (1, 1, None)
        );
        assert_eq!(all[0].capacity.clone().unwrap().binding, Binding::Throughput);
    }

    #[test]
    fn more_than_one_can_carry_is_refused() {
        let policy = Policy::nothing();
        let (exceeded, beyond) = trial::with(input(90_000_000, 0, false), &policy, 2, |input| {
            assert_eq!(input.full(), []);
            (input.exceeded_limit().unwrap(), input.unconstrained())
        });
        assert_eq!(exceeded.needed, 90_000_000);
        assert!(exceeded.available > 500_000 && !beyond.is_empty());
        assert_eq!(exceeded.limited, LimitedResource::GatewayRequests);
    }
}
