//! The history of calls and devices according to the log, and its inconsistencies.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::{LineEntries, LoggedLineVersion, LoggedOffer};
use crate::digest::{Digest, sha256};
use crate::report::{Gap, Problem, ProblemKind};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use telcon_proto::entry::{ArchivedRecord, Entry, InvitationClosed, LoggedSignature, ReadEntry, is_by_registrar};
use telcon_proto::line::LineState;
use telcon_proto::recovery::{RecoveryConfirmation, RecoveryEnd};
use telcon_proto::{
    CallId, DelegationId, DocumentId, Ended, InvitationId, ItemId, LineId, OfficeAlert, RecordMode, RecoveryId, ShiftId,
};

/// Most problems that are listed. A log can be made of contradictions; the rest are one more problem.
pub(crate) const MAX_PROBLEMS: usize = 10_000;
/// Longest text of a log that is kept, characters: its writer's choice, up to 64 kB per entry.
const MAX_TEXT_CHARS: usize = 1000;
/// Most types that this program does not know and that are counted by name; further ones are counted together.
const MAX_UNKNOWN_TYPES: usize = 64;
/// Where those are counted.
const FURTHER_TYPES: &str = "further_types";
/// Most callers' devices of a call that are kept: a person has no more than eight.
const MAX_CALLERS: usize = 64;
/// Longest statement of a revocation, bytes: with a post-quantum signature it has some 6 kB.
const MAX_STATEMENT_BYTES: usize = 16 * 1024;

/// A `record_archived` or `record_sealed` entry.
#[derive(Debug, Clone)]
pub(crate) struct SealEntry {
    pub(crate) index: u64,
    /// The note-taker's device; absent in entries by versions before 0.1, which had one record per call.
    pub(crate) device: Option<String>,
    pub(crate) record_digest: Digest,
    pub(crate) signature: Signature,
    pub(crate) parts: u64,
    pub(crate) partial: bool,
}

/// The entries about one call.
#[derive(Debug, Default)]
pub(crate) struct CallEntries {
    pub(crate) opened: Option<(u64, RecordMode)>,
    /// Index of the entry of the opening.
    opened_index: Option<u64>,
    pub(crate) ended: Option<(u64, Ended)>,
    /// Index of the entry of the end.
    pub(crate) ended_index: Option<u64>,
    /// When it was answered, if the entry of the end says so.
    pub(crate) answered_ms: Option<u64>,
    /// The caller's devices.
    pub(crate) callers: Vec<String>,
    pub(crate) seals: Vec<SealEntry>,
    pub(crate) missing: Option<String>,
}

/// When a call may still be live, or its record on the way.
pub(crate) struct Grace {
    /// Since when, milliseconds since the Unix epoch.
    pub(crate) since_ms: u64,
    /// Timestamps after this are not believed.
    pub(crate) until_ms: u64,
}

impl Grace {
    /// Whether what is missing of this time (milliseconds since the Unix epoch) may be on its way.
    pub(crate) fn contains(&self, at_ms: u64) -> bool {
        (self.since_ms..=self.until_ms).contains(&at_ms)
    }
}

/// What the log says of the record of a call that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has a record at least.
    Recorded,
    /// It was not answered, so there is nothing to record.
    NotAnswered,
    /// Only that it took place was to be kept.
    LogOnly,
    /// It may still be live, or its record on the way.
    Pending,
    /// It should have a record and has none.
    Missing(Ended),
    /// It was opened, and its end is not in the log.
    NeverEnded,
}

impl CallEntries {
    /// None for a call that was never opened.
    pub(crate) fn standing(&self, grace: &Grace) -> Option<Standing> {
        let (opened_ms, mode) = self.opened?;
        let in_grace = |at: u64| grace.contains(at);
        Some(match self.ended {
            None if in_grace(opened_ms) => Standing::Pending,
            None => Standing::NeverEnded,
            Some(_) if !self.seals.is_empty() => Standing::Recorded,
            Some(_) if mode == RecordMode::LogOnly => Standing::LogOnly,
            Some((_, how)) if how.was_unanswered() => Standing::NotAnswered,
            Some((at, _)) if self.missing.is_none() && in_grace(at) => Standing::Pending,
            Some((_, how)) => Standing::Missing(how),
        })
    }
}

/// A `device_enrolled` entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Enrolled {
    pub(crate) index: u64,
    pub(crate) time_ms: u64,
    pub(crate) cert_sha256: Digest,
    /// Whose device it is, as the entry says; entries of older versions do not.
    pub(crate) person_sha256: Option<Digest>,
    /// That of the certificate by the second of two registrars.
    pub(crate) second_cert_sha256: Option<Digest>,
    /// Whether a registrar certified it, rather than a link of the authority.
    pub(crate) by_registrar: bool,
}

