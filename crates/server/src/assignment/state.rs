//! The state of one call's note-takers: assignment, requests and liveness.

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
    /// The note-taker that was assigned and has not requested to join yet, and since when.
    pub(super) assigned: Option<(DeviceId, u64)>,
    /// Time of the first and of the latest request of each note-taker that is not admitted yet.
    requests: BTreeMap<DeviceId, (u64, u64)>,
    /// Those whose first request expired: their requests block no other note-taker.
    expired: BTreeSet<DeviceId>,
    /// When each note-taker was admitted, or last sent a message.
    last_message_ms: BTreeMap<DeviceId, u64>,
    /// Members that are unresponsive.
    unresponsive: BTreeSet<DeviceId>,
    /// Those whose assignment or request expired, and when.
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
            last_message_ms: BTreeMap::new(),
            unresponsive: BTreeSet::new(),
            failed: BTreeMap::new(),
            unattended_since_ms: None,
        }
    }

    pub(super) fn update(&mut self, facts: CallFacts, now_ms: u64) {
        for device in facts.note_taker_members.difference(&self.facts.note_taker_members) {
            // Admitted now; or restored after a restart, which does not restore the time of its last message.
            self.last_message_ms.entry(*device).or_insert(now_ms);
        }
        for device in self.facts.note_taker_members.difference(&facts.note_taker_members) {
            self.last_message_ms.remove(device);
            self.unresponsive.remove(device);
        }
        for device in &facts.asking {
            self.requests.entry(*device).or_insert((now_ms, now_ms));
        }
        if self
            .assigned
            .is_some_and(|(device, _)| facts.asking.contains(&device) || facts.note_taker_members.contains(&device))
        {
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
        self.last_message_ms.insert(device, now_ms);
        self.unresponsive.remove(&device);
        self.requests.remove(&device);
        self.expired.remove(&device);
        self.failed.remove(&device);
    }

    pub(super) fn message_received(&mut self, device: DeviceId, now_ms: u64) {
        self.last_message_ms.insert(device, now_ms);
        self.unresponsive.remove(&device);
    }

    /// The assigned device will not join.
    pub(super) fn give_up(&mut self, device: DeviceId, now_ms: u64) {
        if self.release(device) {
            self.failed.insert(device, now_ms);
        }
    }

    /// Cancels the assignment of the device. Returns whether it was assigned.
    pub(super) fn release(&mut self, device: DeviceId) -> bool {
        self.assigned.take_if(|(assigned, _)| *assigned == device).is_some()
    }

    /// Expires requests (which are returned), assignments that timed out, and the liveness of members.
    pub(super) fn expire(&mut self, now_ms: u64) -> Vec<DeviceId> {
        let late = |device: &&DeviceId| now_ms >= self.request_ends_ms(device, now_ms);
        let late: Vec<DeviceId> = self.facts.asking.iter().filter(late).copied().collect();
        for device in &late {
            self.expired.insert(*device);
            self.facts.asking.remove(device);
            // A note-taker that reports to be free while its repeated request waits is assigned as well. The assignment ends
            // with the request, because the note-taker is not occupied by this call from now on.
            self.release(*device);
            self.failed.insert(*device, now_ms);
        }
        let unresponsive = |device: &&DeviceId| self.unresponsive_from_ms(device).is_some_and(|from| now_ms >= from);
        let unresponsive: Vec<DeviceId> = self.facts.note_taker_members.iter().filter(unresponsive).copied().collect();
        self.unresponsive.extend(unresponsive);
        if let Some((device, since)) = self.assigned
            && now_ms >= since + ASSIGNMENT_TIMEOUT_MS
        {
            self.give_up(device, now_ms);
        }
        self.failed.retain(|_, since| now_ms < *since + REASSIGN_AFTER_MS);
        late
    }

    /// When [`CallState::expire`] is due, or, if there are note-takers (`staffed`), when assignment is to be retried.
    pub(super) fn next_timeout(&self, staffed: bool, now_ms: u64) -> Option<u64> {
        let live = self.facts.note_taker_members.iter().filter(|device| !self.unresponsive.contains(device));
        let expiries = live.filter_map(|device| self.unresponsive_from_ms(device));
        let requests = self.facts.asking.iter().map(|device| self.request_ends_ms(device, now_ms));
        let assigned = self.assigned.map(|(_, since)| since + ASSIGNMENT_TIMEOUT_MS);
        let overdue = self.overdue_ms().filter(|at| staffed && now_ms < *at);
        let retry = self
            .failed
            .values()
            .map(|since| since + REASSIGN_AFTER_MS)
            .filter(|at| staffed && now_ms < *at && self.is_unattended());
        expiries.chain(requests).chain(assigned).chain(overdue).chain(retry).min()
    }

    fn request_ends_ms(&self, device: &DeviceId, now_ms: u64) -> u64 {
        let (first, last) = self.requests.get(device).copied().unwrap_or((now_ms, now_ms));
        REQUEST_TIMEOUT_MS + if self.expired.contains(device) { last } else { first }
    }

    fn unresponsive_from_ms(&self, device: &DeviceId) -> Option<u64> {
        self.last_message_ms.get(device).map(|last| last + HEARTBEAT_TIMEOUT_MS)
    }

    /// The note-takers that block others: live members, unexpired requests, and the assigned one.
    fn current(&self) -> impl Iterator<Item = &DeviceId> {
        let live = self.facts.note_taker_members.iter().filter(|device| !self.unresponsive.contains(device));
        let asking = self.facts.asking.iter().filter(|device| !self.expired.contains(device));
        live.chain(asking).chain(self.assigned.iter().map(|(device, _)| device))
    }

    /// Whether the note-taker records the call, or is expected to.
    pub(super) fn holds(&self, device: DeviceId) -> bool {
        self.current().any(|current| *current == device)
    }

    pub(super) fn has_another(&self, device: DeviceId) -> bool {
        self.current().any(|current| *current != device)
    }

    pub(super) fn status(&self) -> Status {
        let asking = self.facts.asking.iter().any(|device| !self.expired.contains(device));
        let note_taker_members = &self.facts.note_taker_members;
        Status {
            expected: asking || self.assigned.is_some(),
            silent: !note_taker_members.is_empty() && note_taker_members.is_subset(&self.unresponsive),
        }
    }

    pub(super) fn is_unattended(&self) -> bool {
        self.current().next().is_none()
    }

    pub(super) fn update_unattended(&mut self, now_ms: u64) {
        match self.is_unattended() {
            true => drop(self.unattended_since_ms.get_or_insert(now_ms)),
            false => self.unattended_since_ms = None,
        }
    }

    /// When a note-taker of a ringing call is reassigned to it.
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
        self.facts.note_taker_members.iter().chain(&self.facts.asking).copied().chain(assigned)
    }

    pub(super) fn priority(&self, call: CallId) -> Priority {
        (Reverse(self.facts.live), self.facts.opened_ms, call)
    }
}
