//! Passkeys, lockers and tickets of devices.

use super::{
    StoreError,
    database::Statements,
    load::all,
    value::{Row, Value, values},
};
use telcon_proto::{Blob, DeviceId, Digest};

/// A passkey of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyRow {
    /// The credential's identifier, base64url.
    pub credential: String,
    /// The device.
    pub device: DeviceId,
    /// Public key and counter, as JSON of the WebAuthn library.
    pub passkey: String,
    /// When it was registered, milliseconds since 1970 UTC.
    pub added_ms: u64,
}

/// The ticket of a device. It has one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketRow {
    /// SHA-256 of the ticket.
    pub sha256: Digest,
    /// When the passkey or PIN was used, milliseconds since 1970 UTC.
    pub issued_ms: u64,
    /// When the device was last connected with it.
    pub used_ms: u64,
}

/// What the office holds for one PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockerRow {
    /// SHA-256 of its secret identifier.
    pub locker: Digest,
    /// The device that made it.
    pub device: DeviceId,
    /// SHA-256 of the proof of the PIN.
    pub proof: Digest,
    /// The secret; none once it was erased.
    pub secret: Option<Blob>,
    /// Wrong PINs since the last right one.
    pub failures: u64,
    /// Until when no attempt is looked at, milliseconds since 1970 UTC.
    pub retry_ms: u64,
    /// Whether it was ever opened. Until then it protects nothing.
    pub confirmed: bool,
    /// When it was made.
    pub made_ms: u64,
}

/// What is known of the protection of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtectionRow {
    /// Number of its passkeys.
    pub passkeys: u64,
    /// Number of its confirmed lockers.
    pub lockers: u64,
    /// Its ticket.
    pub ticket: Option<TicketRow>,
}

/// A change of the protection of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtectionWrite {
    /// A passkey was registered.
    PasskeyAdded(Box<PasskeyRow>),
    /// A passkey was used, and is stored anew with its counter.
    PasskeyUsed {
        /// The credential.
        credential: String,
        /// As [`PasskeyRow::passkey`].
        passkey: String,
    },
    /// A passkey was removed.
    PasskeyRemoved(DeviceId, String),
    /// A ticket was issued. The one before is not valid any more.
    TicketIssued(DeviceId, TicketRow),
    /// The device was connected with its ticket until this time.
    TicketUsed(DeviceId, u64),
    /// A locker was made. Of the device's earlier ones, those that were never opened are removed.
    LockerMade(Box<LockerRow>),
    /// A PIN is about to be compared: how many wrong ones that makes if it is wrong, and until when none is looked at then.
    LockerTried {
        /// The locker.
        locker: Digest,
        /// Its failures.
        failures: u64,
        /// As [`LockerRow::retry_ms`].
        retry_ms: u64,
    },
    /// The PIN was right.
    LockerOpened(Digest),
    /// The secret is erased.
    LockerErased(Digest),
    /// The locker was removed.
    LockerRemoved(DeviceId, Digest),
}

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
