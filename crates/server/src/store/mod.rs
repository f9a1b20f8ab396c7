//! What must survive a power cut: devices, calls and the order of their commits, in one SQLite file.
//!
//! The store is trusted for who may sign in and for the order of commits. Whoever can change it can refuse service,
//! replay an order that members refuse, or invent devices that no member accepts, because certificates and log proofs
//! are checked by the devices. It holds names, and no content and no key.

mod load;
mod read;
mod rows;
mod schema;
mod sql;

pub use read::{Reader, StoredRecord};
pub use rows::{ActiveCall, Ask, CallRow, DeviceRow, Handshake, RecordRow, Snapshot, Stage, Unfinished, Write};

use rusqlite::{Connection, Transaction, params};
use sql::{id, int, json, optional};
use std::path::Path;
use telcon_proto::{Blob, CallId};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite says so: the disk is full, or the file is damaged or in use.
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A newer program wrote it.
    #[error("the database is of version {found}, and this program knows {known}: run the newer program")]
    Newer {
        /// Version of the file.
        found: i64,
        /// Newest that this program knows.
        known: i64,
    },
    /// A row does not hold what its column promises.
    #[error("the database holds a damaged {0}: restore it from a backup")]
    Damaged(&'static str),
}

/// The store's writer. One per file.
pub struct Store {
    connection: Connection,
}

impl Store {
    /// Opens or makes the database at `path`.
    ///
    /// # Errors
    /// If SQLite cannot, or the file was written by a newer program.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        // FULL: in WAL mode NORMAL may forget the last transactions in a power cut, and a forgotten commit would
        // leave members in an epoch that the server denies.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;
             PRAGMA secure_delete = ON;",
        )?;
        schema::migrate(&mut connection)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection })
    }

    /// Makes all of `writes` durable in one transaction, or none.
    ///
    /// # Errors
    /// If SQLite cannot; then nothing was changed.
    pub fn apply(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        for write in writes {
            apply_one(&transaction, write)?;
        }
        Ok(transaction.commit()?)
    }

    #[cfg(test)]
    pub(crate) fn refuse_writes(&self, refuse: bool) {
        self.connection.pragma_update(None, "query_only", refuse).expect("a pragma");
    }

    /// Everything a switchboard starts from.
    ///
    /// # Errors
    /// If SQLite cannot read, or a row is damaged.
    pub fn load(&self) -> Result<Snapshot, StoreError> {
        load::snapshot(&self.connection)
    }

    /// Whether there ever was a call of this id.
    ///
    /// # Errors
    /// If SQLite cannot read.
    pub fn call_exists(&self, call: &CallId) -> Result<bool, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM calls WHERE call = ?1)")?;
        Ok(statement.query_row([id(call.as_bytes())], |row| row.get(0))?)
    }

    /// Whether an enrolment was used.
    ///
    /// # Errors
    /// If SQLite cannot read.
    pub fn enrolment_is_used(&self, enrolment: &str) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM devices WHERE enrolment = ?1)";
        let mut statement = self.connection.prepare_cached(query)?;
        Ok(statement.query_row([enrolment], |row| row.get(0))?)
    }

    /// Up to which size the log was compared with the store at start.
    ///
    /// # Errors
    /// If SQLite cannot read.
    pub fn log_seen(&self) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare("SELECT value FROM marks WHERE name = 'log_seen'")?;
        let mut rows = statement.query([])?;
        Ok(match rows.next()? {
            Some(row) => row.get::<_, i64>(0)? as u64,
            None => 0,
        })
    }

    /// Whether the log is to be read from its beginning, because a migration needs what older programs did not keep of it.
    ///
    /// # Errors
    /// If SQLite cannot read.
    pub fn reads_log_again(&self) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM marks WHERE name = 'log_again')";
        Ok(self.connection.query_row(query, [], |row| row.get(0))?)
    }

    /// Remembers [`Store::log_seen`], and that nothing before it is to be read again.
    ///
    /// # Errors
    /// If SQLite cannot write.
    pub fn set_log_seen(&mut self, size: u64) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        transaction.execute("INSERT OR REPLACE INTO marks VALUES ('log_seen', ?1)", [int(size)])?;
        transaction.execute("DELETE FROM marks WHERE name = 'log_again'", [])?;
        Ok(transaction.commit()?)
    }
}

