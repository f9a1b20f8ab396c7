//! Documents between devices, with a server in the test that forwards what is right, or lies: one writes, another reads, a third cannot.
#![cfg(not(target_arch = "wasm32"))]

#[allow(dead_code, reason = "other tests use the rest of the office")]
mod line_office;

use line_office::{NOW, sent};
use sha2::{Digest as _, Sha256};
use telcon_core::{
    DeviceState, Engine,
    document::{self, DocumentError, Draft},
};
use telcon_identity::{Flaw, IdentityError, LoggedDocumentVersion};
use telcon_proto::{
    ClientMessage, DeviceId, Digest, DocumentId, PersonId, Role, SuiteName,
    device_key::{PersonKeys, ProvenDeviceKey},
    document::{DocumentKind, DocumentState, DocumentUpload, ProvenDocument, ProvenVersion},
    entry::Entry,
    line::Rings,
};
use zeroize::Zeroizing;

const SECRET: &[u8] = b"Talking points: offer the strait, ask for the grain.";

fn sha256(text: &str) -> Digest {
    Digest::from_bytes(Sha256::digest(text).into())
}

/// An office, and what its server has of documents.
struct Office {
    office: line_office::Office,
    versions: Vec<(String, u64, DeviceId)>,
    ciphertexts: Vec<Vec<u8>>,
}

/// A device, and its key as the server has it.
struct Person {
    engine: Engine,
    key: (String, u64),
}

impl Person {
    fn id(&self) -> PersonId {
        self.engine.device().me().card().person
    }

    fn device(&self) -> DeviceId {
        self.engine.device().me().device()
    }
}

impl Office {
    fn new(suite: SuiteName) -> Self {
        let office = line_office::Office::new(suite, Rings::ByRole);
        Self { office, versions: Vec::new(), ciphertexts: Vec::new() }
    }

    fn pinned(&self) -> telcon_identity::Office {
        telcon_identity::Office::pin(&self.office.info(), None).unwrap()
    }

    /// A device of a person, which states its key when it signs in.
    fn person(&mut self, person: u8, device: u8, role: Role) -> Person {
        let mut engine = self.office.enrol(person, device, role);
        let statement = self.stated(&mut engine, true).expect("it states its key");
        let device = engine.device().me().device();
        let entry = Entry::DeviceKey { time_ms: NOW, device, statement_sha256: sha256(&statement) };
        let logged = self.office.append(&entry);
        Person { engine, key: (statement, logged) }
    }

    /// Signs a device in; the key that it states then.
    fn stated(&self, engine: &mut Engine, key_missing: bool) -> Option<String> {
        engine.connected(NOW);
        engine.handle(NOW, self.office.signed_in(engine, &[], None, key_missing));
        sent(engine).into_iter().find_map(|message| match message {
            ClientMessage::PublishKey { statement } => Some(statement),
            _ => None,
        })
    }

    fn key(&self, of: &Person) -> ProvenDeviceKey {
        ProvenDeviceKey {
            statement: of.key.0.clone(),
            signed: self.office.prove(of.key.1),
            device: self.office.proof_of(of.device()),
        }
    }

    fn keys(&self, of: &[&Person]) -> Vec<PersonKeys> {
        of.iter().map(|person| PersonKeys { person: person.id(), keys: vec![self.key(person)] }).collect()
    }

    /// The server takes a version.
    fn take(&mut self, upload: DocumentUpload, by: &Person) {
        let content = self.pinned().verify_version(&upload.statement).unwrap().content().clone();
        let index = self.office.append(&Entry::DocumentVersion {
            time_ms: NOW,
            document: content.document,
            version: content.version,
            statement_sha256: sha256(&upload.statement),
        });
        self.versions.push((upload.statement, index, by.device()));
        self.ciphertexts.push(upload.ciphertext.0);
    }

