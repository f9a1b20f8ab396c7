//! The calls in an archive, from its log: what can be said of them without a custodian's key.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use telcon_proto::{Ended, RecordMode};

use super::{ArchiveOptions, Audit, MAX_CLOCK_SKEW_MS};
use crate::custodian::CustodianIdentity;
use crate::digest::Digest;
use crate::error::RecordError;
use crate::history::{Grace, SealEntry, Standing};
use crate::path::record_directory;
use crate::report::ArchiveReport;
use crate::signature::SignatureVerifier;
use crate::{bag, check, part, seal, tar::TarReader};

/// The calls of an archive.
#[derive(Debug)]
pub struct Listing {
    /// The verification of log and certificates. The records were not read.
    pub report: ArchiveReport,
    /// In the order in which they were opened.
    pub calls: Vec<ListedCall>,
    /// Certificates of the devices that opened calls, by device id.
    pub certificates: BTreeMap<String, ListedCertificate>,
}

/// A call according to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCall {
    /// Its id.
    pub call: String,
    /// When it was opened, milliseconds since the Unix epoch.
    pub opened_ms: u64,
    /// When it ended and how, if it has.
    pub ended: Option<(u64, Ended)>,
    /// When it was answered, if the log says so.
    pub answered_ms: Option<u64>,
    /// What was to be kept of it.
    pub mode: RecordMode,
    /// Its caller's devices.
    pub callers: Vec<String>,
    /// Its records.
    pub records: Vec<ListedRecord>,
    /// The logged reason for having no record.
    pub missing: Option<String>,
    /// The state of its record.
    pub state: CallState,
}

/// A record according to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRecord {
    /// Its directory below `records`.
    pub name: String,
    /// Whether its note-taker declared it partial.
    pub partial: bool,
    /// Whether the directory exists.
    pub exists: bool,
    /// The record's digest.
    pub record_digest: Digest,
}

/// The state of a call's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// There is a record without gaps.
    Recorded,
    /// All of its records are partial.
    Incomplete,
    /// It should have a record and has none.
    Missing,
    /// It was opened, and its end is not in the log.
    NeverEnded,
    /// A logged record is not in the archive.
    Lost,
    /// It was not answered, so there is nothing to record.
    NotAnswered,
    /// Only that it took place was to be kept.
    LogOnly,
    /// It may still be live, or its record on the way.
    Pending,
}

/// What names the person of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCertificate {
    /// DER: the device's certificate, and what signed it; twice if two registrars certified it.
    pub chain: Vec<Vec<u8>>,
    /// When the device was enrolled, milliseconds since the Unix epoch.
    pub enrolled_ms: u64,
}

/// Lists the calls of the archive in `dir`. Verifies its log and certificates, and no record.
pub fn list_calls(dir: &Path, verifier: &dyn SignatureVerifier, options: &ArchiveOptions) -> Listing {
    let mut audit = Audit::begin(dir, verifier, options);
    let on_disk: Vec<String> = audit.list(dir, super::records::RECORDS_DIR).into_iter().map(|(name, _)| name).collect();
    let exists = |name: &String| on_disk.binary_search(name).is_ok();
    let until_ms = options.now_ms.saturating_add(MAX_CLOCK_SKEW_MS);
    let grace = Grace { since_ms: options.grace_since_ms, until_ms };
    let mut calls = Vec::new();
    for (call, entries) in &audit.history.calls {
        let (Some((opened_ms, mode)), Some(standing)) = (entries.opened, entries.standing(&grace)) else { continue };
        let record = |seal: &SealEntry| {
            let name = record_directory(call, seal.device.as_deref());
            ListedRecord { exists: exists(&name), partial: seal.partial, record_digest: seal.record_digest, name }
        };
        let records: Vec<ListedRecord> = entries.seals.iter().map(record).collect();
        let state = match standing {
            _ if records.iter().any(|record| !record.exists) => CallState::Lost,
            Standing::Recorded if records.iter().any(|record| !record.partial) => CallState::Recorded,
            Standing::Recorded => CallState::Incomplete,
            Standing::NotAnswered => CallState::NotAnswered,
            Standing::LogOnly => CallState::LogOnly,
            Standing::Pending => CallState::Pending,
            Standing::Missing(_) => CallState::Missing,
            Standing::NeverEnded => CallState::NeverEnded,
        };
        calls.push(ListedCall {
            call: call.clone(),
            opened_ms,
            ended: entries.ended,
            answered_ms: entries.answered_ms,
            mode,
            callers: entries.callers.clone(),
            records,
            missing: entries.missing.clone(),
            state,
        });
    }
    calls.sort_by(|a, b| (a.opened_ms, &a.call).cmp(&(b.opened_ms, &b.call)));
    let certificates = certificates(&audit, dir, &calls);
    let Audit { history, mut report, .. } = audit;
    report.problems = history.into_problems();
    Listing { report, calls, certificates }
}

fn certificates(audit: &Audit, dir: &Path, calls: &[ListedCall]) -> BTreeMap<String, ListedCertificate> {
    let mut found = BTreeMap::new();
    for device in calls.iter().flat_map(|call| &call.callers) {
        let enrolled = audit.history.devices.get(device).and_then(|known| known.enrolled.first());
        let Some(enrolled) = enrolled.filter(|_| !found.contains_key(device)) else { continue };
        if let Ok(chain) = audit.chain(dir, enrolled) {
            found.insert(device.clone(), ListedCertificate { chain, enrolled_ms: enrolled.time_ms });
        }
    }
    found
}

/// The elements of `bag-info.txt` of a record in the archive `dir`: its parties, when it was answered, why it
/// is partial. Only the last part is decrypted, in memory.
///
/// # Errors
/// Those of reading and decrypting that part; if the directory has another record than the log says.
pub fn read_bag_info(
    dir: &Path,
    record: &ListedRecord,
    identities: &[CustodianIdentity],
) -> Result<Vec<(String, String)>, RecordError> {
    let place = Path::new(super::records::RECORDS_DIR).join(&record.name);
    let seal = seal::load_in(dir, &place)?;
    if seal.record_digest != record.record_digest {
        return Err(RecordError::Seal("it is of another record than the log says".into()));
    }
    let last = seal.parts.last().ok_or_else(|| RecordError::Seal("it lists no parts".into()))?;
    let sealed = check::read_part_in(dir, &place, last)?;
    let plaintext = part::open(&last.name, &sealed, identities)?;
    let mut info = None;
    TarReader::new(&seal.call_id.to_hex()).read(&plaintext, true, |path, bytes| {
        if path == bag::BAG_INFO {
            info = Some(String::from_utf8_lossy(bytes).into_owned());
        }
        Ok(())
    })?;
    let text = info.ok_or_else(|| RecordError::Bag(format!("{} is not in the last part", bag::BAG_INFO)))?;
    Ok(text.lines().filter_map(|line| line.split_once(": ")).map(|(a, b)| (a.to_owned(), b.to_owned())).collect())
}
