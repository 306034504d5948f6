//! Validation of a profile: intervals in order, evidence for every number, and every
//! value within the range that an instance can have.

use super::{Curve, Decimal, Fault, Number, Profile, Rules, real};

/// Most virtual CPUs of an instance, and most sizes to choose from.
const MOST_VCPUS: u32 = 4_096;
const MOST_SHAPES: usize = 64;

/// A number, whether its value is valid, and what is expected.
type Rule<'a> = (&'a str, bool, &'static str);

impl Profile {
    /// Returns everything that is wrong with it, by number in the order of the file.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self
            .numbers()
            .into_iter()
            .flat_map(|(name, number)| self.number_faults(name, number))
            .collect();
        faults.extend(self.evidence_fault("shapes.vcpus", &self.shapes.evidence));
        if !faults.is_empty() {
            // What follows takes the intervals as given.
            return faults;
        }
        faults.extend(self.violations());
        faults.extend(self.printed());
        faults
    }

    fn number_faults(&self, name: String, number: &Number) -> Vec<Fault> {
        let Number { low, default, high, fitted, evidence } = number;
        let is_fitted = fitted.is_none_or(|(low, high)| low <= high);
        let ordered = 0.0 <= *low
            && low <= default
            && default <= high
            && *high <= real(Decimal::MOST)
            && is_fitted;
        let missing = self.evidence_fault(&name, evidence);
        let disordered = (!ordered).then_some(Fault::Interval { number: name });
        disordered.into_iter().chain(missing).collect()
    }

    fn evidence_fault(&self, number: &str, evidence: &str) -> Option<Fault> {
        (!self.evidence.contains_key(evidence))
            .then(|| Fault::Evidence { number: number.to_owned(), evidence: evidence.to_owned() })
    }

    fn violations(&self) -> Vec<Fault> {
        let vcpus = &self.shapes.vcpus;
        let counts = vcpus.is_sorted_by(|a, b| a < b)
            && vcpus.first().is_some_and(|first| *first > 0)
            && vcpus.last().is_some_and(|last| *last <= MOST_VCPUS)
            && vcpus.len() <= MOST_SHAPES;
        let mut rules: Vec<Rule<'_>> = self.curve.rules();
        let placement = &self.placement;
        rules.extend([
            ("placement.virtualisation", is_factor(&placement.virtualisation), FACTOR),
            ("placement.smt_gain", placement.smt_gain.default <= 1.0, AT_MOST_ONE),
            ("placement.shared_l3", is_factor(&placement.shared_l3), FACTOR),
            ("placement.several_l3", is_factor(&placement.several_l3), FACTOR),
            ("headroom.factor", self.headroom.factor.default < 1.0, BELOW_ONE),
            ("guest.rounding_mib", self.guest.rounding_mib.whole() > 0, "expected at least 1"),
            ("shapes.vcpus", counts, "expected 1 to 64 counts from 1 to 4096, ascending"),
        ]);
        if let Rules::Sharded(sharded) = &self.rules {
            let slots = sharded.cluster.slots.whole() == 16384;
            rules.push(("sharded.cluster.slots", slots, "expected 16384, as Redis Cluster has"));
        }
        let of_kind = match &self.rules {
            Rules::Quorum(rules) => rules.violation(),
            Rules::PrimaryReplica(rules) => rules.violation(),
            Rules::Pool(rules) => rules.violation(),
            Rules::Sharded(_) | Rules::GatewayPair(_) => None,
        };
        let broken = rules.into_iter().filter(|(_, holds, _)| !holds);
        let broken = broken.map(|(number, _, expected)| (number, expected));
        let fault = |(number, expected): (&str, _)| Fault::OutOfRange {
            number: number.to_owned(),
            expected,
        };
        broken.chain(of_kind).map(fault).collect()
    }

    /// Checks the texts that are printed: they must not control a terminal.
    fn printed(&self) -> Option<Fault> {
        let controls = |text: &String| text.chars().any(|c| c.is_control() && !c.is_whitespace());
        let mut records = self.evidence.values();
        let fields = [
            ("version", controls(&self.version)),
            ("unit", controls(&self.unit)),
            (
                "evidence",
                records.any(|one| {
                    [&one.id, &one.source, &one.setup, &one.note].into_iter().any(controls)
                }),
            ),
        ];
        let (field, _) = fields.into_iter().find(|(_, controls)| *controls)?;
        let expected = "expected text without control characters";
        Some(Fault::OutOfRange { number: field.to_owned(), expected })
    }
}

/// Whether a speed can be multiplied by it.
fn is_factor(number: &Number) -> bool {
    (0.01..=2.0).contains(&number.default)
}

const FACTOR: &str = "expected a factor from 0.01 to 2";
const AT_MOST_ONE: &str = "expected at most 1: a second thread adds no more than a core";
const BELOW_ONE: &str = "expected a share below 1: an instance would do nothing";

impl Curve {
    fn rules(&self) -> Vec<Rule<'static>> {
        match self {
            Self::Threads(threads) => vec![
                ("threads.one_thread", threads.one_thread.default >= 1.0, AT_LEAST_ONE),
                ("threads.interrupt_share", threads.interrupt_share.default < 1.0, BELOW_ONE),
            ],
            Self::Usl(usl) => vec![("usl.lambda", usl.lambda.default >= 1.0, AT_LEAST_ONE)],
        }
    }
}

const AT_LEAST_ONE: &str = "expected at least 1 a second";
