//! The summary of a plan as a person reads it, understandable without colour
//! and at most 100 columns wide for names of ordinary length.

use std::fmt;

use super::bandwidth;
use super::columns::{bar, columns, labelled, listed, wrapped};
use super::demand;
use super::emulation::{NO_PROMISE, no_promise};
use super::layout::{limited, shape};
use super::plan::{
    AssumedIops, BandwidthSummary, InstanceSummary, NumaSummary, PoolSummary, ServiceSummary,
    Summary,
};
use super::{clients, preferred, settings};
use crate::explain::Unsplit;
use crate::plan::{Role, Tier};
use crate::spec::{Cluster, FixedVm, Spread};
use crate::topology::cpuset;
use crate::units::{Mebibytes, PerSecond, counted, grouped, percent};

const BAR: u64 = 10;

/// Columns of a screen.
const WIDTH: usize = 100;

/// Hosts that are named together; the others are counted.
const NAMED: usize = 6;

impl fmt::Display for Summary {
    /// The screen up to the audit, which [`Summary::closing`] adds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name: _,
            services,
            vms,
            instances,
            numa,
            pools,
            bandwidth,
            assumed_iops,
            survive,
            losses: _,
            machine_losses: _,
            tiers,
            findings: _,
            profiles,
            outlook,
            moves,
            change,
        } = self;
        for service in services {
            f.write_str(&self::service(service, !survive.is_empty()))?;
        }
        for vm in vms {
            f.write_str(&fixed(vm))?;
        }
        for own in profiles {
            writeln!(f, "{own}")?;
        }
        let header = ["instance", "host", "NUMA", "CPUs", "memory", "role", "reason"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(instances.iter().map(instance));
        write!(f, "\n{}", columns(2, &rows))?;
        let mut header = vec![
            ["host", "NUMA", "cores used", "memory used", "of which for QEMU", "disk used"]
                .map(str::to_owned)
                .to_vec(),
        ];
        header.extend(hosts(numa, pools));
        write!(f, "\n{}", columns(0, &header))?;
        writeln!(f, "{}", assumed(bandwidth, assumed_iops))?;
        f.write_str(&self.survival())?;
        let rows: Vec<_> = tiers.iter().map(tier).collect();
        write!(f, "objectives, lexicographic:\n{}", columns(2, &rows))?;
        if let Some(outlook) = outlook {
            f.write_str(&outlook.text())?;
            if services.iter().any(|one| !one.emulated_on.is_empty()) {
                f.write_str(
                    "          counted as with KVM: software emulation promises no speed\n",
                )?;
            }
        }
        writeln!(f)?;
        moves.as_ref().map_or(Ok(()), |moves| writeln!(f, "{moves}"))?;
        change.as_ref().map_or(Ok(()), |change| writeln!(f, "{change}"))
    }
}

/// What was assumed of hosts, or is not known of them.
pub(super) fn assumed(bandwidth: &[BandwidthSummary], iops: &[AssumedIops]) -> String {
    let limited = |one: &AssumedIops| {
        let AssumedIops { service, field, hosts } = one;
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let hosts = listed(&hosts, NAMED);
        let sentence = format!(
            "{service} is limited by the I/O operations of {hosts}; assumed, not measured: state \
             `{field}`"
        );
        wrapped(0, WIDTH, &sentence)
    };
    let limited: String = iops.iter().map(limited).collect();
    format!("{}{limited}", bandwidth::text(bandwidth))
}

impl Summary {
    /// The findings, a line each, and a last line that counts:
    /// `8 instances on 3 hosts. audit: no findings.`
    #[must_use]
    pub fn closing(&self) -> String {
        let lines = self.findings.iter().map(|finding| format!("{finding}\n"));
        let findings = match self.findings.len() {
            0 => "no findings".to_owned(),
            count => counted(count as u64, "finding"),
        };
        format!(
            "{}{} on {}. audit: {findings}.",
            lines.collect::<String>(),
            counted(self.instances.len() as u64, "instance"),
            counted(self.hosts_used() as u64, "host")
        )
    }
}

