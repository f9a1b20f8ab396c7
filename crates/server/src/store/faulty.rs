//! Fault injection: a store that fails on command, over a real one.

use super::{
    Applied, DeviceRow, DocumentStanding, LogPosition, LostDevice, SignedLine, Snapshot, Store, StoreError, Write,
};
use std::sync::{Arc, Mutex, PoisonError};
use telcon_proto::{CallId, DelegationId, DeviceId, DocumentId, InvitationId, LineId, line::OverLine};

/// How the next transactions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// They fail, and nothing is stored.
    Failed,
    /// They are stored, and reported as failed: the answer was lost.
    FailedButPersisted,
    /// As [`Fault::Failed`]: the disk is full.
    Full,
    /// Everything fails, including reads.
    Down,
}

/// Controls a [`FaultyStore`].
#[derive(Clone, Default)]
pub(crate) struct FaultControl(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    /// Transactions that succeed before the fault, and the number that then fail.
    after: usize,
    times: usize,
    applied: usize,
    fired: usize,
}

impl FaultControl {
    /// Everything fails from now on.
    pub fn take_down(&self) {
        self.inject(Fault::Down, 0, usize::MAX);
    }

    /// After `after` more transactions, `times` of them end with `fault`.
    pub fn inject(&self, fault: Fault, after: usize, times: usize) {
        let mut state = self.state();
        (state.fault, state.after, state.times, state.fired) = (Some(fault), after, times, 0);
    }

    /// Nothing fails any more.
    pub fn repair(&self) {
        self.state().fault = None;
    }

    /// Number of transactions so far.
    pub fn transactions(&self) -> usize {
        self.state().applied
    }

    /// Number of transactions that ended with the latest fault.
    pub fn fired(&self) -> usize {
        self.state().fired
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Fault> {
        let mut state = self.state();
        state.applied += 1;
        let fault = state.fault?;
        if state.after > 0 {
            state.after -= 1;
            return None;
        }
        if state.times == 0 {
            state.fault = None;
            return None;
        }
        state.times = state.times.saturating_sub(1);
        state.fired += 1;
        Some(fault)
    }
}

/// The store.
pub(crate) struct FaultyStore {
    inner: Box<dyn Store>,
    control: FaultControl,
}

impl FaultyStore {
    pub fn new(inner: Box<dyn Store>, control: FaultControl) -> Self {
        Self { inner, control }
    }

    fn up(&self) -> Result<(), StoreError> {
        if self.control.state().fault == Some(Fault::Down) { Err(injected()) } else { Ok(()) }
    }
}

fn injected() -> StoreError {
    StoreError::Database("injected fault".into())
}

impl Store for FaultyStore {
    fn apply(&mut self, writes: &[Write]) -> Result<Applied, StoreError> {
        if writes.is_empty() {
            return Ok(Applied::default());
        }
        match self.control.next() {
            None => self.inner.apply(writes),
            Some(Fault::FailedButPersisted) => {
                self.inner.apply(writes)?;
                Err(injected())
            }
            Some(Fault::Full) => Err(StoreError::Full("telcon.db".into())),
            Some(Fault::Failed | Fault::Down) => Err(injected()),
        }
    }

    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.up()?;
        self.inner.load()
    }

    fn device(&mut self, device: &DeviceId) -> Result<Option<DeviceRow>, StoreError> {
        self.up()?;
        self.inner.device(device)
    }

    fn lost_devices(&mut self) -> Result<Vec<LostDevice>, StoreError> {
        self.up()?;
        self.inner.lost_devices()
    }

    fn enrolment_is_used(&mut self, enrolment: &str) -> Result<bool, StoreError> {
        self.up()?;
        self.inner.enrolment_is_used(enrolment)
    }

    fn call_exists(&mut self, call: &CallId) -> Result<bool, StoreError> {
        self.up()?;
        self.inner.call_exists(call)
    }

    fn delegation_exists(&mut self, delegation: &DelegationId) -> Result<bool, StoreError> {
        self.up()?;
        self.inner.delegation_exists(delegation)
    }

    fn invitation_exists(&mut self, invitation: &InvitationId) -> Result<bool, StoreError> {
        self.up()?;
        self.inner.invitation_exists(invitation)
    }

    fn line_exists(&mut self, line: &LineId) -> Result<bool, StoreError> {
        self.up()?;
        self.inner.line_exists(line)
    }

    fn signed_line(&mut self, over: &OverLine) -> Result<Option<SignedLine>, StoreError> {
        self.up()?;
        self.inner.signed_line(over)
    }

    fn document_standing(&mut self, document: &DocumentId, version: u32) -> Result<DocumentStanding, StoreError> {
        self.up()?;
        self.inner.document_standing(document, version)
    }

    fn log_position(&mut self) -> Result<LogPosition, StoreError> {
        self.up()?;
        self.inner.log_position()
    }
}
