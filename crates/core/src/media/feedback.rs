//! Receiver feedback: the reception reports that this device sends about each sender, and those it receives about itself.
//!
//! There is no clock here. Frames are counted, one per 20 ms, and reports travel inside the encrypted frames, one sender
//! after the other: a bad network causes no additional traffic, and nobody outside the call sees the reports.

use super::{delay::StandingQueue, red::ReceptionReport};
use std::collections::BTreeMap;

/// Frames over which loss is measured: two and a half seconds.
const LOSS_WINDOW: u64 = 128;
/// The newest frames (a quarter of a second) are not counted yet: a missing one may only be reordered.
const REORDER_GRACE: u64 = 12;
/// Fewest frames (half a second) from which loss is reported.
const MIN_FRAMES: u64 = 25;
/// 64-bit words of the bitmap: loss window and grace, with room for reordered frames.
const BITMAP_WORDS: usize = 4;
/// Lifetime of a received report, in own frames: five seconds. After that its sender has left or is unreachable.
const REPORT_TTL: u64 = 250;

/// Which of one sender's frames were received.
struct Reception {
    first: u64,
    newest: u64,
    received: [u64; BITMAP_WORDS],
    queue: StandingQueue,
    queue_ms: Option<u32>,
}

impl Reception {
    fn new(counter: u64) -> Self {
        let mut new = Self {
            first: counter,
            newest: counter,
            received: [0; BITMAP_WORDS],
            queue: StandingQueue::new(),
            queue_ms: None,
        };
        new.set(counter, true);
        new
    }

