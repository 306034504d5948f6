//! A drill: what is about to fail, what happens, and what was found beside what the plan
//! promises.

use std::time::Duration;

use serde_json::{Value, json};

use super::columns::columns;
use crate::drill::{Cut, Finding, Phase};
use crate::ids::HostName;
use crate::plan::{Plan, Role};
use crate::units::{counted, first_few};

/// Fixed machines that a question names before it only counts.
const SHOWN: usize = 5;

/// What a drill is about to do, before it is confirmed.
#[must_use]
pub fn question(plan: &Plan, hosts: &[&HostName], cuts: &[Cut]) -> String {
    let names: Vec<&str> = hosts.iter().map(|host| host.as_str()).collect();
    let words: Vec<&str> = cuts.iter().map(|cut| cut.as_str()).collect();
    let own = || plan.instances.iter().filter(|one| hosts.contains(&&one.host));
    let fixed: Vec<&str> =
        own().filter(|one| one.role == Role::Fixed).map(|one| one.name.as_str()).collect();
    let mut text = format!(
        "{} on {} will fail, one host after the other ({}), and be brought back.\n",
        counted(own().count() as u64, "instance"),
        names.join(", "),
        words.join(", "),
    );
    if !fixed.is_empty() {
        text.push_str(&format!(
            "Nobody takes over from fixed VMs: {} fail too.\n",
            first_few(&fixed, SHOWN)
        ));
    }
    let fenced = plan.topology.hosts.iter().filter(|host| hosts.contains(&&host.name));
    let fenced = fenced.filter_map(|host| {
        let words = host.fence.as_ref()?.command.iter().map(|word| format!("{word:?}"));
        Some(format!("  {}: {}\n", host.name, words.collect::<Vec<_>>().join(" ")))
    });
    let fenced: String = fenced.collect();
    if !fenced.is_empty() && cuts.iter().any(|cut| *cut != Cut::Hang) {
        text.push_str(
            "Fenced as a whole, with all that runs there, by commands on this machine:\n",
        );
        text.push_str(&fenced);
    }
    text + "If the drill is killed, `hostsplit deploy` brings the rest back."
}

/// What a drill is at, in a line.
#[must_use]
pub fn phase_line(host: &HostName, phase: &Phase) -> String {
    match phase {
        Phase::Cutting(cut) => format!("{host}: {cut} cut"),
        Phase::Serving(Some(gap)) if gap.at_most.is_zero() => {
            format!("{host}: every group served all the time")
        }
        Phase::Serving(Some(gap)) => {
            format!("{host}: every group takes writes again after {} s", tenths(gap.at_most))
        }
        Phase::Serving(None) => format!("{host}: not every group takes writes again"),
        Phase::Returning => format!("{host}: brought back; waiting until all is as planned"),
        Phase::Whole(after) => format!("{host}: all as planned after {} s", after.as_secs()),
    }
}

