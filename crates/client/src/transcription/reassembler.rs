//! Orders and decodes one speaker's packets for transcription, independent of processing delays.
//!
//! Playout uses a jitter buffer, which skips frames to keep latency low. A transcript has no such deadline: a process that
//! was suspended for a second must produce the same audio as one that was not. A packet's time therefore follows from its
//! frame counter; processing time only limits how long a missing packet is waited for.

use std::collections::BTreeMap;

use telcon_core::media::delay::{WindowedMin, transit};
use telcon_proto::limits::FRAME_MS;

use crate::audio::frame::Frame;
use crate::audio::opus::{Decoder, OpusError};

/// How long a missing packet is waited for, milliseconds: the longest delay of the jitter buffer.
const REORDER_WINDOW_MS: u64 = 400;
/// Most packets buffered while one is missing: four times the packets of [`REORDER_WINDOW_MS`]. A flood ends the wait.
const MAX_BUFFERED: usize = 80;
/// Longest loss that is concealed, frames. A longer loss is left as a gap, which the segmenter handles.
const MAX_CONCEALED: u64 = 10;
/// A packet this far ahead of the expected counter starts a new timeline. So does one this far behind under a later key: after
/// a reload a device counts from 0 again. Redundant copies are less far behind.
const MAX_AHEAD: u64 = 250;
const MAX_BEHIND: u64 = 50;
/// A packet whose media time is later than its arrival by this much, microseconds, starts a new timeline: media cannot run
/// faster than time.
const MAX_LEAD_US: i64 = 1_000_000;
/// Audio that may be output ahead of real time, milliseconds: the content of the socket buffer after a suspension. More comes
/// from a participant whose counter runs too fast.
const BURST_MS: u64 = 5_000;
/// Rate limit for new timelines and time corrections, each of which may end a segment that costs seconds of recognition: one
/// per this many milliseconds, with bursts.
const RESTART_MS: u64 = 2_000;
const RESTARTS: u64 = 10;
/// Half of the window of the minimum delay estimate.
const FLOOR_WINDOW_US: u64 = 5_000_000;
/// Clock error of a timeline, microseconds, at which it is corrected in a pause, and at which it is corrected even within a
/// word. A suspended sender continues counting where it stopped.
const CORRECTION_IN_PAUSE_US: i64 = 200_000;
const CORRECTION_US: i64 = 2_000_000;
/// Amplitude below which a frame counts as a pause.
const PAUSE_AMPLITUDE: u16 = 256;
/// A speaker without packets for this long has stopped, milliseconds.
const STOPPED_AFTER_MS: u64 = 1_500;

/// Orders and decodes one speaker's packets.
pub struct StreamReassembler {
    decoder: Decoder,
    buffered: BTreeMap<u64, Vec<u8>>,
    /// The current timeline; none before the first packet.
    timeline: Option<Timeline>,
    frames: Vec<TimedFrame>,
    now_ms: u64,
    output_limit: RateLimit,
    restart_limit: RateLimit,
}

/// A token bucket.
#[derive(Default)]
struct RateLimit {
    used_until_ms: u64,
}

impl RateLimit {
    /// Consumes `cost_ms` if the bucket allows it.
    fn take(&mut self, now_ms: u64, cost_ms: u64, burst_ms: u64) -> bool {
        let until = self.used_until_ms.max(now_ms).saturating_add(cost_ms);
        let allowed = until.saturating_sub(now_ms) <= burst_ms;
        if allowed {
            self.used_until_ms = until;
        }
        allowed
    }
}

/// Maps one uninterrupted sequence of counters to call time.
struct Timeline {
    stream: (u64, u32),
    /// The expected counter.
    next: u64,
    /// Call time of counter 0, microseconds; before the start of the call for a timeline that starts at a high counter.
    origin_us: i64,
    floor: WindowedMin,
    /// Since when packets are buffered behind a missing one.
    missing_since_ms: Option<u64>,
    last_arrival_ms: u64,
    /// Whether a frame was decoded, so that losses can be concealed.
    decoded_any: bool,
    stop_reported: bool,
}

/// 20 ms of a speaker.
pub struct TimedFrame {
    /// Start, seconds since the start of the call.
    pub at_s: f64,
    /// The samples.
    pub frame: Frame,
}

impl StreamReassembler {
    /// A reassembler before the first packet.
    ///
    /// # Errors
    /// When the decoder cannot be allocated.
    pub fn new() -> Result<Self, OpusError> {
        Ok(Self {
            decoder: Decoder::new()?,
            buffered: BTreeMap::new(),
            timeline: None,
            frames: Vec::new(),
            now_ms: 0,
            output_limit: RateLimit::default(),
            restart_limit: RateLimit::default(),
        })
    }

    /// Adds a packet, with the epoch and leaf of its key and its authenticated frame counter. `arrival_ms` is its arrival time
    /// in the call; for a redundant copy, the time at which the original would have arrived.
    pub fn push(&mut self, stream: (u64, u32), counter: u64, packet: &[u8], arrival_ms: u64) {
        self.now_ms = self.now_ms.max(arrival_ms);
        if self.timeline.as_ref().is_none_or(|timeline| timeline.ended_by(stream, counter, arrival_ms)) {
            if !self.restart_limit.take(self.now_ms, RESTART_MS, RESTARTS * RESTART_MS) {
                return;
            }
            // Buffered packets belong to the previous timeline.
            self.flush();
            self.timeline = Some(Timeline::new(stream, counter, arrival_ms));
        }
        let Some(timeline) = &mut self.timeline else { return };
        timeline.arrived(stream, counter, arrival_ms);
        if counter >= timeline.next {
            self.buffered.insert(counter, packet.to_vec());
        }
        self.advance(arrival_ms);
    }

