//! Copies a whole database to another one.
//!
//! The copy is one transaction of the target, so it is complete or absent. Until the office uses the target, a mark in
//! it names the office, and a repeated copy of the same office replaces it.

use super::{
    StoreError, StoreLocation,
    database::{Access, Database, Statements},
    postgres,
    schema::{TABLES, Table},
    sqlite,
    value::{Row, Value, values},
};
use sha2::{Digest as _, Sha256};

/// Rows per read.
const PAGE: u64 = 500;

/// A table that was copied and compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 over its rows in the order of their keys, hexadecimal.
    pub sha256: String,
}

/// Copies all rows of `from` to `to`, which must be empty or contain an unused copy of this `office`, compares both,
/// and commits. `table` is called before each table. Blocks on disk and network.
///
/// # Errors
/// [`StoreError::Location`] if the target is not empty or the copy differs; then the target is as it was.
pub fn copy(
    from: &StoreLocation,
    to: &StoreLocation,
    office: &str,
    mut table: impl FnMut(&str),
) -> Result<Vec<CopiedTable>, StoreError> {
    let (mut source, mut target) = (Any::open(from)?, Any::open(to)?);
    let mark = mark(office);
    source.transaction(Access::Read, |s| {
        target.transaction(Access::Write, |t| {
            let marked = !t.query("SELECT 1 FROM marks WHERE name = $1", values![&mark])?.is_empty();
            for Table { name, .. } in &TABLES {
                if !marked && *name != "marks" && !t.query(&format!("SELECT 1 FROM {name} LIMIT 1"), &[])?.is_empty() {
                    let text = format!("{to} is not empty: name an empty database");
                    return Err(StoreError::Location(text));
                }
                let kept = if *name == "marks" { " WHERE name <> 'version'" } else { "" };
                t.execute(&format!("DELETE FROM {name}{kept}"), &[])?;
            }
            let mut copied = Vec::new();
            for one in &TABLES {
                table(one.name);
                each_row(s, one, |row| insert(t, one, row))?;
                let (expected, found) = (summary(s, one)?, summary(t, one)?);
                if expected != found {
                    let text =
                        format!("the copy of the table {} in {to} differs from {from}; nothing was changed", one.name);
                    return Err(StoreError::Location(text));
                }
                copied.push(found);
            }
            t.execute("INSERT INTO marks (name, value) VALUES ($1, 1)", values![&mark])?;
            Ok(copied)
        })
    })
}

/// Removes the mark of an unused copy: the office uses it from now on.
///
/// # Errors
/// [`StoreError`].
pub fn finish(to: &StoreLocation, office: &str) -> Result<(), StoreError> {
    let mark = mark(office);
    Any::open(to)?
        .transaction(Access::Write, |t| t.execute("DELETE FROM marks WHERE name = $1", values![&mark]).map(drop))
}

fn mark(office: &str) -> String {
    format!("unused copy of {office}")
}

/// Whether a row is excluded from the copy: version and mark are the target's own.
fn is_own(table: &Table, row: &Row) -> bool {
    let own = |name: &str| name == "version" || name.starts_with("unused copy of ");
    table.name == "marks" && matches!(row.0.first(), Some(Value::Text(name)) if own(name))
}

fn each_row(
    t: &mut dyn Statements,
    table: &Table,
    mut visit: impl FnMut(&Row) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (columns, keys) = (table.columns.join(", "), table.columns[..table.key].join(", "));
    let parameters: Vec<String> = (1..=table.key).map(|n| format!("${n}")).collect();
    let parameters = parameters.join(", ");
    let first = format!("SELECT {columns} FROM {} ORDER BY {keys} LIMIT {PAGE}", table.name);
    let next =
        format!("SELECT {columns} FROM {} WHERE ({keys}) > ({parameters}) ORDER BY {keys} LIMIT {PAGE}", table.name);
    let mut page = t.query(&first, &[])?;
    while let Some(last) = page.last() {
        let after = last.0[..table.key].to_vec();
        page.iter().filter(|row| !is_own(table, row)).try_for_each(&mut visit)?;
        page = t.query(&next, &after)?;
    }
    Ok(())
}

fn insert(t: &mut dyn Statements, table: &Table, row: &Row) -> Result<(), StoreError> {
    let parameters: Vec<String> = (1..=table.columns.len()).map(|n| format!("${n}")).collect();
    let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.name, table.columns.join(", "), parameters.join(", "));
    t.execute(&sql, &row.0).map(drop)
}

fn summary(t: &mut dyn Statements, table: &Table) -> Result<CopiedTable, StoreError> {
    let (mut rows, mut hash) = (0, Sha256::new());
    each_row(t, table, |row| {
        rows += 1;
        for value in &row.0 {
            let (tag, bytes) = match value {
                Value::Null => (0u8, Vec::new()),
                Value::Int(value) => (1, value.to_be_bytes().to_vec()),
                Value::Text(value) => (2, value.clone().into_bytes()),
                Value::Bytes(value) => (3, value.clone()),
            };
            hash.update([tag]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        Ok(())
    })?;
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(CopiedTable { table: table.name, rows, sha256 })
}

/// A connection to either database, with its schema migrated.
#[expect(clippy::large_enum_variant, reason = "only one exists at a time")]
enum Any {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Any {
    fn open(location: &StoreLocation) -> Result<Self, StoreError> {
        Ok(match location {
            StoreLocation::Sqlite(path) => Self::Sqlite(sqlite::writer(path)?),
            StoreLocation::Postgres(url) => Self::Postgres(postgres::writer(url)?),
        })
    }
}

impl Database for Any {
    fn transaction<T>(
        &mut self,
        access: Access,
        body: impl FnOnce(&mut dyn Statements) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(database) => database.transaction(access, body),
            Self::Postgres(database) => database.transaction(access, body),
        }
    }
}
