//! The candidates of a pool; see the folder's documentation.

use super::work::Load;
use crate::plan::{Binding, Capacity, Layout};
use crate::profile::{Pool, ceil};
use crate::sizing::cpu_option::{self, CpuOption};
use crate::sizing::dominance::undominated;
use crate::sizing::input::Layouts;
use crate::sizing::rounding::rounded_memory;
use crate::sizing::spread::{self, Spread};
use crate::sizing::{Candidate, EngineLimit, LimitedResource, SizingInput};
use crate::spec::WebDemand;
use crate::units::{Mebibytes, PerSecond};

/// Most candidates per count of virtual CPUs.
const MOST: usize = 16;

/// The layouts of one service.
#[derive(Clone, Copy, Debug)]
pub(in crate::sizing) struct PoolLayouts<'a> {
    demand: &'a WebDemand,
    rules: &'a Pool,
    input: &'a SizingInput<'a>,
    load: Load<'a>,
    domains: u64,
}

impl<'a> PoolLayouts<'a> {
    /// Returns the layouts for that demand.
    pub(in crate::sizing) fn new(
        demand: &'a WebDemand,
        rules: &'a Pool,
        input: &'a SizingInput,
    ) -> Self {
        let load = Load { demand, rules, profile: input.profile };
        Self { demand, rules, input, load, domains: spread::domains(input) }
    }

    fn options(&self) -> impl Iterator<Item = CpuOption> {
        let load = self.load;
        cpu_option::options(self.input, move |vcpus, placement| load.cost(vcpus, placement))
    }

    /// Returns the candidates of one option, fewest instances first.
    fn candidates(&self, option: CpuOption) -> Vec<Candidate> {
        let usable = option.ceiling.usable.get();
        if usable == 0 {
            return Vec::new();
        }
        let need = self.demand.requests_per_s.get().div_ceil(usable).max(1);
        if !self.input.context.policy.survives() {
            return vec![self.candidate(option, need, None)];
        }
        let spread = Spread { need, floor: 0, copies: 1 };
        let counts = spread.counts(self.domains, self.input.allocatable_cores(), MOST);
        let one = |count| self.candidate(option, count, Some(spread.max_per_domain(count)));
        counts.into_iter().map(one).collect()
    }

    fn candidate(
        &self,
        option: CpuOption,
        instances: u64,
        max_per_domain: Option<u64>,
    ) -> Candidate {
        let ceiling = option.ceiling;
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let serving = instances.saturating_sub(max_per_domain.unwrap_or(0));
        Candidate {
            layout: Layout {
                groups: 1,
                copies: 1,
                instances: small(instances),
                vcpus: option.vcpus,
                memory_mib: self.memory(option.vcpus),
                data_mib: Mebibytes::ZERO,
                witness: None,
            },
            capacity: Some(Capacity {
                unit: self.input.profile.unit.clone(),
                ceiling_per_s: ceiling.ceiling,
                usable_per_s: ceiling.usable,
                total_per_s: PerSecond::new(ceiling.usable.get().saturating_mul(instances)),
                demand_per_s: self.demand.requests_per_s,
                iops_per_s: PerSecond::ZERO,
                binding: Binding::Throughput,
                placement: option.placement,
                extrapolated: ceiling.extrapolated || self.load.extrapolated(),
            }),
            unmet_per_s: PerSecond::ZERO,
            network: self.load.network(serving),
            iops: PerSecond::ZERO,
            root_mib: None,
            max_per_domain: max_per_domain.map(small),
            leaders: 0,
        }
    }

    fn memory(&self, vcpus: u32) -> Mebibytes {
        let (numbers, guest) = (&self.rules.memory, &self.input.profile.guest);
        let own = numbers.workers_per_vcpu.default * numbers.worker_mib.default;
        let application =
            numbers.application_workers_per_vcpu.default * numbers.application_worker_mib.default;
        let each = if self.demand.cpu_us > 0 { own + application } else { own };
        let held = numbers.files_mib.default + each * f64::from(vcpus);
        rounded_memory(self.input.profile, guest.base_mib.whole().saturating_add(ceil(held)))
    }
}

