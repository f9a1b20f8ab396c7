//! What a switchboard and a relay of its own say to each other, as JSON over one WebSocket that the relay opens.
//!
//! The relay is trusted with addresses and with being there. It has no key, and it opens no call without the proof that the
//! call's opening is in the log.

use crate::{CallId, limits::MAX_SDP_BYTES, message::Logged};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Version of this part of the wire.
pub const NODE_VERSION: u32 = 2;
/// How often a relay says how loaded it is, milliseconds.
pub const NODE_BEAT_MS: u64 = 400;
/// How long a relay may be silent before its calls are moved, milliseconds: three beats, so that people hear a gap of less
/// than two seconds.
pub const NODE_SILENT_MS: u64 = 1_300;
/// Longest message, bytes: an offer or an answer of which every character is escaped in JSON, and what is around it.
pub const MAX_NODE_MESSAGE_BYTES: usize = 6 * MAX_SDP_BYTES + 64 * 1024;

/// From the switchboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToNode {
    /// A call may have legs.
    OpenCall {
        /// The call.
        call: CallId,
        /// Its *call opened* entry, with proof.
        opened: Box<Logged>,
    },
    /// It is over, or elsewhere.
    CloseCall {
        /// The call.
        call: CallId,
    },
    /// A device offers a leg.
    AddLeg {
        /// The call.
        call: CallId,
        /// Names the leg.
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

/// From the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromNode {
    /// The first message.
    Hello {
        /// [`NODE_VERSION`].
        version: u32,
        /// Most calls that it takes.
        max_calls: u64,
        /// Where it tells devices that it is: for the operator.
        address: SocketAddr,
    },
    /// Every [`NODE_BEAT_MS`].
    Load {
        /// Calls.
        calls: u64,
        /// Legs: what a relay's work grows with.
        legs: u64,
        /// It is about to stop: no new calls, and those that it has are to be moved.
        draining: bool,
    },
    /// The answer to [`ToNode::AddLeg`].
    LegAdded {
        /// The leg.
        leg: u64,
        /// WebRTC answer.
        answer: Option<String>,
        /// Why there is none.
        refused: Option<String>,
    },
    /// Sound can flow on a leg, for the first time or again.
    LegConnected {
        /// The leg.
        leg: u64,
    },
    /// A leg ended by itself.
    LegGone {
        /// The leg.
        leg: u64,
    },
}
