//! What a log's entries say of each call and device, and what in it does not fit together.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::report::{Gap, Problem, ProblemKind};
use telcon_proto::entry::{Entry, ReadEntry};
use telcon_proto::{Ended, RecordMode};

/// A `record_sealed` entry.
#[derive(Debug, Clone)]
pub(crate) struct SealEntry {
    pub(crate) index: u64,
    /// The note-taker's device; none in entries of older programs, whose calls have one record each.
    pub(crate) device: Option<String>,
    pub(crate) record_digest: Digest,
    pub(crate) jws: String,
    pub(crate) parts: u64,
    pub(crate) partial: bool,
}

/// What the log says of one call.
#[derive(Debug, Default)]
pub(crate) struct CallEntries {
    pub(crate) opened: Option<(u64, RecordMode)>,
    pub(crate) ended: Option<(u64, Ended)>,
    pub(crate) seals: Vec<SealEntry>,
    pub(crate) missing: Option<String>,
}

/// A `device_enrolled` entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Enrolled {
    pub(crate) index: u64,
    pub(crate) time_ms: u64,
    pub(crate) cert_sha256: Digest,
}

/// What the log says of one device.
#[derive(Debug, Default)]
pub(crate) struct DeviceEntries {
    /// Of each enrolment.
    pub(crate) enrolled: Vec<Enrolled>,
    /// Entry of the first revocation.
    pub(crate) revoked: Option<u64>,
}

/// All entries, sorted by what they speak of.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) calls: BTreeMap<String, CallEntries>,
    pub(crate) devices: BTreeMap<String, DeviceEntries>,
    enrolments: BTreeMap<String, String>,
    pub(crate) problems: Vec<Problem>,
    /// Entries of the log could not be read: what is not in those that were may be in them.
    pub(crate) torn: bool,
}

impl Ledger {
    /// Takes in the next entry.
    pub(crate) fn entry(&mut self, index: u64, bytes: &[u8]) {
        let entry = match ReadEntry::parse(bytes) {
            ReadEntry::Known(entry) => entry,
            ReadEntry::Unknown(kind) => return *self.counts.entry(kind).or_default() += 1,
            ReadEntry::Malformed(why) => {
                return self.problem(ProblemKind::Entry, None, format!("entry {index}: {why}"));
            }
        };
        *self.counts.entry(entry.kind().to_owned()).or_default() += 1;
        match entry {
            Entry::DeviceEnrolled { time_ms, device, cert_sha256, enrolment } => {
                let device = device.to_hex();
                let first = self.enrolments.entry(enrolment.clone()).or_insert_with(|| device.clone());
                if *first != device {
                    let text = format!("entry {index}: enrolment {enrolment} made {device} after it had made {first}");
                    self.problem(ProblemKind::Device, None, text);
                }
                self.devices.entry(device).or_default().enrolled.push(Enrolled { index, time_ms, cert_sha256 });
            }
            Entry::DeviceRevoked { device, .. } => {
                let device = device.to_hex();
                let known = self.devices.entry(device.clone()).or_default();
                known.revoked.get_or_insert(index);
                if known.enrolled.is_empty() {
                    let text = format!("entry {index}: {device} was revoked, but never enrolled");
                    self.problem(ProblemKind::Device, None, text);
                }
            }
            Entry::CallOpened { time_ms, call, mode, .. } => {
                let call = call.to_hex();
                let known = self.calls.entry(call.clone()).or_default();
                let fits = known.opened.is_none() && known.ended.is_none() && known.seals.is_empty();
                known.opened.get_or_insert((time_ms, mode));
                if !fits {
                    self.call_problem(&call, format!("entry {index}: opened twice, or after it had ended"));
                }
            }
            Entry::CallEnded { time_ms, call, how, .. } => {
                let call = call.to_hex();
                let known = self.calls.entry(call.clone()).or_default();
                let (opened, again) = (known.opened.is_some(), known.ended.is_some());
                known.ended.get_or_insert((time_ms, how));
                match (opened, again) {
                    (true, false) => {}
                    (false, _) => self.call_problem(&call, format!("entry {index}: ended, but was never opened")),
                    (true, true) => self.call_problem(&call, format!("entry {index}: ended twice")),
                }
            }
            Entry::RecordSealed { call, device, record_digest, jws, parts, partial, .. } => {
                let (call, device) = (call.to_hex(), device.map(|device| device.to_hex()));
                let known = self.calls.entry(call.clone()).or_default();
                let opened = known.opened.is_some();
                let of_the_same = |other: &Option<String>| device.is_none() || other.is_none() || *other == device;
                let again = known.seals.iter().any(|seal| of_the_same(&seal.device));
                known.seals.push(SealEntry { index, device, record_digest, jws, parts, partial });
                if !opened {
                    self.call_problem(&call, format!("entry {index}: a record of a call that was never opened"));
                }
                if again {
                    self.call_problem(&call, format!("entry {index}: sealed twice by one note-taker"));
                }
            }
            Entry::RecordMissing { call, why, .. } => {
                let call = call.to_hex();
                let known = self.calls.entry(call.clone()).or_default();
                let opened = known.opened.is_some();
                known.missing = Some(why.clone());
                if !opened {
                    self.call_problem(&call, format!("entry {index}: no record of a call that was never opened"));
                }
                if why.trim().is_empty() {
                    self.call_problem(&call, format!("entry {index}: the record is missing, and nobody said why"));
                }
            }
            Entry::ArchiveOpened { call, .. } => {
                let call = call.to_hex();
                if !self.calls.contains_key(&call) {
                    self.call_problem(&call, format!("entry {index}: a record was opened of a call that never was"));
                }
            }
        }
    }