/// What was found, host by host, beside what the plan promises.
#[must_use]
pub fn findings_text(findings: &[Finding]) -> String {
    let header = [
        "host",
        "cut",
        "takes over",
        "writes",
        "refused",
        "lost",
        "no writes: promised",
        "found",
        "as planned after",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(findings.iter().map(row));
    let broken: Vec<&Finding> = findings.iter().filter(|one| !one.is_kept()).collect();
    let mut text = columns(0, &rows);
    text.push('\n');
    for one in &broken {
        text.push_str(&verdict(one));
    }
    let lost: u64 = findings.iter().map(|one| one.lost).sum();
    let count = counted(findings.len() as u64, "failure");
    match broken.len() {
        0 => text.push_str(&format!("Drill passed: {count}, no acknowledged write lost.\n")),
        failed => text.push_str(&format!(
            "Drill failed: {failed} of {count} not as promised, {lost} acknowledged writes lost.\n"
        )),
    }
    text
}

fn row(one: &Finding) -> Vec<String> {
    let promoted: Vec<&str> = one.promised.promoted.iter().map(|name| name.as_str()).collect();
    let promoted = if promoted.is_empty() { "nobody".to_owned() } else { promoted.join(", ") };
    vec![
        one.host.to_string(),
        one.cut.to_string(),
        promoted,
        (one.acknowledged + one.refused).to_string(),
        one.refused.to_string(),
        one.lost.to_string(),
        promised(one),
        one.gap.map_or_else(|| "no end".to_owned(), |gap| format!("{} s", tenths(gap.at_most))),
        format!("{} s", one.whole_after.as_secs()),
    ]
}

fn promised(one: &Finding) -> String {
    format!("{} s", tenths(one.promised.most))
}

/// Why a finding is not what was promised.
fn verdict(one: &Finding) -> String {
    let Finding { host, cut, lost, gap, .. } = one;
    let mut why = Vec::new();
    if *lost > 0 {
        why.push(format!("{} lost", counted(*lost, "acknowledged write")));
    }
    match gap {
        None => why.push("not every group took writes again before the host was back".to_owned()),
        Some(gap) if gap.at_least > one.promised.most => {
            why.push(format!(
                "no writes for {} s, promised {}",
                tenths(gap.at_most),
                promised(one)
            ));
        }
        Some(_) => {}
    }
    format!("{host}, {cut}: {}\n", why.join("; "))
}

/// Seconds to one decimal, rounded up.
fn tenths(time: Duration) -> String {
    let tenths = time.as_millis().div_ceil(100);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// The same for programs.
#[must_use]
pub fn findings_json(findings: &[Finding]) -> Value {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let finding = |one: &Finding| {
        json!({
            "host": one.host,
            "cut": one.cut.as_str(),
            "kept": one.is_kept(),
            "promoted": one.promised.promoted,
            "acknowledged": one.acknowledged,
            "refused": one.refused,
            "unread": one.unread,
            "lost": one.lost,
            "promised_without_writes_ms": ms(one.promised.most),
            "found_without_writes_ms": one.gap.map(|gap| ms(gap.at_most)),
            "found_at_least_ms": one.gap.map(|gap| ms(gap.at_least)),
            "as_planned_after_ms": ms(one.whole_after),
        })
    };
    json!({
        "event": "drill",
        "ok": findings.iter().all(Finding::is_kept),
        "failures": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::{Gap, Promise};
    use crate::ids::InstanceName;

    fn finding(host: &str, lost: u64, seconds: Option<u64>) -> Finding {
        Finding {
            host: HostName::new(host).unwrap(),
            cut: Cut::Power,
            promised: Promise {
                promoted: vec![InstanceName::new("cache-3").unwrap()],
                most: Duration::from_millis(24_500),
            },
            acknowledged: 71,
            refused: 16,
            unread: 0,
            lost,
            gap: seconds.map(|seconds| Gap {
                at_least: Duration::from_secs(seconds - 1),
                at_most: Duration::from_millis(seconds * 1_000 - 210),
            }),
            whole_after: Duration::from_secs(75),
        }
    }

    #[test]
    fn commands_that_fence_are_shown_before_they_run() {
        let mut plan = crate::sample::plan();
        let command = vec!["ipmi".to_owned(), "off\u{1b}[2J".to_owned()];
        plan.topology.hosts[0].fence = Some(crate::topology::Fence { command });
        let host = plan.topology.hosts[0].name.clone();
        let text = question(&plan, &[&host], &[Cut::Power]);
        assert!(text.contains("\n  h1: \"ipmi\" \"off\\u{1b}[2J\"\n"), "{text}");
        assert!(!question(&plan, &[&host], &[Cut::Hang]).contains("ipmi"));
    }

    #[test]
    fn what_was_found_is_beside_what_was_promised() {
        insta::assert_snapshot!(findings_text(&[finding("h1", 0, Some(17)), finding("h2", 2, None)]), @r"
        host  cut    takes over  writes  refused  lost  no writes: promised  found   as planned after
        h1    power  cache-3     87      16       0     24.5 s               16.8 s  75 s
        h2    power  cache-3     87      16       2     24.5 s               no end  75 s

        h2, power: 2 acknowledged writes lost; not every group took writes again before the host was back
        Drill failed: 1 of 2 failures not as promised, 2 acknowledged writes lost.
        ");
        let late = findings_text(&[finding("h1", 0, Some(27))]);
        assert!(late.contains("h1, power: no writes for 26.8 s, promised 24.5 s"), "{late}");
        let kept = findings_text(&[finding("h1", 0, Some(25))]);
        assert!(kept.ends_with("Drill passed: 1 failure, no acknowledged write lost.\n"), "{kept}");
        let json = findings_json(&[finding("h1", 0, Some(17))]);
        assert_eq!((&json["ok"], &json["failures"][0]["refused"]), (&true.into(), &16.into()));
    }
}
