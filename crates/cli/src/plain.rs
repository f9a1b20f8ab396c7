//! Untrusted text, made safe for terminals.

/// Replaces control and bidirectional formatting characters, so that a server or a person's name cannot hide or rewrite a line.
/// Line breaks remain.
pub fn plain(text: &str) -> String {
    let is_control = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    text.chars().map(|c| if is_control(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Prints a line to standard error. A closed pipe is ignored, so that the work continues.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
pub(crate) use tell;

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(plain("Office\u{1b}[8m\u{1b}]0;owned\u{7}"), "Office\u{fffd}[8m\u{fffd}]0;owned\u{fffd}");
        assert_eq!(plain("a\rb\u{202e}c\u{9b}d"), "a\u{fffd}b\u{fffd}c\u{fffd}d");
        assert_eq!(plain("Élise Ørsted\nרָחֵל, 主席"), "Élise Ørsted\nרָחֵל, 主席");
    }
}
