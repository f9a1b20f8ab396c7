//! One leg: a device's ICE-lite and DTLS-SRTP transport, its uplink and its downlinks.

use crate::{
    answer::{AnswerParams, answer},
    api::{LegEnd, LegId, RelayConfig},
    batch::Batches,
    dtls::{Handshake, Identity, Step},
    ice::{self, Credentials},
    limits::{
        CONNECT_TIMEOUT, INTERRUPTED_AFTER, LEG_DATAGRAM_BURST, LEG_DATAGRAMS_PER_SECOND, LEG_TIMEOUT, MEDIA_BURST,
        MEDIA_PACKETS_PER_SECOND, MEDIA_PATH_FRESH, REPORT_INTERVAL, STUN_BURST, STUN_PER_SECOND,
    },
    offer::{CheckedOffer, OfferError},
    rtcp::{self, SenderInfo},
    srtp::{self, HEADER, Keys, Rejected, TAG},
    stats::RelayStats,
    stream::{Downlink, InboundPacket, Uplink},
    token_bucket::TokenBucket,
};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};
use telcon_proto::CallId;

/// Minimum delay to the next wake-up of a handshake, so that an engine whose handshake timer is already due cannot spin.
const MIN_HANDSHAKE_DELAY: Duration = Duration::from_millis(1);
/// Connectivity checks remembered against replay: several minutes at one per second.
const MAX_CHECKS: usize = 256;
/// Length of the CNAME of a leg's streams: 96 bits (RFC 7022 section 4.2).
const CNAME_CHARS: usize = 16;

/// Index of a leg in the relay's slab.
pub(crate) type LegIndex = usize;
/// Index of a call in the relay's slab.
pub(crate) type CallIndex = usize;

pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) call: CallIndex,
    pub(crate) call_id: CallId,
    /// See [`CheckedOffer::session`].
    pub(crate) session: Box<str>,
    /// Addresses from which the device has proved the ICE password, oldest first.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Digests of the latest connectivity checks, oldest first.
    checks: VecDeque<u32>,
    pub(crate) connected: bool,
    /// The switchboard was notified that the device does not respond.
    pub(crate) interrupted: bool,
    /// Time of the last authenticated packet.
    pub(crate) last_received: Instant,
    pub(crate) media_rate: TokenBucket,
    pub(crate) datagram_rate: TokenBucket,
    pub(crate) stun_rate: TokenBucket,
    /// Earliest wake-up in the relay's timer queue for this leg. Packets only postpone a wake-up, so they leave the queue
    /// unchanged.
    pub(crate) queued_wake: Option<Instant>,
    pub(crate) ice: Credentials,
    /// The device's ICE credentials, which change on an ICE restart.
    remote_ice: Box<str>,
    /// Destination: the source of the newest media packet; before media arrives, the nominated pair (RFC 8445 section
    /// 8.1.1).
    send_to: Option<SocketAddr>,
    media_at: Option<Instant>,
    handshake: Box<Handshake>,
    keys: Option<Box<Keys>>,
    uplink: Uplink,
    downlinks: Vec<Downlink>,
    /// CNAME of the relay's streams.
    cname: Box<str>,
    /// SSRC of RTCP while no downlink is active.
    rtcp_ssrc: u32,
    next_report: Instant,
    /// Index of the latest batch for this leg, see [`Batches::push`].
    batch_hint: u32,
    sdp_version: u64,
    created: Instant,
}

/// Consequences of a handshake step for the leg.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) connected: bool,
    pub(crate) ended: Option<LegEnd>,
    /// The datagram was rejected.
    pub(crate) refused: bool,
}

