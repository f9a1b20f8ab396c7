//! Reading Rust source as text: without comments, strings and test modules.

/// `source` without comments and with empty string and character literals.
pub fn without_comments(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if next == '"' {
            out.push_str("\"\"");
            string_length(rest)
        } else if let Some(length) = raw_string_length(rest, &out) {
            out.push_str("\"\"");
            length
        } else if next == '\'' {
            out.push(' ');
            char_length(rest)
        } else {
            out.push(next);
            next.len_utf8()
        };
        rest = &rest[skipped..];
    }
    out
}

/// Length of the string literal at the start of `text`.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the raw string literal at the start of `text`, if there is one there and not the end of an identifier.
fn raw_string_length(text: &str, before: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?.chars().take_while(|c| *c == '#').count();
    let in_identifier =
        before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_') && !before.ends_with('b');
    if in_identifier || !text[1 + hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    Some(text[body..].find(&end).map_or(text.len(), |at| body + at + end.len()))
}

/// Length of the character literal at the start of `text`; 1 for a lifetime.
fn char_length(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        // The escaped character itself may be a quote, so the search starts after it.
        Some((_, '\\')) => chars.next().and_then(|_| chars.find(|(_, c)| *c == '\'')).map_or(1, |(at, _)| at + 1),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
        None => 1,
    }
}

/// `code` (see [`without_comments`]) without items under `#[cfg(test)]`.
pub fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|mark| rest.find(mark)).min() {
        out.push_str(&rest[..at]);
        rest = after_item(&rest[at..]);
    }
    out.push_str(rest);
    out
}

/// What follows the item at the start of `code`: after its closing brace, or after a semicolon outside of braces.
fn after_item(code: &str) -> &str {
    let (mut depth, mut brackets) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '[' | '(' => brackets += 1,
            ']' | ')' => brackets -= 1,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                // `use a::{b, c};` ends at its semicolon.
                let ends = depth == 0 && !code[at + 1..].trim_start().starts_with(';');
                if ends {
                    return &code[at + 1..];
                }
            }
            ';' if depth == 0 && brackets == 0 => return &code[at + 1..],
            _ => {}
        }
    }
    ""
}

/// The words of `code`: identifiers, `::` and every other character by itself.
pub fn tokens(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        found.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    found
}

#[test]
fn literals_comments_and_tests_are_removed() {
    let source = r##"
use a::b; // use c::d;
const X: &str = "use e::f; \" {"; const Y: char = '{'; fn z<'a>(_: &'a str) {}
const R: &str = r#"use g::h; " "#;
#[cfg(test)]
use i::{j, k};
#[cfg(test)]
mod tests { use l::m; fn n() { '\''; } }
/* use o::p; */
mod q;
"##;
    let code = without_tests(&without_comments(source));
    let words = tokens(&code);
    for kept in ["a", "b", "X", "z", "R", "q"] {
        assert!(words.contains(&kept), "{kept}: {code}");
    }
    for removed in ["c", "e", "g", "i", "j", "l", "n", "o"] {
        assert!(!words.contains(&removed), "{removed}: {code}");
    }
    assert!(words.windows(3).any(|w| w == ["a", "::", "b"]));
}
