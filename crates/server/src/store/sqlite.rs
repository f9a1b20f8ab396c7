//! SQLite: the default, one file in the server's data directory.

use super::{
    StoreError,
    database::{Access, Database, Statements},
    schema,
    value::{Row, Value},
};
use crate::private;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, types::ValueRef};
use std::path::Path;

/// The name by which SQLite has a database in memory, without a file.
const MEMORY: &str = ":memory:";

/// A connection to a database file.
pub(super) struct Sqlite(Connection);

/// Opens or creates the database at `path` for its writer, and migrates its schema. A new one is readable by its owner alone.
pub(super) fn writer(path: &Path) -> Result<Sqlite, StoreError> {
    // SQLite would create it as the umask says; the files beside it (`-wal`, `-shm`) get its mode. Where this fails SQLite fails too,
    // and says why.
    if path != Path::new(MEMORY) {
        let _ = private::create_if_missing(path);
        private::warn_if_readable_by_others(path);
    }
    let mut connection = Connection::open(path).map_err(failed)?;
    // FULL: in WAL mode NORMAL may lose the last transactions in a power cut, and a lost commit would leave members in an
    // epoch that the server denies.
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA busy_timeout = 5000; PRAGMA secure_delete = ON;";
    connection.execute_batch(pragmas).map_err(failed)?;
    upgrade(&mut connection)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(Sqlite(connection))
}

/// Opens the database at `path` for reading. Its writer must have created it.
pub(super) fn reader(path: &Path) -> Result<Sqlite, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.execute_batch("PRAGMA busy_timeout = 5000;").map_err(failed)?;
    let found = version(&connection)?;
    if found != schema::VERSION {
        return Err(if found > schema::VERSION {
            StoreError::Newer { found, known: schema::VERSION }
        } else {
            StoreError::Location(format!(
                "{} has version {found}, this program reads {}: start the server once, which upgrades it",
                path.display(),
                schema::VERSION
            ))
        });
    }
    Ok(Sqlite(connection))
}

/// The version of an SQLite database; 0 if it is new.
fn version(connection: &Connection) -> Result<i64, StoreError> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)
}

/// Creates the tables of an SQLite database, or migrates older ones to [`schema::VERSION`].
fn upgrade(connection: &mut Connection) -> Result<(), StoreError> {
    let found = version(connection)?;
    if found > schema::VERSION {
        return Err(StoreError::Newer { found, known: schema::VERSION });
    }
    for (from, step) in schema::SQLITE.iter().enumerate().skip(found as usize) {
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(step).map_err(failed)?;
        transaction.pragma_update(None, "user_version", from as i64 + 1).map_err(failed)?;
        if found == 0 && from as i64 + 1 == schema::VERSION {
            // A new database has nothing to add from earlier log entries, so they need not be read again.
            transaction.execute("DELETE FROM marks WHERE name = 'log_again'", []).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

/// The error of a statement.
fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => StoreError::Conflict(error.to_string()),
        Some(ErrorCode::DiskFull) => StoreError::Full("the database".to_owned()),
        // SQLite writes beside its file even when it only reads (the WAL's index).
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::Database(format!(
                "{error}: the database or its directory cannot be written. Is it a read-only copy, or does it belong to \
             another user? Copy it to where this user may write"
            ))
        }
        _ => StoreError::Database(error.to_string()),
    }
}

impl Database for Sqlite {
    /// Connections that only read, which are closed last, leave everything in the write-ahead log.
    fn settle(&mut self) -> Result<(), StoreError> {
        let busy =
            self.0.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)).map_err(failed)?;
        match busy {
            true => Err(StoreError::Database("the write-ahead log is being read".to_owned())),
            false => Ok(()),
        }
    }

    fn transaction<T>(
        &mut self,
        access: Access,
        body: impl FnOnce(&mut dyn Statements) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let behavior = match access {
            Access::Read => TransactionBehavior::Deferred,
            Access::Write => TransactionBehavior::Immediate,
        };
        let done = self.0.transaction_with_behavior(behavior).map_err(failed).and_then(|transaction| {
            let done = body(&mut InTransaction(&transaction))?;
            transaction.commit().map_err(failed)?;
            Ok(done)
        });
        done.map_err(|error| match (error, self.0.path()) {
            (StoreError::Full(_), Some(path)) => StoreError::Full(path.to_owned()),
            (error, _) => error,
        })
    }
}

