//! Checking an archive offline: does everything the log says exist, and is everything that exists in the log?
//!
//! ```text
//! archive/log/                        the log, C2SP tlog-tiles
//! archive/records/<call id>-<device>/ records: one of each note-taker that heard some of the call
//! archive/devices/<sha256 hex>.der    device certificates
//! archive/issuers/<sha256 hex>.der    under the same names, the enrolment certificates that signed them
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
use crate::ledger::{DeviceEntries, Enrolled, Ledger, SealEntry};
use crate::path::record_name;
use crate::report::{ArchiveReport, PartialRecord, Problem, ProblemKind};
use crate::seal::{SEAL_FILE, Seal, SignatureVerifier};
use telcon_proto::RecordMode;

/// Bytes of a device certificate: an X.509 certificate with a post-quantum key and signature has about 8 kB.
pub const MAX_CERTIFICATE_BYTES: u64 = 64 * 1024;

/// What the auditor brings.
#[derive(Debug, Clone)]
pub struct ArchiveOptions {
    /// The log's public key, from somewhere other than the archive.
    pub log_key: VerifierKey,
    /// Checkpoints seen before; without any, a rollback or a fork cannot be seen.
    pub remembered: Vec<Checkpoint>,
    /// Witnesses that must have cosigned the checkpoint.
    pub witnesses: Vec<CosignerKey>,
    /// Calls opened since then (milliseconds since the Unix epoch) may be going on still, and calls that ended since then may
    /// still be being sealed; they are no problem yet. 0 would excuse every call, `u64::MAX` none.
    pub patient_since_ms: u64,
    /// The auditor's time, milliseconds since the Unix epoch: nothing in the log is of a later one.
    pub now_ms: u64,
    /// The least that the office keeps of a call, as its authority says.
    pub floor: RecordMode,
}

/// Entries per batch from verification to collection, and batches in the queue between them.
const ENTRIES_PER_BATCH: usize = 256;
const QUEUED_BATCHES: usize = 16;

/// How far the auditor's clock and the office's may differ, milliseconds.
pub(crate) const CLOCKS_DIFFER_MS: u64 = 5 * 60_000;

/// The device certificates of an archive. A certificate is here only if its file is named after its SHA-256.
#[derive(Debug, Clone, Default)]
pub struct Devices {
    certificates: BTreeMap<Digest, Vec<u8>>,
}

impl Devices {
    /// The certificate (DER) with this SHA-256.
    pub fn certificate(&self, sha256: &Digest) -> Option<&[u8]> {
        self.certificates.get(sha256).map(Vec::as_slice)
    }

    /// All certificates (DER) by their SHA-256.
    pub fn certificates(&self) -> impl Iterator<Item = (&Digest, &[u8])> {
        self.certificates.iter().map(|(digest, der)| (digest, der.as_slice()))
    }
}

/// Checks the archive in `dir` and reports everything that is wrong with it; nothing ends the check early. No key opens
/// anything here and nothing is written.
///
/// * The log: every tile and entry against the signed checkpoint, the remembered checkpoints, the witnesses. If it is not
///   sound, its entries are looked at all the same; where some cannot be read, nothing is concluded from what is not in the others.
/// * Calls: each opened once, ended once, in that order, at times that have been; none keeps less than the office's floor; each
///   answered one whose mode is not *log only* has a record or a reason for having none.
/// * Records: at most one of each note-taker; each in the log exists, is whole ([`crate::check_record`]), has the digest, signature, count and state that the log
///   says, and its signature verifies, by a device that was enrolled and not revoked when the entry was written. Each on the disk
///   is in the log.
/// * Devices: an enrolment makes one device; every certificate is in the log and in the archive, and by the office's authority.
pub fn verify_archive(dir: &Path, verifier: &dyn SignatureVerifier, options: &ArchiveOptions) -> ArchiveReport {
    let (ledger, report) = (Ledger::default(), empty_report(options));
    let mut audit = Audit { ledger, report, devices: Devices::default(), record: None };
    audit.log(&dir.join("log"), options);
    audit.certificates(dir, verifier);
    audit.records(&dir.join("records"), verifier);
    let until_ms = options.now_ms.saturating_add(CLOCKS_DIFFER_MS);
    audit.ledger.undated(until_ms);
    audit.ledger.below(options.floor);
    let (gaps, pending) = audit.ledger.gaps(options.patient_since_ms, until_ms);
    let Audit { ledger, mut report, .. } = audit;
    report.calls = ledger.calls.values().filter(|call| call.opened.is_some()).count() as u64;
    (report.gaps, report.pending) = (gaps, pending);
    report.entry_types = ledger.counts;
    report.problems = ledger.problems;
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
        gaps: Vec::new(),
    }
}

