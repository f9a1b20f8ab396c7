//! The send schedule: every endpoint sends once per frame interval, at its own phase, like independent devices.

use crate::clock::MILLISECOND;

/// Width of a slot: the resolution of the schedule, nanoseconds.
const SLOT: u64 = MILLISECOND / 20;

/// One frame interval, divided into slots.
pub struct SendSchedule {
    slots: Vec<Vec<u32>>,
    /// The next slot, counted from the start.
    next: u64,
    start: u64,
    population: usize,
}

impl SendSchedule {
    /// Starts at `now`.
    pub fn new(frame_ms: u64, now: u64) -> Self {
        Self { slots: vec![Vec::new(); (frame_ms * MILLISECOND / SLOT) as usize], next: 0, start: now, population: 0 }
    }

    /// Adds an endpoint. Its phase is pseudo-random and the same in every run: real devices are neither synchronized nor
    /// evenly distributed.
    pub fn add(&mut self, endpoint: u32) {
        let slot = split_mix_64(self.population as u64) % self.slots.len() as u64;
        self.slots[slot as usize].push(endpoint);
        self.population += 1;
    }

    /// When the next occupied slot is due; `None` if the schedule is empty.
    pub fn next_due(&self) -> Option<u64> {
        let count = self.slots.len() as u64;
        let ahead = (0..count).find(|ahead| !self.slots[((self.next + ahead) % count) as usize].is_empty())?;
        Some(self.start + (self.next + ahead) * SLOT)
    }

    /// Takes the next slot that is due: its time, and its endpoints. Slots that are late by more than a frame interval are
    /// skipped.
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

/// Sebastiano Vigna's SplitMix64: consecutive numbers give uncorrelated results.
fn split_mix_64(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_sends_once_per_frame() {
        let mut schedule = SendSchedule::new(20, 1_000);
        assert_eq!(schedule.next_due(), None);
        (0..120).for_each(|endpoint| schedule.add(endpoint));
        for frame in 0..3u64 {
            let end = 1_000 + (frame + 1) * 20 * MILLISECOND - 1;
            let mut turns = vec![0; 120];
            while let Some((due, endpoints)) = schedule.take(end) {
                assert!(due <= end);
                endpoints.iter().for_each(|endpoint| turns[*endpoint as usize] += 1);
            }
            assert_eq!(turns, vec![1; 120]);
            assert!(schedule.next_due().unwrap() > end);
        }
    }

    #[test]
    fn a_schedule_that_is_late_by_more_than_a_frame_skips_to_now() {
        let mut schedule = SendSchedule::new(20, 0);
        (0..400).for_each(|endpoint| schedule.add(endpoint));
        let now = 500 * MILLISECOND;
        assert_eq!(schedule.take(now).map(|(due, _)| due), Some(now));
        assert!(schedule.take(now).is_none());
        // Late by less than a frame: nothing is skipped.
        let turns = std::iter::from_fn(|| schedule.take(now + 19 * MILLISECOND).map(|(_, endpoints)| endpoints.len()))
            .sum::<usize>();
        assert!((340..400).contains(&turns), "{turns}");
    }

    #[test]
    fn phases_are_scattered() {
        let mut schedule = SendSchedule::new(20, 0);
        (0..2_000).for_each(|endpoint| schedule.add(endpoint));
        let mut per_slot = Vec::new();
        while let Some((_, endpoints)) = schedule.take(20 * MILLISECOND - 1) {
            per_slot.push(endpoints.len());
        }
        // Uniform over tenths of the frame, but not over single slots.
        assert!(per_slot.chunks(100).all(|part| (400..600).contains(&part.iter().sum::<usize>())));
        assert!(per_slot.contains(&0) && per_slot.iter().any(|count| *count >= 10));
    }
}
