//! Offline verification of an archive: everything logged exists, and everything that exists is logged.
//!
//! ```text
//! archive/log/                        the log, C2SP tlog-tiles
//! archive/records/<call id>-<device>/ records: one per note-taker that recorded some of the call
//! archive/devices/<sha256 hex>.der    device certificates
//! archive/issuers/<sha256 hex>.der    the enrolment certificates that signed them, under the same names
//! ```

mod list;
mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc;

use telcon_log::storage::Reader as _;
use telcon_log::tree::Tree;
use telcon_log::{
    AuditError, Checkpoint, CosignerKey, DiskReader, SignedCheckpoint, TreeReport, VerifierKey, verify_tree_visiting,
};

use crate::digest::{Digest, sha256};
use crate::history::{DeviceEntries, Enrolled, Grace, History};
use crate::report::{ArchiveReport, Problem, ProblemKind, Stray};
use crate::signature::{Devices, SignatureVerifier};
use telcon_files::EntryKind;
use telcon_proto::RecordMode;

pub use list::{CallState, ListedCall, ListedCertificate, ListedRecord, Listing, list_calls, read_bag_info};
pub use records::{RecordStanding, verify_record};

/// Maximum size of a device certificate, bytes: one with a post-quantum key and signature has about 8 kB.
pub const MAX_CERTIFICATE_BYTES: u64 = 64 * 1024;

/// What the auditor knows from sources other than the archive.
#[derive(Debug, Clone)]
pub struct ArchiveOptions {
    /// The log's public key.
    pub log_key: VerifierKey,
    /// Checkpoints seen before. Without any, a rollback or split view cannot be detected.
    pub known_checkpoints: Vec<Checkpoint>,
    /// Witnesses that must have cosigned the checkpoint.
    pub witnesses: Vec<CosignerKey>,
    /// Start of the grace period, milliseconds since the Unix epoch: calls opened since then may still be live, and records of
    /// calls that ended since then may still be pending. 0 excuses every call, `u64::MAX` none.
    pub grace_since_ms: u64,
    /// The auditor's time, milliseconds since the Unix epoch. Later timestamps in the log are problems.
    pub now_ms: u64,
    /// The lowest record mode that the office's charter allows.
    pub floor: RecordMode,
}

/// Entries per batch from verification to collection, and batches in the queue between them.
const ENTRIES_PER_BATCH: usize = 256;
const QUEUED_BATCHES: usize = 16;

/// Tolerated difference between the auditor's clock and the office's, milliseconds.
pub(crate) const MAX_CLOCK_SKEW_MS: u64 = 5 * 60_000;

/// Verifies the archive in `dir` and reports every problem; no problem ends the verification early. It needs no secret and
/// writes nothing.
///
/// * Log: every tile and entry is verified against the signed checkpoint, the known checkpoints and the witnesses. If the log is
///   invalid, its readable entries are still examined; if some are unreadable, nothing is concluded from absent entries.
/// * Calls: each is opened once and ended once, in that order, not in the future, and not below the charter's floor. Each
///   answered call whose mode is not *log only* has a record or a logged reason for having none.
/// * Records: at most one per note-taker. Each logged record exists, is valid ([`crate::check_record`]), and has the logged
///   digest, signature, number of parts and state; its signature verifies and is by a device that may have sealed it
///   ([`telcon_proto::sealing`]). Each record on disk is logged.
/// * Files that belong to no archive, such as those that desktop environments leave, are listed and harm nothing.
/// * Devices: an enrolment creates one device; every certificate is logged, archived, and issued by the office's authority.
///   A revocation counts if the office's authority signed it.
pub fn verify_archive(dir: &Path, verifier: &dyn SignatureVerifier, options: &ArchiveOptions) -> ArchiveReport {
    let mut audit = Audit::begin(dir, verifier, options);
    audit.records(dir, verifier);
    let until_ms = options.now_ms.saturating_add(MAX_CLOCK_SKEW_MS);
    audit.history.check_timestamps(until_ms);
    audit.history.check_floor(options.floor);
    let (gaps, pending) = audit.history.find_gaps(&Grace { since_ms: options.grace_since_ms, until_ms });
    let Audit { history, mut report, .. } = audit;
    report.calls = history.calls.values().filter(|call| call.opened.is_some()).count() as u64;
    (report.gaps, report.pending) = (gaps, pending);
    report.entry_types = history.counts;
    report.problems = history.problems;
    report
}

