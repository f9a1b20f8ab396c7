//! Memoranda, notes and debriefs.

use crate::{answer, argument, fail, read, written, zones::BrowserZone};
use serde::Deserialize;
use std::collections::BTreeSet;
use telcon_papers::{
    approval::{Step, approvals, assess, destroyed, review},
    changes::{changes, join},
    clock::{Utc, ZoneClock},
    debrief::{Debrief, DebriefOf, is_due},
    docx::docx,
    draft::{Heard, Transcript, add_debrief, draft},
    marking::Scheme,
    memorandum::{Colophon, Memorandum},
    notes::{Draft, Note, Notes},
    parties::{facts, parties, places},
    plain::{Sheet, sheet, text},
};
use telcon_proto::{
    CallId, Card, ItemId, PersonId, Role,
    document::{DocumentKind, DocumentState},
    document_policy,
    http::RecordLine,
};
use wasm_bindgen::prelude::*;

/// The marking schemes that come with the product: JSON of a list of `Scheme`, the default first.
#[wasm_bindgen]
pub fn schemes() -> Result<String, JsError> {
    answer(&Scheme::built_in())
}

#[derive(Deserialize)]
struct Sources {
    line: RecordLine,
    people: Vec<Card>,
    /// The person who drafts it.
    you: PersonId,
    scheme: Scheme,
    letterhead: String,
    subject: String,
    heard: Vec<Heard>,
    debriefs: Vec<(Debrief, String)>,
    now_ms: u64,
}

/// Drafts a memorandum. `sources`: JSON of the record's verified line and people, scheme, letterhead, subject, captions that were heard,
/// debriefs with the names of those who remember, and the time. `notes`: JSON of a list of `Notes`. `seed`: 24 random bytes.
#[wasm_bindgen]
pub fn draft_memorandum(sources: &str, notes: &str, seed: &[u8]) -> Result<String, JsError> {
    let sources: Sources = argument(sources)?;
    let seeds: [[u8; 12]; 2] = match seed.split_at_checked(12) {
        Some((one, other)) => [one.try_into().map_err(fail)?, other.try_into().map_err(fail)?],
        None => return Err(fail("a seed has 24 bytes")),
    };
    let mut all = Notes::default();
    for one in argument::<Vec<Notes>>(notes)? {
        all.merge(&one);
    }
    let mut writers: BTreeSet<PersonId> = all.shown().map(|(_, note)| note.author).collect();
    writers.extend(sources.debriefs.iter().map(|(debrief, _)| debrief.by));
    let places = places(&sources.line, &sources.you);
    let zones: Vec<_> = places.iter().map(|place| BrowserZone::new(&place.zone)).collect();
    let clock = |zone| -> &dyn ZoneClock { Option::<&BrowserZone>::map_or(zone, &Utc, |zone| zone) };
    let clocks = places.into_iter().zip(zones.iter().map(|zone| clock(zone.as_ref()))).collect();
    let parties = parties(&sources.line, &sources.people, &writers);
    let about = (sources.scheme, sources.letterhead, sources.subject);
    let facts = facts(&sources.line, parties, about, clocks, sources.now_ms, seeds[0])
        .ok_or_else(|| fail("only a call that was answered and is over has a memorandum"))?;
    let transcript = Transcript::of_captions(&sources.heard, facts.answered_ms);
    let mut memo = draft(facts, &transcript, &all);
    let mut next = 0u32;
    for (debrief, name) in &sources.debriefs {
        add_debrief(&mut memo, debrief, name, || {
            let mut bytes = [0; 16];
            bytes[..12].copy_from_slice(&seeds[1]);
            bytes[12..].copy_from_slice(&next.to_be_bytes());
            next += 1;
            ItemId::from_bytes(bytes)
        });
    }
    written(&memo)
}

