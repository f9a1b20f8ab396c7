//! An office in virtual time: a switchboard, a real store on disk, a log in memory, and devices that only receive.

use crate::{
    limits::{CONTACTS_INTERVAL_MS, RECORD_DUE_MS},
    store::{Store, StoreLocation},
    switchboard::{
        CloseReason, Effects, NewDevice, Output, Policy, Refusal, RelayCommand, Reply, RequestId, SessionId,
        Switchboard, Ticket, VerifiedRing,
    },
};
use std::collections::BTreeMap;
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DeviceId, OfficeName, PersonId, RecordMode, Role, ServerMessage, SuiteName,
    WIRE_VERSION, entry::Entry, message::Ring,
};

/// Test double for signature verification: a ring is plain JSON, unsigned.
fn verify(jws: String, store: &mut dyn Store) -> Result<VerifiedRing, String> {
    let ring: Ring = serde_json::from_str(&jws).map_err(|_| "invalid signature".to_owned())?;
    let call_exists = store.call_exists(&ring.call.id).unwrap();
    Ok(VerifiedRing { ring, jws, call_exists })
}

/// The office and its devices.
pub struct Office {
    pub board: Switchboard,
    pub now: u64,
    pub log: Vec<Entry>,
    pub log_works: bool,
    /// While set, appends are queued in `held`.
    pub hold_log: bool,
    pub held: Vec<(Ticket, Entry)>,
    pub relay: Vec<RelayCommand>,
    pub replies: Vec<(RequestId, Result<Reply, Refusal>)>,
    pub closed: Vec<(SessionId, CloseReason)>,
    /// Whether writes are applied to the store. Off in tests that enrol many devices, to save time.
    pub durable: bool,
    store: Box<dyn Store>,
    dir: tempfile::TempDir,
    received: BTreeMap<SessionId, Vec<ServerMessage>>,
    sessions: BTreeMap<DeviceId, SessionId>,
    next: u64,
}

pub const CALL: CallId = CallId::from_bytes([0xca; 16]);

pub fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

pub fn person(n: u8) -> PersonId {
    PersonId::from_bytes([n; 16])
}

pub fn home() -> OfficeName {
    OfficeName::parse("office.example").unwrap()
}

pub fn policy() -> Policy {
    Policy { domain: home(), suite: SuiteName::Hybrid, floor: RecordMode::LogOnly, record_due_ms: RECORD_DUE_MS }
}

/// A ring from a device to a person.
pub fn ring(call: CallId, from: DeviceId, to: PersonId, mode: RecordMode) -> ClientMessage {
    signed(&content(call, from, to, mode))
}

/// The payload of a ring from a device to a person.
pub fn content(call: CallId, from: DeviceId, to: PersonId, mode: RecordMode) -> Ring {
    let (call, from, to) = (call.at(&home()), from.at(&home()), to.at(&home()));
    Ring { version: WIRE_VERSION, call, from, to, mode, suite: SuiteName::Hybrid, at_ms: 0 }
}

/// A ring message with this payload.
pub fn signed(ring: &Ring) -> ClientMessage {
    ClientMessage::Ring { jws: serde_json::to_string(ring).unwrap() }
}

pub fn blob(text: &str) -> Blob {
    Blob(text.as_bytes().to_vec())
}

/// The `type` of a message.
pub fn kind(message: &ServerMessage) -> String {
    serde_json::to_value(message).unwrap()["type"].as_str().unwrap().to_owned()
}

