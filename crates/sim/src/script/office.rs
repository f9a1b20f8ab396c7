//! An office whose devices have no engine: a test writes their messages, as a device could that follows no rule. The server's
//! side is the real one, and so are certificates, sign-ins, ring signatures, log, store and relay.

use super::{Node, Scenario};
use crate::{
    connection::Stage,
    device::{Device, Draft},
    event::Event,
    office::{card, domain, person},
    process::{HubInput, Request},
    world::World,
};
use std::collections::BTreeMap;
use telcon_proto::{
    Blob, CallId, ClientMessage, DeviceId, Digest, PersonId, RecordMode, Role, ServerMessage, SuiteName, WIRE_VERSION,
    entry::{Entry, ReadEntry},
    message::Ring,
};
use telcon_server::{
    limits::CONTACTS_INTERVAL_MS,
    switchboard::{CloseReason, PendingAppend, Refusal, RelayCommand, Reply, Seal, SessionId, Switchboard},
};

/// The call of most tests.
pub const CALL: CallId = CallId::from_bytes([0xca; 16]);

/// A blob that the server only passes on.
pub fn blob(text: &str) -> Blob {
    Blob(text.as_bytes().to_vec())
}

/// The `type` of a message.
pub fn kind(message: &ServerMessage) -> String {
    crate::kind(message)
}

impl World {
    /// A message reaches a device whose messages a test writes. It signs in by itself.
    pub(crate) fn received_by_puppet(&mut self, d: usize, text: &str) {
        let Ok(message) = serde_json::from_str::<ServerMessage>(text) else { return };
        let key = self.script.as_ref().and_then(|script| script.keys.get(&d));
        match (message, key) {
            (ServerMessage::Challenge { nonce, .. }, Some(device)) => {
                let id = device.me().device();
                let jws = telcon_identity::sign_in(device.key(), domain().as_str(), id, nonce.as_slice());
                self.send_up(d, &ClientMessage::Prove { jws, ticket: None });
            }
            (message, _) => self.devices[d].mail.get_or_insert_default().push(message),
        }
    }
}

impl Scenario {
    /// A device without an engine, and the number of its enrolment, which is requested.
    pub(super) fn prepare_puppet(&mut self, n: usize, role: Role) -> (Node, usize) {
        self.honest = false;
        let (node, draft) = self.make_puppet(n, role);
        self.world.after(0, Event::Http(Request::Enrol(draft)));
        (node, draft)
    }

    fn make_puppet(&mut self, n: usize, role: Role) -> (Node, usize) {
        let (card, now) = (card(n, role), self.world.now);
        let state = self.world.office.certify(card.clone(), &mut self.world.keys, now);
        let new = self.world.office.new_device(state.chain().to_vec(), now);
        let key = telcon_core::Device::open(&state, now).expect("its own certificates");
        let draft = Draft { new, state, card, person: n, offset: 0 };
        let (node, number) = (self.world.devices.len(), self.world.drafts.len());
        self.world.devices.push(Device { mail: Some(Vec::new()), ..Device::new(format!("{node}"), &draft) });
        self.world.drafts.push(Some(draft));
        let script = self.script_mut();
        script.puppets.insert(number, node);
        script.keys.insert(node, key);
        (node, number)
    }
}

/// See the module. Devices and persons have the numbers that the test gives them.
pub struct ScriptedOffice {
    scenario: Scenario,
    /// Device and enrolment by number.
    nodes: BTreeMap<usize, (Node, usize)>,
}

impl Default for ScriptedOffice {
    fn default() -> Self {
        Self::new()
    }
}

impl ScriptedOffice {
    /// An office without devices.
    pub fn new() -> Self {
        Self::with_floor(RecordMode::LogOnly)
    }

    /// An office whose charter has this minimum record mode.
    pub fn with_floor(floor: RecordMode) -> Self {
        let mut scenario = Scenario::with(1, SuiteName::Hybrid, floor);
        scenario.honest = false;
        Self { scenario, nodes: BTreeMap::new() }
    }

