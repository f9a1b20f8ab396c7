//! Marking schemes: levels of classification, how they are written, and the banner that follows from portions.
//!
//! A scheme is data. A memorandum carries the scheme that it was marked with, so that it reads the same when the office changes to
//! another one.

use crate::content::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most levels of a scheme, and most caveats.
pub const MAX_LEVELS: usize = 16;

/// One level of a scheme, or one caveat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Wording {
    /// In front of a portion, without parentheses: `C`.
    pub portion: String,
    /// At the top and bottom of a page: `CONFIDENTIAL`.
    pub banner: String,
}

/// A marking scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// `us`, `uk`, `eu`, `nato`, `private`, or an office's own name.
    pub id: String,
    /// In words: `United States`.
    pub name: String,
    /// From the lowest to the highest.
    pub levels: Vec<Wording>,
    /// Restrictions that add to a level: `NOFORN`.
    pub caveats: Vec<Wording>,
    /// Between a level and caveats: `//`.
    pub separator: String,
    /// From this level on (index), a memorandum needs a classification block; none if the scheme has no such block.
    pub block_from: Option<u8>,
}

/// A portion's mark: which level of the scheme, and which caveats, by their portion wording.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// [`Wording::portion`] of a level.
    pub level: String,
    /// [`Wording::portion`] of caveats, each once.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub caveats: BTreeSet<String>,
}

impl Mark {
    /// A mark without caveats.
    pub fn level(portion: &str) -> Self {
        Self { level: portion.to_owned(), caveats: BTreeSet::new() }
    }
}

/// A built-in scheme: its identifier, name, levels (portion mark and banner, lowest first), caveats in the same form, and from which level
/// on a classification block is needed.
type BuiltIn = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
    Option<u8>,
);

const PRIVATE: BuiltIn =
    ("private", "Private", &[("O", "OPEN"), ("P", "PRIVATE"), ("SP", "STRICTLY PRIVATE")], &[], None);
const BUILT_IN: &[BuiltIn] = &[
    PRIVATE,
    // E.O. 13526 and 32 CFR 2001.
    (
        "us",
        "United States",
        &[("U", "UNCLASSIFIED"), ("C", "CONFIDENTIAL"), ("S", "SECRET"), ("TS", "TOP SECRET")],
        &[("NF", "NOFORN"), ("OC", "ORCON"), ("PR", "PROPIN"), ("RELIDO", "RELIDO")],
        Some(1),
    ),
    // Government Security Classifications, 2023.
    (
        "uk",
        "United Kingdom",
        &[("O", "OFFICIAL"), ("O-S", "OFFICIAL-SENSITIVE"), ("S", "SECRET"), ("TS", "TOP SECRET")],
        &[("UKEO", "UK EYES ONLY")],
        None,
    ),
    // Council Decision 2013/488/EU; LIMITE is a distribution marking below the classifications.
    (
        "eu",
        "European Union",
        &[
            ("PUBLIC", "PUBLIC"),
            ("LIMITE", "LIMITE"),
            ("R-UE/EU-R", "RESTREINT UE/EU RESTRICTED"),
            ("C-UE/EU-C", "CONFIDENTIEL UE/EU CONFIDENTIAL"),
            ("S-UE/EU-S", "SECRET UE/EU SECRET"),
            ("TS-UE/EU-TS", "TRÈS SECRET UE/EU TOP SECRET"),
        ],
        &[],
        None,
    ),
    // C-M(2002)49.
    (
        "nato",
        "NATO",
        &[
            ("NU", "NATO UNCLASSIFIED"),
            ("NR", "NATO RESTRICTED"),
            ("NC", "NATO CONFIDENTIAL"),
            ("NS", "NATO SECRET"),
            ("CTS", "COSMIC TOP SECRET"),
        ],
        &[("A", "ATOMAL")],
        None,
    ),
];

impl Scheme {
    /// The schemes that come with the product; the first is the default.
    pub fn built_in() -> Vec<Self> {
        let wording =
            |(portion, banner): &(&str, &str)| Wording { portion: (*portion).into(), banner: (*banner).into() };
        let scheme = |(id, name, levels, caveats, block_from): &BuiltIn| Self {
            id: (*id).to_owned(),
            name: (*name).to_owned(),
            levels: levels.iter().map(wording).collect(),
            caveats: caveats.iter().map(wording).collect(),
            separator: "//".to_owned(),
            block_from: *block_from,
        };
        BUILT_IN.iter().map(scheme).collect()
    }

    /// A built-in scheme.
    pub fn named(id: &str) -> Option<Self> {
        Self::built_in().into_iter().find(|scheme| scheme.id == id)
    }

