//! Loads the snapshot from which a switchboard starts.

use super::{
    ActiveCall, Ask, CallRow, DeviceRow, FirstApprovalRow, Handshake, InvitationRow, IssuedLinkRow, LostDevice,
    ReachRow, RecordRow, RegistrarRow, Snapshot, Stage, StoreError, Unfinished, alerts,
    database::{Statements, all},
    delegations, documents, lines, push, recoveries, shifts,
    value::{Row, values},
};
use telcon_proto::{Blob, CallId, DeviceId, InvitationId, OfficeName};

pub(super) const DEVICE_COLUMNS: &str = "device, card, certificate, issuer, cert_sha256, enrolment, enrolled_ms, revoked_ms, log_index, revoked_index, \
     revocation, second_certificate, second_issuer, erase_ordered_ms, above_issuer";
const LOST_COLUMNS: &str = "device, cert_sha256, enrolment, enrolled_ms, log_index, revoked_ms, revocation, revoked_index, \
     second_cert_sha256";
pub(super) const CALL_COLUMNS: &str = "call, ring, from_device, from_card, to_card, mode, stage, epoch, answerer, \
     noted, opened_ms, answered_ms, ended_ms, how, opened_index, ended_index, missing_index, delegation, for_card, \
     answered_under, line, line_version, diverted, desk_from_ms";
pub(super) const RECORD_COLUMNS: &str = "call, digest, device, kept_ms, log_index, partial";

pub(super) fn snapshot(t: &mut dyn Statements, home: &OfficeName) -> Result<Snapshot, StoreError> {
    let devices = format!("SELECT {DEVICE_COLUMNS} FROM devices ORDER BY enrolled_ms, device");
    let devices = all(t, &devices, &[], |row| device_row(row, home))?;
    // See `Write::CallSettled`.
    let calls = format!("SELECT {CALL_COLUMNS} FROM calls WHERE settled = 0 ORDER BY call");
    let calls = all(t, &calls, &[], |row| call_row(row, home))?;
    let (mut active, mut unfinished) = (Vec::new(), Vec::new());
    for row in calls {
        if row.stage == Stage::Ended {
            let (participants, records) = (participants(t, &row.call)?, records(t, &row.call)?);
            unfinished.push(Unfinished { row, participants, records });
        } else {
            active.push(active_call(t, row)?);
        }
    }
    let silenced = "SELECT person, card FROM silenced ORDER BY person, caller";
    let silenced = all(t, silenced, &[], |row| Ok((row.person(0)?, row.card(1, home)?)))?;
    let reach = "SELECT person, settings, set_by, set_ms FROM reach ORDER BY person";
    let reach = all(t, reach, &[], |row| {
        Ok(ReachRow {
            person: row.person(0)?,
            settings: row.json(1, "reach settings")?,
            set_by: if row.is_null(2) { None } else { Some(row.card(2, home)?) },
            set_ms: row.number(3)?,
        })
    })?;
    let issued_links = "SELECT enrolment, card, same_name_as, expires_ms FROM issued_links ORDER BY enrolment";
    let issued_links = all(t, issued_links, &[], |row| {
        Ok(IssuedLinkRow {
            enrolment: row.text(0)?,
            card: row.card(1, home)?,
            same_name_as: row.json(2, "list of people")?,
            expires_ms: row.number(3)?,
        })
    })?;
    let registrars = registrars(t)?;
    let invitations =
        format!("SELECT {INVITATION_COLUMNS} FROM invitations WHERE closed_index IS NULL ORDER BY invitation");
    let invitations = all(t, &invitations, &[], |row| invitation_row(row, home))?;
    Ok(Snapshot {
        devices,
        lost: lost_devices(t)?,
        active,
        unfinished,
        silenced,
        reach,
        issued_links,
        registrars,
        invitations,
        recoveries: recoveries::pending(t, home)?,
        recovered: recoveries::recovered(t)?,
        alerts: alerts::recent(t)?,
        unseen_alerts: alerts::unseen(t)?,
        added_devices: alerts::added(t)?,
        push: push::subscriptions(t)?,
        ring_pushes: push::rings(t)?,
        shifts: shifts::open(t, home)?,
        delegations: delegations::open(t, home)?,
        lines: lines::open(t)?,
        call_lines: lines::of_live_calls(t)?,
        documents: documents::pending(t)?,
        device_keys: documents::keys(t)?,
    })
}