fn apply_one(t: &Transaction<'_>, write: &Write) -> Result<(), StoreError> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| t.prepare_cached(sql)?.execute(values);
    match write {
        Write::Device(row) => {
            let [certificate, issuer] = row.chain.as_slice() else { return Err(StoreError::Damaged("device chain")) };
            run(
                "INSERT INTO devices VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                params![
                    id(row.device.as_bytes()),
                    json(&row.card),
                    certificate.as_slice(),
                    issuer.as_slice(),
                    row.cert_sha256.to_string(),
                    row.enrolment,
                    int(row.enrolled_ms),
                    optional(row.revoked_ms),
                    optional(row.log_index),
                    optional(row.revoked_index),
                    row.revocation
                ],
            )?;
        }
        Write::DeviceLogged(device, index) => {
            run("UPDATE devices SET log_index = ?2 WHERE device = ?1", params![id(device.as_bytes()), int(*index)])?;
        }
        Write::DeviceForgotten(device) => {
            run("DELETE FROM devices WHERE device = ?1 AND log_index IS NULL", params![id(device.as_bytes())])?;
        }
        Write::DeviceRevoked(device, ms, word) => {
            run(
                "UPDATE devices SET revoked_ms = COALESCE(revoked_ms, ?2), revocation = COALESCE(revocation, ?3)
                 WHERE device = ?1",
                params![id(device.as_bytes()), int(*ms), word],
            )?;
        }
        Write::RevocationLogged(device, index) => {
            run(
                "UPDATE devices SET revoked_index = ?2 WHERE device = ?1",
                params![id(device.as_bytes()), int(*index)],
            )?;
        }
        Write::Call(row) => insert_call(t, row)?,
        Write::CallOpened(call, index) => {
            run(
                "UPDATE calls SET opened_index = ?2, stage = CASE stage WHEN 'opening' THEN 'ringing' ELSE stage END
                 WHERE call = ?1",
                params![id(call.as_bytes()), int(*index)],
            )?;
        }
        Write::CallAnswered(call, device, ms) => {
            run(
                "UPDATE calls SET stage = 'live', answerer = ?2, answered_ms = ?3 WHERE call = ?1",
                params![id(call.as_bytes()), id(device.as_bytes()), int(*ms)],
            )?;
        }
        Write::Asked(call, ask) => {
            run(
                "INSERT OR REPLACE INTO asks VALUES (?1, ?2, ?3, ?4)",
                params![id(call.as_bytes()), id(ask.device.as_bytes()), ask.key_package.as_slice(), ask.answer],
            )?;
        }
        Write::AskDropped(call, device) => {
            run(
                "DELETE FROM asks WHERE call = ?1 AND device = ?2",
                params![id(call.as_bytes()), id(device.as_bytes())],
            )?;
        }
        Write::Leaving(call, device) => {
            run(
                "UPDATE members SET leaving = 1 WHERE call = ?1 AND device = ?2",
                params![id(call.as_bytes()), id(device.as_bytes())],
            )?;
        }
        Write::Committed { call, handshake, noted } => insert_commit(t, call, handshake, *noted)?,
        Write::HandshakesForgotten(call, seq) => {
            run("DELETE FROM handshakes WHERE call = ?1 AND seq <= ?2", params![id(call.as_bytes()), int(*seq)])?;
        }
        Write::CallEnded(call, how, ms) => {
            let key = id(call.as_bytes());
            run(
                "UPDATE calls SET stage = 'ended', how = ?2, ended_ms = ?3 WHERE call = ?1",
                params![key, how.as_str(), int(*ms)],
            )?;
            run("DELETE FROM asks WHERE call = ?1", params![key])?;
            run("DELETE FROM members WHERE call = ?1", params![key])?;
            run("DELETE FROM handshakes WHERE call = ?1", params![key])?;
        }
        Write::EndLogged(call, index) => {
            run("UPDATE calls SET ended_index = ?2 WHERE call = ?1", params![id(call.as_bytes()), int(*index)])?;
        }
        Write::MissingLogged(call, index) => {
            run("UPDATE calls SET missing_index = ?2 WHERE call = ?1", params![id(call.as_bytes()), int(*index)])?;
        }
        Write::Record(row) => {
            run(
                "INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    id(row.call.as_bytes()),
                    row.digest.to_string(),
                    row.device.as_ref().map(|d| id(d.as_bytes())),
                    int(row.kept_ms),
                    int(row.log_index),
                    row.partial
                ],
            )?;
        }
    }
    Ok(())
}

