//! What is known of one call's note-takers, beside that they are members.

use super::{
    ASSIGNMENT_TIMEOUT_MS, CallFacts, HEARTBEAT_TIMEOUT_MS, Priority, REASSIGN_AFTER_MS, REQUEST_FORGOTTEN_MS,
    REQUEST_TIMEOUT_MS, Status, UNATTENDED_MS,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};
use telcon_proto::{CallId, DeviceId};

#[derive(Debug)]
pub(super) struct CallState {
    pub(super) facts: CallFacts,
    /// The note-taker that was told to join and has not asked yet, and since when.
    pub(super) assigned: Option<(DeviceId, u64)>,
    /// When each that was not let in asked first, and when it asked last.
    requests: BTreeMap<DeviceId, (u64, u64)>,
    /// Those whose first request expired: their requests keep no other note-taker out.
    expired: BTreeSet<DeviceId>,
    /// When each writer was let in or heard last.
    heard_ms: BTreeMap<DeviceId, u64>,
    /// Writers that can be heard no longer.
    silent: BTreeSet<DeviceId>,
    /// Those that were assigned or asked in vain, and when.
    failed: BTreeMap<DeviceId, u64>,
    /// Since when it needs a note-taker.
    unattended_since_ms: Option<u64>,
}

impl CallState {
    pub(super) fn new(opened_ms: u64) -> Self {
        Self {
            facts: CallFacts { opened_ms, ..CallFacts::default() },
            assigned: None,
            requests: BTreeMap::new(),
            expired: BTreeSet::new(),
            heard_ms: BTreeMap::new(),
            silent: BTreeSet::new(),
            failed: BTreeMap::new(),
            unattended_since_ms: None,
        }
    }

    pub(super) fn update(&mut self, facts: CallFacts, now_ms: u64) {
        for device in facts.writers.difference(&self.facts.writers) {
            // Let in now; or restored after a restart, when nothing is known of the time before.
            self.heard_ms.entry(*device).or_insert(now_ms);
        }
        for device in self.facts.writers.difference(&facts.writers) {
            self.heard_ms.remove(device);
            self.silent.remove(device);
        }
        for device in &facts.asking {
            self.requests.entry(*device).or_insert((now_ms, now_ms));
        }
        if self.assigned.is_some_and(|(device, _)| facts.asking.contains(&device) || facts.writers.contains(&device)) {
            self.assigned = None;
        }
        self.facts = facts;
    }

    pub(super) fn requested(&mut self, device: DeviceId, now_ms: u64) {
        let (first, last) = self.requests.entry(device).or_insert((now_ms, now_ms));
        *last = now_ms;
        if now_ms >= *first + REQUEST_FORGOTTEN_MS {
            *first = now_ms;
        }
        if now_ms >= *first + REQUEST_TIMEOUT_MS {
            self.expired.insert(device);
        }
    }

    pub(super) fn admitted(&mut self, device: DeviceId, now_ms: u64) {
        self.heard_ms.insert(device, now_ms);
        self.silent.remove(&device);
        self.requests.remove(&device);
        self.expired.remove(&device);
        self.failed.remove(&device);
    }

    pub(super) fn heard(&mut self, device: DeviceId, now_ms: u64) {
        self.heard_ms.insert(device, now_ms);
        self.silent.remove(&device);
    }

    /// The device was assigned, and will not come.
    pub(super) fn give_up(&mut self, device: DeviceId, now_ms: u64) {
        if self.release(device) {
            self.failed.insert(device, now_ms);
        }
    }

    /// The device is needed elsewhere.
    pub(super) fn release(&mut self, device: DeviceId) -> bool {
        self.assigned.take_if(|(assigned, _)| *assigned == device).is_some()
    }

