//! Slots of connections: a limit in total and per address. When a limit is reached, the oldest connection that has not
//! authenticated gives its slot up, so that silent connections keep nobody out.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Limits of [`ConnectionSlots`].
#[derive(Clone, Copy, Debug)]
pub struct SlotLimits {
    /// Connections in total.
    pub total: usize,
    /// Connections of one address.
    pub per_address: usize,
    /// How long a connection keeps its slot in any case. When all devices of an office reconnect at once, each has the time to
    /// sign in, instead of pushing out those that are about to.
    pub grace: Duration,
    /// Bits of an IPv6 address that identify whoever uses it: networks assign prefixes, not addresses.
    pub ipv6_prefix: u32,
}

/// A semaphore of connections.
pub struct ConnectionSlots {
    limits: SlotLimits,
    in_use: Mutex<InUse>,
}

#[derive(Default)]
struct InUse {
    /// Numbers rise with time.
    last: u64,
    held: HashMap<u64, Held>,
    by_address: HashMap<IpAddr, OfAddress>,
    /// Connections that have not authenticated, oldest first.
    evictable: BTreeSet<u64>,
}

struct Held {
    address: IpAddr,
    since: Instant,
    evict: oneshot::Sender<()>,
}

#[derive(Default)]
struct OfAddress {
    held: usize,
    evictable: BTreeSet<u64>,
}

impl InUse {
    /// Takes the slot of a connection that has had it for `grace`; false if it has not.
    fn evict(&mut self, number: u64, grace: Duration, now: Instant) -> bool {
        if self.held.get(&number).is_some_and(|held| now.saturating_duration_since(held.since) < grace) {
            return false;
        }
        if let Some(held) = self.remove(number) {
            let _ = held.evict.send(());
        }
        true
    }

    fn remove(&mut self, number: u64) -> Option<Held> {
        let held = self.held.remove(&number)?;
        self.evictable.remove(&number);
        if let Some(of_address) = self.by_address.get_mut(&held.address) {
            of_address.held -= 1;
            of_address.evictable.remove(&number);
            if of_address.held == 0 {
                self.by_address.remove(&held.address);
            }
        }
        Some(held)
    }
}

/// One counted connection; its slot is free again on drop.
pub struct ConnectionSlot(SlotHandle);

/// Refers to a slot, for whoever authenticates the connection.
#[derive(Clone)]
pub struct SlotHandle {
    slots: Arc<ConnectionSlots>,
    number: u64,
}

impl ConnectionSlots {
    /// All slots free.
    pub fn new(limits: SlotLimits) -> Arc<Self> {
        Arc::new(Self { limits, in_use: Mutex::default() })
    }

    /// Acquires a slot for this address, if need be that of the oldest connection which has not authenticated: of the same
    /// address if that has too many (unless `is_proxy`, which connects for everybody), else of all. The receiver fires when the
    /// slot is given up. None if all are authenticated, or that one is as young as [`SlotLimits::grace`].
    pub fn acquire(
        self: &Arc<Self>,
        address: IpAddr,
        is_proxy: bool,
        now: Instant,
    ) -> Option<(ConnectionSlot, oneshot::Receiver<()>)> {
        let address = self.subscriber(address);
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = in_use.by_address.get(&address);
        if !is_proxy && of_address.is_some_and(|of| of.held >= self.limits.per_address) {
            let oldest = of_address.and_then(|of| of.evictable.first().copied())?;
            in_use.evict(oldest, self.limits.grace, now).then_some(())?;
        } else if in_use.held.len() >= self.limits.total {
            let oldest = in_use.evictable.first().copied()?;
            in_use.evict(oldest, self.limits.grace, now).then_some(())?;
        }
        in_use.last += 1;
        let number = in_use.last;
        let (evict, evicted) = oneshot::channel();
        in_use.held.insert(number, Held { address, since: now, evict });
        in_use.evictable.insert(number);
        let of_address = in_use.by_address.entry(address).or_default();
        of_address.held += 1;
        of_address.evictable.insert(number);
        Some((ConnectionSlot(SlotHandle { slots: self.clone(), number }), evicted))
    }

    fn subscriber(&self, address: IpAddr) -> IpAddr {
        network_of(address, self.limits.ipv6_prefix)
    }
}

/// What counts as one address: an IPv4 address, or the network of an IPv6 address.
pub(super) fn network_of(address: IpAddr, ipv6_prefix: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let host_bits = u128::MAX.checked_shr(ipv6_prefix).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !host_bits))
        }
        other => other,
    }
}

impl ConnectionSlot {
    /// A reference to it.
    pub fn handle(&self) -> SlotHandle {
        self.0.clone()
    }
}

