//! Messages between a device and the switchboard of its office, over one WebSocket.
//!
//! The server orders and forwards; what it forwards is signed (rings), encrypted to the members (MLS messages) or
//! proven (log entries), and a client believes none of it before checking.

use crate::{
    Blob, CallId, Card, DeviceId, Ended, PersonId, RecordMode, SuiteName,
    words::{Contact, Party},
};
use serde::{Deserialize, Serialize};

/// What a device sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// First message: which device this is.
    Hello {
        /// [`crate::WIRE_VERSION`].
        version: u16,
        /// The enrolled device.
        device: DeviceId,
    },
    /// Answers [`ServerMessage::Challenge`]: a JWS by the device key over the nonce and the office's domain.
    Prove {
        /// Compact JWS, type `telcon-sign-in+jws`.
        jws: String,
    },
    /// Rings a person. The switchboard logs the opening of the call before anybody hears of it.
    Ring {
        /// Compact JWS, type `telcon-ring+jws`, with the device's certificates in its `x5c` header.
        jws: String,
    },
    /// This device verified the ring and shows it.
    RingShown {
        /// The call.
        call: CallId,
    },
    /// This device answers. The first wins.
    Answer {
        /// The call.
        call: CallId,
        /// A fresh MLS KeyPackage (RFC 9420, section 10) as an MLSMessage.
        key_package: Blob,
    },
    /// The person says no, on all devices.
    Decline {
        /// The call.
        call: CallId,
    },
    /// Ends a call, or gives up ringing. From a principal it ends the call for all; from a listener only for them.
    HangUp {
        /// The call.
        call: CallId,
        /// Whether this device could not go on (it refused something, or cannot encrypt).
        failed: bool,
    },
    /// Asks the members to add this device: a listener, or a device that lost its state by a reload.
    AskJoin {
        /// The call.
        call: CallId,
        /// A fresh MLS KeyPackage as an MLSMessage.
        key_package: Blob,
    },
    /// A commit to be ordered, with the welcome for those it adds.
    Commit {
        /// The call.
        call: CallId,
        /// The epoch the commit was made in. Only the first commit of an epoch is taken.
        epoch: u64,
        /// MLSMessage with the commit.
        commit: Blob,
        /// MLSMessage with the welcome.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        welcome: Option<Blob>,
        /// Devices that the commit adds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        adds: Vec<DeviceId>,
        /// Devices that it removes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removes: Vec<DeviceId>,
    },
    /// An encrypted application message to all members (captions, mute state).
    Application {
        /// The call.
        call: CallId,
        /// MLSMessage with a PrivateMessage.
        message: Blob,
    },
    /// Offers a media leg for this call. A new offer replaces the leg.
    Offer {
        /// The call.
        call: CallId,
        /// WebRTC offer: one sendonly and [`crate::limits::RECEIVE_SLOTS`] recvonly audio sections.
        sdp: String,
    },
    /// After a reconnect: continue a call this device kept its keys of.
    Resume {
        /// The call.
        call: CallId,
        /// Sequence number of the last handshake message it processed.
        after: u64,
    },
    /// Keeps the connection open, and asks for the newest checkpoint with proof that it continues the one this
    /// device remembers.
    Ping {
        /// Size of the newest tree that this device has verified; 0 when it has none.
        log_size: u64,
    },
}

