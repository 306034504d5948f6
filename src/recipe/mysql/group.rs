//! The options of members of Group Replication, which elect their primary by themselves.
//! <https://dev.mysql.com/doc/refman/8.4/en/group-replication-system-variables.html>

use std::net::Ipv4Addr;

use super::{GROUP_PLUGIN, GROUP_PORT, MYSQL_PACKAGE};
use crate::plan::{Instance, Setting, Settings, group_uuid};
use crate::profile::PrimaryReplica;
use crate::recipe::{Planned, settings_of};
use crate::sizing::primary_replica::memory::cache_mib;
use crate::spec::RelationalDemand;

/// Seconds after which those that see no majority give up: their writes fail rather than hang.
const MINORITY_S: u64 = 10;
/// How often, five minutes apart, one that was put out tries to come back by itself.
const RETURNS: u64 = 10;
/// The weight of the planned primary, and what each further member has less: the heaviest that is
/// left is elected.
const WEIGHTS: (u64, u64, u64) = (90, 10, 50);

/// The options that a member has besides those of any server.
pub(super) fn settings(
    planned: &Planned<'_>,
    demand: &RelationalDemand,
    rules: &PrimaryReplica,
) -> Settings {
    let Planned { plan, service, instance, .. } = *planned;
    let number = instance.group.unwrap_or_default();
    let cache = cache_mib(rules, demand, u64::from(service.layout.groups));
    let members = members(planned);
    let place = members.iter().position(|one| one.name == instance.name).unwrap_or_default();
    let name = group_uuid(&plan.name, &service.name, number).to_string();
    let is_encrypted = service.access.tls.is_offered();
    let mut settings = settings_of([
        ("plugin_load_add", Setting::words([GROUP_PLUGIN, "mysql_clone.so"])),
        ("group_replication_group_name", name.as_str().into()),
        ("group_replication_communication_stack", "XCOM".into()),
        ("group_replication_single_primary_mode", true.into()),
        ("group_replication_paxos_single_leader", true.into()),
        // One that comes back joins a group that is there. That there is none is never in a
        // file: to form one is a decision.
        ("group_replication_start_on_boot", true.into()),
        ("group_replication_bootstrap_group", false.into()),
        // A member that is silent for 5 s is put out.
        ("group_replication_member_expel_timeout", 0.into()),
        ("group_replication_unreachable_majority_timeout", MINORITY_S.into()),
        ("group_replication_autorejoin_tries", RETURNS.into()),
        ("group_replication_exit_state_action", "OFFLINE_MODE".into()),
        ("group_replication_consistency", "BEFORE_ON_PRIMARY_FAILOVER".into()),
        ("group_replication_member_weight", weight(place).into()),
        ("group_replication_message_cache_size", cache.into()),
        // A password goes over no connection that is not encrypted.
        ("group_replication_recovery_use_ssl", true.into()),
        ("group_replication_recovery_ssl_verify_server_cert", is_encrypted.into()),
        ("group_replication_ssl_mode", if is_encrypted { "VERIFY_CA" } else { "DISABLED" }.into()),
    ]);
    if is_encrypted {
        let tls = &MYSQL_PACKAGE.tls;
        settings.extend(settings_of([
            ("group_replication_recovery_ssl_ca", tls.authority.into()),
            ("group_replication_recovery_ssl_cert", tls.certificate.into()),
            ("group_replication_recovery_ssl_key", tls.key.into()),
        ]));
    }
    let addresses: Vec<Ipv4Addr> = members.iter().filter_map(|one| one.address).collect();
    let listed = |each: &dyn Fn(&Ipv4Addr) -> String| {
        Setting::from(addresses.iter().map(each).collect::<Vec<_>>().join(",").as_str())
    };
    if let Some(own) = instance.address {
        settings.extend(settings_of([
            ("group_replication_local_address", door(&own).as_str().into()),
            ("group_replication_group_seeds", listed(&door)),
            ("group_replication_ip_allowlist", listed(&ToString::to_string)),
        ]));
    }
    settings
}

/// Where a member is reached by the others.
fn door(address: &Ipv4Addr) -> String {
    format!("{address}:{GROUP_PORT}")
}

/// All members of the group, the planned primary first.
fn members<'a>(planned: &Planned<'a>) -> Vec<&'a Instance> {
    let group = planned.service.groups.iter().find(|one| Some(one.index) == planned.instance.group);
    let lead = group.map(|group| &group.lead);
    let own = |one: &&Instance| one.group == planned.instance.group;
    let mut all: Vec<&Instance> = planned.members().filter(own).collect();
    all.sort_by_key(|one| lead != Some(&one.name));
    all
}

fn weight(place: usize) -> u64 {
    let (first, less, last) = WEIGHTS;
    first.saturating_sub(less.saturating_mul(place as u64)).max(last)
}
