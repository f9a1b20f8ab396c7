//! Circulation: named readers, each with a copy of their own.

use crate::content::*;
use crate::memorandum::{Colophon, Memorandum, Run, RunKind};
use crate::plain::{self, Sheet};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use telcon_proto::{Digest, DocumentId, ItemId, PersonId, hex};

/// Most copies of a memorandum.
pub const MAX_COPIES: usize = 250;
/// Most wordings of one portion, its own included.
pub const MAX_WORDINGS: usize = 8;
/// Candidates of which a copy's choice of wordings is the one that differs most from all others.
const CANDIDATES: u32 = 64;

/// What readers are told before they open their first copy, unless the office has its own words.
pub const POLICY: &str = "This copy was made for you alone. It has its number on every page, and differs from other copies in its \
layout and, where the author chose so, in its wording. Each opening is logged: who, which copy, when. If its text is found elsewhere, \
the office can work out how well it fits each copy. That is a probability, and names nobody.";

/// Wordings of a portion that the author approved as equal in meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Alternatives {
    /// The turn.
    pub portion: ItemId,
    /// The wordings; the first is the memorandum's own, which the record copy has.
    pub wordings: Vec<String>,
}

/// The secret from which a copy's layout follows.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct LayoutKey(Digest);

impl std::fmt::Debug for LayoutKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LayoutKey(…)")
    }
}

/// How a copy's portion is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutMarks {
    /// How much narrower its column is, in steps from 0 to 7: other line breaks, which survive a photograph.
    pub narrower: u8,
    /// How much wider its word spaces are, in steps from 0 to 3.
    pub word_space: u8,
    /// Whether the space after it is wider.
    pub gap: bool,
}

impl LayoutMarks {
    /// How many layouts of one portion there are, as far as line breaks can tell.
    pub const VARIANTS: u32 = 32;
    /// No marks: the record copy.
    pub const NONE: Self = Self { narrower: 0, word_space: 0, gap: false };
}

impl LayoutKey {
    /// From 32 bytes that were drawn at random, or derived from such.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Digest::from_bytes(bytes))
    }

    /// The marks of a portion.
    pub fn marks(&self, portion: ItemId) -> LayoutMarks {
        let bytes = hash(&[b"telcon copy layout 1", self.0.as_bytes(), portion.as_bytes()]);
        LayoutMarks { narrower: bytes[0] & 7, word_space: bytes[1] & 3, gap: bytes[2] & 1 == 1 }
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// What a reader may do beside reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Printing {
    /// Read in the page.
    No,
    /// Print or save, with the copy's marks.
    Marked,
}

/// One reader's copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// On every page. From 1.
    pub number: u32,
    /// The document that it is issued as: known before it is, so that issuing goes on where it was interrupted.
    pub document: DocumentId,
    /// The reader.
    pub reader: PersonId,
    /// The reader's name or title.
    pub name: String,
    /// Which wording of each of [`Circulation::alternatives`] it has.
    pub choices: Vec<u8>,
    /// The secret of its layout.
    pub layout_key: LayoutKey,
    /// What the reader may do.
    pub printing: Printing,
    /// Until when it may be opened, milliseconds since the Unix epoch; none: until it is recalled.
    pub expires_ms: Option<u64>,
    /// When it was recalled.
    pub recalled_ms: Option<u64>,
}

impl Copy {
    /// Whether it may be opened at a time. What was read before stays read.
    pub fn is_open(&self, now_ms: u64) -> bool {
        self.recalled_ms.is_none() && self.expires_ms.is_none_or(|expires| now_ms < expires)
    }
}

/// A circulation of one approved version of a memorandum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Circulation {
    /// [`Content::VERSION`].
    pub version: u32,
    /// SHA-256 of the memorandum's content.
    pub memorandum: Digest,
    /// Its version.
    pub memorandum_version: u32,
    /// The name under which its readers are offered again: *small clutch*. Empty: they are not.
    #[serde(default)]
    pub group: String,
    /// What readers are told: [`POLICY`], or the office's own words.
    pub policy: String,
    /// Wordings that copies may have.
    pub alternatives: Vec<Alternatives>,
    /// The copies.
    pub copies: Vec<Copy>,
}

/// A reader who is to get a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reader {
    /// The person.
    pub person: PersonId,
    /// Their name or title.
    pub name: String,
    /// What they may do.
    pub printing: Printing,
    /// Until when, milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
}

