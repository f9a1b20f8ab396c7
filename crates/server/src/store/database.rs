//! The interface of a database: statements inside transactions.
//!
//! All databases share one SQL text. Parameters are `$1`, `$2`, … in the order of their first use (SQLite numbers them
//! in that order), rows are inserted with `INSERT … ON CONFLICT`, and nothing is computed from JSON. Only the schemas
//! differ ([`super::schema`]).

use super::{
    StoreError,
    value::{Row, Value},
};

/// Runs statements inside a transaction.
pub(super) trait Statements {
    /// Runs a statement; returns the number of changed rows.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError>;

    /// Runs several statements without parameters.
    fn batch(&mut self, sql: &str) -> Result<(), StoreError>;

    /// All rows of a query.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError>;
}

/// The access mode of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Reads a consistent snapshot.
    Read,
    /// Writes; durable when committed.
    Write,
}

/// A connection to a database.
pub(super) trait Database: Send {
    /// Runs `body` in a transaction, and commits it if `body` succeeds.
    fn transaction<T>(
        &mut self,
        access: Access,
        body: impl FnOnce(&mut dyn Statements) -> Result<T, StoreError>,
    ) -> Result<T, StoreError>;

    /// See [`super::Store::settle`].
    fn settle(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// All rows of a query, each read by `read`.
pub(super) fn all<T>(
    t: &mut dyn Statements,
    sql: &str,
    values: &[Value],
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    t.query(sql, values)?.iter().map(read).collect()
}
