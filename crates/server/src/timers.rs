//! Deadlines by key. The next one is found, moved and cancelled in logarithmic time, however many there are.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

/// At most one deadline for each key.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    queue: BTreeSet<(u64, K)>,
    deadlines: HashMap<K, u64>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { queue: BTreeSet::new(), deadlines: HashMap::new() }
    }
}

impl<K: Copy + Ord + Hash> Timers<K> {
    /// Sets, moves or (with `None`) cancels the deadline of `key`, milliseconds.
    pub(crate) fn set(&mut self, key: K, at_ms: Option<u64>) {
        if self.deadlines.get(&key).copied() == at_ms {
            return;
        }
        if let Some(before) = self.deadlines.remove(&key) {
            self.queue.remove(&(before, key));
        }
        if let Some(at) = at_ms {
            self.deadlines.insert(key, at);
            self.queue.insert((at, key));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<u64> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Removes and returns the key with the earliest deadline, if that is not after `now_ms`.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<K> {
        let (at, key) = self.queue.first().copied().filter(|(at, _)| *at <= now_ms)?;
        self.queue.remove(&(at, key));
        self.deadlines.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_or_cancelled_deadline_does_not_fire() {
        let mut timers = Timers::default();
        for (key, at) in [("a", 30), ("b", 10), ("c", 20)] {
            timers.set(key, Some(at));
        }
        timers.set("b", Some(40));
        timers.set("c", None);
        assert_eq!(timers.next(), Some(30));
        assert_eq!(timers.pop_due(29), None);
        assert_eq!(timers.pop_due(40), Some("a"));
        assert_eq!(timers.pop_due(40), Some("b"));
        assert_eq!((timers.pop_due(u64::MAX), timers.next()), (None, None));
    }
}