impl Circulation {
    /// Of a memorandum's version, without copies.
    ///
    /// # Errors
    /// If the memorandum is not within its limits, or the alternatives are not about it.
    pub fn of(
        memo: &Memorandum,
        memorandum_version: u32,
        alternatives: Vec<Alternatives>,
        group: String,
    ) -> Result<Self, ContentError> {
        let circulation = Self {
            version: Self::VERSION,
            memorandum: Self::digest_of(&memo.to_json()?),
            memorandum_version,
            group,
            policy: POLICY.to_owned(),
            alternatives,
            copies: Vec::new(),
        };
        circulation.check()?;
        circulation.fits(memo)?;
        Ok(circulation)
    }

    /// Recalls a reader's copy. False if there is none of this number, or it is recalled already.
    pub fn recall(&mut self, number: u32, now_ms: u64) -> bool {
        let open = |copy: &&mut Copy| copy.number == number && copy.recalled_ms.is_none();
        let Some(copy) = self.copies.iter_mut().find(open) else { return false };
        copy.recalled_ms = Some(now_ms);
        true
    }

    /// Adds a copy for a reader. Its wordings differ as much as possible from those of all other copies, and from the record copy's:
    /// a text of several copies, or one whose marks were taken out, then fits none of them. `random` is drawn by the caller.
    pub fn add(&mut self, reader: Reader, random: [u8; 32]) -> &Copy {
        let number = self.copies.iter().map(|copy| copy.number).max().unwrap_or(0) + 1;
        let record: Vec<u8> = vec![0; self.alternatives.len()];
        let candidate = |attempt: u32| -> Vec<u8> {
            let choice = |(at, alternatives): (usize, &Alternatives)| {
                let bytes =
                    hash(&[b"telcon copy wording 1", &random, &attempt.to_be_bytes(), &(at as u32).to_be_bytes()]);
                let count = alternatives.wordings.len().clamp(1, MAX_WORDINGS) as u8;
                // 256 is no multiple of each count; a bias below three percent does not matter here.
                bytes[0] % count
            };
            self.alternatives.iter().enumerate().map(choice).collect()
        };
        let distance = |choices: &Vec<u8>| {
            let others = self.copies.iter().map(|copy| &copy.choices).chain([&record]);
            let least = others.map(|other| choices.iter().zip(other).filter(|(a, b)| a != b).count()).min();
            // Never the record copy's, even where several copies have to be the same.
            (*choices != record, least.unwrap_or(0))
        };
        // The first of those that are equally good.
        let choices = (0..CANDIDATES).map(candidate).rev().max_by_key(distance).unwrap_or_default();
        let layout_key = LayoutKey::from_bytes(hash(&[b"telcon copy key 1", &random]));
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = hash(&[b"telcon copy document 1", &random]);
        let document = DocumentId::from_bytes(id);
        let Reader { person, name, printing, expires_ms } = reader;
        self.copies.push(Copy {
            number,
            document,
            reader: person,
            name,
            choices,
            layout_key,
            printing,
            expires_ms,
            recalled_ms: None,
        });
        self.copies.last().expect("invariant: just pushed")
    }

    /// A turn's words in a copy, if the author gave alternatives.
    pub fn wording(&self, copy: &Copy, portion: ItemId) -> Option<&str> {
        let at = self.alternatives.iter().position(|alternatives| alternatives.portion == portion)?;
        let choice = usize::from(*copy.choices.get(at)?);
        self.alternatives[at].wordings.get(choice).map(String::as_str)
    }

    /// Whether the alternatives are about this memorandum: each names a turn, and its first wording is the turn's own text.
    pub fn fits(&self, memo: &Memorandum) -> Result<(), Invalid> {
        self.alternatives.iter().try_for_each(|alternatives| {
            let turn = memo.turns.iter().find(|turn| turn.id == alternatives.portion);
            let turn = turn.ok_or(Invalid { field: "portion", reason: Reason::Dangling })?;
            ensure(alternatives.wordings.first() == Some(&turn.text()), "wordings", Reason::Contradiction)
        })
    }

    /// What each reader gets, to be sealed to that reader: their own wordings and no others, and no comments.
    pub fn issue<'a>(&'a self, memo: &'a Memorandum, colophon: &'a Colophon) -> impl Iterator<Item = IssuedCopy> + 'a {
        self.copies.iter().map(move |copy| {
            let mut memorandum = Memorandum { comments: Vec::new(), ..memo.clone() };
            for turn in &mut memorandum.turns {
                if let Some(text) = self.wording(copy, turn.id) {
                    turn.runs = vec![Run { kind: RunKind::Plain, text: text.to_owned() }];
                }
            }
            IssuedCopy {
                version: IssuedCopy::VERSION,
                policy: self.policy.clone(),
                copy: IssuedTo {
                    number: copy.number,
                    reader: copy.reader,
                    layout_key: copy.layout_key,
                    printing: copy.printing,
                    expires_ms: copy.expires_ms,
                },
                memorandum,
                colophon: colophon.clone(),
            }
        })
    }

    /// The digest of a memorandum's content, for [`Circulation::memorandum`].
    pub fn digest_of(json: &[u8]) -> Digest {
        Digest::from_bytes(hash(&[json]))
    }

    /// A digest as it is printed.
    pub fn digest_text(&self) -> String {
        hex(self.memorandum.as_bytes())
    }
}

