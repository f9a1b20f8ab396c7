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
    heard: BTreeMap<DeviceId, Heard>,
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
    /// These are the note-takers now. Whoever is new has as long to be heard as any other.
    pub(super) fn are(&mut self, note_takers: &BTreeSet<DeviceId>, now_ms: u64) {
        self.heard.retain(|known, _| note_takers.contains(known));
        for note_taker in note_takers {
            self.heard.entry(*note_taker).or_insert(Heard { at_ms: now_ms, lag_ms: None, lost: false });
        }
    }

    /// The device came back with fresh keys: what it said before is of another run of it.
    pub(super) fn forget(&mut self, device: DeviceId) {
        self.heard.remove(&device);
    }

    /// The device said at `at_ms` of its own running that it writes.
    pub(super) fn said(&mut self, device: DeviceId, at_ms: u64, now_ms: u64) {
        if let Some(heard) = self.heard.get_mut(&device) {
            heard.said(at_ms, now_ms);
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
        self.heard.values().filter(|heard| !heard.lost).map(|heard| self.lost_at(heard)).min()
    }

    /// Time passed. Says whether one of them is lost by it that was not.
    pub(super) fn pass(&mut self, now_ms: u64) -> bool {
        let excused = self.excused_until_ms;
        let silent = |heard: &&mut Heard| !heard.lost && now_ms >= heard.lost_at(excused);
        self.heard.values_mut().filter(silent).map(|heard| heard.lost = true).count() > 0
    }

    fn lost_at(&self, heard: &Heard) -> u64 {
        heard.lost_at(self.excused_until_ms)
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
