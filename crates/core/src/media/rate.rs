//! Rate control: redundancy, bit rate and packets per frame, driven by the receivers' reports, never by what is said.

use super::feedback::WorstReport;

/// How the audio is encoded and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendProfile {
    /// Ages, in frames, of the earlier packets that each frame repeats.
    pub redundancy: &'static [u8],
    /// Loss, in percent, that the Opus encoder's in-band FEC is configured for.
    pub expected_loss: u8,
    /// Bit rate of the encoder, bits per second.
    pub bitrate: u32,
    /// Packets of 20 ms sent in one frame.
    pub packets_per_frame: usize,
}

/// Redundancy by level. A copy also carries in-band FEC for the packet before it, so the ages are two apart. The last level
/// is for burst loss, which takes adjacent copies together.
const REDUNDANCY_LEVELS: [&[u8]; 4] = [&[], &[2], &[2, 4], &[3, 6]];
/// Loss (of 255) from which one copy is sent, 2 %, and two, 10 %.
const ONE_COPY_FROM: u8 = 5;
const TWO_COPIES_FROM: u8 = 26;
/// Mean burst length, in sixteenths of a frame, from which copies are spread further apart. Random loss of 30 % has 1.4
/// frames.
const SPREAD_FROM: u8 = 32;
/// Bit rate and packets per frame by step, with the resulting rate on the wire in kbit/s: SFrame, SRTP, UDP and IPv4 add
/// about 85 bytes of headers and tags to a frame. A narrow link gets a lower bit rate and more latency before it gets gaps.
const RATE_STEPS: [(u32, usize, u32); 7] = [
    (32_000, 1, 66),
    (24_000, 1, 58),
    (24_000, 3, 36),
    (16_000, 3, 28),
    (12_000, 3, 24),
    (12_000, 6, 18),
    (8_000, 6, 14),
];
/// Frames between two evaluations of the reports: half a second, and a multiple of every number of packets per frame.
const EVALUATION_INTERVAL: u32 = 24;
/// Evaluations without the loss for it before a redundancy level is left: 10 s. Copies are cheap, a gap is audible.
const LEVEL_HOLD: u32 = 20;
/// Standing queue from which the path is congested. Jitter does not count: receivers report the minimum delay of a second.
const CONGESTED_QUEUE_MS: u32 = 60;
/// Evaluations between two steps down in bit rate: the queue needs time to drain and to be reported.
const STEP_DOWN_INTERVAL: u32 = 3;
/// Evaluations without congestion before a probe one step up, or before redundancy is allowed again: 15 s. The interval
/// backs off exponentially while probes fail, up to [`MAX_PROBE_INTERVAL`]: each failed probe is audible.
const PROBE_INTERVAL: u32 = 30;
const MAX_PROBE_INTERVAL: u32 = 480;
/// Loss (of 255; 45 %) from which redundancy is more likely cause than cure: a policer drops everything above its rate
/// without queueing, and two copies triple the rate.
const SELF_INFLICTED_LOSS: u8 = 115;
/// Loss (percent) that FEC is configured for while none is reported: the first loss is audible before it is reported.
const MIN_EXPECTED_LOSS: u8 = 10;
/// The same while redundancy is sent.
const EXPECTED_LOSS_WITH_REDUNDANCY: u8 = 5;
/// Beyond this, FEC costs more quality than the loss does.
const MAX_EXPECTED_LOSS: u8 = 30;

/// Chooses the [`SendProfile`] from the reports. Counts are in evaluations.
pub struct RateController {
    frames: u32,
    level: usize,
    step: usize,
    /// The worst loss reported last, of 255.
    loss: u8,
    /// Since the loss last required this level.
    since_needed: u32,
    /// Since the last congestion, or step up.
    since_congested: u32,
    /// Since the last step down.
    since_step_down: u32,
    /// Until the next probe one step up.
    probe_interval: u32,
    /// Whether the last change of step was up.
    probing: bool,
    /// Until redundancy is allowed again, after it congested the path.
    redundancy_hold_off: u32,
}

impl Default for RateController {
    fn default() -> Self {
        Self {
            frames: 0,
            level: 0,
            step: 0,
            loss: 0,
            since_needed: 0,
            since_congested: 0,
            since_step_down: STEP_DOWN_INTERVAL,
            probe_interval: PROBE_INTERVAL,
            probing: false,
            redundancy_hold_off: 0,
        }
    }
}