/// What the switchboard sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Prove that you hold the key of the device you named.
    Challenge {
        /// 32 random bytes, good once and for [`crate::limits::CHALLENGE_TTL_MS`].
        nonce: Blob,
    },
    /// The device is signed in.
    SignedIn {
        /// Who the server takes it for.
        you: Card,
        /// Whom it can ring.
        people: Vec<Contact>,
        /// The suite of the office's calls.
        suite: SuiteName,
        /// The least that is kept of the office's calls.
        mode: RecordMode,
        /// Bearer token for uploads and downloads over HTTP, valid while the connection is open.
        token: String,
        /// A call this device is a member of: it sends [`ClientMessage::Resume`] or [`ClientMessage::AskJoin`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        in_call: Option<CallId>,
        /// Newest checkpoint of the log (C2SP signed note).
        checkpoint: String,
    },
    /// People or their reachability changed.
    People {
        /// All whom this device can ring.
        people: Vec<Contact>,
    },
    /// The caller's ring is logged and on its way.
    Opened {
        /// The call.
        call: CallId,
        /// Proof that its opening is in the log.
        opened: Logged,
    },
    /// Somebody rings this device's person.
    Ringing {
        /// The ring as the caller's device signed it.
        jws: String,
        /// Proof that its opening is in the log.
        opened: Logged,
        /// Proof that the caller's device certificate is in the log.
        device: Logged,
    },
    /// A device of the person rung verified and shows the ring.
    RingingThere {
        /// The call.
        call: CallId,
    },
    /// To a member that shall commit: a device answered or asks to join.
    JoinAsked {
        /// The call.
        call: CallId,
        /// Who asks.
        from: DeviceId,
        /// Its KeyPackage.
        key_package: Blob,
        /// Proof that its certificate is in the log.
        device: Logged,
        /// Whether this is the answer to the ring.
        answer: bool,
    },
    /// To a member that shall commit: these devices left, were lost or were revoked, and must be removed.
    RemoveAsked {
        /// The call.
        call: CallId,
        /// Who.
        devices: Vec<DeviceId>,
    },
    /// The next commit of the call, to every member but those it adds (its sender too: that is its confirmation).
    Committed {
        /// The call.
        call: CallId,
        /// Sequence number among the call's handshake messages.
        seq: u64,
        /// Who committed.
        from: DeviceId,
        /// MLSMessage.
        commit: Blob,
        /// Log proofs of the device certificates of those it adds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        devices: Vec<Logged>,
    },
    /// The sender's commit was not taken. If the call has moved on (`now` is past `epoch`) another commit was first:
    /// process what comes, and try again. Otherwise it did something that it may not: drop it.
    CommitRefused {
        /// The call.
        call: CallId,
        /// The epoch that the refused commit was made in: by when this comes, the sender may have made another.
        epoch: u64,
        /// The epoch that the call is in now.
        now: u64,
    },
    /// The welcome of a commit that added this device.
    Welcome {
        /// The call.
        call: CallId,
        /// Sequence number of its commit.
        seq: u64,
        /// MLSMessage.
        welcome: Blob,
        /// The ring that opened the call, for a joiner that did not see it.
        ring: String,
        /// Proof that its opening is in the log.
        opened: Logged,
        /// Log proofs of all members' device certificates.
        devices: Vec<Logged>,
    },
    /// An application message of another member.
    Application {
        /// The call.
        call: CallId,
        /// Who sent it, as the server says; MLS authenticates the true sender.
        from: DeviceId,
        /// MLSMessage.
        message: Blob,
    },
    /// Answer to [`ClientMessage::Offer`].
    MediaAnswer {
        /// The call.
        call: CallId,
        /// WebRTC answer.
        sdp: String,
    },
    /// The relay lost this device's media leg: offer again.
    MediaLost {
        /// The call.
        call: CallId,
    },
    /// The ring stopped on this device because another device of the person took it.
    TakenElsewhere {
        /// The call.
        call: CallId,
    },
    /// The call is over.
    Ended {
        /// The call.
        call: CallId,
        /// How.
        how: Ended,
    },
    /// To staff: a call of the office, at each change.
    Notice(Notice),
    /// To staff, and to the devices that were in the call: a record reached the archive.
    RecordKept {
        /// The call.
        call: CallId,
        /// Index of its entry in the log.
        log_index: u64,
        /// Whether every note-taker that brought a record of the call so far says that something is missing.
        #[serde(default)]
        partial: bool,
    },
    /// The device was revoked, and is served no more.
    Revoked {
        /// The office authority's word for it (`telcon-revocation+jws`), where the server has it at hand. Only with it
        /// does a device erase its keys: a server alone must not be able to make it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jws: Option<String>,
    },
    /// Answer to [`ClientMessage::Ping`]: the newest checkpoint, with proof that it continues the one named there.
    Checkpoint {
        /// C2SP signed note.
        checkpoint: String,
        /// Size of the tree that the proof starts from: `log_size` of the ping.
        from_size: u64,
        /// RFC 6962 consistency proof, base64 hashes; empty for sizes 0 and the newest.
        consistency: Vec<Blob>,
    },
    /// A message was refused. Nothing changed by it.
    Refused {
        /// The call it was about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallId>,
        /// Why, for programs.
        code: RefusalCode,
        /// What happened and what to do, for people.
        message: String,
    },
}

