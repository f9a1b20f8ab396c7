//! Documents between devices, with a server in the test that forwards what is right, or lies: one writes, another reads, a third cannot.
#![cfg(not(target_arch = "wasm32"))]

use sha2::{Digest as _, Sha256};
use telcon_core::{
    DeviceState, Engine, Output,
    document::{DocumentError, Draft},
};
use telcon_identity::{Authority, Flaw, IdentityError, InviteSpec, LoggedDocumentVersion};
use telcon_log::{Log, LogSigner, MemoryStorage};
use telcon_proto::{
    Blob, Card, ClientMessage, Digest, DocumentId, PersonId, RecordMode, Role, ServerMessage, SuiteName,
    device_key::{PersonKeys, ProvenDeviceKey},
    document::{DocumentKind, DocumentState, DocumentUpload, ProvenDocument, ProvenVersion},
    entry::Entry,
    http::OfficeInfo,
    message::Logged,
};
use zeroize::Zeroizing;

const NOW: u64 = 1_780_308_000_000;
const SECRET: &[u8] = b"Talking points: offer the strait, ask for the grain.";

fn sha256(text: &str) -> Digest {
    Digest::from_bytes(Sha256::digest(text).into())
}

/// The office's log, and what its server has of documents.
struct Office {
    authority: Authority,
    info: OfficeInfo,
    log: Log<MemoryStorage>,
    versions: Vec<(String, u64, u64)>,
    ciphertexts: Vec<Vec<u8>>,
}

/// A device, its enrolment's log index, and its key as the server has it.
struct Person {
    engine: Engine,
    enrolled: u64,
    key: (String, u64),
}

impl Person {
    fn id(&self) -> PersonId {
        self.engine.device().me().card().person
    }
}

impl Office {
    fn new(suite: SuiteName) -> Self {
        let authority = Authority::create(suite, &[1; 32], "office.example", "Office", NOW - 1_000).unwrap();
        let signer = LogSigner::from_seed(&[2; 32], "office.example/log").unwrap();
        let info = authority.office(&signer.verifier_key().to_string(), RecordMode::Memo, NOW - 1_000).unwrap();
        let log = Log::create(MemoryStorage::default(), signer, NOW).unwrap();
        Self { authority, info, log, versions: Vec::new(), ciphertexts: Vec::new() }
    }

    fn append(&mut self, entry: &Entry) -> u64 {
        self.log.append(&[serde_json::to_vec(entry).unwrap()], NOW).unwrap().first_index
    }

    fn prove(&self, index: u64) -> Logged {
        let checkpoint = self.log.checkpoint();
        let proof = self.log.inclusion_proof(index, checkpoint.size()).unwrap();
        Logged {
            entry: Blob(self.log.entry(index).unwrap()),
            index,
            proof: proof.iter().map(|hash| Blob(hash.0.to_vec())).collect(),
            checkpoint: checkpoint.note().to_owned(),
            office: Some(self.authority.domain().clone()),
        }
    }

    /// A device of a person, which states its key when it signs in.
    fn person(&mut self, person: u8, device: u8, role: Role) -> Person {
        let card = Card {
            person: PersonId::from_bytes([person; 16]),
            office: self.authority.domain().clone(),
            name: format!("Person {person}"),
            organisation: "Chancellery".into(),
            role,
            zone: "Europe/Oslo".into(),
            place: false,
        };
        let spec = InviteSpec {
            card,
            enrolment_id: [device; 16],
            enrolment_seed: [device; 32],
            now_ms: NOW,
            ttl_ms: 3_600_000,
        };
        let link = self.authority.invite(&spec).unwrap().to_fragment();
        let state = DeviceState::enrol(&link, self.info.clone(), &[device + 20; 32], NOW).unwrap();
        let mut engine = Engine::new(state, [device; 32], NOW).unwrap();
        let me = engine.device().me().clone();
        let enrolled = self.append(&Entry::DeviceEnrolled {
            time_ms: NOW,
            device: me.device(),
            cert_sha256: Digest::from_bytes(me.cert_sha256()),
            enrolment: me.enrolment_hex(),
            person_sha256: Some(me.person_sha256()),
            second_cert_sha256: None,
        });
        let statement = stated(&mut engine, &self.info, self.log.checkpoint().note(), true).expect("it states its key");
        let entry = Entry::DeviceKey { time_ms: NOW, device: me.device(), statement_sha256: sha256(&statement) };
        let logged = self.append(&entry);
        Person { engine, enrolled, key: (statement, logged) }
    }

    fn key(&self, of: &Person) -> ProvenDeviceKey {
        ProvenDeviceKey { statement: of.key.0.clone(), signed: self.prove(of.key.1), device: self.prove(of.enrolled) }
    }

