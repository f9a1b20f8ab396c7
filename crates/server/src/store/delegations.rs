//! Delegations: what is written and read of them.

use super::{
    DelegationEndRow, DelegationRow, StoreError,
    database::{Statements, all},
    value::{Row, Value, json, values},
};
use telcon_proto::{
    CallId, Card, DelegationId, OfficeName, PersonId,
    delegation::ListedDelegation,
    policy::{Action, ROLES, allows},
};

const COLUMNS: &str = "delegation, principal, device, delegate_card, acts, statement, statement_sha256, not_before_ms, \
     not_after_ms, given_ms, given_index, ended_ms, ended_by, end_sha256, ended_index";

pub(super) fn insert(t: &mut dyn Statements, row: &DelegationRow) -> Result<(), StoreError> {
    t.execute(
        "INSERT INTO delegations (delegation, principal, delegate, device, delegate_card, acts, statement, statement_sha256,
             not_before_ms, not_after_ms, given_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            Value::from(&row.delegation),
            row.principal.to_hex().as_str().into(),
            row.delegate.person.to_hex().as_str().into(),
            (&row.device).into(),
            json(&row.delegate),
            json(&row.acts),
            (&row.statement).into(),
            (&row.statement_sha256).into(),
            row.not_before_ms.into(),
            row.not_after_ms.into(),
            row.given_ms.into(),
        ],
    )
    .map(drop)
}

/// The first end counts.
pub(super) fn end(t: &mut dyn Statements, id: &DelegationId, end: &DelegationEndRow) -> Result<(), StoreError> {
    t.execute(
        "UPDATE delegations SET ended_ms = $1, ended_by = $2, end_sha256 = $3 WHERE delegation = $4 AND ended_ms IS NULL",
        values![end.at_ms, end.by.as_ref(), end.statement_sha256.as_ref(), id],
    )
    .map(drop)
}

/// What a switchboard starts from: those that have not ended or whose end the log may not have, and those of calls that go on.
pub(super) fn open(t: &mut dyn Statements, home: &OfficeName) -> Result<Vec<DelegationRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM delegations WHERE ended_index IS NULL
             OR delegation IN (SELECT delegation FROM calls WHERE settled = 0 AND stage <> 'ended')
             OR delegation IN (SELECT answered_under FROM calls WHERE settled = 0 AND stage <> 'ended')
         ORDER BY delegation"
    );
    all(t, &sql, &[], |row| delegation_row(row, home))
}

pub(super) fn exists(t: &mut dyn Statements, id: &DelegationId) -> Result<bool, StoreError> {
    Ok(!t.query("SELECT 1 FROM delegations WHERE delegation = $1", values![id])?.is_empty())
}

pub(super) fn statement(t: &mut dyn Statements, id: &DelegationId) -> Result<Option<String>, StoreError> {
    let sql = "SELECT statement FROM delegations WHERE delegation = $1 AND given_index IS NOT NULL";
    Ok(all(t, sql, values![id], |row| row.text(0))?.pop())
}

/// Statements under which a call was rung or answered, with the log indices of the delegation and of the signing device.
pub(super) fn of_call(t: &mut dyn Statements, call: &CallId) -> Result<Vec<(String, u64, u64)>, StoreError> {
    let sql = "SELECT delegations.statement, delegations.given_index, devices.log_index
         FROM calls JOIN delegations ON delegations.delegation = calls.delegation
             OR delegations.delegation = calls.answered_under
         JOIN devices ON devices.device = delegations.device
         WHERE calls.call = $1 AND delegations.given_index IS NOT NULL AND devices.log_index IS NOT NULL
         ORDER BY delegations.delegation";
    all(t, sql, values![call], |row| Ok((row.text(0)?, row.number(1)?, row.number(2)?)))
}

/// Delegations that are in the log, by or to a person, or all; newest first, at most `limit`.
pub(super) fn listed(
    t: &mut dyn Statements,
    person: Option<PersonId>,
    limit: u32,
    home: &OfficeName,
) -> Result<Vec<ListedDelegation>, StoreError> {
    let mut values: Vec<Value> = person.iter().map(|person| person.to_hex().as_str().into()).collect();
    let of_one = if person.is_some() { "AND (delegations.principal = $1 OR delegations.delegate = $1)" } else { "" };
    values.push(u64::from(limit).into());
    let sql = format!(
        "SELECT delegations.delegation, delegations.statement, devices.card, delegations.delegate_card, delegations.acts,
             delegations.not_before_ms, delegations.not_after_ms, delegations.ended_ms
         FROM delegations JOIN devices ON devices.device = delegations.device
         WHERE delegations.given_index IS NOT NULL {of_one}
         ORDER BY delegations.given_index DESC LIMIT ${}",
        values.len()
    );
    all(t, &sql, &values, |row| {
        Ok(ListedDelegation {
            delegation: row.delegation(0)?,
            statement: row.text(1)?,
            principal: row.card(2, home)?,
            delegate: row.card(3, home)?,
            acts: row.json(4, "list of acts")?,
            not_before_ms: row.number(5)?,
            not_after_ms: row.number(6)?,
            ended_ms: row.optional_number(7)?,
        })
    })
}

/// People who may be chosen as delegates, sorted by name, at most `limit`.
pub(super) fn candidates(t: &mut dyn Statements, limit: u32, home: &OfficeName) -> Result<Vec<Card>, StoreError> {
    let roles = ROLES.into_iter().filter(|role| allows(*role, Action::ActForPrincipal));
    let mut values: Vec<Value> = roles.map(|role| role.as_str().into()).collect();
    let roles: Vec<String> = (1..=values.len()).map(|n| format!("${n}")).collect();
    values.push(u64::from(limit).into());
    let sql = format!(
        "SELECT MAX(card) FROM devices WHERE role IN ({}) AND revoked_ms IS NULL AND log_index IS NOT NULL
         GROUP BY person LIMIT ${}",
        roles.join(", "),
        values.len()
    );
    let mut cards = all(t, &sql, &values, |row| row.card(0, home))?;
    // A delegation is to a person.
    cards.retain(|card| !card.place);
    cards.sort_by(|a, b| (&a.name, a.person).cmp(&(&b.name, b.person)));
    Ok(cards)
}

fn delegation_row(row: &Row, home: &OfficeName) -> Result<DelegationRow, StoreError> {
    let ended = match row.optional_number(11)? {
        Some(at_ms) => Some(DelegationEndRow {
            at_ms,
            by: row.optional_device(12)?,
            statement_sha256: if row.is_null(13) { None } else { Some(row.digest(13)?) },
        }),
        None => None,
    };
    Ok(DelegationRow {
        delegation: row.delegation(0)?,
        principal: row.person(1)?,
        device: row.device(2)?,
        delegate: row.card(3, home)?,
        acts: row.json(4, "list of acts")?,
        statement: row.text(5)?,
        statement_sha256: row.digest(6)?,
        not_before_ms: row.number(7)?,
        not_after_ms: row.number(8)?,
        given_ms: row.number(9)?,
        given_index: row.optional_number(10)?,
        ended,
        ended_index: row.optional_number(14)?,
    })
}
