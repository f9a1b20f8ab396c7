//! Applies one [`Write`] inside a transaction.

use super::{
    CallRow, Certified, DeviceRow, Handshake, LostDevice, StoreError, Write, alerts,
    database::Statements,
    delegations, documents, lines, push, recoveries, shifts,
    value::{Value, json, values},
};
use telcon_proto::CallId;

/// Applies a write; false if it has a condition that does not hold ([`Write::Protection`]).
pub(super) fn apply(t: &mut dyn Statements, write: &Write) -> Result<bool, StoreError> {
    let mut run = |sql: &str, values: &[Value]| t.execute(sql, values).map(drop);
    match write {
        Write::Device(row) => insert_device(t, row, ""),
        Write::EnrolmentFound(enrolled, certified) => enrolment_found(t, enrolled, certified.as_deref()),
        Write::DeviceLogged(device, index) => {
            run("UPDATE devices SET log_index = $1 WHERE device = $2", values![*index, device])
        }
        Write::UnloggedDevicesForgotten => {
            run("DELETE FROM devices WHERE log_index IS NULL", &[])?;
            // The approvals that led to them came to nothing, too.
            run(
                "UPDATE invitations SET second_approved_by = NULL
                 WHERE closed IS NULL AND device NOT IN (SELECT device FROM devices)",
                &[],
            )?;
            run("DELETE FROM added_devices WHERE device NOT IN (SELECT device FROM devices)", &[])?;
            lines::forget_unbound(t)
        }
        Write::DeviceRevoked(device, ms, jws) => {
            for table in ["devices", "lost_devices"] {
                let sql = format!(
                    "UPDATE {table} SET revoked_ms = COALESCE(revoked_ms, $1), revocation = COALESCE(revocation, $2)
                     WHERE device = $3"
                );
                run(&sql, values![*ms, jws.as_ref(), device])?;
            }
            run("DELETE FROM added_devices WHERE told = $1", values![device])?;
            push::end(t, device)?;
            super::protection::erase(t, device)
        }
        Write::EraseOrdered(device, ms, jws) => {
            run(
                "UPDATE devices SET erase_ordered_ms = $1, revocation = $2, revoked_index = NULL
                 WHERE device = $3 AND erase_ordered_ms IS NULL",
                values![*ms, jws, device],
            )?;
            run("UPDATE lost_devices SET revocation = $1, revoked_index = NULL WHERE device = $2", values![jws, device])
        }
        Write::RevocationStated(device, jws) => {
            for table in ["devices", "lost_devices"] {
                let sql = format!(
                    "UPDATE {table} SET revocation = $1, revoked_index = NULL WHERE device = $2 AND revocation IS NULL"
                );
                run(&sql, values![jws, device])?;
            }
            Ok(())
        }
        Write::RevocationFound(device, found) => {
            let (erase_ms, jws) = found.as_ref().map_or((None, None), |(erase_ms, jws)| (*erase_ms, Some(jws)));
            let sql = "UPDATE devices SET erase_ordered_ms = $1, revocation = $2 WHERE device = $3";
            run(sql, values![erase_ms, jws, device])?;
            run("UPDATE lost_devices SET revocation = $1 WHERE device = $2", values![jws, device])
        }
        Write::DeviceErased(device, ms) => {
            run("UPDATE devices SET erased_ms = COALESCE(erased_ms, $1) WHERE device = $2", values![*ms, device])
        }
        Write::RevocationLogged(device, index) => {
            for table in ["devices", "lost_devices"] {
                let sql = format!("UPDATE {table} SET revoked_index = $1 WHERE device = $2");
                run(&sql, values![*index, device])?;
            }
            Ok(())
        }
        Write::Call(row) => insert_call(t, row),
        Write::CallOpened(call, index) => {
            // The log may have it after the call was given up: then its end is pending.
            run(
                "UPDATE calls SET opened_index = $1, stage = CASE stage WHEN 'opening' THEN 'ringing' ELSE stage END,
                     settled = CASE WHEN opened_index IS NULL THEN 0 ELSE settled END
                 WHERE call = $2",
                values![*index, call],
            )
        }
        Write::CallAnswered(call, device, ms) => run(
            "UPDATE calls SET stage = 'live', answerer = $1, answered_ms = $2 WHERE call = $3",
            values![device, *ms, call],
        ),
        Write::Asked(call, ask) => run(
            "INSERT INTO asks (call, device, key_package, answer) VALUES ($1, $2, $3, $4)
             ON CONFLICT (call, device) DO UPDATE SET key_package = excluded.key_package, answer = excluded.answer",
            values![call, &ask.device, &ask.key_package, ask.answer],
        ),
        Write::AskDropped(call, device) => {
            run("DELETE FROM asks WHERE call = $1 AND device = $2", values![call, device])
        }
        Write::Leaving(call, device) => {
            run("UPDATE members SET leaving = 1 WHERE call = $1 AND device = $2", values![call, device])
        }
        Write::Committed { call, handshake, noted } => insert_commit(t, call, handshake, *noted),
        Write::HandshakesForgotten(call, seq) => {
            run("DELETE FROM handshakes WHERE call = $1 AND seq <= $2", values![call, *seq])
        }
        Write::CallEnded(call, how, ms) => {
            run(
                "UPDATE calls SET stage = 'ended', how = $1, ended_ms = $2 WHERE call = $3",
                values![how.as_str(), *ms, call],
            )?;
            forget_group(t, call)
        }
        Write::EndFound(call, how, ms, answered_ms) => {
            let changed = t.execute(
                "UPDATE calls SET stage = 'ended', how = $1, ended_ms = $2, answered_ms = COALESCE(answered_ms, $3)
                 WHERE call = $4 AND stage <> 'ended'",
                values![how.as_str(), *ms, *answered_ms, call],
            )?;
            if changed == 0 { Ok(()) } else { forget_group(t, call) }
        }
        Write::EndLogged(call, index) => {
            run("UPDATE calls SET ended_index = $1 WHERE call = $2", values![*index, call])
        }
        Write::MissingLogged(call, index) => {
            run("UPDATE calls SET missing_index = $1 WHERE call = $2", values![*index, call])
        }
        Write::Record(row) => run(
                "INSERT INTO records (call, digest, device, kept_ms, log_index, partial) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (call, log_index) DO UPDATE SET digest = excluded.digest, device = excluded.device,
                     kept_ms = excluded.kept_ms, partial = excluded.partial",
                values![&row.call, &row.digest, row.device.as_ref(), row.kept_ms, row.log_index, row.partial],
            ),
        Write::CallSettled(call) => run("UPDATE calls SET settled = 1 WHERE call = $1", values![call]),
        Write::LinkIssued(row, now_ms) => {
            run("DELETE FROM issued_links WHERE expires_ms <= $1", values![*now_ms])?;
            // The same statement may arrive twice.
            let values = [Value::from(&row.enrolment), json(&row.card), json(&row.same_name_as), row.expires_ms.into()];
            run(
                "INSERT INTO issued_links (enrolment, card, same_name_as, expires_ms) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (enrolment) DO UPDATE SET card = excluded.card, same_name_as = excluded.same_name_as,
                     expires_ms = excluded.expires_ms",
                &values,
            )
        }
        Write::Silenced(person, caller, ms) => run(
            "INSERT INTO silenced (person, caller, card, since_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (person, caller) DO UPDATE SET card = excluded.card",
            &[
                Value::from(person.to_hex().as_str()),
                caller.person.to_hex().as_str().into(),
                json(&**caller),
                (*ms).into(),
            ],
        ),
        Write::SilenceEnded(person, caller) => run(
            "DELETE FROM silenced WHERE person = $1 AND caller = $2",
            values![person.to_hex().as_str(), caller.to_hex().as_str()],
        ),
        Write::Reach(row) => run(
            "INSERT INTO reach (person, settings, set_by, set_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (person) DO UPDATE SET settings = excluded.settings, set_by = excluded.set_by,
                 set_ms = excluded.set_ms",
            &[
                Value::from(row.person.to_hex().as_str()),
                json(&row.settings),
                row.set_by.as_ref().map_or(Value::Null, json),
                row.set_ms.into(),
            ],
        ),
        Write::CallDeskFrom(call, ms) => run("UPDATE calls SET desk_from_ms = $1 WHERE call = $2", values![*ms, call]),
        Write::Registrar(row) => run(
            "INSERT INTO registrars (device, certificate, cert_sha256, roles, appointed_ms) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (device) DO UPDATE SET certificate = excluded.certificate, cert_sha256 = excluded.cert_sha256,
                 roles = excluded.roles, appointed_ms = excluded.appointed_ms, log_index = NULL",
            &[
                Value::from(&row.device),
                (&row.certificate).into(),
                (&row.cert_sha256).into(),
                json(&row.roles),
                row.appointed_ms.into(),
            ],
        ),
        Write::RegistrarLogged(device, index) => {
            run("UPDATE registrars SET log_index = $1 WHERE device = $2", values![*index, device])
        }
        Write::Invitation(row) => run(
            "INSERT INTO invitations (invitation, card, made_by, token_sha256, made_ms, made_expires_ms, expires_ms,
                 refused_requests, recovery, line_terms, offered_for)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10)",
            &[
                Value::from(&row.invitation),
                json(&row.card),
                (&row.made_by).into(),
                (&row.token_sha256).into(),
                row.made_ms.into(),
                row.made_expires_ms.into(),
                row.expires_ms.into(),
                row.recovery.as_ref().into(),
                row.line.as_ref().map_or(Value::Null, json),
                row.offered_for.as_ref().map_or(Value::Null, json),
            ],
        ),
        Write::InvitationMadeLogged(id, index) => {
            run("UPDATE invitations SET made_index = $1 WHERE invitation = $2", values![*index, id])
        }
        Write::InvitationAsked { invitation, device, request, expires_ms } => run(
            "UPDATE invitations SET device = $1, request = $2, expires_ms = $3 WHERE invitation = $4",
            values![device, request, *expires_ms, invitation],
        ),
        Write::InvitationOpenedAgain(id) => {
            run("UPDATE invitations SET refused_requests = refused_requests + 1 WHERE invitation = $1", values![id])
        }
        Write::FirstApproval(id, approval) => {
            let chain = approval.as_ref().map(|approval| approval.chain.as_slice());
            let (certificate, issuer) = match chain {
                Some([certificate, issuer]) => (Some(certificate), Some(issuer)),
                Some(_) => return Err(StoreError::Damaged("chain of an approval")),
                None => (None, None),
            };
            run(
                "UPDATE invitations SET approved_by = $1, approved_ms = $2, approval = $3, approval_issuer = $4
                 WHERE invitation = $5",
                &[
                    approval.as_ref().map(|approval| &approval.by).into(),
                    approval.as_ref().map(|approval| approval.at_ms).into(),
                    certificate.into(),
                    issuer.into(),
                    id.into(),
                ],
            )
        }
        Write::Attestation(id, attestation) => run(
            "UPDATE invitations SET attestation = $1 WHERE invitation = $2",
            &[json(&**attestation), id.into()],
        ),
        Write::LastApproval(id, by) => {
            run("UPDATE invitations SET second_approved_by = $1 WHERE invitation = $2", values![by, id])
        }
        Write::InvitationClosed(id, how, by, ms) => run(
            "UPDATE invitations SET closed = $1, closed_by = $2, closed_ms = $3 WHERE invitation = $4 AND closed IS NULL",
            values![how.as_str(), by.as_ref(), *ms, id],
        ),
        Write::InvitationClosedLogged(id, index) => {
            run("UPDATE invitations SET closed_index = $1 WHERE invitation = $2", values![*index, id])
        }
        Write::Recovery(_)
        | Write::RecoveryOpenedLogged(..)
        | Write::RecoveryConfirmed(..)
        | Write::RecoveryConfirmedLogged(..)
        | Write::RecoveryClosed(..)
        | Write::RecoveryClosedLogged(..) => recoveries::apply(t, write),
        Write::Protection(writes) => return super::protection::apply(t, writes),
        Write::Push(write) => push::apply(t, write),
        Write::Delegation(row) => delegations::insert(t, row),
        Write::DelegationLogged(id, index) => {
            run("UPDATE delegations SET given_index = $1 WHERE delegation = $2", values![*index, id])
        }
        Write::DelegationEnded(id, end) => delegations::end(t, id, end),
        Write::DelegationEndLogged(id, index) => {
            run("UPDATE delegations SET ended_index = $1 WHERE delegation = $2", values![*index, id])
        }
        Write::Shift(row) => shifts::insert(t, row),
        Write::ShiftLogged(id, index) => shifts::logged(t, id, *index).map(drop),
        Write::ShiftFound(id, device, ms, index) => shifts::found(t, id, device, *ms, *index),
        Write::ShiftUntil(id, ms) => run("UPDATE shifts SET until_ms = $1 WHERE shift = $2", values![*ms, id]),
        Write::ShiftEnded(id, how, ms) => shifts::end(t, id, *how, *ms),
        Write::ShiftEndLogged(id, index) => {
            run("UPDATE shifts SET ended_index = $1 WHERE shift = $2", values![*index, id])
        }
        Write::AnsweredUnder(call, id) => {
            run("UPDATE calls SET answered_under = $1 WHERE call = $2", values![id, call])
        }
        Write::LineSigned(row, statement) => lines::sign(t, row, statement),
        Write::LineLogged(line, found, index, ms) => lines::logged(t, line, found, *index, *ms),
        Write::DocumentSigned(row, statement) => documents::sign(t, row, statement),
        Write::DocumentLogged(document, version, sha256, index) => {
            documents::logged(t, document, *version, sha256, *index)
        }
        Write::DocumentOpened(row) => documents::opened(t, row),
        Write::DeviceKey(row, statement) => documents::key(t, row, statement),
        Write::DeviceKeyLogged(device, sha256, index) => run(
            "UPDATE device_keys SET signed_index = $1 WHERE device = $2 AND statement_sha256 = $3",
            values![*index, device, sha256],
        ),
        Write::CallDiverted(call) => run("UPDATE calls SET diverted = 1 WHERE call = $1", values![call]),
        Write::Alert(row) => alerts::put(t, row),
        Write::AlertSeen(index, by, ms) => run(
            "UPDATE alerts SET seen_by = $1, seen_ms = $2 WHERE log_index = $3 AND seen_ms IS NULL",
            values![by, *ms, *index],
        ),
        Write::DeviceAdded(row) => alerts::put_added(t, row),
        Write::AddedDeviceAcknowledged(notified, device) => {
            run("DELETE FROM added_devices WHERE told = $1 AND device = $2", values![notified, device])
        }
        Write::LogSeen(size) => {
            run(
                "INSERT INTO marks (name, value) VALUES ('log_seen', $1)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                values![*size],
            )?;
            run("DELETE FROM marks WHERE name = 'log_again'", &[])
        }
    }
    .map(|()| true)
}

