//! A memorandum as a document of paragraphs, from which all exports are made, and as plain text.

use crate::action::Side;
use crate::clock::Shown;
use crate::memorandum::{Attendee, Basis, Colophon, Memorandum, Origin, RunKind, TITLE};
use serde::Serialize;
use telcon_proto::printable::printable;

/// One paragraph of a memorandum, ready to show: text of others has passed [`printable`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// The letterhead.
    Letterhead(String),
    /// The title.
    Title(String),
    /// A heading within.
    Heading(String),
    /// A label and its value.
    Field {
        /// `SUBJECT`.
        label: String,
        /// The value.
        value: String,
    },
    /// A turn of a speaker.
    Turn {
        /// Which turn of the memorandum.
        portion: telcon_proto::ItemId,
        /// `(C)`, or `(?)` without a mark.
        mark: String,
        /// `09:35:02`, by the first place's clock.
        clock: String,
        /// Who speaks.
        speaker: String,
        /// The words, with how sure each run is.
        words: Vec<(RunKind, String)>,
        /// Whether the words are the machine's and nobody signed them off.
        is_unconfirmed: bool,
    },
    /// A marked paragraph: a decision, an action.
    Item {
        /// As of a turn.
        mark: String,
        /// The text.
        text: String,
    },
    /// The caution, or another paragraph in small letters.
    Small(String),
}

/// A laid out memorandum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sheet {
    /// At the top and bottom of each page; of a draft without any mark, that it is one.
    pub banner: String,
    /// The paragraphs.
    pub blocks: Vec<Block>,
    /// On each page beside its number: record and copy.
    pub footer: String,
    /// The document's title.
    pub title: String,
    /// Identifies the file: the same memorandum gives the same bytes.
    #[serde(skip)]
    pub id: Vec<u8>,
}

/// What stands where a portion has no mark.
const UNMARKED: &str = "(?)";
/// The banner of a draft in which nothing is marked.
const NO_BANNER: &str = "NOT YET MARKED";
/// Behind the banner of a draft in which a portion has no mark, or an unknown one: it may be higher than the banner.
const BANNER_MAY_RISE: &str = " (NOT YET FULLY MARKED)";

fn names(people: &[Attendee]) -> String {
    let name = |attendee: &Attendee| match attendee.organisation.is_empty() {
        true => printable(&attendee.name),
        false => printable(&format!("{}, {}", attendee.name, attendee.organisation)),
    };
    people.iter().map(name).collect::<Vec<_>>().join("; ")
}

