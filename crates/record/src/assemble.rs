//! Writes what people use of an opened record: sound files named after their speakers, the transcript, the document.
//!
//! Invalid content is not an error: the bag is what was sealed, and one damaged chunk must not withhold the rest from a
//! custodian. What cannot be assembled becomes a warning.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
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

/// Creates a file that must not exist, for this user only: what it will have was sealed. Never overwrites: a case-insensitive file
/// system can map two names to one file.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates the directories of `path` below `root`, for this user only. `root` has to exist: once it was taken away, nothing is
/// created in its place.
pub(crate) fn create_parents(root: &Path, path: &Path) -> io::Result<()> {
    let below = path.parent().and_then(|parent| parent.strip_prefix(root).ok());
    let mut dir = root.to_owned();
    for name in below.expect("invariant: the file is below the root").components() {
        dir.push(name);
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// Joins the sound of `bag` into `out/audio`, one file per speaking device, named after the person.
pub(crate) fn write_audio(bag: &Path, out: &Path, contents: &mut Contents) -> Result<Vec<SpeakerAudio>, RecordError> {
    let (mut names, mut written) = (FileNames::default(), Vec::new());
    for (speaker, chunks) in std::mem::take(&mut contents.audio) {
        let file = format!("audio/{}.opus", names.after(contents.name_of(&speaker).unwrap_or(&speaker)));
        let target = out.join(&file);
        create_parents(out, &target).map_err(|e| RecordError::io(&target, e))?;
        let joined = join_speaker(bag, &target, &chunks, &mut contents.warnings)?;
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
        let written = create_file(&out.join(file)).and_then(|mut created| created.write_all(&bytes));
        written.map_err(|e| RecordError::io(out.join(file), e))?;
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
    let file = create_file(target).map_err(|e| RecordError::io(target, e))?;
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