/// Whose copy it is, and what they may do with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IssuedTo {
    /// [`Copy::number`].
    pub number: u32,
    /// The reader.
    pub reader: PersonId,
    /// The secret of its layout: the reader's device lays it out, and shows it to nobody.
    pub layout_key: LayoutKey,
    /// What the reader may do.
    pub printing: Printing,
    /// Until when it may be opened, milliseconds since the Unix epoch; none: until it is recalled.
    pub expires_ms: Option<u64>,
}

/// A reader's copy as that reader gets it: the content of a document of kind *copy*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IssuedCopy {
    /// [`Content::VERSION`].
    pub version: u32,
    /// The notice that the reader has to accept before the page shows the copy.
    pub policy: String,
    /// Whose it is.
    pub copy: IssuedTo,
    /// The memorandum in the copy's wordings.
    pub memorandum: Memorandum,
    /// Where it comes from.
    pub colophon: Colophon,
}

impl IssuedCopy {
    /// The paragraphs to lay out with the copy's layout key.
    pub fn sheet(&self, zone_offset_seconds: i32) -> Sheet {
        plain::sheet(&self.memorandum, &self.colophon, Some(self.copy.number), zone_offset_seconds, &|_| None)
    }

    /// Whether it may be shown at a time.
    pub fn is_open(&self, now_ms: u64) -> bool {
        self.copy.expires_ms.is_none_or(|expires| now_ms < expires)
    }
}

/// The paragraphs of a reader's copy: its number, and its wordings.
pub fn copy_sheet(
    memo: &Memorandum,
    colophon: &Colophon,
    (circulation, copy): (&Circulation, &Copy),
    zone_offset_seconds: i32,
) -> Sheet {
    let wording = |portion| circulation.wording(copy, portion).map(str::to_owned);
    plain::sheet(memo, colophon, Some(copy.number), zone_offset_seconds, &wording)
}

impl Content for IssuedCopy {
    const MAX_BYTES: usize = Memorandum::MAX_BYTES + 64 * 1024;

    fn check(&self) -> Result<(), Invalid> {
        required("policy", &self.policy, MAX_PARAGRAPH_CHARS)?;
        ensure((1..=MAX_COPIES as u32).contains(&self.copy.number), "number", Reason::OutOfRange)?;
        self.copy.expires_ms.map_or(Ok(()), |ms| time("expires_ms", ms))?;
        self.colophon.check()?;
        self.memorandum.check()
    }
}

impl Content for Circulation {
    const MAX_BYTES: usize = 4 * 1024 * 1024;

    fn check(&self) -> Result<(), Invalid> {
        required("policy", &self.policy, MAX_PARAGRAPH_CHARS)?;
        optional("group", &self.group, MAX_SHORT_CHARS)?;
        count("alternatives", &self.alternatives, MAX_ITEMS)?;
        unique("alternatives", self.alternatives.iter().map(|alternatives| alternatives.portion))?;
        for alternatives in &self.alternatives {
            let wordings = &alternatives.wordings;
            ensure(wordings.len() >= 2, "wordings", Reason::Empty)?;
            count("wordings", wordings, MAX_WORDINGS)?;
            unique("wordings", wordings)?;
            wordings.iter().try_for_each(|wording| required("wordings", wording, MAX_PARAGRAPH_CHARS))?;
        }
        count("copies", &self.copies, MAX_COPIES)?;
        unique("copies", self.copies.iter().map(|copy| copy.number))?;
        unique("copies", self.copies.iter().map(|copy| copy.reader))?;
        unique("copies", self.copies.iter().map(|copy| copy.document))?;
        self.copies.iter().try_for_each(|copy| {
            ensure((1..=MAX_COPIES as u32).contains(&copy.number), "number", Reason::OutOfRange)?;
            short("name", &copy.name)?;
            ensure(copy.choices.len() == self.alternatives.len(), "choices", Reason::Contradiction)?;
            let exists =
                |(choice, alternatives): (&u8, &Alternatives)| usize::from(*choice) < alternatives.wordings.len();
            ensure(copy.choices.iter().zip(&self.alternatives).all(exists), "choices", Reason::Dangling)?;
            copy.expires_ms.map_or(Ok(()), |ms| time("expires_ms", ms))?;
            copy.recalled_ms.map_or(Ok(()), |ms| time("recalled_ms", ms))
        })
    }
}
