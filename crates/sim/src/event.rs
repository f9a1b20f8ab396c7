//! What happens in a simulation, in the order of its time.

use crate::{
    action::Action,
    connection::ConnectionId,
    process::{HubInput, Request},
};
use telcon_proto::node::{FromNode, ToNode};
use telcon_server::switchboard::{Refusal, Reply};

/// Something that is to happen.
#[derive(Debug)]
pub enum Event {
    /// A person, or fate, acts.
    Act(Action),
    /// A device's program starts.
    DeviceUp(usize),
    /// A device connects, unless it did since.
    Connect { device: usize, attempt: u64 },
    /// A connection reaches the server.
    Accepted(ConnectionId),
    /// A message reaches the server.
    ToServer(ConnectionId, String),
    /// A message reaches a device.
    ToDevice(ConnectionId, String),
    /// The server notices that a connection has ended.
    ClosedAtServer(ConnectionId),
    /// A device notices that its connection has ended.
    ClosedAtDevice(ConnectionId),
    /// The server looks whether a connection is idle.
    IdleCheck(ConnectionId),
    /// A device's engine wanted to be called now.
    Wake { device: usize, turn: u64 },
    /// A device's program offers a leg.
    Offer { device: usize, leg: u64 },
    /// A device's leg reaches its relay, or does not.
    LegConnect { device: usize, leg: u64 },
    /// A device gives up a leg that is not connected.
    LegTimeout { device: usize, leg: u64 },
    /// A note-taker's program looks for a call.
    AutoJoin { device: usize, run: u64 },
    /// A device's HTTP request reaches the server.
    Http(Request),
    /// Its answer, or the lack of one, reaches the device.
    HttpDone(Request, Result<Reply, Refusal>),
    /// The switchboard takes its inputs.
    Hub(u64),
    /// The log's thread takes its entries.
    Log(u64),
    /// Something reaches the switchboard's inbox.
    Input(u64, Box<HubInput>),
    /// Placement looks at what is due.
    PlacementDue(u64),
    /// The server's process starts.
    ServerUp,
    /// A standalone relay's process starts.
    RelayUp(usize),
    /// A standalone relay connects.
    RelayConnect(usize),
    /// A standalone relay reports its load.
    RelayBeat { relay: usize, connection: u64 },
    /// A message reaches the server from a standalone relay.
    FromRelay { connection: u64, message: Box<FromNode> },
    /// A message reaches a standalone relay.
    ToRelay { connection: u64, message: Box<ToNode> },
    /// The server looks whether a standalone relay is silent.
    RelaySilent { connection: u64 },
    /// The connection of a standalone relay ended.
    RelayLost { connection: u64 },
    /// A relay closes calls that were not opened again.
    RelayForget { relay: usize, connection: u64 },
}