impl Enrolled {
    /// Its certificates.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = Digest> + use<> {
        [self.cert_sha256].into_iter().chain(self.second_cert_sha256)
    }
}

/// The entries about one device.
#[derive(Debug, Default)]
pub(crate) struct DeviceEntries {
    /// One per enrolment.
    pub(crate) enrolled: Vec<Enrolled>,
    /// Its appointments as a registrar.
    pub(crate) appointed: Vec<Appointed>,
    /// Index of the first revocation by the office's authority, or by a registrar that could.
    pub(crate) revoked: Option<u64>,
}

/// A `registrar_appointed` entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appointed {
    pub(crate) index: u64,
    pub(crate) cert_sha256: Digest,
}

/// A `document_version` entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoggedVersion {
    pub(crate) index: u64,
    pub(crate) time_ms: u64,
    pub(crate) version: u32,
    pub(crate) statement_sha256: Digest,
}

/// A `device_revoked` entry.
#[derive(Debug, Clone)]
pub(crate) struct Revocation {
    pub(crate) index: u64,
    pub(crate) device: String,
    /// The statement of the authority or a registrar, which entries of the first version lack.
    pub(crate) jws: Option<String>,
}

/// A registrar's statement about a recovery, as its entry has it.
#[derive(Debug, Clone)]
pub(crate) struct RecoveryStatement {
    pub(crate) index: u64,
    pub(crate) by: String,
    pub(crate) jws: String,
}

/// Both statements about one recovery.
#[derive(Debug, Clone)]
pub(crate) struct RecoveryStatements {
    pub(crate) opened: RecoveryStatement,
    /// With the invitation that its entry names.
    pub(crate) confirmed: Option<(RecoveryStatement, InvitationId)>,
}

/// The entries about one recovery.
#[derive(Debug)]
struct RecoveryEntries {
    opened_by: String,
    /// Entry of its confirmation, the invitation, and the devices that it names.
    confirmed: Option<(u64, InvitationId, Vec<String>)>,
    closed: bool,
}

/// The devices that a confirmation says are revoked with it. Its signature is verified with the registrar's certificate, where that is.
fn confirmed_devices(jws: &str) -> Vec<String> {
    let payload = jws.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let confirmation = payload.and_then(|bytes| serde_json::from_slice::<RecoveryConfirmation>(&bytes).ok());
    confirmation.map(|said| said.devices.iter().map(|device| device.to_hex()).collect()).unwrap_or_default()
}

/// A record's signature as its entry states it.
#[derive(Debug, Clone)]
pub(crate) enum Signature {
    Jws(String),
    Sha256(Digest),
}

impl Signature {
    /// Whether it is that of the seal.
    pub(crate) fn is(&self, jws: Option<&str>) -> bool {
        let logged = match self {
            Self::Jws(text) => LoggedSignature::Jws(text),
            Self::Sha256(digest) => LoggedSignature::Sha256(*digest),
        };
        jws.is_some_and(|jws| logged.is(jws, sha256))
    }
}

/// All entries, grouped by call and device.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) counts: BTreeMap<String, u64>,
    /// Number of alerts by kind, as the office's security officers are shown them.
    pub(crate) alerts: BTreeMap<String, u64>,
    pub(crate) calls: BTreeMap<String, CallEntries>,
    pub(crate) devices: BTreeMap<String, DeviceEntries>,
    /// The revocations that the log states, valid or not, in its order.
    pub(crate) revocations: Vec<Revocation>,
    /// The device of each enrolment, by the digest of the enrolment's identifier.
    enrolments: BTreeMap<Digest, String>,
    /// Whether records' signatures are kept as logged, for whoever verifies them.
    keeps_signatures: bool,
    unknown_types: usize,
    /// Index of the first enrolment that says whose device it is: all later ones have to, or a device could be hidden from whoever
    /// follows the log for a person.
    persons_since: Option<u64>,
    /// Invitations, and whether they are closed.
    invitations: BTreeMap<InvitationId, bool>,
    recoveries: BTreeMap<RecoveryId, RecoveryEntries>,
    /// What registrars signed of recoveries, for whoever has their certificates.
    pub(crate) recovery_statements: BTreeMap<RecoveryId, RecoveryStatements>,
    /// Invitations of recoveries.
    recovering: BTreeMap<InvitationId, RecoveryId>,
    /// Delegations: until when they are valid, and the index of their end.
    delegations: BTreeMap<DelegationId, (u64, Option<u64>)>,
    /// Lines, with their newest versions.
    lines: BTreeMap<LineId, (u32, LineState)>,
    /// The entries about lines, as a custodian asks for them.
    pub(crate) line_entries: LineEntries,
    /// Offers of lines that are not closed.
    line_offers: BTreeSet<InvitationId>,
    /// All versions of documents, for whoever verifies them.
    pub(crate) versions: BTreeMap<DocumentId, Vec<LoggedVersion>>,
    /// Newest versions of documents.
    documents: BTreeMap<DocumentId, (u32, Digest)>,
    readouts: BTreeMap<ItemId, Digest>,
    /// Shifts, and whether they have ended.
    shifts: BTreeMap<ShiftId, bool>,
    problems: Vec<Problem>,
    /// How many problems there are, listed or not.
    found: u64,
    /// Some entries could not be read: the absence of an entry proves nothing.
    pub(crate) incomplete: bool,
}