    fn keys(&self, of: &[&Person]) -> Vec<PersonKeys> {
        of.iter().map(|person| PersonKeys { person: person.id(), keys: vec![self.key(person)] }).collect()
    }

    /// The server takes a version.
    fn take(&mut self, upload: DocumentUpload, by: &Person) {
        let office = telcon_identity::Office::pin(&self.info, None).unwrap();
        let content = office.verify_version(&upload.statement).unwrap().content().clone();
        let index = self.append(&Entry::DocumentVersion {
            time_ms: NOW,
            document: content.document,
            version: content.version,
            statement_sha256: sha256(&upload.statement),
        });
        self.versions.push((upload.statement, index, by.enrolled));
        self.ciphertexts.push(upload.ciphertext.0);
    }

    /// What it shows of the document: these versions.
    fn show(&self, document: DocumentId, versions: std::ops::Range<usize>) -> ProvenDocument {
        let proven = |(statement, index, enrolled): &(String, u64, u64)| ProvenVersion {
            statement: statement.clone(),
            signed: self.prove(*index),
            device: self.prove(*enrolled),
            delegation: None,
            revoked: None,
        };
        let newest = versions.end as u32;
        let versions = self.versions[versions].iter().map(proven).collect();
        ProvenDocument { document, versions, newest, opened: Vec::new() }
    }
}

/// Signs a device in; the key that it states then.
fn stated(engine: &mut Engine, info: &OfficeInfo, checkpoint: &str, key_missing: bool) -> Option<String> {
    engine.connected(NOW);
    let signed_in = ServerMessage::SignedIn {
        you: engine.device().me().card().clone(),
        people: Vec::new(),
        people_more: false,
        silenced: Vec::new(),
        suite: info.suite,
        mode: RecordMode::Memo,
        token: "token".into(),
        in_call: None,
        shift: None,
        checkpoint: checkpoint.to_owned(),
        recovered_ms: None,
        key_missing,
    };
    engine.handle(NOW, signed_in);
    let outputs: Vec<_> = std::iter::from_fn(|| engine.poll()).collect();
    outputs.into_iter().find_map(|output| match output {
        Output::Send(ClientMessage::PublishKey { statement }) => Some(statement),
        _ => None,
    })
}

fn draft(document: DocumentId, readers: &[PersonId], content: &[u8]) -> Draft {
    Draft {
        document,
        kind: DocumentKind::Brief,
        about: None,
        state: DocumentState::Draft,
        due_ms: None,
        readers: readers.to_vec(),
        on_behalf: None,
        content: Zeroizing::new(content.to_vec()),
    }
}

fn is(error: DocumentError, flaw: Flaw) -> bool {
    matches!(error, DocumentError::Identity(IdentityError::Hostile(found)) if found == flaw)
}

#[test]
fn one_writes_another_reads_and_a_third_cannot() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let mut office = Office::new(suite);
        let mut author = office.person(1, 1, Role::Scheduler);
        let mut reader = office.person(2, 2, Role::Principal);
        let mut third = office.person(3, 3, Role::DutyOfficer);
        let document = author.engine.new_document();
        let keys = office.keys(&[&author, &reader]);
        let upload =
            author.engine.write_document(draft(document, &[reader.id()], SECRET), None, &keys, &[], NOW).unwrap();
        let sealed = upload.ciphertext.0.clone();
        assert!(!sealed.windows(12).any(|piece| SECRET.windows(12).any(|secret| secret == piece)));
        office.take(upload, &author);
        let shown = office.show(document, 0..1);
        let seen = reader.engine.see_document(&shown, NOW).unwrap();
        assert_eq!(*reader.engine.open_document(&seen[0], &sealed).unwrap(), SECRET);
        assert_eq!(*author.engine.open_document(&seen[0], &sealed).unwrap(), SECRET);
        // The server gives it to somebody who is no reader, with all proofs.
        let seen = third.engine.see_document(&shown, NOW).unwrap();
        assert!(matches!(third.engine.open_document(&seen[0], &sealed), Err(DocumentError::NotForThisDevice)));
    }
}

