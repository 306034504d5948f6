//! Quoting: any text as a part of XML or YAML that reads back as that text.

use std::fmt::Write as _;

/// Quotes a text for an XML element or attribute.
#[must_use]
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // Literal ones would be normalised to spaces in attributes.
            '\t' | '\n' | '\r' => push(&mut out, format_args!("&#{};", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}

/// Turns a text into a double-quoted YAML scalar, quotes included.
#[must_use]
pub fn yaml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // Characters that YAML readers refuse, fold as line ends or take for a byte-order mark.
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                push(&mut out, format_args!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    proptest::proptest! {
        #[test]
        fn yaml_readers_get_the_text_back(text in "\\PC*|[\\x00-\\xff\\u{2028}\\u{feff}: #&*!|>'\"%@`{}\\[\\],\\\\-]*") {
            let document = format!("value: {}\n", yaml(&text));
            let read: BTreeMap<String, String> = serde_saphyr::from_str(&document).unwrap();
            proptest::prop_assert_eq!(read.get("value"), Some(&text));
        }

        #[test]
        fn xml_readers_get_the_text_back(text in "[\\t\\n\\r\\x20-\\u{d7ff}]*") {
            let document = format!("<a b=\"{0}\">{0}</a>", xml(&text));
            let read = roxmltree::Document::parse(&document).unwrap();
            let root = read.root_element();
            proptest::prop_assert_eq!(root.attribute("b"), Some(text.as_str()));
            proptest::prop_assert_eq!(root.text().unwrap_or(""), text);
        }
    }
}
