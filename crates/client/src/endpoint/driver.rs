//! The endpoint's task: WebSocket, media leg, ticks, and the engine's outputs.

use super::{
    MediaSink, Request, Stats,
    auto_join::{AutoJoin, JoinAction},
    clock::{CallClock, media_ticks},
    media::Media,
};
use crate::{
    audio::opus::OpusError,
    error::ClientError,
    http::{get_json, post_json},
    socket::{self, Socket},
    transport::{
        LegError, ReceivedPacket,
        driver::{FindTurnServer, LegDriver, LegEvent},
        turn::TurnServer,
    },
};
use futures_util::{SinkExt as _, StreamExt as _};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};
use telcon_core::{
    Engine, Event, Output, UserCommand,
    peer_log::{ForkFinding, LogFork},
    view::{CallState, Direction, View},
};
use telcon_proto::{
    http::{API_PREFIX, ErasureNoted, ErasureReport, IceServers},
    limits::MAX_MESSAGE_BYTES,
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

/// Initial reconnect backoff, doubled after each failure up to [`MAX_BACKOFF`].
const MIN_BACKOFF: Duration = Duration::from_millis(100);
/// Longest reconnect backoff: a server restart takes seconds, and calls wait for it.
const MAX_BACKOFF: Duration = Duration::from_secs(2);
/// Timeout for connecting to the office.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout for sending a message. Media stalls meanwhile.
const SEND_TIMEOUT: Duration = Duration::from_secs(3);
/// Delay before a new leg is offered after its answer was rejected.
const LEG_RETRY_DELAY: Duration = Duration::from_secs(1);
/// Interval at which note-takers reconsider which call to join.
const AUTO_JOIN_INTERVAL: Duration = Duration::from_millis(500);

/// How a driver runs.
pub(super) struct Options {
    pub(super) server: String,
    pub(super) auto_answer: bool,
    /// Carries out assignments to calls; none if calls are joined only on command.
    pub(super) auto_join: Option<AutoJoin>,
}

/// The connection was lost, or must be closed.
struct Disconnected;

/// The endpoint ends, because its handle was dropped.
struct Stopped;

pub(super) struct Driver {
    options: Options,
    engine: Engine,
    sink: Box<dyn MediaSink>,
    persist: Box<dyn Fn(&str) + Send>,
    /// The device was ordered to erase itself, and did: nothing is persisted any more.
    erased: bool,
    /// The office was told, or could not be.
    reported: bool,
    view: watch::Sender<View>,
    stats: watch::Sender<Stats>,
    media: Media,
    clock: CallClock,
    leg: Option<(LegDriver, mpsc::Receiver<LegEvent>)>,
    /// When to report the failure of a leg whose answer was rejected.
    leg_retry_at: Option<Instant>,
    /// The local address of the connection to the office, from which the media leg starts.
    local: IpAddr,
    /// The office's address.
    office: Option<SocketAddr>,
    /// The last logged connection problem.
    logged_problem: Option<String>,
    /// The problem that another attempt cannot mend, while no connection has worked yet.
    problem: watch::Sender<Option<String>>,
    has_worked: bool,
    auto_joined_at: Instant,
}

/// Between half of `backoff` and all of it, so that after a restart of the server its devices do not all reconnect at the same
/// moment.
fn jittered(backoff: Duration) -> Duration {
    let mut random = [0; 4];
    // If the system has no randomness, connecting fails too, with an error that says so.
    let _ = getrandom::fill(&mut random);
    backoff.mul_f64(0.5 + f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX) / 2.0)
}

/// Logs both signed checkpoints of a fork of the office's log: the log of a program outlives its device file. Two roots prove the
/// fork; a missing proof does not, because a failing server does not give it either.
fn log_fork(LogFork { how, call, device, own, other, .. }: &LogFork) {
    match how {
        ForkFinding::RootsDiffer => tracing::error!(
            ?how, %call, %device, ?own, ?other,
            "the office's log has two versions: give both signed checkpoints to the security officer"
        ),
        ForkFinding::ProofRefused | ForkFinding::ProofOverdue => tracing::warn!(
            ?how, %call, %device, ?own, ?other,
            "the server does not prove that the office's log has one version: restore the log's storage if it fails; otherwise give \
             both signed checkpoints to the security officer"
        ),
    }
}

