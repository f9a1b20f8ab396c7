//! The engine: calls, legs, and who gets which datagram.

use crate::{
    LegId, LinkId, RelayStats,
    batch::Batches,
    dtls::Identity,
    leg::{CallIndex, Leg, LegIndex, Opened, Progress},
    limits::{
        ADDRESS_STALE_AFTER, INTERRUPTED_AFTER, MAX_ADDRESSES_PER_LEG, MAX_CALLS, MAX_DATAGRAM_BYTES, MAX_FRAME_BYTES,
        MAX_LEGS, MAX_LEGS_PER_CALL, MIN_DATAGRAM_BYTES,
    },
    rtcp::ticks,
    sdp::{CheckedOffer, OfferError, check_offer},
};
use is::stun::StunMessage;
use slab::Slab;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    hint::black_box,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};
use telcon_proto::CallId;

/// What a relay is made from. It has addresses in it, so it cannot be printed.
#[derive(Clone)]
pub struct RelayConfig {
    /// Addresses that answers tell devices to send to: at least one, none unspecified.
    pub candidate_addrs: Vec<SocketAddr>,
    /// Most calls at a moment, at most [`MAX_CALLS`].
    pub max_calls: usize,
    /// Most legs of an engine at a moment, at most [`MAX_LEGS`].
    pub max_legs: usize,
    /// Threads that the driver may spread calls over, each with an engine and a port of its own.
    pub workers: usize,
    /// Whether devices are told that they may come by TCP as well, at the same addresses.
    pub tcp: bool,
}

impl RelayConfig {
    /// The usual limits, and these addresses.
    pub fn new(candidate_addrs: Vec<SocketAddr>) -> Self {
        Self { candidate_addrs, max_calls: MAX_CALLS, max_legs: MAX_LEGS, workers: 1, tcp: false }
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
    /// The system gave no key to make one with.
    #[error("the relay could not make its certificate")]
    NoCertificate,
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

/// Datagrams for one address, all but the last `segment` bytes long.
#[derive(Clone, Copy)]
pub struct Transmit<'a> {
    /// Where to.
    pub dst: SocketAddr,
    /// The datagrams, one after the other.
    pub bytes: &'a [u8],
    /// Length of each but the last.
    pub segment: usize,
}

/// The engine. One owner, `&mut self`, no lock.
pub struct Relay {
    config: RelayConfig,
    identity: Identity,
    calls: Slab<Call>,
    legs: Slab<Box<Leg>>,
    call_of: HashMap<CallId, CallIndex>,
    leg_of: HashMap<LegId, LegIndex>,
    by_address: HashMap<SocketAddr, LegIndex>,
    by_user: HashMap<Box<str>, LegIndex>,
    wakes: BinaryHeap<Reverse<(Instant, LegIndex)>>,
    batches: Batches,
    outputs: VecDeque<Output>,
    /// Number of the next stream, see [`crate::slot::Source`].
    next_stream: u64,
    stats: RelayStats,
    began: Instant,
    now: Instant,
    scratch: Vec<u8>,
    #[cfg(feature = "test-tap")]
    tap: Option<Tap>,
}

/// What a test gets each payload with.
#[cfg(feature = "test-tap")]
pub type Tap = Box<dyn FnMut(&[u8]) + Send>;

struct Call {
    log_index: u64,
    legs: Vec<LegIndex>,
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
    /// [`RelayError::NoAddress`] if there is no address, or one that nobody can send to; [`RelayError::NoCertificate`].
    pub fn new(config: RelayConfig, now: Instant) -> Result<Self, RelayError> {
        let unusable = |a: &SocketAddr| a.ip().is_unspecified() || a.ip().is_multicast() || a.port() == 0;
        if config.candidate_addrs.is_empty() || config.candidate_addrs.iter().any(unusable) {
            return Err(RelayError::NoAddress);
        }
        Ok(Self {
            identity: Identity::make().ok_or(RelayError::NoCertificate)?,
            config,
            calls: Slab::new(),
            legs: Slab::new(),
            call_of: HashMap::new(),
            leg_of: HashMap::new(),
            by_address: HashMap::new(),
            by_user: HashMap::new(),
            wakes: BinaryHeap::new(),
            batches: Batches::default(),
            outputs: VecDeque::new(),
            next_stream: 0,
            stats: RelayStats::default(),
            began: now,
            now,
            scratch: Vec::new(),
            #[cfg(feature = "test-tap")]
            tap: None,
        })
    }

