//! Recovery of people who lost all devices, by two registrars of different people, in every office.
//!
//! The first opens it: nothing follows but entry and alert. The second confirms it: then the person's devices are revoked with the
//! order to erase themselves, and once the log has the confirmation, an invitation is made with which one new device may ask. The
//! confirming registrar's device made its secret and approves first; the opening registrar's person approves second. Whatever ends
//! the invitation ends the recovery, and the log says so; a restart appends what is missing.

use super::{
    Switchboard,
    context::Timer,
    port::{
        ConfirmingRecovery, Effects, OpeningRecovery, Output, PendingAppend, RefusalKind, Reply, RequestId, SessionId,
    },
};
use crate::{
    limits::LOG_RETRY_MS,
    store::{InvitationRow, RecoveryRow, Write},
};
use std::collections::BTreeMap;
use telcon_identity::without_certificate;
use telcon_proto::{
    DeviceId, InvitationId, PersonId, RecoveryId, ServerMessage,
    entry::{Entry, InvitationClosed},
    limits::{MAX_OPEN_INVITATIONS, MAX_OPEN_RECOVERIES, RECOVERY_MS, RECOVERY_SHOWN_MS},
    message::RefusalCode,
    recovery::{OpenRecovery, RecoveryEnd},
};

/// Recoveries in one message: with both statements of the CNSA 2.0 profile, 30 kB each, it stays below
/// [`telcon_proto::limits::MAX_MESSAGE_BYTES`].
const RECOVERIES_PER_MESSAGE: usize = 4;

/// Recoveries that are not over or whose end is not in the log.
#[derive(Default)]
pub(super) struct Recoveries {
    pub(super) open: BTreeMap<RecoveryId, RecoveryRow>,
    closing: BTreeMap<RecoveryId, RecoveryRow>,
    /// Where the answer goes of whoever opened one that is not in the log yet.
    asked_by: BTreeMap<RecoveryId, SessionId>,
}

impl Switchboard {
    /// Before invitations are restored: those of a recovery wait for its confirmation.
    pub(super) fn restore_recoveries(
        &mut self,
        stored: Vec<RecoveryRow>,
        recovered: Vec<(PersonId, u64)>,
        now_ms: u64,
    ) {
        for (person, at_ms) in recovered {
            self.show_recovered(person, at_ms, now_ms);
        }
        for row in stored {
            let id = row.recovery;
            if row.opened_index.is_none() {
                self.context.append(PendingAppend::RecoveryOpened(id), opened(&row));
            }
            if row.confirmed_index.is_none() && row.confirmation.is_some() {
                self.context.append(PendingAppend::RecoveryConfirmed(id), confirmed(&row));
            }
            if row.closed.is_some() {
                self.context.append(PendingAppend::RecoveryClosed(id), closed(&row));
                self.recoveries.closing.insert(id, row);
                continue;
            }
            // The log has a confirmation that a database of an older backup lacks: nobody can use it any more.
            let is_lost = row.confirmed_index.is_some() && row.confirmation.is_none();
            self.context.timers.set(Timer::Recovery(id), Some(row.expires_ms));
            self.recoveries.open.insert(id, row);
            if is_lost {
                self.end_recovery(id, RecoveryEnd::Expired, None, None, now_ms);
            }
        }
    }

    /// What a device is sent that signs in, if its person may see invitations.
    pub(super) fn send_recoveries(&mut self, session: SessionId) {
        let open: Vec<_> = self.recoveries.open.values().filter(|row| row.opened_index.is_some()).collect();
        let open: Vec<_> = open.into_iter().map(|row| self.shown_recovery(row)).collect();
        for changed in open.chunks(RECOVERIES_PER_MESSAGE).map(<[_]>::to_vec) {
            self.context.send(session, ServerMessage::Recoveries { changed, closed: Vec::new() });
        }
    }

    fn shown_recovery(&self, row: &RecoveryRow) -> OpenRecovery {
        OpenRecovery {
            recovery: row.recovery,
            card: row.card.clone(),
            statement: row.statement.clone(),
            opened_ms: row.opened_ms,
            expires_ms: row.expires_ms,
            devices: self.valid_devices_of(row.card.person),
            confirmation: row.confirmation.as_ref().map(|confirmation| confirmation.statement.clone()),
        }
    }

