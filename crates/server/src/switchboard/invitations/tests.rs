//! Invitations over a store and a log that fail and crash at any point.

use super::super::{Approved, Effects, NewDevice, Output, Policy, RequestId, Switchboard};
use super::*;
use crate::{
    archive::{LogWriter, Prover},
    limits::RECORD_DUE_MS,
    reconcile::reconcile,
    store::{Store, StoreLocation},
};
use std::collections::VecDeque;
use telcon_log::LogSigner;
use telcon_proto::limits::{MAX_DEVICE_REQUEST_CHARS, MAX_MESSAGE_BYTES};
use telcon_proto::{Blob, Card, ClientMessage as C, Digest, OfficeName, PersonId, RecordMode, SuiteName};

mod two_registrars;

const START_MS: u64 = 1_000_000;
const OFFICER: DeviceId = DeviceId::from_bytes([1; 16]);
const ASKING: DeviceId = DeviceId::from_bytes([2; 16]);
const INVITATION: InvitationId = InvitationId::from_bytes([3; 16]);
const TOKEN: Digest = Digest::from_bytes([4; 32]);
const SESSION: SessionId = SessionId(1);

fn home() -> OfficeName {
    OfficeName::parse("office.example").unwrap()
}

fn card(n: u8, role: Role) -> Card {
    let (person, office) = (PersonId::from_bytes([n; 16]), home());
    Card { person, office, name: format!("Person {n}"), organisation: "Chancellery".into(), role, zone: "UTC".into() }
}

fn new_device(device: DeviceId, card: Card, registrar: Option<DeviceId>) -> NewDevice {
    let n = device.as_bytes()[0];
    NewDevice {
        device,
        card,
        chain: vec![Blob(vec![n]), Blob(b"registrar".to_vec())],
        cert_sha256: Digest::from_bytes([n; 32]),
        second_cert_sha256: None,
        registrars: registrar.into_iter().collect(),
        enrolment: format!("{n}"),
        enrolment_is_used: false,
    }
}

/// An office whose process dies after so many outputs, and whose log fails when told to.
struct Office {
    _dir: tempfile::TempDir,
    store: Box<dyn Store>,
    log: LogWriter,
    board: Switchboard,
    now: u64,
    /// Outputs that are carried out until the process dies.
    left: usize,
    log_fails: bool,
    sent: Vec<S>,
    replies: Vec<Result<Reply, Refusal>>,
}

use ServerMessage as S;

fn policy() -> Policy {
    Policy { domain: home(), suite: SuiteName::Hybrid, floor: RecordMode::LogOnly, record_due_ms: RECORD_DUE_MS }
}

