//! Calls, their legs, and the indexes that make each event cost what it concerns.

use super::{Host, RelayId};
use crate::switchboard::SessionId;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use telcon_proto::{CallId, DeviceId};
use telcon_relay::LegId;

/// A device's leg.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) host: Host,
    /// Offers that the relay has not answered yet, oldest first: where the answer goes, and when it was asked.
    unanswered: VecDeque<(SessionId, u64)>,
    /// Media can flow on the leg that was offered last.
    pub(super) connected: bool,
}

/// An open call.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) host: Host,
    pub(super) log_index: u64,
    pub(super) legs: BTreeMap<DeviceId, Leg>,
    /// Attempts of devices to reach the relay since one of them was connected, and when the last one began.
    pub(super) attempts: BTreeMap<DeviceId, (u32, u64)>,
    /// Standalone relays that the call's devices did not reach, or that refused its legs.
    pub(super) unreachable: BTreeSet<RelayId>,
}

impl Placed {
    pub(super) fn new(host: Host, log_index: u64, unreachable: BTreeSet<RelayId>) -> Self {
        Self { host, log_index, legs: BTreeMap::new(), attempts: BTreeMap::new(), unreachable }
    }
}

/// What is on one relay.
#[derive(Debug, Default)]
struct OnHost {
    calls: BTreeSet<CallId>,
    connected: usize,
    /// Legs with an unanswered offer, by the time of the oldest.
    unanswered: BTreeSet<(u64, LegId)>,
}

/// All calls and legs.
#[derive(Debug)]
pub(super) struct Legs {
    calls: HashMap<CallId, Placed>,
    names: HashMap<LegId, (CallId, DeviceId)>,
    hosts: BTreeMap<Host, OnHost>,
    last_leg: u64,
}

impl Legs {
    /// All open calls.
    pub(super) fn call_ids(&self) -> BTreeSet<CallId> {
        self.calls.keys().copied().collect()
    }

    pub(super) fn starting_at(last_leg: u64) -> Self {
        Self { calls: HashMap::new(), names: HashMap::new(), hosts: BTreeMap::new(), last_leg }
    }

    pub(super) fn call(&self, call: CallId) -> Option<&Placed> {
        self.calls.get(&call)
    }

    /// For `attempts` and `unreachable`. Legs and host change through the methods below, which keep the indexes.
    pub(super) fn call_mut(&mut self, call: CallId) -> Option<&mut Placed> {
        self.calls.get_mut(&call)
    }

    pub(super) fn calls_on(&self, host: Host) -> BTreeSet<CallId> {
        self.hosts.get(&host).map(|on| on.calls.clone()).unwrap_or_default()
    }

    /// Legs on a relay on which media can flow.
    pub(super) fn connected_on(&self, host: Host) -> usize {
        self.hosts.get(&host).map_or(0, |on| on.connected)
    }

    /// When the oldest unanswered offer of a relay was handed to it.
    pub(super) fn oldest_unanswered(&self, host: Host) -> Option<u64> {
        self.hosts.get(&host)?.unanswered.first().map(|(asked, _)| *asked)
    }

    pub(super) fn place(&mut self, call: CallId, placed: Placed) {
        self.hosts.entry(placed.host).or_default().calls.insert(call);
        self.calls.insert(call, placed);
    }

    /// Where the call was, and its legs.
    pub(super) fn remove_call(&mut self, call: CallId) -> Option<(Host, Vec<Leg>)> {
        let devices: Vec<DeviceId> = self.calls.get(&call)?.legs.keys().copied().collect();
        let legs = devices.into_iter().filter_map(|device| self.remove_leg(call, device)).collect();
        let placed = self.calls.remove(&call)?;
        if let Some(on) = self.hosts.get_mut(&placed.host) {
            on.calls.remove(&call);
        }
        self.prune(placed.host);
        Some((placed.host, legs))
    }

    fn prune(&mut self, host: Host) {
        let empty = |on: &OnHost| on.calls.is_empty() && on.connected == 0 && on.unanswered.is_empty();
        if self.hosts.get(&host).is_some_and(empty) {
            self.hosts.remove(&host);
        }
    }

    /// The leg's number; the same as before where the device has a leg on the call's relay.
    pub(super) fn offer(&mut self, call: CallId, device: DeviceId, session: SessionId, now_ms: u64) -> LegId {
        self.last_leg += 1;
        let new = LegId(self.last_leg);
        let Some(placed) = self.calls.get_mut(&call) else { return new };
        let host = placed.host;
        let leg = placed.legs.entry(device).or_insert_with(|| Leg {
            id: new,
            host,
            unanswered: VecDeque::new(),
            connected: false,
        });
        let id = leg.id;
        let on = self.hosts.entry(host).or_default();
        on.connected -= usize::from(std::mem::take(&mut leg.connected));
        if leg.unanswered.is_empty() {
            on.unanswered.insert((now_ms, id));
        }
        leg.unanswered.push_back((session, now_ms));
        self.names.insert(id, (call, device));
        id
    }

