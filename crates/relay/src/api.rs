//! What the relay's owner passes in and gets out: configuration, identifiers, errors, events.

use crate::{
    limits::{MAX_CALLS, MAX_LEGS},
    offer::OfferError,
};
use std::{net::SocketAddr, time::Instant};
use telcon_proto::CallId;

/// One device's media connection within a call, numbered by the switchboard. A switchboard never uses a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u64);

/// Configuration of a relay. It contains addresses, so it implements neither `Debug` nor `Display`.
#[derive(Clone)]
pub struct RelayConfig {
    /// Host candidates of every answer: at least one, none unspecified, multicast or with port 0.
    pub candidate_addrs: Vec<SocketAddr>,
    /// Maximum number of concurrent calls, at most [`MAX_CALLS`].
    pub max_calls: usize,
    /// Maximum number of concurrent legs per engine, at most [`MAX_LEGS`].
    pub max_legs: usize,
    /// Number of worker threads of the driver. Each has its own engine and its own port.
    pub workers: usize,
    /// Whether answers contain ICE-TCP candidates (RFC 6544) for the same addresses.
    pub tcp: bool,
}

impl RelayConfig {
    /// Default limits, one worker, no TCP, with these host candidates.
    ///
    /// ```
    /// use telcon_relay::RelayConfig;
    ///
    /// let config = RelayConfig { workers: 2, ..RelayConfig::new(vec!["203.0.113.1:3478".parse().unwrap()]) };
    /// assert!(config.max_legs > 0);
    /// ```
    pub fn new(candidate_addrs: Vec<SocketAddr>) -> Self {
        Self { candidate_addrs, max_calls: MAX_CALLS, max_legs: MAX_LEGS, workers: 1, tcp: false }
    }
}

/// A call whose *call opened* entry is committed to the log. The relay accepts legs only for calls registered with
/// this value, and the switchboard constructs it only from a committed entry: no log entry, no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenedCall {
    /// The call.
    pub call: CallId,
    /// Index of the *call opened* entry in the office's log.
    pub log_index: u64,
}

/// The request violates an invariant between switchboard and relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The call was not opened on this relay.
    #[error("the call is not opened")]
    NotOpened,
    /// The leg exists in a different call.
    #[error("the leg belongs to another call")]
    OtherCall,
    /// The call was opened before with a different log entry.
    #[error("the call is already opened by another log entry")]
    OtherEntry,
}

/// A capacity limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// [`RelayConfig::max_calls`].
    #[error("the relay is at its limit of calls")]
    Calls,
    /// [`RelayConfig::max_legs`].
    #[error("the relay is at its limit of legs")]
    Legs,
    /// [`crate::limits::MAX_LEGS_PER_CALL`].
    #[error("the call is at its limit of legs")]
    LegsOfCall,
}

/// Why a request to the relay failed, by blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// Misuse by the caller.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Hostile or incompatible device.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// Out of capacity.
    #[error(transparent)]
    Full(#[from] Full),
    /// The configuration has no usable candidate address.
    #[error("a relay needs an address that devices can send to")]
    NoAddress,
    /// The DTLS certificate could not be generated.
    #[error("the relay could not make its certificate")]
    NoCertificate,
}

/// Why the relay ended a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegEnd {
    /// The device sent DTLS `close_notify`.
    Closed,
    /// The DTLS handshake did not complete within [`crate::limits::CONNECT_TIMEOUT`].
    NeverConnected,
    /// No authenticated packet was received for [`crate::limits::LEG_TIMEOUT`].
    TimedOut,
    /// The handshake failed: the certificate does not match the offered fingerprint, or the peer is incompatible.
    Failed,
    /// A panic inside the relay, contained to this leg.
    Bug,
}

/// Events for the switchboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayEvent {
    /// Media can flow, for the first time or again after [`RelayEvent::LegInterrupted`].
    LegConnected {
        /// Its call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// No authenticated packet for [`crate::limits::INTERRUPTED_AFTER`]. The leg is kept until
    /// [`crate::limits::LEG_TIMEOUT`].
    LegInterrupted {
        /// Its call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// The relay ended and removed the leg. The device may send a new offer.
    LegGone {
        /// Its call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// The reason.
        why: LegEnd,
    },
}

/// What the engine wants its driver to do. It contains addresses, so it implements neither `Debug` nor `Display`.
pub enum Output {
    /// Send a datagram from the relay's socket.
    Transmit {
        /// Destination.
        dst: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Deliver an event to the switchboard.
    Event(RelayEvent),
    /// Nothing is pending. Call [`crate::Relay::handle_timeout`] at this time, unless a datagram arrives first.
    Timeout(Instant),
}

/// Datagrams for one address, to be sent with generic segmentation offload (GSO) where available.
#[derive(Clone, Copy)]
pub struct Transmit<'a> {
    /// Destination.
    pub dst: SocketAddr,
    /// The datagrams, concatenated.
    pub bytes: &'a [u8],
    /// Length of every datagram but the last, bytes.
    pub segment: usize,
}

/// Callback that receives every forwarded payload.
#[cfg(feature = "test-tap")]
pub type Tap = Box<dyn FnMut(&[u8]) + Send>;
