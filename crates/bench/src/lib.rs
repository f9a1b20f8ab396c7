//! Drives a relay, ours or another's, with real WebRTC endpoints, and measures it.
//!
//! One thread on a core of its own is all the devices: each endpoint is a socket with its own address, does ICE and
//! DTLS, and then sends one packet of constant size per frame and decrypts whatever it is sent. The relay is a process
//! of its own on another core. What is counted is what arrived.

mod clock;
mod document;
mod flood;
pub mod floor;
mod frame;
mod histogram;
mod ice;
mod network;
pub mod node;
mod peer;
mod plot;
mod process;
pub mod report;
mod run;
mod sdp;
mod signalling;
mod srtp;
mod stop;
mod transport;
mod turn;
mod wheel;
mod world;

pub use document::write as write_document;
pub use peer::Peer;
pub use run::{Ladder, Options, run};
pub use stop::Stop;