/// A size to one decimal of TiB or GiB, rounded down, or in MiB below.
pub(super) fn size(size: Mebibytes) -> String {
    let mib = size.get();
    let (unit, name) = match mib {
        0..1_024 => return format!("{} MiB", grouped(mib)),
        1_024..1_048_576 => (1_024, "GiB"),
        _ => (1_048_576, "TiB"),
    };
    match (mib / unit, mib % unit * 10 / unit) {
        (whole, 0) => format!("{} {name}", grouped(whole)),
        (whole, tenths) => format!("{}.{tenths} {name}", grouped(whole)),
    }
}

/// The number of a rate, to three digits or more, rounded down.
pub(super) fn thousands(rate: PerSecond) -> String {
    match rate.get() {
        few @ 0..10_000 => grouped(few),
        some @ 10_000..10_000_000 => format!("{}k", grouped(some / 1_000)),
        many => format!("{}M", grouped(many / 1_000_000)),
    }
}

/// A rate of a service: `34k reads/s`.
pub(super) fn rate_of(rate: PerSecond, cluster: Cluster) -> String {
    format!("{} {}/s", thousands(rate), cluster.operations())
}

fn service(service: &ServiceSummary, survives: bool) -> String {
    let ServiceSummary {
        name,
        engine,
        layout,
        capacity,
        demand: _,
        emulated_on: _,
        preferred: _,
        unsplit,
        settings,
        clients,
    } = service;
    let data = match layout.data_mib {
        Mebibytes::ZERO => String::new(),
        data => format!(", {} data", size(data)),
    };
    let (total, each) = rates(service);
    format!(
        "{name}  {engine}: {instances} of {vcpus} vCPU, {memory} memory{data}\n  \
         layout    {shape}; {limited}\n{preferred}{demand}{total}{each}{settings}{clients}{unsplit}",
        instances = counted(layout.all_instances().into(), "instance"),
        vcpus = layout.vcpus,
        memory = size(layout.memory_mib),
        shape = shape(engine.cluster(), layout),
        limited = limited(engine.cluster(), capacity.binding, layout, survives),
        preferred = preferred::line(service, WIDTH),
        demand = demand::line(service),
        total = labelled("capacity", WIDTH, &total),
        each = labelled("instance", WIDTH, &format!("{each}; unit: {}", unit(&capacity.unit))),
        settings = settings::line(settings),
        clients = clients::line(clients.as_ref(), WIDTH),
        unsplit = unsplit.as_ref().map(|one| alone(service, one, survives)).unwrap_or_default(),
    )
}

/// What all instances can do and what each can; under emulation only what is asked.
fn rates(service: &ServiceSummary) -> (String, String) {
    let (capacity, cluster) = (&service.capacity, service.engine.cluster());
    if !service.emulated_on.is_empty() {
        let total = format!("{}; sized for the demand as with KVM", no_promise(service));
        return (total, NO_PROMISE.to_owned());
    }
    let extrapolated =
        if capacity.extrapolated { " (extrapolated beyond the measured range)" } else { "" };
    let used = percent(capacity.demand_per_s.get(), capacity.total_per_s.get());
    let total = rate_of(capacity.total_per_s, cluster);
    let usable = thousands(capacity.usable_per_s);
    let ceiling = rate_of(capacity.ceiling_per_s, cluster);
    (
        format!("{total}, {used:.0} % used by the demand{extrapolated}"),
        format!("{usable} of a ceiling of {ceiling} usable"),
    )
}

