//! An office in memory: its authority, its log, an honest switchboard of a few lines, and the engines of its devices.
//! Time moves when a test says so. Messages arrive in an order drawn from a seed (in order on each connection), and a
//! test can intercept and change messages of the switchboard.

use crate::{
    DeviceState, Engine, Event, Output, ReceivedFrame, UserCommand,
    call::captions::{BATCH_INTERVAL_MS, Caption},
    media::keyring::OpenError,
    view::{AlertLevel, CallState, CallView},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, VecDeque};
use telcon_identity::{Authority, InviteSpec};
use telcon_log::{Log, LogSigner, MemoryStorage};
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DeviceId, Ended, PersonId, RecordMode, Role, ServerMessage, SuiteName,
    http::OfficeInfo,
    message::{Logged, Notice, NoticeState, PersonNamed, Ring},
    terms::Contact,
};

/// 1 June 2026.
pub(super) const START: u64 = 1_780_272_000_000;
const HOUR: u64 = 3_600_000;

/// One device: an index into [`World::nodes`].
pub(super) type Node = usize;

/// A device, its engine, and its connection.
pub(super) struct Device {
    pub(super) engine: Engine,
    pub(super) card: Card,
    pub(super) id: DeviceId,
    pub(super) proof: Logged,
    pub(super) events: Vec<Event>,
    pub(super) legs: usize,
    pub(super) erased: bool,
    /// Number of connections that it closed because the office did not answer in time.
    pub(super) keepalive_timeouts: usize,
    state: String,
    connected: bool,
    inbox: VecDeque<ServerMessage>,
}

/// The switchboard's side of the one call that a test has.
pub(super) struct Room {
    pub(super) id: CallId,
    pub(super) ring: Ring,
    pub(super) jws: String,
    pub(super) opened: Logged,
    pub(super) caller: Node,
    pub(super) answered: Option<Node>,
    pub(super) members: Vec<Node>,
    pub(super) epoch: u64,
    pub(super) handshakes: Vec<Handshake>,
    pub(super) over: Option<Ended>,
    /// Devices that asked to join and were not added yet.
    pub(super) waiting: BTreeMap<Node, (Blob, bool)>,
}

/// An ordered commit.
pub(super) struct Handshake {
    pub(super) seq: u64,
    pub(super) from: DeviceId,
    pub(super) commit: Blob,
    pub(super) devices: Vec<Logged>,
}

/// An interceptor between the switchboard and the devices: it gets each message and gives the messages to deliver instead.
pub(super) type Wire = Box<dyn FnMut(Node, ServerMessage) -> Vec<ServerMessage>>;

/// The office.
pub(super) struct World {
    pub(super) now: u64,
    pub(super) authority: Authority,
    pub(super) info: OfficeInfo,
    pub(super) log: Log<MemoryStorage>,
    pub(super) nodes: Vec<Device>,
    pub(super) room: Option<Room>,
    /// All messages that the switchboard received.
    pub(super) received: Vec<(Node, ClientMessage)>,
    pub(super) wire: Option<Wire>,
    rng: ChaCha20Rng,
}

impl World {
    pub(super) fn new(suite: SuiteName, seed: u8) -> Self {
        Self::named(suite, seed, "office.example")
    }

    pub(super) fn named(suite: SuiteName, seed: u8, domain: &str) -> Self {
        let authority = Authority::create(suite, &[seed; 32], domain, "Chancellery", START - HOUR).unwrap();
        let signer = LogSigner::from_seed(&[seed ^ 0xff; 32], &format!("{domain}/log")).unwrap();
        let log_key = signer.verifier_key().to_string();
        let info = authority.office(&log_key, RecordMode::LogOnly, START - HOUR).unwrap();
        let log = Log::create(MemoryStorage::new(), signer, START - HOUR).unwrap();
        let rng = ChaCha20Rng::from_seed([seed; 32]);
        let (nodes, received) = (Vec::new(), Vec::new());
        let mut world = Self { now: START, authority, info, log, nodes, room: None, received, wire: None, rng };
        world.append(&serde_json::json!({"type": "started", "time_ms": START - HOUR}));
        world
    }

    /// An office with two principals (0 and 1), all connected.
    pub(super) fn of_two(seed: u8) -> Self {
        let mut world = Self::new(SuiteName::Hybrid, seed);
        world.join_office(1, Role::Principal);
        world.join_office(2, Role::Counterpart);
        world.settle();
        world
    }

