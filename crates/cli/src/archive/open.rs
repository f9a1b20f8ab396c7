//! `telcon archive open`: a record as a records officer can use it.

use super::{Auditor, DAMAGED, GAPS, Known, KnownArgs, memoranda::add_memoranda, opening::Opening};
use crate::{
    custodian::identities,
    output::{Printable, say, tell, utc},
    secret::PassphraseArgs,
};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
};
use telcon_client::{audio::mix::mix, endpoint::now_ms};
use telcon_files::EntryKind;
use telcon_record::{
    CustodianIdentity, EVIDENCE_DIR, OpenedRecord, RecordStanding, document::RecordVerdict, open_record_with,
};

/// The sound of all speakers, in the directory of an opened record.
const MIX: &str = "audio/call.opus";

/// The document as pages.
const PDF: &str = "record.pdf";

/// Arguments of `telcon archive open`.
#[derive(Args)]
#[command(
    after_help = "Example: telcon archive open --identity custodian/identity.txt archive/records/0f1e… --out opened\n\
                  The directory has record.html and record.pdf to read, audio/ to hear, record.json for programs, and \
                  evidence/ with what was sealed.\n\
                  Exit codes: 0 intact and complete; 3 intact, with something missing; 1 damaged, not genuine, or not \
                  opened; 2 wrong usage."
)]
pub struct OpenArgs {
    /// File with the custodian's secret key (AGE-SECRET-KEY-PQ-1…), as telcon custodian new writes it.
    #[arg(long)]
    pub identity: PathBuf,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// The record's directory: `records/CALL-DEVICE`, or `records/CALL` if the call has a single record.
    pub record: PathBuf,
    /// Directory to create for the record.
    #[arg(long)]
    pub out: PathBuf,
    #[command(flatten)]
    pub known: KnownArgs,
}

/// `telcon archive open`.
pub fn open(args: &OpenArgs) -> anyhow::Result<ExitCode> {
    let identities = identities(&args.identity, &args.passphrase)?;
    let opened = open_record(&identities, &args.record, &args.out, &args.known.known())?;
    let out = args.out.display();
    let document = &opened.document;
    say!("{}", document.title);
    for time in &document.times {
        say!("  {} {} to {}, {} ({})", time.date, time.from, time.to, time.zone, time.offset);
    }
    match args.out.join(PDF).exists() {
        true => say!("  {out}/record.html  to read; {PDF} to print and file; record.json for programs"),
        false => say!("  {out}/record.html  to read; record.json for programs"),
    }
    for audio in &opened.audio {
        say!("  {out}/{}  {:.1} s from the start of the call", Printable(&audio.file), audio.length_ms as f64 / 1e3);
    }
    if let Some(mix) = &document.mix {
        say!("  {out}/{mix}  everybody in one file");
    }
    if opened.segments == 0 {
        say!("  no transcript");
    }
    say!("  {out}/{EVIDENCE_DIR}  what was sealed: the bag (RFC 8493) of {} parts, and its seal", opened.parts);
    for missing in &document.missing {
        say!("missing: {missing}");
    }
    for warning in &document.warnings {
        say!("note: {warning}");
    }
    say!("{}", document.proof.summary);
    match document.state.verdict {
        RecordVerdict::Complete => {
            say!("{}.", document.state.text);
            Ok(ExitCode::SUCCESS)
        }
        RecordVerdict::Incomplete => {
            say!("{}.", document.state.text);
            Ok(ExitCode::from(GAPS))
        }
        RecordVerdict::NotGenuine => {
            tell!("telcon: {}", document.state.text);
            Ok(ExitCode::from(DAMAGED))
        }
    }
}

/// Opens a record with custodians' keys. If it is in an archive, it is verified against its log.
pub fn open_record(
    identities: &[CustodianIdentity],
    record: &Path,
    out: &Path,
    known: &Known<'_>,
) -> anyhow::Result<OpenedRecord> {
    let record = find(record)?;
    if out.exists() {
        bail!("{} already exists: choose another directory", out.display());
    }
    let auditor = Auditor::around(&record, known, now_ms())?;
    if auditor.is_none() && !known.is_empty() {
        bail!(
            "{} is not in an archive with its log, so --authority, --checkpoint and --witness cannot be verified: open it where \
             it lies in the archive, or leave them out",
            record.display()
        );
    }
    let name = fs::canonicalize(&record)?.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let opening = Opening::watch().context("cannot install a signal handler")?;
    let begun = |work: &Path| opening.begun(work);
    open_record_with(&record, identities, out, begun, |dir, opened| {
        if opened.audio.len() > 1 {
            let voices: Vec<PathBuf> = opened.audio.iter().map(|audio| dir.join(&audio.file)).collect();
            // One damaged file must not withhold the rest.
            match mix(&voices, &dir.join(MIX)) {
                Ok(_) => opened.document.mix = Some(MIX.to_owned()),
                Err(error) => {
                    let _ = fs::remove_file(dir.join(MIX));
                    opened.document.warn(&format!("the speakers could not be mixed into one file: {error}"));
                }
            }
        }
        match &auditor {
            Some(auditor) => {
                let standing = auditor.verify_record(&name, &opened.members);
                prove(opened, auditor, &standing);
                add_memoranda(opened, auditor, &standing.report.memoranda, identities, dir);
            }
            None => unproven(opened),
        }
        if let Err(why) = write_pdf(&dir.join(PDF), || telcon_pdf::record_pdf(&opened.document)) {
            opened.document.warn(&format!("{PDF} could not be made: {why}"));
        }
        Ok(())
    })
}

