//! The engine: calls, legs, timers and outputs. Inbound datagrams are handled in `relay/inbound.rs`.

mod inbound;

#[cfg(feature = "test-tap")]
use crate::api::Tap;
use crate::{
    api::{Full, LegEnd, LegId, OpenedCall, Output, Refused, RelayConfig, RelayError, RelayEvent, Transmit},
    batch::Batches,
    dtls::Identity,
    leg::{CallIndex, Leg, LegIndex, Progress},
    limits::{INTERRUPTED_AFTER, MAX_ADDRESSES_PER_LEG, MAX_CALLS, MAX_LEGS, MAX_LEGS_PER_CALL},
    offer::{CheckedOffer, check_offer},
    stats::RelayStats,
};
use slab::Slab;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};
use telcon_proto::CallId;

/// Wake-up interval of a relay without legs.
const IDLE_WAKE: Duration = Duration::from_secs(3600);

/// The engine. One owner with `&mut self`, no locks.
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
    /// Number of the latest uplink stream, see [`crate::slot::Source`].
    last_stream: u64,
    stats: RelayStats,
    started: Instant,
    now: Instant,
    scratch: Vec<u8>,
    #[cfg(feature = "test-tap")]
    tap: Option<Tap>,
}

struct Call {
    log_index: u64,
    legs: Vec<LegIndex>,
}

impl Relay {
    /// A relay without calls.
    ///
    /// # Errors
    /// [`RelayError::NoAddress`] if there is no candidate address, or one that cannot be sent to;
    /// [`RelayError::NoCertificate`].
    pub fn new(config: RelayConfig, now: Instant) -> Result<Self, RelayError> {
        let unusable = |a: &SocketAddr| a.ip().is_unspecified() || a.ip().is_multicast() || a.port() == 0;
        if config.candidate_addrs.is_empty() || config.candidate_addrs.iter().any(unusable) {
            return Err(RelayError::NoAddress);
        }
        Ok(Self {
            identity: Identity::generate().ok_or(RelayError::NoCertificate)?,
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
            last_stream: 0,
            stats: RelayStats::default(),
            started: now,
            now,
            scratch: Vec::new(),
            #[cfg(feature = "test-tap")]
            tap: None,
        })
    }

    /// Registers a call. Idempotent for the same log entry.
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

    /// Removes a call and closes its legs, without events. Returns `false` if it was not open.
    pub fn close_call(&mut self, call: CallId) -> bool {
        let Some(&index) = self.call_of.get(&call) else { return false };
        for leg in self.calls[index].legs.clone() {
            self.close_leg(leg);
        }
        self.calls.remove(index);
        self.call_of.remove(&call);
        true
    }

