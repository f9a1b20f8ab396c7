//! Queries of the HTTP API, over a connection of their own: they never wait for the switchboard, nor it for them.

use super::{CallRow, DeviceRow, RecordRow, StoreError, load, sql};
use rusqlite::{Connection, OpenFlags, Row};
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::{Mutex, PoisonError},
};
use telcon_proto::{CallId, DeviceId};

/// A call and what was kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The call.
    pub call: CallRow,
    /// Its records, one of each note-taker, in the order in which they came.
    pub records: Vec<RecordRow>,
}

impl StoredRecord {
    /// Whether there is a record, and none that is whole.
    pub fn is_partial(&self) -> bool {
        !self.records.is_empty() && self.records.iter().all(|record| record.partial)
    }
}

/// The store's reader.
pub struct Reader {
    connection: Mutex<Connection>,
}

impl Reader {
    /// Opens the database at `path` for reading. The writer must have made it.
    ///
    /// # Errors
    /// If SQLite cannot.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.execute_batch("PRAGMA busy_timeout = 5000;")?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// A device that is enrolled, revoked or not.
    ///
    /// # Errors
    /// If SQLite cannot read.
    pub fn device(&self, device: &DeviceId) -> Result<Option<DeviceRow>, StoreError> {
        let query = format!("SELECT {} FROM devices WHERE device = ?1 AND log_index IS NOT NULL", load::DEVICE_COLUMNS);
        Ok(load::all(&self.lock(), &query, [sql::id(device.as_bytes())], load::device_row)?.pop())
    }

    /// All devices that were ever enrolled, in the order of their enrolment.
    ///
    /// # Errors
    /// If SQLite cannot read.
    pub fn devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        let query =
            format!("SELECT {} FROM devices WHERE log_index IS NOT NULL ORDER BY enrolled_ms", load::DEVICE_COLUMNS);
        load::all(&self.lock(), &query, [], load::device_row)
    }

    /// Calls whose opening is in the log, newest first, at most `limit`.
    ///
    /// # Errors
    /// If SQLite cannot read.
    pub fn records(&self, limit: u32) -> Result<Vec<StoredRecord>, StoreError> {
        let connection = self.lock();
        let shown = |columns: &str| {
            format!("SELECT {columns} FROM calls WHERE opened_index IS NOT NULL ORDER BY opened_ms DESC, call LIMIT ?1")
        };
        let calls = load::all(&connection, &shown(load::CALL_COLUMNS), [limit], load::call_row)?;
        let mut records: HashMap<CallId, Vec<RecordRow>> = HashMap::new();
        for record in load::records_of(&connection, &shown("call"), [limit])? {
            records.entry(record.call).or_default().push(record);
        }
        let with_records =
            |call: CallRow| StoredRecord { records: records.remove(&call.call).unwrap_or_default(), call };
        Ok(calls.into_iter().map(with_records).collect())
    }

    /// Names of all records' directories; see [`crate::archive::RecordStore`].
    ///
    /// # Errors
    /// If SQLite cannot read.
    pub fn record_names(&self) -> Result<BTreeSet<String>, StoreError> {
        let name = |row: &Row<'_>| {
            let call = sql::call(row, 0)?.to_hex();
            Ok(match row.get::<_, Option<Vec<u8>>>(1)? {
                Some(_) => format!("{call}-{}", sql::device(row, 1)?),
                None => call,
            })
        };
        Ok(load::all(&self.lock(), "SELECT call, device FROM records", [], name)?.into_iter().collect())
    }

    /// One call, with the devices that were ever in it.
    ///
    /// # Errors
    /// If SQLite cannot read.
    pub fn record(&self, call: &CallId) -> Result<Option<(StoredRecord, Vec<DeviceRow>)>, StoreError> {
        let connection = self.lock();
        let key = sql::id(call.as_bytes());
        let query = format!("SELECT {} FROM calls WHERE call = ?1 AND opened_index IS NOT NULL", load::CALL_COLUMNS);
        let Some(found) = load::all(&connection, &query, [key], load::call_row)?.pop() else { return Ok(None) };
        let devices = format!(
            "SELECT {} FROM devices WHERE device IN (SELECT device FROM participants WHERE call = ?1)
             OR device = (SELECT answerer FROM calls WHERE call = ?1) ORDER BY enrolled_ms",
            load::DEVICE_COLUMNS
        );
        let devices = load::all(&connection, &devices, [key], load::device_row)?;
        Ok(Some((StoredRecord { records: load::records(&connection, call)?, call: found }, devices)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        // A panic in a query leaves the connection as it was: SQLite has its own transactions.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