/// The attacker owns the server.
#[test]
fn content_that_was_changed_or_is_of_another_version_is_refused() {
    let mut office = Office::new(SuiteName::Hybrid);
    let mut author = office.person(1, 1, Role::Scheduler);
    let mut reader = office.person(2, 2, Role::Principal);
    let document = author.engine.new_document();
    let keys = office.keys(&[&author, &reader]);
    let first = author.engine.write_document(draft(document, &[reader.id()], b"yes"), None, &keys, &[], NOW).unwrap();
    office.take(first, &author);
    let before = author.engine.see_document(&office.show(document, 0..1), NOW).unwrap();
    let second = draft(document, &[reader.id()], b"no");
    let second = author.engine.write_document(second, before.last(), &keys, &[], NOW).unwrap();
    office.take(second, &author);
    let seen = reader.engine.see_document(&office.show(document, 0..2), NOW).unwrap();
    let opened = |version: &LoggedDocumentVersion, sealed: &[u8]| reader.engine.open_document(version, sealed);
    assert_eq!(*opened(&seen[1], &office.ciphertexts[1]).unwrap(), b"no");
    assert!(is(opened(&seen[1], &office.ciphertexts[0]).unwrap_err(), Flaw::DocumentContent));
    // What the server seals itself opens, and is not what was signed.
    let stolen = telcon_identity::Office::pin(&office.info, None).unwrap().verify_device_key(&reader.key.0).unwrap();
    let recipient = telcon_sealing::Recipient::parse(&stolen.content().recipient).unwrap();
    let forged = telcon_sealing::seal(&[0; 1024], &[recipient]).unwrap();
    assert!(is(opened(&seen[1], &forged).unwrap_err(), Flaw::DocumentContent));
    let mut torn = office.ciphertexts[1].clone();
    torn.truncate(torn.len() - 1);
    assert!(matches!(opened(&seen[1], &torn), Err(DocumentError::Damaged(_))));
}

/// The attacker owns the server, and shows a device an older state than before: also after a restart of the device.
#[test]
fn a_server_that_goes_back_or_withholds_what_was_seen_is_refused() {
    let mut office = Office::new(SuiteName::Hybrid);
    let mut author = office.person(1, 1, Role::Scheduler);
    let document = author.engine.new_document();
    let keys = office.keys(&[&author]);
    let first = author.engine.write_document(draft(document, &[], b"1"), None, &keys, &[], NOW).unwrap();
    office.take(first, &author);
    for content in [b"2", b"3"] {
        let newest = office.versions.len();
        let from = author.engine.known_document(&document).map_or(1, |known| known.version) as usize;
        let seen = author.engine.see_document(&office.show(document, from - 1..newest), NOW).unwrap();
        let next = author.engine.write_document(draft(document, &[], content), seen.last(), &keys, &[], NOW).unwrap();
        office.take(next, &author);
    }
    author.engine.see_document(&office.show(document, 1..3), NOW).unwrap();
    assert_eq!(author.engine.known_document(&document).unwrap().version, 3);
    let stored = DeviceState::parse(&author.engine.state_text()).unwrap();
    let mut again = Engine::new(stored, [9; 32], NOW).unwrap();
    for engine in [&mut author.engine, &mut again] {
        for shown in [0..2, 1..2, 0..1] {
            let refused = engine.see_document(&office.show(document, shown), NOW).unwrap_err();
            assert_eq!(refused, Flaw::DocumentRollback.into());
        }
        assert_eq!(engine.see_document(&office.show(document, 2..3), NOW).unwrap().len(), 1);
    }
}

/// The attacker owns the server: it wants a document sealed to a key of its own, or to somebody who is no reader.
#[test]
fn a_document_is_sealed_to_keys_of_its_readers_devices_alone() {
    let mut office = Office::new(SuiteName::Hybrid);
    let mut author = office.person(1, 1, Role::Scheduler);
    let reader = office.person(2, 2, Role::Principal);
    let third = office.person(3, 3, Role::DutyOfficer);
    let document = author.engine.new_document();
    let mut refused = |keys: &[PersonKeys]| {
        let draft = draft(document, &[reader.id()], SECRET);
        author.engine.write_document(draft, None, keys, &[], NOW).unwrap_err()
    };
    // The key of a device of another person, listed as the reader's.
    let listed = PersonKeys { person: reader.id(), keys: vec![office.key(&third)] };
    assert!(is(refused(&[listed]), Flaw::OtherDevice));
    // A key that nobody signed, that the log does not have, or of a device that the log does not have.
    let mut unsigned = office.keys(&[&reader]);
    unsigned[0].keys[0].statement.replace_range(40..44, "AAAA");
    assert!(matches!(refused(&unsigned), DocumentError::Identity(IdentityError::Hostile(_))));
    let mut unlogged = office.keys(&[&reader]);
    unlogged[0].keys[0].signed = office.prove(third.key.1);
    assert!(is(refused(&unlogged), Flaw::OtherEntry));
    let mut unknown = office.keys(&[&reader]);
    unknown[0].keys[0].device = office.prove(third.enrolled);
    assert!(is(refused(&unknown), Flaw::OtherEntry));
}

