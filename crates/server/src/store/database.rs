//! What a database must be able to do: run statements inside transactions.
//!
//! There is one SQL text for all of them. Parameters are `$1`, `$2`, … in the order of their first use (SQLite numbers
//! them by that order), rows are inserted with `INSERT … ON CONFLICT`, and nothing is computed from JSON. Only the schemas
//! differ ([`super::schema`]).

use super::{
    StoreError,
    value::{Row, Value},
};

/// Runs statements inside a transaction.
pub(super) trait Statements {
    /// Runs a statement; the number of rows it changed.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError>;

    /// Runs several statements without parameters.
    fn batch(&mut self, sql: &str) -> Result<(), StoreError>;

    /// All rows of a query.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError>;
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Reads one state of the database.
    Read,
    /// Changes it, durably.
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
}
