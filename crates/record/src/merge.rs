//! What a custodian wants to hear and read, made from the chunks in a valid bag: one sound file per speaker, one transcript.
//!
//! Nothing in here fails because of what a chunk contains: the bag is what was sealed, and a note-taker's bad chunk must not
//! keep a custodian from the rest. What cannot be joined becomes a warning.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::RecordError;
use crate::opus::{Joiner, OpusError, read_chunk};
use crate::transcript::{Segment, merged_json, merged_vtt, parse_piece};

/// Stands in a transcript where a note-taker was interrupted before it had written down what it heard.
const UNWRITTEN: &str = "[Nothing of this time was written down: the note-taker was interrupted.]";

/// One speaker's sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpeakerAudio {
    /// The speaker's id, as in the bag's paths.
    pub speaker: String,
    /// Milliseconds, from the beginning of the call.
    pub length_ms: u64,
    /// Chunks that were joined.
    pub chunks: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) audio: Vec<SpeakerAudio>,
    pub(crate) segments: usize,
    pub(crate) warnings: Vec<String>,
}

/// Joins what is in `bag` into `out`.
pub(crate) fn merge(bag: &Path, out: &Path) -> Result<Merged, RecordError> {
    let mut merged = Merged::default();
    let mut speakers: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut segments: Vec<Segment> = Vec::new();
    let mut sessions = list(&bag.join("data"))?;
    // session-10 comes after session-9.
    sessions.sort_by_key(|path| (name(path).len(), name(path)));
    for session in sessions {
        let mut heard: Vec<Segment> = Vec::new();
        for dir in list(&session.join("audio"))? {
            speakers.entry(name(&dir)).or_default().extend(list(&dir)?);
        }
        for piece in list(&session.join("transcript"))?.iter().filter(|p| p.extension().is_some_and(|e| e == "jsonl")) {
            let bytes = std::fs::read(piece).map_err(|e| RecordError::io(piece, e))?;
            let (read, strange) = parse_piece(&bytes);
            if strange > 0 {
                let path = piece.strip_prefix(bag).unwrap_or(piece).display();
                merged.warnings.push(format!("{path}: {strange} lines are no transcript"));
            }
            heard.extend(read);
        }
        segments.extend(unwritten(&segments, &heard));
        segments.extend(heard);
    }
    for (speaker, chunks) in speakers {
        let audio = out.join("audio");
        std::fs::create_dir_all(&audio).map_err(|e| RecordError::io(&audio, e))?;
        join_speaker(bag, &audio, speaker, &chunks, &mut merged)?;
    }
    if !segments.is_empty() {
        segments.sort_by_key(|s| (s.start_ms, s.end_ms));
        let vtt = merged_vtt(&segments).into_bytes();
        for (file, bytes) in [("transcript.vtt", vtt), ("transcript.json", merged_json(&segments))] {
            std::fs::write(out.join(file), bytes).map_err(|e| RecordError::io(out.join(file), e))?;
        }
    }
    merged.segments = segments.len();
    Ok(merged)
}

/// What was said last before a note-taker was interrupted, and what it had not written down yet: from the end of what its earlier
/// `sessions` wrote to where `this` one says that it has nothing.
fn unwritten(sessions: &[Segment], this: &[Segment]) -> Option<Segment> {
    let from_ms = sessions.iter().map(|segment| segment.end_ms).max()?;
    let gap = this.iter().filter(|segment| segment.speaker.is_empty()).min_by_key(|segment| segment.start_ms)?;
    let (speaker, name, text) = (String::new(), String::new(), UNWRITTEN.to_owned());
    (gap.start_ms > from_ms).then_some(Segment {
        start_ms: from_ms,
        end_ms: gap.start_ms,
        speaker,
        name,
        text,
        language: None,
    })
}

fn join_speaker(
    bag: &Path,
    audio: &Path,
    speaker: String,
    chunks: &[PathBuf],
    merged: &mut Merged,
) -> Result<(), RecordError> {
    let target = audio.join(format!("{speaker}.opus"));
    let file = File::create(&target).map_err(|e| RecordError::io(&target, e))?;
    // The serial number only tells streams of one file apart, and there is one.
    let mut joiner = Joiner::new(BufWriter::new(file), 1);
    let mut joined = 0;
    for path in chunks {
        let bytes = std::fs::read(path).map_err(|e| RecordError::io(path, e))?;
        // Only a chunk that cannot be read is its own fault; failing to write is the disk's.
        match read_chunk(&bytes) {
            Ok(chunk) => {
                joiner.chunk(&chunk).map_err(|e| write_failed(&target, e))?;
                joined += 1;
            }
            Err(e) => {
                let path = path.strip_prefix(bag).unwrap_or(path).display();
                merged.warnings.push(format!("{path}: {e}"));
            }
        }
    }
    if joined == 0 {
        return std::fs::remove_file(&target).map_err(|e| RecordError::io(&target, e));
    }
    let length_ms = joiner.finish().map_err(|e| write_failed(&target, e))?;
    merged.audio.push(SpeakerAudio { speaker, length_ms, chunks: joined });
    Ok(())
}

fn write_failed(path: &Path, e: OpusError) -> RecordError {
    RecordError::Io { path: path.to_owned(), source: std::io::Error::other(e.to_string()) }
}

/// The entries of a directory, sorted; none if there is no such directory (or it is a file).
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
    fn what_an_interrupted_note_taker_had_not_written_down_is_marked() {
        let segment = |start_ms, end_ms, speaker: &str| Segment {
            start_ms,
            end_ms,
            speaker: speaker.into(),
            name: String::new(),
            text: "t".into(),
            language: None,
        };
        let before = [segment(0, 5_000, "a"), segment(1_000, 4_000, "b")];
        let found = unwritten(&before, &[segment(60_000, 61_000, "a"), segment(15_000, 59_000, "")]);
        assert_eq!(found.map(|found| (found.start_ms, found.end_ms)), Some((5_000, 15_000)));
        assert_eq!(unwritten(&before, &[segment(5_000, 59_000, "")]), None, "everything was");
        assert_eq!(unwritten(&before, &[segment(60_000, 61_000, "a")]), None, "it was not away");
        assert_eq!(unwritten(&[], &[segment(3_000, 9_000, "")]), None, "the first session");
    }
}