    /// With a duty officer (2) and a note-taker (3) besides.
    pub(super) fn of_four(seed: u8) -> Self {
        let mut world = Self::of_two(seed);
        world.join_office(3, Role::DutyOfficer);
        world.join_office(4, Role::NoteTaker);
        world.settle();
        world
    }

    /// Enrols a device of person number `person`, and connects it.
    pub(super) fn join_office(&mut self, person: u8, role: Role) -> Node {
        let (state, card, proof) = self.enrol(person, role);
        let mut engine = Engine::new(state, self.seed(), self.now).unwrap();
        engine.set_recording(true);
        let id = engine.device().me().device();
        let text = engine.state_text().to_string();
        self.nodes.push(Device {
            engine,
            card,
            id,
            proof,
            events: Vec::new(),
            legs: 0,
            erased: false,
            keepalive_timeouts: 0,
            state: text,
            connected: false,
            inbox: VecDeque::new(),
        });
        let node = self.nodes.len() - 1;
        self.connect(node);
        node
    }

    /// Enrols a device and puts it into the log.
    pub(super) fn enrol(&mut self, person: u8, role: Role) -> (DeviceState, Card, Logged) {
        let (state, card) = self.certify(person, role);
        let device = crate::Device::open(&state, self.now).unwrap();
        let me = device.me();
        let proof = self.append(&serde_json::json!({
            "type": "device_enrolled",
            "device": me.device().to_hex(),
            "cert_sha256": hex(&me.cert_sha256()),
            "enrolment": hex(&me.enrolment()),
            "time_ms": self.now,
        }));
        (state, card, proof)
    }

    /// A device with certificates of this office that are not in the log.
    pub(super) fn certify(&mut self, person: u8, role: Role) -> (DeviceState, Card) {
        let card = Card {
            person: PersonId::from_bytes([person; 16]),
            office: self.authority.domain().clone(),
            name: format!("Person {person}"),
            organisation: "Chancellery".into(),
            role,
            zone: "Europe/Oslo".into(),
        };
        let spec = InviteSpec {
            card: card.clone(),
            enrolment_id: self.seed()[..16].try_into().unwrap(),
            enrolment_seed: self.seed(),
            now_ms: self.now,
            ttl_ms: HOUR,
        };
        let fragment = self.authority.invite(&spec).unwrap().to_fragment();
        let seed = self.seed();
        (DeviceState::enrol(&fragment, self.info.clone(), &seed, self.now).unwrap(), card)
    }

    /// A copy of the log under the same key, with which a server can fork it.
    pub(super) fn fork(&self, seed: u8) -> Log<MemoryStorage> {
        let signer = LogSigner::from_seed(&[seed ^ 0xff; 32], "office.example/log").unwrap();
        Log::open(self.log.storage().clone(), signer).unwrap()
    }

    pub(super) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    /// Appends an entry to the log, with proof.
    pub(super) fn append(&mut self, entry: &serde_json::Value) -> Logged {
        let bytes = entry.to_string().into_bytes();
        self.log.append(std::slice::from_ref(&bytes), self.now).unwrap();
        self.prove(bytes, self.log.checkpoint().size() - 1)
    }

    fn prove(&self, bytes: Vec<u8>, index: u64) -> Logged {
        let checkpoint = self.log.checkpoint();
        let proof = self.log.inclusion_proof(index, checkpoint.size()).unwrap();
        Logged {
            entry: Blob(bytes),
            index,
            proof: proof.iter().map(|hash| Blob(hash.0.to_vec())).collect(),
            checkpoint: checkpoint.note().to_owned(),
            office: Some(self.authority.domain().clone()),
        }
    }

    // ---- devices

    pub(super) fn connect(&mut self, node: Node) {
        let now = self.now;
        let device = &mut self.nodes[node];
        device.connected = true;
        device.engine.connected(now);
        self.drain(node);
    }

    pub(super) fn disconnect(&mut self, node: Node) {
        let now = self.now;
        let device = &mut self.nodes[node];
        device.connected = false;
        device.inbox.clear();
        device.engine.disconnected(now);
        self.drain(node);
    }

    /// Reloads the page: only persisted state remains.
    pub(super) fn reload(&mut self, node: Node) {
        let state = DeviceState::parse(&self.nodes[node].state).unwrap();
        self.reload_with(node, state);
    }

    /// As [`World::reload`], with another state than the persisted one.
    pub(super) fn reload_with(&mut self, node: Node, state: DeviceState) {
        let seed = self.seed();
        let device = &mut self.nodes[node];
        device.engine = Engine::new(state, seed, self.now).unwrap();
        device.engine.set_recording(true);
        device.inbox.clear();
        self.connect(node);
    }

