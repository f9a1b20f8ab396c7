//! Liveness of a call's note-takers. Each sends heartbeats under the call's keys; when they stop, every screen shows it.
//! All times are engine uptime, in milliseconds, which setting a device's clock does not change.

use std::collections::{BTreeMap, BTreeSet};
use telcon_proto::DeviceId;

/// Interval of a note-taker's heartbeats, milliseconds.
pub(super) const HEARTBEAT_INTERVAL_MS: u64 = 2_000;
/// A note-taker is lost after three missing heartbeats.
const LOST_AFTER_MS: u64 = 3 * HEARTBEAT_INTERVAL_MS + 500;
/// How often a reconnect of this device grants a grace period: a server that keeps breaking connections must not hide a
/// dead note-taker.
const GRACE_INTERVAL_MS: u64 = 60_000;

/// The note-takers of a call, other than this device.
#[derive(Default)]
pub(super) struct Presence {
    current: BTreeSet<DeviceId>,
    /// All that ever were in the call. A device that leaves and rejoins, or is said to, keeps its last heartbeat.
    liveness: BTreeMap<DeviceId, Liveness>,
    /// Since when there is a note-taker without any heartbeat, and none has been received. Joining proves nothing about a
    /// device: a server can replay an old request to join.
    first_heartbeat_due_since_ms: Option<u64>,
    /// End of the grace period after this device itself was disconnected.
    grace_until_ms: u64,
}

/// The heartbeats of one note-taker.
struct Liveness {
    /// When the newest heartbeat would have arrived with the least delay seen.
    last_ms: u64,
    /// Least difference between its uptime and this engine's.
    min_offset_ms: Option<u64>,
    lost: bool,
}

impl Presence {
    /// Sets the current note-takers. Those that join before any heartbeat was received share one deadline.
    pub(super) fn set_note_takers(&mut self, note_takers: BTreeSet<DeviceId>, now_ms: u64) {
        for note_taker in &note_takers {
            if !self.liveness.contains_key(note_taker) {
                let last_ms = *self.first_heartbeat_due_since_ms.get_or_insert(now_ms);
                let lost = now_ms >= last_ms + LOST_AFTER_MS;
                self.liveness.insert(*note_taker, Liveness { last_ms, min_offset_ms: None, lost });
            }
        }
        self.current = note_takers;
    }

    /// The device joined, possibly with fresh keys: its engine may have restarted, and its uptime with it.
    pub(super) fn on_joined(&mut self, device: DeviceId) {
        if let Some(liveness) = self.liveness.get_mut(&device) {
            liveness.min_offset_ms = None;
        }
    }

    /// A heartbeat that the device sent at `uptime_ms` of its own engine.
    pub(super) fn on_heartbeat(&mut self, device: DeviceId, uptime_ms: u64, now_ms: u64) {
        if let Some(liveness) = self.liveness.get_mut(&device).filter(|_| self.current.contains(&device)) {
            liveness.on_heartbeat(uptime_ms, now_ms);
            self.first_heartbeat_due_since_ms = None;
        }
    }

    /// Whether this note-taker's heartbeats are overdue.
    pub(super) fn is_lost(&self, device: DeviceId) -> bool {
        self.liveness.get(&device).is_some_and(|liveness| liveness.lost)
    }

    /// This device was disconnected itself, so it missed heartbeats.
    pub(super) fn grant_grace(&mut self, now_ms: u64) {
        if now_ms >= self.grace_until_ms + GRACE_INTERVAL_MS || self.grace_until_ms == 0 {
            self.grace_until_ms = now_ms + LOST_AFTER_MS;
        }
    }

    /// When the next note-taker is lost without a heartbeat.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        let current = self.current.iter().filter_map(|device| self.liveness.get(device));
        current.filter(|liveness| !liveness.lost).map(|liveness| liveness.deadline_ms(self.grace_until_ms)).min()
    }

    /// Marks note-takers whose heartbeat is overdue as lost. Returns whether there are new ones.
    pub(super) fn expire(&mut self, now_ms: u64) -> bool {
        let grace = self.grace_until_ms;
        let overdue = |liveness: &&mut Liveness| !liveness.lost && now_ms >= liveness.deadline_ms(grace);
        self.liveness.values_mut().filter(overdue).map(|liveness| liveness.lost = true).count() > 0
    }
}

impl Liveness {
    fn on_heartbeat(&mut self, uptime_ms: u64, now_ms: u64) {
        let offset = now_ms.wrapping_sub(uptime_ms);
        // The engines started in either order, so the difference wraps.
        let least = self
            .min_offset_ms
            .map_or(offset, |known| if known.wrapping_sub(offset) as i64 > 0 { offset } else { known });
        self.min_offset_ms = Some(least);
        self.last_ms = self.last_ms.max(uptime_ms.wrapping_add(least).min(now_ms));
        self.lost = now_ms >= self.last_ms + LOST_AFTER_MS;
    }

    fn deadline_ms(&self, grace_until_ms: u64) -> u64 {
        (self.last_ms + LOST_AFTER_MS).max(grace_until_ms)
    }
}
