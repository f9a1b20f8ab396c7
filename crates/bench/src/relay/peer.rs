//! The relays that can be measured, each in a process of its own.

mod coturn;
mod janus;
mod telcon;

pub use coturn::Coturn;
pub use janus::Janus;
pub use telcon::Telcon;

use serde::{Deserialize, Serialize};

/// What forwards the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// Our relay.
    Telcon,
    /// A Janus videoroom: an SFU like ours.
    Janus,
    /// A coturn TURN server: no cryptography, no fan-out.
    Coturn,
    /// No relay: endpoint to endpoint.
    None,
}

impl Peer {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Telcon => "Telcon",
            Self::Janus => "Janus",
            Self::Coturn => "coturn",
            Self::None => "none",
        }
    }
}
