//! A standalone relay (`telcon relay`): it registers with its switchboard, opens the calls whose log entry is proven to it, and
//! keeps forwarding while the switchboard is not connected.

use crate::web::ConnectionLimits;
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
    node::{FromNode, NODE_BEAT_MS, NODE_VERSION, ToNode},
};
use telcon_relay::{
    LegId, OpenedCall, RelayConfig, RelayEvent, RelayStats,
    driver::{RelayHandle, Stopped},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

/// After the switchboard reconnected, how long it may take to open a call again before the call is closed here.
const REOPEN_WITHIN: Duration = Duration::from_secs(60);
/// Replies that may wait for a slow connection.
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
    /// The connection is lost: reconnect.
    Disconnected,
    /// It was to drain, and its last call has moved or is over.
    Drained,
    /// The relay's task has ended.
    Stopped,
}

impl From<Stopped> for SessionEnd {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Drains a relay, and reads its state.
#[derive(Clone)]
pub struct NodeHandle {
    relay: RelayHandle,
    address: SocketAddr,
    draining: Arc<AtomicBool>,
    registered: Arc<AtomicBool>,
}

impl NodeHandle {
    /// The address that devices are told.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is registered with its switchboard now.
    pub fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Relaxed)
    }

    /// No new calls from now on. Those that it has fail over, and then it is drained.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it drains.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Its counters.
    ///
    /// # Errors
    /// When the relay's task has ended.
    pub async fn stats(&self) -> Result<RelayStats, Stopped> {
        self.relay.stats().await
    }

    /// Its counters for Prometheus.
    ///
    /// # Errors
    /// When the relay's task has ended.
    pub async fn metrics(&self) -> Result<String, Stopped> {
        Ok(crate::web::relay_metrics(&self.stats().await?, self.is_registered(), self.is_draining()))
    }
}

