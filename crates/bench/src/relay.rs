//! Drives a relay, ours or another's, with real WebRTC endpoints, and measures it.
//!
//! All devices run in one thread: each endpoint has a socket with its own address, performs ICE and DTLS, then sends one
//! packet of constant size per frame interval and decrypts every packet it receives. Figures count received packets.

pub mod baseline;
mod endpoint;
mod flood;
mod frame;
mod generator;
mod ice;
pub mod node;
mod options;
mod peer;
pub mod report;
mod run;
mod schedule;
mod sdp;
pub(crate) mod sections;
mod signalling;
mod srtp;
mod transport;
mod trial;
mod turn;

pub use options::{LoadPlan, Options};
pub use peer::Peer;
pub use run::run;
