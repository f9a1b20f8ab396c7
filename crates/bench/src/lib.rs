//! Load generators and their reports: `telcon bench`.
//!
//! - [`relay`] drives a relay, ours or another's, with real WebRTC endpoints.
//! - [`office`] drives a `telcon serve` process with enrolled, connected devices and real calls.
//!
//! Both follow the same rules: the system under test is a process of its own, pinned to its own core; the load generator
//! is one thread pinned to another core, and its own CPU share is reported beside every figure, because a generator that
//! is saturated measures itself.

mod cancellation;
mod clock;
mod document;
mod histogram;
pub mod office;
mod plot;
mod process;
pub mod relay;
mod saturation;
mod testbed;
mod times;

pub use cancellation::Cancellation;
pub use document::write as write_document;
