//! Offline verification of an archive: everything logged exists, and everything that exists is logged.
//!
//! ```text
//! archive/log/                        the log, C2SP tlog-tiles
//! archive/records/<call id>-<device>/ records: one per note-taker that recorded some of the call
//! archive/devices/<sha256 hex>.der    device certificates
//! archive/issuers/<sha256 hex>.der    the enrolment certificates that signed them, under the same names
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use telcon_log::tree::Tree;
use telcon_log::{
    AuditError, Checkpoint, CosignerKey, DiskReader, SignedCheckpoint, TreeReport, VerifierKey, verify_tree_visiting,
};

use crate::check::check_all;
use crate::digest::{Digest, sha256};
use crate::history::{DeviceEntries, Enrolled, History, Revocation, SealEntry, Signature};
use crate::path::record_name;
use crate::report::{ArchiveReport, PartialRecord, Problem, ProblemKind};
use crate::seal::{SEAL_FILE, Seal};
use crate::signature::{Devices, SignatureVerifier};
use telcon_proto::RecordMode;

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
///   digest, signature, number of parts and state; its signature verifies and is by a device that was enrolled and not
///   revoked when the entry was written. Each record on disk is logged.
/// * Devices: an enrolment creates one device; every certificate is logged, archived, and issued by the office's authority.
///   A revocation counts if the office's authority signed it.
pub fn verify_archive(dir: &Path, verifier: &dyn SignatureVerifier, options: &ArchiveOptions) -> ArchiveReport {
    let (history, report) = (History::default(), empty_report(options));
    let mut audit = Audit { history, report, devices: Devices::default(), record: None };
    audit.log(&dir.join("log"), options);
    audit.certificates(dir, verifier);
    audit.revocations(verifier);
    audit.records(&dir.join("records"), verifier);
    let until_ms = options.now_ms.saturating_add(MAX_CLOCK_SKEW_MS);
    audit.history.check_timestamps(until_ms);
    audit.history.check_floor(options.floor);
    let (gaps, pending) = audit.history.find_gaps(options.grace_since_ms, until_ms);
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
    }
}

/// The content of a certificate file (DER), if it is readable and within the size limit.
fn certificate(path: &Path) -> Option<Vec<u8>> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    let valid = metadata.is_file() && metadata.len() <= MAX_CERTIFICATE_BYTES;
    valid.then(|| std::fs::read(path).ok()).flatten()
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
}

