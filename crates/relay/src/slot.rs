//! A slot: one outgoing RTP stream of a leg, which carries one other leg's packets at a time.
//!
//! A receiver sees a slot as one continuous stream (one SSRC, RFC 3550). While a source holds it, sequence numbers and
//! timestamps are shifted by a constant, so the receiver observes the same loss, reordering and silence as the relay.
//! When another source takes the slot over, the stream continues at the next sequence number, with a timestamp that
//! accounts for the pause and with the marker bit set: a jitter buffer sees a new talk spurt.

use crate::{LegId, rtcp::ticks};
use std::time::Instant;

/// Minimum timestamp distance between the last packet of one source and the first of the next: one 20 ms frame.
const FRAME_TICKS: u32 = 960;
/// Mask of a stream's first sequence number. SRTP receivers assume rollover counter 0 (RFC 3711 section 3.3.1), and a
/// first number near the end of the range could be taken for one before it.
const FIRST_SEQUENCE_MASK: u64 = 0x3fff;

/// Identifies an incoming stream: its leg, and a number that this relay assigns to each stream. A restarted device gets
/// a new number even if it reuses its SSRC and sequence numbers, so that a packet index is never reused under one key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) leg: LegId,
    pub(crate) stream: u64,
}

/// An incoming packet's position in the outgoing stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Extended sequence number.
    pub(crate) sequence: u64,
    /// RTP timestamp.
    pub(crate) timestamp: u32,
    /// Marker bit.
    pub(crate) marker: bool,
}

/// State of one slot. A new slot is free.
#[derive(Default)]
pub(crate) struct Slot {
    holder: Option<LegId>,
    run: Option<Run>,
    last: Option<Last>,
}

/// A run of packets of one source: incoming numbers are mapped by a constant shift.
struct Run {
    source: Source,
    first_in: u64,
    first_out: u64,
    timestamp_shift: u32,
}

/// The newest forwarded packet, in outgoing numbers.
struct Last {
    sequence: u64,
    timestamp: u32,
    at: Instant,
}

impl Slot {
    /// The leg that holds the slot.
    pub(crate) fn holder(&self) -> Option<LegId> {
        self.holder
    }

    /// The RTP timestamp that corresponds to `now`; `None` if the slot never carried a packet.
    pub(crate) fn timestamp_at(&self, now: Instant) -> Option<u32> {
        let last = self.last.as_ref()?;
        Some(last.timestamp.wrapping_add(ticks(now.saturating_duration_since(last.at))))
    }

    /// When the slot last carried a packet; `None` if never.
    pub(crate) fn last_used(&self) -> Option<Instant> {
        self.last.as_ref().map(|l| l.at)
    }

    /// Assigns the slot to a leg.
    pub(crate) fn assign(&mut self, leg: LegId) {
        self.holder = Some(leg);
    }

    /// Frees the slot. The next holder continues the outgoing numbers.
    pub(crate) fn free(&mut self) {
        self.holder = None;
        self.run = None;
    }

    /// Maps a packet of the holder into the outgoing stream. `None` if it precedes the first packet of its run: its
    /// outgoing number was used for a packet of another source.
    pub(crate) fn map(
        &mut self,
        now: Instant,
        source: Source,
        sequence: u64,
        timestamp: u32,
        marker: bool,
    ) -> Option<Position> {
        let fresh = self.run.as_ref().is_none_or(|run| run.source != source);
        if fresh {
            self.run = Some(self.start_run(now, source, sequence, timestamp));
        }
        let run = self.run.as_ref().expect("invariant: a run was just started if there was none");
        let offset = sequence.checked_sub(run.first_in)?;
        let position = Position {
            sequence: run.first_out + offset,
            timestamp: timestamp.wrapping_add(run.timestamp_shift),
            marker: marker || fresh,
        };
        if self.last.as_ref().is_none_or(|last| last.sequence < position.sequence) {
            self.last = Some(Last { sequence: position.sequence, timestamp: position.timestamp, at: now });
        }
        Some(position)
    }