/// A certificate's file (DER), if it is one that can be read and not too long.
fn certificate(path: &Path) -> Option<Vec<u8>> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    let fits = metadata.is_file() && metadata.len() <= MAX_CERTIFICATE_BYTES;
    fits.then(|| std::fs::read(path).ok()).flatten()
}

/// Verifies the log on one thread and collects its entries on another, reading each file once. The ledger is meaningless if
/// the log does not verify.
fn verify_and_collect(dir: &Path, options: &ArchiveOptions) -> (Result<TreeReport<DiskReader>, AuditError>, Ledger) {
    let mut ledger = Ledger::default();
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
            let verified = verify_tree_visiting(DiskReader::new(dir), &options.log_key, &options.remembered, visit);
            let _ = sender.send(batch);
            verified
        });
        batches.into_iter().flatten().for_each(|(index, entry)| ledger.entry(index, &entry));
        verification.join().expect("invariant: verification does not panic")
    });
    (verified, ledger)
}

struct Audit {
    ledger: Ledger,
    report: ArchiveReport,
    devices: Devices,
    /// The directory of the record that is looked at.
    record: Option<String>,
}

impl Audit {
    fn problem(&mut self, kind: ProblemKind, call: Option<&str>, text: impl ToString) {
        let (call, record) = (call.map(str::to_owned), self.record.clone());
        self.ledger.problems.push(Problem { kind, call, record, text: text.to_string() });
    }

