//! What an operator who writes the log can forge, and what the auditor reports.

use super::*;
use telcon_core::{Device, DeviceState};
use telcon_identity::{Ask, Authority, CharterTerms, InviteSpec, Registrar, verify_request, without_certificate};
use telcon_log::{DiskStorage, Log, LogSigner};
use telcon_proto::{
    Card, DeviceId, InvitationId, PersonId, RecordMode, RecoveryId, SuiteName,
    entry::{Entry, InvitationClosed, is_by_registrar, person_commitment},
    http::{OfficeInfo, Registrars},
    recovery::{RecoveryEnd, RecoveryReason},
};
use telcon_record::sha256;

/// When everything happens, milliseconds since 1970 UTC.
const NOW_MS: u64 = 1_790_000_000_000;

/// As the server names the enrolment of a device that a registrar certified.
fn enrolment_by_registrar(cert_sha256: &Digest) -> String {
    let enrolment = cert_sha256.to_string()[..32].to_owned();
    assert!(is_by_registrar(cert_sha256, &enrolment));
    enrolment
}

/// An archive whose log is what a test makes it.
struct Forger {
    dir: tempfile::TempDir,
    authority: Authority,
    info: OfficeInfo,
    signer: LogSigner,
    entries: Vec<Entry>,
}

impl Forger {
    fn new() -> Self {
        Self::with(RecordMode::LogOnly)
    }

    /// Of an office with these terms in its charter.
    fn with(terms: impl Into<CharterTerms>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(SuiteName::Hybrid, &[1; 32], "office.example", "Office", NOW_MS).unwrap();
        let signer = LogSigner::from_seed(&[2; 32], "office.example/archive").unwrap();
        let info = authority.office(&signer.verifier_key().to_string(), terms, NOW_MS).unwrap();
        for folder in ["log", "devices", "issuers", "records"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        std::fs::write(dir.path().join("office.json"), serde_json::to_vec(&info).unwrap()).unwrap();
        Self { dir, authority, info, signer, entries: Vec::new() }
    }

    fn write(&self, folder: &str, cert_sha256: Digest, der: &[u8]) {
        std::fs::write(self.dir.path().join(format!("{folder}/{cert_sha256}.der")), der).unwrap();
    }

    fn enrol(&mut self, n: u8, role: Role) -> Device {
        let card = Card {
            person: PersonId::from_bytes([n; 16]),
            office: self.authority.domain().clone(),
            name: format!("Person {n}"),
            organisation: "Office".into(),
            role,
            zone: "Europe/Berlin".into(),
            place: false,
        };
        let now_ms = NOW_MS;
        let spec = InviteSpec { card, enrolment_id: [n; 16], enrolment_seed: [n; 32], now_ms, ttl_ms: 3_600_000 };
        let fragment = self.authority.invite(&spec).unwrap().to_fragment();
        let state = DeviceState::enrol(&fragment, self.info.clone(), &[n + 100; 32], now_ms).unwrap();
        let device = Device::open(&state, now_ms).unwrap();
        let cert_sha256 = Digest::from_bytes(device.me().cert_sha256());
        self.write("devices", cert_sha256, &device.chain()[0]);
        self.write("issuers", cert_sha256, &device.chain()[1]);
        let id = device.me().device();
        self.entries.push(Entry::DeviceEnrolled {
            time_ms: now_ms,
            device: id,
            cert_sha256,
            enrolment: device.me().enrolment_hex(),
            person_sha256: Some(device.me().person_sha256()),
            second_cert_sha256: None,
        });
        device
    }

    fn appoint(&mut self, device: &Device, roles: &[Role]) -> Registrar {
        let der = self.authority.appoint(device.me(), roles, NOW_MS).unwrap();
        let registrar = device.office().verify_registrar(&der, NOW_MS).unwrap();
        let cert_sha256 = Digest::from_bytes(registrar.sha256());
        self.write("issuers", cert_sha256, &der);
        self.entries.push(Entry::RegistrarAppointed { time_ms: NOW_MS, device: device.me().device(), cert_sha256 });
        registrar
    }

    /// A principal's device with these certificates, written as if the switchboard had enrolled it.
    fn enrol_with(&mut self, person: PersonId, device: DeviceId, chain: &[Vec<u8>]) {
        let certificates: Vec<Digest> = chain.chunks_exact(2).map(|pair| sha256(&pair[0])).collect();
        for (cert_sha256, pair) in certificates.iter().zip(chain.chunks_exact(2)) {
            self.write("devices", *cert_sha256, &pair[0]);
            self.write("issuers", *cert_sha256, &pair[1]);
        }
        self.entries.push(Entry::DeviceEnrolled {
            time_ms: NOW_MS,
            device,
            cert_sha256: certificates[0],
            enrolment: enrolment_by_registrar(&certificates[0]),
            person_sha256: Some(person_commitment(person, device, sha256)),
            second_cert_sha256: certificates.get(1).copied(),
        });
    }

    fn revoke(&mut self, device: &Device, jws: &str) {
        let (device, jws) = (device.me().device(), Some(jws.to_owned()));
        self.entries.push(Entry::DeviceRevoked { time_ms: NOW_MS, device, jws });
    }

    /// The problems that an auditor reports.
    fn problems(self) -> Vec<String> {
        let archive = self.dir.path();
        let storage = DiskStorage::open(archive.join("log")).unwrap();
        let mut log = Log::create(storage, self.signer, 0).unwrap();
        let bytes: Vec<Vec<u8>> = self.entries.iter().map(Entry::to_bytes).collect();
        log.append(&bytes, NOW_MS / 1000).unwrap();
        let report = Auditor::new(archive, &Known::default(), NOW_MS).unwrap().verify();
        report.problems.into_iter().map(|problem| problem.text).collect()
    }
}

#[test]
fn a_registrar_revokes_a_device_of_its_roles() {
    let mut forger = Forger::new();
    let (officer, notes) = (forger.enrol(1, Role::SecurityOfficer), forger.enrol(2, Role::NoteTaker));
    let registrar = forger.appoint(&officer, &[Role::NoteTaker]);
    let statement = registrar.revoke(officer.key(), notes.me().device(), NOW_MS).unwrap();
    forger.revoke(&notes, without_certificate(&statement));
    assert_eq!(forger.problems(), Vec::<String>::new());
}

/// What of the registrar's right is missing. The attacker runs the server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Right {
    Revoked,
    OfOtherRoles,
    NotAppointed,
    Complete,
}