impl History {
    /// Before the first entry, for whoever verifies records with the signatures that were logged.
    pub(crate) fn with_signatures() -> Self {
        Self { keeps_signatures: true, ..Self::default() }
    }

    /// Adds the next entry.
    pub(crate) fn add_entry(&mut self, index: u64, bytes: &[u8]) {
        let entry = match ReadEntry::parse(bytes) {
            ReadEntry::Known(entry) => entry,
            ReadEntry::Unknown(kind) => return self.count_unknown(kind),
            ReadEntry::Malformed(why) => {
                return self.problem(ProblemKind::Entry, None, format!("entry {index}: {why}"));
            }
        };
        *self.counts.entry(entry.kind().to_owned()).or_default() += 1;
        if let Some(alert) = OfficeAlert::of_entry(index, &entry) {
            *self.alerts.entry(alert.kind.as_str().to_owned()).or_default() += 1;
        }
        match entry.clone() {
            Entry::DeviceEnrolled { time_ms, device, cert_sha256, enrolment, person_sha256, second_cert_sha256 } => {
                let device = device.to_hex();
                let first = self.enrolments.entry(sha256(enrolment.as_bytes())).or_insert_with(|| device.clone());
                if *first != device {
                    let text = format!(
                        "entry {index}: enrolment {enrolment} was used for {device}, and before that for {first}"
                    );
                    self.problem(ProblemKind::Device, None, text);
                }
                if person_sha256.is_none() && self.persons_since.is_some() {
                    let text =
                        format!("entry {index}: it does not say whose device {device} is, as earlier entries do");
                    self.problem(ProblemKind::Device, None, text);
                }
                self.persons_since = self.persons_since.or(person_sha256.map(|_| index));
                let by_registrar = is_by_registrar(&cert_sha256, &enrolment);
                let enrolled =
                    Enrolled { index, time_ms, cert_sha256, person_sha256, second_cert_sha256, by_registrar };
                self.devices.entry(device).or_default().enrolled.push(enrolled);
            }
            Entry::DeviceRevoked { device, jws, .. } => {
                let device = device.to_hex();
                if self.devices.entry(device.clone()).or_default().enrolled.is_empty() {
                    let text = format!("entry {index}: {device} was revoked but never enrolled");
                    self.problem(ProblemKind::Device, None, text);
                }
                if jws.as_ref().is_some_and(|jws| jws.len() > MAX_STATEMENT_BYTES) {
                    let text = format!("entry {index}: the statement that revokes {device} is too long to be one");
                    return self.problem(ProblemKind::Device, None, text);
                }
                self.revocations.push(Revocation { index, device, jws });
            }
            Entry::CallOpened { time_ms, call, mode, devices, delegation, line, .. } => {
                self.check_delegation(index, call, delegation, time_ms);
                self.check_line(index, call, line);
                self.line_entries.rings.extend(line.map(|line| (time_ms, line)));
                let call = call.to_hex();
                let known = self.calls.entry(call.clone()).or_default();
                let in_order = known.opened.is_none() && known.ended.is_none() && known.seals.is_empty();
                if known.opened.is_none() {
                    known.callers = devices.iter().take(MAX_CALLERS).map(|device| device.to_hex()).collect();
                }
                known.opened.get_or_insert((time_ms, mode));
                known.opened_index.get_or_insert(index);
                if !in_order {
                    self.call_problem(&call, format!("entry {index}: opened twice, or opened after its end"));
                }
            }
            Entry::CallEnded { time_ms, call, how, answered_ms, delegation, .. } => {
                self.check_answer(index, call, delegation, answered_ms);
                let call = call.to_hex();
                let known = self.calls.entry(call.clone()).or_default();
                let (opened, duplicate) = (known.opened.is_some(), known.ended.is_some());
                known.ended.get_or_insert((time_ms, how));
                known.ended_index.get_or_insert(index);
                known.answered_ms = known.answered_ms.or(answered_ms);
                match (opened, duplicate) {
                    (true, false) => {}
                    (false, _) => self.call_problem(&call, format!("entry {index}: ended but never opened")),
                    (true, true) => self.call_problem(&call, format!("entry {index}: ended twice")),
                }
            }
            Entry::RecordArchived { call, .. } | Entry::RecordSealed { call, .. } => {
                let Some(record) = entry.archived_record() else { return };
                let (call, device) = (call.to_hex(), record.device.map(|device| device.to_hex()));
                let signature = match record.signature {
                    LoggedSignature::Jws(text) if self.keeps_signatures => Signature::Jws(text.to_owned()),
                    LoggedSignature::Jws(text) => Signature::Sha256(sha256(text.as_bytes())),
                    LoggedSignature::Sha256(digest) => Signature::Sha256(digest),
                };
                let known = self.calls.entry(call.clone()).or_default();
                let opened = known.opened.is_some();
                let same_device = |other: &Option<String>| device.is_none() || other.is_none() || *other == device;
                let duplicate = known.seals.iter().any(|seal| same_device(&seal.device));
                let ArchivedRecord { record_digest, parts, partial, .. } = record;
                known.seals.push(SealEntry { index, device, record_digest, signature, parts, partial });
                if !opened {
                    self.call_problem(&call, format!("entry {index}: record of a call that was never opened"));
                }
                if duplicate {
                    self.call_problem(&call, format!("entry {index}: sealed twice by one note-taker"));
                }
            }
            Entry::RecordMissing { call, why, .. } => {
                let call = call.to_hex();
                let known = self.calls.entry(call.clone()).or_default();
                let opened = known.opened.is_some();
                known.missing = Some(shortened(why.clone()));
                if !opened {
                    self.call_problem(&call, format!("entry {index}: missing record of a call that was never opened"));
                }
                if why.trim().is_empty() {
                    self.call_problem(&call, format!("entry {index}: the record is missing without a reason"));
                }
            }
            Entry::RegistrarAppointed { device, cert_sha256, .. } => {
                let device = device.to_hex();
                let known = self.devices.entry(device.clone()).or_default();
                known.appointed.push(Appointed { index, cert_sha256 });
                if known.enrolled.is_empty() {
                    let text = format!("entry {index}: {device} was appointed as a registrar but never enrolled");
                    self.problem(ProblemKind::Device, None, text);
                }
            }
            Entry::InvitationMade { time_ms, invitation, by, line, delegation, .. } => {
                if line {
                    let offered = LoggedOffer { time_ms, offer: invitation, by: Some(by), closed: None };
                    self.line_entries.offers.push(offered);
                    self.line_offers.insert(invitation);
                }
                let by = by.to_hex();
                if line {
                    self.check_enrolled(index, &by, "offered a line");
                    if let Some(what) = delegation.and_then(|id| self.delegation_flaw(id, index, time_ms)) {
                        let text = format!("entry {index}: {by} offered a line under {what}");
                        self.problem(ProblemKind::Device, None, text);
                    }
                } else if self.devices.get(&by).is_none_or(|known| known.appointed.is_empty()) {
                    let text = format!("entry {index}: {by} invited somebody and is no registrar");
                    self.problem(ProblemKind::Device, None, text);
                }
                if self.invitations.insert(invitation, false).is_some() {
                    let text = format!("entry {index}: invitation {invitation} was made twice");
                    self.problem(ProblemKind::Device, None, text);
                }
            }
            Entry::InvitationClosed { time_ms, invitation, how, by, device } => {
                if self.line_offers.remove(&invitation) {
                    let closed = LoggedOffer { time_ms, offer: invitation, by, closed: Some(how) };
                    self.line_entries.offers.push(closed);
                }
                if let (Some(recovery), Some(device), InvitationClosed::Approved) =
                    (self.recovering.get(&invitation).copied(), device, how)
                {
                    self.check_recovered(index, recovery, &device.to_hex());
                }
                let before = self.invitations.insert(invitation, true);
                let what = match before {
                    Some(false) => return,
                    Some(true) => "closed twice",
                    None => "closed but never made",
                };
                self.problem(ProblemKind::Device, None, format!("entry {index}: invitation {invitation} was {what}"));
            }
            Entry::RecoveryOpened { recovery, by, jws, .. } => {
                let by = by.to_hex();
                self.recovery_statements.entry(recovery).or_insert_with(|| {
                    let opened = RecoveryStatement { index, by: by.clone(), jws };
                    RecoveryStatements { opened, confirmed: None }
                });
                self.check_registrar(index, &by, "opened a recovery");
                let new = RecoveryEntries { opened_by: by, confirmed: None, closed: false };
                if self.recoveries.insert(recovery, new).is_some() {
                    self.recovery_problem(index, recovery, "was opened twice");
                }
            }
            Entry::RecoveryConfirmed { recovery, by, invitation, jws, .. } => {
                let by = by.to_hex();
                self.check_registrar(index, &by, "confirmed a recovery");
                let devices = confirmed_devices(&jws);
                if let Some(known) = self.recovery_statements.get_mut(&recovery) {
                    known.confirmed = Some((RecoveryStatement { index, by: by.clone(), jws }, invitation));
                }
                let flaw = match self.recoveries.get_mut(&recovery) {
                    None => Some("was confirmed but never opened"),
                    Some(known) if known.closed => Some("was confirmed after its end"),
                    Some(known) if known.confirmed.is_some() => Some("was confirmed twice"),
                    Some(known) if known.opened_by == by => Some("was confirmed by the device that opened it"),
                    Some(known) => {
                        known.confirmed = Some((index, invitation, devices));
                        None
                    }
                };
                if let Some(flaw) = flaw {
                    self.recovery_problem(index, recovery, flaw);
                }
                self.recovering.insert(invitation, recovery);
            }
            Entry::RecoveryClosed { recovery, how, device, .. } => {
                let flaw = match self.recoveries.get_mut(&recovery) {
                    None => Some("was closed but never opened"),
                    Some(known) if known.closed => Some("was closed twice"),
                    Some(known) => {
                        known.closed = true;
                        let is_whole = known.confirmed.is_some() && device.is_some();
                        (how == RecoveryEnd::Completed && !is_whole)
                            .then_some("was completed without a confirmation and a device")
                    }
                };
                if let Some(flaw) = flaw {
                    self.recovery_problem(index, recovery, flaw);
                }
                if let Some(device) = device {
                    self.check_recovered(index, recovery, &device.to_hex());
                }
            }
            Entry::AlertRaised { count, .. } => {
                if count == 0 {
                    self.problem(ProblemKind::Entry, None, format!("entry {index}: an alert about nothing"));
                }
            }
            Entry::LineSigned { time_ms, line, version, state, by, statement_sha256, sealed_sha256 } => {
                let logged =
                    LoggedLineVersion { index, time_ms, line, version, state, by, statement_sha256, sealed_sha256 };
                self.line_entries.versions.push(logged);
                self.check_enrolled(index, &by.to_hex(), "signed a line");
                let before = self.lines.insert(line, (version, state));
                let flaw = match before {
                    None if version != 1 => Some("begins with a later version than its first"),
                    Some((_, LineState::Ended)) => Some("was signed after it had ended"),
                    Some((last, _)) if version != last.saturating_add(1) => {
                        Some("has a version that does not follow the last")
                    }
                    _ => None,
                };
                if let Some(flaw) = flaw {
                    self.problem(ProblemKind::Device, None, format!("entry {index}: line {line} {flaw}"));
                }
            }
            Entry::DeviceKey { device, .. } => self.check_enrolled(index, &device.to_hex(), "stated its key"),
            Entry::DocumentOpened { document, version, device, .. } => {
                self.check_enrolled(index, &device.to_hex(), "opened a copy");
                if self.documents.get(&document).is_none_or(|(newest, _)| version > *newest) {
                    let text =
                        format!("entry {index}: version {version} of document {document} was opened and never signed");
                    self.problem(ProblemKind::Device, None, text);
                }
            }
            Entry::ReadoutPublished { readout, statement_sha256, .. } => {
                // The same again says nothing new: the server was killed before it knew that the log had it.
                if self.readouts.insert(readout, statement_sha256).is_some_and(|before| before != statement_sha256) {
                    let readout = readout.to_hex();
                    let text = format!("entry {index}: readout {readout} was published again with another signed text");
                    self.problem(ProblemKind::Device, None, text);
                }
            }
            Entry::DocumentVersion { time_ms, document, version, statement_sha256 } => {
                let before = self.documents.insert(document, (version, statement_sha256));
                let last = before.map_or(0, |(last, _)| last);
                let is_new = before != Some((version, statement_sha256));
                if is_new && self.keeps_signatures {
                    let logged = LoggedVersion { index, time_ms, version, statement_sha256 };
                    self.versions.entry(document).or_default().push(logged);
                }
                // The same again says nothing new: the server did not know that the log had it.
                if is_new && version != last.saturating_add(1) {
                    let text = format!(
                        "entry {index}: version {version} of document {document} does not follow version {last}"
                    );
                    self.problem(ProblemKind::Device, None, text);
                }
            }
            Entry::DelegationGiven { delegation, until_ms, .. } => {
                if self.delegations.insert(delegation, (until_ms, None)).is_some() {
                    let text = format!("entry {index}: delegation {delegation} was given twice");
                    self.problem(ProblemKind::Device, None, text);
                }
            }
            Entry::DelegationEnded { delegation, .. } => match self.delegations.get_mut(&delegation) {
                Some((_, ended)) => {
                    ended.get_or_insert(index);
                }
                None => {
                    let text = format!("entry {index}: delegation {delegation} was ended but never given");
                    self.problem(ProblemKind::Device, None, text);
                }
            },
            Entry::ShiftStarted { shift, .. } => {
                if self.shifts.insert(shift, false).is_some() {
                    let text = format!("entry {index}: shift {shift} was started twice");
                    self.problem(ProblemKind::Device, None, text);
                }
            }
            Entry::ShiftEnded { shift, .. } => {
                let what = match self.shifts.insert(shift, true) {
                    Some(false) => return,
                    Some(true) => "ended twice",
                    None => "ended but never started",
                };
                self.problem(ProblemKind::Device, None, format!("entry {index}: shift {shift} was {what}"));
            }
            // The server's rules only restrict: nothing else in the log depends on them.
            Entry::DevicePolicyChanged { .. } => {}
            Entry::ArchiveOpened { call, .. } => {
                let call = call.to_hex();
                if !self.calls.contains_key(&call) {
                    self.call_problem(
                        &call,
                        format!("entry {index}: a custodian opened a record of a call that was never opened"),
                    );
                }
            }
        }
    }