impl SlotHandle {
    /// The connection has authenticated: its slot is its own until it ends.
    pub fn keep(&self) {
        let mut in_use = self.slots.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.evictable.remove(&self.number);
        let address = in_use.held.get(&self.number).map(|held| held.address);
        if let Some(of_address) = address.and_then(|address| in_use.by_address.get_mut(&address)) {
            of_address.evictable.remove(&self.number);
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.0.slots.in_use.lock().unwrap_or_else(PoisonError::into_inner).remove(self.0.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{IPV6_PREFIX, UNSIGNED_IPV6_PREFIX};

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn slots(total: usize, per_address: usize) -> Arc<ConnectionSlots> {
        ConnectionSlots::new(SlotLimits { total, per_address, grace: Duration::ZERO, ipv6_prefix: IPV6_PREFIX })
    }

    fn is_evicted(evicted: &mut oneshot::Receiver<()>) -> bool {
        evicted.try_recv().is_ok()
    }

    /// The attacker holds silent connections from as many addresses as it likes.
    #[test]
    fn when_all_slots_are_in_use_the_oldest_unauthenticated_connection_goes() {
        let slots = slots(4, 2);
        let (signed_in, _ends) = slots.acquire(at("192.0.2.1"), false, Instant::now()).unwrap();
        signed_in.handle().keep();
        let mut silent: Vec<_> = ["192.0.2.2", "192.0.2.2", "192.0.2.3"]
            .map(|a| slots.acquire(at(a), false, Instant::now()).unwrap())
            .into();
        let (newcomer, mut newcomer_ends) = slots.acquire(at("192.0.2.4"), false, Instant::now()).unwrap();
        assert!(is_evicted(&mut silent[0].1), "the oldest");
        assert!(!is_evicted(&mut silent[1].1) && !is_evicted(&mut silent[2].1) && !is_evicted(&mut newcomer_ends));
        newcomer.handle().keep();
        // A slot that was given up is not freed a second time.
        silent.remove(0);
        let (_another, _) = slots.acquire(at("192.0.2.5"), false, Instant::now()).unwrap();
        assert!(is_evicted(&mut silent[0].1));
        for (slot, _) in &silent[1..] {
            slot.handle().keep();
        }
        let (last, mut last_ends) = slots.acquire(at("192.0.2.6"), false, Instant::now()).unwrap();
        last.handle().keep();
        assert!(slots.acquire(at("192.0.2.7"), false, Instant::now()).is_none(), "all are authenticated");
        assert!(!is_evicted(&mut last_ends));
        drop(signed_in);
        assert!(slots.acquire(at("192.0.2.7"), false, Instant::now()).is_some());
    }

    /// All devices of an office reconnect after a restart of its server.
    #[test]
    fn a_connection_that_just_began_is_not_pushed_out() {
        let grace = Duration::from_millis(250);
        let slots = ConnectionSlots::new(SlotLimits { total: 2, per_address: 2, grace, ipv6_prefix: IPV6_PREFIX });
        let start = Instant::now();
        let mut first = slots.acquire(at("192.0.2.1"), false, start).unwrap();
        let _second = slots.acquire(at("192.0.2.2"), false, start + grace / 2).unwrap();
        assert!(slots.acquire(at("192.0.2.3"), false, start + grace * 9 / 10).is_none());
        assert!(!is_evicted(&mut first.1));
        let _third = slots.acquire(at("192.0.2.3"), false, start + grace).unwrap();
        assert!(is_evicted(&mut first.1));
        assert!(slots.acquire(at("192.0.2.4"), false, start + grace).is_none(), "the second is younger");
    }

    #[test]
    fn an_address_with_too_many_connections_gives_up_its_own() {
        let slots = slots(5, 2);
        let (mut first, mut other) = (
            slots.acquire(at("192.0.2.1"), false, Instant::now()).unwrap(),
            slots.acquire(at("192.0.2.9"), false, Instant::now()).unwrap(),
        );
        let (second, _) = slots.acquire(at("192.0.2.1"), false, Instant::now()).unwrap();
        let (third, _) = slots.acquire(at("::ffff:192.0.2.1"), false, Instant::now()).unwrap();
        assert!(is_evicted(&mut first.1) && !is_evicted(&mut other.1));
        second.handle().keep();
        third.handle().keep();
        assert!(slots.acquire(at("192.0.2.1"), false, Instant::now()).is_none());
        assert!(slots.acquire(at("192.0.2.1"), true, Instant::now()).is_some(), "a proxy connects for everybody");
    }

    #[test]
    fn a_wide_ipv6_prefix_counts_as_one_address() {
        for (ipv6_prefix, same, other) in [
            (IPV6_PREFIX, "2001:db8:0:ff::2", "2001:db8:0:100::1"),
            (UNSIGNED_IPV6_PREFIX, "2001:db8:0:ffff::2", "2001:db8:1::1"),
        ] {
            let slots =
                ConnectionSlots::new(SlotLimits { total: 9, per_address: 1, grace: Duration::ZERO, ipv6_prefix });
            let mut first = slots.acquire(at("2001:db8::1"), false, Instant::now()).unwrap();
            let _other = slots.acquire(at(other), false, Instant::now()).unwrap();
            assert!(!is_evicted(&mut first.1));
            let _same = slots.acquire(at(same), false, Instant::now()).unwrap();
            assert!(is_evicted(&mut first.1), "/{ipv6_prefix}");
        }
    }
}
