//! One leg: a device's transport, what it sends, and the streams that it receives.

use crate::{
    LegId, RelayStats,
    batch::Batches,
    dtls::{Handshake, Identity, Step},
    ice::{self, Credentials},
    limits::{
        CONNECT_TIMEOUT, INTERRUPTED_AFTER, LEG_DATAGRAM_BURST, LEG_DATAGRAMS_PER_SECOND, MEDIA_BURST,
        MEDIA_PACKETS_PER_SECOND, MEDIA_PATH_FRESH, REPORT_EVERY, SILENCE_TIMEOUT, STUN_BURST, STUN_PER_SECOND,
    },
    rate::TokenBucket,
    relay::{LegEnd, RelayConfig},
    rtcp::{self, Arrival, Sent},
    sdp::{Answering, CheckedOffer, OfferError, answer},
    slot::{Slot, Source},
    srtp::{self, HEADER, Header, Keys, Refused, TAG, Window},
};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};
use telcon_proto::CallId;

/// Least time from one wake-up of a handshake to the next. Everything that was due has been taken out by then.
const LEAST_PAUSE: Duration = Duration::from_millis(1);
/// Connectivity checks that are remembered: several minutes of one each second.
const MAX_CHECKS: usize = 256;
/// Letters of the name that a leg's streams have.
const NAME_LETTERS: usize = 16;

/// A leg's place in the relay's table.
pub(crate) type LegIndex = usize;
/// A call's place in the relay's table.
pub(crate) type CallIndex = usize;

pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) call: CallIndex,
    pub(crate) call_id: CallId,
    pub(crate) session: Box<str>,
    /// Addresses from which the device proved its password.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Its last connectivity checks, in short.
    checks: VecDeque<u32>,
    pub(crate) connected: bool,
    /// The switchboard was told that nothing is heard of the device.
    pub(crate) interrupted: bool,
    /// When the device last sent something that was authenticated.
    pub(crate) last_heard: Instant,
    pub(crate) media_rate: TokenBucket,
    pub(crate) datagram_rate: TokenBucket,
    pub(crate) stun_rate: TokenBucket,
    /// Earliest wake-up queued for this leg, so that a packet that only postpones it costs nothing.
    pub(crate) queued: Option<Instant>,
    pub(crate) ice: Credentials,
    /// The device's own ICE credentials, which change when it starts ICE again.
    ice_of_device: Box<str>,
    /// Where to send: from where media came last, before that where the device said (RFC 8445 section 8.1.1).
    send_to: Option<SocketAddr>,
    media_at: Option<Instant>,
    handshake: Box<Handshake>,
    keys: Option<Box<Keys>>,
    uplink: Uplink,
    streams: Vec<Stream>,
    /// What the relay's end is called in reports.
    name: Box<str>,
    /// SSRC of reports while no stream is sent.
    own_ssrc: u32,
    report_at: Instant,
    /// Where in the batches this leg's last packet waits.
    place: u32,
    version: u64,
    made_at: Instant,
}

/// The stream that the device sends.
struct Uplink {
    payload_type: u8,
    /// The one that was offered, or the first one that was authenticated.
    ssrc: Option<u32>,
    /// See [`Source`].
    stream: u64,
    seen: Window,
    arrival: Arrival,
}

/// An outgoing stream: a section that the device receives with.
struct Stream {
    mid: Box<str>,
    payload_type: u8,
    ssrc: u32,
    slot: Slot,
    packets: u32,
    octets: u32,
}

/// A media packet that was authenticated, where it lies.
pub(crate) struct Opened {
    pub(crate) source: Source,
    pub(crate) index: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Range<usize>,
    /// No packet sent later came before it.
    newest: bool,
}

/// What a step of the handshake means for the leg.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) connected: bool,
    pub(crate) ended: Option<LegEnd>,
    /// The input was not taken.
    pub(crate) refused: bool,
}