    fn valid_devices_of(&self, person: PersonId) -> Vec<DeviceId> {
        let valid = self.context.directory.devices_of(person).filter(|(_, device)| device.is_valid());
        let mut devices: Vec<DeviceId> = valid.map(|(id, _)| *id).collect();
        devices.sort_unstable();
        devices
    }

    fn tell_recovery(&mut self, id: RecoveryId) {
        let Some(row) = self.recoveries.open.get(&id).filter(|row| row.opened_index.is_some()) else { return };
        let changed = vec![self.shown_recovery(row)];
        self.tell_registrars(&ServerMessage::Recoveries { changed, closed: Vec::new() });
    }

    /// A person's devices changed: whoever confirms their recovery signs the revocation of those that there are.
    pub(super) fn recovery_devices_changed(&mut self, person: PersonId) {
        let of_person = self.recoveries.open.values().filter(|row| row.card.person == person).map(|row| row.recovery);
        for id in of_person.collect::<Vec<_>>() {
            self.tell_recovery(id);
        }
    }

    /// A registrar states that a person lost all devices. Its signature was verified, unless `opening` says why not.
    pub fn open_recovery(
        &mut self,
        session: SessionId,
        opening: Result<OpeningRecovery, String>,
        now_ms: u64,
    ) -> Effects {
        let row = opening.and_then(|opening| self.may_open_recovery(session, opening, now_ms));
        match row {
            Ok(row) => {
                let id = row.recovery;
                self.context.write(Write::Recovery(Box::new(row.clone())));
                self.context.append(PendingAppend::RecoveryOpened(id), opened(&row));
                self.context.timers.set(Timer::Recovery(id), Some(row.expires_ms));
                self.recoveries.asked_by.insert(id, session);
                self.recoveries.open.insert(id, row);
            }
            Err(text) => self.context.refuse(session, None, RefusalCode::NotAllowed, &text),
        }
        self.finish(now_ms)
    }

    fn may_open_recovery(
        &self,
        session: SessionId,
        opening: OpeningRecovery,
        now_ms: u64,
    ) -> Result<RecoveryRow, String> {
        let OpeningRecovery { recovery, person, reason, by, statement } = opening;
        let directory = &self.context.directory;
        let own = directory.session(session).filter(|session| session.device == by);
        let own = own.ok_or("the statement is another device's: open the recovery again")?;
        let card = directory.any_card_of(person).ok_or("no device of this person was ever enrolled here")?;
        if !self.may_enrol_role(&by, Some(card.role)) {
            return Err("this device may not recover people of that role".into());
        }
        if own.card.person == person {
            return Err("nobody opens a recovery of their own: ask two other security officers".into());
        }
        if self.recoveries.open.values().any(|row| row.card.person == person) {
            return Err("a recovery of this person is open already".into());
        }
        if self.recoveries.open.len() >= MAX_OPEN_RECOVERIES {
            return Err("too many recoveries are open: refuse or complete some first".into());
        }
        if self.recoveries.open.contains_key(&recovery) || self.recoveries.closing.contains_key(&recovery) {
            return Err("a recovery of this id exists: open it again".into());
        }
        Ok(RecoveryRow {
            recovery,
            card: (**card).clone(),
            reason,
            opened_by: by,
            opened_ms: now_ms,
            expires_ms: now_ms.saturating_add(RECOVERY_MS),
            statement,
            opened_index: None,
            confirmation: None,
            confirmed_index: None,
            closed: None,
        })
    }

    pub(super) fn recovery_logged(&mut self, id: RecoveryId, index: Option<u64>, now_ms: u64) {
        let session = self.recoveries.asked_by.remove(&id);
        let Some(index) = index else {
            if let Some(session) = session {
                let text = super::enrolment::log_failed().message;
                self.context.refuse(session, None, RefusalCode::Unavailable, &text);
            }
            // The entry may be in the log: then the log has to say that it is over, too.
            return self.end_recovery(id, RecoveryEnd::Withdrawn, None, None, now_ms);
        };
        let rows = &mut self.recoveries;
        if let Some(row) = rows.open.get_mut(&id).or_else(|| rows.closing.get_mut(&id)) {
            row.opened_index = Some(index);
            let entry = opened(row);
            self.context.write(Write::RecoveryOpenedLogged(id, index));
            self.entry_is_alert(index, &entry);
            self.tell_recovery(id);
        }
    }

