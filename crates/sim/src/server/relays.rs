//! Placement, and standalone relays: what `media`, `web::relays` and a relay's own command do.

use crate::event::Event;
use crate::process::HubInput;
use crate::relay::RelayHost;
use crate::world::World;
use telcon_proto::entry::Entry;
use telcon_proto::node::{FromNode, NODE_HEARTBEAT_INTERVAL_MS, NODE_HEARTBEAT_TIMEOUT_MS, ToNode};
use telcon_relay::LegId;
use telcon_server::placement::{Decision, Event as Placed, Host, RelayId};

/// How long a relay keeps calls that its switchboard does not open again, milliseconds (`node::UNCONFIRMED_CALL_TTL`).
const UNCONFIRMED_MS: u64 = 60_000;

impl World {
    pub(super) fn placement(&mut self, event: Placed) {
        let now = self.now;
        let Some(process) = self.process() else { return };
        process.placement.handle(event, now);
        self.carry_out_placement();
    }

    /// Placement looks at what is due.
    pub fn placement_due(&mut self, boot: u64) {
        let now = self.now;
        let Some(process) = self.process().filter(|process| process.boot == boot) else { return };
        process.placement.timeout(now);
        self.carry_out_placement();
    }

    fn carry_out_placement(&mut self) {
        let now = self.now;
        loop {
            let Some(process) = self.process() else { return };
            let Some(decision) = process.placement.poll() else { break };
            let boot = process.boot;
            match decision {
                Decision::OpenCall { host: Host::Embedded, call, log_index } => {
                    if let Err(error) = self.relays[0].open_call(call, log_index) {
                        self.watch.fail(format!("the embedded relay did not open a call: {error}"));
                    }
                }
                Decision::OpenCall { host: Host::Standalone(relay), call, log_index } => {
                    let opened = process.prover.prove(log_index);
                    match opened {
                        Ok(opened) => self.tell_relay(relay, ToNode::OpenCall { call, opened: Box::new(opened) }),
                        Err(error) => self.watch.fail(format!("a call's opening is not in the log: {error}")),
                    }
                }
                Decision::CloseCall { host: Host::Embedded, call } => self.relays[0].close_call(call),
                Decision::CloseCall { host: Host::Standalone(relay), call } => {
                    self.tell_relay(relay, ToNode::CloseCall { call });
                }
                Decision::AddLeg { host: Host::Embedded, call, leg, offer } => {
                    let answer = self.relays[0].add_leg(call, leg, &offer, now);
                    if let Ok(answer) = &answer {
                        self.answers.insert(answer.clone(), (0, leg));
                    }
                    let Some(process) = self.process() else { return };
                    process.placement.handle(Placed::Answered { host: Host::Embedded, leg, answer }, now);
                }
                Decision::AddLeg { host: Host::Standalone(relay), call, leg, offer } => {
                    self.tell_relay(relay, ToNode::AddLeg { call, leg: leg.0, offer });
                }
                Decision::RemoveLeg { host: Host::Embedded, leg } => self.relays[0].remove_leg(leg),
                Decision::RemoveLeg { host: Host::Standalone(relay), leg } => {
                    self.tell_relay(relay, ToNode::RemoveLeg { leg: leg.0 });
                }
                Decision::Answer { call, device, session, answer } => {
                    let wait = self.wait(1, 1);
                    self.after(wait, Event::Input(boot, Box::new(HubInput::LegAdded(call, device, session, answer))));
                }
                Decision::LegLost(call, device) => {
                    let wait = self.wait(1, 1);
                    self.after(wait, Event::Input(boot, Box::new(HubInput::LegLost(call, device))));
                }
                Decision::Evict(relay) => {
                    process.relays.remove(&relay.0);
                    self.note(format!("placement: evicts relay connection {}", relay.0));
                    self.after(1, Event::RelayLost { connection: relay.0 });
                }
                Decision::Report(_) => {}
            }
        }
        let Some(process) = self.process() else { return };
        if let Some(at) = process.placement.next_timeout() {
            let boot = process.boot;
            self.at(at.max(now + 1), Event::PlacementDue(boot));
        }
    }

