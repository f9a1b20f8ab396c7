//! The office while it runs: virtual time, the queue of what happens next, and the network between devices and server.

use crate::{
    connection::{Connection, ConnectionId, Stage},
    device::{Device, Draft},
    disk::{Fault, LogDisk, StoreDisk},
    event::Event,
    office::Office,
    process::Process,
    relay::RelayHost,
    rng::Rng,
    script::Script,
    seen_lines::{Asker, SeenLines},
    trace::{Echo, Trace},
    watch::Watch,
};
use std::collections::BTreeMap;
use telcon_identity::CharterTerms;
use telcon_proto::{ClientMessage, DeviceId, RecordMode, ServerMessage, SuiteName, line::Rings};
use telcon_relay::LegId;

/// 1 June 2026: when every simulation starts, milliseconds since 1970 UTC.
pub const START_MS: u64 = 1_780_272_000_000;

/// How the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Least and most delay of a message, milliseconds.
    pub delay: (u64, u64),
}

/// The server, what survives it, and the process if one runs.
pub struct Server {
    /// The store.
    pub store: StoreDisk,
    /// The log's files.
    pub disk: LogDisk,
    /// The process.
    pub process: Option<Box<Process>>,
    /// How many processes there were.
    pub boots: u64,
    /// Sessions are never numbered twice, nor are requests.
    pub next_session: u64,
    /// Outputs that are carried out before the power fails.
    pub crash_in_outputs: Option<u64>,
}

/// An office while it runs.
pub struct World {
    /// Milliseconds since 1970 UTC, by the server's clock.
    pub now: u64,
    pub(crate) queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    /// Delays, faults, what people do.
    pub rng: Rng,
    /// Keys.
    pub keys: Rng,
    /// The office.
    pub office: Office,
    /// Devices, in the order in which they were made.
    pub devices: Vec<Device>,
    /// Devices that are being enrolled.
    pub drafts: Vec<Option<Draft>>,
    /// Devices that opened a line's link and wait for its giver.
    pub askers: Vec<Option<Asker>>,
    /// What was seen of lines.
    pub lines: SeenLines,
    /// Rings over lines that devices showed.
    pub line_rings: u64,
    /// The server.
    pub server: Server,
    /// Relays; the first one is in the server's process.
    pub relays: Vec<RelayHost>,
    /// Which leg an answer is of.
    pub answers: BTreeMap<String, (usize, LegId)>,
    /// Connections.
    pub connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    /// The network.
    pub weather: Weather,
    /// What happened.
    pub trace: Trace,
    /// What must hold.
    pub watch: Watch,
    /// Whether people act by themselves, and things fail.
    pub storm: bool,
    /// The steps of a test decide, and not chance.
    pub script: Option<Box<Script>>,
}

impl World {
    /// An office with a server and relays, and no devices. Half of the seeds are of offices that demand lines.
    pub fn new(seed: u64, relays: usize, echo: Option<Echo>) -> Self {
        let rings = if seed / 8 % 2 == 1 { Rings::OverLines } else { Rings::ByRole };
        let terms = CharterTerms { rings, ..RecordMode::LogOnly.into() };
        Self::of_office(seed, relays, echo, SuiteName::Hybrid, terms)
    }

    /// The same, for an office with this suite and charter.
    pub fn of_office(
        seed: u64,
        relays: usize,
        echo: Option<Echo>,
        suite: SuiteName,
        terms: impl Into<CharterTerms>,
    ) -> Self {
        let mut keys = Rng::new(seed, b'k');
        let office = Office::new(&mut keys, suite, terms, START_MS);
        let watch = Watch::new(office.log_key());
        let mut world = Self {
            now: START_MS,
            queue: BTreeMap::new(),
            sequence: 0,
            rng: Rng::new(seed, b'e'),
            keys,
            office,
            devices: Vec::new(),
            drafts: Vec::new(),
            askers: Vec::new(),
            lines: SeenLines::default(),
            line_rings: 0,
            server: Server {
                store: StoreDisk::new(),
                disk: LogDisk::default(),
                process: None,
                boots: 0,
                next_session: 1,
                crash_in_outputs: None,
            },
            relays: (0..=relays).map(RelayHost::new).collect(),
            answers: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 1,
            weather: Weather { delay: (2, 60) },
            trace: Trace::new(echo),
            watch,
            storm: false,
            script: None,
        };
        world.start_server();
        for relay in 1..world.relays.len() {
            world.after(5, Event::RelayConnect(relay));
        }
        world
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, line: impl AsRef<str>) {
        self.trace.push(self.now - START_MS, line.as_ref());
    }

