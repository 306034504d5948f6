//! Commands to instances: all of one instance through one `redis-cli`, which costs an
//! emulated guest more than what it sends, and all instances at the same time.

use super::between;
use super::reshard::hand_over;
use super::session::Session;
use super::steps::{Order, Step};
use super::target::{Member, Target};
use crate::engine::cluster::Answer;
use crate::engine::{Crew, EngineError};
use crate::ids::InstanceName;
use crate::recipe::redis::BUS;

/// Sends steps of one kind; each with its answer, instance by instance in the order
/// in which they come first.
///
/// # Errors
/// The agent of an instance. What Redis refuses is the answer.
pub(super) fn send<'a>(
    crew: &Crew<'_>,
    target: &Target,
    steps: &'a [Step],
) -> Result<Vec<(&'a Step, Answer)>, EngineError> {
    let mut lots: Vec<(&Member, Vec<&Step>)> = Vec::new();
    for step in steps {
        match lots.iter_mut().find(|(member, _)| member.name == step.at) {
            Some((_, lot)) => lot.push(step),
            None => {
                let member = target.members.iter().find(|member| member.name == step.at);
                lots.extend(member.map(|member| (member, vec![step])));
            }
        }
    }
    let ask = |(member, lot): &(&Member, Vec<&Step>)| -> Result<Vec<Answer>, EngineError> {
        if let [Step { order: Order::Move { slots, to, ids }, .. }] = lot.as_slice() {
            let to = target.known(to)?;
            return Ok(vec![hand_over(crew, target, (member, to), ids, slots)]);
        }
        if let [Step { order: Order::Encrypt(encrypt), .. }] = lot.as_slice() {
            return Ok(vec![between::change(crew, target, member, *encrypt)]);
        }
        let guest = crew.guest(&via(crew, member)?)?;
        let session = Session::new(&guest, &target.access, (member.address, member.port));
        let commands: Vec<String> =
            lot.iter().filter_map(|step| words(target, &step.order)).collect();
        session.ask_all(&commands)
    };
    // Masters vote once in an epoch: two elections at a time would hinder each other.
    let elects = |step: &Step| matches!(step.order, Order::Failover | Order::ForceFailover);
    let answers: Vec<_> = if steps.iter().any(elects) {
        lots.iter().map(ask).collect()
    } else {
        crew.each(&lots, |(member, _)| &member.name, ask)
    };
    let mut all = Vec::new();
    for ((_, lot), answers) in lots.into_iter().zip(answers) {
        all.extend(lot.into_iter().zip(answers?));
    }
    Ok(all)
}

/// The instance in whose guest a member is asked: itself, or the first that is planned for
/// one that leaves.
pub(super) fn via(crew: &Crew<'_>, member: &Member) -> Result<InstanceName, EngineError> {
    if !member.is_leaving() {
        return Ok(member.name.clone());
    }
    let first = crew.members().first().map(|one| one.name.clone());
    let problem = "no instance of its service can be asked to reach it".to_owned();
    first.ok_or_else(|| EngineError::Plan { instance: member.name.clone(), problem })
}

/// The words of a command; `None` for what is none.
fn words(target: &Target, order: &Order) -> Option<String> {
    let mut words = vec!["CLUSTER".to_owned()];
    match order {
        Order::SetConfigEpoch(epoch) => {
            words.extend(["SET-CONFIG-EPOCH".into(), epoch.to_string()]);
        }
        Order::Meet(other) => {
            words.push("MEET".into());
            let other = target.members.iter().find(|member| member.name == *other);
            words.extend(other.map(|member| member.address.to_string()));
            words.extend(other.map(|member| member.port.to_string()));
            let is_other = |member: &&Member| member.settings.contains_key("cluster-port");
            words.extend(other.filter(is_other).map(|_| BUS.to_string()));
        }
        Order::AddSlots(slots) => {
            words.push("ADDSLOTSRANGE".into());
            let bounds = slots.ranges().iter().flat_map(|(first, last)| [first, last]);
            words.extend(bounds.map(ToString::to_string));
        }
        Order::Replicate(master, _) => words.extend(["REPLICATE".into(), master.to_string()]),
        Order::Forget(node) => words.extend(["FORGET".into(), node.to_string()]),
        Order::Failover => words.push("FAILOVER".into()),
        Order::ForceFailover => words.extend(["FAILOVER".into(), "FORCE".into()]),
        // Its id stays, so that nobody takes it for another.
        Order::Reset => words.extend(["RESET".into(), "SOFT".into()]),
        Order::Close(slots) => {
            let lines = slots.iter().map(|slot| format!("CLUSTER SETSLOT {slot} STABLE"));
            return Some(lines.collect::<Vec<_>>().join("\n"));
        }
        Order::Move { .. } | Order::Encrypt(_) => return None,
    }
    Some(words.join(" "))
}