    /// The frames that are available at `now_ms` of the call, in order.
    pub fn frames(&mut self, now_ms: u64) -> Vec<TimedFrame> {
        self.advance(now_ms);
        std::mem::take(&mut self.frames)
    }

    /// Ends the stream; returns the remaining frames.
    pub fn finish(&mut self) -> Vec<TimedFrame> {
        self.flush();
        std::mem::take(&mut self.frames)
    }

    /// Whether this speaker stopped. True only once per stop.
    pub fn stopped(&mut self, now_ms: u64) -> bool {
        let Some(timeline) = &mut self.timeline else { return false };
        let stopped = now_ms.saturating_sub(timeline.last_arrival_ms) >= STOPPED_AFTER_MS;
        stopped && !std::mem::replace(&mut timeline.stop_reported, stopped)
    }

    fn advance(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        while let (Some(first), Some(timeline)) = (self.buffered.keys().next(), &mut self.timeline) {
            if *first != timeline.next {
                let since = *timeline.missing_since_ms.get_or_insert(now_ms);
                if now_ms.saturating_sub(since) < REORDER_WINDOW_MS && self.buffered.len() < MAX_BUFFERED {
                    return;
                }
            }
            self.step();
        }
    }

    /// Outputs all buffered packets without waiting for missing ones.
    fn flush(&mut self) {
        while !self.buffered.is_empty() {
            self.step();
        }
    }

    /// Outputs up to and including the first buffered packet.
    fn step(&mut self) {
        let (Some((first, packet)), Some(timeline)) = (self.buffered.pop_first(), &mut self.timeline) else { return };
        let missing = first - timeline.next;
        if timeline.decoded_any && missing <= MAX_CONCEALED {
            for counter in timeline.next..first {
                // The packet after a lost one may carry its in-band FEC copy.
                let last = counter + 1 == first;
                let concealed = if last { self.decoder.recover(&packet) } else { self.decoder.conceal() };
                if let Ok(frame) = concealed
                    && self.output_limit.take(self.now_ms, FRAME_MS, BURST_MS)
                {
                    self.frames.push(TimedFrame { at_s: timeline.time_s(counter), frame });
                }
            }
        }
        // An undecodable packet leaves a gap; its arrival is in the record's events.
        if self.output_limit.take(self.now_ms, FRAME_MS, BURST_MS)
            && let Ok(frame) = self.decoder.decode(&packet)
        {
            if timeline.needs_correction(&frame)
                && self.restart_limit.take(self.now_ms, RESTART_MS, RESTARTS * RESTART_MS)
            {
                timeline.origin_us = timeline.floor.min();
            }
            self.frames.push(TimedFrame { at_s: timeline.time_s(first), frame });
            timeline.decoded_any = true;
        }
        timeline.next = first.saturating_add(1);
        timeline.missing_since_ms = None;
    }
}

impl Timeline {
    fn new(stream: (u64, u32), counter: u64, arrival_ms: u64) -> Self {
        Self {
            stream,
            next: counter,
            origin_us: transit(counter, arrival_ms.saturating_mul(1000)),
            floor: WindowedMin::new(FLOOR_WINDOW_US),
            missing_since_ms: None,
            last_arrival_ms: arrival_ms,
            decoded_any: false,
            stop_reported: false,
        }
    }

    /// Whether such a packet starts a new timeline.
    fn ended_by(&self, stream: (u64, u32), counter: u64, arrival_ms: u64) -> bool {
        let leads = transit(counter, arrival_ms.saturating_mul(1000)).saturating_sub(self.origin_us) < -MAX_LEAD_US;
        (counter > self.next && leads)
            || counter.saturating_sub(self.next) > MAX_AHEAD
            || (self.next.saturating_sub(counter) > MAX_BEHIND && stream > self.stream)
    }

    fn arrived(&mut self, stream: (u64, u32), counter: u64, arrival_ms: u64) {
        self.stream = self.stream.max(stream);
        self.last_arrival_ms = self.last_arrival_ms.max(arrival_ms);
        self.stop_reported = false;
        let now_us = arrival_ms.saturating_mul(1000);
        self.floor.add(transit(counter, now_us), now_us);
    }

    /// Whether the clock error is so large that the origin must be corrected at this frame.
    fn needs_correction(&self, frame: &Frame) -> bool {
        let error = self.floor.min().abs_diff(self.origin_us);
        let is_pause = || frame.iter().all(|sample| sample.unsigned_abs() < PAUSE_AMPLITUDE);
        error > CORRECTION_US.unsigned_abs() || (error > CORRECTION_IN_PAUSE_US.unsigned_abs() && is_pause())
    }

    fn time_s(&self, counter: u64) -> f64 {
        let offset_us = i64::try_from(counter.saturating_mul(1000 * FRAME_MS)).unwrap_or(i64::MAX);
        self.origin_us.saturating_add(offset_us).max(0) as f64 / 1e6
    }
}

#[cfg(test)]
#[path = "reassembler_tests.rs"]
mod tests;
