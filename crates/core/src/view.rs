//! View models: what a screen shows, as plain data. The engine makes them, screens only render them.

use crate::{
    call::{green_room::GreenRoomView, hold::HoldView, message::Caption},
    mls::phrase::Phrase,
    peer_log::LogFork,
};
use serde::Serialize;
use telcon_identity::{VerifiedDevice, VerifiedLine, VerifiedRevocation};
use telcon_proto::{
    CallId, Card, DeviceId, InvitationId, LineId, OfficeAlert, OfficeName, RecordMode, RecoveryId, Role, SuiteName,
    alert::AddedDevice,
    contact::Contact,
    delegation::ActsFor,
    doubt::DoubtedLine,
    line::{LineTerms, Reach},
    message::{DeclineReply, NoticeState},
    reach::PersonsReach,
    recovery::RecoveryReason,
    shift::OnShift,
    short_code::CodeOver,
};

/// Everything a screen shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct View {
    /// Whether there is a connection to the office.
    pub phase: ConnectionState,
    /// Whether the office has sent its whole state since sign-in: the list of calls is complete.
    pub caught_up: bool,
    /// Who this device is, from its own certificate.
    pub you: Option<You>,
    /// The office.
    pub office: Option<OfficeView>,
    /// The people that it can ring.
    pub people: Vec<Contact>,
    /// Whether there are more, who are found by name.
    pub people_more: bool,
    /// The least record mode of a call.
    pub mode: RecordMode,
    /// Bearer token for the HTTP API while connected.
    pub token: Option<String>,
    /// The office refuses this device until its person has unlocked it with a passkey or PIN.
    pub unlock_required: bool,
    /// The person has to sign in with their account at the office's provider: bearer token for that alone.
    pub sso_token: Option<String>,
    /// When the person's sign-in with their account at the office's provider ends, milliseconds since 1970 UTC by this device's clock;
    /// none if they need none, and while the device is not signed in.
    pub account_ends_ms: Option<u64>,
    /// Nobody is on shift at this device of a place: bearer token with which somebody begins one.
    pub shift_token: Option<String>,
    /// Who is on shift at this device of a place, as the office's server says.
    pub shift: Option<OnShift>,
    /// The office refuses this program because of its age.
    pub outdated: bool,
    /// State of the office's log as this device checked it.
    pub log: Option<LogState>,
    /// The call: the one that this person is in or rings, else the first ring.
    pub call: Option<CallView>,
    /// Further rings, in the order of their arrival. Each can be answered and declined.
    pub rings: Vec<CallView>,
    /// The callers whom this person has silenced, from the office's list.
    pub silenced: Vec<Card>,
    /// When this person is reached, if that is theirs to decide, and then those for whom they may answer now: as the office states it.
    pub reach: Vec<PersonsReach>,
    /// What this device may do as a registrar, if the authority appointed it.
    pub registrar: Option<RegistrarView>,
    /// Invitations that are not closed, newest first, for those who may see them.
    pub invitations: Vec<InvitationView>,
    /// Recoveries that are not over, newest first, for those who may see invitations.
    pub recoveries: Vec<RecoveryView>,
    /// When this person was recovered after they had lost all devices, as the office states it; for thirty days.
    pub recovered_ms: Option<u64>,
    /// The verified revocation of this device.
    pub revocation: Option<RevocationView>,
    /// The short code that this device shows, asked for, or showed last.
    pub code: Option<CodeView>,
    /// The words of a line that this person asked to see.
    pub challenge: Option<ChallengeView>,
    /// Changes whenever the lists of devices that this one may see have changed.
    pub devices_changed: u32,
    /// Changes whenever delegations by or to this person, or of the whole office for who may end them, have changed.
    pub delegations_changed: u32,
    /// Changes whenever lines of this person, or of the whole office for who may see them, have changed.
    pub lines_changed: u32,
    /// How often the office reported that a document which this person reads has a new version: the list is read again when it changes.
    pub documents_changed: u32,
    /// Lines whose holder somebody doubted on another line, as the office says: each can be frozen, too.
    pub doubted_lines: Vec<DoubtedLine>,
    /// The office's alerts, for security officers.
    pub office_alerts: Option<OfficeAlertsView>,
    /// Devices that were added in this person's name, until they are acknowledged on this device.
    pub added_devices: Vec<AddedDevice>,
    /// Note-takers, for those who watch calls.
    pub note_takers: Option<NoteTakersView>,
    /// Calls of the office, for staff.
    pub notices: Vec<NoticeView>,
    /// Alerts for the person, newest first.
    pub alerts: Vec<Alert>,
    /// Changes with every alert, also with one that equals an earlier one.
    pub alerts_raised: u32,
}

