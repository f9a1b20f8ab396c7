//! Passkeys, lockers and tickets of devices, and accounts at the office's provider.

use super::{
    AccountUse, LockerRow, PasskeyRow, ProtectionRow, ProtectionWrite, StoreError, TicketRow,
    database::{Statements, all},
    sign_ins,
    value::{Row, Value, values},
};
use crate::{limits::MAX_LOCKERS_PER_DEVICE, protection::MAX_AHEAD_MS};
use telcon_proto::{
    DeviceId, Digest, PersonId,
    device_policy::ProgramVersion,
    limits::{MAX_PASSKEYS_PER_DEVICE, MAX_PIN_ATTEMPTS, TICKET_MAX_AGE_MS, TICKET_MAX_IDLE_MS},
    sso::OfficeAccount,
};

const TICKET_USED: &str = "UPDATE tickets SET used_ms = $1 WHERE device = $2";
const LOCKER_COLUMNS: &str = "locker, device, proof, secret, failures, retry_ms, confirmed, made_ms";

/// Applies the writes of one request, unless the condition of the first does not hold: then nothing changes, and it returns false.
pub(super) fn apply(t: &mut dyn Statements, writes: &[ProtectionWrite]) -> Result<bool, StoreError> {
    for (at, write) in writes.iter().enumerate() {
        if !apply_one(t, write)? && at == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Applies one write; returns whether its condition held.
fn apply_one(t: &mut dyn Statements, write: &ProtectionWrite) -> Result<bool, StoreError> {
    use ProtectionWrite as W;
    let mut run = |sql: &str, values: &[Value]| t.execute(sql, values).map(|changed| changed > 0);
    match write {
        W::PasskeyAdded(row) => add_passkey(t, row),
        W::PasskeyUsed { credential, before, passkey } => run(
            "UPDATE passkeys SET passkey = $1 WHERE credential = $2 AND passkey = $3",
            values![passkey, credential, before],
        ),
        W::PasskeyRemoved(device, credential) => {
            let known = "SELECT 1 FROM passkeys WHERE device = $1 AND credential = $2";
            if t.query(known, values![device, credential])?.is_empty() {
                return Ok(true);
            }
            let others = "SELECT COUNT(*) FROM passkeys WHERE device = $1 AND credential <> $2";
            let others = count(t, others, values![device, credential])?;
            if others + count(t, OPENABLE_LOCKERS, values![device])? == 0 {
                return Ok(false);
            }
            t.execute("DELETE FROM passkeys WHERE device = $1 AND credential = $2", values![device, credential])?;
            Ok(true)
        }
        W::AccountUsed(used) => use_account(t, used),
        W::AccountsForgotten(person) => {
            let of_person =
                "DELETE FROM account_sessions WHERE device IN (SELECT device FROM devices WHERE person = $1)";
            let person = person.to_hex();
            t.execute(of_person, values![person.as_str()])?;
            t.execute("DELETE FROM office_accounts WHERE person = $1", values![person.as_str()])?;
            Ok(true)
        }
        W::ProgramSeen(device, version) => run(
            "INSERT INTO programs (device, version) VALUES ($1, $2)
             ON CONFLICT (device) DO UPDATE SET version = excluded.version",
            values![device, version.to_string().as_str()],
        ),
        W::TicketIssued(device, ticket) => {
            end_account_session(t, device, ticket.issued_ms)?;
            let mut run = |sql: &str, values: &[Value]| t.execute(sql, values).map(|changed| changed > 0);
            run(
                "INSERT INTO tickets (device, ticket_sha256, issued_ms, used_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (device) DO UPDATE SET ticket_sha256 = excluded.ticket_sha256, issued_ms = excluded.issued_ms,
                 used_ms = excluded.used_ms",
                values![device, &ticket.sha256, ticket.issued_ms, ticket.used_ms],
            )
        }
        W::SignedIn(device, kind, ms) => {
            sign_ins::began(t, device, *kind, *ms)?;
            t.execute(TICKET_USED, values![*ms, device])?;
            Ok(true)
        }
        W::Connected(devices, ms) => {
            for device in devices {
                sign_ins::connected(t, device, *ms)?;
                t.execute(TICKET_USED, values![*ms, device])?;
            }
            Ok(true)
        }
        W::LockerMade(row) => make_locker(t, row),
        W::LockerFailed { locker, failures, retry_ms } => {
            if *failures >= MAX_PIN_ATTEMPTS {
                run("UPDATE lockers SET secret = NULL WHERE locker = $1", values![locker])?;
            }
            run(
                "UPDATE lockers SET failures = $1, retry_ms = $2 WHERE locker = $3",
                values![*failures, *retry_ms, locker],
            )
        }
        W::LockerOpened(locker) => run(
            "UPDATE lockers SET failures = 0, retry_ms = 0, confirmed = 1 WHERE locker = $1 AND secret IS NOT NULL",
            values![locker],
        ),
        W::LockerRemoved(device, locker) => {
            // One that was never opened protects nothing, and one that does not exist is removed already.
            let confirmed = "SELECT 1 FROM lockers WHERE device = $1 AND locker = $2 AND confirmed = 1";
            if !t.query(confirmed, values![device, locker])?.is_empty() {
                let others = format!("{OPENABLE_LOCKERS} AND locker <> $2");
                let others = count(t, &others, values![device, locker])?;
                if others + count(t, PASSKEYS, values![device])? == 0 {
                    return Ok(false);
                }
            }
            t.execute("DELETE FROM lockers WHERE device = $1 AND locker = $2", values![device, locker])?;
            Ok(true)
        }
    }
}

const PASSKEYS: &str = "SELECT COUNT(*) FROM passkeys WHERE device = $1";
const CONFIRMED_LOCKERS: &str = "SELECT COUNT(*) FROM lockers WHERE device = $1 AND confirmed = 1";
/// Lockers that still unlock their device: an erased one does not.
const OPENABLE_LOCKERS: &str =
    "SELECT COUNT(*) FROM lockers WHERE device = $1 AND confirmed = 1 AND secret IS NOT NULL";

fn count(t: &mut dyn Statements, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
    t.query(sql, values)?.first().map_or(Ok(0), |row| row.number(0))
}

/// A request that was under way when its device was revoked must not store anything after it.
fn is_revoked(t: &mut dyn Statements, device: &DeviceId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM devices WHERE device = $1 AND revoked_ms IS NOT NULL";
    Ok(!t.query(sql, values![device])?.is_empty())
}

fn add_passkey(t: &mut dyn Statements, row: &PasskeyRow) -> Result<bool, StoreError> {
    if is_revoked(t, &row.device)? || count(t, PASSKEYS, values![&row.device])? >= MAX_PASSKEYS_PER_DEVICE as u64 {
        return Ok(false);
    }
    let changed = t.execute(
        "INSERT INTO passkeys (credential, device, passkey, added_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        values![&row.credential, &row.device, &row.passkey, row.added_ms],
    )?;
    Ok(changed > 0)
}

fn use_account(t: &mut dyn Statements, used: &AccountUse) -> Result<bool, StoreError> {
    if is_revoked(t, &used.device)? {
        return Ok(false);
    }
    let (person, issuer, subject) = (used.person.to_hex(), used.issuer.as_str(), used.subject.as_str());
    let theirs = "SELECT subject FROM office_accounts WHERE person = $1 AND issuer = $2";
    match t.query(theirs, values![person.as_str(), issuer])?.first().map(|row| row.text(0)).transpose()? {
        Some(known) if known != subject => return Ok(false),
        Some(_) => {}
        None => {
            let linked = t.execute(
                "INSERT INTO office_accounts (person, issuer, subject, linked_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                values![person.as_str(), issuer, subject, used.at_ms],
            )?;
            // It is another person's.
            if linked == 0 {
                return Ok(false);
            }
        }
    }
    t.execute(
        "INSERT INTO account_sessions (device, issuer, signed_in_ms) VALUES ($1, $2, $3)
         ON CONFLICT (device) DO UPDATE SET issuer = excluded.issuer, signed_in_ms = excluded.signed_in_ms",
        values![&used.device, issuer, used.at_ms],
    )?;
    Ok(true)
}

/// A device is unlocked whose ticket had ended: its session with the provider's account ended with that.
fn end_account_session(t: &mut dyn Statements, device: &DeviceId, now_ms: u64) -> Result<(), StoreError> {
    let (issued_ms, used_ms) = (now_ms.saturating_sub(TICKET_MAX_AGE_MS), now_ms.saturating_sub(TICKET_MAX_IDLE_MS));
    // A time in the future proves nothing: the clock was set back since.
    let ended = "DELETE FROM account_sessions WHERE device = $1 AND EXISTS (
            SELECT 1 FROM tickets WHERE device = $1 AND (issued_ms <= $2 OR used_ms <= $3 OR issued_ms > $4 OR used_ms > $4))";
    t.execute(ended, values![device, issued_ms, used_ms, now_ms + MAX_AHEAD_MS]).map(drop)
}

fn make_locker(t: &mut dyn Statements, row: &LockerRow) -> Result<bool, StoreError> {
    if is_revoked(t, &row.device)? || count(t, CONFIRMED_LOCKERS, values![&row.device])? >= MAX_LOCKERS_PER_DEVICE {
        return Ok(false);
    }
    let changed = t.execute(
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
    )?;
    if changed == 0 {
        return Ok(false);
    }
    let earlier = "DELETE FROM lockers WHERE device = $1 AND confirmed = 0 AND locker <> $2";
    t.execute(earlier, values![&row.device, &row.locker])?;
    Ok(true)
}

/// Erases what protected a device that is revoked: nothing may unlock it any more.
pub(super) fn erase(t: &mut dyn Statements, device: &DeviceId) -> Result<(), StoreError> {
    for table in ["passkeys", "tickets", "lockers", "account_sessions"] {
        t.execute(&format!("DELETE FROM {table} WHERE device = $1"), values![device])?;
    }
    Ok(())
}

pub(super) fn protection(t: &mut dyn Statements, device: &DeviceId) -> Result<ProtectionRow, StoreError> {
    let key = values![device];
    let (passkeys, lockers) = (count(t, PASSKEYS, key)?, count(t, CONFIRMED_LOCKERS, key)?);
    let sql = "SELECT ticket_sha256, issued_ms, used_ms FROM tickets WHERE device = $1";
    let ticket =
        |row: &Row| Ok(TicketRow { sha256: row.digest(0)?, issued_ms: row.number(1)?, used_ms: row.number(2)? });
    Ok(ProtectionRow { passkeys, lockers, ticket: all(t, sql, key, ticket)?.pop() })
}

/// The version of a device's program, as that said last.
pub(super) fn program(t: &mut dyn Statements, device: &DeviceId) -> Result<Option<ProgramVersion>, StoreError> {
    let rows = t.query("SELECT version FROM programs WHERE device = $1", values![device])?;
    let version = rows.first().map(|row| row.text(0)).transpose()?;
    Ok(version.and_then(|version| version.parse().ok()))
}

/// When the person of a device last signed in on it with an account of this issuer, milliseconds since 1970 UTC.
pub(super) fn account_session(
    t: &mut dyn Statements,
    device: &DeviceId,
    issuer: &str,
) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT signed_in_ms FROM account_sessions WHERE device = $1 AND issuer = $2";
    t.query(sql, values![device, issuer])?.first().map(|row| row.number(0)).transpose()
}