fn empty_report(options: &ArchiveOptions) -> ArchiveReport {
    ArchiveReport {
        problems: Vec::new(),
        origin: options.log_key.origin().to_owned(),
        entries: 0,
        tiles: 0,
        checkpoint: None,
        checkpoint_time_s: None,
        witnesses: BTreeMap::new(),
        entry_types: BTreeMap::new(),
        calls: 0,
        pending: 0,
        records: 0,
        records_good: 0,
        records_partial: 0,
        partial: Vec::new(),
        record_bytes: 0,
        devices: 0,
        unsigned_revocations: 0,
        gaps: Vec::new(),
        strays: Vec::new(),
    }
}

/// Verifies the log on one thread and collects its entries on another, reading each file once. The history is meaningless if
/// the log does not verify.
fn verify_and_collect(dir: &Path, options: &ArchiveOptions) -> (Result<TreeReport<DiskReader>, AuditError>, History) {
    let mut history = History::default();
    let (sender, batches) = mpsc::sync_channel::<Vec<(u64, Vec<u8>)>>(QUEUED_BATCHES);
    let verified = std::thread::scope(|scope| {
        let verification = scope.spawn(move || {
            let mut batch = Vec::with_capacity(ENTRIES_PER_BATCH);
            let visit = |index, entry: &[u8]| {
                batch.push((index, entry.to_vec()));
                if batch.len() == ENTRIES_PER_BATCH {
                    // The receiver outlives this thread.
                    let _ = sender.send(std::mem::replace(&mut batch, Vec::with_capacity(ENTRIES_PER_BATCH)));
                }
            };
            let verified =
                verify_tree_visiting(DiskReader::new(dir), &options.log_key, &options.known_checkpoints, visit);
            let _ = sender.send(batch);
            verified
        });
        batches.into_iter().flatten().for_each(|(index, entry)| history.add_entry(index, &entry));
        verification.join().expect("invariant: verification does not panic")
    });
    (verified, history)
}

struct Audit {
    history: History,
    report: ArchiveReport,
    devices: Devices,
    /// The directory of the record being verified.
    record: Option<String>,
    /// The devices that were in its call, if a custodian has opened it.
    members: Option<BTreeSet<String>>,
}

impl Audit {
    /// Verifies log and certificates.
    fn begin(dir: &Path, verifier: &dyn SignatureVerifier, options: &ArchiveOptions) -> Self {
        let (history, report) = (History::default(), empty_report(options));
        let mut audit = Self { history, report, devices: Devices::default(), record: None, members: None };
        audit.log(&dir.join("log"), options);
        audit.revocations(dir, verifier);
        audit.certificates(dir, verifier);
        audit
    }

    fn problem(&mut self, kind: ProblemKind, call: Option<&str>, text: impl ToString) {
        let (call, record) = (call.map(str::to_owned), self.record.clone());
        self.history.problems.push(Problem { kind, call, record, text: text.to_string() });
    }

    fn log(&mut self, dir: &Path, options: &ArchiveOptions) {
        let (verified, history) = verify_and_collect(dir, options);
        let tree = match verified {
            Ok(tree) => tree,
            Err(e) => {
                self.problem(ProblemKind::Log, None, format!("the log is invalid, so no entry is proven: {e}"));
                return self.unproven_entries(dir, &options.log_key);
            }
        };
        self.history = history;
        let checkpoint = tree.checkpoint();
        (self.report.entries, self.report.tiles) = (checkpoint.size(), tree.tiles());
        self.checkpoint(checkpoint, &options.witnesses);
    }

