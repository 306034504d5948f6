//! What a plan survives, as a person reads it.

use std::collections::BTreeMap;

use super::columns::columns;
use super::intervention::{hint, intervention};
use super::plan::{ServiceSummary, Summary};
use super::plan_text::rate_of;
use crate::audit::{Failover, Loss, LostMachine, MachineLoss, Recovery};
use crate::ids::HostName;
use crate::spec::Cluster;
use crate::topology::Level;
use crate::units::{counted, percent};

impl Summary {
    /// What is lost with each failure domain, and what is left.
    pub(super) fn survival(&self) -> String {
        let levels: Vec<&str> = self.survive.iter().map(|one| one.level.as_str()).collect();
        if levels.is_empty() {
            let kept = columns(2, &self.machines());
            return format!(
                "survives: no guarantee (policy.survive: none)\n{kept}{}",
                self.steps()
            );
        }
        let rows = |loss: &Loss| self::loss(loss, self.is_emulated(&loss.service));
        let rows: Vec<_> = self.losses.iter().map(rows).collect();
        let orders = self.losses.iter().filter_map(|loss| Some((loss, intervention(loss)?)));
        let orders: String = orders
            .map(|(loss, order)| format!("  {} without {}: {order}\n", loss.service, loss.domain))
            .collect();
        let hints: String = self.hints().iter().map(|hint| format!("  hint: {hint}\n")).collect();
        let orders = match orders.as_str() {
            "" => orders,
            _ => format!("manual intervention required:\n{orders}{hints}"),
        };
        let failovers: String = self.failovers().iter().map(|line| format!("  {line}\n")).collect();
        let heading = self.heading(&levels.join(", any one "));
        let machines = columns(2, &self.machines());
        let steps = self.steps();
        format!("{heading}:\n{}{failovers}{machines}{steps}{orders}", columns(2, &rows))
    }

    /// How machines are restarted for which room is kept.
    pub(super) fn steps(&self) -> String {
        let machines = || self.machine_losses.iter().flat_map(|loss| &loss.machines);
        if machines().all(|one| one.place.is_none()) {
            return String::new();
        }
        let is_restored = |one: &LostMachine| {
            one.place.as_ref().is_some_and(|place| place.pool.is_some())
                && one.recovery == Recovery::Restore
        };
        let empty = match machines().any(is_restored) {
            true => "; disks that are lost with HOST begin empty, to be restored",
            false => "",
        };
        format!(
            "  to restart: `hostsplit drain PLAN HOST`, then `hostsplit deploy PLAN --without \
             HOST`{empty}\n"
        )
    }

    /// What survives the loss of any one of these, and what does not.
    pub(super) fn heading(&self, levels: &str) -> String {
        let has_machines = !self.machine_losses.is_empty();
        match (self.services.is_empty(), has_machines) {
            (true, true) => format!("lost with any one {levels}, as fixed VMs have no copies"),
            _ => {
                let is_manual = self.losses.iter().any(|loss| loss.intervention.is_some());
                let manual = if is_manual { ", with manual failover where stated" } else { "" };
                let machines = if has_machines { ", except fixed VMs" } else { "" };
                format!("survives the loss of any one {levels}{manual}{machines}")
            }
        }
    }

    /// Failure domains with the fixed VMs that are lost with them, and what brings those back.
    pub(super) fn machines(&self) -> Vec<Vec<String>> {
        let rows = |loss: &MachineLoss| {
            let mut alike: BTreeMap<_, Vec<&str>> = BTreeMap::new();
            for one in &loss.machines {
                let place = one.place.as_ref().map(|place| &place.host);
                alike.entry((one.recovery, place)).or_default().push(one.name.as_str());
            }
            let fates = alike.into_iter().map(|((recovery, place), names)| {
                vec![loss.domain.clone(), fate(&names, recovery, (loss.level, place))]
            });
            fates.collect::<Vec<_>>()
        };
        self.machine_losses.iter().flat_map(rows).collect()
    }

    /// What would spare interventions, each once.
    pub(super) fn hints(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for hint in self.losses.iter().filter_map(hint) {
            if !found.contains(&hint) {
                found.push(hint);
            }
        }
        found
    }