impl Office {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut store = StoreLocation::default_in(dir.path()).writer(&home()).unwrap();
        let (board, _) = Switchboard::new(policy(), store.load().unwrap(), 1_000_000);
        Self {
            board,
            now: 1_000_000,
            log: Vec::new(),
            log_works: true,
            hold_log: false,
            held: Vec::new(),
            relay: Vec::new(),
            replies: Vec::new(),
            closed: Vec::new(),
            durable: true,
            store,
            dir,
            received: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next: 1,
        }
    }

    /// Two principals (persons 1 and 2, devices 1 and 2), a note-taker (3) and a duty officer (4), all connected.
    pub fn staffed() -> Self {
        let mut office = Self::new();
        for (n, role) in [(1, Role::Principal), (2, Role::Principal), (3, Role::NoteTaker), (4, Role::DutyOfficer)] {
            office.enrol(n, n, role).unwrap();
            office.connect(n);
        }
        office.pass(CONTACTS_INTERVAL_MS);
        office.discard();
        office
    }

    /// [`Office::staffed`], with a call from 1 to 2 that was answered and whose answer was committed.
    pub fn in_call() -> Self {
        let mut office = Self::staffed();
        office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
        office.send(2, ClientMessage::Answer { call: CALL, key_package: blob("kp2") });
        office.commit(1, 0, &[2], &[]);
        office.discard();
        office
    }

    /// Simulates a crash and a restart from the same disk. No device is connected.
    pub fn restart(&mut self) {
        self.store = StoreLocation::default_in(self.dir.path()).writer(&home()).unwrap();
        self.sessions.clear();
        self.held.clear();
        let (board, effects) = Switchboard::new(policy(), self.store.load().unwrap(), self.now);
        self.board = board;
        self.run(effects);
    }

    pub fn enrol(&mut self, n: u8, of: u8, role: Role) -> Result<Reply, Refusal> {
        let card = Card {
            person: person(of),
            office: home(),
            name: format!("Person {of}"),
            organisation: "Chancellery".into(),
            role,
            zone: "Europe/Oslo".into(),
        };
        self.next += 1;
        let new = NewDevice {
            device: device(n),
            card,
            chain: vec![blob("device"), blob("enrolment")],
            cert_sha256: telcon_proto::Digest::from_bytes([n; 32]),
            enrolment: format!("enrolment {n}"),
            enrolment_is_used: self.store.enrolment_is_used(&format!("enrolment {n}")).unwrap(),
        };
        let effects = self.board.enrol(RequestId(self.next), new, self.now);
        self.run(effects);
        self.replies.pop().map(|r| r.1).unwrap_or_else(|| panic!("no reply"))
    }

    pub fn connect(&mut self, n: u8) {
        self.next += 1;
        let session = SessionId(self.next);
        self.sessions.insert(device(n), session);
        match self.board.connected(session, device(n), "token".into(), self.now) {
            Ok((_, effects)) => self.run(effects),
            Err(message) => self.received.entry(session).or_default().push(*message),
        }
    }

    pub fn disconnect(&mut self, n: u8) {
        let session = self.sessions.remove(&device(n)).unwrap();
        let effects = self.board.disconnected(session, self.now);
        self.run(effects);
    }

    pub fn send(&mut self, n: u8, message: ClientMessage) {
        self.send_over(self.sessions[&device(n)], message);
    }

    pub fn send_over(&mut self, session: SessionId, message: ClientMessage) {
        let effects = self.effects_of(session, message);
        self.run(effects);
    }

    /// The effects of a message, without running them.
    pub fn effects_of(&mut self, session: SessionId, message: ClientMessage) -> Effects {
        match message {
            ClientMessage::Ring { jws } => self.board.ring(session, verify(jws, &mut *self.store), self.now),
            message => self.board.message(session, message, self.now),
        }
    }

    pub fn commit(&mut self, n: u8, epoch: u64, adds: &[u8], removes: &[u8]) {
        let message = ClientMessage::Commit {
            call: CALL,
            epoch,
            commit: blob(&format!("commit {epoch} by {n}")),
            welcome: (!adds.is_empty()).then(|| blob(&format!("welcome {epoch}"))),
            adds: adds.iter().map(|n| device(*n)).collect(),
            removes: removes.iter().map(|n| device(*n)).collect(),
        };
        self.send(n, message);
    }

    /// Advances the clock and fires each timeout at its deadline.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(at) = self.board.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let effects = self.board.timeout(self.now);
            self.run(effects);
        }
        self.now = until;
    }

    /// Types of the messages that the device received since the previous call.
    pub fn received(&mut self, n: u8) -> Vec<String> {
        self.messages(n).iter().map(kind).collect()
    }

    pub fn messages(&mut self, n: u8) -> Vec<ServerMessage> {
        self.sessions.get(&device(n)).and_then(|s| self.received.remove(s)).unwrap_or_default()
    }

    /// Discards received messages and relay commands.
    pub fn discard(&mut self) {
        self.received.clear();
        self.relay.clear();
    }

    pub fn release_log(&mut self) {
        self.hold_log = false;
        for (ticket, entry) in std::mem::take(&mut self.held) {
            self.append(ticket, entry);
        }
    }

    fn append(&mut self, ticket: Ticket, entry: Entry) {
        let index = self.log_works.then(|| {
            self.log.push(entry);
            self.log.len() as u64 - 1
        });
        let effects = self.board.logged(ticket, index, self.now);
        self.run(effects);
    }

    pub fn run(&mut self, effects: Effects) {
        if self.durable {
            self.store.apply(&effects.writes).unwrap();
        }
        for output in effects.outputs {
            match output {
                Output::Send(session, message) => self.received.entry(session).or_default().push(*message),
                Output::Close(session, reason) => {
                    self.sessions.retain(|_, s| *s != session);
                    self.closed.push((session, reason));
                }
                Output::Append(ticket, entry) if self.hold_log => self.held.push((ticket, entry)),
                Output::Append(ticket, entry) => self.append(ticket, entry),
                Output::Relay(command) => self.relay.push(command),
                Output::Reply(request, result) => self.replies.push((request, result)),
            }
        }
    }

    pub fn session(&self, n: u8) -> SessionId {
        self.sessions[&device(n)]
    }

    /// Types of the log entries that concern calls.
    pub fn call_entries(&self) -> Vec<String> {
        let kind = |e: &Entry| {
            let json = serde_json::to_value(e).unwrap();
            let how = json.get("how").and_then(|h| h.as_str()).map(|h| format!(" {h}")).unwrap_or_default();
            format!("{}{how}", json["type"].as_str().unwrap())
        };
        self.log.iter().map(kind).filter(|k| !k.starts_with("device_")).collect()
    }
}