/// The office's note-takers, as it states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NoteTakersView {
    /// Connected.
    pub connected: u32,
    /// Of these, those that accept no further call now.
    pub busy: u32,
}

/// State of the connection to the office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Signing in.
    Connecting,
    /// No connection.
    Offline,
    /// Signed in.
    Ready,
    /// This device was revoked.
    Revoked,
}

/// A verified revocation of this device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RevocationView {
    /// Whether it orders the device to erase itself.
    pub erase: bool,
    /// The security officer who signed it; none if the office's authority did.
    pub by: Option<Card>,
    /// When it was signed, milliseconds since 1970 UTC by the signer's clock.
    pub at_ms: u64,
}

impl RevocationView {
    /// Of this device; none if the revocation is another device's, or its signer may not revoke this one.
    pub(crate) fn of(revocation: &VerifiedRevocation, me: &VerifiedDevice) -> Option<Self> {
        if revocation.device() != me.device() || !revocation.is_allowed(me.card().role) {
            return None;
        }
        let by = revocation.registrar().map(|registrar| registrar.card().clone());
        Some(Self { erase: revocation.erases(), by, at_ms: revocation.at_ms() })
    }
}

/// This device and its person.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct You {
    /// The person.
    #[serde(flatten)]
    pub card: Card,
    /// The device.
    pub device: DeviceId,
}

/// The office.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OfficeView {
    /// Its domain.
    pub domain: OfficeName,
    /// Its name.
    pub name: String,
    /// Whether its charter has lines: principals give them to counterparts, who ring over them alone.
    pub lines: bool,
}

/// What this device knows of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogState {
    /// Entries of the newest verified tree.
    pub size: u64,
    /// When it was verified, milliseconds since 1970 UTC.
    pub checked_ms: u64,
    /// Whether it continues every tree that this device verified before.
    pub ok: bool,
    /// The problem found, if any.
    pub problem: Option<String>,
}

/// The role of this device in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// This device rang.
    Out,
    /// This device was rung.
    In,
    /// This device listens.
    Listen,
}

/// State of a call on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// The ring is sent; its opening is not in the log yet.
    Opening,
    /// It rings.
    Ringing,
    /// Answered, or asked to join; waiting for keys.
    Answering,
    /// In the call.
    Live,
    /// In the call; the connection to the office is lost.
    Reconnecting,
    /// Ended.
    Ended,
}

