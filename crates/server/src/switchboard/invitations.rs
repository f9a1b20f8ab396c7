//! Registrars, their invitations, and the devices that ask with them.
//!
//! An invitation is made when the log has it: before that nobody is told. The first device that asks with it uses it up. Whatever
//! closes it, the log says so; a restart appends what is missing. Approvals are in [`super::approvals`].

use super::{
    Switchboard,
    alerts::Topic,
    enrolment::Approval,
    port::{DeviceAsked, Output, PendingAppend, Refusal, RefusalKind, Reply, RequestId, SessionId},
};
use crate::{
    limits::LOG_RETRY_MS,
    store::{InvitationRow, RegistrarRow, Write},
    switchboard::{Effects, context::Timer},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use telcon_identity::CLOCK_TOLERANCE_S;
use telcon_proto::{
    AlertKind, DeviceId, InvitationId, PersonId, Role, ServerMessage,
    entry::{Entry, InvitationClosed},
    http::Asked,
    limits::{DEVICE_REQUEST_MS, MAX_INVITATION_MS, MAX_OPEN_INVITATIONS},
    message::{FirstApproval, OpenInvitation, RefusalCode},
    policy::{Action, ROLES, allows},
};

/// Invitations in one message: with requests and first approvals of the CNSA 2.0 profile, 12 kB and 22 kB each, or attestations with
/// their delegations, at most 64 kB each, it stays below [`telcon_proto::limits::MAX_MESSAGE_BYTES`].
const INVITATIONS_PER_MESSAGE: usize = 4;
/// What a registrar is told whose invitation has the id of another one.
const EXISTS: &str = "an invitation of this id exists, open or closed: make another";

impl Invitations {
    /// Whether an invitation of this id is in memory.
    pub(super) fn is_known(&self, id: &InvitationId) -> bool {
        self.open.contains_key(id) || self.closing.contains_key(id)
    }

    /// How many offers of lines of this person are open.
    pub(super) fn offers_of(&self, person: PersonId) -> usize {
        self.offers.get(&person).map_or(0, BTreeSet::len)
    }

    /// The open offers of lines of this person.
    pub(super) fn offered_by(&self, person: PersonId) -> impl Iterator<Item = InvitationId> {
        self.offers.get(&person).into_iter().flatten().copied()
    }

    /// How many of registrars are open.
    pub(super) fn of_registrars(&self) -> usize {
        self.open.len() - self.offered
    }

    /// Adds one that is open, of this person if it offers a line.
    fn add_open(&mut self, row: InvitationRow, person: Option<PersonId>) {
        if let Some(person) = person.filter(|_| row.line.is_some()) {
            self.offers.entry(person).or_default().insert(row.invitation);
            self.offered += 1;
        }
        self.open.insert(row.invitation, row);
    }

    fn remove_open(&mut self, id: &InvitationId, person: Option<PersonId>) -> Option<InvitationRow> {
        let row = self.open.remove(id)?;
        if let Some(person) = person.filter(|_| row.line.is_some())
            && let Some(offers) = self.offers.get_mut(&person)
        {
            self.offered -= usize::from(offers.remove(id));
            if offers.is_empty() {
                self.offers.remove(&person);
            }
        }
        Some(row)
    }
}

/// Who may enrol, and the invitations that are not closed or whose end is not in the log.
#[derive(Default)]
pub(super) struct Invitations {
    pub(super) registrars: HashMap<DeviceId, RegistrarRow>,
    /// Not closed. The log has those with an index.
    pub(super) open: BTreeMap<InvitationId, InvitationRow>,
    /// Those of `open` that offer lines, by the person who gives them.
    offers: HashMap<PersonId, BTreeSet<InvitationId>>,
    /// How many these are.
    offered: usize,
    /// Closed, and the entry about it is not known to be in the log.
    closing: BTreeMap<InvitationId, InvitationRow>,
    /// Where the answer to a registrar goes whose invitation is not in the log yet.
    asked_by: HashMap<InvitationId, SessionId>,
}

impl Switchboard {
    pub(super) fn restore_invitations(&mut self, registrars: Vec<RegistrarRow>, stored: Vec<InvitationRow>) {
        for row in registrars {
            if row.log_index.is_none() {
                self.context.append(PendingAppend::Appointed(row.device, None), appointment(&row));
            }
            self.invitations.registrars.insert(row.device, row);
        }
        for row in stored {
            let id = row.invitation;
            if row.made_index.is_none() && !self.awaits_confirmation(&row) {
                self.context.append(PendingAppend::InvitationMade(id), made(&row));
            }
            if row.closed.is_some() {
                self.context.append(PendingAppend::InvitationClosed(id), closed(&row));
                self.invitations.closing.insert(id, row);
                continue;
            }
            self.context.timers.set(Timer::Invitation(id), Some(row.expires_ms));
            let approved = row.device.zip(row.last_approved_by);
            self.add_open(row);
            let Some((device, by)) = approved else { continue };
            if let Some(begun) = self.enrolling.get_mut(&device) {
                // The log may have it: the invitation is closed when it says so.
                begun.approval = Some(Approval { invitation: id, by, session: None });
            } else if self.context.directory.device(&device).is_some_and(|device| device.log_index.is_some())
                && !self.is_binding(&id)
            {
                // The engine ended after the enrolment and before the invitation was closed.
                self.close(id, InvitationClosed::Approved, Some(by), self.started_ms);
            }
        }
    }

    /// What a device is sent that signs in: its appointment, and the open invitations if its person may see them.
    pub(super) fn send_invitations(&mut self, session: SessionId, device: DeviceId, role: Role) {
        if let Some(row) = self.invitations.registrars.get(&device).filter(|row| row.log_index.is_some()) {
            let certificate = row.certificate.clone();
            self.context.send(session, ServerMessage::Registrar { certificate });
        }
        if allows(role, Action::SeeAllDevices) {
            self.send_recoveries(session);
            let open = self.invitations.open.values().filter(|row| row.made_index.is_some());
            let open: Vec<_> = open.map(|row| self.shown(row)).collect();
            self.send_open(session, &open);
        } else if let Some(person) = self.context.directory.card(&device).map(|card| card.person) {
            let offers = self.offers_seen_by(person);
            let offers = offers.iter().filter_map(|id| self.invitations.open.get(id));
            let open: Vec<_> = offers.filter(|row| row.made_index.is_some()).map(|row| self.shown(row)).collect();
            self.send_open(session, &open);
        }
    }

    fn send_open(&mut self, session: SessionId, open: &[OpenInvitation]) {
        for changed in open.chunks(INVITATIONS_PER_MESSAGE).map(<[_]>::to_vec) {
            self.context.send(session, ServerMessage::Invitations { changed, closed: Vec::new() });
        }
    }

    /// The person for whom an invitation was made: of an offer, whose line it is; otherwise whose device made it.
    pub(super) fn giver(&self, row: &InvitationRow) -> Option<PersonId> {
        match &row.offered_for {
            Some(offered) => Some(offered.principal),
            None => self.context.directory.card(&row.made_by).map(|card| card.person),
        }
    }

    pub(super) fn add_open(&mut self, row: InvitationRow) {
        let giver = self.giver(&row);
        self.invitations.add_open(row, giver);
    }

    /// Tells who may see an invitation: registrars, and of the offer of a line whom it concerns.
    fn tell_of(&mut self, row: &InvitationRow, message: &ServerMessage) {
        self.tell_registrars(message);
        for person in self.sees_offer(row) {
            for device in self.context.directory.online_devices_of(person) {
                self.context.tell(&device, message.clone());
            }
        }
    }

    pub(super) fn tell_registrars(&mut self, message: &ServerMessage) {
        let roles = ROLES.into_iter().filter(|role| allows(*role, Action::SeeAllDevices));
        let sessions: Vec<_> = roles.flat_map(|role| self.context.directory.sessions_of_role(role)).collect();
        for session in sessions {
            self.context.send(session, message.clone());
        }
    }

    /// Tells who may see a person's devices that they have changed: that person, and registrars.
    pub(super) fn tell_devices_changed(&mut self, person: PersonId) {
        self.tell_registrars(&ServerMessage::DevicesChanged {});
        self.recovery_devices_changed(person);
        for device in self.context.directory.online_devices_of(person) {
            if !self.context.directory.role(&device).is_some_and(|role| allows(role, Action::SeeAllDevices)) {
                self.context.tell(&device, ServerMessage::DevicesChanged {});
            }
        }
    }

    /// The request of the device that asked with an open invitation.
    pub(super) fn request_of(&self, id: &InvitationId) -> Option<&str> {
        self.invitations.open.get(id)?.request.as_deref()
    }

    pub(super) fn tell_changed(&mut self, id: InvitationId) {
        if let Some(row) = self.invitations.open.get(&id).filter(|row| row.made_index.is_some()).cloned() {
            let message = ServerMessage::Invitations { changed: vec![self.shown(&row)], closed: Vec::new() };
            self.tell_of(&row, &message);
        }
    }

    /// Appoints a device as a registrar, by a certificate of the authority that the driver verified.
    pub fn appoint(&mut self, request: RequestId, row: RegistrarRow, now_ms: u64) -> Effects {
        let device = row.device;
        let is_valid = self.context.directory.device(&device).is_some_and(super::Device::is_valid);
        if !is_valid {
            let refusal = Refusal::new(RefusalKind::NotFound, "no such device is enrolled here, or it is revoked");
            self.context.output(Output::Reply(request, Err(refusal)));
            return self.finish(now_ms);
        }
        self.context.write(Write::Registrar(Box::new(row.clone())));
        self.context.append(PendingAppend::Appointed(device, Some(request)), appointment(&row));
        self.invitations.registrars.insert(device, row);
        self.finish(now_ms)
    }

    pub(super) fn appointment_logged(&mut self, device: DeviceId, request: Option<RequestId>, index: Option<u64>) {
        let Some(row) = self.invitations.registrars.get_mut(&device) else { return };
        let Some(index) = index else {
            if let Some(request) = request {
                self.context.output(Output::Reply(request, Err(super::enrolment::log_failed())));
            }
            return;
        };
        row.log_index = Some(index);
        let certificate = row.certificate.clone();
        let entry = appointment(row);
        self.context.write(Write::RegistrarLogged(device, index));
        self.entry_is_alert(index, &entry);
        if let Some(request) = request {
            self.context.output(Output::Reply(request, Ok(Reply::Logged(index))));
        }
        self.context.tell(&device, ServerMessage::Registrar { certificate });
        if let Some(person) = self.context.directory.card(&device).map(|card| card.person) {
            self.tell_devices_changed(person);
        }
    }

    /// Whether a device may enrol people of this role.
    pub(super) fn may_enrol_role(&self, device: &DeviceId, role: Option<Role>) -> bool {
        let is_officer = self.context.directory.role(device).is_some_and(|own| allows(own, Action::EnrolDevices));
        let registrar = self.invitations.registrars.get(device).filter(|row| row.log_index.is_some());
        is_officer && registrar.is_some_and(|row| role.is_none_or(|role| row.roles.contains(&role)))
    }

    /// Whether the device of a connection may invite people of this role, or offer them a line.
    pub fn may_invite(&self, session: SessionId, role: Role, offers_line: bool) -> bool {
        let from = self.context.directory.session(session);
        match offers_line {
            true => self.may_offer(session),
            false => from.is_some_and(|from| self.may_enrol_role(&from.device, Some(role))),
        }
    }

    /// A device invites with an id that the store has, of an invitation that is open or closed.
    pub fn invitation_exists(&mut self, session: SessionId, now_ms: u64) -> Effects {
        self.context.refuse(session, None, RefusalCode::NotAllowed, EXISTS);
        self.finish(now_ms)
    }

    /// The store could not be asked whether it has the id of an invitation.
    pub fn invitation_unavailable(&mut self, session: SessionId, why: &str, now_ms: u64) -> Effects {
        self.context.refuse(session, None, RefusalCode::Unavailable, why);
        self.finish(now_ms)
    }

    /// A registrar invites a person, by an id that the store does not have.
    pub(super) fn invite(&mut self, session: SessionId, row: InvitationRow, now_ms: u64) {
        let InvitationRow { invitation, made_by: by, expires_ms, .. } = row;
        let card = &row.card;
        let refusal = if row.line.is_none() && !self.may_enrol_role(&by, Some(card.role)) {
            Some((RefusalCode::NotAllowed, "this device may not invite people of that role".to_owned()))
        } else if card.office != self.context.policy.domain {
            Some((RefusalCode::NotAllowed, "the card names another office".to_owned()))
        } else if let Err(error) = telcon_identity::check_card(card) {
            Some((RefusalCode::Malformed, error.to_string()))
        } else if expires_ms <= now_ms || expires_ms > now_ms + MAX_INVITATION_MS + CLOCK_TOLERANCE_S * 1000 {
            Some((RefusalCode::Malformed, "an invitation is valid for up to seven days".to_owned()))
        } else if row.line.is_none() && self.invitations.of_registrars() >= MAX_OPEN_INVITATIONS {
            Some((RefusalCode::TooMany, "too many invitations are open: withdraw some first".to_owned()))
        } else if self.invitations.open.contains_key(&invitation) || self.invitations.closing.contains_key(&invitation)
        {
            Some((RefusalCode::NotAllowed, EXISTS.to_owned()))
        } else if let Some(terms) = &row.line {
            self.refuses_offer(&row, terms)
        } else {
            let other = self.other_words(card).or_else(|| self.looks_like_another(card));
            other.map(|text| (RefusalCode::NotAllowed, text))
        };
        if let Some((code, text)) = refusal {
            return self.context.refuse(session, None, code, &text);
        }
        self.context.write(Write::Invitation(Box::new(row.clone())));
        self.context.append(PendingAppend::InvitationMade(invitation), made(&row));
        self.context.timers.set(Timer::Invitation(invitation), Some(expires_ms));
        self.invitations.asked_by.insert(invitation, session);
        self.add_open(row);
    }

    /// The log has the confirmation of the recovery that an invitation belongs to.
    pub(super) fn append_invitation(&mut self, id: InvitationId) {
        let rows = &self.invitations;
        let row = rows.open.get(&id).or_else(|| rows.closing.get(&id)).filter(|row| row.made_index.is_none());
        if let Some(entry) = row.map(made) {
            self.context.append(PendingAppend::InvitationMade(id), entry);
        }
    }

    pub(super) fn invitation_logged(&mut self, id: InvitationId, index: Option<u64>, now_ms: u64) {
        let session = self.invitations.asked_by.remove(&id);
        let Some(index) = index else {
            if let Some(session) = session {
                let text = super::enrolment::log_failed().message;
                self.context.refuse(session, None, RefusalCode::Unavailable, &text);
            }
            // The entry may be in the log: then the log has to say that it is closed, too.
            return self.close(id, InvitationClosed::Withdrawn, None, now_ms);
        };
        let rows = &mut self.invitations;
        if let Some(row) = rows.open.get_mut(&id).or_else(|| rows.closing.get_mut(&id)) {
            row.made_index = Some(index);
            self.context.write(Write::InvitationMadeLogged(id, index));
            self.tell_changed(id);
        }
    }

    pub(super) fn close_invitation(&mut self, session: SessionId, by: DeviceId, id: InvitationId, now_ms: u64) {
        if !self.may_close(&by, &id) {
            let text = "this device may not close this invitation, or it is closed already";
            return self.context.refuse(session, None, RefusalCode::NotAllowed, text);
        }
        let Some(row) = self.invitations.open.get(&id) else {
            let text = "this invitation is closed already";
            return self.context.refuse(session, None, RefusalCode::NotAllowed, text);
        };
        if self.is_being_enrolled(row) {
            let text = "a security officer approved this device, and it is being enrolled: approve it again if that takes longer \
                        than a minute, or revoke the device then";
            return self.context.refuse(session, None, RefusalCode::NotAllowed, text);
        }
        let how = if row.request.is_some() { InvitationClosed::Refused } else { InvitationClosed::Withdrawn };
        self.close(id, how, Some(by), now_ms);
    }

    /// Registrars close their office's invitations, and offers of lines those who may stop lines and those who see the offer.
    fn may_close(&self, by: &DeviceId, id: &InvitationId) -> bool {
        let Some(card) = self.context.directory.card(by) else { return false };
        match self.invitations.open.get(id).filter(|row| row.line.is_some()) {
            Some(row) => self.sees_offer(row).contains(&card.person) || allows(card.role, Action::StopLines),
            None => self.may_enrol_role(by, None),
        }
    }

    pub(super) fn invitation_expired(&mut self, id: InvitationId, now_ms: u64) {
        match self.invitations.open.get(&id) {
            Some(row) if self.is_being_enrolled(row) => {
                self.context.timers.set(Timer::Invitation(id), Some(row.expires_ms.max(now_ms + LOG_RETRY_MS)));
            }
            Some(row) if row.expires_ms <= now_ms => self.close(id, InvitationClosed::Expired, None, now_ms),
            Some(row) => self.context.timers.set(Timer::Invitation(id), Some(row.expires_ms)),
            // The log failed before.
            None => {
                if let Some(row) = self.invitations.closing.get(&id) {
                    if row.made_index.is_none() && self.awaits_confirmation(row) {
                        return self.context.timers.set(Timer::Invitation(id), Some(now_ms + LOG_RETRY_MS));
                    }
                    if row.made_index.is_none() {
                        self.context.append(PendingAppend::InvitationMade(id), made(row));
                    }
                    self.context.append(PendingAppend::InvitationClosed(id), closed(row));
                }
            }
        }
    }

    /// Whether the device that asked with an invitation was approved, and the log has not said yet whether it is enrolled: until
    /// then nothing else ends the invitation, so that the log never says that an enrolled device was refused.
    fn is_being_enrolled(&self, row: &InvitationRow) -> bool {
        let enrolled = row.device.is_some_and(|device| self.enrolling.contains_key(&device));
        row.last_approved_by.is_some() && (enrolled || self.is_binding(&row.invitation))
    }

    /// Closes an invitation, if it is open.
    pub(super) fn close(&mut self, id: InvitationId, how: InvitationClosed, by: Option<DeviceId>, now_ms: u64) {
        let giver = self.invitations.open.get(&id).and_then(|row| self.giver(row));
        let Some(mut row) = self.invitations.remove_open(&id, giver) else { return };
        row.closed = Some((how, by, now_ms));
        self.context.write(Write::InvitationClosed(id, how, by, now_ms));
        if row.made_index.is_some() {
            self.context.timers.set(Timer::Invitation(id), None);
            self.context.append(PendingAppend::InvitationClosed(id), closed(&row));
        } else {
            // The log failed: both entries follow.
            self.context.timers.set(Timer::Invitation(id), Some(now_ms + LOG_RETRY_MS));
        }
        self.recovery_invitation_closed(&row, how, by, now_ms);
        let message = ServerMessage::Invitations { changed: Vec::new(), closed: vec![id] };
        self.tell_of(&row, &message);
        // A delegate whose delegation has ended sees the offer no more, and has it on the screen.
        let made_by = self.context.directory.card(&row.made_by).map(|card| card.person);
        if row.offered_for.is_some() && made_by.is_some_and(|person| !self.sees_offer(&row).contains(&person)) {
            self.context.tell(&row.made_by, message);
        }
        self.invitations.closing.insert(id, row);
    }

    pub(super) fn invitation_close_logged(&mut self, id: InvitationId, index: Option<u64>, now_ms: u64) {
        match index {
            Some(index) => {
                let entry = self.invitations.closing.remove(&id).as_ref().map(closed);
                self.context.write(Write::InvitationClosedLogged(id, index));
                if let Some(entry) = entry {
                    self.entry_is_alert(index, &entry);
                }
            }
            None => self.context.timers.set(Timer::Invitation(id), Some(now_ms + LOG_RETRY_MS)),
        }
    }

    /// A new device asks with an invitation. Its request's signature was verified; whether it had the link is verified by the
    /// registrar.
    pub fn device_asked(&mut self, request: RequestId, asked: DeviceAsked, now_ms: u64) -> Effects {
        let answer = self.take_request(asked, now_ms);
        self.context.output(Output::Reply(request, answer));
        self.finish(now_ms)
    }

    fn take_request(&mut self, asked: DeviceAsked, now_ms: u64) -> Result<Reply, Refusal> {
        let DeviceAsked { invitation, device, token_sha256, jws } = asked;
        let open = self.invitations.open.get_mut(&invitation).filter(|row| row.made_index.is_some());
        // Identifiers of invitations are in the public log: without the link they are worth nothing.
        let open = open.filter(|row| row.token_sha256 == token_sha256);
        let Some(row) = open else { return Ok(Reply::NoOpenInvitation) };
        match &row.request {
            Some(known) if *known == jws => Ok(Reply::Asked(waiting(row))),
            Some(_) => {
                row.refused_requests += 1;
                self.context.write(Write::InvitationOpenedAgain(invitation));
                self.tell_changed(invitation);
                self.raise(Topic::invitation(AlertKind::LinkOpenedAgain, invitation, None), None, now_ms);
                let text =
                    "this link was used already, by another device. If that was not you, tell your office at once";
                Err(Refusal::new(RefusalKind::Gone, text))
            }
            None if self.context.directory.device(&device).is_some() => {
                Err(Refusal::new(RefusalKind::Conflict, "a device of this id is enrolled already: make new keys"))
            }
            None => {
                // All of a recovery takes a day at most.
                let latest_ms = if row.recovery.is_some() { row.expires_ms } else { u64::MAX };
                let expires_ms = latest_ms.min(now_ms + DEVICE_REQUEST_MS);
                (row.request, row.device, row.expires_ms) = (Some(jws.clone()), Some(device), expires_ms);
                let answer = waiting(row);
                self.context.timers.set(Timer::Invitation(invitation), Some(expires_ms));
                self.context.write(Write::InvitationAsked { invitation, device, request: jws, expires_ms });
                self.tell_changed(invitation);
                self.raise(Topic::invitation(AlertKind::DeviceAsked, invitation, Some(device)), None, now_ms);
                Ok(Reply::Asked(answer))
            }
        }
    }
}

impl Switchboard {
    fn shown(&self, row: &InvitationRow) -> OpenInvitation {
        OpenInvitation {
            invitation: row.invitation,
            card: row.card.clone(),
            by: row.made_by,
            made_ms: row.made_ms,
            expires_ms: row.expires_ms,
            request: row.request.clone(),
            refused_requests: row.refused_requests,
            first_approval: row
                .first_approval
                .as_ref()
                .map(|first| FirstApproval { chain: first.chain.clone(), at_ms: first.at_ms }),
            recovery: row.recovery,
            line: row.line.clone(),
            offered_for: self.offered_for(row),
        }
    }
}

/// What a device is told whose request nobody has decided yet.
fn waiting(row: &InvitationRow) -> Asked {
    Asked::Waiting { expires_ms: row.expires_ms, approvals: row.first_approval.is_some().into() }
}

fn appointment(row: &RegistrarRow) -> Entry {
    Entry::RegistrarAppointed { time_ms: row.appointed_ms, device: row.device, cert_sha256: row.cert_sha256 }
}

fn made(row: &InvitationRow) -> Entry {
    Entry::InvitationMade {
        time_ms: row.made_ms,
        invitation: row.invitation,
        by: row.made_by,
        expires_ms: row.made_expires_ms,
        line: row.line.is_some(),
        delegation: row.offered_for.as_ref().map(|offered| offered.on_behalf.delegation),
    }
}

fn closed(row: &InvitationRow) -> Entry {
    let (how, by, time_ms) = row.closed.unwrap_or((InvitationClosed::Expired, None, row.expires_ms));
    Entry::InvitationClosed { time_ms, invitation: row.invitation, how, by, device: row.device }
}

#[cfg(test)]
mod tests;
