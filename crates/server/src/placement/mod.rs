//! Relay placement: which relay a call is on. A sans-IO engine: events and the time are inputs, [`Decision`]s are
//! outputs; `media` drives it.
//!
//! There is one relay in the server's process, and there may be standalone ones (`telcon relay`). A call is placed on one of
//! them when it opens: the standalone relay with the least load, or the embedded one if none has capacity. It fails
//! over when its relay is lost, drains, does not answer offers, refuses one, or is unreachable for all devices of the
//! call. Devices offer new legs by themselves.
//!
//! | module | idea |
//! |---|---|
//! | `pool` | standalone relays: load, capacity, quarantine |
//! | `leg` | calls and their legs, with indexes |

mod leg;
mod pool;

use crate::{
    allowance::Rate,
    switchboard::{LegRefusal, SessionId},
    timers::Timers,
};
use leg::{Answered, Legs, Placed};
use pool::Pool;
use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
};
use telcon_proto::{CallId, DeviceId};
use telcon_relay::LegId;

/// How long a standalone relay may take to answer an offer, milliseconds. One that takes longer is evicted.
pub const ANSWER_TIMEOUT_MS: u64 = 3_000;

/// Offers of a device within this time count as one attempt to reach its relay, milliseconds. A device waits at least a
/// second before it offers again; an earlier offer was in flight when the call failed over, and says nothing about the
/// new relay.
pub const ATTEMPT_WINDOW_MS: u64 = 500;

/// Offers of a device in one call. An honest device waits a second before it offers again; each offer costs a relay a DTLS
/// context, and a standalone one that answers late is evicted. The burst: a reloaded page offers again immediately, and so
/// does a device whose call fails over from relay to relay.
const OFFER_RATE: Rate = Rate::every_ms(500, 6);

/// Attempts without a connected leg after which a call fails over, at a relay that no device reached recently.
const MAX_ATTEMPTS: u32 = 1;
/// The same at a relay that other devices reach: the device's own network may be the cause.
const MAX_ATTEMPTS_AT_REACHED: u32 = 2;

/// A connection of a standalone relay. A relay that reconnects gets a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId(pub u64);

/// The relay of a call or leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// The embedded relay, in the server's process. Always available, and used as the last resort.
    Embedded,
    /// A standalone relay.
    Standalone(RelayId),
}

/// An input of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A standalone relay registered.
    Registered {
        /// Its connection.
        relay: RelayId,
        /// Its capacity, calls.
        max_calls: u64,
        /// The address that it announces to devices.
        address: SocketAddr,
    },
    /// A standalone relay reported its load.
    Heartbeat {
        /// The relay.
        relay: RelayId,
        /// Calls on it.
        calls: u64,
        /// Legs on it.
        legs: u64,
        /// Whether it drains.
        draining: bool,
    },
    /// The connection of a standalone relay ended, timed out, or its send queue is full.
    Lost(RelayId),
    /// A call opened: its entry is in the log, at this index. Idempotent.
    CallOpened(CallId, u64),
    /// A call ended.
    CallClosed(CallId),
    /// Calls other than these have ended.
    KeepOnly(BTreeSet<CallId>),
    /// A device offers a leg.
    Offered {
        /// The call.
        call: CallId,
        /// The device.
        device: DeviceId,
        /// Where the answer goes.
        session: SessionId,
        /// WebRTC offer.
        offer: String,
    },
    /// A device's leg is to be removed.
    LegClosed(CallId, DeviceId),
    /// A relay answered an offer, or refused it with a reason.
    Answered {
        /// The relay.
        host: Host,
        /// The leg.
        leg: LegId,
        /// WebRTC answer, or the reason of the refusal.
        answer: Result<String, String>,
    },
    /// A leg is connected.
    Connected {
        /// The relay that reports it.
        host: Host,
        /// The leg.
        leg: LegId,
    },
    /// A leg ended by itself.
    Gone {
        /// The relay that reports it.
        host: Host,
        /// The leg.
        leg: LegId,
    },
}

/// Decisions, to be carried out in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Open a call on a relay, with the proof that the entry at `log_index` opened it.
    OpenCall {
        /// The relay.
        host: Host,
        /// The call.
        call: CallId,
        /// Index of its entry in the log.
        log_index: u64,
    },
    /// Close a call on a relay.
    CloseCall {
        /// The relay.
        host: Host,
        /// The call.
        call: CallId,
    },
    /// Hand an offer to a relay. Its answer is an [`Event::Answered`].
    AddLeg {
        /// The relay.
        host: Host,
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// WebRTC offer.
        offer: String,
    },
    /// Remove a leg from a relay.
    RemoveLeg {
        /// The relay.
        host: Host,
        /// The leg.
        leg: LegId,
    },
    /// Report the result of an offer to the switchboard.
    Answer {
        /// The call.
        call: CallId,
        /// The device.
        device: DeviceId,
        /// Where the answer goes.
        session: SessionId,
        /// WebRTC answer, or why there is none.
        answer: Result<String, LegRefusal>,
    },
    /// Report to the switchboard that a device has to offer its leg again.
    LegLost(CallId, DeviceId),
    /// Close the connection of a standalone relay that does not answer.
    Evict(RelayId),
    /// Log it for the operator.
    Report(Report),
}

