//! The green room: a call that those who act for its parties prepare before the principals join it.
//!
//! Nobody but its members knows of it: they agree in messages of the group, each of which counts for the side of the person whose
//! certificate signed it. The principals' devices join as members that neither send nor play sound, until a principal of each side is
//! a member and receives. Each device decides this from the verified members, not from what the server says.

pub mod view;

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use telcon_proto::{
    Card, DeviceId, RecordMode,
    limits::{MAX_ROOM_LINE_CHARS, MAX_ROOM_LINES, MAX_ROOM_MINUTES},
    printable::printable,
};

/// Size to which a message of the green room is padded, bytes: its length must not tell how much was written. The longest texts fit,
/// at four bytes for each character.
pub(super) const PADDED_BYTES: usize = 8 * 1024;
/// How long two principals who are members wait for the word that the other one receives, milliseconds: a leg that fails, or an older
/// program, must not keep them apart.
const TOGETHER_MS: u64 = 3_000;
/// How far ahead of this device's clock the other side may say that this one's last revision is, milliseconds. More is a mistake, or
/// would use up the numbers.
const MAX_AHEAD_MS: u64 = 3_600_000;
/// How long a principal waits before the screens say that the other one does not come, milliseconds.
const LATE_MS: u64 = 120_000;

/// What becomes of a side's aides once the principals are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Aides {
    /// They stay in the call and listen.
    #[default]
    Stay,
    /// They leave it.
    Leave,
}

/// What one side brings to the call, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoomTerms {
    /// Who will be in the room beside the principal, a line each: at most [`MAX_ROOM_LINES`] of [`MAX_ROOM_LINE_CHARS`].
    pub present: Vec<String>,
    /// Who will listen.
    pub listening: Vec<String>,
    /// Interpreters.
    pub interpreters: Vec<String>,
    /// What the side's aides do after the hand-over.
    pub aides: Aides,
}

/// What a person states for their side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoomSaid {
    /// What it brings.
    #[serde(default)]
    pub terms: RoomTerms,
    /// It agrees to the call's record mode.
    #[serde(default)]
    pub agrees_mode: bool,
    /// It heard the other side.
    #[serde(default)]
    pub heard: bool,
    /// It is ready, with what the other side stated until now.
    #[serde(default)]
    pub ready: bool,
    /// It needs this many minutes more, at most [`MAX_ROOM_MINUTES`]. Readiness ends that.
    #[serde(default)]
    pub more_minutes: u8,
}

/// The same in a message to the members. The newest of a side counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Greater than that of any statement of this side before: the time of the sender's clock, if that is.
    revision: u64,
    /// The revision in which the terms, the mode or the sound check last changed.
    terms_revision: u64,
    terms: RoomTerms,
    /// The record mode that it agrees to.
    mode: Option<RecordMode>,
    heard: bool,
    /// It is ready with the other side's terms of this revision; zero when there were none.
    ready_for: Option<u64>,
    /// Until when it asked the others to wait, milliseconds since 1970 UTC by the sender's clock.
    more_until_ms: Option<u64>,
    /// The newest revision of the other side that the sender knows; zero for none. A device that was reloaded, or whose clock is slow,
    /// learns from it what its next one has to exceed.
    seen: u64,
}

/// One side of the call, from its ring, its delegations and its members.
#[derive(Clone, Debug, Default)]
pub(super) struct RoomParty {
    /// The party.
    pub(super) principal: Option<Card>,
    /// Who acts, or acted, for them.
    pub(super) delegate: Option<Card>,
    /// The party's devices that are members.
    pub(super) devices: Vec<DeviceId>,
}

impl RoomParty {
    fn is_here(&self) -> bool {
        !self.devices.is_empty()
    }

    /// Whether a principal joined in place of who acts for them.
    fn took_over(&self) -> bool {
        self.delegate.is_some() && self.is_here()
    }
}

/// Of which side a member is, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// 0 is the caller's, 1 the callee's.
    pub(super) side: usize,
    /// Whether it is the party in person.
    pub(super) in_person: bool,
}

/// Whether the call is prepared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Known {
    /// This device joined later, and nobody told it.
    #[default]
    Unknown,
    /// It was not when this device rang or answered, or as a delegate said.
    No,
    /// A member of a side stated something.
    Yes,
}

/// What happened in the green room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum RoomEvent {
    /// The call is being prepared.
    Opened,
    /// Both principals are connected.
    Connected {
        /// What each side had stated, the caller's first.
        agreed: [Option<RoomTerms>; 2],
    },
}

/// The green room of a call on this device.
#[derive(Debug, Default)]
pub(super) struct GreenRoom {
    known: Known,
    statements: [Option<Statement>; 2],
    /// The newest revision of each side, by what the other one has seen.
    seen: [u64; 2],
    /// Principals' devices that said that they receive.
    in_place: BTreeSet<DeviceId>,
    /// Since when both principals are members, by engine uptime.
    together_since_ms: Option<u64>,
    /// Since when a side's principal is a member, milliseconds since 1970 UTC.
    here_since_ms: [Option<u64>; 2],
    /// When both were connected, milliseconds since 1970 UTC.
    connected_ms: Option<u64>,
    /// The person of this device speaks without waiting.
    speaks_now: bool,
    /// This device asked its principal to the call, for the present agreement.
    asked: bool,
    /// Messages of members who are of no side.
    ignored: u32,
}

