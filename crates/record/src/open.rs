//! Opening a record with a custodian's identity.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use telcon_proto::CallId;

use crate::bag::Check;
use crate::check::{check_record, read_part};
use crate::custodian::CustodianIdentity;
use crate::digest::Digest;
use crate::error::RecordError;
use crate::merge::{SpeakerAudio, merge};
use crate::part;
use crate::tar::Reader;

/// What was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenedRecord {
    /// The call.
    pub call_id: CallId,
    /// Whether the record says of itself that it lacks something; `reason` says what.
    pub partial: bool,
    /// Why it is partial; empty for a complete record.
    pub reason: String,
    /// Sealed parts.
    pub parts: usize,
    /// Payload files in the bag.
    pub files: usize,
    /// Bytes of the payload files.
    pub bytes: u64,
    /// The digest that the log and the signature must name; compare them.
    pub record_digest: Digest,
    /// The seal's signature, not verified here; see [`crate::SignatureVerifier`].
    pub jws: Option<String>,
    /// All elements of `bag-info.txt`, in order.
    pub bag_info: Vec<(String, String)>,
    /// Sound joined per speaker, in `audio/<speaker>.opus`.
    pub audio: Vec<SpeakerAudio>,
    /// Utterances in `transcript.json` and `transcript.vtt`; neither file exists if there are none.
    pub segments: usize,
    /// What is in the bag as it was sealed, but could not be joined.
    pub warnings: Vec<String>,
}

/// Opens the record in `dir` into the new directory `out_dir`: the bag in `out_dir/bag`, and outside the bag, made from
/// it, `out_dir/audio/<speaker>.opus`, `out_dir/transcript.vtt` and `out_dir/transcript.json`.
///
/// First every part is checked against the seal, before anything is decrypted; then the parts are decrypted one after the
/// other, their tar stream extracted (plain files below the bag only, within limits), and the bag validated. All of that
/// happens in a temporary directory next to `out_dir`, readable by this user only, which is renamed when everything was right
/// and removed otherwise. A killed process leaves it there as `.telcon-opening-…`.
///
/// # Errors
/// The first thing that is wrong. `out_dir` does not exist then.
pub fn open_record(dir: &Path, identities: &[CustodianIdentity], out_dir: &Path) -> Result<OpenedRecord, RecordError> {
    if out_dir.symlink_metadata().is_ok() {
        return Err(RecordError::OutExists(out_dir.to_owned()));
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

    let mut check = Check::default();
    let mut reader = Reader::new(&seal.call_id.to_hex());
    for (index, listed) in seal.parts.iter().enumerate() {
        // Read and compared again: the file could have changed since it was checked.
        let sealed = read_part(dir, listed)?;
        let plaintext = part::open(&listed.name, &sealed, identities)?;
        reader.read(&plaintext, index + 1 == seal.parts.len(), |path, bytes| {
            check.file(path, bytes)?;
            write_new(&bag_dir.join(path), bytes)
        })?;
    }
    let bag = check.finish(&seal.call_id.to_hex(), seal.partial)?;
    let merged = merge(&bag_dir, work.path())?;

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
        audio: merged.audio,
        segments: merged.segments,
        warnings: merged.warnings,
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let parent = path.parent().expect("invariant: a file in the bag has a directory");
    let written = std::fs::create_dir_all(parent)
        // Never over a file that is there: a file system that ignores case could take two names for one.
        .and_then(|()| OpenOptions::new().write(true).create_new(true).open(path))
        .and_then(|mut file| file.write_all(bytes));
    written.map_err(|e| RecordError::io(path, e))
}
