//! Opening a record with custodians' identities.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use telcon_proto::CallId;

use crate::assemble::{SpeakerAudio, assemble};
use crate::bag::BagValidator;
use crate::check::{check_record, read_part};
use crate::custodian::CustodianIdentity;
use crate::digest::Digest;
use crate::error::RecordError;
use crate::part;
use crate::tar::TarReader;

/// A summary of an opened record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenedRecord {
    /// The call.
    pub call_id: CallId,
    /// Whether the note-taker declared the record incomplete; `reason` says why.
    pub partial: bool,
    /// Why it is partial; empty for a complete record.
    pub reason: String,
    /// Number of sealed parts.
    pub parts: usize,
    /// Number of payload files in the bag.
    pub files: usize,
    /// Total size of the payload files, bytes.
    pub bytes: u64,
    /// The digest that log entry and signature must cover; the caller compares them.
    pub record_digest: Digest,
    /// The seal's signature, not verified here; see [`crate::SignatureVerifier`].
    pub jws: Option<String>,
    /// All elements of `bag-info.txt`, in order.
    pub bag_info: Vec<(String, String)>,
    /// One audio file per speaker, in `audio/<speaker>.opus`.
    pub audio: Vec<SpeakerAudio>,
    /// Number of segments in `transcript.json` and `transcript.vtt`; with none, neither file is written.
    pub segments: usize,
    /// Content of the bag that could not be assembled, with reasons. The bag itself is unchanged.
    pub warnings: Vec<String>,
}

/// Opens the record in `dir` into the new directory `out_dir`: the bag in `out_dir/bag`, and derived from it
/// `out_dir/audio/<speaker>.opus`, `out_dir/transcript.vtt` and `out_dir/transcript.json`.
///
/// Every part is checked against the seal before anything is decrypted. Then the parts are decrypted in order, the tar stream
/// is extracted (regular files inside the bag only, within limits) and the bag is validated. All of this happens in a
/// temporary directory beside `out_dir`, accessible to this user only, which is renamed on success and removed on failure. A
/// killed process leaves it behind as `.telcon-opening-…`.
///
/// # Errors
/// The first problem found. `out_dir` is not created then.
pub fn open_record(dir: &Path, identities: &[CustodianIdentity], out_dir: &Path) -> Result<OpenedRecord, RecordError> {
    if out_dir.symlink_metadata().is_ok() {
        return Err(RecordError::OutputExists(out_dir.to_owned()));
    }
    let seal = check_record(dir)?;
    let parent = match out_dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let work = tempfile::Builder::new()
        .prefix(".telcon-opening-")
        .tempdir_in(parent)
        .map_err(|e| RecordError::io(parent, e))?;
    let bag_dir = work.path().join("bag");

    let mut validator = BagValidator::default();
    let mut reader = TarReader::new(&seal.call_id.to_hex());
    for (index, listed) in seal.parts.iter().enumerate() {
        // Read and compared again: the file can have changed since the check.
        let sealed = read_part(dir, listed)?;
        let plaintext = part::open(&listed.name, &sealed, identities)?;
        reader.read(&plaintext, index + 1 == seal.parts.len(), |path, bytes| {
            validator.add_file(path, bytes)?;
            write_new(&bag_dir.join(path), bytes)
        })?;
    }
    let bag = validator.finish(&seal.call_id.to_hex(), seal.partial)?;
    let assembled = assemble(&bag_dir, work.path())?;

    let done = work.keep();
    std::fs::rename(&done, out_dir).map_err(|e| {
        let _ = std::fs::remove_dir_all(&done);
        RecordError::io(out_dir, e)
    })?;
    let reason = bag.info.iter().find(|(label, _)| label == "Telcon-Reason").map(|(_, value)| value.clone());
    Ok(OpenedRecord {
        call_id: seal.call_id,
        partial: seal.partial,
        reason: reason.unwrap_or_default(),
        parts: seal.parts.len(),
        files: bag.files,
        bytes: bag.bytes,
        record_digest: seal.record_digest,
        jws: seal.jws,
        bag_info: bag.info,
        audio: assembled.audio,
        segments: assembled.segments,
        warnings: assembled.warnings,
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let parent = path.parent().expect("invariant: a file in the bag has a directory");
    let written = std::fs::create_dir_all(parent)
        // Never overwrites: a case-insensitive file system can map two names to one file.
        .and_then(|()| OpenOptions::new().write(true).create_new(true).open(path))
        .and_then(|mut file| file.write_all(bytes));
    written.map_err(|e| RecordError::io(path, e))
}