    /// A relay answered the oldest offer of a leg that it has.
    pub(super) fn answered(&mut self, host: Host, id: LegId) -> Option<(CallId, DeviceId, SessionId)> {
        let (call, device) = *self.names.get(&id)?;
        let leg = self.calls.get_mut(&call)?.legs.get_mut(&device).filter(|leg| leg.host == host && leg.id == id)?;
        let (session, asked) = leg.unanswered.pop_front()?;
        let on = self.hosts.entry(host).or_default();
        on.unanswered.remove(&(asked, id));
        if let Some((_, next)) = leg.unanswered.front() {
            on.unanswered.insert((*next, id));
        }
        Some((call, device, session))
    }

    /// `false` where the relay that says so does not have the leg.
    pub(super) fn connected(&mut self, host: Host, id: LegId) -> bool {
        let Some((call, device)) = self.names.get(&id) else { return false };
        let Some(placed) = self.calls.get_mut(call) else { return false };
        let Some(leg) = placed.legs.get_mut(device).filter(|leg| leg.host == host && leg.id == id) else {
            return false;
        };
        if !std::mem::replace(&mut leg.connected, true) {
            self.hosts.entry(host).or_default().connected += 1;
        }
        placed.attempts.clear();
        true
    }

    /// Whose leg ended; none where the relay that says so does not have it, or has not answered its newest offer: then what
    /// ended is the leg before it.
    pub(super) fn gone(&mut self, host: Host, id: LegId) -> Option<(CallId, DeviceId)> {
        let (call, device) = *self.names.get(&id)?;
        let leg = self.calls.get(&call)?.legs.get(&device)?;
        if leg.host != host || leg.id != id || !leg.unanswered.is_empty() {
            return None;
        }
        self.remove_leg(call, device);
        Some((call, device))
    }

    pub(super) fn remove_leg(&mut self, call: CallId, device: DeviceId) -> Option<Leg> {
        let leg = self.calls.get_mut(&call)?.legs.remove(&device)?;
        self.names.remove(&leg.id);
        if let Some(on) = self.hosts.get_mut(&leg.host) {
            on.connected -= usize::from(leg.connected);
            if let Some((_, asked)) = leg.unanswered.front() {
                on.unanswered.remove(&(*asked, leg.id));
            }
        }
        self.prune(leg.host);
        Some(leg)
    }

    /// Places a call elsewhere. Legs stay where they are, without the offers that were not answered. Returns the devices that
    /// have one at the relay that the call left.
    pub(super) fn move_call(&mut self, call: CallId, to: Host) -> Vec<DeviceId> {
        let Some(placed) = self.calls.get_mut(&call) else { return Vec::new() };
        let from = std::mem::replace(&mut placed.host, to);
        placed.attempts.clear();
        let on = self.hosts.entry(from).or_default();
        on.calls.remove(&call);
        let mut devices = Vec::new();
        for (device, leg) in placed.legs.iter_mut().filter(|(_, leg)| leg.host == from) {
            if let Some((_, asked)) = leg.unanswered.front() {
                on.unanswered.remove(&(*asked, leg.id));
            }
            leg.unanswered.clear();
            devices.push(*device);
        }
        self.hosts.entry(to).or_default().calls.insert(call);
        devices
    }

    /// The legs of a call on one relay are no more.
    pub(super) fn forget_legs_on(&mut self, call: CallId, host: Host) {
        let Some(placed) = self.calls.get(&call) else { return };
        let devices: Vec<DeviceId> =
            placed.legs.iter().filter(|(_, leg)| leg.host == host).map(|(device, _)| *device).collect();
        for device in devices {
            self.remove_leg(call, device);
        }
    }

    /// A relay's connection is gone. Its legs stay with their calls until their devices have made others.
    pub(super) fn forget_host(&mut self, host: Host) {
        if let Some(on) = self.hosts.get_mut(&host) {
            on.unanswered.clear();
        }
        self.prune(host);
    }

    /// Recounts the indexes.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut hosts: BTreeMap<Host, (BTreeSet<CallId>, usize)> = BTreeMap::new();
        let mut names = HashMap::new();
        for (call, placed) in &self.calls {
            hosts.entry(placed.host).or_default().0.insert(*call);
            for (device, leg) in &placed.legs {
                hosts.entry(leg.host).or_default().1 += usize::from(leg.connected);
                names.insert(leg.id, (*call, *device));
            }
        }
        assert_eq!(names, self.names);
        for (host, on) in &self.hosts {
            assert_eq!(hosts.remove(host).unwrap_or_default(), (on.calls.clone(), on.connected), "{host:?}");
        }
        assert!(hosts.values().all(|(calls, connected)| calls.is_empty() && *connected == 0));
    }
}
