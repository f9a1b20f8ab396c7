//! Lines: what is written and read of them. Every version is kept, because calls and records refer to the one that they were rung
//! over; a line's row has what is asked of all versions together.

use super::{
    LineOfCall, LinePage, LineRow, LineVersion, LinesOf, SignedLine, StoreError,
    database::{Statements, all},
    value::{Row, Value, json, values},
};
use std::collections::BTreeSet;
use telcon_proto::{
    CallId, DeviceId, Digest, LineId,
    line::{LineState, ListedLine, LoggedVersion, OverLine},
};

/// Rings of one line that are read to count those of a day: as many as terms can name.
const MAX_RINGS_READ: u64 = telcon_proto::limits::MAX_RINGS_PER_DAY as u64;

/// A version is signed, and about to be logged. Of the first, the line's row is made.
pub(super) fn sign(t: &mut dyn Statements, row: &LineVersion, statement: &str) -> Result<(), StoreError> {
    let content = &row.content;
    if content.version == 1 {
        t.execute(
            "INSERT INTO lines (line, principal, holder, given_ms, version, ended) VALUES ($1, $2, $3, $4, 0, 0)",
            values![
                &content.line,
                content.principal.person.to_hex().as_str(),
                content.holder.person.to_hex().as_str(),
                row.signed_ms
            ],
        )?;
    }
    t.execute(
        "INSERT INTO line_versions (line, version, content, statement, statement_sha256, signed_by, signed_ms, sealed_sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            Value::from(&content.line),
            u64::from(content.version).into(),
            json(content),
            statement.into(),
            (&row.sha256).into(),
            (&row.by).into(),
            row.signed_ms.into(),
            row.sealed_sha256.as_ref().into(),
        ],
    )
    .map(drop)
}

/// The log has a version. What it has and the database lacks is remembered by its digest: the line is not in use until the next version.
pub(super) fn logged(
    t: &mut dyn Statements,
    line: &LineId,
    found: &LoggedVersion,
    index: u64,
    at_ms: u64,
) -> Result<(), StoreError> {
    let version = u64::from(found.version);
    let changed = t.execute(
        "UPDATE line_versions SET signed_index = $1 WHERE line = $2 AND version = $3 AND statement_sha256 = $4",
        values![index, line, version, &found.statement_sha256],
    )?;
    let ended = found.state == LineState::Ended;
    if changed == 1 {
        return t
            .execute(
                "UPDATE lines SET version = $1, ended = $2, found_version = NULL, found_state = NULL, found_sha256 = NULL
                 WHERE line = $3 AND version < $1 AND COALESCE(found_version, 0) <= $1",
                values![version, ended, line],
            )
            .map(drop);
    }
    // A version of the same number that the log did not take gives way to the one that it has.
    t.execute(
        "DELETE FROM line_versions WHERE line = $1 AND version = $2 AND signed_index IS NULL",
        values![line, version],
    )?;
    t.execute(
        "INSERT INTO lines (line, principal, holder, given_ms, version, ended) VALUES ($1, '', '', $2, 0, 0)
         ON CONFLICT DO NOTHING",
        values![line, at_ms],
    )?;
    t.execute(
        "UPDATE lines SET found_version = $1, found_state = $2, found_sha256 = $3, ended = $4
         WHERE line = $5 AND version < $1 AND COALESCE(found_version, 0) < $1",
        values![version, found.state.as_str(), &found.statement_sha256, ended, line],
    )
    .map(drop)
}

/// Offers whose approvals came to nothing: their devices are not enrolled, so there is no line.
pub(super) fn forget_unbound(t: &mut dyn Statements) -> Result<(), StoreError> {
    let unbound = "(SELECT invitation FROM invitations WHERE closed IS NULL AND second_approved_by IS NULL)";
    t.execute(
        &format!("DELETE FROM line_versions WHERE version = 1 AND signed_index IS NULL AND line IN {unbound}"),
        &[],
    )?;
    t.execute(&format!("DELETE FROM lines WHERE version = 0 AND found_version IS NULL AND line IN {unbound}"), &[])
        .map(drop)
}