impl Office {
    /// With an appointed officer who is signed in.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = StoreLocation::Sqlite(dir.path().join("db")).writer(&home()).unwrap();
        let signer = LogSigner::from_seed(&[1; 32], "office.example/log").unwrap();
        let log = LogWriter::open(&dir.path().join("log"), signer, home(), START_MS).unwrap();
        let (board, _) = Switchboard::new(policy(), crate::store::Snapshot::default(), START_MS);
        let (sent, replies) = (Vec::new(), Vec::new());
        let mut this =
            Self { _dir: dir, store, log, board, now: START_MS, left: usize::MAX, log_fails: false, sent, replies };
        let effects =
            this.board.enrol(RequestId(1), new_device(OFFICER, card(1, Role::SecurityOfficer), None), this.now);
        this.run(effects);
        let row = RegistrarRow {
            device: OFFICER,
            certificate: Blob(b"registrar".to_vec()),
            cert_sha256: Digest::from_bytes([9; 32]),
            roles: vec![Role::Principal],
            appointed_ms: this.now,
            log_index: None,
        };
        let effects = this.board.appoint(RequestId(2), row, this.now);
        this.run(effects);
        this.connect();
        this
    }

    fn connect(&mut self) {
        let (_, effects) = self.board.connected(SESSION, OFFICER, "token".into(), self.now).unwrap();
        self.run(effects);
    }

    fn run(&mut self, effects: Effects) {
        let mut queue = VecDeque::from([effects]);
        while let Some(effects) = queue.pop_front() {
            if self.left == 0 {
                return;
            }
            self.store.apply(&effects.writes).unwrap();
            for output in effects.outputs {
                if self.left == 0 {
                    return;
                }
                self.left -= 1;
                match output {
                    Output::Append(ticket, entry) => {
                        let index = if self.log_fails {
                            None
                        } else {
                            self.log.append(&[entry.to_bytes()], self.now);
                            Some(self.prover().checkpoint().0 - 1)
                        };
                        // It dies after the append and before its result is known.
                        if self.left > 0 {
                            queue.push_back(self.board.logged(ticket, index, self.now));
                        }
                    }
                    Output::Send(_, message) => self.sent.push(*message),
                    Output::Reply(_, answer) => self.replies.push(answer),
                    Output::Close(..) | Output::Relay(_) => {}
                }
            }
        }
    }

    fn prover(&self) -> std::sync::Arc<Prover> {
        self.log.prover()
    }

    fn restart(&mut self) {
        (self.left, self.log_fails) = (usize::MAX, false);
        let prover = self.prover();
        reconcile(&mut *self.store, &prover, &(), true).unwrap();
        let (board, effects) = Switchboard::new(policy(), self.store.load().unwrap(), self.now);
        self.board = board;
        self.run(effects);
        self.connect();
    }

    fn send(&mut self, message: C) {
        self.send_as(SESSION, message);
    }

    fn send_as(&mut self, session: SessionId, message: C) {
        let effects = self.board.message(session, message, self.now);
        self.run(effects);
    }

    fn invite(&mut self) {
        let expires_ms = self.now + MAX_INVITATION_MS;
        self.send(C::Invite {
            invitation: INVITATION,
            card: card(2, Role::Principal),
            expires_ms,
            token_sha256: TOKEN,
        });
    }

    fn ask(&mut self) {
        let asked = DeviceAsked { invitation: INVITATION, device: ASKING, token_sha256: TOKEN, jws: "jws".into() };
        let effects = self.board.device_asked(RequestId(3), asked, self.now);
        self.run(effects);
    }

    fn approve(&mut self) {
        let new = new_device(ASKING, card(2, Role::Principal), Some(OFFICER));
        let effects = self.board.approve(SESSION, RequestId(4), INVITATION, Ok(Approved::Last(new)), self.now);
        self.run(effects);
    }

    fn wait(&mut self, ms: u64) {
        self.now += ms;
        let effects = self.board.timeout(self.now);
        self.run(effects);
    }

    /// The entries about invitations and the device that asked.
    fn entries(&self) -> Vec<String> {
        let size = self.prover().checkpoint().0;
        let entries = self.prover().entries(0..size).unwrap();
        let words = entries.iter().filter_map(|bytes| telcon_proto::entry::ReadEntry::parse(bytes).known()).filter_map(
            |entry| match entry {
                Entry::InvitationMade { .. } => Some("made".to_owned()),
                Entry::InvitationClosed { how, .. } => Some(how.as_str().to_owned()),
                Entry::DeviceEnrolled { device, .. } if device == ASKING => Some("enrolled".to_owned()),
                _ => None,
            },
        );
        words.collect()
    }

    fn shown(&self) -> usize {
        self.sent
            .iter()
            .filter(|message| matches!(message, S::Invitations { changed, .. } if !changed.is_empty()))
            .count()
    }
}

#[test]
fn an_invitation_survives_a_crash_at_any_point() {
    for crash in 0.. {
        let mut office = Office::new();
        office.left = crash;
        office.invite();
        office.ask();
        office.approve();
        let crashed = office.left == 0;
        office.restart();
        // Whoever saw no answer repeats what they did.
        if office.entries().is_empty() {
            office.invite();
        }
        office.ask();
        office.approve();
        let entries = office.entries();
        assert_eq!(entries, ["made", "enrolled", "approved"], "after {crash} outputs");
        let stored = office.store.load().unwrap();
        assert!(stored.invitations.is_empty(), "after {crash} outputs: nothing is pending");
        assert!(stored.devices.iter().all(|device| device.log_index.is_some()));
        if !crashed {
            assert!(crash > 5, "there are more outputs than {crash}");
            break;
        }
    }
}

