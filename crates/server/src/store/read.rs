//! Queries for HTTP requests: lists, and the rows from which proofs are made.

use super::{
    DeviceRow, RecordRow, StoreError, StoredRecord,
    database::Statements,
    load::{self, all},
    value::{Value, values},
};
use std::collections::{BTreeSet, HashMap};
use telcon_proto::{CallId, OfficeName};

pub(super) fn devices(t: &mut dyn Statements, home: &OfficeName) -> Result<Vec<DeviceRow>, StoreError> {
    let columns = load::DEVICE_COLUMNS;
    let sql = format!("SELECT {columns} FROM devices WHERE log_index IS NOT NULL ORDER BY enrolled_ms, device");
    all(t, &sql, &[], |row| load::device_row(row, home))
}

pub(super) fn records(t: &mut dyn Statements, limit: u32, home: &OfficeName) -> Result<Vec<StoredRecord>, StoreError> {
    let shown = |columns: &str| {
        format!("SELECT {columns} FROM calls WHERE opened_index IS NOT NULL ORDER BY opened_index DESC LIMIT $1")
    };
    let limit = &[Value::from(u64::from(limit))];
    let calls = all(t, &shown(load::CALL_COLUMNS), limit, |row| load::call_row(row, home))?;
    let (columns, calls_shown) = (load::RECORD_COLUMNS, shown("call"));
    let sql = format!("SELECT {columns} FROM records WHERE call IN ({calls_shown}) ORDER BY log_index");
    let mut records: HashMap<CallId, Vec<RecordRow>> = HashMap::new();
    for record in all(t, &sql, limit, load::record_row)? {
        records.entry(record.call).or_default().push(record);
    }
    let with_records =
        |call: super::CallRow| StoredRecord { records: records.remove(&call.call).unwrap_or_default(), call };
    Ok(calls.into_iter().map(with_records).collect())
}

pub(super) fn record(
    t: &mut dyn Statements,
    call: &CallId,
    home: &OfficeName,
) -> Result<Option<(StoredRecord, Vec<DeviceRow>)>, StoreError> {
    let sql = format!("SELECT {} FROM calls WHERE call = $1 AND opened_index IS NOT NULL", load::CALL_COLUMNS);
    let Some(found) = all(t, &sql, values![call], |row| load::call_row(row, home))?.pop() else { return Ok(None) };
    let sql = format!(
        "SELECT {} FROM devices WHERE device IN (SELECT device FROM participants WHERE call = $1)
         OR device = (SELECT answerer FROM calls WHERE call = $1) ORDER BY enrolled_ms, device",
        load::DEVICE_COLUMNS
    );
    let devices = all(t, &sql, values![call], |row| load::device_row(row, home))?;
    Ok(Some((StoredRecord { records: load::records(t, call)?, call: found }, devices)))
}

pub(super) fn record_names(t: &mut dyn Statements) -> Result<BTreeSet<String>, StoreError> {
    let names = all(t, "SELECT call, device FROM records", &[], |row| {
        let call = row.call(0)?.to_hex();
        Ok(row.optional_device(1)?.map_or_else(|| call.clone(), |device| format!("{call}-{device}")))
    })?;
    Ok(names.into_iter().collect())
}