    /// Makes a call known. Opening it again with the same log entry changes nothing.
    ///
    /// # Errors
    /// [`Refused::OtherEntry`] and [`Full::Calls`].
    pub fn open_call(&mut self, opened: OpenedCall) -> Result<(), RelayError> {
        if let Some(call) = self.call_of.get(&opened.call) {
            let same = self.calls[*call].log_index == opened.log_index;
            return if same { Ok(()) } else { Err(Refused::OtherEntry.into()) };
        }
        if self.calls.len() >= self.config.max_calls.min(MAX_CALLS) {
            return Err(Full::Calls.into());
        }
        let index = self.calls.insert(Call { log_index: opened.log_index, legs: Vec::new() });
        self.call_of.insert(opened.call, index);
        Ok(())
    }

    /// Forgets a call and closes its legs, without events. `false` if it was not open.
    pub fn close_call(&mut self, call: CallId) -> bool {
        let Some(&index) = self.call_of.get(&call) else { return false };
        for leg in self.calls[index].legs.clone() {
            self.remove(leg);
        }
        self.calls.remove(index);
        self.call_of.remove(&call);
        true
    }

    /// Takes a device's offer (one sendonly and up to [`crate::limits::RECEIVE_SLOTS`] recvonly audio sections) and
    /// gives the answer. An offer for a leg that exists continues its peer connection if it comes from the same one,
    /// and replaces it otherwise; in both cases the leg keeps its slots.
    ///
    /// # Errors
    /// [`Refused`], [`Full`], or [`OfferError`]; an existing leg is then as it was.
    pub fn add_leg(&mut self, call: CallId, id: LegId, offer: &str, now: Instant) -> Result<String, RelayError> {
        self.advance(now);
        let call_index = *self.call_of.get(&call).ok_or(Refused::NotOpened)?;
        let existing = self.leg_of.get(&id).copied();
        if existing.is_some_and(|leg| self.legs[leg].call != call_index) {
            return Err(Refused::OtherCall.into());
        }
        let offer = check_offer(offer)?;
        let Some(index) = existing else {
            if self.calls[call_index].legs.len() >= MAX_LEGS_PER_CALL {
                return Err(Full::LegsOfCall.into());
            }
            if self.legs.len() >= self.config.max_legs.min(MAX_LEGS) {
                return Err(Full::Legs.into());
            }
            let stream = self.number_stream();
            let leg = Leg::new((call_index, call), id, &self.identity, &offer, stream, self.now)?;
            let index = self.legs.insert(Box::new(leg));
            self.leg_of.insert(id, index);
            self.calls[call_index].legs.push(index);
            return Ok(self.introduce(index, &offer));
        };
        let stream = self.number_stream();
        if *self.legs[index].session == *offer.session {
            let leg = &mut self.legs[index];
            let user = leg.ice.user.clone();
            if leg.accept(&offer, stream)? {
                self.by_user.remove(&user);
                self.by_user.insert(self.legs[index].ice.user.clone(), index);
            }
            return Ok(self.legs[index].answer(&offer, &self.identity, &self.config));
        }
        let mut leg = Leg::new((call_index, call), id, &self.identity, &offer, stream, self.now)?;
        leg.restore_holders(&self.legs[index].holders());
        self.forget_names(index);
        *self.legs[index] = leg;
        Ok(self.introduce(index, &offer))
    }

    /// Makes a new leg findable, and gives its answer.
    fn introduce(&mut self, index: LegIndex, offer: &CheckedOffer) -> String {
        self.stats.legs_opened += 1;
        self.by_user.insert(self.legs[index].ice.user.clone(), index);
        self.schedule(index);
        self.legs[index].answer(offer, &self.identity, &self.config)
    }

    fn number_stream(&mut self) -> u64 {
        self.next_stream += 1;
        self.next_stream
    }