fn insert_device(t: &mut dyn Statements, row: &DeviceRow, on_conflict: &str) -> Result<(), StoreError> {
    let (certificate, issuer, second, above) = match row.chain.as_slice() {
        [certificate, issuer] => (certificate, issuer, None, None),
        [certificate, issuer, second, second_issuer] => (certificate, issuer, Some((second, second_issuer)), None),
        // A holder's, its principal's device's, and what certified that.
        [certificate, issuer, above @ ..] if matches!(above.len(), 1 | 3) => (certificate, issuer, None, Some(above)),
        _ => return Err(StoreError::Damaged("device chain")),
    };
    let sql = format!(
        "INSERT INTO devices (device, card, role, certificate, issuer, cert_sha256, enrolment, enrolled_ms, revoked_ms,
             log_index, revoked_index, revocation, person, second_certificate, second_issuer, above_issuer)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) {on_conflict}"
    );
    let values = [
        Value::from(&row.device),
        json(&row.card),
        row.card.role.as_str().into(),
        certificate.into(),
        issuer.into(),
        (&row.cert_sha256).into(),
        (&row.enrolment).into(),
        row.enrolled_ms.into(),
        row.revoked_ms.into(),
        row.log_index.into(),
        row.revoked_index.into(),
        row.revocation.as_ref().into(),
        row.person().to_hex().as_str().into(),
        second.map(|(certificate, _)| certificate).into(),
        second.map(|(_, issuer)| issuer).into(),
        above.map_or(Value::Null, |above| json(&above)),
    ];
    t.execute(&sql, &values).map(drop)
}

