//! WebAuthn ceremonies under way: each state is used once, expires, and is one of a bounded number.

use super::is_younger;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
    net::IpAddr,
};
use telcon_proto::DeviceId;

/// Limits of [`Ceremonies`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct CeremonyLimits {
    /// How long one may take, milliseconds.
    pub ttl_ms: u64,
    /// All together. One more takes the place of the oldest.
    pub total: usize,
    /// Of one address. One more takes the place of its oldest, so that an address alone displaces nobody else's.
    pub per_address: usize,
    /// Of one device from one address, or of one device from all clients of proxies. One more takes the place of the oldest.
    pub per_device: usize,
}

/// Who began a ceremony.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// Somebody at this address.
    At(IpAddr),
    /// Somebody behind a proxy that does not tell addresses: all clients have the proxy's address then, which is not limited.
    BehindProxy,
    /// The device itself, which has proven its key. Its address does not matter: an office may have one for all of its devices.
    Proven,
}

/// From where and for which device a ceremony was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// Who began it.
    pub client: Client,
    /// The device that it is for. Without proof unless the client is [`Client::Proven`].
    pub device: DeviceId,
}

impl Origin {
    /// The address whose ceremonies are limited, this one among them.
    fn address(&self) -> Option<IpAddr> {
        match self.client {
            Client::At(address) => Some(address),
            Client::BehindProxy | Client::Proven => None,
        }
    }
}

struct Pending<T> {
    order: u64,
    origin: Origin,
    began_ms: u64,
    state: T,
}

/// Ceremonies by their random names.
///
/// Invariant: `by_age`, `by_address` and `by_origin` refer to exactly those in `pending`, by their order; `by_address` only to those
/// whose address is known. Only [`Ceremonies::begin`] adds, and only [`Ceremonies::remove`] removes. Orders rise with time and all
/// ceremonies take equally long, so that the first of `by_age` expires first, unless the clock was set back: one that began in the
/// future has expired.
pub(crate) struct Ceremonies<T> {
    limits: CeremonyLimits,
    pending: HashMap<String, Pending<T>>,
    by_age: BTreeMap<u64, String>,
    by_address: HashMap<IpAddr, VecDeque<u64>>,
    by_origin: HashMap<Origin, VecDeque<u64>>,
    next: u64,
}

impl<T> Ceremonies<T> {
    pub fn new(limits: CeremonyLimits) -> Self {
        Self {
            limits,
            pending: HashMap::new(),
            by_age: BTreeMap::new(),
            by_address: HashMap::new(),
            by_origin: HashMap::new(),
            next: 0,
        }
    }

    /// Begins a ceremony under this name, which has to be random.
    pub fn begin(&mut self, name: String, origin: Origin, state: T, now_ms: u64) {
        while let Some((_, oldest)) = self.by_age.first_key_value()
            && self.pending.get(oldest).is_none_or(|pending| !self.is_under_way(pending, now_ms))
        {
            self.remove(&oldest.clone());
        }
        let full = |own: Option<&VecDeque<u64>>, limit| own.filter(|own| own.len() >= limit)?.front().copied();
        let of_address = origin.address().and_then(|address| self.by_address.get(&address));
        let displaced = full(self.by_origin.get(&origin), self.limits.per_device)
            .or_else(|| full(of_address, self.limits.per_address))
            .or_else(|| self.by_age.keys().next().copied().filter(|_| self.pending.len() >= self.limits.total));
        if let Some(name) = displaced.and_then(|order| self.by_age.get(&order).cloned()) {
            self.remove(&name);
        }
        let order = self.next;
        self.next += 1;
        self.by_age.insert(order, name.clone());
        if let Some(address) = origin.address() {
            self.by_address.entry(address).or_default().push_back(order);
        }
        self.by_origin.entry(origin).or_default().push_back(order);
        self.pending.insert(name, Pending { order, origin, began_ms: now_ms, state });
    }

    fn is_under_way(&self, pending: &Pending<T>, now_ms: u64) -> bool {
        is_younger(pending.began_ms, self.limits.ttl_ms, now_ms)
    }

    /// Ends a ceremony, and returns its state if it has not expired. It cannot be ended again.
    pub fn end(&mut self, name: &str, now_ms: u64) -> Option<T> {
        let ended = self.remove(name)?;
        self.is_under_way(&ended, now_ms).then_some(ended.state)
    }

    fn remove(&mut self, name: &str) -> Option<Pending<T>> {
        let removed = self.pending.remove(name)?;
        self.by_age.remove(&removed.order);
        if let Some(address) = removed.origin.address() {
            forget(&mut self.by_address, &address, removed.order);
        }
        forget(&mut self.by_origin, &removed.origin, removed.order);
        Some(removed)
    }
}

