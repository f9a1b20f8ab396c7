//! RTCP sender and receiver reports (RFC 3550 section 6).
//!
//! RTCP terminates at the relay. The loss reported to a device is the loss between it and the relay, to which its
//! encoder adapts its error correction. NTP timestamps are the relay's uptime: no wall clock is disclosed.

use std::time::{Duration, Instant};

/// RTP clock of Opus, Hz (RFC 7587 section 4.1).
const CLOCK_HZ: u64 = 48_000;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// A time span in RTP ticks, modulo 2³² like RTP timestamps.
pub(crate) fn ticks(span: Duration) -> u32 {
    (span.as_micros() as u64).wrapping_mul(CLOCK_HZ / 1_000).wrapping_div(1_000) as u32
}

/// Reception statistics of a device's stream (RFC 3550 appendix A).
#[derive(Default)]
pub(crate) struct Reception {
    first: Option<u64>,
    newest: u64,
    received: u64,
    /// Expected and received packets at the previous report.
    previous: (u64, u64),
    transit: Option<u32>,
    /// Interarrival jitter, in sixteenths of ticks.
    jitter: u32,
    /// The middle 32 bits of the last sender report's NTP timestamp, and the time of its arrival.
    sender_report: Option<(u32, Instant)>,
}

impl Reception {
    /// Counts an authenticated packet. `clock` is its arrival time in RTP ticks.
    pub(crate) fn count(&mut self, index: u64, timestamp: u32, clock: u32) {
        self.first.get_or_insert(index);
        self.newest = self.newest.max(index);
        self.received += 1;
        let transit = clock.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let change = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // The timestamp offset of a restarted device is not jitter.
            if change < CLOCK_HZ as u32 {
                self.jitter = self.jitter.wrapping_add(change).wrapping_sub((self.jitter + 8) >> 4);
            }
        }
    }

    /// Records the NTP timestamp of a device's sender report.
    pub(crate) fn sender_report(&mut self, middle: u32, now: Instant) {
        self.sender_report = Some((middle, now));
    }

    fn expected(&self) -> u64 {
        self.first.map_or(0, |first| (self.newest + 1).saturating_sub(first))
    }

    /// Writes the report block (section 6.4.1). The fraction lost covers the interval since the previous block.
    fn write_block(&mut self, ssrc: u32, now: Instant, out: &mut Vec<u8>) {
        let (expected, received) = (self.expected(), self.received);
        let (expected_before, received_before) = std::mem::replace(&mut self.previous, (expected, received));
        let lost_now = (expected - expected_before).saturating_sub(received - received_before);
        let fraction = (lost_now * 256).checked_div(expected - expected_before).unwrap_or(0).min(255);
        let lost = expected.saturating_sub(received).min(0x7f_ffff);
        out.extend(ssrc.to_be_bytes());
        out.extend(((fraction as u32) << 24 | lost as u32).to_be_bytes());
        out.extend((self.newest as u32).to_be_bytes());
        out.extend((self.jitter >> 4).to_be_bytes());
        let (middle, delay) = self.sender_report.map_or((0, 0), |(middle, at)| {
            (middle, (now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000) as u32)
        });
        out.extend(middle.to_be_bytes());
        out.extend(delay.to_be_bytes());
    }
}

/// Sender statistics of one slot.
pub(crate) struct SenderInfo<'a> {
    pub(crate) ssrc: u32,
    /// RTP timestamp that corresponds to now.
    pub(crate) timestamp: u32,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
    pub(crate) cname: &'a str,
}

/// A compound packet: sender reports for `sent`, or a receiver report from `own` (SSRC, CNAME) if there are none, with
/// the report block of `received`, and CNAMEs (sections 6.4 and 6.5). `uptime` becomes the NTP timestamp.
pub(crate) fn compound(
    now: Instant,
    uptime: Duration,
    own: (u32, &str),
    received: Option<(u32, &mut Reception)>,
    sent: &[SenderInfo<'_>],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut block = Vec::new();
    if let Some((ssrc, reception)) = received {
        reception.write_block(ssrc, now, &mut block);
    }
    let blocks = u8::from(!block.is_empty());
    if sent.is_empty() {
        packet(&mut out, blocks, RECEIVER_REPORT, |out| {
            out.extend(own.0.to_be_bytes());
            out.append(&mut block);
        });
    }
    for (n, stream) in sent.iter().enumerate() {
        packet(&mut out, if n == 0 { blocks } else { 0 }, SENDER_REPORT, |out| {
            out.extend(stream.ssrc.to_be_bytes());
            out.extend((uptime.as_secs() as u32).to_be_bytes());
            out.extend(((u64::from(uptime.subsec_nanos()) << 32) / 1_000_000_000).to_be_bytes()[4..].iter());
            out.extend(stream.timestamp.to_be_bytes());
            out.extend(stream.packets.to_be_bytes());
            out.extend(stream.octets.to_be_bytes());
            out.append(&mut block);
        });
    }
    let own = sent.is_empty().then_some(own);
    let cnames = sent.iter().map(|s| (s.ssrc, s.cname)).chain(own);
    packet(&mut out, sent.len().max(1) as u8, SOURCE_DESCRIPTION, |out| {
        for (ssrc, name) in cnames {
            out.extend(ssrc.to_be_bytes());
            out.extend([1, name.len() as u8]);
            out.extend(name.as_bytes());
            // At least one null octet ends the chunk, padded to a 32-bit boundary.
            let end = out.len() + 1;
            out.resize(end.next_multiple_of(4), 0);
        }
    });
    out
}

/// A BYE for streams (section 6.6), after the empty receiver report with which a compound has to begin.
pub(crate) fn goodbye(own: u32, streams: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    packet(&mut out, 0, RECEIVER_REPORT, |out| out.extend(own.to_be_bytes()));
    packet(&mut out, streams.len() as u8, GOODBYE, |out| streams.iter().for_each(|s| out.extend(s.to_be_bytes())));
    out
}

fn packet(out: &mut Vec<u8>, count: u8, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0x80 | count & 0x1f, kind, 0, 0]);
    body(out);
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