/// See [`Write::EnrolmentFound`]. A certificate is either a device's or lost, never both.
fn enrolment_found(t: &mut dyn Statements, lost: &LostDevice, found: Option<&Certified>) -> Result<(), StoreError> {
    t.execute(
        "DELETE FROM devices WHERE log_index IS NULL AND cert_sha256 <> $1 AND (device = $2 OR enrolment = $3)",
        values![&lost.cert_sha256, &lost.device, &lost.enrolment],
    )?;
    if let Some(Certified { card, chain }) = found.cloned() {
        let row = DeviceRow {
            device: lost.device,
            card,
            chain,
            cert_sha256: lost.cert_sha256,
            enrolment: lost.enrolment.clone(),
            enrolled_ms: lost.enrolled_ms,
            revoked_ms: lost.revoked_ms,
            revocation: lost.revocation.clone(),
            erase_ordered_ms: None,
            log_index: Some(lost.log_index),
            revoked_index: lost.revoked_index,
        };
        // It conflicts with a device that an earlier version enrolled with the same link, after a restore.
        insert_device(t, &row, "ON CONFLICT DO NOTHING")?;
        // Which of the person's other devices had notified them is not known any more: all do that were there before it.
        t.execute(
            "INSERT INTO added_devices (told, device, enrolled_ms)
             SELECT other.device, added.device, added.enrolled_ms FROM devices added JOIN devices other
                 ON other.person = added.person AND other.device <> added.device
             WHERE added.device = $1 AND added.cert_sha256 = $2 AND other.enrolled_ms <= added.enrolled_ms
                 AND other.log_index IS NOT NULL AND other.revoked_ms IS NULL
             ON CONFLICT (told, device) DO NOTHING",
            values![&lost.device, &lost.cert_sha256],
        )?;
    }
    let key = values![&lost.cert_sha256];
    if !t.query("SELECT 1 FROM devices WHERE cert_sha256 = $1", key)?.is_empty() {
        return t.execute("DELETE FROM lost_devices WHERE cert_sha256 = $1", key).map(drop);
    }
    let values = [
        Value::from(&lost.cert_sha256),
        (&lost.device).into(),
        (&lost.enrolment).into(),
        lost.enrolled_ms.into(),
        lost.log_index.into(),
        lost.revoked_ms.into(),
        lost.revocation.as_ref().into(),
        lost.revoked_index.into(),
        lost.second_cert_sha256.as_ref().into(),
    ];
    let sql =
        "INSERT INTO lost_devices (cert_sha256, device, enrolment, enrolled_ms, log_index, revoked_ms, revocation,
             revoked_index, second_cert_sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
    t.execute(sql, &values).map(drop)
}