    fn check_registrar(&mut self, index: u64, by: &str, what: &str) {
        if self.devices.get(by).is_none_or(|known| known.appointed.is_empty()) {
            self.problem(ProblemKind::Device, None, format!("entry {index}: {by} {what} and is no registrar"));
        }
    }

    fn check_enrolled(&mut self, index: u64, by: &str, what: &str) {
        if self.devices.get(by).is_none_or(|known| known.enrolled.is_empty()) {
            self.problem(ProblemKind::Device, None, format!("entry {index}: {by} {what} and was never enrolled"));
        }
    }

    fn recovery_problem(&mut self, index: u64, recovery: RecoveryId, what: &str) {
        self.problem(ProblemKind::Device, None, format!("entry {index}: recovery {recovery} {what}"));
    }

    /// The device of a recovered person needs the certificates of two registrars, and the devices that its confirmation names have
    /// to be revoked before it is enrolled.
    fn check_recovered(&mut self, index: u64, recovery: RecoveryId, device: &str) {
        let enrolled = self.devices.get(device).and_then(|known| known.enrolled.last()).copied();
        if enrolled.is_none_or(|enrolled| enrolled.second_cert_sha256.is_none()) {
            let text = format!("enrolled {device}, which two registrars did not certify");
            self.recovery_problem(index, recovery, &text);
        }
        let enrolled_at = enrolled.map_or(index, |enrolled| enrolled.index);
        let confirmed = self.recoveries.get(&recovery).and_then(|known| known.confirmed.as_ref());
        let named = confirmed.map(|(_, _, devices)| devices.clone()).unwrap_or_default();
        let is_revoked = |device: &String| {
            self.revocations.iter().any(|revocation| revocation.device == *device && revocation.index < enrolled_at)
        };
        let left: Vec<String> = named.into_iter().filter(|device| !is_revoked(device)).collect();
        for old in left {
            self.recovery_problem(index, recovery, &format!("enrolled a device, and {old} was not revoked before"));
        }
    }

