//! Which relay a call is on: a sans-IO engine. Events and the time go in, [`Decision`]s come out; `media` drives it.
//!
//! There is one relay in the server's process, and there may be standalone ones (`telcon relay`). A call is placed on one of
//! them when it opens: the standalone relay with the least load, or the embedded one where none has room. It fails over when
//! its relay is lost, drains, does not answer offers, refuses one, or cannot be reached by any device of the call. Devices
//! make their legs again by themselves.
//!
//! | module | idea |
//! |---|---|
//! | `pool` | standalone relays: load, capacity, quarantine |
//! | `leg` | calls and their legs, with indexes |

mod leg;
mod pool;

use crate::{switchboard::SessionId, timers::Timers};
use leg::{Legs, Placed};
use pool::Pool;
use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
};
use telcon_proto::{CallId, DeviceId};
use telcon_relay::LegId;

/// How long a standalone relay may take to answer an offer, milliseconds. One that takes longer is evicted.
pub const ANSWER_TIMEOUT_MS: u64 = 3_000;

/// Offers of a device within this time are one attempt to reach its relay, milliseconds. A device waits at least a second
/// before it offers again; an offer that comes sooner was on its way when the call moved, and says nothing of the relay that
/// the call moved to.
pub const ATTEMPT_WINDOW_MS: u64 = 500;

/// Attempts without a connected leg after which a call fails over: one at a relay that no device reached recently.
const MAX_ATTEMPTS: u32 = 1;
/// The same at a relay that devices do reach: the failure may be of this device's own network.
const MAX_ATTEMPTS_AT_REACHED: u32 = 2;

/// A connection of a standalone relay. A relay that connects again has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId(pub u64);

/// Where a call or a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// On the relay of the server's own process. Always there, and the last resort.
    Embedded,
    /// On a standalone relay.
    Standalone(RelayId),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A standalone relay registered.
    Registered {
        /// Its connection.
        relay: RelayId,
        /// Most calls that it takes.
        max_calls: u64,
        /// The address that it tells devices.
        address: SocketAddr,
    },
    /// A standalone relay reported its load.
    Heartbeat {
        /// Which.
        relay: RelayId,
        /// Calls on it.
        calls: u64,
        /// Legs on it.
        legs: u64,
        /// It is about to stop.
        draining: bool,
    },
    /// The connection of a standalone relay ended, timed out, or does not take what is sent to it.
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
    /// A relay answered an offer, or refused it and says why.
    Answered {
        /// Which relay.
        host: Host,
        /// The leg.
        leg: LegId,
        /// WebRTC answer, or the reason of the refusal.
        answer: Result<String, String>,
    },
    /// Media can flow on a leg.
    Connected {
        /// Which relay says so.
        host: Host,
        /// The leg.
        leg: LegId,
    },
    /// A leg ended by itself.
    Gone {
        /// Which relay says so.
        host: Host,
        /// The leg.
        leg: LegId,
    },
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Open a call on a relay, with the proof that the entry at `log_index` opened it.
    OpenCall {
        /// Which relay.
        host: Host,
        /// The call.
        call: CallId,
        /// Index of its entry in the log.
        log_index: u64,
    },
    /// Close a call on a relay.
    CloseCall {
        /// Which relay.
        host: Host,
        /// The call.
        call: CallId,
    },
    /// Hand an offer to a relay. Its answer is an [`Event::Answered`].
    AddLeg {
        /// Which relay.
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
        /// Which relay.
        host: Host,
        /// The leg.
        leg: LegId,
    },
    /// Tell the switchboard what became of an offer.
    Answer {
        /// The call.
        call: CallId,
        /// The device.
        device: DeviceId,
        /// Where the answer goes.
        session: SessionId,
        /// WebRTC answer, or the reason of the refusal.
        answer: Result<String, String>,
    },
    /// Tell the switchboard that a device has to offer its leg again.
    LegLost(CallId, DeviceId),
    /// Close the connection of a standalone relay that does not answer.
    Evict(RelayId),
    /// Log it for the operator.
    Report(Report),
}

/// What operators read in the log. `relay` names a relay by address and number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A relay registered; another one claims the same address.
    Registered {
        /// Which.
        relay: String,
        /// Whether another registered relay has this address.
        duplicate: bool,
    },
    /// A relay is gone; so many calls fail over.
    Lost {
        /// Which.
        relay: String,
        /// Calls on it.
        calls: usize,
        /// Whether it had announced that it drains.
        drained: bool,
    },
    /// A relay drains; so many calls move.
    Draining {
        /// Which.
        relay: String,
        /// Calls on it.
        calls: usize,
    },
    /// A relay was evicted because it does not answer offers.
    Unresponsive {
        /// Which.
        relay: String,
    },
    /// A call failed over because none of its devices reached its relay.
    Unreachable {
        /// Which.
        relay: String,
        /// The call.
        call: CallId,
        /// Whether the relay gets no new calls for a while.
        quarantined: bool,
    },
    /// A call failed over because its relay refused a leg.
    Refused {
        /// Which.
        relay: String,
        /// The call.
        call: CallId,
        /// What the relay said.
        why: String,
    },
    /// A leg ended by itself.
    LegGone {
        /// Which.
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
    /// Calls that moved from one relay to another.
    pub moved: u64,
    /// Calls that moved because their devices did not reach their relay.
    pub unreachable: u64,
}

