//! Text that came from elsewhere, as a terminal may show it.

/// With everything replaced that would not be shown but obeyed: control characters and what turns the direction of writing.
/// A server, or a person's name, must not be able to hide a line or to rewrite one. Line breaks stay.
pub fn plain(text: &str) -> String {
    let obeyed = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    text.chars().map(|c| if obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Says a line on standard error. Where nobody takes it any more (a closed pipe), the work goes on.
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
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(plain("Office\u{1b}[8m\u{1b}]0;owned\u{7}"), "Office\u{fffd}[8m\u{fffd}]0;owned\u{fffd}");
        assert_eq!(plain("a\rb\u{202e}c\u{9b}d"), "a\u{fffd}b\u{fffd}c\u{fffd}d");
        assert_eq!(plain("Élise Ørsted\nרָחֵל, 主席"), "Élise Ørsted\nרָחֵל, 主席");
    }
}
