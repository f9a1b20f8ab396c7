//! When a call takes place: offers, picks, and what became of it.

pub use crate::action::Side;
use crate::content::*;
use serde::{Deserialize, Serialize};
use telcon_proto::{ItemId, PersonId};

/// Longest call that may be asked for, minutes.
pub const MAX_LENGTH_MIN: u16 = 480;
/// Most times offered at once.
pub const MAX_OFFERS: usize = 5;
/// Most rounds of offers and counter-offers.
pub const MAX_ROUNDS: usize = 32;

/// A time that a call could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Its start, milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// How long, minutes.
    pub length_min: u16,
}

impl Slot {
    /// Its end, milliseconds since the Unix epoch.
    pub fn end_ms(&self) -> u64 {
        self.start_ms.saturating_add(u64::from(self.length_min) * 60_000)
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        time("start_ms", self.end_ms())?;
        ensure((1..=MAX_LENGTH_MIN).contains(&self.length_min), "length_min", Reason::OutOfRange)
    }
}

/// One place of a call, and its clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Whose: `The President`.
    pub of: String,
    /// IANA zone.
    pub zone: String,
    /// Where: `Oval Office`; may be empty.
    pub place: String,
}

impl Place {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        short("of", &self.of)?;
        optional("place", &self.place, MAX_SHORT_CHARS)?;
        let is_zone_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
        let is_zone = (1..=64).contains(&self.zone.len()) && self.zone.bytes().all(is_zone_char);
        ensure(is_zone, "zone", Reason::OutOfRange)
    }
}

/// One round: times that a side offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// Identifies it.
    pub id: ItemId,
    /// Which side offers.
    pub side: Side,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The times, at most [`MAX_OFFERS`].
    pub slots: Vec<Slot>,
    /// The other side's choice among them; none while it waits, or if it made a counter-offer.
    pub picked: Option<u8>,
}

/// Where a schedule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum Standing {
    /// Times are being offered.
    Offering,
    /// A time was agreed.
    Confirmed {
        /// The time.
        slot: Slot,
    },
    /// A time that had been agreed was cancelled.
    Cancelled {
        /// The time that it had.
        slot: Slot,
    },
}

/// A reminder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reminder {
    /// Minutes before the start.
    pub before_min: u32,
    /// Whom.
    pub person: PersonId,
}

/// Why a step is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The step does not fit to where the schedule stands.
    #[error("the call is not at a point where this is possible")]
    Standing,
    /// The offer does not have the chosen time.
    #[error("this time was not offered")]
    NotOffered,
    /// The offer is the chooser's own.
    #[error("a side cannot accept its own offer")]
    OwnOffer,
    /// Too many rounds, or times in a round.
    #[error("there are too many offers")]
    TooMany,
}

/// The schedule of one planned call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// [`Content::VERSION`].
    pub version: u32,
    /// The call's identity in calendars (RFC 7986, section 5.3): random, so that it says nothing.
    pub uid: ItemId,
    /// The title in calendars: `Private call`, or what the office wants.
    pub title: String,
    /// The places, ours first.
    pub places: Vec<Place>,
    /// Offers, oldest first.
    pub rounds: Vec<Round>,
    /// Where it stands.
    pub standing: Standing,
    /// RFC 5545, section 3.8.7.4: grows with each change that calendars have to learn.
    pub sequence: u32,
    /// When it was confirmed, moved or cancelled, milliseconds since the Unix epoch; 0 while offers are open.
    pub changed_ms: u64,
    /// Reminders.
    pub reminders: Vec<Reminder>,
}

impl Schedule {
    /// A schedule without offers. `uid` is drawn at random by the caller.
    pub fn new(uid: ItemId, title: &str, places: Vec<Place>) -> Self {
        Self {
            version: Self::VERSION,
            uid,
            title: title.to_owned(),
            places,
            rounds: Vec::new(),
            standing: Standing::Offering,
            sequence: 0,
            changed_ms: 0,
            reminders: Vec::new(),
        }
    }

    /// Offers times, or others than the other side offered. Of a confirmed call: to move it; it stays confirmed until the other side
    /// picks.
    pub fn offer(&mut self, id: ItemId, side: Side, slots: Vec<Slot>, now_ms: u64) -> Result<(), ScheduleError> {
        if slots.is_empty() || slots.len() > MAX_OFFERS || self.rounds.len() >= MAX_ROUNDS {
            return Err(ScheduleError::TooMany);
        }
        if matches!(self.standing, Standing::Cancelled { .. }) {
            return Err(ScheduleError::Standing);
        }
        self.rounds.push(Round { id, side, at_ms: now_ms, slots, picked: None });
        Ok(())
    }

