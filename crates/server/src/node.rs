//! A relay in a process of its own: it registers with its switchboard, opens the calls that it is shown to be in the log, and
//! goes on forwarding while the switchboard is away.

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

/// How long calls stay that the switchboard does not name again after it was away.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// Events that a slow connection may leave unread.
const WAITING: usize = 1024;

/// A relay of its own.
pub struct RelayNode {
    relay: RelayHandle,
    office: Office,
    max_calls: usize,
    address: SocketAddr,
    draining: Arc<AtomicBool>,
    registered: Arc<AtomicBool>,
    calls: HashSet<CallId>,
}

/// Why a conversation with the switchboard ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// The connection is lost: connect again.
    Connection,
    /// It was to stop, and its last call has moved or is over.
    Drained,
    /// The relay's own task has ended.
    Stopped,
}

impl From<Stopped> for Left {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Asks a relay to stop, and looks at it.
#[derive(Clone)]
pub struct NodeHandle {
    relay: RelayHandle,
    address: SocketAddr,
    draining: Arc<AtomicBool>,
    registered: Arc<AtomicBool>,
}

impl NodeHandle {
    /// Where devices are told that it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether its switchboard knows it now.
    pub fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Relaxed)
    }

    /// No new calls from now on; those that it has are moved, and then it is drained.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
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
    /// Starts the relay at `media`; devices are told `media_addrs`, or `media` if there are none. `office` is whose log it
    /// believes.
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

    /// Talks with the switchboard over one connection: `heard` is what it says, `say` takes what is said to it. Calls that
    /// it has from before stay, and are forgotten if the switchboard does not open them again within a minute.
    pub async fn converse(&mut self, heard: &mut mpsc::Receiver<ToNode>, say: &mpsc::Sender<FromNode>) -> Left {
        self.registered.store(true, Ordering::Relaxed);
        let left = self.talk(heard, say).await;
        self.registered.store(false, Ordering::Relaxed);
        left
    }

    async fn talk(&mut self, heard: &mut mpsc::Receiver<ToNode>, say: &mpsc::Sender<FromNode>) -> Left {
        let mut events = self.relay.events();
        let mut beat = interval(Duration::from_millis(NODE_BEAT_MS));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unnamed = self.calls.clone();
        let forget_at = Instant::now() + FORGOTTEN_AFTER;
        let (max_calls, address) = (self.max_calls as u64, self.address);
        let hello = FromNode::Hello { version: NODE_VERSION, max_calls, address };
        if say.send(hello).await.is_err() {
            return Left::Connection;
        }
        let (replies, mut answered) = mpsc::channel(WAITING);
        loop {
            let said = tokio::select! {
                message = heard.recv() => match message {
                    Some(message) => match self.obey(message, &mut unnamed, &replies).await {
                        Ok(()) => continue,
                        Err(left) => return left,
                    },
                    None => return Left::Connection,
                },
                Some(reply) = answered.recv() => reply,
                event = events.recv() => match event {
                    Ok(RelayEvent::LegGone { leg, .. }) => FromNode::LegGone { leg: leg.0 },
                    Ok(RelayEvent::LegConnected { leg, .. }) => FromNode::LegConnected { leg: leg.0 },
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return Left::Stopped,
                    _ => continue,
                },
                _ = beat.tick() => match self.relay.stats().await {
                    Ok(stats) => {
                        let draining = self.draining.load(Ordering::Relaxed);
                        let load = FromNode::Load { calls: stats.calls, legs: stats.legs, draining };
                        // Its calls have moved when the last device has its leg elsewhere.
                        if draining && stats.legs == 0 {
                            let _ = say.send(load).await;
                            return Left::Drained;
                        }
                        load
                    }
                    Err(stopped) => return stopped.into(),
                },
                () = sleep_until(forget_at), if !unnamed.is_empty() => {
                    for call in std::mem::take(&mut unnamed) {
                        self.calls.remove(&call);
                        if let Err(stopped) = self.relay.close_call(call).await {
                            return stopped.into();
                        }
                    }
                    continue;
                }
            };
            if say.send(said).await.is_err() {
                return Left::Connection;
            }
        }
    }

    async fn obey(
        &mut self,
        message: ToNode,
        unnamed: &mut HashSet<CallId>,
        replies: &mpsc::Sender<FromNode>,
    ) -> Result<(), Left> {
        match message {
            ToNode::OpenCall { call, opened } => {
                let Some(log_index) = self.in_the_log(call, &opened) else {
                    tracing::error!(%call, "the switchboard named a call whose opening is not in the log; it stays closed");
                    return Ok(());
                };
                unnamed.remove(&call);
                match self.relay.open_call(OpenedCall { call, log_index }).await {
                    Ok(()) => drop(self.calls.insert(call)),
                    Err(telcon_relay::driver::HandleError::Stopped(stopped)) => return Err(stopped.into()),
                    Err(error) => tracing::error!(%call, %error, "a call was not opened"),
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
                // Full only when the connection is stuck, which then ends.
                let _ = replies.try_send(FromNode::LegAdded { leg, answer, refused });
            }
            ToNode::RemoveLeg { leg } => drop(self.relay.remove_leg(LegId(leg)).await?),
        }
        Ok(())
    }

    /// The log index of a call's opening, if the proof of it holds.
    fn in_the_log(&self, call: CallId, opened: &Logged) -> Option<u64> {
        let entry = self.office.verify_logged(opened).ok()?;
        let opens = matches!(entry.entry(), Some(Entry::CallOpened { call: about, .. }) if *about == call);
        opens.then_some(opened.index)
    }
}

/// Serves `/metrics` and `/healthz` of a relay of its own, until the task is dropped.
pub async fn serve_numbers(listener: TcpListener, handle: NodeHandle) -> io::Result<()> {
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