    /// Closes a leg, without an event, and frees its slots. `false` if there is no such leg.
    pub fn remove_leg(&mut self, leg: LegId) -> bool {
        let index = self.leg_of.get(&leg).copied();
        index.map(|index| self.remove(index)).is_some()
    }

    fn remove(&mut self, index: LegIndex) {
        if let Some(mut gone) = self.forget(index) {
            gone.close(&mut self.batches);
        }
    }

    /// Takes a datagram that came from `src`. Anything may be in it. `dst` is not looked at: a lite agent answers
    /// whoever reached it, from wherever that was.
    pub fn handle_packet(&mut self, now: Instant, src: SocketAddr, _dst: SocketAddr, datagram: &[u8]) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(&datagram[..datagram.len().min(MAX_DATAGRAM_BYTES + 1)]);
        self.handle_datagram(now, src, &mut scratch);
        self.scratch = scratch;
    }

    /// The same, for whoever can spare the datagram: it is opened in place.
    pub fn handle_datagram(&mut self, now: Instant, src: SocketAddr, datagram: &mut [u8]) {
        if LinkId::of(src).is_some() {
            // A forged source: nothing comes from there.
            self.stats.datagrams_in += 1;
            self.stats.dropped_unknown_source += 1;
            return;
        }
        self.handle(now, src, src, datagram);
    }

    /// Takes a packet that came over a TCP connection with `peer`. What is to be sent over it has the connection's
    /// [`LinkId::address`] as its destination.
    pub fn handle_link(&mut self, now: Instant, link: LinkId, peer: SocketAddr, packet: &mut [u8]) {
        self.handle(now, link.address(), peer, packet);
    }

    /// Whether a TCP connection belongs to a leg.
    pub fn knows_link(&self, link: LinkId) -> bool {
        self.by_address.contains_key(&link.address())
    }

    /// A TCP connection is gone.
    pub fn drop_link(&mut self, link: LinkId) {
        let address = link.address();
        if let Some(leg) = self.by_address.remove(&address).and_then(|index| self.legs.get_mut(index)) {
            leg.lose_address(address);
        }
    }

    /// `src` is the path, `seen` what the device's address looks like from here.
    fn handle(&mut self, now: Instant, src: SocketAddr, seen: SocketAddr, datagram: &mut [u8]) {
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
        if kind == Kind::Stun {
            // A bug in here costs the datagram that met it.
            let done = catch_unwind(AssertUnwindSafe(|| self.stun(src, seen, datagram)));
            self.stats.contained_panics += u64::from(done.is_err());
            return;
        }
        let Some(&index) = self.by_address.get(&src) else {
            self.stats.dropped_unknown_source += 1;
            return;
        };
        let leg = &mut self.legs[index];
        if !leg.datagram_rate.take(self.now) {
            self.stats.dropped_flood += 1;
            return;
        }
        match kind {
            Kind::Rtp => {
                // A bug in here ends the leg that met it and no other.
                let done = catch_unwind(AssertUnwindSafe(|| self.media(index, src, datagram)));
                if done.is_err() {
                    self.end(index, LegEnd::Bug);
                }
            }
            Kind::Rtcp => {
                let now = self.now;
                match catch_unwind(AssertUnwindSafe(|| leg.read_reports(datagram, now).is_err())) {
                    Ok(refused) => self.stats.dropped_refused += u64::from(refused),
                    Err(_) => self.end(index, LegEnd::Bug),
                }
            }
            Kind::Dtls => {
                let progress = leg.shake(self.now, Some((src, datagram)), &mut self.batches);
                self.apply(index, progress);
            }
            Kind::Stun => {}
        }
    }

