//! The switchboard's driver: one thread that owns the engine and the store, and gives each effect its order. Writes
//! are durable before anything else leaves; then messages, log entries and relay commands go out as they came.
//!
//! If the store fails, nothing that depended on the write leaves the server: all connections are closed and the
//! switchboard starts again from what is durable, as after a crash. There is one way to recover, and it is tested.

use crate::{
    archive::{Appender, Prover},
    limits::{INBOX_MESSAGES, OUTBOX_MESSAGES},
    reconcile::{ReconcileError, reconcile},
    store::{Store, StoreError, Write},
    switchboard::{
        CheckRing, CloseReason, Effects, Gauges, NewDevice, Output, Policy, Refusal, RefusalKind, RelayCommand, Reply,
        RequestId, Seal, SessionId, SignedIn, Switchboard, Ticket,
    },
};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use telcon_proto::{CallId, ClientMessage, DeviceId, ServerMessage, message::RefusalCode};
use tokio::{
    runtime::Handle,
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
};

/// What a connection is to do.
#[derive(Debug)]
pub enum Outgoing {
    /// Send this text.
    Text(String),
    /// Close.
    Close(CloseReason),
}

/// The answer to an HTTP request.
pub type Answer = Result<Reply, Refusal>;

/// What reaches the switchboard.
pub enum Input {
    /// A device proved who it is.
    Connected {
        /// Number of its connection.
        session: SessionId,
        /// The device.
        device: DeviceId,
        /// Its bearer token.
        token: String,
        /// Where its messages go.
        outbox: mpsc::Sender<Outgoing>,
        /// Whether it is let in, or what to tell it.
        reply: oneshot::Sender<Result<SignedIn, Box<ServerMessage>>>,
    },
    /// A connection is gone.
    Disconnected(SessionId),
    /// A message.
    Message(SessionId, Box<ClientMessage>),
    /// The connection wants the newest checkpoint, proven from the tree of this size on.
    Ping(SessionId, u64),
    /// Enrol a device.
    Enrol(Box<NewDevice>, oneshot::Sender<Answer>),
    /// Revoke a device, by this word of the authority, which was checked.
    Revoke(DeviceId, String, oneshot::Sender<Answer>),
    /// May this device bring this call's record?
    MaySeal(CallId, DeviceId, oneshot::Sender<Result<(), Refusal>>),
    /// A record is in the archive.
    Seal(Box<Seal>, oneshot::Sender<Answer>),
    /// What became of a log entry.
    Logged(Ticket, Option<u64>),
    /// All entries of the log below this size have been reported by [`Input::Logged`].
    LogReported(u64),
    /// What the relay says to an offer.
    LegAdded(CallId, DeviceId, SessionId, Result<String, String>),
    /// The relay lost a leg.
    LegLost(CallId, DeviceId),
    /// Numbers for the operator.
    Gauges(oneshot::Sender<Gauges>),
    /// Stop.
    Stop,
}

/// Hands inputs to the switchboard.
#[derive(Clone)]
pub struct HubHandle(mpsc::Sender<Input>);

impl HubHandle {
    /// Hands over an input, waiting while the switchboard is busy. `false` if it has stopped.
    pub async fn send(&self, input: Input) -> bool {
        self.0.send(input).await.is_ok()
    }

    /// The same from a thread that may wait.
    pub fn send_blocking(&self, input: Input) -> bool {
        self.0.blocking_send(input).is_ok()
    }

    /// Asks and waits for the answer; none if the switchboard had to start again meanwhile, or has stopped.
    pub async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        if !self.send(input(reply)).await {
            return None;
        }
        answer.await.ok()
    }
}

/// The channel between [`HubHandle`]s and [`Hub::run`].
pub fn channel() -> (HubHandle, mpsc::Receiver<Input>) {
    let (sender, receiver) = mpsc::channel(INBOX_MESSAGES);
    (HubHandle(sender), receiver)
}

/// A new outbox of a connection.
pub fn outbox() -> (mpsc::Sender<Outgoing>, mpsc::Receiver<Outgoing>) {
    mpsc::channel(OUTBOX_MESSAGES)
}

/// Makes the checker of rings anew, for each start of the switchboard.
pub type RingChecker = Box<dyn Fn() -> Box<dyn CheckRing> + Send>;

/// What the hub drives.
pub struct Parts {
    /// The store.
    pub store: Box<dyn Store>,
    /// The office's policy.
    pub policy: Policy,
    /// Checks rings.
    pub rings: RingChecker,
    /// The log.
    pub log: Appender,
    /// Proofs.
    pub prover: Arc<Prover>,
    /// The relay.
    pub relay: mpsc::UnboundedSender<RelayCommand>,
}

