//! The first draft of a memorandum, from the transcript and the notes of a call.
//!
//! Nothing is decided here that a person would have to answer for: no portion gets a mark, no machine word is confirmed, and words of
//! which the recogniser was not certain stay uncertain.

use crate::action::{Action, ActionState, Side};
use crate::clock::{Shown, ZoneClock, zone_text};
use crate::content::{Content, MAX_ITEMS, MAX_PARAGRAPH_CHARS, MAX_SHORT_CHARS};
use crate::debrief::Debrief;
use crate::marking::Scheme;
use crate::memorandum::*;
use crate::notes::{NoteMark, Notes};
use crate::schedule::Place;
use serde::Deserialize;
use telcon_proto::{CallId, ItemId};

/// Segments of a speaker that follow each other within this time are one turn, milliseconds.
const PAUSE_MS: u64 = 4_000;
/// A turn is not joined to beyond this length, characters: a portion is a paragraph.
const MAX_TURN_CHARS: usize = 700;
/// How far a note's moment may be from a turn that it is about, milliseconds: people write after they heard.
const NOTE_DELAY_MS: u64 = 15_000;
/// Largest transcript that is read, bytes.
pub const MAX_TRANSCRIPT_BYTES: usize = 16 * 1024 * 1024;

/// The transcript of a record, as `transcript.json` has it. Later versions may add to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Transcript {
    /// Its segments.
    pub segments: Vec<Segment>,
}

/// One utterance. Words that the recogniser was not certain of are written `[word?]`; other text in brackets is a remark.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Segment {
    /// Milliseconds since the call was answered.
    pub start_ms: u64,
    /// The same.
    pub end_ms: u64,
    /// The speaker's identifier; empty for a remark of the note-taker about this time.
    pub speaker: String,
    /// The speaker's name as shown to the participants.
    pub name: String,
    /// The words.
    pub text: String,
}

/// Why a transcript cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the transcript cannot be read: {0}")]
pub struct TranscriptError(String);

impl Transcript {
    /// Reads `transcript.json`.
    pub fn from_json(json: &[u8]) -> Result<Self, TranscriptError> {
        if json.len() > MAX_TRANSCRIPT_BYTES {
            return Err(TranscriptError(format!("it has more than {MAX_TRANSCRIPT_BYTES} bytes")));
        }
        serde_json::from_slice(json).map_err(|error| TranscriptError(error.to_string()))
    }
}

/// A final line of the captions that a page showed during a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Heard {
    /// When it began, milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// The speaker's identifier.
    pub speaker: String,
    /// The speaker's name.
    pub name: String,
    /// The words, as in a [`Segment`].
    pub text: String,
}

/// How long a character takes to say, milliseconds: 150 words a minute. Captions say when a line began, and not when it ended.
const CHARACTER_MS: u64 = 65;

impl Transcript {
    /// The transcript of a call that was answered at `answered_ms`, from its captions.
    pub fn of_captions(lines: &[Heard], answered_ms: u64) -> Self {
        let segment = |line: &Heard| {
            let start_ms = line.start_ms.saturating_sub(answered_ms);
            let length_ms = CHARACTER_MS.saturating_mul(line.text.chars().count() as u64);
            Segment {
                start_ms,
                end_ms: start_ms.saturating_add(length_ms),
                speaker: line.speaker.clone(),
                name: line.name.clone(),
                text: line.text.clone(),
            }
        };
        Self { segments: lines.iter().map(segment).collect() }
    }
}

/// Adds what is remembered of a call to its draft, each paragraph as a turn of the person who remembers it.
pub fn add_debrief(memo: &mut Memorandum, debrief: &Debrief, speaker: &str, mut id: impl FnMut() -> ItemId) {
    let end_ms = memo.ended_ms.saturating_sub(memo.answered_ms);
    let remembered = debrief.remembered.iter().filter(|text| !text.trim().is_empty());
    memo.turns.extend(remembered.map(|text| Turn {
        id: id(),
        at_ms: end_ms,
        length_ms: 0,
        speaker: cut(speaker, MAX_SHORT_CHARS),
        runs: vec![Run { kind: RunKind::Plain, text: text.clone() }],
        origin: Origin::Person,
        confirmed: true,
        sensitive: false,
        mark: None,
    }));
    memo.turns.truncate(MAX_TURNS);
    let known: std::collections::BTreeSet<_> = memo.actions.iter().map(|action| action.id).collect();
    memo.actions.extend(debrief.actions.iter().filter(|action| !known.contains(&action.id)).cloned());
    memo.actions.truncate(MAX_ITEMS);
}

