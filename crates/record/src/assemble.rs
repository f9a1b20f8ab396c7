//! Assembles the chunks of a valid bag for custodians: one audio file per speaker and one transcript.
//!
//! Invalid content is not an error: the bag is what was sealed, and one damaged chunk must not withhold the rest from a
//! custodian. What cannot be assembled becomes a warning.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::RecordError;
use crate::opus::{ChunkJoiner, OpusError, read_chunk};
use crate::progress;
use crate::transcript::{Segment, draft_json, draft_vtt, parse_piece};

/// Marks a time in the transcript that a note-taker received but had not transcribed when it was interrupted.
const NOT_TRANSCRIBED: &str = "[No transcript of this time: the note-taker was interrupted.]";

/// One speaker's audio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpeakerAudio {
    /// The speaker's id, as in the bag's paths.
    pub speaker: String,
    /// Duration from the start of the call, milliseconds.
    pub length_ms: u64,
    /// Number of chunks.
    pub chunks: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Assembled {
    pub(crate) audio: Vec<SpeakerAudio>,
    pub(crate) segments: usize,
    pub(crate) warnings: Vec<String>,
}

/// Assembles the content of `bag` into `out`.
pub(crate) fn assemble(bag: &Path, out: &Path) -> Result<Assembled, RecordError> {
    let mut assembled = Assembled::default();
    let mut speakers: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut segments: Vec<Segment> = Vec::new();
    let mut transcribed = Vec::new();
    let mut sessions = list(&bag.join("data"))?;
    // session-10 follows session-9.
    sessions.sort_by_key(|path| (name(path).len(), name(path)));
    for session in sessions {
        let mut session_segments: Vec<Segment> = Vec::new();
        for dir in list(&session.join("audio"))? {
            speakers.entry(name(&dir)).or_default().extend(list(&dir)?);
        }
        for piece in list(&session.join("transcript"))?.iter().filter(|p| p.extension().is_some_and(|e| e == "jsonl")) {
            let bytes = std::fs::read(piece).map_err(|e| RecordError::io(piece, e))?;
            let (read, unreadable) = parse_piece(&bytes);
            if unreadable > 0 {
                let path = piece.strip_prefix(bag).unwrap_or(piece).display();
                assembled.warnings.push(format!("{path}: {unreadable} lines are not transcript segments"));
            }
            session_segments.extend(read);
        }
        match progress::of_session(&list(&session.join("events"))?)? {
            Some(of_session) => transcribed.push(of_session),
            None => segments.extend(untranscribed_gap(&segments, &session_segments)),
        }
        segments.extend(session_segments);
    }
    for (start_ms, end_ms) in progress::missing(&transcribed) {
        segments.push(not_transcribed(start_ms, end_ms));
    }
    for (speaker, chunks) in speakers {
        let audio = out.join("audio");
        std::fs::create_dir_all(&audio).map_err(|e| RecordError::io(&audio, e))?;
        join_speaker(bag, &audio, speaker, &chunks, &mut assembled)?;
    }
    if !segments.is_empty() {
        segments.sort_by_key(|s| (s.start_ms, s.end_ms));
        let vtt = draft_vtt(&segments).into_bytes();
        for (file, bytes) in [("transcript.vtt", vtt), ("transcript.json", draft_json(&segments))] {
            std::fs::write(out.join(file), bytes).map_err(|e| RecordError::io(out.join(file), e))?;
        }
    }
    assembled.segments = segments.len();
    Ok(assembled)
}

/// The time before an interruption that was not transcribed, in records whose events do not say how far the transcript was: from the end of the `earlier` sessions' transcript to the start of
/// the gap that `this` session's note-taker declares.
fn untranscribed_gap(earlier: &[Segment], this: &[Segment]) -> Option<Segment> {
    let from_ms = earlier.iter().map(|segment| segment.end_ms).max()?;
    let gap = this.iter().filter(|segment| segment.speaker.is_empty()).min_by_key(|segment| segment.start_ms)?;
    (gap.start_ms > from_ms).then(|| not_transcribed(from_ms, gap.start_ms))
}

fn not_transcribed(start_ms: u64, end_ms: u64) -> Segment {
    let (speaker, name, text) = (String::new(), String::new(), NOT_TRANSCRIBED.to_owned());
    Segment { start_ms, end_ms, speaker, name, text, language: None, confidence: Vec::new() }
}

fn join_speaker(
    bag: &Path,
    audio: &Path,
    speaker: String,
    chunks: &[PathBuf],
    assembled: &mut Assembled,
) -> Result<(), RecordError> {
    let target = audio.join(format!("{speaker}.opus"));
    let file = File::create(&target).map_err(|e| RecordError::io(&target, e))?;
    // Serial numbers distinguish the streams of a file; there is one.
    let mut joiner = ChunkJoiner::new(BufWriter::new(file), 1);
    let mut joined = 0;
    for path in chunks {
        let bytes = std::fs::read(path).map_err(|e| RecordError::io(path, e))?;
        // An unreadable chunk becomes a warning; a write error is a disk error.
        match read_chunk(&bytes) {
            Ok(chunk) => {
                joiner.chunk(&chunk).map_err(|e| write_failed(&target, e))?;
                joined += 1;
            }
            Err(e) => {
                let path = path.strip_prefix(bag).unwrap_or(path).display();
                assembled.warnings.push(format!("{path}: {e}"));
            }
        }
    }
    if joined == 0 {
        return std::fs::remove_file(&target).map_err(|e| RecordError::io(&target, e));
    }
    let length_ms = joiner.finish().map_err(|e| write_failed(&target, e))?;
    assembled.audio.push(SpeakerAudio { speaker, length_ms, chunks: joined });
    Ok(())
}

fn write_failed(path: &Path, e: OpusError) -> RecordError {
    RecordError::Io { path: path.to_owned(), source: std::io::Error::other(e.to_string()) }
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