    fn mark(&mut self, counter: u64) {
        let size = 64 * BITMAP_WORDS as u64;
        if counter > self.newest {
            if counter - self.newest > size {
                // An outage, or another device on this leaf: earlier measurements do not apply to the path any more.
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

    fn set(&mut self, counter: u64, received: bool) {
        let at = (counter % (64 * BITMAP_WORDS as u64)) as usize;
        let bit = 1 << (at % 64);
        if received { self.received[at / 64] |= bit } else { self.received[at / 64] &= !bit }
    }

    fn has(&self, counter: u64) -> bool {
        let at = (counter % (64 * BITMAP_WORDS as u64)) as usize;
        self.received[at / 64] & (1 << (at % 64)) != 0
    }

    /// Loss, of 255, and mean burst length, in sixteenths of a frame; none while too few frames were expected.
    fn loss(&self) -> Option<(u8, u8)> {
        let end = (self.newest + 1).saturating_sub(REORDER_GRACE);
        let start = self.first.max(end.saturating_sub(LOSS_WINDOW));
        let expected = end.saturating_sub(start);
        if expected < MIN_FRAMES {
            return None;
        }
        let (mut lost, mut bursts, mut in_burst) = (0, 0, false);
        for counter in start..end {
            let missing = !self.has(counter);
            lost += u64::from(missing);
            bursts += u64::from(missing && !in_burst);
            in_burst = missing;
        }
        let burst = (16 * lost).checked_div(bursts).unwrap_or(0).min(255);
        // Rounded up: any loss at all is reported.
        Some(((lost * 255).div_ceil(expected) as u8, burst as u8))
    }
}

/// The worst of the receivers' reports about this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorstReport {
    /// Frames lost, of 255.
    pub loss: u8,
    /// Mean burst length in sixteenths of a frame, of the receiver with the highest loss.
    pub burst: u8,
    /// The longest standing queue that any receiver measured, milliseconds.
    pub queue_ms: u32,
}

/// What one device knows of the paths to and from the others.
#[derive(Default)]
pub struct ReceiverFeedback {
    receptions: BTreeMap<u32, Reception>,
    /// Received reports by receiver, each with the own frame counter at its arrival.
    reports: BTreeMap<u32, (ReceptionReport, u64)>,
    /// The leaf that the last sent report was about.
    last_reported: u32,
}

impl ReceiverFeedback {
    /// Forgets leaves that are not members any more.
    pub fn retain_leaves(&mut self, leaves: &[u32]) {
        self.receptions.retain(|leaf, _| leaves.contains(leaf));
        self.reports.retain(|leaf, _| leaves.contains(leaf));
    }

    /// A frame of a leaf was received.
    pub fn on_frame(&mut self, leaf: u32, counter: u64) {
        self.receptions.entry(leaf).or_insert_with(|| Reception::new(counter)).mark(counter);
    }

    /// The arrival time of a frame, microseconds on a monotonic clock.
    pub fn on_arrival(&mut self, leaf: u32, counter: u64, now_us: u64) {
        if let Some(reception) = self.receptions.get_mut(&leaf) {
            reception.queue_ms = Some(reception.queue.add(counter, now_us));
        }
    }

    /// The report to send with the next frame; the senders are reported round-robin.
    pub fn next_report(&mut self) -> Option<ReceptionReport> {
        let after = self.receptions.range(self.last_reported + 1..);
        let (leaf, reception) = after.chain(&self.receptions).find(|(_, reception)| reception.loss().is_some())?;
        self.last_reported = *leaf;
        let about = u8::try_from(*leaf).ok().filter(|leaf| *leaf != u8::MAX)?;
        let (loss, burst) = reception.loss()?;
        Some(ReceptionReport { about, loss, burst, queue_ms: reception.queue_ms })
    }

    /// Receiver `by` reported about this device, whose next frame is `counter`.
    pub fn on_report(&mut self, by: u32, report: ReceptionReport, counter: u64) {
        self.reports.insert(by, (report, counter));
    }

    /// The worst of the current reports about this device. None when there is none.
    pub fn worst(&self, counter: u64) -> Option<WorstReport> {
        let fresh = self.reports.values().filter(|(_, at)| counter.saturating_sub(*at) <= REPORT_TTL);
        fresh.map(|(report, _)| report).fold(None, |so_far: Option<WorstReport>, report| {
            let WorstReport { loss, burst, queue_ms } = so_far.unwrap_or_default();
            let (loss, burst) = (loss, burst).max((report.loss, report.burst));
            Some(WorstReport { loss, burst, queue_ms: queue_ms.max(report.queue_ms.unwrap_or_default()) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn loss(feedback: &mut ReceiverFeedback) -> Option<u8> {
        feedback.next_report().map(|report| report.loss)
    }

    #[test]
    fn loss_is_the_share_of_frames_not_received() {
        for every in [2, 4, 5, 10] {
            let mut feedback = ReceiverFeedback::default();
            (0..1_000).filter(|counter| counter % every != 1).for_each(|counter| feedback.on_frame(3, counter));
            let reported = f64::from(loss(&mut feedback).unwrap()) / 255.0;
            assert!((reported - 1.0 / every as f64).abs() < 0.01, "{reported} of 1/{every}");
        }
    }

    #[test]
    fn burst_loss_is_distinguished_from_single_losses() {
        for (row, sixteenths) in [(1, 16), (2, 32), (4, 64)] {
            let mut feedback = ReceiverFeedback::default();
            (0..1_000).filter(|counter| counter % 16 >= row).for_each(|counter| feedback.on_frame(3, counter));
            assert_eq!(feedback.next_report().unwrap().burst, sixteenths);
        }
    }

    #[test]
    fn reordered_frames_are_not_lost() {
        let mut feedback = ReceiverFeedback::default();
        for pair in 0..300 {
            feedback.on_frame(1, 2 * pair + 1);
            feedback.on_frame(1, 2 * pair);
            feedback.on_frame(1, 2 * pair);
        }
        assert_eq!(loss(&mut feedback), Some(0));
    }

    #[test]
    fn nothing_is_reported_at_first_and_a_restarted_stream_is_no_loss() {
        let mut feedback = ReceiverFeedback::default();
        (0..30).for_each(|counter| feedback.on_frame(1, counter));
        assert_eq!(loss(&mut feedback), None);
        (30..40).for_each(|counter| feedback.on_frame(1, counter));
        assert_eq!(loss(&mut feedback), Some(0));
        (10_000..10_010).for_each(|counter| feedback.on_frame(1, counter));
        assert_eq!(loss(&mut feedback), None, "after an outage of minutes");
        (10_010..10_040).for_each(|counter| feedback.on_frame(1, counter));
        assert_eq!(loss(&mut feedback), Some(0));
        feedback.on_frame(1, 3);
        assert_eq!(loss(&mut feedback), Some(0), "a late frame from before the outage");
    }

    #[test]
    fn senders_are_reported_round_robin() {
        let mut feedback = ReceiverFeedback::default();
        for leaf in [0, 2, 7] {
            (0..100).for_each(|counter| feedback.on_frame(leaf, counter));
        }
        let about: Vec<u8> = (0..6).map(|_| feedback.next_report().unwrap().about).collect();
        assert_eq!(about, [2, 7, 0, 2, 7, 0]);
        feedback.retain_leaves(&[0, 7]);
        assert_eq!(feedback.next_report().unwrap().about, 7);
        assert_eq!(feedback.next_report().unwrap().about, 0);
    }

    #[test]
    fn the_worst_unexpired_report_counts() {
        let report = |loss, burst, queue_ms| ReceptionReport { about: 0, loss, burst, queue_ms };
        let worst = |loss, burst, queue_ms| Some(WorstReport { loss, burst, queue_ms });
        let mut feedback = ReceiverFeedback::default();
        assert_eq!(feedback.worst(0), None);
        feedback.on_report(1, report(50, 16, Some(8)), 100);
        feedback.on_report(2, report(10, 64, Some(200)), 200);
        feedback.on_report(3, report(0, 0, None), 300);
        assert_eq!(feedback.worst(301), worst(50, 16, 200));
        assert_eq!(feedback.worst(100 + REPORT_TTL + 1), worst(10, 64, 200));
        assert_eq!(feedback.worst(10_000), None);
        feedback.retain_leaves(&[3]);
        assert_eq!(feedback.worst(301), worst(0, 0, 0));
    }
}
