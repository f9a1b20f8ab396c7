//! The registered standalone relays: load, capacity and reachability.

use super::RelayId;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

/// Duration of a quarantine, milliseconds. After an eviction, newly registered relays get no calls for this long
/// either: one may be the evicted relay, which without load would be chosen next.
pub(super) const QUARANTINE_MS: u64 = 60_000;

/// How long a relay counts as reachable after a leg on it was connected, milliseconds.
pub(super) const REACHED_FOR_MS: u64 = 300_000;

#[derive(Debug)]
struct Relay {
    max_calls: u64,
    calls: u64,
    legs: u64,
    /// Calls placed on it since its last heartbeat.
    placed: u64,
    draining: bool,
    address: SocketAddr,
    /// When a leg on it was last connected.
    reached_at: Option<u64>,
    /// End of its quarantine.
    quarantined_until: u64,
}

/// All registered standalone relays.
#[derive(Debug, Default)]
pub(super) struct Pool {
    relays: BTreeMap<RelayId, Relay>,
    /// Until when newly registered relays get no calls.
    new_relays_quarantined_until: u64,
}

impl Pool {
    pub(super) fn add(&mut self, id: RelayId, max_calls: u64, address: SocketAddr, now_ms: u64) {
        let quarantined_until = self.new_relays_quarantined_until.max(now_ms);
        let (calls, legs, placed, draining, reached_at) = (0, 0, 0, false, None);
        let relay = Relay { max_calls, calls, legs, placed, draining, address, reached_at, quarantined_until };
        self.relays.insert(id, relay);
    }

    /// Removes a relay. Returns whether it was draining; none if it is not registered.
    pub(super) fn remove(&mut self, id: RelayId) -> Option<bool> {
        self.relays.remove(&id).map(|relay| relay.draining)
    }

    pub(super) fn contains(&self, id: RelayId) -> bool {
        self.relays.contains_key(&id)
    }

    /// Address and number, for the operator.
    pub(super) fn name(&self, id: RelayId) -> String {
        let number = id.0;
        self.relays.get(&id).map_or_else(|| format!("#{number}"), |relay| format!("{} #{number}", relay.address))
    }

    pub(super) fn len(&self) -> usize {
        self.relays.len()
    }

    /// Whether another registered relay has the same address.
    pub(super) fn has_duplicate_address(&self, id: RelayId) -> bool {
        let address = self.relays.get(&id).map(|relay| relay.address).filter(|address| address.port() > 0);
        address.is_some_and(|own| self.relays.iter().any(|(other, relay)| *other != id && relay.address == own))
    }

    /// A leg on it was connected.
    pub(super) fn reached(&mut self, id: RelayId, now_ms: u64) {
        if let Some(relay) = self.relays.get_mut(&id) {
            relay.reached_at = Some(now_ms);
        }
    }

    /// Whether a leg on it was connected recently.
    pub(super) fn is_reached(&self, id: RelayId, now_ms: u64) -> bool {
        let recently = |at: u64| now_ms.saturating_sub(at) < REACHED_FOR_MS;
        self.relays.get(&id).is_some_and(|relay| relay.reached_at.is_some_and(recently))
    }

    /// The devices of a call did not reach it: quarantines it, unless other devices reached it recently, so that a
    /// single device cannot keep calls from a working relay.
    pub(super) fn quarantine(&mut self, id: RelayId, now_ms: u64) -> bool {
        if self.is_reached(id, now_ms) {
            return false;
        }
        let relay = self.relays.get_mut(&id);
        relay.map(|relay| relay.quarantined_until = now_ms + QUARANTINE_MS).is_some()
    }

    /// Removes an unresponsive relay.
    pub(super) fn evict(&mut self, id: RelayId, now_ms: u64) {
        self.relays.remove(&id);
        self.new_relays_quarantined_until = now_ms + QUARANTINE_MS;
    }

    /// The least loaded relay with capacity, except those `unreachable` for the call.
    pub(super) fn least_loaded(&mut self, unreachable: &BTreeSet<RelayId>, now_ms: u64) -> Option<RelayId> {
        let has_room = |relay: &Relay| {
            let calls = relay.calls.saturating_add(relay.placed);
            !relay.draining && now_ms >= relay.quarantined_until && calls < relay.max_calls
        };
        let open = self.relays.iter_mut().filter(|(id, relay)| has_room(relay) && !unreachable.contains(id));
        // A call that was placed since the last heartbeat will have at least two legs.
        let (id, relay) = open.min_by_key(|(_, relay)| relay.legs.saturating_add(2 * relay.placed))?;
        relay.placed += 1;
        Some(*id)
    }

