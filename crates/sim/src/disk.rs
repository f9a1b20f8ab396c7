//! What survives the server's process: the log's files and the store, with faults at any write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use telcon_log::{MemoryStorage, Reader, Storage, StorageError};
use telcon_proto::{CallId, DelegationId, DeviceId, DocumentId, InvitationId, LineId, line::OverLine};
use telcon_server::store::{
    Applied, DeviceRow, DocumentStanding, LogPosition, LostDevice, SignedLine, Snapshot, Store, StoreError,
    StoreLocation, Write,
};

/// What goes wrong with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power fails. Whether this write reached the disk is left to chance; the process is gone.
    Crash,
    /// The write fails, and the process goes on. It may have reached the disk all the same.
    Fail,
}

/// A fault that is to come.
#[derive(Clone, Copy, Debug)]
struct Due {
    fault: Fault,
    /// Writes until then.
    after: u64,
    /// Whether the write reaches the disk.
    applied: bool,
}

#[derive(Default)]
struct Faults {
    due: Option<Due>,
    crashed: bool,
    /// No write is possible, and the process goes on: the disk is full.
    full: bool,
}

impl Faults {
    /// Whether the next write is applied, and whether it is reported as done.
    fn next(&mut self) -> (bool, bool) {
        match &mut self.due {
            _ if self.crashed || self.full => (false, false),
            None => (true, true),
            Some(due) if due.after > 0 => {
                due.after -= 1;
                (true, true)
            }
            Some(due) => {
                let Due { fault, applied, .. } = *due;
                self.due = None;
                self.crashed = fault == Fault::Crash;
                (applied, false)
            }
        }
    }
}

/// The log's files.
#[derive(Clone, Default)]
pub struct LogDisk(Arc<Mutex<Files>>);

#[derive(Default)]
struct Files {
    storage: MemoryStorage,
    faults: Faults,
    /// How often the log was opened: a writer of an earlier process writes no more.
    opened: u64,
}

impl LogDisk {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one writer of a new process.
    pub fn writer(&self) -> LogFiles {
        let mut files = self.files();
        files.opened += 1;
        files.faults.crashed = false;
        LogFiles { disk: self.clone(), opened: files.opened }
    }

    /// After so many more writes, one goes wrong.
    pub fn fail(&self, fault: Fault, after: u64, applied: bool) {
        self.files().faults.due = Some(Due { fault, after, applied });
    }

    /// Nothing goes wrong any more.
    pub fn repair(&self) {
        self.files().faults.due = None;
    }

    /// Whether nothing can be written.
    pub fn set_full(&self, full: bool) {
        self.files().faults.full = full;
    }

    /// A copy of the files, as whoever runs the server can make one.
    pub fn copy(&self) -> MemoryStorage {
        self.files().storage.clone()
    }

    /// Whether the power failed during a write.
    pub fn has_crashed(&self) -> bool {
        self.files().faults.crashed
    }
}

impl Reader for LogDisk {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.files().storage.read(path)
    }
}

/// The log's files, open for writing.
pub struct LogFiles {
    disk: LogDisk,
    opened: u64,
}

impl LogFiles {
    fn write(
        &self,
        path: &str,
        write: impl FnOnce(&mut MemoryStorage) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut files = self.disk.files();
        let failed = || StorageError::io(path, std::io::Error::other("injected fault"));
        if files.opened != self.opened {
            return Err(failed());
        }
        let (applied, reported) = files.faults.next();
        let result = if applied { write(&mut files.storage) } else { Ok(()) };
        if reported { result } else { Err(failed()) }
    }
}

impl Reader for LogFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.disk.read(path)
    }
}

impl Storage for LogFiles {
    fn write_once(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.write(path, |files| files.write_once(path, bytes))
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.write(path, |files| files.replace(path, bytes))
    }

    fn swap(&mut self, path: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<(), StorageError> {
        self.write(path, |files| files.swap(path, expected, bytes))
    }

    fn remove(&mut self, path: &str) -> Result<(), StorageError> {
        self.write(path, |files| files.remove(path))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, StorageError> {
        self.disk.files().storage.list(dir)
    }
}

/// The store: the real one, over a database in memory that outlives the server's process.
pub struct StoreDisk {
    inner: Box<dyn Store>,
    faults: Faults,
}

impl StoreDisk {
    /// An empty store.
    pub fn new() -> Self {
        let inner =
            StoreLocation::Sqlite(":memory:".into()).writer(&crate::office::domain()).expect("a database in memory");
        Self { inner, faults: Faults::default() }
    }

    /// After so many more transactions, one goes wrong.
    pub fn fail(&mut self, fault: Fault, after: u64, applied: bool) {
        self.faults.due = Some(Due { fault, after, applied });
    }

    /// Nothing goes wrong any more.
    pub fn repair(&mut self) {
        self.faults.due = None;
    }

    /// The process of the server starts again.
    pub fn reopen(&mut self) {
        self.faults.crashed = false;
    }

    /// Whether the power failed during a transaction.
    pub fn has_crashed(&self) -> bool {
        self.faults.crashed
    }
}

impl Store for StoreDisk {
    fn apply(&mut self, writes: &[Write]) -> Result<Applied, StoreError> {
        if writes.is_empty() {
            return Ok(Applied::default());
        }
        let (applied, reported) = self.faults.next();
        let result = if applied { self.inner.apply(writes)? } else { Applied::default() };
        if reported { Ok(result) } else { Err(StoreError::Database("injected fault".into())) }
    }

    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.inner.load()
    }

    fn device(&mut self, device: &DeviceId) -> Result<Option<DeviceRow>, StoreError> {
        self.inner.device(device)
    }

    fn lost_devices(&mut self) -> Result<Vec<LostDevice>, StoreError> {
        self.inner.lost_devices()
    }

    fn enrolment_is_used(&mut self, enrolment: &str) -> Result<bool, StoreError> {
        self.inner.enrolment_is_used(enrolment)
    }

    fn call_exists(&mut self, call: &CallId) -> Result<bool, StoreError> {
        self.inner.call_exists(call)
    }

    fn delegation_exists(&mut self, delegation: &DelegationId) -> Result<bool, StoreError> {
        self.inner.delegation_exists(delegation)
    }

    fn invitation_exists(&mut self, invitation: &InvitationId) -> Result<bool, StoreError> {
        self.inner.invitation_exists(invitation)
    }

    fn line_exists(&mut self, line: &LineId) -> Result<bool, StoreError> {
        self.inner.line_exists(line)
    }

    fn signed_line(&mut self, over: &OverLine) -> Result<Option<SignedLine>, StoreError> {
        self.inner.signed_line(over)
    }

    fn document_standing(&mut self, document: &DocumentId, version: u32) -> Result<DocumentStanding, StoreError> {
        self.inner.document_standing(document, version)
    }

    fn log_position(&mut self) -> Result<LogPosition, StoreError> {
        self.inner.log_position()
    }
}