/// What a draft is made of, beside notes and transcript.
pub struct Facts<'a> {
    /// The call.
    pub call: CallId,
    /// The office's marking scheme.
    pub scheme: Scheme,
    /// `OFFICE OF THE PRESIDENT`.
    pub letterhead: String,
    /// About what: from the request, or empty.
    pub subject: String,
    /// From the verified group.
    pub participants: Vec<Attendee>,
    /// From the verified group.
    pub interpreters: Vec<Attendee>,
    /// From the verified group, and who wrote notes.
    pub note_takers: Vec<Attendee>,
    /// From the verified group.
    pub listeners: Vec<Attendee>,
    /// When the call was answered, by the log, milliseconds since the Unix epoch.
    pub answered_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// The places with their clocks, ours first.
    pub places: Vec<(Place, &'a dyn ZoneClock)>,
    /// The caution; none for [`CAUTION`].
    pub caution: Option<String>,
    /// When the draft is made, milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Random: identifiers of turns are made of it.
    pub seed: [u8; 12],
}

/// The date and times of a call at a place.
pub fn place_time(place: &Place, zone: &dyn ZoneClock, from_ms: u64, to_ms: u64) -> PlaceTime {
    let (from, to) = (Shown::of(zone, from_ms), Shown::of(zone, to_ms));
    let (date, last) = (from.long_date(), to.long_date());
    let to = if date == last { to.hour_minute() } else { format!("{last}, {}", to.hour_minute()) };
    PlaceTime { place: place.clone(), date, from: from.hour_minute(), to, zone: zone_text(zone, from_ms) }
}

/// Cuts text to a number of characters.
fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

/// Adds a run; words that are as sure as the last ones join them.
fn push_run(runs: &mut Vec<Run>, kind: RunKind, text: &str) {
    let text = cut(text.trim(), MAX_PARAGRAPH_CHARS);
    match runs.last_mut() {
        _ if text.is_empty() => {}
        Some(last) if last.kind == kind && kind != RunKind::Remark => last.text.extend([" ", &text]),
        _ => runs.push(Run { kind, text }),
    }
}

/// The runs of a segment's text.
pub fn runs(text: &str) -> Vec<Run> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, inner, after)) = bracketed(rest) {
        push_run(&mut found, RunKind::Plain, before);
        rest = after;
        match inner.strip_suffix('?') {
            Some(word) => {
                // Punctuation after an uncertain word belongs to it.
                let end = rest.len() - rest.trim_start_matches(['.', ',', ';', ':', '!', '?', '…', '”', '’']).len();
                push_run(&mut found, RunKind::Uncertain, &[word, &rest[..end]].concat());
                rest = &rest[end..];
            }
            None => push_run(&mut found, RunKind::Remark, inner),
        }
    }
    push_run(&mut found, RunKind::Plain, rest);
    found.truncate(MAX_RUNS);
    found
}

/// The text before the first brackets, in them, and after them.
fn bracketed(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('[')?;
    let (inner, after) = rest.split_once(']')?;
    Some((before, inner, after))
}

/// Identifiers of what a draft makes itself.
struct Ids {
    seed: [u8; 12],
    next: u32,
}

impl Ids {
    fn next(&mut self) -> ItemId {
        let mut bytes = [0; 16];
        bytes[..12].copy_from_slice(&self.seed);
        bytes[12..].copy_from_slice(&self.next.to_be_bytes());
        self.next += 1;
        ItemId::from_bytes(bytes)
    }
}

/// Speaker turns of a transcript.
fn turns(transcript: &Transcript, ids: &mut Ids) -> Vec<Turn> {
    let mut segments: Vec<&Segment> = transcript.segments.iter().collect();
    // Stable: what two people said at the same moment keeps its order.
    segments.sort_by_key(|segment| segment.start_ms);
    let mut made: Vec<(Turn, &str)> = Vec::new();
    for segment in segments {
        let more = runs(&segment.text);
        if more.is_empty() {
            continue;
        }
        let end_ms = segment.end_ms.max(segment.start_ms);
        if let Some((last, speaker)) = made.last_mut() {
            let follows = segment.start_ms <= last.at_ms.saturating_add(last.length_ms).saturating_add(PAUSE_MS);
            let length: usize = last.runs.iter().chain(&more).map(|run| run.text.chars().count() + 1).sum();
            if *speaker == segment.speaker && follows && length <= MAX_TURN_CHARS {
                last.length_ms = last.length_ms.max(end_ms.saturating_sub(last.at_ms));
                for run in more {
                    match last.runs.last_mut() {
                        Some(known) if known.kind == run.kind && run.kind == RunKind::Plain => {
                            known.text.extend([" ", &run.text]);
                        }
                        _ => last.runs.push(run),
                    }
                }
                continue;
            }
        }
        let name = if segment.name.trim().is_empty() { &segment.speaker } else { &segment.name };
        let turn = Turn {
            id: ids.next(),
            at_ms: segment.start_ms,
            length_ms: end_ms - segment.start_ms,
            speaker: cut(name.trim(), MAX_SHORT_CHARS),
            runs: more,
            origin: Origin::Machine,
            confirmed: false,
            sensitive: false,
            mark: None,
        };
        made.push((turn, &segment.speaker));
    }
    made.truncate(MAX_TURNS);
    made.into_iter().map(|(turn, _)| turn).collect()
}

