//! Shifts at devices of places: what is written and read of them.

use super::{
    ShiftRow, StoreError,
    database::{Statements, all},
    value::{Row, Value, json, values},
};
use telcon_proto::{
    Card, DeviceId, OfficeName, PersonId, ShiftId,
    limits::MAX_SIGN_INS_PER_DEVICE,
    shift::{ShiftEnd, WorkedShift},
};

const COLUMNS: &str =
    "shift, device, card, begun_with, started_ms, until_ms, started_index, ended_ms, how, ended_index";

pub(super) fn insert(t: &mut dyn Statements, row: &ShiftRow) -> Result<(), StoreError> {
    t.execute(
        "INSERT INTO shifts (shift, device, person, card, begun_with, started_ms, until_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            Value::from(&row.shift),
            (&row.device).into(),
            row.person.as_ref().map_or(String::new(), |card| card.person.to_hex()).as_str().into(),
            row.person.as_ref().map_or(Value::Null, json),
            row.begun_with.as_ref().into(),
            row.started_ms.into(),
            row.until_ms.into(),
        ],
    )
    .map(drop)
}

/// The log has the beginning. A database from an older backup lacks the shift: it is over then, which the log has to say.
pub(super) fn found(
    t: &mut dyn Statements,
    shift: &ShiftId,
    device: &DeviceId,
    ms: u64,
    index: u64,
) -> Result<(), StoreError> {
    if logged(t, shift, index)? {
        return Ok(());
    }
    t.execute(
        "INSERT INTO shifts (shift, device, person, started_ms, until_ms, started_index, ended_ms, how)
         VALUES ($1, $2, '', $3, $3, $4, $3, $5)",
        values![shift, device, ms, index, ShiftEnd::Lost.as_str()],
    )
    .map(drop)
}

/// Stores the index of the beginning in the log; returns whether there is such a shift.
pub(super) fn logged(t: &mut dyn Statements, shift: &ShiftId, index: u64) -> Result<bool, StoreError> {
    let sql = "UPDATE shifts SET started_index = $1 WHERE shift = $2";
    Ok(t.execute(sql, values![index, shift])? > 0)
}

/// The first end counts.
pub(super) fn end(t: &mut dyn Statements, shift: &ShiftId, how: ShiftEnd, ms: u64) -> Result<(), StoreError> {
    let sql = "UPDATE shifts SET ended_ms = $1, how = $2 WHERE shift = $3 AND ended_ms IS NULL";
    t.execute(sql, values![ms, how.as_str(), shift]).map(drop)
}

/// What a switchboard starts from: those that last, and those of which the log may lack an entry.
pub(super) fn open(t: &mut dyn Statements, home: &OfficeName) -> Result<Vec<ShiftRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM shifts WHERE ended_index IS NULL ORDER BY started_index, shift");
    all(t, &sql, &[], |row| shift_row(row, home))
}

/// When a person was on shift, newest first.
pub(super) fn of_person(
    t: &mut dyn Statements,
    person: PersonId,
    home: &OfficeName,
) -> Result<Vec<WorkedShift>, StoreError> {
    let sql = "SELECT shifts.shift, devices.card, shifts.started_ms, shifts.ended_ms, shifts.how
         FROM shifts JOIN devices ON devices.device = shifts.device
         WHERE shifts.person = $1 AND shifts.started_index IS NOT NULL AND (shifts.how IS NULL OR shifts.how <> $2)
         ORDER BY shifts.started_ms DESC, shifts.shift LIMIT $3";
    let not_begun = ShiftEnd::NotBegun.as_str();
    let values = values![person.to_hex().as_str(), not_begun, MAX_SIGN_INS_PER_DEVICE as u64];
    all(t, sql, values, |row| {
        Ok(WorkedShift {
            shift: row.shift(0)?,
            place: row.card(1, home)?,
            from_ms: row.number(2)?,
            until_ms: row.optional_number(3)?,
            how: end_of(row, 4)?,
        })
    })
}

fn end_of(row: &Row, column: usize) -> Result<Option<ShiftEnd>, StoreError> {
    if row.is_null(column) { Ok(None) } else { row.word(column, "end of a shift").map(Some) }
}

fn shift_row(row: &Row, home: &OfficeName) -> Result<ShiftRow, StoreError> {
    let person: Option<Card> = if row.is_null(2) { None } else { Some(row.card(2, home)?) };
    Ok(ShiftRow {
        shift: row.shift(0)?,
        device: row.device(1)?,
        person,
        begun_with: row.optional_device(3)?,
        started_ms: row.number(4)?,
        until_ms: row.number(5)?,
        started_index: row.optional_number(6)?,
        ended: end_of(row, 8)?.zip(row.optional_number(7)?),
        ended_index: row.optional_number(9)?,
    })
}
