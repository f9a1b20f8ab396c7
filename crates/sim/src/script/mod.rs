//! Runs driven by the explicit steps of a test, beside the random plan: the same office and the same engines of both sides.
//!
//! A [`Scenario`] commands real devices; between them and the real switchboard a test can hold, drop, reorder, change and add
//! messages, as a hostile server or network would. A [`ScriptedOffice`] has devices without engines, whose messages the test
//! writes, as a hostile device would. Unless a test asks for a slow network, messages take no time and only
//! [`Scenario::advance`] moves the clock, so that deadlines can be tested to the millisecond.

mod forge;
mod inspect;
mod network;
mod office;
mod record;

pub use crate::{office::ring_of, process::RECORD_DUE_MS, relay::offer, world::START_MS};
pub use forge::{OtherOffice, digest, opening};
pub use network::{Direction, Script};
pub use office::{CALL, ScriptedOffice, blob, kind};

use crate::{
    event::Event,
    office::person,
    process::Request,
    world::{Weather, World},
};
use telcon_core::{
    UserCommand,
    call::captions::{BATCH_INTERVAL_MS, Caption},
    view::CallState,
};
use telcon_proto::{ClientMessage, RecordMode, Role, ServerMessage, SuiteName};
use telcon_server::limits::CONTACTS_INTERVAL_MS;

/// No message takes as long as this, and no program tries again sooner, milliseconds.
const RETRIES_AFTER_MS: u64 = 250;

/// A device, by the order in which it was enrolled.
pub type Node = usize;

/// An office that a test drives step by step.
pub struct Scenario {
    world: World,
    /// Nothing was changed, injected or withheld: every invariant of the simulation must hold at the end.
    honest: bool,
}