    /// The registrar certificates with which a device could act in the entry `index`, in the order of the log; otherwise why it
    /// could not. Revocations in earlier entries must have been decided.
    pub(crate) fn appointments(&self, by: &str, index: u64) -> Result<Vec<Digest>, String> {
        let known = self.devices.get(by);
        if known.and_then(|known| known.revoked).is_some_and(|revoked| revoked < index) {
            return Err(format!("the registrar {by} was revoked before"));
        }
        let appointed = known.map(|known| known.appointed.as_slice()).unwrap_or_default();
        let appointed = appointed.iter().take_while(|appointed| appointed.index < index);
        let found: Vec<Digest> = appointed.map(|appointed| appointed.cert_sha256).collect();
        if found.is_empty() { Err(format!("{by} was not appointed as a registrar before")) } else { Ok(found) }
    }

    /// Reports calls with timestamps later than `until_ms`: a future timestamp would extend the grace period of a gap.
    pub(crate) fn check_timestamps(&mut self, until_ms: u64) {
        let late = |at: Option<u64>| at.is_some_and(|at| at > until_ms);
        let found = self
            .calls
            .iter()
            .filter(|(_, entries)| late(entries.opened.map(|(at, _)| at)) || late(entries.ended.map(|(at, _)| at)));
        let found: Vec<String> = found.map(|(call, _)| call.clone()).collect();
        for call in found {
            self.call_problem(&call, "its entries have timestamps in the future".to_owned());
        }
    }