    /// Two principals (persons 1 and 2, devices 1 and 2), a note-taker (3) and a duty officer (4), all connected.
    pub fn staffed() -> Self {
        Self::staff(Self::new())
    }

    /// Enrols and connects the devices of [`ScriptedOffice::staffed`].
    ///
    /// # Panics
    /// When the office does not enrol them.
    pub fn staff(mut self) -> Self {
        for (n, role) in [(1, Role::Principal), (2, Role::Principal), (3, Role::NoteTaker), (4, Role::DutyOfficer)] {
            self.enrol(n, n, role).expect("a new device");
            self.connect(n);
        }
        self.pass(CONTACTS_INTERVAL_MS);
        self.discard();
        self
    }

    /// [`ScriptedOffice::staffed`], with a call from 1 to 2 that was answered and whose answer was committed.
    pub fn in_call() -> Self {
        let mut office = Self::staffed();
        office.ring(1, CALL, 2, RecordMode::Memo);
        office.send(2, ClientMessage::Answer { call: CALL, key_package: blob("kp2") });
        office.commit(1, 0, &[2], &[]);
        office.discard();
        office
    }

    /// The server crashes and starts again from what is durable. No device is connected.
    pub fn restart(&mut self) {
        self.restart_after(0);
    }

    /// The same, and the server is down for so long.
    pub fn restart_after(&mut self, ms: u64) {
        self.scenario.world.stop_process();
        self.scenario.advance(ms);
        for (node, _) in self.nodes.values() {
            self.scenario.world.devices[*node].connection = None;
        }
        self.scenario.world.start_server();
        self.scenario.settle();
    }

    /// The office enrols device `n` of person `of`.
    ///
    /// # Errors
    /// The office's refusal.
    pub fn enrol(&mut self, n: usize, of: usize, role: Role) -> Result<Reply, Refusal> {
        match self.nodes.get(&n) {
            Some((_, draft)) => self.scenario.world.after(0, Event::Http(Request::Enrol(*draft))),
            None => drop(self.nodes.insert(n, self.scenario.prepare_puppet(of, role))),
        }
        self.scenario.settle();
        self.reply()
    }

    /// The answer to the newest HTTP request.
    ///
    /// # Errors
    /// The office's refusal.
    ///
    /// # Panics
    /// When there is none.
    pub fn reply(&mut self) -> Result<Reply, Refusal> {
        self.scenario.script_mut().replies.pop().expect("a reply")
    }

    /// Forgets the answers to HTTP requests so far.
    pub fn forget_replies(&mut self) {
        self.scenario.script_mut().replies.clear();
    }

    fn node(&self, n: usize) -> Node {
        self.nodes[&n].0
    }

    /// The id of device `n`; of one that was never enrolled, some id.
    pub fn device(&self, n: usize) -> DeviceId {
        self.nodes.get(&n).map_or(DeviceId::from_bytes([n as u8; 16]), |(node, _)| self.scenario.id(*node))
    }

    /// The id of person `n`.
    pub fn person(&self, n: usize) -> PersonId {
        person(n)
    }

    /// Device `n` connects and signs in. If it is connected already, that connection stays.
    pub fn connect(&mut self, n: usize) {
        if !self.nodes.contains_key(&n) {
            let made = self.scenario.make_puppet(n, Role::Principal);
            self.nodes.insert(n, made);
        }
        let node = self.node(n);
        let connection = self.scenario.world.open_connection(node);
        let device = &mut self.scenario.world.devices[node];
        (device.connection, device.mail) = (Some(connection), Some(Vec::new()));
        let hello = ClientMessage::Hello { version: WIRE_VERSION, device: device.id, program: None };
        self.scenario.world.send_up(node, &hello);
        self.scenario.settle();
    }

    /// Device `n` loses its connection.
    pub fn disconnect(&mut self, n: usize) {
        let node = self.node(n);
        self.scenario.world.drop_connection(node);
        self.scenario.world.devices[node].mail = Some(Vec::new());
        self.scenario.settle();
    }

    /// Device `n` sends a message.
    pub fn send(&mut self, n: usize, message: ClientMessage) {
        let node = self.node(n);
        self.scenario.world.send_up(node, &message);
        self.scenario.settle();
    }