impl Leg {
    /// Makes a leg from a device's offer. `stream` is the number of its stream, see [`Source`].
    pub(crate) fn new(
        (call, call_id): (CallIndex, CallId),
        id: LegId,
        identity: &Identity,
        offer: &CheckedOffer,
        stream: u64,
        now: Instant,
    ) -> Result<Self, OfferError> {
        let mut leg = Self {
            id,
            call,
            call_id,
            session: offer.session.as_str().into(),
            addresses: Vec::new(),
            checks: VecDeque::new(),
            connected: false,
            interrupted: false,
            last_heard: now,
            media_rate: TokenBucket::new(now, MEDIA_PACKETS_PER_SECOND, MEDIA_BURST),
            datagram_rate: TokenBucket::new(now, LEG_DATAGRAMS_PER_SECOND, LEG_DATAGRAM_BURST),
            stun_rate: TokenBucket::new(now, STUN_PER_SECOND, STUN_BURST),
            queued: None,
            ice: Credentials::draw(),
            ice_of_device: offer.ice.as_str().into(),
            send_to: None,
            media_at: None,
            handshake: Box::new(Handshake::new(identity, offer.fingerprint, now)),
            keys: None,
            uplink: Uplink::new(offer, stream)?,
            streams: Vec::new(),
            name: ice::letters(NAME_LETTERS),
            own_ssrc: ice::ssrc(),
            report_at: now + REPORT_EVERY,
            place: 0,
            version: 1,
            made_at: now,
        };
        leg.lay_streams(offer)?;
        Ok(leg)
    }

    /// Accepts an offer of the peer connection that this leg already belongs to. Gives whether ICE starts again.
    pub(crate) fn accept(&mut self, offer: &CheckedOffer, stream: u64) -> Result<bool, OfferError> {
        let uplink = Uplink::new(offer, stream)?;
        if uplink.ssrc.is_some() && uplink.ssrc != self.uplink.ssrc {
            self.uplink = uplink;
        } else {
            self.uplink.payload_type = uplink.payload_type;
        }
        self.lay_streams(offer)?;
        self.version += 1;
        let restarted = *self.ice_of_device != *offer.ice;
        if restarted {
            self.ice = Credentials::draw();
            self.ice_of_device = offer.ice.as_str().into();
        }
        Ok(restarted)
    }

    fn lay_streams(&mut self, offer: &CheckedOffer) -> Result<(), OfferError> {
        let mut before = std::mem::take(&mut self.streams);
        self.streams.reserve_exact(offer.receiving().count());
        for section in offer.receiving() {
            let payload_type = section.payload_type.ok_or(OfferError::NoOpus)?;
            let known = before.iter().position(|s| *s.mid == *section.mid).map(|i| before.swap_remove(i));
            // A section that is new has an SSRC of its own, so that its indices are new as well.
            let stream = known.unwrap_or_else(|| Stream {
                mid: section.mid.as_str().into(),
                payload_type,
                ssrc: ice::ssrc(),
                slot: Slot::default(),
                packets: 0,
                octets: 0,
            });
            self.streams.push(Stream { payload_type, ..stream });
        }
        Ok(())
    }

