//! What the entries of a log say together, for whoever has the log and not the archive.

use std::collections::BTreeMap;

use crate::archive::{MAX_CLOCK_SKEW_MS, dates_in_the_future};
use crate::history::{Enrolled, Grace, History, Revocation};
use crate::report::{Gap, Problem, ProblemKind};
use crate::signature::SignatureVerifier;
use telcon_proto::{RecordMode, http::Registrars};

/// The entries of a verified log in its order. The rules are those of [`crate::verify_archive`], as far as they need no other
/// file: calls are opened once and ended once, an enrolment makes one device, who acts as a registrar was appointed, and so on.
#[derive(Debug, Default)]
pub struct LogHistory(History);

/// What is found in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFindings {
    /// Entries that contradict each other, or cannot be read.
    pub problems: Vec<Problem>,
    /// Calls that should have a record and have none.
    pub gaps: Vec<Gap>,
    /// Number of entries by type.
    pub entry_types: BTreeMap<String, u64>,
    /// Number of calls opened.
    pub calls: u64,
    /// Number of devices enrolled.
    pub devices: u64,
    /// Number of enrolments that do not say whose device it is, as entries of older versions.
    pub devices_of_unknown_people: u64,
}

impl LogHistory {
    /// Adds the next entry.
    pub fn add(&mut self, index: u64, entry: &[u8]) {
        self.0.add_entry(index, entry);
    }

    /// Reports a checkpoint, or a witness's cosignature of it, that is dated in the future. Times are seconds since 1970 UTC, `now_ms`
    /// is milliseconds.
    pub fn check_dates(&mut self, signed_s: Option<u64>, witnesses: &BTreeMap<String, u64>, now_ms: u64) {
        let dates = dates_in_the_future(signed_s, witnesses, now_ms);
        dates.into_iter().for_each(|text| self.0.problem(ProblemKind::Log, None, text));
    }

    /// Applies the rules that concern the whole log. Calls that were opened or ended since `grace_since_ms` may still be live or
    /// waiting for their record. `floor` and `registrars` are what the office's charter demands: the lowest record mode, and how many
    /// registrars certify a device. Times are milliseconds since 1970 UTC.
    pub fn findings(
        self,
        verifier: &dyn SignatureVerifier,
        floor: RecordMode,
        registrars: Registrars,
        grace_since_ms: u64,
        now_ms: u64,
    ) -> LogFindings {
        let Self(mut history) = self;
        check_revocations(&mut history, verifier);
        check_registrars(&mut history, registrars);
        let until_ms = now_ms.saturating_add(MAX_CLOCK_SKEW_MS);
        history.check_timestamps(until_ms);
        history.check_floor(floor);
        let (gaps, _) = history.find_gaps(&Grace { since_ms: grace_since_ms, until_ms });
        let enrolled = || history.devices.values().flat_map(|device| &device.enrolled);
        LogFindings {
            devices: enrolled().count() as u64,
            devices_of_unknown_people: enrolled().filter(|enrolled| enrolled.person_sha256.is_none()).count() as u64,
            calls: history.calls.values().filter(|call| call.opened.is_some()).count() as u64,
            gaps,
            entry_types: std::mem::take(&mut history.counts),
            // A gap is in the list of gaps.
            problems: history.into_problems().into_iter().filter(|problem| problem.kind != ProblemKind::Gap).collect(),
        }
    }
}

/// Reports revocations whose signer had no right to make them. The signature of a registrar can be verified only with its
/// certificate, which the log does not hold; that the registrar was appointed at that time is in the log.
fn check_revocations(history: &mut History, verifier: &dyn SignatureVerifier) {
    for Revocation { index, device, jws } in std::mem::take(&mut history.revocations) {
        let Some(jws) = jws else { continue };
        let flaw = match verifier.claimed_revoker(&jws) {
            Some(by) => history.appointments(&by, index).err(),
            None => match verifier.verify_revocation(&jws, None) {
                Ok(revoked) if revoked == device => {
                    history.devices.entry(device.clone()).or_default().revoked.get_or_insert(index);
                    None
                }
                Ok(other) => Some(format!("the statement is about another device, {other}")),
                Err(why) => Some(why),
            },
        };
        if let Some(why) = flaw {
            let text = format!("entry {index}: {device} was not revoked by the authority or a registrar: {why}");
            history.problem(ProblemKind::Device, None, text);
        }
    }
}

/// Reports devices that one registrar enrolled where the charter demands two.
fn check_registrars(history: &mut History, demanded: Registrars) {
    if demanded == Registrars::One {
        return;
    }
    let alone = |enrolled: &&Enrolled| enrolled.by_registrar && enrolled.second_cert_sha256.is_none();
    let found = history.devices.iter().flat_map(|(device, known)| {
        let alone = known.enrolled.iter().filter(alone);
        alone.map(move |enrolled| format!("entry {}: {device} was enrolled by one registrar alone", enrolled.index))
    });
    for text in found.collect::<Vec<_>>() {
        history.problem(ProblemKind::Device, None, text);
    }
}
