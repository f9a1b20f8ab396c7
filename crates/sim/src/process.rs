//! The server's process: what it has in memory, and what reaches it.

use crate::{connection::ConnectionId, disk::LogFiles};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use telcon_proto::{Blob, CallId, ClientMessage, DeviceId, InvitationId, ServerMessage, entry::Entry};
use telcon_server::{
    archive::{LogWriter, Prover},
    placement::Placement,
    store::Write,
    switchboard::{
        DelegationEnding, DeviceAsked, Effects, LegRefusal, NewDelegation, NewDeviceKey, NewLine, Output,
        PendingAppend, RefusedRing, RequestId, Seal, SessionId, SignedIn, Switchboard, VerifiedRing,
    },
};

/// How long a record may take to arrive in the simulated office, milliseconds.
pub const RECORD_DUE_MS: u64 = 30_000;
/// What reaches the switchboard.
#[derive(Debug)]
pub enum HubInput {
    /// A device proved who it is.
    Connected(ConnectionId, SessionId, DeviceId),
    /// A connection is gone.
    Disconnected(SessionId),
    /// Somebody failed to prove that they are this device.
    SignInFailed(DeviceId),
    /// A message, but no ring.
    Message(SessionId, ClientMessage),
    /// A ring that was verified, or not.
    Ring(SessionId, Result<VerifiedRing, RefusedRing>),
    /// A delegation that was verified, or not.
    Delegate(SessionId, Result<NewDelegation, String>),
    /// The end of one, that was verified, or not.
    EndDelegation(SessionId, Result<DelegationEnding, String>),
    /// A version of a line that was verified, or not.
    SignLine(SessionId, Box<Result<NewLine, String>>),
    /// The giver of a line answers the device that asked to take it: its certificates, and the line.
    Approve(SessionId, InvitationId, Vec<Blob>, Option<String>),
    /// A device's key that was verified, or not.
    PublishKey(SessionId, Result<NewDeviceKey, String>),
    /// Asks for a checkpoint.
    Ping(SessionId, u64),
    /// An HTTP request.
    Http(Request),
    /// What became of a log entry.
    Logged(PendingAppend, Option<u64>),
    /// All entries below were reported.
    LogReported(u64),
    /// An answer of a relay.
    LegAdded(CallId, DeviceId, SessionId, Result<String, LegRefusal>),
    /// A leg is lost.
    LegLost(CallId, DeviceId),
}

/// An HTTP request of a device, or of who runs the office.
#[derive(Clone, Debug)]
pub enum Request {
    /// Enrol a device that is prepared.
    Enrol(usize),
    /// Revoke a device.
    Revoke(usize, String),
    /// Bring a record.
    Record(usize, Box<Seal>),
    /// A new device asks to take a line.
    Ask(usize, Box<DeviceAsked>),
    /// No request of a client: what the switchboard makes of [`HubInput::Approve`], for which nobody waits.
    Approval,
}

/// What is done once the writes of a batch are durable.
pub enum Step {
    /// An output of the engine.
    Output(Output),
    /// A checkpoint, with proof that it continues the tree of this size.
    Checkpoint(SessionId, u64),
    /// A device that was let in, or not.
    Admit(ConnectionId, Result<SignedIn, Box<ServerMessage>>),
}

/// What some inputs caused together.
#[derive(Default)]
pub struct Batch {
    /// One transaction.
    pub writes: Vec<Write>,
    /// What follows it.
    pub steps: Vec<Step>,
}

impl Batch {
    /// Adds what an input caused.
    pub fn add(&mut self, effects: Effects) {
        self.writes.extend(effects.writes);
        self.steps.extend(effects.outputs.into_iter().map(Step::Output));
    }
}

/// A process of the server.
pub struct Process {
    /// Its number.
    pub boot: u64,
    /// The switchboard.
    pub board: Switchboard,
    /// The log's writer.
    pub writer: LogWriter<LogFiles>,
    /// Proofs from the log.
    pub prover: Arc<Prover>,
    /// Which relay a call is on.
    pub placement: Placement,
    /// What waits for the switchboard.
    pub inbox: VecDeque<HubInput>,
    /// When it takes it.
    pub hub_at: Option<u64>,
    /// What waits for the log.
    pub entries: VecDeque<(PendingAppend, Entry)>,
    /// Whether the log's thread will run.
    pub log_busy: bool,
    /// Connections that are signed in.
    pub outboxes: BTreeMap<SessionId, ConnectionId>,
    /// HTTP requests that wait for an answer.
    pub requests: BTreeMap<RequestId, Request>,
    /// Number of the last one.
    pub next_request: u64,
    /// Size of the log that the store is to be told.
    pub log_reported: Option<u64>,
    /// The store failed, and so did the recovery.
    pub state_unknown: bool,
    /// Connections of standalone relays, and when they were last heard.
    pub relays: BTreeMap<u64, u64>,
}
