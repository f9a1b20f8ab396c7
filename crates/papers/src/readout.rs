//! The readout: what an office says in public about a call.

use crate::content::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use telcon_proto::{Digest, ItemId, OfficeName, PersonId};

pub use telcon_proto::readout::{Corrects, Readout, ReadoutType, Says};

/// Most questions that an office keeps for one call.
pub const MAX_ENQUIRIES: usize = 500;

impl Content for Readout {
    fn check(&self) -> Result<(), Invalid> {
        time("published_ms", self.published_ms)?;
        ensure(crate::request::is_language(&self.language), "language", Reason::OutOfRange)?;
        short("title", &self.title)?;
        if let Says::Text { paragraphs } = &self.says {
            ensure(!paragraphs.is_empty(), "paragraphs", Reason::Empty)?;
            crate::brief::paragraphs("paragraphs", paragraphs)?;
        }
        let of_itself = self.corrects.is_some_and(|corrects| corrects.id == self.id);
        ensure(!of_itself, "corrects", Reason::Contradiction)
    }
}

/// A question from outside about a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Enquiry {
    /// Identifies it.
    pub id: ItemId,
    /// Who asks.
    pub from: String,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub question: String,
    /// What was answered, and when; none while nobody did.
    pub answered_ms: Option<u64>,
}

/// What an office keeps about the readout of a call; not published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadoutFile {
    /// [`Content::VERSION`].
    pub version: u32,
    /// The draft's headline; empty before it is begun. Files of the first builds had none.
    #[serde(default)]
    pub title: String,
    /// What the draft says; none before it is begun.
    pub draft: Option<Says>,
    /// When it was shown to the other side, and what they said; none if it was not.
    pub shown_to_them: Option<ShownTo>,
    /// Who approved it, and when.
    pub approved: Option<Approved>,
    /// What was published, oldest first: the readout, then corrections.
    pub published: Vec<Readout>,
    /// Questions from outside.
    pub enquiries: Vec<Enquiry>,
}

/// That a draft was shown to the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ShownTo {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What they said; empty while they have not.
    pub answer: String,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// By whom.
    pub by: PersonId,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl ReadoutFile {
    /// What is published next: the approved draft, which corrects the last one that was published, if there is one. Whether it may be is
    /// for the states of its document.
    ///
    /// # Errors
    /// If there is no draft, nobody approved it, or it is not within its limits.
    pub fn next(&self, id: ItemId, office: OfficeName, language: &str, now_ms: u64) -> Result<Readout, ContentError> {
        let missing = |field| Invalid { field, reason: Reason::Empty };
        let says = self.draft.clone().ok_or(missing("draft"))?;
        self.approved.as_ref().ok_or(missing("approved"))?;
        let corrects = match self.published.last() {
            Some(last) => {
                let payload = last.payload().map_err(|error| ContentError::Malformed(error.to_string()))?;
                Some(Corrects { id: last.id, digest: Digest::from_bytes(Sha256::digest(&payload).into()) })
            }
            None => None,
        };
        let readout = Readout {
            version: Readout::VERSION,
            kind: ReadoutType::TelconReadout,
            id,
            office,
            published_ms: now_ms,
            language: language.to_owned(),
            title: self.title.clone(),
            says,
            corrects,
        };
        readout.check()?;
        Ok(readout)
    }

    /// Questions that nobody answered, oldest first.
    pub fn unanswered(&self) -> Vec<&Enquiry> {
        let mut open: Vec<&Enquiry> = self.enquiries.iter().filter(|enquiry| enquiry.answered_ms.is_none()).collect();
        open.sort_by_key(|enquiry| (enquiry.at_ms, enquiry.id));
        open
    }
}

impl Content for ReadoutFile {
    const MAX_BYTES: usize = 4 * 1024 * 1024;

    fn check(&self) -> Result<(), Invalid> {
        optional("title", &self.title, MAX_SHORT_CHARS)?;
        if let Some(Says::Text { paragraphs }) = &self.draft {
            crate::brief::paragraphs("draft", paragraphs)?;
        }
        if let Some(shown) = &self.shown_to_them {
            time("at_ms", shown.at_ms)?;
            optional("answer", &shown.answer, MAX_PARAGRAPH_CHARS)?;
        }
        self.approved.as_ref().map_or(Ok(()), |approved| time("at_ms", approved.at_ms))?;
        count("published", &self.published, 64)?;
        unique("published", self.published.iter().map(|readout| readout.id))?;
        self.published.iter().try_for_each(Content::check)?;
        for (at, readout) in self.published.iter().enumerate() {
            let Some(corrects) = readout.corrects else { continue };
            let exists = self.published[..at].iter().any(|earlier| earlier.id == corrects.id);
            ensure(exists, "corrects", Reason::Dangling)?;
        }
        count("enquiries", &self.enquiries, MAX_ENQUIRIES)?;
        unique("enquiries", self.enquiries.iter().map(|enquiry| enquiry.id))?;
        self.enquiries.iter().try_for_each(|enquiry| {
            short("from", &enquiry.from)?;
            time("at_ms", enquiry.at_ms)?;
            required("question", &enquiry.question, MAX_PARAGRAPH_CHARS)?;
            enquiry.answered_ms.map_or(Ok(()), |ms| time("answered_ms", ms))
        })
    }
}