    fn checkpoint(&mut self, checkpoint: &SignedCheckpoint, witnesses: &[CosignerKey]) {
        self.report.checkpoint = Some(checkpoint.note().to_owned());
        self.report.checkpoint_time_s = checkpoint.time_s();
        for witness in witnesses {
            match witness.verify(checkpoint) {
                Ok(time_s) => drop(self.report.witnesses.insert(witness.name().to_owned(), time_s)),
                Err(e) => self.problem(ProblemKind::Log, None, format!("not cosigned by {}: {e}", witness.name())),
            }
        }
    }

    /// Examines the entries of an invalid log: the problems found in them show the extent of the damage.
    fn unproven_entries(&mut self, dir: &Path, key: &VerifierKey) {
        self.history.incomplete = true;
        let note = DiskReader::new(dir).read(telcon_log::tile::CHECKPOINT_PATH).ok().flatten();
        let Some(note) = note.and_then(|note| String::from_utf8(note).ok()) else { return };
        let Ok(size) = key.open(&note).map(|checkpoint| checkpoint.size()) else {
            return;
        };
        let tree = Tree::new(DiskReader::new(dir), size);
        let Ok(entries) = tree.entries(0..size) else {
            return;
        };
        for entry in entries {
            match entry {
                Ok((index, bytes)) => self.history.add_entry(index, &bytes),
                // The error would repeat for every entry of the bundle, and the first problem reports it.
                Err(_) => return,
            }
        }
        self.history.incomplete = false;
    }

    fn certificates(&mut self, archive: &Path, verifier: &dyn SignatureVerifier) {
        let certificate = |path: String| telcon_files::read_beneath(archive, path, MAX_CERTIFICATE_BYTES);
        for (name, _) in self.list(archive, "devices") {
            let path = format!("devices/{name}");
            let Some(digest) = name.strip_suffix(".der").and_then(|stem| stem.parse::<Digest>().ok()) else {
                self.report.strays.push(Stray { path });
                continue;
            };
            match certificate(path.clone()) {
                Ok(bytes) if sha256(&bytes) == digest => self.devices.insert(digest, bytes),
                Ok(_) => self.problem(ProblemKind::Device, None, format!("{path} is not named after its SHA-256")),
                Err(e) => self.problem(ProblemKind::Device, None, format!("{path} cannot be read: {e}")),
            }
        }
        let enrolled = |(id, entries): (&String, &DeviceEntries)| -> Vec<(String, Enrolled)> {
            entries.enrolled.iter().map(|enrolled| (id.clone(), *enrolled)).collect()
        };
        let logged: Vec<(String, Enrolled)> = self.history.devices.iter().flat_map(enrolled).collect();
        for (device, Enrolled { index, time_ms, cert_sha256 }) in &logged {
            let issuer = certificate(format!("issuers/{cert_sha256}.der")).ok();
            let flaw = match (self.devices.certificate(cert_sha256), issuer) {
                (None, _) => Some("is missing".to_owned()),
                (_, None) => Some("cannot be verified: the enrolment certificate that signed it is missing".to_owned()),
                (Some(der), Some(issuer)) => match verifier.verify_enrolment(der, &issuer, *time_ms) {
                    Ok(found) if found.device != *device => {
                        Some(format!("belongs to another device, {}", found.device))
                    }
                    Ok(found) => found.registrar.and_then(|by| self.registrar_flaw(&by, &sha256(&issuer), *index)),
                    Err(why) => Some(format!("was not issued by the office: {why}")),
                },
            };
            match flaw {
                None => self.report.devices += 1,
                Some(flaw) => {
                    let text = format!("the certificate of {device} ({cert_sha256}) {flaw}");
                    self.problem(ProblemKind::Device, None, text);
                }
            }
        }
        if self.history.incomplete {
            return;
        }
        let of_none = |digest: &Digest| !logged.iter().any(|(_, enrolled)| enrolled.cert_sha256 == *digest);
        let unlogged: Vec<Digest> = self.devices.certificates().map(|(digest, _)| *digest).filter(of_none).collect();
        for digest in unlogged {
            self.problem(
                ProblemKind::Device,
                None,
                format!("the certificate {digest} belongs to no device in the log"),
            );
        }
    }

