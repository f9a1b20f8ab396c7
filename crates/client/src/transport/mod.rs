//! Media transport: one WebRTC connection (a leg) from this device to its own office's relay.
//!
//! [`leg`] is the sans-IO engine around the WebRTC library; [`driver`] runs it over a UDP socket and falls back to TCP
//! ([`tcp`]) and TURN over TLS ([`turn`]) where the network blocks UDP.

pub mod driver;
mod fallback;
pub mod leg;
mod sdp;
mod tcp;
pub mod turn;

pub use leg::{Leg, LegError, LegFailure, LegOutput, ReceivedPacket};

#[cfg(test)]
mod tests;