    /// Reports calls with a record mode below the charter's floor.
    pub(crate) fn check_floor(&mut self, floor: RecordMode) {
        let found = self.calls.iter().filter(|(_, entries)| entries.opened.is_some_and(|(_, mode)| mode < floor));
        let found: Vec<String> = found.map(|(call, _)| call.clone()).collect();
        for call in found {
            self.call_problem(&call, "its record mode is below the floor in the office's charter".to_owned());
        }
    }

    /// The calls without a record, and the number of calls still pending; also reports calls that never ended.
    pub(crate) fn find_gaps(&mut self, grace: &Grace) -> (Vec<Gap>, u64) {
        if self.incomplete {
            return (Vec::new(), 0);
        }
        let (mut gaps, mut texts, mut pending) = (Vec::new(), Vec::new(), 0);
        for (call, entries) in &self.calls {
            let (Some((opened_ms, mode)), Some(standing)) = (entries.opened, entries.standing(grace)) else { continue };
            match standing {
                Standing::Pending => pending += 1,
                Standing::NeverEnded => texts.push((call.clone(), "opened but never ended".to_owned())),
                Standing::Missing(how) => {
                    if entries.missing.is_none() {
                        texts.push((
                            call.clone(),
                            "has neither a record nor a logged reason for having none".to_owned(),
                        ));
                    }
                    gaps.push(Gap { call: call.clone(), opened_ms, how, mode, why: entries.missing.clone() });
                }
                Standing::Recorded | Standing::NotAnswered | Standing::LogOnly => {}
            }
        }
        texts.into_iter().for_each(|(call, text)| self.problem(ProblemKind::Gap, Some(&call), text));
        gaps.sort_by_key(|gap| gap.opened_ms);
        (gaps, pending)
    }