/// Whether the log has the registrar's certificate beside the statement.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Certificate {
    Absent,
    Attached,
}

#[test]
fn a_revocation_by_a_registrar_without_that_right_is_reported() {
    for (right, certificate, why) in [
        (Right::Revoked, Certificate::Absent, "was revoked before"),
        // With the registrar's certificate attached, so that the auditor need not look it up.
        (Right::Revoked, Certificate::Attached, "was revoked before"),
        (Right::Complete, Certificate::Attached, "a certificate stands beside the statement"),
        (Right::OfOtherRoles, Certificate::Absent, "people of this role"),
        (Right::NotAppointed, Certificate::Absent, "was not appointed"),
        (Right::NotAppointed, Certificate::Attached, "was not appointed"),
    ] {
        let mut forger = Forger::new();
        let (officer, notes) = (forger.enrol(1, Role::SecurityOfficer), forger.enrol(2, Role::NoteTaker));
        let role = if right == Right::OfOtherRoles { Role::Counterpart } else { Role::NoteTaker };
        let registrar = forger.appoint(&officer, &[role]);
        if right == Right::NotAppointed {
            forger.entries.pop();
        }
        if right == Right::Revoked {
            let jws = forger.authority.revoke(officer.me().device(), NOW_MS).unwrap();
            forger.revoke(&officer, &jws);
        }
        let statement = registrar.revoke(officer.key(), notes.me().device(), NOW_MS).unwrap();
        let attached = certificate == Certificate::Attached;
        forger.revoke(&notes, if attached { &statement } else { without_certificate(&statement) });
        let problems = forger.problems();
        let [problem] = &problems[..] else { panic!("{right:?}, {certificate:?}: {problems:?}") };
        assert!(problem.contains("was not revoked by the authority or a registrar"), "{problem}");
        assert!(problem.contains(why), "{right:?}, {certificate:?}: {problem}");
    }
}

