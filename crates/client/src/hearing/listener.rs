//! One speaker's sound as the transcript hears it: every packet in its place, however late it is worked on.
//!
//! People hear through a jitter buffer, which leaves sound out to stay close to now. A transcript is not in a hurry: on a
//! machine that stands still for a second, it must get the same sound as on one that does not. So a packet's place in time
//! comes from its counter, and nothing here depends on when it is taken, but for how long a missing one is waited for.

use std::collections::BTreeMap;

use telcon_core::media::delay::{WindowedMin, transit};
use telcon_proto::limits::FRAME_MS;

use crate::audio::frame::Frame;
use crate::audio::opus::{Decoder, OpusError};

/// For how long a missing packet is waited for, milliseconds: as long as a jitter buffer at its longest.
const PATIENCE_MS: u64 = 400;
/// Packets that are kept while one is waited for: four times as many as come in that time. A flood does not make it wait.
const MOST_WAITING: usize = 80;
/// A lost stretch is filled with guesses for this many frames; what is longer is a hole, and those who cut the sound into
/// passages know what to make of it.
const MOST_GUESSES: u64 = 10;
/// A packet this far ahead of the one that is due begins another stretch, and so does one this far behind it, if it is of a
/// later key: after a reload a device counts from 0 again. Copies are of packets less far behind.
const AHEAD: u64 = 250;
const BEHIND: u64 = 50;
/// A packet whose place is so long after the moment at which it came, microseconds, begins another stretch, too: nobody speaks
/// faster than time goes.
const TOO_SOON_US: i64 = 1_000_000;
/// Sound that may be given out beyond what there was time for, milliseconds: what waits in a socket while the machine stands
/// still. More is a member that counts too fast.
const BURST_MS: u64 = 5_000;
/// A stretch that begins, and a time that is put right, may each end a passage, and each passage is work for seconds: one in so many
/// milliseconds, and some at once.
const RESTART_MS: u64 = 2_000;
const RESTARTS: u64 = 10;
/// Half of the time over which the least delay is taken.
const FLOOR_WINDOW_US: u64 = 5_000_000;
/// How far the time of a stretch may be from where the sender's sound now is, microseconds; and how far before it is put
/// right in the middle of a word. A sender that stood still goes on counting where it stopped.
const OFF_US: i64 = 200_000;
const FAR_OFF_US: i64 = 2_000_000;
/// Samples that stay below this are a pause.
const QUIET: u16 = 256;
/// A speaker of whom nothing came for so long has stopped, milliseconds.
const SILENT_MS: u64 = 1_500;

/// Puts one speaker's packets in order and decodes them.
pub struct Listener {
    decoder: Decoder,
    waiting: BTreeMap<u64, Vec<u8>>,
    /// What is known of the stretch that is heard; none before the first packet.
    stretch: Option<Stretch>,
    frames: Vec<Heard>,
    now_ms: u64,
    sound: Allowance,
    restarts: Allowance,
}

/// So much in a time, and no more than that at once.
#[derive(Default)]
struct Allowance {
    used_until_ms: u64,
}

impl Allowance {
    /// Uses some of it, if there is any left.
    fn take(&mut self, now_ms: u64, cost_ms: u64, burst_ms: u64) -> bool {
        let until = self.used_until_ms.max(now_ms).saturating_add(cost_ms);
        let left = until.saturating_sub(now_ms) <= burst_ms;
        if left {
            self.used_until_ms = until;
        }
        left
    }
}

struct Stretch {
    stream: (u64, u32),
    /// The packet that is due.
    next: u64,
    /// Time in the call of packet 0, microseconds; of a stretch that begins with a high counter long before the call.
    origin_us: i64,
    floor: WindowedMin,
    /// Since when packets wait for one that is missing.
    missing_since_ms: Option<u64>,
    came_ms: u64,
    /// Something was heard, so that a gap can be guessed.
    warm: bool,
    told_silent: bool,
}

/// 20 ms of the speaker.
pub struct Heard {
    /// Where it begins, seconds of the call.
    pub at_s: f64,
    /// The sound.
    pub frame: Frame,
}

impl Listener {
    /// A listener to whom nothing was said yet.
    ///
    /// # Errors
    /// If there is no memory for a decoder.
    pub fn new() -> Result<Self, OpusError> {
        Ok(Self {
            decoder: Decoder::new()?,
            waiting: BTreeMap::new(),
            stretch: None,
            frames: Vec::new(),
            now_ms: 0,
            sound: Allowance::default(),
            restarts: Allowance::default(),
        })
    }

