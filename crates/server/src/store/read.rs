//! Queries for HTTP requests: lists, and the rows from which proofs are made.

use super::{
    CallSummary, DeviceRow, DeviceSummary, StoreError, StoredRecord,
    database::{Statements, all},
    load,
    value::{Value, values},
};
use std::collections::{BTreeSet, HashMap};
use telcon_proto::{CallId, OfficeName, PersonId, shift::OnShift};

pub(super) fn devices(t: &mut dyn Statements, home: &OfficeName) -> Result<Vec<DeviceRow>, StoreError> {
    let columns = load::DEVICE_COLUMNS;
    let sql = format!("SELECT {columns} FROM devices WHERE log_index IS NOT NULL ORDER BY enrolled_ms, device");
    all(t, &sql, &[], |row| load::device_row(row, home))
}

pub(super) fn listed_devices(
    t: &mut dyn Statements,
    person: Option<PersonId>,
    home: &OfficeName,
) -> Result<Vec<DeviceSummary>, StoreError> {
    let of_one = if person.is_some() { "AND devices.person = $1" } else { "" };
    let sql = format!(
        "SELECT devices.device, devices.card, devices.enrolled_ms, devices.revoked_ms, invitations.request,
             invitations.closed_by, CASE WHEN registrars.device IS NULL THEN 0 ELSE 1 END, invitations.approved_by,
             devices.erase_ordered_ms, devices.erased_ms, programs.version, account_sessions.signed_in_ms,
             last.until_ms, last.kind, shifts.shift, shifts.card, shifts.started_ms, shifts.until_ms
         FROM devices
         LEFT JOIN invitations ON invitations.device = devices.device AND invitations.closed = 'approved'
         LEFT JOIN registrars ON registrars.device = devices.device AND registrars.log_index IS NOT NULL
         LEFT JOIN programs ON programs.device = devices.device
         LEFT JOIN account_sessions ON account_sessions.device = devices.device
         LEFT JOIN sign_ins last ON last.device = devices.device
             AND last.arrival = (SELECT MAX(arrival) FROM sign_ins WHERE sign_ins.device = devices.device)
         LEFT JOIN shifts ON shifts.shift = (
             SELECT shift FROM shifts WHERE shifts.device = devices.device AND shifts.ended_ms IS NULL
                 AND shifts.started_index IS NOT NULL AND shifts.card IS NOT NULL
             ORDER BY started_index DESC LIMIT 1)
         WHERE devices.log_index IS NOT NULL {of_one} ORDER BY devices.enrolled_ms, devices.device"
    );
    let values: Vec<Value> = person.iter().map(|person| person.to_hex().as_str().into()).collect();
    all(t, &sql, &values, |row| {
        Ok(DeviceSummary {
            device: row.device(0)?,
            card: row.card(1, home)?,
            enrolled_ms: row.number(2)?,
            revoked_ms: row.optional_number(3)?,
            request: row.optional_text(4)?,
            approved_by: row.optional_device(5)?,
            registrar: row.flag(6)?,
            first_approved_by: row.optional_device(7)?,
            erase_ordered_ms: row.optional_number(8)?,
            erased_ms: row.optional_number(9)?,
            program: row.optional_text(10)?.and_then(|version| version.parse().ok()),
            account_used_ms: row.optional_number(11)?,
            last_seen: match row.optional_number(12)? {
                Some(ms) => Some((ms, row.word(13, "kind of device")?)),
                None => None,
            },
            on_shift: match row.is_null(14) {
                true => None,
                false => Some(OnShift {
                    shift: row.shift(14)?,
                    person: row.card(15, home)?,
                    since_ms: row.number(16)?,
                    until_ms: row.number(17)?,
                }),
            },
        })
    })
}

/// Columns of a list: not the ring, which is as long as all others together.
const SUMMARY_COLUMNS: &str = "call, from_card, to_card, mode, opened_ms, answered_ms, ended_ms, how, missing_index, for_card, \
     (SELECT delegate_card FROM delegations WHERE delegations.delegation = calls.answered_under)";

