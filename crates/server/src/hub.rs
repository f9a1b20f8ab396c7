//! The switchboard's driver: one thread that owns the engine and the store. Queued inputs are processed as a batch:
//! their writes are one transaction (group commit), and once it is durable their messages, log appends and relay
//! commands are sent in order.
//!
//! If the store fails, nothing that depends on the write leaves the server: all connections are closed and the
//! switchboard restarts from what is durable, as after a crash. There is one recovery path, and tests use it.

mod failure;

use crate::{
    archive::{Appender, Prover, now_ms},
    clock::{Clock, ClockStep},
    limits::{INBOX_MESSAGES, MAX_BATCH, MAX_INBOX_BYTES},
    outbox::{NotQueued, Outbox, Outgoing},
    push::Commands as PushCommands,
    reconcile::{CertificateSource, ReconcileError, reconcile},
    store::{IssuedLinkRow, ProtectionWrite, PushRow, RegistrarRow, Store, StoreError, Unfinished, Write},
    switchboard::{
        Approved, BeginningShift, ConfirmingRecovery, DelegationEnding, DeviceAsked, Effects, Gauges, LegRefusal,
        NewAttestation, NewDelegation, NewDevice, NewDeviceKey, NewDocument, NewLine, OpeningRecovery, Output,
        PendingAppend, Policy, Refusal, RefusalKind, RefusedRing, RelayCommand, Reply, RequestId, Revocation, Seal,
        SessionId, SignedIn, Switchboard, VerifiedRing,
    },
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};
use telcon_proto::{
    CallId, ClientMessage, DeviceId, Digest, DocumentId, InvitationId, ItemId, LineId, ServerMessage, push::PushAbout,
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
};

/// The answer to an HTTP request.
pub type Answer = Result<Reply, Refusal>;

