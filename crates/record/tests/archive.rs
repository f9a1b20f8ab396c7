//! Verification of an archive against its log: a valid one, and one attack or fault at a time.

mod support;

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use support::*;
use telcon_log::{Cosigner, DiskStorage, Log, LogSigner};
use telcon_proto::delegation::OnBehalf;
use telcon_proto::document::{About, DocumentKind, DocumentState, DocumentVersion};
use telcon_proto::entry::Entry;
use telcon_proto::{
    CallId, Card, DelegationId, DeviceId, DocumentId, Ended, InvitationId, LineId, OfficeName, PersonId, RecordMode,
    Role, ShiftId, SuiteName, http::Registrars, line::LineState, shift::ShiftEnd,
};
use telcon_record::*;

/// The auditor's time, milliseconds.
const NOW: u64 = 1_000_000;
const ORIGIN: &str = "office.example/archive";

fn call(n: u8) -> String {
    id(n).to_hex()
}

fn id(n: u8) -> CallId {
    CallId::from_bytes([n; 16])
}

/// A device's id, from a short name for it.
fn device(name: &str) -> DeviceId {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    DeviceId::from_bytes(bytes)
}

fn certificate(device: DeviceId) -> String {
    format!("certificate of {device}")
}

/// What the log says of the person of a device.
fn person(device: impl std::fmt::Display) -> Digest {
    sha256(format!("person of {device}").as_bytes())
}

/// Accepts `x.<device>.<record digest>`, as if the device had signed.
struct FakeVerifier;

impl SignatureVerifier for FakeVerifier {
    fn verify(&self, jws: &str, claims: &RecordReference, devices: &Devices) -> Result<Signer, String> {
        let fields: Vec<&str> = jws.split('.').collect();
        let cert_sha256 = sha256(format!("certificate of {}", fields[1]).as_bytes());
        devices.certificate(&cert_sha256).ok_or("no certificate")?;
        match fields[2] == claims.record_digest.to_string() {
            true => Ok(Signer {
                device: fields[1].to_owned(),
                cert_sha256: Some(cert_sha256),
                role: if fields[1] == device("duty").to_hex() { Role::DutyOfficer } else { Role::NoteTaker },
                signed_ms: 5,
                valid_ms: (0, if fields[1] == device("expired").to_hex() { 4 } else { u64::MAX }),
            }),
            false => Err("it signs something else".to_owned()),
        }
    }

    /// Accepts `the office, of DEVICE` and `the registrar DEVICE, of DEVICE` as issuers.
    fn verify_enrolment(&self, chain: &[Vec<u8>], _: u64) -> Result<EnrolledDevice, String> {
        let [certificate, issuer, rest @ ..] = chain else { panic!("not a chain: {chain:?}") };
        let of = |bytes: &[u8]| String::from_utf8_lossy(bytes).rsplit(' ').next().unwrap_or_default().to_owned();
        let text = String::from_utf8_lossy(issuer);
        let registrar = text.strip_prefix("the registrar ").and_then(|rest| rest.split(',').next()).map(str::to_owned);
        match (registrar.is_some() || text.starts_with("the office, of")) && of(issuer) == of(certificate) {
            true => {
                let second = if rest.is_empty() { None } else { Some(self.verify_enrolment(rest, 0)?) };
                let second = second.map(|second| second.registrars).unwrap_or_default();
                let registrars = registrar.into_iter().chain(second).collect();
                let person_sha256 = person(of(certificate));
                Ok(EnrolledDevice {
                    device: of(certificate),
                    registrars,
                    given_by: None,
                    role: Role::NoteTaker,
                    person_sha256,
                })
            }
            false => Err("by somebody else".to_owned()),
        }
    }

    /// Of `revoked.<device>.<registrar's device>`.
    fn claimed_revoker(&self, jws: &str) -> Option<String> {
        jws.split('.').nth(2).map(str::to_owned)
    }

    /// Accepts `revoked.<device>`, and `revoked.<device>.<registrar's device>` with the certificate `registrar` of note-takers.
    fn verify_revocation(&self, jws: &str, registrar: Option<(&[u8], Role)>) -> Result<String, String> {
        let rest = jws.strip_prefix("revoked.").ok_or("not signed by the authority".to_owned())?;
        match (rest.split_once('.'), registrar) {
            (None, None) => Ok(rest.to_owned()),
            (Some((device, _)), Some((b"registrar", Role::NoteTaker))) => Ok(device.to_owned()),
            _ => Err("signed by somebody else".to_owned()),
        }
    }

    fn verify_recovery(&self, _: (&str, &[u8]), _: Option<(&str, &[u8], InvitationId)>) -> Result<(), String> {
        Ok(())
    }

    /// Accepts `version.<base64 of the content>.<device>` that names the statement before.
    fn verify_version(&self, statement: &str, before: Option<&str>) -> Result<SignedVersion, String> {
        let fields: Vec<&str> = statement.split('.').collect();
        let content = URL_SAFE_NO_PAD.decode(fields[1]).map_err(|e| e.to_string())?;
        let content: DocumentVersion = serde_json::from_slice(&content).map_err(|e| e.to_string())?;
        match content.previous == before.map(|before| sha256(before.as_bytes())) {
            true => Ok(SignedVersion { content, device: fields[2].to_owned() }),
            false => Err("it follows another version".to_owned()),
        }
    }
}

fn opened(n: u8, mode: RecordMode) -> Entry {
    Entry::CallOpened {
        time_ms: 1000 * u64::from(n),
        call: id(n),
        ring_sha256: sha256(&[n]),
        mode,
        suite: SuiteName::Hybrid,
        devices: vec![device("desk")],
        delegation: None,
        line: None,
    }
}

fn ended(n: u8, how: Ended) -> Entry {
    let (answered, answered_ms) = (Some(!how.was_unanswered()), None);
    Entry::CallEnded { time_ms: 1000 * u64::from(n) + 500, call: id(n), how, answered, answered_ms, delegation: None }
}

fn enrolled(device: &str, enrolment: &str) -> Entry {
    let device = self::device(device);
    let cert_sha256 = sha256(certificate(device).as_bytes());
    let (person_sha256, enrolment, second_cert_sha256) = (Some(person(device)), enrolment.into(), None);
    Entry::DeviceEnrolled { time_ms: 1, device, cert_sha256, enrolment, person_sha256, second_cert_sha256 }
}

/// Writes the record of call `n`, signed by `device`; returns its log entry.
fn record(archive: &Path, n: u8, device: &str) -> Entry {
    let device = self::device(device);
    let dir = archive.join("records").join(format!("{}-{device}", call(n)));
    let mut writer = RecordWriter::create(&dir, &custodians(), &call(n)).unwrap();
    writer.add("events/000000.jsonl", payload(n, "x")).unwrap();
    writer.flush_part().unwrap();
    let mut sealed = writer.finish(&info(n.is_multiple_of(2))).unwrap();
    let jws = format!("x.{device}.{}", sealed.record_digest());
    sealed.attach_signature(&jws).unwrap();
    let (parts, partial) = (sealed.parts().len() as u64, sealed.seal().partial);
    let (record_digest, device) = (sealed.record_digest(), Some(device));
    Entry::RecordSealed { time_ms: 9, call: id(n), device, record_digest, jws, parts, partial }
}

/// The entry of the present version about the same record.
fn archived(entry: &Entry) -> Entry {
    let Entry::RecordSealed { time_ms, call, device: Some(device), record_digest, jws, parts, partial } = entry else {
        panic!("not the entry of a record: {entry:?}")
    };
    Entry::RecordArchived {
        time_ms: *time_ms,
        call: *call,
        device: *device,
        record_digest: *record_digest,
        jws_sha256: sha256(jws.as_bytes()),
        parts: *parts,
        partial: *partial,
    }
}

/// A revocation with the statement of the authority about `named`.
fn revoked(time_ms: u64, device: &str, named: &str) -> Entry {
    let jws = Some(format!("revoked.{}", self::device(named)));
    Entry::DeviceRevoked { time_ms, device: self::device(device), jws }
}

struct Archive {
    root: tempfile::TempDir,
    entries: Vec<Entry>,
}

