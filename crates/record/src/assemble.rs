//! Writes what people use of an opened record: sound files named after their speakers, the transcript, the document.
//!
//! Invalid content is not an error: the bag is what was sealed, and one damaged chunk must not withhold the rest from a
//! custodian. What cannot be assembled becomes a warning.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::contents::Contents;
use crate::error::RecordError;
use crate::file_name::FileNames;
use crate::opus::{ChunkJoiner, OpusError, read_chunk};
use crate::transcript::{draft_json, draft_vtt};

/// One speaker's audio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpeakerAudio {
    /// The speaker's device id, as in the bag's paths.
    pub speaker: String,
    /// The file, relative to the directory of the opened record: `audio/prime-minister.opus`.
    pub file: String,
    /// Duration from the start of the call, milliseconds.
    pub length_ms: u64,
    /// Number of chunks.
    pub chunks: usize,
}

/// Joins the sound of `bag` into `out/audio`, one file per speaking device, named after the person.
pub(crate) fn write_audio(bag: &Path, out: &Path, contents: &mut Contents) -> Result<Vec<SpeakerAudio>, RecordError> {
    let (mut names, mut written) = (FileNames::default(), Vec::new());
    for (speaker, chunks) in std::mem::take(&mut contents.audio) {
        let dir = out.join("audio");
        std::fs::create_dir_all(&dir).map_err(|e| RecordError::io(&dir, e))?;
        let file = format!("audio/{}.opus", names.after(contents.name_of(&speaker).unwrap_or(&speaker)));
        let joined = join_speaker(bag, &out.join(&file), &chunks, &mut contents.warnings)?;
        if let Some((length_ms, joined)) = joined {
            written.push(SpeakerAudio { speaker: speaker.clone(), file, length_ms, chunks: joined });
        }
        contents.audio.insert(speaker, chunks);
    }
    Ok(written)
}

/// Writes `transcript.vtt` and `transcript.json`, if there is a transcript.
pub(crate) fn write_transcript(out: &Path, contents: &Contents) -> Result<(), RecordError> {
    if contents.segments.is_empty() {
        return Ok(());
    }
    let vtt = draft_vtt(&contents.segments).into_bytes();
    for (file, bytes) in [("transcript.vtt", vtt), ("transcript.json", draft_json(&contents.segments))] {
        std::fs::write(out.join(file), bytes).map_err(|e| RecordError::io(out.join(file), e))?;
    }
    Ok(())
}

/// The sound files by device.
pub(crate) fn by_device(audio: &[SpeakerAudio]) -> BTreeMap<String, String> {
    audio.iter().map(|one| (one.speaker.clone(), one.file.clone())).collect()
}

/// Duration and number of chunks; none if no chunk could be read.
fn join_speaker(
    bag: &Path,
    target: &Path,
    chunks: &[PathBuf],
    warnings: &mut Vec<String>,
) -> Result<Option<(u64, usize)>, RecordError> {
    let file = File::create_new(target).map_err(|e| RecordError::io(target, e))?;
    // Serial numbers distinguish the streams of a file; there is one.
    let mut joiner = ChunkJoiner::new(BufWriter::new(file), 1);
    let mut joined = 0;
    for path in chunks {
        let bytes = std::fs::read(path).map_err(|e| RecordError::io(path, e))?;
        // An unreadable chunk becomes a warning; a write error is a disk error.
        match read_chunk(&bytes) {
            Ok(chunk) => {
                joiner.chunk(&chunk).map_err(|e| write_failed(target, e))?;
                joined += 1;
            }
            Err(e) => {
                let path = path.strip_prefix(bag).unwrap_or(path).display();
                warnings.push(format!("{path}: {e}"));
            }
        }
    }
    if joined == 0 {
        std::fs::remove_file(target).map_err(|e| RecordError::io(target, e))?;
        return Ok(None);
    }
    let length_ms = joiner.finish().map_err(|e| write_failed(target, e))?;
    Ok(Some((length_ms, joined)))
}

fn write_failed(path: &Path, e: OpusError) -> RecordError {
    RecordError::Io { path: path.to_owned(), source: std::io::Error::other(e.to_string()) }
}
