//! Enrolment and revocation of devices.

use super::{
    Switchboard,
    context::{Context, Timer},
    directory::Device,
    port::{
        CloseReason, Effects, NewDevice, NewLine, Output, PendingAppend, Refusal, RefusalKind, Reply, RequestId,
        Revocation, RevocationAppend, SessionId,
    },
};
use crate::{
    digest::sha256,
    limits::LOG_RETRY_MS,
    store::{DeviceRow, Write},
};
use std::sync::Arc;
use telcon_identity::{orders_erasure, without_certificate};
use telcon_proto::{
    Card, DeviceId, Digest, Ended, InvitationId, LineId, ServerMessage,
    entry::{Entry, InvitationClosed, person_commitment},
    message::RefusalCode,
};

/// An enrolment whose entry is not known to be in the log.
pub(super) struct Enrolling {
    /// The enrolment that it consumes.
    pub enrolment: String,
    /// SHA-256 of the device's certificate.
    pub cert_sha256: Digest,
    /// SHA-256 of the certificate that a second registrar issued.
    pub second_cert_sha256: Option<Digest>,
    /// The registrar's approval that led to it.
    pub approval: Option<Approval>,
}

/// A registrar's approval of a device.
#[derive(Clone, Copy)]
pub(super) struct Approval {
    /// The invitation that it closes.
    pub invitation: InvitationId,
    /// The registrar's device.
    pub by: DeviceId,
    /// Its connection; none after a restart.
    pub session: Option<SessionId>,
}

impl Switchboard {
    /// Enrols a device whose certificates were checked. The request is answered once the log has it. While the log may have
    /// an entry of this certificate, a further request appends the same entry, with the same time, so that it is there once.
    pub fn enrol(&mut self, request: RequestId, new: NewDevice, now_ms: u64) -> Effects {
        let begun = self.enrolling.get(&new.device).is_some_and(|begun| begun.cert_sha256 == new.cert_sha256);
        if begun && self.append_enrolment(request, new.device) {
            return self.finish(now_ms);
        }
        let refused = self.may_enrol(&new).and_then(|()| self.may_be_named(&new.card, &new.enrolment, now_ms)).err();
        match refused {
            Some(refusal) => self.context.output(Output::Reply(request, Err(refusal))),
            None => self.begin_enrolment(request, new, None, now_ms),
        }
        self.finish(now_ms)
    }

    /// Enrols a device that a registrar approved. The invitation is closed once the log has the device. If the log failed
    /// before, the certificate of the first approval is the one that it gets.
    ///
    /// With the first version of a line, its holder's device: they are named as who gave the line says, and stored together.
    #[expect(clippy::too_many_arguments, reason = "what an approval consists of")]
    pub(super) fn enrol_approved(
        &mut self,
        request: RequestId,
        new: NewDevice,
        line: Option<NewLine>,
        invitation: InvitationId,
        by: DeviceId,
        session: SessionId,
        now_ms: u64,
    ) {
        let approval = Approval { invitation, by, session: Some(session) };
        if let Some(begun) = self.enrolling.get_mut(&new.device)
            && begun.approval.is_some_and(|before| before.invitation == approval.invitation)
        {
            // Whose certificate it gets is who approved; the answer goes to who asked now.
            begun.approval = begun.approval.map(|before| Approval { session: approval.session, ..before });
            if self.append_enrolment(request, new.device) {
                return;
            }
        }
        let may_be_named = |this: &mut Self| match line {
            Some(_) => Ok(()),
            None => this.may_be_named(&new.card, &new.enrolment, now_ms),
        };
        let refused = self.may_enrol(&new).and_then(|()| may_be_named(self)).err();
        match refused {
            Some(refusal) => self.refuse_registrar(session, request, refusal.kind, &refusal.message),
            None => {
                if let Some(line) = line {
                    self.begin_line(line, now_ms);
                }
                self.begin_enrolment(request, new, Some(approval), now_ms);
            }
        }
    }

    /// Appends the entry of a device again whose enrolment has begun: the same entry, so that it is in the log once.
    fn append_enrolment(&mut self, request: RequestId, device: DeviceId) -> bool {
        let Some(entry) = self.enrolment_entry(device) else { return false };
        self.context.append(PendingAppend::Enrolled(device, request), entry);
        true
    }

    /// The entry of a device whose enrolment has begun.
    fn enrolment_entry(&self, device: DeviceId) -> Option<Entry> {
        let Enrolling { enrolment, cert_sha256, second_cert_sha256, .. } = self.enrolling.get(&device)?;
        let known = self.context.directory.device(&device)?;
        Some(Entry::DeviceEnrolled {
            time_ms: known.enrolled_ms,
            device,
            cert_sha256: *cert_sha256,
            enrolment: enrolment.clone(),
            person_sha256: Some(person_commitment(known.card.person, device, sha256)),
            second_cert_sha256: *second_cert_sha256,
        })
    }