/// A call on the screen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CallView {
    /// The call.
    pub call: CallId,
    /// The role of this device.
    pub direction: Direction,
    /// Its state.
    pub state: CallState,
    /// How it ended: a name of [`telcon_proto::Ended`], `taken_elsewhere`, `continued` on another device of this person, or
    /// `stepped_out` before the other principal came: the office goes on with it.
    #[cfg_attr(feature = "schema", schemars(schema_with = "ended_schema"))]
    pub ended: Option<&'static str>,
    /// Who hung up: this person, or the party whose device said so to all members. A server's word alone names nobody.
    pub hung_up_by: Option<Card>,
    /// What went wrong, as a sentence for the person.
    pub problem: Option<String>,
    /// The other party, from a verified certificate; while it rings out, from the office's list.
    pub other: Option<Card>,
    /// The caller.
    pub from: Option<Card>,
    /// The callee.
    pub to: Option<Card>,
    /// Who acts in it for one of the two, by a delegation that this device verified: at most one for each.
    pub acts_for: Vec<ActsForView>,
    /// The line that it is over, verified.
    pub line: Option<LineView>,
    /// What the callee let the caller know when they declined; on the callee's screen, what this person did.
    pub reply: Option<DeclineReply>,
    /// The callee passed the ring to their office, as the server states it.
    pub diverted: bool,
    /// Whether this device's person is heard in it.
    pub speaks: bool,
    /// Whether `other` was verified by this device.
    pub verified: bool,
    /// Record mode.
    pub mode: RecordMode,
    /// The suite.
    pub suite: SuiteName,
    /// The phrase that all screens of the call show.
    pub phrase: Option<Phrase>,
    /// All holders of the current key: nobody else can hear.
    pub members: Vec<MemberView>,
    /// When it was answered, milliseconds since 1970 UTC.
    pub started_ms: Option<u64>,
    /// Whether a verified note-taker is in it and its heartbeats arrive.
    pub note_taker: bool,
    /// Whether one was in it at any time while this device was.
    pub noted: bool,
    /// Whether this device's microphone is off.
    pub muted: bool,
    /// Whether this device's person continues the call here, and their other device has it still: until this one receives sound. It
    /// sends none before.
    pub arriving: bool,
    /// Once it is over here: the device on which this person continues it.
    pub continued_on: Option<DeviceId>,
    /// Who holds the call. While somebody does, no device sends sound.
    pub holds: Vec<HoldView>,
    /// Its green room: what the two sides agree on before the principals join.
    pub green_room: Option<GreenRoomView>,
    /// While it rings: no device of the callee is connected, and the office, as it states, notifies them.
    pub notified: bool,
    /// The epoch.
    pub epoch: Option<u64>,
    /// Log entry of its opening.
    pub opened_index: Option<u64>,
    /// Time of that entry.
    pub opened_ms: Option<u64>,
    /// Log entry of its sealed record, after its end.
    pub kept_index: Option<u64>,
    /// Whether all its records are partial.
    pub partial: bool,
    /// Whether the members were shown the same log of this device's office.
    pub logs: LogComparison,
    /// Checkpoints of members that the log did not sign: their senders' programs are wrong. They were ignored.
    pub invalid_checkpoints: u32,
    /// The note-taker's captions, for those who may read them.
    pub captions: Vec<CaptionView>,
    /// Latency of the newest caption, milliseconds.
    pub captions_behind_ms: Option<u64>,
}

/// Result of comparing the log of this device with those of the other members of its office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LogComparison {
    /// At least one other member's checkpoint was not compared yet: older programs and note-takers that cannot record send none, and
    /// a server can withhold them.
    Unknown,
    /// A checkpoint of every other member of this device's office was compared, and is part of the log that this device follows.
    Same,
    /// One is not: see the alert.
    Different,
}

#[cfg(feature = "schema")]
fn ended_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let logged = generator.subschema_for::<telcon_proto::Ended>();
    schemars::json_schema!({ "anyOf": [logged, { "const": "taken_elsewhere" }, { "const": "continued" }, { "const": "stepped_out" }, { "type": "null" }] })
}

/// Who acts in a call for one of its parties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ActsForView {
    /// Who, for whom, and what they did.
    #[serde(flatten)]
    pub acts: ActsFor,
    /// Whether the party took the call over: who acted listens since.
    pub taken_over: bool,
}

