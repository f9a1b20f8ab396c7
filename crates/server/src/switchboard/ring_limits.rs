//! How often people may ring: each caller in total, and each caller one callee, with backoff after rings that were declined or
//! stayed unanswered. What is counted here is lost at a restart, after which each caller begins anew.

use crate::allowance::{Allowance, Rate};
use std::collections::{BTreeSet, HashMap};
use telcon_proto::PersonId;

/// Rings of one person. Each adds two permanent entries to the log.
const CALLER_RATE: Rate = Rate::every_ms(5_000, 12);
/// Unwanted rings in a row that have no consequence: people ring again when nobody came to the telephone in time.
const FREE_UNWANTED: u32 = 2;
/// Wait after the first unwanted ring beyond those, milliseconds; doubled by each further one.
const FIRST_WAIT_MS: u64 = 30_000;
/// Longest wait, milliseconds.
const MAX_WAIT_MS: u64 = 3_600_000;
/// How long after the end of a wait the rings before it are forgotten, milliseconds.
const FORGET_MS: u64 = 3_600_000;

/// A caller and a callee.
type Pair = (PersonId, PersonId);

/// Unwanted rings of one caller to one callee.
#[derive(Clone, Copy, Debug)]
struct Unwanted {
    /// How many in a row.
    rings: u32,
    /// When the next ring is allowed, milliseconds.
    allowed_ms: u64,
    forget_ms: u64,
}

/// Why a ring is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMany {
    /// The caller rings too often.
    Caller,
    /// This callee declined or did not answer: how long to wait, milliseconds.
    Callee(u64),
}

/// Limits of all callers. Every operation looks at one caller or pair; a ring also forgets the pairs whose time is over. What
/// callers have left stays, one number for each person who ever rang.
#[derive(Debug, Default)]
pub(super) struct RingLimits {
    callers: HashMap<PersonId, Allowance>,
    unwanted: HashMap<Pair, Unwanted>,
    /// Pairs by the time at which they are forgotten.
    forget: BTreeSet<(u64, Pair)>,
}

impl RingLimits {
    /// Counts a ring that is about to be opened.
    ///
    /// # Errors
    /// [`TooMany`]; then it is not counted.
    pub fn ring(&mut self, caller: PersonId, callee: PersonId, now_ms: u64) -> Result<(), TooMany> {
        self.forget_old(now_ms);
        let allowed_ms = self.unwanted.get(&(caller, callee)).map_or(0, |unwanted| unwanted.allowed_ms);
        if now_ms < allowed_ms {
            return Err(TooMany::Callee(allowed_ms - now_ms));
        }
        if !self.callers.entry(caller).or_default().take(CALLER_RATE, now_ms) {
            return Err(TooMany::Caller);
        }
        // Who rings somebody wants to be rung back.
        self.set((callee, caller), None);
        Ok(())
    }

    /// A ring that the callee was shown ended without an answer and not because they took another call, or was not shown
    /// because they have silenced the caller.
    pub fn unwanted(&mut self, caller: PersonId, callee: PersonId, now_ms: u64) {
        let rings = self.unwanted.get(&(caller, callee)).map_or(0, |before| before.rings).saturating_add(1);
        let doubled = rings.checked_sub(FREE_UNWANTED + 1).map(|n| FIRST_WAIT_MS << n.min(20));
        let allowed_ms = now_ms + doubled.unwrap_or_default().min(MAX_WAIT_MS);
        self.set((caller, callee), Some(Unwanted { rings, allowed_ms, forget_ms: allowed_ms + FORGET_MS }));
    }

    /// The two talked.
    pub fn answered(&mut self, caller: PersonId, callee: PersonId) {
        self.set((caller, callee), None);
        self.set((callee, caller), None);
    }

    fn set(&mut self, pair: Pair, unwanted: Option<Unwanted>) {
        if let Some(before) = self.unwanted.remove(&pair) {
            self.forget.remove(&(before.forget_ms, pair));
        }
        if let Some(unwanted) = unwanted {
            self.forget.insert((unwanted.forget_ms, pair));
            self.unwanted.insert(pair, unwanted);
        }
    }

    fn forget_old(&mut self, now_ms: u64) {
        while let Some((_, pair)) = self.forget.first().copied().filter(|(at, _)| *at <= now_ms) {
            self.set(pair, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(n: u8) -> PersonId {
        PersonId::from_bytes([n; 16])
    }

    #[test]
    fn the_wait_doubles_with_each_unwanted_ring_and_ends_with_an_answer() {
        let mut limits = RingLimits::default();
        let mut now = 1_000_000;
        let mut waits = Vec::new();
        for _ in 0..14 {
            let wait = match limits.ring(person(1), person(2), now) {
                Err(TooMany::Callee(wait)) => wait,
                allowed => {
                    assert_eq!(allowed, Ok(()));
                    0
                }
            };
            waits.push(wait / 1_000);
            now += wait.max(5_000);
            if wait > 0 {
                assert_eq!(limits.ring(person(1), person(2), now), Ok(()), "after the wait");
            }
            limits.unwanted(person(1), person(2), now);
        }
        assert_eq!(waits, [0, 0, 0, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600, 3_600]);
        assert_eq!(limits.ring(person(1), person(3), now), Ok(()), "others are rung as before");
        assert_eq!(limits.ring(person(4), person(2), now), Ok(()), "and by others");
        limits.answered(person(2), person(1));
        assert_eq!(limits.ring(person(1), person(2), now), Ok(()));
        limits.unwanted(person(1), person(2), now);
        limits.unwanted(person(1), person(2), now);
        limits.unwanted(person(1), person(2), now);
        assert!(limits.ring(person(1), person(2), now).is_err());
        assert_eq!(limits.ring(person(2), person(1), now), Ok(()));
        assert_eq!(limits.ring(person(1), person(2), now), Ok(()), "whom they rang may ring back");
    }

    #[test]
    fn a_caller_is_limited_in_total_and_unwanted_rings_are_forgotten() {
        let mut limits = RingLimits::default();
        let allowed = (0..200).filter(|n| limits.ring(person(1), person(n + 2), 0).is_ok()).count();
        assert_eq!(allowed, CALLER_RATE.burst() as usize);
        for n in 0..200 {
            limits.unwanted(person(1), person(n), 0);
        }
        assert_eq!(limits.ring(person(1), person(2), FORGET_MS), Ok(()));
        assert!(limits.unwanted.is_empty() && limits.forget.is_empty());
    }
}