impl Leg {
    /// Creates a leg from a device's offer. `stream` is the number of its uplink, see [`crate::slot::Source`].
    pub(crate) fn new(
        (call, call_id): (CallIndex, CallId),
        id: LegId,
        identity: &Identity,
        offer: &CheckedOffer,
        stream: u64,
        now: Instant,
    ) -> Result<Self, OfferError> {
        Ok(Self {
            id,
            call,
            call_id,
            session: offer.session.as_str().into(),
            addresses: Vec::new(),
            checks: VecDeque::new(),
            connected: false,
            interrupted: false,
            last_received: now,
            media_rate: TokenBucket::new(now, MEDIA_PACKETS_PER_SECOND, MEDIA_BURST),
            datagram_rate: TokenBucket::new(now, LEG_DATAGRAMS_PER_SECOND, LEG_DATAGRAM_BURST),
            stun_rate: TokenBucket::new(now, STUN_PER_SECOND, STUN_BURST),
            queued_wake: None,
            ice: Credentials::random(),
            remote_ice: offer.ice.as_str().into(),
            send_to: None,
            media_at: None,
            handshake: Box::new(Handshake::new(identity, offer.fingerprint, now)),
            keys: None,
            uplink: Uplink::new(offer, stream)?,
            downlinks: Downlink::negotiate(Vec::new(), offer)?,
            cname: ice::random_ice_chars(CNAME_CHARS),
            rtcp_ssrc: ice::random_ssrc(),
            next_report: now + REPORT_INTERVAL,
            batch_hint: 0,
            sdp_version: 1,
            created: now,
        })
    }

    /// Applies a renegotiation of the leg's own peer connection. Returns whether it is an ICE restart.
    pub(crate) fn renegotiate(&mut self, offer: &CheckedOffer, stream: u64) -> Result<bool, OfferError> {
        self.uplink.renegotiate(Uplink::new(offer, stream)?);
        self.downlinks = Downlink::negotiate(std::mem::take(&mut self.downlinks), offer)?;
        self.sdp_version += 1;
        let restarted = *self.remote_ice != *offer.ice;
        if restarted {
            self.ice = Credentials::random();
            self.remote_ice = offer.ice.as_str().into();
        }
        Ok(restarted)
    }

    /// The SDP answer to an accepted offer.
    pub(crate) fn answer(&self, offer: &CheckedOffer, identity: &Identity, config: &RelayConfig) -> String {
        let relay = AnswerParams {
            session: (self.id.0, self.sdp_version),
            ufrag: &self.ice.user,
            password: &self.ice.password,
            fingerprint: &identity.fingerprint,
            candidates: &config.candidate_addrs,
            tcp: config.tcp,
            cname: &self.cname,
        };
        answer(offer, &relay, |mid| self.downlinks.iter().find(|d| *d.mid == *mid).map(|d| d.ssrc))
    }

    /// The holder of each slot, in order, for the leg that replaces this one.
    pub(crate) fn holders(&self) -> Vec<Option<LegId>> {
        self.downlinks.iter().map(|d| d.slot.holder()).collect()
    }

    /// Assigns slots to the holders they had in the replaced leg.
    pub(crate) fn restore_holders(&mut self, holders: &[Option<LegId>]) {
        for (downlink, holder) in self.downlinks.iter_mut().zip(holders) {
            if let Some(holder) = holder {
                downlink.slot.assign(*holder);
            }
        }
    }

    /// Frees the slot held by `leg`.
    pub(crate) fn free_slot_of(&mut self, leg: LegId) {
        self.downlinks.iter_mut().filter(|d| d.slot.holder() == Some(leg)).for_each(|d| d.slot.free());
    }

    /// The index of the slot held by `leg`.
    pub(crate) fn slot_of(&self, leg: LegId) -> Option<usize> {
        self.downlinks.iter().position(|d| d.slot.holder() == Some(leg))
    }

    /// The slot held by `leg`, or a free one that is assigned now: one that was never used, else the least recently used.
    fn slot_for(&mut self, leg: LegId) -> Option<&mut Downlink> {
        let index = self.slot_of(leg).or_else(|| {
            let free = self.downlinks.iter().enumerate().filter(|(_, d)| d.slot.holder().is_none());
            free.min_by_key(|(_, d)| d.slot.last_used()).map(|(index, _)| index)
        })?;
        let downlink = &mut self.downlinks[index];
        downlink.slot.assign(leg);
        Some(downlink)
    }

