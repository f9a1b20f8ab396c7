//! The mark that binds a database to its office: `office <domain>` in the table of marks, its value the version of the
//! mark. A database has it from its creation; one of an earlier version gets it when its office's server first starts.

use super::{
    StoreError,
    database::{Statements, all},
    value::{Row, Value, values},
};
use telcon_proto::OfficeName;

/// Beginning of the mark's name.
const OFFICE: &str = "office ";
/// Version of the mark.
const VERSION: u64 = 1;
/// Beginning of the name of the mark in a copy that its office does not use yet ([`super::migration`]).
const UNUSED_COPY: &str = "unused copy of ";

/// The mark of an unused copy of the office with this digest.
pub(super) fn unused_copy(office: &str) -> String {
    format!("{UNUSED_COPY}{office}")
}

/// Whether a row of the table of marks belongs to its database and is not copied to another one.
pub(super) fn is_own(row: &Row) -> bool {
    let own = |name: &str| name == "version" || name.starts_with(UNUSED_COPY) || name.starts_with(OFFICE);
    matches!(row.0.first(), Some(Value::Text(name)) if own(name))
}

/// Refuses the database of another office. One without the mark is of the office that its devices are of.
pub(super) fn check(t: &mut dyn Statements, home: &OfficeName) -> Result<(), StoreError> {
    let other = |found: &str| StoreError::OtherOffice { found: found.to_owned(), home: home.clone() };
    let mut marked = false;
    for (name, version) in
        all(t, "SELECT name, value FROM marks ORDER BY name", &[], |row| Ok((row.text(0)?, row.number(1)?)))?
    {
        let Some(found) = name.strip_prefix(OFFICE) else { continue };
        if version > VERSION {
            return Err(StoreError::Newer { found: version as i64, known: VERSION as i64 });
        }
        if found != home.as_str() {
            return Err(other(found));
        }
        marked = true;
    }
    if marked {
        return Ok(());
    }
    let cards = all(t, "SELECT card FROM devices ORDER BY device LIMIT 1", &[], |row| row.card(0, home))?;
    match cards.first() {
        Some(card) if card.office != *home => Err(other(card.office.as_str())),
        _ => Ok(()),
    }
}

/// [`check`], and marks the database as used by its office: its server starts.
pub(super) fn bind(t: &mut dyn Statements, home: &OfficeName) -> Result<(), StoreError> {
    check(t, home)?;
    mark(t, home)?;
    for name in all(t, "SELECT name FROM marks ORDER BY name", &[], |row| row.text(0))? {
        if name.starts_with(UNUSED_COPY) {
            t.execute("DELETE FROM marks WHERE name = $1", values![&name])?;
        }
    }
    Ok(())
}

/// Writes the mark.
pub(super) fn mark(t: &mut dyn Statements, home: &OfficeName) -> Result<(), StoreError> {
    let sql = "INSERT INTO marks (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    t.execute(sql, values![&format!("{OFFICE}{home}"), VERSION]).map(drop)
}