    /// Something happens so many milliseconds from now.
    pub fn after(&mut self, ms: u64, event: Event) {
        self.at(self.now + ms, event);
    }

    /// Something happens at this time.
    pub fn at(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((at.max(self.now), self.sequence), event);
    }

    /// Runs until `ms` from now, or until an invariant does not hold.
    pub fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > end || self.watch.failed() {
                break;
            }
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.step(event);
        }
        self.now = end;
    }

    pub(crate) fn step(&mut self, event: Event) {
        match event {
            Event::Act(action) => self.act(action),
            Event::DeviceUp(device) => self.device_up(device),
            Event::Connect { device, attempt } => self.connect(device, attempt),
            Event::Accepted(connection) => self.accepted(connection),
            Event::ToServer(connection, text) => self.received_by_server(connection, &text),
            Event::ToDevice(connection, text) => self.received_by_device(connection, &text),
            Event::ClosedAtServer(connection) => self.closed_at_server(connection),
            Event::ClosedAtDevice(connection) => self.closed_at_device(connection),
            Event::IdleCheck(connection) => self.idle_check(connection),
            Event::Wake { device, turn } => self.wake(device, turn),
            Event::Offer { device, leg } => self.offer_leg(device, leg),
            Event::LegConnect { device, leg } => self.leg_connect(device, leg),
            Event::LegTimeout { device, leg } => self.leg_timeout(device, leg),
            Event::AutoJoin { device, run } => self.auto_join(device, run),
            Event::Http(request) => self.http(request),
            Event::HttpDone(request, answer) => self.http_done(request, answer),
            Event::Hub(boot) => self.hub(boot),
            Event::Log(boot) => self.log_thread(boot),
            Event::Input(boot, input) => {
                if self.server.process.as_ref().is_some_and(|process| process.boot == boot) {
                    self.input(*input);
                }
            }
            Event::PlacementDue(boot) => self.placement_due(boot),
            Event::ServerUp => {
                if self.server.process.is_none() {
                    self.start_server();
                }
            }
            Event::RelayUp(relay) => self.relay_up(relay),
            Event::RelayConnect(relay) => self.relay_connect(relay),
            Event::RelayBeat { relay, connection } => self.relay_beat(relay, connection),
            Event::FromRelay { connection, message } => self.received_from_relay(connection, *message),
            Event::ToRelay { connection, message } => self.received_by_relay(connection, *message),
            Event::RelaySilent { connection } => self.relay_silent(connection),
            Event::RelayLost { connection } => self.relay_lost(connection),
            Event::RelayForget { relay, connection } => self.relay_forget(relay, connection),
        }
    }

    // ---- the network

    /// Whether messages take no time, so that only a script moves the clock.
    fn is_instant(&self) -> bool {
        self.weather.delay == (0, 0)
    }

    /// How long something takes, milliseconds.
    pub fn wait(&mut self, least: u64, most: u64) -> u64 {
        if self.is_instant() { 0 } else { self.rng.between(least, most) }
    }

    /// When a message arrives that is sent now to or from a device.
    fn arrival(&mut self, device: usize, not_before: u64) -> u64 {
        let (least, most) = self.weather.delay;
        let sent = self.now.max(self.devices[device].partitioned_until);
        (sent + self.rng.between(least, most)).max(not_before)
    }

    /// A device opens a connection.
    pub fn open_connection(&mut self, device: usize) -> ConnectionId {
        let id = self.next_connection;
        self.next_connection += 1;
        let at = self.arrival(device, self.now);
        let boot = self.server.boots;
        let connection = Connection {
            device,
            boot,
            stage: Stage::Hello,
            device_open: true,
            server_open: false,
            up_at: at,
            down_at: self.now,
            heard_at: at,
        };
        self.connections.insert(id, connection);
        self.at(at, Event::Accepted(id));
        id
    }

    /// A device sends a message over its connection.
    pub fn send_up(&mut self, device: usize, message: &ClientMessage) {
        let Some(id) = self.devices[device].connection else { return };
        let not_before = match self.connections.get(&id) {
            Some(connection) if connection.device_open => connection.up_at,
            _ => return,
        };
        let text = serde_json::to_string(message).expect("a message is JSON");
        self.watch.sent_up(device, message, &text);
        self.lines.sent_up(device, message);
        let at = self.arrival(device, not_before);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.up_at = at;
        }
        match self.script.as_mut().map(|script| script.on_the_way_up(device, message)) {
            None => self.at(at, Event::ToServer(id, text)),
            Some(messages) => {
                for message in messages {
                    let text = serde_json::to_string(&message).expect("a message is JSON");
                    self.at(at, Event::ToServer(id, text));
                }
            }
        }
    }

    /// The server sends a message over a connection.
    pub fn send_down(&mut self, id: ConnectionId, message: &ServerMessage) {
        let (device, not_before) = match self.connections.get(&id) {
            Some(connection) if connection.server_open => (connection.device, connection.down_at),
            _ => return,
        };
        let at = self.arrival(device, not_before);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.down_at = at;
        }
        self.check_sent_down(device, message);
        match self.script.as_mut().map(|script| script.on_the_way_down(device, message)) {
            None => {
                let text = serde_json::to_string(message).expect("a message is JSON");
                self.at(at, Event::ToDevice(id, text));
            }
            Some(messages) => {
                for message in messages {
                    let text = serde_json::to_string(&message).expect("a message is JSON");
                    self.at(at, Event::ToDevice(id, text));
                }
            }
        }
    }

    /// The device's end of a connection is closed, properly or because its program died.
    pub fn close_at_device(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.device_open) else {
            return;
        };
        connection.device_open = false;
        let (device, not_before) = (connection.device, connection.up_at);
        let at = self.arrival(device, not_before);
        self.at(at, Event::ClosedAtServer(id));
    }

    /// The server's end of a connection is closed. With `abruptly` the device may not get what was sent before.
    pub fn close_at_server(&mut self, id: ConnectionId, abruptly: bool) {
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| connection.server_open) else {
            return;
        };
        connection.server_open = false;
        let (device, not_before) = (connection.device, if abruptly { self.now } else { connection.down_at });
        let at = self.arrival(device, not_before);
        self.at(at, Event::ClosedAtDevice(id));
    }

    /// Nothing goes wrong from now on: networks are whole, what was down starts.
    pub fn heal(&mut self) {
        self.note("---- heal");
        self.storm = false;
        self.weather = Weather { delay: (2, 60) };
        self.server.store.repair();
        self.server.disk.repair();
        self.server.crash_in_outputs = None;
        for device in &mut self.devices {
            device.partitioned_until = device.partitioned_until.min(self.now);
            device.recording = device.takes_notes();
        }
        if self.server.process.is_none() {
            self.after(50, Event::ServerUp);
        }
        for relay in 0..self.relays.len() {
            self.relays[relay].reachable = true;
            if self.relays[relay].draining {
                // A relay that drains stops; it does not change its mind.
                self.relay_crash(relay);
            }
            if !self.relays[relay].up && relay > 0 {
                self.after(100, Event::RelayUp(relay));
            }
        }
        for device in 0..self.devices.len() {
            if !self.devices[device].is_on() && !self.devices[device].gone {
                self.after(100, Event::DeviceUp(device));
            }
        }
    }

    /// The power of the server fails.
    pub fn crash_server(&mut self) {
        if self.server.process.is_none() {
            return;
        }
        self.note("server: crash");
        self.stop_process();
        let down = if self.rng.percent(80) { self.rng.between(100, 3_000) } else { self.rng.between(3_000, 20_000) };
        self.after(down, Event::ServerUp);
    }

    /// A fault of the server is to come.
    pub fn server_fault(&mut self, fault: Fault) {
        let (after, applied) = (self.rng.below(12), self.rng.percent(50));
        match self.rng.below(3) {
            0 => self.server.store.fail(fault, after, applied),
            1 => self.server.disk.fail(fault, self.rng.below(30), applied),
            _ if fault == Fault::Crash => self.server.crash_in_outputs = Some(self.rng.below(60)),
            _ => self.server.disk.fail(fault, self.rng.below(30), applied),
        }
    }

    /// The index of a device by its id.
    pub fn device_of(&self, id: DeviceId) -> Option<usize> {
        self.devices.iter().position(|device| device.id == id)
    }
}