/// Drafts a memorandum. Without a transcript (record mode *memo* without one, or a debrief) the notes themselves are the turns.
pub fn draft(facts: Facts<'_>, transcript: &Transcript, notes: &Notes) -> Memorandum {
    let mut ids = Ids { seed: facts.seed, next: 0 };
    let mut turns = turns(transcript, &mut ids);
    let has_transcript = !turns.is_empty();
    let (mut decisions, mut actions) = (Vec::new(), Vec::new());
    for (id, note) in notes.shown() {
        let text = note.text.trim();
        match &note.kind {
            NoteMark::Decision if !text.is_empty() => decisions.push(Portion { mark: None, text: text.to_owned() }),
            NoteMark::Action { side, who, until_ms } if !text.is_empty() => actions.push(Action {
                version: Action::VERSION,
                id,
                call: Some(facts.call),
                side: *side,
                who: if who.trim().is_empty() && *side == Side::Theirs { "They".to_owned() } else { who.clone() },
                person: None,
                what: text.to_owned(),
                due_ms: *until_ms,
                remind_ms: None,
                state: ActionState::Open,
            }),
            NoteMark::Sensitive if has_transcript => {
                if let Some(turn) = nearest(&mut turns, note.at_ms, &note.speaker) {
                    turn.sensitive = true;
                }
            }
            _ => {}
        }
        // A quote that a person wrote down stands beside what the machine heard; other notes only where it heard nothing.
        if !text.is_empty() && (!has_transcript || note.kind == NoteMark::Quote) {
            turns.push(Turn {
                id,
                at_ms: note.at_ms,
                length_ms: 0,
                speaker: note.speaker.clone(),
                runs: vec![Run { kind: RunKind::Plain, text: text.to_owned() }],
                origin: Origin::Person,
                confirmed: true,
                sensitive: note.kind == NoteMark::Sensitive,
                mark: None,
            });
        }
    }
    turns.sort_by_key(|turn| turn.at_ms);
    turns.truncate(MAX_TURNS);
    decisions.truncate(MAX_ITEMS);
    actions.truncate(MAX_ITEMS);
    let times =
        facts.places.iter().map(|(place, zone)| place_time(place, *zone, facts.answered_ms, facts.ended_ms)).collect();
    Memorandum {
        version: Memorandum::VERSION,
        call: facts.call,
        scheme: facts.scheme,
        letterhead: facts.letterhead,
        control: String::new(),
        drafted_ms: facts.now_ms,
        subject: Portion { mark: None, text: facts.subject },
        participants: facts.participants,
        interpreters: facts.interpreters,
        note_takers: facts.note_takers,
        listeners: facts.listeners,
        answered_ms: facts.answered_ms,
        ended_ms: facts.ended_ms,
        times,
        turns,
        decisions,
        actions,
        actions_mark: None,
        caution: facts.caution.unwrap_or_else(|| CAUTION.to_owned()),
        classification: None,
        distribution: Vec::new(),
        comments: Vec::new(),
    }
}

/// The turn that a note is about: the last one that began before the note was written, of its speaker if it names one.
fn nearest<'a>(turns: &'a mut [Turn], at_ms: u64, speaker: &str) -> Option<&'a mut Turn> {
    let about = |turn: &&mut Turn| {
        let is_speaker = speaker.is_empty() || turn.speaker == speaker;
        let ended = turn.at_ms.saturating_add(turn.length_ms);
        is_speaker && turn.at_ms <= at_ms && at_ms <= ended.saturating_add(NOTE_DELAY_MS)
    };
    turns.iter_mut().filter(about).max_by_key(|turn| turn.at_ms)
}
