//! Offline verification of an archive: everything logged exists, and everything that exists is logged.
//!
//! ```text
//! archive/log/                        the log, C2SP tlog-tiles
//! archive/records/<call id>-<device>/ records: one per note-taker that recorded some of the call
//! archive/lines/<sha256 hex>.age      sealed forms of lines' versions, which custodians open
//! archive/documents/<document>/       statements and sealed files of the versions of documents
//! archive/devices/<sha256 hex>.der    device certificates; two of a device that two registrars certified
//! archive/issuers/<sha256 hex>.der    what signed them, under the same names; registrars' certificates, under their own SHA-256
//! ```

mod documents;
mod lines;
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
use crate::history::{DeviceEntries, Enrolled, Grace, History, RecoveryStatement, RecoveryStatements, Revocation};
use crate::report::{ArchiveReport, Problem, ProblemKind, Stray};
use crate::signature::{Devices, SignatureVerifier};
use telcon_files::{EntryKind, FileError};
use telcon_proto::{RecordMode, Role};

pub use lines::{LineEntries, LineFlaw, LineListing, LoggedLineVersion, LoggedOffer, list_lines, open_line};
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
/// Size from which a batch is not added to, bytes: entries have up to 64 kB each.
const BATCH_BYTES: usize = 1 << 20;
/// The archive's directory of devices' certificates.
const DEVICES_DIR: &str = "devices";
/// The archive's list of records that the log may not have yet. The server adds to it before it moves a record into the archive.
const PENDING_DIR: &str = ".pending";

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
/// * Documents: of each version in the log, statement and sealed file are in the archive as they were signed, by a device that may, over
///   the version before.
/// * The archive may be in use: what the server had not logged yet when the verification began is counted as arriving.
/// * Lines: the sealed form of each version is there, and is the one that was logged; where the charter names custodians, each version
///   has one.
/// * Files that belong to no archive, such as those that desktop environments leave, are listed and harm nothing.
/// * Devices: an enrolment creates one device; every certificate is logged, archived, and issued by the office's authority, or by
///   as many registrars as the charter demands, appointed before and not revoked. A revocation counts if the office's authority signed it.
pub fn verify_archive(dir: &Path, verifier: &dyn SignatureVerifier, options: &ArchiveOptions) -> ArchiveReport {
    let mut audit = Audit::begin(dir, verifier, options);
    audit.records(dir, verifier);
    audit.sealed_lines(dir, verifier);
    audit.documents(dir, verifier, None);
    let until_ms = options.now_ms.saturating_add(MAX_CLOCK_SKEW_MS);
    audit.history.check_timestamps(until_ms);
    audit.history.check_floor(options.floor);
    let (gaps, pending) = audit.history.find_gaps(&audit.grace);
    let Audit { mut history, mut report, .. } = audit;
    report.calls = history.calls.values().filter(|call| call.opened.is_some()).count() as u64;
    (report.gaps, report.pending) = (gaps, pending);
    report.entry_types = std::mem::take(&mut history.counts);
    report.alerts = std::mem::take(&mut history.alerts);
    report.problems = history.into_problems();
    report
}

/// What the dates of a checkpoint and of its cosignatures claim that cannot be: they are in the future by more than clocks may
/// differ. Times are seconds since the Unix epoch, `now_ms` is milliseconds.
pub(crate) fn dates_in_the_future(
    signed_s: Option<u64>,
    witnesses: &BTreeMap<String, u64>,
    now_ms: u64,
) -> Vec<String> {
    let until_ms = now_ms.saturating_add(MAX_CLOCK_SKEW_MS);
    let is_late = |at_s: u64| at_s.saturating_mul(1000) > until_ms;
    let shown = |at_s: u64| crate::local_time::utc_minute(at_s.saturating_mul(1000));
    let advice = "which is in the future: compare the office's clock and this one's";
    let signed = signed_s.filter(|at| is_late(*at));
    let signed = signed.map(|at| format!("the checkpoint is dated {}, {advice}", shown(at)));
    let cosigned = witnesses.iter().filter(|(_, at)| is_late(**at)).map(|(witness, at)| {
        format!("the cosignature of {witness} is dated {}, which is in the future: ask the witness", shown(*at))
    });
    signed.into_iter().chain(cosigned).collect()
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
        alerts: BTreeMap::new(),
        calls: 0,
        pending: 0,
        records: 0,
        records_good: 0,
        records_partial: 0,
        arriving: 0,
        partial: Vec::new(),
        record_bytes: 0,
        devices: 0,
        unsigned_revocations: 0,
        gaps: Vec::new(),
        strays: Vec::new(),
        document_versions: 0,
        document_versions_good: 0,
        memoranda: Vec::new(),
    }
}