/// Why the switchboard refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// Not JSON of this version, or over a limit.
    Malformed,
    /// Another wire version.
    Version,
    /// Unknown or revoked device, or a proof that does not hold.
    NotSignedIn,
    /// Not allowed to this device or in this state.
    NotAllowed,
    /// No such call, or it is over.
    NoSuchCall,
    /// The person cannot be reached: no device connected.
    Unreachable,
    /// The person rings this one at the same moment: their ring is on its way here, or comes again.
    RingsYou,
    /// Too fast or too many.
    TooMany,
    /// The server's own fault: its log or store failed. No log entry, no call.
    Unavailable,
}

/// An entry of the log with the proof that it is in the tree of a signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// The entry's bytes (JSON, see the archive's documentation).
    pub entry: Blob,
    /// Its index.
    pub index: u64,
    /// RFC 6962 inclusion proof, base64 hashes, from the leaf upwards.
    pub proof: Vec<Blob>,
    /// The signed checkpoint of the tree that the proof leads to.
    pub checkpoint: String,
}

/// A call as the office's staff is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The call.
    pub call: CallId,
    /// Who rang.
    pub from: Card,
    /// Whom.
    pub to: PersonNamed,
    /// What is kept.
    pub mode: RecordMode,
    /// Where it stands.
    pub state: NoticeState,
    /// Devices in it now.
    pub members: Vec<Party>,
    /// A note-taker has asked to be let in, and is not a member yet: another need not ask.
    #[serde(default)]
    pub note_taker_asks: bool,
    /// There are note-takers among its members, and nothing has come of any for so long that another is to come.
    #[serde(default)]
    pub note_taker_silent: bool,
    /// When it was opened, milliseconds since 1970 UTC.
    pub opened_ms: u64,
}

/// Whom a call rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonNamed {
    /// Who.
    pub card: Card,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum NoticeState {
    /// It rings.
    Ringing,
    /// It was answered.
    Live {
        /// When, milliseconds since 1970 UTC.
        since_ms: u64,
    },
    /// It is over.
    Ended {
        /// How.
        how: Ended,
    },
}

/// Content of a signed ring, the payload of the `telcon-ring+jws`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// [`crate::WIRE_VERSION`].
    pub version: u16,
    /// The call, drawn at random by the caller's device; also the MLS group id.
    pub call: CallId,
    /// The office, by domain.
    pub office: String,
    /// The device that rings.
    pub from: DeviceId,
    /// The person rung.
    pub to: PersonId,
    /// What will be kept.
    pub mode: RecordMode,
    /// The suite of the call.
    pub suite: SuiteName,
    /// When it was signed, milliseconds since 1970 UTC, by the device's clock.
    pub at_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_tagged_json_and_unknown_fields_are_refused() {
        let call = CallId::from_bytes([7; 16]);
        let json = serde_json::to_value(ClientMessage::RingShown { call }).unwrap();
        assert_eq!(json["type"], "ring_shown");
        assert_eq!(serde_json::from_value::<ClientMessage>(json).unwrap(), ClientMessage::RingShown { call });
        let extra = format!(r#"{{"type":"ring_shown","call":"{call}","also":1}}"#);
        assert!(serde_json::from_str::<ClientMessage>(&extra).is_err());
    }
}