/// All registrars, those whose appointment is not in the log yet included.
pub(super) fn registrars(t: &mut dyn Statements) -> Result<Vec<RegistrarRow>, StoreError> {
    let sql = "SELECT device, certificate, cert_sha256, roles, appointed_ms, log_index FROM registrars ORDER BY device";
    all(t, sql, &[], |row| {
        Ok(RegistrarRow {
            device: row.device(0)?,
            certificate: row.blob(1)?,
            cert_sha256: row.digest(2)?,
            roles: row.json(3, "list of roles")?,
            appointed_ms: row.number(4)?,
            log_index: row.optional_number(5)?,
        })
    })
}

const INVITATION_COLUMNS: &str = "invitation, card, made_by, made_ms, made_expires_ms, expires_ms, request, device, \
     refused_requests, closed, closed_by, closed_ms, made_index, token_sha256, \
     approved_by, approved_ms, approval, approval_issuer, second_approved_by, recovery, line_terms, \
     offered_for, attestation";

fn invitation_row(row: &Row, home: &OfficeName) -> Result<InvitationRow, StoreError> {
    let closed = if row.is_null(9) { None } else { Some(row.word(9, "end of an invitation")?) };
    Ok(InvitationRow {
        invitation: row.invitation(0)?,
        card: row.card(1, home)?,
        made_by: row.device(2)?,
        made_ms: row.number(3)?,
        made_expires_ms: row.number(4)?,
        expires_ms: row.number(5)?,
        request: row.optional_text(6)?,
        device: row.optional_device(7)?,
        refused_requests: row.number(8)?,
        closed: match closed {
            Some(how) => Some((how, row.optional_device(10)?, row.number(11)?)),
            None => None,
        },
        made_index: row.optional_number(12)?,
        token_sha256: row.digest(13)?,
        first_approval: match row.optional_device(14)? {
            Some(by) => {
                let chain = vec![row.blob(16)?, row.blob(17)?];
                Some(FirstApprovalRow { by, at_ms: row.number(15)?, chain })
            }
            None => None,
        },
        // The column `second_approved_by` is older than this name: now it holds the only or the second registrar.
        last_approved_by: row.optional_device(18)?,
        recovery: if row.is_null(19) { None } else { Some(row.recovery(19)?) },
        line: if row.is_null(20) { None } else { Some(row.json(20, "terms of a line")?) },
        offered_for: if row.is_null(21) { None } else { Some(row.json(21, "principal of an offer")?) },
        attestation: if row.is_null(22) { None } else { Some(row.json(22, "attestation of a holder")?) },
    })
}

/// One invitation, closed or not.
pub(super) fn invitation(
    t: &mut dyn Statements,
    id: &InvitationId,
    home: &OfficeName,
) -> Result<Option<InvitationRow>, StoreError> {
    let sql = format!("SELECT {INVITATION_COLUMNS} FROM invitations WHERE invitation = $1");
    Ok(all(t, &sql, values![id], |row| invitation_row(row, home))?.pop())
}

pub(super) fn lost_devices(t: &mut dyn Statements) -> Result<Vec<LostDevice>, StoreError> {
    all(t, &format!("SELECT {LOST_COLUMNS} FROM lost_devices ORDER BY log_index"), &[], lost_row)
}

pub(super) fn lost_device(t: &mut dyn Statements, device: &DeviceId) -> Result<Option<LostDevice>, StoreError> {
    let sql = format!("SELECT {LOST_COLUMNS} FROM lost_devices WHERE device = $1 ORDER BY log_index");
    Ok(all(t, &sql, values![device], lost_row)?.pop())
}

fn lost_row(row: &Row) -> Result<LostDevice, StoreError> {
    Ok(LostDevice {
        device: row.device(0)?,
        cert_sha256: row.digest(1)?,
        enrolment: row.text(2)?,
        enrolled_ms: row.number(3)?,
        log_index: row.number(4)?,
        revoked_ms: row.optional_number(5)?,
        revocation: row.optional_text(6)?,
        revoked_index: row.optional_number(7)?,
        second_cert_sha256: if row.is_null(8) { None } else { Some(row.digest(8)?) },
    })
}

pub(super) fn device(
    t: &mut dyn Statements,
    device: &DeviceId,
    home: &OfficeName,
) -> Result<Option<DeviceRow>, StoreError> {
    let sql = format!("SELECT {DEVICE_COLUMNS} FROM devices WHERE device = $1");
    Ok(all(t, &sql, values![device], |row| device_row(row, home))?.pop())
}

fn participants(t: &mut dyn Statements, call: &CallId) -> Result<Vec<DeviceId>, StoreError> {
    let sql = "SELECT device FROM participants WHERE call = $1 ORDER BY device";
    all(t, sql, values![call], |row| row.device(0))
}