    /// Why a registrar could not enrol a device in the entry `index`, with the certificate of this digest.
    fn registrar_flaw(&self, by: &str, cert_sha256: &Digest, index: u64) -> Option<String> {
        let known = self.history.devices.get(by);
        let appointed = known.is_some_and(|known| {
            known.appointed.iter().any(|appointed| appointed.index < index && appointed.cert_sha256 == *cert_sha256)
        });
        let revoked = known.and_then(|known| known.revoked).is_some_and(|revoked| revoked < index);
        match (appointed, revoked) {
            (false, _) => Some(format!("was issued by {by}, which was not appointed as a registrar before")),
            (true, true) => Some(format!("was issued by the registrar {by}, which was revoked before")),
            (true, false) => None,
        }
    }

    /// Decides which revocations count: a server alone cannot disown a device's records. An entry of the first version has no
    /// statement and is ignored; one with a false statement is a problem.
    fn revocations(&mut self, archive: &Path, verifier: &dyn SignatureVerifier) {
        let mut problems = Vec::new();
        // In the order of the log, so that a registrar that was revoked revokes nobody afterwards.
        let stated = self.history.devices.iter();
        let stated = stated
            .flat_map(|(device, known)| known.stated.iter().map(|one| (one.index, device.clone(), one.jws.clone())));
        let mut stated: Vec<(u64, String, Option<String>)> = stated.collect();
        stated.sort();
        for (index, device, jws) in stated {
            let Some(jws) = jws else {
                self.report.unsigned_revocations += 1;
                continue;
            };
            match self.revoked_by(archive, verifier, &jws, index) {
                Ok(revoked) if revoked == device => {
                    if let Some(known) = self.history.devices.get_mut(&device) {
                        known.revoked.get_or_insert(index);
                    }
                }
                Ok(other) => problems.push(format!("entry {index}: the statement is about another device, {other}")),
                Err(why) => problems
                    .push(format!("entry {index}: {device} was not revoked by the authority or a registrar: {why}")),
            }
        }
        problems.into_iter().for_each(|text| self.problem(ProblemKind::Device, None, text));
    }

    /// The device that a statement revokes, by somebody who could at that entry.
    fn revoked_by(
        &self,
        archive: &Path,
        verifier: &dyn SignatureVerifier,
        jws: &str,
        index: u64,
    ) -> Result<String, String> {
        let Some(by) = verifier.claimed_revoker(jws) else { return verifier.verify_revocation(jws, None) };
        let appointed = self.history.devices.get(&by).map(|known| known.appointed.as_slice()).unwrap_or_default();
        let Some(appointed) = appointed.iter().rfind(|appointed| appointed.index < index) else {
            return Err(format!("{by} was not appointed as a registrar before"));
        };
        let path = format!("issuers/{}.der", appointed.cert_sha256);
        let der = telcon_files::read_beneath(archive, path, MAX_CERTIFICATE_BYTES)
            .map_err(|error| format!("the certificate of the registrar {by} cannot be read: {error}"))?;
        match self.registrar_flaw(&by, &sha256(&der), index) {
            Some(flaw) => Err(flaw),
            None => verifier.verify_revocation(jws, Some(&der)),
        }
    }

    /// The entries of a directory of the archive, sorted; a missing directory counts as empty.
    fn list(&mut self, archive: &Path, dir: &str) -> Vec<(String, EntryKind)> {
        match telcon_files::list_beneath(archive, dir) {
            Ok(found) => found.into_iter().map(|(name, kind)| (name.to_string_lossy().into_owned(), kind)).collect(),
            Err(e) if e.is_not_found() => Vec::new(),
            Err(e) => {
                self.problem(ProblemKind::Io, None, format!("{dir}: {e}"));
                Vec::new()
            }
        }
    }
}