    /// A relay reports its load. Returns whether it starts to drain.
    pub(super) fn heartbeat(&mut self, id: RelayId, calls: u64, legs: u64, draining: bool) -> bool {
        let Some(relay) = self.relays.get_mut(&id) else { return false };
        let first = draining && !relay.draining;
        (relay.calls, relay.legs, relay.placed, relay.draining) = (calls, legs, 0, draining);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    const AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
    const NONE: BTreeSet<RelayId> = BTreeSet::new();

    fn pool(relays: u64) -> Pool {
        let mut pool = Pool::default();
        (0..relays).for_each(|n| pool.add(RelayId(n), 10, AT, 0));
        pool
    }

    #[test]
    fn calls_are_placed_on_the_least_loaded_relay_with_capacity_that_does_not_drain() {
        assert_eq!(pool(0).least_loaded(&NONE, 0), None);
        let mut pool = pool(3);
        pool.heartbeat(RelayId(0), 2, 5, false);
        pool.heartbeat(RelayId(1), 1, 3, false);
        assert!(pool.heartbeat(RelayId(2), 0, 0, true), "starts to drain");
        assert!(!pool.heartbeat(RelayId(2), 0, 0, true), "reported once");
        assert_eq!(pool.least_loaded(&NONE, 0), Some(RelayId(1)));
        // The call placed now counts as two legs until the next heartbeat: a tie, which the lower number wins.
        assert_eq!(pool.least_loaded(&NONE, 0), Some(RelayId(0)));
        assert_eq!(pool.least_loaded(&NONE, 0), Some(RelayId(1)));
        assert_eq!(pool.least_loaded(&BTreeSet::from([RelayId(0), RelayId(1)]), 0), None);
        pool.heartbeat(RelayId(0), 10, 0, false);
        pool.heartbeat(RelayId(1), 9, 90, false);
        assert_eq!(pool.least_loaded(&NONE, 0), Some(RelayId(1)));
        assert_eq!(pool.least_loaded(&NONE, 0), None, "all full");
        pool.heartbeat(RelayId(1), u64::MAX, u64::MAX, false);
        assert_eq!(pool.least_loaded(&NONE, 0), None, "reported numbers do not overflow");
        pool.heartbeat(RelayId(1), 0, u64::MAX, false);
        assert_eq!([pool.least_loaded(&NONE, 0), pool.least_loaded(&NONE, 0)], [Some(RelayId(1)); 2]);
    }

    #[test]
    fn unreachable_relays_are_quarantined_and_reached_ones_are_not() {
        let mut pool = pool(1);
        pool.reached(RelayId(0), 0);
        assert!(!pool.quarantine(RelayId(0), REACHED_FOR_MS - 1));
        assert!(pool.quarantine(RelayId(0), REACHED_FOR_MS));
        assert_eq!(pool.least_loaded(&NONE, REACHED_FOR_MS + QUARANTINE_MS - 1), None);
        assert_eq!(pool.least_loaded(&NONE, REACHED_FOR_MS + QUARANTINE_MS), Some(RelayId(0)));
    }

    #[test]
    fn relays_registered_after_an_eviction_get_no_calls_for_a_minute() {
        let mut pool = pool(3);
        pool.evict(RelayId(1), 0);
        pool.add(RelayId(4), 10, AT, 0);
        pool.remove(RelayId(0));
        pool.heartbeat(RelayId(2), 5, 10, false);
        assert_eq!(
            pool.least_loaded(&NONE, 0),
            Some(RelayId(2)),
            "relays that were registered before are not affected"
        );
        pool.remove(RelayId(2));
        assert_eq!(pool.least_loaded(&NONE, QUARANTINE_MS - 1), None);
        assert_eq!(pool.least_loaded(&NONE, QUARANTINE_MS), Some(RelayId(4)));
        pool.add(RelayId(5), 10, AT, 2 * QUARANTINE_MS);
        pool.remove(RelayId(4));
        assert_eq!(pool.least_loaded(&NONE, 2 * QUARANTINE_MS), Some(RelayId(5)));
    }

    #[test]
    fn duplicate_relay_addresses_are_detected() {
        let mut pool = pool(2);
        assert!(pool.has_duplicate_address(RelayId(0)));
        pool.remove(RelayId(1));
        assert!(!pool.has_duplicate_address(RelayId(0)));
    }
}