/// The records of a call, in the order in which they arrived.
pub(super) fn records(t: &mut dyn Statements, call: &CallId) -> Result<Vec<RecordRow>, StoreError> {
    let sql = format!("SELECT {RECORD_COLUMNS} FROM records WHERE call = $1 ORDER BY log_index");
    all(t, &sql, values![call], record_row)
}

pub(super) fn record_row(row: &Row) -> Result<RecordRow, StoreError> {
    Ok(RecordRow {
        call: row.call(0)?,
        digest: row.digest(1)?,
        device: row.optional_device(2)?,
        kept_ms: row.number(3)?,
        log_index: row.number(4)?,
        partial: row.flag(5)?,
    })
}

fn active_call(t: &mut dyn Statements, row: CallRow) -> Result<ActiveCall, StoreError> {
    let key = values![&row.call];
    let members = all(t, "SELECT device, leaving FROM members WHERE call = $1 ORDER BY place", key, |row| {
        Ok((row.device(0)?, row.flag(1)?))
    })?;
    let asks = "SELECT device, key_package, answer FROM asks WHERE call = $1 ORDER BY device";
    let asks =
        all(t, asks, key, |row| Ok(Ask { device: row.device(0)?, key_package: row.blob(1)?, answer: row.flag(2)? }))?;
    let handshakes =
        "SELECT seq, from_device, commit_message, welcome, adds, members FROM handshakes WHERE call = $1 ORDER BY seq";
    let handshakes = all(t, handshakes, key, |row| {
        Ok(Handshake {
            seq: row.number(0)?,
            from: row.device(1)?,
            commit: row.blob(2)?,
            welcome: row.optional_blob(3)?,
            adds: row.json(4, "list of devices")?,
            members: row.json(5, "list of devices")?,
        })
    })?;
    Ok(ActiveCall {
        participants: participants(t, &row.call)?,
        row,
        leaving: members.iter().filter(|m| m.1).map(|m| m.0).collect(),
        members: members.into_iter().map(|m| m.0).collect(),
        asks,
        handshakes,
    })
}

pub(super) fn device_row(row: &Row, home: &OfficeName) -> Result<DeviceRow, StoreError> {
    let second = row.optional_blob(11)?.zip(row.optional_blob(12)?).map(|(device, registrar)| [device, registrar]);
    let above: Vec<Blob> = if row.is_null(14) { Vec::new() } else { row.json(14, "list of certificates")? };
    Ok(DeviceRow {
        device: row.device(0)?,
        card: row.card(1, home)?,
        chain: [row.blob(2)?, row.blob(3)?].into_iter().chain(second.into_iter().flatten()).chain(above).collect(),
        cert_sha256: row.digest(4)?,
        enrolment: row.text(5)?,
        enrolled_ms: row.number(6)?,
        revoked_ms: row.optional_number(7)?,
        log_index: row.optional_number(8)?,
        revoked_index: row.optional_number(9)?,
        revocation: row.optional_text(10)?,
        erase_ordered_ms: row.optional_number(13)?,
    })
}

pub(super) fn call_row(row: &Row, home: &OfficeName) -> Result<CallRow, StoreError> {
    Ok(CallRow {
        call: row.call(0)?,
        ring: row.text(1)?,
        from_device: row.device(2)?,
        from: row.card(3, home)?,
        to: row.card(4, home)?,
        mode: row.word(5, "record mode")?,
        stage: Stage::parse(&row.text(6)?).ok_or(StoreError::Damaged("stage"))?,
        epoch: row.number(7)?,
        answerer: row.optional_device(8)?,
        noted: row.flag(9)?,
        opened_ms: row.number(10)?,
        answered_ms: row.optional_number(11)?,
        ended_ms: row.optional_number(12)?,
        how: if row.is_null(13) { None } else { Some(row.word(13, "end")?) },
        opened_index: row.optional_number(14)?,
        ended_index: row.optional_number(15)?,
        missing_index: row.optional_number(16)?,
        on_behalf: match row.optional_delegation(17)? {
            Some(delegation) => Some((delegation, row.card(18, home)?)),
            None => None,
        },
        answered_under: row.optional_delegation(19)?,
        line: match row.optional_number(21)? {
            Some(version) => {
                let version = u32::try_from(version).map_err(|_| StoreError::Damaged("version of a line"))?;
                Some((row.line(20)?, version))
            }
            None => None,
        },
        diverted: row.flag(22)?,
        desk_from_ms: row.optional_number(23)?,
    })
}
