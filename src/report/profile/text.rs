//! Profiles as a person reads them, at most 100 columns wide.

use std::fmt;

use super::{Curve, Line, Point, ProfileList, ProfileSheet, plot};
use crate::profile::{Curve as Law, Evidence, Grade, Number};
use crate::report::columns::{columns, wrapped};
use crate::units::PerSecond;

/// Columns of the screen.
const WIDTH: usize = 100;

impl fmt::Display for ProfileList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(lines) = self;
        let grades = Grade::ALL.iter().enumerate().map(|(place, grade)| match place {
            0 => format!("numbers: {}", grade.as_str()),
            _ => grade.as_str().to_owned(),
        });
        let header = ["engine", "version", "kind"].map(str::to_owned).into_iter().chain(grades);
        let rows: Vec<Vec<String>> =
            std::iter::once(header.collect()).chain(lines.iter().map(line)).collect();
        f.write_str(&columns(0, &rows))?;
        writeln!(f)?;
        let units: Vec<Vec<String>> =
            lines.iter().map(|line| vec![line.engine.to_string(), line.unit.clone()]).collect();
        write!(f, "unit of work:\n{}", columns(2, &units))?;
        f.write_str("\ngrades of evidence:\n")?;
        let grades: Vec<Vec<String>> = Grade::ALL
            .into_iter()
            .map(|grade| vec![grade.as_str().to_owned(), meaning(grade).to_owned()])
            .collect();
        f.write_str(&columns(2, &grades))
    }
}

fn line(line: &Line) -> Vec<String> {
    let Line { engine, version, cluster, unit: _, grades } = line;
    let first = [engine.to_string(), version.clone(), cluster.to_string()];
    first.into_iter().chain(grades.values().map(u64::to_string)).collect()
}

const fn meaning(grade: Grade) -> &'static str {
    match grade {
        Grade::A => "primary source, read in full",
        Grade::B => "a vendor's or an author's page, the relevant part read",
        Grade::C => "quoted by a third party",
        Grade::Proposal => "no published source: a default, measure your own",
        Grade::Own => "your own, from a profile file or a spec",
    }
}

impl fmt::Display for ProfileSheet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { profile, siblings, single } = self;
        let cluster = profile.rules.cluster();
        writeln!(f, "{} {}: {cluster}, unit of work:", profile.engine, profile.version)?;
        f.write_str(&wrapped(2, WIDTH, &profile.unit))?;
        f.write_str(
            "\none instance with an L3 domain of its own: ceiling, and usable rate after headroom\n",
        )?;
        for (title, curve) in [("two threads per core", siblings), ("one thread per core", single)]
        {
            write!(f, "\n{title}\n{}", table(curve))?;
        }
        if siblings.shapes.iter().chain(&single.shapes).any(Point::is_extrapolated) {
            writeln!(f, "\n! extrapolated: {}", self.range())?;
        }
        f.write_str(
            "\n* ceiling, o usable, . extrapolated ceiling; two threads per core, default values\n",
        )?;
        f.write_str(&plot::plot(siblings, rate))?;
        f.write_str("\nnumbers\n")?;
        let header = ["", "low", "default", "high", "fitted range", "evidence"].map(str::to_owned);
        let numbers = profile.numbers();
        let rows: Vec<Vec<String>> = std::iter::once(header.to_vec())
            .chain(numbers.iter().map(|(name, number)| self.number(name, number)))
            .collect();
        f.write_str(&columns(2, &rows))?;
        let vcpus: Vec<String> = profile.shapes.vcpus.iter().map(u32::to_string).collect();
        let evidence = &profile.shapes.evidence;
        writeln!(f, "  shapes.vcpus: {}; {evidence}", vcpus.join(", "))?;
        f.write_str("\nevidence\n")?;
        profile.evidence.values().try_for_each(|record| f.write_str(&self::evidence(record)))
    }
}

impl ProfileSheet<'_> {
    fn range(&self) -> String {
        let (of, number) = match &self.profile.curve {
            Law::Threads(threads) => ("I/O threads", &threads.gain_per_io_thread),
            Law::Usl(usl) => ("cores", &usl.lambda),
        };
        match number.fitted {
            Some((low, high)) => format!("the curve was fitted over {low} to {high} {of}"),
            None => "the curve was not fitted over a range".to_owned(),
        }
    }

    fn number(&self, name: &str, number: &Number) -> Vec<String> {
        let Number { low, default, high, fitted, evidence } = number;
        let fitted = fitted.map_or_else(String::new, |(low, high)| format!("{low} to {high}"));
        let record = self.profile.evidence.get(evidence);
        let grade = record.map_or_else(String::new, |record| match record.grade {
            Grade::Proposal => String::new(),
            grade => format!(" ({})", grade.as_str()),
        });
        vec![
            // The heading names the kind of cluster already.
            self.profile.shown_name(name).to_owned(),
            short(*low),
            short(*default),
            short(*high),
            fitted,
            format!("{evidence}{grade}"),
        ]
    }
}

fn table(curve: &Curve) -> String {
    let header =
        ["vCPU", "cores", "ceiling", "low", "high", "usable", "low", "high", ""].map(str::to_owned);
    let rows: Vec<Vec<String>> =
        std::iter::once(header.to_vec()).chain(curve.shapes.iter().map(row)).collect();
    columns(2, &rows)
}

fn row(point: &Point) -> Vec<String> {
    let [low, default, high] = point.ceilings;
    vec![
        point.vcpus.to_string(),
        format!("{:.1}", point.cores),
        rate(default.ceiling),
        rate(low.ceiling),
        rate(high.ceiling),
        rate(default.usable),
        rate(low.usable),
        rate(high.usable),
        if point.is_extrapolated() { "!".to_owned() } else { String::new() },
    ]
}

/// A rate to three digits or more, rounded down: `1,234/s`, `12.3k/s`.
fn rate(rate: PerSecond) -> String {
    let per_s = rate.get();
    let scaled = |unit: u64, name: &str| match (per_s / unit, per_s % unit * 10 / unit) {
        (whole @ 100.., _) => format!("{whole}{name}/s"),
        (whole, tenths) => format!("{whole}.{tenths}{name}/s"),
    };
    match per_s {
        0..1_000 => format!("{per_s}/s"),
        1_000..1_000_000 => scaled(1_000, "k"),
        _ => scaled(1_000_000, "M"),
    }
}

/// A number as short as it can be read back.
fn short(value: f64) -> String {
    if value != 0.0 && value < 0.001 { format!("{value:e}") } else { format!("{value}") }
}

fn evidence(record: &Evidence) -> String {
    let Evidence { id, source, setup, grade, note } = record;
    let mut text = match grade {
        Grade::Proposal => format!("  {id}: proposal\n"),
        grade => {
            let head = format!("  {id}: grade {}\n", grade.as_str());
            format!("{head}{}{}", wrapped(4, WIDTH, source), wrapped(4, WIDTH, setup))
        }
    };
    text.push_str(&wrapped(4, WIDTH, note));
    text
}
