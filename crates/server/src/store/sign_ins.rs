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

const NEWEST: &str = "from_ms = (SELECT MAX(from_ms) FROM sign_ins WHERE device = $2)";

/// A device signed in. Soon after its last connection it is the same row; of the rows, the newest are kept.
pub(super) fn began(t: &mut dyn Statements, device: &DeviceId, kind: DeviceKind, ms: u64) -> Result<(), StoreError> {
    let since = ms.saturating_sub(RECONNECTED_WITHIN_MS);
    let again = format!(
        "UPDATE sign_ins SET until_ms = $1, times = times + 1
         WHERE device = $2 AND kind = $3 AND until_ms >= $4 AND until_ms <= $1 AND {NEWEST}"
    );
    if t.execute(&again, values![ms, device, kind.as_str(), since])? > 0 {
        return Ok(());
    }
    let new = "INSERT INTO sign_ins (device, from_ms, until_ms, times, kind) VALUES ($1, $2, $2, 1, $3)
         ON CONFLICT (device, from_ms) DO UPDATE SET times = sign_ins.times + 1";
    t.execute(new, values![device, ms, kind.as_str()])?;
    let old = "DELETE FROM sign_ins WHERE device = $1 AND from_ms NOT IN
         (SELECT from_ms FROM sign_ins WHERE device = $1 ORDER BY from_ms DESC LIMIT $2)";
    t.execute(old, values![device, MAX_SIGN_INS_PER_DEVICE as u64]).map(drop)
}

/// A device was connected until now.
pub(super) fn connected(t: &mut dyn Statements, device: &DeviceId, ms: u64) -> Result<(), StoreError> {
    let sql = format!("UPDATE sign_ins SET until_ms = $1 WHERE device = $2 AND until_ms < $1 AND {NEWEST}");
    t.execute(&sql, values![ms, device]).map(drop)
}

/// When the devices of a person were connected, newest first, and attempts to sign in as one of them that failed.
pub(super) fn of_person(t: &mut dyn Statements, id: PersonId, home: &OfficeName) -> Result<SignInList, StoreError> {
    let own = "device IN (SELECT device FROM devices WHERE person = $1)";
    let person = id.to_hex();
    let sql = format!(
        "SELECT device, from_ms, until_ms, times, kind FROM sign_ins WHERE {own} ORDER BY until_ms DESC, device"
    );
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
         ORDER BY time_ms DESC LIMIT $3"
    );
    let failed = all(t, &sql, values![person.as_str(), AlertKind::SignInFailed.as_str(), MAX_FAILED], |row| {
        Ok(FailedSignIns { device: row.device(0)?, time_ms: row.number(1)?, count: row.number(2)? })
    })?;
    Ok(SignInList { sign_ins, failed, shifts: shifts::of_person(t, id, home)? })
}
