//! A standalone relay: registers with its switchboard, opens calls that are proved to be in the log, and continues to
//! forward while the switchboard is unreachable.

use crate::web::{ConnectionLimits, TrustedProxies};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    routing::get,
};
use std::{
    collections::HashSet,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use telcon_identity::Office;
use telcon_proto::entry::Entry;
use telcon_proto::{
    CallId,
    message::Logged,
    node::{FromNode, NODE_HEARTBEAT_INTERVAL_MS, NODE_VERSION, ToNode},
};
use telcon_relay::{
    LegId, OpenedCall, RelayConfig, RelayEvent, RelayStats,
    net::{RelayHandle, Stopped},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

/// How long a call is kept after a reconnect if the switchboard does not open it again.
const UNCONFIRMED_CALL_TTL: Duration = Duration::from_secs(60);
/// Replies queued for a slow connection.
const REPLY_QUEUE: usize = 1024;

/// A standalone relay.
pub struct RelayNode {
    relay: RelayHandle,
    office: Office,
    max_calls: usize,
    address: SocketAddr,
    draining: Arc<AtomicBool>,
    registered: Arc<AtomicBool>,
    calls: HashSet<CallId>,
}

/// Why a session with the switchboard ended.
#[derive(Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The connection was lost: reconnect.
    ConnectionLost,
    /// The relay was drained: its last call has been moved or has ended.
    Drained,
    /// The relay's workers have ended.
    Stopped,
}

impl From<Stopped> for SessionEnd {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Drains a standalone relay and reads its state.
#[derive(Clone)]
pub struct NodeHandle {
    relay: RelayHandle,
    address: SocketAddr,
    draining: Arc<AtomicBool>,
    registered: Arc<AtomicBool>,
}

impl NodeHandle {
    /// The address that devices use.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is registered with its switchboard.
    pub fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Relaxed)
    }

    /// Starts draining: no new calls, and existing calls are moved.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it is draining.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Its counters.
    ///
    /// # Errors
    /// When the relay's workers have ended.
    pub async fn stats(&self) -> Result<RelayStats, Stopped> {
        self.relay.stats().await
    }

    /// Its counters in the Prometheus text format.
    ///
    /// # Errors
    /// When the relay's workers have ended.
    pub async fn metrics(&self) -> Result<String, Stopped> {
        Ok(crate::web::relay_metrics(&self.stats().await?, self.is_registered(), self.is_draining()))
    }
}