/// An input of the switchboard.
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
        outbox: Outbox,
        /// Receives the result of the sign-in, or the message to send before closing.
        reply: oneshot::Sender<Result<SignedIn, Box<ServerMessage>>>,
    },
    /// A connection ended.
    Disconnected(SessionId),
    /// Somebody failed to prove that they are this device, which may not exist.
    SignInFailed(DeviceId),
    /// A person signs in on this device with an account at the office's provider that becomes theirs.
    AccountLinked(DeviceId),
    /// A device's person signed in at the office's provider, for so many milliseconds.
    AccountRenewed(DeviceId, u64),
    /// A device had the link of this invitation, which another device had used up before it was closed.
    LinkOpenedAgain(InvitationId),
    /// A message other than a ring.
    Message(SessionId, Box<ClientMessage>),
    /// A verified ring, or why verification failed. Whether its call exists is looked up here.
    Ring(SessionId, Box<Result<VerifiedRing, RefusedRing>>),
    /// A device's ping: it wants the newest checkpoint, with its consistency proof from this size, after everything that its
    /// earlier messages caused.
    Ping(SessionId, u64),
    /// Liveness probe. Not answered while the state is unknown.
    Probe(oneshot::Sender<()>),
    /// Enrol a device.
    Enrol(Box<NewDevice>, oneshot::Sender<Answer>),
    /// A person was invited, by a statement of the authority, which was verified.
    LinkIssued(Box<IssuedLinkRow>, oneshot::Sender<Answer>),
    /// Revoke a device, by this revocation of the authority, which was verified.
    Revoke(DeviceId, String, oneshot::Sender<Answer>),
    /// Appoint a registrar, by a certificate of the authority that was verified.
    Appoint(Box<RegistrarRow>, oneshot::Sender<Answer>),
    /// A new device asks with an invitation; its signature was verified.
    DeviceAsked(Box<DeviceAsked>, oneshot::Sender<Answer>),
    /// A registrar approves the device that asked with an invitation: its certificates, or why they do not verify.
    Approve(SessionId, InvitationId, Box<Result<Approved, String>>, oneshot::Sender<Answer>),
    /// A registrar states that a person lost all devices, or why that does not verify.
    OpenRecovery(SessionId, Box<Result<OpeningRecovery, String>>),
    /// Another registrar confirms it, or why that does not verify. Answered when it is carried out or refused.
    ConfirmRecovery(SessionId, Box<Result<ConfirmingRecovery, String>>, oneshot::Sender<Answer>),
    /// A device reports that it erased itself, which was verified.
    Erased(DeviceId, oneshot::Sender<Answer>),
    /// A registrar revokes a device: its statement, or why that does not verify.
    RevokeAsRegistrar(SessionId, Box<Result<Revocation, String>>, oneshot::Sender<Answer>),
    /// A principal's device gives a delegation: as it was verified, or why it does not verify.
    Delegate(SessionId, Box<Result<NewDelegation, String>>),
    /// A device ends a delegation: as it was verified, or why that does not verify.
    EndDelegation(SessionId, Result<DelegationEnding, String>),
    /// A device signs a version of a line: as it was verified, or why it does not verify.
    SignLine(SessionId, Box<Result<NewLine, String>>),
    /// A device states its key: as it was verified, or why it does not verify.
    PublishKey(SessionId, Result<NewDeviceKey, String>),
    /// A device uploads a version of a document, which was verified, and whose sealed file is stored.
    PutDocument(Box<NewDocument>, oneshot::Sender<Answer>),
    /// A reader's device is about to get this version of a copy.
    OpenCopy(DocumentId, u32, DeviceId, oneshot::Sender<Answer>),
    /// A readout, which was verified and is stored, is to be published.
    PublishReadout(ItemId, Digest, oneshot::Sender<Answer>),
    /// A delegate's device says who took a line: as it was verified, or why it does not verify.
    AttestHolder(SessionId, Box<Result<NewAttestation, String>>),
    /// A person begins a shift at a device of a place, with a passkey that was verified.
    BeginShift(BeginningShift, oneshot::Sender<Answer>),
    /// Whether this device may deliver this call's record.
    MaySeal(CallId, DeviceId, oneshot::Sender<Result<(), Refusal>>),
    /// A device wants to deliver the record of a call that the switchboard does not have in memory; this is what the store has of it.
    Recall(Box<Unfinished>, DeviceId, oneshot::Sender<()>),
    /// A record is in the archive.
    Seal(Box<Seal>, oneshot::Sender<Answer>),
    /// The result of a log append: the entry's index, or none if it is not known to be in the log.
    Logged(PendingAppend, Option<u64>),
    /// All entries of the log below this size have been reported by [`Input::Logged`].
    LogReported(u64),
    /// The relay answered an offer, or refused it.
    LegAdded(CallId, DeviceId, SessionId, Result<String, LegRefusal>),
    /// The relay lost a leg.
    LegLost(CallId, DeviceId),
    /// A request changes the protection of a device: answered once that is durable, with false if the condition of the first
    /// write did not hold.
    Protection(Vec<ProtectionWrite>, oneshot::Sender<bool>),
    /// A device subscribes to push messages, or ends its subscription.
    Subscribe(DeviceId, Option<Box<PushRow>>, oneshot::Sender<Answer>),
    /// A push message need not be sent again.
    Pushed(DeviceId, PushAbout),
    /// A push service does not know this address of the device any more.
    PushGone(DeviceId, String),
    /// Whether a device is in a call now, or the record of one is expected from it.
    IsInCall(DeviceId, oneshot::Sender<bool>),
    /// Numbers for the operator.
    Gauges(oneshot::Sender<Gauges>),
    /// Stop.
    Stop,
}

/// An input in the queue, with its share of [`MAX_INBOX_BYTES`] until it is taken out.
pub struct Queued {
    input: Input,
    _bytes: Option<OwnedSemaphorePermit>,
}

/// Sends inputs to the switchboard.
#[derive(Clone)]
pub struct HubHandle {
    inputs: mpsc::Sender<Queued>,
    /// Permits are KiB.
    room: Arc<Semaphore>,
}

impl HubHandle {
    /// Queues an input, waiting while the queue is full (backpressure). `false` if the switchboard has stopped.
    pub async fn send(&self, input: Input) -> bool {
        self.inputs.send(Queued { input, _bytes: None }).await.is_ok()
    }

    /// [`HubHandle::send`] of a device's message of `bytes`, waiting also while the queue holds too many bytes.
    pub async fn send_sized(&self, input: Input, bytes: usize) -> bool {
        let share = (bytes / 1024).clamp(1, MAX_INBOX_BYTES / 1024) as u32;
        let Ok(permit) = self.room.clone().acquire_many_owned(share).await else { return false };
        self.inputs.send(Queued { input, _bytes: Some(permit) }).await.is_ok()
    }