    /// A registrar of another person confirms a recovery. Its signatures were verified, unless `confirming` says why not.
    pub fn confirm_recovery(
        &mut self,
        session: SessionId,
        request: RequestId,
        confirming: Result<ConfirmingRecovery, String>,
        now_ms: u64,
    ) -> Effects {
        let checked = confirming.and_then(|confirming| {
            self.may_confirm_recovery(session, &confirming)?;
            Ok(confirming)
        });
        match checked {
            Ok(confirming) => {
                self.carry_out_recovery(confirming, now_ms);
                self.context.output(Output::Reply(request, Ok(Reply::RecoveryConfirmed)));
            }
            Err(text) => self.refuse_registrar(session, request, RefusalKind::Forbidden, &text),
        }
        self.finish(now_ms)
    }

    fn may_confirm_recovery(&self, session: SessionId, confirming: &ConfirmingRecovery) -> Result<(), String> {
        let directory = &self.context.directory;
        let own = directory.session(session).filter(|session| session.device == confirming.by);
        let own = own.ok_or("the confirmation is another device's: confirm the recovery again")?;
        let row = self.recoveries.open.get(&confirming.recovery).filter(|row| row.opened_index.is_some());
        let row = row.ok_or("this recovery is over")?;
        if row.confirmation.is_some() {
            return Err("this recovery is confirmed already".into());
        }
        if without_certificate(&row.statement) != without_certificate(&confirming.opened) {
            return Err("the confirmation is of another statement: confirm the recovery again".into());
        }
        let person = row.card.person;
        if !self.may_enrol_role(&confirming.by, Some(row.card.role)) {
            return Err("this device may not recover people of that role".into());
        }
        let opener = directory.device(&row.opened_by).filter(|device| device.is_valid());
        let opener = opener.filter(|_| self.may_enrol_role(&row.opened_by, Some(row.card.role)));
        let opener = opener.ok_or("whoever opened this recovery may not recover people any more: refuse it")?;
        if opener.card.person == own.card.person {
            return Err("you opened this recovery: another security officer has to confirm it".into());
        }
        if own.card.person == person {
            return Err("nobody confirms a recovery of their own".into());
        }
        if self.enrolling.keys().any(|device| directory.is_person(device, person)) {
            return Err("a device of this person is being enrolled: confirm the recovery again in a minute".into());
        }
        let mut signed: Vec<DeviceId> = confirming.revocations.iter().map(|(device, _)| *device).collect();
        signed.sort_unstable();
        let mut named = confirming.devices.clone();
        named.sort_unstable();
        if signed != named || named != self.valid_devices_of(person) {
            return Err("the person's devices have changed: confirm the recovery again".into());
        }
        if self.invitations.of_registrars() >= MAX_OPEN_INVITATIONS {
            return Err("too many invitations are open: withdraw some first".into());
        }
        if self.invitations.is_known(&confirming.invitation) {
            return Err("an invitation of this id exists: confirm the recovery again".into());
        }
        Ok(())
    }

    fn carry_out_recovery(&mut self, confirming: ConfirmingRecovery, now_ms: u64) {
        let ConfirmingRecovery { recovery: id, by, statement, invitation, token_sha256, revocations, .. } = confirming;
        let Some(row) = self.recoveries.open.get_mut(&id) else { return };
        let confirmation = crate::store::RecoveryConfirmationRow { by, at_ms: now_ms, statement, invitation };
        row.confirmation = Some(confirmation.clone());
        let (card, expires_ms) = (row.card.clone(), row.expires_ms);
        let entry = confirmed(row);
        self.context.write(Write::RecoveryConfirmed(id, Box::new(confirmation)));
        self.context.append(PendingAppend::RecoveryConfirmed(id), entry);
        // Who lost everything may have lost a link, too.
        let others = self.invitations.open.values().filter(|row| row.card.person == card.person);
        for other in others.map(|row| (row.invitation, row.request.is_some())).collect::<Vec<_>>() {
            let how = if other.1 { InvitationClosed::Refused } else { InvitationClosed::Withdrawn };
            self.close(other.0, how, Some(by), now_ms);
        }
        for (device, statement) in revocations {
            self.carry_out_revocation(device, statement, None, now_ms);
        }
        let mut row = InvitationRow::new(invitation, card, by, token_sha256, now_ms, expires_ms);
        row.recovery = Some(id);
        // Nobody is told of it, and no device may ask with it, until the log has the confirmation and then the invitation.
        self.context.write(Write::Invitation(Box::new(row.clone())));
        self.context.timers.set(Timer::Invitation(invitation), Some(expires_ms));
        self.add_open(row);
        self.tell_recovery(id);
    }