    /// Takes a packet of the call, with the epoch and leaf of its key and its authenticated counter. It came at `came_ms`
    /// of the call, or would have if it had not been a copy.
    pub fn packet(&mut self, stream: (u64, u32), counter: u64, packet: &[u8], came_ms: u64) {
        self.now_ms = self.now_ms.max(came_ms);
        if self.stretch.as_ref().is_none_or(|stretch| stretch.ended_by(stream, counter, came_ms)) {
            if !self.restarts.take(self.now_ms, RESTART_MS, RESTARTS * RESTART_MS) {
                return;
            }
            // What waits belongs to the stretch before.
            self.give_up();
            self.stretch = Some(Stretch::new(stream, counter, came_ms));
        }
        let Some(stretch) = &mut self.stretch else { return };
        stretch.came(stream, counter, came_ms);
        if counter >= stretch.next {
            self.waiting.insert(counter, packet.to_vec());
        }
        self.advance(came_ms);
    }

    /// What can be heard by `now_ms` of the call, in order.
    pub fn frames(&mut self, now_ms: u64) -> Vec<Heard> {
        self.advance(now_ms);
        std::mem::take(&mut self.frames)
    }

    /// What is left: nothing more comes.
    pub fn finish(&mut self) -> Vec<Heard> {
        self.give_up();
        std::mem::take(&mut self.frames)
    }

    /// Whether this speaker stopped: told once.
    pub fn stopped(&mut self, now_ms: u64) -> bool {
        let Some(stretch) = &mut self.stretch else { return false };
        let silent = now_ms.saturating_sub(stretch.came_ms) >= SILENT_MS;
        silent && !std::mem::replace(&mut stretch.told_silent, silent)
    }

    fn advance(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        while let (Some(first), Some(stretch)) = (self.waiting.keys().next(), &mut self.stretch) {
            if *first != stretch.next {
                let since = *stretch.missing_since_ms.get_or_insert(now_ms);
                if now_ms.saturating_sub(since) < PATIENCE_MS && self.waiting.len() < MOST_WAITING {
                    return;
                }
            }
            self.step();
        }
    }

    /// Waits for nothing that is missing any more.
    fn give_up(&mut self) {
        while !self.waiting.is_empty() {
            self.step();
        }
    }

    /// Hears up to the first packet that is there, and it.
    fn step(&mut self) {
        let (Some((first, packet)), Some(stretch)) = (self.waiting.pop_first(), &mut self.stretch) else { return };
        let missing = first - stretch.next;
        if stretch.warm && missing <= MOST_GUESSES {
            for counter in stretch.next..first {
                // The packet after a lost one may carry a copy of it.
                let last = counter + 1 == first;
                let guess = if last { self.decoder.recover(&packet) } else { self.decoder.conceal() };
                if let Ok(frame) = guess
                    && self.sound.take(self.now_ms, FRAME_MS, BURST_MS)
                {
                    self.frames.push(Heard { at_s: stretch.time_s(counter), frame });
                }
            }
        }
        // One that is no sound leaves its place empty; that it came is on the record.
        if self.sound.take(self.now_ms, FRAME_MS, BURST_MS)
            && let Ok(frame) = self.decoder.decode(&packet)
        {
            if stretch.is_off(&frame) && self.restarts.take(self.now_ms, RESTART_MS, RESTARTS * RESTART_MS) {
                stretch.origin_us = stretch.floor.min();
            }
            self.frames.push(Heard { at_s: stretch.time_s(first), frame });
            stretch.warm = true;
        }
        stretch.next = first.saturating_add(1);
        stretch.missing_since_ms = None;
    }
}

impl Stretch {
    fn new(stream: (u64, u32), counter: u64, came_ms: u64) -> Self {
        Self {
            stream,
            next: counter,
            origin_us: transit(counter, came_ms.saturating_mul(1000)),
            floor: WindowedMin::new(FLOOR_WINDOW_US),
            missing_since_ms: None,
            came_ms,
            warm: false,
            told_silent: false,
        }
    }

    /// Whether such a packet begins another stretch.
    fn ended_by(&self, stream: (u64, u32), counter: u64, came_ms: u64) -> bool {
        let too_soon = transit(counter, came_ms.saturating_mul(1000)).saturating_sub(self.origin_us) < -TOO_SOON_US;
        (counter > self.next && too_soon)
            || counter.saturating_sub(self.next) > AHEAD
            || (self.next.saturating_sub(counter) > BEHIND && stream > self.stream)
    }

    fn came(&mut self, stream: (u64, u32), counter: u64, came_ms: u64) {
        self.stream = self.stream.max(stream);
        self.came_ms = self.came_ms.max(came_ms);
        self.told_silent = false;
        let now_us = came_ms.saturating_mul(1000);
        self.floor.add(transit(counter, now_us), now_us);
    }

    /// Whether the time is to be put right, in a pause.
    fn is_off(&self, frame: &Frame) -> bool {
        let least = self.floor.min();
        let off = least.abs_diff(self.origin_us);
        let quiet = || frame.iter().all(|sample| sample.unsigned_abs() < QUIET);
        off > FAR_OFF_US.unsigned_abs() || (off > OFF_US.unsigned_abs() && quiet())
    }

    fn time_s(&self, counter: u64) -> f64 {
        let place = i64::try_from(counter.saturating_mul(1000 * FRAME_MS)).unwrap_or(i64::MAX);
        self.origin_us.saturating_add(place).max(0) as f64 / 1e6
    }
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