/// The paragraphs of a memorandum. `copy` is the number of a copy in circulation; `wording` replaces a turn's words in it.
pub fn sheet(
    memo: &Memorandum,
    colophon: &Colophon,
    copy: Option<u32>,
    zone_offset_seconds: i32,
    wording: &dyn Fn(telcon_proto::ItemId) -> Option<String>,
) -> Sheet {
    let portion = |mark: &Option<_>| mark.as_ref().map_or(UNMARKED.to_owned(), |mark| memo.scheme.portion(mark));
    let mut blocks = Vec::new();
    let field = |blocks: &mut Vec<Block>, label: &str, value: String| {
        if !value.is_empty() {
            blocks.push(Block::Field { label: label.to_owned(), value });
        }
    };
    if !memo.letterhead.is_empty() {
        blocks.push(Block::Letterhead(printable(&memo.letterhead)));
    }
    blocks.push(Block::Title(TITLE.to_owned()));
    field(&mut blocks, "CONTROL NUMBER", printable(&memo.control));
    field(&mut blocks, "SUBJECT", format!("{} {}", portion(&memo.subject.mark), printable(&memo.subject.text)));
    field(&mut blocks, "PARTICIPANTS", names(&memo.participants));
    field(&mut blocks, "INTERPRETERS", names(&memo.interpreters));
    field(&mut blocks, "NOTE-TAKERS", names(&memo.note_takers));
    field(&mut blocks, "LISTENED", names(&memo.listeners));
    for time in &memo.times {
        field(&mut blocks, "DATE, TIME AND PLACE", printable(&format!("{} ({})", time.line(), time.place.of)));
    }
    for turn in &memo.turns {
        let at_ms = memo.answered_ms.saturating_add(turn.at_ms);
        let clock = Shown::at(i64::try_from(at_ms).unwrap_or(0), zone_offset_seconds).clock();
        let words = match wording(turn.id) {
            Some(text) => vec![(RunKind::Plain, printable(&text))],
            None => turn.runs.iter().map(|run| (run.kind, printable(&run.text))).collect(),
        };
        blocks.push(Block::Turn {
            portion: turn.id,
            mark: portion(&turn.mark),
            clock,
            speaker: printable(&turn.speaker),
            words,
            is_unconfirmed: turn.origin == Origin::Machine && !turn.confirmed,
        });
    }
    if !memo.decisions.is_empty() {
        blocks.push(Block::Heading("Decisions".to_owned()));
        let item = |decision: &crate::memorandum::Portion| Block::Item {
            mark: portion(&decision.mark),
            text: printable(&decision.text),
        };
        blocks.extend(memo.decisions.iter().map(item));
    }
    if !memo.actions.is_empty() {
        blocks.push(Block::Heading("Actions".to_owned()));
        for action in &memo.actions {
            let who = match (action.side, action.who.is_empty()) {
                (Side::Ours, true) => "We".to_owned(),
                (Side::Ours | Side::Theirs, _) => printable(&action.who),
            };
            let due = action.due_ms.and_then(|ms| i64::try_from(ms).ok());
            let due =
                due.map(|ms| format!(", by {}", Shown::at(ms, zone_offset_seconds).long_date())).unwrap_or_default();
            let text = format!("{who}: {}{due}", printable(&action.what));
            blocks.push(Block::Item { mark: portion(&memo.actions_mark), text });
        }
    }
    blocks.push(Block::Small(printable(&memo.caution)));
    if let Some(block) = &memo.classification {
        let mut line = |label: &str, value: &str| field(&mut blocks, label, printable(value));
        line("Classified by", &block.by);
        match &block.basis {
            Basis::Original { reason } => line("Reason", reason),
            Basis::Derived { from } => line("Derived from", from),
        }
        line("Declassify on", &block.declassify_on);
    }
    if !memo.distribution.is_empty() {
        blocks.push(Block::Heading("Distribution".to_owned()));
        for (number, reader) in memo.distribution.iter().enumerate() {
            blocks.push(Block::Small(format!("{}. {}", number + 1, printable(reader))));
        }
    }
    blocks.push(Block::Small(colophon_line(colophon, copy)));
    let footer = copy.map_or_else(
        || format!("Record {}", printable(&colophon.record)),
        |copy| format!("Copy {copy} · record {}", printable(&colophon.record)),
    );
    let id = format!("{}/{}/{}", colophon.record, colophon.digest, copy.unwrap_or(0)).into_bytes();
    let more = if memo.is_fully_marked() { "" } else { BANNER_MAY_RISE };
    Sheet {
        banner: memo.banner().map_or_else(|| NO_BANNER.to_owned(), |banner| printable(&banner.text) + more),
        blocks,
        footer,
        title: format!("Memorandum: {}", printable(&memo.subject.text)),
        id,
    }
}

fn colophon_line(colophon: &Colophon, copy: Option<u32>) -> String {
    let mut line = format!(
        "Record {}, version {} ({}), SHA-256 {}",
        colophon.record, colophon.document_version, colophon.state, colophon.digest
    );
    match colophon.log_index {
        Some(index) => line.push_str(&format!(", log entry {index}")),
        None => line.push_str(", not in the log yet"),
    }
    if !colophon.checkpoint.is_empty() {
        line.push_str(&format!(", checkpoint {}", colophon.checkpoint));
    }
    if let Some(copy) = copy {
        line.push_str(&format!(", copy {copy}"));
    }
    printable(&line)
}

/// Words of runs as text: remarks in brackets, uncertain words with a question mark in brackets as the transcript has them.
pub fn words_text(words: &[(RunKind, String)]) -> String {
    let word = |(kind, text): &(RunKind, String)| match kind {
        RunKind::Plain => text.clone(),
        RunKind::Uncertain => format!("[{text}?]"),
        RunKind::Remark => format!("[{text}]"),
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// A memorandum as plain text, lines of at most 100 characters, LF.
pub fn text(sheet: &Sheet) -> String {
    const WIDTH: usize = 100;
    let mut out = format!("{}\n\n", sheet.banner);
    for block in &sheet.blocks {
        let (paragraph, indent) = match block {
            Block::Letterhead(text) | Block::Title(text) => (text.clone(), 0),
            Block::Heading(text) => (format!("\n{}", text.to_uppercase()), 0),
            Block::Field { label, value } => (format!("{label}: {value}"), 4),
            Block::Turn { mark, clock, speaker, words, is_unconfirmed, .. } => {
                let machine = if *is_unconfirmed { " [machine words, not confirmed]" } else { "" };
                (format!("\n{mark} {clock} {speaker}:{machine} {}", words_text(words)), 4)
            }
            Block::Item { mark, text } => (format!("{mark} {text}"), 4),
            Block::Small(text) => (format!("\n{text}"), 0),
        };
        wrap(&mut out, &paragraph, WIDTH, indent);
    }
    out.push_str(&format!("\n{}\n{}\n", sheet.footer, sheet.banner));
    out
}

fn wrap(out: &mut String, paragraph: &str, width: usize, indent: usize) {
    let mut used = 0;
    if let Some(rest) = paragraph.strip_prefix('\n') {
        out.push('\n');
        return wrap(out, rest, width, indent);
    }
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            used = indent;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
}