impl RateController {
    /// The profile to send with now.
    pub fn profile(&self) -> SendProfile {
        let percent = (u32::from(self.loss) * 100 / 255) as u8;
        let expected = if self.level == 0 { percent.max(MIN_EXPECTED_LOSS) } else { EXPECTED_LOSS_WITH_REDUNDANCY };
        SendProfile {
            redundancy: REDUNDANCY_LEVELS[self.level],
            expected_loss: expected.min(MAX_EXPECTED_LOSS),
            bitrate: RATE_STEPS[self.step].0,
            packets_per_frame: RATE_STEPS[self.step].1,
        }
    }

    /// A frame is sent; `worst` is the worst current report.
    pub fn on_frame(&mut self, worst: Option<WorstReport>) {
        self.frames += 1;
        if self.frames >= EVALUATION_INTERVAL {
            self.frames = 0;
            self.evaluate(worst.unwrap_or_default());
        }
    }

    fn evaluate(&mut self, WorstReport { loss, burst, queue_ms }: WorstReport) {
        self.loss = loss;
        self.since_congested = self.since_congested.saturating_add(1);
        self.since_step_down = self.since_step_down.saturating_add(1);
        self.redundancy_hold_off = self.redundancy_hold_off.saturating_sub(1);
        if queue_ms >= CONGESTED_QUEUE_MS || self.level > 0 && loss >= SELF_INFLICTED_LOSS {
            self.back_off(loss);
            return;
        }
        if self.step > 0 && self.since_congested >= self.probe_interval {
            self.step -= 1;
            self.since_congested = 0;
            self.probing = true;
        }
        let wanted = level_for(loss, burst, 1);
        if wanted > self.level && self.redundancy_hold_off == 0 && self.step == 0 {
            self.level = wanted;
        }
        self.since_needed = if level_still_needed(self.level, loss, burst) { 0 } else { self.since_needed + 1 };
        if self.since_needed >= LEVEL_HOLD && self.level > 0 {
            self.level -= 1;
            self.since_needed = 0;
        }
    }

    /// The path is congested: drop redundancy first, then reduce the rate to what was received.
    fn back_off(&mut self, loss: u8) {
        self.redundancy_hold_off = PROBE_INTERVAL;
        self.since_needed = 0;
        self.since_congested = 0;
        if self.level > 0 {
            self.level = 0;
            self.since_step_down = 0;
        } else if self.step + 1 < RATE_STEPS.len() && self.since_step_down >= STEP_DOWN_INTERVAL {
            if self.probing {
                self.probe_interval = (2 * self.probe_interval).min(MAX_PROBE_INTERVAL);
            }
            let received = RATE_STEPS[self.step].2 * (255 - u32::from(loss)) / 255;
            let fits = RATE_STEPS.iter().position(|(_, _, kbit)| *kbit <= received).unwrap_or(RATE_STEPS.len() - 1);
            self.step = fits.max(self.step + 1);
            self.since_step_down = 0;
            self.probing = false;
        }
    }
}

/// The redundancy level for this loss. `hysteresis` 2 gives the level that is kept once entered: a level is left at half
/// the loss that it is entered at, so that it does not oscillate.
fn level_for(loss: u8, burst: u8, hysteresis: u8) -> usize {
    match loss {
        _ if loss < ONE_COPY_FROM / hysteresis => 0,
        _ if burst >= SPREAD_FROM - 8 * (hysteresis - 1) => 3,
        _ if loss < TWO_COPIES_FROM / hysteresis => 1,
        _ => 2,
    }
}

