//! Who answers at the addresses where instances are to be met. `CLUSTER MEET` goes
//! by an address alone, and joins whatever cluster it finds there, slots and all.

use super::observe::Observed;
use super::session::Session;
use super::steps::{Order, Step};
use super::target::{Member, Target};
use crate::engine::cluster::Answer;
use crate::engine::{Crew, EngineError};
use crate::guest::GuestError;

/// Errors of a server that does not know the password, or has no cluster. One that
/// is loading its data answers something else, and may be the planned one.
const FOREIGN: [&str; 4] = ["NOAUTH", "WRONGPASS", "NOPERM", "ERR"];

/// Returns the servers at addresses to be met that are not the planned instances,
/// one line each. Where nobody answers nobody can be met by mistake.
pub(super) fn foreign_nodes(
    crew: &Crew<'_>,
    target: &Target,
    observed: &Observed,
    steps: &[Step],
) -> Vec<String> {
    let is_met =
        |member: &Member| steps.iter().any(|step| step.order == Order::Meet(member.name.clone()));
    // Each is asked for by the one before it, so that all can be at the same time.
    let before = target.members.iter().cycle().skip(target.members.len().saturating_sub(1));
    let pairs: Vec<(&Member, &Member)> =
        before.zip(&target.members).filter(|(_, member)| is_met(member)).collect();
    let lines = crew.each(
        &pairs,
        |(from, _)| &from.name,
        |(from, member)| {
            let me = observed.seen.get(&member.name)?.view.me()?;
            let found = foreign(&me.id.to_string(), &ask(crew, target, from, member))?;
            let Member { name, address, port, .. } = member;
            let what = target.access.package.engine;
            let by = &from.name;
            Some(format!(
                "address conflict: {address}:{port} ({name}) is answered by another {what} (seen from \
                 {by}): {found}"
            ))
        },
    );
    lines.into_iter().flatten().collect()
}

/// Asks, from the guest of `from`, for the node id at a member's address.
fn ask(crew: &Crew<'_>, target: &Target, from: &Member, member: &Member) -> Answer {
    let guest = crew.guest(&from.name)?;
    let session = Session::asking(&guest, &target.access, (member.address, member.port));
    let [id] = session.ask(["CLUSTER MYID"])?;
    id
}

/// What was answered, where it is not an instance's own identity.
fn foreign(own: &str, answer: &Answer) -> Option<String> {
    match answer {
        Ok(id) if id.trim() == own => None,
        Ok(id) => Some(format!("its id is {}", id.trim())),
        Err(EngineError::Guest(GuestError::Command { status, output, .. }))
            if status == Session::REFUSED =>
        {
            let foreign = FOREIGN.iter().any(|code| output.starts_with(code));
            foreign.then(|| output.clone())
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_answers_with_another_identity_is_a_stranger() {
        let command = |status: &str, output: &str| {
            Err(EngineError::Guest(GuestError::Command {
                domain: "shop-cache-1".to_owned(),
                command: "redis-cli -h 10.20.0.12 CLUSTER MYID".to_owned(),
                status: status.to_owned(),
                output: output.to_owned(),
            }))
        };
        assert_eq!(foreign("07c3", &Ok("07c3\n".to_owned())), None);
        assert_eq!(foreign("07c3", &Ok("9a1f\n".to_owned())).unwrap(), "its id is 9a1f");
        let refusal = "NOAUTH Authentication required.";
        assert_eq!(foreign("07c3", &command(Session::REFUSED, refusal)).unwrap(), refusal);
        let loading = "LOADING Redis is loading the dataset in memory";
        assert_eq!(foreign("07c3", &command(Session::REFUSED, loading)), None);
        assert_eq!(foreign("07c3", &command("no answer", "Connection refused")), None);
    }
}
