//! The least delay of a network: what is above it is jitter, or a queue.

use telcon_proto::limits::FRAME_MS;

/// How much later a frame came than its place in the stream says, in microseconds.
pub fn transit(counter: u64, now_us: u64) -> i64 {
    let place = counter.saturating_mul(1000 * FRAME_MS);
    i64::try_from(now_us).unwrap_or(i64::MAX).saturating_sub(i64::try_from(place).unwrap_or(i64::MAX))
}

/// The smallest value of the last one to two windows.
pub struct Floor {
    window_us: u64,
    before: Option<i64>,
    current: Option<i64>,
    since_us: u64,
}

impl Floor {
    /// Nothing seen yet.
    pub fn new(window_us: u64) -> Self {
        Self { window_us, before: None, current: None, since_us: 0 }
    }

    /// Takes a value seen at `now_us`.
    pub fn add(&mut self, value: i64, now_us: u64) {
        if self.current.is_none() || now_us.saturating_sub(self.since_us) >= self.window_us {
            self.before = self.current.take();
            self.since_us = now_us;
        }
        self.current = Some(self.current.map_or(value, |least| least.min(value)));
    }

    /// The smallest; 0 before there is any.
    pub fn lowest(&self) -> i64 {
        match (self.before, self.current) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b).unwrap_or(0),
        }
    }
}

/// Half of the time over which the way's own delay is taken: longer than any queue that this is to find stands, short
/// enough that two clocks (100 ppm apart) drift by little.
const WAY_US: u64 = 60_000_000;
/// Half of the time over which the delay now is taken. Of fifty packets one has no jitter.
const NOW_US: u64 = 500_000;
/// No queue is as long as this; the sender paused, or began anew.
const NO_QUEUE_US: i64 = 3_000_000;

/// How long packets stand in a queue on the way: the least delay now, over the least delay of the last minutes.
pub struct Queue {
    way: Floor,
    now: Floor,
}

impl Queue {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self { way: Floor::new(WAY_US), now: Floor::new(NOW_US) }
    }

    /// A packet came at `now_us`. Gives the queue in milliseconds.
    pub fn add(&mut self, counter: u64, now_us: u64) -> u32 {
        let transit = transit(counter, now_us);
        if self.way.current.is_some() && transit.abs_diff(self.way.lowest()) > NO_QUEUE_US.unsigned_abs() {
            *self = Self::new();
        }
        self.way.add(transit, now_us);
        self.now.add(transit, now_us);
        (self.now.lowest().saturating_sub(self.way.lowest()) / 1000).try_into().unwrap_or(0)
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const TICK: u64 = 20_000;

    /// What is measured at the end of `frames` frames that take `delay` each, after those before.
    fn feed(queue: &mut Queue, frames: std::ops::Range<u64>, mut delay: impl FnMut(u64) -> u64) -> u32 {
        frames.map(|counter| queue.add(counter, 1_000_000 + counter * TICK + delay(counter))).last().unwrap()
    }

    #[test]
    fn jitter_is_no_queue_and_a_queue_is_seen_within_a_second() {
        let mut queue = Queue::new();
        assert_eq!(feed(&mut queue, 0..500, |counter| 30_000 + counter * 7_919 % 200 * 1_000) / 10, 0);
        assert!((145..=160).contains(&feed(&mut queue, 500..560, |counter| 180_000 + counter % 3 * 1_000)));
        assert!(feed(&mut queue, 560..565, |_| 30_000) < 10, "it drains at once");
    }

    #[test]
    fn a_sender_that_paused_or_began_anew_has_no_queue() {
        let mut queue = Queue::new();
        feed(&mut queue, 0..500, |_| 30_000);
        assert_eq!(feed(&mut queue, 500..510, |_| 10_000_000), 0);
        assert_eq!(queue.add(0, 30_000_000), 0);
        assert_eq!(queue.add(u64::MAX >> 20, 0), 0);
    }
}