    /// A packet of a device: to the other legs of its call.
    fn media(&mut self, from: LegIndex, src: SocketAddr, packet: &mut [u8]) {
        let now = self.now;
        let uptime = now.saturating_duration_since(self.began);
        // A busy relay's legs lie in no near memory. All of them are fetched while the packet is opened.
        let receivers = &self.calls[self.legs[from].call].legs;
        black_box(receivers.iter().fold(0, |all, leg| all ^ self.legs[*leg].touch()));
        let leg = &mut self.legs[from];
        let Ok(opened) = leg.open(packet, ticks(uptime)) else {
            self.stats.dropped_refused += 1;
            return;
        };
        leg.last_heard = now;
        leg.follow(&opened, src, now);
        self.stats.media_in += 1;
        if leg.interrupted {
            self.resumed(from);
        }
        let payload = &packet[opened.payload.clone()];
        if payload.is_empty() || payload.len() > MAX_FRAME_BYTES {
            self.stats.dropped_frame_size += 1;
            return;
        }
        if !self.legs[from].media_rate.take(now) {
            self.stats.dropped_rate += 1;
            return;
        }
        #[cfg(feature = "test-tap")]
        if let Some(tap) = &mut self.tap {
            tap(payload);
        }
        self.fan_out(from, &opened, payload, uptime);
    }

    fn fan_out(&mut self, from: LegIndex, opened: &Opened, payload: &[u8], uptime: Duration) {
        let call = self.legs[from].call;
        for &to in &self.calls[call].legs {
            let leg = &mut self.legs[to];
            if to != from {
                leg.forward(self.now, opened, payload, &mut self.batches, &mut self.stats);
            }
            if leg.report_due(self.now)
                && let Some((dst, bytes)) = leg.report(self.now, uptime)
            {
                self.batches.alone(dst, bytes);
            }
        }
    }

    /// A connectivity check (RFC 8445 section 7.3).
    fn stun(&mut self, src: SocketAddr, seen: SocketAddr, datagram: &[u8]) {
        let Ok(request) = StunMessage::parse(datagram) else {
            self.stats.dropped_malformed += 1;
            return;
        };
        // The relay never asks, so anything but a request was not meant for it.
        let user = request.split_username().filter(|_| request.is_binding_request()).map(|(ours, _)| ours);
        let Some(index) = user.and_then(|user| self.by_user.get(user).copied()) else {
            self.stats.dropped_unknown_user += 1;
            return;
        };
        let holder = self.by_address.get(&src).filter(|holder| **holder != index);
        if holder.is_some_and(|holder| self.now < self.legs[*holder].last_heard + ADDRESS_STALE_AFTER) {
            self.stats.dropped_address_taken += 1;
            return;
        }
        let leg = &mut self.legs[index];
        if !leg.stun_rate.take(self.now) {
            self.stats.dropped_flood += 1;
            return;
        }
        // A lite agent is the controlled one; so is nobody who asks it (RFC 8445 section 6.1.1).
        let answer = if request.ice_controlled().is_none() && leg.ice.prove(&request) {
            leg.ice.answer(&request, seen)
        } else {
            None
        };
        let Some(answer) = answer else {
            self.stats.dropped_refused += 1;
            return;
        };
        // Whoever reads a check off the network can send it again, from anywhere.
        if leg.is_replay(transaction(datagram), src) {
            self.stats.dropped_refused += 1;
            return;
        }
        self.batches.alone(src, answer);
        leg.last_heard = self.now;
        leg.choose(src, request.use_candidate(), self.now);
        if leg.interrupted {
            self.resumed(index);
        }
        self.learn_address(index, src);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        while let Some(&Reverse((at, index))) = self.wakes.peek() {
            if at > self.now {
                break;
            }
            self.wakes.pop();
            let Some(leg) = self.legs.get_mut(index).filter(|leg| leg.queued == Some(at)) else { continue };
            leg.queued = None;
            if let Some(why) = leg.expired(self.now) {
                self.end(index, why);
                continue;
            }
            if leg.connected && !leg.interrupted && self.now >= leg.last_heard + INTERRUPTED_AFTER {
                leg.interrupted = true;
                let event = RelayEvent::LegInterrupted { call: leg.call_id, leg: leg.id };
                self.outputs.push_back(Output::Event(event));
            }
            let progress = leg.shake(self.now, None, &mut self.batches);
            self.apply(index, progress);
        }
    }

