//! Attacks on documents: by a server that reorders, replays, withholds or adds, by people who claim what they may not, and with keys.

use super::*;
use crate::{
    delegation::sign_delegation,
    device_key::sign_device_key,
    document::{DOCUMENT_MAX_DELAY_MS, DocumentHead, LoggedDocumentVersion, sign_document},
    readout::sign_readout,
};
use sha2::{Digest as _, Sha256};
use telcon_proto::{
    DelegationId, DocumentId,
    delegation::{Act, Delegation, OnBehalf, ProvenDelegation},
    device_key::{DeviceKeyStatement, ProvenDeviceKey},
    document::{About, DocumentKind, DocumentState, DocumentVersion, ProvenVersion},
};

const DOCUMENT: DocumentId = DocumentId::from_bytes([0xdc; 16]);

fn sha256(text: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(text).into())
}

fn person(role: Role) -> PersonId {
    card(role).person
}

/// An office with a desk, a principal and a note-taker, and the log entries of their devices.
struct Desk {
    world: World,
    scheduler: (Device, Logged),
    principal: (Device, Logged),
    notes: (Device, Logged),
}

impl Desk {
    fn new(suite: SuiteName) -> Self {
        let mut world = World::new(suite);
        let mut enrol = |role| {
            let device = world.enrol(role);
            let entry = enrolled_entry(&world, &device);
            let logged = world.log(&entry);
            (device, logged)
        };
        let (scheduler, principal, notes) = (enrol(Role::Scheduler), enrol(Role::Principal), enrol(Role::NoteTaker));
        Self { world, scheduler, principal, notes }
    }

    fn by(&self, role: Role) -> &(Device, Logged) {
        match role {
            Role::Principal => &self.principal,
            Role::NoteTaker => &self.notes,
            _ => &self.scheduler,
        }
    }

    fn first(&self) -> DocumentVersion {
        DocumentVersion {
            office: domain(),
            document: DOCUMENT,
            kind: DocumentKind::Memorandum,
            version: 1,
            previous: None,
            ciphertext_sha256: sha256(b"sealed 1"),
            content_sha256: sha256(b"content 1"),
            readers: readers(&[Role::Scheduler, Role::Principal]),
            about: Some(About::Call(CALL)),
            state: DocumentState::Draft,
            due_ms: None,
            at_ms: NOW,
            author: card(Role::Scheduler),
            on_behalf: None,
        }
    }

    /// The version after `before`, by a device of this role, as it changes it.
    fn next(&self, before: &ProvenVersion, role: Role, change: impl FnOnce(&mut DocumentVersion)) -> DocumentVersion {
        let old = self.world.office.verify_version(&before.statement).unwrap();
        let mut next = DocumentVersion {
            version: old.content().version + 1,
            previous: Some(old.sha256()),
            author: card(role),
            ..old.content().clone()
        };
        change(&mut next);
        next
    }

    fn sign(&self, version: &DocumentVersion) -> String {
        let (device, _) = self.by(version.author.role);
        sign_document(&device.key, &device.chain, version)
    }

    /// The log takes a version, as a server that checks nothing.
    fn log(&mut self, version: &DocumentVersion) -> ProvenVersion {
        let statement = self.sign(version);
        let entry = entry(version, &statement);
        let signed = self.world.log(&entry);
        let device = self.by(version.author.role).1.clone();
        ProvenVersion { statement, signed, device, delegation: None, revoked: None }
    }

    fn verify(&self, versions: &[&ProvenVersion]) -> crate::Result<Vec<LoggedDocumentVersion>> {
        self.after(None, versions)
    }

    fn after(
        &self,
        known: Option<&DocumentHead>,
        versions: &[&ProvenVersion],
    ) -> crate::Result<Vec<LoggedDocumentVersion>> {
        let versions: Vec<_> = versions.iter().map(|version| (*version).clone()).collect();
        self.world.office.verify_document(DOCUMENT, known, &versions)
    }
}

