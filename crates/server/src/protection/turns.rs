//! Turns at lockers: attempts at one PIN come one after the other, so that each is decided on the failures of the one before.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use telcon_proto::Digest;
use tokio::sync::OwnedMutexGuard;

/// Limits of [`Turns`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnLimits {
    /// Attempts at one locker that are made or wait.
    pub per_locker: usize,
    /// At all.
    pub total: usize,
}

/// Who is at which locker, and who waits. Lockers do not wait for each other.
pub(crate) struct Turns {
    limits: TurnLimits,
    queues: Mutex<Queues>,
}

#[derive(Default)]
struct Queues {
    /// Attempts of each locker, and their lock. One without attempts is not in it.
    of_lockers: HashMap<Digest, (usize, Arc<tokio::sync::Mutex<()>>)>,
    total: usize,
}

/// A place in the queue of a locker; it is free again on drop.
pub(crate) struct Place {
    turns: Arc<Turns>,
    locker: Digest,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Turns {
    pub fn new(limits: TurnLimits) -> Arc<Self> {
        Arc::new(Self { limits, queues: Mutex::default() })
    }

    /// A place in the queue of a locker; none if too many attempts wait.
    pub fn queue(self: &Arc<Self>, locker: Digest) -> Option<Place> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = queues.of_lockers.get(&locker).map_or(0, |(waiting, _)| *waiting);
        if waiting >= self.limits.per_locker || queues.total >= self.limits.total {
            return None;
        }
        queues.total += 1;
        let (waiting, lock) = queues.of_lockers.entry(locker).or_default();
        *waiting += 1;
        Some(Place { turns: self.clone(), locker, lock: lock.clone() })
    }
}

impl Place {
    /// Waits until it is this attempt's turn, which lasts until the guard is dropped.
    pub async fn turn(&self) -> OwnedMutexGuard<()> {
        self.lock.clone().lock_owned().await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.turns.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.total -= 1;
        if let Some((waiting, _)) = queues.of_lockers.get_mut(&self.locker) {
            *waiting -= 1;
            if *waiting == 0 {
                queues.of_lockers.remove(&self.locker);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn locker(n: u8) -> Digest {
        Digest::from_bytes([n; 32])
    }

    #[tokio::test]
    async fn attempts_at_one_locker_wait_for_each_other_and_for_no_other_locker() {
        let turns = Turns::new(TurnLimits { per_locker: 2, total: 9 });
        let (first, second, other) =
            (turns.queue(locker(1)).unwrap(), turns.queue(locker(1)).unwrap(), turns.queue(locker(2)).unwrap());
        let turn = first.turn().await;
        assert!(second.turn().now_or_never().is_none());
        assert!(other.turn().now_or_never().is_some());
        drop((turn, first));
        assert!(second.turn().now_or_never().is_some());
    }

    /// The attacker sends more attempts than are answered.
    #[test]
    fn waiting_attempts_are_limited_for_each_locker_and_together() {
        let turns = Turns::new(TurnLimits { per_locker: 2, total: 3 });
        let held = [turns.queue(locker(1)).unwrap(), turns.queue(locker(1)).unwrap()];
        assert!(turns.queue(locker(1)).is_none());
        let other = turns.queue(locker(2)).unwrap();
        assert!(turns.queue(locker(3)).is_none());
        drop((held, other));
        assert!(turns.queue(locker(1)).is_some());
        assert!(turns.queues.lock().unwrap().of_lockers.is_empty(), "nothing is kept of lockers without attempts");
    }
}
