//! What goes into the engine and what comes out of it.

use crate::{
    call::{
        green_room::{RoomEvent, RoomSaid},
        hold::HoldWord,
    },
    peer_log::LogFork,
};
use serde::Deserialize;
use telcon_proto::{
    CallId, Card, ClientMessage, DelegationId, DeviceId, InvitationId, LineId, PersonId, RecordMode, RecoveryId, Role,
    delegation::{Act, ActsFor},
    line::{Line, LineList, LineState, LineTerms, LoggedVersion},
    message::DeclineReply,
    reach::ReachSettings,
    recovery::RecoveryReason,
    shift::OnShift,
};

/// What a person, or the program around the engine, requests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum UserCommand {
    /// Ring a person.
    Ring {
        /// The person to ring.
        person: PersonId,
        /// Record mode; the office's minimum if not given.
        #[serde(default)]
        mode: Option<RecordMode>,
    },
    /// Ring a person for a principal.
    RingFor {
        /// The person to ring.
        person: PersonId,
        /// Record mode; the office's minimum if not given.
        #[serde(default)]
        mode: Option<RecordMode>,
        /// The principal's delegation, as the office listed it.
        statement: String,
        /// Whether the call is prepared before the principals join it: a green room opens once it is answered.
        #[serde(default)]
        prepare: bool,
    },
    /// Let somebody of the staff act for this person.
    Delegate(NewDelegate),
    /// End a delegation before its time.
    EndDelegation {
        /// Which.
        delegation: DelegationId,
    },
    /// Give a line to somebody who has no device in this office. As with an invitation, its link is in the view once the office has
    /// logged it.
    GiveLine(NewLine),
    /// Give a line to somebody in the list, whom the office's security officers enrolled: for all their devices.
    GiveLineTo {
        /// The person.
        person: PersonId,
        /// What it allows.
        terms: LineTerms,
        /// The principal's delegation, for somebody who acts for them, as the office listed it.
        #[serde(default)]
        under: Option<String>,
    },
    /// The device that asked with a line's link is the right one: its person read out the code that the view shows. Another is refused,
    /// and a link withdrawn, with [`UserCommand::CloseInvitation`]. A delegate says so to the principal, who confirms it likewise.
    ConfirmLine {
        /// Which; made on this device, or attested by a delegate's.
        invitation: InvitationId,
        /// The code that was compared: a request with another is not confirmed.
        code: String,
    },
    /// Change what a line allows, pause it, use it again, freeze it or end it.
    SignLineChange {
        /// Its newest version, as the office listed it.
        statement: String,
        /// The newer one that the office lost, as it listed it.
        #[serde(default)]
        lost: Option<LoggedVersion>,
        /// What becomes of it.
        change: LineChange,
        /// The principal's delegation, for somebody who acts for them, as the office listed it.
        #[serde(default)]
        under: Option<String>,
    },
    /// Hand back a line, as its holder.
    HandBack {
        /// Its newest version, as the office listed it.
        statement: String,
    },
    /// Freeze the line that a ring or call is over, because this is not its holder. The call ends.
    Suspect {
        /// Which; the present one if not given.
        #[serde(default)]
        call: Option<CallId>,
    },
    /// The office listed these lines: this device accepts no older versions from now on.
    SeeLines {
        /// `GET /api/v1/lines`, as it was answered.
        list: LineList,
    },
    /// Answer a ring. A ring of one's own is cancelled, and who else rings learns that this person is in a call.
    Answer {
        /// Which; the one that is shown first if not given.
        #[serde(default)]
        call: Option<CallId>,
    },
    /// End the call that this person is in, and answer this ring of somebody who waited.
    AnswerInstead {
        /// The ring.
        call: CallId,
    },
    /// Decline a ring.
    Decline {
        /// Which; the one that is shown first if not given.
        #[serde(default)]
        call: Option<CallId>,
        /// A word to the caller.
        #[serde(default)]
        reply: Option<DeclineReply>,
    },
    /// Silence a caller on all devices of this person, or undo it.
    Silence {
        /// The caller.
        person: PersonId,
        /// Whether they are silenced from now on.
        on: bool,
    },
    /// Set when, and in which order, a principal is reached: this person, or somebody for whom they may answer.
    SetReach {
        /// The principal.
        person: PersonId,
        /// What holds from now on, whole.
        settings: ReachSettings,
    },
    /// Invite a person to enrol a device, as a registrar. The link is in the view once the office has logged the invitation.
    Invite(PersonToInvite),
    /// Withdraw an invitation, or refuse the device that asked with it.
    CloseInvitation {
        /// Which.
        invitation: InvitationId,
    },
    /// Approve the device that asked with an invitation: its person read out the code that the view shows.
    ApproveDevice {
        /// Which.
        invitation: InvitationId,
        /// The code that was compared: a request with another is not approved.
        code: String,
    },
    /// Revoke a device, as a registrar: its calls end, and it can do nothing any more.
    RevokeDevice {
        /// Which.
        device: DeviceId,
        /// Whether it erases its keys and data when it learns of it. A device that is revoked already may be ordered to.
        #[serde(default)]
        erase: bool,
    },
    /// State, as a registrar, that a person lost all devices. A registrar of another person has to confirm it.
    OpenRecovery {
        /// The person.
        person: PersonId,
        /// Why.
        reason: RecoveryReason,
    },
    /// Confirm what another person's registrar stated: the person's devices are revoked, and a link is made for a new one.
    ConfirmRecovery {
        /// Which.
        recovery: RecoveryId,
    },
    /// Withdraw a recovery, or refuse it.
    CloseRecovery {
        /// Which.
        recovery: RecoveryId,
    },
    /// Show a short code that carries an invitation's link, instead of the one that is shown. It is in the view once the office has
    /// allotted its slot.
    ShowCode {
        /// Which; made on this device, and open.
        invitation: InvitationId,
    },
    /// Show the words that the giver and the holder of a line may ask each other for.
    ShowChallenge {
        /// The line.
        line: LineId,
    },
    /// Do not show them any more.
    HideChallenge,
    /// Do not show a short code any more: it delivers nothing from now on.
    HideCode,
    /// Mark alerts of the office as seen, as a security officer.
    SeeAlerts {
        /// Their log indices.
        alerts: Vec<u64>,
    },
    /// The person read that a device was added in their name.
    AcknowledgeDevice {
        /// Which.
        device: DeviceId,
    },
    /// End the shift at this device of a place: whoever is on shift wants to, or nobody used the device for too long.
    EndShift {
        /// Whether nobody used it.
        #[serde(default)]
        idle: bool,
    },
    /// Cancel the ring, or end the call; a listener leaves.
    HangUp,
    /// The same as [`UserCommand::HangUp`], for a listener.
    Leave,
    /// Join a call as a listener, take over one in which somebody acts for this person, or continue here one that this person is in on
    /// another device.
    Listen {
        /// The call.
        call: CallId,
    },
    /// Find people by name, beside those that the office sent. They are added to the list.
    FindPeople {
        /// Prefixes of words of their name or organisation.
        name: String,
    },
    /// This note-taker is available for assignment ([`Event::Assigned`]).
    Available,
    /// The media leg's offer, after [`Output::OpenLeg`].
    Offer {
        /// WebRTC offer.
        sdp: String,
    },
    /// Mute or unmute the microphone. Frames of the same size and rate are sent either way.
    Mute {
        /// Whether it is muted.
        on: bool,
    },
    /// Hold the call with a word to the others, as a party: no device sends sound until [`UserCommand::Resume`].
    Hold {
        /// What is said to those who wait.
        word: HoldWord,
        /// And in one's own words, at most [`telcon_proto::limits::MAX_HOLD_CHARS`].
        #[serde(default)]
        text: String,
    },
    /// End this person's hold.
    Resume,
    /// Ask the principal for whom this person acts, or acted, in the call to it: their devices ring.
    HandOver,
    /// State what this person's side brings to the call, which opens its green room. When both sides are ready, those who act for
    /// somebody ask them to the call by themselves.
    GreenRoom(Box<RoomSaid>),
    /// Speak in a call that was prepared without waiting for the other principal.
    SpeakNow,
    /// The media leg failed.
    MediaFailed,
    /// Clear an ended call from the screen.
    Dismiss,
}

