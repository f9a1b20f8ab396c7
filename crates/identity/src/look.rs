//! Which names look the same (Unicode Technical Standard 39, section 4).

use std::collections::BTreeSet;
use telcon_proto::printable::is_active;
use unicode_bidi::{BidiInfo, Level};
use unicode_bidi_mirroring::get_mirrored;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use unicode_security::confusable_detection::skeleton;

/// What people see of a name. Two names look the same if they have one of their keys in common: an index of names by key finds
/// all that look like a given one.
///
/// ```
/// use telcon_identity::Look;
///
/// let office = Look::of("Ivan Sokolov");
/// assert!(office.is_like(&Look::of("lvan  sоkolov")), "a small L, two blanks, and a Cyrillic o");
/// assert!(!office.is_like(&Look::of("Ivan Sokolova")));
/// assert!(Look::of("Dan כהן").is_like(&Look::of("כהן Dan")), "the direction of each word, and that of the name");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look(BTreeSet<String>);

impl Look {
    /// What is seen of `name`, without regard to case: the skeleton of its letters as they are written, among which a capital I
    /// is a small L, and that of its small letters. Both as displayed from left to right and from right to left (the `bidiSkeleton` of
    /// UTS 39): where a name stands alone, its first letter decides, which nobody sees. Blanks count once, and not at the ends.
    pub fn of(name: &str) -> Self {
        let plain: String = name.chars().map(blank).filter(|c| !is_unseen(*c)).nfkc().collect();
        let plain = collapse(&plain);
        // Folded after the skeleton in any case: some prototypes are capitals, such as that of the digit zero.
        let key = |text: &str| collapse(&fold(&skeleton(text).collect::<String>()));
        let shown = [Level::ltr(), Level::rtl()].map(|direction| displayed(&plain, direction));
        Self(shown.iter().flat_map(|shown| [key(shown), key(&fold(shown))]).collect())
    }

    /// The keys to index a name by.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether two names look the same.
    pub fn is_like(&self, other: &Self) -> bool {
        !self.0.is_disjoint(&other.0)
    }
}

/// The characters of a text as they are displayed from left to right (UAX #9) in a paragraph of this direction: reordered, with
/// brackets turned (rule L4) and marks behind their letters (rule L3).
fn displayed(text: &str, direction: Level) -> String {
    let bidi = BidiInfo::new(text, Some(direction));
    let mut shown = String::with_capacity(text.len());
    for paragraph in &bidi.paragraphs {
        let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
        for run in runs {
            if levels.get(run.start).is_none_or(|level| level.is_ltr()) {
                shown.push_str(&text[run]);
                continue;
            }
            let mut clusters: Vec<String> = Vec::new();
            for c in text[run].chars() {
                match clusters.last_mut() {
                    Some(letter) if is_combining_mark(c) => letter.push(c),
                    _ => clusters.push(get_mirrored(c).unwrap_or(c).to_string()),
                }
            }
            shown.extend(clusters.into_iter().rev());
        }
    }
    shown
}

/// NFKC without case. Through capitals first, so that a sharp s is two letters and both sigmas are one.
fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Blanks that are no white space, as such.
fn blank(c: char) -> char {
    if matches!(c, '\u{2800}' | '\u{3164}' | '\u{ffa0}') || c.is_whitespace() { ' ' } else { c }
}

/// What nobody sees: joiners and variation selectors, which names may contain, and whatever acts on text or is invisible.
fn is_unseen(c: char) -> bool {
    is_active(c) || matches!(c, '\u{200c}' | '\u{200d}' | '\u{2d7f}' | '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn like(a: &str, b: &str) -> bool {
        let (a, b) = (Look::of(a), Look::of(b));
        assert_eq!(a.is_like(&b), b.is_like(&a));
        a.is_like(&b)
    }

    #[test]
    fn names_that_differ_by_nothing_that_one_sees_look_the_same() {
        for (a, b) in [
            ("The President", "The President"),
            ("The President", "the PRESIDENT"),
            ("The President", "The  President"),
            ("The President", "The\u{a0}President"),
            ("The President", "The\u{2800}President"),
            ("The President", "Тhе Рrеsіdеnt"),
            ("The President", "The Ρresident"),
            ("The President", "Ｔｈｅ President"),
            ("The President", "𝐓𝐡𝐞 President"),
            ("The President", "The Presi\u{200d}dent"),
            ("The President", "The Presi\u{fe0f}dent"),
            ("Illa", "lIla"),
            ("Emma Morn", "Ernrna Mom"),
            ("Duty 0", "Duty O"),
            ("Duty 0", "duty o"),
            ("Duty 1", "Duty l"),
            ("Strauß", "STRAUSS"),
            ("Ødegård", "Ødega\u{30a}rd"),
            ("Νίκος", "ΝΊΚΟΣ"),
            ("O'Neil", "O’Neil"),
            ("Cara Zed", "Cara Zed\u{fffc}"),
            ("Cara Zed", "Cara \u{1d159}Zed"),
            ("Cara Zed", "Cara Zed\u{16fe4}"),
        ] {
            assert!(like(a, b), "{a:?} and {b:?}");
        }
    }

    #[test]
    fn names_that_differ_only_in_the_order_of_their_directions_look_the_same() {
        for (a, b) in [
            ("Dan כהן", "כהן Dan"),
            ("עמיר 2", "2 עמיר"),
            ("DAN כהן", "כהן dаn"),
            ("Dan (כהן)", "(כהן) Dan"),
            ("رَحِيل Dan", "Dan رَحِيل"),
            ("Dan רָחֵל", "רָחֵל Dan"),
        ] {
            assert!(like(a, b), "{a:?} and {b:?}");
        }
        for (a, b) in [("Dan כהן", "Dan לוי"), ("Dan כהן", "Don כהן"), ("עמיר 2", "עמיר 3"), ("דן כהן", "כהן דן")]
        {
            assert!(!like(a, b), "{a:?} and {b:?}");
        }
    }

    #[test]
    fn names_that_differ_visibly_do_not() {
        for (a, b) in [
            ("The President", "The Vice President"),
            ("Person 1", "Person 2"),
            ("Müller", "Muller"),
            ("Ødegård", "Odegard"),
            ("Иван", "Ирина"),
            ("王小明", "王大明"),
            ("", "A"),
        ] {
            assert!(!like(a, b), "{a:?} and {b:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_looks_like_itself_with_blanks_around_it(text in "\\PC{0,64}") {
            let around = format!(" {text} ");
            proptest::prop_assert!(like(&text, &around));
        }
    }
}