    /// How high a mark is; none if the scheme does not have its level or one of its caveats.
    pub fn rank(&self, mark: &Mark) -> Option<usize> {
        let knows = |caveat: &String| self.caveats.iter().any(|known| known.portion == *caveat);
        let rank = self.levels.iter().position(|level| level.portion == mark.level)?;
        mark.caveats.iter().all(knows).then_some(rank)
    }

    /// A portion's mark as it is printed: `(C//NF)`.
    pub fn portion(&self, mark: &Mark) -> String {
        let ordered = self.caveats.iter().map(|known| &known.portion).filter(|known| mark.caveats.contains(*known));
        let parts: Vec<&str> = std::iter::once(mark.level.as_str()).chain(ordered.map(String::as_str)).collect();
        format!("({})", parts.join(&self.separator))
    }

    /// The banner of these portions: the highest level, and every caveat of any of them. Unknown marks do not lower it: they are
    /// reported elsewhere, and stop approval. None if no portion has a mark that is known.
    pub fn banner<'a>(&self, marks: impl IntoIterator<Item = &'a Mark>) -> Option<Banner> {
        let (mut highest, mut caveats) = (None, BTreeSet::new());
        for mark in marks {
            highest = highest.max(self.rank(mark));
            caveats
                .extend(self.caveats.iter().filter(|known| mark.caveats.contains(&known.portion)).map(|c| &c.banner));
        }
        let rank = highest?;
        let ordered = self.caveats.iter().map(|known| &known.banner).filter(|banner| caveats.contains(banner));
        let parts: Vec<&str> = std::iter::once(&self.levels[rank].banner).chain(ordered).map(String::as_str).collect();
        Some(Banner { rank, text: parts.join(&self.separator) })
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        short("scheme", &self.id)?;
        short("scheme", &self.name)?;
        ensure(!self.levels.is_empty(), "levels", Reason::Empty)?;
        count("levels", &self.levels, MAX_LEVELS)?;
        count("caveats", &self.caveats, MAX_LEVELS)?;
        for wording in self.levels.iter().chain(&self.caveats) {
            short("portion", &wording.portion)?;
            short("banner", &wording.banner)?;
        }
        unique("levels", self.levels.iter().chain(&self.caveats).map(|wording| &wording.portion))?;
        optional("separator", &self.separator, 4)?;
        let exists = self.block_from.is_none_or(|level| usize::from(level) < self.levels.len());
        ensure(exists, "block_from", Reason::Dangling)
    }
}

/// What stands at the top and bottom of each page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// The level's index in the scheme.
    pub rank: usize,
    /// In words.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn built_in_schemes_are_valid_and_private_is_the_default() {
        let schemes = Scheme::built_in();
        assert_eq!(schemes[0].id, "private");
        for scheme in &schemes {
            scheme.check().unwrap();
            let read: Scheme = serde_json::from_str(&serde_json::to_string(scheme).unwrap()).unwrap();
            assert_eq!(read, *scheme);
        }
    }

    #[test]
    fn a_banner_has_the_highest_level_and_all_caveats() {
        let us = Scheme::named("us").unwrap();
        let mark = |level: &str, caveats: &[&str]| Mark {
            level: level.into(),
            caveats: caveats.iter().map(|caveat| (*caveat).to_owned()).collect(),
        };
        let marks = [mark("U", &["OC", "NF"]), mark("S", &[]), mark("C", &[])];
        assert_eq!(us.banner(&marks).unwrap().text, "SECRET//NOFORN//ORCON");
        assert_eq!(us.portion(&marks[0]), "(U//NF//OC)");
        // A mark of another scheme neither counts nor hides what does.
        assert_eq!(us.rank(&mark("NS", &[])), None);
        assert_eq!(us.banner(&[mark("NS", &[]), mark("C", &[])]).unwrap().text, "CONFIDENTIAL");
        assert_eq!(us.banner(&[mark("NS", &[])]), None);
        assert_eq!(us.rank(&mark("C", &["NOFORN?"])), None);
    }

    proptest! {
        #[test]
        fn no_portion_is_above_the_banner(scheme in 0usize..5, levels in proptest::collection::vec(0usize..6, 1..20)) {
            let scheme = Scheme::built_in().swap_remove(scheme);
            let marks: Vec<Mark> = levels
                .iter()
                .map(|level| Mark::level(&scheme.levels[level % scheme.levels.len()].portion))
                .collect();
            let banner = scheme.banner(&marks).unwrap();
            prop_assert_eq!(Some(banner.rank), marks.iter().filter_map(|mark| scheme.rank(mark)).max());
        }
    }
}