impl Archive {
    /// Calls 1 (audio, recorded), 2 (memo, recorded as partial), 3 (log only), 4 (missed), 5 (no record, with a reason).
    fn good() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["devices", "issuers"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        let mut entries = vec![enrolled("notes", "e1"), enrolled("desk", "e2")];
        for device in ["notes", "desk"] {
            let device = self::device(device);
            let der = certificate(device);
            let name = format!("{}.der", sha256(der.as_bytes()));
            std::fs::write(root.path().join("devices").join(&name), der).unwrap();
            std::fs::write(root.path().join("issuers").join(name), format!("the office, of {device}")).unwrap();
        }
        entries.extend([
            opened(1, RecordMode::Audio),
            ended(1, Ended::HungUp),
            record(root.path(), 1, "notes"),
            opened(2, RecordMode::Memo),
            ended(2, Ended::Interrupted),
            record(root.path(), 2, "notes"),
            opened(3, RecordMode::LogOnly),
            ended(3, Ended::HungUp),
            opened(4, RecordMode::Audio),
            ended(4, Ended::Missed),
            opened(5, RecordMode::Audio),
            ended(5, Ended::HungUp),
            Entry::RecordMissing { time_ms: 9, call: id(5), why: "the note-taker's machine burnt".into() },
            Entry::ArchiveOpened { time_ms: 9, call: id(1), by: "custodians A and B".into() },
        ]);
        Self { root, entries }
    }

    fn path(&self) -> &Path {
        self.root.path()
    }

    fn record_dir(&self, n: u8) -> PathBuf {
        self.path().join("records").join(format!("{}-{}", call(n), device("notes")))
    }

    fn write_log(&self) -> ArchiveOptions {
        let signer = LogSigner::from_seed(&[5; 32], ORIGIN).unwrap();
        let log_key = signer.verifier_key().clone();
        let mut log = Log::create(DiskStorage::open(self.path().join("log")).unwrap(), signer, 0).unwrap();
        let bytes: Vec<Vec<u8>> = self.entries.iter().map(Entry::to_bytes).collect();
        log.append(&bytes, 1).unwrap();
        let witness = Cosigner::from_seed(&[6; 32], "witness.example").unwrap();
        let line = witness.cosign(log.checkpoint(), 77).unwrap();
        log.add_cosignature(witness.key(), &line).unwrap();
        let witnesses = vec![witness.key().clone()];
        ArchiveOptions {
            log_key,
            known_checkpoints: vec![],
            witnesses,
            grace_since_ms: u64::MAX,
            now_ms: NOW,
            floor: RecordMode::LogOnly,
        }
    }

    fn verify(&self) -> ArchiveReport {
        verify_archive(self.path(), &FakeVerifier, &self.write_log())
    }

    /// The only problem reported.
    fn problem(&self) -> (ProblemKind, Option<String>, String) {
        let report = self.verify();
        assert_eq!(report.problems.len(), 1, "{:#?}", report.problems);
        let Problem { kind, call, text, .. } = report.problems.into_iter().next().unwrap();
        (kind, call, text)
    }
}

#[test]
fn valid_archive_has_no_problems() {
    let archive = Archive::good();
    let report = archive.verify();
    assert!(report.is_good(), "{:#?}", report.problems);
    assert_eq!((report.calls, report.records, report.records_good, report.records_partial), (5, 2, 2, 1));
    assert_eq!((report.entries, report.devices, report.pending), (archive.entries.len() as u64, 2, 0));
    assert_eq!(report.witnesses["witness.example"], 77);
    assert_eq!(report.entry_types["call_opened"], 5);
    let gaps: Vec<_> = report.gaps.iter().map(|g| (g.call.clone(), g.why.as_deref())).collect();
    assert_eq!(gaps, [(call(5), Some("the note-taker's machine burnt"))]);
    assert!(serde_json::to_string(&report).unwrap().contains("\"problems\":[]"));
}

#[test]
fn missing_record_without_reason_is_a_gap_after_the_grace_period() {
    let mut archive = Archive::good();
    archive.entries.extend([opened(6, RecordMode::Memo), ended(6, Ended::HungUp)]);
    assert_eq!(archive.problem().0, ProblemKind::Gap);
    let report = archive.verify_with_grace(6000);
    assert!(report.is_good() && report.pending == 1, "{:#?}", report.problems);
}

const MEMORANDUM: DocumentId = DocumentId::from_bytes([0xd0; 16]);

/// A version of the memorandum of call 1.
fn version(number: u32, state: DocumentState, previous: Option<&str>) -> DocumentVersion {
    let office = OfficeName::parse("office.example").unwrap();
    let person = PersonId::from_bytes([1; 16]);
    DocumentVersion {
        office: office.clone(),
        document: MEMORANDUM,
        kind: DocumentKind::Memorandum,
        version: number,
        previous: previous.map(|before| sha256(before.as_bytes())),
        ciphertext_sha256: sha256(format!("sealed {number}").as_bytes()),
        content_sha256: sha256(b"content"),
        readers: vec![person],
        about: Some(About::Call(id(1))),
        state,
        due_ms: None,
        at_ms: 10,
        author: Card {
            person,
            office,
            name: "The President".into(),
            organisation: "Office".into(),
            role: Role::Principal,
            zone: "UTC".into(),
            place: false,
        },
        on_behalf: None,
    }
}

fn signed(version: &DocumentVersion, device: &str) -> String {
    format!("version.{}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(version).unwrap()), self::device(device))
}

impl Archive {
    /// Stores a version and logs it as one of this number.
    fn keep(&mut self, number: u32, time_ms: u64, statement: &str) {
        let statement_sha256 = sha256(statement.as_bytes());
        let dir = self.path().join("documents").join(MEMORANDUM.to_hex());
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(format!("{number}-{statement_sha256}.jws")), statement).unwrap();
        std::fs::write(dir.join(format!("{number}-{statement_sha256}")), format!("sealed {number}")).unwrap();
        let version = number;
        self.entries.push(Entry::DocumentVersion { time_ms, document: MEMORANDUM, version, statement_sha256 });
    }

    /// A memorandum that was approved at 20, and changed and approved again at 40; the statements of its four versions.
    fn with_memorandum() -> (Self, Vec<String>) {
        let (mut archive, mut statements) = (Self::good(), Vec::<String>::new());
        let states = [DocumentState::Draft, DocumentState::Approved, DocumentState::Draft, DocumentState::Approved];
        for (number, state) in (1..).zip(states) {
            let statement = signed(&version(number, state, statements.last().map(String::as_str)), "desk");
            archive.keep(number, u64::from(number) * 10, &statement);
            statements.push(statement);
        }
        (archive, statements)
    }
}

#[test]
fn a_memorandum_is_in_force_from_its_approval_to_the_next_one() {
    let (mut archive, statements) = Archive::with_memorandum();
    let periods = |archive: &Archive| -> Vec<(u32, u64, Option<u64>)> {
        // Each time a log is written anew.
        let _ = std::fs::remove_dir_all(archive.path().join("log"));
        let report = archive.verify();
        assert!(report.is_good(), "{:#?}", report.problems);
        let [memorandum] = &report.memoranda[..] else { panic!("{:?}", report.memoranda) };
        assert!(memorandum.verified && memorandum.call == Some(call(1)));
        memorandum.in_force.iter().map(|in_force| (in_force.version, in_force.from_ms, in_force.until_ms)).collect()
    };
    assert_eq!(periods(&archive), [(2, 20, Some(40)), (4, 40, None)]);
    // The server did not know that the log had it.
    archive.entries.push(archive.entries.last().unwrap().clone());
    assert_eq!(periods(&archive), [(2, 20, Some(40)), (4, 40, None)]);
    let next = signed(&version(5, DocumentState::Draft, Some(&statements[3])), "desk");
    archive.keep(5, 50, &next);
    assert_eq!(periods(&archive).last(), Some(&(4, 40, None)), "a draft changes nothing");
    archive.keep(6, 60, &signed(&version(6, DocumentState::Closed, Some(&next)), "desk"));
    assert_eq!(periods(&archive).last(), Some(&(4, 40, Some(60))));
}