/// What a switchboard starts from: lines that have not ended, or whose end the log may not have.
pub(super) fn open(t: &mut dyn Statements) -> Result<Vec<LineRow>, StoreError> {
    let sql = "SELECT lines.line, lines.given_ms, lines.found_version, lines.found_state, lines.found_sha256,
             v.content, v.statement_sha256, v.signed_by, v.signed_ms, v.signed_index,
             v.sealed_sha256
         FROM lines JOIN line_versions v ON v.line = lines.line AND v.version >= lines.version
         WHERE lines.ended = 0 ORDER BY lines.line, v.version";
    let mut rows: Vec<LineRow> = Vec::new();
    for (line, given_ms, found, version) in all(t, sql, &[], |row| {
        let found = if row.is_null(2) {
            None
        } else {
            Some(LoggedVersion {
                version: number(row, 2)?,
                state: row.word(3, "state of a line")?,
                statement_sha256: row.digest(4)?,
            })
        };
        let version = LineVersion {
            content: row.json(5, "line")?,
            sha256: row.digest(6)?,
            by: row.device(7)?,
            signed_ms: row.number(8)?,
            index: row.optional_number(9)?,
            sealed_sha256: if row.is_null(10) { None } else { Some(row.digest(10)?) },
        };
        Ok((row.line(0)?, row.number(1)?, found, version))
    })? {
        if rows.last().is_none_or(|last| last.line != line) {
            rows.push(LineRow { line, given_ms, current: None, pending: None, found });
        }
        let Some(last) = rows.last_mut() else { continue };
        match version.index {
            Some(_) => last.current = Some(version),
            None => last.pending = Some(version),
        }
    }
    Ok(rows)
}

fn number(row: &Row, column: usize) -> Result<u32, StoreError> {
    u32::try_from(row.number(column)?).map_err(|_| StoreError::Damaged("version of a line"))
}

pub(super) fn exists(t: &mut dyn Statements, id: &LineId) -> Result<bool, StoreError> {
    Ok(!t.query("SELECT 1 FROM lines WHERE line = $1", values![id])?.is_empty())
}

/// A version that is in the log, as a call over it needs it, with the times of the newest rings by its holder.
pub(super) fn signed(t: &mut dyn Statements, over: &OverLine) -> Result<Option<SignedLine>, StoreError> {
    let condition = "v.line = $1 AND v.statement_sha256 = $2";
    let Some(found) = select_signed(t, condition, values![&over.line, &over.statement_sha256])?.pop() else {
        return Ok(None);
    };
    let holder = found.content.holder.person.to_hex();
    let sql = format!(
        "SELECT opened_ms FROM calls WHERE line = $1 AND from_person = $2 ORDER BY opened_ms DESC LIMIT {MAX_RINGS_READ}"
    );
    let rings_ms = all(t, &sql, values![&over.line, holder.as_str()], |row| row.number(0))?;
    Ok(Some(SignedLine { rings_ms, ..found }))
}

/// The versions over which calls are that have not ended.
pub(super) fn of_live_calls(t: &mut dyn Statements) -> Result<Vec<SignedLine>, StoreError> {
    let condition = "(v.line, v.version) IN (SELECT calls.line, calls.line_version FROM calls
         WHERE calls.settled = 0 AND calls.stage <> 'ended' AND calls.line IS NOT NULL)";
    select_signed(t, condition, &[])
}

/// The version of the line that a call is over, with the log entries of the devices that signed it and the delegation that it names.
pub(super) fn of_call(t: &mut dyn Statements, call: &CallId) -> Result<Option<LineOfCall>, StoreError> {
    let condition = "(v.line, v.version) IN (SELECT calls.line, calls.line_version FROM calls WHERE calls.call = $1)";
    let Some(signed) = select_signed(t, condition, values![call])?.pop() else { return Ok(None) };
    let Some(signer) = entry_of(t, &signed.by)? else { return Ok(None) };
    let delegation = match signed.delegation {
        Some((statement, given, device)) => {
            let Some(device) = entry_of(t, &device)? else { return Ok(None) };
            Some((statement, given, device))
        }
        None => None,
    };
    Ok(Some(LineOfCall { statement: signed.statement, signed: signed.index, signer, delegation }))
}

/// The log entry of a device.
fn entry_of(t: &mut dyn Statements, device: &DeviceId) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT log_index FROM devices WHERE device = $1 AND log_index IS NOT NULL";
    Ok(all(t, sql, values![device], |row| row.number(0))?.pop())
}

fn select_signed(t: &mut dyn Statements, condition: &str, values: &[Value]) -> Result<Vec<SignedLine>, StoreError> {
    let sql = format!(
        "SELECT v.content, v.statement, v.statement_sha256, v.signed_by, v.signed_index
         FROM line_versions v WHERE {condition} AND v.signed_index IS NOT NULL ORDER BY v.line, v.version"
    );
    let mut found = all(t, &sql, values, |row| {
        Ok(SignedLine {
            content: row.json(0, "line")?,
            statement: row.text(1)?,
            sha256: row.digest(2)?,
            by: row.device(3)?,
            index: row.number(4)?,
            delegation: None,
            rings_ms: Vec::new(),
        })
    })?;
    for line in &mut found {
        let Some(under) = line.content.on_behalf else { continue };
        let sql = "SELECT statement, given_index, device FROM delegations
             WHERE delegation = $1 AND statement_sha256 = $2 AND given_index IS NOT NULL";
        line.delegation = all(t, sql, values![&under.delegation, &under.statement_sha256], |row| {
            Ok((row.text(0)?, row.number(1)?, row.device(2)?))
        })?
        .pop();
    }
    Ok(found)
}