    fn start_run(&self, now: Instant, source: Source, sequence: u64, timestamp: u32) -> Run {
        let Some(last) = &self.last else {
            // The first run keeps the sender's timestamps unchanged.
            return Run { source, first_in: sequence, first_out: sequence & FIRST_SEQUENCE_MASK, timestamp_shift: 0 };
        };
        let pause = ticks(now.saturating_duration_since(last.at)).max(FRAME_TICKS);
        Run {
            source,
            first_in: sequence,
            first_out: last.sequence + 1,
            timestamp_shift: last.timestamp.wrapping_add(pause).wrapping_sub(timestamp),
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
mod tests {
    use super::*;
    use std::time::Duration;

    const A: Source = Source { leg: LegId(1), stream: 11 };
    const B: Source = Source { leg: LegId(2), stream: 22 };

    fn assigned_to(leg: LegId) -> Slot {
        let mut slot = Slot::default();
        slot.assign(leg);
        slot
    }

    #[test]
    fn gaps_and_reordering_of_the_sender_are_preserved() {
        let now = Instant::now();
        let mut slot = assigned_to(A.leg);
        let base = slot.map(now, A, 70_000, 5_000, false).unwrap();
        assert_eq!(base.timestamp, 5_000, "the first holder's timestamps pass unchanged");
        assert!(base.sequence < 0x4000, "rollover counter zero");
        // 1 and 2 lost, 4 before 3.
        for step in [5u64, 4, 3] {
            let position = slot.map(now, A, 70_000 + step, 5_000 + 960 * step as u32, false).unwrap();
            assert_eq!(position.sequence - base.sequence, step);
            assert_eq!(position.timestamp, 5_000 + 960 * step as u32);
            assert!(!position.marker);
        }
    }

    #[test]
    fn the_next_holder_continues_the_outgoing_numbers() {
        let start = Instant::now();
        let mut slot = assigned_to(A.leg);
        let mut last = None;
        for i in 0..3 {
            last = slot.map(start, A, 100 + i, 48_000 + 960 * i as u32, false);
        }
        let last = last.unwrap();
        slot.free();
        assert_eq!(slot.holder(), None);
        slot.assign(B.leg);
        let first = slot.map(start + Duration::from_secs(2), B, 9, 4_000_000_000, false).unwrap();
        assert_eq!(first.sequence, last.sequence + 1);
        assert_eq!(first.timestamp, last.timestamp + 96_000, "two seconds at 48 kHz");
        assert!(first.marker);
        let second = slot.map(start + Duration::from_secs(2), B, 10, 4_000_000_960, false).unwrap();
        assert_eq!((second.sequence, second.timestamp), (first.sequence + 1, first.timestamp + 960));
        assert!(!second.marker);
    }

    #[test]
    fn a_restarted_device_continues_its_own_slot() {
        let now = Instant::now();
        let mut slot = assigned_to(A.leg);
        let before = slot.map(now, A, 500, 10_000, false).unwrap();
        let after = slot.map(now, Source { stream: 99, ..A }, 3, 77, false).unwrap();
        assert_eq!(after.sequence, before.sequence + 1);
        assert_eq!(after.timestamp, before.timestamp + FRAME_TICKS, "timestamps never repeat");
        assert!(after.marker);
    }

    #[test]
    fn packets_from_before_a_run_are_not_forwarded() {
        let now = Instant::now();
        let mut slot = assigned_to(A.leg);
        slot.map(now, A, 500, 0, false).unwrap();
        slot.free();
        slot.assign(B.leg);
        slot.map(now, B, 1_000, 0, false).unwrap();
        assert_eq!(slot.map(now, B, 999, 0, false), None);
    }

    #[test]
    fn a_reordered_packet_does_not_move_the_stream_backwards() {
        let now = Instant::now();
        let mut slot = assigned_to(A.leg);
        slot.map(now, A, 10, 0, false).unwrap();
        let newest = slot.map(now, A, 20, 9_600, false).unwrap();
        slot.map(now, A, 15, 4_800, false).unwrap();
        slot.free();
        slot.assign(B.leg);
        assert_eq!(slot.map(now, B, 1, 0, false).unwrap().sequence, newest.sequence + 1);
    }
}
