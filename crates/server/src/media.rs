//! The driver of [`Placement`]: carries out its decisions at the embedded relay and over the connections of standalone
//! ones, and feeds their replies and events back.

use crate::{
    archive::Prover,
    hub::{HubHandle, Input},
    placement::{Counts, Decision, Event, Host, Placement, RelayId, Report},
    switchboard::RelayCommand,
};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use telcon_proto::{
    CallId,
    node::{FromNode, ToNode},
};
use telcon_relay::{LegId, OpenedCall, RelayEvent, net::RelayHandle};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::JoinHandle,
    time::sleep,
};

/// Length of the queue of messages from standalone relays.
const RELAY_INPUTS: usize = 1024;

/// An event of a standalone relay's connection.
pub(crate) enum RelayInput {
    /// One registered.
    Registered {
        /// Its connection.
        relay: RelayId,
        /// Its send queue. Dropping it closes the connection.
        to: mpsc::Sender<ToNode>,
        /// Its capacity, calls.
        max_calls: u64,
        /// The address that it announces to devices.
        address: std::net::SocketAddr,
    },
    /// It sent a message.
    Received(RelayId, FromNode),
    /// Its connection ended or timed out.
    Lost(RelayId),
}

/// Totals for the operator's metrics.
#[derive(Default)]
pub struct Numbers {
    /// Standalone relays that are registered.
    pub relays: AtomicU64,
    /// Failovers.
    pub moved: AtomicU64,
    /// Failovers because no device of the call reached its relay.
    pub unreachable: AtomicU64,
}

/// Channels to the driver, and its task.
pub(crate) struct MediaHandle {
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) commands: mpsc::UnboundedSender<RelayCommand>,
    pub(crate) relays: mpsc::Sender<RelayInput>,
    pub(crate) task: JoinHandle<()>,
}

/// Starts the driver's task. It ends with the switchboard. `first_leg`: see [`Placement::new`].
pub(crate) fn spawn(relay: RelayHandle, hub: HubHandle, prover: Arc<Prover>, first_leg: u64) -> MediaHandle {
    // Unbounded, because the switchboard must not wait for a relay. Its length is bounded by the rate limit of each
    // device's messages.
    let (commands, received) = mpsc::unbounded_channel();
    let (relays, inputs) = mpsc::channel(RELAY_INPUTS);
    let numbers = Arc::new(Numbers::default());
    let media = Media {
        placement: Placement::new(first_leg),
        numbers: numbers.clone(),
        relay,
        hub,
        prover,
        connections: HashMap::new(),
        started: Instant::now(),
    };
    MediaHandle { numbers, commands, relays, task: tokio::spawn(media.run(received, inputs)) }
}

struct Media {
    placement: Placement,
    numbers: Arc<Numbers>,
    relay: RelayHandle,
    hub: HubHandle,
    prover: Arc<Prover>,
    connections: HashMap<RelayId, mpsc::Sender<ToNode>>,
    started: Instant,
}

