//! Recoveries of people who lost all devices: what is written and read of them.

use super::{
    RecoveryConfirmationRow, RecoveryRow, StoreError, Write,
    database::{Statements, all},
    value::{Row, Value, json, values},
};
use telcon_proto::{OfficeName, PersonId, RecoveryId};

const COLUMNS: &str = "recovery, card, reason, opened_by, opened_ms, expires_ms, statement, opened_index, confirmed_by, \
     confirmed_ms, confirmation, invitation, confirmed_index, closed, closed_by, closed_ms, device";

/// Applies a write about a recovery.
pub(super) fn apply(t: &mut dyn Statements, write: &Write) -> Result<(), StoreError> {
    let mut run = |sql: &str, values: &[Value]| t.execute(sql, values).map(drop);
    match write {
        Write::Recovery(row) => run(
            "INSERT INTO recoveries (recovery, card, person, reason, opened_by, opened_ms, expires_ms, statement)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (recovery) DO NOTHING",
            &[
                Value::from(&row.recovery),
                json(&row.card),
                row.card.person.to_hex().as_str().into(),
                row.reason.as_str().into(),
                (&row.opened_by).into(),
                row.opened_ms.into(),
                row.expires_ms.into(),
                (&row.statement).into(),
            ],
        ),
        Write::RecoveryOpenedLogged(id, index) => {
            run("UPDATE recoveries SET opened_index = $1 WHERE recovery = $2", values![*index, id])
        }
        Write::RecoveryConfirmed(id, row) => run(
            "UPDATE recoveries SET confirmed_by = $1, confirmed_ms = $2, confirmation = $3, invitation = $4
             WHERE recovery = $5",
            values![&row.by, row.at_ms, &row.statement, &row.invitation, id],
        ),
        Write::RecoveryConfirmedLogged(id, index) => {
            run("UPDATE recoveries SET confirmed_index = $1 WHERE recovery = $2", values![*index, id])
        }
        Write::RecoveryClosed(id, how, by, device, ms) => run(
            "UPDATE recoveries SET closed = $1, closed_by = $2, device = $3, closed_ms = $4
             WHERE recovery = $5 AND closed IS NULL",
            values![how.as_str(), by.as_ref(), device.as_ref(), *ms, id],
        ),
        Write::RecoveryClosedLogged(id, index) => {
            run("UPDATE recoveries SET closed_index = $1 WHERE recovery = $2", values![*index, id])
        }
        _ => Ok(()),
    }
}

/// Those that are not over, or of which a log entry is pending.
pub(super) fn pending(t: &mut dyn Statements, home: &OfficeName) -> Result<Vec<RecoveryRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM recoveries WHERE closed_index IS NULL ORDER BY recovery");
    all(t, &sql, &[], |row| recovery_row(row, home))
}

/// People who were recovered, and when, in the order of time.
pub(super) fn recovered(t: &mut dyn Statements) -> Result<Vec<(PersonId, u64)>, StoreError> {
    let sql = "SELECT person, closed_ms FROM recoveries WHERE closed = 'completed' ORDER BY closed_ms, recovery";
    all(t, sql, &[], |row| Ok((row.person(0)?, row.number(1)?)))
}

pub(super) fn recovery(
    t: &mut dyn Statements,
    id: &RecoveryId,
    home: &OfficeName,
) -> Result<Option<RecoveryRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM recoveries WHERE recovery = $1");
    Ok(all(t, &sql, values![id], |row| recovery_row(row, home))?.pop())
}

fn recovery_row(row: &Row, home: &OfficeName) -> Result<RecoveryRow, StoreError> {
    Ok(RecoveryRow {
        recovery: row.recovery(0)?,
        card: row.card(1, home)?,
        reason: row.word(2, "reason of a recovery")?,
        opened_by: row.device(3)?,
        opened_ms: row.number(4)?,
        expires_ms: row.number(5)?,
        statement: row.text(6)?,
        opened_index: row.optional_number(7)?,
        confirmation: match row.optional_device(8)? {
            Some(by) => Some(RecoveryConfirmationRow {
                by,
                at_ms: row.number(9)?,
                statement: row.text(10)?,
                invitation: row.invitation(11)?,
            }),
            None => None,
        },
        confirmed_index: row.optional_number(12)?,
        closed: if row.is_null(13) {
            None
        } else {
            Some((
                row.word(13, "end of a recovery")?,
                row.optional_device(14)?,
                row.optional_device(16)?,
                row.number(15)?,
            ))
        },
    })
}