/// The accounts of a person, or of all people.
pub(super) fn accounts(t: &mut dyn Statements, person: Option<PersonId>) -> Result<Vec<OfficeAccount>, StoreError> {
    let of_one = if person.is_some() { "WHERE person = $1" } else { "" };
    let sql =
        format!("SELECT person, issuer, subject, linked_ms FROM office_accounts {of_one} ORDER BY person, issuer");
    let values: Vec<Value> = person.iter().map(|person| person.to_hex().as_str().into()).collect();
    all(t, &sql, &values, |row| {
        Ok(OfficeAccount {
            person: row.text(0)?.parse().map_err(|_| StoreError::Damaged("person"))?,
            issuer: row.text(1)?,
            subject: row.text(2)?,
            linked_ms: row.number(3)?,
        })
    })
}

pub(super) fn passkeys(t: &mut dyn Statements, device: &DeviceId) -> Result<Vec<PasskeyRow>, StoreError> {
    let sql =
        "SELECT credential, device, passkey, added_ms FROM passkeys WHERE device = $1 ORDER BY added_ms, credential";
    all(t, sql, values![device], passkey_row)
}

/// The passkey with this identifier. Those of a device are erased when it is revoked.
pub(super) fn passkey(t: &mut dyn Statements, credential: &str) -> Result<Option<PasskeyRow>, StoreError> {
    let sql = "SELECT credential, device, passkey, added_ms FROM passkeys WHERE credential = $1";
    Ok(all(t, sql, values![credential], passkey_row)?.pop())
}

fn passkey_row(row: &Row) -> Result<PasskeyRow, StoreError> {
    Ok(PasskeyRow { credential: row.text(0)?, device: row.device(1)?, passkey: row.text(2)?, added_ms: row.number(3)? })
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
