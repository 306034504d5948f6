//! What hosts need of their NICs, where that is not known or was assumed.

use serde::Serialize;

use super::columns::{listed, wrapped};
use crate::audit::traffic_by_host;
use crate::ids::HostName;
use crate::plan::Plan;
use crate::profile::Profiles;
use crate::units::BitsPerSecond;

/// Columns of a sentence.
const WIDTH: usize = 98;

/// Hosts that are named together; the others are counted.
const NAMED: usize = 6;

/// Amounts that are listed, the largest first.
const LISTED: usize = 4;

/// What a host needs of its NIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BandwidthSummary {
    /// The host.
    pub host: HostName,
    /// What its instances need when all serve.
    pub needed_bits_per_s: u64,
    /// What it has; `None` where nothing is stated, so that nothing is limited.
    pub stated_bits_per_s: Option<BitsPerSecond>,
    /// Whether what it has was assumed.
    pub assumed: bool,
}

/// Returns the hosts whose instances need any, in the order of hosts.
pub(super) fn of(plan: &Plan, profiles: &Profiles) -> Vec<BandwidthSummary> {
    let traffic = traffic_by_host(plan, profiles);
    let needed = |host| u64::try_from(traffic.get(host).copied().unwrap_or(0)).unwrap_or(u64::MAX);
    let all = plan.topology.hosts.iter().map(|host| BandwidthSummary {
        host: host.name.clone(),
        needed_bits_per_s: needed(&host.name),
        stated_bits_per_s: host.network_bits_per_s,
        assumed: host.network_bits_per_s.is_some() && host.assumed.contains("network"),
    });
    all.filter(|one| one.needed_bits_per_s > 0).collect()
}

/// Says what is needed where nothing limits it, or an assumed value does; nothing where all is
/// known.
pub(super) fn text(all: &[BandwidthSummary]) -> String {
    let unlimited = amounts(all, |one| one.stated_bits_per_s.is_none());
    let assumed = amounts(all, |one| one.assumed);
    let mut text = String::new();
    if let Some(amounts) = unlimited {
        let sentence =
            format!("network: {amounts}; bandwidth unknown and not enforced: state `network`");
        text.push_str(&wrapped(0, WIDTH, &sentence));
    }
    if let Some(amounts) = assumed {
        let sentence = format!("network: {amounts}; assumed, not measured: state `network`");
        text.push_str(&wrapped(0, WIDTH, &sentence));
    }
    text
}

/// `57 Gbit/s on h1 and h2, 54 Gbit/s of 100 Gbit/s on h3`, of the hosts that are asked for;
/// `None` without one.
fn amounts(
    all: &[BandwidthSummary],
    is_asked: impl Fn(&BandwidthSummary) -> bool,
) -> Option<String> {
    let mut asked: Vec<&BandwidthSummary> = all.iter().filter(|one| is_asked(one)).collect();
    asked.sort_by_key(|one| std::cmp::Reverse(one.needed_bits_per_s));
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for one in asked {
        let needed = bits(one.needed_bits_per_s);
        let amount = match one.stated_bits_per_s {
            Some(most) => format!("{needed} of {}", bits(most.get())),
            None => needed,
        };
        match groups.iter_mut().find(|(other, _)| *other == amount) {
            Some((_, hosts)) => hosts.push(one.host.to_string()),
            None => groups.push((amount, vec![one.host.to_string()])),
        }
    }
    let (most, less) = groups.split_at(groups.len().min(LISTED));
    let part =
        |(amount, hosts): &(String, Vec<String>)| format!("{amount} on {}", listed(hosts, NAMED));
    let mut parts: Vec<String> = most.iter().map(part).collect();
    match less.iter().map(|(_, hosts)| hosts.len()).sum::<usize>() {
        0 => {}
        others => parts.push(format!("less on {others} others")),
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// A rate to one decimal of Gbit/s, or in Mbit/s below, rounded up.
fn bits(bits: u64) -> String {
    match bits.div_ceil(100_000_000) {
        0..10 => format!("{} Mbit/s", bits.div_ceil(1_000_000)),
        tenths => match (tenths / 10, tenths % 10) {
            (whole, 0) => format!("{whole} Gbit/s"),
            (whole, part) => format!("{whole}.{part} Gbit/s"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        let all = [1, 899_000_001, 950_000_000, 1_000_000_001, 56_963_000_000].map(bits);
        assert_eq!(all, ["1 Mbit/s", "900 Mbit/s", "1 Gbit/s", "1.1 Gbit/s", "57 Gbit/s"]);
    }

    #[test]
    fn hosts_of_one_amount_are_named_together() {
        let host = |name: &str, needed, stated: Option<u64>| BandwidthSummary {
            host: HostName::new(name).unwrap(),
            needed_bits_per_s: needed,
            stated_bits_per_s: stated.map(BitsPerSecond::new),
            assumed: stated.is_some(),
        };
        let all = [
            host("a", 2_000_000_000, None),
            host("b", 3_000_000_000, None),
            host("c", 2_000_000_000, None),
            host("d", 40_000_000, Some(10_000_000_000)),
        ];
        insta::assert_snapshot!(text(&all), @"
        network: 3 Gbit/s on b, 2 Gbit/s on a and c; bandwidth unknown and not enforced: state `network`
        network: 40 Mbit/s of 10 Gbit/s on d; assumed, not measured: state `network`
        ");
        assert_eq!(text(&[]), "");
        let many: Vec<_> = (1..=9).map(|at| host(&format!("h{at}"), at << 30, None)).collect();
        insta::assert_snapshot!(text(&many), @"
        network: 9.7 Gbit/s on h9, 8.6 Gbit/s on h8, 7.6 Gbit/s on h7, 6.5 Gbit/s on h6, less on 5 others;
        bandwidth unknown and not enforced: state `network`
        ");
    }
}
