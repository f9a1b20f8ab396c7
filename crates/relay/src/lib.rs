//! Forwards encrypted media it has no key for.
//!
//! [`Relay`] is a sans-IO engine: it takes datagrams and the time, and gives datagrams, events and the next time it
//! wants to be woken. It holds one WebRTC transport (ICE-lite, DTLS-SRTP) for each leg of each call, and copies the
//! payload of every authenticated packet from one leg to the other legs of the same call, as it is. The payload is
//! SFrame (RFC 9605) made between the devices; the relay has neither the key nor code that could use one.
//!
//! The engine has no clock, socket or thread. The transport library draws its own ICE credentials, SSRCs and DTLS
//! keys from the system's random source, and relates the first `Instant` it sees to wall time for RTCP reports.
//!
//! What a leg learns of the others: their packets, in slots. Not their addresses (candidates are taken out of offers,
//! answers carry the relay's own), names (each slot has an SSRC and a CNAME that the relay drew) or reports (RTCP ends
//! at the relay).

#[cfg(feature = "driver")]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the driver is the one place of this crate with a clock and a socket"
)]
pub mod driver;
mod leg;
pub mod limits;
mod rate;
mod relay;
mod sdp;
mod slot;
mod stats;

#[cfg(feature = "test-tap")]
pub use relay::Tap;
pub use relay::{Full, LegEnd, OpenedCall, Output, Refused, Relay, RelayConfig, RelayError, RelayEvent};
pub use sdp::{OfferError, opus_parameters};
pub use stats::RelayStats;

/// One device's part of a call, as the switchboard numbers it. Never used for two devices by one switchboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u64);