/// The newest statement of a line that is in the log, and its digest: what its next version is verified with.
pub(super) fn newest(t: &mut dyn Statements, id: &LineId) -> Result<Option<(String, Digest)>, StoreError> {
    let sql = "SELECT v.statement, v.statement_sha256 FROM lines JOIN line_versions v
             ON v.line = lines.line AND v.version = lines.version
         WHERE lines.line = $1";
    Ok(all(t, sql, values![id], |row| Ok((row.text(0)?, row.digest(1)?)))?.pop())
}

/// A page of lines, newest first, below `before_ms`: `limit`, and those given in the same millisecond as the last of them, so that
/// the next page begins below that.
pub(super) fn listed(
    t: &mut dyn Statements,
    of: LinesOf,
    before_ms: Option<u64>,
    limit: u32,
) -> Result<LinePage, StoreError> {
    let principals = match of {
        LinesOf::Delegate(person, now_ms) => {
            let sql = "SELECT DISTINCT principal FROM delegations
                 WHERE delegate = $1 AND given_index IS NOT NULL AND ended_ms IS NULL AND not_before_ms <= $2
                     AND not_after_ms >= $2";
            let principals: BTreeSet<String> =
                all(t, sql, values![person.to_hex().as_str(), now_ms], |row| row.text(0))?.into_iter().collect();
            if principals.is_empty() {
                return Ok((Vec::new(), false));
            }
            principals
        }
        LinesOf::Principal(person) => BTreeSet::from([person.to_hex()]),
        LinesOf::Everybody | LinesOf::Holder(_) => BTreeSet::new(),
    };
    let mut values = vec![Value::from(before_ms.unwrap_or(i64::MAX as u64))];
    let condition = match of {
        LinesOf::Everybody => String::new(),
        LinesOf::Holder(person) => {
            values.push(person.to_hex().as_str().into());
            "AND lines.holder = $2".to_owned()
        }
        LinesOf::Principal(_) | LinesOf::Delegate(..) => {
            let from = values.len();
            values.extend(principals.iter().map(|person| Value::from(person.as_str())));
            let places: Vec<String> = (from + 1..=values.len()).map(|n| format!("${n}")).collect();
            format!("AND lines.principal IN ({})", places.join(", "))
        }
    };
    let sql = format!(
        "SELECT given_ms FROM lines WHERE given_ms < $1 AND version > 0 {condition}
         ORDER BY given_ms DESC LIMIT {}",
        u64::from(limit) + 1
    );
    let given = all(t, &sql, &values, |row| row.number(0))?;
    let Some(last) = given.get((limit as usize).saturating_sub(1)).or(given.last()).copied() else {
        return Ok((Vec::new(), false));
    };
    let mut below = values.clone();
    below[0] = last.into();
    let sql = format!("SELECT 1 FROM lines WHERE given_ms < $1 AND version > 0 {condition} LIMIT 1");
    let more = given.len() > limit as usize && !t.query(&sql, &below)?.is_empty();
    values.push(last.into());
    let sql = format!(
        "SELECT v.statement, v.statement_sha256, v.content, lines.given_ms, v.signed_ms,
             (SELECT MAX(opened_ms) FROM calls WHERE calls.line = lines.line AND calls.opened_index IS NOT NULL),
             lines.found_version, lines.found_state, lines.found_sha256
         FROM lines JOIN line_versions v ON v.line = lines.line AND v.version = lines.version
         WHERE lines.given_ms < $1 {condition} AND lines.given_ms >= ${} ORDER BY lines.given_ms DESC, lines.line",
        values.len()
    );
    let lines = all(t, &sql, &values, |row| {
        let lost = match row.is_null(6) {
            true => None,
            false => Some(LoggedVersion {
                version: number(row, 6)?,
                state: row.word(7, "state of a line")?,
                statement_sha256: row.digest(8)?,
            }),
        };
        let listed = ListedLine {
            statement: row.text(0)?,
            statement_sha256: row.digest(1)?,
            line: row.json(2, "line")?,
            lost,
            given_ms: row.number(3)?,
            changed_ms: row.number(4)?,
            last_rung_ms: row.optional_number(5)?,
            reachable: false,
        };
        Ok(listed)
    })?;
    let mut with_devices = Vec::new();
    for listed in lines {
        let devices = match listed.line.device {
            Some(device) => vec![device],
            None => {
                let holder = listed.line.holder.person.to_hex();
                let sql = "SELECT device FROM devices WHERE person = $1 AND revoked_ms IS NULL";
                all(t, sql, values![holder.as_str()], |row| row.device(0))?
            }
        };
        with_devices.push((listed, devices));
    }
    Ok((with_devices, more))
}
