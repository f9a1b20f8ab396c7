//! Messages between the switchboard and a standalone relay: JSON over one WebSocket that the relay opens.
//!
//! The relay is trusted with network addresses and with availability. It has no media key, and accepts a call only with the
//! proof that the call's opening is in the log.

use crate::{CallId, limits::MAX_SDP_BYTES, message::Logged};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Version of this protocol.
pub const NODE_VERSION: u32 = 2;
/// Interval of a relay's heartbeats, which carry its load, milliseconds.
pub const NODE_HEARTBEAT_INTERVAL_MS: u64 = 400;
/// Time without a heartbeat after which a relay's calls fail over, milliseconds: three intervals, so that people hear a gap
/// of less than two seconds.
pub const NODE_HEARTBEAT_TIMEOUT_MS: u64 = 1_300;
/// Longest message, bytes: an offer or an answer of which every character is escaped in JSON, and the other fields.
pub const MAX_NODE_MESSAGE_BYTES: usize = 6 * MAX_SDP_BYTES + 64 * 1024;

/// A message of the switchboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToNode {
    /// The relay may accept legs of a call.
    OpenCall {
        /// The call.
        call: CallId,
        /// Its *call opened* entry, with proof.
        opened: Box<Logged>,
    },
    /// The call has ended, or is placed on another relay.
    CloseCall {
        /// The call.
        call: CallId,
    },
    /// A device offers a leg.
    AddLeg {
        /// The call.
        call: CallId,
        /// Identifier of the leg.
        leg: u64,
        /// WebRTC offer.
        offer: String,
    },
    /// A leg ends.
    RemoveLeg {
        /// The leg.
        leg: u64,
    },
}

/// A message of the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromNode {
    /// The first message.
    Hello {
        /// [`NODE_VERSION`].
        version: u32,
        /// Capacity in calls.
        max_calls: u64,
        /// Address announced to devices (its ICE candidate): for the operator's information.
        address: SocketAddr,
    },
    /// Heartbeat, sent every [`NODE_HEARTBEAT_INTERVAL_MS`].
    Load {
        /// Number of calls.
        calls: u64,
        /// Number of legs, to which the relay's load is proportional.
        legs: u64,
        /// It drains before it stops: it takes no new calls, and its calls have to be moved.
        draining: bool,
    },
    /// The answer to [`ToNode::AddLeg`].
    LegAdded {
        /// The leg.
        leg: u64,
        /// WebRTC answer.
        answer: Option<String>,
        /// The error, if there is no answer.
        refused: Option<String>,
    },
    /// A leg's media is connected, for the first time or again.
    LegConnected {
        /// The leg.
        leg: u64,
    },
    /// A leg failed or timed out.
    LegGone {
        /// The leg.
        leg: u64,
    },
}