#[test]
fn an_office_that_demands_two_registrars_has_no_device_of_one() {
    const ASKING: DeviceId = DeviceId::from_bytes([9; 16]);
    // Which approvals the server uses, who appointed whom, who was revoked before; and what the auditor says.
    #[derive(Clone, Copy, PartialEq)]
    enum Attack {
        None,
        FirstAlone,
        SecondAlone,
        OnePerson,
        SecondNotAppointed,
        SecondRevoked,
    }
    for (attack, why) in [
        (Attack::None, None),
        (Attack::FirstAlone, Some("certified by one registrar, and its office demands two")),
        (Attack::SecondAlone, Some("certified by one registrar, and its office demands two")),
        (Attack::OnePerson, Some("certified twice by the same person")),
        (Attack::SecondNotAppointed, Some("was not appointed as a registrar before")),
        (Attack::SecondRevoked, Some("was revoked before")),
    ] {
        let terms = CharterTerms {
            floor: RecordMode::LogOnly,
            registrars: Registrars::Two,
            rings: telcon_proto::line::Rings::ByRole,
        };
        let mut forger = Forger::with(terms);
        let (one, two) = (forger.enrol(1, Role::SecurityOfficer), forger.enrol(2, Role::SecurityOfficer));
        let first = forger.appoint(&one, &[Role::Principal]);
        let second = forger.appoint(&two, &[Role::Principal]);
        if attack == Attack::SecondNotAppointed {
            forger.entries.pop();
        }
        if attack == Attack::SecondRevoked {
            let jws = forger.authority.revoke(two.me().device(), NOW_MS).unwrap();
            forger.revoke(&two, &jws);
        }
        let ask = Ask::new(SuiteName::Hybrid, [3; 32], [0; 32], InvitationId::from_bytes([4; 16]));
        let key = telcon_identity::DeviceKey::from_seed(SuiteName::Hybrid, &[5; 32]);
        let jws = ask.request(&key, ASKING, one.office().domain(), "x", NOW_MS).unwrap();
        let request = verify_request(&jws, one.office().domain(), &ask).unwrap();
        let card = Card { role: Role::Principal, person: PersonId::from_bytes([7; 16]), ..one.me().card().clone() };
        let chain = first.certify(one.key(), &request, &card, NOW_MS).unwrap();
        let approval = one.office().verify_approval(&chain, &request, &card, NOW_MS).unwrap();
        let own = second.certify_second(two.key(), &approval, NOW_MS).unwrap();
        let chain = match attack {
            Attack::FirstAlone => chain,
            Attack::SecondAlone => own,
            Attack::OnePerson => [&chain[..], &chain[..]].concat(),
            _ => [chain, own].concat(),
        };
        forger.enrol_with(card.person, ASKING, &chain);
        let problems = forger.problems();
        match (why, &problems[..]) {
            (None, []) => {}
            (Some(why), [problem]) => assert!(problem.contains(why), "{why}: {problem}"),
            _ => panic!("{why:?}: {problems:?}"),
        }
    }
}

