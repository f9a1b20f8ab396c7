//! When devices were connected: what is written and read of it.

use super::{
    StoreError,
    database::{Statements, all},
    shifts,
    value::values,
};
use crate::limits::RECONNECTED_WITHIN_MS;
use telcon_proto::{
    AlertKind, DeviceId, OfficeName, PersonId,
    device_policy::DeviceKind,
    http::{FailedSignIns, SignIn, SignInList},
    limits::MAX_SIGN_INS_PER_DEVICE,
};

/// Most failed attempts in a list.
const MAX_FAILED: u64 = 50;

/// Rows are ordered by when they arrived and not by their times: the server's clock may have been ahead.
const NEWEST: &str = "arrival = (SELECT MAX(arrival) FROM sign_ins WHERE device = $2)";
const NEXT: &str = "(SELECT COALESCE(MAX(arrival), 0) + 1 FROM sign_ins)";

/// A device signed in. Soon after its last connection with a program of this kind it is the same row. Of the rows of each kind the newest
/// are kept, so that who alternates between kinds displaces no more than who does not.
pub(super) fn began(t: &mut dyn Statements, device: &DeviceId, kind: DeviceKind, ms: u64) -> Result<(), StoreError> {
    let since = ms.saturating_sub(RECONNECTED_WITHIN_MS);
    let again = format!(
        "UPDATE sign_ins SET until_ms = $1, times = times + 1, arrival = {NEXT}
         WHERE device = $2 AND kind = $3 AND until_ms >= $4 AND until_ms <= $1
             AND arrival = (SELECT MAX(arrival) FROM sign_ins WHERE device = $2 AND kind = $3)"
    );
    if t.execute(&again, values![ms, device, kind.as_str(), since])? > 0 {
        return Ok(());
    }
    let new = format!(
        "INSERT INTO sign_ins (device, from_ms, until_ms, times, kind, arrival) VALUES ($1, $2, $2, 1, $3, {NEXT})
         ON CONFLICT (device, from_ms) DO UPDATE SET times = sign_ins.times + 1, arrival = excluded.arrival"
    );
    t.execute(&new, values![device, ms, kind.as_str()])?;
    let old = "DELETE FROM sign_ins WHERE device = $1 AND kind = $2 AND arrival NOT IN
         (SELECT arrival FROM sign_ins WHERE device = $1 AND kind = $2 ORDER BY arrival DESC LIMIT $3)";
    t.execute(old, values![device, kind.as_str(), MAX_SIGN_INS_PER_DEVICE as u64]).map(drop)
}

/// A device was connected until now.
pub(super) fn connected(t: &mut dyn Statements, device: &DeviceId, ms: u64) -> Result<(), StoreError> {
    let sql = format!("UPDATE sign_ins SET until_ms = $1 WHERE device = $2 AND until_ms < $1 AND {NEWEST}");
    t.execute(&sql, values![ms, device]).map(drop)
}

/// When the devices of a person were connected, the last one first, and attempts to sign in as one of them that failed.
pub(super) fn of_person(t: &mut dyn Statements, id: PersonId, home: &OfficeName) -> Result<SignInList, StoreError> {
    let own = "device IN (SELECT device FROM devices WHERE person = $1)";
    let person = id.to_hex();
    let sql = format!("SELECT device, from_ms, until_ms, times, kind FROM sign_ins WHERE {own} ORDER BY arrival DESC");
    let sign_ins = all(t, &sql, values![person.as_str()], |row| {
        Ok(SignIn {
            device: row.device(0)?,
            from_ms: row.number(1)?,
            until_ms: row.number(2)?,
            times: row.number(3)?,
            kind: row.word(4, "kind of device")?,
        })
    })?;
    let sql = format!(
        "SELECT device, time_ms, count FROM alerts WHERE {own} AND kind = $2 AND log_index IS NOT NULL
         ORDER BY log_index DESC LIMIT $3"
    );
    let failed = all(t, &sql, values![person.as_str(), AlertKind::SignInFailed.as_str(), MAX_FAILED], |row| {
        Ok(FailedSignIns { device: row.device(0)?, time_ms: row.number(1)?, count: row.number(2)? })
    })?;
    Ok(SignInList { sign_ins, failed, shifts: shifts::of_person(t, id, home)? })
}
