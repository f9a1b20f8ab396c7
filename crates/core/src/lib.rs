//! The end-to-end part of a call: MLS, SFrame and the call state machine, without input or output.
//!
//! An [`engine::Engine`] is given messages, commands, frames and the time, and says what to send, show and do. It
//! believes nothing that the switchboard says: rings, members and log entries are verified here, on the device.

pub mod captions;
pub mod device;
pub mod engine;
pub mod group;
pub mod joined;
pub mod keyring;
pub mod link;
pub mod payload;
pub mod phrase;
pub mod proof;
pub mod queue;
pub mod sframe;
pub mod shape;
pub mod view;

pub use device::{Device, DeviceError, DeviceState};
pub use engine::{Command, Engine, Event, Opened, Output};