/// A server with the log's key logs what nobody who may has signed as the next version.
#[test]
fn an_approval_that_a_server_made_up_or_took_from_another_version_is_never_in_force() {
    let made = |change: fn(&mut DocumentVersion), by: &str| {
        let (archive, statements) = Archive::with_memorandum();
        let mut approval = version(5, DocumentState::Approved, Some(&statements[3]));
        change(&mut approval);
        (archive, signed(&approval, by))
    };
    let unknown = OnBehalf { delegation: DelegationId::from_bytes([9; 16]), statement_sha256: sha256(b"nothing") };
    let (mut by_revoked, statement) = made(|_| {}, "desk");
    by_revoked.entries.push(revoked(45, "desk", "desk"));
    let (reused, statements) = Archive::with_memorandum();
    let (under_none, _) = made(|_| {}, "desk");
    let mut for_other = version(5, DocumentState::Approved, Some(&statements[3]));
    for_other.on_behalf = Some(unknown);
    let under = signed(&for_other, "desk");
    for ((mut archive, statement), expected) in [
        (made(|_| {}, "stranger"), "was not enrolled before"),
        ((by_revoked, statement), "was revoked before"),
        ((reused, statements[1].clone()), "it follows another version"),
        ((under_none, under), "a delegation that was never given"),
        (made(|version| version.document = DocumentId::from_bytes([7; 16]), "desk"), "another document or version"),
        (made(|version| version.version = 6, "desk"), "another document or version"),
        (made(|version| version.ciphertext_sha256 = sha256(b"other"), "desk"), "sealed file is another one"),
    ] {
        archive.keep(5, 50, &statement);
        let report = archive.verify();
        assert_eq!(report.verdict(), ArchiveVerdict::Damaged, "{expected}");
        let about: Vec<_> = report.problems.iter().filter(|one| one.kind == ProblemKind::Document).collect();
        assert!(about.len() == 1 && about[0].text.contains(expected), "{expected}: {:#?}", report.problems);
        assert_eq!(about[0].call, Some(call(1)));
        let [memorandum] = &report.memoranda[..] else { panic!("{:?}", report.memoranda) };
        assert!(!memorandum.verified && memorandum.in_force.iter().all(|in_force| in_force.version < 5), "{expected}");
    }
}

/// A server let a former delegate answer.
#[test]
fn an_answer_under_a_delegation_that_was_not_in_force_is_reported() {
    let id_of = DelegationId::from_bytes([0xde; 16]);
    let given = |until_ms| Entry::DelegationGiven {
        time_ms: 1,
        delegation: id_of,
        device: device("desk"),
        statement_sha256: sha256(b"statement"),
        until_ms,
    };
    let over = Entry::DelegationEnded { time_ms: 2, delegation: id_of, by: None, statement_sha256: None };
    let answered = Entry::CallEnded {
        time_ms: 6_500,
        call: id(6),
        how: Ended::HungUp,
        answered: Some(true),
        answered_ms: Some(6_100),
        delegation: Some(id_of),
    };
    let opening = || opened(6, RecordMode::LogOnly);
    for (entries, expected) in [
        (vec![given(NOW), opening(), answered.clone()], None),
        // It ended during the call.
        (vec![given(NOW), opening(), over.clone(), answered.clone()], None),
        (vec![given(NOW), over, opening(), answered.clone()], Some("had ended")),
        (vec![given(6_000), opening(), answered.clone()], Some("whose time was over")),
        (vec![opening(), answered], Some("never given")),
    ] {
        let mut archive = Archive::good();
        archive.entries.extend(entries);
        let report = archive.verify();
        let about: Vec<_> = report.problems.iter().filter(|one| one.kind == ProblemKind::Call).collect();
        assert_eq!(about.len(), usize::from(expected.is_some()), "{:#?}", report.problems);
        assert!(expected.is_none_or(|text| about[0].text.contains("answered under") && about[0].text.contains(text)));
    }
}

/// A server wrote shifts that cannot have been.
#[test]
fn shifts_that_contradict_each_other_are_reported() {
    let shift = ShiftId::from_bytes([0x5f; 16]);
    let began =
        || Entry::ShiftStarted { time_ms: 1, shift, device: device("desk"), person_sha256: sha256(b"somebody") };
    let over = || Entry::ShiftEnded { time_ms: 2, shift, how: ShiftEnd::HandedOver };
    for (entries, expected) in [
        (vec![began(), over()], None),
        (vec![began()], None),
        (vec![over()], Some("never started")),
        (vec![began(), over(), over()], Some("ended twice")),
        (vec![began(), began()], Some("started twice")),
    ] {
        let mut archive = Archive::good();
        archive.entries.extend(entries);
        let report = archive.verify();
        let about: Vec<_> = report.problems.iter().filter(|one| one.text.contains("shift")).collect();
        assert_eq!(about.len(), usize::from(expected.is_some()), "{:#?}", report.problems);
        assert!(expected.is_none_or(|text| about[0].text.contains(text)), "{about:#?}");
    }
}

#[test]
fn rings_over_lines_that_were_not_in_use_and_versions_out_of_order_are_reported() {
    let line = LineId::from_bytes([0x1e; 16]);
    let signed = |version, state, by: &str| Entry::LineSigned {
        time_ms: 1,
        line,
        version,
        state,
        by: device(by),
        statement_sha256: sha256(&[version as u8]),
        sealed_sha256: None,
    };
    let mut over = opened(6, RecordMode::LogOnly);
    if let Entry::CallOpened { line: named, .. } = &mut over {
        *named = Some(line);
    }
    let (live, paused, dead) = (LineState::Live, LineState::Paused, LineState::Ended);
    let end = || ended(6, Ended::Missed);
    let bound = || signed(1, live, "desk");
    for (entries, expected) in [
        (vec![bound(), over.clone(), end()], None),
        // It was ended during the call.
        (vec![bound(), over.clone(), signed(2, dead, "desk"), end()], None),
        (vec![bound(), signed(2, paused, "desk"), signed(3, live, "desk"), over.clone(), end()], None),
        (
            vec![bound(), signed(2, paused, "desk"), over.clone(), end()],
            Some((ProblemKind::Call, "a line that was paused")),
        ),
        (
            vec![bound(), signed(2, dead, "desk"), over.clone(), end()],
            Some((ProblemKind::Call, "a line that was ended")),
        ),
        (vec![over, end()], Some((ProblemKind::Call, "never given"))),
        (vec![signed(2, live, "desk")], Some((ProblemKind::Device, "later version than its first"))),
        (vec![bound(), bound()], Some((ProblemKind::Device, "does not follow the last"))),
        (vec![bound(), signed(3, live, "desk")], Some((ProblemKind::Device, "does not follow the last"))),
        (
            vec![bound(), signed(2, dead, "desk"), signed(3, live, "desk")],
            Some((ProblemKind::Device, "after it had ended")),
        ),
        (vec![signed(1, live, "nobody")], Some((ProblemKind::Device, "never enrolled"))),
    ] {
        let mut archive = Archive::good();
        archive.entries.extend(entries);
        let report = archive.verify();
        let about: Vec<_> = report.problems.iter().map(|problem| (problem.kind, problem.text.as_str())).collect();
        match expected {
            None => assert!(about.is_empty(), "{about:#?}"),
            Some((kind, text)) => {
                assert!(matches!(about[..], [(found, what)] if found == kind && what.contains(text)), "{about:#?}")
            }
        }
    }
}

#[test]
fn future_timestamp_does_not_extend_the_grace_period() {
    let (how, answered, answered_ms) = (Ended::Revoked, Some(true), None);
    let later = Entry::CallEnded { time_ms: 2 * NOW, call: id(6), how, answered, answered_ms, delegation: None };
    for late in [later, ended(6, Ended::Revoked)] {
        let mut archive = Archive::good();
        let dated = matches!(late, Entry::CallEnded { time_ms, .. } if time_ms > NOW);
        archive.entries.extend([opened(6, RecordMode::Memo), late]);
        let report = archive.verify_with(|options| options.grace_since_ms = NOW - 1);
        let about: Vec<_> = report.problems.iter().map(|problem| problem.kind).collect();
        assert_eq!(about.contains(&ProblemKind::Call), dated, "{:#?}", report.problems);
        assert!(about.contains(&ProblemKind::Gap), "no record and no reason: {:#?}", report.problems);
    }
}

#[test]
fn record_mode_below_the_floor_is_reported() {
    let archive = Archive::good();
    let floor = |floor| archive.verify_with(|options| options.floor = floor).problems;
    assert!(floor(RecordMode::LogOnly).is_empty());
    assert!(floor(RecordMode::Audio).iter().all(|problem| problem.kind == ProblemKind::Call));
    assert!(!floor(RecordMode::Audio).is_empty());
}

impl Archive {
    fn verify_with(&self, change: impl FnOnce(&mut ArchiveOptions)) -> ArchiveReport {
        let _ = std::fs::remove_dir_all(self.path().join("log"));
        let mut options = self.write_log();
        change(&mut options);
        verify_archive(self.path(), &FakeVerifier, &options)
    }

