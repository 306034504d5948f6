//! `--max-load` and `--growth` of `plan`: how long the hosts last.

use jiff::civil::Date;
use jiff::{Span, Zoned};

use super::error::CliError;
use crate::explain;
use crate::profile::Profiles;
use crate::report::outlook::{Growth, Outlook, Period};
use crate::solve::Limits;
use crate::spec::Spec;

/// Days of a period, on average.
const fn days(period: Period) -> f64 {
    match period {
        Period::Month => 365.25 / 12.0,
        Period::Year => 365.25,
    }
}

/// Computes how long the hosts last; `None` for a spec without services.
///
/// # Errors
/// The solver failed, or the day lies beyond the calendar.
pub(super) fn outlook(
    spec: &Spec,
    profiles: &Profiles,
    limits: &Limits,
    (growth, from): (Option<Growth>, Option<Date>),
) -> Result<Option<Outlook>, CliError> {
    let Some(max_load) = explain::max_load(spec, profiles, limits)? else { return Ok(None) };
    let full_on = growth
        .filter(|_| max_load.hundredths >= 100)
        .and_then(|growth| Some((growth, explain::periods(max_load.hundredths, growth.percent)?)))
        .map(|(growth, periods)| {
            let from = from.unwrap_or_else(|| Zoned::now().date());
            #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
            let days = (periods * days(growth.period)).floor() as i64;
            let later = Span::new().try_days(days).and_then(|span| from.checked_add(span));
            later.map(|day| day.to_string())
        })
        .transpose()
        .map_err(|_| CliError::new("at that growth rate the hosts last beyond the year 9999"))?;
    Ok(Some(Outlook { max_load, growth, full_on }))
}

/// Reads growth such as `3%/month` or `40%/year`.
pub(super) fn growth(text: &str) -> Result<Growth, String> {
    let expected =
        || format!("cannot parse {text:?}: expected a growth rate such as 3%/month or 40%/year");
    let (percent, period) = text.split_once('/').ok_or_else(expected)?;
    let percent: f64 = percent
        .trim()
        .strip_suffix('%')
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(expected)?;
    let period = match period.trim() {
        "month" => Period::Month,
        "year" => Period::Year,
        _ => return Err(expected()),
    };
    let sensible = percent > 0.0 && percent <= 1_000.0;
    if sensible { Ok(Growth { percent, period }) } else { Err(expected()) }
}

/// Reads a day such as `2026-01-31`.
pub(super) fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| format!("cannot parse {text:?}: expected a date such as 2026-01-31"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_has_a_period() {
        assert_eq!(growth("3%/month"), Ok(Growth { percent: 3.0, period: Period::Month }));
        assert_eq!(growth("12.5 % / year"), Ok(Growth { percent: 12.5, period: Period::Year }));
        for wrong in ["3%", "3/month", "-1%/month", "0%/year", "3%/week", "inf%/year"] {
            assert!(growth(wrong).is_err(), "{wrong}");
        }
    }
}
