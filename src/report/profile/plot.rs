//! A curve as a small plot of characters.

use super::{Curve, Point};
use crate::units::PerSecond;

/// Columns and rows of the plot without its axes.
const WIDTH: u32 = 64;
const HEIGHT: u64 = 12;

/// Ceiling `*` and usable rate `o` over virtual CPUs; small `.` where the ceiling
/// is extrapolated.
pub(super) fn plot(curve: &Curve, label: impl Fn(PerSecond) -> String) -> String {
    let top = curve.all.iter().map(|point| point.default().ceiling.get()).max().unwrap_or(0);
    let columns = columns(curve);
    let labels: Vec<String> =
        [top, top / 2, 0].map(|value| label(PerSecond::new(value))).into_iter().collect();
    let margin = labels.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in (0..=HEIGHT).rev() {
        let label = match row {
            HEIGHT => labels.first(),
            0 => labels.get(2),
            _ if row == HEIGHT / 2 => labels.get(1),
            _ => None,
        };
        let label = label.map_or("", String::as_str);
        let line: String = columns.iter().map(|point| mark(point.as_ref(), row, top)).collect();
        text.push_str(format!("  {label:>margin$} |{line}").trim_end());
        text.push('\n');
    }
    let width = columns.len();
    let most = curve.all.last().map_or(1, |point| point.vcpus);
    text.push_str(&format!("  {:margin$} +{}\n", "", "-".repeat(width)));
    text.push_str(&format!("  {:margin$}  1{most:>rest$} vCPU\n", "", rest = width - 1));
    text
}

/// The points in the columns of the plot: every count once, or the nearest.
fn columns(curve: &Curve) -> Vec<Option<&Point>> {
    let most = u32::try_from(curve.all.len()).unwrap_or(u32::MAX).max(1);
    let steps = most.saturating_sub(1).max(1);
    let stride = (WIDTH / steps).max(1);
    let width = (steps * stride + 1).max(2);
    (0..width)
        .map(|column| {
            let at = column.is_multiple_of(stride).then_some(column / stride)?;
            curve.all.get(at as usize)
        })
        .collect()
}

fn mark(point: Option<&&Point>, row: u64, top: u64) -> char {
    let Some(point) = point else { return ' ' };
    let at = |value: u64| {
        let scaled = u128::from(value) * u128::from(HEIGHT) * 2 / u128::from(top.max(1));
        u64::try_from(scaled.div_ceil(2)).unwrap_or(HEIGHT)
    };
    let ceiling = point.default();
    if at(ceiling.ceiling.get()) == row {
        if ceiling.extrapolated { '.' } else { '*' }
    } else if at(ceiling.usable.get()) == row {
        'o'
    } else {
        ' '
    }
}
