//! The native endpoint: sound, WebRTC around the call engine, and the note-taker.

mod attendance;
pub mod audio;
pub mod endpoint;
pub mod hearing;
pub mod leg;
pub mod note;
pub mod socket;
mod tls;
pub mod upload;
