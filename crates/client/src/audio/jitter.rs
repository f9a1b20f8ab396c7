//! The jitter buffer of one speaker: packets in as the network brings them, one frame out per 20 ms tick.
//!
//! Nothing here reads a clock. A packet's *transit* is its arrival minus its place in the stream; the smallest
//! transit of the last seconds is the network's floor, and everything above it is delay that the buffer must
//! even out. The frame due at a moment follows from floor and target delay alone, so that a drifting clock, a
//! grown or a shrunk target, all show as the same thing: the buffer being a little ahead or behind.

use std::collections::BTreeMap;

use telcon_core::media::delay::{WindowedMin, transit};

use super::frame::FRAME_DURATION;

/// Microseconds per frame.
const FRAME_US: i64 = FRAME_DURATION.as_micros() as i64;
/// Delay at the start and at least: one packet being late by a whole frame is usual, even on good networks.
pub const MIN_DELAY_US: i64 = 40_000;
/// Delay at most: past this, people talk over each other, and a lost frame is the lesser evil.
pub const MAX_DELAY_US: i64 = 400_000;
/// Share of packets (per mille) that must arrive in time. The rest is left to in-band FEC, which costs no delay.
const IN_TIME_PER_MILLE: u32 = 980;
/// Weight kept by older arrivals per new one, in 1/65536: half is forgotten after about 7 s.
const KEEP: u32 = 65_536 - 131;
/// How many times as much a packet counts that came too late to be played: the buffer grows faster than it shrinks.
const LATE_WEIGHT: u32 = 4;
/// Half of the time over which the smallest transit is taken. Long against bursts, short against clock drift
/// (100 ppm move it by half a millisecond).
const FLOOR_WINDOW_US: u64 = 5_000_000;
/// At most one frame in this many ticks is left out to catch up, in a pause; at 10, a fifth of a second apart, the pause
/// only seems a little shorter.
const TICKS_BETWEEN_SKIPS: u32 = 10;
/// After so many ticks a frame of speech is left out too: two seconds without any pause are rare, and a delay that is no
/// longer needed makes people talk over each other.
const TICKS_UNTIL_SKIP_IN_SPEECH: u32 = 100;
/// Behind by more frames than this, the buffer jumps instead of catching up frame by frame.
const JUMP_FRAMES: i64 = 25;
/// Packets this many frames ahead of or behind the frame that is due do not belong to this stretch of the stream.
pub const WINDOW_FRAMES: u64 = 100;
/// So many packets in a row from elsewhere in the stream, and that is where the stream now is.
const RESYNC_PACKETS: u32 = 3;
/// After so many frames with nothing at all in the buffer the stream has stalled; what follows is a new start.
pub const STALL_FRAMES: u32 = 15;
/// Counters beyond this (178,000 years of speech) are refused, so that counter times frame length always fits.
const MAX_COUNTER: u64 = 1 << 48;
/// Bins of the delay histogram, one frame each: everything up to the largest delay, and one for what is beyond.
const BINS: usize = (MAX_DELAY_US / FRAME_US) as usize + 1;

/// What to play for one tick of 20 ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pull {
    /// The packet that is due.
    Packet(Vec<u8>),
    /// The packet that is due never came.
    Lost {
        /// The packet after it, where that is there already: it may carry a copy of what was lost. It will still be
        /// given out as the next [`Pull::Packet`].
        fec_from: Option<Vec<u8>>,
    },
    /// Nothing is due: no stream yet, a stall, or the buffer takes a breath to grow. No frame is used up.
    NotYet,
}

/// What happened so far, in packets or frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets given to [`JitterBuffer::push`] and [`JitterBuffer::push_copy`].
    pub received: u64,
    /// Of them, copies.
    pub copies: u64,
    /// Packets given out to be played.
    pub played: u64,
    /// Frames that were due and not there.
    pub lost: u64,
    /// Of the lost ones, those where the next packet was there to recover from.
    pub recoverable: u64,
    /// Packets that came after their frame was due.
    pub late: u64,
    /// Packets that were there already.
    pub duplicate: u64,
    /// Packets left out, or thrown away, to catch up.
    pub skipped: u64,
    /// Ticks for which nothing was due in mid-stream.
    pub held: u64,
    /// Packets from elsewhere in the stream that were refused.
    pub stray: u64,
    /// Times that the stream stalled, jumped or began anew.
    pub resyncs: u64,
}