fn insert_call(t: &Transaction<'_>, row: &CallRow) -> Result<(), StoreError> {
    let key = id(row.call.as_bytes());
    t.prepare_cached("INSERT INTO calls VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)")?
        .execute(params![
            key,
            row.ring,
            id(row.from_device.as_bytes()),
            json(&row.from),
            json(&row.to),
            row.mode.as_str(),
            row.stage.word(),
            int(row.epoch),
            row.answerer.as_ref().map(|d| id(d.as_bytes())),
            row.noted,
            int(row.opened_ms),
            optional(row.answered_ms),
            optional(row.ended_ms),
            row.how.map(|h| h.as_str()),
            optional(row.opened_index),
            optional(row.ended_index),
            optional(row.missing_index)
        ])?;
    let device = id(row.from_device.as_bytes());
    t.prepare_cached("INSERT INTO members VALUES (?1, ?2, 0, 0)")?.execute(params![key, device])?;
    t.prepare_cached("INSERT INTO participants VALUES (?1, ?2)")?.execute(params![key, device])?;
    Ok(())
}

fn insert_commit(t: &Transaction<'_>, call: &CallId, step: &Handshake, noted: bool) -> Result<(), StoreError> {
    let key = id(call.as_bytes());
    t.prepare_cached("INSERT INTO handshakes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
        key,
        int(step.seq),
        id(step.from.as_bytes()),
        step.commit.as_slice(),
        step.welcome.as_ref().map(Blob::as_slice),
        json(&step.adds),
        json(&step.members)
    ])?;
    // The sequence number is the epoch: both grow by one with each commit that is taken.
    let changed = t
        .prepare_cached("UPDATE calls SET epoch = ?2, noted = noted OR ?3 WHERE call = ?1 AND epoch = ?2 - 1")?
        .execute(params![key, int(step.seq), noted])?;
    if changed != 1 {
        return Err(StoreError::Damaged("epoch"));
    }
    t.prepare_cached("UPDATE members SET place = -1 WHERE call = ?1")?.execute(params![key])?;
    for (place, device) in step.members.iter().enumerate() {
        t.prepare_cached(
            "INSERT INTO members VALUES (?1, ?2, ?3, 0) ON CONFLICT DO UPDATE SET place = excluded.place",
        )?
        .execute(params![key, id(device.as_bytes()), place as i64])?;
    }
    t.prepare_cached("DELETE FROM members WHERE call = ?1 AND place < 0")?.execute(params![key])?;
    for device in &step.adds {
        let device = id(device.as_bytes());
        t.prepare_cached("DELETE FROM asks WHERE call = ?1 AND device = ?2")?.execute(params![key, device])?;
        t.prepare_cached("UPDATE members SET leaving = 0 WHERE call = ?1 AND device = ?2")?
            .execute(params![key, device])?;
        t.prepare_cached("INSERT OR IGNORE INTO participants VALUES (?1, ?2)")?.execute(params![key, device])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