    fn tell_relay(&mut self, relay: RelayId, message: ToNode) {
        // In order, as over one WebSocket.
        self.after(3, Event::ToRelay { connection: relay.0, message: Box::new(message) });
    }

    fn tell_server(&mut self, connection: u64, message: FromNode) {
        self.after(3, Event::FromRelay { connection, message: Box::new(message) });
    }

    fn relay_of(&self, connection: u64) -> Option<usize> {
        self.relays.iter().position(|relay| relay.connection == Some(connection))
    }

    /// A device's leg is connected, as the relay sees it.
    pub fn relay_connected(&mut self, relay: usize, leg: LegId) {
        if let Some(known) = self.relays[relay].legs.get_mut(&leg) {
            known.connected = true;
        }
        match (relay, self.relays[relay].connection) {
            (0, _) => self.placement(Placed::Connected { host: Host::Embedded, leg }),
            (_, Some(connection)) => self.tell_server(connection, FromNode::LegConnected { leg: leg.0 }),
            _ => {}
        }
    }

    /// A standalone relay's process starts.
    pub fn relay_up(&mut self, relay: usize) {
        if self.relays[relay].up {
            return;
        }
        self.note(format!("relay {relay}: start"));
        self.relays[relay] = RelayHost::new(relay);
        self.after(5, Event::RelayConnect(relay));
    }

    /// A standalone relay's process dies.
    pub fn relay_crash(&mut self, relay: usize) {
        let host = &mut self.relays[relay];
        if relay == 0 || !std::mem::replace(&mut host.up, false) {
            return;
        }
        host.legs.clear();
        host.calls.clear();
        let connection = host.connection.take();
        self.note(format!("relay {relay}: crash"));
        if let Some(connection) = connection {
            // If the host died, the server notices by heartbeat timeout; if only the process died, by the closed connection.
            let wait = if self.rng.percent(50) { 2 } else { NODE_HEARTBEAT_TIMEOUT_MS };
            self.after(wait, Event::RelayLost { connection });
        }
    }

    /// A standalone relay connects to the server.
    pub fn relay_connect(&mut self, relay: usize) {
        if !self.relays[relay].up || self.relays[relay].connection.is_some() {
            return;
        }
        if self.server.process.is_none() {
            return self.after(500, Event::RelayConnect(relay));
        }
        self.server.next_session += 1;
        let connection = self.server.next_session;
        let now = self.now;
        let host = &mut self.relays[relay];
        host.connection = Some(connection);
        host.unconfirmed = host.calls.keys().copied().collect();
        let address = host.address;
        if let Some(process) = self.process() {
            process.relays.insert(connection, now);
        }
        self.note(format!("relay {relay}: registers"));
        self.placement(Placed::Registered { relay: RelayId(connection), max_calls: 100, address });
        self.after(1, Event::RelayBeat { relay, connection });
        self.after(NODE_HEARTBEAT_TIMEOUT_MS, Event::RelaySilent { connection });
        self.after(UNCONFIRMED_MS, Event::RelayForget { relay, connection });
    }

    /// A standalone relay reports its load.
    pub fn relay_beat(&mut self, relay: usize, connection: u64) {
        if self.relays[relay].connection != Some(connection) {
            return;
        }
        let ((calls, legs), draining) = (self.relays[relay].load(), self.relays[relay].draining);
        self.tell_server(connection, FromNode::Load { calls, legs, draining });
        if draining && legs == 0 {
            self.note(format!("relay {relay}: drained"));
            self.relay_crash(relay);
            return self.after(5_000, Event::RelayUp(relay));
        }
        self.after(NODE_HEARTBEAT_INTERVAL_MS, Event::RelayBeat { relay, connection });
    }

