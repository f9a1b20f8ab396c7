//! What a screen shows, as plain data: the engine makes it, views only draw it.

use crate::captions::Caption;
use serde::Serialize;
use telcon_proto::{CallId, Card, DeviceId, RecordMode, SuiteName, message::NoticeState, words::Contact};

/// Everything a screen shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Whether there is a connection to the office.
    pub phase: Phase,
    /// Whether the office has answered since it told this device what goes on: calls in the list are all there are.
    pub caught_up: bool,
    /// Who this device is, from its own certificate.
    pub you: Option<You>,
    /// The office.
    pub office: Option<OfficeName>,
    /// Whom it can ring.
    pub people: Vec<Contact>,
    /// The least that is kept of a call.
    pub mode: RecordMode,
    /// Bearer token for the HTTP API while connected.
    pub token: Option<String>,
    /// State of the office's log as this device checked it.
    pub log: Option<LogState>,
    /// The call.
    pub call: Option<CallView>,
    /// Calls of the office, for staff.
    pub notices: Vec<NoticeView>,
    /// What a person must know.
    pub alerts: Vec<Alert>,
}

/// Whether there is a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Signing in.
    Connecting,
    /// No connection.
    Offline,
    /// Signed in.
    Ready,
    /// This device was revoked.
    Revoked,
}

/// This device and its person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct You {
    /// The person.
    #[serde(flatten)]
    pub card: Card,
    /// The device.
    pub device: DeviceId,
}

/// The office.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfficeName {
    /// Its domain.
    pub domain: String,
    /// Its name.
    pub name: String,
}

/// What this device knows of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogState {
    /// Entries of the newest verified tree.
    pub size: u64,
    /// When it was verified, milliseconds since 1970 UTC.
    pub checked_ms: u64,
    /// Whether it continues all that this device saw before.
    pub ok: bool,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// Which way a call goes, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// This device rang.
    Out,
    /// This device was rung.
    In,
    /// It listens.
    Listen,
}

/// Where a call stands, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Asked for, not in the log yet.
    Opening,
    /// It rings.
    Ringing,
    /// Answered or asked to join; keys are on their way.
    Answering,
    /// In the call.
    Live,
    /// In the call, and the connection is lost.
    Reconnecting,
    /// Over.
    Ended,
}

/// A call on the screen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallView {
    /// The call.
    pub call: CallId,
    /// Which way.
    pub direction: Direction,
    /// Where it stands.
    pub state: CallState,
    /// How it ended.
    pub ended: Option<&'static str>,
    /// What went wrong, for a person.
    pub problem: Option<String>,
    /// The other party, from a verified certificate (of a person rung and not yet answered: from the list).
    pub other: Option<Card>,
    /// Who rang.
    pub from: Option<Card>,
    /// Who was rung.
    pub to: Option<Card>,
    /// Whether `other` was verified by this device.
    pub verified: bool,
    /// What is kept.
    pub mode: RecordMode,
    /// The suite.
    pub suite: SuiteName,
    /// The phrase that all screens of the call show.
    pub phrase: Option<crate::phrase::Phrase>,
    /// Everybody who holds a key: nobody else can hear.
    pub members: Vec<MemberView>,
    /// When it was answered, milliseconds since 1970 UTC.
    pub started_ms: Option<u64>,
    /// Whether a note-taker is in it now, by the verified list, and says that it writes.
    pub note_taker: bool,
    /// Whether one was in it at any time while this device was.
    pub noted: bool,
    /// Whether this device's microphone is off.
    pub muted: bool,
    /// The epoch.
    pub epoch: Option<u64>,
    /// Log entry of its opening.
    pub opened_index: Option<u64>,
    /// Time of that entry.
    pub opened_ms: Option<u64>,
    /// Log entry of its sealed record, after its end.
    pub kept_index: Option<u64>,
    /// Whether every note-taker that brought a record of it says that something is missing.
    pub partial: bool,
    /// What the note-taker heard, for those who may read it.
    pub captions: Vec<CaptionView>,
    /// How far the newest caption was behind the words.
    pub captions_behind_ms: Option<u64>,
}

/// A member of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberView {
    /// Who, from the certificate.
    #[serde(flatten)]
    pub card: Card,
    /// The device.
    pub device: DeviceId,
    /// Whether it is this one.
    pub you: bool,
    /// Whether its microphone is off.
    pub muted: bool,
    /// A note-taker that has not said for a while that it is there.
    pub lost: bool,
}

/// A caption on the screen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaptionView {
    /// The speaker's name, from the certificate.
    pub name: String,
    /// The caption.
    #[serde(flatten)]
    pub caption: Caption,
}

/// A call of the office, for staff.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoticeView {
    /// The call.
    pub call: CallId,
    /// Who rang.
    pub from: Card,
    /// Who was rung.
    pub to: Card,
    /// What is kept.
    pub mode: RecordMode,
    /// Where it stands.
    pub state: NoticeState,
    /// Devices in it.
    pub members: usize,
    /// When it was opened, milliseconds since 1970 UTC.
    pub opened_ms: u64,
    /// Log entry of its sealed record.
    pub kept_index: Option<u64>,
    /// Whether every note-taker that brought a record of it says that something is missing.
    pub partial: bool,
    /// Whether this device may join it as a listener now.
    pub can_listen: bool,
    /// Whether a note-taker is in it and can be heard, as the office says.
    pub noted: bool,
    /// Whether one is about to be, as the office says: another need not come.
    pub note_taker_asks: bool,
}

/// Something a person must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// How bad.
    pub level: AlertLevel,
    /// One sentence.
    pub text: String,
}

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertLevel {
    /// An attack, or what looks like one.
    Red,
    /// Something is due or not right.
    Amber,
}