/// A change of the green room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// None.
    Nothing,
    /// It is open from now on.
    Opened,
    /// Something was stated.
    Stated,
}

fn lines(of: &[String]) -> Vec<String> {
    let shown = |line: &String| printable(line.trim()).chars().take(MAX_ROOM_LINE_CHARS).collect::<String>();
    of.iter().map(shown).filter(|line| !line.is_empty()).take(MAX_ROOM_LINES).collect()
}

impl RoomTerms {
    /// As they can be shown and sent.
    fn limited(&self) -> Self {
        Self {
            present: lines(&self.present),
            listening: lines(&self.listening),
            interpreters: lines(&self.interpreters),
            aides: self.aides,
        }
    }
}

impl Statement {
    fn limited(self, now_ms: u64) -> Self {
        let longest_ms = now_ms + u64::from(MAX_ROOM_MINUTES) * 60_000;
        let more_until_ms = self.more_until_ms.map(|until_ms| until_ms.min(longest_ms));
        Self { terms: self.terms.limited(), more_until_ms, ..self }
    }

    fn content(&self) -> (&RoomTerms, Option<RecordMode>, bool) {
        (&self.terms, self.mode, self.heard)
    }
}

impl GreenRoom {
    /// Of a device that rang or answered: nobody prepares the call so far.
    pub(super) fn none_yet() -> Self {
        Self { known: Known::No, ..Self::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.known == Known::Yes
    }

    fn is_preparing(&self) -> bool {
        self.is_open() && self.connected_ms.is_none()
    }

    /// Whether who acts for a principal who waits goes on speaking to the other side. Not once both principals are members: a delegate
    /// whose device joins again then would be heard by them.
    pub(super) fn has_aides_speak(&self) -> bool {
        self.is_preparing() && self.together_since_ms.is_none()
    }

    /// Whether this device's person may open it: before any principal has joined.
    fn may_open(&self, parties: &[RoomParty; 2]) -> bool {
        self.is_open()
            || parties.iter().any(|party| party.delegate.is_some()) && !parties.iter().any(RoomParty::took_over)
    }

    /// A statement for this device's side, to be sent to the members. None when it cannot be made.
    pub(super) fn state(
        &mut self,
        side: usize,
        said: &RoomSaid,
        mode: RecordMode,
        parties: &[RoomParty; 2],
        now_ms: u64,
    ) -> Option<(Change, Statement)> {
        if !self.may_open(parties) || self.connected_ms.is_some() {
            return None;
        }
        let before = self.statements[side].as_ref();
        let newest = before.map_or(0, |before| before.revision).max(self.seen[side]);
        let revision = now_ms.max(newest.saturating_add(1));
        let other = self.statements[1 - side].as_ref();
        let (other, seen) = other.map_or((0, 0), |other| (other.terms_revision, other.revision));
        let minutes = u64::from(said.more_minutes.min(MAX_ROOM_MINUTES));
        let ready = said.ready && minutes == 0;
        let more_until_ms = match minutes {
            0 => before.and_then(|before| before.more_until_ms),
            minutes => Some(now_ms + minutes * 60_000),
        };
        let mut statement = Statement {
            revision,
            terms_revision: revision,
            terms: said.terms.limited(),
            mode: said.agrees_mode.then_some(mode),
            heard: said.heard,
            ready_for: ready.then_some(other),
            more_until_ms: more_until_ms.filter(|_| !ready),
            seen,
        };
        if let Some(same) = before.filter(|before| before.content() == statement.content()) {
            statement.terms_revision = same.terms_revision;
        }
        let opened = if self.is_open() { Change::Stated } else { Change::Opened };
        self.known = Known::Yes;
        self.statements[side] = Some(statement.clone());
        Some((opened, statement))
    }

    /// A member sent a statement. It counts for the member's own side only, and only with a higher revision than every earlier one of that side:
    /// the server may reorder messages.
    pub(super) fn on_statement(
        &mut self,
        from: Option<Seat>,
        own: Option<Seat>,
        statement: Statement,
        parties: &[RoomParty; 2],
        now_ms: u64,
    ) -> Change {
        let Some(Seat { side, .. }) = from else {
            self.ignored = self.ignored.saturating_add(1);
            return Change::Nothing;
        };
        if statement.seen <= now_ms + MAX_AHEAD_MS {
            self.seen[1 - side] = self.seen[1 - side].max(statement.seen);
        }
        // A conversation that has begun is not made a green room by the other side: the principal would fall silent.
        let begun = self.known == Known::No
            && parties.iter().any(RoomParty::took_over)
            && own.is_none_or(|own| own.side != side);
        let older = self.statements[side].as_ref().is_some_and(|known| known.revision >= statement.revision);
        if begun || older || self.connected_ms.is_some() {
            return Change::Nothing;
        }
        let opened = if self.is_open() { Change::Stated } else { Change::Opened };
        self.known = Known::Yes;
        self.statements[side] = Some(statement.limited(now_ms));
        opened
    }

    /// A delegate said that the call is not prepared. A principal's device believes its own delegate alone: the other side's could have
    /// it open its microphone too early.
    pub(super) fn on_none(&mut self, from: Option<Seat>, own: Option<Seat>) {
        let Some(Seat { side, in_person: false }) = from else { return };
        let believed = own.is_none_or(|own| own.side == side || !own.in_person);
        if believed && self.known == Known::Unknown {
            self.known = Known::No;
        }
    }

    /// A principal's device said that it receives.
    pub(super) fn on_in_place(&mut self, device: DeviceId) {
        self.in_place.insert(device);
    }

    /// This device's person does not wait for the other principal.
    pub(super) fn speak_now(&mut self) {
        self.speaks_now = true;
    }

    /// What this device's side stated, for members who may not know it.
    pub(super) fn statement(&self, side: usize) -> Option<Statement> {
        let seen = self.statements[1 - side].as_ref().map_or(0, |other| other.revision);
        self.statements[side].clone().map(|statement| Statement { seen, ..statement })
    }

    /// Whether those who join have to be told that there is none: a principal would wait otherwise.
    pub(super) fn denies(&self, parties: &[RoomParty; 2]) -> bool {
        self.known == Known::No
            && parties.iter().all(|party| party.delegate.is_some())
            && !parties.iter().all(RoomParty::is_here)
    }

    /// Whether a side is ready, with what the other one states now.
    fn is_ready(&self, side: usize, mode: RecordMode) -> bool {
        let other = self.statements[1 - side].as_ref().map_or(0, |other| other.terms_revision);
        let ready = |one: &Statement| one.heard && one.mode == Some(mode) && one.ready_for == Some(other);
        self.statements[side].as_ref().is_some_and(ready)
    }

    /// Whether this delegate's device has to ask its principal to the call: once for each agreement.
    pub(super) fn take_hand_over(&mut self, seat: Option<Seat>, mode: RecordMode, parties: &[RoomParty; 2]) -> bool {
        let both = self.is_preparing() && self.is_ready(0, mode) && self.is_ready(1, mode);
        let mine = seat.filter(|seat| !seat.in_person && !parties[seat.side].is_here());
        let due = both && mine.is_some() && !self.asked;
        self.asked = both && (self.asked || due);
        due
    }

    /// Follows the members and the time. Says that both principals are connected, when that is new.
    pub(super) fn settle(&mut self, parties: &[RoomParty; 2], uptime_ms: u64, now_ms: u64) -> Option<RoomEvent> {
        for (side, party) in parties.iter().enumerate() {
            self.here_since_ms[side] = party.took_over().then(|| self.here_since_ms[side].unwrap_or(now_ms));
        }
        self.in_place.retain(|device| parties.iter().any(|party| party.devices.contains(device)));
        let together = parties.iter().all(RoomParty::is_here) && parties.iter().any(|party| party.delegate.is_some());
        self.together_since_ms = together.then(|| self.together_since_ms.unwrap_or(uptime_ms));
        let since_ms = self.together_since_ms.filter(|_| self.is_preparing())?;
        // A party in person has been heard before.
        let receives = |party: &RoomParty| {
            party.delegate.is_none() || party.devices.iter().any(|device| self.in_place.contains(device))
        };
        if !parties.iter().all(receives) && uptime_ms < since_ms + TOGETHER_MS {
            return None;
        }
        self.connected_ms = Some(now_ms);
        let agreed = [0, 1].map(|side| self.statements[side].as_ref().map(|statement| statement.terms.clone()));
        Some(RoomEvent::Connected { agreed })
    }

    /// When [`GreenRoom::settle`] has to be called without another reason, by engine uptime.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.together_since_ms.filter(|_| self.is_preparing()).map(|since_ms| since_ms + TOGETHER_MS)
    }

    /// Whether a device neither sends nor plays sound: a principal's, until the other principal is a member too. A device that has not
    /// learned whether the call is prepared waits as well, because the server could withhold the message that says so.
    pub(super) fn waits(&self, seat: Option<Seat>, parties: &[RoomParty; 2]) -> bool {
        let Some(Seat { side, in_person: true }) = seat else { return false };
        if self.speaks_now || self.connected_ms.is_some() || parties[side].delegate.is_none() {
            return false;
        }
        let other = &parties[1 - side];
        match self.known {
            Known::Yes => true,
            Known::Unknown => other.delegate.is_some() && !other.is_here(),
            Known::No => false,
        }
    }

    /// Whether the aides of a side leave now.
    pub(super) fn leaves(&self, seat: Option<Seat>) -> bool {
        let Some(Seat { side, in_person: false }) = seat else { return false };
        let leave = |statement: &Statement| statement.terms.aides == Aides::Leave;
        self.connected_ms.is_some() && self.statements[side].as_ref().is_some_and(leave)
    }
}
