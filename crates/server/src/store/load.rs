//! Reading everything a switchboard starts from.

use super::{ActiveCall, Ask, CallRow, DeviceRow, Handshake, Snapshot, Stage, StoreError, sql};
use rusqlite::{Connection, Row};
use telcon_proto::{Blob, CallId, DeviceId};

pub(super) const DEVICE_COLUMNS: &str =
    "device, card, certificate, issuer, cert_sha256, enrolment, enrolled_ms, revoked_ms, log_index, revoked_index";
pub(super) const CALL_COLUMNS: &str = "calls.call, ring, from_device, from_card, to_card, mode, stage, epoch, answerer, \
     noted, opened_ms, answered_ms, ended_ms, how, opened_index, ended_index, missing_index";

pub(super) fn snapshot(c: &Connection) -> Result<Snapshot, StoreError> {
    let devices = all(c, &format!("SELECT {DEVICE_COLUMNS} FROM devices ORDER BY enrolled_ms"), [], device_row)?;
    let rows = all(c, &format!("SELECT {CALL_COLUMNS} FROM calls WHERE stage <> 'ended'"), [], call_row)?;
    let active = rows.into_iter().map(|row| active(c, row)).collect::<Result<_, _>>()?;
    let unfinished = all(
        c,
        &format!(
            "SELECT {CALL_COLUMNS} FROM calls LEFT JOIN records ON records.call = calls.call
             WHERE stage = 'ended' AND opened_index IS NOT NULL AND (ended_index IS NULL
                 OR (mode <> 'log_only' AND records.call IS NULL AND (answered_ms IS NOT NULL AND (noted OR missing_index IS NULL)
                     OR (how IN ('failed', 'interrupted', 'revoked') AND missing_index IS NULL))))"
        ),
        [],
        call_row,
    )?;
    let unfinished = unfinished
        .into_iter()
        .map(|row| participants(c, &row.call).map(|devices| (row, devices)))
        .collect::<Result<_, _>>()?;
    let known = all(c, "SELECT call FROM calls", [], |row| sql::call(row, 0))?;
    Ok(Snapshot { devices, active, unfinished, known })
}

pub(super) fn participants(c: &Connection, call: &CallId) -> Result<Vec<DeviceId>, StoreError> {
    let key = sql::id(call.as_bytes());
    all(c, "SELECT device FROM participants WHERE call = ?1 ORDER BY device", [key], |row| sql::device(row, 0))
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
        cert_sha256: row.get(4)?,
        enrolment: row.get(5)?,
        enrolled_ms: sql::number(row, 6)?,
        revoked_ms: sql::maybe(row, 7)?,
        log_index: sql::maybe(row, 8)?,
        revoked_index: sql::maybe(row, 9)?,
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