/// Verifies the log on one thread and collects its entries on another, reading each file once. The history is meaningless if
/// the log does not verify.
fn verify_and_collect(dir: &Path, options: &ArchiveOptions) -> (Result<TreeReport<DiskReader>, AuditError>, History) {
    let mut history = History::with_signatures();
    let (sender, batches) = mpsc::sync_channel::<Vec<(u64, Vec<u8>)>>(QUEUED_BATCHES);
    let verified = std::thread::scope(|scope| {
        let verification = scope.spawn(move || {
            let (mut batch, mut bytes) = (Vec::with_capacity(ENTRIES_PER_BATCH), 0);
            let visit = |index, entry: &[u8]| {
                batch.push((index, entry.to_vec()));
                bytes += entry.len();
                if batch.len() == ENTRIES_PER_BATCH || bytes >= BATCH_BYTES {
                    bytes = 0;
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

fn certificate(archive: &Path, path: String) -> Result<Vec<u8>, FileError> {
    telcon_files::read_beneath(archive, path, MAX_CERTIFICATE_BYTES)
}

/// What signed the certificate of this digest; for a registrar's, the certificate itself.
fn issuer(archive: &Path, cert_sha256: &Digest) -> Result<Vec<u8>, FileError> {
    certificate(archive, format!("issuers/{cert_sha256}.der"))
}

/// What was in the archive before the log was read.
#[derive(Default)]
struct Before {
    /// The directories of records. One that is not among them arrived later, and the log that was read need not have it.
    records: BTreeSet<String>,
    /// Records that the log may not have yet.
    pending: BTreeSet<String>,
    /// The certificates of devices, by the digests that their files are named after.
    certificates: BTreeSet<Digest>,
}

struct Audit {
    history: History,
    report: ArchiveReport,
    devices: Devices,
    before: Before,
    grace: Grace,
    /// The directory of the record being verified.
    record: Option<String>,
    /// The devices that were in its call, if a custodian has opened it.
    members: Option<BTreeSet<String>>,
}

impl Audit {
    /// Verifies log and certificates.
    fn begin(dir: &Path, verifier: &dyn SignatureVerifier, options: &ArchiveOptions) -> Self {
        let (history, report) = (History::with_signatures(), empty_report(options));
        let until_ms = options.now_ms.saturating_add(MAX_CLOCK_SKEW_MS);
        let grace = Grace { since_ms: options.grace_since_ms, until_ms };
        let (devices, before) = (Devices::default(), Before::default());
        let mut audit = Self { history, report, devices, before, grace, record: None, members: None };
        let before = audit.list_before(dir);
        audit.log(&dir.join("log"), options);
        audit.before = before;
        audit.read_certificates(dir);
        audit.revocations(dir, verifier);
        audit.recoveries(dir, verifier);
        audit.certificates(dir, verifier);
        audit
    }

    fn problem(&mut self, kind: ProblemKind, call: Option<&str>, text: impl ToString) {
        let (call, record) = (call.map(str::to_owned), self.record.clone());
        self.history.report(Problem { kind, call, record, text: text.to_string() });
    }

    /// Lists what an archive in use adds to. The server lists a record as pending, moves it into the archive, logs it, and takes it
    /// from the list: one that was there and not pending is in a log that is read afterwards. A certificate it stores once the log
    /// has it.
    fn list_before(&mut self, archive: &Path) -> Before {
        let names = |listed: Vec<(String, EntryKind)>| -> BTreeSet<String> {
            listed.into_iter().map(|(name, _)| name).collect()
        };
        let records = names(self.list(archive, records::RECORDS_DIR));
        let pending = names(self.list(archive, PENDING_DIR));
        let mut certificates = BTreeSet::new();
        for (name, _) in self.list(archive, DEVICES_DIR) {
            match name.strip_suffix(".der").and_then(|stem| stem.parse().ok()) {
                Some(digest) => drop(certificates.insert(digest)),
                None => self.report.strays.push(Stray { path: format!("{DEVICES_DIR}/{name}") }),
            }
        }
        Before { records, pending, certificates }
    }

    fn log(&mut self, dir: &Path, options: &ArchiveOptions) {
        let (verified, mut history) = verify_and_collect(dir, options);
        let tree = match verified {
            Ok(tree) => tree,
            Err(e) => {
                self.problem(ProblemKind::Log, None, format!("the log is invalid, so no entry is proven: {e}"));
                return self.unproven_entries(dir, &options.log_key);
            }
        };
        std::mem::swap(&mut self.history, &mut history);
        history.into_problems().into_iter().for_each(|problem| self.history.report(problem));
        let checkpoint = tree.checkpoint();
        (self.report.entries, self.report.tiles) = (checkpoint.size(), tree.tiles());
        self.checkpoint(checkpoint, &options.witnesses);
        let dates = dates_in_the_future(checkpoint.time_s(), &self.report.witnesses, options.now_ms);
        dates.into_iter().for_each(|text| self.problem(ProblemKind::Log, None, text));
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

    /// Reads the certificates of the devices in the log. Others in the archive are named, and not read: anybody who can write to
    /// it can add any number.
    fn read_certificates(&mut self, archive: &Path) {
        let enrolled = self.history.devices.values().flat_map(|device| &device.enrolled);
        let logged: BTreeSet<Digest> = enrolled.flat_map(Enrolled::certificates).collect();
        for digest in logged {
            let path = format!("{DEVICES_DIR}/{digest}.der");
            match certificate(archive, path.clone()) {
                Ok(bytes) if sha256(&bytes) == digest => self.devices.insert(digest, bytes),
                Ok(_) => self.problem(ProblemKind::Device, None, format!("{path} is not named after its SHA-256")),
                // Reported with its device.
                Err(e) if e.is_not_found() => {}
                Err(e) => self.problem(ProblemKind::Device, None, format!("{path} cannot be read: {e}")),
            }
        }
    }

    /// Verifies that each device was enrolled by somebody who could, and that each certificate belongs to one.
    fn certificates(&mut self, archive: &Path, verifier: &dyn SignatureVerifier) {
        let enrolled = |(id, entries): (&String, &DeviceEntries)| -> Vec<(String, Enrolled)> {
            entries.enrolled.iter().map(|enrolled| (id.clone(), *enrolled)).collect()
        };
        let logged: Vec<(String, Enrolled)> = self.history.devices.iter().flat_map(enrolled).collect();
        for (device, enrolled) in &logged {
            if self.is_on_its_way(archive, enrolled) {
                self.report.arriving += 1;
                continue;
            }
            match self.check_enrolment(archive, verifier, device, enrolled) {
                Ok(()) => self.report.devices += 1,
                Err(flaw) => {
                    let text = format!("the certificate of {device} ({}) {flaw}", enrolled.cert_sha256);
                    self.problem(ProblemKind::Device, None, text);
                }
            }
        }
        if self.history.incomplete {
            return;
        }
        let known: BTreeSet<Digest> = logged.iter().flat_map(|(_, enrolled)| enrolled.certificates()).collect();
        let unlogged: Vec<Digest> = self.before.certificates.difference(&known).copied().collect();
        for digest in unlogged {
            self.problem(
                ProblemKind::Device,
                None,
                format!("the certificate {digest} belongs to no device in the log"),
            );
        }
    }

    /// Whether the certificates of an enrolment may still be stored: the server logs them first. After the grace period they are
    /// missing.
    fn is_on_its_way(&self, archive: &Path, enrolled: &Enrolled) -> bool {
        if !self.grace.contains(enrolled.time_ms) {
            return false;
        }
        let is_absent = |path: String| certificate(archive, path).is_err_and(|e| e.is_not_found());
        let of = |digest: Digest| [format!("{DEVICES_DIR}/{digest}.der"), format!("issuers/{digest}.der")];
        enrolled.certificates().flat_map(of).any(is_absent)
    }

    /// The certificates of an enrolment, each with the one that signed it. A principal's device signed that of a line's holder: its own
    /// certificates follow.
    fn chain(&self, archive: &Path, enrolled: &Enrolled) -> Result<Vec<Vec<u8>>, String> {
        let chain = self.pairs(archive, enrolled)?;
        let issuer = chain.get(1).filter(|_| chain.len() == 2).map(|issuer| sha256(issuer));
        let enrolments = || self.history.devices.values().flat_map(|device| &device.enrolled);
        match issuer.and_then(|issuer| enrolments().find(|giver| giver.cert_sha256 == issuer)) {
            Some(giver) => Ok([&chain[..1], &self.pairs(archive, giver)?].concat()),
            None => Ok(chain),
        }
    }

    fn pairs(&self, archive: &Path, enrolled: &Enrolled) -> Result<Vec<Vec<u8>>, String> {
        let mut chain = Vec::new();
        for cert_sha256 in enrolled.certificates() {
            chain.push(self.devices.certificate(&cert_sha256).ok_or("is missing")?.to_vec());
            let issuer = issuer(archive, &cert_sha256).map_err(|error| {
                format!("cannot be verified: the certificate that signed it cannot be read: {error}")
            })?;
            chain.push(issuer);
        }
        Ok(chain)
    }

    /// What is wrong with an enrolment.
    fn check_enrolment(
        &self,
        archive: &Path,
        verifier: &dyn SignatureVerifier,
        device: &str,
        enrolled: &Enrolled,
    ) -> Result<(), String> {
        let chain = self.chain(archive, enrolled)?;
        let found = verifier
            .verify_enrolment(&chain, enrolled.time_ms)
            .map_err(|why| format!("was not issued by the office: {why}"))?;
        if found.device != *device {
            return Err(format!("belongs to another device, {}", found.device));
        }
        if enrolled.person_sha256.is_some_and(|logged| logged != found.person_sha256) {
            return Err(format!("is of another person than entry {} says", enrolled.index));
        }
        if let Some(giver) = &found.given_by {
            let known = self.history.devices.get(giver);
            if known.is_none_or(|known| known.enrolled.iter().all(|giver| giver.index > enrolled.index)) {
                return Err(format!("was issued by {giver}, which was not enrolled before"));
            }
            if known.and_then(|known| known.revoked).is_some_and(|revoked| revoked < enrolled.index) {
                return Err(format!("was issued by {giver}, which was revoked before"));
            }
        }
        // A device of the authority has no registrar, nor has a line's holder.
        for (by, issued) in found.registrars.iter().zip(chain.chunks_exact(2)) {
            let appointed = self
                .history
                .appointments(by, enrolled.index)
                .map_err(|why| format!("was issued by a device that could not: {why}"))?;
            if !appointed.contains(&sha256(&issued[1])) {
                return Err(format!("was issued by {by} with a certificate that was not appointed before"));
            }
        }
        Ok(())
    }

    /// Decides which revocations count: a server alone cannot disown a device's records. An entry of the first version has no
    /// statement and is ignored; one with a false statement is a problem.
    fn revocations(&mut self, archive: &Path, verifier: &dyn SignatureVerifier) {
        // In the order of the log, so that a registrar that was revoked revokes nobody afterwards.
        for Revocation { index, device, jws } in std::mem::take(&mut self.history.revocations) {
            let Some(jws) = jws else {
                self.report.unsigned_revocations += 1;
                continue;
            };
            let flaw = match self.verify_revocation(archive, verifier, &device, &jws, index) {
                Ok(revoked) if revoked == device => {
                    self.history.devices.entry(device).or_default().revoked.get_or_insert(index);
                    continue;
                }
                Ok(other) => format!("the statement is about another device, {other}"),
                Err(why) => format!("{device} was not revoked by the authority or a registrar: {why}"),
            };
            self.problem(ProblemKind::Device, None, format!("entry {index}: {flaw}"));
        }
    }

    /// The device that the statement in the entry `index` revokes, signed by the authority, or by a registrar that could revoke
    /// `device` then.
    fn verify_revocation(
        &self,
        archive: &Path,
        verifier: &dyn SignatureVerifier,
        device: &str,
        jws: &str,
        index: u64,
    ) -> Result<String, String> {
        let Some(by) = verifier.claimed_revoker(jws) else { return verifier.verify_revocation(jws, None) };
        let appointed = self.history.appointments(&by, index)?;
        let cert_sha256 = appointed.last().expect("invariant: an appointed device has a certificate");
        let registrar = issuer(archive, cert_sha256)
            .map_err(|error| format!("the certificate of the registrar {by} cannot be read: {error}"))?;
        let role = self.enrolled_role(archive, verifier, device, index)?;
        verifier.verify_revocation(jws, Some((&registrar, role)))
    }

    /// Verifies the statements about recoveries: a server alone cannot make them, nor one registrar both.
    fn recoveries(&mut self, archive: &Path, verifier: &dyn SignatureVerifier) {
        for (recovery, statements) in std::mem::take(&mut self.history.recovery_statements) {
            if let Err(why) = self.verify_recovery(archive, verifier, &statements) {
                let index = statements.opened.index;
                let text = format!("entry {index}: recovery {recovery} was not stated by two registrars: {why}");
                self.problem(ProblemKind::Device, None, text);
            }
        }
    }

    fn verify_recovery(
        &self,
        archive: &Path,
        verifier: &dyn SignatureVerifier,
        RecoveryStatements { opened, confirmed }: &RecoveryStatements,
    ) -> Result<(), String> {
        let certificate = |statement: &RecoveryStatement| {
            let appointed = self.history.appointments(&statement.by, statement.index)?;
            let cert_sha256 = appointed.last().expect("invariant: an appointed device has a certificate");
            let by = &statement.by;
            issuer(archive, cert_sha256).map_err(|error| format!("the certificate of {by} cannot be read: {error}"))
        };
        let opener = certificate(opened)?;
        let confirmer = confirmed.as_ref().map(|(statement, _)| certificate(statement)).transpose()?;
        let confirmed = confirmed.as_ref().zip(confirmer.as_deref());
        let confirmed = confirmed.map(|((statement, invitation), der)| (&*statement.jws, der, *invitation));
        verifier.verify_recovery((&opened.jws, &opener), confirmed)
    }

    /// The role of a device in the certificate that it had before the entry `index`.
    fn enrolled_role(
        &self,
        archive: &Path,
        verifier: &dyn SignatureVerifier,
        device: &str,
        index: u64,
    ) -> Result<Role, String> {
        let known = self.history.devices.get(device);
        let enrolled = known.and_then(|known| known.enrolled.iter().rfind(|enrolled| enrolled.index < index));
        let enrolled = enrolled.ok_or("it was not enrolled before")?;
        let chain = self.chain(archive, enrolled).map_err(|why| format!("its certificate {why}"))?;
        verifier.verify_enrolment(&chain, enrolled.time_ms).map(|enrolled| enrolled.role)
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
