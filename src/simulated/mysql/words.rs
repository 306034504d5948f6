//! Statements, taken apart into words.

/// A statement with the line that it ends on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// Words and signs; a text begins with a quote and has none at its end.
    pub(super) words: Vec<String>,
    pub(super) line: usize,
}

/// Takes a script apart. What follows the last semicolon is a statement, too.
pub(super) fn statements(script: &str) -> Vec<Statement> {
    let mut all = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let (mut line, mut characters) = (1, script.chars().peekable());
    let is_part = |c: char| c.is_alphanumeric() || "_@.".contains(c);
    while let Some(c) = characters.next() {
        if c == '`' {
            continue;
        }
        if is_part(c) {
            word.push(c);
            continue;
        }
        words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        match c {
            '\'' => {
                let mut text = String::from("'");
                while let Some(c) = characters.next() {
                    line += usize::from(c == '\n');
                    match (c, characters.peek()) {
                        ('\'', Some('\'')) => text.extend(characters.next()),
                        ('\'', _) => break,
                        ('\\', _) => text.extend(characters.next()),
                        _ => text.push(c),
                    }
                }
                words.push(text);
            }
            ';' if words.is_empty() => {}
            ';' => all.push(Statement { words: std::mem::take(&mut words), line }),
            c if c.is_whitespace() => line += usize::from(c == '\n'),
            c => words.push(c.to_string()),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    if !words.is_empty() {
        all.push(Statement { words, line });
    }
    all
}

/// Parts of a list that commas separate, those within brackets aside.
pub(super) fn parts<'a, 'w>(words: &'a [&'w str]) -> Vec<&'a [&'w str]> {
    let mut depth = 0_u32;
    let parts = words.split(|word| {
        match *word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        *word == "," && depth == 0
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// A text without the quote before it.
pub(super) fn text(word: &str) -> &str {
    word.strip_prefix('\'').unwrap_or(word)
}
