//! How long the hosts last: the largest multiple of the demand that they carry, and
//! when growth reaches it.

use serde::Serialize;

use crate::explain::MaxLoad;
use crate::units::grouped;

/// How long the hosts last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outlook {
    /// How much of the demand the hosts carry.
    pub max_load: MaxLoad,
    /// Growth in percent of each period, if it was stated.
    pub growth: Option<Growth>,
    /// The day on which growth reaches what the hosts carry, `YYYY-MM-DD`; `None`
    /// without growth, or where the hosts do not carry the demand of today.
    pub full_on: Option<String>,
}

/// Growth of all services' demands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Growth {
    /// Percent of each period.
    pub percent: f64,
    /// The period.
    pub period: Period,
}

/// What growth is stated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Period {
    /// The word in `3%/month`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl Outlook {
    /// The outlook in a line or two.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { max_load, growth, full_on } = self;
        let above = match max_load.above {
            Some(above) => format!("{}× does not", multiple(above)),
            None => "not proven whether more fits".to_owned(),
        };
        let mut text = format!(
            "max load  {}× the demand of all services fits these hosts; {above}\n",
            multiple(max_load.hundredths)
        );
        if let Some(Growth { percent, period }) = growth {
            let when = match full_on {
                Some(day) => format!("the hosts are full on {day}"),
                None => "the hosts are already full".to_owned(),
            };
            text.push_str(&format!("growth    at {percent} % per {} {when}\n", period.as_str()));
        }
        text
    }
}

fn multiple(hundredths: u64) -> String {
    format!("{}.{:02}", grouped(hundredths / 100), hundredths % 100)
}
