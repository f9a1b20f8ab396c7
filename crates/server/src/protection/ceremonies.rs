//! WebAuthn ceremonies under way: each state is used once, expires, and is one of a bounded number.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::IpAddr,
};

/// Limits of [`Ceremonies`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct CeremonyLimits {
    /// How long one may take, milliseconds.
    pub ttl_ms: u64,
    /// All together. One more takes the place of the oldest.
    pub total: usize,
    /// Of one address. One more takes the place of its oldest, so that an address alone displaces nobody else's.
    pub per_address: usize,
}

struct Pending<T> {
    order: u64,
    address: IpAddr,
    expires_ms: u64,
    state: T,
}

/// Ceremonies by their random names.
pub(crate) struct Ceremonies<T> {
    limits: CeremonyLimits,
    pending: HashMap<String, Pending<T>>,
    by_age: BTreeMap<u64, String>,
    by_address: HashMap<IpAddr, VecDeque<u64>>,
    next: u64,
}

impl<T> Ceremonies<T> {
    pub fn new(limits: CeremonyLimits) -> Self {
        Self { limits, pending: HashMap::new(), by_age: BTreeMap::new(), by_address: HashMap::new(), next: 0 }
    }

    /// Begins a ceremony under this name, which has to be random.
    pub fn begin(&mut self, name: String, address: IpAddr, state: T, now_ms: u64) {
        while let Some((_, oldest)) = self.by_age.first_key_value()
            && self.pending.get(oldest).is_none_or(|pending| pending.expires_ms <= now_ms)
        {
            self.remove(&oldest.clone());
        }
        let of_address = self.by_address.get(&address).filter(|own| own.len() >= self.limits.per_address);
        let displaced = match of_address.and_then(|own| own.front()) {
            Some(order) => self.by_age.get(order).cloned(),
            None if self.pending.len() >= self.limits.total => self.by_age.values().next().cloned(),
            None => None,
        };
        displaced.iter().for_each(|name| drop(self.remove(name)));
        let order = self.next;
        self.next += 1;
        let expires_ms = now_ms + self.limits.ttl_ms;
        self.by_age.insert(order, name.clone());
        self.by_address.entry(address).or_default().push_back(order);
        self.pending.insert(name, Pending { order, address, expires_ms, state });
    }

    /// Ends a ceremony, and returns its state if it has not expired. It cannot be ended again.
    pub fn end(&mut self, name: &str, now_ms: u64) -> Option<T> {
        self.remove(name).filter(|pending| now_ms < pending.expires_ms).map(|pending| pending.state)
    }

    fn remove(&mut self, name: &str) -> Option<Pending<T>> {
        let removed = self.pending.remove(name)?;
        self.by_age.remove(&removed.order);
        if let Some(own) = self.by_address.get_mut(&removed.address) {
            own.retain(|order| *order != removed.order);
            if own.is_empty() {
                self.by_address.remove(&removed.address);
            }
        }
        Some(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CeremonyLimits = CeremonyLimits { ttl_ms: 100, total: 6, per_address: 3 };

    fn address(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    #[test]
    fn a_ceremony_ends_once_and_in_time() {
        let mut table = Ceremonies::new(LIMITS);
        table.begin("a".into(), address(1), 1, 0);
        table.begin("b".into(), address(1), 2, 0);
        assert_eq!(table.end("a", 99), Some(1));
        assert_eq!(table.end("a", 99), None, "it was used");
        assert_eq!(table.end("b", 100), None, "it expired");
        assert_eq!(table.end("c", 0), None, "it never began");
    }

    /// The attacker begins as many as they like from one address while somebody else unlocks a device.
    #[test]
    fn one_address_displaces_its_own_ceremonies_only() {
        let mut table = Ceremonies::new(LIMITS);
        table.begin("victim".into(), address(1), 0, 0);
        for n in 1..1_000 {
            table.begin(format!("{n}"), address(2), n, 0);
        }
        assert_eq!(table.pending.len(), 4);
        assert_eq!((table.end("996", 0), table.end("997", 0), table.end("victim", 0)), (None, Some(997), Some(0)));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_what_expired() {
        let mut table = Ceremonies::new(LIMITS);
        for n in 0..100 {
            table.begin(format!("{n}"), address(n), n, 0);
        }
        assert_eq!((table.pending.len(), table.by_age.len(), table.by_address.len()), (6, 6, 6));
        table.begin("late".into(), address(1), 1, 100);
        assert_eq!((table.pending.len(), table.by_age.len(), table.by_address.len()), (1, 1, 1));
    }
}