    /// How long a service is away while followers take over, a line for each.
    pub(super) fn failovers(&self) -> Vec<String> {
        let of_service = |service: &ServiceSummary| {
            let own = || self.losses.iter().filter(|loss| loss.service == service.name);
            let failover = own()
                .filter_map(|loss| Some((loss.failover?, loss)))
                .max_by_key(|(one, _)| one.most_ms);
            let address = own().filter_map(|loss| loss.address_moves_ms).max();
            let sentence = failover
                .map(|(one, loss)| self::failover(one, loss))
                .or_else(|| address.map(address_moves))?;
            Some(format!("{}: {sentence}", service.name))
        };
        self.services.iter().filter_map(of_service).collect()
    }
}

/// What the loss of a failure domain means for fixed VMs on it.
pub(super) fn fate(
    names: &[&str],
    recovery: Recovery,
    (level, place): (Level, Option<&HostName>),
) -> String {
    let (are, them) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
    let names = names.join(", ");
    let on = place.map_or_else(|| "elsewhere".to_owned(), |host| format!("on {host}"));
    let back = match recovery {
        Recovery::Start => format!("a person starts {them} {on}"),
        Recovery::Restore => format!("a person restores {them} {on} from a backup"),
    };
    let room = if place.is_some() { "; room is kept there" } else { "" };
    format!("{names} {are} lost until the {level} is back, or until {back}{room}")
}

/// The time without writes, as a sentence.
fn failover(failover: Failover, of: &Loss) -> String {
    let Failover { node_timeout_ms, least_ms, most_ms } = failover;
    if of.cluster == Cluster::PrimaryReplica {
        return format!(
            "failover is automatic: no writes to a lost primary's group for {} to {} s (silence of \
             {} s, then election), no acknowledged one is lost, and no operator is needed; after \
             the loss of a majority `hostsplit failover PLAN {} --force` forms the group anew",
            least_ms.div_ceil(1_000),
            most_ms.div_ceil(1_000),
            node_timeout_ms.div_ceil(1_000),
            of.service
        );
    }
    format!(
        "no writes to a lost master's slots for {} to {} s (node timeout {} s, then election)",
        least_ms.div_ceil(1_000),
        most_ms.div_ceil(1_000),
        node_timeout_ms.div_ceil(1_000),
    )
}

/// The time without a gateway, as a sentence, and what nobody can decide.
fn address_moves(millis: u64) -> String {
    format!(
        "its address moves {} s after the active instance falls silent (VRRP, which asks no \
         majority: while the network between both is cut, both hold it)",
        millis.div_ceil(1_000)
    )
}

fn loss(loss: &Loss, is_emulated: bool) -> Vec<String> {
    let used = percent(loss.demand_per_s.get(), loss.remaining_per_s.get());
    let lost = match loss.cluster {
        Cluster::Sharded => format!("{} of {} masters lost", loss.leads_lost, loss.leads),
        Cluster::PrimaryReplica if loss.leads_lost > 0 => "primary lost".to_owned(),
        Cluster::GatewayPair if loss.leads_lost > 0 => "active instance lost".to_owned(),
        _ => format!("{} of {} instances lost", loss.instances_lost, loss.instances),
    };
    let left = if is_emulated {
        "no promise of speed".to_owned()
    } else {
        format!("{} remaining, {used:.0} % used", rate_of(loss.remaining_per_s, loss.cluster))
    };
    vec![loss.domain.clone(), loss.service.to_string(), lost, aftermath(loss), left]
}

/// Which instances take over, and whether they do so without help.
fn aftermath(loss: &Loss) -> String {
    let names: Vec<&str> = loss.promoted.iter().map(|name| name.as_str()).collect();
    let mut after = match (names.len(), loss.cluster) {
        (0, Cluster::Sharded) => "no master lost".to_owned(),
        (0, Cluster::Quorum) => {
            let left = loss.leads.saturating_sub(loss.leads_lost);
            format!("{left} of {} voters remain", loss.leads)
        }
        (0, Cluster::PrimaryReplica) if loss.leads_lost == 0 => "no primary lost".to_owned(),
        (0, Cluster::GatewayPair) if loss.leads_lost == 0 => "no active instance lost".to_owned(),
        (0, _) => "remaining instances take over the load".to_owned(),
        _ if loss.intervention.is_some() => {
            format!("manual failover required: {}", names.join(", "))
        }
        (1, _) => format!("{} takes over", names.join("")),
        _ => format!("{} take over", names.join(", ")),
    };
    if !loss.lost_groups.is_empty() {
        after.push_str(&format!(", {} lost", counted(loss.lost_groups.len() as u64, "group")));
    }
    if loss.intervention.is_some() && names.is_empty() {
        after.push_str("; manual recovery required");
    }
    after
}
