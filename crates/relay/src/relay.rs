//! The engine: calls, legs, and who gets which datagram.

use crate::{
    LegId, RelayStats,
    leg::{Leg, Produced},
    limits::{
        ADDRESS_STALE_AFTER, INTERRUPTED_AFTER, MAX_ADDRESSES_PER_LEG, MAX_CALLS, MAX_DATAGRAM_BYTES, MAX_FRAME_BYTES,
        MAX_LEGS, MAX_LEGS_PER_CALL, MIN_DATAGRAM_BYTES,
    },
    sdp::{OfferError, check_offer},
};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Input, RtcConfig,
    format::{Codec, FormatParams},
    ice::StunMessage,
    net::{Protocol, Receive},
    rtp::RtpPacket,
};
use telcon_proto::{CallId, limits::FRAME_MS};

/// What a relay is made from. It has addresses in it, so it cannot be printed.
#[derive(Clone)]
pub struct RelayConfig {
    /// Addresses that answers tell devices to send to: at least one, none unspecified.
    pub candidate_addrs: Vec<SocketAddr>,
    /// Most calls at a moment, at most [`MAX_CALLS`].
    pub max_calls: usize,
    /// Most legs at a moment, at most [`MAX_LEGS`].
    pub max_legs: usize,
}

impl RelayConfig {
    /// The usual limits, and these addresses.
    pub fn new(candidate_addrs: Vec<SocketAddr>) -> Self {
        Self { candidate_addrs, max_calls: MAX_CALLS, max_legs: MAX_LEGS }
    }
}

/// A call that the log knows. It is the only way to make a call known to the relay, and the switchboard makes one
/// only from a log entry that is committed: no log entry, no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenedCall {
    /// The call.
    pub call: CallId,
    /// Index of the *call opened* entry in the office's log.
    pub log_index: u64,
}

/// What was asked for is not allowed: the switchboard's misuse, or a device that asks for a call it is not in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The call has no log entry here.
    #[error("the call is not opened")]
    NotOpened,
    /// The leg belongs to another call.
    #[error("the leg belongs to another call")]
    OtherCall,
    /// The call was opened with another log entry.
    #[error("the call is opened already, by another log entry")]
    OtherEntry,
}

/// What there is no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// See [`RelayConfig::max_calls`].
    #[error("the relay has all the calls it may have")]
    Calls,
    /// See [`RelayConfig::max_legs`].
    #[error("the relay has all the legs it may have")]
    Legs,
    /// See [`MAX_LEGS_PER_CALL`].
    #[error("the call has all the legs it may have")]
    LegsOfCall,
}

/// Why the relay did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// Misuse.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A hostile or incompatible device.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// A resource that is short.
    #[error(transparent)]
    Full(#[from] Full),
    /// No usable address in the configuration.
    #[error("a relay needs an address that devices can send to")]
    NoAddress,
}

/// Why a leg ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegEnd {
    /// The device closed it.
    Closed,
    /// The handshake did not end within [`crate::limits::CONNECT_TIMEOUT`].
    NeverConnected,
    /// Nothing was heard for [`crate::limits::SILENCE_TIMEOUT`].
    Silent,
    /// The transport failed: a certificate other than the offered one, or a broken peer.
    Failed,
    /// A bug of ours, contained to this leg.
    Bug,
}

