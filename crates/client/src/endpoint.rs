//! A device in one task: drives the call engine ([`telcon_core::Engine`]) over a WebSocket to its office, a media leg, and
//! 20 ms audio ticks.
//!
//! Decisions belong to the engine; the parts of this module move bytes ([`driver`]), code audio ([`media`]), keep time
//! ([`clock`]), and choose calls for note-takers ([`auto_join`]).

mod auto_join;
mod clock;
mod driver;
mod media;

use crate::{
    audio::{frame::Frame, playout::Origin},
    error::ClientError,
};
pub use clock::now_ms;
use std::collections::BTreeMap;
use telcon_core::{DeviceState, Engine, Event, UserCommand, call::captions::Caption, view::View};
use telcon_proto::DeviceId;
use tokio::sync::{mpsc, oneshot, watch};

/// Consumes the media and events of an endpoint.
pub trait MediaSink: Send {
    /// An Opus packet on arrival, with the epoch and leaf of its key and its authenticated frame counter.
    fn on_packet(&mut self, _from: DeviceId, _stream: (u64, u32), _counter: u64, _packet: &[u8], _now_ms: u64) {}
    /// Whether the sink wants decoded frames in real time ([`MediaSink::on_frame`]).
    fn wants_playout(&self) -> bool {
        true
    }
    /// The next 20 ms of a speaker, after the jitter buffer and loss concealment.
    fn on_frame(&mut self, _from: DeviceId, _frame: &Frame, _origin: Origin, _now_ms: u64) {}
    /// An event of the call.
    fn on_event(&mut self, _event: &Event, _engine: &Engine, _now_ms: u64) {}
    /// Whether the sink is recording. The other participants are told; only a note-taker that really records returns true.
    fn is_recording(&self) -> bool {
        false
    }
    /// The endpoint stops: what must not be lost is written now.
    fn on_stop(&mut self, _now_ms: u64) {}
    /// Called every 20 ms; returns captions to publish.
    fn on_tick(&mut self, _now_ms: u64) -> Vec<Caption> {
        Vec::new()
    }
}

/// Discards everything.
pub struct NullSink;
impl MediaSink for NullSink {}

/// Configuration of an endpoint.
pub struct EndpointConfig {
    /// The office's server, such as `http://localhost:8080`.
    pub server: String,
    /// The device's keys and state.
    pub state: DeviceState,
    /// Whether incoming rings are answered automatically.
    pub auto_answer: bool,
    /// Whether to join the office's calls as a listener when they ring, as note-takers do.
    pub auto_join: bool,
}

enum Request {
    Command(UserCommand),
    SendAudio(Vec<Frame>, oneshot::Sender<()>),
    WithEngine(WithEngine),
}

/// Something to be done with the engine, at a time.
type WithEngine = Box<dyn FnOnce(&mut Engine, u64) + Send>;

/// Handle to an endpoint's task, which ends when this is dropped.
pub struct Endpoint {
    requests: mpsc::UnboundedSender<Request>,
    view: watch::Receiver<View>,
    stats: watch::Receiver<Stats>,
    problem: watch::Receiver<Option<String>>,
    task: tokio::task::JoinHandle<()>,
}

/// Statistics since the endpoint was started. Times are of the last call in which they were measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Per speaker.
    pub received: BTreeMap<DeviceId, ReceiveStats>,
    /// Time from the request to ring until the callee's device rings, milliseconds.
    pub ring_to_ringing_ms: Option<f64>,
    /// Time from the request to answer (for the caller, from the arrival of the answer) to the first opened frame,
    /// milliseconds.
    pub answer_to_audio_ms: Option<f64>,
}

impl Stats {
    /// Frames received from all speakers.
    pub fn frames_received(&self) -> u64 {
        self.received.values().map(|speaker| speaker.frames).sum()
    }
}

/// Receive statistics of one speaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveStats {
    /// Frames received and opened.
    pub frames: u64,
    /// Frames that were sent, according to the sender's frame counter, and not received.
    pub lost: u64,
}