    fn verify_with_grace(&self, grace_since_ms: u64) -> ArchiveReport {
        std::fs::remove_dir_all(self.path().join("log")).unwrap();
        let options = ArchiveOptions { grace_since_ms, ..self.write_log() };
        verify_archive(self.path(), &FakeVerifier, &options)
    }
}

#[test]
fn inconsistent_call_entries_are_reported() {
    let mut archive = Archive::good();
    archive.entries.push(opened(6, RecordMode::LogOnly));
    assert_eq!(archive.problem(), (ProblemKind::Gap, Some(call(6)), "opened but never ended".into()));
    let mut archive = Archive::good();
    archive.entries.push(ended(3, Ended::HungUp));
    assert!(archive.problem().2.ends_with("ended twice"));
    let mut archive = Archive::good();
    archive.entries.push(ended(7, Ended::HungUp));
    assert!(archive.problem().2.ends_with("ended but never opened"));
    let mut archive = Archive::good();
    archive.entries.push(opened(3, RecordMode::LogOnly));
    assert!(archive.problem().2.contains("opened twice"));
    let mut archive = Archive::good();
    archive.entries.push(Entry::RecordMissing { time_ms: 9, call: id(4), why: " ".into() });
    assert!(archive.problem().2.contains("missing without a reason"));
}

#[test]
fn records_that_differ_from_the_log_are_reported() {
    let archive = Archive::good();
    std::fs::remove_dir_all(archive.record_dir(1)).unwrap();
    let expected = "sealed according to log entry 4, but not in the archive";
    assert_eq!(archive.problem(), (ProblemKind::Record, Some(call(1)), expected.into()));

    let archive = Archive::good();
    let part = archive.record_dir(2).join("part-000000.tar.age");
    std::fs::write(&part, b"x").unwrap();
    assert!(archive.problem().2.contains("is not the part that was sealed"));

    let archive = Archive::good();
    std::fs::write(archive.record_dir(2).join("seal.json"), b"{}").unwrap();
    assert!(archive.problem().2.starts_with("seal.json: "));

    let archive = Archive::good();
    record(archive.path(), 3, "notes");
    assert!(archive.problem().2.contains("in the archive, but not in the log"));
}

#[test]
fn stray_files_are_named_and_blame_no_record() {
    let archive = Archive::good();
    for name in ["records/.DS_Store", "records/zzz", "devices/Thumbs.db"] {
        std::fs::write(archive.path().join(name), b"x").unwrap();
    }
    std::fs::create_dir(archive.path().join("records/stray")).unwrap();
    // A file is no record, whatever its name is.
    std::fs::write(archive.path().join("records").join(call(9)), b"x").unwrap();
    let report = archive.verify();
    assert!(report.is_good(), "{:#?}", report.problems);
    let mut strays: Vec<_> = report.strays.iter().map(|stray| stray.path.as_str()).collect();
    strays.sort_unstable();
    let file = format!("records/{}", call(9));
    assert_eq!(strays, ["devices/Thumbs.db", "records/.DS_Store", &file, "records/stray", "records/zzz"]);

    // Nor is what is wrong beside it blamed on the record before it.
    std::fs::remove_dir_all(archive.path().join("log")).unwrap();
    std::fs::remove_dir_all(archive.record_dir(2)).unwrap();
    let report = archive.verify();
    assert!(report.problems.iter().all(|problem| problem.call == Some(call(2))), "{:#?}", report.problems);
}

#[test]
fn the_verdict_tells_gaps_from_damage() {
    let archive = Archive::good();
    assert_eq!(archive.verify().verdict(), ArchiveVerdict::Gaps, "a partial record, and a call without one");
    let mut archive = Archive::good();
    archive.entries.retain(|entry| entry.call().is_none_or(|call| ![id(2), id(5)].contains(&call)));
    std::fs::remove_dir_all(archive.record_dir(2)).unwrap();
    assert_eq!(archive.verify().verdict(), ArchiveVerdict::Complete);
    archive.entries.extend([opened(6, RecordMode::Memo), ended(6, Ended::HungUp)]);
    assert_eq!(archive.verify_with(|_| ()).verdict(), ArchiveVerdict::Gaps, "a call that should have been recorded");
    std::fs::remove_dir_all(archive.record_dir(1)).unwrap();
    assert_eq!(archive.verify_with(|_| ()).verdict(), ArchiveVerdict::Damaged, "a record that was logged is gone");
}

/// The attacker writes the archive that an auditor is handed. Nothing hangs, ends only with the memory, or is read from
/// outside of it.
#[cfg(unix)]
#[test]
fn links_special_and_endless_files_in_an_archive_are_refused_at_once() {
    use std::os::unix::fs::symlink;
    let fifo = |path: &Path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    let sparse = |path: &Path| std::fs::File::create(path).unwrap().set_len(1 << 42).unwrap();
    type Replace<'a> = (&'a str, &'a dyn Fn(&Path));
    let replace: [Replace; 4] = [
        ("a link to an endless device", &|path| symlink("/dev/zero", path).unwrap()),
        ("a FIFO", &fifo),
        ("a directory", &|path| std::fs::create_dir(path).unwrap()),
        ("an oversized sparse file", &sparse),
    ];
    let digest = sha256(certificate(device("notes")).as_bytes());
    for (how, make) in replace {
        for kind in ["seal.json", "part-000000.tar.age"] {
            let archive = Archive::good();
            let path = archive.record_dir(1).join(kind);
            std::fs::remove_file(&path).unwrap();
            make(&path);
            let (problem, about, _) = archive.problem();
            assert_eq!((problem, about), (ProblemKind::Record, Some(call(1))), "{how} as {kind}");
        }
        for dir in ["devices", "issuers"] {
            let archive = Archive::good();
            let path = archive.path().join(format!("{dir}/{digest}.der"));
            std::fs::remove_file(&path).unwrap();
            make(&path);
            assert_eq!(archive.verify().verdict(), ArchiveVerdict::Damaged, "{how} in {dir}");
        }
        let archive = Archive::good();
        let options = archive.write_log();
        let path = archive.path().join("log/checkpoint");
        std::fs::remove_file(&path).unwrap();
        make(&path);
        let report = verify_archive(archive.path(), &FakeVerifier, &options);
        assert!(report.problems.iter().any(|problem| problem.kind == ProblemKind::Log), "{how} as checkpoint");
    }
    // A link in a parent, to content that would be valid.
    for name in ["records", "devices", "issuers", "log"] {
        let archive = Archive::good();
        let options = archive.write_log();
        let (dir, moved) = (archive.path().join(name), archive.path().join("moved"));
        std::fs::rename(&dir, &moved).unwrap();
        symlink("moved", &dir).unwrap();
        let report = verify_archive(archive.path(), &FakeVerifier, &options);
        // The log's own directory is opened by its name; the others are entries of the archive.
        assert_eq!(report.verdict() == ArchiveVerdict::Damaged, name != "log", "{name}");
    }
    let archive = Archive::good();
    std::fs::rename(archive.record_dir(1), archive.path().join("moved")).unwrap();
    symlink("../moved", archive.record_dir(1)).unwrap();
    assert_eq!(archive.problem().0, ProblemKind::Record, "a record that is a link");
}

/// Who may seal is one rule ([`telcon_proto::sealing`]): the attacker has a device of the office and an archive to write.
#[test]
fn only_a_note_taker_enrolled_before_the_call_ended_may_have_sealed_it() {
    let attack = |who: &str, at: usize, entry: &dyn Fn(&str) -> Entry| {
        let mut archive = Archive::good();
        let device = device(who);
        let der = certificate(device);
        let name = format!("{}.der", sha256(der.as_bytes()));
        std::fs::write(archive.path().join("devices").join(&name), der).unwrap();
        std::fs::write(archive.path().join("issuers").join(name), format!("the office, of {device}")).unwrap();
        std::fs::remove_dir_all(archive.record_dir(1)).unwrap();
        archive.entries[4] = record(archive.path(), 1, who);
        archive.entries.insert(at, entry(who));
        let report = archive.verify();
        (report.verdict(), report.problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>())
    };
    let enrol = |who: &str| enrolled(who, who);
    // Entries 2 and 3 open and end the call; 4 is its record.
    let (verdict, problems) = attack("duty", 4, &enrol);
    assert_eq!(verdict, ArchiveVerdict::Damaged);
    assert!(problems.iter().any(|text| text.contains("its role, duty_officer, may not seal records")), "{problems:?}");
    let (verdict, problems) = attack("later", 4, &enrol);
    assert_eq!(verdict, ArchiveVerdict::Damaged);
    assert!(problems.iter().any(|text| text.contains("only after the call had ended")), "{problems:?}");
    let (verdict, problems) = attack("expired", 0, &enrol);
    assert_eq!(verdict, ArchiveVerdict::Damaged);
    assert!(problems.iter().any(|text| text.contains("was not valid when it signed")), "{problems:?}");
    assert_eq!(attack("other", 0, &enrol).0, ArchiveVerdict::Gaps, "a second note-taker, enrolled before");
}

