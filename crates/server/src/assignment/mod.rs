//! Note-taker assignment: which note-taker records a call. A sans-IO engine: the state of calls, events of note-takers
//! and the time are inputs, [`Decision`]s are outputs. The switchboard drives it; no other code decides.
//!
//! A note-taker that is free reports it ([`Assignment::available`]) and is assigned a call: live calls before ringing
//! ones, and then the one that has waited longest. It then requests to join, and the members admit it. One note-taker
//! records a call for as long as it is live. One that nobody admits within [`REQUEST_TIMEOUT_MS`], as after a crash of everything
//! during a call, may be sent to another live call. Heartbeats are encrypted: the server only observes that the note-taker
//! sends messages.

mod state;

use crate::timers::Timers;
use state::CallState;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};
use telcon_proto::{CallId, DeviceId};

/// How long a request to join blocks other note-takers, milliseconds: admission takes a round trip or two. The time
/// runs from the first request of a note-taker, also if it repeats the request or leaves and rejoins.
pub const REQUEST_TIMEOUT_MS: u64 = 10_000;
/// After this time a first request is forgotten, milliseconds: a note-taker that recorded another call meanwhile starts
/// afresh.
const REQUEST_FORGOTTEN_MS: u64 = 60_000;
/// How long a note-taker from which nothing is received blocks others, milliseconds. A recording note-taker sends a
/// heartbeat every two seconds; a restarted one rejoins sooner than this.
pub const HEARTBEAT_TIMEOUT_MS: u64 = 10_000;
/// How long an assigned note-taker has to request to join, milliseconds.
pub const ASSIGNMENT_TIMEOUT_MS: u64 = 5_000;
/// An `available` received within this time after an assignment crossed it on the network and is ignored, milliseconds.
const CROSSING_MS: u64 = 1_000;
/// How long a live call is without a note-taker, milliseconds, before one is reassigned from a call that only rings.
pub const UNATTENDED_MS: u64 = 2_000;
/// How long a note-taker that was not admitted to a call is not assigned to it again, milliseconds.
pub(crate) const REASSIGN_AFTER_MS: u64 = 5_000;

/// What the engine knows of a call that is to be recorded: it rings or is live, and its record mode is not *log only*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallFacts {
    /// It was answered.
    pub(crate) live: bool,
    /// When it was opened.
    pub(crate) opened_ms: u64,
    /// Note-takers among its members.
    pub(crate) note_taker_members: BTreeSet<DeviceId>,
    /// Note-takers that requested to join, are connected, and are not admitted yet.
    pub(crate) asking: BTreeSet<DeviceId>,
}

/// Decisions, to be carried out in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Tell the note-taker to join this call, and to leave the one that it is in.
    Assign {
        /// The call.
        call: CallId,
        /// The note-taker.
        device: DeviceId,
    },
    /// The note-taker was not admitted in time: its request ends.
    ExpireRequest {
        /// The call.
        call: CallId,
        /// The note-taker.
        device: DeviceId,
    },
    /// [`Assignment::status`] of the call has changed.
    StatusChanged(CallId),
}

/// The status of a call's note-takers, as shown to staff.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// A note-taker is about to join.
    pub(crate) expected: bool,
    /// There are note-takers among the members, and all of them are unresponsive.
    pub(crate) silent: bool,
}

/// A note-taker that accepts assignments.
#[derive(Debug, Default)]
struct NoteTaker {
    /// Since when it is free; none while it has a call.
    free_since_ms: Option<u64>,
    /// The call that it is assigned to, requests to join, or records.
    call: Option<CallId>,
    /// The call in which nobody admitted it. It goes there again only after it reported to be free.
    in_vain: Option<CallId>,
}

impl NoteTaker {
    /// Whether it is in this call, or was not let in.
    fn is_at(&self, call: CallId) -> bool {
        self.call == Some(call) || self.in_vain == Some(call)
    }
}

/// Order of calls without a note-taker: live ones first, then by age.
type Priority = (Reverse<bool>, u64, CallId);

/// The engine.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    calls: BTreeMap<CallId, CallState>,
    note_takers: BTreeMap<DeviceId, NoteTaker>,
    /// Free note-takers, the longest free first.
    free: BTreeSet<(u64, DeviceId)>,
    /// Calls that need a note-taker.
    unattended: BTreeSet<Priority>,
    timers: Timers<CallId>,
    decisions: VecDeque<Decision>,
}

impl Assignment {
    /// The next decision, until there is none.
    pub(crate) fn poll(&mut self) -> Option<Decision> {
        self.decisions.pop_front()
    }

