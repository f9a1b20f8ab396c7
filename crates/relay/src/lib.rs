//! A selective forwarding unit (SFU, RFC 7667 section 3.7) for end-to-end encrypted media. It has no media keys.
//!
//! [`Relay`] is a sans-IO engine: inputs are datagrams and the time, outputs are datagrams, events and the next
//! wake-up. It holds one WebRTC transport (ICE-lite, DTLS-SRTP) per leg and forwards the payload of every authenticated
//! packet unchanged to the other legs of the same call. The payload is SFrame (RFC 9605) between the devices; the relay
//! has neither the keys nor code that could use them.
//!
//! The hot path of a packet: the source address is looked up to find the leg; the packet is decrypted in place; for
//! each receiver a twelve-byte RTP header is written and the payload encrypted behind it, directly into that receiver's
//! send batch. There is no allocation, lock, timer or log line on this path. The DTLS handshake is a library's
//! (`dimpl`); SRTP is implemented here because it dominates the relay's CPU time.
//!
//! The engine has no clock, socket or thread. It draws ICE credentials, SSRCs and DTLS keys from the system's random
//! source, as its libraries do. The only time it discloses to devices is its own uptime (RTCP sender reports).
//!
//! Privacy between legs: a leg learns nothing about the other legs except their packets, in slots. Candidates are
//! removed from offers and answers contain only the relay's own addresses; each slot has an SSRC and a CNAME drawn by
//! the relay; RTCP terminates at the relay.
//!
//! ```
//! use std::time::Instant;
//! use telcon_relay::{LegId, Output, Relay, RelayConfig, RelayError};
//! # use telcon_proto::CallId;
//!
//! let now = Instant::now();
//! let mut relay = Relay::new(RelayConfig::new(vec!["203.0.113.1:3478".parse().unwrap()]), now)?;
//! // A leg is refused until its call was opened with a committed log entry.
//! assert!(relay.add_leg(CallId::from_bytes([7; 16]), LegId(1), "v=0", now).is_err());
//! // The driver sends what `poll` returns until it returns the next wake-up.
//! assert!(matches!(relay.poll(), Output::Timeout(_)));
//! # Ok::<(), RelayError>(())
//! ```

mod answer;
mod api;
mod batch;
mod dtls;
pub mod framing;
mod ice;
mod leg;
pub mod limits;
#[cfg(feature = "driver")]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the driver is the one place of this crate with a clock and a socket"
)]
pub mod net;
mod offer;
mod relay;
mod rtcp;
mod slot;
mod srtp;
mod stats;
mod stream;
mod stun;
mod tcp_conn;
mod token_bucket;

pub use answer::opus_parameters;
#[cfg(feature = "test-tap")]
pub use api::Tap;
pub use api::{Full, LegEnd, LegId, OpenedCall, Output, Refused, RelayConfig, RelayError, RelayEvent, Transmit};
pub use offer::OfferError;
pub use relay::Relay;
pub use stats::RelayStats;
pub use tcp_conn::TcpConnId;