/// What the switchboard should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayEvent {
    /// Sound can flow, for the first time or again.
    LegConnected {
        /// Its call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// Nothing is heard of the device at the moment. The leg is kept for a while.
    LegInterrupted {
        /// Its call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// The leg ended by itself and is forgotten. The device may offer again.
    LegGone {
        /// Its call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// Why.
        why: LegEnd,
    },
}

/// What the engine wants done. It has addresses in it, so it cannot be printed.
pub enum Output {
    /// Send a datagram from the relay's socket.
    Transmit {
        /// Where to.
        dst: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Tell the switchboard.
    Event(RelayEvent),
    /// Nothing now. Call [`Relay::handle_timeout`] at this time, unless a datagram comes first.
    Timeout(Instant),
}

/// How far off the wake-up of a relay without legs is.
const IDLE_WAKE: Duration = Duration::from_secs(3600);

/// The engine. One owner, `&mut self`, no lock.
pub struct Relay {
    config: RelayConfig,
    transport: RtcConfig,
    candidates: Vec<Candidate>,
    calls: HashMap<CallId, Call>,
    legs: HashMap<LegId, Leg>,
    by_address: HashMap<SocketAddr, LegId>,
    by_user: HashMap<String, LegId>,
    wakes: BinaryHeap<Reverse<(Instant, LegId)>>,
    outputs: VecDeque<Output>,
    stats: RelayStats,
    now: Instant,
    #[cfg(feature = "test-tap")]
    tap: Option<Tap>,
}

/// What a test gets each payload with.
#[cfg(feature = "test-tap")]
pub type Tap = Box<dyn FnMut(&[u8]) + Send>;

struct Call {
    log_index: u64,
    legs: Vec<LegId>,
}

/// What a datagram is, by its first byte (RFC 9443 section 3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

impl Relay {
    /// A relay without calls.
    ///
    /// # Errors
    /// [`RelayError::NoAddress`] if there is no address, or one that nobody can send to.
    pub fn new(config: RelayConfig, now: Instant) -> Result<Self, RelayError> {
        let host = |addr: &SocketAddr| Candidate::host(*addr, Protocol::Udp).map_err(|_| RelayError::NoAddress);
        let candidates: Vec<Candidate> = config.candidate_addrs.iter().map(host).collect::<Result<_, _>>()?;
        if candidates.is_empty() || config.candidate_addrs.iter().any(|a| a.ip().is_unspecified() || a.port() == 0) {
            return Err(RelayError::NoAddress);
        }
        Ok(Self {
            transport: transport_config(),
            candidates,
            config,
            calls: HashMap::new(),
            legs: HashMap::new(),
            by_address: HashMap::new(),
            by_user: HashMap::new(),
            wakes: BinaryHeap::new(),
            outputs: VecDeque::new(),
            stats: RelayStats::default(),
            now,
            #[cfg(feature = "test-tap")]
            tap: None,
        })
    }

    /// Makes a call known. Opening it again with the same log entry changes nothing.
    ///
    /// # Errors
    /// [`Refused::OtherEntry`] and [`Full::Calls`].
    pub fn open_call(&mut self, opened: OpenedCall) -> Result<(), RelayError> {
        if let Some(call) = self.calls.get(&opened.call) {
            return if call.log_index == opened.log_index { Ok(()) } else { Err(Refused::OtherEntry.into()) };
        }
        if self.calls.len() >= self.config.max_calls.min(MAX_CALLS) {
            return Err(Full::Calls.into());
        }
        self.calls.insert(opened.call, Call { log_index: opened.log_index, legs: Vec::new() });
        Ok(())
    }

    /// Forgets a call and closes its legs, without events. `false` if it was not open.
    pub fn close_call(&mut self, call: CallId) -> bool {
        let Some(known) = self.calls.get(&call) else { return false };
        for leg in known.legs.clone() {
            self.remove_leg(leg);
        }
        self.calls.remove(&call);
        true
    }

    /// Takes a device's offer (one sendonly and up to [`crate::limits::RECEIVE_SLOTS`] recvonly audio sections) and
    /// gives the answer. An offer for a leg that exists continues its peer connection if it comes from the same one,
    /// and replaces it otherwise; in both cases the leg keeps its slots.
    ///
    /// # Errors
    /// [`Refused`], [`Full`], or [`OfferError`]; an existing leg is then as it was, unless the error came from an
    /// offer that tried to change its peer connection: such a leg is ended.
    pub fn add_leg(&mut self, call: CallId, id: LegId, offer: &str, now: Instant) -> Result<String, RelayError> {
        self.advance(now);
        let legs_of_call = self.calls.get(&call).ok_or(Refused::NotOpened)?.legs.len();
        let existing = self.legs.get(&id);
        if existing.is_some_and(|leg| leg.call != call) {
            return Err(Refused::OtherCall.into());
        }
        let offer = check_offer(offer)?;
        if existing.is_none() && legs_of_call >= MAX_LEGS_PER_CALL {
            return Err(Full::LegsOfCall.into());
        }
        if existing.is_none() && self.legs.len() >= self.config.max_legs.min(MAX_LEGS) {
            return Err(Full::Legs.into());
        }
        if existing.is_some_and(|leg| leg.session == offer.session) {
            return self.renegotiate(id, &offer).map_err(Into::into);
        }
        let holders = existing.map(Leg::holders).unwrap_or_default();
        let (mut leg, answer) = Leg::new(call, self.transport.clone(), &self.candidates, &offer, self.now)?;
        leg.restore_holders(&holders);
        self.forget_names(id);
        self.by_user.insert(leg.user(), id);
        self.stats.legs_opened += 1;
        if self.legs.insert(id, leg).is_none() {
            self.calls.get_mut(&call).expect("invariant: looked up above").legs.push(id);
        }
        self.step(id);
        Ok(answer)
    }

    /// Closes a leg, without an event, and frees its slots. `false` if there is no such leg.
    pub fn remove_leg(&mut self, leg: LegId) -> bool {
        let Some(mut gone) = self.forget(leg) else { return false };
        for transmit in gone.close() {
            self.transmit(transmit.destination, transmit.contents.into());
        }
        true
    }

    /// Takes a datagram that came to `dst`, one of the configured addresses, from `src`. Anything may be in it.
    pub fn handle_packet(&mut self, now: Instant, src: SocketAddr, dst: SocketAddr, datagram: &[u8]) {
        self.advance(now);
        self.stats.datagrams_in += 1;
        if datagram.len() > MAX_DATAGRAM_BYTES {
            self.stats.dropped_oversized += 1;
            return;
        }
        let Some(kind) = kind_of(datagram) else {
            self.stats.dropped_malformed += 1;
            return;
        };
        let Some(id) = self.owner(kind, src, datagram) else { return };
        let now = self.now;
        let leg = self.legs.get_mut(&id).expect("invariant: names lead to legs that exist");
        if !leg.datagram_rate.take(now) {
            self.stats.dropped_flood += 1;
            return;
        }
        let Ok(receive) = Receive::new(Protocol::Udp, src, dst, datagram) else {
            self.stats.dropped_malformed += 1;
            return;
        };
        let produced = leg.step(now, Input::Receive(now, receive));
        let authentic = match kind {
            // A response proves that the request's integrity was good, so the address is the device's.
            Kind::Stun => produced.transmits.iter().any(|t| t.destination == src && t.contents.first() == Some(&1)),
            Kind::Rtp => !produced.packets.is_empty(),
            Kind::Dtls | Kind::Rtcp => false,
        };
        let refused = !authentic && matches!(kind, Kind::Stun | Kind::Rtp) || produced.failed;
        self.stats.dropped_refused += u64::from(refused);
        if authentic {
            self.heard(id);
        }
        if authentic && kind == Kind::Stun {
            self.learn_address(id, src);
        }
        self.apply(id, produced);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        while let Some(&Reverse((at, id))) = self.wakes.peek() {
            if at > self.now {
                break;
            }
            self.wakes.pop();
            let Some(leg) = self.legs.get_mut(&id) else { continue };
            if leg.queued != Some(at) {
                continue;
            }
            leg.queued = None;
            if leg.wake_at() > self.now {
                self.schedule(id);
                continue;
            }
            if let Some(why) = leg.expired(self.now) {
                self.end(id, why);
                continue;
            }
            if leg.connected && !leg.interrupted && self.now >= leg.last_heard + INTERRUPTED_AFTER {
                leg.interrupted = true;
                let event = RelayEvent::LegInterrupted { call: leg.call, leg: id };
                self.outputs.push_back(Output::Event(event));
            }
            self.step(id);
        }
    }

    /// The next thing to do. Call until it is [`Output::Timeout`].
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.next_wake()))
    }

    /// The counters.
    pub fn stats(&self) -> RelayStats {
        RelayStats { calls: self.calls.len() as u64, legs: self.legs.len() as u64, ..self.stats }
    }

    /// Which receive slot (0 is the first recvonly section) of `receiver` carries `sender`, if any does.
    pub fn slot_of(&self, receiver: LegId, sender: LegId) -> Option<usize> {
        self.legs.get(&receiver)?.slot_of(sender)
    }

    /// Shows every media payload that the relay sees to a test, once for each packet that is forwarded.
    #[cfg(feature = "test-tap")]
    pub fn set_tap(&mut self, tap: Tap) {
        self.tap = Some(tap);
    }

    fn next_wake(&self) -> Instant {
        self.wakes.peek().map_or(self.now + IDLE_WAKE, |Reverse((at, _))| (*at).max(self.now))
    }

    /// Time does not go back, whatever the caller says.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Whose datagram it is. Counts it when it is nobody's.
    fn owner(&mut self, kind: Kind, src: SocketAddr, datagram: &[u8]) -> Option<LegId> {
        let by_address = self.by_address.get(&src).copied();
        if kind != Kind::Stun {
            self.stats.dropped_unknown_source += u64::from(by_address.is_none());
            return by_address;
        }
        let Ok(message) = StunMessage::parse(datagram) else {
            self.stats.dropped_malformed += 1;
            return None;
        };
        // The relay never asks (ICE-lite), so anything but a request was not meant for it.
        let user = message.split_username().filter(|_| message.is_binding_request()).map(|(ours, _)| ours);
        let Some(by_user) = user.and_then(|user| self.by_user.get(user).copied()) else {
            self.stats.dropped_unknown_user += 1;
            return None;
        };
        let taken = by_address.filter(|owner| *owner != by_user).and_then(|owner| self.legs.get(&owner));
        if taken.is_some_and(|leg| self.now < leg.last_heard + ADDRESS_STALE_AFTER) {
            self.stats.dropped_address_taken += 1;
            return None;
        }
        Some(by_user)
    }

    fn learn_address(&mut self, id: LegId, src: SocketAddr) {
        let before = self.by_address.insert(src, id);
        if before == Some(id) {
            return;
        }
        if let Some(other) = before.and_then(|other| self.legs.get_mut(&other)) {
            other.addresses.retain(|a| *a != src);
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.addresses.push(src);
        if leg.addresses.len() > MAX_ADDRESSES_PER_LEG {
            let oldest = leg.addresses.remove(0);
            self.by_address.remove(&oldest);
        }
    }

    fn heard(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.last_heard = self.now;
        if std::mem::take(&mut leg.interrupted) {
            let event = RelayEvent::LegConnected { call: leg.call, leg: id };
            self.outputs.push_back(Output::Event(event));
        }
    }

    fn renegotiate(&mut self, id: LegId, offer: &crate::sdp::CheckedOffer) -> Result<String, OfferError> {
        let leg = self.legs.get_mut(&id).expect("invariant: the caller looked it up");
        let accepted = leg.accept(offer);
        let user = leg.user();
        match accepted {
            Ok(answer) => {
                self.by_user.retain(|_, owner| *owner != id);
                self.by_user.insert(user, id);
                self.step(id);
                Ok(answer)
            }
            Err(error) => {
                self.end(id, LegEnd::Failed);
                Err(error)
            }
        }
    }

    /// Lets a leg's transport do what is due.
    fn step(&mut self, id: LegId) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let produced = leg.step(now, Input::Timeout(now));
        self.apply(id, produced);
    }

    /// Does what a leg's step asks for, forwards what it received, and sees to its next wake-up.
    fn apply(&mut self, id: LegId, produced: Produced) {
        for transmit in produced.transmits {
            self.transmit(transmit.destination, transmit.contents.into());
        }
        if produced.connected
            && let Some(leg) = self.legs.get_mut(&id)
        {
            leg.connected = true;
            leg.last_heard = self.now;
            let event = RelayEvent::LegConnected { call: leg.call, leg: id };
            self.outputs.push_back(Output::Event(event));
        }
        for packet in &produced.packets {
            self.forward(id, packet);
        }
        match produced.ended {
            Some(why) => self.end(id, why),
            None => self.schedule(id),
        }
    }

    fn forward(&mut self, from: LegId, packet: &RtpPacket) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&from) else { return };
        self.stats.media_in += 1;
        if packet.payload.is_empty() || packet.payload.len() > MAX_FRAME_BYTES {
            self.stats.dropped_frame_size += 1;
            return;
        }
        if !leg.media_rate.take(now) {
            self.stats.dropped_rate += 1;
            return;
        }
        #[cfg(feature = "test-tap")]
        if let Some(tap) = &mut self.tap {
            tap(&packet.payload);
        }
        let call = leg.call;
        let count = self.calls.get(&call).map_or(0, |c| c.legs.len());
        for index in 0..count {
            // By index, because a leg that fails on the way leaves the list; skipping one packet of another is fine.
            let Some(&to) = self.calls.get(&call).and_then(|c| c.legs.get(index)) else { break };
            if to == from {
                continue;
            }
            let Some(receiver) = self.legs.get_mut(&to) else { continue };
            if receiver.write(now, from, packet, &mut self.stats) {
                self.step(to);
            }
        }
    }

    fn transmit(&mut self, dst: SocketAddr, bytes: Vec<u8>) {
        self.stats.datagrams_out += 1;
        self.outputs.push_back(Output::Transmit { dst, bytes });
    }

    /// Queues a leg's wake-up, unless an earlier one is queued: that one will queue the next.
    fn schedule(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let at = leg.wake_at();
        if leg.queued.is_none_or(|queued| at < queued) {
            leg.queued = Some(at);
            self.wakes.push(Reverse((at, id)));
        }
    }

    /// Ends a leg that did not want to go on, and says so.
    fn end(&mut self, id: LegId, why: LegEnd) {
        let Some(leg) = self.forget(id) else { return };
        self.stats.contained_panics += u64::from(why == LegEnd::Bug);
        self.outputs.push_back(Output::Event(RelayEvent::LegGone { call: leg.call, leg: id, why }));
    }

    fn forget(&mut self, id: LegId) -> Option<Leg> {
        self.forget_names(id);
        let leg = self.legs.remove(&id)?;
        if let Some(call) = self.calls.get_mut(&leg.call) {
            call.legs.retain(|l| *l != id);
            for other in &call.legs {
                if let Some(other) = self.legs.get_mut(other) {
                    other.free_slot_of(id);
                }
            }
        }
        Some(leg)
    }

    fn forget_names(&mut self, id: LegId) {
        if let Some(leg) = self.legs.get_mut(&id) {
            self.by_user.remove(&leg.user());
            for address in std::mem::take(&mut leg.addresses) {
                self.by_address.remove(&address);
            }
        }
    }
}