impl Media {
    async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<RelayCommand>,
        mut inputs: mpsc::Receiver<RelayInput>,
    ) {
        let mut events = self.relay.events();
        loop {
            let due = self.placement.next_timeout();
            let wait = due.map(|at| Duration::from_millis(at.saturating_sub(self.now_ms())));
            let event = tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => Some(self.commanded(command)),
                    None => return,
                },
                event = events.recv() => match event {
                    Ok(RelayEvent::LegGone { leg, .. }) => Some(Event::Gone { host: Host::Embedded, leg }),
                    Ok(RelayEvent::LegConnected { leg, .. }) => Some(Event::Connected { host: Host::Embedded, leg }),
                    Ok(_) => None,
                    Err(RecvError::Lagged(missed)) => {
                        // Legs whose end was missed are found when their devices offer again.
                        tracing::warn!(missed, "events of the embedded relay were missed: the server is overloaded");
                        None
                    }
                    Err(RecvError::Closed) => return,
                },
                Some(input) = inputs.recv() => self.received(input),
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => None,
            };
            let now_ms = self.now_ms();
            match event {
                Some(event) => self.placement.handle(event, now_ms),
                None => self.placement.timeout(now_ms),
            }
            while let Some(decision) = self.placement.poll() {
                if let Some(event) = self.carry_out(decision).await {
                    self.placement.handle(event, self.now_ms());
                }
            }
            self.publish_counts();
        }
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn commanded(&self, command: RelayCommand) -> Event {
        match command {
            RelayCommand::KeepOnly(calls) => Event::KeepOnly(calls),
            RelayCommand::OpenCall(call, log_index) => Event::CallOpened(call, log_index),
            RelayCommand::CloseCall(call) => Event::CallClosed(call),
            RelayCommand::AddLeg { call, device, session, sdp } => Event::Offered { call, device, session, offer: sdp },
            RelayCommand::RemoveLeg(call, device) => Event::LegClosed(call, device),
        }
    }

    fn received(&mut self, input: RelayInput) -> Option<Event> {
        Some(match input {
            RelayInput::Registered { relay, to, max_calls, address } => {
                self.connections.insert(relay, to);
                Event::Registered { relay, max_calls, address }
            }
            RelayInput::Lost(relay) => {
                self.connections.remove(&relay);
                Event::Lost(relay)
            }
            // Its connection is being closed.
            RelayInput::Received(relay, _) if !self.connections.contains_key(&relay) => return None,
            RelayInput::Received(relay, message) => {
                let host = Host::Standalone(relay);
                match message {
                    FromNode::Load { calls, legs, draining } => Event::Heartbeat { relay, calls, legs, draining },
                    FromNode::LegAdded { leg, answer, refused } => {
                        let answer = answer.ok_or_else(|| refused.unwrap_or_default());
                        Event::Answered { host, leg: LegId(leg), answer }
                    }
                    FromNode::LegGone { leg } => Event::Gone { host, leg: LegId(leg) },
                    FromNode::LegConnected { leg } => Event::Connected { host, leg: LegId(leg) },
                    FromNode::Hello { .. } => return None,
                }
            }
        })
    }

    /// Carries out a decision. Returns the event that results from it, if any.
    async fn carry_out(&mut self, decision: Decision) -> Option<Event> {
        match decision {
            Decision::OpenCall { host: Host::Embedded, call, log_index } => {
                if let Err(error) = self.relay.open_call(OpenedCall { call, log_index }).await {
                    tracing::error!(%call, %error, "call not opened on the embedded relay: it has no media; restart the server if this repeats");
                }
                None
            }
            Decision::OpenCall { host: Host::Standalone(relay), call, log_index } => {
                self.open_at(relay, call, log_index).await
            }
            Decision::CloseCall { host: Host::Embedded, call } => {
                // The relay ends only when the server stops.
                let _ = self.relay.close_call(call).await;
                None
            }
            Decision::CloseCall { host: Host::Standalone(relay), call } => self.send(relay, ToNode::CloseCall { call }),
            Decision::AddLeg { host: Host::Embedded, call, leg, offer } => {
                let answer = self.relay.add_leg(call, leg, offer).await.map_err(|error| error.to_string());
                Some(Event::Answered { host: Host::Embedded, leg, answer })
            }
            Decision::AddLeg { host: Host::Standalone(relay), call, leg, offer } => {
                self.send(relay, ToNode::AddLeg { call, leg: leg.0, offer })
            }
            Decision::RemoveLeg { host: Host::Embedded, leg } => {
                let _ = self.relay.remove_leg(leg).await;
                None
            }
            Decision::RemoveLeg { host: Host::Standalone(relay), leg } => {
                self.send(relay, ToNode::RemoveLeg { leg: leg.0 })
            }
            Decision::Answer { call, device, session, answer } => {
                self.hub.send(Input::LegAdded(call, device, session, answer)).await;
                None
            }
            Decision::LegLost(call, device) => {
                self.hub.send(Input::LegLost(call, device)).await;
                None
            }
            Decision::Evict(relay) => {
                self.connections.remove(&relay);
                None
            }
            Decision::Report(report) => {
                log(report);
                None
            }
        }
    }

    /// A standalone relay verifies the proof of the log entry before it opens a call.
    async fn open_at(&mut self, relay: RelayId, call: CallId, log_index: u64) -> Option<Event> {
        let prover = self.prover.clone();
        match tokio::task::spawn_blocking(move || prover.prove(log_index)).await {
            Ok(Ok(opened)) => self.send(relay, ToNode::OpenCall { call, opened: Box::new(opened) }),
            _ => {
                tracing::error!(%call, log_index, "call not opened on a standalone relay: its log entry cannot be read; check the log's disk");
                None
            }
        }
    }

    /// Never waits. A relay whose send queue is full is disconnected: its calls fail over.
    fn send(&mut self, relay: RelayId, message: ToNode) -> Option<Event> {
        let connection = self.connections.get(&relay)?;
        if connection.try_send(message).is_ok() {
            return None;
        }
        tracing::warn!(relay = relay.0, "closing the connection of a standalone relay: its send queue is full");
        self.connections.remove(&relay);
        Some(Event::Lost(relay))
    }

    fn publish_counts(&self) {
        let Counts { relays, moved, unreachable } = self.placement.counts();
        self.numbers.relays.store(relays, Ordering::Relaxed);
        self.numbers.moved.store(moved, Ordering::Relaxed);
        self.numbers.unreachable.store(unreachable, Ordering::Relaxed);
    }
}