/// An event for the operator's log. `relay` is a relay's address and number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A relay registered.
    Registered {
        /// The relay.
        relay: String,
        /// Whether another registered relay has this address.
        duplicate: bool,
    },
    /// A relay was lost; its calls fail over.
    Lost {
        /// The relay.
        relay: String,
        /// Calls on it.
        calls: usize,
        /// Whether it had announced that it drains.
        drained: bool,
    },
    /// A relay drains; its calls fail over.
    Draining {
        /// The relay.
        relay: String,
        /// Calls on it.
        calls: usize,
    },
    /// A relay was evicted because it does not answer offers.
    Unresponsive {
        /// The relay.
        relay: String,
    },
    /// A call failed over because its relay is unreachable.
    Unreachable {
        /// The relay.
        relay: String,
        /// The call.
        call: CallId,
        /// Whether the relay was quarantined.
        quarantined: bool,
    },
    /// A call failed over because its relay refused a leg.
    Refused {
        /// The relay.
        relay: String,
        /// The call.
        call: CallId,
        /// The relay's reason.
        why: String,
    },
    /// A leg ended by itself.
    LegGone {
        /// The relay.
        relay: String,
        /// The call.
        call: CallId,
    },
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Standalone relays that are registered now.
    pub relays: u64,
    /// Failovers.
    pub moved: u64,
    /// Failovers because no device of the call reached its relay.
    pub unreachable: u64,
}

/// The engine. Times are milliseconds of a monotonic clock.
pub struct Placement {
    pool: Pool,
    legs: Legs,
    /// When the oldest unanswered offer of a relay times out.
    answers: Timers<RelayId>,
    decisions: VecDeque<Decision>,
    counts: Counts,
}