    /// The answer to an offer that was taken.
    pub(crate) fn answer(&self, offer: &CheckedOffer, identity: &Identity, config: &RelayConfig) -> String {
        let relay = Answering {
            session: (self.id.0, self.version),
            user: &self.ice.user,
            password: &self.ice.password,
            fingerprint: &identity.fingerprint,
            candidates: &config.candidate_addrs,
            tcp: config.tcp,
            name: &self.name,
        };
        answer(offer, &relay, |mid| self.streams.iter().find(|s| *s.mid == *mid).map(|s| s.ssrc))
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

    /// Reads what [`Leg::forward`] will read first in each place that it goes to.
    pub(crate) fn touch(&self) -> u32 {
        let streams = self.streams.iter().fold(0, |all, stream| all ^ stream.ssrc);
        let salt = self.keys.as_ref().map_or(0, |keys| keys.sealing.touch());
        streams ^ salt ^ self.place
    }

    /// Opens a media packet of the device in place. `clock` is the moment in RTP ticks.
    pub(crate) fn open(&mut self, packet: &mut [u8], clock: u32) -> Result<Opened, Refused> {
        let keys = self.keys.as_ref().ok_or(Refused)?;
        let header = Header::parse(packet).ok_or(Refused)?;
        let uplink = &mut self.uplink;
        if header.payload_type != uplink.payload_type || uplink.ssrc.is_some_and(|ssrc| ssrc != header.ssrc) {
            return Err(Refused);
        }
        let index = uplink.seen.extend(header.sequence).filter(|i| uplink.seen.is_new(*i)).ok_or(Refused)?;
        let payload = keys.opening.media(&header, index, packet)?;
        uplink.ssrc = Some(header.ssrc);
        let newest = uplink.seen.accept(index);
        uplink.arrival.count(index, header.timestamp, clock);
        let source = Source { leg: self.id, stream: uplink.stream };
        Ok(Opened { source, index, timestamp: header.timestamp, marker: header.marker, payload, newest })
    }

    /// Media came from an address of the device: that is where the device wants to be sent to as well.
    pub(crate) fn follow(&mut self, opened: &Opened, src: SocketAddr, now: Instant) {
        if opened.newest {
            self.media_at = Some(now);
            self.send_to = Some(src);
        }
    }

    /// The device proved an address, and perhaps chose it.
    pub(crate) fn choose(&mut self, src: SocketAddr, nominated: bool, now: Instant) {
        // A device that checks two paths at once says "this one" for both; its media says which it means.
        let settled = self.media_at.is_some_and(|at| now < at + MEDIA_PATH_FRESH);
        if self.send_to.is_none() || nominated && !settled {
            self.send_to = Some(src);
        }
    }

    /// Whether a check that is proven was made for another address: the same one came before, and not from there. It is remembered.
    pub(crate) fn is_replay(&mut self, transaction: u32, src: SocketAddr) -> bool {
        if self.checks.contains(&transaction) {
            return !self.addresses.contains(&src);
        }
        if self.checks.len() >= MAX_CHECKS {
            self.checks.pop_front();
        }
        self.checks.push_back(transaction);
        false
    }

    /// Forgets the address that it has had for longest, other than the one that it is sent to and speaks from.
    pub(crate) fn forget_address(&mut self) -> Option<SocketAddr> {
        let oldest = self.addresses.iter().position(|address| Some(*address) != self.send_to)?;
        Some(self.addresses.remove(oldest))
    }

    /// An address is another leg's now: nothing of this one may go there.
    pub(crate) fn lose_address(&mut self, address: SocketAddr) {
        self.addresses.retain(|a| *a != address);
        self.send_to = self.send_to.filter(|to| *to != address);
    }

    /// Puts another leg's packet into the stream that carries it here.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        opened: &Opened,
        payload: &[u8],
        batches: &mut Batches,
        stats: &mut RelayStats,
    ) {
        // Whoever no longer says that it wants packets gets none (RFC 7675): its address may be somebody else's by now.
        let (true, false, Some(dst)) = (self.connected, self.interrupted, self.send_to) else {
            stats.dropped_not_connected += 1;
            return;
        };
        let Some(stream) = self.slot_for(opened.source.leg) else {
            stats.dropped_no_slot += 1;
            return;
        };
        let Some(place) = stream.slot.place(now, opened.source, opened.index, opened.timestamp, opened.marker) else {
            stats.dropped_too_old += 1;
            return;
        };
        stream.packets = stream.packets.wrapping_add(1);
        stream.octets = stream.octets.wrapping_add(payload.len() as u32);
        let header =
            srtp::header(place.marker, stream.payload_type, place.sequence as u16, place.timestamp, stream.ssrc);
        let Some(keys) = &self.keys else { return };
        batches.push(&mut self.place, dst, HEADER + payload.len() + TAG, |out| {
            keys.sealing.media(out, header, place.sequence, payload);
        });
        stats.media_forwarded += 1;
    }

    /// Whether it is time to tell the device what arrived. Asked only when there is media, so no timer is needed.
    pub(crate) fn report_due(&self, now: Instant) -> bool {
        now >= self.report_at
    }

    /// A compound of reports, and where it goes. `uptime` is the relay's clock.
    pub(crate) fn report(&mut self, now: Instant, uptime: Duration) -> Option<(SocketAddr, Vec<u8>)> {
        self.report_at = now + REPORT_EVERY;
        let (keys, dst) = (self.keys.as_mut()?, self.send_to?);
        if self.interrupted {
            return None;
        }
        let sent = self.streams.iter().filter_map(|s| {
            let timestamp = s.slot.timestamp_at(now)?;
            Some(Sent { ssrc: s.ssrc, timestamp, packets: s.packets, octets: s.octets, name: &self.name })
        });
        let sent: Vec<_> = sent.collect();
        let arrived = self.uplink.ssrc.map(|ssrc| (ssrc, &mut self.uplink.arrival));
        let compound = rtcp::compound(now, uptime, (self.own_ssrc, &self.name), arrived, &sent);
        Some((dst, keys.sealing.reports(compound)))
    }