impl Layouts for PoolLayouts<'_> {
    /// Fewest virtual CPUs, then instances first.
    fn full(&self) -> Vec<Candidate> {
        let all = self.options().flat_map(|option| self.candidates(option)).collect();
        undominated(self.input, all)
    }

    /// A pool has no limits of its own, but a request may take too long: then one
    /// instance shows by how much.
    fn unconstrained(&self) -> Vec<Candidate> {
        let max_per_domain = self.input.context.policy.survives().then_some(1);
        self.options().map(|option| self.candidate(option, 1, max_per_domain)).collect()
    }

    /// A request that takes more than a second of the largest instance.
    fn exceeded_limit(&self) -> Option<EngineLimit> {
        let is_served = self.options().any(|option| option.ceiling.usable.get() > 0);
        let limited = LimitedResource::InstanceRequests;
        (!is_served).then_some(EngineLimit { limited, needed: 1, available: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::trial;
    use crate::spec::{Demand, Engine, Policy};
    use crate::topology::Level;
    use crate::units::Bytes;

    fn input(
        engine: Engine,
        requests: u64,
        bytes: u64,
        cpu_us: u64,
        tls: bool,
    ) -> (Engine, Demand) {
        let (requests, response_bytes) = (PerSecond::new(requests), Bytes::new(bytes));
        (engine, Demand::Pool(WebDemand { requests_per_s: requests, response_bytes, cpu_us, tls }))
    }

    fn ceiling(bytes: u64, cpu_us: u64, tls: bool) -> u64 {
        let input = input(Engine::Nginx, 1_000, bytes, cpu_us, tls);
        let all = trial::with(input, &Policy::nothing(), 1, |input| input.full());
        all[0].capacity.as_ref().unwrap().ceiling_per_s.get()
    }

    #[test]
    fn a_request_costs_what_the_formula_says() {
        // One core beside neighbours: 68,800 · 0.95 · 0.9 = 58,824.
        assert_eq!(ceiling(0, 0, false), 117_648);
        assert_eq!(ceiling(1_024, 0, false), 58_824);
        // 1 + 9 · 0.039 = 1.351; + 90 · 0.0094 = 2.197.
        assert_eq!(ceiling(10_240, 0, false), 43_541);
        assert_eq!(ceiling(102_400, 0, false), 26_774);
        // 1 + 0.52 + 80 · 0.002 = 1.68.
        assert_eq!(ceiling(1_024, 0, true), 35_014);
        // 1 + 68.8 for a millisecond.
        assert_eq!(ceiling(1_024, 1_000, false), 842);
    }

    #[test]
    fn the_survivors_of_any_loss_carry_all_requests() {
        let policy = Policy::surviving(Level::Host);
        let all =
            trial::with(input(Engine::Apache, 60_000, 4_096, 0, false), &policy, 3, |input| {
                input.full()
            });
        for one in &all {
            let (instances, max_per_domain) = (one.layout.instances, one.max_per_domain.unwrap());
            let capacity = one.capacity.clone().unwrap();
            let left = u64::from(instances - max_per_domain) * capacity.usable_per_s.get();
            assert!(left >= 60_000 && instances.div_ceil(3) <= max_per_domain);
            assert_eq!((one.leaders, one.layout.data_mib), (0, Mebibytes::ZERO));
            // What the survivors must send: 60,000 · (4,096 + 600) · 8 bit/s.
            assert_eq!(
                one.network.get(),
                2_254_080_000_u64.div_ceil((instances - max_per_domain).into())
            );
        }
        assert!(all.iter().any(|one| one.layout.vcpus < 16));
    }

    #[test]
    fn without_a_promise_there_is_no_spare() {
        let input = input(Engine::Nginx, 60_000, 1_024, 0, false);
        let all = trial::with(input, &Policy::nothing(), 3, |input| input.full());
        assert!(all.iter().all(|one| one.max_per_domain.is_none()));
        for one in all {
            let capacity = one.capacity.unwrap();
            let usable = capacity.usable_per_s.get();
            assert_eq!(u64::from(one.layout.instances), 60_000_u64.div_ceil(usable));
        }
    }

    #[test]
    fn a_request_of_minutes_is_refused() {
        let long = input(Engine::Nginx, 1, 1_024, 600_000_000, false);
        let (whole, exceeded) = trial::with(long, &Policy::nothing(), 3, |input| {
            (input.full(), input.exceeded_limit().unwrap())
        });
        assert_eq!((whole, exceeded.available), (Vec::new(), 0));
    }
}
