//! How this device sends: how many copies, at what rate. It follows what receivers report, never what is said.

use crate::link::Worst;

/// What goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How many frames ago the packets were sent of which each frame carries copies.
    pub copies: &'static [u8],
    /// Loss, in percent, that the encoder's own redundancy is to prepare for.
    pub expected_loss: u8,
    /// Bits per second of the encoder.
    pub bitrate: u32,
    /// How many packets of 20 ms go in one frame.
    pub bundle: usize,
}

/// Copies by level. A copy is a chance more for its packet, and through the encoder's own redundancy in it, for the packet
/// before that: so the ages are two apart. The last level is for losses in a row, which near copies share.
const LEVELS: [&[u8]; 4] = [&[], &[2], &[2, 4], &[3, 6]];
/// From which loss (of 255) one copy is carried, 2 %, and two, 10 %.
const ONE_FROM: u8 = 5;
const TWO_FROM: u8 = 26;
/// From how many frames lost in a row on average, in sixteenths, copies are further apart. By chance alone they are 1.4 at
/// 30 % loss.
const APART_FROM: u8 = 32;
/// Bit rate and bundle by step, with what that is on the wire, in kbit/s: a frame of SFrame, SRTP, UDP and IPv4 has about
/// 85 bytes of headers and tags. Whoever is behind a narrow way gets a smaller and later voice rather than a broken one.
const STEPS: [(u32, usize, u32); 7] = [
    (32_000, 1, 66),
    (24_000, 1, 58),
    (24_000, 3, 36),
    (16_000, 3, 28),
    (12_000, 3, 24),
    (12_000, 6, 18),
    (8_000, 6, 14),
];
/// Frames between two looks at the reports: half a second, in which they can have changed, and whole bundles.
const LOOK_EVERY: u32 = 24;
/// Looks without the loss for it before a level is left: 10 s. Copies cost little, a gap is heard.
const LEAVE_AFTER: u32 = 20;
/// A queue that stands on the way: more is sent than the way can carry. Jitter is no queue: it is
/// the least delay of a second that is reported.
const QUEUE_MS: u32 = 60;
/// Looks between two steps down in bit rate: the queue must have time to drain and to be reported again.
const STEP_EVERY: u32 = 3;
/// Looks without a queue before a step up, or before copies are tried again: 15 s. It doubles when the step up brings the
/// queue back, up to [`TRY_AGAIN_AT_MOST`]: each try is heard.
const TRY_AGAIN_AFTER: u32 = 30;
const TRY_AGAIN_AT_MOST: u32 = 480;
/// From this loss (of 255; 45 %) copies are more likely its cause than its cure: some ways have no queue and drop all that is
/// above their rate. Three times as much goes in with two copies.
const TOO_MUCH: u8 = 115;
/// Loss (percent) that the encoder prepares for while nobody reports any: the first loss is heard before it is told.
const LEAST_EXPECTED: u8 = 10;
/// And while copies do most of the work.
const EXPECTED_BESIDE_COPIES: u8 = 5;
/// Beyond this, the encoder's redundancy makes speech worse than the loss does.
const MOST_EXPECTED: u8 = 30;

/// Follows the reports.
pub struct Shaper {
    frames: u32,
    level: usize,
    step: usize,
    /// The worst loss reported last, of 255.
    lost: u8,
    /// Looks since the loss asked for this level.
    unneeded: u32,
    /// Looks since there was a queue, or a step up.
    clear: u32,
    /// Looks since a step down.
    stepped: u32,
    /// Looks that it takes until a step up is tried.
    patience: u32,
    /// Whether the last change of step was up.
    tried: bool,
    /// Looks until copies may be carried again, after they filled the way.
    barred: u32,
}

impl Default for Shaper {
    fn default() -> Self {
        Self {
            frames: 0,
            level: 0,
            step: 0,
            lost: 0,
            unneeded: 0,
            clear: 0,
            stepped: STEP_EVERY,
            patience: TRY_AGAIN_AFTER,
            tried: false,
            barred: 0,
        }
    }
}

