//! Copies a whole database to another one.
//!
//! The copy is one transaction of the target, so it is complete or absent. Until the office uses the target, a mark in
//! it names the office, and a repeated copy of the same office replaces it. The mark goes when `telcon migrate` has
//! recorded the new place, or when a server starts there, whichever is first.

use super::{
    StoreError, StoreLocation,
    database::{Access, Database, Statements},
    office, postgres,
    schema::{TABLES, Table},
    sqlite,
    value::{Row, Value, values},
};
use sha2::{Digest as _, Sha256};
use telcon_proto::OfficeName;

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

/// Copies all rows of `from`, the database of the office `home`, to `to`, which must be empty or contain an unused copy
/// of it, compares both, and commits. `digest` is that of `office.json`, because a new office may have the name of an old
/// one. `table` is called before each table. Blocks on disk and network.
///
/// # Errors
/// [`StoreError::Location`] if the target is not empty or the copy differs, [`StoreError::OtherOffice`] if one of the two is
/// another office's; then the target is as it was.
pub fn copy(
    from: &StoreLocation,
    to: &StoreLocation,
    home: &OfficeName,
    digest: &str,
    mut table: impl FnMut(&str),
) -> Result<Vec<CopiedTable>, StoreError> {
    let (mut source, mut target) = (Any::open(from)?, Any::open(to)?);
    let mark = office::unused_copy(digest);
    source.transaction(Access::Read, |s| {
        target.transaction(Access::Write, |t| {
            office::check(s, home)?;
            office::check(t, home)?;
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
            office::mark(t, home)?;
            t.execute("INSERT INTO marks (name, value) VALUES ($1, 1)", values![&mark])?;
            Ok(copied)
        })
    })
}

/// Removes the mark of an unused copy: the office uses it from now on. Idempotent.
///
/// # Errors
/// [`StoreError`].
pub fn finish(to: &StoreLocation, home: &OfficeName) -> Result<(), StoreError> {
    Any::open(to)?.transaction(Access::Write, |t| office::bind(t, home))
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
        page.iter().filter(|row| table.name != "marks" || !office::is_own(row)).try_for_each(&mut visit)?;
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
    let sha256 = telcon_proto::hex(&hash.finalize());
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
