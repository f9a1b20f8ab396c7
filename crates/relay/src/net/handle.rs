//! The asynchronous handle by which the server controls the relay's workers.

use crate::{
    api::{Full, LegId, OpenedCall, Refused, RelayError, RelayEvent},
    limits,
    offer::OfferError,
    stats::RelayStats,
};
use mio::Waker;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use telcon_proto::CallId;
use tokio::sync::{broadcast, mpsc, oneshot};

/// Calls per worker before the next worker is used; when all have as many, the least loaded one is used. Workers that
/// share little work wake up more often in total than one that has all of it. This many calls use a tenth of a core.
const MIN_CALLS_PER_WORKER: usize = 64;
/// Pending commands per worker. A full queue makes the caller wait (backpressure).
const COMMAND_QUEUE: usize = 256;

/// A worker thread has ended: the server is shutting down, or the worker failed, which the task of
/// [`start`](super::start) reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the relay has stopped")]
pub struct Stopped;

/// Why a request to the relay failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// The engine refused it.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// See [`Stopped`].
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// An instruction to one worker, with the channel for its result.
pub(super) enum Command {
    Open(OpenedCall, oneshot::Sender<Result<(), RelayError>>),
    Close(CallId, oneshot::Sender<bool>),
    AddLeg { call: CallId, leg: LegId, offer: String, reply: oneshot::Sender<Result<String, RelayError>> },
    RemoveLeg(LegId, oneshot::Sender<bool>),
    Stats(oneshot::Sender<RelayStats>),
}

/// Command queue and waker of one worker. Dropping it ends the worker.
pub(super) struct WorkerHandle {
    port: u16,
    commands: Option<mpsc::Sender<Command>>,
    waker: Waker,
}

impl WorkerHandle {
    pub(super) fn new(port: u16, waker: Waker) -> (Self, mpsc::Receiver<Command>) {
        let (sender, commands) = mpsc::channel(COMMAND_QUEUE);
        (Self { port, commands: Some(sender), waker }, commands)
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.commands = None;
        // If waking fails, the worker notices the closed queue at its next timer.
        let _ = self.waker.wake();
    }
}

/// Controls the relay's workers. Cheap to clone; the workers end when the last clone is dropped.
#[derive(Clone)]
pub struct RelayHandle {
    workers: Arc<[WorkerHandle]>,
    /// Worker of each call.
    calls: Arc<Mutex<HashMap<CallId, usize>>>,
    max_calls: usize,
    events: broadcast::Sender<RelayEvent>,
}

impl RelayHandle {
    pub(super) fn new(workers: Vec<WorkerHandle>, max_calls: usize, events: broadcast::Sender<RelayEvent>) -> Self {
        Self { workers: workers.into(), calls: Arc::default(), max_calls, events }
    }

    /// The port of the first worker, UDP and TCP: the one that was asked for, or that the system chose.
    pub fn port(&self) -> u16 {
        self.workers[0].port
    }

    /// See [`crate::Relay::open_call`]. Assigns the call to a worker.
    ///
    /// # Errors
    /// As there, and when the relay has stopped.
    pub async fn open_call(&self, opened: OpenedCall) -> Result<(), HandleError> {
        let worker = self.assign(opened.call)?;
        let answer = self.request(worker, |reply| Command::Open(opened, reply)).await;
        // After `OtherEntry` the call exists and stays assigned.
        if matches!(answer, Err(_) | Ok(Err(RelayError::Full(_)))) {
            self.assignments().remove(&opened.call);
        }
        Ok(answer??)
    }

    /// See [`crate::Relay::close_call`].
    ///
    /// # Errors
    /// When the relay has stopped.
    pub async fn close_call(&self, call: CallId) -> Result<bool, Stopped> {
        let Some(worker) = self.assignments().remove(&call) else { return Ok(false) };
        self.request(worker, |reply| Command::Close(call, reply)).await
    }

    /// See [`crate::Relay::add_leg`].
    ///
    /// # Errors
    /// As there, and when the relay has stopped.
    pub async fn add_leg(&self, call: CallId, leg: LegId, offer: String) -> Result<String, HandleError> {
        if offer.len() > limits::MAX_SDP_BYTES {
            return Err(RelayError::Offer(OfferError::TooLong).into());
        }
        let worker = self.assignments().get(&call).copied();
        let worker = worker.ok_or(RelayError::Refused(Refused::NotOpened))?;
        Ok(self.request(worker, |reply| Command::AddLeg { call, leg, offer, reply }).await??)
    }

    /// See [`crate::Relay::remove_leg`].
    ///
    /// # Errors
    /// When the relay has stopped.
    pub async fn remove_leg(&self, leg: LegId) -> Result<bool, Stopped> {
        // The engines end legs on their own, so the handle keeps no table of them and asks every worker.
        let mut removed = false;
        for worker in 0..self.workers.len() {
            removed |= self.request(worker, |reply| Command::RemoveLeg(leg, reply)).await?;
        }
        Ok(removed)
    }

    /// See [`crate::Relay::stats`]: the sum over all workers.
    ///
    /// # Errors
    /// When the relay has stopped.
    pub async fn stats(&self) -> Result<RelayStats, Stopped> {
        let mut sum = RelayStats::default();
        for worker in 0..self.workers.len() {
            sum = sum.plus(&self.request(worker, Command::Stats).await?);
        }
        Ok(sum)
    }

    /// Subscribes to events from now on. A receiver that lags loses the oldest and learns how many.
    pub fn events(&self) -> broadcast::Receiver<RelayEvent> {
        self.events.subscribe()
    }

    /// The worker of a call, assigned now if it has none.
    fn assign(&self, call: CallId) -> Result<usize, RelayError> {
        let mut calls = self.assignments();
        if let Some(worker) = calls.get(&call) {
            return Ok(*worker);
        }
        // The limit applies to the sum over all workers; each engine only knows its own calls.
        if calls.len() >= self.max_calls {
            return Err(Full::Calls.into());
        }
        let mut load = vec![0; self.workers.len()];
        calls.values().for_each(|worker| load[*worker] += 1);
        let first = (0..load.len()).find(|worker| load[*worker] < MIN_CALLS_PER_WORKER);
        let chosen = first.or_else(|| (0..load.len()).min_by_key(|worker| load[*worker])).unwrap_or(0);
        calls.insert(call, chosen);
        Ok(chosen)
    }

    fn assignments(&self) -> MutexGuard<'_, HashMap<CallId, usize>> {
        // No code panics between two related updates, so a poisoned map is still consistent.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn request<T>(
        &self,
        worker: usize,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        let handle = &self.workers[worker];
        handle.commands.as_ref().ok_or(Stopped)?.send(command(reply)).await.map_err(|_| Stopped)?;
        handle.waker.wake().map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}