impl Shaper {
    /// What goes out now.
    pub fn shape(&self) -> Shape {
        let percent = (u32::from(self.lost) * 100 / 255) as u8;
        let expected = if self.level == 0 { percent.max(LEAST_EXPECTED) } else { EXPECTED_BESIDE_COPIES };
        Shape {
            copies: LEVELS[self.level],
            expected_loss: expected.min(MOST_EXPECTED),
            bitrate: STEPS[self.step].0,
            bundle: STEPS[self.step].1,
        }
    }

    /// A frame goes out; `worst` is what is reported.
    pub fn frame(&mut self, worst: Option<Worst>) {
        self.frames += 1;
        if self.frames >= LOOK_EVERY {
            self.frames = 0;
            self.look(worst.unwrap_or_default());
        }
    }

    fn look(&mut self, Worst { lost, run, queue_ms }: Worst) {
        self.lost = lost;
        self.clear = self.clear.saturating_add(1);
        self.stepped = self.stepped.saturating_add(1);
        self.barred = self.barred.saturating_sub(1);
        if queue_ms >= QUEUE_MS || self.level > 0 && lost >= TOO_MUCH {
            self.narrow(lost);
            return;
        }
        if self.step > 0 && self.clear >= self.patience {
            self.step -= 1;
            self.clear = 0;
            self.tried = true;
        }
        let wanted = wanted(lost, run, 1);
        if wanted > self.level && self.barred == 0 && self.step == 0 {
            self.level = wanted;
        }
        self.unneeded = if wanted_still(self.level, lost, run) { 0 } else { self.unneeded + 1 };
        if self.unneeded >= LEAVE_AFTER && self.level > 0 {
            self.level -= 1;
            self.unneeded = 0;
        }
    }

    /// The way is full: first the copies go, then bits, down to what came through.
    fn narrow(&mut self, lost: u8) {
        self.barred = TRY_AGAIN_AFTER;
        self.unneeded = 0;
        self.clear = 0;
        if self.level > 0 {
            self.level = 0;
            self.stepped = 0;
        } else if self.step + 1 < STEPS.len() && self.stepped >= STEP_EVERY {
            if self.tried {
                self.patience = (2 * self.patience).min(TRY_AGAIN_AT_MOST);
            }
            let came = STEPS[self.step].2 * (255 - u32::from(lost)) / 255;
            let fits = STEPS.iter().position(|(_, _, kbit)| *kbit <= came).unwrap_or(STEPS.len() - 1);
            self.step = fits.max(self.step + 1);
            self.stepped = 0;
            self.tried = false;
        }
    }
}

/// The level for this loss. With `ease` 2, the one that is kept for it: a level is left at half of what it is taken for, so
/// that it does not come and go.
fn wanted(lost: u8, run: u8, ease: u8) -> usize {
    match lost {
        _ if lost < ONE_FROM / ease => 0,
        _ if run >= APART_FROM - 8 * (ease - 1) => 3,
        _ if lost < TWO_FROM / ease => 1,
        _ => 2,
    }
}

