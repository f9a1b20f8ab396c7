//! An opened record as a document for a records officer: who, when, what was said, what is missing, and the proof.
//!
//! [`RecordDocument`] has every text ready to show: times are in the zones of the parties, and text of others has passed
//! [`telcon_proto::printable`]. It is `record.json` as it stands; [`RecordDocument::to_html`] and the crate `telcon-pdf` lay
//! it out.

mod build;
mod html;

use serde::Serialize;
use telcon_proto::printable::printable;

pub(crate) use build::{Facts, build};

/// Version of `record.json`.
pub const DOCUMENT_VERSION: u32 = 1;

/// What a record says, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordDocument {
    /// [`DOCUMENT_VERSION`].
    pub version: u32,
    /// `The President and The Prime Minister of Estmark`.
    pub title: String,
    /// The call's id.
    pub call: String,
    /// Whether the document is all that should be there, in one sentence.
    pub state: DocumentState,
    /// Those who were heard.
    pub parties: Vec<DocumentPerson>,
    /// Those who listened without speaking, the note-taker included.
    pub listeners: Vec<DocumentPerson>,
    /// Start and end in each zone of the parties, each zone once; UTC if there is none.
    pub times: Vec<ZoneTimes>,
    /// When the call was answered, milliseconds since the Unix epoch.
    pub answered_ms: Option<u64>,
    /// When it ended, by the note-taker's clock, milliseconds since the Unix epoch.
    pub ended_ms: Option<u64>,
    /// `19 s`.
    pub duration: Option<String>,
    /// Who ended it, and how.
    pub ending: String,
    /// What was kept: `Transcript and audio`.
    pub kept: String,
    /// The sound of all speakers in one file, relative to the document; none if it was not mixed.
    pub mix: Option<String>,
    /// The transcript, gaps included, in order.
    pub transcript: Vec<DocumentLine>,
    /// How the transcript was made.
    pub transcript_note: String,
    /// What is missing, one sentence each. Empty if nothing is.
    pub missing: Vec<String>,
    /// What to show where neither [`missing`](Self::missing) nor [`warnings`](Self::warnings) has anything.
    pub missing_note: String,
    /// Pieces of the record that could not be read.
    pub warnings: Vec<String>,
    /// What was verified.
    pub proof: Proof,
}

/// Whether a record is what it claims to be, and all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentState {
    /// In one word, for programs.
    pub verdict: RecordVerdict,
    /// In one sentence: `Genuine but incomplete: no sound from The President for 25 s`.
    pub text: String,
}

/// The verdict about one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordVerdict {
    /// Intact, and nothing is missing.
    Complete,
    /// Intact, and something is missing.
    Incomplete,
    /// Not what its note-taker sealed, or not what the log says.
    NotGenuine,
}

/// A person in the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentPerson {
    /// Name or title.
    pub name: String,
    /// Their organisation.
    pub organisation: String,
    /// `Principal`, `Counterpart`, `Duty officer`, `Note-taker`.
    pub role: String,
    /// The office that certified them; empty in records of old versions.
    pub office: String,
    /// IANA time zone of where they work; empty if unknown.
    pub zone: String,
    /// Their devices in the call.
    pub devices: Vec<String>,
    /// Their sound, relative to the document: `audio/prime-minister.opus`. Several if they used several devices.
    pub audio: Vec<String>,
}

/// A call's time in one zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ZoneTimes {
    /// IANA name.
    pub zone: String,
    /// Whose zone it is, `; ` between names.
    pub of: String,
    /// `29 November 2026`.
    pub date: String,
    /// `18:32:08`.
    pub from: String,
    /// `18:32:28`, with the date before it if it is another one; empty if unknown.
    pub to: String,
    /// `UTC−05:00`.
    pub offset: String,
}

/// A line of the transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentLine {
    /// From the moment the call was answered, milliseconds.
    pub start_ms: u64,
    /// The same.
    pub end_ms: u64,
    /// Clock time at its start in each zone of [`RecordDocument::times`], in the same order.
    pub clocks: Vec<String>,
    /// What it is.
    pub kind: LineKind,
    /// Who speaks; whom a gap concerns, or empty if all.
    pub speaker: String,
    /// What was said, or what is missing.
    pub text: String,
}

/// What a line of a transcript is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// Words, as speech recognition understood them.
    Speech,
    /// A time of which something is missing.
    Gap,
}

/// What was verified of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Proof {
    /// In one sentence.
    pub summary: String,
    /// Label, value and what it means.
    pub lines: Vec<ProofLine>,
}

/// One fact of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProofLine {
    /// `Log entry`.
    pub label: String,
    /// The value: a digest, a number, a name.
    pub value: String,
    /// What it proves, and how to repeat it.
    pub meaning: String,
}

impl Proof {
    /// Says in one sentence what was verified. Text of others is made safe to show.
    pub fn summarize(&mut self, text: &str) {
        self.summary = printable(text);
    }

    /// Adds a fact. Text of others is made safe to show.
    pub fn push(&mut self, label: &str, value: &str, meaning: &str) {
        self.lines.push(ProofLine { label: label.to_owned(), value: printable(value), meaning: meaning.to_owned() });
    }
}

impl RecordDocument {
    /// Says that the record was verified against its log.
    pub fn confirm(&mut self) {
        self.state.text = self.state.text.replacen("Intact", "Genuine", 1);
    }

    /// Adds a piece of the record that could not be used.
    pub fn warn(&mut self, text: &str) {
        self.warnings.push(printable(text));
    }

    /// Says that the record is not genuine, and why.
    pub fn refuse(&mut self, why: &str) {
        let text = format!("Not genuine: {}", printable(why));
        self.state = DocumentState { verdict: RecordVerdict::NotGenuine, text };
    }

    /// `record.json`: as written, without the padding of the sealed files.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("invariant: texts and numbers are JSON");
        json.push(b'\n');
        json
    }
}

/// Text of others on one line: runs of blanks become one space, what acts on its surroundings is replaced.
fn shown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    printable(&words.join(" "))
}

/// The text with a capital letter first.
fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}", chars.as_str())
}