    /// When [`Assignment::timeout`] is due.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        self.timers.next()
    }

    /// A call has changed; `None` once it is over.
    pub(crate) fn update(&mut self, call: CallId, facts: Option<CallFacts>, now_ms: u64) {
        let Some(facts) = facts else {
            if let Some(state) = self.calls.remove(&call) {
                self.unattended.remove(&state.priority(call));
                self.timers.set(call, None);
                let involved: Vec<DeviceId> = state.involved().collect();
                involved.into_iter().for_each(|device| self.leave(device, call));
            }
            return;
        };
        if self.calls.get(&call).is_some_and(|state| state.facts == facts) {
            return;
        }
        let state = self.calls.entry(call).or_insert_with(|| CallState::new(facts.opened_ms));
        let before = (state.status(), state.priority(call));
        let left: Vec<DeviceId> = state.involved().collect();
        state.update(facts, now_ms);
        let involved: BTreeSet<DeviceId> = state.involved().collect();
        if state.status() != before.0 {
            self.decisions.push_back(Decision::StatusChanged(call));
        }
        self.unattended.remove(&before.1);
        for device in left.into_iter().filter(|device| !involved.contains(device)) {
            self.leave(device, call);
        }
        for device in involved {
            self.join(device, call, now_ms);
        }
        self.settle(call, now_ms);
        self.assign(now_ms);
    }

    /// A note-taker requests to join, for the first time or again.
    pub(crate) fn requested(&mut self, call: CallId, device: DeviceId, now_ms: u64) {
        // Also one that never reported to be free: after a restart it goes back into the call that it was in.
        self.know(device, now_ms);
        self.change(call, now_ms, |state| state.requested(device, now_ms));
        self.assign(now_ms);
    }

    /// The members admitted these devices.
    pub(crate) fn admitted(&mut self, call: CallId, devices: &[DeviceId], now_ms: u64) {
        self.change(call, now_ms, |state| devices.iter().for_each(|device| state.admitted(*device, now_ms)));
        self.assign(now_ms);
    }

    /// A message of a member was received, which proves that it is live.
    pub(crate) fn message_received(&mut self, call: CallId, device: DeviceId, now_ms: u64) {
        if self.calls.get(&call).is_some_and(|state| state.facts.note_taker_members.contains(&device)) {
            self.change(call, now_ms, |state| state.message_received(device, now_ms));
        }
    }

    /// A note-taker has no call, and accepts any.
    pub(crate) fn available(&mut self, device: DeviceId, now_ms: u64) {
        self.know(device, now_ms);
        let known = self.note_takers.entry(device).or_default();
        if known.free_since_ms.is_some() {
            return;
        }
        known.in_vain = None;
        let assigned = known.call.and_then(|call| self.calls.get(&call)?.assigned);
        if assigned.is_some_and(|(to, since)| to == device && now_ms < since + CROSSING_MS) {
            return;
        }
        if let Some(call) = known.call.take() {
            // It was assigned a call, and gave it up.
            self.change(call, now_ms, |state| state.give_up(device, now_ms));
        }
        let known = self.note_takers.entry(device).or_default();
        if known.call.is_none() {
            known.free_since_ms = Some(now_ms);
            self.free.insert((now_ms, device));
        }
        self.assign(now_ms);
    }

    /// A note-taker is connected.
    fn know(&mut self, device: DeviceId, now_ms: u64) {
        let first = self.note_takers.is_empty();
        self.note_takers.entry(device).or_default();
        if first {
            // Calls do not wait while there is no note-taker: start their timers now.
            let calls: Vec<CallId> = self.unattended.iter().map(|(_, _, call)| *call).collect();
            calls.into_iter().for_each(|call| self.settle(call, now_ms));
        }
    }

    /// A note-taker's connection ended.
    pub(crate) fn disconnected(&mut self, device: DeviceId, now_ms: u64) {
        let Some(known) = self.note_takers.remove(&device) else { return };
        if let Some(since) = known.free_since_ms {
            self.free.remove(&(since, device));
        }
        if let Some(call) = known.call {
            self.change(call, now_ms, |state| state.give_up(device, now_ms));
        }
        self.assign(now_ms);
    }

    /// Whether a note-taker may request to join: no other one records the call, or is about to.
    pub(crate) fn may_request(&self, call: CallId, device: DeviceId) -> bool {
        self.calls.get(&call).is_none_or(|state| !state.has_another(device))
    }

    /// How many note-takers accept a call now.
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// The status of a call's note-takers, as shown to staff.
    pub(crate) fn status(&self, call: CallId) -> Status {
        self.calls.get(&call).map(CallState::status).unwrap_or_default()
    }

    /// Processes due timers.
    pub(crate) fn timeout(&mut self, now_ms: u64) {
        while let Some(call) = self.timers.pop_due(now_ms) {
            let mut expired = Vec::new();
            self.change(call, now_ms, |state| expired = state.expire(now_ms));
            for device in expired {
                self.leave(device, call);
                if let Some(known) = self.note_takers.get_mut(&device) {
                    known.in_vain = Some(call);
                }
                self.decisions.push_back(Decision::ExpireRequest { call, device });
            }
            self.assign(now_ms);
            self.reassign(now_ms);
        }
    }

    /// Changes a call's state, then updates queue, timer and status accordingly.
    fn change(&mut self, call: CallId, now_ms: u64, change: impl FnOnce(&mut CallState)) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let before = (state.status(), state.priority(call));
        change(state);
        if state.status() != before.0 {
            self.decisions.push_back(Decision::StatusChanged(call));
        }
        self.unattended.remove(&before.1);
        self.settle(call, now_ms);
    }

    fn settle(&mut self, call: CallId, now_ms: u64) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        state.update_unattended(now_ms);
        if state.is_unattended() {
            self.unattended.insert(state.priority(call));
        }
        let staffed = !self.note_takers.is_empty();
        self.timers.set(call, state.next_timeout(staffed, now_ms));
    }

    /// Assigns free note-takers to calls that need one.
    fn assign(&mut self, now_ms: u64) {
        if self.free.is_empty() || self.unattended.is_empty() {
            return;
        }
        let mut matched = Vec::new();
        let mut free: Vec<(u64, DeviceId)> = self.free.iter().copied().collect();
        for priority in &self.unattended {
            let Some(state) = self.calls.get(&priority.2) else { continue };
            let Some(at) = free.iter().position(|(_, device)| state.may_be_assigned(*device, now_ms)) else { continue };
            matched.push((priority.2, free.remove(at).1));
            if free.is_empty() {
                break;
            }
        }
        for (call, device) in matched {
            self.assign_to(call, device, now_ms);
        }
    }

    fn assign_to(&mut self, call: CallId, device: DeviceId, now_ms: u64) {
        self.join(device, call, now_ms);
        self.change(call, now_ms, |state| state.assigned = Some((device, now_ms)));
        self.decisions.push_back(Decision::Assign { call, device });
    }

    /// Live calls that have waited too long, while no note-taker is free, get one that another call does without: first one
    /// that records no call because nobody admitted it, as after a crash of everything, then that of the ringing call that was
    /// opened last.
    fn reassign(&mut self, now_ms: u64) {
        let overdue = |priority: &&Priority| self.calls.get(&priority.2).is_some_and(|state| state.is_overdue(now_ms));
        // Live calls come first. One is enough: each that is assigned has a timer of its own.
        let Some(call) = self.unattended.iter().take_while(|(live, ..)| live.0).find(overdue).map(|(_, _, call)| *call)
        else {
            return;
        };
        let elsewhere = self.note_takers.iter().filter(|(_, known)| !known.is_at(call));
        let spare = elsewhere.filter_map(|(device, known)| Some((self.spare(*device, known)?, *device)));
        let state = &self.calls[&call];
        let spare = spare.filter(|(_, device)| state.may_be_assigned(*device, now_ms)).max();
        let Some((_, device)) = spare else { return };
        if let Some(other) = self.note_takers.get(&device).and_then(|known| known.call) {
            self.change(other, now_ms, |state| {
                state.release(device);
            });
        }
        self.assign_to(call, device, now_ms);
        // Another note-taker may be free for the call that only rings.
        self.assign(now_ms);
    }

    /// Whether a note-taker that has not reported to be free can be spared where it is: the higher, the rather.
    fn spare(&self, device: DeviceId, known: &NoteTaker) -> Option<(bool, u64)> {
        match known.call.map(|call| self.calls.get(&call)) {
            Some(Some(state)) if state.holds(device) => (!state.facts.live).then_some((false, state.facts.opened_ms)),
            _ => Some((true, 0)),
        }
    }

    /// The note-taker is occupied by this call, and released from any other.
    fn join(&mut self, device: DeviceId, call: CallId, now_ms: u64) {
        let Some(known) = self.note_takers.get_mut(&device) else { return };
        let previous = known.call.replace(call).filter(|previous| *previous != call);
        if let Some(since) = known.free_since_ms.take() {
            self.free.remove(&(since, device));
        }
        if let Some(previous) = previous {
            self.change(previous, now_ms, |state| {
                state.release(device);
            });
        }
    }

    /// The note-taker is not occupied by this call any more. It counts as free once it reports to be available.
    fn leave(&mut self, device: DeviceId, call: CallId) {
        if let Some(known) = self.note_takers.get_mut(&device).filter(|known| known.call == Some(call)) {
            known.call = None;
        }
    }
}

#[cfg(test)]
mod tests;
