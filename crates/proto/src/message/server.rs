//! Messages of the switchboard to a device, and its refusal codes.

use super::{DeclineReply, Logged, Notice, OpenInvitation};
use crate::{
    Blob, CallId, Card, CodeRunId, DeviceId, DocumentId, Ended, InvitationId, OfficeAlert, PersonId, RecordMode,
    RecoveryId, SuiteName,
    alert::AddedDevice,
    contact::Contact,
    delegation::ProvenDelegation,
    doubt::DoubtedLine,
    line::ProvenLine,
    reach::PersonsReach,
    recovery::OpenRecovery,
    shift::OnShift,
    short_code::{CodeSlot, CodeStep},
};
use serde::{Deserialize, Serialize};

/// A message of the switchboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Challenge to prove possession of the device's key.
    Challenge {
        /// 32 random bytes, valid once and for [`crate::limits::CHALLENGE_TTL_MS`].
        nonce: Blob,
        /// The office's time, milliseconds since 1970 UTC, for the device to compare its clock with. It is only shown: the device
        /// verifies by its own clock. 0: not stated.
        #[serde(default)]
        now_ms: u64,
    },
    /// The device is signed in.
    SignedIn {
        /// The device's person as the server sees it.
        you: Card,
        /// People whom it can ring, sorted by name; only the first ones if there are many.
        people: Vec<Contact>,
        /// Whether there are more: see [`super::ClientMessage::FindPeople`].
        #[serde(default)]
        people_more: bool,
        /// The callers whom this device's person has silenced.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        silenced: Vec<Card>,
        /// The suite of the office's calls.
        suite: SuiteName,
        /// The lowest record mode of the office's calls.
        mode: RecordMode,
        /// Bearer token for uploads and downloads over HTTP, valid while the connection is open.
        token: String,
        /// A call this device is a member of: it sends [`super::ClientMessage::Resume`] or [`super::ClientMessage::AskJoin`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        in_call: Option<CallId>,
        /// Newest checkpoint of the log (C2SP signed note).
        checkpoint: String,
        /// As in [`Contact::recovered_ms`], for this person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recovered_ms: Option<u64>,
        /// Who is on shift at it, if it is a device of a place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shift: Option<OnShift>,
        /// Whether the server lacks the key that documents are sealed to for this device
        /// ([`super::ClientMessage::PublishKey`]).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        key_missing: bool,
    },
    /// The device of a place has proven its key, and nobody is on shift at it. Meanwhile it gets nothing of the office; once somebody has
    /// begun a shift, the connection is closed, and the next sign-in succeeds.
    ShiftRequired {
        /// Bearer token for what [`crate::access::needs_no_shift`] alone, valid while the connection is open.
        token: String,
    },
    /// Who is on shift at a device of a place that is in the call of this device.
    OnShift {
        /// The call.
        call: CallId,
        /// The device.
        device: DeviceId,
        /// Who, as the server says.
        on_shift: OnShift,
    },
    /// The device has proven its key, and its person has to sign in with their account at the office's provider (OpenID Connect) before
    /// it is signed in. Meanwhile it gets nothing of the office; once they have, the connection is closed, and the next sign-in succeeds.
    SsoRequired {
        /// Bearer token for [`crate::access::SIGNS_ON`] alone, valid while the connection is open.
        token: String,
    },
    /// For how long the person's sign-in with their account at the office's provider lasts: where the role needs one, after the device
    /// has signed in, and when the person has signed in there again meanwhile. Then the device is not signed in any more, unless it is in
    /// a call.
    AccountSession {
        /// Milliseconds.
        remaining_ms: u64,
    },
    /// Changes of the people whom this device can ring.
    PeopleChanged {
        /// People who are new, renamed, found, or whose reachability changed.
        changed: Vec<Contact>,
        /// People who cannot be rung any more, or were found by a search before the latest.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<PersonId>,
    },
    /// The callers whom this device's person has silenced, after a change.
    Silenced {
        /// All of them.
        people: Vec<Card>,
    },
    /// When principals are reached: this device's person, if they ever set it, and all for whom the person may answer now. Complete each
    /// time: at sign-in unless it is empty, and after a change.
    Reach {
        /// The person themselves first.
        of: Vec<PersonsReach>,
    },
    /// To a device that the authority appointed as a registrar: its certificate, DER. It may enrol devices with it.
    Registrar {
        /// The registrar certificate.
        certificate: Blob,
    },
    /// To people who may see invitations: those that are new or have changed, and those that are closed. After sign-in, all.
    Invitations {
        /// New or changed.
        changed: Vec<OpenInvitation>,
        /// Closed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        closed: Vec<InvitationId>,
    },
    /// To people who may see invitations: recoveries that are new or have changed, and those that are over. After sign-in, all.
    Recoveries {
        /// New or changed.
        changed: Vec<OpenRecovery>,
        /// Over.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        closed: Vec<RecoveryId>,
    },
    /// Answer to [`super::ClientMessage::OpenCode`]: the device may show a code with this slot while its connection is open.
    CodeOpened {
        /// Drawn at random, and used by no other code.
        slot: CodeSlot,
        /// For how long, milliseconds.
        ttl_ms: u64,
    },
    /// Somebody typed a code with this slot: a step of their attempt, to be answered with
    /// [`super::ClientMessage::AnswerCode`].
    CodeTried {
        /// The code.
        slot: CodeSlot,
        /// The attempt.
        run: CodeRunId,
        /// What the other device sent.
        step: CodeStep,
    },
    /// Devices that this one may see were enrolled, appointed or revoked: its own person's, or any, by its role.
    DevicesChanged {},
    /// Delegations by or to this device's person, or any, by its role, were given or have ended: the list is at
    /// `GET /api/v1/delegations`.
    DelegationsChanged {},
    /// A delegation on which the next messages about a call rely: under it somebody rang or answered for a party.
    Delegation(ProvenDelegation),
    /// Lines of this device's person, or any, by its role, were signed: the list is at `GET /api/v1/lines`.
    LinesChanged {},
    /// A document that this device's person reads, or could read until now, has a new version: see `GET /api/v1/documents`.
    DocumentsChanged {
        /// Which.
        document: DocumentId,
        /// The number of the version.
        version: u32,
    },
    /// Lines of this device's person, or of those for whom they change lines, whose holder somebody doubted on another line: all of them,
    /// at sign-in if there are any, and after each change. Nobody is told whose that line is.
    LinesDoubted {
        /// Them.
        lines: Vec<DoubtedLine>,
    },
    /// The line on which the next message about a call relies.
    Line(Box<ProvenLine>),
    /// To security officers: alerts that are new, or were seen. After sign-in, the newest
    /// [`crate::limits::ALERTS_AT_SIGN_IN`].
    Alerts {
        /// New or changed, newest first.
        changed: Vec<OfficeAlert>,
        /// How many in all no officer has seen.
        unseen: u64,
    },
    /// Devices that were added in this device's person's name and that the person has not acknowledged on this device: all of
    /// them, at sign-in if there are any, and after each change. It is sent before an added device can sign in.
    DevicesAdded {
        /// Oldest first.
        devices: Vec<AddedDevice>,
    },
    /// To an available note-taker: it has to ask to join this call, and to leave its present one.
    Assigned {
        /// The call.
        call: CallId,
    },
    /// The caller's ring is logged and is sent to the callee.
    Opened {
        /// The call.
        call: CallId,
        /// Proof that its opening is in the log.
        opened: Logged,
        /// Whether no device of the callee is connected, and the office notifies those that it can ([`crate::push`]). It is over
        /// with [`ServerMessage::RingingThere`].
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        notified: bool,
    },
    /// This device's person is rung.
    Ringing {
        /// The ring as the caller's device signed it.
        jws: String,
        /// Proof that its opening is in the log.
        opened: Logged,
        /// Proof that the caller's device certificate is in the log.
        device: Logged,
    },
    /// A device of the callee verified the ring and shows it.
    RingingThere {
        /// The call.
        call: CallId,
    },
    /// To the member that has to commit: a device answered or asks to join.
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
    /// To the member that has to commit: these devices left, timed out or were revoked, and must be removed.
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
    /// The sender's commit was refused. If the call is in a later epoch (`now` is past `epoch`), another commit was ordered
    /// first: process it and commit the changes again. Otherwise the commit is not allowed: discard it.
    CommitRefused {
        /// The call.
        call: CallId,
        /// The epoch that the refused commit was made in: the sender may have made another commit since.
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
        /// The sender as the server sees it; MLS authenticates the sender.
        from: DeviceId,
        /// MLSMessage.
        message: Blob,
    },
    /// Answer to [`super::ClientMessage::Offer`].
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
    /// The ring stopped on this device because another device of the person answered it, or handed it to their office.
    TakenElsewhere {
        /// The call.
        call: CallId,
    },
    /// To the caller's device: the person rung had the ring handed to their office. It goes on ringing there.
    Diverted {
        /// The call.
        call: CallId,
    },
    /// The call is over.
    Ended {
        /// The call.
        call: CallId,
        /// How.
        how: Ended,
        /// What the person rung has the caller told: a promise of a person, which nobody signed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Option<DeclineReply>,
    },
    /// To staff: a call of the office, at each change.
    Notice(Notice),
    /// To those who watch calls and write no records: how many note-takers there are. At sign-in, and when it has changed.
    NoteTakers {
        /// Connected.
        connected: u32,
        /// Of these, those that accept no further call now.
        busy: u32,
    },
    /// To staff, and to the devices that were in the call: a record reached the archive.
    RecordKept {
        /// The call.
        call: CallId,
        /// Index of its entry in the log.
        log_index: u64,
        /// Whether all records of the call that have arrived so far are partial.
        #[serde(default)]
        partial: bool,
    },
    /// The device was revoked and is not served any more.
    Revoked {
        /// The signed revocation (`telcon-revocation+jws`), if the server has it: by the authority, or by a registrar, with `~` and
        /// base64 of its certificate. A device stops, or erases its keys if the statement orders that, only with this signature: a
        /// server alone must not be able to cause it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jws: Option<String>,
    },
    /// Answer to [`super::ClientMessage::Ping`]: the newest checkpoint, with proof that it continues the one named there.
    Checkpoint {
        /// C2SP signed note.
        checkpoint: String,
        /// Size of the tree that the proof starts from: `log_size` of the ping.
        from_size: u64,
        /// RFC 6962 consistency proof, base64 hashes; empty for sizes 0 and the newest.
        consistency: Vec<Blob>,
    },
    /// A message was refused and changed nothing.
    Refused {
        /// The call it was about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallId>,
        /// The reason, for programs.
        code: RefusalCode,
        /// What happened and what to do, for people.
        message: String,
    },
}

