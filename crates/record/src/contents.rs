//! What a bag says of its call: participants, events, transcript. Read for people, so unreadable pieces become warnings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use telcon_proto::participant::{RecordParticipant, RecordPerson};

use crate::error::RecordError;
use crate::payload::is_salt;
use crate::progress::{self, Progress};
use crate::transcript::{NO_AUDIO, NO_TRANSCRIPT_YET, Segment, parse_piece};

/// The content of all sessions of a bag.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Each device once, in the order of their ids.
    pub(crate) participants: BTreeMap<String, RecordPerson>,
    /// In the order in which they were written.
    pub(crate) events: Vec<Value>,
    /// The `no_media` events of sessions whose transcript marks no such time: without a transcriber, a note-taker writes them
    /// as events only.
    pub(crate) unmarked_gaps: Vec<Value>,
    /// Ordered by start.
    pub(crate) segments: Vec<Segment>,
    /// Chunks of audio by speaker, in order.
    pub(crate) audio: BTreeMap<String, Vec<PathBuf>>,
    /// What could not be read, with the reason.
    pub(crate) warnings: Vec<String>,
}

impl Contents {
    /// Reads the bag in directory `bag`.
    pub(crate) fn read(bag: &Path) -> Result<Self, RecordError> {
        let mut contents = Self::default();
        let mut transcribed = Vec::new();
        let mut sessions = list(&bag.join("data"))?;
        // session-10 follows session-9.
        sessions.sort_by_key(|path| (name(path).len(), name(path)));
        for session in sessions {
            for dir in list(&session.join("audio"))? {
                contents.audio.entry(name(&dir)).or_default().extend(list(&dir)?);
            }
            let (segments, events) = (contents.segments.len(), contents.events.len());
            transcribed.extend(contents.read_transcript(bag, &session)?);
            contents.read_events(bag, &session)?;
            if !contents.segments[segments..].iter().any(|segment| segment.text == NO_AUDIO) {
                let gaps = contents.events[events..].iter().filter(|event| is_named(event, "no_media")).cloned();
                contents.unmarked_gaps.extend(gaps);
            }
            contents.read_participants(bag, &session)?;
        }
        let missing = progress::missing(&transcribed);
        contents.segments.extend(missing.into_iter().map(|(start_ms, end_ms)| not_transcribed(start_ms, end_ms)));
        contents.segments.sort_by_key(|segment| (segment.start_ms, segment.end_ms));
        Ok(contents)
    }

    /// Gives how far the session's transcript was, if its events say so.
    fn read_transcript(&mut self, bag: &Path, session: &Path) -> Result<Option<Progress>, RecordError> {
        let mut found: Vec<Segment> = Vec::new();
        for piece in lines_files(&session.join("transcript"))? {
            let (read, unreadable) = parse_piece(&load(&piece)?);
            if unreadable > 0 {
                self.warn(bag, &piece, &format!("{unreadable} lines are not transcript segments"));
            }
            found.extend(read);
        }
        let progress = progress::of_session(&list(&session.join("events"))?)?;
        if progress.is_none() {
            self.segments.extend(untranscribed_gap(&self.segments, &found));
        }
        self.segments.extend(found);
        Ok(progress)
    }

    fn read_events(&mut self, bag: &Path, session: &Path) -> Result<(), RecordError> {
        for piece in lines_files(&session.join("events"))? {
            let bytes = load(&piece)?;
            let mut unreadable = 0;
            for line in bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
                match serde_json::from_slice::<Value>(line) {
                    Ok(event) if event.is_object() => match is_salt(&event) {
                        true => {}
                        false => self.events.push(event),
                    },
                    _ => unreadable += 1,
                }
            }
            if unreadable > 0 {
                self.warn(bag, &piece, &format!("{unreadable} lines are not events"));
            }
        }
        Ok(())
    }

    fn read_participants(&mut self, bag: &Path, session: &Path) -> Result<(), RecordError> {
        let path = session.join("participants.json");
        if !path.is_file() {
            return Ok(());
        }
        let file = serde_json::from_slice::<Value>(&load(&path)?).ok();
        let Some(list) = file.as_ref().and_then(|file| file.get("content")?.as_array()) else {
            self.warn(bag, &path, "it is not a list of participants");
            return Ok(());
        };
        let unreadable = list.iter().filter(|one| match RecordParticipant::deserialize(*one) {
            Ok(found) => {
                self.participants.insert(found.device.to_hex(), found.card);
                false
            }
            Err(_) => true,
        });
        match unreadable.count() {
            0 => {}
            count => self.warn(bag, &path, &format!("{count} entries are not participants")),
        }
        Ok(())
    }

    fn warn(&mut self, bag: &Path, path: &Path, what: &str) {
        let path = path.strip_prefix(bag).unwrap_or(path).display();
        self.warnings.push(format!("{path}: {what}"));
    }

    /// The name of a device's person: as its certificate has it, else as the transcript has it.
    pub(crate) fn name_of(&self, device: &str) -> Option<&str> {
        let spoken = || {
            let segment = self.segments.iter().find(|segment| segment.speaker == device && !segment.name.is_empty());
            segment.map(|segment| segment.name.as_str())
        };
        self.participants.get(device).map(|card| card.name.as_str()).or_else(spoken)
    }

    /// The devices of all epochs, each once.
    pub(crate) fn members(&self) -> Vec<String> {
        let lists = self.events_named("epoch").filter_map(|event| event.get("members")?.as_array());
        let all: BTreeSet<&str> = lists.flatten().filter_map(Value::as_str).collect();
        all.into_iter().map(str::to_owned).collect()
    }

    /// Events of a kind.
    pub(crate) fn events_named<'a>(&'a self, what: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| is_named(event, what))
    }
}

