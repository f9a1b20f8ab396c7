//! The native endpoint: audio, the media transport around the call engine, and the note-taker.
//!
//! | module | contents |
//! |---|---|
//! | [`documents`] | documents of a signed-in device |
//! | [`endpoint`] | a device in one task: drives the call engine over a WebSocket and a media leg |
//! | [`transport`] | media legs: WebRTC over UDP, TCP and TURN |
//! | [`audio`] | Opus, jitter buffer, WAV files, sample rates |
//! | [`transcription`] | live speech recognition of separate speakers |
//! | [`note`] | the note-taker: recording sessions and delivery of sealed records |
//! | [`error`] | what can fail between a device and its office |
//! | [`http`], [`socket`] | the office's HTTP API and WebSockets |
//! | [`log_files`] | the office's log over HTTP |

mod attendance;
pub mod audio;
pub mod documents;
pub mod endpoint;
pub mod error;
pub mod http;
pub mod log_files;
pub mod note;
pub mod papers;
pub mod socket;
mod tls;
pub mod transcription;
pub mod transport;