    /// Calls dated later than `until_ms`: such a date would excuse a gap for as long as it is to come.
    pub(crate) fn undated(&mut self, until_ms: u64) {
        let late = |at: Option<u64>| at.is_some_and(|at| at > until_ms);
        let found = self
            .calls
            .iter()
            .filter(|(_, entries)| late(entries.opened.map(|(at, _)| at)) || late(entries.ended.map(|(at, _)| at)));
        let found: Vec<String> = found.map(|(call, _)| call.clone()).collect();
        for call in found {
            self.call_problem(&call, "its entries are dated in the future".to_owned());
        }
    }

    /// Calls of which less is kept than the office's authority demands.
    pub(crate) fn below(&mut self, floor: RecordMode) {
        let found = self.calls.iter().filter(|(_, entries)| entries.opened.is_some_and(|(_, mode)| mode < floor));
        let found: Vec<String> = found.map(|(call, _)| call.clone()).collect();
        for call in found {
            self.call_problem(&call, "less is kept of it than the office's authority demands of every call".to_owned());
        }
    }

    /// Calls that should have ended and have not, and the list of calls without a record. A call opened after
    /// `patient_since_ms` may still be going on, and one that ended after it may still be being sealed; not so one that is
    /// dated after `until_ms`.
    pub(crate) fn gaps(&mut self, patient_since_ms: u64, until_ms: u64) -> (Vec<Gap>, u64) {
        if self.torn {
            return (Vec::new(), 0);
        }
        let patient = |at: u64| (patient_since_ms..=until_ms).contains(&at);
        let (mut gaps, mut texts, mut pending) = (Vec::new(), Vec::new(), 0);
        for (call, entries) in &self.calls {
            let Some((opened_ms, mode)) = entries.opened else {
                continue;
            };
            let Some((ended_ms, how)) = entries.ended else {
                match patient(opened_ms) {
                    true => pending += 1,
                    false => texts.push((call.clone(), "opened, and never ended".to_owned())),
                }
                continue;
            };
            if mode == RecordMode::LogOnly || how.was_unanswered() || !entries.seals.is_empty() {
                continue;
            }
            if entries.missing.is_none() && patient(ended_ms) {
                pending += 1;
                continue;
            }
            if entries.missing.is_none() {
                texts.push((call.clone(), "has neither a record nor a reason why it has none".to_owned()));
            }
            gaps.push(Gap { call: call.clone(), opened_ms, how, mode, why: entries.missing.clone() });
        }
        texts.into_iter().for_each(|(call, text)| self.problem(ProblemKind::Gap, Some(&call), text));
        gaps.sort_by_key(|gap| gap.opened_ms);
        (gaps, pending)
    }

    pub(crate) fn problem(&mut self, kind: ProblemKind, call: Option<&str>, text: String) {
        self.problems.push(Problem { kind, call: call.map(str::to_owned), record: None, text });
    }

    fn call_problem(&mut self, call: &str, text: String) {
        self.problem(ProblemKind::Call, Some(call), text);
    }
}
