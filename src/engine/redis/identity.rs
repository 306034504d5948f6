//! Who answers at the addresses where instances are to be met. `CLUSTER MEET` goes
//! by an address alone, and joins whatever cluster it finds there, slots and all.

use super::batch::Session;
use super::observe::Observed;
use super::steps::{Order, Step};
use super::target::{Seat, Target};
use crate::engine::cluster::Answer;
use crate::engine::{Crew, EngineError};
use crate::guest::GuestError;

/// What somebody answers who does not know our password, or has no cluster. One
/// that is loading its data says something else, and may be ours.
const FOREIGN: [&str; 4] = ["NOAUTH", "WRONGPASS", "NOPERM", "ERR"];

/// What stands at addresses that a step wants to meet and is not the instance of
/// the plan, one line each. Where nobody answers nobody can be met by mistake.
pub(super) fn strangers(
    crew: &Crew<'_>,
    target: &Target,
    observed: &Observed,
    steps: &[Step],
) -> Vec<String> {
    let is_met =
        |seat: &Seat| steps.iter().any(|step| step.order == Order::Meet(seat.name.clone()));
    // Each is asked for by the one before it, so that all can be at the same time.
    let before = target.seats.iter().cycle().skip(target.seats.len().saturating_sub(1));
    let pairs: Vec<(&Seat, &Seat)> =
        before.zip(&target.seats).filter(|(_, seat)| is_met(seat)).collect();
    let lines = crew.each(
        &pairs,
        |(from, _)| &from.name,
        |(from, seat)| {
            let me = observed.views.get(&seat.name)?.me()?;
            let found = stranger(&me.id.to_string(), &ask(crew, target, from, seat))?;
            let Seat { name, address, port, .. } = seat;
            let what = target.door.software.engine;
            let by = &from.name;
            Some(format!(
                "{address}:{port} of {name} is answered by another {what}, as {by} sees it: {found}"
            ))
        },
    );
    lines.into_iter().flatten().collect()
}

/// The identity of whoever answers at an instance's address to another's guest.
fn ask(crew: &Crew<'_>, target: &Target, from: &Seat, seat: &Seat) -> Answer {
    let guest = crew.guest(&from.name)?;
    let session = Session::asking(&guest, &target.door, (seat.address, seat.port));
    let [id] = session.ask(["CLUSTER MYID"])?;
    id
}

/// What was answered, where it is not an instance's own identity.
fn stranger(own: &str, answer: &Answer) -> Option<String> {
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
        assert_eq!(stranger("07c3", &Ok("07c3\n".to_owned())), None);
        assert_eq!(stranger("07c3", &Ok("9a1f\n".to_owned())).unwrap(), "its id is 9a1f");
        let refusal = "NOAUTH Authentication required.";
        assert_eq!(stranger("07c3", &command(Session::REFUSED, refusal)).unwrap(), refusal);
        let loading = "LOADING Redis is loading the dataset in memory";
        assert_eq!(stranger("07c3", &command(Session::REFUSED, loading)), None);
        assert_eq!(stranger("07c3", &command("no answer", "Connection refused")), None);
    }
}
