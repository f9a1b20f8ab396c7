//! Opening a record with custodians' identities.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use telcon_proto::CallId;

use crate::assemble::{SpeakerAudio, by_device, create_file, create_parents, write_audio, write_transcript};
use crate::bag::BagValidator;
use crate::check::{check_record, read_part};
use crate::contents::Contents;
use crate::custodian::CustodianIdentity;
use crate::digest::Digest;
use crate::document::{Facts, RecordDocument, build};
use crate::error::RecordError;
use crate::part;
use crate::seal::{SEAL_FILE, Seal};
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
    /// One audio file per speaking device.
    pub audio: Vec<SpeakerAudio>,
    /// Number of segments in `transcript.json` and `transcript.vtt`; with none, neither file is written.
    pub segments: usize,
    /// Content of the bag that could not be assembled, with reasons. The bag itself is unchanged.
    pub warnings: Vec<String>,
    /// The devices that were in the call, by the groups that the note-taker wrote down; empty in records without them.
    pub members: Vec<String>,
    /// The record in words. Its proof is empty until the caller, who has the archive, fills it in.
    pub document: RecordDocument,
}

/// Where an opened record has what was sealed.
pub const EVIDENCE_DIR: &str = "evidence";

/// Opens the record in `dir` into the new directory `out_dir`.
///
/// ```text
/// record.html, record.json        the document: who, when, what was said, what is missing, the proof
/// audio/<name>.opus               one file per speaking device, named after the person
/// transcript.vtt, transcript.json the transcript, where there is one
/// evidence/bag/                   the bag (RFC 8493), as it was sealed
/// evidence/seal.json              the seal
/// ```
///
/// Every part is checked against the seal before anything is decrypted. Then the parts are decrypted in order, the tar stream
/// is extracted (regular files inside the bag only, within limits) and the bag is validated. All of this happens in a
/// temporary directory beside `out_dir`, which is renamed on success and removed on failure. A killed process leaves it behind as
/// `.telcon-opening-…`. It and everything in it is accessible to this user only, before and afterwards.
///
/// # Errors
/// The first problem found. `out_dir` is not created then.
pub fn open_record(dir: &Path, identities: &[CustodianIdentity], out_dir: &Path) -> Result<OpenedRecord, RecordError> {
    open_record_with(dir, identities, out_dir, |_| {}, |_, _| Ok(()))
}

/// As [`open_record`]. `begun` is called with the temporary directory once there is one, so that a process that is told to stop can
/// take it away: what is still to be written then fails. `complete` is called with the same directory before it gets its name and
/// before the document is written, and can add files and the proof.
///
/// # Errors
/// Those of [`open_record`] and of `complete`.
pub fn open_record_with<E: From<RecordError>>(
    dir: &Path,
    identities: &[CustodianIdentity],
    out_dir: &Path,
    begun: impl FnOnce(&Path),
    complete: impl FnOnce(&Path, &mut OpenedRecord) -> Result<(), E>,
) -> Result<OpenedRecord, E> {
    if out_dir.symlink_metadata().is_ok() {
        return Err(RecordError::OutputExists(out_dir.to_owned()).into());
    }
    let parent = match out_dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let seal = check_record(dir)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".telcon-opening-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let work = builder.tempdir_in(parent).map_err(|e| RecordError::io(parent, e))?;
    begun(work.path());
    let mut opened = extract(dir, &seal, identities, work.path())?;
    complete(work.path(), &mut opened)?;
    write_new(work.path(), &work.path().join("record.html"), opened.document.to_html().as_bytes())?;
    write_new(work.path(), &work.path().join("record.json"), &opened.document.to_json())?;
    let done = work.keep();
    std::fs::rename(&done, out_dir).map_err(|e| {
        let _ = std::fs::remove_dir_all(&done);
        RecordError::io(out_dir, e)
    })?;
    Ok(opened)
}

/// Decrypts and validates the bag, and assembles what people use of it, all below `work`.
fn extract(
    dir: &Path,
    seal: &Seal,
    identities: &[CustodianIdentity],
    work: &Path,
) -> Result<OpenedRecord, RecordError> {
    let evidence = work.join(EVIDENCE_DIR);
    let bag_dir = evidence.join("bag");
    let call = seal.call_id.to_hex();
    let mut validator = BagValidator::default();
    let mut reader = TarReader::new(&call);
    for (index, listed) in seal.parts.iter().enumerate() {
        // Read and compared again: the file can have changed since the check.
        let sealed = read_part(dir, listed)?;
        let plaintext = part::open(&listed.name, &sealed, identities)?;
        reader.read(&plaintext, index + 1 == seal.parts.len(), |path, bytes| {
            validator.add_file(path, bytes)?;
            write_new(work, &bag_dir.join(path), bytes)
        })?;
    }
    let bag = validator.finish(&call, seal.partial)?;
    write_new(work, &evidence.join(SEAL_FILE), &seal.to_json())?;
    let mut contents = Contents::read(&bag_dir)?;
    let audio = write_audio(&bag_dir, work, &mut contents)?;
    write_transcript(work, &contents)?;
    let reason = bag.info.iter().find(|(label, _)| label == "Telcon-Reason").map(|(_, value)| value.clone());
    let reason = reason.unwrap_or_default();
    let files = by_device(&audio);
    let facts = Facts { call: &call, partial: seal.partial, reason: &reason, bag_info: &bag.info, audio: &files };
    Ok(OpenedRecord {
        document: build(&contents, &facts),
        members: contents.members(),
        call_id: seal.call_id,
        partial: seal.partial,
        reason,
        parts: seal.parts.len(),
        files: bag.files,
        bytes: bag.bytes,
        record_digest: seal.record_digest,
        jws: seal.jws.clone(),
        bag_info: bag.info,
        audio,
        segments: contents.segments.len(),
        warnings: contents.warnings,
    })
}

/// Writes a file below `work`.
fn write_new(work: &Path, path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let written =
        create_parents(work, path).and_then(|()| create_file(path)).and_then(|mut file| file.write_all(bytes));
    written.map_err(|e| RecordError::io(path, e))
}
