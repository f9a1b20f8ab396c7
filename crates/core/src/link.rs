//! How well frames come through: what this device tells each sender, and what it is told and makes of it.
//!
//! There is no clock here. Frames are counted, one per 20 ms, and reports travel in the frames themselves, one sender
//! after the other: nothing more is sent because the network is bad, and nobody outside of the call learns of it.

use crate::{payload::Report, queue::Queue};
use std::collections::BTreeMap;

/// Frames over which loss is counted: two and a half seconds.
const SPAN: u64 = 128;
/// The newest frames (a quarter of a second) are not counted yet: one of them may only have been overtaken.
const GRACE: u64 = 12;
/// With fewer frames than this (half a second) there is nothing to report yet.
const LEAST: u64 = 25;
/// Words of the window: span and grace, with room for frames that come out of order.
const WORDS: usize = 4;
/// How many own frames a report counts for: five seconds. Whoever reported it has left, or cannot be heard.
const REPORT_LASTS: u64 = 250;

/// Which of one sender's frames came.
struct Reception {
    first: u64,
    newest: u64,
    came: [u64; WORDS],
    queue: Queue,
    queue_ms: Option<u32>,
}

impl Reception {
    fn new(counter: u64) -> Self {
        let mut new = Self { first: counter, newest: counter, came: [0; WORDS], queue: Queue::new(), queue_ms: None };
        new.set(counter, true);
        new
    }

    fn mark(&mut self, counter: u64) {
        let size = 64 * WORDS as u64;
        if counter > self.newest {
            if counter - self.newest > size {
                // An outage, or another device on this leaf: what was before says nothing about the way now.
                *self = Self::new(counter);
                return;
            }
            for passed in self.newest + 1..counter {
                self.set(passed, false);
            }
            self.newest = counter;
        } else if self.newest - counter >= size {
            return;
        }
        self.set(counter, true);
    }

    fn set(&mut self, counter: u64, came: bool) {
        let at = (counter % (64 * WORDS as u64)) as usize;
        let bit = 1 << (at % 64);
        if came { self.came[at / 64] |= bit } else { self.came[at / 64] &= !bit }
    }

    fn has(&self, counter: u64) -> bool {
        let at = (counter % (64 * WORDS as u64)) as usize;
        self.came[at / 64] & (1 << (at % 64)) != 0
    }

    /// Frames lost, of 255, and how many of them in a row, in sixteenths; none as long as too few were due.
    fn lost(&self) -> Option<(u8, u8)> {
        let end = (self.newest + 1).saturating_sub(GRACE);
        let start = self.first.max(end.saturating_sub(SPAN));
        let due = end.saturating_sub(start);
        if due < LEAST {
            return None;
        }
        let (mut lost, mut runs, mut in_run) = (0, 0, false);
        for counter in start..end {
            let missing = !self.has(counter);
            lost += u64::from(missing);
            runs += u64::from(missing && !in_run);
            in_run = missing;
        }
        let run = (16 * lost).checked_div(runs).unwrap_or(0).min(255);
        // Any loss at all is told: one in 255 is the least that can be.
        Some(((lost * 255).div_ceil(due) as u8, run as u8))
    }
}

/// The worst of what the others hear of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Worst {
    /// Frames lost, of 255.
    pub lost: u8,
    /// How many in a row, in sixteenths, where most are lost.
    pub run: u8,
    /// The longest queue that any of them measured, milliseconds.
    pub queue_ms: u32,
}

/// What one device knows of the ways to and from the others.
#[derive(Default)]
pub struct Link {
    receptions: BTreeMap<u32, Reception>,
    /// By who reported, with the own frame before which it came.
    reports: BTreeMap<u32, (Report, u64)>,
    /// Whom the last report was about.
    turn: u32,
}

impl Link {
    /// These members are in the call now.
    pub fn members(&mut self, leaves: &[u32]) {
        self.receptions.retain(|leaf, _| leaves.contains(leaf));
        self.reports.retain(|leaf, _| leaves.contains(leaf));
    }

    /// A frame came from a leaf.
    pub fn came(&mut self, leaf: u32, counter: u64) {
        self.receptions.entry(leaf).or_insert_with(|| Reception::new(counter)).mark(counter);
    }

    /// That frame came at `now_us`, by a clock that does not go back.
    pub fn arrived(&mut self, leaf: u32, counter: u64, now_us: u64) {
        if let Some(reception) = self.receptions.get_mut(&leaf) {
            reception.queue_ms = Some(reception.queue.add(counter, now_us));
        }
    }