    fn count_unknown(&mut self, kind: String) {
        match self.counts.get_mut(&kind) {
            Some(count) => *count += 1,
            None if self.unknown_types >= MAX_UNKNOWN_TYPES => {
                *self.counts.entry(FURTHER_TYPES.to_owned()).or_default() += 1;
            }
            None => {
                self.unknown_types += 1;
                self.counts.insert(kind, 1);
            }
        }
    }

    pub(crate) fn problem(&mut self, kind: ProblemKind, call: Option<&str>, text: String) {
        self.report(Problem { kind, call: call.map(str::to_owned), record: None, text });
    }

    /// Reports a problem. Of more than [`MAX_PROBLEMS`], the last one says so, and is damage if one of the rest is.
    pub(crate) fn report(&mut self, problem: Problem) {
        self.found += 1;
        let Problem { kind, call, record, text } = problem;
        match self.problems.len() {
            0..MAX_PROBLEMS => self.problems.push(Problem { kind, call, record, text: shortened(text) }),
            MAX_PROBLEMS => {
                let text = "there are more problems than are listed".to_owned();
                self.problems.push(Problem { kind, call: None, record: None, text });
            }
            _ => {
                let last = self.problems.last_mut().expect("invariant: there are many");
                if last.kind == ProblemKind::Gap {
                    last.kind = kind;
                }
            }
        }
    }

    /// How many problems were reported, listed or not.
    pub(crate) fn found(&self) -> u64 {
        self.found
    }