#[test]
fn an_invitation_that_the_log_refuses_is_withdrawn_and_the_registrar_told() {
    let mut office = Office::new();
    office.log_fails = true;
    office.invite();
    let refused = |message: &S| matches!(message, S::Refused { code: RefusalCode::Unavailable, .. });
    assert!(office.sent.iter().any(refused));
    assert_eq!(office.shown(), 0, "a link that is not in the log is not handed out");
    office.ask();
    assert!(matches!(office.replies.last(), Some(Ok(Reply::NoOpenInvitation))));
    // The entry may be in the log all the same, so the log gets the end as soon as it can.
    office.log_fails = false;
    office.wait(RETRY_MS);
    assert_eq!(office.entries(), ["made", "withdrawn"]);
    office.restart();
    assert_eq!(office.entries(), ["made", "withdrawn"]);
    assert!(office.store.load().unwrap().invitations.is_empty());
}

#[test]
fn invitations_and_requests_expire() {
    for asked in [false, true] {
        let mut office = Office::new();
        office.invite();
        if asked {
            office.ask();
        }
        let due = if asked { DEVICE_REQUEST_MS } else { MAX_INVITATION_MS };
        assert_eq!(office.board.next_timeout(), Some(office.now + due));
        office.wait(due);
        assert_eq!(office.entries(), ["made", "expired"]);
        office.approve();
        assert!(office.replies.last().unwrap().is_err());
        assert_eq!(office.entries(), ["made", "expired"]);
    }
}

#[test]
fn a_device_that_the_log_refuses_can_be_approved_again() {
    let mut office = Office::new();
    office.invite();
    office.ask();
    office.log_fails = true;
    office.approve();
    assert!(matches!(office.sent.last(), Some(S::Refused { code: RefusalCode::Unavailable, .. })));
    // The registrar certifies anew, but the entry may be in the log: the first certificate is the device's.
    office.log_fails = false;
    let again = new_device(ASKING, card(2, Role::Principal), Some(OFFICER));
    let again = NewDevice { cert_sha256: Digest::from_bytes([0x77; 32]), ..again };
    let effects = office.board.approve(SESSION, RequestId(5), INVITATION, Ok(Approved::Last(again)), office.now);
    office.run(effects);
    assert_eq!(office.entries(), ["made", "enrolled", "approved"]);
    assert_eq!(office.store.device(&ASKING).unwrap().unwrap().cert_sha256, Digest::from_bytes([2; 32]));
}

#[test]
fn a_device_that_the_log_refused_can_be_approved_after_a_restart() {
    let mut office = Office::new();
    office.invite();
    office.ask();
    office.log_fails = true;
    office.approve();
    office.restart();
    office.approve();
    assert_eq!(office.entries(), ["made", "enrolled", "approved"]);
}

#[test]
fn there_is_a_limit_of_open_invitations() {
    let mut office = Office::new();
    for n in 0..=MAX_OPEN_INVITATIONS as u64 {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let expires_ms = office.now + MAX_INVITATION_MS;
        let (invitation, card) = (InvitationId::from_bytes(id), card(2, Role::Principal));
        office.send(C::Invite { invitation, card, expires_ms, token_sha256: TOKEN });
    }
    assert!(matches!(office.sent.last(), Some(S::Refused { code: RefusalCode::TooMany, .. })));
    assert_eq!(office.entries().len(), MAX_OPEN_INVITATIONS);
    // At sign-in they come in messages that stay below the limit, however long the requests are.
    office.sent.clear();
    office.connect();
    let parts: Vec<usize> = office
        .sent
        .iter()
        .filter_map(|message| match message {
            S::Invitations { changed, .. } => Some(changed.len()),
            _ => None,
        })
        .collect();
    assert_eq!(parts.iter().sum::<usize>(), MAX_OPEN_INVITATIONS);
    let longest = parts.iter().max().unwrap() * (MAX_DEVICE_REQUEST_CHARS + 1024);
    assert!(longest < MAX_MESSAGE_BYTES, "{longest}");
}