#[test]
fn calls_are_listed_without_a_key_and_bag_info_is_read_with_one() {
    let archive = Archive::good();
    let listing = list_calls(archive.path(), &FakeVerifier, &archive.write_log());
    assert!(listing.report.problems.is_empty(), "{:#?}", listing.report.problems);
    let states: Vec<_> = listing.calls.iter().map(|call| call.state).collect();
    use CallState::{Incomplete, LogOnly, Lost, Missing, NotAnswered, Recorded};
    assert_eq!(states, [Recorded, Incomplete, LogOnly, NotAnswered, Missing]);
    assert_eq!(listing.calls[4].missing.as_deref(), Some("the note-taker's machine burnt"));
    assert_eq!(listing.calls[0].callers, [device("desk").to_hex()]);
    assert_eq!(listing.certificates[&device("desk").to_hex()].chain[0], certificate(device("desk")).as_bytes());
    let record = &listing.calls[1].records[0];
    let info = read_bag_info(archive.path(), record, &[identity(1)]).unwrap();
    assert!(info.contains(&("Telcon-Reason".into(), "the note-taker was restarted".into())), "{info:?}");
    assert!(matches!(read_bag_info(archive.path(), record, &[identity(9)]), Err(RecordError::WrongIdentity(_))));
    let swapped = telcon_record::ListedRecord { name: listing.calls[0].records[0].name.clone(), ..record.clone() };
    assert!(matches!(read_bag_info(archive.path(), &swapped, &[identity(1)]), Err(RecordError::Seal(_))));
    std::fs::remove_dir_all(archive.record_dir(1)).unwrap();
    std::fs::remove_dir_all(archive.path().join("log")).unwrap();
    let listing = list_calls(archive.path(), &FakeVerifier, &archive.write_log());
    assert_eq!(listing.calls[0].state, Lost);
}

#[test]
fn one_record_is_verified_by_itself() {
    let archive = Archive::good();
    let options = archive.write_log();
    let name = format!("{}-{}", call(1), device("notes"));
    let members = [device("desk").to_hex(), device("notes").to_hex()];
    let standing = verify_record(archive.path(), &name, &members, &FakeVerifier, &options);
    assert!(standing.report.problems.is_empty(), "{:#?}", standing.report.problems);
    assert_eq!((standing.sealed_entry, standing.device), (Some(4), Some(device("notes").to_hex())));
    // Only the members of the call may have sealed it, where they are known.
    let report = verify_record(archive.path(), &name, &members[..1], &FakeVerifier, &options).report;
    assert!(report.problems.len() == 1 && report.problems[0].text.contains("not in the call"), "{report:#?}");
    assert!(verify_record(archive.path(), &name, &[], &FakeVerifier, &options).report.problems.is_empty());
    // What is wrong with another record is not this one's fault.
    std::fs::remove_dir_all(archive.record_dir(2)).unwrap();
    assert!(verify_record(archive.path(), &name, &members, &FakeVerifier, &options).report.problems.is_empty());
    std::fs::write(archive.record_dir(1).join("part-000000.tar.age"), b"x").unwrap();
    assert_eq!(verify_record(archive.path(), &name, &members, &FakeVerifier, &options).report.problems.len(), 1);
}

#[test]
fn replaced_record_is_detected() {
    // The directory of call 1 is replaced by a consistent and signed record with different content.
    let archive = Archive::good();
    std::fs::remove_dir_all(archive.record_dir(1)).unwrap();
    record(archive.path(), 1, "notes");
    let texts: Vec<String> = archive.verify().problems.into_iter().map(|p| p.text).collect();
    assert!(texts.iter().any(|t| t.contains("record digest differs from log entry 4")), "{texts:?}");
    assert!(texts.iter().any(|t| t.contains("invalid signature")), "{texts:?}");
    assert_eq!(archive.verify_with_grace(u64::MAX).records_good, 1);
}

#[test]
fn entry_that_differs_from_the_seal_is_reported() {
    let change = |edit: &dyn Fn(&mut u64, &mut bool)| {
        let mut archive = Archive::good();
        let Some(Entry::RecordSealed { parts, partial, .. }) = archive.entries.get_mut(4) else { panic!("moved") };
        edit(parts, partial);
        archive.problem().2
    };
    assert!(change(&|parts, _| *parts = 9).contains("number of parts"));
    assert!(change(&|_, partial| *partial = true).contains("partial state"));
}

#[test]
fn one_record_per_note_taker_is_allowed() {
    // The desk's device acts as the second note-taker.
    let mut archive = Archive::good();
    archive.entries.push(record(archive.path(), 2, "desk"));
    let report = archive.verify();
    assert!(report.is_good(), "{:#?}", report.problems);
    assert_eq!((report.records, report.records_good, report.records_partial), (3, 3, 2));
    let partial: Vec<_> = report.partial.iter().map(|p| (p.record.as_str(), p.opened_ms)).collect();
    let names = ["desk", "notes"].map(|name| format!("{}-{}", call(2), device(name)));
    assert_eq!(partial, [(&*names[0], Some(2000)), (&*names[1], Some(2000))]);

    std::fs::remove_dir_all(archive.path().join("records").join(&names[0])).unwrap();
    let lost = archive.verify_with(|_| ()).problems;
    assert!(matches!(&lost[..], [p] if p.text.contains("not in the archive")), "{lost:#?}");

    let mut archive = Archive::good();
    archive.entries.push(archive.entries[4].clone());
    let texts: Vec<String> = archive.verify().problems.into_iter().map(|p| p.text).collect();
    assert!(texts.iter().any(|text| text.contains("sealed twice by one note-taker")), "{texts:?}");

    // Entry and directory name one device, but another one signed.
    let mut archive = Archive::good();
    let Some(Entry::RecordSealed { device, .. }) = archive.entries.get_mut(4) else { panic!("moved") };
    *device = Some(self::device("desk"));
    let renamed = format!("records/{}-{}", call(1), self::device("desk"));
    std::fs::rename(archive.record_dir(1), archive.path().join(renamed)).unwrap();
    let (kind, _, text) = archive.problem();
    assert!(kind == ProblemKind::Signature && text.contains("names another device"), "{text}");
}

#[test]
fn record_directory_named_by_call_only_is_still_valid() {
    let mut archive = Archive::good();
    let Some(Entry::RecordSealed { device, .. }) = archive.entries.get_mut(4) else { panic!("moved") };
    *device = None;
    std::fs::rename(archive.record_dir(1), archive.path().join("records").join(call(1))).unwrap();
    assert!(archive.verify().is_good(), "{:#?}", archive.verify_with(|_| ()).problems);
}

#[test]
fn a_server_alone_cannot_disown_a_record() {
    // Without the authority's statement, as the first version wrote it: ignored, and counted.
    let mut archive = Archive::good();
    archive.entries.insert(2, Entry::DeviceRevoked { time_ms: 2, device: device("notes"), jws: None });
    let report = archive.verify();
    assert!(report.is_good(), "{:#?}", report.problems);
    assert_eq!((report.unsigned_revocations, report.records_good), (1, 2));
    // With a statement that the authority did not sign, or that is about another device: reported, and the records stay valid.
    let forged = Entry::DeviceRevoked { time_ms: 2, device: device("notes"), jws: Some("forged".into()) };
    for (entry, why) in [(forged, "was not revoked by"), (revoked(2, "notes", "desk"), "about another device")] {
        let mut archive = Archive::good();
        archive.entries.insert(2, entry);
        let report = archive.verify();
        let [problem] = &report.problems[..] else { panic!("{:#?}", report.problems) };
        assert!(problem.kind == ProblemKind::Device && problem.text.contains(why), "{}", problem.text);
        assert_eq!((report.unsigned_revocations, report.records_good), (0, 2));
    }
    // A false statement does not hide a true one that follows.
    let mut archive = Archive::good();
    archive.entries.insert(2, Entry::DeviceRevoked { time_ms: 2, device: device("notes"), jws: None });
    archive.entries.insert(3, revoked(3, "notes", "notes"));
    assert_eq!(archive.verify().problems.len(), 2, "both records are signed after the revocation");
}