    /// A relay closes calls that were not opened again since it connected.
    pub fn relay_forget(&mut self, relay: usize, connection: u64) {
        if self.relays[relay].connection == Some(connection) {
            for call in std::mem::take(&mut self.relays[relay].unconfirmed) {
                self.relays[relay].close_call(call);
            }
        }
    }

    /// A message of a standalone relay reaches the server.
    pub fn received_from_relay(&mut self, connection: u64, message: FromNode) {
        let now = self.now;
        let Some(heard) = self.process().and_then(|process| process.relays.get_mut(&connection)) else { return };
        *heard = now;
        let (relay, host) = (RelayId(connection), Host::Standalone(RelayId(connection)));
        self.placement(match message {
            FromNode::Load { calls, legs, draining } => Placed::Heartbeat { relay, calls, legs, draining },
            FromNode::LegAdded { leg, answer, refused } => {
                let answer = answer.ok_or_else(|| refused.unwrap_or_default());
                Placed::Answered { host, leg: LegId(leg), answer }
            }
            FromNode::LegGone { leg } => Placed::Gone { host, leg: LegId(leg) },
            FromNode::LegConnected { leg } => Placed::Connected { host, leg: LegId(leg) },
            FromNode::Hello { .. } => return,
        });
    }

    /// A message of the server reaches a standalone relay.
    pub fn received_by_relay(&mut self, connection: u64, message: ToNode) {
        let now = self.now;
        let Some(relay) = self.relay_of(connection) else { return };
        self.note(format!("relay {relay} < {}", crate::kind(&message)));
        match message {
            ToNode::OpenCall { call, opened } => {
                let verified = self.office.pinned.verify_logged(&opened);
                let is_opening = verified.as_ref().is_ok_and(
                    |entry| matches!(entry.entry(), Some(Entry::CallOpened { call: of, .. }) if *of == call),
                );
                if !is_opening {
                    return self.watch.fail(format!("relay {relay} was to open a call that is not in the log"));
                }
                if let Err(error) = self.relays[relay].open_call(call, opened.index) {
                    self.watch.fail(format!("relay {relay} did not open a call: {error}"));
                }
            }
            ToNode::CloseCall { call } => self.relays[relay].close_call(call),
            ToNode::AddLeg { call, leg, offer } => {
                let added = self.relays[relay].add_leg(call, LegId(leg), &offer, now);
                if let Ok(answer) = &added {
                    self.answers.insert(answer.clone(), (relay, LegId(leg)));
                }
                let (answer, refused) = match added {
                    Ok(answer) => (Some(answer), None),
                    Err(error) => (None, Some(error)),
                };
                self.tell_server(connection, FromNode::LegAdded { leg, answer, refused });
            }
            ToNode::RemoveLeg { leg } => self.relays[relay].remove_leg(LegId(leg)),
        }
    }

    /// The server looks whether a standalone relay is silent.
    pub fn relay_silent(&mut self, connection: u64) {
        let now = self.now;
        let Some(heard) = self.process().and_then(|process| process.relays.get(&connection).copied()) else { return };
        if now >= heard + NODE_HEARTBEAT_TIMEOUT_MS {
            self.after(0, Event::RelayLost { connection });
        } else {
            self.at(heard + NODE_HEARTBEAT_TIMEOUT_MS, Event::RelaySilent { connection });
        }
    }

    /// A standalone relay's connection ended, at both ends.
    pub fn relay_lost(&mut self, connection: u64) {
        if let Some(relay) = self.relay_of(connection) {
            self.relays[relay].connection = None;
            self.after(300, Event::RelayConnect(relay));
        }
        let known = self.process().is_some_and(|process| process.relays.remove(&connection).is_some());
        if known {
            self.placement(Placed::Lost(RelayId(connection)));
        }
    }
}