    pub(super) fn recovery_confirmation_logged(&mut self, id: RecoveryId, index: Option<u64>, now_ms: u64) {
        let Some(index) = index else {
            return self.context.timers.set(Timer::Recovery(id), Some(now_ms + LOG_RETRY_MS));
        };
        let rows = &mut self.recoveries;
        let Some(row) = rows.open.get_mut(&id).or_else(|| rows.closing.get_mut(&id)) else { return };
        row.confirmed_index = Some(index);
        let entry = confirmed(row);
        let (invitation, expires_ms) = (row.confirmation.as_ref().map(|row| row.invitation), row.expires_ms);
        self.context.write(Write::RecoveryConfirmedLogged(id, index));
        self.context.timers.set(Timer::Recovery(id), Some(expires_ms));
        self.entry_is_alert(index, &entry);
        if let Some(invitation) = invitation {
            self.append_invitation(invitation);
        }
    }

    /// Whether the log has the confirmation that an invitation waits for.
    pub(super) fn awaits_confirmation(&self, row: &InvitationRow) -> bool {
        let Some(id) = row.recovery else { return false };
        let recovery = self.recoveries.open.get(&id).or_else(|| self.recoveries.closing.get(&id));
        recovery.is_some_and(|recovery| recovery.confirmed_index.is_none())
    }

    /// A registrar withdraws a recovery, or refuses it.
    pub(super) fn close_recovery(&mut self, session: SessionId, by: DeviceId, id: RecoveryId, now_ms: u64) {
        let directory = &self.context.directory;
        let row = self.recoveries.open.get(&id);
        let Some(row) = row.filter(|row| self.may_enrol_role(&by, Some(row.card.role))) else {
            let text = if row.is_some() {
                "this device may not close recoveries of people of that role"
            } else {
                "this recovery is over"
            };
            return self.context.refuse(session, None, RefusalCode::NotAllowed, text);
        };
        let person = |device: &DeviceId| directory.card(device).map(|card| card.person);
        let how = if person(&by) == person(&row.opened_by) { RecoveryEnd::Withdrawn } else { RecoveryEnd::Refused };
        match row.confirmation.as_ref().map(|confirmation| confirmation.invitation) {
            // It ends with its invitation.
            Some(invitation) if self.invitations.open.contains_key(&invitation) => {
                self.close_invitation(session, by, invitation, now_ms);
            }
            _ => self.end_recovery(id, how, Some(by), None, now_ms),
        }
    }

    /// An unconfirmed recovery ends with the registrar's device that opened it.
    pub(super) fn void_recoveries(&mut self, device: DeviceId, now_ms: u64) {
        let is_by = |row: &&RecoveryRow| row.opened_by == device && row.confirmation.is_none();
        let found: Vec<RecoveryId> = self.recoveries.open.values().filter(is_by).map(|row| row.recovery).collect();
        for id in found {
            self.end_recovery(id, RecoveryEnd::Withdrawn, None, None, now_ms);
        }
    }

    /// Its invitation was closed.
    pub(super) fn recovery_invitation_closed(
        &mut self,
        row: &InvitationRow,
        how: InvitationClosed,
        by: Option<DeviceId>,
        now_ms: u64,
    ) {
        let Some(id) = row.recovery else { return };
        let (how, device) = match how {
            InvitationClosed::Approved => (RecoveryEnd::Completed, row.device),
            InvitationClosed::Refused => (RecoveryEnd::Refused, None),
            InvitationClosed::Withdrawn => (RecoveryEnd::Withdrawn, None),
            InvitationClosed::Expired => (RecoveryEnd::Expired, None),
        };
        self.end_recovery(id, how, by, device, now_ms);
    }

    /// The person whose registrar has to approve second the device that asks with a recovery's invitation.
    pub(super) fn recovery_opener(&self, row: &InvitationRow) -> Option<PersonId> {
        let recovery = self.recoveries.open.get(&row.recovery?)?;
        Some(self.context.directory.card(&recovery.opened_by)?.person)
    }

