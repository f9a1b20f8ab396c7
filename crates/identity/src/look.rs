//! Which names look the same (Unicode Technical Standard 39, section 4).

use std::collections::BTreeSet;
use telcon_proto::printable::is_active;
use unicode_normalization::UnicodeNormalization as _;
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
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look(BTreeSet<String>);

impl Look {
    /// What is seen of `name`, without regard to case: the skeleton of its letters as they are written, among which a capital I
    /// is a small L, and that of its small letters. Blanks count once, and not at the ends.
    pub fn of(name: &str) -> Self {
        let plain: String = name.chars().map(blank).filter(|c| !is_unseen(*c)).nfkc().collect();
        // Folded after the skeleton in any case: some prototypes are capitals, such as that of the digit zero.
        let key = |text: &str| collapse(&fold(&skeleton(text).collect::<String>()));
        Self(BTreeSet::from([key(&plain), key(&fold(&plain))]))
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
    is_active(c) || matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
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
        ] {
            assert!(like(a, b), "{a:?} and {b:?}");
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