/// A member of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberView {
    /// The person, from the certificate.
    #[serde(flatten)]
    pub card: Card,
    /// The device.
    pub device: DeviceId,
    /// Whether it is this one.
    pub you: bool,
    /// Whether it is heard: by its person's role, or because they act for a party.
    pub speaks: bool,
    /// Whether its microphone is off.
    pub muted: bool,
    /// Whether it is a note-taker whose heartbeats are overdue.
    pub lost: bool,
    /// Who is on shift at it, if it is a device of a place, as the office's server says.
    pub on_shift: Option<OnShift>,
}

/// A caption on the screen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CaptionView {
    /// The speaker's name, from the certificate.
    pub name: String,
    /// The caption.
    #[serde(flatten)]
    pub caption: Caption,
}

/// The line that a call is over, as its giver signed it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LineView {
    /// Which.
    pub line: LineId,
    /// Its version.
    pub version: u32,
    /// Who gave it.
    pub principal: Card,
    /// Who holds it.
    pub holder: Card,
    /// What it is for.
    pub purpose: String,
    /// Whom it reaches.
    pub reach: Reach,
    /// The lowest record mode of calls over it.
    pub mode: RecordMode,
}

impl LineView {
    /// Of a verified version.
    pub(crate) fn of(verified: &VerifiedLine) -> Self {
        let line = verified.content();
        Self {
            line: line.line,
            version: line.version,
            principal: line.principal.clone(),
            holder: line.holder.clone(),
            purpose: line.terms.purpose.clone(),
            reach: line.terms.reach,
            mode: line.terms.mode,
        }
    }
}

/// A call of the office, for staff.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NoticeView {
    /// The call.
    pub call: CallId,
    /// Who rang.
    pub from: Card,
    /// Who was rung.
    pub to: Card,
    /// Record mode.
    pub mode: RecordMode,
    /// Its state.
    pub state: NoticeState,
    /// Devices in it.
    pub members: usize,
    /// When it was opened, milliseconds since 1970 UTC.
    pub opened_ms: u64,
    /// Log entry of its sealed record.
    pub kept_index: Option<u64>,
    /// Whether all its records are partial.
    pub partial: bool,
    /// Whether this device may join it as a listener now.
    pub can_listen: bool,
    /// Who acts in it for a party, according to the office.
    pub acts_for: Vec<ActsFor>,
    /// Whether somebody acts in it for this device's person, who may take it over now.
    pub can_take_over: bool,
    /// Whether this device's person is in it on another device, according to the office, and may continue it here.
    pub can_continue: bool,
    /// This person's devices in it, according to the office.
    pub own_devices: Vec<DeviceId>,
    /// Whether the principal for whom somebody acts in it was asked to it and has not come.
    pub asked: bool,
    /// Until when that rings here, milliseconds since 1970 UTC by this device's clock; none if it is somebody else who was asked.
    pub asks_until_ms: Option<u64>,
    /// Whether a note-taker is in it and responsive, according to the office.
    pub noted: bool,
    /// Whether one is joining, according to the office: another need not.
    pub note_taker_asks: bool,
}

/// The office's alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OfficeAlertsView {
    /// How many no security officer has seen.
    pub unseen: u64,
    /// The newest, newest first. The list has all of them.
    pub newest: Vec<OfficeAlert>,
    /// Changes whenever the list has changed.
    pub changes: u32,
}

/// What a registrar may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegistrarView {
    /// The roles whose people it may enrol.
    pub roles: Vec<Role>,
}

/// An invitation on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InvitationView {
    /// Which.
    pub invitation: InvitationId,
    /// The person.
    pub card: Card,
    /// When it was made, milliseconds since 1970 UTC.
    pub made_ms: u64,
    /// Until when a device may ask with it, or, once one has asked, until when it waits.
    pub expires_ms: u64,
    /// Whether this device made it, and so has its link and can approve it first.
    pub made_here: bool,
    /// The fragment of its link, until a device has asked with it.
    pub link: Option<String>,
    /// The device that asks.
    pub request: Option<RequestView>,
    /// How many times another device tried to use the link since.
    pub refused_requests: u64,
    /// How many security officers have to approve the device that asks: one or two, by the office's charter; two of a recovery.
    pub approvals_needed: u8,
    /// The recovery that it belongs to.
    pub recovery: Option<RecoveryId>,
    /// Of an invitation to take a line: what it allows.
    pub line: Option<LineTerms>,
    /// A delegate offers that line for a principal.
    pub offered_for: Option<OfferedForView>,
    /// The first of two security officers who approved the device that asks, verified.
    pub first_approval: Option<ApprovalView>,
}

