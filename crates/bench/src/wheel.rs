//! Who sends when: every endpoint sends once per frame, each at a moment of its own, as devices do that know nothing of
//! each other.

use crate::clock::MILLISECOND;

/// Width of a slot: how exactly a moment is kept, nanoseconds.
const SLOT: u64 = MILLISECOND / 20;

/// A frame's time, in slots.
pub struct Wheel {
    slots: Vec<Vec<u32>>,
    /// The next slot to come, counted from the start.
    next: u64,
    start: u64,
    population: usize,
}

impl Wheel {
    /// Starts at `now`.
    pub fn new(frame_ms: u64, now: u64) -> Self {
        Self { slots: vec![Vec::new(); (frame_ms * MILLISECOND / SLOT) as usize], next: 0, start: now, population: 0 }
    }

    /// Adds somebody. Their moment is as good as random, but the same in every run: devices that start when their people do
    /// are neither in step nor evenly spread.
    pub fn add(&mut self, who: u32) {
        let slot = scattered(self.population as u64) % self.slots.len() as u64;
        self.slots[slot as usize].push(who);
        self.population += 1;
    }

    /// When the next slot with somebody in it is due; `None` if nobody is there.
    pub fn next_due(&self) -> Option<u64> {
        let count = self.slots.len() as u64;
        let ahead = (0..count).find(|ahead| !self.slots[((self.next + ahead) % count) as usize].is_empty())?;
        Some(self.start + (self.next + ahead) * SLOT)
    }

    /// The next slot that is due at `now`, taken: when it was due, and who is in it. What is late by more than a frame
    /// is left out: nobody catches up with more than there is time for.
    pub fn take(&mut self, now: u64) -> Option<(u64, &[u32])> {
        let late = now.saturating_sub(self.start + self.next * SLOT) / SLOT;
        if late > self.slots.len() as u64 {
            self.next += late;
        }
        let due = self.start + self.next * SLOT;
        if due > now {
            return None;
        }
        let slot = (self.next % self.slots.len() as u64) as usize;
        self.next += 1;
        Some((due, &self.slots[slot]))
    }
}

/// Sebastiano Vigna's SplitMix64: numbers one after the other become numbers that have nothing to do with each other.
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_one_turn_per_frame() {
        let mut wheel = Wheel::new(20, 1_000);
        assert_eq!(wheel.next_due(), None);
        (0..120).for_each(|who| wheel.add(who));
        for frame in 0..3u64 {
            let end = 1_000 + (frame + 1) * 20 * MILLISECOND - 1;
            let mut turns = vec![0; 120];
            while let Some((due, who)) = wheel.take(end) {
                assert!(due <= end);
                who.iter().for_each(|who| turns[*who as usize] += 1);
            }
            assert_eq!(turns, vec![1; 120]);
            assert!(wheel.next_due().unwrap() > end);
        }
    }

    #[test]
    fn who_is_behind_by_more_than_a_frame_goes_on_from_now() {
        let mut wheel = Wheel::new(20, 0);
        (0..400).for_each(|who| wheel.add(who));
        let now = 500 * MILLISECOND;
        assert_eq!(wheel.take(now).map(|(due, _)| due), Some(now));
        assert!(wheel.take(now).is_none());
        // By less than a frame: nothing is left out.
        let turns = std::iter::from_fn(|| wheel.take(now + 19 * MILLISECOND).map(|(_, who)| who.len())).sum::<usize>();
        assert!((340..400).contains(&turns), "{turns}");
    }

    #[test]
    fn moments_are_scattered() {
        let mut wheel = Wheel::new(20, 0);
        (0..2_000).for_each(|who| wheel.add(who));
        let mut per_slot = Vec::new();
        while let Some((_, who)) = wheel.take(20 * MILLISECOND - 1) {
            per_slot.push(who.len());
        }
        // No part of the frame has much more than its share, but single slots do: as chance would have it.
        assert!(per_slot.chunks(100).all(|part| (400..600).contains(&part.iter().sum::<usize>())));
        assert!(per_slot.contains(&0) && per_slot.iter().any(|who| *who >= 10));
    }
}
