//! The memoranda in an archive: which version was in force when, and the one in force beside an opened record.

use super::Auditor;
use crate::output::{Printable, say, utc};
use anyhow::Context as _;
use std::path::Path;
use telcon_client::papers::Clock;
use telcon_core::document::read_as;
use telcon_papers::{
    Content as _,
    clock::ZoneClock as _,
    memorandum::{Colophon, Memorandum},
    plain::sheet,
};
use telcon_proto::limits::MAX_DOCUMENT_BYTES;
use telcon_record::{CustodianIdentity, InForce, MemorandumReport, OpenedRecord};

/// Longest statement of a version, bytes.
const MAX_STATEMENT_BYTES: u64 = 128 * 1024;

/// `version 3 approved by The President, in force since 2026-12-01 09:15 UTC`.
fn period(in_force: &InForce, is_known: bool) -> String {
    let (version, from) = (in_force.version, utc(in_force.from_ms));
    let when = match in_force.until_ms {
        Some(until) => format!("from {from} to {}", utc(until)),
        None if is_known => format!("since {from}"),
        None => format!("from {from}; until when is not known"),
    };
    format!("version {version} approved by {}, in force {when}", Printable(&in_force.approved_by))
}

/// Says which version of a memorandum was in force when, the newest first.
pub fn print_memorandum(memorandum: &MemorandumReport) {
    let periods: Vec<String> =
        memorandum.in_force.iter().rev().map(|in_force| period(in_force, memorandum.verified)).collect();
    let call = memorandum.call.as_deref().map(|call| format!(" of call {}", Printable(call))).unwrap_or_default();
    match periods.is_empty() {
        true => say!("memorandum{call}: no version was approved ({} are verified)", memorandum.versions.len()),
        false => say!("memorandum{call}: {}", periods.join("; ")),
    }
}

/// Writes the memoranda that are in force beside the record. One that cannot be opened is said to be missing, and withholds nothing.
pub fn add_memoranda(
    opened: &mut OpenedRecord,
    auditor: &Auditor,
    memoranda: &[MemorandumReport],
    identities: &[CustodianIdentity],
    dir: &Path,
) {
    for (number, memorandum) in memoranda.iter().enumerate() {
        let name = if number == 0 { "memorandum".to_owned() } else { format!("memorandum-{}", number + 1) };
        for in_force in &memorandum.in_force {
            let text = period(in_force, memorandum.verified);
            let meaning = "According to signatures and log. The version in force is beside this record.";
            opened.document.proof.push("Memorandum", &text, meaning);
        }
        let Some(in_force) = memorandum.in_force.last().filter(|last| last.until_ms.is_none()) else { continue };
        if let Err(why) = write(auditor, memorandum, in_force.version, identities, (dir, &name)) {
            opened
                .document
                .warn(&format!("version {} of the memorandum could not be opened: {why:#}", in_force.version));
        }
    }
}

fn write(
    auditor: &Auditor,
    memorandum: &MemorandumReport,
    number: u32,
    identities: &[CustodianIdentity],
    (dir, name): (&Path, &str),
) -> anyhow::Result<()> {
    let version = memorandum.versions.iter().find(|version| version.version == number);
    let version = version.context("it is not in the archive")?;
    let path = format!("documents/{}/{number}-{}", memorandum.document, version.statement_sha256);
    // What is read now may be another file than the one that was verified.
    let statement = telcon_files::read_beneath(auditor.dir(), format!("{path}.jws"), MAX_STATEMENT_BYTES)?;
    let signed = auditor.office().verify_version(std::str::from_utf8(&statement)?)?;
    anyhow::ensure!(signed.sha256() == version.statement_sha256, "its statement has changed");
    let sealed = telcon_files::read_beneath(auditor.dir(), path, MAX_DOCUMENT_BYTES as u64)?;
    let content = read_as(identities, &signed, &sealed)?;
    let memo = Memorandum::from_json(&content)?;
    let colophon = Colophon {
        record: memo.call.to_hex(),
        document_version: number,
        state: version.state.as_str().to_owned(),
        digest: telcon_proto::hex(signed.content().content_sha256.as_bytes()),
        log_index: Some(version.log_index),
        checkpoint: String::new(),
    };
    let clock = Clock::of(memo.times.first().map_or("UTC", |time| &time.place.zone));
    let offset_seconds = clock.offset_seconds(i64::try_from(memo.answered_ms)?);
    let sheet = sheet(&memo, &colophon, None, offset_seconds, &|_| None);
    telcon_files::create_private(&dir.join(format!("{name}.json")), &content)?;
    telcon_files::create_private(&dir.join(format!("{name}.pdf")), &telcon_pdf::memorandum_pdf(&sheet, None))?;
    Ok(())
}
