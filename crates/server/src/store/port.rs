//! The ports: what a switchboard needs of a store ([`Store`]) and what HTTP requests read from it ([`Queries`]).

use super::{CallRow, DeviceRow, RecordRow, Snapshot, Write};
use std::collections::BTreeSet;
use telcon_proto::{CallId, DeviceId};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says so: the disk is full, the connection was lost, or the file is damaged.
    #[error("the database failed: {0}")]
    Database(String),
    /// A row of this key is there already: a call id, device id or enrolment was used twice.
    #[error("the database has this row already: {0}")]
    Conflict(String),
    /// Another process writes to the database.
    #[error(
        "another telcon server uses this database: stop it first, or wait until its connection to the database has ended"
    )]
    InUse,
    /// A newer program wrote it.
    #[error("the database is of version {found}, and this program knows {known}: run the newer program")]
    Newer {
        /// Version of the database.
        found: i64,
        /// Newest that this program knows.
        known: i64,
    },
    /// A row does not hold what its column promises.
    #[error("the database holds a damaged {0}: restore it from a backup")]
    Damaged(&'static str),
    /// The location of a store cannot be understood.
    #[error("{0}")]
    Location(String),
}

/// Up to where the store has been compared with the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPosition {
    /// Size of the log of which every entry is accounted for in the store.
    pub seen: u64,
    /// Whether the log is to be read from index 0 all the same, because a schema upgrade needs what older programs did not
    /// keep of it.
    pub reread: bool,
}

/// The one writer. A transaction is durable when [`Store::apply`] returns `Ok`; after an error it may be durable or not,
/// and the caller starts over from [`Store::load`].
pub trait Store: Send {
    /// Applies all of `writes` in one transaction, or none of them. One call is one flush to disk, however many writes it
    /// carries: under load, callers pass the writes of several inputs at once (group commit).
    ///
    /// # Errors
    /// [`StoreError`]; what was durable before stays.
    fn apply(&mut self, writes: &[Write]) -> Result<(), StoreError>;

    /// Loads what is live: calls that are not over or of which something is owed, and the devices.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&mut self) -> Result<Snapshot, StoreError>;

    /// A device, enrolled or being enrolled, revoked or not.
    ///
    /// # Errors
    /// [`StoreError`].
    fn device(&mut self, device: &DeviceId) -> Result<Option<DeviceRow>, StoreError>;

    /// Whether an enrolment was used.
    ///
    /// # Errors
    /// [`StoreError`].
    fn enrolment_is_used(&mut self, enrolment: &str) -> Result<bool, StoreError>;

    /// Whether there ever was a call of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    fn call_exists(&mut self, call: &CallId) -> Result<bool, StoreError>;

    /// Up to where the store has been compared with the log; advanced by [`Write::LogSeen`].
    ///
    /// # Errors
    /// [`StoreError`].
    fn log_position(&mut self) -> Result<LogPosition, StoreError>;
}

/// A call and what was kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The call.
    pub call: CallRow,
    /// Its records, one of each note-taker, in the order in which they arrived.
    pub records: Vec<RecordRow>,
}

impl StoredRecord {
    /// Whether there is a record, and none that is complete.
    pub fn is_partial(&self) -> bool {
        !self.records.is_empty() && self.records.iter().all(|record| record.partial)
    }
}

/// What HTTP requests read. Over a connection of its own: neither waits for the writer, nor the writer for it.
pub trait Queries: Send + Sync {
    /// A device whose enrolment is in the log, revoked or not.
    ///
    /// # Errors
    /// [`StoreError`].
    fn device(&self, device: &DeviceId) -> Result<Option<DeviceRow>, StoreError>;

    /// All devices whose enrolment is in the log, in the order of their enrolment.
    ///
    /// # Errors
    /// [`StoreError`].
    fn devices(&self) -> Result<Vec<DeviceRow>, StoreError>;

    /// Calls whose opening is in the log, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn records(&self, limit: u32) -> Result<Vec<StoredRecord>, StoreError>;

    /// One call whose opening is in the log, with the devices that were ever in it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn record(&self, call: &CallId) -> Result<Option<(StoredRecord, Vec<DeviceRow>)>, StoreError>;

    /// Names of all records; see [`crate::archive::RecordStore`].
    ///
    /// # Errors
    /// [`StoreError`].
    fn record_names(&self) -> Result<BTreeSet<String>, StoreError>;
}