/// The engine. Times are milliseconds of a clock that does not go back.
pub struct Placement {
    pool: Pool,
    legs: Legs,
    /// When the oldest unanswered offer of a relay times out.
    answers: Timers<RelayId>,
    decisions: VecDeque<Decision>,
    counts: Counts,
}

impl Placement {
    /// Leg numbers start above `first_leg`, which no earlier run of this server may have reached: standalone relays outlive
    /// the server and name legs by number.
    pub fn new(first_leg: u64) -> Self {
        Self {
            pool: Pool::default(),
            legs: Legs::starting_at(first_leg),
            answers: Timers::default(),
            decisions: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// What to do next; nothing when all is done.
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
        // The switchboard repeats it after it recovered from a failure of its store: the call stays where it is.
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
        self.fail_over_if_unreachable(call, device, now_ms);
        let Some(placed) = self.legs.call(call) else {
            let answer = Err("the call is not open".to_owned());
            return self.decide(Decision::Answer { call, device, session, answer });
        };
        let host = placed.host;
        // A leg on the relay before stays until its device has made another.
        if placed.legs.get(&device).is_some_and(|leg| leg.host != host) {
            self.remove_leg(call, device);
        }
        let leg = self.legs.offer(call, device, session, now_ms);
        self.settle_answers(host);
        self.decide(Decision::AddLeg { host, call, leg, offer });
    }

    fn remove_leg(&mut self, call: CallId, device: DeviceId) {
        if let Some(leg) = self.legs.remove_leg(call, device) {
            self.settle_answers(leg.host);
            self.decide(Decision::RemoveLeg { host: leg.host, leg: leg.id });
        }
    }

    /// A device offers a leg again. Where its earlier offers led to no connected leg, and no other device of the call reaches
    /// the relay either, the call fails over: the relay may be behind a firewall, or at another address than it says.
    fn fail_over_if_unreachable(&mut self, call: CallId, device: DeviceId, now_ms: u64) {
        let Some(placed) = self.legs.call_mut(call) else { return };
        let host = placed.host;
        if placed.legs.values().any(|leg| leg.host == host && leg.connected) {
            return;
        }
        let (attempts, began) = placed.attempts.entry(device).or_insert((0, now_ms));
        if *attempts > 0 && now_ms.saturating_sub(*began) < ATTEMPT_WINDOW_MS {
            return;
        }
        (*attempts, *began) = (*attempts + 1, now_ms);
        let attempts = *attempts;
        // A relay that carries other calls is not quarantined for one device, and has one attempt more.
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
            // The last resort failed: all relays are tried again.
            Host::Embedded => placed.unreachable.clear(),
        }
        let relay = self.name(host);
        if self.abandon(call, host, now_ms) {
            self.counts.unreachable += 1;
            self.report(Report::Unreachable { relay, call, quarantined });
        }
    }

    fn answered(&mut self, host: Host, id: LegId, answer: Result<String, String>, now_ms: u64) {
        let Some((call, device, session)) = self.legs.answered(host, id) else { return };
        self.settle_answers(host);
        let placed_here = self.legs.call_mut(call).filter(|placed| placed.host == host);
        if let (Err(why), Host::Standalone(relay), Some(placed)) = (&answer, host, placed_here) {
            // Full, or it does not know the call, or the offer is malformed. Another relay may say otherwise; the embedded one
            // is asked last, and what it says goes to the device.
            placed.unreachable.insert(relay);
            let (relay, why) = (self.pool.name(relay), why.clone());
            self.report(Report::Refused { relay, call, why });
            self.abandon(call, host, now_ms);
            return;
        }
        self.decide(Decision::Answer { call, device, session, answer });
    }

    /// A leg is gone, says the relay that has it. What another relay says of it is ignored.
    fn gone(&mut self, host: Host, id: LegId) {
        let Some((call, device)) = self.legs.gone(host, id) else { return };
        // Where the call has left that relay, the device was told already.
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

    /// Moves a call to another relay. `false` if there is none.
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
            // The old leg carries sound until the device has made a new one. Offers that were not answered are not handed on:
            // one of them may be what the relay died of.
            self.decide(Decision::LegLost(call, device));
        }
        true
    }

    /// Moves a call from a relay that lives and carries nothing of it, and closes it there.
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
