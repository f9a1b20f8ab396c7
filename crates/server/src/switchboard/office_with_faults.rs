//! A switchboard over a real store and log, for tests: its process dies after so many outputs, and its log fails when told to.

use super::{
    Approved, DeviceAsked, Effects, NewDevice, Output, Policy, PushCommand, Refusal, Reply, RequestId, SessionId,
    Switchboard,
};
use crate::{
    archive::LogWriter,
    digest::sha256,
    limits::RECORD_DUE_MS,
    reconcile::reconcile,
    store::{InvitationRow, Queries, RegistrarRow, Snapshot, Store, StoreLocation, StoredRecord, Unfinished},
};
use std::collections::VecDeque;
use telcon_log::LogSigner;
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DeviceId, Digest, InvitationId, OfficeAlert, OfficeName, PersonId, RecordMode,
    Role, ServerMessage, SuiteName,
    entry::{Entry, ReadEntry},
    limits::MAX_INVITATION_MS,
    line::Rings,
};

pub(super) const START_MS: u64 = 1_000_000;
/// A security officer's device, which is a registrar and connected by session 1.
pub(super) const OFFICER: DeviceId = DeviceId::from_bytes([1; 16]);
pub(super) const INVITATION: InvitationId = InvitationId::from_bytes([3; 16]);
pub(super) const TOKEN: Digest = Digest::from_bytes([4; 32]);

pub(super) fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

pub(super) fn card(n: u8, role: Role) -> Card {
    let (person, office) = (PersonId::from_bytes([n; 16]), home());
    Card {
        person,
        office,
        name: format!("Person {n}"),
        organisation: "Chancellery".into(),
        role,
        zone: "UTC".into(),
        place: false,
    }
}

pub(super) fn home() -> OfficeName {
    OfficeName::parse("office.example").unwrap()
}

fn policy(rings: Rings) -> Policy {
    Policy {
        domain: home(),
        suite: SuiteName::Hybrid,
        floor: RecordMode::LogOnly,
        record_due_ms: RECORD_DUE_MS,
        devices: Default::default(),
        rings,
    }
}

/// What an output was, as tests compare their order.
#[allow(clippy::large_enum_variant, reason = "a test keeps few of them")]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    Sent(SessionId, ServerMessage),
    Replied(Result<Reply, Refusal>),
    Pushed(PushCommand),
}

pub(super) struct Office {
    _dir: tempfile::TempDir,
    rings: Rings,
    location: StoreLocation,
    pub store: Box<dyn Store>,
    log: LogWriter,
    pub board: Switchboard,
    pub now: u64,
    /// Outputs that are carried out until the process dies.
    pub left: usize,
    pub log_fails: bool,
    pub done: Vec<Done>,
}

impl Office {
    /// With an appointed officer who is signed in.
    pub fn new() -> Self {
        Self::with(Rings::ByRole)
    }

    /// The same where the charter demands lines.
    pub fn over_lines() -> Self {
        Self::with(Rings::OverLines)
    }

    fn with(rings: Rings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let location = StoreLocation::Sqlite(dir.path().join("db"));
        let store = location.writer(&home()).unwrap();
        let signer = LogSigner::from_seed(&[1; 32], "office.example/log").unwrap();
        let log = LogWriter::open(&dir.path().join("log"), signer, home(), START_MS).unwrap();
        let (board, _) = Switchboard::new(policy(rings), Snapshot::default(), START_MS);
        let mut this = Self {
            _dir: dir,
            rings,
            location,
            store,
            log,
            board,
            now: START_MS,
            left: usize::MAX,
            log_fails: false,
            done: Vec::new(),
        };
        this.enrol(OFFICER, card(1, Role::SecurityOfficer));
        this.appoint(OFFICER, Blob(b"registrar".to_vec()), vec![Role::Principal]);
        this.connect(1, OFFICER);
        this
    }

    pub fn enrol(&mut self, device: DeviceId, card: Card) {
        let new = self.new_device(device, card, None);
        let effects = self.board.enrol(RequestId(1), new, self.now);
        self.run(effects);
    }

    pub fn appoint(&mut self, device: DeviceId, certificate: Blob, roles: Vec<Role>) {
        let cert_sha256 = sha256(certificate.as_slice());
        let row = RegistrarRow { device, certificate, cert_sha256, roles, appointed_ms: self.now, log_index: None };
        let effects = self.board.appoint(RequestId(2), row, self.now);
        self.run(effects);
    }

    /// What the driver makes of a device's certificates.
    pub fn new_device(&mut self, device: DeviceId, card: Card, registrar: Option<DeviceId>) -> NewDevice {
        let enrolment = device.to_hex();
        NewDevice {
            device,
            card,
            chain: vec![Blob(device.as_bytes().to_vec()), Blob(b"registrar".to_vec())],
            cert_sha256: Digest::from_bytes([device.as_bytes()[0]; 32]),
            second_cert_sha256: None,
            registrars: registrar.into_iter().collect(),
            enrolment_is_used: self.store.enrolment_is_used(&enrolment).unwrap(),
            enrolment,
        }
    }

    /// Whether it could sign in.
    pub fn connect(&mut self, session: u64, device: DeviceId) -> bool {
        match self.board.connected(SessionId(session), device, "token".into(), self.now) {
            Ok((_, effects)) => {
                self.run(effects);
                true
            }
            Err(_) => false,
        }
    }