    fn end_recovery(
        &mut self,
        id: RecoveryId,
        how: RecoveryEnd,
        by: Option<DeviceId>,
        device: Option<DeviceId>,
        now_ms: u64,
    ) {
        let Some(mut row) = self.recoveries.open.remove(&id) else { return };
        row.closed = Some((how, by, device, now_ms));
        self.context.write(Write::RecoveryClosed(id, how, by, device, now_ms));
        if row.opened_index.is_some() {
            self.context.timers.set(Timer::Recovery(id), None);
            self.context.append(PendingAppend::RecoveryClosed(id), closed(&row));
        } else {
            // The log failed: both entries follow.
            self.context.timers.set(Timer::Recovery(id), Some(now_ms + LOG_RETRY_MS));
        }
        let person = row.card.person;
        self.recoveries.closing.insert(id, row);
        self.tell_registrars(&ServerMessage::Recoveries { changed: Vec::new(), closed: vec![id] });
        if how == RecoveryEnd::Completed {
            self.show_recovered(person, now_ms, now_ms);
            self.person_changed(person);
        }
    }

    pub(super) fn recovery_close_logged(&mut self, id: RecoveryId, index: Option<u64>, now_ms: u64) {
        match index {
            Some(index) => {
                let entry = self.recoveries.closing.remove(&id).as_ref().map(closed);
                self.context.write(Write::RecoveryClosedLogged(id, index));
                if let Some(entry) = entry {
                    self.entry_is_alert(index, &entry);
                }
            }
            None => self.context.timers.set(Timer::Recovery(id), Some(now_ms + LOG_RETRY_MS)),
        }
    }

    pub(super) fn recovery_due(&mut self, id: RecoveryId, now_ms: u64) {
        match self.recoveries.open.get(&id) {
            Some(row) if row.confirmation.is_some() && row.confirmed_index.is_none() => {
                let entry = confirmed(row);
                self.context.append(PendingAppend::RecoveryConfirmed(id), entry);
            }
            // It ends with its invitation, unless a database of an older backup has that open no more.
            Some(row)
                if row.confirmation.as_ref().is_some_and(|row| self.invitations.open.contains_key(&row.invitation)) => {
            }
            Some(row) if row.expires_ms <= now_ms => self.end_recovery(id, RecoveryEnd::Expired, None, None, now_ms),
            Some(row) => self.context.timers.set(Timer::Recovery(id), Some(row.expires_ms)),
            // The log failed before.
            None => {
                if let Some(row) = self.recoveries.closing.get(&id) {
                    if row.opened_index.is_none() {
                        self.context.append(PendingAppend::RecoveryOpened(id), opened(row));
                    }
                    if row.confirmation.is_some() && row.confirmed_index.is_none() {
                        self.context.append(PendingAppend::RecoveryConfirmed(id), confirmed(row));
                    }
                    self.context.append(PendingAppend::RecoveryClosed(id), closed(row));
                }
            }
        }
    }

    /// For [`RECOVERY_SHOWN_MS`] whoever sees the person sees that two officers recovered them.
    fn show_recovered(&mut self, person: PersonId, at_ms: u64, now_ms: u64) {
        let until_ms = at_ms.saturating_add(RECOVERY_SHOWN_MS);
        if until_ms > now_ms {
            self.context.directory.set_recovered(person, Some(at_ms));
            self.context.timers.set(Timer::RecoveryShown(person), Some(until_ms));
        }
    }

    pub(super) fn recovery_shown_long_enough(&mut self, person: PersonId) {
        self.context.directory.set_recovered(person, None);
        self.person_changed(person);
    }
}

fn opened(row: &RecoveryRow) -> Entry {
    // Without the certificate, which names people.
    let jws = without_certificate(&row.statement).to_owned();
    Entry::RecoveryOpened { time_ms: row.opened_ms, recovery: row.recovery, by: row.opened_by, jws }
}

fn confirmed(row: &RecoveryRow) -> Entry {
    let confirmation = row.confirmation.as_ref();
    Entry::RecoveryConfirmed {
        time_ms: confirmation.map_or(row.opened_ms, |row| row.at_ms),
        recovery: row.recovery,
        by: confirmation.map_or(row.opened_by, |row| row.by),
        invitation: confirmation.map_or(InvitationId::from_bytes([0; 16]), |row| row.invitation),
        jws: confirmation.map(|row| without_certificate(&row.statement).to_owned()).unwrap_or_default(),
    }
}

fn closed(row: &RecoveryRow) -> Entry {
    let (how, by, device, time_ms) = row.closed.unwrap_or((RecoveryEnd::Expired, None, None, row.expires_ms));
    Entry::RecoveryClosed { time_ms, recovery: row.recovery, how, by, device }
}

#[cfg(test)]
mod tests;