    fn begin_enrolment(&mut self, request: RequestId, new: NewDevice, approval: Option<Approval>, now_ms: u64) {
        let entry = Entry::DeviceEnrolled {
            time_ms: now_ms,
            device: new.device,
            cert_sha256: new.cert_sha256,
            enrolment: new.enrolment.clone(),
            person_sha256: Some(person_commitment(new.card.person, new.device, sha256)),
            second_cert_sha256: new.second_cert_sha256,
        };
        let enrolling = Enrolling {
            enrolment: new.enrolment.clone(),
            cert_sha256: new.cert_sha256,
            second_cert_sha256: new.second_cert_sha256,
            approval,
        };
        if let Some(Approval { invitation, by, .. }) = approval {
            // Durable with the device: a restart closes the invitation as approved by this registrar, and by nobody otherwise.
            self.context.write(Write::LastApproval(invitation, by));
            if let Some(row) = self.invitations.open.get_mut(&invitation) {
                row.last_approved_by = Some(by);
            }
        }
        self.enrolling.insert(new.device, enrolling);
        let card = Arc::new(new.card.clone());
        let device = Device {
            card,
            enrolled_ms: now_ms,
            revoked_ms: None,
            revocation: None,
            erase_ordered_ms: None,
            log_index: None,
            given: crate::store::is_holders_chain(&new.chain),
        };
        self.context.directory.insert(new.device, device);
        let row = DeviceRow {
            device: new.device,
            card: new.card,
            chain: new.chain,
            cert_sha256: new.cert_sha256,
            enrolment: new.enrolment,
            enrolled_ms: now_ms,
            revoked_ms: None,
            revocation: None,
            erase_ordered_ms: None,
            log_index: None,
            revoked_index: None,
        };
        self.context.write(Write::Device(Box::new(row)));
        self.note_added_device(new.device);
        self.context.append(PendingAppend::Enrolled(new.device, request), entry);
    }

    /// If the person is enrolled under other words than a card has: what to say.
    pub(super) fn other_words(&self, card: &Card) -> Option<String> {
        let words =
            |card: &Card| (card.name.clone(), card.organisation.clone(), card.role, card.zone.clone(), card.place);
        let others = self.context.directory.devices_of(card.person);
        let (_, other) = others.into_iter().find(|(_, device)| words(&device.card) != words(card))?;
        let Card { name, organisation, role, zone, .. } = &*other.card;
        Some(format!(
            "this person is enrolled as {name}, {organisation}, {}, {zone}: ask your office for a link with those words, or \
             to revoke the devices under them first",
            role.words()
        ))
    }

    fn may_enrol(&self, new: &NewDevice) -> Result<(), Refusal> {
        if new.enrolment_is_used || self.enrolling.values().any(|other| other.enrolment == new.enrolment) {
            let text = "this enrolment was used already, and each is for one device: ask your office for another";
            return Err(Refusal::new(RefusalKind::Gone, text));
        }
        let directory = &self.context.directory;
        if directory.device(&new.device).is_some() || directory.is_lost(&new.device) {
            return Err(Refusal::new(RefusalKind::Conflict, "a device of this id is enrolled already: make new keys"));
        }
        // One person under two names, in two roles or two zones is two people on a screen: devices refuse a call whose parties
        // are certified otherwise than they were shown.
        if let Some(text) = self.other_words(&new.card) {
            return Err(Refusal::new(RefusalKind::Conflict, text));
        }
        let devices = directory.devices_of(new.card.person).count();
        let limit = self.context.policy.devices.rules(new.card.role).devices_per_person;
        if devices >= limit {
            // The limit may have been lowered since.
            let text = format!("the person has {devices} devices, and the limit is {limit}: revoke one first");
            return Err(Refusal::new(RefusalKind::Conflict, text));
        }
        Ok(())
    }

    pub(super) fn enrolment_logged(&mut self, device: DeviceId, request: RequestId, index: Option<u64>, now_ms: u64) {
        let Some(index) = index else {
            let approval = self.enrolling.get(&device).and_then(|enrolling| enrolling.approval);
            if let Some(session) = approval.and_then(|approval| approval.session) {
                self.context.refuse(session, None, RefusalCode::Unavailable, &log_failed().message);
            }
            // The entry may be in the log: the device stays known, here and in the store, and its enrolment used, until the
            // log reports the entry, the request is repeated, or a restart has reconciled store and log.
            self.context.output(Output::Reply(request, Err(log_failed())));
            return;
        };
        self.note_added_device(device);
        let entry = self.enrolment_entry(device);
        let approval = self.enrolling.remove(&device).and_then(|enrolling| enrolling.approval);
        let Some(card) = self.context.directory.logged(device, index) else { return };
        self.context.write(Write::DeviceLogged(device, index));
        // Before anybody learns that it can sign in.
        self.send_added_device(device);
        if let Some(entry) = entry {
            self.entry_is_alert(index, &entry);
        }
        self.context.output(Output::Reply(request, Ok(Reply::Logged(index))));
        self.person_changed(card.person);
        self.tell_devices_changed(card.person);
        if let Some(Approval { invitation, by, .. }) = approval {
            if self.is_binding(&invitation) {
                return self.append_line(LineId::of_offer(invitation));
            }
            self.close(invitation, InvitationClosed::Approved, Some(by), now_ms);
        }
    }