fn readers(roles: &[Role]) -> Vec<PersonId> {
    let mut readers: Vec<_> = roles.iter().map(|role| person(*role)).collect();
    readers.sort_unstable();
    readers
}

fn entry(version: &DocumentVersion, statement: &str) -> serde_json::Value {
    json!({
        "type": "document_version", "time_ms": NOW, "document": version.document, "version": version.version,
        "statement_sha256": sha256(statement.as_bytes()),
    })
}

/// A draft, a second draft by the principal, reviewed, approved.
fn chain(desk: &mut Desk) -> [ProvenVersion; 4] {
    let first = desk.first();
    let first = desk.log(&first);
    let second = desk.next(&first, Role::Principal, |v| v.ciphertext_sha256 = sha256(b"sealed 2"));
    let second = desk.log(&second);
    let third = desk.next(&second, Role::Scheduler, |v| v.state = DocumentState::Reviewed);
    let third = desk.log(&third);
    let fourth = desk.next(&third, Role::Principal, |v| v.state = DocumentState::Approved);
    let fourth = desk.log(&fourth);
    [first, second, third, fourth]
}

#[test]
fn a_chain_of_versions_by_people_who_may_is_accepted() {
    for suite in SUITES {
        let mut desk = Desk::new(suite);
        let [first, second, third, fourth] = chain(&mut desk);
        let verified = desk.verify(&[&first, &second, &third, &fourth]).unwrap();
        assert_eq!(verified.iter().map(|v| v.content().version).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(verified[3].content().state, DocumentState::Approved);
        let known = verified[1].head();
        assert_eq!(desk.after(Some(&known), &[&second, &third, &fourth]).unwrap(), verified[1..]);
        verified[1].version().check_ciphertext(b"sealed 2").unwrap();
    }
}

/// The attacker owns the server.
#[test]
fn a_server_that_reorders_skips_or_replays_versions_is_refused() {
    let mut desk = Desk::new(SuiteName::Hybrid);
    let [first, second, third, fourth] = chain(&mut desk);
    refused(desk.verify(&[]), Flaw::DocumentVersion);
    refused(desk.verify(&[&second, &third]), Flaw::DocumentVersion);
    refused(desk.verify(&[&first, &third]), Flaw::DocumentVersion);
    refused(desk.verify(&[&first, &second, &second]), Flaw::DocumentVersion);
    refused(desk.verify(&[&second, &first]), Flaw::DocumentVersion);
    // What this device has seen is not taken back.
    let verified = desk.verify(&[&first, &second, &third, &fourth]).unwrap();
    let known = verified[2].head();
    refused(desk.after(Some(&known), &[&second]), Flaw::DocumentVersion);
    refused(desk.after(Some(&known), &[&first, &second]), Flaw::DocumentVersion);
    refused(desk.after(Some(&known), &[&fourth]), Flaw::DocumentVersion);
}

/// The attacker owns the server, and has two versions of one number, which the author signed on two devices or at two times.
#[test]
fn a_fork_is_refused_by_who_has_seen_the_other_branch() {
    let mut desk = Desk::new(SuiteName::Hybrid);
    let first = desk.first();
    let first = desk.log(&first);
    let one = desk.next(&first, Role::Scheduler, |v| v.ciphertext_sha256 = sha256(b"for the one"));
    let other = desk.next(&first, Role::Scheduler, |v| v.ciphertext_sha256 = sha256(b"for the other"));
    let (one, other) = (desk.log(&one), desk.log(&other));
    let known = desk.verify(&[&first, &one]).unwrap()[1].head();
    refused(desk.after(Some(&known), &[&other]), Flaw::DocumentFork);
    let after_other = desk.next(&other, Role::Principal, |_| {});
    let after_other = desk.log(&after_other);
    refused(desk.verify(&[&first, &one, &after_other]), Flaw::DocumentVersion);
}

/// The attacker owns the server and its log: it shows the log's entries of two versions in the wrong order.
#[test]
fn versions_that_the_log_has_in_another_order_are_refused() {
    let mut desk = Desk::new(SuiteName::Hybrid);
    let first = desk.first();
    let before = ProvenVersion { statement: desk.sign(&first), ..desk.log(&first) };
    let second = desk.next(&before, Role::Scheduler, |_| {});
    let second = desk.log(&second);
    let late = desk.log(&first);
    refused(desk.verify(&[&late, &second]), Flaw::DocumentOrder);
    // Nor before its device was enrolled.
    let mut young = Desk::new(SuiteName::Hybrid);
    let version = young.first();
    let mut proven = young.log(&version);
    let device = enrolled_entry(&young.world, &young.scheduler.0);
    proven.device = young.world.log(&device);
    refused(young.verify(&[&proven]), Flaw::DocumentOrder);
}

/// The attacker owns the server, and has statements of another document by the same author.
#[test]
fn a_statement_of_another_document_is_refused() {
    let mut desk = Desk::new(SuiteName::Hybrid);
    let first = desk.first();
    let first = desk.log(&first);
    let elsewhere = DocumentVersion { document: DocumentId::from_bytes([1; 16]), ..desk.first() };
    let elsewhere = desk.log(&elsewhere);
    refused(desk.verify(&[&elsewhere]), Flaw::OtherDocument);
    type Change = fn(&mut DocumentVersion);
    let changes: [Change; 3] = [
        |v| v.document = DocumentId::from_bytes([1; 16]),
        |v| v.kind = DocumentKind::Brief,
        |v| v.about = Some(About::Call(CallId::from_bytes([9; 16]))),
    ];
    for change in changes {
        let next = desk.next(&first, Role::Scheduler, change);
        let next = desk.log(&next);
        refused(desk.verify(&[&first, &next]), Flaw::OtherDocument);
    }
    // An entry of another version, or of nothing of the kind.
    let second = desk.next(&first, Role::Scheduler, |_| {});
    let second = desk.log(&second);
    let swapped = ProvenVersion { signed: first.signed.clone(), ..second.clone() };
    refused(desk.verify(&[&first, &swapped]), Flaw::OtherEntry);
    let nothing = ProvenVersion { signed: desk.scheduler.1.clone(), ..second };
    refused(desk.verify(&[&first, &nothing]), Flaw::LogEntry);
}

/// The attacker is of the staff, with a device of their own, or owns the server and has none.
#[test]
fn an_approval_is_of_a_role_that_may_and_of_nobody_else() {
    for suite in SUITES {
        let mut desk = Desk::new(suite);
        let first =
            DocumentVersion { readers: readers(&[Role::Scheduler, Role::Principal, Role::NoteTaker]), ..desk.first() };
        let first = desk.log(&first);
        let approve = |v: &mut DocumentVersion| v.state = DocumentState::Approved;
        let forged = desk.next(&first, Role::NoteTaker, approve);
        let forged = desk.log(&forged);
        refused(desk.verify(&[&first, &forged]), Flaw::DocumentClaim);
        // In the principal's name.
        let mut forged = desk.next(&first, Role::Principal, approve);
        let (device, logged) = &desk.notes;
        let statement = sign_document(&device.key, &device.chain, &forged);
        refused(desk.world.office.verify_version(&statement), Flaw::DocumentAuthor);
        // With the principal's certificates, which every statement of theirs shows.
        let statement = sign_document(&device.key, &desk.principal.0.chain, &forged);
        refused(desk.world.office.verify_version(&statement), Flaw::Signature);
        // Under a delegation that nobody gave.
        forged.author = card(Role::NoteTaker);
        forged.on_behalf =
            Some(OnBehalf { delegation: DelegationId::from_bytes([1; 16]), statement_sha256: sha256(b"nothing") });
        let statement = sign_document(&device.key, &device.chain, &forged);
        refused(desk.world.office.verify_version(&statement), Flaw::DocumentClaim);
        let _ = logged;
    }
}

/// A delegate approves a debrief for the principal: under a delegation to answer, within its term, and not otherwise.
#[test]
fn what_a_principal_alone_may_claim_is_claimed_for_them_under_their_delegation() {
    let mut desk = Desk::new(SuiteName::Hybrid);
    let debrief = DocumentVersion { kind: DocumentKind::Debrief, ..desk.first() };
    let first = desk.log(&debrief);
    let give = |desk: &mut Desk, acts: Vec<Act>, until_ms: u64| {
        let delegation = Delegation {
            office: domain(),
            delegation: DelegationId::from_bytes([7; 16]),
            principal: person(Role::Principal),
            delegate: card(Role::Scheduler),
            acts,
            not_before_ms: NOW - HOUR,
            not_after_ms: until_ms,
            at_ms: NOW,
        };
        let (device, logged) = &desk.principal;
        let (statement, device) = (sign_delegation(&device.key, &device.chain, &delegation), logged.clone());
        let given = desk.world.log(&json!({
            "type": "delegation_given", "time_ms": NOW, "delegation": delegation.delegation,
            "device": desk.principal.0.id, "statement_sha256": sha256(statement.as_bytes()), "until_ms": until_ms,
        }));
        let on_behalf = OnBehalf { delegation: delegation.delegation, statement_sha256: sha256(statement.as_bytes()) };
        (ProvenDelegation { statement, given, device }, on_behalf)
    };
    let mut approve = |acts, until_ms| {
        let (under, on_behalf) = give(&mut desk, acts, until_ms);
        let approved = desk.next(&first, Role::Scheduler, |v| {
            (v.state, v.on_behalf) = (DocumentState::Approved, Some(on_behalf));
        });
        let approved = desk.log(&approved);
        let with = ProvenVersion { delegation: Some(Box::new(under)), ..approved.clone() };
        (desk.verify(&[&first, &with]).map(|_| ()), desk.verify(&[&first, &approved]).map(|_| ()))
    };
    let (accepted, without) = approve(vec![Act::Answer], NOW + HOUR);
    accepted.unwrap();
    refused(without, Flaw::DelegationMissing);
    refused(approve(vec![Act::Lines], NOW + HOUR).0, Flaw::DelegationAct);
    refused(approve(vec![Act::Answer], NOW - 1).0, Validity::Delegation);
    let alone = desk.next(&first, Role::Scheduler, |v| v.state = DocumentState::Approved);
    let alone = desk.log(&alone);
    refused(desk.verify(&[&first, &alone]), Flaw::DocumentClaim);
}

/// The attacker owns the server: it puts the approval of one version beside the content of another.
#[test]
fn an_approval_holds_for_the_content_that_it_names_alone() {
    let mut desk = Desk::new(SuiteName::Hybrid);
    let [first, second, third, fourth] = chain(&mut desk);
    let verified = desk.verify(&[&first, &second, &third, &fourth]).unwrap();
    let approved = verified[3].version();
    approved.check_ciphertext(b"sealed 2").unwrap();
    refused(approved.check_ciphertext(b"sealed 1"), Flaw::DocumentContent);
    refused(approved.check_content(b"content 2"), Flaw::DocumentContent);
    // A changed draft after it is a version of its own, and no approval.
    let changed = desk.next(&fourth, Role::Scheduler, |v| v.ciphertext_sha256 = sha256(b"changed"));
    let changed = desk.log(&changed);
    refused(desk.verify(&[&first, &second, &third, &fourth, &changed]), Flaw::DocumentState);
    let draft = desk.next(&fourth, Role::Scheduler, |v| v.state = DocumentState::Draft);
    let draft = desk.log(&draft);
    desk.verify(&[&first, &second, &third, &fourth, &draft]).unwrap();
}

#[test]
fn a_document_begins_as_a_draft_and_ends_for_good() {
    let mut desk = Desk::new(SuiteName::Hybrid);
    let born_approved = DocumentVersion { state: DocumentState::Approved, ..desk.first() };
    let born_approved = desk.log(&born_approved);
    refused(desk.verify(&[&born_approved]), Flaw::DocumentState);
    let first = desk.first();
    let first = desk.log(&first);
    let destroyed = desk.next(&first, Role::Principal, |v| v.state = DocumentState::Destroyed);
    let destroyed = desk.log(&destroyed);
    let after = desk.next(&destroyed, Role::Principal, |v| v.state = DocumentState::Draft);
    let after = desk.log(&after);
    desk.verify(&[&first, &destroyed]).unwrap();
    refused(desk.verify(&[&first, &destroyed, &after]), Flaw::DocumentState);
}

/// The attacker owns the server, or is of the staff and not a reader.
#[test]
fn a_reader_is_added_by_a_reader_and_by_nobody_else() {
    let mut desk = Desk::new(SuiteName::Hybrid);
    let first = desk.first();
    let first = desk.log(&first);
    let all = readers(&[Role::Scheduler, Role::Principal, Role::NoteTaker]);
    let intruder = desk.next(&first, Role::NoteTaker, |v| v.readers = all.clone());
    let intruder = desk.log(&intruder);
    refused(desk.verify(&[&first, &intruder]), Flaw::DocumentAuthor);
    // By changing what was signed.
    let (head, rest) = first.statement.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let mut changed: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    changed["readers"] = json!(all);
    let payload = URL_SAFE_NO_PAD.encode(changed.to_string());
    refused(desk.world.office.verify_version(&format!("{head}.{payload}.{signature}")), Flaw::Signature);
    let added = desk.next(&first, Role::Principal, |v| v.readers = all.clone());
    let added = desk.log(&added);
    let by_new = desk.next(&added, Role::NoteTaker, |_| {});
    let by_new = desk.log(&by_new);
    desk.verify(&[&first, &added, &by_new]).unwrap();
    // Who was removed does not write any more.
    let removed = desk.next(&added, Role::Principal, |v| v.readers = readers(&[Role::Scheduler, Role::Principal]));
    let removed = desk.log(&removed);
    let back = desk.next(&removed, Role::NoteTaker, |v| v.readers = all.clone());
    let back = desk.log(&back);
    refused(desk.verify(&[&first, &added, &removed, &back]), Flaw::DocumentAuthor);
}

/// The attacker has a stolen device, which was revoked.
#[test]
fn what_a_device_signs_after_its_revocation_is_refused_and_what_it_signed_before_stays() {
    let mut desk = Desk::new(SuiteName::Hybrid);
    let first = desk.first();
    let first = desk.log(&first);
    let id = desk.scheduler.0.id;
    let revoked = Some(Box::new(desk.world.log(&json!({ "type": "device_revoked", "time_ms": NOW, "device": id }))));
    let second = desk.next(&first, Role::Scheduler, |_| {});
    let second = desk.log(&second);
    let with = |proven: &ProvenVersion| ProvenVersion { revoked: revoked.clone(), ..proven.clone() };
    desk.verify(&[&with(&first)]).unwrap();
    refused(desk.verify(&[&with(&first), &with(&second)]), Flaw::RevokedSigner);
    let other = desk.world.log(&json!({ "type": "device_revoked", "time_ms": NOW, "device": desk.principal.0.id }));
    let other = ProvenVersion { revoked: Some(Box::new(other)), ..first };
    refused(desk.verify(&[&other]), Flaw::OtherEntry);
}

/// The attacker keeps a statement back, to have it count under a delegation that has ended.
#[test]
fn a_statement_that_is_logged_long_after_its_date_is_refused() {
    let mut desk = Desk::new(SuiteName::Hybrid);
    let old = DocumentVersion { at_ms: NOW - DOCUMENT_MAX_DELAY_MS - 1, ..desk.first() };
    // Its certificate was valid for it.
    let old = desk.log(&old);
    assert!(desk.verify(&[&old]).is_err());
    let ahead = DocumentVersion { at_ms: NOW + DOCUMENT_MAX_DELAY_MS + 1, ..desk.first() };
    let ahead = desk.log(&ahead);
    refused(desk.verify(&[&ahead]), Flaw::EntryTime);
}

fn key_statement(device: &Device) -> DeviceKeyStatement {
    DeviceKeyStatement { office: domain(), device: device.id, recipient: "age1pq1qqqq".into(), version: 1, at_ms: NOW }
}

/// The attacker owns the server: it wants what is sealed for a principal's device to be sealed for a key of its own.
#[test]
fn a_key_counts_for_the_device_that_signed_it_and_that_the_log_has() {
    for suite in SUITES {
        let mut desk = Desk::new(suite);
        let statement = |content: &DeviceKeyStatement, by: &Device| sign_device_key(&by.key, &by.chain, content);
        let good = statement(&key_statement(&desk.principal.0), &desk.principal.0);
        let entry = |device: DeviceId, of: &str| json!({ "type": "device_key", "time_ms": NOW, "device": device, "statement_sha256": sha256(of.as_bytes()) });
        let id = desk.principal.0.id;
        let proven = ProvenDeviceKey {
            signed: desk.world.log(&entry(id, &good)),
            statement: good,
            device: desk.principal.1.clone(),
        };
        let office = desk.world.office.clone();
        let verified = office.verify_device_key_logged(&proven).unwrap();
        assert_eq!(verified.person(), person(Role::Principal));
        // Another device names the principal's.
        let named = statement(&key_statement(&desk.principal.0), &desk.notes.0);
        refused(office.verify_device_key(&named), Flaw::OtherDevice);
        // With the principal's certificates.
        let borrowed = Device { key: DeviceKey::from_seed(suite, &[9; 32]), chain: desk.principal.0.chain.clone(), id };
        refused(office.verify_device_key(&statement(&key_statement(&borrowed), &borrowed)), Flaw::Signature);
        // A genuine statement that the log does not have, which it may deny later.
        let mut later = key_statement(&desk.principal.0);
        later.version = 2;
        let unlogged = ProvenDeviceKey { statement: statement(&later, &desk.principal.0), ..proven.clone() };
        refused(office.verify_device_key_logged(&unlogged), Flaw::OtherEntry);
        let of_other = ProvenDeviceKey { device: desk.notes.1.clone(), ..proven };
        refused(office.verify_device_key_logged(&of_other), Flaw::OtherEntry);
        for recipient in ["age1qqqq", "age1pq1 ", "AGE1PQ1QQQ", "AGE-SECRET-KEY-PQ-1QQ"] {
            let bad = DeviceKeyStatement { recipient: recipient.into(), ..key_statement(&desk.principal.0) };
            refused(office.verify_device_key(&statement(&bad, &desk.principal.0)), Flaw::DeviceKeyForm);
        }
    }
}

#[test]
fn a_readout_is_signed_by_somebody_who_may_publish_and_is_nothing_else() {
    for suite in SUITES {
        let desk = Desk::new(suite);
        let payload = br#"{"version":1,"type":"telcon_readout"}"#;
        let sign = |role: Role| {
            let (device, _) = desk.by(role);
            sign_readout(&device.key, &device.chain, payload)
        };
        let office = &desk.world.office;
        let (device, read) = office.verify_readout(&sign(Role::Scheduler)).unwrap();
        assert_eq!((device.card().role, &read[..]), (Role::Scheduler, &payload[..]));
        assert_eq!(office.verify_readout(&sign(Role::NoteTaker)).unwrap_err(), Flaw::DocumentClaim.into());
        // A signed version of a document is no readout, and a readout no version.
        let (device, _) = desk.by(Role::Scheduler);
        let version = sign_document(&device.key, &device.chain, &desk.first());
        assert_eq!(office.verify_readout(&version).unwrap_err(), Flaw::JwsType.into());
        assert_eq!(office.verify_version(&sign(Role::Scheduler)).unwrap_err(), Flaw::JwsType.into());
        // Other words under the same signature.
        let text = sign(Role::Scheduler);
        let [header, _, signature] = text.split('.').collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert_eq!(office.verify_readout(&format!("{header}.e30.{signature}")).unwrap_err(), Flaw::Signature.into());
    }
}