/// A call that has ended has no members, requests or handshakes.
fn forget_group(t: &mut dyn Statements, call: &CallId) -> Result<(), StoreError> {
    for table in ["asks", "members", "handshakes"] {
        t.execute(&format!("DELETE FROM {table} WHERE call = $1"), values![call])?;
    }
    Ok(())
}

fn insert_call(t: &mut dyn Statements, row: &CallRow) -> Result<(), StoreError> {
    t.execute(
        "INSERT INTO calls (call, ring, from_device, from_card, to_card, mode, stage, epoch, answerer, noted, opened_ms,
             answered_ms, ended_ms, how, opened_index, ended_index, missing_index, settled, from_person, to_person,
             delegation, for_card, for_person, answered_under, line, line_version, diverted,
             desk_from_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, $18, $19, $20, $21, $22,
             $23, $24, $25, $26, $27)",
        &[
            Value::from(&row.call),
            (&row.ring).into(),
            (&row.from_device).into(),
            json(&row.from),
            json(&row.to),
            row.mode.as_str().into(),
            row.stage.word().into(),
            row.epoch.into(),
            row.answerer.as_ref().into(),
            row.noted.into(),
            row.opened_ms.into(),
            row.answered_ms.into(),
            row.ended_ms.into(),
            row.how.map(|how| how.as_str()).into(),
            row.opened_index.into(),
            row.ended_index.into(),
            row.missing_index.into(),
            row.from.person.to_hex().as_str().into(),
            row.to.person.to_hex().as_str().into(),
            row.on_behalf.as_ref().map(|(delegation, _)| delegation).into(),
            row.on_behalf.as_ref().map_or(Value::Null, |(_, card)| json(card)),
            row.on_behalf.as_ref().map_or(String::new(), |(_, card)| card.person.to_hex()).as_str().into(),
            row.answered_under.as_ref().into(),
            row.line.as_ref().map(|(line, _)| line).into(),
            row.line.map(|(_, version)| u64::from(version)).into(),
            row.diverted.into(),
            row.desk_from_ms.into(),
        ],
    )?;
    let key = values![&row.call, &row.from_device];
    t.execute("INSERT INTO members (call, device, place, leaving) VALUES ($1, $2, 0, 0)", key)?;
    t.execute("INSERT INTO participants (call, device) VALUES ($1, $2)", key)?;
    Ok(())
}

