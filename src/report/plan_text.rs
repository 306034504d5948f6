//! The summary of a plan as a person reads it, understandable without colour
//! and at most 100 columns wide for names of ordinary length.

use std::fmt;

use super::columns::{bar, columns};
use super::intervention::intervention;
use super::plan::{InstanceSummary, NumaSummary, PoolSummary, ServiceSummary, Summary, Unsplit};
use crate::audit::Loss;
use crate::plan::{Binding, Role, Tier};
use crate::spec::{Cluster, FixedVm};
use crate::units::{Mebibytes, PerSecond, counted, percent};

const BAR: u64 = 10;

impl fmt::Display for Summary {
    /// The screen up to the audit, which [`Summary::closing`] tells.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name: _,
            services,
            vms,
            instances,
            numa,
            pools,
            survive: _,
            losses: _,
            tiers,
            findings: _,
            profiles,
            outlook,
            moves,
        } = self;
        for service in services {
            f.write_str(&self::service(service))?;
        }
        for vm in vms {
            f.write_str(&fixed(vm))?;
        }
        for own in profiles {
            writeln!(f, "{own}")?;
        }
        let rows: Vec<_> = instances.iter().map(instance).collect();
        write!(f, "\n{}", columns(2, &rows))?;
        let mut header = vec![
            ["host", "", "cores used", "memory used", "disk used"].map(str::to_owned).to_vec(),
        ];
        header.extend(hosts(numa, pools));
        write!(f, "\n{}\n", columns(0, &header))?;
        f.write_str(&self.survival())?;
        let rows: Vec<_> = tiers.iter().map(tier).collect();
        write!(f, "objectives, in this order:\n{}", columns(2, &rows))?;
        if let Some(outlook) = outlook {
            f.write_str(&outlook.text())?;
        }
        writeln!(f)?;
        moves.as_ref().map_or(Ok(()), |moves| writeln!(f, "{moves}"))
    }
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

    fn survival(&self) -> String {
        let levels: Vec<&str> = self.survive.iter().map(|one| one.level.as_str()).collect();
        if levels.is_empty() {
            return "survives: nothing is promised (policy.survive: none)\n".to_owned();
        }
        let rows: Vec<_> = self.losses.iter().map(loss).collect();
        let levels = levels.join(", any one ");
        let orders = self.losses.iter().filter_map(|loss| Some((loss, intervention(loss)?)));
        let orders: String = orders
            .map(|(loss, order)| format!("  {} without {}: {order}\n", loss.service, loss.domain))
            .collect();
        let orders = match orders.as_str() {
            "" => orders,
            _ => format!("an operator must help (policy.survive, quorum: manual):\n{orders}"),
        };
        format!("survives the loss of any one {levels}:\n{}{orders}", columns(2, &rows))
    }
}

/// A size to one decimal of TiB or GiB, rounded down, or in MiB below.
pub(super) fn size(size: Mebibytes) -> String {
    let mib = size.get();
    let (unit, name) = match mib {
        0..1_024 => return format!("{mib} MiB"),
        1_024..1_048_576 => (1_024, "GiB"),
        _ => (1_048_576, "TiB"),
    };
    match (mib / unit, mib % unit * 10 / unit) {
        (whole, 0) => format!("{whole} {name}"),
        (whole, tenths) => format!("{whole}.{tenths} {name}"),
    }
}

/// A rate to three digits or more, rounded down.
pub(super) fn rate(rate: PerSecond) -> String {
    match rate.get() {
        few @ 0..10_000 => format!("{few}/s"),
        some @ 10_000..10_000_000 => format!("{}k/s", some / 1_000),
        many => format!("{}M/s", many / 1_000_000),
    }
}