    /// The next thing to do. Call until it is [`Output::Timeout`].
    pub fn poll(&mut self) -> Output {
        if !self.batches.is_empty() {
            let mut transmits = Vec::new();
            self.transmit(|t| transmits.extend(t.bytes.chunks(t.segment).map(|bytes| (t.dst, bytes.to_vec()))));
            self.outputs.extend(transmits.into_iter().map(|(dst, bytes)| Output::Transmit { dst, bytes }));
        }
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.next_wake()))
    }

    /// Gives away all that is to be sent, as few and as large pieces as there are. [`Relay::poll`] then has none left.
    pub fn transmit(&mut self, mut send: impl FnMut(Transmit<'_>)) {
        let stats = &mut self.stats;
        self.batches.drain(|batch| {
            stats.datagrams_out += batch.bytes.len().div_ceil(batch.segment.max(1)) as u64;
            send(Transmit { dst: batch.dst, bytes: &batch.bytes, segment: batch.segment });
        });
    }

    /// The counters.
    pub fn stats(&self) -> RelayStats {
        RelayStats { calls: self.calls.len() as u64, legs: self.legs.len() as u64, ..self.stats }
    }

    /// Which receive slot (0 is the first recvonly section) of `receiver` carries `sender`, if any does.
    pub fn slot_of(&self, receiver: LegId, sender: LegId) -> Option<usize> {
        self.legs[*self.leg_of.get(&receiver)?].slot_of(sender)
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

    fn learn_address(&mut self, index: LegIndex, src: SocketAddr) {
        let before = self.by_address.insert(src, index);
        if before == Some(index) {
            return;
        }
        if let Some(other) = before.and_then(|other| self.legs.get_mut(other)) {
            other.lose_address(src);
        }
        let leg = &mut self.legs[index];
        leg.addresses.push(src);
        if leg.addresses.len() > MAX_ADDRESSES_PER_LEG
            && let Some(oldest) = leg.forget_address()
        {
            self.by_address.remove(&oldest);
        }
    }

    /// A device that was not heard of is heard again.
    fn resumed(&mut self, index: LegIndex) {
        let leg = &mut self.legs[index];
        leg.interrupted = false;
        let event = RelayEvent::LegConnected { call: leg.call_id, leg: leg.id };
        self.outputs.push_back(Output::Event(event));
        self.schedule(index);
    }

    /// Does what a step of a handshake asks for, and sees to the leg's next wake-up.
    fn apply(&mut self, index: LegIndex, progress: Progress) {
        self.stats.dropped_refused += u64::from(progress.refused);
        if progress.connected {
            let leg = &self.legs[index];
            let event = RelayEvent::LegConnected { call: leg.call_id, leg: leg.id };
            self.outputs.push_back(Output::Event(event));
        }
        match progress.ended {
            Some(why) => self.end(index, why),
            None => self.schedule(index),
        }
    }

    /// Queues a leg's wake-up, unless an earlier one is queued: that one will queue the next.
    fn schedule(&mut self, index: LegIndex) {
        let leg = &mut self.legs[index];
        let at = leg.wake_at(self.now);
        if leg.queued.is_none_or(|queued| at < queued) {
            leg.queued = Some(at);
            self.wakes.push(Reverse((at, index)));
        }
    }

    /// Ends a leg that did not want to go on, and says so.
    fn end(&mut self, index: LegIndex, why: LegEnd) {
        let Some(leg) = self.forget(index) else { return };
        self.stats.contained_panics += u64::from(why == LegEnd::Bug);
        self.outputs.push_back(Output::Event(RelayEvent::LegGone { call: leg.call_id, leg: leg.id, why }));
    }

    fn forget(&mut self, index: LegIndex) -> Option<Box<Leg>> {
        self.forget_names(index);
        let leg = self.legs.try_remove(index)?;
        self.leg_of.remove(&leg.id);
        if let Some(call) = self.calls.get_mut(leg.call) {
            call.legs.retain(|l| *l != index);
            for other in &call.legs {
                self.legs[*other].free_slot_of(leg.id);
            }
        }
        Some(leg)
    }

    fn forget_names(&mut self, index: LegIndex) {
        if let Some(leg) = self.legs.get_mut(index) {
            self.by_user.remove(&leg.ice.user);
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

/// What tells one connectivity check from another (RFC 8489, section 5), in short. Only whoever knows the password makes a new one.
fn transaction(datagram: &[u8]) -> u32 {
    let id = datagram.get(8..20).unwrap_or_default();
    id.chunks_exact(4).fold(0, |all, word| all ^ u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

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
