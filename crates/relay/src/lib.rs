//! Forwards encrypted media it has no key for.
//!
//! [`Relay`] is a sans-IO engine: it takes datagrams and the time, and gives datagrams, events and the next time it
//! wants to be woken. It holds one WebRTC transport (ICE-lite, DTLS-SRTP) for each leg of each call, and copies the
//! payload of every authenticated packet from one leg to the other legs of the same call, as it is. The payload is
//! SFrame (RFC 9605) made between the devices; the relay has neither the key nor code that could use one.
//!
//! A packet's way through the engine: its address finds its leg; it is opened in place; for each receiver a header of
//! twelve bytes is written and the payload sealed behind it, into the piece of memory that waits to be sent to that
//! receiver. It meets no allocation, lock, timer or name on the way. The handshake is a library's, everything after it
//! is here, because that is what a relay does all day.
//!
//! The engine has no clock, socket or thread. It draws ICE credentials, SSRCs and DTLS keys from the system's random
//! source, as its libraries do, and tells devices no time but its own since it began.
//!
//! What a leg learns of the others: their packets, in slots. Not their addresses (candidates are taken out of offers,
//! answers carry the relay's own), names (each slot has an SSRC and a CNAME that the relay drew) or reports (RTCP ends
//! at the relay).

mod batch;
#[cfg(feature = "driver")]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the driver is the one place of this crate with a clock and a socket"
)]
pub mod driver;
mod dtls;
pub mod framing;
mod ice;
mod leg;
pub mod limits;
mod link;
mod rate;
mod relay;
mod rtcp;
mod sdp;
mod slot;
mod srtp;
mod stats;

pub use link::LinkId;
#[cfg(feature = "test-tap")]
pub use relay::Tap;
pub use relay::{Full, LegEnd, OpenedCall, Output, Refused, Relay, RelayConfig, RelayError, RelayEvent, Transmit};
pub use sdp::{OfferError, opus_parameters};
pub use stats::RelayStats;

/// One device's part of a call, as the switchboard numbers it. Never used for two devices by one switchboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u64);
