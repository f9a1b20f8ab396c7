//! Calls and their legs, with indexes, so that handling an event scans nothing unrelated to it.

use super::{Host, OFFER_RATE, RelayId};
use crate::{allowance::Allowance, switchboard::SessionId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use telcon_proto::{CallId, DeviceId};
use telcon_relay::LegId;

/// A device's leg.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) host: Host,
    /// The offer that the relay has not answered: the session that gets the answer, and when it was sent to the relay.
    in_flight: Option<(SessionId, u64)>,
    /// The newest offer since: sent once the relay has answered. It replaces an older one, which its device has given up.
    waiting: Option<(SessionId, String)>,
    /// The leg that was offered last is connected.
    pub(super) connected: bool,
}

/// An open call.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) host: Host,
    pub(super) log_index: u64,
    pub(super) legs: BTreeMap<DeviceId, Leg>,
    /// Per device, the number of attempts to reach the relay since any leg of the call was last connected, and when the last one began.
    pub(super) attempts: BTreeMap<DeviceId, (u32, u64)>,
    /// Per device, the offers that it has left. It outlives the leg.
    offers: BTreeMap<DeviceId, Allowance>,
    /// Standalone relays that are unreachable for the call's devices, or that refused its legs.
    pub(super) unreachable: BTreeSet<RelayId>,
}

impl Placed {
    pub(super) fn new(host: Host, log_index: u64, unreachable: BTreeSet<RelayId>) -> Self {
        let (legs, attempts, offers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { host, log_index, legs, attempts, offers, unreachable }
    }

    /// Counts an offer of a device; returns whether it is within the rate limit.
    pub(super) fn count_offer(&mut self, device: DeviceId, now_ms: u64) -> bool {
        self.offers.entry(device).or_default().take(OFFER_RATE, now_ms)
    }

    /// Whether the relay has not answered an offer of the device.
    pub(super) fn is_in_flight(&self, device: &DeviceId) -> bool {
        self.legs.get(device).is_some_and(|leg| leg.host == self.host && leg.in_flight.is_some())
    }
}

/// An answer of a relay, resolved to its leg.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) call: CallId,
    pub(super) device: DeviceId,
    /// The session that sent the offer.
    pub(super) session: SessionId,
}

/// The calls and legs of one relay.
#[derive(Debug, Default)]
struct OnHost {
    calls: BTreeSet<CallId>,
    connected: usize,
    /// Legs with an offer in flight, by the time of the offer.
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

    /// For changes of `attempts` and `unreachable`. Legs and host are changed by the methods below, which maintain the
    /// indexes.
    pub(super) fn call_mut(&mut self, call: CallId) -> Option<&mut Placed> {
        self.calls.get_mut(&call)
    }

    pub(super) fn calls_on(&self, host: Host) -> BTreeSet<CallId> {
        self.hosts.get(&host).map(|on| on.calls.clone()).unwrap_or_default()
    }

    /// The number of connected legs on a relay.
    pub(super) fn connected_on(&self, host: Host) -> usize {
        self.hosts.get(&host).map_or(0, |on| on.connected)
    }

    /// When the oldest unanswered offer of a relay was sent to it.
    pub(super) fn oldest_unanswered(&self, host: Host) -> Option<u64> {
        self.hosts.get(&host)?.unanswered.first().map(|(asked, _)| *asked)
    }

    pub(super) fn place(&mut self, call: CallId, placed: Placed) {
        self.hosts.entry(placed.host).or_default().calls.insert(call);
        self.calls.insert(call, placed);
    }

    /// Removes a call; returns its host and legs.
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

    /// A device offers its leg on the call's relay. Returns the leg's number (the same as before if the device has a leg
    /// there) and the offer, to be sent now; none if an earlier offer is in flight: then this one waits for its answer.
    pub(super) fn offer(
        &mut self,
        call: CallId,
        device: DeviceId,
        session: SessionId,
        offer: String,
        now_ms: u64,
    ) -> Option<(LegId, String)> {
        self.last_leg += 1;
        let new = LegId(self.last_leg);
        let placed = self.calls.get_mut(&call)?;
        let host = placed.host;
        let leg = placed.legs.entry(device).or_insert_with(|| Leg {
            id: new,
            host,
            in_flight: None,
            waiting: None,
            connected: false,
        });
        if leg.in_flight.is_some() {
            leg.waiting = Some((session, offer));
            return None;
        }
        let id = leg.id;
        leg.in_flight = Some((session, now_ms));
        let on = self.hosts.entry(host).or_default();
        on.connected -= usize::from(std::mem::take(&mut leg.connected));
        on.unanswered.insert((now_ms, id));
        self.names.insert(id, (call, device));
        Some((id, offer))
    }