/// A line for somebody who has no device in this office.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewLine {
    /// The name or title of who is to hold it.
    pub name: String,
    /// Their own organisation.
    pub organisation: String,
    /// IANA time zone of where they work.
    pub zone: String,
    /// What it allows.
    pub terms: LineTerms,
    /// How long the link may be used, milliseconds; at most, and if not given,
    /// [`telcon_proto::limits::MAX_INVITATION_MS`].
    #[serde(default)]
    pub valid_ms: Option<u64>,
    /// The principal's delegation, for somebody who acts for them, as the office listed it: the principal confirms who took it.
    #[serde(default)]
    pub under: Option<String>,
}

/// What becomes of a line. What is not given stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LineChange {
    /// What it allows from now on.
    #[serde(default)]
    pub terms: Option<LineTerms>,
    /// Whether it is in use from now on.
    #[serde(default)]
    pub state: Option<LineState>,
}

/// Somebody who is to act for this person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewDelegate {
    /// Who, as the screen showed them.
    pub delegate: Card,
    /// In which ways.
    pub acts: Vec<Act>,
    /// From when, milliseconds since 1970 UTC; now if not given.
    #[serde(default)]
    pub not_before_ms: Option<u64>,
    /// Until when.
    pub not_after_ms: u64,
}

