//! A device that runs by itself: the call engine, a WebSocket to its office, a media leg and sound, in one task.
//!
//! Everything that decides is in [`telcon_core::Engine`]; this only moves bytes and keeps the 20 ms beat.

use crate::{
    audio::{
        frame::{FRAME_SAMPLES, Frame, SILENCE},
        opus::{Encoder, Settings},
        playout::{Origin, Speaker},
    },
    leg::{
        LegError,
        driver::{FindTurn, LegDriver, LegEvent},
        turn::TurnServer,
    },
    socket::{self, Socket},
    upload::get_json,
};
use futures_util::{SinkExt as _, StreamExt as _};
use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use telcon_core::{
    DeviceState, Engine, Event, Output, UserCommand,
    call::captions::Caption,
    view::{ConnectionState, View},
};
use telcon_proto::{
    CallId, DeviceId,
    http::{API_PREFIX, IceServers},
    limits::{FRAME_MS, MAX_MESSAGE_BYTES},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_tungstenite::{MaybeTlsStream, tungstenite::Message};

/// First wait before connecting again, doubled each time up to [`RECONNECT_MAX`].
const RECONNECT_MIN: Duration = Duration::from_millis(100);
/// Longest wait: a server that restarts is back in seconds, and a call waits for it.
const RECONNECT_MAX: Duration = Duration::from_secs(2);
/// Frames of another epoch kept for the commit that is on its way: a fifth of a second of seven speakers.
const MAX_EARLY_FRAMES: usize = 70;
/// How long a note-taker that was not let into a call turns to others before it asks again.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// For how long a call must have been live without a note-taker before this one leaves a call that only rings for it: another
/// that is free is there sooner.
const NOBODY_COMES: Duration = Duration::from_secs(2);
/// For how long an office may take to open a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// For how long its connection may take nothing. Sound waits meanwhile.
const SEND_WITHIN: Duration = Duration::from_secs(3);
/// Most time that passes for an engine in a call from one entry to the next, milliseconds: half of what it takes for a clock
/// that was set.
const STEP_MS: u64 = 5_000;
/// How long after an answer that was refused another leg is offered.
const LEG_AGAIN: Duration = Duration::from_secs(1);
/// How often it looks whether that is so.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What listens on an endpoint.
pub trait Ear: Send {
    /// An Opus packet as it came, with its authenticated frame counter.
    fn packet(&mut self, _from: DeviceId, _stream: (u64, u32), _counter: u64, _packet: &[u8], _now_ms: u64) {}
    /// Whether it hears as people do, at once: then it is given frames.
    fn plays(&self) -> bool {
        true
    }
    /// 20 ms of a speaker, on a steady beat, losses filled and what came too late left out.
    fn frame(&mut self, _from: DeviceId, _frame: &Frame, _origin: Origin, _now_ms: u64) {}
    /// Something for the record happened.
    fn event(&mut self, _event: &Event, _engine: &Engine, _now_ms: u64) {}
    /// Whether what comes is being written down: a note-taker's members are told so. Only what writes says yes.
    fn writes(&self) -> bool {
        false
    }
    /// Each beat; gives captions to publish.
    fn beat(&mut self, _now_ms: u64) -> Vec<Caption> {
        Vec::new()
    }
}

/// Hears nothing.
pub struct Deaf;
impl Ear for Deaf {}

/// How an endpoint runs.
pub struct EndpointConfig {
    /// The office's server, such as `http://localhost:8080`.
    pub server: String,
    /// The device.
    pub state: DeviceState,
    /// Whether rings are answered at once.
    pub auto_answer: bool,
    /// Whether calls of the office are joined as a listener as soon as they ring.
    pub auto_listen: bool,
}

enum Order {
    Command(UserCommand),
    Say(Vec<Frame>, oneshot::Sender<()>),
}

/// Talks to an endpoint's task, which ends when this is dropped.
pub struct Endpoint {
    orders: mpsc::UnboundedSender<Order>,
    view: watch::Receiver<View>,
    stats: watch::Receiver<Stats>,
}

/// What an endpoint counted in its present or last call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Per speaker.
    pub heard: BTreeMap<DeviceId, Heard>,
    /// From the order to ring to the other side's ring, milliseconds.
    pub ring_to_ringing_ms: Option<f64>,
    /// From the order to answer (or, for the caller, from the answer's arrival) to the first frame opened.
    pub answer_to_audio_ms: Option<f64>,
}