impl Scenario {
    /// An office without devices.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, SuiteName::Hybrid, RecordMode::LogOnly)
    }

    /// An office with this suite, whose charter has this minimum record mode.
    pub fn with(seed: u64, suite: SuiteName, floor: RecordMode) -> Self {
        let mut world = World::of_office(seed, 0, None, suite, floor);
        (world.weather, world.script) = (Weather { delay: (0, 0) }, Some(Box::default()));
        let mut scenario = Self { world, honest: true };
        scenario.settle();
        scenario
    }

    /// An office with a principal (0) and a counterpart (1), connected.
    pub fn of_two(seed: u64) -> Self {
        let mut scenario = Self::new(seed);
        scenario.join_office(1, Role::Principal);
        scenario.join_office(2, Role::Counterpart);
        scenario
    }

    /// With a duty officer (2) and a note-taker (3) besides.
    pub fn of_four(seed: u64) -> Self {
        let mut scenario = Self::of_two(seed);
        scenario.join_office(3, Role::DutyOfficer);
        scenario.join_office(4, Role::NoteTaker);
        scenario
    }

    /// From now on messages take a while, drawn from the seed, and overtake those of other connections.
    pub fn slow_network(&mut self) {
        self.world.weather = Weather { delay: (2, 60) };
    }

    /// Enrols a device of person number `person`, and connects it.
    pub fn join_office(&mut self, person: usize, role: Role) -> Node {
        self.world.enrol(person, role);
        self.settle();
        let node = self.world.devices.len() - 1;
        self.connect(node);
        self.settle();
        // Other devices are told of a new person once in this time.
        self.advance(CONTACTS_INTERVAL_MS);
        node
    }

    // ---- devices

    /// A device connects and begins to sign in.
    pub fn connect(&mut self, node: Node) {
        self.world.devices[node].attempt += 1;
        let attempt = self.world.devices[node].attempt;
        self.world.connect(node, attempt);
        self.deliver_to_server();
    }

    /// A device's connection is lost, with everything that is on the way to it.
    pub fn disconnect(&mut self, node: Node) {
        self.world.disconnected(node);
        self.deliver_to_server();
    }

    /// A device's program starts again, with nothing but what it stored, and connects.
    pub fn reload(&mut self, node: Node) {
        self.world.device_crash(node);
        self.world.device_up(node);
        self.connect(node);
    }

    /// As [`Scenario::reload`], with another state than the stored one.
    pub fn reload_with(&mut self, node: Node, state: &telcon_core::DeviceState) {
        self.world.device_crash(node);
        self.world.devices[node].state = state.to_text().to_string();
        self.world.device_up(node);
        self.connect(node);
    }

    /// A person commands a device.
    pub fn command(&mut self, node: Node, command: UserCommand) {
        self.world.command(node, command);
        self.deliver_to_server();
    }

    /// The person at `from` rings the person at `to`, with a memo.
    pub fn ring(&mut self, from: Node, to: Node) {
        let person = self.world.devices[to].card.person;
        self.command(from, UserCommand::Ring { person, mode: Some(RecordMode::Memo) });
    }

    /// Node 0 rings node 1, who answers.
    pub fn call(&mut self) {
        self.ring(0, 1);
        self.settle();
        self.command(1, UserCommand::Answer { call: None });
        self.settle();
        assert_eq!([self.state(0), self.state(1)], [CallState::Live; 2], "{:?}", self.problems());
    }

    /// And node 2 listens, and node 3 takes notes.
    pub fn call_of_four(&mut self) {
        self.call();
        for node in [2, 3] {
            self.listen(node);
            self.settle();
        }
        assert_eq!(self.state(3), CallState::Live, "{:?}", self.problems());
    }

    /// A listener asks to join the call.
    pub fn listen(&mut self, node: Node) {
        let call = self.seen().id;
        self.command(node, UserCommand::Listen { call });
    }

    /// Whether a note-taker's program can record.
    pub fn set_recording(&mut self, node: Node, recording: bool) {
        self.world.devices[node].recording = recording;
        self.engine(node).set_recording(recording);
    }

    /// From now on a note-taker's program reports that it has no call and joins those that it is assigned, until it is started
    /// again.
    pub fn take_notes(&mut self, node: Node) {
        let run = self.world.devices[node].run;
        self.world.after(0, Event::AutoJoin { device: node, run });
        self.settle();
    }

    /// Sets a device's clock, milliseconds ahead of the server's.
    pub fn set_clock(&mut self, node: Node, ahead_ms: i64) {
        self.world.devices[node].offset = ahead_ms;
    }

    /// A note-taker's program publishes a caption; it is sent with the next batch.
    pub fn publish(&mut self, node: Node, caption: &Caption) {
        self.queue_caption(node, caption);
        self.advance(BATCH_INTERVAL_MS);
        self.settle();
    }

    /// A note-taker's program publishes a caption, which waits for the next batch.
    pub fn queue_caption(&mut self, node: Node, caption: &Caption) {
        self.engine(node).publish_caption(caption.clone());
        self.world.drain(node);
    }

    /// The office revokes a device.
    pub fn revoke(&mut self, node: Node) {
        self.world.devices[node].revoked = true;
        let jws = self.revocation(node);
        self.world.after(0, Event::Http(Request::Revoke(node, jws)));
        self.deliver_to_server();
    }

    /// The authority's signed revocation of a device, which is not carried out.
    pub fn revocation(&self, node: Node) -> String {
        self.world.office.revoke(self.world.devices[node].id, self.world.now)
    }

    /// The server crashes, and starts again from what is durable. All connections are lost.
    pub fn restart_server(&mut self) {
        self.world.stop_process();
        for node in 0..self.world.devices.len() {
            self.world.disconnected(node);
        }
        self.world.start_server();
        self.settle();
    }

    // ---- time

    /// The time at the server, milliseconds since 1970 UTC.
    pub fn now(&self) -> u64 {
        self.world.now
    }

    /// Time passes: what is due happens, and what is on its way arrives.
    pub fn advance(&mut self, ms: u64) {
        let end = self.world.now + ms;
        while let Some(entry) = self.world.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), event) = entry.remove_entry();
            self.world.now = at.max(self.world.now);
            self.world.step(event);
        }
        self.world.now = end;
    }

    /// Delivers until nothing is on its way.
    ///
    /// # Panics
    /// When the devices and the switchboard exchange messages endlessly.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.is_something_on_its_way() {
                return;
            }
            if let Some(((at, _), event)) = self.world.queue.pop_first() {
                self.world.now = at.max(self.world.now);
                self.world.step(event);
            }
        }
        panic!("the devices and the switchboard exchange messages endlessly: {}", self.world.trace.tail());
    }

    fn is_something_on_its_way(&self) -> bool {
        let World { queue, now, server, script, .. } = &self.world;
        let held = script.as_ref().is_some_and(|script| script.hold_log);
        let process = server.process.as_ref();
        let busy = process.is_some_and(|p| !p.inbox.is_empty() || (!held && !p.entries.is_empty()));
        let due = queue.first_key_value().is_some_and(|((at, _), _)| at <= now);
        // A program that tries an upload again waits for longer than the slowest message takes.
        let soon = now + RETRIES_AFTER_MS;
        due || busy || queue.range(..(soon, 0)).any(|(_, event)| event.is_delivery())
    }

    /// Lets what devices sent reach the server, and lets it act; what it sends waits.
    fn deliver_to_server(&mut self) {
        loop {
            let now = self.world.now;
            let arrives = |((at, _), event): &(&(u64, u64), &Event)| *at <= now && !event.is_to_device();
            let Some(key) = self.world.queue.iter().find(arrives).map(|(key, _)| *key) else { return };
            if let Some(event) = self.world.queue.remove(&key) {
                self.world.step(event);
            }
        }
    }

    /// Delivers the next message that waits for a device. False when none waits.
    pub fn step(&mut self) -> bool {
        let is_message = |(_, event): &(&(u64, u64), &Event)| matches!(event, Event::ToDevice(..));
        let Some(key) = self.world.queue.iter().find(is_message).map(|(key, _)| *key) else { return false };
        if let Some(event) = self.world.queue.remove(&key) {
            self.world.step(event);
            self.deliver_to_server();
        }
        true
    }

    // ---- messages

    /// Delivers a message to a device as if the server had sent it.
    pub fn inject(&mut self, node: Node, message: ServerMessage) {
        self.honest = false;
        let now = self.world.now;
        let device = &mut self.world.devices[node];
        let clock = device.clock(now);
        device.engine.as_mut().expect("the device is on").handle(clock, message);
        self.world.drain(node);
        self.deliver_to_server();
    }

    /// Messages of one kind that a device sent.
    pub fn sent<T>(&self, node: Node, pick: impl Fn(&ClientMessage) -> Option<T>) -> Vec<T> {
        self.script().received.iter().filter(|(from, _)| *from == node).filter_map(|(_, m)| pick(m)).collect()
    }

    /// All messages that devices sent, oldest first.
    pub fn received(&self) -> &[(Node, ClientMessage)] {
        &self.script().received
    }

    /// A device takes over the caption readers that another one knows.
    pub fn copy_caption_readers(&mut self, to: Node, from: Node) {
        self.honest = false;
        let Some(mut engine) = self.world.devices[to].engine.take() else { return };
        engine.copy_caption_readers(self.engine(from));
        self.world.devices[to].engine = Some(engine);
    }

    fn script(&self) -> &Script {
        self.world.script.as_deref().expect("a scenario has a script")
    }

    fn script_mut(&mut self) -> &mut Script {
        self.world.script.as_deref_mut().expect("a scenario has a script")
    }

    /// The id of person number `n`.
    pub fn person(n: usize) -> telcon_proto::PersonId {
        person(n)
    }
}

impl Drop for Scenario {
    /// An office in which nobody cheated keeps every promise, also those that a test does not ask about.
    fn drop(&mut self) {
        if self.honest && !std::thread::panicking() {
            assert_eq!(self.world.watch.failure(), None, "{}", self.world.trace.tail());
        }
    }
}
