//! Alerts, and devices that were added in somebody's name: what is written and read of them.

use super::{
    AddedDeviceRow, AlertRow, StoreError,
    database::Statements,
    value::{Row, Value, values},
};
use crate::limits::RECENT_ALERTS;
use telcon_proto::{OfficeAlert, alert::AlertSeen};

const COLUMNS: &str = "time_ms, kind, device, invitation, call, count, log_index, seen_by, seen_ms";

/// Inserts an alert, or adds the log index to the one that is there.
pub(super) fn put(t: &mut dyn Statements, row: &AlertRow) -> Result<(), StoreError> {
    let id = row.id();
    if let Some(index) = row.log_index {
        // An index is of one entry: what was taken for it before gives way.
        t.execute(
            "DELETE FROM alerts WHERE log_index = $1 AND NOT (kind = $2 AND subject = $3 AND time_ms = $4)",
            &[Value::from(index), row.kind.as_str().into(), Value::Bytes(id.subject.to_vec()), row.time_ms.into()],
        )?;
    }
    t.execute(
        "INSERT INTO alerts (kind, subject, time_ms, device, invitation, call, count, log_index)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (kind, subject, time_ms) DO UPDATE SET log_index = COALESCE(alerts.log_index, excluded.log_index)",
        &[
            Value::from(row.kind.as_str()),
            Value::Bytes(id.subject.to_vec()),
            row.time_ms.into(),
            row.device.as_ref().into(),
            row.invitation.as_ref().into(),
            row.call.as_ref().into(),
            row.count.into(),
            row.log_index.into(),
        ],
    )
    .map(drop)
}

pub(super) fn put_added(t: &mut dyn Statements, row: &AddedDeviceRow) -> Result<(), StoreError> {
    t.execute(
        "INSERT INTO added_devices (told, device, label, approved_by, enrolled_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (told, device) DO NOTHING",
        values![&row.notified, &row.device, row.label.as_ref(), row.approved_by.as_ref(), row.enrolled_ms],
    )
    .map(drop)
}

/// What a switchboard starts from: alerts that the log may not have, and the newest others.
pub(super) fn recent(t: &mut dyn Statements) -> Result<Vec<AlertRow>, StoreError> {
    let pending = format!("SELECT {COLUMNS} FROM alerts WHERE log_index IS NULL ORDER BY time_ms DESC, kind, subject");
    let mut rows = rows_of(t, &pending, &[])?;
    let logged = format!("SELECT {COLUMNS} FROM alerts WHERE log_index IS NOT NULL ORDER BY log_index DESC LIMIT $1");
    rows.extend(rows_of(t, &logged, values![RECENT_ALERTS as u64])?);
    Ok(rows)
}

pub(super) fn unseen(t: &mut dyn Statements) -> Result<Vec<u64>, StoreError> {
    let sql = "SELECT log_index FROM alerts WHERE seen_ms IS NULL AND log_index IS NOT NULL ORDER BY log_index";
    t.query(sql, &[])?.iter().map(|row| row.number(0)).collect()
}

pub(super) fn added(t: &mut dyn Statements) -> Result<Vec<AddedDeviceRow>, StoreError> {
    let sql = "SELECT told, device, label, approved_by, enrolled_ms FROM added_devices ORDER BY told, device";
    let read = |row: &Row| {
        Ok(AddedDeviceRow {
            notified: row.device(0)?,
            device: row.device(1)?,
            label: row.optional_text(2)?,
            approved_by: row.optional_device(3)?,
            enrolled_ms: row.number(4)?,
        })
    };
    t.query(sql, &[])?.iter().map(read).collect()
}

/// A page of the list, newest first, and how many alerts nobody has seen.
pub(super) fn page(
    t: &mut dyn Statements,
    after: Option<u64>,
    limit: u32,
) -> Result<(Vec<OfficeAlert>, u64), StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM alerts WHERE log_index < $1 ORDER BY log_index DESC LIMIT $2");
    let before = after.unwrap_or(i64::MAX as u64);
    let rows = rows_of(t, &sql, values![before, u64::from(limit)])?;
    let unseen = "SELECT COUNT(*) FROM alerts WHERE seen_ms IS NULL AND log_index IS NOT NULL";
    let unseen = t.query(unseen, &[])?.first().map(|row| row.number(0)).transpose()?.unwrap_or_default();
    Ok((rows.iter().filter_map(AlertRow::shown).collect(), unseen))
}

fn rows_of(t: &mut dyn Statements, sql: &str, values: &[Value]) -> Result<Vec<AlertRow>, StoreError> {
    t.query(sql, values)?.iter().map(alert_row).collect()
}

fn alert_row(row: &Row) -> Result<AlertRow, StoreError> {
    let seen = match row.optional_device(7)? {
        Some(by) => Some(AlertSeen { by, at_ms: row.number(8)? }),
        None => None,
    };
    Ok(AlertRow {
        time_ms: row.number(0)?,
        kind: row.word(1, "kind of alert")?,
        device: row.optional_device(2)?,
        invitation: if row.is_null(3) { None } else { Some(row.invitation(3)?) },
        call: if row.is_null(4) { None } else { Some(row.call(4)?) },
        count: row.number(5)?,
        log_index: row.optional_number(6)?,
        seen,
    })
}
