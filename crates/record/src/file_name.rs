//! File names made of the names of people.

use std::collections::BTreeSet;

use telcon_proto::printable::is_active;

/// Longest name without its ending, bytes: file systems allow 255, and some tools count in UTF-16.
const MAX_BYTES: usize = 60;

/// Names that Windows reserves, whatever their ending, and the one of the mix.
const RESERVED: [&str; 7] = ["con", "prn", "aux", "nul", "com", "lpt", "call"];

/// Gives file names that differ on case-insensitive file systems, too.
#[derive(Debug, Default)]
pub(crate) struct FileNames {
    given: BTreeSet<String>,
}

impl FileNames {
    /// A file name, without ending, after this person: `The Prime Minister of Estmark` is `prime-minister-of-estmark`.
    pub(crate) fn after(&mut self, person: &str) -> String {
        let base = match slug(person) {
            empty if empty.is_empty() => "speaker".to_owned(),
            slug if RESERVED.contains(&slug.trim_end_matches(|c: char| c.is_ascii_digit())) => {
                format!("speaker-{slug}")
            }
            slug => slug,
        };
        let mut name = base.clone();
        let mut number = 2;
        while !self.given.insert(name.clone()) {
            name = format!("{base}-{number}");
            number += 1;
        }
        name
    }
}

/// Letters and digits of any script in lower case, with a hyphen for everything between them, without an English article.
fn slug(text: &str) -> String {
    let mut out = String::new();
    let mut gap = false;
    for c in text.chars().filter(|c| !is_active(*c)).flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            if std::mem::take(&mut gap) && !out.is_empty() {
                out.push('-');
            }
            out.push(c);
        } else if c.is_ascii() || c.is_whitespace() {
            gap = true;
        }
        // Anything else is a mark on a letter, or a symbol: left out.
    }
    let mut out = out.strip_prefix("the-").map(str::to_owned).unwrap_or(out);
    while out.len() > MAX_BYTES {
        out.pop();
    }
    out.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_and_unique() {
        let mut names = FileNames::default();
        assert_eq!(names.after("The Prime Minister of Estmark"), "prime-minister-of-estmark");
        assert_eq!(names.after("The  PRIME minister of Estmark"), "prime-minister-of-estmark-2");
        assert_eq!(names.after("Élise Ørsted"), "élise-ørsted");
        assert_eq!(names.after("רָחֵל"), "רָחֵל");
        assert_eq!(names.after("主席"), "主席");
        assert_eq!(names.after("Call"), "speaker-call");
        assert_eq!(names.after("COM1"), "speaker-com1");
        assert_eq!(names.after("../../etc/passwd"), "etc-passwd");
        assert_eq!(names.after("👩"), "speaker");
        assert_eq!(names.after("\u{202e}\n"), "speaker-2");
        assert!(names.after(&"ü".repeat(200)).len() <= MAX_BYTES);
    }
}
