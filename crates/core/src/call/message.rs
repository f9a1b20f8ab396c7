//! Application messages of a call: heartbeats of note-takers, captions. The server sees when one is sent and how long it is, so
//! neither depends on what is said.

use super::{green_room::Statement, hold::HoldWord};
use serde::{Deserialize, Serialize};
use telcon_proto::{Blob, DeviceId, OfficeName};

/// An application message to all members of a call, encrypted by MLS. The JSON names are part of the wire format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case", deny_unknown_fields)]
pub enum GroupMessage {
    /// When the call went live: for the timer on the screen of a device that has just joined.
    Live {
        /// Milliseconds since 1970 UTC, by the sender's clock.
        since_ms: u64,
    },
    /// The sender, one of the two parties, ends the call. The switchboard announces the end too, but could announce it to
    /// one member only.
    #[serde(rename = "over")]
    HangUp,
    /// The sender, a note-taker, is alive and recording. Sent periodically, so that a missing heartbeat is noticed.
    #[serde(rename = "taking")]
    Heartbeat {
        /// Uptime of the sender's engine, milliseconds: a delayed message is recognised as late.
        #[serde(rename = "at_ms")]
        uptime_ms: u64,
    },
    /// The sender requests captions, sealed to this X-Wing public key.
    ReadCaptions {
        /// 1216 bytes.
        key: Blob,
    },
    /// Captions for one reader, possibly none: sent at a constant rate and size while there is a reader.
    Captions {
        /// The reader that it is sealed to.
        to: DeviceId,
        /// HPKE encapsulated key.
        enc: Blob,
        /// A sealed JSON array of [`Caption`], padded with spaces to [`super::captions::BATCH_BYTES`].
        sealed: Blob,
    },
    /// The sender's person continues the call on the sender, which is a member and receives: their other devices stop that were added
    /// before it. Only a device whose person asked for it there says so, and repeats it until they have left. Older programs ignore
    /// it.
    Continue {
        /// The epoch in which the sender was added.
        since: u64,
    },
    /// The sender, a party, holds the call: every device that speaks keeps its sound back. Repeated for those who join. Older programs
    /// ignore it.
    Hold {
        /// What is said to those who wait.
        word: HoldWord,
        /// And in the sender's own words, at most [`telcon_proto::limits::MAX_HOLD_CHARS`]; may be empty.
        #[serde(default)]
        text: String,
    },
    /// The sender's person does not hold the call any more.
    Resume,
    /// What the sender's side states in the call's green room; without it, that the sender, who acts for a party, knows of no green
    /// room. Repeated for those who join. Padded to one length. Older programs ignore it.
    GreenRoom {
        /// The statement.
        statement: Option<Box<Statement>>,
    },
    /// The sender, a principal who joined a call that was prepared, receives sound. Repeated for those who join.
    InPlace,
    /// The newest checkpoint of the sender's office's log that the sender verified. Older programs ignore it.
    Checkpoint {
        /// [`super::checkpoints::CHECKPOINT_MESSAGE_VERSION`]; readers ignore others.
        version: u16,
        /// The office whose log it is.
        office: OfficeName,
        /// C2SP signed note, at most [`telcon_proto::limits::MAX_GOSSIP_CHECKPOINT_BYTES`].
        checkpoint: String,
    },
}

/// One line of the transcript as the recogniser gave it: a machine's draft.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Caption {
    /// The device whose key sealed the audio.
    pub speaker: DeviceId,
    /// Number of the passage, increasing per speaker. The final lines of a passage replace its drafts.
    pub passage: u64,
    /// For a draft, the part of the passage: a later draft of the same part replaces it.
    #[serde(default)]
    pub part: u32,
    /// Start of the words, milliseconds since 1970 UTC by the note-taker's clock.
    pub start_ms: u64,
    /// The words.
    pub text: String,
    /// Whether the line is final; otherwise it is a draft.
    #[serde(rename = "final")]
    pub done: bool,
    /// Latency: how long after the words were said this was sent, milliseconds.
    pub behind_ms: u64,
}
