//! Whether the note-takers of a call still write. Each says so every few seconds, under the call's keys; silence is told on
//! every screen. All times are of the engine's own running, in milliseconds, which no clock that is set moves.

use std::collections::{BTreeMap, BTreeSet};
use telcon_proto::DeviceId;

/// How often a note-taker says that it is there.
pub(super) const SAY_EVERY_MS: u64 = 2_000;
/// How long it may say nothing before screens tell: three times it was to be heard.
const LOST_AFTER_MS: u64 = 3 * SAY_EVERY_MS + 500;
/// How often a lost connection of this device excuses a note-taker's silence: a server that breaks connections all the time
/// excuses nobody.
const EXCUSED_EVERY_MS: u64 = 60_000;

/// The note-takers of a call, other than this device.
#[derive(Default)]
pub(super) struct Presence {
    now: BTreeSet<DeviceId>,
    /// Everybody who ever was one. Whoever leaves and comes back, or is said to, was heard when it was heard.
    heard: BTreeMap<DeviceId, Heard>,
    /// Since when there is one that was never heard, and none was heard after it came. To be let in says nothing of a device:
    /// a server can have anybody let in again by what it asked long ago.
    unheard_since_ms: Option<u64>,
    /// Until when silence is excused, after this device was away itself.
    excused_until_ms: u64,
}

/// What a note-taker was last heard to say of itself.
struct Heard {
    /// When the newest of it would have come, had it come as quickly as any.
    at_ms: u64,
    /// Between its running and this engine's, by the quickest.
    lag_ms: Option<u64>,
    lost: bool,
}

impl Presence {
    /// These are the note-takers now. The first that comes has as long to be heard as any other; those who come while nobody
    /// is heard share its time.
    pub(super) fn are(&mut self, note_takers: BTreeSet<DeviceId>, now_ms: u64) {
        for note_taker in &note_takers {
            if !self.heard.contains_key(note_taker) {
                let at_ms = *self.unheard_since_ms.get_or_insert(now_ms);
                let lost = now_ms >= at_ms + LOST_AFTER_MS;
                self.heard.insert(*note_taker, Heard { at_ms, lag_ms: None, lost });
            }
        }
        self.now = note_takers;
    }

    /// The device was let in, for the first time or with fresh keys: what it says from now on may be of another run of it.
    pub(super) fn joined(&mut self, device: DeviceId) {
        if let Some(heard) = self.heard.get_mut(&device) {
            heard.lag_ms = None;
        }
    }

    /// The device said at `at_ms` of its own running that it writes.
    pub(super) fn said(&mut self, device: DeviceId, at_ms: u64, now_ms: u64) {
        if let Some(heard) = self.heard.get_mut(&device).filter(|_| self.now.contains(&device)) {
            heard.said(at_ms, now_ms);
            self.unheard_since_ms = None;
        }
    }

    /// Whether nothing has come of this note-taker for too long.
    pub(super) fn is_lost(&self, device: DeviceId) -> bool {
        self.heard.get(&device).is_some_and(|heard| heard.lost)
    }

    /// This device was away itself, so that what was said meanwhile did not come here.
    pub(super) fn excuse(&mut self, now_ms: u64) {
        if now_ms >= self.excused_until_ms + EXCUSED_EVERY_MS || self.excused_until_ms == 0 {
            self.excused_until_ms = now_ms + LOST_AFTER_MS;
        }
    }

    /// When the next of them is to be given up.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let heard = self.now.iter().filter_map(|device| self.heard.get(device));
        heard.filter(|heard| !heard.lost).map(|heard| heard.lost_at(self.excused_until_ms)).min()
    }

    /// Time passed. Says whether one of them is lost by it that was not.
    pub(super) fn pass(&mut self, now_ms: u64) -> bool {
        let excused = self.excused_until_ms;
        let silent = |heard: &&mut Heard| !heard.lost && now_ms >= heard.lost_at(excused);
        self.heard.values_mut().filter(silent).map(|heard| heard.lost = true).count() > 0
    }
}

impl Heard {
    fn said(&mut self, at_ms: u64, now_ms: u64) {
        let lag = now_ms.wrapping_sub(at_ms);
        // The engines began at different times, either of them first.
        let quickest = self.lag_ms.map_or(lag, |known| if known.wrapping_sub(lag) as i64 > 0 { lag } else { known });
        self.lag_ms = Some(quickest);
        self.at_ms = self.at_ms.max(at_ms.wrapping_add(quickest).min(now_ms));
        self.lost = now_ms >= self.at_ms + LOST_AFTER_MS;
    }

    fn lost_at(&self, excused_until_ms: u64) -> u64 {
        (self.at_ms + LOST_AFTER_MS).max(excused_until_ms)
    }
}
