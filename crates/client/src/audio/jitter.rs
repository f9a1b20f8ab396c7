//! The jitter buffer of one speaker: packets in as they arrive, one frame out per 20 ms tick. Time is an argument.
//!
//! A packet's *transit* is its arrival time minus its media time. The minimum transit of the last seconds is the network's
//! base delay; anything above it is jitter, which the buffer compensates with its target delay. The frame due at a time
//! follows from base delay and target delay alone, so that clock drift and changes of the target appear in the same way: the
//! buffer is a little ahead or behind.

use std::collections::BTreeMap;

use telcon_core::media::delay::{WindowedMin, transit};

use super::frame::FRAME_DURATION;

/// Microseconds per frame.
const FRAME_US: i64 = FRAME_DURATION.as_micros() as i64;
/// Initial and least target delay: packets are late by a whole frame even on good networks.
pub const MIN_DELAY_US: i64 = 40_000;
/// Largest target delay: above this, people talk over each other, which is worse than a lost frame.
pub const MAX_DELAY_US: i64 = 400_000;
/// Share of packets (per mille) that must arrive in time. The rest is left to in-band FEC, which adds no delay.
const IN_TIME_PER_MILLE: u32 = 980;
/// Decay of the histogram per arrival, in 1/65536: a half-life of about 7 s.
const DECAY: u32 = 65_536 - 131;
/// Weight of a packet that arrived too late to be played: the buffer grows faster than it shrinks.
const LATE_WEIGHT: u32 = 4;
/// Half of the window of the minimum transit. Long compared with bursts, short compared with clock drift (100 ppm are half a
/// millisecond).
const FLOOR_WINDOW_US: u64 = 5_000_000;
/// Least ticks between skipped frames while catching up in a pause. At 10 ticks, a fifth of a second, the pause only seems a
/// little shorter.
const TICKS_BETWEEN_SKIPS: u32 = 10;
/// Ticks after which a frame of speech is skipped too: two seconds without a pause are rare, and excess delay makes people
/// talk over each other.
const TICKS_UNTIL_SKIP_IN_SPEECH: u32 = 100;
/// Lag, in frames, beyond which the buffer jumps instead of catching up frame by frame.
const JUMP_FRAMES: i64 = 25;
/// Packets further than this from the due frame belong to another part of the stream.
pub const WINDOW_FRAMES: u64 = 100;
/// Consecutive packets from another part of the stream that move playout there.
const RESYNC_PACKETS: u32 = 3;
/// Consecutive ticks with an empty buffer after which the stream counts as stalled and restarts with the next packet.
pub const STALL_FRAMES: u32 = 15;
/// Largest accepted counter (178,000 years of speech), so that media times do not overflow.
const MAX_COUNTER: u64 = 1 << 48;
/// Bins of the delay histogram, one frame each: up to the largest delay, and one for everything above.
const BINS: usize = (MAX_DELAY_US / FRAME_US) as usize + 1;

/// What to play in one tick of 20 ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pull {
    /// The packet that is due.
    Packet(Vec<u8>),
    /// The packet that is due was lost.
    Lost {
        /// The next packet, if it has arrived: its in-band FEC may recover the lost frame. It is still returned as the next
        /// [`Pull::Packet`].
        fec_from: Option<Vec<u8>>,
    },
    /// No frame is due: no stream, a stall, or the buffer is growing. No frame is consumed.
    NotYet,
}

/// Statistics, in packets or frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets passed to [`JitterBuffer::push`] and [`JitterBuffer::push_copy`].
    pub received: u64,
    /// Of these, redundant copies.
    pub copies: u64,
    /// Packets played.
    pub played: u64,
    /// Frames that were due and missing.
    pub lost: u64,
    /// Of these, frames whose next packet had arrived.
    pub recoverable: u64,
    /// Packets that arrived after their frame was due.
    pub late: u64,
    /// Duplicate packets.
    pub duplicate: u64,
    /// Packets skipped to catch up.
    pub skipped: u64,
    /// Ticks without a due frame in mid-stream.
    pub held: u64,
    /// Packets from other parts of the stream that were discarded.
    pub stray: u64,
    /// Restarts after a stall, jump or counter reset.
    pub resyncs: u64,
}

/// Orders and schedules one speaker's packets.
///
/// Packets are identified by their authenticated frame counter, which increases by one per 20 ms. Times are microseconds of a
/// monotonic clock, the same for arrivals and ticks.
pub struct JitterBuffer {
    slots: BTreeMap<u64, Vec<u8>>,
    /// Counter of the next frame to play.
    next: u64,
    state: State,
    floor: WindowedMin,
    delays: DelayHistogram,
    empty_ticks: u32,
    ticks_since_skip: u32,
    discontinuity: Option<Discontinuity>,
    stats: JitterStats,
}

