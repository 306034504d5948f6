//! Text in columns and lines.

use crate::units::grouped;

/// Sets rows in columns, each as wide as its widest cell, two spaces apart;
/// `indent` spaces in front, none behind.
pub(super) fn columns(indent: usize, rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (place, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(place) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Sets a sentence in lines of at most `width` characters, `indent` spaces in
/// front of each; a longer word has a line of its own.
pub(super) fn wrapped(indent: usize, width: usize, sentence: &str) -> String {
    let (mut text, mut line) = (String::new(), String::new());
    for word in sentence.split_whitespace() {
        let longer = indent + line.chars().count() + 1 + word.chars().count() > width;
        if longer && !line.is_empty() {
            text.push_str(&format!("{:indent$}{line}\n", ""));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        text.push_str(&format!("{:indent$}{line}\n", ""));
    }
    text
}

/// Sets a sentence behind a word in lines of at most `width` characters, all of them behind
/// the column of the word.
pub(super) fn labelled(word: &str, width: usize, sentence: &str) -> String {
    const INDENT: usize = 12;
    let lines = wrapped(INDENT, width, sentence);
    format!("  {word:<10}{}", lines.get(INDENT..).unwrap_or_default())
}

/// Joins names as a sentence has them, the first few of many: `a, b and c`.
pub(super) fn listed(names: &[String], most: usize) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [others @ .., last] if names.len() <= most => format!("{} and {last}", others.join(", ")),
        [first, others @ ..] => format!("{first} and {} others", grouped(others.len() as u64)),
    }
}

/// A bar of `width` characters, `part` of `whole` filled; anything that is not
/// nothing shows.
pub(super) fn bar(part: u64, whole: u64, width: u64) -> String {
    let share = |part: u64| u128::from(part) * u128::from(width) / u128::from(whole.max(1));
    let filled = u64::try_from(share(part)).unwrap_or(width).clamp(u64::from(part > 0), width);
    (0..width).map(|place| if place < filled { '#' } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = columns(2, &[row(["a", "bb"]), row(["ccc", ""]), row(["×", "d"])]);
        assert_eq!(text, "  a    bb\n  ccc\n  ×    d\n");
    }

    #[test]
    fn sentences_are_wrapped() {
        assert_eq!(wrapped(2, 9, "one two three seventeen"), "  one two\n  three\n  seventeen\n");
        assert_eq!(wrapped(2, 9, ""), "");
    }

    #[test]
    fn bars_show_the_share() {
        assert_eq!(bar(0, 10, 5), ".....");
        assert_eq!(bar(1, 1_000, 5), "#....");
        assert_eq!(bar(5, 10, 4), "##..");
        assert_eq!(bar(20, 10, 4), "####");
        assert_eq!(bar(1, 0, 4), "####");
    }
}