    /// A registrar revokes a device, with a statement that the driver verified, unless `revocation` says why not.
    pub fn revoke_as_registrar(
        &mut self,
        session: SessionId,
        request: RequestId,
        revocation: Result<Revocation, String>,
        now_ms: u64,
    ) -> Effects {
        let Revocation { device, by, statement } = match revocation {
            Ok(revocation) => revocation,
            Err(text) => {
                self.refuse_registrar(session, request, RefusalKind::Forbidden, &text);
                return self.finish(now_ms);
            }
        };
        let own = self.context.directory.session(session).is_some_and(|session| session.device == by);
        let role = self.context.directory.role(&device);
        let refusal = if !own || role.is_none_or(|role| !self.may_enrol_role(&by, Some(role))) {
            Some("this device may not revoke devices of people of that role")
        } else if self.was_ordered(&device, &statement) {
            Some("this device was revoked already")
        } else {
            None
        };
        match refusal {
            Some(text) => {
                self.refuse_registrar(session, request, RefusalKind::Forbidden, text);
                self.finish(now_ms)
            }
            None => self.revoke(request, device, statement, now_ms),
        }
    }

    /// Revokes a device, by a revocation that the driver verified: of the office's authority, or of a registrar. The device is
    /// disconnected at once; the request is answered when the log has it.
    pub fn revoke(&mut self, request: RequestId, device: DeviceId, jws: String, now_ms: u64) -> Effects {
        let directory = &self.context.directory;
        // Other devices accept the certificate of a lost device: it can be revoked as any other.
        let enrolled = directory.device(&device).is_some_and(|d| d.log_index.is_some()) || directory.is_lost(&device);
        let refusal = match directory.revoked_ms(&device) {
            _ if !enrolled => Some(Refusal::new(RefusalKind::NotFound, "no such device is enrolled here")),
            _ if self.was_ordered(&device, &jws) => {
                Some(Refusal::new(RefusalKind::Conflict, "this device was revoked already"))
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            self.context.output(Output::Reply(request, Err(refusal)));
            return self.finish(now_ms);
        }
        self.carry_out_revocation(device, jws, Some(request), now_ms);
        self.finish(now_ms)
    }

    /// Whether a revocation orders nothing that was not ordered before: a device that is revoked may be ordered to erase itself, and one
    /// whose revocation is lost ([`mod@crate::reconcile`]) is revoked again, so that there is one that it accepts.
    fn was_ordered(&self, device: &DeviceId, statement: &str) -> bool {
        let directory = &self.context.directory;
        directory.revoked_ms(device).is_some()
            && directory.revocation(device).is_some_and(|given| !orders_erasure(statement) || orders_erasure(given))
    }

    /// A device reports that it erased itself; its signature was verified against the order that it had.
    pub fn device_erased(&mut self, request: RequestId, device: DeviceId, now_ms: u64) -> Effects {
        // Whoever has a copy of the report sends it again and again: it costs something once.
        if !self.erased.insert(device) {
            self.context.output(Output::Reply(request, Ok(Reply::ErasureNoted)));
            return self.finish(now_ms);
        }
        self.context.write(Write::DeviceErased(device, now_ms));
        self.context.output(Output::Reply(request, Ok(Reply::ErasureNoted)));
        if let Some(person) = self.context.directory.card(&device).map(|card| card.person) {
            self.tell_devices_changed(person);
        }
        self.finish(now_ms)
    }

    /// Revokes a device, or orders one that is revoked to erase itself.
    pub(super) fn carry_out_revocation(
        &mut self,
        device: DeviceId,
        jws: String,
        request: Option<RequestId>,
        now_ms: u64,
    ) {
        if self.context.directory.revoked_ms(&device).is_some() {
            let card = if orders_erasure(&jws) {
                let card = self.context.directory.order_erasure(device, now_ms, &jws);
                self.context.write(Write::EraseOrdered(device, now_ms, jws));
                card
            } else {
                let card = self.context.directory.state_revocation(device, &jws);
                self.context.write(Write::RevocationStated(device, jws));
                card
            };
            // What waits to be appended again is superseded: this entry says as much.
            self.context.timers.set(Timer::AppendRevocation(device), None);
            let time_ms = self.context.directory.order_ms(&device).unwrap_or(now_ms);
            append_revocation(&mut self.context, device, time_ms, request);
            if let Some(card) = card {
                self.tell_devices_changed(card.person);
            }
            return;
        }
        let card = self.context.directory.revoke(device, now_ms, &jws);
        self.context.write(Write::DeviceRevoked(device, now_ms, Some(jws.clone())));
        if orders_erasure(&jws) {
            self.context.directory.order_erasure(device, now_ms, &jws);
            self.context.write(Write::EraseOrdered(device, now_ms, jws.clone()));
        }
        self.forget_push(device, now_ms);
        self.sign_in_limits.forget(&device);
        self.pending.revoked(&device, &mut self.context);
        append_revocation(&mut self.context, device, now_ms, request);
        if let Some(session) = self.context.directory.session_of(&device) {
            self.context.send(session, ServerMessage::Revoked { jws: Some(jws) });
            self.context.close(session, CloseReason::Revoked);
            self.forget_session(session, now_ms);
        }
        self.leave_calls(device, Ended::Revoked, now_ms);
        self.end_shifts_of_device(device, now_ms);
        if let Some(card) = card {
            self.person_changed(card.person);
            self.tell_devices_changed(card.person);
            self.end_delegations_of_device(device, card.person, now_ms);
        }
        self.void_first_approvals(device);
        self.void_recoveries(device, now_ms);
        self.forget_notified(&device);
    }

    /// A device may be in no call any more. Those end in this way that depend on it.
    pub(super) fn leave_calls(&mut self, device: DeviceId, how: Ended, now_ms: u64) {
        for id in self.calls.of_device(&device) {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            if call.depends_on(&device) {
                self.end(id, how, now_ms);
                continue;
            }
            call.stop_waiting(&device, &mut self.context);
            call.ringing.remove(&device);
            let was_in = call.members.contains(&device);
            call.leave(device, &mut self.context);
            if was_in {
                call.notify_staff();
            }
        }
    }

    pub(super) fn revocation_logged(&mut self, order: RevocationAppend, index: Option<u64>, now_ms: u64) {
        let RevocationAppend { device, time_ms, request, .. } = order;
        // Otherwise the device was given another order meanwhile, whose entry the log may not have yet.
        let is_newest = order.order_sha256 == order_sha256(&self.context, &device);
        match (index, request) {
            (Some(index), request) => {
                if is_newest {
                    self.context.write(Write::RevocationLogged(device, index));
                    self.context.timers.set(Timer::AppendRevocation(device), None);
                }
                self.entry_is_alert(index, &Entry::DeviceRevoked { time_ms, device, jws: None });
                if let Some(request) = request {
                    self.context.output(Output::Reply(request, Ok(Reply::Logged(index))));
                }
            }
            (None, request) => {
                if let Some(request) = request {
                    let text = "the device is disconnected, but the revocation could not be logged yet; it is retried";
                    let refusal = Refusal::new(RefusalKind::Unavailable, text);
                    self.context.output(Output::Reply(request, Err(refusal)));
                }
                if is_newest {
                    self.context.timers.set(Timer::AppendRevocation(device), Some(now_ms + LOG_RETRY_MS));
                }
            }
        }
    }

    /// The log failed to append the entry of a revocation, and is tried again.
    pub(super) fn append_revocation_again(&mut self, device: DeviceId) {
        if let Some(revoked_ms) = self.context.directory.order_ms(&device) {
            append_revocation(&mut self.context, device, revoked_ms, None);
        }
    }
}

/// Appends a revocation to the log, with the signed statement: without it readers ignore the entry. Only a database of
/// the first version lacks statements.
pub(super) fn append_revocation(context: &mut Context, device: DeviceId, time_ms: u64, request: Option<RequestId>) {
    // Without the certificate of a registrar, which names people.
    let jws = context.directory.revocation(&device).map(|statement| without_certificate(statement).to_owned());
    let order_sha256 = order_sha256(context, &device);
    let append = RevocationAppend { device, order_sha256, time_ms, request };
    context.append(PendingAppend::Revoked(append), Entry::DeviceRevoked { time_ms, device, jws });
}

/// What tells the newest order to a device from those before.
fn order_sha256(context: &Context, device: &DeviceId) -> Option<Digest> {
    let statement = context.directory.revocation(device)?;
    Some(sha256(without_certificate(statement).as_bytes()))
}

/// The answer to a request when the log failed.
pub(super) fn log_failed() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, "the office's log cannot be written now: try again, and tell its operator")
}