    /// The report that goes with the next frame: the senders take turns.
    pub fn next_report(&mut self) -> Option<Report> {
        let after = self.receptions.range(self.turn + 1..);
        let (leaf, reception) = after.chain(&self.receptions).find(|(_, reception)| reception.lost().is_some())?;
        self.turn = *leaf;
        let about = u8::try_from(*leaf).ok().filter(|leaf| *leaf != u8::MAX)?;
        let (lost, run) = reception.lost()?;
        Some(Report { about, lost, run, queue_ms: reception.queue_ms })
    }

    /// A member reported about this device, which sends the frame `counter` next.
    pub fn reported(&mut self, by: u32, report: Report, counter: u64) {
        self.reports.insert(by, (report, counter));
    }

    /// The worst of what the others hear of this device. None when nobody reports.
    pub fn worst(&self, counter: u64) -> Option<Worst> {
        let fresh = self.reports.values().filter(|(_, at)| counter.saturating_sub(*at) <= REPORT_LASTS);
        fresh.map(|(report, _)| report).fold(None, |so_far: Option<Worst>, report| {
            let Worst { lost, run, queue_ms } = so_far.unwrap_or_default();
            let (lost, run) = (lost, run).max((report.lost, report.run));
            Some(Worst { lost, run, queue_ms: queue_ms.max(report.queue_ms.unwrap_or_default()) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn lost(link: &mut Link) -> Option<u8> {
        link.next_report().map(|report| report.lost)
    }

    #[test]
    fn loss_is_the_share_of_frames_that_did_not_come() {
        for every in [2, 4, 5, 10] {
            let mut link = Link::default();
            (0..1_000).filter(|counter| counter % every != 1).for_each(|counter| link.came(3, counter));
            let told = f64::from(lost(&mut link).unwrap()) / 255.0;
            assert!((told - 1.0 / every as f64).abs() < 0.01, "{told} of 1/{every}");
        }
    }

    #[test]
    fn losses_in_a_row_are_told_from_losses_one_by_one() {
        for (row, sixteenths) in [(1, 16), (2, 32), (4, 64)] {
            let mut link = Link::default();
            (0..1_000).filter(|counter| counter % 16 >= row).for_each(|counter| link.came(3, counter));
            assert_eq!(link.next_report().unwrap().run, sixteenths);
        }
    }

    #[test]
    fn frames_that_were_overtaken_are_not_lost() {
        let mut link = Link::default();
        for pair in 0..300 {
            link.came(1, 2 * pair + 1);
            link.came(1, 2 * pair);
            link.came(1, 2 * pair);
        }
        assert_eq!(lost(&mut link), Some(0));
    }

    #[test]
    fn nothing_is_told_at_first_and_a_new_beginning_is_no_loss() {
        let mut link = Link::default();
        (0..30).for_each(|counter| link.came(1, counter));
        assert_eq!(lost(&mut link), None);
        (30..40).for_each(|counter| link.came(1, counter));
        assert_eq!(lost(&mut link), Some(0));
        (10_000..10_010).for_each(|counter| link.came(1, counter));
        assert_eq!(lost(&mut link), None, "after an outage of minutes");
        (10_010..10_040).for_each(|counter| link.came(1, counter));
        assert_eq!(lost(&mut link), Some(0));
        link.came(1, 3);
        assert_eq!(lost(&mut link), Some(0), "a straggler of before");
    }

    #[test]
    fn senders_take_turns() {
        let mut link = Link::default();
        for leaf in [0, 2, 7] {
            (0..100).for_each(|counter| link.came(leaf, counter));
        }
        let about: Vec<u8> = (0..6).map(|_| link.next_report().unwrap().about).collect();
        assert_eq!(about, [2, 7, 0, 2, 7, 0]);
        link.members(&[0, 7]);
        assert_eq!(link.next_report().unwrap().about, 7);
        assert_eq!(link.next_report().unwrap().about, 0);
    }

    #[test]
    fn the_worst_fresh_report_counts() {
        let report = |lost, run, queue_ms| Report { about: 0, lost, run, queue_ms };
        let worst = |lost, run, queue_ms| Some(Worst { lost, run, queue_ms });
        let mut link = Link::default();
        assert_eq!(link.worst(0), None);
        link.reported(1, report(50, 16, Some(8)), 100);
        link.reported(2, report(10, 64, Some(200)), 200);
        link.reported(3, report(0, 0, None), 300);
        assert_eq!(link.worst(301), worst(50, 16, 200));
        assert_eq!(link.worst(100 + REPORT_LASTS + 1), worst(10, 64, 200));
        assert_eq!(link.worst(10_000), None);
        link.members(&[3]);
        assert_eq!(link.worst(301), worst(0, 0, 0));
    }
}
