//! A short real load: what a group did under it, and why it may have done less
//! than the plan promises.

use crate::guest::Shares;
use crate::ids::InstanceName;
use crate::units::PerSecond;

/// A share of CPU time that others took from which on it explains a result.
const STOLEN: f64 = 0.05;
/// A share of idle time below which a guest is busy with all that it has.
const BUSY: f64 = 0.10;
/// Part of the promise that has to be reached: shorter is no noise of a run of a
/// few seconds.
const REACHED: f64 = 0.9;

/// How much load is put on a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Most requests of a kind; fewer where the promise is small.
    pub requests: u64,
    /// Most seconds that a kind may take.
    pub seconds: u64,
    /// Connections at the same time.
    pub connections: u32,
}

impl Bound {
    /// A few seconds of what the plan promises.
    pub const REAL: Self = Self { requests: 400_000, seconds: 20, connections: 50 };
    /// Enough to see that it works, where guests are emulated.
    pub const EMULATED: Self = Self { requests: 200, seconds: 60, connections: 4 };
}

/// What a group did under load.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The group.
    pub group: u32,
    /// The instance that served it.
    pub at: InstanceName,
    /// The instance that it was sent from.
    pub via: InstanceName,
    /// Units of work that the plan promises of one instance.
    pub promised_per_s: PerSecond,
    /// What came of it, or why nothing did.
    pub outcome: Result<Measured, String>,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Writes in a second.
    pub writes_per_s: u64,
    /// Reads in a second.
    pub reads_per_s: u64,
    /// Microseconds within which 99 of 100 reads were answered.
    pub read_p99_us: u64,
    /// What else was seen meanwhile.
    pub signs: Signs,
}

/// What may explain a result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signs {
    /// CPU of the instance that served, while reads were sent.
    pub server: Option<Shares>,
    /// CPU of the instance that sent.
    pub sender: Option<Shares>,
    /// Flushes of the append-only file that had to wait.
    pub delayed_flushes: u64,
    /// Whether it wrote a snapshot or a new append-only file meanwhile.
    pub saving: bool,
    /// I/O threads as planned and as running, where the engine has any.
    pub io_threads: Option<(u64, u64)>,
}

/// A verdict on a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did what the plan promises.
    Kept,
    /// It did less; with the likeliest cause.
    Short(String),
    /// It may be able to do more than was sent.
    Unproven(String),
}

impl Load {
    /// What the result says of the promise. `pinned` is whether the instance that
    /// served stands as planned.
    #[must_use]
    pub fn verdict(&self, pinned: bool) -> Verdict {
        let measured = match &self.outcome {
            Ok(measured) => measured,
            Err(why) => return Verdict::Short(why.clone()),
        };
        #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
        let (reads, promised) = (measured.reads_per_s as f64, self.promised_per_s.get() as f64);
        if reads >= promised * REACHED {
            return Verdict::Kept;
        }
        measured.signs.cause(pinned)
    }
}

impl Signs {
    /// The likeliest cause of less than was promised: what is certain first.
    fn cause(&self, pinned: bool) -> Verdict {
        let Self { server, sender, delayed_flushes, saving, io_threads } = self;
        if !pinned {
            return Verdict::Short("it is not pinned as planned".to_owned());
        }
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        if let Some(shares) = server.filter(|shares| shares.stolen > STOLEN) {
            let stolen = percent(shares.stolen);
            let text = format!("its host took {stolen} of its CPU time for others (steal)");
            return Verdict::Short(text);
        }
        if let Some((planned, running)) = io_threads.filter(|(planned, running)| running < planned)
        {
            let text = format!("it runs {running} I/O threads, planned {planned}");
            return Verdict::Short(text);
        }
        if *delayed_flushes > 0 || *saving {
            let text =
                if *saving { "it wrote a snapshot meanwhile" } else { "its disk was too slow" };
            return Verdict::Short(format!("persistence: {text}"));
        }
        match (server, sender) {
            (Some(server), _) if server.idle < BUSY => {
                Verdict::Short("its CPUs were busy all the time: it cannot do more".to_owned())
            }
            (_, Some(sender)) if sender.idle < BUSY => {
                Verdict::Unproven("the instance that sent had no CPU time left".to_owned())
            }
            (Some(server), Some(_)) => Verdict::Short(format!(
                "the network: both ends had time, the one that served was idle for {}",
                percent(server.idle)
            )),
            _ => Verdict::Short("of unknown cause".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(reads_per_s: u64, signs: Signs) -> Load {
        let name = |text| InstanceName::new(text).unwrap();
        let measured = Measured { reads_per_s, signs, ..Measured::default() };
        Load {
            group: 0,
            at: name("cache-0"),
            via: name("cache-4"),
            promised_per_s: PerSecond::new(100_000),
            outcome: Ok(measured),
        }
    }

    fn shares(idle: f64, stolen: f64) -> Option<Shares> {
        Some(Shares { idle, stolen })
    }

    #[test]
    fn what_falls_short_has_its_likeliest_cause() {
        let signs = |server, sender| Signs { server, sender, ..Signs::default() };
        let why = |signs: Signs, pinned| match load(50_000, signs).verdict(pinned) {
            Verdict::Kept => "kept".to_owned(),
            Verdict::Short(why) => why,
            Verdict::Unproven(why) => format!("unproven: {why}"),
        };
        let calm = shares(0.5, 0.0);
        assert_eq!(load(95_000, Signs::default()).verdict(false), Verdict::Kept);
        assert_eq!(why(signs(calm, calm), false), "it is not pinned as planned");
        assert!(why(signs(shares(0.0, 0.2), calm), true).contains("took 20 % of its CPU time"));
        let threads = Signs { io_threads: Some((4, 1)), ..signs(calm, calm) };
        assert_eq!(why(threads, true), "it runs 1 I/O threads, planned 4");
        let slow = Signs { delayed_flushes: 3, ..signs(calm, calm) };
        assert!(why(slow, true).starts_with("persistence"));
        assert!(why(signs(shares(0.02, 0.0), calm), true).contains("busy all the time"));
        assert!(why(signs(calm, shares(0.01, 0.0)), true).starts_with("unproven"));
        assert!(why(signs(calm, calm), true).starts_with("the network"));
        assert_eq!(why(Signs::default(), true), "of unknown cause");
    }
}
