//! Reading everything a switchboard starts from.

use super::{ActiveCall, Ask, CallRow, DeviceRow, Handshake, RecordRow, Snapshot, Stage, StoreError, Unfinished, sql};
use rusqlite::{Connection, Row};
use telcon_proto::{Blob, CallId, DeviceId};

pub(super) const DEVICE_COLUMNS: &str = "device, card, certificate, issuer, cert_sha256, enrolment, enrolled_ms, revoked_ms, log_index, revoked_index, \
     revocation";
pub(super) const CALL_COLUMNS: &str = "call, ring, from_device, from_card, to_card, mode, stage, epoch, answerer, \
     noted, opened_ms, answered_ms, ended_ms, how, opened_index, ended_index, missing_index";

const RECORD_COLUMNS: &str = "call, digest, device, kept_ms, log_index, partial";

/// Calls of which something is owed: the entry of their end, an entry that says why they have no record, or the record of a
/// note-taker that was in them.
const UNFINISHED: &str = "stage = 'ended' AND opened_index IS NOT NULL AND (
    ended_index IS NULL
    OR (mode <> 'log_only' AND missing_index IS NULL
        AND (answered_ms IS NOT NULL OR how IN ('failed', 'interrupted', 'revoked'))
        AND NOT EXISTS (SELECT 1 FROM records WHERE records.call = calls.call))
    OR (mode <> 'log_only' AND answered_ms IS NOT NULL AND noted AND EXISTS (
        SELECT 1 FROM participants JOIN devices USING (device)
        WHERE participants.call = calls.call AND json_extract(devices.card, '$.role') = 'note_taker' AND NOT EXISTS (
            SELECT 1 FROM records WHERE records.call = calls.call
            AND (records.device IS NULL OR records.device = participants.device)))))";

pub(super) fn snapshot(c: &Connection) -> Result<Snapshot, StoreError> {
    let devices = all(c, &format!("SELECT {DEVICE_COLUMNS} FROM devices ORDER BY enrolled_ms"), [], device_row)?;
    let rows = all(c, &format!("SELECT {CALL_COLUMNS} FROM calls WHERE stage <> 'ended'"), [], call_row)?;
    let active = rows.into_iter().map(|row| active(c, row)).collect::<Result<_, _>>()?;
    let rows = all(c, &format!("SELECT {CALL_COLUMNS} FROM calls WHERE {UNFINISHED}"), [], call_row)?;
    let unfinished = rows.into_iter().map(|row| {
        let (participants, records) = (participants(c, &row.call)?, records(c, &row.call)?);
        Ok(Unfinished { row, participants, records })
    });
    let unfinished = unfinished.collect::<Result<_, StoreError>>()?;
    let known = all(c, "SELECT call FROM calls", [], |row| sql::call(row, 0))?;
    Ok(Snapshot { devices, active, unfinished, known })
}

pub(super) fn participants(c: &Connection, call: &CallId) -> Result<Vec<DeviceId>, StoreError> {
    let key = sql::id(call.as_bytes());
    all(c, "SELECT device FROM participants WHERE call = ?1 ORDER BY device", [key], |row| sql::device(row, 0))
}

/// The records of a call, in the order in which they came.
pub(super) fn records(c: &Connection, call: &CallId) -> Result<Vec<RecordRow>, StoreError> {
    let query = format!("SELECT {RECORD_COLUMNS} FROM records WHERE call = ?1 ORDER BY log_index");
    all(c, &query, [sql::id(call.as_bytes())], record_row)
}