/// The middle 32 bits of the NTP timestamp in a stream's sender report, if the compound contains one.
pub(crate) fn sender_ntp_middle(compound: &[u8], ssrc: u32) -> Option<u32> {
    let mut rest = compound;
    while let Some(head) = rest.first_chunk::<4>() {
        let length = 4 * (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1);
        let one = rest.get(..length)?;
        if head[1] == SENDER_REPORT && one.len() >= 28 && one[4..8] == ssrc.to_be_bytes() {
            return one[10..].first_chunk().map(|b| u32::from_be_bytes(*b));
        }
        rest = &rest[length..];
    }
    None
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn a_report_contains_interval_and_cumulative_loss() {
        let now = Instant::now();
        let mut reception = Reception::default();
        // Every fourth packet of a hundred is lost, then none.
        for index in (70_000..70_100).filter(|i| i % 4 != 3) {
            reception.count(index, index as u32 * 960, index as u32 * 960 + 5);
        }
        reception.count(70_100, 70_100 * 960, 70_100 * 960 + 5);
        reception.sender_report(0xaabb_ccdd, now);
        let later = now + Duration::from_millis(1_500);
        let bytes = compound(later, Duration::ZERO, (9, "relay"), Some((7, &mut reception)), &[]);
        assert_eq!(bytes[..4], [0x81, RECEIVER_REPORT, 0, 7]);
        assert_eq!((word(&bytes, 4), word(&bytes, 8)), (9, 7));
        assert_eq!(word(&bytes, 12), (25 * 256 / 101) << 24 | 25);
        assert_eq!(word(&bytes, 16), 70_100);
        assert_eq!(word(&bytes, 20), 0, "no jitter");
        assert_eq!((word(&bytes, 24), word(&bytes, 28)), (0xaabb_ccdd, 65_536 * 3 / 2));

        for index in 70_101..70_201 {
            reception.count(index, index as u32 * 960, index as u32 * 960 + 5);
        }
        let bytes = compound(later, Duration::ZERO, (9, "relay"), Some((7, &mut reception)), &[]);
        assert_eq!(word(&bytes, 12), 25, "nothing lost this time");
    }

    #[test]
    fn jitter_converges_to_the_deviation_of_packets() {
        let mut reception = Reception::default();
        for index in 0..1_000u64 {
            let late = if index % 2 == 0 { 0 } else { 480 };
            reception.count(index, index as u32 * 960, index as u32 * 960 + late);
        }
        assert!((470..=480).contains(&(reception.jitter >> 4)), "{}", reception.jitter >> 4);
    }

    #[test]
    fn compounds_round_trip() {
        let cname = "abcdefgh";
        let sent = [3, 4].map(|ssrc| SenderInfo { ssrc, timestamp: 960, packets: 5, octets: 600, cname });
        let uptime = Duration::from_millis(10_500);
        let bytes = compound(Instant::now(), uptime, (9, "relay"), Some((7, &mut Reception::default())), &sent);
        assert_eq!(bytes[..4], [0x81, SENDER_REPORT, 0, 12]);
        assert_eq!((word(&bytes, 8), word(&bytes, 12)), (10, 1 << 31), "ten seconds and a half");
        assert_eq!((word(&bytes, 16), word(&bytes, 20), word(&bytes, 24)), (960, 5, 600));
        assert_eq!(bytes[52..56], [0x80, SENDER_REPORT, 0, 6]);
        assert_eq!(bytes[80..84], [0x82, SOURCE_DESCRIPTION, 0, 8]);
        assert_eq!((word(&bytes, 84), &bytes[88..98]), (3, &b"\x01\x08abcdefgh"[..]));
        assert_eq!(bytes.len(), 84 + 32);
        assert_eq!(sender_ntp_middle(&bytes, 3), Some(10 << 16 | 1 << 15));
        assert_eq!(sender_ntp_middle(&bytes, 4), Some(10 << 16 | 1 << 15));
        assert_eq!(sender_ntp_middle(&bytes, 5), None);
        for cut in 0..bytes.len() {
            sender_ntp_middle(&bytes[..cut], 4);
        }
        assert_eq!(goodbye(9, &[3, 4]), [0x80, 201, 0, 1, 0, 0, 0, 9, 0x82, 203, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]);
    }
}