    /// What it shows of the document: these versions.
    fn show(&self, document: DocumentId, versions: std::ops::Range<usize>) -> ProvenDocument {
        let proven = |(statement, index, device): &(String, u64, DeviceId)| ProvenVersion {
            statement: statement.clone(),
            signed: self.office.prove(*index),
            device: self.office.proof_of(*device),
            delegation: None,
            revoked: None,
        };
        let newest = versions.end as u32;
        let versions = self.versions[versions].iter().map(proven).collect();
        ProvenDocument { document, versions, newest, opened: Vec::new() }
    }
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
    let stolen = office.pinned().verify_device_key(&reader.key.0).unwrap();
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
        // From the first version on, up to the one that is known; from another one nothing is proven.
        assert_eq!(engine.see_document(&office.show(document, 0..3), NOW).unwrap().len(), 3);
        assert_eq!(engine.see_document(&office.show(document, 1..3), NOW), Err(Flaw::DocumentVersion.into()));
        let mut page = office.show(document, 0..3);
        page.versions.pop();
        assert_eq!(engine.see_document(&page, NOW), Err(Flaw::DocumentVersion.into()), "a page that ends before it");
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
    unlogged[0].keys[0].signed = office.office.prove(third.key.1);
    assert!(is(refused(&unlogged), Flaw::OtherEntry));
    let mut unknown = office.keys(&[&reader]);
    unknown[0].keys[0].device = office.office.proof_of(third.device());
    assert!(is(refused(&unknown), Flaw::OtherEntry));
}

/// The attacker is a counterpart and gets named as a reader: by content that they wrote, or by a changed list of people.
#[test]
fn what_the_office_writes_for_itself_is_sealed_to_nobody_of_the_other_side() {
    let mut office = Office::new(SuiteName::Hybrid);
    let mut author = office.person(1, 1, Role::Scheduler);
    let other_side = office.person(2, 2, Role::Counterpart);
    let keys = office.keys(&[&other_side]);
    for kind in DocumentKind::ALL {
        let document = author.engine.new_document();
        let draft = Draft { kind, ..draft(document, &[other_side.id()], SECRET) };
        let written = author.engine.write_document(draft, None, &keys, &[], NOW);
        match kind {
            DocumentKind::Request | DocumentKind::Schedule => assert!(written.is_ok(), "{kind:?}: {written:?}"),
            // A copy begins approved: whatever else is wrong with this one, it is not sealed.
            _ => assert!(matches!(written, Err(DocumentError::Reader(_))), "{kind:?}"),
        }
    }
}

/// The attacker owns the server, which lists somebody's keys as those of a colleague.
#[test]
fn a_readers_name_and_role_are_those_of_the_certificate() {
    let mut office = Office::new(SuiteName::Hybrid);
    let author = office.person(1, 1, Role::Scheduler);
    let (reader, other_side) = (office.person(2, 2, Role::Principal), office.person(3, 3, Role::Counterpart));
    let device = author.engine.device();
    let card = |keys: &PersonKeys| document::card_of(device, keys);
    let keys = office.keys(&[&reader, &other_side]);
    assert_eq!(card(&keys[0]).unwrap().unwrap().person, reader.id());
    assert_eq!(card(&keys[1]).unwrap().unwrap().role, Role::Counterpart);
    assert_eq!(card(&PersonKeys { person: reader.id(), keys: vec![] }).unwrap(), None);
    let listed = PersonKeys { person: reader.id(), keys: keys[1].keys.clone() };
    assert!(is(card(&listed).unwrap_err(), Flaw::OtherDevice));
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
    let pinned = office.pinned();
    let recipient = |statement: &str| pinned.verify_device_key(statement).unwrap().content().recipient.clone();
    let mut again = Engine::new(DeviceState::parse(&text).unwrap(), [7; 32], NOW).unwrap();
    assert_eq!(office.stated(&mut again, false), None);
    let stated = office.stated(&mut again, true).unwrap();
    assert_eq!(recipient(&stated), recipient(&person.key.0));
    let other = office.person(2, 2, Role::Principal);
    assert_ne!(recipient(&other.key.0), recipient(&stated));
}
