//! A profile at the ends of its intervals.

use super::{Curve, Number, Profile};

/// A place in an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Estimate {
    /// The end of each interval at which an instance is slowest.
    Low,
    /// The values that plans use.
    Default,
    /// The end of each interval at which an instance is fastest.
    High,
}

impl Profile {
    /// The profile whose numbers of speed (curve, placement, headroom) have their
    /// values at that end of the interval as their defaults.
    #[must_use]
    pub fn at(&self, estimate: Estimate) -> Self {
        let mut profile = self.clone();
        let gain = |number: &mut Number| number.move_to(estimate);
        let loss = |number: &mut Number| number.move_to(estimate.other());
        match &mut profile.curve {
            Curve::Threads(threads) => {
                gain(&mut threads.one_thread);
                gain(&mut threads.gain_per_io_thread);
                gain(&mut threads.io_threads_max);
                loss(&mut threads.interrupt_share);
            }
            Curve::Usl(usl) => {
                gain(&mut usl.lambda);
                loss(&mut usl.sigma);
                loss(&mut usl.kappa);
            }
        }
        gain(&mut profile.placement.virtualisation);
        gain(&mut profile.placement.smt_gain);
        gain(&mut profile.placement.shared_l3);
        gain(&mut profile.placement.several_l3);
        loss(&mut profile.headroom.factor);
        gain(&mut profile.headroom.exponent);
        profile
    }
}

impl Estimate {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Low, Self::Default, Self::High];

    const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::Default => Self::Default,
            Self::High => Self::Low,
        }
    }
}

impl Number {
    const fn move_to(&mut self, estimate: Estimate) {
        self.default = match estimate {
            Estimate::Low => self.low,
            Estimate::Default => self.default,
            Estimate::High => self.high,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Engine, Profiles};
    use super::*;

    #[test]
    fn what_slows_goes_the_other_way() {
        let profiles = Profiles::builtin().unwrap();
        let mysql = profiles.of(Engine::Mysql).unwrap();
        let Curve::Usl(usl) = mysql.at(Estimate::Low).curve else { panic!("mysql has a law") };
        assert_eq!((usl.lambda.default, usl.kappa.default), (736.0, 2.11e-4));
        assert_eq!(mysql.at(Estimate::Default), *mysql);
    }
}