fn service(service: &ServiceSummary) -> String {
    let ServiceSummary { name, engine, layout, capacity, unsplit } = service;
    let copies = match layout.copies {
        1 => "one copy each".to_owned(),
        copies => format!("{copies} copies each"),
    };
    let data = match layout.data_mib {
        Mebibytes::ZERO => String::new(),
        data => format!(", {} data", size(data)),
    };
    let binds = binds(capacity.binding);
    let extrapolated =
        if capacity.extrapolated { "  (extrapolated beyond what was measured)" } else { "" };
    let used = percent(capacity.demand_per_s.get(), capacity.total_per_s.get());
    let groups = counted(layout.groups.into(), "group");
    format!(
        "{name}  {engine}: {instances} of {vcpus} vCPU, {memory}{data}\n  \
         split     {groups}, {copies}: {binds}\n  \
         capacity  {total} for {demand} asked, {used:.0} % used{extrapolated}\n  \
         instance  {usable} usable of a ceiling of {ceiling}\n{unsplit}",
        instances = counted(layout.all_instances().into(), "instance"),
        vcpus = layout.vcpus,
        memory = size(layout.memory_mib),
        total = rate(capacity.total_per_s),
        demand = rate(capacity.demand_per_s),
        usable = rate(capacity.usable_per_s),
        ceiling = rate(capacity.ceiling_per_s),
        unsplit = unsplit.as_ref().map(alone).unwrap_or_default(),
    )
}

fn alone(unsplit: &Unsplit) -> String {
    let Unsplit { host, usable_per_s, split_per_s, gain_tenths, extrapolated } = unsplit;
    let (times, tenths) = (gain_tenths / 10, gain_tenths % 10);
    let (whole, cut) = (rate(*usable_per_s), rate(*split_per_s));
    let far = if *extrapolated { " (extrapolated)" } else { "" };
    format!(
        "  unsplit   {whole}{far} from one instance on all of {host}; {cut} from it in such \
         instances, {times}.{tenths} times\n"
    )
}

/// What sets the number of instances.
pub(super) const fn binds(binding: Binding) -> &'static str {
    match binding {
        Binding::Throughput => "throughput of one instance binds",
        Binding::DataPerProcess => "data per process binds",
        Binding::Quorum => "the quorum binds",
        Binding::Writes => "writes to one primary bind",
        Binding::Iops => "the disk's operations bind",
        Binding::DataPerMemory => "data per memory binds",
        Binding::Copies => "what must survive binds",
        Binding::Fixed => "the spec fixes it",
    }
}

fn fixed(vm: &FixedVm) -> String {
    let spread = vm.spread.map(|level| format!(", at most one per {level}")).unwrap_or_default();
    format!(
        "{}  fixed: {} of {} vCPU, {}, {} disk{spread}\n",
        vm.name,
        counted(vm.count.into(), "machine"),
        vm.vcpus,
        size(vm.memory_mib),
        size(vm.disk_mib)
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
        because,
    } = instance;
    let part = part(instance);
    vec![
        format!("+ {name}"),
        format!("{host} numa {numa}"),
        format!("cpus {}", ranges(cpus)),
        size(*memory_mib),
        part,
        format!("because {because}"),
    ]
}

/// The part that an instance plays.
pub(super) fn part(instance: &InstanceSummary) -> String {
    match (instance.role, instance.slots, &instance.lead) {
        (Role::Master, Some(slots), _) => format!("master {}-{}", slots.first, slots.last),
        (Role::Replica | Role::Standby, _, Some(lead)) => {
            format!("{} of {lead}", instance.role.as_str())
        }
        (role, _, _) => role.as_str().to_owned(),
    }
}

/// CPU numbers as ranges: `2-4,14`.
fn ranges(cpus: &[u32]) -> String {
    let mut sorted = cpus.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for cpu in sorted {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => parts.push((cpu, cpu)),
        }
    }
    let text = |(first, last): (u32, u32)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    parts.into_iter().map(text).collect::<Vec<_>>().join(",")
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
                vec![String::new(), String::new(), String::new(), String::new(), disk(pool)]
            }));
        }
    }
    rows
}

fn numa_row(node: &NumaSummary, pool: Option<&PoolSummary>) -> Vec<String> {
    let (used, of) = (node.memory_used_mib, node.memory_allocatable_mib);
    vec![
        node.host.to_string(),
        format!("numa {}", node.numa),
        format!(
            "{} {} of {}",
            bar(node.cores_used, node.cores_allocatable, BAR),
            node.cores_used,
            node.cores_allocatable
        ),
        format!("{} {} of {}", bar(used.get(), of.get(), BAR), size(used), size(of)),
        pool.map(disk).unwrap_or_default(),
    ]
}

