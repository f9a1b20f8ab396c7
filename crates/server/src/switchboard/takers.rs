//! Which note-taker writes a call, where an office has more than one: the first that comes, for as long as it can be heard.
//! What it says is encrypted; that it says something is all that this server knows of it.

use super::{
    call::{Call, Waiting},
    desk::Desk,
};
use std::collections::{BTreeMap, BTreeSet};
use telcon_proto::{DeviceId, Role, message::RefusalCode};

/// How long the ask of a note-taker keeps others from asking, milliseconds: to be let in takes a round trip or two.
pub(super) const ASK_COUNTS_MS: u64 = 10_000;
/// How long a note-taker that says nothing keeps others from asking, milliseconds. One that writes says so every two seconds;
/// one that was started again is back sooner.
pub(super) const SILENCE_COUNTS_MS: u64 = 10_000;

/// What is known of a call's note-takers beside that they are members.
#[derive(Debug, Default)]
pub(super) struct Takers {
    /// Those that asked, and that nobody let in.
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
        }
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

    /// The ask of a note-taker over a connection that still stands. Not of one that nobody let in before: it keeps no other
    /// out.
    fn note_takers_ask(&self, desk: &Desk) -> Option<&Waiting> {
        self.waiting.iter().find(|waiting| {
            let device = &waiting.ask.device;
            let new =
                self.present.contains_key(device) && !self.is_member(device) && !self.takers.kept_out.contains(device);
            new && desk.role(device) == Some(Role::NoteTaker)
        })
    }

    /// Whose ask that is.
    pub(super) fn note_taker_asks(&self, desk: &Desk) -> Option<DeviceId> {
        self.note_takers_ask(desk).map(|waiting| waiting.ask.device)
    }

    /// When the ask of a note-taker is given up, so that another may come.
    fn ask_ends_ms(&self, desk: &Desk) -> Option<u64> {
        self.note_takers_ask(desk).map(|waiting| waiting.since_ms + ASK_COUNTS_MS)
    }

    /// A note-taker that nobody lets in waits no longer.
    fn give_up_ask(&mut self, desk: &mut Desk, now_ms: u64) {
        let late = self.note_takers_ask(desk).filter(|waiting| now_ms >= waiting.since_ms + ASK_COUNTS_MS);
        let Some(taker) = late.map(|waiting| waiting.ask.device) else { return };
        self.takers.kept_out.insert(taker);
        self.stop_waiting(&taker, desk);
        if let Some(session) = self.present.remove(&taker) {
            let text = "nobody in the call let this note-taker in: it may ask again";
            desk.refuse(session, Some(self.row.call), RefusalCode::NotAllowed, text);
        }
        self.drop_leg(taker, desk);
        self.notify_staff(desk);
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