    /// Handles a device's offer (one `sendonly` and up to [`crate::limits::RECEIVE_SLOTS`] `recvonly` audio sections) and
    /// returns the SDP answer. For an existing leg, an offer of the same peer connection is a renegotiation; an offer of
    /// another peer connection replaces the leg's transport. The leg keeps its slots in both cases.
    ///
    /// # Errors
    /// [`Refused`], [`Full`], or [`crate::OfferError`]; an existing leg is unchanged.
    pub fn add_leg(&mut self, call: CallId, id: LegId, offer: &str, now: Instant) -> Result<String, RelayError> {
        self.advance_clock(now);
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
            let stream = self.next_stream();
            let leg = Leg::new((call_index, call), id, &self.identity, &offer, stream, self.now)?;
            let index = self.legs.insert(Box::new(leg));
            self.leg_of.insert(id, index);
            self.calls[call_index].legs.push(index);
            return Ok(self.register(index, &offer));
        };
        let stream = self.next_stream();
        if *self.legs[index].session == *offer.session {
            let leg = &mut self.legs[index];
            let user = leg.ice.user.clone();
            if leg.renegotiate(&offer, stream)? {
                self.by_user.remove(&user);
                self.by_user.insert(self.legs[index].ice.user.clone(), index);
            }
            return Ok(self.legs[index].answer(&offer, &self.identity, &self.config));
        }
        let mut leg = Leg::new((call_index, call), id, &self.identity, &offer, stream, self.now)?;
        leg.restore_holders(&self.legs[index].holders());
        self.unregister(index);
        *self.legs[index] = leg;
        Ok(self.register(index, &offer))
    }

    /// Indexes a new transport by its ICE user name, schedules its timer, and returns its answer.
    fn register(&mut self, index: LegIndex, offer: &CheckedOffer) -> String {
        self.stats.legs_opened += 1;
        self.by_user.insert(self.legs[index].ice.user.clone(), index);
        self.schedule(index);
        self.legs[index].answer(offer, &self.identity, &self.config)
    }

    fn next_stream(&mut self) -> u64 {
        self.last_stream += 1;
        self.last_stream
    }

    /// Closes and removes a leg, without an event, and frees its slots. Returns `false` if there is no such leg.
    pub fn remove_leg(&mut self, leg: LegId) -> bool {
        let index = self.leg_of.get(&leg).copied();
        index.map(|index| self.close_leg(index)).is_some()
    }

    fn close_leg(&mut self, index: LegIndex) {
        if let Some(mut leg) = self.take_leg(index) {
            leg.close(&mut self.batches);
        }
    }

    /// Processes due timers.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance_clock(now);
        while let Some(&Reverse((at, index))) = self.wakes.peek() {
            if at > self.now {
                break;
            }
            self.wakes.pop();
            let Some(leg) = self.legs.get_mut(index).filter(|leg| leg.queued_wake == Some(at)) else { continue };
            leg.queued_wake = None;
            if let Some(why) = leg.timed_out(self.now) {
                self.end(index, why);
                continue;
            }
            if leg.connected && !leg.interrupted && self.now >= leg.last_received + INTERRUPTED_AFTER {
                leg.interrupted = true;
                let event = RelayEvent::LegInterrupted { call: leg.call_id, leg: leg.id };
                self.outputs.push_back(Output::Event(event));
            }
            let progress = leg.advance_handshake(self.now, None, &mut self.batches);
            self.apply(index, progress);
        }
    }

    /// The next output. Call repeatedly until it returns [`Output::Timeout`].
    pub fn poll(&mut self) -> Output {
        if !self.batches.is_empty() {
            let mut transmits = Vec::new();
            self.transmit(|t| transmits.extend(t.bytes.chunks(t.segment).map(|bytes| (t.dst, bytes.to_vec()))));
            self.outputs.extend(transmits.into_iter().map(|(dst, bytes)| Output::Transmit { dst, bytes }));
        }
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.next_wake()))
    }

    /// Hands all pending datagrams to `send`, batched for GSO. [`Relay::poll`] then returns no [`Output::Transmit`].
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

    /// The slot of `receiver` that carries `sender`, if any. Slot 0 is the first `recvonly` section.
    pub fn slot_of(&self, receiver: LegId, sender: LegId) -> Option<usize> {
        self.legs[*self.leg_of.get(&receiver)?].slot_of(sender)
    }

    /// Passes every forwarded media payload to a test, once per inbound packet.
    #[cfg(feature = "test-tap")]
    pub fn set_tap(&mut self, tap: Tap) {
        self.tap = Some(tap);
    }

    fn next_wake(&self) -> Instant {
        self.wakes.peek().map_or(self.now + IDLE_WAKE, |Reverse((at, _))| (*at).max(self.now))
    }

    /// Advances the clock, which never runs backwards.
    fn advance_clock(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Binds an authenticated address to a leg.
    fn learn_address(&mut self, index: LegIndex, src: SocketAddr) {
        let previous = self.by_address.insert(src, index);
        if previous == Some(index) {
            return;
        }
        if let Some(other) = previous.and_then(|other| self.legs.get_mut(other)) {
            other.lose_address(src);
        }
        let leg = &mut self.legs[index];
        leg.addresses.push(src);
        if leg.addresses.len() > MAX_ADDRESSES_PER_LEG
            && let Some(evicted) = leg.evict_address()
        {
            self.by_address.remove(&evicted);
        }
    }

    /// An interrupted leg received an authenticated packet.
    fn resume(&mut self, index: LegIndex) {
        let leg = &mut self.legs[index];
        leg.interrupted = false;
        let event = RelayEvent::LegConnected { call: leg.call_id, leg: leg.id };
        self.outputs.push_back(Output::Event(event));
        self.schedule(index);
    }

    /// Applies the result of a handshake step and schedules the next wake-up.
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

    /// Queues a leg's wake-up, unless an earlier one is queued, which will reschedule.
    fn schedule(&mut self, index: LegIndex) {
        let leg = &mut self.legs[index];
        let at = leg.wake_at(self.now);
        if leg.queued_wake.is_none_or(|queued| at < queued) {
            leg.queued_wake = Some(at);
            self.wakes.push(Reverse((at, index)));
        }
    }

    /// Removes a leg and emits [`RelayEvent::LegGone`].
    fn end(&mut self, index: LegIndex, why: LegEnd) {
        let Some(leg) = self.take_leg(index) else { return };
        self.stats.contained_panics += u64::from(why == LegEnd::Bug);
        self.outputs.push_back(Output::Event(RelayEvent::LegGone { call: leg.call_id, leg: leg.id, why }));
    }

    /// Removes a leg from all indices and frees its slots.
    fn take_leg(&mut self, index: LegIndex) -> Option<Box<Leg>> {
        self.unregister(index);
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

    /// Removes a transport's ICE user name and addresses from the indices.
    fn unregister(&mut self, index: LegIndex) {
        if let Some(leg) = self.legs.get_mut(index) {
            self.by_user.remove(&leg.ice.user);
            for address in std::mem::take(&mut leg.addresses) {
                self.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails to compile if one of these types implements `Debug` or `Display`: they contain addresses.
    #[allow(dead_code, reason = "compiling is the test")]
    fn types_with_addresses_are_not_printable() {
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
}