    /// [`HubHandle::send`] from a thread that may block.
    pub fn send_blocking(&self, input: Input) -> bool {
        self.inputs.blocking_send(Queued { input, _bytes: None }).is_ok()
    }

    /// Sends a request and waits for its answer; none if the switchboard recovered meanwhile, or has stopped.
    pub async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        if !self.send(input(reply)).await {
            return None;
        }
        answer.await.ok()
    }
}

/// The channel between [`HubHandle`]s and [`Hub::run`].
pub fn channel() -> (HubHandle, mpsc::Receiver<Queued>) {
    let (inputs, receiver) = mpsc::channel(INBOX_MESSAGES);
    (HubHandle { inputs, room: Arc::new(Semaphore::new(MAX_INBOX_BYTES / 1024)) }, receiver)
}

/// What the hub drives.
pub struct Parts {
    /// The store.
    pub store: Box<dyn Store>,
    /// The office's policy.
    pub policy: Policy,
    /// The log.
    pub log: Appender,
    /// Proofs.
    pub prover: Arc<Prover>,
    /// Certificates of devices that the store lacks.
    pub archive: Box<dyn CertificateSource>,
    /// The relay.
    pub relay: mpsc::UnboundedSender<RelayCommand>,
    /// The task that sends push messages.
    pub push: PushCommands,
}

/// Delay between attempts to recover while the store fails.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A step of a batch, carried out once the writes of the batch are durable.
enum Step {
    Output(Output),
    Checkpoint(SessionId, u64),
    /// Answers whether the condition of this write of the batch held.
    Stored(oneshot::Sender<bool>, usize),
    Admit(oneshot::Sender<Result<SignedIn, Box<ServerMessage>>>, Result<SignedIn, Box<ServerMessage>>),
}

/// The effects of several inputs.
#[derive(Default)]
struct Batch {
    writes: Vec<Write>,
    steps: Vec<Step>,
}

impl Batch {
    fn add(&mut self, effects: Effects) {
        self.writes.extend(effects.writes);
        self.steps.extend(effects.outputs.into_iter().map(Step::Output));
    }
}

/// The driver.
pub struct Hub {
    parts: Parts,
    board: Switchboard,
    outboxes: HashMap<SessionId, Outbox>,
    requests: HashMap<RequestId, oneshot::Sender<Answer>>,
    next_request: u64,
    /// Connections to be closed: their send queue is full, or a proof that they need cannot be read.
    failed: BTreeSet<SessionId>,
    clock: Clock,
    /// The recovery failed too: the engine's state is unknown until it succeeds. Why, for people.
    state_unknown: Option<&'static str>,
    /// Log size to be written to the store with its next transaction.
    log_reported: Option<u64>,
}