/// Tells the office that this device erased itself. Without an answer the office shows that nothing came.
async fn report_erasure(server: &str, report: String) {
    let url = format!("{server}{API_PREFIX}/erasures");
    let told = tokio::task::spawn_blocking(move || {
        let body = serde_json::to_vec(&ErasureReport { jws: report }).unwrap_or_default();
        post_json::<ErasureNoted>(&url, None, &body)
    });
    if !matches!(tokio::time::timeout(SEND_TIMEOUT, told).await, Ok(Ok(Ok(_)))) {
        tracing::warn!("the office was not told that this device erased its keys; they are erased");
    }
}

impl Driver {
    pub(super) fn new(
        options: Options,
        engine: Engine,
        sink: Box<dyn MediaSink>,
        persist: Box<dyn Fn(&str) + Send>,
        view: watch::Sender<View>,
        stats: watch::Sender<Stats>,
        problem: watch::Sender<Option<String>>,
    ) -> Result<Self, OpusError> {
        Ok(Self {
            options,
            engine,
            sink,
            persist,
            erased: false,
            reported: false,
            view,
            stats,
            media: Media::new()?,
            clock: CallClock::new(),
            leg: None,
            leg_retry_at: None,
            local: IpAddr::V4(Ipv4Addr::LOCALHOST),
            office: None,
            logged_problem: None,
            problem,
            has_worked: false,
            auto_joined_at: Instant::now(),
        })
    }