impl RelayNode {
    /// Starts the relay at `media`. Devices get the addresses `media_addrs`, or `media` if there are none. `office` verifies
    /// log proofs.
    ///
    /// # Errors
    /// When the socket cannot be bound, or no address is one that devices can send to.
    pub async fn start(
        office: Office,
        media: SocketAddr,
        media_addrs: Vec<SocketAddr>,
    ) -> io::Result<(Self, NodeHandle, JoinHandle<io::Result<()>>)> {
        let candidates = if media_addrs.is_empty() { vec![media] } else { media_addrs };
        let address = candidates[0];
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let config = RelayConfig { workers, ..RelayConfig::new(candidates) };
        let max_calls = config.max_calls;
        let (relay, task) = telcon_relay::net::start(media, config).await?;
        let (draining, registered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let handle =
            NodeHandle { relay: relay.clone(), address, draining: draining.clone(), registered: registered.clone() };
        Ok((Self { relay, office, max_calls, address, draining, registered, calls: HashSet::new() }, handle, task))
    }

    /// Runs one connection to the switchboard: receives from `incoming` and sends to `outgoing`. Calls of an earlier
    /// connection are kept, and closed if the switchboard does not open them again within a minute.
    pub async fn run_session(
        &mut self,
        incoming: &mut mpsc::Receiver<ToNode>,
        outgoing: &mpsc::Sender<FromNode>,
    ) -> SessionEnd {
        self.registered.store(true, Ordering::Relaxed);
        let end = self.exchange(incoming, outgoing).await;
        self.registered.store(false, Ordering::Relaxed);
        end
    }

    async fn exchange(
        &mut self,
        incoming: &mut mpsc::Receiver<ToNode>,
        outgoing: &mpsc::Sender<FromNode>,
    ) -> SessionEnd {
        let mut events = self.relay.events();
        let mut heartbeat = interval(Duration::from_millis(NODE_HEARTBEAT_INTERVAL_MS));
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unconfirmed = self.calls.clone();
        let close_unconfirmed_at = Instant::now() + UNCONFIRMED_CALL_TTL;
        let (max_calls, address) = (self.max_calls as u64, self.address);
        let hello = FromNode::Hello { version: NODE_VERSION, max_calls, address };
        if outgoing.send(hello).await.is_err() {
            return SessionEnd::ConnectionLost;
        }
        let (replies, mut reply_queue) = mpsc::channel(REPLY_QUEUE);
        loop {
            let message = tokio::select! {
                command = incoming.recv() => match command {
                    Some(command) => match self.handle_command(command, &mut unconfirmed, &replies).await {
                        Ok(()) => continue,
                        Err(end) => return end,
                    },
                    None => return SessionEnd::ConnectionLost,
                },
                Some(reply) = reply_queue.recv() => reply,
                event = events.recv() => match event {
                    Ok(RelayEvent::LegGone { leg, .. }) => FromNode::LegGone { leg: leg.0 },
                    Ok(RelayEvent::LegConnected { leg, .. }) => FromNode::LegConnected { leg: leg.0 },
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return SessionEnd::Stopped,
                    _ => continue,
                },
                _ = heartbeat.tick() => match self.relay.stats().await {
                    Ok(stats) => {
                        let draining = self.draining.load(Ordering::Relaxed);
                        let load = FromNode::Load { calls: stats.calls, legs: stats.legs, draining };
                        // All calls have been moved when the last device has its leg elsewhere.
                        if draining && stats.legs == 0 {
                            let _ = outgoing.send(load).await;
                            return SessionEnd::Drained;
                        }
                        load
                    }
                    Err(stopped) => return stopped.into(),
                },
                () = sleep_until(close_unconfirmed_at), if !unconfirmed.is_empty() => {
                    for call in std::mem::take(&mut unconfirmed) {
                        self.calls.remove(&call);
                        if let Err(stopped) = self.relay.close_call(call).await {
                            return stopped.into();
                        }
                    }
                    continue;
                }
            };
            if outgoing.send(message).await.is_err() {
                return SessionEnd::ConnectionLost;
            }
        }
    }

    async fn handle_command(
        &mut self,
        command: ToNode,
        unconfirmed: &mut HashSet<CallId>,
        replies: &mpsc::Sender<FromNode>,
    ) -> Result<(), SessionEnd> {
        match command {
            ToNode::OpenCall { call, opened } => {
                let Some(log_index) = self.verify_opened(call, &opened) else {
                    tracing::error!(%call, "call refused: no valid log proof of its opening; check the switchboard's log and key");
                    return Ok(());
                };
                unconfirmed.remove(&call);
                match self.relay.open_call(OpenedCall { call, log_index }).await {
                    Ok(()) => drop(self.calls.insert(call)),
                    Err(telcon_relay::net::HandleError::Stopped(stopped)) => return Err(stopped.into()),
                    Err(error) => tracing::error!(%call, %error, "call not opened on this relay"),
                }
            }
            ToNode::CloseCall { call } => {
                self.calls.remove(&call);
                self.relay.close_call(call).await?;
            }
            ToNode::AddLeg { call, leg, offer } => {
                let answer = self.relay.add_leg(call, LegId(leg), offer).await;
                let (answer, refused) = match answer {
                    Ok(answer) => (Some(answer), None),
                    Err(error) => (None, Some(error.to_string())),
                };
                // Fails only if the connection is stuck, which the heartbeat ends.
                let _ = replies.try_send(FromNode::LegAdded { leg, answer, refused });
            }
            ToNode::RemoveLeg { leg } => drop(self.relay.remove_leg(LegId(leg)).await?),
        }
        Ok(())
    }

    /// The log index of a call's opening, if its proof is valid.
    fn verify_opened(&self, call: CallId, opened: &Logged) -> Option<u64> {
        let entry = self.office.verify_logged(opened).ok()?;
        let matches = matches!(entry.entry(), Some(Entry::CallOpened { call: subject, .. }) if *subject == call);
        matches.then_some(opened.index)
    }
}

/// Serves `/metrics` and `/healthz` of a standalone relay until the task is dropped.
pub async fn serve_metrics(listener: TcpListener, handle: NodeHandle) -> io::Result<()> {
    let health = |State(handle): State<NodeHandle>| async move {
        match handle.stats().await {
            Ok(stats) => {
                let (calls, legs) = (stats.calls, stats.legs);
                let (status, state) = match (handle.is_draining(), handle.is_registered()) {
                    (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
                    (_, false) => (StatusCode::SERVICE_UNAVAILABLE, "not registered with the office's server"),
                    _ => (StatusCode::OK, "ok"),
                };
                (status, format!("{state}: {calls} calls, {legs} legs\n"))
            }
            Err(Stopped) => (StatusCode::SERVICE_UNAVAILABLE, "the relay has stopped\n".to_owned()),
        }
    };
    let metrics = |State(handle): State<NodeHandle>| async move {
        let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
        (kind, handle.metrics().await.unwrap_or_default())
    };
    let router = Router::new().route("/healthz", get(health)).route("/metrics", get(metrics)).with_state(handle);
    let (_never_stops, stopped) = oneshot::channel();
    let proxies = TrustedProxies::new(Vec::new());
    crate::web::serve(listener, router, ConnectionLimits::default(), proxies, stopped).await
}