impl Hub {
    /// Loads what is stored.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn new(mut parts: Parts, now_ms: u64) -> Result<Self, StoreError> {
        let snapshot = parts.store.load()?;
        let (board, effects) = Switchboard::new(parts.policy.clone(), snapshot, now_ms);
        let mut hub = Self {
            parts,
            board,
            outboxes: HashMap::new(),
            requests: HashMap::new(),
            next_request: 1,
            failed: BTreeSet::new(),
            clock: Clock::new(Instant::now(), now_ms),
            state_unknown: None,
            log_reported: None,
        };
        let mut batch = Batch::default();
        batch.add(effects);
        hub.commit(batch);
        Ok(hub)
    }

    /// Runs until [`Input::Stop`], on a dedicated thread.
    pub fn run(mut self, mut inputs: mpsc::Receiver<Queued>, runtime: &Handle) {
        self.run_until_stop(&mut inputs, runtime);
        // Nothing is lost by it: an operator has to copy the files beside the database, too.
        if let Err(error) = self.parts.store.settle() {
            tracing::warn!(%error, "the database could not be put into one file: copy the files beside it as well");
        }
    }

    fn run_until_stop(&mut self, inputs: &mut mpsc::Receiver<Queued>, runtime: &Handle) {
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
            let mut batch = Batch::default();
            self.follow_clock(Instant::now(), now_ms());
            match received {
                Err(()) => match self.state_unknown {
                    Some(why) => {
                        self.recover(&[], why);
                        std::thread::sleep(RETRY_PAUSE);
                    }
                    None => batch.add(self.board.timeout(self.now_ms())),
                },
                Ok(None | Some(Queued { input: Input::Stop, .. })) => return,
                Ok(Some(queued)) => self.take(queued.input, &mut batch),
            }
            let mut stop = false;
            for _ in 1..MAX_BATCH {
                match inputs.try_recv() {
                    Ok(Queued { input: Input::Stop, .. }) => stop = true,
                    Ok(queued) => self.take(queued.input, &mut batch),
                    Err(_) => break,
                }
            }
            self.commit(batch);
            self.close_failed();
            if stop {
                return;
            }
        }
    }

    /// Wall time that does not go backward while the engine runs.
    fn now_ms(&self) -> u64 {
        self.clock.at(Instant::now())
    }

    /// Follows the wall clock. If it was set, or the machine was suspended, the engine restarts from what is durable: its
    /// deadlines are of the former time, so that calls would end too early or never. Devices reconnect and resume.
    fn follow_clock(&mut self, at: Instant, wall_ms: u64) {
        if let Some(ClockStep { by_ms }) = self.clock.follow(at, wall_ms) {
            tracing::warn!(
                by_ms,
                "the wall clock was set, or the machine was suspended: all connections are closed, and the switchboard goes on \
                 with the new time; check time synchronization if it repeats"
            );
            if by_ms < 0 && self.state_unknown.is_none() {
                // What may last so long lasts no longer by it.
                let mut batch = Batch::default();
                batch.add(self.board.clock_set_back(by_ms.unsigned_abs()));
                self.commit(batch);
            }
            self.recover(&[], failure::CLOCK_SET);
        }
    }

    /// Runs the engine on one input, and adds its effects to the batch.
    fn take(&mut self, input: Input, batch: &mut Batch) {
        if let Some(why) = self.state_unknown {
            self.recover(&[], why);
            if let Some(why) = self.state_unknown {
                return failure::refuse(input, why);
            }
        }
        let now = self.now_ms();
        let effects = match input {
            Input::Connected { session, device, token, outbox, reply } => {
                self.outboxes.insert(session, outbox);
                match self.board.connected(session, device, token, now) {
                    Ok((signed_in, effects)) => {
                        batch.steps.push(Step::Admit(reply, Ok(signed_in)));
                        effects
                    }
                    Err(message) => {
                        self.outboxes.remove(&session);
                        return batch.steps.push(Step::Admit(reply, Err(message)));
                    }
                }
            }
            Input::Disconnected(session) => {
                self.outboxes.remove(&session);
                self.board.disconnected(session, now)
            }
            Input::SignInFailed(device) => self.board.sign_in_failed(device, now),
            Input::AccountLinked(device) => self.board.account_linked(device, now),
            Input::AccountRenewed(device, remaining_ms) => self.board.account_renewed(device, remaining_ms, now),
            Input::LinkOpenedAgain(invitation) => self.board.link_opened_again(invitation, now),
            Input::Message(session, message) => match self.look_up_invitation(session, &message) {
                Ok(false) => self.board.message(session, *message, now),
                Ok(true) => self.board.invitation_exists(session, now),
                Err(why) => self.board.invitation_unavailable(session, why, now),
            },
            Input::Ring(session, ring) => {
                let looked_up = ring.and_then(|ring| self.look_up_call(ring));
                self.board.ring(session, looked_up, now)
            }
            Input::Delegate(session, new) => {
                let new = new.and_then(|new| match self.parts.store.delegation_exists(&new.content.delegation) {
                    Ok(exists) => Ok(NewDelegation { exists, ..new }),
                    Err(error) => {
                        tracing::error!(delegation = %new.content.delegation, %error, "a delegation was refused: the store cannot be read; check the database");
                        Err(failure::sentence(&error).to_owned())
                    }
                });
                self.board.delegate(session, new, now)
            }
            Input::EndDelegation(session, ending) => self.board.end_delegation(session, ending, now),
            Input::SignLine(session, new) => {
                let new = new.and_then(|new| match self.look_up_line(&new) {
                    Ok(exists) => Ok(NewLine { exists, ..new }),
                    Err(error) => {
                        tracing::error!(line = %new.content.line, %error, "a version of a line was refused: the store cannot be read; check the database");
                        Err(failure::sentence(&error).to_owned())
                    }
                });
                self.board.sign_line(session, new, now)
            }
            Input::PublishKey(session, new) => self.board.publish_key(session, new, now),
            Input::PutDocument(new, reply) => {
                match self.parts.store.document_standing(&new.content.document, new.content.version) {
                    Ok(standing) => {
                        let request = self.request(reply);
                        self.board.put_document(request, NewDocument { standing, ..*new }, now)
                    }
                    Err(error) => {
                        tracing::error!(document = %new.content.document, %error, "a document was refused: the store cannot be read; check the database");
                        let _ = reply.send(Err(failure::store_failed()));
                        return;
                    }
                }
            }
            Input::OpenCopy(document, version, device, reply) => {
                let request = self.request(reply);
                self.board.open_copy(request, document, version, device, now)
            }
            Input::PublishReadout(readout, sha256, reply) => {
                let request = self.request(reply);
                self.board.publish_readout(request, readout, sha256, now)
            }
            Input::AttestHolder(session, new) => self.board.attest_holder(session, *new, now),
            Input::Ping(session, from_size) => return batch.steps.push(Step::Checkpoint(session, from_size)),
            Input::Probe(reply) => {
                let _ = reply.send(());
                return;
            }
            Input::Enrol(device, reply) => {
                let Ok(enrolment_is_used) = self.parts.store.enrolment_is_used(&device.enrolment) else {
                    let _ = reply.send(Err(failure::store_failed()));
                    return;
                };
                let request = self.request(reply);
                self.board.enrol(request, NewDevice { enrolment_is_used, ..*device }, now)
            }
            Input::LinkIssued(row, reply) => {
                let request = self.request(reply);
                self.board.link_issued(request, *row, now)
            }
            Input::Appoint(row, reply) => {
                let request = self.request(reply);
                self.board.appoint(request, *row, now)
            }
            Input::DeviceAsked(asked, reply) => {
                let request = self.request(reply);
                self.board.device_asked(request, *asked, now)
            }
            Input::Approve(session, invitation, approved, reply) => {
                let approved = approved.and_then(|approved| match approved {
                    Approved::First(first) => Ok(Approved::First(first)),
                    Approved::Last(new) => {
                        let is_used = self.parts.store.enrolment_is_used(&new.enrolment);
                        let enrolment_is_used = is_used.map_err(|_| failure::STORE_FAILED.to_owned())?;
                        Ok(Approved::Last(NewDevice { enrolment_is_used, ..new }))
                    }
                    Approved::Holder(new, line) => {
                        let is_used = self.parts.store.enrolment_is_used(&new.enrolment);
                        let enrolment_is_used = is_used.map_err(|_| failure::STORE_FAILED.to_owned())?;
                        Ok(Approved::Holder(NewDevice { enrolment_is_used, ..new }, line))
                    }
                });
                let request = self.request(reply);
                self.board.approve(session, request, invitation, approved, now)
            }
            Input::OpenRecovery(session, opening) => self.board.open_recovery(session, *opening, now),
            Input::ConfirmRecovery(session, confirming, reply) => {
                let request = self.request(reply);
                self.board.confirm_recovery(session, request, *confirming, now)
            }
            Input::Erased(device, reply) => {
                let request = self.request(reply);
                self.board.device_erased(request, device, now)
            }
            Input::RevokeAsRegistrar(session, revocation, reply) => {
                let request = self.request(reply);
                self.board.revoke_as_registrar(session, request, *revocation, now)
            }
            Input::Revoke(device, jws, reply) => {
                let request = self.request(reply);
                self.board.revoke(request, device, jws, now)
            }
            Input::BeginShift(new, reply) => {
                let request = self.request(reply);
                self.board.begin_shift(request, new, now)
            }
            Input::MaySeal(call, device, reply) => {
                let exists = self.ended_call_exists(&call);
                let _ = reply.send(exists.and_then(|exists| self.board.may_seal(&call, &device, exists)));
                return;
            }
            Input::Recall(ended, device, reply) => {
                let _ = reply.send(());
                self.board.recall(&ended, &device, now)
            }
            Input::Seal(seal, reply) => match self.ended_call_exists(&seal.call) {
                Ok(exists) => {
                    let request = self.request(reply);
                    self.board.seal(request, *seal, exists, now)
                }
                Err(refusal) => {
                    let _ = reply.send(Err(refusal));
                    return;
                }
            },
            Input::Logged(append, index) => self.board.logged(append, index, now),
            Input::LogReported(size) => {
                self.log_reported = Some(size);
                return;
            }
            Input::LegAdded(call, device, session, answer) => self.board.leg_added(call, device, session, answer, now),
            Input::LegLost(call, device) => self.board.leg_lost(call, device, now),
            Input::Protection(writes, reply) => {
                batch.writes.push(Write::Protection(writes));
                return batch.steps.push(Step::Stored(reply, batch.writes.len() - 1));
            }
            Input::Subscribe(device, row, reply) => {
                let request = self.request(reply);
                match row {
                    Some(row) => self.board.subscribe(request, *row, now),
                    None => self.board.unsubscribe(request, device, now),
                }
            }
            Input::Pushed(device, about) => self.board.pushed(device, about, now),
            Input::PushGone(device, endpoint) => self.board.push_gone(device, &endpoint, now),
            Input::IsInCall(device, reply) => {
                let _ = reply.send(self.board.device_is_in_use(&device, now));
                return;
            }
            Input::Gauges(reply) => {
                let _ = reply.send(self.board.gauges());
                return;
            }
            Input::Stop => return,
        };
        batch.add(effects);
    }

    /// Whether the first version of a line has an id that was used before. Later ones are compared with what the switchboard has.
    fn look_up_line(&mut self, new: &NewLine) -> Result<bool, StoreError> {
        if new.content.version != 1 {
            return Ok(true);
        }
        let line = new.content.line;
        Ok(self.parts.store.line_exists(&line)? || self.parts.store.invitation_exists(&line.offer())?)
    }

    fn look_up_call(&mut self, ring: VerifiedRing) -> Result<VerifiedRing, RefusedRing> {
        let store = &mut self.parts.store;
        let line = ring.ring.over.map_or(Ok(None), |over| store.signed_line(&over));
        match line.and_then(|line| Ok((store.call_exists(&ring.ring.call.id)?, line))) {
            Ok((call_exists, line)) => Ok(VerifiedRing { call_exists, line: line.map(Box::new), ..ring }),
            Err(error) => {
                tracing::error!(call = %ring.ring.call, %error, "a ring was refused: the store cannot be read; check the database");
                Err(RefusedRing::store_failed(ring.ring.call.id))
            }
        }
    }

    /// Whether a message is an invitation with an id that was used before: the switchboard knows only those that are not over.
    /// Not looked up for a device that may not invite: it is refused without costing the database a read.
    fn look_up_invitation(&mut self, session: SessionId, message: &ClientMessage) -> Result<bool, &'static str> {
        let (invitation, is_line, may) = match message {
            ClientMessage::Invite { invitation, card, line, .. } => {
                (invitation, line.is_some(), self.board.may_invite(session, card.role, line.is_some()))
            }
            ClientMessage::OfferLine { invitation, .. } => (invitation, true, self.board.may_offer_for_others(session)),
            _ => return Ok(false),
        };
        if !may {
            return Ok(false);
        }
        let store = &mut self.parts.store;
        let line = if is_line { store.line_exists(&LineId::of_offer(*invitation)) } else { Ok(false) };
        line.and_then(|exists| Ok(exists || store.invitation_exists(invitation)?)).map_err(|error| {
            tracing::error!(%invitation, %error, "an invitation was refused: the store cannot be read; check the database");
            failure::sentence(&error)
        })
    }

    /// Whether a call with this id ever existed. Not looked up for calls in memory: live ones, and those with a pending
    /// record.
    fn ended_call_exists(&mut self, call: &CallId) -> Result<bool, Refusal> {
        if self.board.awaits_record(call) {
            return Ok(true);
        }
        self.parts.store.call_exists(call).map_err(|error| {
            tracing::error!(%call, %error, "a record was refused: the store cannot be read; check the database");
            failure::store_failed()
        })
    }

    fn request(&mut self, reply: oneshot::Sender<Answer>) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.requests.insert(id, reply);
        id
    }

    /// Makes the writes of a batch durable, then carries out the rest of it.
    fn commit(&mut self, mut batch: Batch) {
        if !batch.writes.is_empty() {
            // Added to a transaction that is made anyway: it only moves the point from which the next start reads the
            // log.
            batch.writes.extend(self.log_reported.take().map(Write::LogSeen));
        }
        let applied = match self.parts.store.apply(&batch.writes) {
            Ok(applied) => applied,
            Err(error) => {
                tracing::error!(
                    %error,
                    "the store failed: all connections are closed, and the switchboard recovers from what is durable"
                );
                return self.recover(&batch.steps, failure::sentence(&error));
            }
        };
        for step in batch.steps {
            match step {
                Step::Output(output) => self.carry_out(output),
                Step::Checkpoint(session, from_size) => {
                    let message = self.parts.prover.checkpoint_message(from_size);
                    self.send(session, message);
                }
                Step::Stored(reply, at) => drop(reply.send(!applied.refused.contains(&at))),
                Step::Admit(reply, answer) => {
                    // The receiver is gone if the connection was lost meanwhile, which is reported separately.
                    let _ = reply.send(answer);
                }
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send(session, message) => self.send(session, *message),
            Output::Close(session, reason) => {
                if let Some(outbox) = self.outboxes.remove(&session) {
                    // A connection whose send queue is full ends when its queue is dropped.
                    let _ = outbox.try_send(Outgoing::Close(reason));
                }
            }
            Output::Append(append, entry) => {
                if !self.parts.log.append(append, entry) {
                    tracing::error!("log thread stopped: no entry can be appended; restart the server");
                }
            }
            Output::Relay(command) => {
                // Fails only while the server stops.
                let _ = self.parts.relay.send(command);
            }
            Output::Push(command) => self.parts.push.send(command),
            Output::Reply(request, answer) => {
                if let Some(reply) = self.requests.remove(&request) {
                    let _ = reply.send(answer);
                }
            }
        }
    }

    fn send(&mut self, session: SessionId, mut message: ServerMessage) {
        let Some(outbox) = self.outboxes.get(&session).filter(|_| !self.failed.contains(&session)) else { return };
        if let Err(error) = self.parts.prover.fill(&mut message) {
            // The device would refuse the message without its proof. It reconnects and resumes.
            tracing::error!(session = session.0, %error, "closing connection: a log proof cannot be read; check the log's disk");
            self.failed.insert(session);
        } else if let Err(error) = outbox.try_send(Outgoing::Text(encode(&message))) {
            if error == NotQueued::Full {
                tracing::warn!(session = session.0, "closing slow consumer: send queue full");
            }
            self.failed.insert(session);
        }
    }

    fn close_failed(&mut self) {
        while let Some(session) = self.failed.pop_first() {
            if self.outboxes.remove(&session).is_some() {
                let mut batch = Batch::default();
                batch.add(self.board.disconnected(session, self.now_ms()));
                self.commit(batch);
            }
        }
    }

    /// Closes all connections and restarts the engine from what is durable. `lost` are the steps that were not carried
    /// out; `why`, for people whose requests are lost with them.
    fn recover(&mut self, lost: &[Step], why: &'static str) {
        self.outboxes.clear();
        self.failed.clear();
        for step in lost {
            // Its outcome is unknown: it is not answered, and its client retries.
            if let Step::Output(Output::Reply(request, _)) = step {
                self.requests.remove(request);
            }
        }
        for (_, reply) in self.requests.drain() {
            let _ = reply.send(Err(Refusal::new(RefusalKind::Unavailable, why)));
        }
        self.state_unknown = match self.restart_engine() {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(%error, "state unknown until the store recovers: check the database; recovery is retried with every message");
                Some(failure::of_recovery(&error))
            }
        };
    }

    /// Restarts the engine from what is durable in store and log.
    fn restart_engine(&mut self) -> Result<(), ReconcileError> {
        // Appends may still be in progress, so rows without a log entry are not discarded.
        reconcile(&mut *self.parts.store, &self.parts.prover, &*self.parts.archive, false)?;
        let snapshot = self.parts.store.load()?;
        let now = self.now_ms();
        let (board, effects) = Switchboard::new(self.parts.policy.clone(), snapshot, now);
        self.parts.store.apply(&effects.writes)?;
        self.board = board;
        let mut batch = Batch::default();
        batch.add(Effects { writes: Vec::new(), outputs: effects.outputs });
        self.commit(batch);
        Ok(())
    }
}

fn encode(message: &ServerMessage) -> String {
    serde_json::to_string(message).expect("invariant: messages have no map keys that JSON cannot hold")
}

#[cfg(test)]
mod tests;