/// Writes the document as pages. It is also in `record.html`, so that pages which cannot be made must not withhold the record.
fn write_pdf(path: &Path, lay_out: impl FnOnce() -> Vec<u8>) -> Result<(), String> {
    let pdf = catch_unwind(AssertUnwindSafe(lay_out)).map_err(|_| "it cannot be laid out".to_owned())?;
    telcon_files::create_private(path, &pdf).map_err(|error| error.to_string())
}

/// A record outside of an archive: only what it says of itself is known.
fn unproven(opened: &mut OpenedRecord) {
    opened.document.proof.summarize(
        "Not verified against a log: this record was opened outside of an archive. Its parts are those that its seal lists.",
    );
    digest(opened);
}

fn digest(opened: &mut OpenedRecord) {
    let (value, parts) = (opened.record_digest.to_string(), opened.parts);
    let meaning = format!(
        "SHA-256 of the list of its {parts} sealed parts and of its custodians; the log and the signature have the same."
    );
    opened.document.proof.push("Record digest", &value, &meaning);
}

/// Writes what the archive says of the record into its document.
fn prove(opened: &mut OpenedRecord, auditor: &Auditor, standing: &RecordStanding) {
    digest(opened);
    let mut problems: Vec<&str> = standing.report.problems.iter().map(|problem| problem.text.as_str()).collect();
    // The record was read once to open it and once to verify it.
    match standing.record_digest {
        Some(logged) if logged == opened.record_digest => {}
        Some(_) => problems.push("the record in the log is another one than the one that was opened"),
        None if problems.is_empty() => {
            problems.push("the log does not have it yet, as if it had just arrived: open it again in some minutes");
        }
        None => {}
    }
    let office = auditor.office();
    let document = &mut opened.document;
    let proof = &mut document.proof;
    if let Some(index) = standing.sealed_entry {
        let meaning =
            "Position of the record in the office's public log. An entry cannot be changed or removed unnoticed.";
        proof.push("Log entry", &index.to_string(), meaning);
    }
    if let Some(device) = &standing.device {
        proof.push(
            "Signed by",
            &format!("note-taker's device {device}"),
            "Its certificate is in the archive, below devices/.",
        );
    }
    if let Some((at, mode)) = standing.opened {
        proof.push(
            "Opened",
            &format!("{} ({})", utc(at), mode.as_str()),
            "Logged before the call rang, with what was to be kept.",
        );
    }
    if let Some((at, how)) = standing.ended {
        proof.push("Ended", &format!("{} ({})", utc(at), how.as_str()), "According to the log.");
    }
    if let Some(checkpoint) = &standing.report.checkpoint {
        let shown = checkpoint.lines().take(3).collect::<Vec<_>>().join(" · ");
        let meaning = "The log's signed state that this was verified against: its name, its number of entries, the root of its tree.";
        proof.push("Checkpoint", &shown, meaning);
    }
    let authority = telcon_proto::hex(&office.authority_sha256());
    proof.push(
        "Authority",
        &authority,
        "SHA-256 of the office's authority. Compare it with the one that the office gave you.",
    );
    let jws = opened.jws.clone().unwrap_or_default();
    proof.push(
        "Signature",
        &jws,
        "Of the note-taker's device over the record digest (JWS, RFC 7515); also in evidence/seal.json.",
    );
    if problems.is_empty() {
        proof.summarize(
            "Verified: the note-taker signed exactly this record, the log has its digest, and the log is intact.",
        );
        document.confirm();
    } else {
        proof.summarize(&format!("Not verified: {}", problems.join("; ")));
        document.refuse(&problems.join("; "));
    }
}

/// The record's directory, given it or the path `records/CALL` of a call with one record.
fn find(named: &Path) -> anyhow::Result<PathBuf> {
    if named.join("seal.json").exists() {
        return Ok(named.to_owned());
    }
    let call = named.file_name().map(|name| format!("{}-", name.to_string_lossy())).unwrap_or_default();
    // These names were not given by the user, so links among them are not followed.
    let records = named.parent().map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    let beside = records.and_then(|records| telcon_files::list_beneath(records, "").ok()).unwrap_or_default();
    let mut found: Vec<PathBuf> = beside
        .into_iter()
        .filter(|(name, kind)| {
            *kind == EntryKind::Directory && call.len() > 1 && name.to_string_lossy().starts_with(&call)
        })
        .map(|(name, _)| named.with_file_name(name))
        .collect();
    found.sort();
    match &found[..] {
        [] => {
            bail!("{} is not a record: name a directory in `records`; names start with the call's id", named.display())
        }
        [one] => Ok(one.clone()),
        many => {
            let names: Vec<String> = many.iter().map(|path| format!("\n  {}", path.display())).collect();
            bail!("the call has {} records, one per note-taker; open one of:{}", many.len(), names.concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_cannot_be_made_are_an_error_that_withholds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(PDF);
        assert!(write_pdf(&path, || panic!("no such glyph")).unwrap_err().contains("laid out"));
        assert!(!path.exists());
        assert!(write_pdf(&dir.path().join("absent").join(PDF), Vec::new).is_err());
        assert_eq!(write_pdf(&path, || b"%PDF-".to_vec()), Ok(()));
    }
}