impl ServerMessage {
    /// The call that it names. A ring names it inside its signed text: none.
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::Opened { call, .. }
            | Self::RingingThere { call }
            | Self::JoinAsked { call, .. }
            | Self::RemoveAsked { call, .. }
            | Self::Committed { call, .. }
            | Self::CommitRefused { call, .. }
            | Self::Welcome { call, .. }
            | Self::Application { call, .. }
            | Self::MediaAnswer { call, .. }
            | Self::MediaLost { call }
            | Self::TakenElsewhere { call }
            | Self::Diverted { call }
            | Self::Ended { call, .. }
            | Self::RecordKept { call, .. }
            | Self::OnShift { call, .. }
            | Self::Assigned { call } => Some(*call),
            Self::Notice(notice) => Some(notice.call),
            Self::Refused { call, .. } => *call,
            Self::Challenge { .. }
            | Self::SignedIn { .. }
            | Self::SsoRequired { .. }
            | Self::AccountSession { .. }
            | Self::ShiftRequired { .. }
            | Self::PeopleChanged { .. }
            | Self::Silenced { .. }
            | Self::Reach { .. }
            | Self::Ringing { .. }
            | Self::Registrar { .. }
            | Self::Invitations { .. }
            | Self::Recoveries { .. }
            | Self::CodeOpened { .. }
            | Self::CodeTried { .. }
            | Self::DevicesChanged {}
            | Self::DelegationsChanged {}
            | Self::Delegation(_)
            | Self::LinesChanged {}
            | Self::DocumentsChanged { .. }
            | Self::LinesDoubted { .. }
            | Self::Line(_)
            | Self::Alerts { .. }
            | Self::DevicesAdded { .. }
            | Self::NoteTakers { .. }
            | Self::Revoked { .. }
            | Self::Checkpoint { .. } => None,
        }
    }

    /// The inclusion proofs that it carries. The server puts them in, and a device records that it relied on them: a message
    /// type with a proof that is not listed here would be sent without it.
    pub fn proofs_mut(&mut self) -> Vec<&mut Logged> {
        match self {
            Self::Opened { opened, .. } => vec![opened],
            Self::Ringing { opened, device, .. } => vec![opened, device],
            Self::JoinAsked { device, .. } => vec![device],
            Self::Committed { devices, .. } => devices.iter_mut().collect(),
            Self::Welcome { opened, devices, .. } => std::iter::once(opened).chain(devices).collect(),
            Self::Delegation(proven) => vec![&mut proven.given, &mut proven.device],
            Self::Line(proven) => proven.proofs_mut().collect(),
            Self::Challenge { .. }
            | Self::SignedIn { .. }
            | Self::OnShift { .. }
            | Self::SsoRequired { .. }
            | Self::AccountSession { .. }
            | Self::ShiftRequired { .. }
            | Self::PeopleChanged { .. }
            | Self::Silenced { .. }
            | Self::Reach { .. }
            | Self::Assigned { .. }
            | Self::RingingThere { .. }
            | Self::RemoveAsked { .. }
            | Self::CommitRefused { .. }
            | Self::Application { .. }
            | Self::MediaAnswer { .. }
            | Self::MediaLost { .. }
            | Self::TakenElsewhere { .. }
            | Self::Diverted { .. }
            | Self::Ended { .. }
            | Self::Notice(_)
            | Self::NoteTakers { .. }
            | Self::RecordKept { .. }
            | Self::Revoked { .. }
            | Self::Checkpoint { .. }
            | Self::Registrar { .. }
            | Self::Invitations { .. }
            | Self::Recoveries { .. }
            | Self::CodeOpened { .. }
            | Self::CodeTried { .. }
            | Self::DevicesChanged {}
            | Self::DelegationsChanged {}
            | Self::LinesChanged {}
            | Self::DocumentsChanged { .. }
            | Self::LinesDoubted { .. }
            | Self::Alerts { .. }
            | Self::DevicesAdded { .. }
            | Self::Refused { .. } => Vec::new(),
        }
    }
}

/// Reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// Not JSON of this version, or over a limit.
    Malformed,
    /// Another wire version.
    Version,
    /// Unknown or revoked device, or an invalid sign-in proof.
    NotSignedIn,
    /// Not allowed for this device or in this state.
    NotAllowed,
    /// No such call, or it is over.
    NoSuchCall,
    /// The person cannot be reached: no device connected.
    Unreachable,
    /// Glare: the callee rang this person first, and that ring is being delivered, or will be again.
    RingsYou,
    /// A rate or quantity limit was exceeded.
    TooMany,
    /// The device's program is older than its office allows for its role: reload the page, or update.
    Outdated,
    /// Internal error of the server: its log or store failed. Without a log entry no call is opened.
    Unavailable,
    /// The device is protected, and its ticket is missing, another one's, or too old: its person must unlock it.
    UnlockRequired,
    /// The command is dangerous, and the device's person did not confirm it with a passkey or PIN in the last minutes.
    ConfirmationRequired,
}