/// JSON of an `Assessment`: banner, blockers, and how old the draft is.
#[wasm_bindgen]
pub fn assess_memorandum(memo: &str, now_ms: f64) -> Result<String, JsError> {
    answer(&assess(&read::<Memorandum>(memo)?, now_ms as u64))
}

/// A turn's words are signed off as they stand. JSON of the memorandum.
#[wasm_bindgen]
pub fn confirm_turns(memo: &str, turns: &str) -> Result<String, JsError> {
    let (mut memo, turns) = (read::<Memorandum>(memo)?, argument::<BTreeSet<ItemId>>(turns)?);
    memo.turns.iter_mut().filter(|turn| turns.contains(&turn.id)).for_each(|turn| turn.confirm());
    written(&memo)
}

/// A person replaces a turn's words. JSON of the memorandum.
#[wasm_bindgen]
pub fn rewrite_turn(memo: &str, turn: &str, text: &str) -> Result<String, JsError> {
    let (mut memo, id) = (read::<Memorandum>(memo)?, id_of::<ItemId>(turn)?);
    memo.turns.iter_mut().filter(|turn| turn.id == id).for_each(|turn| turn.rewrite(text));
    written(&memo)
}

/// The words of a turn as text, by turn: JSON of a list of texts in the order of the turns.
#[wasm_bindgen]
pub fn turn_texts(memo: &str) -> Result<String, JsError> {
    answer(&read::<Memorandum>(memo)?.turns.iter().map(|turn| turn.text()).collect::<Vec<_>>())
}

/// JSON of a list of `Change`: what differs in the later one.
#[wasm_bindgen]
pub fn memorandum_changes(before: &str, after: &str) -> Result<String, JsError> {
    answer(&changes(&read(before)?, &read(after)?))
}

/// Joins two people's changes to one version. JSON of `[memorandum, parts that both changed]`.
#[wasm_bindgen]
pub fn join_memoranda(base: &str, ours: &str, theirs: &str) -> Result<String, JsError> {
    let joined = join(&read(base)?, &read(ours)?, &read(theirs)?);
    answer(&(joined.memo, joined.both))
}

#[derive(Deserialize)]
struct ShownStep {
    version: u32,
    state: DocumentState,
    content: Option<Memorandum>,
}

fn step(shown: ShownStep) -> Step {
    Step { version: shown.version, state: shown.state, content: shown.content }
}

/// JSON of a list of `Approval` for the approved versions of a chain: a JSON list of `{version, state, content}`.
#[wasm_bindgen]
pub fn memorandum_approvals(chain: &str) -> Result<String, JsError> {
    let chain: Vec<Step> = argument::<Vec<ShownStep>>(chain)?.into_iter().map(step).collect();
    answer(&approvals(&chain))
}

/// JSON of the `Review` that an approval of `memo` would have, by the version before it.
#[wasm_bindgen]
pub fn memorandum_review(before: &str, memo: &str) -> Result<String, JsError> {
    let before = argument::<Option<ShownStep>>(before)?.map(step);
    answer(&review(before.as_ref(), Some(&read(memo)?)))
}

/// What is left of a draft that is destroyed.
#[wasm_bindgen]
pub fn destroyed_memorandum(memo: &str) -> Result<String, JsError> {
    written(&destroyed(&read(memo)?))
}

/// Seconds east of UTC at the memorandum's first place when the call began: its clock is the one of the exports.
#[wasm_bindgen]
pub fn memorandum_offset(memo: &str) -> Result<i32, JsError> {
    let memo: Memorandum = read(memo)?;
    let zone = memo.times.first().and_then(|time| BrowserZone::new(&time.place.zone));
    let at_ms = i64::try_from(memo.answered_ms).map_err(fail)?;
    Ok(zone.map_or(0, |zone| zone.offset_seconds(at_ms)))
}

fn laid_out(memo: &str, colophon: &str, offset_seconds: i32) -> Result<Sheet, JsError> {
    let colophon: Colophon = argument(colophon)?;
    Ok(sheet(&read::<Memorandum>(memo)?, &colophon, None, offset_seconds, &|_| None))
}