#[test]
fn a_recovery_needs_the_statements_and_certificates_of_two_registrars_and_ends_the_old_devices() {
    const NEW: DeviceId = DeviceId::from_bytes([9; 16]);
    const INVITATION: InvitationId = InvitationId::from_bytes([4; 16]);
    const RECOVERY: RecoveryId = RecoveryId::from_bytes([6; 16]);
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Attack {
        None,
        /// The server signs the statement in a registrar's name with the server's key.
        ServerOpens,
        ServerConfirms,
        /// One person's two devices.
        OnePerson,
        OneCertificate,
        OtherInvitation,
        /// The old device's revocation is not in the log.
        HiddenRevocation,
        NotConfirmed,
    }
    let attacks: [(Attack, &[&str]); 8] = [
        (Attack::None, &[]),
        (Attack::ServerOpens, &["was not stated by two registrars"]),
        (Attack::ServerConfirms, &["was not stated by two registrars"]),
        (Attack::OnePerson, &["was not stated by two registrars"]),
        (Attack::OneCertificate, &["which two registrars did not certify"]),
        (Attack::OtherInvitation, &["was not stated by two registrars"]),
        (Attack::HiddenRevocation, &["was not revoked before"]),
        (Attack::NotConfirmed, &["completed without a confirmation"]),
    ];
    for (attack, expected) in attacks {
        // In an office that demands one registrar for a device.
        let mut forger = Forger::new();
        let (one, two) = (forger.enrol(1, Role::SecurityOfficer), forger.enrol(2, Role::SecurityOfficer));
        let old = forger.enrol(7, Role::Principal);
        let first = forger.appoint(&one, &[Role::Principal]);
        let second = forger.appoint(&two, &[Role::Principal]);
        let now_ms = NOW_MS;
        let person = old.me().card().person;
        let opening = first.open_recovery(one.key(), RECOVERY, person, RecoveryReason::Lost, now_ms).unwrap();
        let opened = one.office().verify_recovery(&opening).unwrap();
        let devices = vec![old.me().device()];
        let invitation = if attack == Attack::OtherInvitation { InvitationId::from_bytes([5; 16]) } else { INVITATION };
        let confirmation = second.confirm_recovery(two.key(), &opened, invitation, devices, now_ms).unwrap();
        // The same words with another signature.
        let forged = |statement: &str| {
            let jws = without_certificate(statement);
            let (signed, _) = jws.rsplit_once('.').unwrap();
            let (_, other) = without_certificate(&first.revoke(one.key(), NEW, now_ms).unwrap())
                .rsplit_once('.')
                .map(|(start, end)| (start.to_owned(), end.to_owned()))
                .unwrap();
            format!("{signed}.{other}")
        };
        let jws = match attack {
            Attack::ServerOpens => forged(&opening),
            _ => without_certificate(&opening).to_owned(),
        };
        let by = one.me().device();
        forger.entries.push(Entry::RecoveryOpened { time_ms: now_ms, recovery: RECOVERY, by, jws });
        if attack != Attack::NotConfirmed {
            let (by, jws) = match attack {
                Attack::ServerConfirms => (two.me().device(), forged(&confirmation)),
                // Whom the entry names is not who signed.
                Attack::OnePerson => (one.me().device(), without_certificate(&confirmation).to_owned()),
                _ => (two.me().device(), without_certificate(&confirmation).to_owned()),
            };
            forger.entries.push(Entry::RecoveryConfirmed {
                time_ms: now_ms,
                recovery: RECOVERY,
                by,
                invitation: INVITATION,
                jws,
            });
        }
        if attack != Attack::HiddenRevocation {
            let statement = second.revoke_and_erase(two.key(), old.me().device(), now_ms).unwrap();
            forger.revoke(&old, without_certificate(&statement));
        }
        let by = two.me().device();
        forger.entries.push(Entry::InvitationMade {
            time_ms: now_ms,
            invitation: INVITATION,
            by,
            expires_ms: now_ms,
            line: false,
            delegation: None,
        });
        let ask = Ask::new(SuiteName::Hybrid, [3; 32], [0; 32], INVITATION);
        let key = telcon_identity::DeviceKey::from_seed(SuiteName::Hybrid, &[5; 32]);
        let jws = ask.request(&key, NEW, one.office().domain(), "x", now_ms).unwrap();
        let request = verify_request(&jws, one.office().domain(), &ask).unwrap();
        let card = old.me().card().clone();
        let mut chain = second.certify(two.key(), &request, &card, now_ms).unwrap();
        if attack != Attack::OneCertificate {
            let approval = one.office().verify_approval(&chain, &request, &card, now_ms).unwrap();
            chain.extend(first.certify_second(one.key(), &approval, now_ms).unwrap());
        }
        forger.enrol_with(person, NEW, &chain);
        forger.entries.push(Entry::InvitationClosed {
            time_ms: now_ms,
            invitation: INVITATION,
            how: InvitationClosed::Approved,
            by: Some(one.me().device()),
            device: Some(NEW),
        });
        forger.entries.push(Entry::RecoveryClosed {
            time_ms: now_ms,
            recovery: RECOVERY,
            how: RecoveryEnd::Completed,
            by: Some(one.me().device()),
            device: Some(NEW),
        });
        let problems = forger.problems();
        assert_eq!(problems.is_empty(), expected.is_empty(), "{attack:?}: {problems:?}");
        for why in expected {
            assert!(problems.iter().any(|problem| problem.contains(why)), "{attack:?}: {why}: {problems:?}");
        }
    }
}