fn level_still_needed(level: usize, loss: u8, burst: u8) -> bool {
    level <= level_for(loss, burst, 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Feeds so many seconds of one report.
    fn feed(controller: &mut RateController, seconds: u32, loss: u8, queue_ms: u32) -> SendProfile {
        (0..50 * seconds).for_each(|_| controller.on_frame(Some(WorstReport { loss, burst: 18, queue_ms })));
        controller.profile()
    }

    #[test]
    fn redundancy_follows_loss_at_once_and_is_dropped_slowly() {
        let mut controller = RateController::default();
        assert_eq!(
            controller.profile(),
            SendProfile { redundancy: &[], expected_loss: 10, bitrate: 32_000, packets_per_frame: 1 }
        );
        assert_eq!(feed(&mut controller, 1, 8, 0).redundancy, [2]);
        assert_eq!(feed(&mut controller, 1, 51, 0).redundancy, [2, 4]);
        assert_eq!(feed(&mut controller, 9, 0, 0).redundancy, [2, 4]);
        assert_eq!(feed(&mut controller, 2, 0, 0).redundancy, [2]);
        assert_eq!(feed(&mut controller, 10, 0, 0).redundancy, [0; 0]);
    }

    #[test]
    fn intermittent_loss_does_not_make_redundancy_oscillate() {
        let mut controller = RateController::default();
        feed(&mut controller, 1, 51, 0);
        for _ in 0..20 {
            assert_eq!(feed(&mut controller, 5, 2, 0).redundancy, [2, 4]);
            assert_eq!(feed(&mut controller, 1, 30, 0).redundancy, [2, 4]);
        }
    }

    #[test]
    fn burst_loss_spreads_redundancy() {
        let mut controller = RateController::default();
        let mut feed = |loss, burst| {
            (0..50).for_each(|_| controller.on_frame(Some(WorstReport { loss, burst, queue_ms: 0 })));
            controller.profile().redundancy
        };
        assert_eq!(feed(15, 48), [3, 6]);
        (0..9).for_each(|_| assert_eq!(feed(30, 18), [3, 6]));
        assert_eq!((0..2).map(|_| feed(30, 18)).last().unwrap(), [2, 4]);
    }

    #[test]
    fn congestion_drops_redundancy_then_bit_rate_and_restores_them_when_it_ends() {
        let mut controller = RateController::default();
        feed(&mut controller, 2, 51, 0);
        assert_eq!(feed(&mut controller, 1, 51, 200).redundancy, [0; 0]);
        assert_eq!(feed(&mut controller, 2, 0, 200).bitrate, 24_000);
        let narrowest = feed(&mut controller, 20, 51, 200);
        assert_eq!((narrowest.redundancy, narrowest.bitrate, narrowest.packets_per_frame), (&[][..], 8_000, 6));
        assert_eq!(feed(&mut controller, 14, 51, 0), narrowest);
        assert_eq!(feed(&mut controller, 2, 0, 0).bitrate, 12_000);
        let all = feed(&mut controller, 80, 0, 0);
        assert_eq!((all.bitrate, all.packets_per_frame), (32_000, 1));
    }

    #[test]
    fn heavy_loss_reduces_the_rate_at_once_to_what_is_received() {
        let mut controller = RateController::default();
        feed(&mut controller, 3, 191, 250);
        assert_eq!((controller.profile().bitrate, controller.profile().packets_per_frame), (8_000, 6));
    }

    #[test]
    fn failed_probes_back_off() {
        let mut controller = RateController::default();
        feed(&mut controller, 2, 0, 100);
        assert_eq!(controller.profile().bitrate, 24_000);
        let mut probes = 0;
        for _ in 0..600 {
            let full = controller.profile().bitrate == 32_000;
            probes += u32::from(full);
            feed(&mut controller, 1, 0, if full { 100 } else { 0 });
        }
        assert!((2..=16).contains(&probes), "{probes} seconds of ten minutes on a step that is too high");
    }

    #[test]
    fn redundancy_that_overloads_a_policed_path_is_dropped_and_held_off() {
        let mut controller = RateController::default();
        assert_eq!(feed(&mut controller, 2, 70, 0).redundancy, [2, 4]);
        assert_eq!(feed(&mut controller, 1, 160, 0).redundancy, [0; 0]);
        assert_eq!(feed(&mut controller, 10, 70, 0).redundancy, [0; 0]);
        assert_eq!(feed(&mut controller, 6, 70, 0).redundancy, [2, 4]);
    }

    #[test]
    fn every_report_leads_to_one_of_the_defined_profiles() {
        let mut state = 7_u64;
        let mut controller = RateController::default();
        for _ in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let report = !(state >> 40).is_multiple_of(5);
            let (loss, burst, queue_ms) = ((state >> 32) as u8, (state >> 24) as u8, (state >> 48) as u32 % 400);
            controller.on_frame(report.then_some(WorstReport { loss, burst, queue_ms }));
            let profile = controller.profile();
            assert!(
                REDUNDANCY_LEVELS.contains(&profile.redundancy)
                    && RATE_STEPS.iter().any(|step| (step.0, step.1) == (profile.bitrate, profile.packets_per_frame))
            );
            assert!((EXPECTED_LOSS_WITH_REDUNDANCY..=MAX_EXPECTED_LOSS).contains(&profile.expected_loss));
        }
    }
}