struct InTransaction<'a>(&'a Connection);

impl InTransaction<'_> {
    fn prepare(&self, sql: &str, values: &[Value]) -> Result<rusqlite::CachedStatement<'_>, StoreError> {
        let mut statement = self.0.prepare_cached(sql).map_err(failed)?;
        for (index, value) in (1..).zip(values) {
            debug_assert_eq!(
                statement.parameter_name(index),
                Some(&*format!("${index}")),
                "not in ascending order: {sql}"
            );
            match value {
                Value::Null => statement.raw_bind_parameter(index, rusqlite::types::Null),
                Value::Int(value) => statement.raw_bind_parameter(index, value),
                Value::Text(value) => statement.raw_bind_parameter(index, value),
                Value::Bytes(value) => statement.raw_bind_parameter(index, value),
            }
            .map_err(failed)?;
        }
        Ok(statement)
    }
}

impl Statements for InTransaction<'_> {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        Ok(self.prepare(sql, values)?.raw_execute().map_err(failed)? as u64)
    }

    fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        self.0.execute_batch(sql).map_err(failed)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.prepare(sql, values)?;
        let columns = statement.column_count();
        let (mut rows, mut found) = (statement.raw_query(), Vec::new());
        while let Some(row) = rows.next().map_err(failed)? {
            let values = (0..columns).map(|column| value(row.get_ref(column).map_err(failed)?));
            found.push(Row(values.collect::<Result<_, _>>()?));
        }
        Ok(found)
    }
}

fn value(value: ValueRef<'_>) -> Result<Value, StoreError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Text(value) => {
            Value::Text(String::from_utf8(value.to_vec()).map_err(|_| StoreError::Damaged("text"))?)
        }
        ValueRef::Blob(value) => Value::Bytes(value.to_vec()),
        ValueRef::Real(_) => return Err(StoreError::Damaged("number")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attacker is another user of the machine, and the database is outside the data directory.
    #[test]
    fn the_database_and_the_files_beside_it_are_readable_by_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let _database = writer(&dir.path().join("telcon.db")).unwrap();
        let mut found = Vec::new();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            found.push((file.file_name().into_string().unwrap(), format!("{mode:o}")));
        }
        found.sort();
        let files = ["telcon.db", "telcon.db-shm", "telcon.db-wal"];
        assert_eq!(found, files.map(|name| (name.to_owned(), "600".to_owned())));
    }

    #[test]
    fn a_full_disk_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("telcon.db");
        let mut database = writer(&path).unwrap();
        // SQLite reports a file that may not grow as it does a full disk.
        let pages: i64 = database.0.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        database.0.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        let mark = "x".repeat(100_000);
        let mut write = || {
            let values = [Value::Text(mark.clone())];
            database
                .transaction(Access::Write, |t| t.execute("INSERT INTO marks (name, value) VALUES ($1, 1)", &values))
        };
        let error = write().unwrap_err();
        assert!(matches!(&error, StoreError::Full(named) if *named == path.display().to_string()), "{error}");
        database.0.query_row("PRAGMA max_page_count = 10000", [], |_| Ok(())).unwrap();
        let values = [Value::Text(mark.clone())];
        let again = |t: &mut dyn Statements| t.execute("INSERT INTO marks (name, value) VALUES ($1, 1)", &values);
        assert_eq!(database.transaction(Access::Write, again).unwrap(), 1, "it goes on when there is space");
    }
}
