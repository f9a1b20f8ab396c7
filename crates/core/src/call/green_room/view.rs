//! What screens show of a green room.

use super::{GreenRoom, LATE_MS, RoomParty, RoomTerms, Seat};
use serde::Serialize;
use telcon_proto::{Card, RecordMode};

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RoomSide {
    /// Who rang, or for whom.
    Caller,
    /// Who was rung.
    Callee,
}

/// One side of a green room, as it stated it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomSideView {
    /// The party.
    pub principal: Option<Card>,
    /// The delegate who acts for them; none of a party that takes part in person.
    pub by: Option<Card>,
    /// Whether the party is in the call.
    pub here: bool,
    /// Whether the side stated anything.
    pub stated: bool,
    /// What it brings.
    pub terms: RoomTerms,
    /// It agrees to the record mode.
    pub agrees_mode: bool,
    /// It heard the other side.
    pub heard: bool,
    /// It is ready with what the other side states now.
    pub ready: bool,
    /// It was ready, and the other side changed something since.
    pub outdated: bool,
    /// Until when it needs more time, milliseconds since 1970 UTC by its own clock.
    pub more_until_ms: Option<u64>,
}

/// The green room of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GreenRoomView {
    /// The side of this device's person; none for other members.
    pub own: Option<RoomSide>,
    /// Whether this device's person states what their side brings.
    pub may_state: bool,
    /// Who rang, or for whom.
    pub caller: RoomSideView,
    /// Who was rung.
    pub callee: RoomSideView,
    /// Whether this device waits: it neither sends nor plays sound.
    pub waits: bool,
    /// When both principals were connected, milliseconds since 1970 UTC.
    pub connected_ms: Option<u64>,
    /// When one principal will have waited too long for the other one, milliseconds since 1970 UTC.
    pub late_at_ms: Option<u64>,
    /// Messages of members who speak for no side. They changed nothing: the senders' programs are wrong.
    pub ignored: u32,
}

impl GreenRoom {
    /// What a screen shows. None without a green room; a principal who waits to be told has one.
    pub(in crate::call) fn view(
        &self,
        seat: Option<Seat>,
        parties: &[RoomParty; 2],
        mode: RecordMode,
    ) -> Option<GreenRoomView> {
        let waits = self.waits(seat, parties);
        if !self.is_open() && !waits {
            return None;
        }
        let side = |of: usize| {
            let (party, statement) = (&parties[of], self.statements[of].as_ref());
            let pressed = statement.is_some_and(|statement| statement.ready_for.is_some());
            let ready = self.is_ready(of, mode);
            RoomSideView {
                principal: party.principal.clone(),
                by: party.delegate.clone(),
                here: party.is_here(),
                stated: statement.is_some(),
                terms: statement.map(|statement| statement.terms.clone()).unwrap_or_default(),
                agrees_mode: statement.is_some_and(|statement| statement.mode == Some(mode)),
                heard: statement.is_some_and(|statement| statement.heard),
                ready,
                outdated: pressed && !ready,
                more_until_ms: statement.and_then(|statement| statement.more_until_ms),
            }
        };
        let preparing = self.connected_ms.is_none();
        let waiting_since_ms = self.here_since_ms.iter().flatten().min().copied();
        Some(GreenRoomView {
            own: seat.map(|seat| if seat.side == 0 { RoomSide::Caller } else { RoomSide::Callee }),
            may_state: seat.is_some_and(|seat| !seat.in_person || parties[seat.side].delegate.is_none()) && preparing,
            caller: side(0),
            callee: side(1),
            waits,
            connected_ms: self.connected_ms,
            late_at_ms: waiting_since_ms.filter(|_| preparing).map(|since_ms| since_ms + LATE_MS),
            ignored: self.ignored,
        })
    }
}
