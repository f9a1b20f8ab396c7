//! Passkeys, lockers and tickets of devices.

use super::{
    LockerRow, PasskeyRow, ProtectionRow, ProtectionWrite, StoreError, TicketRow,
    database::Statements,
    load::all,
    value::{Row, Value, values},
};
use telcon_proto::{DeviceId, Digest};

const LOCKER_COLUMNS: &str = "locker, device, proof, secret, failures, retry_ms, confirmed, made_ms";

pub(super) fn apply(t: &mut dyn Statements, write: &ProtectionWrite) -> Result<(), StoreError> {
    use ProtectionWrite as W;
    let mut run = |sql: &str, values: &[Value]| t.execute(sql, values).map(drop);
    match write {
        W::PasskeyAdded(row) => run(
            "INSERT INTO passkeys (credential, device, passkey, added_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            values![&row.credential, &row.device, &row.passkey, row.added_ms],
        ),
        W::PasskeyUsed { credential, passkey } => {
            run("UPDATE passkeys SET passkey = $1 WHERE credential = $2", values![passkey, credential])
        }
        W::PasskeyRemoved(device, credential) => {
            run("DELETE FROM passkeys WHERE device = $1 AND credential = $2", values![device, credential])
        }
        W::TicketIssued(device, ticket) => run(
            "INSERT INTO tickets (device, ticket_sha256, issued_ms, used_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (device) DO UPDATE SET ticket_sha256 = excluded.ticket_sha256, issued_ms = excluded.issued_ms,
                 used_ms = excluded.used_ms",
            values![device, &ticket.sha256, ticket.issued_ms, ticket.used_ms],
        ),
        W::TicketUsed(device, ms) => run("UPDATE tickets SET used_ms = $1 WHERE device = $2", values![*ms, device]),
        W::LockerMade(row) => {
            run("DELETE FROM lockers WHERE device = $1 AND confirmed = 0", values![&row.device])?;
            run(
                &format!(
                    "INSERT INTO lockers ({LOCKER_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
                ),
                &[
                    Value::from(&row.locker),
                    (&row.device).into(),
                    (&row.proof).into(),
                    row.secret.as_ref().into(),
                    row.failures.into(),
                    row.retry_ms.into(),
                    row.confirmed.into(),
                    row.made_ms.into(),
                ],
            )
        }
        W::LockerTried { locker, failures, retry_ms } => run(
            "UPDATE lockers SET failures = $1, retry_ms = $2 WHERE locker = $3",
            values![*failures, *retry_ms, locker],
        ),
        W::LockerOpened(locker) => run(
            "UPDATE lockers SET failures = 0, retry_ms = 0, confirmed = 1 WHERE locker = $1 AND secret IS NOT NULL",
            values![locker],
        ),
        W::LockerErased(locker) => run("UPDATE lockers SET secret = NULL WHERE locker = $1", values![locker]),
        W::LockerRemoved(device, locker) => {
            run("DELETE FROM lockers WHERE device = $1 AND locker = $2", values![device, locker])
        }
    }
}

pub(super) fn protection(t: &mut dyn Statements, device: &DeviceId) -> Result<ProtectionRow, StoreError> {
    let key = values![device];
    let count = |rows: Vec<Row>| rows.first().map_or(Ok(0), |row| row.number(0));
    let passkeys = count(t.query("SELECT COUNT(*) FROM passkeys WHERE device = $1", key)?)?;
    let lockers = count(t.query("SELECT COUNT(*) FROM lockers WHERE device = $1 AND confirmed = 1", key)?)?;
    let sql = "SELECT ticket_sha256, issued_ms, used_ms FROM tickets WHERE device = $1";
    let ticket =
        |row: &Row| Ok(TicketRow { sha256: row.digest(0)?, issued_ms: row.number(1)?, used_ms: row.number(2)? });
    Ok(ProtectionRow { passkeys, lockers, ticket: all(t, sql, key, ticket)?.pop() })
}

pub(super) fn passkeys(t: &mut dyn Statements, device: &DeviceId) -> Result<Vec<PasskeyRow>, StoreError> {
    let sql =
        "SELECT credential, device, passkey, added_ms FROM passkeys WHERE device = $1 ORDER BY added_ms, credential";
    all(t, sql, values![device], |row| {
        Ok(PasskeyRow {
            credential: row.text(0)?,
            device: row.device(1)?,
            passkey: row.text(2)?,
            added_ms: row.number(3)?,
        })
    })
}

pub(super) fn locker(t: &mut dyn Statements, locker: &Digest) -> Result<Option<LockerRow>, StoreError> {
    let sql = format!("SELECT {LOCKER_COLUMNS} FROM lockers WHERE locker = $1");
    let rows = all(t, &sql, values![locker], |row| {
        Ok(LockerRow {
            locker: row.digest(0)?,
            device: row.device(1)?,
            proof: row.digest(2)?,
            secret: row.optional_blob(3)?,
            failures: row.number(4)?,
            retry_ms: row.number(5)?,
            confirmed: row.flag(6)?,
            made_ms: row.number(7)?,
        })
    });
    Ok(rows?.pop())
}