fn kind_of(datagram: &[u8]) -> Option<Kind> {
    if datagram.len() < MIN_DATAGRAM_BYTES {
        return None;
    }
    match (datagram[0], datagram[1] & 0x7f) {
        (0..=1, _) if datagram.len() >= 20 => Some(Kind::Stun),
        (20..=63, _) => Some(Kind::Dtls),
        (128..=191, 64..=95) => Some(Kind::Rtcp),
        (128..=191, _) => Some(Kind::Rtp),
        _ => None,
    }
}

/// Opus and nothing else; no header extension; packets in and out, not frames.
fn transport_config() -> RtcConfig {
    let mut config = RtcConfig::new().set_ice_lite(true).set_rtp_mode(true).clear_codecs().clear_extension_map();
    let format = FormatParams {
        min_p_time: Some(FRAME_MS as u8),
        use_inband_fec: Some(true),
        use_dtx: Some(false),
        ..FormatParams::default()
    };
    config.codec_config().add_config(
        OPUS_PAYLOAD_TYPE.into(),
        None,
        Codec::Opus,
        str0m::media::Frequency::FORTY_EIGHT_KHZ,
        Some(2),
        format,
    );
    // One certificate for all legs: making one costs more than the rest of a leg. Devices check its fingerprint,
    // which their own office's switchboard gave them with the answer.
    let provider = str0m::crypto::from_feature_flags();
    match provider.dtls_provider.generate_certificate() {
        Some(certificate) => config.set_dtls_cert(certificate),
        None => config,
    }
}