    pub(super) fn command(&mut self, node: Node, command: UserCommand) {
        let now = self.now;
        self.nodes[node].engine.command(now, command);
        self.drain(node);
    }

    pub(super) fn ring(&mut self, from: Node, to: Node) {
        let person = self.nodes[to].card.person;
        self.command(from, UserCommand::Ring { person, mode: Some(RecordMode::Memo) });
    }

    /// Node 0 rings node 1, who answers.
    pub(super) fn call(&mut self) {
        self.ring(0, 1);
        self.settle();
        self.command(1, UserCommand::Answer { call: None });
        self.settle();
        assert_eq!([self.state(0), self.state(1)], [CallState::Live; 2], "{:?}", self.problems());
    }

    /// And node 2 listens, and node 3 takes notes.
    pub(super) fn call_of_four(&mut self) {
        self.call();
        for node in [2, 3] {
            let call = self.room().id;
            self.command(node, UserCommand::Listen { call });
            self.settle();
        }
        assert_eq!(self.state(3), CallState::Live, "{:?}", self.problems());
    }

    pub(super) fn publish(&mut self, node: Node, caption: &Caption) {
        self.nodes[node].engine.publish_caption(caption.clone());
        self.advance(BATCH_INTERVAL_MS);
        self.settle();
    }

    /// Delivers a message to a device as if its switchboard had sent it.
    pub(super) fn inject(&mut self, node: Node, message: ServerMessage) {
        let now = self.now;
        self.nodes[node].engine.handle(now, message);
        self.drain(node);
    }

