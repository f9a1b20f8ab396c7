//! Text of others, made safe to show: on terminals, in logs, reports, HTML and PDF.
//!
//! Names, reasons and log entries are written by others. A control sequence in one can rewrite an auditor's terminal, a line
//! break can forge a log line, a direction mark can reverse what stands beside it, and an invisible character can make two
//! different names look the same. Everything that shows such text passes it through [`printable`] or [`Printable`].

use std::fmt;

/// Whether a character acts on the text around it, or is invisible, instead of being shown.
///
/// Control characters; line and paragraph separators; bidirectional marks, embeddings, overrides and isolates (UAX #9);
/// zero-width and invisible formatting characters, fillers and tags (Unicode category Cf, the blank letters of UTS #39, and others
/// that fonts draw as nothing); the object replacement character; variation selectors beyond those of emoji; noncharacters; private
/// use, which each font draws as it likes. The joiners U+200C and U+200D are kept: Persian, Urdu and Indic
/// names are spelled with them.
pub fn is_active(c: char) -> bool {
    // The last two of each plane.
    let is_noncharacter = u32::from(c) & 0xfffe == 0xfffe;
    is_noncharacter
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
            | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffc}' | '\u{1107f}' | '\u{13430}'..='\u{1345f}' | '\u{16fe4}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

/// Text of others, shown on one line: each active character ([`is_active`]) becomes U+FFFD, each line break or tab too.
///
/// ```
/// use telcon_proto::printable::Printable;
///
/// assert_eq!(Printable("Ann\u{1b}[2J\u{202e}evil\nPROBLEM").to_string(), "Ann\u{fffd}[2J\u{fffd}evil\u{fffd}PROBLEM");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` applies the width, so that columns stay aligned.
        match self.0.contains(is_active) {
            true => f.pad(&printable(self.0)),
            false => f.pad(self.0),
        }
    }
}

/// [`Printable`] as a string.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_active(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// As [`printable`], for text of several lines whose line breaks are ours: LF is kept.
pub fn printable_lines(text: &str) -> String {
    text.chars().map(|c| if is_active(c) && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_its_surroundings_is_left() {
        let hostile = [
            "\u{1b}[8m",
            "\u{1b}]0;owned\u{7}",
            "\r",
            "\n",
            "\t",
            "\u{9b}1m",
            "\u{85}",
            "\u{2028}",
            "\u{2029}",
            "\u{200e}",
            "\u{200f}",
            "\u{61c}",
            "\u{202a}",
            "\u{202e}",
            "\u{2066}",
            "\u{2069}",
            "\u{200b}",
            "\u{2060}",
            "\u{feff}",
            "\u{ad}",
            "\u{3164}",
            "\u{e0041}",
            "\u{7f}",
            "\0",
            "\u{fffc}",
            "\u{1d159}",
            "\u{16fe4}",
            "\u{1107f}",
            "\u{e000}",
            "\u{f0000}",
            "\u{10fffd}",
            "\u{fdd0}",
            "\u{1ffff}",
        ];
        for text in hostile {
            let shown = printable(&format!("a{text}b"));
            assert!(!shown.contains(is_active), "{text:?}");
            assert_eq!(shown.chars().count(), 2 + text.chars().count(), "what was replaced stays visible");
        }
        assert_eq!(printable_lines("a\nb\rc"), "a\nb\u{fffd}c");
    }

    #[test]
    fn names_of_all_scripts_are_unchanged() {
        for name in ["Élise Ørsted", "רָחֵל", "محمد بن سلمان", "主席", "Владимир", "می‌خواهم", "क्‍ष", "👩\u{200d}🚀 x"]
        {
            assert_eq!(printable(name), name);
        }
        assert_eq!(format!("{:<6}|", Printable("ab")), "ab    |");
    }
}