    /// Runs until the endpoint's handle is dropped.
    pub(super) async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let _: Result<(), Stopped> = self.connect_repeatedly(&mut requests).await;
        let now = self.clock.now_ms();
        self.sink.on_stop(now);
    }

    async fn connect_repeatedly(&mut self, requests: &mut mpsc::UnboundedReceiver<Request>) -> Result<(), Stopped> {
        let mut backoff = MIN_BACKOFF;
        loop {
            let server = self.options.server.clone();
            let connecting = async move {
                let expired = |_| ClientError::TimedOut(CONNECT_TIMEOUT);
                let connecting = socket::connect(&server, "/ws", None, MAX_MESSAGE_BYTES);
                timeout(CONNECT_TIMEOUT, connecting).await.map_err(expired)?
            };
            match self.run_offline(requests, connecting).await? {
                Ok(mut socket) => {
                    (self.local, self.office) = socket::addresses(&socket);
                    let now = self.now();
                    self.engine.connected(now);
                    if let Err(Stopped) = self.run_connected(&mut socket, requests).await {
                        let _ = socket.close(None).await;
                        return Err(Stopped);
                    }
                    if self.engine.view().token.is_some() {
                        // A connection that worked is retried without backoff.
                        backoff = MIN_BACKOFF;
                        self.has_worked = true;
                    }
                    self.log_disconnection();
                    let now = self.now();
                    self.engine.disconnected(now);
                }
                Err(error) => {
                    self.log_problem(format!("cannot connect to the office: {error}"));
                    self.report_problem(error.needs_a_person());
                }
            }
            self.run_offline(requests, sleep(jittered(backoff))).await?;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    /// Runs without a connection until `wait` is ready. Media continues: the relay may be reachable, and the call resumes with
    /// the same keys.
    async fn run_offline<T>(
        &mut self,
        requests: &mut mpsc::UnboundedReceiver<Request>,
        wait: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        tokio::pin!(wait);
        let mut ticks = media_ticks();
        loop {
            // Without a socket nothing is sent, so that nothing can fail.
            let _ = self.handle_outputs(None).await;
            tokio::select! {
                ready = &mut wait => return Ok(ready),
                _ = ticks.tick() => self.tick(),
                event = next_leg_event(&mut self.leg) => self.handle_leg_event(event),
                request = requests.recv() => self.handle_request(request.ok_or(Stopped)?),
            }
        }
    }

    /// Runs a connection until it is lost.
    async fn run_connected(
        &mut self,
        socket: &mut Socket,
        requests: &mut mpsc::UnboundedReceiver<Request>,
    ) -> Result<(), Stopped> {
        let mut ticks = media_ticks();
        loop {
            if let Err(Disconnected) = self.handle_outputs(Some(socket)).await {
                return Ok(());
            }
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let now = self.now();
                        self.engine.handle_text(now, text.as_str());
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                    Some(Ok(_)) => {}
                },
                _ = ticks.tick() => self.tick(),
                event = next_leg_event(&mut self.leg) => self.handle_leg_event(event),
                request = requests.recv() => self.handle_request(request.ok_or(Stopped)?),
            }
        }
    }

    /// Logs why the connection ended, before the engine forgets it.
    fn log_disconnection(&mut self) {
        let view = self.engine.view();
        if view.token.is_some() {
            self.logged_problem = None;
            tracing::warn!(server = %self.options.server, "connection to the office lost; reconnecting");
        } else {
            let reason = view.alerts.first().map(|alert| format!(": {}", alert.text)).unwrap_or_default();
            let refused = format!("the office refused to sign this device in{reason}");
            self.log_problem(refused.clone());
            self.report_problem(Some(refused).filter(|_| !reason.is_empty()));
        }
    }

    /// Reports a problem that another attempt cannot mend, unless a connection has worked: then it is the server's, and passes.
    fn report_problem(&self, problem: Option<String>) {
        if !self.has_worked && problem.is_some() {
            let _ = self.problem.send(problem);
        }
    }

    /// Logs a connection problem, once while it stays the same.
    fn log_problem(&mut self, problem: String) {
        if self.logged_problem.as_ref() != Some(&problem) {
            tracing::warn!(server = %self.options.server, "{problem}; retrying until it succeeds");
            self.logged_problem = Some(problem);
        }
    }

    /// The time of the next engine input.
    fn now(&mut self) -> u64 {
        let in_call = self.engine.in_call();
        self.clock.advance(in_call, |step_ms| self.engine.tick(step_ms))
    }

    fn command(&mut self, command: UserCommand) {
        let now = self.now();
        self.engine.command(now, command);
    }

    fn handle_request(&mut self, request: Request) {
        match request {
            Request::Command(command) => {
                match &command {
                    UserCommand::Ring { .. } => self.media.ring_requested = Some(Instant::now()),
                    UserCommand::Answer { .. } => self.media.answered = Some(Instant::now()),
                    _ => {}
                }
                self.command(command);
            }
            Request::WithEngine(act) => {
                let now = self.now();
                act(&mut self.engine, now);
            }
            Request::SendAudio(frames, sent) => self.media.queue(frames, sent),
        }
    }

    /// Handles the engine's outputs.
    async fn handle_outputs(&mut self, mut socket: Option<&mut Socket>) -> Result<(), Disconnected> {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Send(message) => {
                    let Some(socket) = socket.as_deref_mut() else { continue };
                    let text = serde_json::to_string(&message).expect("invariant: messages serialise");
                    // A server that accepts nothing within the timeout counts as gone.
                    let sent = timeout(SEND_TIMEOUT, socket.send(Message::text(text))).await;
                    sent.map_err(|_| Disconnected)?.map_err(|_| Disconnected)?;
                }
                Output::View => self.update_view(),
                Output::Persist if self.erased => {}
                Output::Persist => (self.persist)(&self.engine.state_text()),
                Output::OpenLeg { .. } => self.open_leg().await,
                Output::MediaAnswer { sdp } => self.accept_answer(sdp).await,
                Output::CloseLeg => {
                    (self.leg, self.leg_retry_at) = (None, None);
                    self.media.discard_early();
                }
                Output::Erase { report } => {
                    self.erase();
                    report_erasure(&self.options.server, report).await;
                    self.reported = true;
                    self.update_view();
                }
                // There is no connection to close.
                Output::Reconnect if socket.is_none() => {}
                Output::Reconnect => return Err(Disconnected),
                Output::Event(event) => {
                    let now = self.clock.now_ms();
                    if let Event::Epoch { .. } = event {
                        self.media.open_early(&mut self.engine, &mut *self.sink, now);
                    }
                    if let (Event::Assigned { call }, Some(auto_join)) = (&event, &mut self.options.auto_join) {
                        auto_join.assign(*call);
                        self.auto_join(&self.engine.view());
                    }
                    if let Event::LogFork(fork) = &event {
                        log_fork(fork);
                    }
                    self.sink.on_event(&event, &self.engine, now);
                }
            }
        }
        Ok(())
    }

    fn erase(&mut self) {
        if !self.erased {
            self.erased = true;
            (self.persist)("");
        }
    }

    fn update_view(&mut self) {
        let view = self.engine.view();
        if view.revocation.as_ref().is_some_and(|revocation| revocation.erase) {
            // Before the view is published, because the process may exit when it is: also before the office is told.
            self.erase();
            if !self.reported {
                return;
            }
        }
        match view.call.as_ref().filter(|call| call.state == CallState::Ringing).map(|call| call.direction) {
            Some(Direction::In) if self.options.auto_answer => {
                self.media.answered = Some(Instant::now());
                self.command(UserCommand::Answer { call: None });
            }
            Some(Direction::Out) => {
                if let Some(at) = self.media.ring_requested.take() {
                    self.media.stats.ring_to_ringing_ms = Some(at.elapsed().as_secs_f64() * 1e3);
                }
            }
            _ => {}
        }
        self.auto_join(&view);
        let _ = self.view.send(self.engine.view());
    }

    fn auto_join(&mut self, view: &View) {
        let Some(auto_join) = &mut self.options.auto_join else { return };
        let current = view.call.as_ref().filter(|call| call.state != CallState::Ended);
        let current = current.map(|call| (call.call, call.started_ms.is_some()));
        match auto_join.decide(current, view.caught_up, Instant::now()) {
            Some(JoinAction::Join(call)) => self.command(UserCommand::Listen { call }),
            Some(JoinAction::Leave) => self.command(UserCommand::Leave),
            Some(JoinAction::ReportAvailable) => self.command(UserCommand::Available),
            None => {}
        }
    }

    /// Looks up the office's TURN server, for legs that need it.
    fn find_turn_server(&self) -> FindTurnServer {
        let (url, token) = (format!("{}{API_PREFIX}/ice-servers", self.options.server), self.engine.view().token);
        Box::new(move || {
            let found: IceServers = get_json(&url, Some(&token?)).ok()?;
            found.ice_servers.iter().find_map(TurnServer::of)
        })
    }

    async fn open_leg(&mut self) {
        (self.leg, self.leg_retry_at) = (None, None);
        // The route may have changed under a connection that is still open.
        let local = self.office.and_then(socket::local_address_towards).unwrap_or(self.local);
        match LegDriver::start(local, Some(self.find_turn_server())).await {
            Ok((leg, offer, events)) => {
                self.leg = Some((leg, events));
                self.command(UserCommand::Offer { sdp: offer });
            }
            Err(error) => tracing::warn!(%local, %error, "cannot create a media leg from this address"),
        }
    }

    async fn accept_answer(&mut self, sdp: String) {
        let Some((leg, _)) = &self.leg else { return };
        match leg.accept_answer(sdp).await {
            // For a leg that this one replaced: the answer to this one follows.
            Ok(()) | Err(LegError::WrongOffer) => {}
            Err(error) => {
                tracing::warn!(%error, "the relay's answer was rejected; retrying with a new leg");
                self.leg = None;
                self.leg_retry_at = Some(Instant::now() + LEG_RETRY_DELAY);
            }
        }
    }

    fn handle_leg_event(&mut self, event: Option<LegEvent>) {
        match event {
            Some(LegEvent::Connected) => {}
            Some(LegEvent::Received(ReceivedPacket { payload, .. })) => {
                let now = self.clock.now_ms();
                self.media.receive(payload.to_vec(), &mut self.engine, &mut *self.sink, now);
            }
            Some(LegEvent::Failed(_)) | None => {
                self.leg = None;
                self.command(UserCommand::MediaFailed);
            }
        }
    }

    /// The 20 ms tick: one frame out, one frame of each speaker in.
    fn tick(&mut self) {
        if !self.engine.in_call() {
            self.clock.synchronize();
        }
        let now = self.now();
        self.engine.set_recording(self.sink.is_recording());
        self.engine.tick(now);
        if self.leg_retry_at.is_some_and(|at| Instant::now() >= at) {
            self.leg_retry_at = None;
            self.command(UserCommand::MediaFailed);
        }
        if self.auto_joined_at.elapsed() >= AUTO_JOIN_INTERVAL {
            self.auto_joined_at = Instant::now();
            self.auto_join(&self.engine.view());
        }
        let leg = self.leg.as_ref();
        self.media.send_next(&mut self.engine, |payload, rtp_timestamp| {
            if let Some((leg, _)) = leg {
                let _ = leg.send(payload, rtp_timestamp);
            }
        });
        self.media.play(&mut *self.sink, now);
        let captions = self.sink.on_tick(now);
        // A note-taker that cannot record publishes no captions: they would count as attendance and keep a replacement away.
        if self.sink.is_recording() {
            captions.into_iter().for_each(|caption| self.engine.publish_caption(caption));
        }
        if *self.stats.borrow() != self.media.stats {
            let _ = self.stats.send(self.media.stats.clone());
        }
    }
}

async fn next_leg_event(leg: &mut Option<(LegDriver, mpsc::Receiver<LegEvent>)>) -> Option<LegEvent> {
    match leg {
        Some((_, events)) => events.recv().await,
        None => std::future::pending().await,
    }
}
