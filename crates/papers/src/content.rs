//! What all papers have in common: a version, limits, and strict JSON.
//!
//! The JSON is the content of a sealed document. It was written by another device and came through a server that cannot read it, so it
//! is input from outside: nothing is used before [`Content::check`] passed.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Longest short text (a name, a subject, a place), characters.
pub const MAX_SHORT_CHARS: usize = 200;
/// Longest paragraph (a note, a turn, a talking point), characters: about two pages.
pub const MAX_PARAGRAPH_CHARS: usize = 6_000;
/// Most items of an ordinary list (people, talking points, offers of languages).
pub const MAX_ITEMS: usize = 256;
/// Latest time that a paper may name, milliseconds since the Unix epoch: the end of the year 9999.
pub const MAX_TIME_MS: u64 = 253_402_300_799_999;

/// Why a paper cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// It is larger than its kind may be.
    #[error("the document has {bytes} bytes, and may have {max}")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        max: usize,
    },
    /// A version that this program does not know.
    #[error("the document has version {found}: this program reads up to {known}")]
    Version {
        /// Its version.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// It is not JSON of this kind.
    #[error("the document is not of its kind: {0}")]
    Malformed(String),
    /// A value is not within its limits.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// A value that is not within its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct Invalid {
    /// Which value, as in the JSON.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It must have text.
    #[error("is empty")]
    Empty,
    /// It is longer than this.
    #[error("has more than {0} characters")]
    TooLong(usize),
    /// A list is longer than this.
    #[error("has more than {0} items")]
    TooMany(usize),
    /// A number or time is not one that can be meant.
    #[error("is out of range")]
    OutOfRange,
    /// It refers to what does not exist.
    #[error("refers to something that does not exist")]
    Dangling,
    /// Two items have the same identifier or number.
    #[error("names the same thing twice")]
    Duplicate,
    /// It contradicts another value.
    #[error("contradicts another value")]
    Contradiction,
}

/// The content of a sealed document.
pub trait Content: Serialize + DeserializeOwned {
    /// The newest version of this kind. There is one so far of each.
    const VERSION: u32 = 1;
    /// Largest JSON of this kind, bytes.
    const MAX_BYTES: usize = 1024 * 1024;

    /// Checks every limit.
    fn check(&self) -> Result<(), Invalid>;

    /// Reads and checks a document.
    fn from_json(json: &[u8]) -> Result<Self, ContentError> {
        #[derive(Deserialize)]
        struct Header {
            version: u32,
        }
        let malformed = |error: serde_json::Error| ContentError::Malformed(error.to_string());
        if json.len() > Self::MAX_BYTES {
            return Err(ContentError::TooLarge { bytes: json.len(), max: Self::MAX_BYTES });
        }
        let Header { version } = serde_json::from_slice(json).map_err(malformed)?;
        if version == 0 || version > Self::VERSION {
            return Err(ContentError::Version { found: version, known: Self::VERSION });
        }
        let content: Self = serde_json::from_slice(json).map_err(malformed)?;
        content.check()?;
        Ok(content)
    }

    /// Checks and writes a document. What was written can be read: the limits are the same.
    fn to_json(&self) -> Result<Vec<u8>, ContentError> {
        self.check()?;
        let json = serde_json::to_vec(self).map_err(|error| ContentError::Malformed(error.to_string()))?;
        match json.len() <= Self::MAX_BYTES {
            true => Ok(json),
            false => Err(ContentError::TooLarge { bytes: json.len(), max: Self::MAX_BYTES }),
        }
    }
}

pub(crate) fn refuse(field: &'static str, reason: Reason) -> Result<(), Invalid> {
    Err(Invalid { field, reason })
}

pub(crate) fn ensure(holds: bool, field: &'static str, reason: Reason) -> Result<(), Invalid> {
    if holds { Ok(()) } else { refuse(field, reason) }
}

/// A text that may be empty.
pub(crate) fn optional(field: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    // Bytes first: counting characters of a text without end costs as much as reading it.
    let fits = text.len() <= max || (text.len() <= max * 4 && text.chars().count() <= max);
    ensure(fits, field, Reason::TooLong(max))
}

/// A text that must say something.
pub(crate) fn required(field: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    ensure(!text.trim().is_empty(), field, Reason::Empty)?;
    optional(field, text, max)
}

pub(crate) fn short(field: &'static str, text: &str) -> Result<(), Invalid> {
    required(field, text, MAX_SHORT_CHARS)
}

pub(crate) fn count<T>(field: &'static str, items: &[T], max: usize) -> Result<(), Invalid> {
    ensure(items.len() <= max, field, Reason::TooMany(max))
}

pub(crate) fn time(field: &'static str, ms: u64) -> Result<(), Invalid> {
    ensure(ms <= MAX_TIME_MS, field, Reason::OutOfRange)
}

pub(crate) fn shorts(field: &'static str, texts: &[String]) -> Result<(), Invalid> {
    count(field, texts, MAX_ITEMS)?;
    texts.iter().try_for_each(|text| short(field, text))
}

pub(crate) fn unique<K: Ord>(field: &'static str, keys: impl IntoIterator<Item = K>) -> Result<(), Invalid> {
    let mut seen = std::collections::BTreeSet::new();
    ensure(keys.into_iter().all(|key| seen.insert(key)), field, Reason::Duplicate)
}
