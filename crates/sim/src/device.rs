//! A device: its program's state, its disk, its clock and its network.

use crate::connection::ConnectionId;
use std::collections::BTreeMap;
use telcon_core::{DeviceState, Engine, Event, view::CallState};
use telcon_proto::{CallId, Card, DeviceId, Role, ServerMessage};
use telcon_relay::LegId;
use telcon_server::switchboard::{NewDevice, Seal};

/// A device that is being enrolled.
pub struct Draft {
    /// What the server is sent.
    pub new: NewDevice,
    /// Its keys, before it is enrolled.
    pub state: DeviceState,
    /// Its person.
    pub card: Card,
    /// The person's number.
    pub person: usize,
    /// How far its clock will be ahead, milliseconds.
    pub offset: i64,
}

impl Device {
    /// A device of this name that is off.
    pub fn new(name: String, draft: &Draft) -> Self {
        let state = draft.state.to_text().to_string();
        Self { offset: draft.offset, ..Self::of(name, draft.person, draft.card.clone(), draft.new.device, state) }
    }

    /// A device with this stored state, whose clock is right.
    pub fn of(name: String, person: usize, card: Card, id: DeviceId, state: String) -> Self {
        let recording = card.role == Role::NoteTaker;
        Self {
            name,
            person,
            card,
            id,
            engine: None,
            state,
            connection: None,
            attempt: 0,
            backoff_ms: 0,
            offset: 0,
            turn: 0,
            run: 0,
            partitioned_until: 0,
            frozen_until: 0,
            recording,
            gone: false,
            revoked: false,
            leg: None,
            legs: 0,
            assigned: None,
            reported_at: None,
            session: None,
            spool: BTreeMap::new(),
            shown: None,
            ended: BTreeMap::new(),
            acted: false,
            passage: 0,
            cut_on_commit: false,
            events: Vec::new(),
            keepalive_timeouts: 0,
            mail: None,
        }
    }
}

/// A device's media leg.
#[derive(Clone, Debug)]
pub struct Leg {
    /// Number of its offer.
    pub number: u64,
    /// Its call.
    pub call: CallId,
    /// Where the answer says that it is.
    pub at: Option<(usize, LegId)>,
    /// Whether media can flow.
    pub connected: bool,
}

/// A recording that a note-taker makes.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its call.
    pub call: CallId,
    /// Whether both parties were in it.
    pub live: bool,
}

/// A device.
pub struct Device {
    /// For the trace.
    pub name: String,
    /// The person, by number.
    pub person: usize,
    /// The person.
    pub card: Card,
    /// Its id.
    pub id: DeviceId,
    /// The engine, while the program runs.
    pub engine: Option<Engine>,
    /// What is stored.
    pub state: String,
    /// Its connection.
    pub connection: Option<ConnectionId>,
    /// Number of its last attempt to connect.
    pub attempt: u64,
    /// How long it waits before the next one, milliseconds.
    pub backoff_ms: u64,
    /// How far its clock is ahead, milliseconds.
    pub offset: i64,
    /// Number of the wake-up that counts.
    pub turn: u64,
    /// How often its program was started.
    pub run: u64,
    /// Until when its network is cut, and what is sent waits.
    pub partitioned_until: u64,
    /// Until when its program hangs.
    pub frozen_until: u64,
    /// Whether a note-taker's program can record.
    pub recording: bool,
    /// It was erased, or is in the hands of a thief: it never comes back.
    pub gone: bool,
    /// The office revoked it.
    pub revoked: bool,
    /// Its leg.
    pub leg: Option<Leg>,
    /// Legs that it offered.
    pub legs: u64,
    /// The call that a note-taker was assigned to.
    pub assigned: Option<CallId>,
    /// When a note-taker last said that it is free.
    pub reported_at: Option<u64>,
    /// What a note-taker records.
    pub session: Option<Recording>,
    /// Records that were sealed and not delivered: on its disk.
    pub spool: BTreeMap<CallId, Seal>,
    /// What the screen showed last.
    pub shown: Option<(CallId, CallState)>,
    /// How calls ended on this device, and whether its own person ended them.
    pub ended: BTreeMap<CallId, (&'static str, bool)>,
    /// Its person commands it at this moment.
    pub acted: bool,
    /// Captions that it published.
    pub passage: u64,
    /// Its connection breaks between its next commit and the office's acceptance.
    pub cut_on_commit: bool,
    /// In a script: what its engine reported.
    pub events: Vec<Event>,
    /// In a script: connections that its engine gave up because the office did not answer.
    pub keepalive_timeouts: usize,
    /// In a script: there is no engine, the script writes its messages, and the server's answers wait here.
    pub mail: Option<Vec<ServerMessage>>,
}

impl Device {
    /// Whether its program runs.
    pub fn is_on(&self) -> bool {
        self.engine.is_some()
    }

    /// What its clock says.
    pub fn clock(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.offset)
    }

    /// Whether it is a note-taker's.
    pub fn takes_notes(&self) -> bool {
        self.card.role == Role::NoteTaker
    }

    /// Whether its person rings and is rung.
    pub fn speaks(&self) -> bool {
        self.card.role.speaks()
    }
}
