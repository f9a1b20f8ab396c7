//! The end-to-end encrypted part of a call: MLS, SFrame and the call state machine, without I/O.
//!
//! An [`engine::Engine`] is given messages, commands, frames and the time, and returns what to send, show and do. It does
//! not trust the switchboard: rings, members and log entries are verified here, on the device.

pub mod call;
mod challenge;
mod clock;
mod context;
mod delegations;
pub mod device;
pub mod document;
pub mod engine;
pub mod io;
mod known_documents;
mod lines;
pub mod media;
pub mod mls;
pub mod page;
pub mod peer_log;
pub mod pin;
pub mod proof;
pub mod short_code;
pub mod view;

pub use call::ReceivedFrame;
pub use device::{AskingDevice, Device, DeviceError, DeviceState};
pub use engine::Engine;
pub use io::{Event, Output, UserCommand};
pub use lines::Zones;