impl Stats {
    /// Frames opened, of all speakers together.
    pub fn frames_heard(&self) -> u64 {
        self.heard.values().map(|heard| heard.packets).sum()
    }
}

/// What was heard of one speaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Frames opened.
    pub packets: u64,
    /// Frames that the speaker's counter says were sent and that did not come.
    pub lost: u64,
}

/// Milliseconds since 1970 UTC.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl Endpoint {
    /// Starts the endpoint. `persist` is called with the device's state whenever it changed.
    ///
    /// # Errors
    /// When the device's state does not hold.
    pub fn start(config: EndpointConfig, ear: Box<dyn Ear>, persist: Box<dyn Fn(&str) + Send>) -> anyhow::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness from the system: {error}"))?;
        let engine = Engine::new(config.state, seed, now_ms())?;
        let (orders, inbox) = mpsc::unbounded_channel();
        let (view_in, view) = watch::channel(engine.view());
        let (stats_in, stats) = watch::channel(Stats::default());
        let task = Task {
            server: config.server,
            auto_answer: config.auto_answer,
            auto_listen: config.auto_listen,
            engine,
            ear,
            persist,
            erased: false,
            view: view_in,
            stats_out: stats_in,
            stats: Stats::default(),
            encoder: Encoder::new(Settings::default())?,
            speakers: BTreeMap::new(),
            spans: BTreeMap::new(),
            to_say: VecDeque::new(),
            said: None,
            rtp_time: 0,
            leg: None,
            leg_again: None,
            early: VecDeque::new(),
            last_trouble: None,
            clock: Clock::new(),
            told_ms: 0,
            local: IpAddr::V4(Ipv4Addr::LOCALHOST),
            office: None,
            epoch: Instant::now(),
            asked: BTreeMap::new(),
            unattended: BTreeMap::new(),
            looked: Instant::now(),
            rung_at: None,
            answered_at: None,
        };
        tokio::spawn(task.run(inbox));
        Ok(Self { orders, view, stats })
    }

    /// Gives the engine a command.
    pub fn command(&self, command: UserCommand) {
        let _ = self.orders.send(Order::Command(command));
    }

    /// Speaks these frames into the call after those already given; ready when the last one was sent.
    pub fn say(&self, frames: Vec<Frame>) -> oneshot::Receiver<()> {
        let (done, said) = oneshot::channel();
        let _ = self.orders.send(Order::Say(frames, done));
        said
    }

    /// What a screen would show, and each change of it.
    pub fn view(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats.borrow().clone()
    }

    /// Waits until so many frames have been heard, of all speakers together.
    ///
    /// # Errors
    /// When the endpoint ended.
    pub async fn until_heard(&self, frames: u64) -> anyhow::Result<()> {
        let mut stats = self.stats.clone();
        let waited = stats.wait_for(|stats| stats.frames_heard() >= frames).await.map(drop);
        waited.map_err(|_| anyhow::anyhow!("the endpoint ended"))
    }

    /// Waits until the view is so.
    ///
    /// # Errors
    /// When the endpoint ended.
    pub async fn until(&self, mut so: impl FnMut(&View) -> bool) -> anyhow::Result<View> {
        let mut view = self.view.clone();
        let seen = view.wait_for(|view| so(view)).await.map_err(|_| anyhow::anyhow!("the endpoint ended"))?;
        Ok(seen.clone())
    }
}

/// The time for the engine and the record. While a call goes on it does not follow the system's clock, which may be
/// set: words keep their place in the record, and nothing expires early or late.
struct Clock {
    at: Instant,
    ms: u64,
}

impl Clock {
    fn new() -> Self {
        Self { at: Instant::now(), ms: now_ms() }
    }

    fn now(&self) -> u64 {
        self.ms + self.at.elapsed().as_millis() as u64
    }

    /// Takes the system's time again.
    fn set(&mut self) {
        *self = Self::new();
    }
}