    /// The problems.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// A call is rung under a delegation that is in force: a server that lets one ring afterwards is found out here.
    fn check_delegation(&mut self, index: u64, call: CallId, delegation: Option<DelegationId>, time_ms: u64) {
        let what = delegation.and_then(|id| self.delegation_flaw(id, index, time_ms));
        if let Some(what) = what {
            self.call_problem(&call.to_hex(), format!("entry {index}: it was rung under {what}"));
        }
    }

    /// A call is rung over a line that is in use: a server that lets one ring over a paused or ended one is found out here.
    fn check_line(&mut self, index: u64, call: CallId, line: Option<LineId>) {
        let what = line.and_then(|id| match self.lines.get(&id) {
            None => Some("a line that was never given".to_owned()),
            Some((_, LineState::Live)) => None,
            Some((_, state)) => Some(format!("a line that was {}", state.as_str())),
        });
        if let Some(what) = what {
            self.call_problem(&call.to_hex(), format!("entry {index}: it was rung over {what}"));
        }
    }

    /// A call is answered under a delegation that was in force when it was opened. It may have ended during the call, and in the
    /// moment in which the call was answered.
    fn check_answer(&mut self, index: u64, call: CallId, delegation: Option<DelegationId>, answered_ms: Option<u64>) {
        let id = call.to_hex();
        let opened = self.calls.get(&id).and_then(|known| known.opened_index).unwrap_or(0);
        let what = delegation.and_then(|id| self.delegation_flaw(id, opened, answered_ms.unwrap_or(0)));
        if let Some(what) = what {
            self.call_problem(&id, format!("entry {index}: it was answered under {what}"));
        }
    }

    /// Why a delegation does not allow an act of this time, if it was ended in an entry before this one; none if it does.
    pub(crate) fn delegation_flaw(&self, id: DelegationId, before: u64, time_ms: u64) -> Option<String> {
        match self.delegations.get(&id) {
            None => Some("a delegation that was never given".to_owned()),
            Some((_, Some(ended))) if *ended < before => Some(format!("a delegation that entry {ended} had ended")),
            Some((until_ms, _)) if time_ms > *until_ms => Some("a delegation whose time was over".to_owned()),
            Some(_) => None,
        }
    }

    fn call_problem(&mut self, call: &str, text: String) {
        self.problem(ProblemKind::Call, Some(call), text);
    }
}

/// As much of a text as is kept.
fn shortened(text: String) -> String {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_log_is_short_however_long_its_entries_are() {
        let mut history = History::default();
        let long = "x".repeat(60_000);
        let id = "0123456789abcdef0123456789abcdef";
        for n in 0..200u64 {
            for entry in [
                format!(r#"{{"type":"{long}{n}","time_ms":1}}"#),
                format!(r#"{{"type":"type_{n}","time_ms":1}}"#),
                format!(r#"{{"type":"record_missing","time_ms":1,"call":"{n:032x}","why":"{long}"}}"#),
                format!(r#"{{"type":"device_revoked","time_ms":1,"device":"{id}","jws":"{long}"}}"#),
                format!(
                    r#"{{"type":"device_enrolled","time_ms":1,"device":"{n:032x}","cert_sha256":"{id}{id}","enrolment":"{long}{}"}}"#,
                    n / 2
                ),
                format!(
                    r#"{{"type":"record_sealed","time_ms":1,"call":"{n:032x}","record_digest":"{id}{id}","jws":"{long}","parts":1,"partial":false}}"#
                ),
            ] {
                history.add_entry(n, entry.as_bytes());
            }
        }
        assert!(history.counts.keys().all(|kind| kind.len() <= 64), "names of types are bounded");
        assert_eq!(history.counts[FURTHER_TYPES], 200 - MAX_UNKNOWN_TYPES as u64);
        // 60 MB were read. Everything that is kept is shown by `Debug`.
        let kept = format!("{history:?}").len();
        assert!(kept < 5_000_000, "{kept} bytes");
    }

    #[test]
    fn problems_are_counted_and_not_all_listed_and_damage_is_not_hidden_among_gaps() {
        let mut history = History::default();
        for n in 0..MAX_PROBLEMS + 10 {
            history.problem(ProblemKind::Gap, None, format!("gap {n}"));
        }
        history.problem(ProblemKind::Record, None, "damage".to_owned());
        assert_eq!(history.found(), MAX_PROBLEMS as u64 + 11);
        let problems = history.into_problems();
        assert_eq!(problems.len(), MAX_PROBLEMS + 1);
        assert_eq!(problems.last().unwrap().kind, ProblemKind::Record);
    }
}