/// A person to invite.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PersonToInvite {
    /// The person, if they have a device already; a new person if not given.
    #[serde(default)]
    pub person: Option<PersonId>,
    /// The name or title to show.
    pub name: String,
    /// Their own organisation.
    pub organisation: String,
    /// Their role in this office.
    pub role: Role,
    /// IANA time zone of where they work.
    pub zone: String,
    /// Whether it is a place, such as an operations room, and not a person: people work at its devices in shifts.
    #[serde(default)]
    pub place: bool,
    /// How long the link may be used, milliseconds; at most, and if not given,
    /// [`telcon_proto::limits::MAX_INVITATION_MS`].
    #[serde(default)]
    pub valid_ms: Option<u64>,
}

/// What the engine wants the program around it to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this to the switchboard.
    Send(ClientMessage),
    /// The view changed: [`Engine::view`](crate::Engine::view).
    View,
    /// Store [`Engine::state_text`](crate::Engine::state_text).
    Persist,
    /// Create a media leg and pass its offer to [`UserCommand::Offer`]. An existing leg is replaced.
    OpenLeg {
        /// The call.
        call: CallId,
    },
    /// The relay's answer to the offer.
    MediaAnswer {
        /// WebRTC answer.
        sdp: String,
    },
    /// Close the media leg.
    CloseLeg,
    /// A verified revocation orders this device to erase everything it stored.
    Erase {
        /// The device's statement that it did, signed while it has the key (`POST /api/v1/erasures`).
        report: String,
    },
    /// The connection timed out: close it and reconnect.
    Reconnect,
    /// An event for the recording session.
    Event(Event),
}

/// An event that a note-taker records.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// This device is in the call, in a new epoch.
    Epoch {
        /// The call.
        call: CallId,
        /// The epoch.
        epoch: u64,
        /// RFC 9420 epoch authenticator.
        authenticator: Vec<u8>,
        /// All holders of the epoch's key.
        members: Vec<(DeviceId, telcon_proto::Card)>,
        /// Those of them who are heard: by their role, or because they act for a party.
        speakers: Vec<DeviceId>,
        /// Who acts, or acted, for a party.
        acts_for: Vec<ActsFor>,
        /// The line that the call is over, verified.
        line: Option<Box<Line>>,
    },
    /// Who is on shift at a device of a place that is in the call, as the office's server says.
    OnShift {
        /// The call.
        call: CallId,
        /// The device.
        device: DeviceId,
        /// Who.
        on_shift: OnShift,
    },
    /// A party holds the call, or does not any more.
    Held {
        /// The call.
        call: CallId,
        /// Who.
        by: Card,
        /// The word to the others, and what was added to it; none when the hold is over.
        said: Option<(HoldWord, String)>,
    },
    /// The call is being prepared, or its principals are connected.
    GreenRoom {
        /// The call.
        call: CallId,
        /// What happened.
        what: RoomEvent,
    },
    /// The office assigned this note-taker to a call: leave any other, and listen to this one.
    Assigned {
        /// The call.
        call: CallId,
    },
    /// Both parties are in the call.
    Live {
        /// The call.
        call: CallId,
    },
    /// The call is over, or this device is out of it.
    Ended {
        /// The call.
        call: CallId,
        /// How it ended.
        how: &'static str,
        /// The party's device that announced it to all members under its own signature. None: only the switchboard did.
        signed_by: Option<DeviceId>,
    },
    /// The office's log has two versions, or the server does not prove that it has one: see [`LogFork::how`].
    LogFork(LogFork),
}