struct Task {
    clock: Clock,
    /// The time of the engine's last entry.
    told_ms: u64,
    server: String,
    auto_answer: bool,
    auto_listen: bool,
    engine: Engine,
    ear: Box<dyn Ear>,
    persist: Box<dyn Fn(&str) + Send>,
    /// The device was revoked: nothing is kept any more.
    erased: bool,
    view: watch::Sender<View>,
    stats_out: watch::Sender<Stats>,
    stats: Stats,
    encoder: Encoder,
    speakers: BTreeMap<DeviceId, Speaker>,
    spans: BTreeMap<(DeviceId, (u64, u32)), (u64, u64)>,
    to_say: VecDeque<(Frame, Option<oneshot::Sender<()>>)>,
    said: Option<oneshot::Sender<()>>,
    rtp_time: u32,
    leg: Option<(LegDriver, mpsc::Receiver<LegEvent>)>,
    /// When a leg is to be made anew whose answer was refused.
    leg_again: Option<Instant>,
    early: VecDeque<Vec<u8>>,
    /// Why there was no connection, as it was last said.
    last_trouble: Option<String>,
    /// This machine's address on the way to the office: where its media leg starts.
    local: IpAddr,
    /// The office's own end of the connection.
    office: Option<SocketAddr>,
    epoch: Instant,
    rung_at: Option<Instant>,
    answered_at: Option<Instant>,
    /// Calls that this note-taker asked to be let into, and when.
    asked: BTreeMap<CallId, Instant>,
    /// Live calls that no note-taker is in or comes to, and since when this one knows.
    unattended: BTreeMap<CallId, Instant>,
    looked: Instant,
}