impl Endpoint {
    /// Starts the endpoint. `persist` is called with the device's state whenever it changes, and with an empty text when it
    /// must be erased.
    ///
    /// # Errors
    /// When the device's state is invalid, or the audio encoder or randomness is not available.
    pub fn start(
        config: EndpointConfig,
        sink: Box<dyn MediaSink>,
        persist: Box<dyn Fn(&str) + Send>,
    ) -> Result<Self, ClientError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let mut engine = Engine::new(config.state, seed, now_ms())?;
        engine.set_zones(telcon_record::local_time::local_minute);
        let (requests, request_queue) = mpsc::unbounded_channel();
        let (view_sender, view) = watch::channel(engine.view());
        let (stats_sender, stats) = watch::channel(Stats::default());
        let options = driver::Options {
            server: config.server,
            auto_answer: config.auto_answer,
            auto_join: config.auto_join.then(auto_join::AutoJoin::default),
        };
        let (problem_sender, problem) = watch::channel(None);
        let driver = driver::Driver::new(options, engine, sink, persist, view_sender, stats_sender, problem_sender)?;
        let task = tokio::spawn(driver.run(request_queue));
        Ok(Self { requests, view, stats, problem, task })
    }

    /// Stops, and waits until the sink has written what must not be lost. A call goes on without this device, which may rejoin it.
    pub async fn stop(self) {
        drop(self.requests);
        // An error means that the task panicked, which was reported.
        let _ = self.task.await;
    }

    /// Passes a command to the engine.
    pub fn command(&self, command: UserCommand) {
        let _ = self.requests.send(Request::Command(command));
    }

    /// Does something with the engine between its other inputs, such as sealing a document, and returns what comes of it.
    ///
    /// # Errors
    /// When the endpoint ended.
    pub async fn with_engine<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Engine, u64) -> T + Send + 'static,
    ) -> Result<T, ClientError> {
        let (sender, done) = oneshot::channel();
        let act: WithEngine = Box::new(move |engine: &mut Engine, now_ms| drop(sender.send(act(engine, now_ms))));
        let _ = self.requests.send(Request::WithEngine(act));
        done.await.map_err(|_| ClientError::EndpointEnded)
    }

    /// Queues frames to be sent after those already queued; the receiver is notified when the last one was sent.
    pub fn send_audio(&self, frames: Vec<Frame>) -> oneshot::Receiver<()> {
        let (sender, sent) = oneshot::channel();
        let _ = self.requests.send(Request::SendAudio(frames, sender));
        sent
    }

    /// The view model, and each change of it.
    pub fn view(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// The statistics.
    pub fn stats(&self) -> Stats {
        self.stats.borrow().clone()
    }

    /// Waits until this many frames have been received from all speakers.
    ///
    /// # Errors
    /// When the endpoint ended.
    pub async fn until_received(&self, frames: u64) -> Result<(), ClientError> {
        let mut stats = self.stats.clone();
        let waited = stats.wait_for(|stats| stats.frames_received() >= frames).await.map(drop);
        waited.map_err(|_| ClientError::EndpointEnded)
    }

    /// Waits until the connection fails, before it ever worked, for a reason that another attempt cannot mend: an untrusted
    /// certificate, a server of another kind, an office that does not know this device. The endpoint goes on trying: a program
    /// that runs unattended may wait until somebody has mended it.
    ///
    /// # Errors
    /// Always: [`ClientError::CannotConnect`] with the reason, or [`ClientError::EndpointEnded`].
    pub async fn cannot_connect(&self) -> Result<(), ClientError> {
        let mut problem = self.problem.clone();
        match problem.wait_for(Option::is_some).await {
            Ok(problem) => Err(ClientError::CannotConnect(problem.clone().unwrap_or_default())),
            Err(_) => Err(ClientError::EndpointEnded),
        }
    }

    /// Waits until the view satisfies the predicate.
    ///
    /// # Errors
    /// When the endpoint ended.
    pub async fn until(&self, mut predicate: impl FnMut(&View) -> bool) -> Result<View, ClientError> {
        let mut view = self.view.clone();
        let satisfied = view.wait_for(|view| predicate(view)).await;
        Ok(satisfied.map_err(|_| ClientError::EndpointEnded)?.clone())
    }
}
