//! The records of an archive against its log.

use std::collections::BTreeSet;
use std::path::Path;

use telcon_files::EntryKind;
use telcon_proto::sealing::{SealSigner, SealedCall, check_signer};
use telcon_proto::{Ended, RecordMode};

use super::{ArchiveOptions, Audit};
use crate::check::check_in;
use crate::digest::Digest;
use crate::history::{SealEntry, Signature};
use crate::path::{record_directory, record_name};
use crate::report::{ArchiveReport, PartialRecord, ProblemKind, Stray};
use crate::seal::{SEAL_FILE, Seal};
use crate::signature::SignatureVerifier;

/// The archive's directory of records.
pub(super) const RECORDS_DIR: &str = "records";

/// What an archive says of one of its records.
#[derive(Debug, Clone)]
pub struct RecordStanding {
    /// The verification of the log, and of this record alone. Problems of other calls are left out.
    pub report: ArchiveReport,
    /// Index of the log entry with the record's digest.
    pub sealed_entry: Option<u64>,
    /// Time of the opening and record mode, according to the log.
    pub opened: Option<(u64, RecordMode)>,
    /// Time of the end, and how, according to the log.
    pub ended: Option<(u64, Ended)>,
    /// The device that the log names as the record's note-taker.
    pub device: Option<String>,
    /// The digest of the record that was verified, according to the log.
    pub record_digest: Option<Digest>,
}

/// Verifies the log in the archive `dir`, and the record in its directory `records/name`. `members` are the devices that were
/// in the call, which only who has opened the record knows ([`crate::OpenedRecord::members`]); empty if it does not say.
pub fn verify_record(
    dir: &Path,
    name: &str,
    members: &[String],
    verifier: &dyn SignatureVerifier,
    options: &ArchiveOptions,
) -> RecordStanding {
    let mut audit = Audit::begin(dir, verifier, options);
    let Some((call, device)) = record_name(name) else {
        audit.problem(ProblemKind::Record, None, "its directory is not named like a record");
        let Audit { history, mut report, .. } = audit;
        report.problems = history.into_problems();
        return RecordStanding {
            report,
            sealed_entry: None,
            opened: None,
            ended: None,
            device: None,
            record_digest: None,
        };
    };
    audit.record = Some(name.to_owned());
    audit.members = (!members.is_empty()).then(|| members.iter().cloned().collect());
    let entries = audit.history.calls.get(call);
    let (opened, ended) = (entries.and_then(|e| e.opened), entries.and_then(|e| e.ended));
    let seals = entries.map(|entries| &entries.seals[..]).unwrap_or_default();
    let sealed = seals.iter().find(|seal| seal.device.as_deref() == device).cloned();
    audit.record(call, dir, name, sealed.as_ref(), verifier);
    audit.documents(dir, verifier, Some(call));
    let Audit { history, mut report, .. } = audit;
    let concerns = |about: &Option<String>| about.as_deref().is_none_or(|other| other == call);
    report.problems = history.into_problems().into_iter().filter(|problem| concerns(&problem.call)).collect();
    let (sealed_entry, record_digest) =
        (sealed.as_ref().map(|seal| seal.index), sealed.as_ref().map(|seal| seal.record_digest));
    RecordStanding { report, sealed_entry, opened, ended, device: sealed.and_then(|seal| seal.device), record_digest }
}

impl Audit {
    pub(super) fn records(&mut self, archive: &Path, verifier: &dyn SignatureVerifier) {
        let mut on_disk = BTreeSet::new();
        for (name, kind) in self.list(archive, RECORDS_DIR) {
            let Some((call, device)) = record_name(&name).filter(|_| kind != EntryKind::File) else {
                self.report.strays.push(Stray { path: format!("{RECORDS_DIR}/{name}") });
                continue;
            };
            self.record = Some(name.clone());
            let seals = self.history.calls.get(call).map(|entries| &entries.seals[..]).unwrap_or_default();
            let sealed = seals.iter().find(|seal| seal.device.as_deref() == device).cloned();
            on_disk.extend(sealed.as_ref().map(|seal| seal.index));
            self.record(call, archive, &name, sealed.as_ref(), verifier);
        }
        self.record = None;
        let logged = self.history.calls.iter().flat_map(|(call, entries)| entries.seals.iter().map(move |s| (call, s)));
        let absent = logged.filter(|(_, seal)| !on_disk.contains(&seal.index));
        let absent: Vec<_> = absent.map(|(call, seal)| (call.clone(), seal.index, seal.device.clone())).collect();
        for (call, index, device) in absent {
            self.record = Some(record_directory(&call, device.as_deref()));
            let text = format!("sealed according to log entry {index}, but not in the archive");
            self.problem(ProblemKind::Record, Some(&call), text);
        }
        self.record = None;
    }

    fn record(
        &mut self,
        call: &str,
        archive: &Path,
        name: &str,
        entry: Option<&SealEntry>,
        verifier: &dyn SignatureVerifier,
    ) {
        if entry.is_none() && self.is_arriving(name) {
            return self.report.arriving += 1;
        }
        self.report.records += 1;
        let before = self.history.found();
        let Some(entry) = entry else {
            if self.history.incomplete {
                return drop(self.parts(call, archive, name));
            }
            return self.problem(ProblemKind::Record, Some(call), "in the archive, but not in the log");
        };
        let Some(seal) = self.parts(call, archive, name) else { return };
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
        if self.history.found() == before {
            self.report.records_good += 1;
            if seal.partial {
                self.report.records_partial += 1;
                let opened_ms = self.history.calls.get(call).and_then(|known| known.opened).map(|(at, _)| at);
                let (call, record) = (call.to_owned(), name.to_owned());
                self.report.partial.push(PartialRecord { call, record, opened_ms });
            }
        }
    }

    /// Whether a record that the log does not have may be on its way into it: it came after the verification began, or the server
    /// had listed it as pending. A call whose record stays there has none, and is in the gap report after the grace period.
    fn is_arriving(&self, name: &str) -> bool {
        !self.before.records.contains(name) || self.before.pending.contains(name)
    }

    /// Checks a record against its seal.
    fn parts(&mut self, call: &str, archive: &Path, name: &str) -> Option<Seal> {
        match check_in(archive, &Path::new(RECORDS_DIR).join(name)) {
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
        let certificate_fits = |c: &Digest| signer.cert_sha256.is_none_or(|signed| signed == *c);
        let enrolled = known.and_then(|device| {
            device.enrolled.iter().filter(|e| certificate_fits(&e.cert_sha256)).map(|e| e.index).min()
        });
        let facts = SealSigner {
            role: signer.role,
            signed_ms: signer.signed_ms,
            valid_ms: signer.valid_ms,
            // With entries that cannot be read, an absent enrolment proves nothing.
            enrolled: enrolled.or(self.history.incomplete.then_some(0)),
            revoked: known.and_then(|device| device.revoked),
            was_member: self.members.as_ref().map(|members| members.contains(&signer.device)),
        };
        let ended = self.history.calls.get(call).and_then(|known| known.ended_index);
        if let Err(flaw) = check_signer(&facts, &SealedCall { ended, sealed: Some(entry.index) }) {
            self.problem(ProblemKind::Signature, Some(call), format!("signed by {}: {flaw}", signer.device));
        }
    }
}