/// The records of calls that a query names, in the order in which they came.
pub(super) fn records_of(
    c: &Connection,
    calls: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<RecordRow>, StoreError> {
    all(
        c,
        &format!("SELECT {RECORD_COLUMNS} FROM records WHERE call IN ({calls}) ORDER BY log_index"),
        params,
        record_row,
    )
}

fn record_row(row: &Row<'_>) -> Result<RecordRow, StoreError> {
    Ok(RecordRow {
        call: sql::call(row, 0)?,
        digest: sql::digest(row, 1)?,
        device: match row.get::<_, Option<Vec<u8>>>(2)? {
            Some(_) => Some(sql::device(row, 2)?),
            None => None,
        },
        kept_ms: sql::number(row, 3)?,
        log_index: sql::number(row, 4)?,
        partial: row.get(5)?,
    })
}

fn active(c: &Connection, row: CallRow) -> Result<ActiveCall, StoreError> {
    let call = row.call;
    let key = || [sql::id(call.as_bytes())];
    let members = all(c, "SELECT device, leaving FROM members WHERE call = ?1 ORDER BY place", key(), |row| {
        Ok((sql::device(row, 0)?, row.get::<_, bool>(1)?))
    })?;
    let asks = all(c, "SELECT device, key_package, answer FROM asks WHERE call = ?1", key(), |row| {
        Ok(Ask { device: sql::device(row, 0)?, key_package: Blob(row.get(1)?), answer: row.get(2)? })
    })?;
    let handshakes = all(
        c,
        "SELECT seq, from_device, commit_message, welcome, adds, members FROM handshakes WHERE call = ?1 ORDER BY seq",
        key(),
        |row| {
            Ok(Handshake {
                seq: sql::number(row, 0)?,
                from: sql::device(row, 1)?,
                commit: Blob(row.get(2)?),
                welcome: row.get::<_, Option<Vec<u8>>>(3)?.map(Blob),
                adds: sql::parse(&row.get::<_, String>(4)?, "list of devices")?,
                members: sql::parse(&row.get::<_, String>(5)?, "list of devices")?,
            })
        },
    )?;
    Ok(ActiveCall {
        participants: participants(c, &row.call)?,
        row,
        leaving: members.iter().filter(|m| m.1).map(|m| m.0).collect(),
        members: members.into_iter().map(|m| m.0).collect(),
        asks,
        handshakes,
    })
}

/// All rows of a query, each read by `read`.
pub(super) fn all<T>(
    c: &Connection,
    query: &str,
    params: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = c.prepare_cached(query)?;
    let mut rows = statement.query(params)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(read(row)?);
    }
    Ok(out)
}

pub(super) fn device_row(row: &Row<'_>) -> Result<DeviceRow, StoreError> {
    Ok(DeviceRow {
        device: sql::device(row, 0)?,
        card: sql::parse(&row.get::<_, String>(1)?, "card")?,
        chain: vec![Blob(row.get(2)?), Blob(row.get(3)?)],
        cert_sha256: sql::digest(row, 4)?,
        enrolment: row.get(5)?,
        enrolled_ms: sql::number(row, 6)?,
        revoked_ms: sql::maybe(row, 7)?,
        log_index: sql::maybe(row, 8)?,
        revoked_index: sql::maybe(row, 9)?,
        revocation: row.get(10)?,
    })
}

pub(super) fn call_row(row: &Row<'_>) -> Result<CallRow, StoreError> {
    Ok(CallRow {
        call: sql::call(row, 0)?,
        ring: row.get(1)?,
        from_device: sql::device(row, 2)?,
        from: sql::parse(&row.get::<_, String>(3)?, "card")?,
        to: sql::parse(&row.get::<_, String>(4)?, "card")?,
        mode: sql::from_word(row.get(5)?, "record mode")?,
        stage: Stage::parse(&row.get::<_, String>(6)?).ok_or(StoreError::Damaged("stage"))?,
        epoch: sql::number(row, 7)?,
        answerer: match row.get::<_, Option<Vec<u8>>>(8)? {
            Some(_) => Some(sql::device(row, 8)?),
            None => None,
        },
        noted: row.get(9)?,
        opened_ms: sql::number(row, 10)?,
        answered_ms: sql::maybe(row, 11)?,
        ended_ms: sql::maybe(row, 12)?,
        how: row.get::<_, Option<String>>(13)?.map(|w| sql::from_word(w, "end")).transpose()?,
        opened_index: sql::maybe(row, 14)?,
        ended_index: sql::maybe(row, 15)?,
        missing_index: sql::maybe(row, 16)?,
    })
}