    fn log(&mut self, dir: &Path, options: &ArchiveOptions) {
        let (verified, ledger) = verify_and_collect(dir, options);
        let tree = match verified {
            Ok(tree) => tree,
            Err(e) => {
                self.problem(ProblemKind::Log, None, format!("the log is not sound, so no entry is proven: {e}"));
                return self.unproven_entries(dir, &options.log_key);
            }
        };
        self.ledger = ledger;
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

    /// The entries of a log that is not sound: worth looking at, since the other problems tell what the damage is.
    fn unproven_entries(&mut self, dir: &Path, key: &VerifierKey) {
        self.ledger.torn = true;
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
                Ok((index, bytes)) => self.ledger.entry(index, &bytes),
                // It would be the same for every entry of the bundle, and the first problem names it.
                Err(_) => return,
            }
        }
        self.ledger.torn = false;
    }

    fn certificates(&mut self, archive: &Path, verifier: &dyn SignatureVerifier) {
        for path in self.list(&archive.join("devices")) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let named = name.strip_suffix(".der").and_then(|stem| stem.parse::<Digest>().ok());
            let bytes = certificate(&path).unwrap_or_default();
            match named {
                Some(digest) if sha256(&bytes) == digest => drop(self.devices.certificates.insert(digest, bytes)),
                _ => self.problem(ProblemKind::Device, None, format!("devices/{name} is not named after its SHA-256")),
            }
        }
        let enrolled = |(id, entries): (&String, &DeviceEntries)| -> Vec<(String, Enrolled)> {
            entries.enrolled.iter().map(|enrolled| (id.clone(), *enrolled)).collect()
        };
        let logged: Vec<(String, Enrolled)> = self.ledger.devices.iter().flat_map(enrolled).collect();
        for (device, Enrolled { time_ms, cert_sha256, .. }) in &logged {
            let issuer = certificate(&archive.join(format!("issuers/{cert_sha256}.der")));
            let flaw = match (self.devices.certificate(cert_sha256), issuer) {
                (None, _) => Some("is missing".to_owned()),
                (_, None) => Some("cannot be checked: the enrolment certificate that signed it is missing".to_owned()),
                (Some(der), Some(issuer)) => match verifier.vouched(der, &issuer, *time_ms) {
                    Ok(id) if id == *device => None,
                    Ok(id) => Some(format!("is of another device, {id}")),
                    Err(why) => Some(format!("is not the office's: {why}")),
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
        if self.ledger.torn {
            return;
        }
        let of_none = |digest: &&Digest| !logged.iter().any(|(_, enrolled)| enrolled.cert_sha256 == **digest);
        let unlogged: Vec<Digest> = self.devices.certificates.keys().filter(of_none).copied().collect();
        for digest in unlogged {
            self.problem(ProblemKind::Device, None, format!("the certificate {digest} is of no device in the log"));
        }
    }

    fn records(&mut self, dir: &Path, verifier: &dyn SignatureVerifier) {
        let mut on_disk = BTreeSet::new();
        for path in self.list(dir) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some((call, device)) = record_name(&name) else {
                self.problem(ProblemKind::Record, None, format!("records/{name} is no record"));
                continue;
            };
            self.record = Some(name.clone());
            let seals = self.ledger.calls.get(call).map(|entries| &entries.seals[..]).unwrap_or_default();
            let sealed = seals.iter().find(|seal| seal.device.as_deref() == device).cloned();
            on_disk.extend(sealed.as_ref().map(|seal| seal.index));
            self.record(call, &path, sealed.as_ref(), verifier);
        }
        let logged = self.ledger.calls.iter().flat_map(|(call, entries)| entries.seals.iter().map(move |s| (call, s)));
        let absent = logged.filter(|(_, seal)| !on_disk.contains(&seal.index));
        let absent: Vec<_> = absent.map(|(call, seal)| (call.clone(), seal.index, seal.device.clone())).collect();
        for (call, index, device) in absent {
            self.record = Some(device.map_or_else(|| call.clone(), |device| format!("{call}-{device}")));
            let text = format!("entry {index} of the log says that it was sealed, and it is not in the archive");
            self.problem(ProblemKind::Record, Some(&call), text);
        }
        self.record = None;
    }

    fn record(&mut self, call: &str, dir: &Path, entry: Option<&SealEntry>, verifier: &dyn SignatureVerifier) {
        self.report.records += 1;
        let before = self.ledger.problems.len();
        let Some(entry) = entry else {
            if self.ledger.torn {
                return drop(self.parts(call, dir));
            }
            return self.problem(
                ProblemKind::Record,
                Some(call),
                "it is in the archive, and no entry of the log says so",
            );
        };
        let Some(seal) = self.parts(call, dir) else { return };
        self.report.record_bytes += seal.parts.iter().map(|p| p.bytes).sum::<u64>();
        let equal = [
            ("call", seal.call_id.to_hex() == call),
            ("record digest", seal.record_digest == entry.record_digest),
            ("number of parts", seal.parts.len() as u64 == entry.parts),
            ("partial or complete state", seal.partial == entry.partial),
            ("signature", seal.jws.as_ref() == Some(&entry.jws)),
        ];
        for (what, _) in equal.iter().filter(|(_, equal)| !equal) {
            self.problem(
                ProblemKind::Record,
                Some(call),
                format!("its {what} is not the one in entry {}", entry.index),
            );
        }
        self.signature(call, &seal, entry, verifier);
        if self.ledger.problems.len() == before {
            self.report.records_good += 1;
            if seal.partial {
                self.report.records_partial += 1;
                let opened_ms = self.ledger.calls.get(call).and_then(|known| known.opened).map(|(at, _)| at);
                let record = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.report.partial.push(PartialRecord { call: call.to_owned(), record, opened_ms });
            }
        }
    }

    /// Checks a record alone, by its seal.
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
        let signer = match verifier.verify(&entry.jws, &seal.claims(), &self.devices) {
            Ok(signer) => signer,
            Err(why) => {
                return self.problem(ProblemKind::Signature, Some(call), format!("the signature is not good: {why}"));
            }
        };
        if entry.device.as_ref().is_some_and(|named| *named != signer.device) {
            let text = format!("signed by {}, and entry {} names another device", signer.device, entry.index);
            return self.problem(ProblemKind::Signature, Some(call), text);
        }
        let known = self.ledger.devices.get(&signer.device);
        let enrolled = known.is_some_and(|device| {
            let certificate_fits = |c: &Digest| signer.cert_sha256.is_none_or(|signed| signed == *c);
            device.enrolled.iter().any(|e| e.index < entry.index && certificate_fits(&e.cert_sha256))
        });
        let revoked = known.and_then(|device| device.revoked).is_some_and(|index| index < entry.index);
        if !enrolled && !self.ledger.torn {
            let text = format!("signed by {}, which was not enrolled with that certificate by then", signer.device);
            self.problem(ProblemKind::Signature, Some(call), text);
        } else if revoked {
            let text = format!("signed by {}, which had been revoked", signer.device);
            self.problem(ProblemKind::Signature, Some(call), text);
        }
    }

    /// The entries of a directory, sorted; no directory is an empty one.
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