    /// The content of a ring from a device to a person.
    pub fn content(&self, call: CallId, from: usize, to: usize, mode: RecordMode) -> Ring {
        let (home, at_ms) = (domain(), self.now());
        let (call, from, to) = (call.at(&home), self.device(from).at(&home), person(to).at(&home));
        Ring {
            version: WIRE_VERSION,
            call,
            from,
            to,
            mode,
            suite: SuiteName::Hybrid,
            at_ms,
            on_behalf: None,
            over: None,
        }
    }

    /// A ring with this content, signed by device `n`.
    pub fn signed(&self, n: usize, ring: &Ring) -> ClientMessage {
        let device = &self.scenario.script().keys[&self.node(n)];
        ClientMessage::Ring { jws: telcon_identity::sign_ring(device.key(), device.chain(), ring) }
    }

    /// A ring with this text, signed by device `n`.
    pub fn signed_text(&self, n: usize, text: &str) -> ClientMessage {
        let device = &self.scenario.script().keys[&self.node(n)];
        let (key, typ) = (device.key(), telcon_identity::RING_TYP);
        ClientMessage::Ring { jws: telcon_identity::jws::sign(key, typ, text.as_bytes(), device.chain()) }
    }

    /// Device `n` rings person `to`.
    pub fn ring(&mut self, n: usize, call: CallId, to: usize, mode: RecordMode) {
        let message = self.signed(n, &self.content(call, n, to, mode));
        self.send(n, message);
    }

    /// Device `n` commits, in this epoch of [`CALL`], that devices join and leave.
    pub fn commit(&mut self, n: usize, epoch: u64, adds: &[usize], removes: &[usize]) {
        let message = ClientMessage::Commit {
            call: CALL,
            epoch,
            commit: blob(&format!("commit {epoch} by {n}")),
            welcome: (!adds.is_empty()).then(|| blob(&format!("welcome {epoch}"))),
            adds: adds.iter().map(|n| self.device(*n)).collect(),
            removes: removes.iter().map(|n| self.device(*n)).collect(),
        };
        self.send(n, message);
    }

    /// The authority's revocation of device `n` is brought to the server. Gives the signed text.
    pub fn revoke(&mut self, n: usize) -> String {
        let node = self.node(n);
        let jws = self.scenario.revocation(node);
        self.scenario.revoke(node);
        self.scenario.settle();
        jws
    }

    /// A record of [`CALL`] that device `n` delivers.
    pub fn seal(&self, n: usize) -> Seal {
        Seal {
            call: CALL,
            device: self.device(n),
            digest: Digest::from_bytes([0xd; 32]),
            jws: "j".into(),
            parts: 1,
            partial: false,
        }
    }

    /// Device `n` delivers its record of [`CALL`].
    ///
    /// # Errors
    /// The office's refusal.
    pub fn deliver(&mut self, n: usize) -> Result<Reply, Refusal> {
        let seal = self.seal(n);
        self.deliver_seal(seal)
    }

    /// A device delivers this record.
    ///
    /// # Errors
    /// The office's refusal.
    pub fn deliver_seal(&mut self, seal: Seal) -> Result<Reply, Refusal> {
        self.begin_delivery(seal);
        self.reply()
    }

    /// A device delivers this record; its answer is not awaited.
    pub fn begin_delivery(&mut self, seal: Seal) {
        let node = self.scenario.world.device_of(seal.device).expect("a device of the office");
        self.scenario.world.after(0, Event::Http(Request::Record(node, Box::new(seal))));
        self.scenario.settle();
    }

    /// The time at the server, milliseconds since 1970 UTC.
    pub fn now(&self) -> u64 {
        self.scenario.now()
    }

    /// Time passes, and deadlines fire when they are due.
    pub fn pass(&mut self, ms: u64) {
        self.scenario.advance(ms);
    }

    /// Types of the messages that device `n` received since the previous call.
    pub fn received(&mut self, n: usize) -> Vec<String> {
        self.messages(n).iter().map(kind).collect()
    }