#[test]
fn a_record_is_verified_by_the_digest_of_its_signature() {
    let good = || {
        let mut archive = Archive::good();
        for entry in archive.entries.iter_mut().filter(|entry| entry.kind() == "record_sealed") {
            *entry = archived(entry);
        }
        archive
    };
    let report = good().verify();
    assert!(report.is_good(), "{:#?}", report.problems);
    assert_eq!(report.records_good, 2);
    // The seal bears another signature than the one that was logged.
    let mut archive = good();
    let Some(Entry::RecordArchived { jws_sha256, .. }) = archive.entries.get_mut(4) else { panic!("moved") };
    *jws_sha256 = sha256(b"another");
    assert!(archive.problem().2.contains("signature differs from log entry 4"));
}

#[test]
fn signature_by_a_revoked_late_or_unknown_device_is_reported() {
    let mut archive = Archive::good();
    archive.entries.insert(2, revoked(2, "notes", "notes"));
    let report = archive.verify();
    assert_eq!(report.problems.len(), 2, "{:#?}", report.problems);
    assert!(report.problems.iter().all(|p| p.kind == ProblemKind::Signature && p.text.contains("had been revoked")));

    // Revoked later: earlier signatures remain valid.
    let mut archive = Archive::good();
    archive.entries.push(revoked(99, "notes", "notes"));
    assert!(archive.verify().is_good());

    // Enrolled after signing.
    let mut archive = Archive::good();
    let late = archive.entries.remove(0);
    archive.entries.push(late);
    let report = archive.verify();
    assert_eq!(report.problems.len(), 2, "{:#?}", report.problems);
    assert!(report.problems.iter().all(|p| p.kind == ProblemKind::Signature && p.text.contains("not enrolled")));

    let mut archive = Archive::good();
    archive.entries.extend([opened(6, RecordMode::Memo), ended(6, Ended::HungUp)]);
    archive.entries.push(record(archive.path(), 6, "stranger"));
    assert!(archive.problem().2.contains("no certificate"));
}

#[test]
fn devices_and_certificates() {
    let mut archive = Archive::good();
    archive.entries.push(enrolled("second", "e1"));
    let texts: Vec<String> = archive.verify().problems.into_iter().map(|p| p.text).collect();
    let (first, second) = (device("notes"), device("second"));
    let twice = format!("enrolment e1 was used for {second}, and before that for {first}");
    assert!(texts.iter().any(|t| t.contains(&twice)), "{texts:?}");
    assert!(texts.iter().any(|t| t.contains(&certificate(second))), "{texts:?}");

    let archive = Archive::good();
    let der = b"nobody's";
    std::fs::write(archive.path().join(format!("devices/{}.der", sha256(der))), der).unwrap();
    assert!(archive.problem().2.contains("belongs to no device in the log"));

    // Of this device no certificate is left.
    let archive = Archive::good();
    let logged = sha256(certificate(device("desk")).as_bytes());
    std::fs::write(archive.path().join(format!("devices/{logged}.der")), der).unwrap();
    let texts: Vec<String> = archive.verify().problems.into_iter().map(|p| p.text).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("not named after its SHA-256") && texts[1].contains("is missing"), "{texts:?}");
}

#[test]
fn certificates_that_the_log_does_not_name_are_not_read() {
    let archive = Archive::good();
    let unlogged = archive.path().join(format!("devices/{}.der", "0".repeat(64)));
    // Reading it would fail, and be a problem of its own.
    std::fs::create_dir(&unlogged).unwrap();
    assert!(archive.problem().2.contains("belongs to no device in the log"));
}

/// Lets something happen in the archive while it is verified: after the log was read, before the records are.
struct Meanwhile<F>(std::cell::RefCell<Option<F>>);

impl<F: FnOnce()> Meanwhile<F> {
    fn new(happens: F) -> Self {
        Self(std::cell::RefCell::new(Some(happens)))
    }
}

impl<F: FnOnce()> SignatureVerifier for Meanwhile<F> {
    fn verify_version(&self, statement: &str, before: Option<&str>) -> Result<SignedVersion, String> {
        FakeVerifier.verify_version(statement, before)
    }

    fn verify(&self, jws: &str, claims: &RecordReference, devices: &Devices) -> Result<Signer, String> {
        FakeVerifier.verify(jws, claims, devices)
    }

    fn verify_enrolment(&self, chain: &[Vec<u8>], enrolled_ms: u64) -> Result<EnrolledDevice, String> {
        if let Some(happens) = self.0.borrow_mut().take() {
            happens();
        }
        FakeVerifier.verify_enrolment(chain, enrolled_ms)
    }

    fn claimed_revoker(&self, jws: &str) -> Option<String> {
        FakeVerifier.claimed_revoker(jws)
    }

    fn verify_revocation(&self, jws: &str, registrar: Option<(&[u8], Role)>) -> Result<String, String> {
        FakeVerifier.verify_revocation(jws, registrar)
    }

    fn verify_recovery(
        &self,
        opened: (&str, &[u8]),
        confirmed: Option<(&str, &[u8], InvitationId)>,
    ) -> Result<(), String> {
        FakeVerifier.verify_recovery(opened, confirmed)
    }
}

#[test]
fn a_record_that_arrives_while_the_archive_is_verified_is_no_damage() {
    let mut archive = Archive::good();
    archive.entries.extend([opened(7, RecordMode::Audio), ended(7, Ended::HungUp)]);
    let options = ArchiveOptions { grace_since_ms: 7000, ..archive.write_log() };
    let arrives = Meanwhile::new(|| drop(record(archive.path(), 7, "notes")));
    let report = verify_archive(archive.path(), &arrives, &options);
    assert!(report.is_good(), "{:#?}", report.problems);
    assert_eq!((report.records, report.records_good, report.arriving, report.pending), (2, 2, 1, 1));

    // It is there when the next verification begins, and the server has it in its list until the log has it.
    let pending = archive.path().join(".pending");
    std::fs::create_dir(&pending).unwrap();
    std::fs::write(pending.join(format!("{}-{}", call(7), device("notes"))), b"").unwrap();
    let report = verify_archive(archive.path(), &FakeVerifier, &options);
    assert!(report.is_good(), "{:#?}", report.problems);
    assert_eq!((report.arriving, report.pending), (1, 1));

    // A list that nobody empties hides nothing: the call is a gap.
    let later = ArchiveOptions { grace_since_ms: u64::MAX, ..options.clone() };
    let report = verify_archive(archive.path(), &FakeVerifier, &later);
    assert_eq!(report.verdict(), ArchiveVerdict::Gaps);
    assert_eq!(report.gaps.last().unwrap().call, call(7));

    std::fs::remove_dir_all(&pending).unwrap();
    let report = verify_archive(archive.path(), &FakeVerifier, &options);
    assert!(report.problems[0].text.contains("in the archive, but not in the log"), "{:#?}", report.problems);
}

#[test]
fn a_certificate_that_is_stored_while_the_archive_is_verified_is_no_damage() {
    for folder in ["devices", "issuers"] {
        let archive = Archive::good();
        let digest = sha256(certificate(device("desk")).as_bytes());
        std::fs::remove_file(archive.path().join(format!("{folder}/{digest}.der"))).unwrap();
        let report = archive.verify_with(|options| options.grace_since_ms = 1);
        assert!(report.is_good(), "{:#?}", report.problems);
        assert_eq!((report.devices, report.arriving), (1, 1));
        let report = archive.verify_with(|options| options.grace_since_ms = 2);
        assert_eq!((report.problems.len(), report.arriving), (1, 0), "{:#?}", report.problems);
    }
}