/// Payload type used for an offer that leaves the choice open.
const OPUS_PAYLOAD_TYPE: u8 = 111;

#[cfg(test)]
mod tests {
    use super::*;

    /// Does not compile if one of these types can be printed: they hold addresses.
    #[allow(dead_code, reason = "compiling is the test")]
    fn what_holds_addresses_cannot_be_printed() {
        trait Printable<Marker> {
            fn check() {}
        }
        struct IsDebug;
        struct IsDisplay;
        impl<T: ?Sized> Printable<()> for T {}
        impl<T: ?Sized + std::fmt::Debug> Printable<IsDebug> for T {}
        impl<T: ?Sized + std::fmt::Display> Printable<IsDisplay> for T {}
        let _ = <RelayConfig as Printable<_>>::check;
        let _ = <Output as Printable<_>>::check;
        let _ = <Relay as Printable<_>>::check;
    }

    #[test]
    fn datagrams_are_told_apart_by_their_first_bytes() {
        let kind = |first: u8, second: u8, length: usize| {
            let mut bytes = vec![0; length];
            (bytes[0], bytes[1]) = (first, second);
            kind_of(&bytes)
        };
        assert!(kind(0, 1, 20) == Some(Kind::Stun));
        assert!(kind(0, 1, 19).is_none());
        assert!(kind(22, 0xfe, 13) == Some(Kind::Dtls));
        assert!(kind(0x80, 111, 12) == Some(Kind::Rtp));
        assert!(kind(0x80, 0x80 | 111, 12) == Some(Kind::Rtp), "with the marker bit");
        assert!(kind(0x80, 200, 12) == Some(Kind::Rtcp), "a sender report");
        assert!(kind(0x80, 111, 11).is_none());
        assert!(kind(2, 0, 40).is_none() && kind(64, 0, 40).is_none() && kind(192, 0, 40).is_none());
    }
}
