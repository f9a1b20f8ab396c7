//! Web Push subscriptions of devices: what is written and read of them.

use super::{
    PushRow, PushWrite, RingPushRow, StoreError,
    database::{Statements, all},
    value::{Row, Value, values},
};
use telcon_proto::DeviceId;

pub(super) fn apply(t: &mut dyn Statements, write: &PushWrite) -> Result<(), StoreError> {
    let mut run = |sql: &str, values: &[Value]| t.execute(sql, values).map(drop);
    match write {
        PushWrite::Subscribed(row) => run(
            "INSERT INTO push_subscriptions (device, endpoint, browser_key, auth, notified_below) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (device) DO UPDATE SET endpoint = excluded.endpoint, browser_key = excluded.browser_key,
                 auth = excluded.auth, notified_below = excluded.notified_below",
            values![&row.device, &row.endpoint, &row.key, &row.auth, row.notified_below],
        ),
        PushWrite::Ended(device) => end(t, device),
        PushWrite::NotifiedBelow(device, below) => run(
            "UPDATE push_subscriptions SET notified_below = $1 WHERE device = $2 AND notified_below < $1",
            values![*below, device],
        ),
        PushWrite::Ring(call, device, until_ms) => run(
            "INSERT INTO ring_pushes (call, device, until_ms, taken) VALUES ($1, $2, $3, 0) ON CONFLICT (call, device) DO NOTHING",
            values![call, device, *until_ms],
        ),
        PushWrite::RingTaken(call, device) => {
            run("UPDATE ring_pushes SET taken = 1 WHERE call = $1 AND device = $2", values![call, device])
        }
        PushWrite::RingOver(call, device, missed, until_ms) => run(
            "UPDATE ring_pushes SET missed = $1, until_ms = $2 WHERE call = $3 AND device = $4",
            values![*missed, *until_ms, call, device],
        ),
        PushWrite::RingSettled(call, device) => {
            run("DELETE FROM ring_pushes WHERE call = $1 AND device = $2", values![call, device])
        }
    }
}

/// Erases a device's subscription.
pub(super) fn end(t: &mut dyn Statements, device: &DeviceId) -> Result<(), StoreError> {
    t.execute("DELETE FROM push_subscriptions WHERE device = $1", values![device])?;
    t.execute("DELETE FROM ring_pushes WHERE device = $1", values![device]).map(drop)
}

/// The rings that devices are notified of, and of whose end.
pub(super) fn rings(t: &mut dyn Statements) -> Result<Vec<RingPushRow>, StoreError> {
    let sql = "SELECT call, device, until_ms, taken, missed FROM ring_pushes ORDER BY call, device";
    all(t, sql, &[], |row| {
        let over = if row.is_null(4) { None } else { Some(row.flag(4)?) };
        Ok(RingPushRow {
            call: row.call(0)?,
            device: row.device(1)?,
            until_ms: row.number(2)?,
            taken: row.flag(3)?,
            over,
        })
    })
}

/// The subscriptions of devices that are not revoked.
pub(super) fn subscriptions(t: &mut dyn Statements) -> Result<Vec<PushRow>, StoreError> {
    let sql = "SELECT device, endpoint, browser_key, auth, notified_below FROM push_subscriptions
         WHERE device IN (SELECT device FROM devices WHERE revoked_ms IS NULL) ORDER BY device";
    let read = |row: &Row| {
        Ok(PushRow {
            device: row.device(0)?,
            endpoint: row.text(1)?,
            key: row.blob(2)?,
            auth: row.blob(3)?,
            notified_below: row.number(4)?,
        })
    };
    t.query(sql, &[])?.iter().map(read).collect()
}

/// The subscription of one device.
pub(super) fn subscription(t: &mut dyn Statements, device: &DeviceId) -> Result<Option<String>, StoreError> {
    let sql = "SELECT endpoint FROM push_subscriptions WHERE device = $1";
    t.query(sql, values![device])?.first().map(|row| row.text(0)).transpose()
}