    /// The messages that device `n` received since the previous call.
    pub fn messages(&mut self, n: usize) -> Vec<ServerMessage> {
        let node = self.node(n);
        self.scenario.world.devices[node].mail.replace(Vec::new()).unwrap_or_default()
    }

    /// Discards received messages and relay commands.
    pub fn discard(&mut self) {
        for (node, _) in self.nodes.values() {
            self.scenario.world.devices[*node].mail = Some(Vec::new());
        }
        self.scenario.script_mut().relay.clear();
    }

    /// What the switchboard told the relays since [`ScriptedOffice::discard`].
    pub fn relay(&self) -> &[RelayCommand] {
        &self.scenario.script().relay
    }

    /// Connections that the switchboard closed.
    pub fn closed(&self) -> &[(SessionId, CloseReason)] {
        &self.scenario.script().closed
    }

    /// The session of device `n`, which is signed in.
    ///
    /// # Panics
    /// When it is not.
    pub fn session(&self, n: usize) -> SessionId {
        let connection = self.scenario.world.devices[self.node(n)].connection.expect("it is connected");
        match self.scenario.world.connections[&connection].stage {
            Stage::Session(session) => session,
            ref stage => panic!("not signed in: {stage:?}"),
        }
    }

    /// The switchboard.
    ///
    /// # Panics
    /// When the server does not run.
    pub fn board(&self) -> &Switchboard {
        &self.scenario.world.server.process.as_ref().expect("the server runs").board
    }

    /// A leg is lost at its relay.
    pub fn lose_leg(&mut self, n: usize) {
        let device = self.device(n);
        self.scenario.world.input(HubInput::LegLost(CALL, device));
        self.scenario.settle();
    }

    /// A relay reports a leg of device `n` that it was asked for before.
    pub fn leg_added(&mut self, n: usize) {
        let (device, session) = (self.device(n), self.session(n));
        self.scenario.world.input(HubInput::LegAdded(CALL, device, session, Ok("answer".into())));
        self.scenario.settle();
    }

    // ---- the log

    /// Whether the log's disk takes writes.
    pub fn set_log_works(&mut self, works: bool) {
        self.scenario.world.server.disk.set_full(!works);
    }

    /// From now on entries wait before they are appended.
    pub fn hold_log(&mut self) {
        self.scenario.script_mut().hold_log = true;
    }

    /// Entries that wait are lost if the server crashes now; later ones are appended.
    pub fn stop_holding_log(&mut self) {
        self.scenario.script_mut().hold_log = false;
    }

    /// Entries that wait are appended.
    pub fn release_log(&mut self) {
        self.stop_holding_log();
        let boot = self.scenario.world.server.boots;
        self.scenario.world.after(0, Event::Log(boot));
        self.scenario.settle();
    }

    /// Takes the newest entry that waits.
    pub fn take_waiting_entry(&mut self) -> Option<(PendingAppend, Entry)> {
        self.scenario.world.server.process.as_mut()?.entries.pop_back()
    }

    /// The log's thread reports an append to the switchboard.
    pub fn report(&mut self, append: PendingAppend, index: Option<u64>) {
        self.scenario.world.input(HubInput::Logged(append, index));
        self.scenario.settle();
    }

    /// All entries of the log.
    ///
    /// # Panics
    /// When the log cannot be read.
    pub fn log(&self) -> Vec<Entry> {
        let log = self.scenario.fork_log();
        let entries = log.entries(0..log.checkpoint().size()).expect("the log");
        entries.iter().map(|bytes| ReadEntry::parse(bytes).known().expect("an entry of this version")).collect()
    }

    /// Types of the log entries that concern calls.
    pub fn call_entries(&self) -> Vec<String> {
        let kind = |entry: &Entry| {
            let json = serde_json::to_value(entry).unwrap_or_default();
            let how = json["how"].as_str().map(|how| format!(" {how}")).unwrap_or_default();
            format!("{}{how}", json["type"].as_str().unwrap_or_default())
        };
        let of_calls = |kind: &String| !kind.starts_with("device_") && kind != "alert_raised";
        self.log().iter().map(kind).filter(of_calls).collect()
    }
}