    /// Reads the memory that [`Leg::forward`] will read first, to bring it into the cache.
    pub(crate) fn prefetch(&self) -> u32 {
        let ssrcs = self.downlinks.iter().fold(0, |all, downlink| all ^ downlink.ssrc);
        let salt = self.keys.as_ref().map_or(0, |keys| keys.sealing.prefetch());
        ssrcs ^ salt ^ self.batch_hint
    }

    /// Authenticates and decrypts a media packet of the device in place. `clock` is the current time in RTP ticks.
    pub(crate) fn open(&mut self, packet: &mut [u8], clock: u32) -> Result<InboundPacket, Rejected> {
        let keys = self.keys.as_ref().ok_or(Rejected)?;
        self.uplink.open(&keys.opening, self.id, packet, clock)
    }

    /// Media arrived from `src`: the device's current path, which is used in the other direction too.
    pub(crate) fn follow_media(&mut self, packet: &InboundPacket, src: SocketAddr, now: Instant) {
        if packet.newest {
            self.media_at = Some(now);
            self.send_to = Some(src);
        }
    }

    /// The device proved an address, and possibly nominated it.
    pub(crate) fn select_path(&mut self, src: SocketAddr, nominated: bool, now: Instant) {
        // A device that checks two paths concurrently may nominate both; the one that it sends media from decides.
        let decided_by_media = self.media_at.is_some_and(|at| now < at + MEDIA_PATH_FRESH);
        if self.send_to.is_none() || nominated && !decided_by_media {
            self.send_to = Some(src);
        }
    }

    /// Whether a verified check was replayed from another address: its transaction was seen before, and `src` was never
    /// proved. Records the transaction.
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

    /// Removes the oldest address that is not the current destination.
    pub(crate) fn evict_address(&mut self) -> Option<SocketAddr> {
        let oldest = self.addresses.iter().position(|address| Some(*address) != self.send_to)?;
        Some(self.addresses.remove(oldest))
    }

    /// The address was bound to another leg, or its connection ended: nothing of this leg may be sent there.
    pub(crate) fn lose_address(&mut self, address: SocketAddr) {
        self.addresses.retain(|a| *a != address);
        self.send_to = self.send_to.filter(|to| *to != address);
    }