#[test]
fn a_checkpoint_or_cosignature_dated_in_the_future_is_a_finding() {
    let archive = Archive::good();
    // The log is signed at 0 s, and cosigned at 77 s. Clocks may differ by five minutes.
    assert!(archive.verify().is_good());
    for (signed_s, cosigned_s, found) in
        [(NOW / 1000 + 299, 77, 0), (NOW / 1000 + 301, 77, 1), (u64::MAX / 1000, 77, 1), (1, i64::MAX as u64, 1)]
    {
        std::fs::remove_dir_all(archive.path().join("log")).unwrap();
        let options = archive.write_log();
        std::fs::remove_dir_all(archive.path().join("log")).unwrap();
        let signer = LogSigner::from_seed(&[5; 32], ORIGIN).unwrap();
        let storage = DiskStorage::open(archive.path().join("log")).unwrap();
        let mut log = Log::create(storage, signer, 0).unwrap();
        let bytes: Vec<Vec<u8>> = archive.entries.iter().map(Entry::to_bytes).collect();
        log.append(&bytes, signed_s * 1000).unwrap();
        let witness = Cosigner::from_seed(&[6; 32], "witness.example").unwrap();
        let line = witness.cosign(log.checkpoint(), cosigned_s).unwrap();
        log.add_cosignature(witness.key(), &line).unwrap();
        drop(log);
        let report = verify_archive(archive.path(), &FakeVerifier, &options);
        assert_eq!(report.problems.len(), found, "{signed_s}, {cosigned_s}: {:#?}", report.problems);
        assert!(report.problems.iter().all(|p| p.kind == ProblemKind::Log && p.text.contains("in the future")));
        let mut history = LogHistory::default();
        history.check_dates(report.checkpoint_time_s, &report.witnesses, NOW);
        let findings = history.findings(&FakeVerifier, RecordMode::LogOnly, Registrars::One, 0, NOW);
        assert_eq!(findings.problems.len(), found);
    }
}

#[test]
fn device_not_issued_by_the_office_is_reported() {
    let issuer = |archive: &Archive, device: &str| {
        let digest = sha256(certificate(self::device(device)).as_bytes());
        archive.path().join(format!("issuers/{digest}.der"))
    };
    let archive = Archive::good();
    std::fs::remove_file(issuer(&archive, "desk")).unwrap();
    assert!(archive.problem().2.contains("the certificate that signed it cannot be read"));
    let archive = Archive::good();
    std::fs::write(issuer(&archive, "desk"), format!("the server itself, of {}", device("desk"))).unwrap();
    assert!(archive.problem().2.contains("was not issued by the office: by somebody else"));

    // The log attributes a device's certificate to another device.
    let mut archive = Archive::good();
    let Entry::DeviceEnrolled { device, .. } = &mut archive.entries[1] else { unreachable!() };
    *device = self::device("impostor");
    let text = archive.problem().2;
    assert!(text.contains(&format!("belongs to another device, {}", self::device("desk"))), "{text}");
}

#[test]
fn an_entry_that_hides_whose_device_was_enrolled_is_reported() {
    let mut archive = Archive::good();
    let Entry::DeviceEnrolled { person_sha256, .. } = &mut archive.entries[1] else { unreachable!() };
    *person_sha256 = Some(person("another device"));
    let text = archive.problem().2;
    assert!(text.contains("is of another person than entry 1 says"), "{text}");

    // The entry before it says whose its device is.
    let mut archive = Archive::good();
    let Entry::DeviceEnrolled { person_sha256, .. } = &mut archive.entries[1] else { unreachable!() };
    *person_sha256 = None;
    let text = archive.problem().2;
    assert!(text.contains("entry 1: it does not say whose device"), "{text}");

    // Entries of older versions do not, and are all before the first that does.
    let mut archive = Archive::good();
    let Entry::DeviceEnrolled { person_sha256, .. } = &mut archive.entries[0] else { unreachable!() };
    *person_sha256 = None;
    assert!(archive.verify().is_good());
}