impl Audit {
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
        let Ok(note) = std::fs::read_to_string(dir.join(telcon_log::tile::CHECKPOINT_PATH)) else {
            return;
        };
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
        for path in self.list(&archive.join("devices")) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let named = name.strip_suffix(".der").and_then(|stem| stem.parse::<Digest>().ok());
            let bytes = certificate(&path).unwrap_or_default();
            match named {
                Some(digest) if sha256(&bytes) == digest => self.devices.insert(digest, bytes),
                _ => self.problem(ProblemKind::Device, None, format!("devices/{name} is not named after its SHA-256")),
            }
        }
        let enrolled = |(id, entries): (&String, &DeviceEntries)| -> Vec<(String, Enrolled)> {
            entries.enrolled.iter().map(|enrolled| (id.clone(), *enrolled)).collect()
        };
        let logged: Vec<(String, Enrolled)> = self.history.devices.iter().flat_map(enrolled).collect();
        for (device, Enrolled { time_ms, cert_sha256, .. }) in &logged {
            let issuer = certificate(&archive.join(format!("issuers/{cert_sha256}.der")));
            let flaw = match (self.devices.certificate(cert_sha256), issuer) {
                (None, _) => Some("is missing".to_owned()),
                (_, None) => Some("cannot be verified: the enrolment certificate that signed it is missing".to_owned()),
                (Some(der), Some(issuer)) => match verifier.verify_enrolment(der, &issuer, *time_ms) {
                    Ok(id) if id == *device => None,
                    Ok(id) => Some(format!("belongs to another device, {id}")),
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

    /// Decides which revocations count: a server alone cannot disown a device's records. An entry of the first version has no
    /// statement and is ignored; one with a false statement is a problem.
    fn revocations(&mut self, verifier: &dyn SignatureVerifier) {
        let mut problems = Vec::new();
        for (device, entries) in &mut self.history.devices {
            for Revocation { index, jws } in &entries.stated {
                let Some(jws) = jws else {
                    self.report.unsigned_revocations += 1;
                    continue;
                };
                match verifier.verify_revocation(jws) {
                    Ok(revoked) if revoked == *device => drop(entries.revoked.get_or_insert(*index)),
                    Ok(other) => {
                        problems.push(format!("entry {index}: the statement is about another device, {other}"))
                    }
                    Err(why) => problems.push(format!("entry {index}: the authority did not revoke {device}: {why}")),
                }
            }
        }
        problems.into_iter().for_each(|text| self.problem(ProblemKind::Device, None, text));
    }

    fn records(&mut self, dir: &Path, verifier: &dyn SignatureVerifier) {
        let mut on_disk = BTreeSet::new();
        for path in self.list(dir) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some((call, device)) = record_name(&name) else {
                self.problem(ProblemKind::Record, None, format!("records/{name} is not a record"));
                continue;
            };
            self.record = Some(name.clone());
            let seals = self.history.calls.get(call).map(|entries| &entries.seals[..]).unwrap_or_default();
            let sealed = seals.iter().find(|seal| seal.device.as_deref() == device).cloned();
            on_disk.extend(sealed.as_ref().map(|seal| seal.index));
            self.record(call, &path, sealed.as_ref(), verifier);
        }
        let logged = self.history.calls.iter().flat_map(|(call, entries)| entries.seals.iter().map(move |s| (call, s)));
        let absent = logged.filter(|(_, seal)| !on_disk.contains(&seal.index));
        let absent: Vec<_> = absent.map(|(call, seal)| (call.clone(), seal.index, seal.device.clone())).collect();
        for (call, index, device) in absent {
            self.record = Some(device.map_or_else(|| call.clone(), |device| format!("{call}-{device}")));
            let text = format!("sealed according to log entry {index}, but not in the archive");
            self.problem(ProblemKind::Record, Some(&call), text);
        }
        self.record = None;
    }

    fn record(&mut self, call: &str, dir: &Path, entry: Option<&SealEntry>, verifier: &dyn SignatureVerifier) {
        self.report.records += 1;
        let before = self.history.problems.len();
        let Some(entry) = entry else {
            if self.history.incomplete {
                return drop(self.parts(call, dir));
            }
            return self.problem(ProblemKind::Record, Some(call), "in the archive, but not in the log");
        };
        let Some(seal) = self.parts(call, dir) else { return };
        self.report.record_bytes += seal.parts.iter().map(|p| p.bytes).sum::<u64>();
        let equal = [
            ("call", seal.call_id.to_hex() == call),
            ("record digest", seal.record_digest == entry.record_digest),
            ("number of parts", seal.parts.len() as u64 == entry.parts),
            ("partial state", seal.partial == entry.partial),
            ("signature", entry.signature.is(seal.jws.as_deref())),
        ];
        for (what, _) in equal.iter().filter(|(_, equal)| !equal) {
            self.problem(ProblemKind::Record, Some(call), format!("its {what} differs from log entry {}", entry.index));
        }
        self.signature(call, &seal, entry, verifier);
        if self.history.problems.len() == before {
            self.report.records_good += 1;
            if seal.partial {
                self.report.records_partial += 1;
                let opened_ms = self.history.calls.get(call).and_then(|known| known.opened).map(|(at, _)| at);
                let record = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.report.partial.push(PartialRecord { call: call.to_owned(), record, opened_ms });
            }
        }
    }

    /// Checks a record against its seal.
    fn parts(&mut self, call: &str, dir: &Path) -> Option<Seal> {
        match check_all(dir) {
            Ok((seal, problems)) => {
                problems.into_iter().for_each(|problem| self.problem(ProblemKind::Record, Some(call), problem));
                Some(seal)
            }
            Err(e) => {
                self.problem(ProblemKind::Record, Some(call), format!("{SEAL_FILE}: {e}"));
                None
            }
        }
    }

    fn signature(&mut self, call: &str, seal: &Seal, entry: &SealEntry, verifier: &dyn SignatureVerifier) {
        // An earlier version's entry holds the signature that was logged, a newer one the digest of that in the seal. If it is
        // another one, that was reported.
        let jws = match &entry.signature {
            Signature::Jws(jws) => jws,
            Signature::Sha256(_) if entry.signature.is(seal.jws.as_deref()) => seal.jws.as_deref().unwrap_or_default(),
            Signature::Sha256(_) => return,
        };
        let signer = match verifier.verify(jws, &seal.claims(), &self.devices) {
            Ok(signer) => signer,
            Err(why) => {
                return self.problem(ProblemKind::Signature, Some(call), format!("invalid signature: {why}"));
            }
        };
        if entry.device.as_ref().is_some_and(|named| *named != signer.device) {
            let text = format!("signed by {}, but log entry {} names another device", signer.device, entry.index);
            return self.problem(ProblemKind::Signature, Some(call), text);
        }
        let known = self.history.devices.get(&signer.device);
        let enrolled = known.is_some_and(|device| {
            let certificate_fits = |c: &Digest| signer.cert_sha256.is_none_or(|signed| signed == *c);
            device.enrolled.iter().any(|e| e.index < entry.index && certificate_fits(&e.cert_sha256))
        });
        let revoked = known.and_then(|device| device.revoked).is_some_and(|index| index < entry.index);
        if !enrolled && !self.history.incomplete {
            let text = format!("signed by {}, which was not enrolled with that certificate at the time", signer.device);
            self.problem(ProblemKind::Signature, Some(call), text);
        } else if revoked {
            let text = format!("signed by {}, which had been revoked before", signer.device);
            self.problem(ProblemKind::Signature, Some(call), text);
        }
    }

    /// The entries of a directory, sorted; a missing directory counts as empty.
    fn list(&mut self, dir: &Path) -> Vec<PathBuf> {
        let read = std::fs::read_dir(dir).and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect());
        match read {
            Ok(paths) => {
                let mut paths: Vec<PathBuf> = paths;
                paths.sort();
                paths
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => {
                self.problem(ProblemKind::Io, None, format!("{}: {e}", dir.display()));
                Vec::new()
            }
        }
    }
}
