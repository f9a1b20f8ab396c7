//! One leg: a device's transport, and the streams that it receives.

use crate::{
    LegId, RelayStats,
    limits::{
        CONNECT_TIMEOUT, INTERRUPTED_AFTER, LEG_DATAGRAM_BURST, LEG_DATAGRAMS_PER_SECOND, MAX_CONSECUTIVE_FAILURES,
        MEDIA_BURST, MEDIA_PACKETS_PER_SECOND, SILENCE_TIMEOUT,
    },
    rate::TokenBucket,
    relay::LegEnd,
    sdp::{CheckedOffer, OfferError, finish_answer},
    slot::{Slot, Source},
};
use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, Input, Rtc, RtcConfig, RtcError,
    change::SdpOffer,
    media::{Mid, Pt},
    net::Transmit,
    rtp::{RtpPacket, RtpWrite, SeqNo},
};
use telcon_proto::CallId;

/// Least time from one wake-up of a transport to the next. Everything that was due has been taken out by then.
const LEAST_PAUSE: Duration = Duration::from_millis(1);
/// The same after a failure, when what was due may still be in there.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// What a leg's transport produced in one step.
#[derive(Default)]
pub(crate) struct Produced {
    pub(crate) transmits: Vec<Transmit>,
    pub(crate) packets: Vec<RtpPacket>,
    pub(crate) connected: bool,
    pub(crate) ended: Option<LegEnd>,
    /// A failure that did not end the leg.
    pub(crate) failed: bool,
}

pub(crate) struct Leg {
    pub(crate) call: CallId,
    pub(crate) session: String,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) connected: bool,
    /// The switchboard was told that nothing is heard of the device.
    pub(crate) interrupted: bool,
    /// When the device last sent something that was authenticated.
    pub(crate) last_heard: Instant,
    pub(crate) media_rate: TokenBucket,
    pub(crate) datagram_rate: TokenBucket,
    /// Earliest wake-up queued for this leg, so that a packet that only postpones it costs nothing.
    pub(crate) queued: Option<Instant>,
    rtc: Rtc,
    streams: Vec<Stream>,
    made_at: Instant,
    timeout: Instant,
    failures: u32,
}

/// An outgoing stream: a section of the answer that sends.
struct Stream {
    mid: Mid,
    payload_type: Pt,
    slot: Slot,
}

impl Leg {
    /// Makes a leg from a device's offer. Gives the answer too.
    pub(crate) fn new(
        call: CallId,
        config: RtcConfig,
        candidates: &[Candidate],
        offer: &CheckedOffer,
        now: Instant,
    ) -> Result<(Self, String), OfferError> {
        let mut rtc = config.build(now);
        for candidate in candidates {
            rtc.add_local_candidate(candidate.clone());
        }
        let mut leg = Self {
            call,
            session: offer.session.clone(),
            addresses: Vec::new(),
            connected: false,
            interrupted: false,
            last_heard: now,
            media_rate: TokenBucket::new(now, MEDIA_PACKETS_PER_SECOND, MEDIA_BURST),
            datagram_rate: TokenBucket::new(now, LEG_DATAGRAMS_PER_SECOND, LEG_DATAGRAM_BURST),
            queued: None,
            rtc,
            streams: Vec::new(),
            made_at: now,
            timeout: now,
            failures: 0,
        };
        let answer = leg.accept(offer)?;
        Ok((leg, answer))
    }

