//! Which note-taker writes a call, where an office has more than one: the first that comes, for as long as it can be heard.
//! What it says is encrypted; that it says something is all that this server knows of it.

use super::{
    call::{Call, Waiting},
    desk::Desk,
};
use std::collections::{BTreeMap, BTreeSet};
use telcon_proto::{DeviceId, Role, message::RefusalCode};

/// How long the ask of a note-taker keeps others from asking, milliseconds: to be let in takes a round trip or two. One that asks
/// again, or left and came back, is still at its first ask.
pub(super) const ASK_COUNTS_MS: u64 = 10_000;
/// After so long a first ask is forgotten, milliseconds: one that turned to another call meanwhile asks like any other.
const FIRST_ASK_COUNTS_MS: u64 = 60_000;
/// How long a note-taker that says nothing keeps others from asking, milliseconds. One that writes says so every two seconds;
/// one that was started again is back sooner.
pub(super) const SILENCE_COUNTS_MS: u64 = 10_000;

/// What is known of a call's note-takers beside that they are members.
#[derive(Debug, Default)]
pub(super) struct Takers {
    /// When each that was not let in asked first.
    first_ask_ms: BTreeMap<DeviceId, u64>,
    /// Those that asked, and that nobody let in: their asks keep no other out.
    kept_out: BTreeSet<DeviceId>,
    /// When each member was let in, or said something last.
    heard_ms: BTreeMap<DeviceId, u64>,
    /// Those of whom staff was told that they say nothing.
    silent: BTreeSet<DeviceId>,
}

impl Takers {
    /// These were let in now, or this server knows no better.
    pub fn let_in<'a>(devices: impl IntoIterator<Item = &'a DeviceId>, now_ms: u64) -> Self {
        let mut this = Self::default();
        this.came(devices, now_ms);
        this
    }

    /// These were let in.
    pub fn came<'a>(&mut self, devices: impl IntoIterator<Item = &'a DeviceId>, now_ms: u64) {
        for device in devices {
            self.heard_ms.insert(*device, now_ms);
            self.silent.remove(device);
            self.first_ask_ms.remove(device);
            self.kept_out.remove(device);
        }
    }

    /// One asks to be let in, for the first time or again.
    pub fn asks(&mut self, device: DeviceId, now_ms: u64) {
        let first = self.first_ask_ms.entry(device).or_insert(now_ms);
        if now_ms >= *first + FIRST_ASK_COUNTS_MS {
            *first = now_ms;
        }
        if now_ms >= *first + ASK_COUNTS_MS {
            self.kept_out.insert(device);
        }
    }

    /// When this ask is given up.
    fn ask_ends_ms(&self, waiting: &Waiting) -> u64 {
        let device = &waiting.ask.device;
        let first = self.first_ask_ms.get(device).filter(|_| !self.kept_out.contains(device));
        first.copied().unwrap_or(waiting.since_ms) + ASK_COUNTS_MS
    }

    fn silent_from_ms(&self, device: &DeviceId) -> Option<u64> {
        self.heard_ms.get(device).map(|heard| heard + SILENCE_COUNTS_MS)
    }
}

impl Call {
    fn note_takers<'a>(&'a self, desk: &'a Desk) -> impl Iterator<Item = &'a DeviceId> {
        self.members.iter().filter(|d| self.is_member(d) && desk.role(d) == Some(Role::NoteTaker))
    }

    /// A member said something.
    pub(super) fn spoke(&mut self, device: DeviceId, desk: &mut Desk, now_ms: u64) {
        self.takers.heard_ms.insert(device, now_ms);
        if self.takers.silent.remove(&device) {
            self.notify_staff(desk);
        }
    }

    /// Whether there are note-takers, and all of them have been silent for so long that another may come.
    pub(super) fn is_note_taker_silent(&self, desk: &Desk) -> bool {
        let mut takers = self.note_takers(desk).peekable();
        takers.peek().is_some() && takers.all(|taker| self.takers.silent.contains(taker))
    }

    /// Asks of note-takers that are no members, over connections that still stand.
    fn note_takers_asks<'a>(&'a self, desk: &'a Desk) -> impl Iterator<Item = &'a Waiting> {
        self.waiting.iter().filter(|waiting| {
            let device = &waiting.ask.device;
            let new = self.present.contains_key(device) && !self.is_member(device);
            new && desk.role(device) == Some(Role::NoteTaker)
        })
    }

    /// Who asks and keeps others from asking.
    pub(super) fn note_taker_asks(&self, desk: &Desk) -> Option<DeviceId> {
        let mut asks = self.note_takers_asks(desk).map(|waiting| waiting.ask.device);
        asks.find(|device| !self.takers.kept_out.contains(device))
    }

    /// When the ask of a note-taker is given up, so that another may come.
    fn ask_ends_ms(&self, desk: &Desk) -> Option<u64> {
        self.note_takers_asks(desk).map(|waiting| self.takers.ask_ends_ms(waiting)).min()
    }

    /// A note-taker that nobody lets in waits no longer.
    fn give_up_ask(&mut self, desk: &mut Desk, now_ms: u64) {
        let late = self.note_takers_asks(desk).filter(|waiting| now_ms >= self.takers.ask_ends_ms(waiting));
        let late: Vec<DeviceId> = late.map(|waiting| waiting.ask.device).collect();
        for taker in &late {
            self.takers.kept_out.insert(*taker);
            self.stop_waiting(taker, desk);
            if let Some(session) = self.present.remove(taker) {
                let text = "nobody in the call let this note-taker in: it may ask again";
                desk.refuse(session, Some(self.row.call), RefusalCode::NotAllowed, text);
            }
            self.drop_leg(*taker, desk);
        }
        if !late.is_empty() {
            self.notify_staff(desk);
        }
    }

    /// Whether a note-taker other than `device` writes this call, or is about to: one that can be heard is enough.
    pub(super) fn is_noted_by_another(&self, device: &DeviceId, desk: &Desk) -> bool {
        let speak = self.note_takers(desk).filter(|taker| !self.takers.silent.contains(taker));
        speak.copied().chain(self.note_taker_asks(desk)).any(|taker| taker != *device)
    }

    /// When something is due of its note-takers, milliseconds since 1970.
    pub(super) fn takers_due_ms(&self, desk: &Desk) -> Option<u64> {
        let speak = self.note_takers(desk).filter(|taker| !self.takers.silent.contains(taker));
        let silent = speak.filter_map(|taker| self.takers.silent_from_ms(taker));
        silent.chain(self.ask_ends_ms(desk)).min()
    }

    /// Does what is due of its note-takers.
    pub(super) fn takers_due(&mut self, desk: &mut Desk, now_ms: u64) {
        self.give_up_ask(desk, now_ms);
        let late = |taker: &&DeviceId| self.takers.silent_from_ms(taker).is_some_and(|from| now_ms >= from);
        let late: BTreeSet<DeviceId> = self.note_takers(desk).filter(late).copied().collect();
        let known = self.takers.silent.len();
        self.takers.silent.extend(late);
        if self.takers.silent.len() > known {
            self.notify_staff(desk);
        }
    }
}