    /// Requests that end now; silent writers and assignments that were not taken up are noted.
    pub(super) fn expire(&mut self, now_ms: u64) -> Vec<DeviceId> {
        let late = |device: &&DeviceId| now_ms >= self.request_ends_ms(device, now_ms);
        let late: Vec<DeviceId> = self.facts.asking.iter().filter(late).copied().collect();
        for device in &late {
            self.expired.insert(*device);
            self.facts.asking.remove(device);
            self.failed.insert(*device, now_ms);
        }
        let silent = |device: &&DeviceId| self.silent_from_ms(device).is_some_and(|from| now_ms >= from);
        let silent: Vec<DeviceId> = self.facts.writers.iter().filter(silent).copied().collect();
        self.silent.extend(silent);
        if let Some((device, since)) = self.assigned
            && now_ms >= since + ASSIGNMENT_TIMEOUT_MS
        {
            self.give_up(device, now_ms);
        }
        self.failed.retain(|_, since| now_ms < *since + REASSIGN_AFTER_MS);
        late
    }

    /// When [`CallState::expire`] is due, and where there are note-takers (`staffed`) when one is sought again.
    pub(super) fn next_timeout(&self, staffed: bool, now_ms: u64) -> Option<u64> {
        let audible = self.facts.writers.iter().filter(|device| !self.silent.contains(device));
        let silent = audible.filter_map(|device| self.silent_from_ms(device));
        let requests = self.facts.asking.iter().map(|device| self.request_ends_ms(device, now_ms));
        let assigned = self.assigned.map(|(_, since)| since + ASSIGNMENT_TIMEOUT_MS);
        let overdue = self.overdue_ms().filter(|at| staffed && now_ms < *at);
        let retry = self
            .failed
            .values()
            .map(|since| since + REASSIGN_AFTER_MS)
            .filter(|at| staffed && now_ms < *at && self.is_unattended());
        silent.chain(requests).chain(assigned).chain(overdue).chain(retry).min()
    }

    fn request_ends_ms(&self, device: &DeviceId, now_ms: u64) -> u64 {
        let (first, last) = self.requests.get(device).copied().unwrap_or((now_ms, now_ms));
        REQUEST_TIMEOUT_MS + if self.expired.contains(device) { last } else { first }
    }

    fn silent_from_ms(&self, device: &DeviceId) -> Option<u64> {
        self.heard_ms.get(device).map(|heard| heard + HEARTBEAT_TIMEOUT_MS)
    }

    /// Those that keep others from asking.
    fn takers(&self) -> impl Iterator<Item = &DeviceId> {
        let audible = self.facts.writers.iter().filter(|device| !self.silent.contains(device));
        let asking = self.facts.asking.iter().filter(|device| !self.expired.contains(device));
        audible.chain(asking).chain(self.assigned.iter().map(|(device, _)| device))
    }

    pub(super) fn taken_by_another(&self, device: DeviceId) -> bool {
        self.takers().any(|taker| *taker != device)
    }

    pub(super) fn status(&self) -> Status {
        let asking = self.facts.asking.iter().any(|device| !self.expired.contains(device));
        let writers = &self.facts.writers;
        Status {
            expected: asking || self.assigned.is_some(),
            silent: !writers.is_empty() && writers.is_subset(&self.silent),
        }
    }

    pub(super) fn is_unattended(&self) -> bool {
        self.takers().next().is_none()
    }

    pub(super) fn note_attendance(&mut self, now_ms: u64) {
        match self.is_unattended() {
            true => drop(self.unattended_since_ms.get_or_insert(now_ms)),
            false => self.unattended_since_ms = None,
        }
    }

    /// When a note-taker of a ringing call is taken for it.
    fn overdue_ms(&self) -> Option<u64> {
        self.unattended_since_ms.filter(|_| self.facts.live).map(|since| since + UNATTENDED_MS)
    }

    pub(super) fn is_overdue(&self, now_ms: u64) -> bool {
        self.overdue_ms().is_some_and(|at| now_ms >= at)
    }

    pub(super) fn may_be_assigned(&self, device: DeviceId, now_ms: u64) -> bool {
        self.failed.get(&device).is_none_or(|since| now_ms >= since + REASSIGN_AFTER_MS)
    }

    pub(super) fn involved(&self) -> impl Iterator<Item = DeviceId> {
        let assigned = self.assigned.iter().map(|(device, _)| *device);
        self.facts.writers.iter().chain(&self.facts.asking).copied().chain(assigned)
    }

    pub(super) fn priority(&self, call: CallId) -> Priority {
        (Reverse(self.facts.live), self.facts.opened_ms, call)
    }
}