impl RelayNode {
    /// Starts the relay at `media`; devices are told `media_addrs`, or `media` if there are none. `office` is the office whose
    /// log proofs it verifies.
    ///
    /// # Errors
    /// When the socket cannot be bound or no address is one that devices can send to.
    pub async fn start(
        office: Office,
        media: SocketAddr,
        media_addrs: Vec<SocketAddr>,
    ) -> io::Result<(Self, NodeHandle, JoinHandle<io::Result<()>>)> {
        let told = if media_addrs.is_empty() { vec![media] } else { media_addrs };
        let address = told[0];
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let config = RelayConfig { workers, ..RelayConfig::new(told) };
        let max_calls = config.max_calls;
        let (relay, task) = telcon_relay::driver::start(media, config).await?;
        let (draining, registered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let handle =
            NodeHandle { relay: relay.clone(), address, draining: draining.clone(), registered: registered.clone() };
        Ok((Self { relay, office, max_calls, address, draining, registered, calls: HashSet::new() }, handle, task))
    }

    /// One session with the switchboard, over one connection: its messages arrive through `incoming`, ours leave through
    /// `outgoing`. Calls of an earlier session stay, and are closed if the switchboard does not open them again within a
    /// minute.
    pub async fn serve(
        &mut self,
        incoming: &mut mpsc::Receiver<ToNode>,
        outgoing: &mpsc::Sender<FromNode>,
    ) -> SessionEnd {
        self.registered.store(true, Ordering::Relaxed);
        let end = self.run_session(incoming, outgoing).await;
        self.registered.store(false, Ordering::Relaxed);
        end
    }

    async fn run_session(
        &mut self,
        incoming: &mut mpsc::Receiver<ToNode>,
        outgoing: &mpsc::Sender<FromNode>,
    ) -> SessionEnd {
        let mut events = self.relay.events();
        let mut heartbeat = interval(Duration::from_millis(NODE_BEAT_MS));
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut not_reopened = self.calls.clone();
        let close_at = Instant::now() + REOPEN_WITHIN;
        let (max_calls, address) = (self.max_calls as u64, self.address);
        let hello = FromNode::Hello { version: NODE_VERSION, max_calls, address };
        if outgoing.send(hello).await.is_err() {
            return SessionEnd::Disconnected;
        }
        let (replies, mut replied) = mpsc::channel(REPLY_QUEUE);
        loop {
            let message = tokio::select! {
                command = incoming.recv() => match command {
                    Some(command) => match self.handle_command(command, &mut not_reopened, &replies).await {
                        Ok(()) => continue,
                        Err(end) => return end,
                    },
                    None => return SessionEnd::Disconnected,
                },
                Some(reply) = replied.recv() => reply,
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
                        // Its calls have failed over when the last device has its leg elsewhere.
                        if draining && stats.legs == 0 {
                            let _ = outgoing.send(load).await;
                            return SessionEnd::Drained;
                        }
                        load
                    }
                    Err(stopped) => return stopped.into(),
                },
                () = sleep_until(close_at), if !not_reopened.is_empty() => {
                    for call in std::mem::take(&mut not_reopened) {
                        self.calls.remove(&call);
                        if let Err(stopped) = self.relay.close_call(call).await {
                            return stopped.into();
                        }
                    }
                    continue;
                }
            };
            if outgoing.send(message).await.is_err() {
                return SessionEnd::Disconnected;
            }
        }
    }

    async fn handle_command(
        &mut self,
        command: ToNode,
        not_reopened: &mut HashSet<CallId>,
        replies: &mpsc::Sender<FromNode>,
    ) -> Result<(), SessionEnd> {
        match command {
            ToNode::OpenCall { call, opened } => {
                let Some(log_index) = self.verified_opening(call, &opened) else {
                    tracing::error!(%call, "call not opened: the proof of its log entry does not hold; check the server's log");
                    return Ok(());
                };
                not_reopened.remove(&call);
                match self.relay.open_call(OpenedCall { call, log_index }).await {
                    Ok(()) => drop(self.calls.insert(call)),
                    Err(telcon_relay::driver::HandleError::Stopped(stopped)) => return Err(stopped.into()),
                    Err(error) => tracing::error!(%call, %error, "call not opened"),
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
                // Full only if the connection takes nothing; it then times out.
                let _ = replies.try_send(FromNode::LegAdded { leg, answer, refused });
            }
            ToNode::RemoveLeg { leg } => drop(self.relay.remove_leg(LegId(leg)).await?),
        }
        Ok(())
    }

    /// The log index of a call's opening, if the proof of it holds.
    fn verified_opening(&self, call: CallId, opened: &Logged) -> Option<u64> {
        let entry = self.office.verify_logged(opened).ok()?;
        let opens = matches!(entry.entry(), Some(Entry::CallOpened { call: about, .. }) if *about == call);
        opens.then_some(opened.index)
    }
}

/// Serves `/metrics` and `/healthz` of a standalone relay, until the task is dropped.
pub async fn serve_metrics(listener: TcpListener, handle: NodeHandle) -> io::Result<()> {
    let health = |State(handle): State<NodeHandle>| async move {
        match handle.stats().await {
            Ok(stats) => {
                let (calls, legs) = (stats.calls, stats.legs);
                let (status, how) = match (handle.is_draining(), handle.is_registered()) {
                    (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
                    (_, false) => (StatusCode::SERVICE_UNAVAILABLE, "not registered with the office's server"),
                    _ => (StatusCode::OK, "ok"),
                };
                (status, format!("{how}: {calls} calls, {legs} legs\n"))
            }
            Err(Stopped) => (StatusCode::SERVICE_UNAVAILABLE, "the relay has stopped\n".to_owned()),
        }
    };
    let metrics = |State(handle): State<NodeHandle>| async move {
        let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
        (kind, handle.metrics().await.unwrap_or_default())
    };
    let router = Router::new().route("/healthz", get(health)).route("/metrics", get(metrics)).with_state(handle);
    let (_stays, stopped) = oneshot::channel();
    crate::web::serve(listener, router, ConnectionLimits::default(), stopped).await
}
