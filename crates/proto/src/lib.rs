//! Wire types, identifiers, limits and codecs of Telcon.
//!
//! This crate holds the definitions that two processes share, and no behaviour: no cryptography, no I/O, no clock.
//! Every message is JSON with a `type` tag; binary fields are standard base64 ([`Blob`]).

pub mod access;
pub mod alert;
pub mod attestation;
pub mod blob;
pub mod civil;
pub mod contact;
pub mod delegation;
pub mod device_key;
pub mod device_policy;
pub mod digest;
pub mod document;
pub mod document_policy;
pub mod doubt;
pub mod entry;
pub mod hand_over;
pub mod http;
pub mod id;
pub mod limits;
pub mod line;
pub mod line_seal;
pub mod message;
pub mod node;
pub mod office;
pub mod participant;
pub mod policy;
pub mod printable;
pub mod protection;
pub mod push;
pub mod reach;
pub mod readout;
pub mod recovery;
pub mod seal;
pub mod sealing;
pub mod shift;
pub mod short_code;
pub mod sso;
pub mod statement;
pub mod terms;

pub use alert::{AlertKind, OfficeAlert};
pub use blob::Blob;
pub use digest::Digest;
pub use id::{
    CallId, CodeRunId, DelegationId, DeviceId, DocumentId, IdError, InvitationId, ItemId, LineId, PersonId, RecoveryId,
    ShiftId, hex,
};
pub use message::{ClientMessage, ServerMessage};
pub use office::{OfficeName, Qualified};
pub use terms::{Card, Ended, RecordMode, Role, SuiteName};

/// Version of the messages in this crate. A server refuses a client of another version
/// ([`message::RefusalCode::Version`]): MLS code points for the post-quantum suites are drafts, so the wire format may
/// change incompatibly.
pub const WIRE_VERSION: u16 = 4;