fn is_named(event: &Value, what: &str) -> bool {
    event.get("what").and_then(Value::as_str) == Some(what)
}

/// The time before an interruption that was not transcribed, in records whose events do not say how far the transcript was:
/// from the end of the `earlier` sessions' transcript to the start of the gap that `this` session's note-taker declares.
fn untranscribed_gap(earlier: &[Segment], this: &[Segment]) -> Option<Segment> {
    let from_ms = earlier.iter().map(|segment| segment.end_ms).max()?;
    let gap = this.iter().filter(|segment| segment.speaker.is_empty()).min_by_key(|segment| segment.start_ms)?;
    (gap.start_ms > from_ms).then(|| not_transcribed(from_ms, gap.start_ms))
}

fn not_transcribed(start_ms: u64, end_ms: u64) -> Segment {
    let (speaker, name, text) = (String::new(), String::new(), NO_TRANSCRIPT_YET.to_owned());
    Segment { start_ms, end_ms, speaker, name, text, language: None, confidence: Vec::new() }
}

fn load(path: &Path) -> Result<Vec<u8>, RecordError> {
    std::fs::read(path).map_err(|e| RecordError::io(path, e))
}

fn lines_files(dir: &Path) -> Result<Vec<PathBuf>, RecordError> {
    Ok(list(dir)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "jsonl")).collect())
}

/// The entries of a directory, sorted; none if it does not exist or is a file.
fn list(dir: &Path) -> Result<Vec<PathBuf>, RecordError> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let entries = match std::fs::read_dir(dir) {
        Err(e) if matches!(e.kind(), NotFound | NotADirectory) => return Ok(Vec::new()),
        other => other.and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect::<std::io::Result<Vec<_>>>()),
    };
    let mut paths = entries.map_err(|e| RecordError::io(dir, e))?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_unmarked_if_the_transcript_of_its_own_session_does_not_mark_it() {
        let bag = tempfile::tempdir().unwrap();
        let write = |path: &str, line: Value| {
            let path = bag.path().join("data").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{line}\n")).unwrap();
        };
        let gap = |at_ms: u64| serde_json::json!({ "what": "no_media", "since_ms": at_ms - 500, "at_ms": at_ms });
        let marked =
            serde_json::json!({ "start_ms": 500, "end_ms": 1000, "speaker": "", "name": "", "text": NO_AUDIO });
        write("session-1/transcript/000000.jsonl", marked);
        write("session-1/events/000001.jsonl", gap(1_000));
        write("session-2/events/000000.jsonl", gap(9_000));
        let contents = Contents::read(bag.path()).unwrap();
        assert!(contents.warnings.is_empty(), "{:?}", contents.warnings);
        assert_eq!((contents.events.len(), contents.unmarked_gaps), (2, vec![gap(9_000)]));
    }

    #[test]
    fn untranscribed_time_before_an_interruption_is_marked() {
        let segment = |start_ms, end_ms, speaker: &str| Segment {
            start_ms,
            end_ms,
            speaker: speaker.into(),
            name: String::new(),
            text: "t".into(),
            language: None,
            confidence: Vec::new(),
        };
        let before = [segment(0, 5_000, "a"), segment(1_000, 4_000, "b")];
        let found = untranscribed_gap(&before, &[segment(60_000, 61_000, "a"), segment(15_000, 59_000, "")]);
        assert_eq!(found.map(|found| (found.start_ms, found.end_ms)), Some((5_000, 15_000)));
        assert_eq!(untranscribed_gap(&before, &[segment(5_000, 59_000, "")]), None, "all was transcribed");
        assert_eq!(untranscribed_gap(&before, &[segment(60_000, 61_000, "a")]), None, "no gap declared");
        assert_eq!(untranscribed_gap(&[], &[segment(3_000, 9_000, "")]), None, "the first session");
    }
}