/// What one instance on a whole host would serve, and what that host serves when it is split;
/// where that is less, what the split is for.
fn alone(service: &ServiceSummary, unsplit: &Unsplit, survives: bool) -> String {
    let Unsplit { host, usable_per_s, split_per_s, gain_tenths, extrapolated } = unsplit;
    let cluster = service.engine.cluster();
    let whole = rate_of(*usable_per_s, cluster);
    let far = if *extrapolated { " (extrapolated)" } else { "" };
    let split = if *gain_tenths >= 10 {
        let (split, gain) = (rate_of(*split_per_s, cluster), gain(unsplit));
        format!("{host} filled with instances of this size serves {split} ({gain})")
    } else {
        enough(service, survives)
    };
    format!(
        "  unsplit   a single instance on the whole of {host} serves {whole}{far};\n            \
         {split}\n"
    )
}

/// Why instances are as small as they are: so few cores serve the demand.
fn enough(service: &ServiceSummary, survives: bool) -> String {
    let instances = u64::from(service.layout.instances);
    let cores = counted(u64::from(service.capacity.placement.cores), "core");
    let serve = if instances == 1 { "serves" } else { "serve" };
    let each = if instances == 1 { "" } else { " each" };
    let after = if survives { ", after a loss as well (policy.survive)" } else { "" };
    format!("{} of {cores}{each} {serve} the demand{after}", counted(instances, "instance"))
}

/// What is counted, without the details of how it was measured.
fn unit(unit: &str) -> &str {
    unit.split_once(',').map_or(unit, |(unit, _)| unit)
}

/// What a host filled with instances serves, as a multiple of a single one.
pub(super) fn gain(unsplit: &Unsplit) -> String {
    format!("{}.{}×", grouped(unsplit.gain_tenths / 10), unsplit.gain_tenths % 10)
}

/// Which hosts fixed VMs may be on, and beside what.
pub(super) fn host_rules(vm: &FixedVm) -> String {
    format!(
        "{}{}{}{}",
        after("on", &vm.on),
        after("not on", &vm.not_on),
        after("apart from", &vm.apart),
        after("near", &vm.near)
    )
}

/// `, on h1, h2`.
fn after(word: &str, names: &[impl fmt::Display]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    if names.is_empty() { String::new() } else { format!(", {word} {}", names.join(", ")) }
}

/// `at most one per host`.
pub(super) fn at_most(spread: Spread) -> String {
    match spread.most() {
        1 => format!("at most one per {}", spread.per),
        most => format!("at most {} per {}", grouped(most), spread.per),
    }
}

fn fixed(vm: &FixedVm) -> String {
    let spread = vm.spread.map(|spread| format!(", {}", at_most(spread))).unwrap_or_default();
    let hosts = host_rules(vm);
    let restart = if vm.restart { ", room to restart each elsewhere" } else { "" };
    let disk = match vm.disk_mib {
        Mebibytes::ZERO => String::new(),
        disk => format!(", {} disk", size(disk)),
    };
    format!(
        "{}  fixed: {} of {} vCPU, {} memory{disk}{spread}{hosts}{restart}\n",
        vm.name,
        counted(vm.count.into(), "VM"),
        vm.vcpus,
        size(vm.memory_mib),
    )
}

fn instance(instance: &InstanceSummary) -> Vec<String> {
    let InstanceSummary {
        name,
        host,
        numa,
        cpus,
        memory_mib,
        role: _,
        group: _,
        lead: _,
        slots: _,
        reason,
    } = instance;
    vec![
        name.to_string(),
        host.to_string(),
        numa.to_string(),
        cpuset::show(cpus),
        size(*memory_mib),
        part(instance),
        reason.clone(),
    ]
}

/// The part that an instance plays.
pub(super) fn part(instance: &InstanceSummary) -> String {
    let slots = || instance.slots.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    match (instance.role, &instance.lead) {
        (Role::Master, _) if !instance.slots.is_empty() => format!("master {}", slots()),
        (Role::Replica | Role::Standby, Some(lead)) => {
            format!("{} of {lead}", instance.role.as_str())
        }
        (role, _) => role.as_str().to_owned(),
    }
}