/// Puts one speaker's packets in order and in time.
///
/// The key is the authenticated frame counter: it grows by one per 20 ms. Moments are microseconds of any clock
/// that does not go back; ticks of [`JitterBuffer::pull`] come from the same clock.
pub struct JitterBuffer {
    slots: BTreeMap<u64, Vec<u8>>,
    /// The frame that is given out next.
    next: u64,
    state: State,
    floor: WindowedMin,
    delays: Delays,
    empty_ticks: u32,
    ticks_since_skip: u32,
    elsewhere: Option<Elsewhere>,
    counts: Counts,
}

/// Where the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No packet has come.
    Empty,
    /// The first packets are being collected until their delay is over.
    Collecting,
    /// Frames flow.
    Playing,
    /// They did, up to `next`, and then nothing came for [`STALL_FRAMES`].
    Stalled,
}

/// Packets in a row from another part of the stream than the one that is played.
struct Elsewhere {
    last: u64,
    packets: Vec<(u64, Vec<u8>, u64)>,
}

impl JitterBuffer {
    /// A buffer that has seen nothing.
    pub fn new() -> Self {
        Self {
            slots: BTreeMap::new(),
            next: 0,
            state: State::Empty,
            floor: WindowedMin::new(FLOOR_WINDOW_US),
            delays: Delays::new(),
            empty_ticks: 0,
            ticks_since_skip: 0,
            elsewhere: None,
            counts: Counts::default(),
        }
    }

    /// Takes a packet that arrived at `now_us`.
    pub fn push(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        self.counts.received += 1;
        if counter > MAX_COUNTER {
            self.counts.stray += 1;
            return;
        }
        match self.state {
            State::Empty => self.restart(counter, now_us),
            State::Stalled if counter >= self.next => self.restart(counter, now_us),
            _ if counter.abs_diff(self.next) > WINDOW_FRAMES => return self.push_elsewhere(counter, packet, now_us),
            _ => {}
        }
        self.elsewhere = None;
        self.accept(counter, packet, now_us);
    }

    /// Takes a copy of a packet, which came at `now_us` in a later one. It counts as that packet, come late: so the
    /// buffer learns to wait for copies where there are losses. It begins no stream and moves none.
    pub fn push_copy(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        self.counts.received += 1;
        self.counts.copies += 1;
        let running = self.position().is_some_and(|next| counter.abs_diff(next) <= WINDOW_FRAMES);
        if !running || self.state == State::Collecting && counter < self.next {
            self.counts.stray += 1;
        } else if self.slots.contains_key(&counter) {
            self.counts.duplicate += 1;
        } else {
            self.keep(counter, packet, now_us);
        }
    }

    /// What to play at the tick `now_us`. To be called once per 20 ms; a tick that comes late is no harm. `quiet`: nothing
    /// is said at the moment, so that a frame can be left out.
    pub fn pull(&mut self, now_us: u64, quiet: bool) -> Pull {
        let ahead = self.due(now_us).saturating_sub(self.next as i64);
        match self.state {
            State::Empty | State::Stalled => return Pull::NotYet,
            State::Collecting if ahead < 0 => return Pull::NotYet,
            State::Collecting => self.state = State::Playing,
            State::Playing if ahead < -1 => {
                // The target grew, or our clock runs fast: one tick without using up a frame.
                self.counts.held += 1;
                return Pull::NotYet;
            }
            State::Playing => {}
        }
        self.ticks_since_skip = self.ticks_since_skip.saturating_add(1);
        if ahead > JUMP_FRAMES {
            self.jump(self.next.saturating_add_signed(ahead));
        } else if ahead > 1 && !self.slots.is_empty() {
            let wait = if quiet { TICKS_BETWEEN_SKIPS } else { TICKS_UNTIL_SKIP_IN_SPEECH };
            if self.ticks_since_skip >= wait {
                self.jump(self.next + 1);
            }
        }
        self.take()
    }