/// State of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No packet has arrived.
    Empty,
    /// The first packets are buffered until the target delay has passed.
    Buffering,
    /// Frames are played.
    Playing,
    /// Frames were played up to `next`, then nothing arrived for [`STALL_FRAMES`].
    Stalled,
}

/// Consecutive packets from another part of the stream than the one being played.
struct Discontinuity {
    last: u64,
    packets: Vec<(u64, Vec<u8>, u64)>,
}

impl JitterBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self {
            slots: BTreeMap::new(),
            next: 0,
            state: State::Empty,
            floor: WindowedMin::new(FLOOR_WINDOW_US),
            delays: DelayHistogram::new(),
            empty_ticks: 0,
            ticks_since_skip: 0,
            discontinuity: None,
            stats: JitterStats::default(),
        }
    }

    /// Adds a packet that arrived at `now_us`.
    pub fn push(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        self.stats.received += 1;
        if counter > MAX_COUNTER {
            self.stats.stray += 1;
            return;
        }
        match self.state {
            State::Empty => self.restart(counter, now_us),
            State::Stalled if counter >= self.next => self.restart(counter, now_us),
            _ if counter.abs_diff(self.next) > WINDOW_FRAMES => {
                return self.push_discontinuous(counter, packet, now_us);
            }
            _ => {}
        }
        self.discontinuity = None;
        self.accept(counter, packet, now_us);
    }

    /// Adds a redundant copy of a packet, which arrived at `now_us` with a later packet. It counts as a late arrival of the
    /// original, so that under loss the target delay adapts to the copies. A copy never starts or moves a stream.
    pub fn push_copy(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        self.stats.received += 1;
        self.stats.copies += 1;
        let running = self.position().is_some_and(|next| counter.abs_diff(next) <= WINDOW_FRAMES);
        if !running || self.state == State::Buffering && counter < self.next {
            self.stats.stray += 1;
        } else if self.slots.contains_key(&counter) {
            self.stats.duplicate += 1;
        } else {
            self.insert(counter, packet, now_us);
        }
    }

    /// What to play at the tick `now_us`. Call it once per 20 ms; late ticks are tolerated. `in_pause`: the last frame was a
    /// pause, so that a frame can be skipped.
    pub fn pull(&mut self, now_us: u64, in_pause: bool) -> Pull {
        let ahead = self.due(now_us).saturating_sub(self.next as i64);
        match self.state {
            State::Empty | State::Stalled => return Pull::NotYet,
            State::Buffering if ahead < 0 => return Pull::NotYet,
            State::Buffering => self.state = State::Playing,
            State::Playing if ahead < -1 => {
                // The target delay grew, or our clock runs fast: one tick without consuming a frame.
                self.stats.held += 1;
                return Pull::NotYet;
            }
            State::Playing => {}
        }
        self.ticks_since_skip = self.ticks_since_skip.saturating_add(1);
        if ahead > JUMP_FRAMES {
            self.jump(self.next.saturating_add_signed(ahead));
        } else if ahead > 1 && !self.slots.is_empty() {
            let wait = if in_pause { TICKS_BETWEEN_SKIPS } else { TICKS_UNTIL_SKIP_IN_SPEECH };
            if self.ticks_since_skip >= wait {
                self.jump(self.next + 1);
            }
        }
        self.take()
    }

    /// The target delay: how long a packet with the base delay is held, microseconds.
    pub fn target_delay_us(&self) -> i64 {
        self.delays.target()
    }

    /// The statistics so far.
    pub fn stats(&self) -> JitterStats {
        self.stats
    }

    /// The counter of the next frame, if a stream is running.
    pub fn position(&self) -> Option<u64> {
        matches!(self.state, State::Buffering | State::Playing).then_some(self.next)
    }

    /// The counter of the frame that is due at `now_us` (negative before the start of the stream).
    fn due(&self, now_us: u64) -> i64 {
        micros(now_us).saturating_sub(self.floor.min()).saturating_sub(self.delays.target()).div_euclid(FRAME_US)
    }

    fn accept(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        self.floor.add(transit(counter, now_us), now_us);
        self.insert(counter, packet, now_us);
    }

    fn insert(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        let transit = transit(counter, now_us);
        let late = counter < self.next && self.state != State::Buffering;
        self.delays.add(transit.saturating_sub(self.floor.min()), if late { LATE_WEIGHT } else { 1 });
        if late {
            self.stats.late += 1;
            return;
        }
        if self.state == State::Buffering {
            // The first packets may arrive out of order.
            self.next = self.next.min(counter);
        }
        if self.slots.insert(counter, packet).is_some() {
            self.stats.duplicate += 1;
        }
    }

    /// Consumes the next frame: played, lost, or, after a long time without packets, a stall.
    fn take(&mut self) -> Pull {
        let due = self.next;
        self.next += 1;
        if let Some(packet) = self.slots.remove(&due) {
            self.empty_ticks = 0;
            self.stats.played += 1;
            return Pull::Packet(packet);
        }
        self.empty_ticks = if self.slots.is_empty() { self.empty_ticks + 1 } else { 0 };
        if self.empty_ticks >= STALL_FRAMES {
            // A suspended sender continues counting where it stopped, so later counters are not late.
            self.next -= u64::from(self.empty_ticks);
            self.state = State::Stalled;
            return Pull::NotYet;
        }
        let fec_from = self.slots.get(&self.next).cloned();
        self.stats.lost += 1;
        self.stats.recoverable += u64::from(fec_from.is_some());
        Pull::Lost { fec_from }
    }

    fn jump(&mut self, to: u64) {
        let kept = self.slots.split_off(&to);
        self.stats.skipped += self.slots.len() as u64;
        self.slots = kept;
        self.next = to;
        self.ticks_since_skip = 0;
    }

    /// Restarts at `counter`. The jitter statistics are kept.
    fn restart(&mut self, counter: u64, now_us: u64) {
        self.stats.resyncs += u64::from(self.state != State::Empty);
        self.stats.skipped += self.slots.len() as u64;
        self.slots.clear();
        self.next = counter;
        self.state = State::Buffering;
        self.empty_ticks = 0;
        self.ticks_since_skip = 0;
        self.discontinuity = None;
        self.floor = WindowedMin::new(FLOOR_WINDOW_US);
        self.floor.add(transit(counter, now_us), now_us);
    }

    /// A packet from another part of the stream: a stray packet, unless more follow in order. Then the sender started a new
    /// stream (its counter restarts after a reload), or this process was suspended.
    fn push_discontinuous(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        let follows = |seen: &Discontinuity| counter > seen.last && counter - seen.last <= WINDOW_FRAMES;
        let mut seen = match self.discontinuity.take() {
            Some(seen) if follows(&seen) => seen,
            stale => {
                self.stats.stray += stale.map_or(0, |seen| seen.packets.len() as u64);
                Discontinuity { last: counter, packets: Vec::new() }
            }
        };
        seen.last = counter;
        seen.packets.push((counter, packet, now_us));
        if (seen.packets.len() as u32) < RESYNC_PACKETS {
            self.discontinuity = Some(seen);
            return;
        }
        let (first, _, at) = seen.packets[0];
        self.restart(first, at);
        for (counter, packet, at) in seen.packets {
            self.accept(counter, packet, at);
        }
    }
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// A time as a signed number, saturating.
fn micros(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// An exponentially decaying histogram of packet delays above the base delay.
struct DelayHistogram {
    bins: [u32; BINS],
}

/// Weight of one arrival. Weights are integers, so that results are the same on every machine.
const ARRIVAL: u32 = 65_536;

impl DelayHistogram {
    fn new() -> Self {
        Self { bins: [0; BINS] }
    }

    fn add(&mut self, delay_us: i64, weight: u32) {
        for bin in &mut self.bins {
            *bin = ((u64::from(*bin) * u64::from(DECAY)) >> 16) as u32;
        }
        let bin = (delay_us.max(0) / FRAME_US) as usize;
        self.bins[bin.min(BINS - 1)] += ARRIVAL * weight;
    }

    /// The target delay: the upper end of the bin in which the required share is reached, plus one frame, because ticks and
    /// arrivals are not aligned.
    fn target(&self) -> i64 {
        let total: u64 = self.bins.iter().map(|bin| u64::from(*bin)).sum();
        let wanted = total * u64::from(IN_TIME_PER_MILLE) / 1000;
        let mut sum = 0;
        for (i, bin) in self.bins.iter().enumerate() {
            sum += u64::from(*bin);
            if sum >= wanted {
                return ((i as i64 + 2) * FRAME_US).clamp(MIN_DELAY_US, MAX_DELAY_US);
            }
        }
        MIN_DELAY_US
    }
}

#[cfg(test)]
#[path = "jitter_tests.rs"]
mod tests;