fn log(report: Report) {
    match report {
        Report::Registered { relay, duplicate } => {
            tracing::info!(relay, "relay registered");
            if duplicate {
                tracing::warn!(
                    relay,
                    "another relay is registered with this address, and devices reach at most one of them: set --media-addr"
                );
            }
        }
        Report::Lost { relay, calls, drained: true } => tracing::info!(relay, calls, "relay drained and stopped"),
        Report::Lost { relay, calls, drained: false } => {
            tracing::warn!(relay, calls, "relay lost: its calls fail over");
        }
        Report::Draining { relay, calls } => tracing::info!(relay, calls, "relay drains: its calls fail over"),
        Report::Unresponsive { relay } => {
            tracing::warn!(relay, "relay evicted: it does not answer offers, and its calls fail over; restart it");
        }
        Report::Unreachable { relay, call, quarantined } => {
            tracing::warn!(
                relay,
                %call,
                quarantined,
                "devices cannot reach a relay, and their call fails over: check its --media-addr, and that its port is open \
                 for UDP and TCP"
            );
        }
        Report::Refused { relay, call, why } => {
            tracing::warn!(relay, %call, ?why, "relay refused a leg: its call fails over");
        }
        Report::LegGone { relay, call } => tracing::info!(relay, %call, "leg lost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{archive::LogWriter, hub};
    use telcon_log::LogSigner;
    use telcon_proto::OfficeName;
    use telcon_relay::RelayConfig;

    #[tokio::test]
    async fn a_relay_that_does_not_read_is_disconnected_and_its_calls_fail_over() {
        let at = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (relay, _task) = telcon_relay::net::start(at, RelayConfig::new(vec![at])).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let signer = LogSigner::from_seed(&[1; 32], "office.example/log").unwrap();
        let log =
            LogWriter::open(&dir.path().join("log"), signer, OfficeName::parse("office.example").unwrap(), 1).unwrap();
        let (hub, _inputs) = hub::channel();
        let media = Media {
            placement: Placement::new(0),
            numbers: Arc::default(),
            relay,
            hub,
            prover: log.prover(),
            connections: HashMap::new(),
            started: Instant::now(),
        };
        let mut media = media;
        let (to, mut read) = mpsc::channel(1);
        let registered =
            RelayInput::Registered { relay: RelayId(1), to, max_calls: 10, address: ([127, 0, 0, 1], 9).into() };
        let event = media.received(registered).unwrap();
        media.placement.handle(event, 0);
        assert_eq!(media.send(RelayId(1), ToNode::RemoveLeg { leg: 1 }), None);
        assert_eq!(media.send(RelayId(1), ToNode::RemoveLeg { leg: 2 }), Some(Event::Lost(RelayId(1))));
        assert!(read.recv().await.is_some() && read.recv().await.is_none(), "its connection ends");
        assert!(media.received(RelayInput::Received(RelayId(1), FromNode::LegGone { leg: 1 })).is_none());
    }
}