#[test]
fn a_device_that_no_registrar_could_enrol_is_reported() {
    let (desk, new) = (device("desk"), device("new"));
    let issuer = format!("the registrar {desk}, of {new}");
    let with_new = || {
        let archive = Archive::good();
        let name = format!("{}.der", sha256(certificate(new).as_bytes()));
        std::fs::write(archive.path().join("devices").join(&name), certificate(new)).unwrap();
        std::fs::write(archive.path().join("issuers").join(name), &issuer).unwrap();
        archive
    };
    let appointed = |certificate: &str| Entry::RegistrarAppointed {
        time_ms: 1,
        device: desk,
        cert_sha256: sha256(certificate.as_bytes()),
    };
    let problems = |entries: Vec<Entry>| {
        let mut archive = with_new();
        archive.entries.extend(entries);
        archive.verify().problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>()
    };
    assert_eq!(problems(vec![appointed(&issuer), enrolled("new", "e3")]), Vec::<String>::new());
    let cases = [
        (vec![enrolled("new", "e3")], "was not appointed as a registrar before"),
        (vec![enrolled("new", "e3"), appointed(&issuer)], "was not appointed as a registrar before"),
        (vec![appointed("another"), enrolled("new", "e3")], "with a certificate that was not appointed before"),
        (vec![appointed(&issuer), revoked(2, "desk", "desk"), enrolled("new", "e3")], "was revoked before"),
    ];
    for (entries, expected) in cases {
        let found = problems(entries);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_device_that_the_second_of_two_registrars_could_not_enrol_is_reported() {
    let (desk, notes, new) = (device("desk"), device("notes"), device("new"));
    let issuers = [desk, notes].map(|registrar| format!("the registrar {registrar}, of {new}"));
    let certificates = [certificate(new), format!("second {}", certificate(new))];
    let appointed = |device: DeviceId, issuer: &str| Entry::RegistrarAppointed {
        time_ms: 1,
        device,
        cert_sha256: sha256(issuer.as_bytes()),
    };
    let by_both = || {
        let mut entry = enrolled("new", "e3");
        let Entry::DeviceEnrolled { second_cert_sha256, .. } = &mut entry else { unreachable!() };
        *second_cert_sha256 = Some(sha256(certificates[1].as_bytes()));
        entry
    };
    let problems = |missing: Option<&str>, entries: Vec<Entry>| {
        let mut archive = Archive::good();
        for (certificate, issuer) in certificates.iter().zip(&issuers) {
            let name = format!("{}.der", sha256(certificate.as_bytes()));
            std::fs::write(archive.path().join("devices").join(&name), certificate).unwrap();
            std::fs::write(archive.path().join("issuers").join(&name), issuer).unwrap();
        }
        if let Some(folder) = missing {
            let name = format!("{folder}/{}.der", sha256(certificates[1].as_bytes()));
            std::fs::remove_file(archive.path().join(name)).unwrap();
        }
        archive.entries.extend(entries);
        archive.verify().problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>()
    };
    let (one, two) = (appointed(desk, &issuers[0]), appointed(notes, &issuers[1]));
    assert_eq!(problems(None, vec![one.clone(), two.clone(), by_both()]), Vec::<String>::new());
    let cases = [
        (None, vec![one.clone(), by_both()], "was not appointed as a registrar before"),
        (None, vec![one.clone(), by_both(), two.clone()], "was not appointed as a registrar before"),
        (None, vec![one.clone(), appointed(notes, "another"), by_both()], "that was not appointed before"),
        (None, vec![one.clone(), two.clone(), revoked(2, "notes", "notes"), by_both()], "was revoked before"),
        (None, vec![one.clone(), two.clone(), revoked(2, "desk", "desk"), by_both()], "was revoked before"),
        (Some("devices"), vec![one.clone(), two.clone(), by_both()], "is missing"),
        (Some("issuers"), vec![one.clone(), two.clone(), by_both()], "cannot be read"),
        // The log conceals the second certificate.
        (None, vec![one, two, enrolled("new", "e3")], "belongs to no device in the log"),
    ];
    for (missing, entries, expected) in cases {
        let found = problems(missing, entries);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_registrar_revokes_while_it_is_one() {
    let by = device("desk");
    let revocation = |time_ms| Entry::DeviceRevoked {
        time_ms,
        device: device("notes"),
        jws: Some(format!("revoked.{}.{by}", device("notes"))),
    };
    let appointed = Entry::RegistrarAppointed { time_ms: 1, device: by, cert_sha256: sha256(b"registrar") };
    let problems = |entries: &[Entry], archived: bool| {
        let mut archive = Archive::good();
        archive.entries.extend_from_slice(entries);
        if archived {
            let name = format!("issuers/{}.der", sha256(b"registrar"));
            std::fs::write(archive.path().join(name), b"registrar").unwrap();
        }
        archive.verify().problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>()
    };
    assert_eq!(problems(&[appointed.clone(), revocation(2)], true), Vec::<String>::new());
    let itself = revoked(2, "desk", "desk");
    for (entries, archived, expected) in [
        (vec![appointed.clone(), revocation(2)], false, "cannot be read"),
        (vec![revocation(2), appointed.clone()], true, "not appointed"),
        (vec![appointed, itself, revocation(3)], true, "was revoked before"),
    ] {
        let found = problems(&entries, archived);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn invitations_out_of_order_are_reported() {
    let invitation = telcon_proto::InvitationId::from_bytes([7; 16]);
    let by = device("desk");
    let made = || Entry::InvitationMade { time_ms: 1, invitation, by, expires_ms: 9, line: false, delegation: None };
    let how = telcon_proto::entry::InvitationClosed::Withdrawn;
    let closed = || Entry::InvitationClosed { time_ms: 2, invitation, how, by: Some(by), device: None };
    let appointed = Entry::RegistrarAppointed { time_ms: 1, device: by, cert_sha256: sha256(b"r") };
    let problems = |entries: &[Entry]| {
        let mut archive = Archive::good();
        archive.entries.extend_from_slice(entries);
        archive.verify().problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>()
    };
    assert_eq!(problems(&[appointed.clone(), made(), closed()]), Vec::<String>::new());
    for (entries, expected) in [
        (vec![made(), closed()], "is no registrar"),
        (vec![appointed.clone(), made(), made()], "was made twice"),
        (vec![appointed.clone(), made(), closed(), closed()], "was closed twice"),
        (vec![appointed.clone(), closed()], "was closed but never made"),
    ] {
        let found = problems(&entries);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_line_that_was_offered_under_a_delegation_that_was_not_in_force_is_reported() {
    let (by, id) = (device("desk"), telcon_proto::DelegationId::from_bytes([9; 16]));
    let invitation = telcon_proto::InvitationId::from_bytes([7; 16]);
    let offered = Entry::InvitationMade { time_ms: 5, invitation, by, expires_ms: 9, line: true, delegation: Some(id) };
    let given = |until_ms| Entry::DelegationGiven {
        time_ms: 1,
        delegation: id,
        device: by,
        statement_sha256: sha256(b"d"),
        until_ms,
    };
    let ended = Entry::DelegationEnded { time_ms: 2, delegation: id, by: None, statement_sha256: None };
    let problems = |entries: &[Entry]| {
        let mut archive = Archive::good();
        archive.entries.extend_from_slice(entries);
        archive.verify().problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>()
    };
    assert_eq!(problems(&[given(9), offered.clone()]), Vec::<String>::new());
    for (entries, expected) in [
        (vec![offered.clone()], "was never given"),
        (vec![given(4), offered.clone()], "whose time was over"),
        (vec![given(9), ended, offered], "had ended"),
    ] {
        let found = problems(&entries);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn nothing_is_concluded_from_absence_in_an_incomplete_log() {
    let archive = Archive::good();
    let options = archive.write_log();
    let bundle = files_below(&archive.path().join("log")).into_keys().find(|f| f.contains("entries")).unwrap();
    std::fs::remove_file(archive.path().join("log").join(bundle)).unwrap();
    let report = verify_archive(archive.path(), &FakeVerifier, &options);
    assert!(matches!(&report.problems[..], [one] if one.kind == ProblemKind::Log), "{:#?}", report.problems);
    // Records are still checked against their seals.
    std::fs::remove_file(archive.record_dir(1).join("seal.json")).unwrap();
    let report = verify_archive(archive.path(), &FakeVerifier, &options);
    let kinds: Vec<ProblemKind> = report.problems.iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [ProblemKind::Log, ProblemKind::Record], "{:#?}", report.problems);
    assert_eq!(report.problems[1].record, archive.record_dir(1).file_name().map(|n| n.to_string_lossy().into_owned()));
}

#[test]
fn modified_log_is_reported_and_the_rest_still_verified() {
    let archive = Archive::good();
    let options = archive.write_log();
    std::fs::write(archive.record_dir(1).join("part-000000.tar.age"), b"x").unwrap();
    let bundle = files_below(&archive.path().join("log")).into_keys().find(|f| f.contains("entries")).unwrap();
    let path = archive.path().join("log").join(bundle);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|w| w == b"burnt").unwrap();
    bytes[at..at + 5].copy_from_slice(b"froze");
    std::fs::write(&path, bytes).unwrap();
    let report = verify_archive(archive.path(), &FakeVerifier, &options);
    let kinds: Vec<ProblemKind> = report.problems.iter().map(|p| p.kind).collect();
    assert!(kinds.contains(&ProblemKind::Log) && kinds.contains(&ProblemKind::Record), "{:#?}", report.problems);
    assert_eq!((report.entries, report.checkpoint, report.calls), (0, None, 5));
}

#[test]
fn missing_log_or_cosignature_is_reported() {
    let archive = Archive::good();
    let mut options = archive.write_log();
    options.witnesses.push(Cosigner::from_seed(&[8; 32], "other.example").unwrap().key().clone());
    let report = verify_archive(archive.path(), &FakeVerifier, &options);
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].text.starts_with("not cosigned by other.example"));

    let empty = tempfile::tempdir().unwrap();
    let report = verify_archive(empty.path(), &FakeVerifier, &options);
    assert_eq!(report.problems[0].kind, ProblemKind::Log);
}

#[test]
fn unknown_entry_types_are_counted_and_malformed_ones_reported() {
    let archive = Archive::good();
    let options = archive.write_log();
    let signer = LogSigner::from_seed(&[5; 32], ORIGIN).unwrap();
    let mut log = Log::open(DiskStorage::open(archive.path().join("log")).unwrap(), signer).unwrap();
    log.append(&[b"garbage".to_vec(), br#"{"type":"line_bound","time_ms":1}"#.to_vec()], 2).unwrap();
    let options = ArchiveOptions { witnesses: vec![], ..options };
    let report = verify_archive(archive.path(), &FakeVerifier, &options);
    assert_eq!(report.problems.iter().map(|p| p.kind).collect::<Vec<_>>(), [ProblemKind::Entry]);
    assert_eq!(report.entry_types["line_bound"], 1);
}

/// What is reported from the entries alone.
#[test]
fn a_log_alone_shows_revocations_and_enrolments_that_nobody_could_make() {
    let problems = |entries: &[Entry], registrars: Registrars| -> Vec<String> {
        let mut history = LogHistory::default();
        (0..).zip(entries).for_each(|(index, entry)| history.add(index, &entry.to_bytes()));
        let found = history.findings(&FakeVerifier, RecordMode::LogOnly, registrars, 0, u64::MAX / 2);
        found.problems.into_iter().map(|problem| problem.text).collect()
    };
    let appointed = Entry::RegistrarAppointed { time_ms: 1, device: device("desk"), cert_sha256: sha256(b"registrar") };
    let by_desk = Entry::DeviceRevoked {
        time_ms: 2,
        device: device("notes"),
        jws: Some(format!("revoked.{}.{}", device("notes"), device("desk"))),
    };
    let both = [enrolled("desk", "e1"), enrolled("notes", "e2")];
    let with = |more: &[Entry]| [&both[..], more].concat();
    let none = Vec::<String>::new();
    assert_eq!(problems(&with(&[appointed.clone(), by_desk.clone()]), Registrars::One), none);
    assert_eq!(problems(&with(&[revoked(2, "notes", "notes")]), Registrars::One), none);
    for (entries, expected) in [
        (vec![by_desk.clone()], "was not appointed as a registrar before"),
        (vec![appointed.clone(), revoked(2, "desk", "desk"), by_desk], "was revoked before"),
        (vec![revoked(2, "notes", "desk")], "the statement is about another device"),
        (
            vec![Entry::DeviceRevoked { time_ms: 2, device: device("notes"), jws: Some("forged".into()) }],
            "not signed by the authority",
        ),
    ] {
        let found = problems(&with(&entries), Registrars::One);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }

    let by_registrars = |second: Option<Digest>| {
        let Entry::DeviceEnrolled { time_ms, device, cert_sha256, person_sha256, .. } = enrolled("new", "") else {
            unreachable!()
        };
        let (enrolment, second_cert_sha256) = (cert_sha256.to_string()[..32].to_owned(), second);
        Entry::DeviceEnrolled { time_ms, device, cert_sha256, enrolment, person_sha256, second_cert_sha256 }
    };
    let (one, two) = (by_registrars(None), by_registrars(Some(sha256(b"second"))));
    assert_eq!(problems(std::slice::from_ref(&one), Registrars::One), none);
    assert_eq!(problems(&[two], Registrars::Two), none);
    assert_eq!(problems(&both, Registrars::Two), none, "with links of the authority");
    let found = problems(&[one], Registrars::Two);
    assert!(found.len() == 1 && found[0].contains("was enrolled by one registrar alone"), "{found:?}");
}