    /// How long a packet that comes through the network without delay waits here, in microseconds.
    pub fn target_delay_us(&self) -> i64 {
        self.delays.target()
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The counter of the frame that is given out next, if a stream is running.
    pub fn position(&self) -> Option<u64> {
        matches!(self.state, State::Collecting | State::Playing).then_some(self.next)
    }

    /// The frame that is due at `now_us`, as a counter (negative before the stream began).
    fn due(&self, now_us: u64) -> i64 {
        micros(now_us).saturating_sub(self.floor.min()).saturating_sub(self.delays.target()).div_euclid(FRAME_US)
    }

    fn accept(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        self.floor.add(transit(counter, now_us), now_us);
        self.keep(counter, packet, now_us);
    }

    fn keep(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        let transit = transit(counter, now_us);
        let late = counter < self.next && self.state != State::Collecting;
        self.delays.add(transit.saturating_sub(self.floor.min()), if late { LATE_WEIGHT } else { 1 });
        if late {
            self.counts.late += 1;
            return;
        }
        if self.state == State::Collecting {
            // A start that came out of order may begin earlier than the first packet seen.
            self.next = self.next.min(counter);
        }
        if self.slots.insert(counter, packet).is_some() {
            self.counts.duplicate += 1;
        }
    }

    /// Gives out the frame that is next, or tells that it is lost, or stops when there has been nothing for long.
    fn take(&mut self) -> Pull {
        let due = self.next;
        self.next += 1;
        if let Some(packet) = self.slots.remove(&due) {
            self.empty_ticks = 0;
            self.counts.played += 1;
            return Pull::Packet(packet);
        }
        self.empty_ticks = if self.slots.is_empty() { self.empty_ticks + 1 } else { 0 };
        if self.empty_ticks >= STALL_FRAMES {
            // A sender that paused goes on where it stopped, so nothing after that place is late.
            self.next -= u64::from(self.empty_ticks);
            self.state = State::Stalled;
            return Pull::NotYet;
        }
        let fec_from = self.slots.get(&self.next).cloned();
        self.counts.lost += 1;
        self.counts.recoverable += u64::from(fec_from.is_some());
        Pull::Lost { fec_from }
    }

    fn jump(&mut self, to: u64) {
        let kept = self.slots.split_off(&to);
        self.counts.skipped += self.slots.len() as u64;
        self.slots = kept;
        self.next = to;
        self.ticks_since_skip = 0;
    }

    /// Begins anew at `counter`. What was learnt about the network's jitter stays.
    fn restart(&mut self, counter: u64, now_us: u64) {
        self.counts.resyncs += u64::from(self.state != State::Empty);
        self.counts.skipped += self.slots.len() as u64;
        self.slots.clear();
        self.next = counter;
        self.state = State::Collecting;
        self.empty_ticks = 0;
        self.ticks_since_skip = 0;
        self.elsewhere = None;
        self.floor = WindowedMin::new(FLOOR_WINDOW_US);
        self.floor.add(transit(counter, now_us), now_us);
    }

    /// A packet from another part of the stream: a straggler, unless more follow in order. Then the sender has
    /// begun a new stream (its counter restarts with a new key), or we slept.
    fn push_elsewhere(&mut self, counter: u64, packet: Vec<u8>, now_us: u64) {
        let follows = |seen: &Elsewhere| counter > seen.last && counter - seen.last <= WINDOW_FRAMES;
        let mut seen = match self.elsewhere.take() {
            Some(seen) if follows(&seen) => seen,
            stale => {
                self.counts.stray += stale.map_or(0, |seen| seen.packets.len() as u64);
                Elsewhere { last: counter, packets: Vec::new() }
            }
        };
        seen.last = counter;
        seen.packets.push((counter, packet, now_us));
        if (seen.packets.len() as u32) < RESYNC_PACKETS {
            self.elsewhere = Some(seen);
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

/// A moment, signed; those that no clock reaches are cut off.
fn micros(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// A slowly forgetting histogram of how much longer than the floor packets took.
struct Delays {
    bins: [u32; BINS],
}

/// Weight of one new arrival. Weights are integers, so that every machine computes the same.
const ARRIVAL: u32 = 65_536;

impl Delays {
    fn new() -> Self {
        Self { bins: [0; BINS] }
    }

    fn add(&mut self, delay_us: i64, weight: u32) {
        for bin in &mut self.bins {
            *bin = ((u64::from(*bin) * u64::from(KEEP)) >> 16) as u32;
        }
        let bin = (delay_us.max(0) / FRAME_US) as usize;
        self.bins[bin.min(BINS - 1)] += ARRIVAL * weight;
    }

    /// The delay with which enough packets arrive in time: the end of the bin that completes their share, and a
    /// frame more, because ticks and arrivals are not aligned.
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