/// Pause between tries of a store that fails.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The driver.
pub struct Hub {
    parts: Parts,
    board: Switchboard,
    outboxes: HashMap<SessionId, mpsc::Sender<Outgoing>>,
    requests: HashMap<RequestId, oneshot::Sender<Answer>>,
    next_request: u64,
    /// Connections to be cut: too slow, or without a proof that they need.
    cut: Vec<SessionId>,
    started: (Instant, u64),
    /// The store failed, and failed again when the switchboard was to start anew: the board is not to be believed.
    broken: bool,
    /// Size of the log that the store is to be told with its next transaction.
    log_reported: Option<u64>,
}

impl Hub {
    /// Loads what is stored.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn new(mut parts: Parts, now_ms: u64) -> Result<Self, StoreError> {
        let snapshot = parts.store.load()?;
        let (board, effects) = Switchboard::new(parts.policy.clone(), (parts.rings)(), snapshot, now_ms);
        let mut hub = Self {
            parts,
            board,
            outboxes: HashMap::new(),
            requests: HashMap::new(),
            next_request: 1,
            cut: Vec::new(),
            started: (Instant::now(), now_ms),
            broken: false,
            log_reported: None,
        };
        hub.perform(effects);
        Ok(hub)
    }

    /// Runs until [`Input::Stop`], on a thread of its own.
    pub fn run(mut self, mut inputs: mpsc::Receiver<Input>, runtime: &Handle) {
        loop {
            let wait = self.board.next_timeout().map(|at| Duration::from_millis(at.saturating_sub(self.now_ms())));
            let received = match wait {
                Some(wait) if wait.is_zero() => Err(()),
                Some(wait) => {
                    let wait = wait.min(Duration::from_secs(3600));
                    runtime.block_on(async { tokio::time::timeout(wait, inputs.recv()).await.map_err(|_| ()) })
                }
                None => Ok(inputs.blocking_recv()),
            };
            match received {
                Err(()) if self.broken => {
                    self.start_again(&Effects::default());
                    std::thread::sleep(RETRY_PAUSE);
                }
                Err(()) => {
                    let effects = self.board.timeout(self.now_ms());
                    self.perform(effects);
                }
                Ok(None | Some(Input::Stop)) => return,
                Ok(Some(input)) => self.handle(input),
            }
            self.cut_connections();
        }
    }

    /// Wall time that does not jump: what it was at the start, and what has passed since.
    fn now_ms(&self) -> u64 {
        self.started.1 + self.started.0.elapsed().as_millis() as u64
    }

    fn handle(&mut self, input: Input) {
        if self.broken {
            self.start_again(&Effects::default());
            if self.broken {
                // Whoever waits for an answer sees that there is none, and tries again.
                return;
            }
        }
        let now = self.now_ms();
        let effects = match input {
            Input::Connected { session, device, token, outbox, reply } => {
                self.outboxes.insert(session, outbox);
                match self.board.connected(session, device, token, now) {
                    Ok((signed_in, effects)) => {
                        // Nobody waits any more if the connection was lost just now; its end is reported separately.
                        let _ = reply.send(Ok(signed_in));
                        effects
                    }
                    Err(message) => {
                        self.outboxes.remove(&session);
                        let _ = reply.send(Err(message));
                        return;
                    }
                }
            }
            Input::Disconnected(session) => {
                self.outboxes.remove(&session);
                self.board.disconnected(session, now)
            }
            Input::Message(session, message) => self.board.message(session, *message, now),
            Input::Ping(session, from_size) => return self.send_checkpoint(session, from_size),
            Input::Enrol(device, reply) => {
                let request = self.request(reply);
                self.board.enrol(request, *device, now)
            }
            Input::Revoke(device, jws, reply) => {
                let request = self.request(reply);
                self.board.revoke(request, device, jws, now)
            }
            Input::MaySeal(call, device, reply) => {
                let _ = reply.send(self.board.may_seal(&call, &device));
                return;
            }
            Input::Seal(seal, reply) => {
                let request = self.request(reply);
                self.board.seal(request, *seal, now)
            }
            Input::Logged(ticket, index) => self.board.logged(ticket, index, now),
            Input::LogReported(size) => {
                self.log_reported = Some(size);
                return;
            }
            Input::LegAdded(call, device, session, answer) => self.board.leg_added(call, device, session, answer, now),
            Input::LegLost(call, device) => self.board.leg_lost(call, device, now),
            Input::Gauges(reply) => {
                let _ = reply.send(self.board.gauges());
                return;
            }
            Input::Stop => return,
        };
        self.perform(effects);
    }

    fn request(&mut self, reply: oneshot::Sender<Answer>) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.requests.insert(id, reply);
        id
    }

    fn perform(&mut self, mut effects: Effects) {
        if !effects.writes.is_empty() {
            // It costs no transaction of its own: what it says is only where the next start begins to read.
            effects.writes.extend(self.log_reported.take().map(Write::LogSeen));
        }
        if let Err(error) = self.parts.store.apply(&effects.writes) {
            tracing::error!(%error, "the store failed; the switchboard starts again from what is durable");
            return self.start_again(&effects);
        }
        for output in effects.outputs {
            match output {
                Output::Send(session, message) => self.send(session, *message),
                Output::Close(session, reason) => {
                    if let Some(outbox) = self.outboxes.remove(&session) {
                        // A connection that is too slow to hear why notices that its outbox is gone.
                        let _ = outbox.try_send(Outgoing::Close(reason));
                    }
                }
                Output::Append(ticket, entry) => {
                    if !self.parts.log.append(ticket, entry) {
                        tracing::error!("the log's thread has stopped");
                    }
                }
                Output::Relay(command) => {
                    // Fails only while the server stops.
                    let _ = self.parts.relay.send(command);
                }
                Output::Reply(request, answer) => {
                    if let Some(reply) = self.requests.remove(&request) {
                        let _ = reply.send(answer);
                    }
                }
            }
        }
    }

    fn send(&mut self, session: SessionId, mut message: ServerMessage) {
        let Some(outbox) = self.outboxes.get(&session) else { return };
        if let Err(error) = self.parts.prover.fill(&mut message) {
            // Without its proof the message would be refused. The device comes back and resumes.
            tracing::error!(%error, "a proof could not be read");
            self.cut.push(session);
        } else if let Err(error) = outbox.try_send(Outgoing::Text(encode(&message))) {
            if let TrySendError::Full(_) = error {
                tracing::warn!("a connection is cut: it does not take its messages");
            }
            self.cut.push(session);
        }
    }

    fn send_checkpoint(&mut self, session: SessionId, from_size: u64) {
        let (size, checkpoint) = self.parts.prover.checkpoint();
        // A device that remembers a longer log than this one gets no proof, and sounds the alarm.
        let proof = if from_size > size { Ok(Vec::new()) } else { self.parts.prover.consistency(from_size, size) };
        let message = match proof {
            Ok(consistency) => ServerMessage::Checkpoint { checkpoint, from_size, consistency },
            Err(error) => {
                tracing::error!(%error, "a proof could not be read");
                let message = "the log cannot be read now: try again later".to_owned();
                ServerMessage::Refused { call: None, code: RefusalCode::Unavailable, message }
            }
        };
        self.send(session, message);
    }

    fn cut_connections(&mut self) {
        while let Some(session) = self.cut.pop() {
            if self.outboxes.remove(&session).is_some() {
                let effects = self.board.disconnected(session, self.now_ms());
                self.perform(effects);
            }
        }
    }

    fn start_again(&mut self, lost: &Effects) {
        self.outboxes.clear();
        self.cut.clear();
        for output in &lost.outputs {
            if let Output::Reply(request, _) = output {
                self.requests.remove(request);
            }
        }
        for (_, reply) in self.requests.drain() {
            let text = "the server's store failed: try again, and tell who runs it";
            let _ = reply.send(Err(Refusal::new(RefusalKind::Unavailable, text)));
        }
        self.broken = match self.restored() {
            Ok(()) => false,
            Err(error) => {
                tracing::error!(%error, "the store fails still; the next message tries again");
                true
            }
        };
    }

    /// Starts the switchboard from what is durable in store and log.
    fn restored(&mut self) -> Result<(), ReconcileError> {
        // Entries may be on their way to the log: what they are about is not forgotten.
        reconcile(&mut *self.parts.store, &self.parts.prover, false)?;
        let snapshot = self.parts.store.load()?;
        let now = self.now_ms();
        let (board, effects) = Switchboard::new(self.parts.policy.clone(), (self.parts.rings)(), snapshot, now);
        self.parts.store.apply(&effects.writes)?;
        self.board = board;
        self.perform(Effects { writes: Vec::new(), outputs: effects.outputs });
        Ok(())
    }
}

fn encode(message: &ServerMessage) -> String {
    serde_json::to_string(message).expect("invariant: messages have no map keys that JSON cannot hold")
}

#[cfg(test)]
mod tests;