impl Placement {
    /// Leg numbers start above `first_leg`, which must exceed all numbers of earlier runs of this server: standalone
    /// relays survive a server restart and identify legs by number.
    pub fn new(first_leg: u64) -> Self {
        Self {
            pool: Pool::default(),
            legs: Legs::starting_at(first_leg),
            answers: Timers::default(),
            decisions: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// The next decision, until there is none.
    pub fn poll(&mut self) -> Option<Decision> {
        self.decisions.pop_front()
    }

    /// When [`Placement::timeout`] is due.
    pub fn next_timeout(&self) -> Option<u64> {
        self.answers.next()
    }

    /// Totals for the operator.
    pub fn counts(&self) -> Counts {
        Counts { relays: self.pool.len() as u64, ..self.counts }
    }

    /// Evicts relays that have not answered an offer in time.
    pub fn timeout(&mut self, now_ms: u64) {
        while let Some(relay) = self.answers.pop_due(now_ms) {
            self.evict_unresponsive(relay, now_ms);
        }
    }

    /// Handles one event.
    pub fn handle(&mut self, event: Event, now_ms: u64) {
        self.timeout(now_ms);
        match event {
            Event::Registered { relay, max_calls, address } => {
                self.pool.add(relay, max_calls, address, now_ms);
                let duplicate = self.pool.has_duplicate_address(relay);
                self.report(Report::Registered { relay: self.pool.name(relay), duplicate });
            }
            Event::Heartbeat { relay, calls, legs, draining } => {
                if self.pool.heartbeat(relay, calls, legs, draining) {
                    let calls = self.legs.calls_on(Host::Standalone(relay));
                    self.report(Report::Draining { relay: self.pool.name(relay), calls: calls.len() });
                    self.fail_over_all(relay, now_ms);
                }
            }
            Event::Lost(relay) => self.lost(relay, now_ms),
            Event::CallOpened(call, log_index) => self.opened(call, log_index, now_ms),
            Event::CallClosed(call) => self.closed(call),
            Event::KeepOnly(calls) => {
                for call in self.legs.call_ids().difference(&calls) {
                    self.closed(*call);
                }
            }
            Event::Offered { call, device, session, offer } => self.offered(call, device, session, offer, now_ms),
            Event::LegClosed(call, device) => self.remove_leg(call, device),
            Event::Answered { host, leg, answer } => self.answered(host, leg, answer, now_ms),
            Event::Connected { host, leg } => {
                if self.legs.connected(host, leg)
                    && let Host::Standalone(relay) = host
                {
                    self.pool.reached(relay, now_ms);
                }
            }
            Event::Gone { host, leg } => self.gone(host, leg),
        }
    }

    fn decide(&mut self, decision: Decision) {
        self.decisions.push_back(decision);
    }

    fn report(&mut self, report: Report) {
        self.decide(Decision::Report(report));
    }

    fn name(&self, host: Host) -> String {
        match host {
            Host::Embedded => "embedded".to_owned(),
            Host::Standalone(relay) => self.pool.name(relay),
        }
    }

    fn choose(&mut self, unreachable: &BTreeSet<RelayId>, now_ms: u64) -> Host {
        self.pool.least_loaded(unreachable, now_ms).map_or(Host::Embedded, Host::Standalone)
    }

    fn opened(&mut self, call: CallId, log_index: u64, now_ms: u64) {
        // The switchboard repeats it after recovering from a store failure: the placement is unchanged.
        if self.legs.call(call).is_some_and(|placed| placed.log_index == log_index) {
            return;
        }
        let host = self.choose(&BTreeSet::new(), now_ms);
        self.legs.place(call, Placed::new(host, log_index, BTreeSet::new()));
        self.decide(Decision::OpenCall { host, call, log_index });
    }

    fn closed(&mut self, call: CallId) {
        let Some((host, legs)) = self.legs.remove_call(call) else { return };
        self.decide(Decision::CloseCall { host, call });
        self.settle_answers(host);
        // Those of devices that have not followed the call to its relay yet.
        for leg in legs.into_iter().filter(|leg| leg.host != host) {
            self.decide(Decision::RemoveLeg { host: leg.host, leg: leg.id });
        }
    }

    fn offered(&mut self, call: CallId, device: DeviceId, session: SessionId, offer: String, now_ms: u64) {
        let refusal = match self.legs.call_mut(call) {
            None => Some(LegRefusal::NotPlaced),
            Some(placed) => (!placed.count_offer(device, now_ms)).then_some(LegRefusal::TooMany),
        };
        if let Some(refusal) = refusal {
            return self.decide(Decision::Answer { call, device, session, answer: Err(refusal) });
        }
        self.fail_over_if_unreachable(call, device, now_ms);
        let Some(placed) = self.legs.call(call) else { return };
        // A leg on the previous relay stays until its device has a new one.
        if placed.legs.get(&device).is_some_and(|leg| leg.host != placed.host) {
            self.remove_leg(call, device);
        }
        self.send_offer(call, device, session, offer, now_ms);
    }

    /// Sends an offer to the call's relay, or keeps it until the relay has answered the device's earlier one: a device has at
    /// most one offer in flight, however often it offers.
    fn send_offer(&mut self, call: CallId, device: DeviceId, session: SessionId, offer: String, now_ms: u64) {
        let Some(host) = self.legs.call(call).map(|placed| placed.host) else { return };
        if let Some((leg, offer)) = self.legs.offer(call, device, session, offer, now_ms) {
            self.settle_answers(host);
            self.decide(Decision::AddLeg { host, call, leg, offer });
        }
    }

    fn remove_leg(&mut self, call: CallId, device: DeviceId) {
        if let Some(leg) = self.legs.remove_leg(call, device) {
            self.settle_answers(leg.host);
            self.decide(Decision::RemoveLeg { host: leg.host, leg: leg.id });
        }
    }

    /// A device offers a leg again. If its earlier offers led to no connected leg, and no other device of the call
    /// reaches the relay either, the call fails over: the relay may be behind a firewall, or announce a wrong address.
    fn fail_over_if_unreachable(&mut self, call: CallId, device: DeviceId, now_ms: u64) {
        let Some(placed) = self.legs.call_mut(call) else { return };
        let host = placed.host;
        // While an offer is in flight, nothing is known of the path to the relay.
        if placed.is_in_flight(&device) || placed.legs.values().any(|leg| leg.host == host && leg.connected) {
            return;
        }
        let (attempts, began) = placed.attempts.entry(device).or_insert((0, now_ms));
        if *attempts > 0 && now_ms.saturating_sub(*began) < ATTEMPT_WINDOW_MS {
            return;
        }
        (*attempts, *began) = (*attempts + 1, now_ms);
        let attempts = *attempts;
        // A relay that carries other calls is not quarantined because of one device, which gets one attempt more.
        let carries = self.legs.connected_on(host) > 0;
        let reached = match host {
            Host::Embedded => true,
            Host::Standalone(relay) => carries || self.pool.is_reached(relay, now_ms),
        };
        if attempts <= if reached { MAX_ATTEMPTS_AT_REACHED } else { MAX_ATTEMPTS } {
            return;
        }
        let Some(placed) = self.legs.call_mut(call) else { return };
        let mut quarantined = false;
        match host {
            Host::Standalone(relay) => {
                placed.unreachable.insert(relay);
                quarantined = !carries && self.pool.quarantine(relay, now_ms);
            }
            // The embedded relay failed too: all relays are candidates again.
            Host::Embedded => placed.unreachable.clear(),
        }
        let relay = self.name(host);
        if self.abandon(call, host, now_ms) {
            self.counts.unreachable += 1;
            self.report(Report::Unreachable { relay, call, quarantined });
        }
    }

    fn answered(&mut self, host: Host, id: LegId, answer: Result<String, String>, now_ms: u64) {
        let Some(Answered { call, device, session }) = self.legs.answered(host, id) else { return };
        self.settle_answers(host);
        let placed_here = self.legs.call_mut(call).filter(|placed| placed.host == host);
        if let (Err(why), Host::Standalone(relay), Some(placed)) = (&answer, host, placed_here) {
            // It is full, does not know the call, or the offer is malformed. Another relay may accept it; the embedded
            // one is asked last, and its refusal is reported to the device.
            placed.unreachable.insert(relay);
            let (relay, why) = (self.pool.name(relay), why.clone());
            self.report(Report::Refused { relay, call, why });
            self.abandon(call, host, now_ms);
            return;
        }
        self.decide(Decision::Answer { call, device, session, answer: answer.map_err(LegRefusal::Relay) });
        if let Some((session, offer)) = self.legs.take_waiting(call, device) {
            self.send_offer(call, device, session, offer, now_ms);
        }
    }

    /// A leg ended, as reported by its relay. A report of another relay is ignored.
    fn gone(&mut self, host: Host, id: LegId) {
        let Some((call, device)) = self.legs.gone(host, id) else { return };
        // If the call has left that relay, the device was notified already.
        if self.legs.call(call).is_some_and(|placed| placed.host != host) {
            return;
        }
        self.report(Report::LegGone { relay: self.name(host), call });
        self.decide(Decision::LegLost(call, device));
    }

    fn lost(&mut self, relay: RelayId, now_ms: u64) {
        let name = self.pool.name(relay);
        let Some(drained) = self.pool.remove(relay) else { return };
        self.answers.set(relay, None);
        let calls = self.legs.calls_on(Host::Standalone(relay)).len();
        self.report(Report::Lost { relay: name, calls, drained });
        self.fail_over_all(relay, now_ms);
        self.legs.forget_host(Host::Standalone(relay));
    }

    fn evict_unresponsive(&mut self, relay: RelayId, now_ms: u64) {
        self.report(Report::Unresponsive { relay: self.pool.name(relay) });
        self.pool.evict(relay, now_ms);
        self.decide(Decision::Evict(relay));
        self.fail_over_all(relay, now_ms);
        self.legs.forget_host(Host::Standalone(relay));
    }

    fn settle_answers(&mut self, host: Host) {
        if let Host::Standalone(relay) = host {
            let oldest = self.legs.oldest_unanswered(host);
            self.answers
                .set(relay, oldest.map(|asked| asked + ANSWER_TIMEOUT_MS).filter(|_| self.pool.contains(relay)));
        }
    }

    fn fail_over_all(&mut self, relay: RelayId, now_ms: u64) {
        for call in self.legs.calls_on(Host::Standalone(relay)) {
            self.move_call(call, now_ms);
        }
        self.settle_answers(Host::Standalone(relay));
    }

    /// Moves a call to another relay. `false` if no other relay is available.
    fn move_call(&mut self, call: CallId, now_ms: u64) -> bool {
        let Some(placed) = self.legs.call(call) else { return false };
        let (from, log_index, unreachable) = (placed.host, placed.log_index, placed.unreachable.clone());
        let to = self.choose(&unreachable, now_ms);
        if to == from {
            return false;
        }
        self.counts.moved += 1;
        let devices = self.legs.move_call(call, to);
        self.decide(Decision::OpenCall { host: to, call, log_index });
        for device in devices {
            // The old leg carries audio until the device has a new one. Unanswered offers are not forwarded to the new
            // relay: one of them may have crashed the old one.
            self.decide(Decision::LegLost(call, device));
        }
        true
    }

    /// Moves a call from a relay that is registered but carries no media of it, and closes it there.
    fn abandon(&mut self, call: CallId, from: Host, now_ms: u64) -> bool {
        let moved = self.move_call(call, now_ms);
        if moved {
            self.legs.forget_legs_on(call, from);
            self.settle_answers(from);
            self.decide(Decision::CloseCall { host: from, call });
        }
        moved
    }
}

#[cfg(test)]
mod tests;