    /// Advances virtual time; engines are woken at their deadlines.
    pub(super) fn advance(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            let next = self.nodes.iter().filter_map(|device| device.engine.next_wakeup_ms()).min();
            self.now = next.unwrap_or(end).clamp(self.now, end);
            for node in 0..self.nodes.len() {
                let now = self.now;
                self.nodes[node].engine.tick(now);
                self.drain(node);
            }
            self.settle();
            if self.now == end {
                return;
            }
        }
    }

    // ---- the network

    /// Carries out an engine's outputs. Its messages reach the switchboard at once; those of the switchboard wait in inboxes.
    fn drain(&mut self, node: Node) {
        while let Some(output) = self.nodes[node].engine.poll() {
            match output {
                Output::Send(message) if self.nodes[node].connected => {
                    self.received.push((node, message.clone()));
                    self.serve(node, message);
                }
                Output::Send(_) | Output::View | Output::MediaAnswer { .. } | Output::CloseLeg => {}
                Output::Persist => self.nodes[node].state = self.nodes[node].engine.state_text().to_string(),
                Output::OpenLeg { .. } => self.nodes[node].legs += 1,
                Output::Reconnect => self.nodes[node].keepalive_timeouts += 1,
                Output::Erase => self.nodes[node].erased = true,
                Output::Event(event) => self.nodes[node].events.push(event),
            }
        }
    }

    /// Delivers one waiting message. False when none waits.
    pub(super) fn step(&mut self) -> bool {
        let waiting: Vec<Node> = (0..self.nodes.len()).filter(|node| !self.nodes[*node].inbox.is_empty()).collect();
        if waiting.is_empty() {
            return false;
        }
        let node = waiting[self.rng.next_u32() as usize % waiting.len()];
        let message = self.nodes[node].inbox.pop_front().unwrap();
        self.inject(node, message);
        true
    }

    /// Delivers until nothing waits.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the devices and the switchboard exchange messages endlessly");
    }

    pub(super) fn post(&mut self, node: Node, message: ServerMessage) {
        let messages = match &mut self.wire {
            Some(wire) => wire(node, message),
            None => vec![message],
        };
        if self.nodes[node].connected {
            self.nodes[node].inbox.extend(messages);
        }
    }

    // ---- the honest switchboard

    fn serve(&mut self, node: Node, message: ClientMessage) {
        match message {
            ClientMessage::Hello { .. } => {
                self.post(node, ServerMessage::Challenge { nonce: Blob(vec![7; 32]), now_ms: self.now })
            }
            ClientMessage::Prove { .. } => self.sign_in(node),
            // This office sends all its people, and tests choose the note-taker that joins.
            ClientMessage::FindPeople { .. } | ClientMessage::Available {} | ClientMessage::Silence { .. } => {}
            ClientMessage::Ring { jws } => self.rings(node, jws),
            ClientMessage::RingShown { call } => {
                let caller = self.room().caller;
                self.post(caller, ServerMessage::RingingThere { call });
            }
            ClientMessage::Answer { call, key_package } => self.answers(node, call, key_package),
            // Tests play the office of calls before the present one.
            ClientMessage::Decline { call } | ClientMessage::HangUp { call, .. } if call != self.room().id => {}
            ClientMessage::Decline { .. } => self.end(Ended::Declined),
            ClientMessage::HangUp { failed, .. } => self.hangs_up(node, failed),
            ClientMessage::AskJoin { key_package, .. } => self.ask(node, key_package, false),
            ClientMessage::Commit { call, epoch, commit, welcome, adds, removes } => {
                self.orders(node, call, epoch, &commit, welcome, &adds, &removes);
            }
            ClientMessage::Application { call, message } => {
                let from = self.nodes[node].id;
                for to in self.others(node) {
                    self.post(to, ServerMessage::Application { call, from, message: message.clone() });
                }
            }
            ClientMessage::Offer { call, .. } => {
                self.post(node, ServerMessage::MediaAnswer { call, sdp: "answer".into() });
            }
            ClientMessage::Resume { call, after } => {
                let room = self.room();
                let missed: Vec<_> =
                    room.handshakes.iter().filter(|h| h.seq > after).map(|h| committed(call, h)).collect();
                for message in missed {
                    self.post(node, message);
                }
                for (joiner, (key_package, answer)) in self.room().waiting.clone() {
                    self.ask(joiner, key_package, answer);
                }
            }
            ClientMessage::Ping { log_size } if log_size > self.log.checkpoint().size() => {}
            ClientMessage::Ping { log_size } => {
                let checkpoint = self.log.checkpoint();
                let proof = if log_size == 0 || log_size == checkpoint.size() {
                    Vec::new()
                } else {
                    self.log.consistency_proof(log_size, checkpoint.size()).unwrap()
                };
                let message = ServerMessage::Checkpoint {
                    checkpoint: checkpoint.note().to_owned(),
                    from_size: log_size,
                    consistency: proof.iter().map(|hash| Blob(hash.0.to_vec())).collect(),
                };
                self.post(node, message);
            }
        }
    }

    fn sign_in(&mut self, node: Node) {
        let people = self.nodes.iter().map(|device| (device.card.person, device.card.clone()));
        let people: BTreeMap<_, _> = people.filter(|(_, card)| card.role.speaks()).collect();
        let people = people.into_values().map(|card| Contact { card, reachable: true }).collect();
        let room = self.room.as_ref().filter(|room| room.over.is_none());
        let in_call =
            room.filter(|room| room.members.contains(&node) || room.answered == Some(node)).map(|room| room.id);
        let message = ServerMessage::SignedIn {
            you: self.nodes[node].card.clone(),
            people,
            people_more: false,
            silenced: Vec::new(),
            suite: self.info.suite,
            mode: RecordMode::LogOnly,
            token: "token".into(),
            in_call,
            checkpoint: self.log.checkpoint().note().to_owned(),
        };
        self.post(node, message);
        if !self.nodes[node].card.role.speaks() && self.room.as_ref().is_some_and(|room| room.over.is_none()) {
            self.post(node, ServerMessage::Notice(self.notice()));
        }
        if let Some(room) = self.room.as_ref().filter(|room| room.over.is_none() && room.answered.is_none())
            && self.nodes[node].card.is_of(&room.ring.to)
        {
            let (jws, opened, device) = (room.jws.clone(), room.opened.clone(), self.nodes[room.caller].proof.clone());
            self.post(node, ServerMessage::Ringing { jws, opened, device });
        }
    }

    fn rings(&mut self, node: Node, jws: String) {
        let ring = ring_of(&jws);
        let opened = self.append(&serde_json::json!({
            "type": "call_opened",
            "call": ring.call.id.to_hex(),
            "ring_sha256": hex(&Sha256::digest(&jws)),
            "mode": ring.mode.as_str(),
            "suite": ring.suite,
            "devices": [ring.from.id.to_hex()],
            "time_ms": self.now,
        }));
        let call = ring.call.id;
        self.post(node, ServerMessage::Opened { call, opened: opened.clone() });
        let device = self.nodes[node].proof.clone();
        for to in self.of_person(ring.to.id) {
            let (jws, opened, device) = (jws.clone(), opened.clone(), device.clone());
            self.post(to, ServerMessage::Ringing { jws, opened, device });
        }
        let (id, caller, members) = (ring.call.id, node, vec![node]);
        let (answered, handshakes, over, waiting) = (None, Vec::new(), None, BTreeMap::new());
        self.room =
            Some(Room { id, ring, jws, opened, caller, answered, members, epoch: 0, handshakes, over, waiting });
        self.notify();
    }

    fn answers(&mut self, node: Node, call: CallId, key_package: Blob) {
        if self.room().over.is_some() || self.room().answered.is_some_and(|first| first != node) {
            return self.post(node, ServerMessage::TakenElsewhere { call });
        }
        self.room_mut().answered = Some(node);
        for other in self.of_person(self.nodes[node].card.person) {
            if other != node {
                self.post(other, ServerMessage::TakenElsewhere { call });
            }
        }
        self.ask(node, key_package, true);
        self.notify();
    }

    /// Asks the first connected member to add a device.
    fn ask(&mut self, node: Node, key_package: Blob, answer: bool) {
        self.room_mut().waiting.insert(node, (key_package.clone(), answer));
        let room = self.room();
        let Some(committer) = room.members.iter().copied().find(|m| *m != node && self.nodes[*m].connected) else {
            return;
        };
        let (call, from, device) = (room.id, self.nodes[node].id, self.nodes[node].proof.clone());
        self.post(committer, ServerMessage::JoinAsked { call, from, key_package, device, answer });
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one wire message")]
    fn orders(
        &mut self,
        node: Node,
        call: CallId,
        epoch: u64,
        commit: &Blob,
        welcome: Option<Blob>,
        adds: &[DeviceId],
        removes: &[DeviceId],
    ) {
        if self.room().handshakes.iter().any(|handshake| handshake.commit == *commit) {
            return;
        }
        let now = self.room().epoch;
        if epoch != now {
            return self.post(node, ServerMessage::CommitRefused { call, epoch, now });
        }
        let (added, removed): (Vec<Node>, Vec<Node>) = (self.nodes_of(adds), self.nodes_of(removes));
        let devices: Vec<_> = added.iter().map(|joiner| self.nodes[*joiner].proof.clone()).collect();
        let from = self.nodes[node].id;
        let room = self.room_mut();
        room.epoch += 1;
        let handshake = Handshake { seq: room.epoch, from, commit: commit.clone(), devices };
        let message = committed(call, &handshake);
        room.handshakes.push(handshake);
        let hearers = room.members.clone();
        room.members.retain(|member| !removed.contains(member));
        room.members.extend(&added);
        room.waiting.retain(|joiner, _| !added.contains(joiner));
        for member in hearers.into_iter().filter(|member| !added.contains(member)) {
            self.post(member, message.clone());
        }
        let Some(welcome) = welcome else { return };
        let room = self.room();
        let (seq, ring, opened) = (room.epoch, room.jws.clone(), room.opened.clone());
        let devices: Vec<_> = room.members.iter().map(|member| self.nodes[*member].proof.clone()).collect();
        for joiner in added {
            let (welcome, ring, opened, devices) = (welcome.clone(), ring.clone(), opened.clone(), devices.clone());
            self.post(joiner, ServerMessage::Welcome { call, seq, welcome, ring, opened, devices });
        }
        self.notify();
    }

    fn hangs_up(&mut self, node: Node, failed: bool) {
        if self.nodes[node].card.role.speaks() {
            return self.end(if failed { Ended::Failed } else { Ended::HungUp });
        }
        self.remove(node);
    }

    /// Asks a member to remove a device.
    pub(super) fn remove(&mut self, node: Node) {
        let (call, devices) = (self.room().id, vec![self.nodes[node].id]);
        let committer = self.room().members.iter().copied().find(|m| *m != node && self.nodes[*m].connected);
        if let Some(committer) = committer {
            self.post(committer, ServerMessage::RemoveAsked { call, devices });
        }
    }

    fn end(&mut self, how: Ended) {
        let room = self.room_mut();
        if room.over.replace(how).is_some() {
            return;
        }
        let call = room.id;
        for node in 0..self.nodes.len() {
            if self.nodes[node].connected {
                self.post(node, ServerMessage::Ended { call, how });
            }
        }
        self.notify();
    }

    /// Tells staff.
    fn notify(&mut self) {
        let notice = self.notice();
        for node in 0..self.nodes.len() {
            if !self.nodes[node].card.role.speaks() {
                self.post(node, ServerMessage::Notice(notice.clone()));
            }
        }
    }

    fn notice(&self) -> Notice {
        let room = self.room();
        let state = match (room.over, room.answered) {
            (Some(how), _) => NoticeState::Ended { how },
            (None, Some(_)) => NoticeState::Live { since_ms: self.now },
            (None, None) => NoticeState::Ringing,
        };
        let to = self.of_person(room.ring.to.id)[0];
        Notice {
            call: room.id,
            from: self.nodes[room.caller].card.clone(),
            to: PersonNamed { card: self.nodes[to].card.clone() },
            mode: room.ring.mode,
            state,
            members: Vec::new(),
            note_taker_asks: false,
            note_taker_silent: false,
            opened_ms: self.now,
        }
    }

    fn of_person(&self, person: PersonId) -> Vec<Node> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].card.person == person).collect()
    }

    fn nodes_of(&self, devices: &[DeviceId]) -> Vec<Node> {
        (0..self.nodes.len()).filter(|node| devices.contains(&self.nodes[*node].id)).collect()
    }

    fn others(&self, node: Node) -> Vec<Node> {
        self.room().members.iter().copied().filter(|member| *member != node).collect()
    }

    // ---- inspection by tests

    pub(super) fn room(&self) -> &Room {
        self.room.as_ref().expect("a call was rung")
    }

    fn room_mut(&mut self) -> &mut Room {
        self.room.as_mut().expect("a call was rung")
    }

    pub(super) fn view(&self, node: Node) -> CallView {
        self.nodes[node].engine.view().call.expect("this device has a call")
    }

    pub(super) fn state(&self, node: Node) -> CallState {
        self.view(node).state
    }

    /// Names on a device's screen, sorted.
    pub(super) fn screen(&self, node: Node) -> Vec<String> {
        let mut names: Vec<_> = self.view(node).members.into_iter().map(|member| member.card.name).collect();
        names.sort();
        names
    }

    /// Red alerts on a device's screen.
    pub(super) fn red(&self, node: Node) -> Vec<String> {
        let alerts = self.nodes[node].engine.view().alerts.into_iter();
        alerts.filter(|alert| alert.level == AlertLevel::Red).map(|alert| alert.text).collect()
    }

    pub(super) fn problems(&self) -> Vec<(Node, Vec<String>)> {
        (0..self.nodes.len()).map(|node| (node, self.red(node))).filter(|(_, red)| !red.is_empty()).collect()
    }

    /// One frame of a device's speech, sealed.
    pub(super) fn speak(&mut self, node: Node, packet: &[u8]) -> Option<Vec<u8>> {
        self.nodes[node].engine.seal(packet)
    }

    pub(super) fn hear(&mut self, node: Node, frame: &[u8]) -> Result<ReceivedFrame, OpenError> {
        self.nodes[node].engine.open(frame)
    }

    /// Whether `listener` opens a frame of `speaker`, and attributes it to them.
    pub(super) fn hears(&mut self, listener: Node, speaker: Node) -> bool {
        let packet = [0x78, speaker as u8, 1, 2, 3];
        let Some(frame) = self.speak(speaker, &packet) else { return false };
        let id = self.nodes[speaker].id;
        self.hear(listener, &frame).is_ok_and(|opened| opened.device == id && opened.packet == packet)
    }

    /// Messages of one kind that a device sent.
    pub(super) fn sent<T>(&self, node: Node, pick: impl Fn(&ClientMessage) -> Option<T>) -> Vec<T> {
        self.received.iter().filter(|(from, _)| *from == node).filter_map(|(_, message)| pick(message)).collect()
    }
}

pub(super) fn committed(call: CallId, handshake: &Handshake) -> ServerMessage {
    let Handshake { seq, from, commit, devices } = handshake;
    ServerMessage::Committed { call, seq: *seq, from: *from, commit: commit.clone(), devices: devices.clone() }
}

/// Payload of a ring, unverified.
pub(super) fn ring_of(jws: &str) -> Ring {
    let payload = URL_SAFE_NO_PAD.decode(jws.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// SHA-256 of a text, as the log has it.
pub(super) fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl World {
    /// A device's group, for a device that does not follow its engine's rules.
    pub(super) fn group(&mut self, node: Node) -> &mut crate::mls::group::CallGroup {
        self.nodes[node].engine.call.as_mut().unwrap().group_mut()
    }
}

impl Device {
    /// Drops its queued messages.
    pub(super) fn clear(&mut self) {
        self.inbox.clear();
    }
}