    pub fn run(&mut self, effects: Effects) {
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
                self.left = self.left.saturating_sub(1);
                match output {
                    Output::Append(append, entry) => {
                        let index =
                            if self.log_fails { None } else { self.log.append(&[entry.to_bytes()], self.now)[0] };
                        // It dies after the append and before its result is known.
                        if self.left > 0 {
                            queue.push_back(self.board.logged(append, index, self.now));
                        }
                    }
                    Output::Send(session, message) => self.done.push(Done::Sent(session, *message)),
                    Output::Reply(_, answer) => self.done.push(Done::Replied(answer)),
                    Output::Push(command) => self.done.push(Done::Pushed(command)),
                    Output::Close(..) | Output::Relay(_) => {}
                }
            }
        }
    }

    /// After a crash, or without one: from what is durable. The officer signs in again.
    pub fn restart(&mut self) {
        self.left = usize::MAX;
        self.start(true);
    }

    /// The store failed: the engine starts again within the process. What was given to the log may still be written.
    pub fn restart_engine(&mut self) {
        self.start(false);
    }

    fn start(&mut self, new_process: bool) {
        self.log_fails = false;
        reconcile(&mut *self.store, &self.log.prover(), &(), new_process).unwrap();
        let (board, effects) = Switchboard::new(policy(self.rings), self.store.load().unwrap(), self.now);
        self.board = board;
        self.run(effects);
        self.connect(1, OFFICER);
    }

    pub fn send(&mut self, session: u64, message: ClientMessage) {
        let effects = self.board.message(SessionId(session), message, self.now);
        self.run(effects);
    }

    pub fn fail_sign_in(&mut self, device: DeviceId) {
        let effects = self.board.sign_in_failed(device, self.now);
        self.run(effects);
    }

    pub fn invite(&mut self, card: Card) {
        let expires_ms = self.now + MAX_INVITATION_MS;
        let row = InvitationRow::new(INVITATION, card, OFFICER, TOKEN, self.now, expires_ms);
        let InvitationRow { invitation, card, expires_ms, token_sha256, .. } = row;
        self.send(1, ClientMessage::Invite { invitation, card, expires_ms, token_sha256, line: None });
    }

    /// The device asks with the invitation.
    pub fn ask(&mut self, device: DeviceId) {
        let jws = device.to_hex();
        let asked = DeviceAsked { invitation: INVITATION, device, token_sha256: TOKEN, jws };
        let effects = self.board.device_asked(RequestId(3), asked, self.now);
        self.run(effects);
    }

    pub fn approve(&mut self, device: DeviceId, card: Card) {
        let new = self.new_device(device, card, Some(OFFICER));
        self.approve_as(1, Approved::Last(new));
    }

    pub fn approve_as(&mut self, session: u64, approved: Approved) {
        let effects = self.board.approve(SessionId(session), RequestId(4), INVITATION, Ok(approved), self.now);
        self.run(effects);
    }

    /// The log has an entry that nothing here knows of.
    pub fn append(&mut self, entry: &Entry) {
        self.log.append(&[entry.to_bytes()], self.now);
    }

    pub fn wait(&mut self, ms: u64) {
        self.now += ms;
        let effects = self.board.timeout(self.now);
        self.run(effects);
    }

    /// The messages to a session since the start.
    pub fn sent_to(&self, session: u64) -> impl Iterator<Item = &ServerMessage> {
        self.done.iter().filter_map(move |done| match done {
            Done::Sent(to, message) if *to == SessionId(session) => Some(message),
            _ => None,
        })
    }

    /// The messages to everybody, oldest first.
    pub fn sent(&self) -> impl DoubleEndedIterator<Item = &ServerMessage> {
        self.done.iter().filter_map(|done| match done {
            Done::Sent(_, message) => Some(message),
            Done::Replied(_) | Done::Pushed(_) => None,
        })
    }

    /// The newest answer to a request.
    pub fn last_reply(&self) -> Option<&Result<Reply, Refusal>> {
        self.done.iter().rev().find_map(|done| match done {
            Done::Replied(answer) => Some(answer),
            Done::Sent(..) | Done::Pushed(_) => None,
        })
    }

    /// The log, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let size = self.log.prover().checkpoint().0;
        let entries = self.log.prover().entries(0..size).unwrap();
        entries.into_iter().map(|bytes| ReadEntry::parse(&bytes).known().unwrap())
    }

    /// The alerts that the log states, oldest first.
    pub fn logged(&self) -> Vec<OfficeAlert> {
        (0..).zip(self.entries()).filter_map(|(index, entry)| OfficeAlert::of_entry(index, &entry)).collect()
    }

    /// How many entries the log has of alerts that no other entry states.
    pub fn raised(&self) -> usize {
        self.entries().filter(|entry| matches!(entry, Entry::AlertRaised { .. })).count()
    }

    /// The list that officers are shown, oldest first, without who saw what: it must be what the log states.
    pub fn listed(&self) -> Vec<OfficeAlert> {
        let reader: Box<dyn Queries> = self.location.reader(&home()).unwrap();
        let (mut alerts, _) = reader.alerts(None, u32::MAX).unwrap();
        alerts.reverse();
        alerts.iter_mut().for_each(|alert| alert.seen = None);
        alerts
    }

    /// All devices, as officers are shown them.
    pub fn listed_devices(&self) -> Vec<crate::store::DeviceSummary> {
        self.location.reader(&home()).unwrap().listed_devices(None).unwrap()
    }

    /// What the store has of a call that ended.
    pub fn ended_call(&self, call: &CallId) -> Unfinished {
        let (StoredRecord { call: row, records, .. }, devices) =
            self.location.reader(&home()).unwrap().record(call).unwrap().unwrap();
        Unfinished { row, participants: devices.iter().map(|device| device.device).collect(), records }
    }

    pub fn unseen(&self) -> u64 {
        self.location.reader(&home()).unwrap().alerts(None, 1).unwrap().1
    }
}