impl Task {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut wait = RECONNECT_MIN;
        loop {
            let server = self.server.clone();
            let connecting = async move {
                let late = |_| anyhow::anyhow!("no answer in {} seconds", CONNECT_WITHIN.as_secs());
                tokio::time::timeout(CONNECT_WITHIN, connect(&server)).await.map_err(late)?
            };
            let Some(connected) = self.meanwhile(&mut inbox, connecting).await else { return };
            match connected {
                Ok(mut socket) => {
                    (self.local, self.office) = addresses(&socket);
                    let now = self.now();
                    self.engine.connected(now);
                    if self.serve(&mut socket, &mut inbox).await {
                        let _ = socket.close(None).await;
                        return;
                    }
                    let now = self.now();
                    let view = self.engine.view();
                    if view.token.is_some() {
                        // One that worked is tried again at once.
                        (self.last_trouble, wait) = (None, RECONNECT_MIN);
                        tracing::warn!(
                            "the connection to {} is lost. It is tried again until there is one.",
                            self.server
                        );
                    } else {
                        let why = view.alerts.first().map(|alert| format!(": {}", alert.text)).unwrap_or_default();
                        self.trouble(format!("{} does not let this device in{why}", self.server));
                    }
                    self.engine.disconnected(now);
                }
                Err(error) => self.trouble(format!("no connection to {}: {error:#}", self.server)),
            }
            if self.meanwhile(&mut inbox, sleep(wait)).await.is_none() {
                return;
            }
            wait = (wait * 2).min(RECONNECT_MAX);
        }
    }

    /// Why there is no connection: said once, for as long as it is the same.
    fn trouble(&mut self, text: String) {
        if self.last_trouble.as_ref() != Some(&text) {
            tracing::warn!("{text}. It is tried again until there is one.");
            self.last_trouble = Some(text);
        }
    }

    /// Waits without a switchboard. Sound goes on: the relay may live, and the call comes back to the same keys. None: the
    /// endpoint is to end.
    async fn meanwhile<T>(
        &mut self,
        inbox: &mut mpsc::UnboundedReceiver<Order>,
        wait: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::pin!(wait);
        let mut beat = beat();
        loop {
            // Nothing is sent, so that nothing fails.
            let _ = self.act(None).await;
            tokio::select! {
                done = &mut wait => return Some(done),
                _ = beat.tick() => self.beat(),
                event = leg_event(&mut self.leg) => self.leg_event(event),
                order = inbox.recv() => self.order(order?),
            }
        }
    }

    /// The time of an entry of the engine. To an engine in a call, much time at once is a clock that was set: where this process
    /// was not run for a while, it is told of that time step by step.
    fn now(&mut self) -> u64 {
        let now = self.clock.now();
        while self.engine.in_call() && now.saturating_sub(self.told_ms) > STEP_MS {
            self.told_ms += STEP_MS;
            self.engine.tick(self.told_ms);
        }
        self.told_ms = now;
        now
    }

    /// Serves one connection. Gives whether the endpoint is to end.
    async fn serve(&mut self, socket: &mut Socket, inbox: &mut mpsc::UnboundedReceiver<Order>) -> bool {
        let mut beat = beat();
        loop {
            if self.act(Some(socket)).await.is_err() {
                return false;
            }
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let now = self.now();
                        self.engine.handle_text(now, text.as_str());
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
                    Some(Ok(_)) => {}
                },
                _ = beat.tick() => self.beat(),
                event = leg_event(&mut self.leg) => self.leg_event(event),
                order = inbox.recv() => match order {
                    Some(order) => self.order(order),
                    None => return true,
                },
            }
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Command(command) => {
                match &command {
                    UserCommand::Ring { .. } => self.rung_at = Some(Instant::now()),
                    UserCommand::Answer => self.answered_at = Some(Instant::now()),
                    _ => {}
                }
                let now = self.now();
                self.engine.command(now, command);
            }
            Order::Say(frames, done) => {
                self.to_say.extend(frames.into_iter().map(|frame| (frame, None)));
                match self.to_say.back_mut() {
                    Some((_, last)) => *last = Some(done),
                    None => drop(done.send(())),
                }
            }
        }
    }

    /// Does what the engine wants done. An error is a lost connection.
    async fn act(&mut self, mut socket: Option<&mut Socket>) -> Result<(), ()> {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Send(message) => {
                    let Some(socket) = socket.as_deref_mut() else { continue };
                    let text = serde_json::to_string(&message).expect("invariant: messages serialise");
                    // A server that takes nothing any more is one that is gone.
                    let sent = tokio::time::timeout(SEND_WITHIN, socket.send(Message::text(text))).await;
                    sent.map_err(drop)?.map_err(drop)?;
                }
                Output::View => self.show(),
                Output::Persist if self.erased => {}
                Output::Persist => (self.persist)(&self.engine.state_text()),
                Output::OpenLeg { .. } => self.open_leg().await,
                Output::MediaAnswer { sdp } => {
                    let Some((leg, _)) = &self.leg else { continue };
                    match leg.accept_answer(sdp).await {
                        // To a leg that this one has replaced: the answer to this one comes after it.
                        Ok(()) | Err(LegError::OfAnother) => {}
                        Err(error) => {
                            tracing::warn!(%error, "the relay's answer was refused");
                            self.leg = None;
                            self.leg_again = Some(Instant::now() + LEG_AGAIN);
                        }
                    }
                }
                Output::CloseLeg => {
                    (self.leg, self.leg_again) = (None, None);
                    self.early.clear();
                }
                Output::Erase => self.erase(),
                // Without a connection there is none to give up.
                Output::Reconnect if socket.is_none() => {}
                Output::Reconnect => return Err(()),
                Output::Event(event) => {
                    if let Event::Epoch { .. } = event {
                        let early = std::mem::take(&mut self.early);
                        early.into_iter().for_each(|frame| self.received(frame));
                    }
                    self.ear.event(&event, &self.engine, self.clock.now());
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

    fn show(&mut self) {
        let view = self.engine.view();
        if view.phase == ConnectionState::Revoked {
            // Before anybody sees it: whoever runs this device ends its program then.
            self.erase();
        }
        if let Some(call) = &view.call {
            use telcon_core::view::{CallState, Direction};
            if call.state == CallState::Ringing && call.direction == Direction::In && self.auto_answer {
                self.answered_at = Some(Instant::now());
                let now = self.now();
                self.engine.command(now, UserCommand::Answer);
            }
            if call.state == CallState::Ringing
                && call.direction == Direction::Out
                && let Some(at) = self.rung_at.take()
            {
                self.stats.ring_to_ringing_ms = Some(at.elapsed().as_secs_f64() * 1e3);
            }
        }
        if self.auto_listen {
            self.attend(&view);
        }
        let _ = self.view.send(self.engine.view());
    }

    /// Joins a call that needs a note-taker: one that is live before one that rings, and the one that waits longest. A call
    /// that only rings is left for a live one that nobody else comes to.
    fn attend(&mut self, view: &View) {
        use telcon_proto::message::NoticeState;
        let needs = view.notices.iter().filter(|n| n.can_listen && !n.noted && !n.note_taker_asks);
        let mut needs: Vec<_> = needs.filter(|notice| !self.asked.contains_key(&notice.call)).collect();
        needs.sort_by_key(|notice| (!matches!(notice.state, NoticeState::Live { .. }), notice.opened_ms));
        let live = needs.iter().take_while(|notice| matches!(notice.state, NoticeState::Live { .. }));
        let live: Vec<CallId> = live.map(|notice| notice.call).collect();
        // By this device's own time: its clock and the office's need not agree.
        self.unattended.retain(|call, _| live.contains(call));
        for call in &live {
            self.unattended.entry(*call).or_insert_with(Instant::now);
        }
        let now = self.now();
        match view.call.as_ref().filter(|call| call.state != telcon_core::view::CallState::Ended) {
            None => {
                if let Some(notice) = needs.first() {
                    self.asked.insert(notice.call, Instant::now());
                    self.engine.command(now, UserCommand::Listen { call: notice.call });
                }
            }
            Some(call) if call.started_ms.is_none() => {
                let nobody_comes = |since: &Instant| since.elapsed() >= NOBODY_COMES;
                if self.unattended.iter().any(|(other, since)| *other != call.call && nobody_comes(since)) {
                    // Left, and not kept out of it: where another takes the live one, this one comes back at once.
                    self.asked.remove(&call.call);
                    self.engine.command(now, UserCommand::Leave);
                }
            }
            Some(_) => {}
        }
    }

    /// How a leg finds the office's TURN server, if it ever needs one.
    fn find_turn(&self) -> FindTurn {
        let (url, token) = (format!("{}{API_PREFIX}/ice-servers", self.server), self.engine.view().token);
        Box::new(move || {
            let found: IceServers = get_json(&url, Some(&token?)).ok()?;
            found.ice_servers.iter().find_map(TurnServer::of)
        })
    }

    async fn open_leg(&mut self) {
        (self.leg, self.leg_again) = (None, None);
        // The network may have changed under a connection that still stands.
        let local = self.office.and_then(way_to).unwrap_or(self.local);
        match LegDriver::start(local, Some(self.find_turn())).await {
            Ok((leg, offer, events)) => {
                self.leg = Some((leg, events));
                let now = self.now();
                self.engine.command(now, UserCommand::Offer { sdp: offer });
            }
            Err(error) => tracing::warn!(%error, "no media leg"),
        }
    }

    fn leg_event(&mut self, event: Option<LegEvent>) {
        match event {
            Some(LegEvent::Connected) => {}
            Some(LegEvent::Received(received)) => self.received(received.payload.to_vec()),
            Some(LegEvent::Failed(_)) | None => {
                self.leg = None;
                let now = self.now();
                self.engine.command(now, UserCommand::MediaFailed);
            }
        }
    }

    fn received(&mut self, frame: Vec<u8>) {
        let opened = match self.engine.open(&frame) {
            Ok(opened) => opened,
            Err(telcon_core::media::keyring::OpenError::UnknownEpoch) if self.early.len() < MAX_EARLY_FRAMES => {
                self.early.push_back(frame);
                return;
            }
            Err(_) => return,
        };
        if let Some(at) = self.answered_at.take() {
            self.stats.answer_to_audio_ms = Some(at.elapsed().as_secs_f64() * 1e3);
        }
        let heard = self.stats.heard.entry(opened.device).or_default();
        heard.packets += 1 + if opened.aggregated { opened.earlier.len() as u64 } else { 0 };
        let (first, last) =
            self.spans.entry((opened.device, opened.stream)).or_insert((opened.counter, opened.counter));
        *first = (*first).min(opened.counter);
        *last = (*last).max(opened.counter);
        // One sender's counter runs on over epochs, so its streams are one span, but for a reload.
        let spans = self.spans.iter().filter(|((device, _), _)| *device == opened.device);
        let (low, high) =
            spans.fold((u64::MAX, 0), |(low, high), (_, (first, last))| (low.min(*first), high.max(*last)));
        heard.lost = (high.saturating_add(1) - low).saturating_sub(heard.packets);
        let micros = self.epoch.elapsed().as_micros() as u64;
        self.engine.record_arrival(&opened, micros);
        // A packet is kept once, whichever way it came first, and in its place: by its counter.
        let now = self.clock.now();
        for (counter, packet) in &opened.earlier {
            let sent_before = (opened.counter - counter) * FRAME_MS;
            self.ear.packet(opened.device, opened.stream, *counter, packet, now.saturating_sub(sent_before));
        }
        if !opened.duplicate {
            self.ear.packet(opened.device, opened.stream, opened.counter, &opened.packet, now);
        }
        if !self.ear.plays() {
            return;
        }
        if let std::collections::btree_map::Entry::Vacant(place) = self.speakers.entry(opened.device) {
            match Speaker::new() {
                Ok(speaker) => drop(place.insert(speaker)),
                Err(error) => return tracing::warn!(%error, "a speaker cannot be decoded"),
            }
        }
        if let Some(speaker) = self.speakers.get_mut(&opened.device) {
            speaker.receive(opened.counter, opened.packet, opened.earlier, micros);
        }
    }

    /// The 20 ms beat: one frame out, one frame of each speaker in.
    fn beat(&mut self) {
        if !self.engine.in_call() {
            self.clock.set();
        }
        let now = self.now();
        self.engine.set_recording(self.ear.writes());
        self.engine.tick(now);
        if self.leg_again.is_some_and(|at| Instant::now() >= at) {
            self.leg_again = None;
            self.engine.command(now, UserCommand::MediaFailed);
        }
        if self.auto_listen && self.looked.elapsed() >= LOOK_EVERY {
            // One that was not let in may be now, and one that waited long enough is turned to.
            self.looked = Instant::now();
            self.asked.retain(|_, at| at.elapsed() < ASK_AGAIN);
            self.attend(&self.engine.view());
        }
        self.speak();
        let micros = self.epoch.elapsed().as_micros() as u64;
        for (device, speaker) in &mut self.speakers {
            let played = speaker.pull(micros);
            self.ear.frame(*device, &played.frame, played.origin, now);
        }
        let captions = self.ear.beat(now);
        // One that cannot write is silent: captions would keep another from coming in its place.
        if self.ear.writes() {
            captions.iter().for_each(|caption| self.engine.publish_caption(caption));
        }
        if *self.stats_out.borrow() != self.stats {
            let _ = self.stats_out.send(self.stats.clone());
        }
    }

    fn speak(&mut self) {
        let live = self.engine.is_sending();
        if !live {
            return;
        }
        let (frame, done) = self.to_say.pop_front().unwrap_or((SILENCE, None));
        if let Err(error) = self.encoder.follow(self.engine.send_profile()) {
            tracing::error!(%error, "the encoder keeps its settings");
        }
        if let Ok(packet) = self.encoder.encode(&frame)
            && let Some(sealed) = self.engine.seal(&packet)
            && let Some((leg, _)) = &self.leg
        {
            let _ = leg.send(sealed, self.rtp_time);
        }
        self.rtp_time = self.rtp_time.wrapping_add(FRAME_SAMPLES as u32);
        if let Some(done) = done {
            self.said = Some(done);
        }
        if let Some(done) = self.said.take() {
            let _ = done.send(());
        }
    }
}

fn beat() -> tokio::time::Interval {
    let mut beat = interval(Duration::from_millis(FRAME_MS));
    // A beat that came late is made up for: the stream's rate is constant, whatever the scheduler does.
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    beat
}

async fn leg_event(leg: &mut Option<(LegDriver, mpsc::Receiver<LegEvent>)>) -> Option<LegEvent> {
    match leg {
        Some((_, events)) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn connect(server: &str) -> anyhow::Result<Socket> {
    socket::connect(server, "/ws", None, MAX_MESSAGE_BYTES).await
}

/// The addresses that this machine's connection to the office really has, here and there. A name may have several
/// addresses, and not all of them lead there.
fn addresses(socket: &Socket) -> (IpAddr, Option<SocketAddr>) {
    let stream = match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => Some(stream),
        MaybeTlsStream::Rustls(stream) => Some(stream.get_ref().0),
        _ => None,
    };
    let local = stream.and_then(|stream| stream.local_addr().ok());
    let office = stream.and_then(|stream| stream.peer_addr().ok());
    (local.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip()), office)
}

/// This machine's address on the way to another as the system would take it now. Nothing is sent to find it out.
fn way_to(office: SocketAddr) -> Option<IpAddr> {
    let any = if office.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    socket.connect(office).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