fn wanted_still(level: usize, lost: u8, run: u8) -> bool {
    level <= wanted(lost, run, 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Feeds so many seconds of one report.
    fn feed(shaper: &mut Shaper, seconds: u32, lost: u8, queue_ms: u32) -> Shape {
        (0..50 * seconds).for_each(|_| shaper.frame(Some(Worst { lost, run: 18, queue_ms })));
        shaper.shape()
    }

    #[test]
    fn copies_follow_loss_at_once_and_leave_slowly() {
        let mut shaper = Shaper::default();
        assert_eq!(shaper.shape(), Shape { copies: &[], expected_loss: 10, bitrate: 32_000, bundle: 1 });
        assert_eq!(feed(&mut shaper, 1, 8, 0).copies, [2]);
        assert_eq!(feed(&mut shaper, 1, 51, 0).copies, [2, 4]);
        assert_eq!(feed(&mut shaper, 9, 0, 0).copies, [2, 4]);
        assert_eq!(feed(&mut shaper, 2, 0, 0).copies, [2]);
        assert_eq!(feed(&mut shaper, 10, 0, 0).copies, [0; 0]);
    }

    #[test]
    fn a_loss_that_comes_and_goes_does_not_switch_back_and_forth() {
        let mut shaper = Shaper::default();
        feed(&mut shaper, 1, 51, 0);
        for _ in 0..20 {
            assert_eq!(feed(&mut shaper, 5, 2, 0).copies, [2, 4]);
            assert_eq!(feed(&mut shaper, 1, 30, 0).copies, [2, 4]);
        }
    }

    #[test]
    fn losses_in_a_row_take_copies_apart() {
        let mut shaper = Shaper::default();
        let mut feed = |lost, run| {
            (0..50).for_each(|_| shaper.frame(Some(Worst { lost, run, queue_ms: 0 })));
            shaper.shape().copies
        };
        assert_eq!(feed(15, 48), [3, 6]);
        (0..9).for_each(|_| assert_eq!(feed(30, 18), [3, 6]));
        assert_eq!((0..2).map(|_| feed(30, 18)).last().unwrap(), [2, 4]);
    }

    #[test]
    fn a_queue_takes_the_copies_then_bits_and_gives_them_back_when_it_is_gone() {
        let mut shaper = Shaper::default();
        feed(&mut shaper, 2, 51, 0);
        assert_eq!(feed(&mut shaper, 1, 51, 200).copies, [0; 0]);
        assert_eq!(feed(&mut shaper, 2, 0, 200).bitrate, 24_000);
        let narrowest = feed(&mut shaper, 20, 51, 200);
        assert_eq!((narrowest.copies, narrowest.bitrate, narrowest.bundle), (&[][..], 8_000, 6));
        assert_eq!(feed(&mut shaper, 14, 51, 0), narrowest);
        assert_eq!(feed(&mut shaper, 2, 0, 0).bitrate, 12_000);
        let all = feed(&mut shaper, 80, 0, 0);
        assert_eq!((all.bitrate, all.bundle), (32_000, 1));
    }

    #[test]
    fn where_little_comes_through_it_goes_down_at_once_to_what_does() {
        let mut shaper = Shaper::default();
        feed(&mut shaper, 3, 191, 250);
        assert_eq!((shaper.shape().bitrate, shaper.shape().bundle), (8_000, 6));
    }

    #[test]
    fn a_step_up_that_fails_is_tried_less_often() {
        let mut shaper = Shaper::default();
        feed(&mut shaper, 2, 0, 100);
        assert_eq!(shaper.shape().bitrate, 24_000);
        let mut tries = 0;
        for _ in 0..600 {
            let full = shaper.shape().bitrate == 32_000;
            tries += u32::from(full);
            feed(&mut shaper, 1, 0, if full { 100 } else { 0 });
        }
        assert!((2..=16).contains(&tries), "{tries} seconds of ten minutes on a step that is too high");
    }

    #[test]
    fn copies_that_fill_a_way_without_a_queue_are_taken_back_and_not_tried_again_at_once() {
        let mut shaper = Shaper::default();
        assert_eq!(feed(&mut shaper, 2, 70, 0).copies, [2, 4]);
        assert_eq!(feed(&mut shaper, 1, 160, 0).copies, [0; 0]);
        assert_eq!(feed(&mut shaper, 10, 70, 0).copies, [0; 0]);
        assert_eq!(feed(&mut shaper, 6, 70, 0).copies, [2, 4]);
    }

    #[test]
    fn whatever_is_reported_the_shape_is_one_of_a_few() {
        let mut state = 7_u64;
        let mut shaper = Shaper::default();
        for _ in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let report = !(state >> 40).is_multiple_of(5);
            let (lost, run, queue_ms) = ((state >> 32) as u8, (state >> 24) as u8, (state >> 48) as u32 % 400);
            shaper.frame(report.then_some(Worst { lost, run, queue_ms }));
            let shape = shaper.shape();
            assert!(
                LEVELS.contains(&shape.copies)
                    && STEPS.iter().any(|step| (step.0, step.1) == (shape.bitrate, shape.bundle))
            );
            assert!((EXPECTED_BESIDE_COPIES..=MOST_EXPECTED).contains(&shape.expected_loss));
        }
    }
}