/// A reader is removed: the next version is not sealed to their devices, and nothing that they write is taken.
#[test]
fn a_removed_readers_device_cannot_read_what_is_written_afterwards() {
    let mut office = Office::new(SuiteName::Hybrid);
    let mut author = office.person(1, 1, Role::Scheduler);
    let mut removed = office.person(2, 2, Role::Principal);
    let document = author.engine.new_document();
    let keys = office.keys(&[&author, &removed]);
    let first = draft(document, &[removed.id()], b"for both");
    let first = author.engine.write_document(first, None, &keys, &[], NOW).unwrap();
    office.take(first, &author);
    let before = author.engine.see_document(&office.show(document, 0..1), NOW).unwrap();
    // The server goes on listing the removed reader's key: it is refused, not used.
    let error = author.engine.write_document(draft(document, &[], SECRET), before.last(), &keys, &[], NOW).unwrap_err();
    assert!(is(error, Flaw::OtherDevice));
    let keys = office.keys(&[&author]);
    let second = author.engine.write_document(draft(document, &[], SECRET), before.last(), &keys, &[], NOW).unwrap();
    office.take(second, &author);
    let seen = removed.engine.see_document(&office.show(document, 0..2), NOW).unwrap();
    assert_eq!(*removed.engine.open_document(&seen[0], &office.ciphertexts[0]).unwrap(), b"for both");
    let later = removed.engine.open_document(&seen[1], &office.ciphertexts[1]);
    assert!(matches!(later, Err(DocumentError::NotForThisDevice)));
    let keys = office.keys(&[&removed]);
    let back = draft(document, &[], b"mine");
    let refused = removed.engine.write_document(back, seen.last(), &keys, &[], NOW).unwrap_err();
    assert!(is(refused, Flaw::DocumentAuthor));
}

/// A reader gets a new device: another device of a reader seals the version again for it, and for no one else's.
#[test]
fn a_readers_new_device_reads_what_was_sealed_again_for_it() {
    let mut office = Office::new(SuiteName::Hybrid);
    let mut author = office.person(1, 1, Role::Scheduler);
    let reader = office.person(2, 2, Role::Principal);
    let document = author.engine.new_document();
    let keys = office.keys(&[&author, &reader]);
    let upload = author.engine.write_document(draft(document, &[reader.id()], SECRET), None, &keys, &[], NOW).unwrap();
    office.take(upload, &author);
    let mut new = office.person(2, 4, Role::Principal);
    let third = office.person(3, 3, Role::DutyOfficer);
    let shown = office.show(document, 0..1);
    let seen = author.engine.see_document(&shown, NOW).unwrap();
    let sealed = &office.ciphertexts[0];
    let of_new = new.engine.see_document(&shown, NOW).unwrap();
    assert!(matches!(new.engine.open_document(&of_new[0], sealed), Err(DocumentError::NotForThisDevice)));
    let again = author.engine.seal_again(&seen[0], sealed, &office.key(&new), NOW).unwrap().expect("it needs that");
    assert_eq!(*new.engine.open_document(&of_new[0], &again).unwrap(), SECRET);
    assert!(author.engine.seal_again(&seen[0], sealed, &office.key(&reader), NOW).unwrap().is_none());
    let refused = author.engine.seal_again(&seen[0], sealed, &office.key(&third), NOW).unwrap_err();
    assert!(is(refused, Flaw::OtherDevice));
}

/// A device that was enrolled before there were documents states its key when the office lacks it, the same after a restart.
#[test]
fn a_devices_key_follows_from_what_it_stores_and_is_stated_when_the_office_lacks_it() {
    let mut office = Office::new(SuiteName::Hybrid);
    let person = office.person(1, 1, Role::Scheduler);
    let text = person.engine.state_text();
    assert!(!text.contains("AGE-SECRET") && !text.contains("encryption"), "nothing new is stored");
    let recipient = |statement: &str| {
        let pinned = telcon_identity::Office::pin(&office.info, None).unwrap();
        pinned.verify_device_key(statement).unwrap().content().recipient.clone()
    };
    let mut again = Engine::new(DeviceState::parse(&text).unwrap(), [7; 32], NOW).unwrap();
    let note = office.log.checkpoint().note().to_owned();
    assert_eq!(stated(&mut again, &office.info, &note, false), None);
    let stated = stated(&mut again, &office.info, &note, true).unwrap();
    assert_eq!(recipient(&stated), recipient(&person.key.0));
    let other = office.person(2, 2, Role::Principal);
    let pinned = telcon_identity::Office::pin(&office.info, None).unwrap();
    let of_other = pinned.verify_device_key(&other.key.0).unwrap().content().recipient.clone();
    assert_ne!(of_other, pinned.verify_device_key(&stated).unwrap().content().recipient);
}