/// A line for each NUMA node; the pools of a host beside its first ones.
fn hosts(numa: &[NumaSummary], pools: &[PoolSummary]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (place, node) in numa.iter().enumerate() {
        let mut disks = pools.iter().filter(|pool| pool.host == node.host);
        let nth = numa.iter().take(place).filter(|other| other.host == node.host).count();
        let is_last = numa.get(place + 1).is_none_or(|next| next.host != node.host);
        rows.push(numa_row(node, disks.nth(nth)));
        if is_last {
            rows.extend(disks.map(|pool| {
                let mut row = vec![String::new(); 5];
                row.push(disk(pool));
                row
            }));
        }
    }
    rows
}

fn numa_row(node: &NumaSummary, pool: Option<&PoolSummary>) -> Vec<String> {
    let (used, of) = (node.memory_used_mib, node.memory_allocatable_mib);
    vec![
        node.host.to_string(),
        node.numa.to_string(),
        format!(
            "{} {} of {}",
            bar(node.cores_used, node.cores_allocatable, BAR),
            node.cores_used,
            node.cores_allocatable
        ),
        format!("{} {} of {}", bar(used.get(), of.get(), BAR), size(used), size(of)),
        size(node.memory_overhead_mib),
        pool.map(disk).unwrap_or_default(),
    ]
}

fn disk(pool: &PoolSummary) -> String {
    let (used, of) = (pool.used_mib, pool.capacity_mib);
    let bar = bar(used.get(), of.get(), BAR);
    format!("{bar} {} of {} in {}", size(used), size(of), pool.pool)
}

fn tier(tier: &Tier) -> Vec<String> {
    let (amount, proof) = proof(tier);
    vec![tier.name.clone(), amount, proof]
}

/// What a tier reached, and what is proved of it.
pub(super) fn proof(tier: &Tier) -> (String, String) {
    let Tier { name, unit, value, bound } = tier;
    let amount = |value: u64| match unit.as_str() {
        "MiB" => size(Mebibytes::new(value)),
        "/s" => format!("{} operations/s", thousands(PerSecond::new(value))),
        // The name of the objective says what is counted.
        unit if name.contains(unit) => grouped(value),
        unit => format!("{} {unit}", grouped(value)),
    };
    let proof = if tier.is_optimal() {
        "optimal".to_owned()
    } else {
        let gap = percent(value.saturating_sub(*bound), *value);
        format!("best bound {}, gap {gap:.1} %", amount(*bound))
    };
    (amount(*value), proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_show_value_proof_and_gap() {
        let row = |name: &str, unit: &str, value, bound| {
            tier(&Tier { name: name.into(), unit: unit.into(), value, bound }).join(" | ")
        };
        let best = "optimal";
        assert_eq!(
            row("masters in one failure domain", "masters", 1, 1),
            format!("masters in one failure domain | 1 | {best}")
        );
        assert_eq!(row("memory", "MiB", 3_072, 3_072), format!("memory | 3 GiB | {best}"));
        assert_eq!(
            row("unmet demand", "/s", 0, 0),
            format!("unmet demand | 0 operations/s | {best}")
        );
        assert_eq!(
            row("cost of used hosts", "cost", 3, 2),
            "cost of used hosts | 3 | best bound 2, gap 33.3 %"
        );
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(Mebibytes::new(512)), "512 MiB");
        assert_eq!(size(Mebibytes::new(2_048)), "2 GiB");
        assert_eq!(size(Mebibytes::new(21_952)), "21.4 GiB");
        assert_eq!(size(Mebibytes::new(1_023)), "1,023 MiB");
        assert_eq!(size(Mebibytes::from_gib(3_584)), "3.5 TiB");
        assert_eq!(thousands(PerSecond::new(9_999)), "9,999");
        assert_eq!(rate_of(PerSecond::new(679_432), Cluster::Sharded), "679k reads/s");
    }
}