fn forget<K: Eq + Hash>(orders: &mut HashMap<K, VecDeque<u64>>, key: &K, order: u64) {
    if let Some(own) = orders.get_mut(key) {
        own.retain(|other| *other != order);
        if own.is_empty() {
            orders.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CeremonyLimits = CeremonyLimits { ttl_ms: 100, total: 6, per_address: 3, per_device: 2 };

    fn from(address: u8, device: u8) -> Origin {
        let client = Client::At(IpAddr::from([192, 0, 2, address]));
        Origin { client, device: DeviceId::from_bytes([device; 16]) }
    }

    fn sizes<T>(table: &Ceremonies<T>) -> [usize; 4] {
        [table.pending.len(), table.by_age.len(), table.by_address.len(), table.by_origin.len()]
    }

    #[test]
    fn a_ceremony_ends_once_and_in_time() {
        let mut table = Ceremonies::new(LIMITS);
        table.begin("a".into(), from(1, 1), 1, 0);
        table.begin("b".into(), from(1, 1), 2, 0);
        assert_eq!(table.end("a", 99), Some(1));
        assert_eq!(table.end("a", 99), None, "it was used");
        assert_eq!(table.end("b", 100), None, "it expired");
        assert_eq!(table.end("c", 0), None, "it never began");
        assert_eq!(sizes(&table), [0; 4]);
    }

    /// The server's clock was a month ahead for a moment, and is right again.
    #[test]
    fn a_ceremony_of_the_future_has_expired() {
        const MONTH_MS: u64 = 30 * 86_400_000;
        let mut table = Ceremonies::new(LIMITS);
        table.begin("a".into(), from(1, 1), 1, MONTH_MS);
        table.begin("b".into(), from(1, 1), 2, MONTH_MS);
        assert_eq!(table.end("a", 0), None);
        table.begin("c".into(), from(1, 1), 3, 0);
        assert_eq!(sizes(&table), [1; 4], "and is forgotten");
        assert_eq!(table.end("c", 99), Some(3));
    }

    /// The attacker begins as many as they like from one address while somebody else unlocks a device, also for that device.
    #[test]
    fn one_address_displaces_its_own_ceremonies_only() {
        let mut table = Ceremonies::new(LIMITS);
        table.begin("victim".into(), from(1, 1), 0, 0);
        for n in 1..1_000 {
            table.begin(format!("{n}"), from(2, n as u8), n, 0);
        }
        assert_eq!(table.pending.len(), 4);
        assert_eq!((table.end("996", 0), table.end("997", 0), table.end("victim", 0)), (None, Some(997), Some(0)));
    }

    /// All clients have the address of a proxy that does not tell theirs.
    #[test]
    fn behind_a_proxy_a_device_displaces_its_own_ceremonies_only() {
        let mut table = Ceremonies::new(LIMITS);
        let via_proxy = |device| Origin { client: Client::BehindProxy, ..from(0, device) };
        for device in 1..=4 {
            table.begin(format!("of {device}"), via_proxy(device), u32::from(device), 0);
        }
        for n in 10..1_000 {
            table.begin(format!("{n}"), via_proxy(4), n, 0);
        }
        assert_eq!((table.end("of 1", 0), table.end("of 2", 0), table.end("of 3", 0)), (Some(1), Some(2), Some(3)));
        assert_eq!((table.end("997", 0), table.end("998", 0), table.end("999", 0)), (None, Some(998), Some(999)));
        assert_eq!(sizes(&table), [0; 4]);
    }

    /// A hundred devices of an office with one address, and somebody without a key behind a proxy who names one of them.
    #[test]
    fn devices_that_have_proven_their_keys_displace_their_own_ceremonies_only() {
        let mut table = Ceremonies::new(CeremonyLimits { total: 1_000, ..LIMITS });
        let proven = |device| Origin { client: Client::Proven, ..from(0, device) };
        for device in 0..100u8 {
            table.begin(format!("of {device}"), proven(device), u32::from(device), 0);
        }
        for n in 0..10 {
            table.begin(format!("{n}"), Origin { client: Client::BehindProxy, ..proven(7) }, n, 0);
        }
        for device in 0..100u8 {
            assert_eq!(table.end(&format!("of {device}"), 0), Some(u32::from(device)));
        }
    }

    #[test]
    fn the_table_is_bounded_and_forgets_what_expired() {
        let mut table = Ceremonies::new(LIMITS);
        for n in 0..100 {
            table.begin(format!("{n}"), from(n, n), n, 0);
        }
        assert_eq!(sizes(&table), [6; 4]);
        table.begin("late".into(), from(1, 1), 1, 100);
        assert_eq!(sizes(&table), [1; 4]);
    }
}
