//! Drives a `telcon serve` process with enrolled, connected devices and real calls, and measures it.
//!
//! The server under test is the shipped program on a fresh office, pinned to one core. The load generator is one thread
//! on another core: a task per device holds its WebSocket, signs in with its real key and pings at the interval of the
//! clients; a coordinator rings with real signatures. The media plane is not involved.

mod device;
mod enrol;
mod fleet;
pub mod log;
mod protocol;
pub mod report;
mod rings;
mod run;
pub(crate) mod sections;
mod server;

pub use run::{NewOffice, Options, run};