    /// Accepts an offer of the peer connection that this leg already belongs to.
    pub(crate) fn accept(&mut self, offer: &CheckedOffer) -> Result<String, OfferError> {
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let parsed = SdpOffer::from_sdp_string(&offer.text).map_err(|_| OfferError::Malformed)?;
            self.rtc.sdp_api().accept_offer(parsed).map_err(|_| OfferError::Malformed)
        }))
        .unwrap_or(Err(OfferError::Malformed))?;
        let mut before = std::mem::take(&mut self.streams);
        for mid in &offer.receiving {
            let mid: Mid = mid.as_str().into();
            let media = self.rtc.media(mid).ok_or(OfferError::Malformed)?;
            let payload_type = *media.remote_pts().first().ok_or(OfferError::NoOpus)?;
            let known = before.iter().position(|s| s.mid == mid);
            let slot = known.map(|i| before.swap_remove(i).slot).unwrap_or_default();
            // Nothing is resent, so no cache and no accounting for one.
            self.rtc.direct_api().stream_tx_by_mid(mid, None).ok_or(OfferError::Malformed)?.set_rtx_cache(
                0,
                Duration::ZERO,
                None,
            );
            self.streams.push(Stream { mid, payload_type, slot });
        }
        Ok(finish_answer(&answer.to_sdp_string()))
    }

    /// The ICE user name that the relay gave this leg.
    pub(crate) fn user(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Slots' holders in order: what a leg that replaces this one takes over.
    pub(crate) fn holders(&self) -> Vec<Option<LegId>> {
        self.streams.iter().map(|s| s.slot.holder()).collect()
    }

    /// Gives slots to the holders they had in the leg that this one replaces.
    pub(crate) fn restore_holders(&mut self, holders: &[Option<LegId>]) {
        for (stream, holder) in self.streams.iter_mut().zip(holders) {
            if let Some(holder) = holder {
                stream.slot.hold(*holder);
            }
        }
    }

    /// Frees the slot that a leg holds here.
    pub(crate) fn free_slot_of(&mut self, leg: LegId) {
        self.streams.iter_mut().filter(|s| s.slot.holder() == Some(leg)).for_each(|s| s.slot.free());
    }

    /// Which slot a leg holds here.
    pub(crate) fn slot_of(&self, leg: LegId) -> Option<usize> {
        self.streams.iter().position(|s| s.slot.holder() == Some(leg))
    }

    /// The slot that a leg holds here, or the one it gets now: one never used, else the one that is silent for longest.
    fn slot_for(&mut self, leg: LegId) -> Option<&mut Stream> {
        let index = self.slot_of(leg).or_else(|| {
            let free = self.streams.iter().enumerate().filter(|(_, s)| s.slot.holder().is_none());
            free.min_by_key(|(_, s)| s.slot.last_used()).map(|(index, _)| index)
        })?;
        let stream = &mut self.streams[index];
        stream.slot.hold(leg);
        Some(stream)
    }

    /// Puts another leg's packet into the stream that carries it here. [`Leg::step`] sends it.
    pub(crate) fn write(&mut self, now: Instant, from: LegId, packet: &RtpPacket, stats: &mut RelayStats) -> bool {
        // Whoever no longer says that it wants packets gets none (RFC 7675): its address may be somebody else's by now.
        if !self.connected || self.interrupted {
            stats.dropped_not_connected += 1;
            return false;
        }
        let Some(stream) = self.slot_for(from) else {
            stats.dropped_no_slot += 1;
            return false;
        };
        let header = &packet.header;
        let source = Source { leg: from, ssrc: *header.ssrc };
        let Some(place) = stream.slot.place(now, source, *packet.seq_no, header.timestamp, header.marker) else {
            stats.dropped_too_old += 1;
            return false;
        };
        let (mid, payload_type) = (stream.mid, stream.payload_type);
        let sequence = SeqNo::from(place.sequence);
        let write = RtpWrite::new(payload_type, sequence, place.timestamp, now, packet.payload.clone());
        match self.rtc.direct_api().stream_tx_by_mid(mid, None) {
            Some(stream) => stream.write_rtp(write.marker(place.marker)),
            None => return false,
        }
        stats.media_forwarded += 1;
        true
    }

    /// Gives the transport something and collects what it makes of it. A panic in there ends this leg and no other.
    pub(crate) fn step(&mut self, now: Instant, input: Input<'_>) -> Produced {
        let mut produced = Produced::default();
        let step = catch_unwind(AssertUnwindSafe(|| {
            let handled = self.rtc.handle_input(input);
            let drained = self.drain(&mut produced);
            (handled.is_err(), drained.is_err())
        }));
        let Ok((refused, failed)) = step else {
            produced.ended = Some(LegEnd::Bug);
            return produced;
        };
        produced.failed = refused || failed;
        self.failures = if failed { self.failures + 1 } else { 0 };
        // Never a time that has come: a leg that always wants to be woken at once must not stop the others.
        let rest = if failed { FAILURE_PAUSE } else { LEAST_PAUSE };
        self.timeout = self.timeout.max(now + rest);
        if produced.ended.is_none() && (!self.rtc.is_alive() || self.failures >= MAX_CONSECUTIVE_FAILURES) {
            produced.ended = Some(LegEnd::Failed);
        }
        produced
    }

    fn drain(&mut self, produced: &mut Produced) -> Result<(), RtcError> {
        loop {
            match self.rtc.poll_output()? {
                str0m::Output::Timeout(at) => {
                    self.timeout = at;
                    return Ok(());
                }
                str0m::Output::Transmit(transmit) => produced.transmits.push(transmit),
                str0m::Output::Event(event) => match event {
                    Event::RtpPacket(packet) => produced.packets.push(packet),
                    Event::Connected => produced.connected = true,
                    Event::Closed => produced.ended = Some(LegEnd::Closed),
                    _ => {}
                },
            }
        }
    }

    /// Says goodbye to the device: RTCP BYE and DTLS close_notify.
    pub(crate) fn close(&mut self) -> Vec<Transmit> {
        let mut produced = Produced::default();
        // A leg on its way out has no one left to tell about a failure.
        let _ = catch_unwind(AssertUnwindSafe(|| self.rtc.close().and_then(|()| self.drain(&mut produced))));
        produced.transmits
    }

    /// When the leg wants to be woken.
    pub(crate) fn wake_at(&self) -> Instant {
        let own = match (self.connected, self.interrupted) {
            (false, _) => self.made_at + CONNECT_TIMEOUT,
            (true, false) => self.last_heard + INTERRUPTED_AFTER,
            (true, true) => self.last_heard + SILENCE_TIMEOUT,
        };
        self.timeout.min(own)
    }

    /// Why the leg is over at this moment, if it is.
    pub(crate) fn expired(&self, now: Instant) -> Option<LegEnd> {
        if !self.connected && now >= self.made_at + CONNECT_TIMEOUT {
            return Some(LegEnd::NeverConnected);
        }
        (now >= self.last_heard + SILENCE_TIMEOUT).then_some(LegEnd::Silent)
    }
}