    /// `side` picks a time of the newest round, which the other side offered. Confirms the call, or moves it.
    pub fn pick(&mut self, side: Side, choice: u8, now_ms: u64) -> Result<Slot, ScheduleError> {
        let round = self.rounds.last_mut().ok_or(ScheduleError::NotOffered)?;
        if round.side == side {
            return Err(ScheduleError::OwnOffer);
        }
        if round.picked.is_some() || matches!(self.standing, Standing::Cancelled { .. }) {
            return Err(ScheduleError::Standing);
        }
        let slot = *round.slots.get(usize::from(choice)).ok_or(ScheduleError::NotOffered)?;
        round.picked = Some(choice);
        // The first confirmation is sequence 0.
        if let Standing::Confirmed { .. } = self.standing {
            self.sequence += 1;
        }
        self.standing = Standing::Confirmed { slot };
        self.changed_ms = now_ms;
        Ok(slot)
    }

    /// Whether a version may follow another one, if its author is of this side: each side adds its own offers, picks among the other's,
    /// and may cancel. Everything else, such as the title in calendars and the offers of the other side, is the office's or stays.
    pub fn may_follow(&self, before: &Self, side: Side) -> bool {
        if side == Side::Ours {
            return self.uid == before.uid && self.sequence >= before.sequence;
        }
        let mut allowed = vec![before.clone()];
        let newest = before.rounds.len().checked_sub(1).and_then(|at| self.rounds.get(at));
        if let Some(picked) = newest.and_then(|round| round.picked) {
            let mut next = before.clone();
            allowed.extend(next.pick(side, picked, self.changed_ms).ok().map(|_| next));
        }
        if let Some(round) = self.rounds.get(before.rounds.len()).filter(|round| round.side == side) {
            let mut next = before.clone();
            let offered = next.offer(round.id, side, round.slots.clone(), round.at_ms);
            allowed.extend(offered.ok().map(|()| next));
        }
        let mut cancelled = before.clone();
        allowed.extend(cancelled.cancel(self.changed_ms).ok().map(|()| cancelled));
        allowed.contains(self)
    }

    /// Cancels a confirmed call.
    pub fn cancel(&mut self, now_ms: u64) -> Result<(), ScheduleError> {
        let Standing::Confirmed { slot } = self.standing else { return Err(ScheduleError::Standing) };
        self.standing = Standing::Cancelled { slot };
        self.sequence += 1;
        self.changed_ms = now_ms;
        Ok(())
    }
}

impl Content for Schedule {
    fn check(&self) -> Result<(), Invalid> {
        short("title", &self.title)?;
        count("places", &self.places, 8)?;
        self.places.iter().try_for_each(Place::check)?;
        count("rounds", &self.rounds, MAX_ROUNDS)?;
        unique("rounds", self.rounds.iter().map(|round| round.id))?;
        for round in &self.rounds {
            ensure(!round.slots.is_empty(), "slots", Reason::Empty)?;
            count("slots", &round.slots, MAX_OFFERS)?;
            round.slots.iter().try_for_each(Slot::check)?;
            time("at_ms", round.at_ms)?;
            let exists = round.picked.is_none_or(|picked| usize::from(picked) < round.slots.len());
            ensure(exists, "picked", Reason::Dangling)?;
        }
        if let Standing::Confirmed { slot } | Standing::Cancelled { slot } = &self.standing {
            slot.check()?;
            let is_picked =
                |round: &Round| round.picked.is_some_and(|at| round.slots.get(usize::from(at)) == Some(slot));
            ensure(self.rounds.iter().any(is_picked), "standing", Reason::Dangling)?;
        }
        time("changed_ms", self.changed_ms)?;
        // Two for each round is more than can happen.
        ensure(self.sequence as usize <= 2 * MAX_ROUNDS, "sequence", Reason::OutOfRange)?;
        count("reminders", &self.reminders, MAX_ITEMS)?;
        self.reminders
            .iter()
            .try_for_each(|reminder| ensure(reminder.before_min <= 60 * 24 * 30, "before_min", Reason::OutOfRange))
    }
}