/// The memorandum as plain text. `colophon`: JSON of a `Colophon`.
#[wasm_bindgen]
pub fn memorandum_text(memo: &str, colophon: &str, offset_seconds: i32) -> Result<String, JsError> {
    Ok(text(&laid_out(memo, colophon, offset_seconds)?))
}

/// The memorandum as `.docx`.
#[wasm_bindgen]
pub fn memorandum_docx(memo: &str, colophon: &str, offset_seconds: i32) -> Result<Vec<u8>, JsError> {
    Ok(docx(&laid_out(memo, colophon, offset_seconds)?))
}

/// Writes a note, or edits the one that has this identifier. `draft`: JSON of a `Draft`. JSON of the notes.
#[wasm_bindgen]
pub fn write_note(notes: &str, id: &str, draft: &str, device: &str, person: &str) -> Result<String, JsError> {
    let mut notes: Notes = read(notes)?;
    notes.write(id_of(id)?, argument::<Draft>(draft)?, id_of(device)?, id_of(person)?);
    written(&notes)
}

/// Removes a note. JSON of the notes.
#[wasm_bindgen]
pub fn remove_note(notes: &str, id: &str, device: &str, person: &str) -> Result<String, JsError> {
    let mut notes: Notes = read(notes)?;
    notes.remove(id_of(id)?, id_of(device)?, id_of(person)?);
    written(&notes)
}

fn id_of<T: std::str::FromStr>(id: &str) -> Result<T, JsError> {
    id.parse().map_err(|_| fail("an identifier is malformed"))
}

/// Merges a JSON list of `Notes`.
#[wasm_bindgen]
pub fn merge_notes(all: &str) -> Result<String, JsError> {
    let mut merged = Notes::default();
    for notes in argument::<Vec<Notes>>(all)? {
        merged.merge(&notes);
    }
    written(&merged)
}

/// The notes that are shown, in the order of the call: JSON of a list of `[id, Note]`.
#[wasm_bindgen]
pub fn shown_notes(notes: &str) -> Result<String, JsError> {
    let notes: Notes = read(notes)?;
    answer(&notes.shown().collect::<Vec<(ItemId, &Note)>>())
}

/// Calls of these lines of which a debrief is due. `written`: JSON of the calls of which there is anything.
#[wasm_bindgen]
pub fn debriefs_due(lines: &str, written: &str) -> Result<String, JsError> {
    let (lines, written) = (argument::<Vec<RecordLine>>(lines)?, argument::<BTreeSet<CallId>>(written)?);
    let due = lines.iter().filter(|line| is_due(line, written.contains(&line.call))).map(|line| line.call);
    answer(&due.collect::<Vec<CallId>>())
}

/// JSON of the `Countdown` of an outside call; `null` of a call over Telcon. `filed_ms`: when it was approved.
#[wasm_bindgen]
pub fn debrief_countdown(debrief: &str, filed_ms: Option<f64>, now_ms: f64) -> Result<String, JsError> {
    let debrief: Debrief = read(debrief)?;
    match &debrief.call {
        DebriefOf::Outside(outside) => answer(&outside.countdown(filed_ms.map(|ms| ms as u64), now_ms as u64)),
        DebriefOf::Call { .. } => answer(&()),
    }
}

/// Whether people of a role may claim a state of a kind of document in their own right.
#[wasm_bindgen]
pub fn may_claim(role: &str, kind: &str, state: &str) -> Result<bool, JsError> {
    let text = |word: &str| serde_json::Value::String(word.to_owned());
    let role: Role = serde_json::from_value(text(role)).map_err(fail)?;
    let kind: DocumentKind = serde_json::from_value(text(kind)).map_err(fail)?;
    let state: DocumentState = serde_json::from_value(text(state)).map_err(fail)?;
    Ok(document_policy::may_claim(role, kind, state))
}