    /// A relay answered the offer of one of its legs.
    pub(super) fn answered(&mut self, host: Host, id: LegId) -> Option<Answered> {
        let (call, device) = *self.names.get(&id)?;
        let leg = self.calls.get_mut(&call)?.legs.get_mut(&device).filter(|leg| leg.host == host && leg.id == id)?;
        let (session, asked) = leg.in_flight.take()?;
        self.hosts.entry(host).or_default().unanswered.remove(&(asked, id));
        Some(Answered { call, device, session })
    }

    /// The offer of a device that waited for the answer to an earlier one.
    pub(super) fn take_waiting(&mut self, call: CallId, device: DeviceId) -> Option<(SessionId, String)> {
        self.calls.get_mut(&call)?.legs.get_mut(&device)?.waiting.take()
    }

    /// A leg is connected. `false` if it is not on the relay that reports it.
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

    /// A leg ended; returns whose. None if it is not on the relay that reports it, or if an offer is unanswered: then
    /// the previous leg ended.
    pub(super) fn gone(&mut self, host: Host, id: LegId) -> Option<(CallId, DeviceId)> {
        let (call, device) = *self.names.get(&id)?;
        let leg = self.calls.get(&call)?.legs.get(&device)?;
        if leg.host != host || leg.id != id || leg.in_flight.is_some() {
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
            if let Some((_, asked)) = leg.in_flight {
                on.unanswered.remove(&(asked, leg.id));
            }
        }
        self.prune(leg.host);
        Some(leg)
    }

    /// Moves a call to another host. Its legs stay on their relay, without unanswered offers. Returns the devices that
    /// have a leg on the previous relay.
    pub(super) fn move_call(&mut self, call: CallId, to: Host) -> Vec<DeviceId> {
        let Some(placed) = self.calls.get_mut(&call) else { return Vec::new() };
        let from = std::mem::replace(&mut placed.host, to);
        placed.attempts.clear();
        let on = self.hosts.entry(from).or_default();
        on.calls.remove(&call);
        let mut devices = Vec::new();
        for (device, leg) in placed.legs.iter_mut().filter(|(_, leg)| leg.host == from) {
            if let Some((_, asked)) = leg.in_flight {
                on.unanswered.remove(&(asked, leg.id));
            }
            (leg.in_flight, leg.waiting) = (None, None);
            devices.push(*device);
        }
        self.hosts.entry(to).or_default().calls.insert(call);
        devices
    }

    /// Removes the legs of a call on one relay.
    pub(super) fn forget_legs_on(&mut self, call: CallId, host: Host) {
        let Some(placed) = self.calls.get(&call) else { return };
        let devices: Vec<DeviceId> =
            placed.legs.iter().filter(|(_, leg)| leg.host == host).map(|(device, _)| *device).collect();
        for device in devices {
            self.remove_leg(call, device);
        }
    }

    /// A relay's connection ended. Its legs stay with their calls until their devices have offered new ones.
    pub(super) fn forget_host(&mut self, host: Host) {
        if let Some(on) = self.hosts.get_mut(&host) {
            on.unanswered.clear();
        }
        self.prune(host);
    }

    /// Checks the indexes against the calls.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut hosts: BTreeMap<Host, (BTreeSet<CallId>, usize)> = BTreeMap::new();
        let mut names = HashMap::new();
        for (call, placed) in &self.calls {
            hosts.entry(placed.host).or_default().0.insert(*call);
            for (device, leg) in &placed.legs {
                hosts.entry(leg.host).or_default().1 += usize::from(leg.connected);
                names.insert(leg.id, (*call, *device));
                let in_flight = leg.in_flight.map(|(_, asked)| (asked, leg.id));
                let indexed = |entry| self.hosts.get(&leg.host).is_some_and(|on| on.unanswered.contains(&entry));
                assert!(in_flight.is_none_or(indexed) || leg.host != placed.host, "an offer in flight is indexed");
                assert!(leg.waiting.is_none() || leg.in_flight.is_some(), "an offer waits for another one's answer");
            }
        }
        assert_eq!(names, self.names);
        for (host, on) in &self.hosts {
            assert_eq!(hosts.remove(host).unwrap_or_default(), (on.calls.clone(), on.connected), "{host:?}");
        }
        assert!(hosts.values().all(|(calls, connected)| calls.is_empty() && *connected == 0));
    }
}