fn disk(pool: &PoolSummary) -> String {
    let (used, of) = (pool.used_mib, pool.capacity_mib);
    let bar = bar(used.get(), of.get(), BAR);
    format!("{bar} {} of {} in {}", size(used), size(of), pool.pool)
}

fn loss(loss: &Loss) -> Vec<String> {
    let used = percent(loss.demand_per_s.get(), loss.remaining_per_s.get());
    let lost = match loss.cluster {
        Cluster::Sharded => format!("{} of {} masters lost", loss.leads_lost, loss.leads),
        Cluster::PrimaryReplica if loss.leads_lost > 0 => "the primary is lost".to_owned(),
        Cluster::GatewayPair if loss.leads_lost > 0 => "the active one is lost".to_owned(),
        _ => format!("{} of {} instances lost", loss.instances_lost, loss.instances),
    };
    let left = format!("{} left, {used:.0} % used", rate(loss.remaining_per_s));
    vec![loss.domain.clone(), loss.service.to_string(), lost, aftermath(loss), left]
}

/// Who takes over, and what does not go on by itself.
fn aftermath(loss: &Loss) -> String {
    let names: Vec<&str> = loss.promoted.iter().map(|name| name.as_str()).collect();
    let mut after = match (names.len(), loss.cluster) {
        (0, Cluster::Sharded) => "no master is lost".to_owned(),
        (0, Cluster::Quorum) => {
            let left = loss.leads.saturating_sub(loss.leads_lost);
            format!("{left} of {} voters left", loss.leads)
        }
        (0, _) => "the others go on".to_owned(),
        (1, _) => format!("{} takes over", names.join("")),
        _ => format!("{} take over", names.join(", ")),
    };
    if !loss.lost_groups.is_empty() {
        after.push_str(&format!(", {} lost", counted(loss.lost_groups.len() as u64, "group")));
    }
    if loss.intervention.is_some() {
        after.push_str(", but not by themselves");
    }
    after
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
        "/s" => rate(PerSecond::new(value)),
        // The name of the objective says what is counted.
        unit if name.contains(unit) => value.to_string(),
        unit => format!("{value} {unit}"),
    };
    let proof = if tier.is_optimal() {
        "the best there is, proved".to_owned()
    } else {
        let gap = percent(value.saturating_sub(*bound), *value);
        format!("not proved: none is below {}, gap {gap:.1} %", amount(*bound))
    };
    (amount(*value), proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_shown_as_ranges() {
        assert_eq!(ranges(&[2, 14]), "2,14");
        assert_eq!(ranges(&[6, 18, 7, 19, 8]), "6-8,18,19");
        assert_eq!(ranges(&[]), "");
        assert_eq!(ranges(&[u32::MAX, u32::MAX]), u32::MAX.to_string());
    }

    #[test]
    fn objectives_read_well_and_tell_the_gap() {
        let row = |name: &str, unit: &str, value, bound| {
            tier(&Tier { name: name.into(), unit: unit.into(), value, bound }).join(" | ")
        };
        let best = "the best there is, proved";
        assert_eq!(
            row("masters in one failure domain", "masters", 1, 1),
            format!("masters in one failure domain | 1 | {best}")
        );
        assert_eq!(row("memory", "MiB", 3_072, 3_072), format!("memory | 3 GiB | {best}"));
        assert_eq!(row("unmet demand", "/s", 0, 0), format!("unmet demand | 0/s | {best}"));
        assert_eq!(
            row("cost of used hosts", "cost", 3, 2),
            "cost of used hosts | 3 | not proved: none is below 2, gap 33.3 %"
        );
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(Mebibytes::new(512)), "512 MiB");
        assert_eq!(size(Mebibytes::new(2_048)), "2 GiB");
        assert_eq!(size(Mebibytes::new(21_952)), "21.4 GiB");
        assert_eq!(size(Mebibytes::new(1_023)), "1023 MiB");
        assert_eq!(size(Mebibytes::from_gib(3_584)), "3.5 TiB");
        assert_eq!(rate(PerSecond::new(9_999)), "9999/s");
        assert_eq!(rate(PerSecond::new(679_432)), "679k/s");
    }
}