pub(super) fn calls(
    t: &mut dyn Statements,
    party: Option<PersonId>,
    after: Option<CallId>,
    limit: u32,
    home: &OfficeName,
) -> Result<Option<Vec<CallSummary>>, StoreError> {
    let person = party.map(|person| Value::from(person.to_hex().as_str()));
    let before = match after {
        None => i64::MAX as u64,
        Some(after) => {
            let of_person =
                if party.is_some() { "AND (from_person = $2 OR to_person = $2 OR for_person = $2)" } else { "" };
            let sql =
                format!("SELECT opened_index FROM calls WHERE call = $1 AND opened_index IS NOT NULL {of_person}");
            let values: Vec<Value> = [Value::from(&after)].into_iter().chain(person.clone()).collect();
            match all(t, &sql, &values, |row| row.number(0))?.pop() {
                Some(index) => index,
                None => return Ok(None),
            }
        }
    };
    let mut values = vec![Value::from(before)];
    values.extend(person);
    values.push(u64::from(limit).into());
    let limit = format!("LIMIT ${}", values.len());
    // Each of these reads no further in one index than its page.
    let page = |condition: &str| {
        format!(
            "SELECT call FROM (SELECT call, opened_index FROM calls WHERE opened_index < $1 {condition}
             ORDER BY opened_index DESC {limit}) AS page"
        )
    };
    let shown = match party {
        None => page(""),
        Some(_) => {
            let pages = ["from_person", "to_person", "for_person"].map(|column| page(&format!("AND {column} = $2")));
            pages.join(" UNION ")
        }
    };
    let sql = format!("SELECT {SUMMARY_COLUMNS} FROM calls WHERE call IN ({shown}) ORDER BY opened_index DESC {limit}");
    let calls = all(t, &sql, &values, |row| {
        Ok(CallSummary {
            call: row.call(0)?,
            from: row.card(1, home)?,
            to: row.card(2, home)?,
            mode: row.word(3, "record mode")?,
            opened_ms: row.number(4)?,
            answered_ms: row.optional_number(5)?,
            ended_ms: row.optional_number(6)?,
            how: if row.is_null(7) { None } else { Some(row.word(7, "end")?) },
            records: 0,
            partial: false,
            missing: row.optional_number(8)?.is_some(),
            on_behalf_of: if row.is_null(9) { None } else { Some(row.card(9, home)?) },
            answered_by: if row.is_null(10) { None } else { Some(row.card(10, home)?) },
        })
    })?;
    let sql = format!("SELECT call, partial FROM records WHERE call IN ({shown})");
    let mut records: HashMap<CallId, Vec<bool>> = HashMap::new();
    for (call, partial) in all(t, &sql, &values, |row| Ok((row.call(0)?, row.flag(1)?)))? {
        records.entry(call).or_default().push(partial);
    }
    let with_records = |call: CallSummary| {
        let partial = records.remove(&call.call).unwrap_or_default();
        call.with_records(&partial)
    };
    Ok(Some(calls.into_iter().map(with_records).collect()))
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
    let sql = "SELECT delegate_card FROM delegations WHERE delegation = $1";
    let answered_by = match &found.answered_under {
        Some(id) => all(t, sql, values![id], |row| row.card(0, home))?.pop(),
        None => None,
    };
    Ok(Some((StoredRecord { records: load::records(t, call)?, call: found, answered_by }, devices)))
}

pub(super) fn record_names(t: &mut dyn Statements) -> Result<BTreeSet<String>, StoreError> {
    let names = all(t, "SELECT call, device FROM records", &[], |row| {
        let call = row.call(0)?.to_hex();
        Ok(row.optional_device(1)?.map_or_else(|| call.clone(), |device| format!("{call}-{device}")))
    })?;
    Ok(names.into_iter().collect())
}