    /// Reads the device's reports.
    pub(crate) fn read_reports(&mut self, packet: &mut [u8], now: Instant) -> Result<(), Refused> {
        let compound = self.keys.as_mut().ok_or(Refused)?.opening.reports(packet)?;
        if let Some(time) = self.uplink.ssrc.and_then(|ssrc| rtcp::sender_time(compound, ssrc)) {
            self.uplink.arrival.sender_report(time, now);
        }
        Ok(())
    }

    /// Gives the handshake a datagram, or lets it do what is due. A panic in there ends this leg and no other.
    pub(crate) fn shake(&mut self, now: Instant, from: Option<(SocketAddr, &[u8])>, batches: &mut Batches) -> Progress {
        let step = catch_unwind(AssertUnwindSafe(|| match from {
            Some((_, datagram)) => self.handshake.receive(now, datagram),
            None => self.handshake.tick(now),
        }));
        let Ok(step) = step else { return Progress { ended: Some(LegEnd::Bug), ..Progress::default() } };
        let mut progress = Progress { refused: step.refused, ..Progress::default() };
        if let (Some((src, _)), false) = (from, self.connected) {
            self.send_to = Some(src);
        }
        self.send(&step, batches);
        if let Some(keys) = step.keys
            && !self.connected
        {
            self.keys = Some(Box::new(keys));
            self.connected = true;
            self.last_heard = now;
            progress.connected = true;
        }
        progress.ended = match (step.closed, step.failed) {
            (true, _) => Some(LegEnd::Closed),
            // Once connected, nothing that the handshake meets can undo it.
            (false, true) if !self.connected => Some(LegEnd::Failed),
            _ => None,
        };
        progress
    }

    /// Says goodbye to the device: RTCP BYE and DTLS close_notify.
    pub(crate) fn close(&mut self, batches: &mut Batches) {
        if let (Some(keys), Some(dst)) = (&mut self.keys, self.send_to) {
            let sent: Vec<u32> = self.streams.iter().filter(|s| s.packets > 0).map(|s| s.ssrc).collect();
            batches.alone(dst, keys.sealing.reports(rtcp::goodbye(self.own_ssrc, &sent)));
        }
        // A leg on its way out has no one left to tell about a failure.
        if let Ok(step) = catch_unwind(AssertUnwindSafe(|| self.handshake.close())) {
            self.send(&step, batches);
        }
    }

    fn send(&self, step: &Step, batches: &mut Batches) {
        if let Some(dst) = self.send_to {
            step.packets.iter().for_each(|packet| batches.alone(dst, packet.clone()));
        }
    }

    /// When the leg wants to be woken.
    pub(crate) fn wake_at(&self, now: Instant) -> Instant {
        match (self.connected, self.interrupted) {
            // Never a time that has come: a leg that always wants to be woken at once must not stop the others.
            (false, _) => (self.made_at + CONNECT_TIMEOUT).min(self.handshake.wake().max(now + LEAST_PAUSE)),
            // A handshake that is over sends again what was lost when the device asks, not by the clock.
            (true, false) => self.last_heard + INTERRUPTED_AFTER,
            (true, true) => self.last_heard + SILENCE_TIMEOUT,
        }
    }

    /// Why the leg is over at this moment, if it is.
    pub(crate) fn expired(&self, now: Instant) -> Option<LegEnd> {
        if !self.connected && now >= self.made_at + CONNECT_TIMEOUT {
            return Some(LegEnd::NeverConnected);
        }
        (now >= self.last_heard + SILENCE_TIMEOUT).then_some(LegEnd::Silent)
    }
}

impl Uplink {
    fn new(offer: &CheckedOffer, stream: u64) -> Result<Self, OfferError> {
        let sending = offer.sending().ok_or(OfferError::Directions)?;
        let payload_type = sending.payload_type.ok_or(OfferError::NoOpus)?;
        Ok(Self { payload_type, ssrc: sending.ssrc, stream, seen: Window::default(), arrival: Arrival::default() })
    }
}