/// The words of a line that its giver and its holder may ask each other for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChallengeView {
    /// The line.
    pub line: LineId,
    /// The words, in their order; none if the line was not bound on this device.
    pub words: Option<Vec<String>>,
}

/// A line that a delegate offers for a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OfferedForView {
    /// The principal.
    pub principal: Card,
    /// The delegate: as certified once there is an attestation, and by the office's account before that.
    pub delegate: Card,
    /// When the delegate's device attested that the code of the device that asked was compared, milliseconds since 1970 UTC, by the
    /// office's account. The principal's devices verify the attestation, and show the code only then.
    pub attested_ms: Option<u64>,
}

/// A recovery on the screen of a security officer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecoveryView {
    /// Which.
    pub recovery: RecoveryId,
    /// The person who lost all devices.
    pub card: Card,
    /// Why, as stated. None if the statement does not verify.
    pub reason: Option<RecoveryReason>,
    /// The security officer who opened it, verified.
    pub by: Option<Card>,
    /// Whether this device's person did, on whatever device.
    pub own: bool,
    /// Whether this device's person may confirm it: it is verified, somebody else's, about somebody else, and not confirmed.
    pub can_confirm: bool,
    /// When it was opened, milliseconds since 1970 UTC, by the office's clock.
    pub opened_ms: u64,
    /// Until when it may be confirmed, and a device enrolled.
    pub expires_ms: u64,
    /// The person's devices that are not revoked.
    pub devices: Vec<DeviceId>,
    /// The security officer who confirmed it, verified.
    pub confirmed_by: Option<Card>,
    /// Why it cannot be confirmed or used: what the office sent does not verify.
    pub problem: Option<String>,
}

/// A short code that carries an invitation's link.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeView {
    /// The invitation.
    pub invitation: InvitationId,
    /// To be read out; none before the office has allotted a slot, and once it is over.
    pub code: Option<String>,
    /// Until when it can be typed, milliseconds since 1970 UTC.
    pub expires_ms: Option<u64>,
    /// How many wrong codes were typed.
    pub wrong: u8,
    /// Why it cannot be typed any more.
    pub over: Option<CodeOver>,
    /// Attempts with its slot after it was used, by devices that did not prove that they know the code.
    pub tried: u32,
    /// Another device had it, and tried it after it was used.
    pub late: bool,
}

/// Does not show the code.
impl std::fmt::Debug for CodeView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CodeView({:?}, {} wrong, over: {:?})", self.invitation, self.wrong, self.over)
    }
}

/// The first of two security officers' approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApprovalView {
    /// Who.
    pub by: Card,
    /// Whether this device's person did, on whatever device: somebody else has to approve second.
    pub own: bool,
    /// When, milliseconds since 1970 UTC, by the office's clock.
    pub at_ms: u64,
}

/// A device that asks to be enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestView {
    /// What it says it is.
    pub label: String,
    /// The code to compare with the person, over another channel than the link's. None if the request does not verify.
    pub code: Option<String>,
    /// Why it does not verify, for the person.
    pub problem: Option<String>,
}

/// An alert for the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Alert {
    /// Severity.
    pub level: AlertLevel,
    /// One sentence.
    pub text: String,
    /// The evidence, of an alert that the office's log has two versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork: Option<LogFork>,
}

/// Severity of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AlertLevel {
    /// An attack, or what looks like one.
    Red,
    /// Something needs attention.
    Amber,
}