fn insert_commit(t: &mut dyn Statements, call: &CallId, step: &Handshake, noted: bool) -> Result<(), StoreError> {
    // The sequence number is the epoch: both increase by one with each ordered commit.
    let changed = t.execute(
        "UPDATE calls SET epoch = $1, noted = CASE WHEN $2 = 1 THEN 1 ELSE noted END WHERE call = $3 AND epoch + 1 = $1",
        values![step.seq, noted, call],
    )?;
    if changed != 1 {
        return Err(StoreError::Damaged("epoch"));
    }
    t.execute(
        "INSERT INTO handshakes (call, seq, from_device, commit_message, welcome, adds, members)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            Value::from(call),
            step.seq.into(),
            (&step.from).into(),
            (&step.commit).into(),
            step.welcome.as_ref().into(),
            json(&step.adds),
            json(&step.members),
        ],
    )?;
    t.execute("UPDATE members SET place = -1 WHERE call = $1", values![call])?;
    for (place, device) in step.members.iter().enumerate() {
        t.execute(
            "INSERT INTO members (call, device, place, leaving) VALUES ($1, $2, $3, 0)
             ON CONFLICT (call, device) DO UPDATE SET place = excluded.place",
            values![call, device, place as u64],
        )?;
    }
    t.execute("DELETE FROM members WHERE call = $1 AND place < 0", values![call])?;
    for device in &step.adds {
        let key = values![call, device];
        t.execute("DELETE FROM asks WHERE call = $1 AND device = $2", key)?;
        t.execute("UPDATE members SET leaving = 0 WHERE call = $1 AND device = $2", key)?;
        t.execute("INSERT INTO participants (call, device) VALUES ($1, $2) ON CONFLICT DO NOTHING", key)?;
    }
    Ok(())
}