    /// Forwards another leg's packet in the slot that carries it here.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        packet: &InboundPacket,
        payload: &[u8],
        batches: &mut Batches,
        stats: &mut RelayStats,
    ) {
        // Consent has expired for an interrupted leg (RFC 7675): its address may have been reassigned.
        let (true, false, Some(dst)) = (self.connected, self.interrupted, self.send_to) else {
            stats.dropped_not_connected += 1;
            return;
        };
        let Some(downlink) = self.slot_for(packet.source.leg) else {
            stats.dropped_no_slot += 1;
            return;
        };
        let Some(out) = downlink.slot.map(now, packet.source, packet.index, packet.timestamp, packet.marker) else {
            stats.dropped_too_old += 1;
            return;
        };
        downlink.packets = downlink.packets.wrapping_add(1);
        downlink.octets = downlink.octets.wrapping_add(payload.len() as u32);
        let header = srtp::header(out.marker, downlink.payload_type, out.sequence as u16, out.timestamp, downlink.ssrc);
        let Some(keys) = &self.keys else { return };
        batches.push(&mut self.batch_hint, dst, HEADER + payload.len() + TAG, |buffer| {
            keys.sealing.media(buffer, header, out.sequence, payload);
        });
        stats.media_forwarded += 1;
    }

    /// Whether an RTCP report is due. Checked only when media flows, so reports need no timer.
    pub(crate) fn report_due(&self, now: Instant) -> bool {
        now >= self.next_report
    }

    /// An encrypted RTCP compound and its destination. `uptime` is the relay's uptime.
    pub(crate) fn report(&mut self, now: Instant, uptime: Duration) -> Option<(SocketAddr, Vec<u8>)> {
        self.next_report = now + REPORT_INTERVAL;
        let (keys, dst) = (self.keys.as_mut()?, self.send_to?);
        if self.interrupted {
            return None;
        }
        let sent = self.downlinks.iter().filter_map(|d| {
            let timestamp = d.slot.timestamp_at(now)?;
            Some(SenderInfo { ssrc: d.ssrc, timestamp, packets: d.packets, octets: d.octets, cname: &self.cname })
        });
        let sent: Vec<_> = sent.collect();
        let own = (self.rtcp_ssrc, &*self.cname);
        let compound = rtcp::compound(now, uptime, own, self.uplink.reception(), &sent);
        Some((dst, keys.sealing.reports(compound)))
    }

    /// Processes an RTCP compound of the device.
    pub(crate) fn read_reports(&mut self, packet: &mut [u8], now: Instant) -> Result<(), Rejected> {
        let compound = self.keys.as_mut().ok_or(Rejected)?.opening.reports(packet)?;
        if let Some((ssrc, reception)) = self.uplink.reception()
            && let Some(ntp_middle) = rtcp::sender_ntp_middle(compound, ssrc)
        {
            reception.sender_report(ntp_middle, now);
        }
        Ok(())
    }

    /// Passes a datagram to the handshake, or processes its timers if there is none. A panic in the library ends this
    /// leg only.
    pub(crate) fn advance_handshake(
        &mut self,
        now: Instant,
        datagram: Option<(SocketAddr, &[u8])>,
        batches: &mut Batches,
    ) -> Progress {
        let step = catch_unwind(AssertUnwindSafe(|| match datagram {
            Some((_, datagram)) => self.handshake.receive(now, datagram),
            None => self.handshake.handle_timeout(now),
        }));
        let Ok(step) = step else { return Progress { ended: Some(LegEnd::Bug), ..Progress::default() } };
        let mut progress = Progress { refused: step.refused, ..Progress::default() };
        if let (Some((src, _)), false) = (datagram, self.connected) {
            self.send_to = Some(src);
        }
        self.send_step(&step, batches);
        if let Some(keys) = step.keys
            && !self.connected
        {
            self.keys = Some(Box::new(keys));
            self.connected = true;
            self.last_received = now;
            progress.connected = true;
        }
        progress.ended = match (step.closed, step.failed) {
            (true, _) => Some(LegEnd::Closed),
            // A connected leg is not ended by a handshake failure, which an off-path attacker could provoke.
            (false, true) if !self.connected => Some(LegEnd::Failed),
            _ => None,
        };
        progress
    }

    /// Sends RTCP BYE and DTLS `close_notify`.
    pub(crate) fn close(&mut self, batches: &mut Batches) {
        if let (Some(keys), Some(dst)) = (&mut self.keys, self.send_to) {
            let active: Vec<u32> = self.downlinks.iter().filter(|d| d.packets > 0).map(|d| d.ssrc).collect();
            batches.push_single(dst, keys.sealing.reports(rtcp::goodbye(self.rtcp_ssrc, &active)));
        }
        // The leg ends in any case, so a panic in the library has no further consequence.
        if let Ok(step) = catch_unwind(AssertUnwindSafe(|| self.handshake.close())) {
            self.send_step(&step, batches);
        }
    }

    fn send_step(&self, step: &Step, batches: &mut Batches) {
        if let Some(dst) = self.send_to {
            step.packets.iter().for_each(|packet| batches.push_single(dst, packet.clone()));
        }
    }

    /// Time of the next wake-up.
    pub(crate) fn wake_at(&self, now: Instant) -> Instant {
        match (self.connected, self.interrupted) {
            // Strictly in the future: a handshake that is always due must not starve the other legs.
            (false, _) => (self.created + CONNECT_TIMEOUT).min(self.handshake.timeout().max(now + MIN_HANDSHAKE_DELAY)),
            // A completed handshake retransmits its last flight on request of the peer, not on a timer.
            (true, false) => self.last_received + INTERRUPTED_AFTER,
            (true, true) => self.last_received + LEG_TIMEOUT,
        }
    }

    /// Why the leg has to end now, if it has to.
    pub(crate) fn timed_out(&self, now: Instant) -> Option<LegEnd> {
        if !self.connected && now >= self.created + CONNECT_TIMEOUT {
            return Some(LegEnd::NeverConnected);
        }
        (now >= self.last_received + LEG_TIMEOUT).then_some(LegEnd::TimedOut)
    }
}
