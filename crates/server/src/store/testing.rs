//! Databases for tests.

use super::{Queries, Store, StoreError, StoreLocation};
use crate::peers::PostgresServer;
use std::time::{Duration, Instant};
use telcon_proto::OfficeName;
use tempfile::TempDir;

/// The office of all test databases.
pub(crate) fn home() -> OfficeName {
    OfficeName::parse("office.example").unwrap()
}

/// How long the lock of a dropped writer may stay.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// An empty database that a test opens, closes and opens again.
pub(crate) struct TestStore {
    pub location: StoreLocation,
    _dir: Option<TempDir>,
}

impl TestStore {
    /// An SQLite file.
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let location = StoreLocation::Sqlite(dir.path().join("telcon.db"));
        Self { location, _dir: Some(dir) }
    }

    /// A new database in this server.
    pub fn postgres(server: &PostgresServer, name: &str) -> Self {
        Self { location: StoreLocation::Postgres(server.create_database(name)), _dir: None }
    }

    /// Opens for writing. PostgreSQL releases the lock of a writer that was dropped once it has noticed the end of its connection.
    pub fn writer(&self) -> Box<dyn Store> {
        self.writer_of(&home()).unwrap()
    }

    /// As [`Self::writer`], for this office.
    pub fn writer_of(&self, office: &OfficeName) -> Result<Box<dyn Store>, StoreError> {
        let start = Instant::now();
        loop {
            match self.location.writer(office) {
                Err(StoreError::InUse) if start.elapsed() < LOCK_PATIENCE => std::thread::yield_now(),
                opened => return opened,
            }
        }
    }

    pub fn reader(&self) -> Box<dyn Queries> {
        self.location.reader(&home()).unwrap()
    }

    /// Runs arbitrary SQL, bypassing the ports.
    pub fn execute(&self, sql: &str) {
        match &self.location {
            StoreLocation::Sqlite(path) => rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap(),
            StoreLocation::Postgres(url) => {
                postgres::Client::connect(url, postgres::NoTls).unwrap().batch_execute(sql).unwrap();
            }
        }
    }

    /// The number that a query returns.
    pub fn number(&self, sql: &str) -> i64 {
        match &self.location {
            StoreLocation::Sqlite(path) => {
                rusqlite::Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
            }
            StoreLocation::Postgres(url) => {
                postgres::Client::connect(url, postgres::NoTls).unwrap().query_one(sql, &[]).unwrap().get(0)
            }
        }
    }
}
