//! Enrolling and revoking devices.

use super::{
    Switchboard,
    call::Call,
    desk::{Desk, Device},
    port::{CloseReason, Effects, NewDevice, Output, Refusal, RefusalKind, Reply, RequestId, Ticket},
};
use crate::store::{DeviceRow, Write};
use telcon_proto::entry::Entry;
use telcon_proto::{CallId, Card, DeviceId, Ended, ServerMessage, limits::MAX_DEVICES_PER_PERSON};

impl Switchboard {
    /// Enrols a device whose certificates were checked. The request is answered once the log has it.
    pub fn enrol(&mut self, request: RequestId, new: NewDevice, now_ms: u64) -> Effects {
        let refused = self.may_enrol(&new).err();
        if let Some(refusal) = refused {
            self.desk.output(Output::Reply(request, Err(refusal)));
            return self.finish(now_ms);
        }
        let entry = Entry::DeviceEnrolled {
            time_ms: now_ms,
            device: new.device,
            cert_sha256: new.cert_sha256,
            enrolment: new.enrolment.clone(),
        };
        self.desk.enrolments.insert(new.enrolment.clone());
        let device =
            Device { card: new.card.clone(), enrolled_ms: now_ms, revoked_ms: None, revocation: None, log_index: None };
        self.desk.devices.insert(new.device, device);
        let row = DeviceRow {
            device: new.device,
            card: new.card,
            chain: new.chain,
            cert_sha256: new.cert_sha256,
            enrolment: new.enrolment,
            enrolled_ms: now_ms,
            revoked_ms: None,
            revocation: None,
            log_index: None,
            revoked_index: None,
        };
        self.desk.write(Write::Device(Box::new(row)));
        self.desk.append(Ticket::Enrolled(new.device, request), entry);
        self.finish(now_ms)
    }

    fn may_enrol(&self, new: &NewDevice) -> Result<(), Refusal> {
        if self.desk.enrolments.contains(&new.enrolment) {
            let text = "this enrolment was used already, and each is for one device: ask your office for another";
            return Err(Refusal::new(RefusalKind::Gone, text));
        }
        if self.desk.devices.contains_key(&new.device) {
            return Err(Refusal::new(RefusalKind::Conflict, "a device of this id is enrolled already: make new keys"));
        }
        let theirs = |d: &&Device| d.revoked_ms.is_none() && d.card.person == new.card.person;
        // One person under two names, or in two roles, is two people on a screen.
        let words = |card: &Card| (card.name.clone(), card.organisation.clone(), card.role);
        if let Some(other) = self.desk.devices.values().filter(theirs).find(|d| words(&d.card) != words(&new.card)) {
            let Card { name, organisation, role, .. } = &other.card;
            let text = format!(
                "this person is enrolled as {name}, {organisation}, {}: ask your office for a link with those words, or to \
                 revoke the devices under them first",
                role.as_str().replace('_', " ")
            );
            return Err(Refusal::new(RefusalKind::Conflict, text));
        }
        let devices = self.desk.devices.values().filter(theirs).count();
        if devices >= MAX_DEVICES_PER_PERSON {
            let text = format!("the person has {devices} devices, and more are not allowed: revoke one first");
            return Err(Refusal::new(RefusalKind::Conflict, text));
        }
        Ok(())
    }

    pub(super) fn enrolment_logged(&mut self, device: DeviceId, request: RequestId, index: Option<u64>) {
        let Some(index) = index else {
            self.desk.devices.remove(&device);
            self.desk.write(Write::DeviceForgotten(device));
            // The enrolment stays used until a restart has compared store and log: the entry may be on disk.
            self.desk.output(Output::Reply(request, Err(log_failed())));
            return;
        };
        let Some(found) = self.desk.devices.get_mut(&device) else { return };
        found.log_index = Some(index);
        let card = found.card.clone();
        self.desk.write(Write::DeviceLogged(device, index));
        self.desk.output(Output::Reply(request, Ok(Reply::Logged(index))));
        self.desk.people_changed(&card);
    }

    /// Revokes a device, on the word of the office authority that was checked before. The device is cut at once; the
    /// request is answered when the log has it.
    pub fn revoke(&mut self, request: RequestId, device: DeviceId, jws: String, now_ms: u64) -> Effects {
        let Some(found) = self.desk.devices.get_mut(&device).filter(|d| d.log_index.is_some()) else {
            let refusal = Refusal::new(RefusalKind::NotFound, "no such device is enrolled here");
            self.desk.output(Output::Reply(request, Err(refusal)));
            return self.finish(now_ms);
        };
        if found.revoked_ms.is_some() {
            let refusal = Refusal::new(RefusalKind::Conflict, "this device was revoked already");
            self.desk.output(Output::Reply(request, Err(refusal)));
            return self.finish(now_ms);
        }
        found.revoked_ms = Some(now_ms);
        found.revocation = Some(jws.clone());
        let card = found.card.clone();
        self.desk.write(Write::DeviceRevoked(device, now_ms, Some(jws.clone())));
        append_revocation(&mut self.desk, device, now_ms, Some(request));
        if let Some(session) = self.desk.online.get(&device).copied() {
            self.desk.send(session, ServerMessage::Revoked { jws: Some(jws) });
            self.desk.close(session, CloseReason::Revoked);
            self.forget_session(session, now_ms);
        }
        let cut_off: Vec<CallId> = self.calls.values().filter(|c| c.hangs_on(&device)).map(Call::id).collect();
        for call in cut_off {
            self.end(call, Ended::Revoked, now_ms);
        }
        for call in self.calls.values_mut() {
            call.stop_waiting(&device, &mut self.desk);
            call.ringing.remove(&device);
            let was_in = call.members.contains(&device);
            call.leave(device, &mut self.desk);
            if was_in {
                call.notify_staff(&mut self.desk);
            }
        }
        self.desk.people_changed(&card);
        self.finish(now_ms)
    }

    pub(super) fn revocation_logged(
        &mut self,
        device: DeviceId,
        request: Option<RequestId>,
        index: Option<u64>,
        now_ms: u64,
    ) {
        match (index, request) {
            (Some(index), request) => {
                self.desk.write(Write::RevocationLogged(device, index));
                if let Some(request) = request {
                    self.desk.output(Output::Reply(request, Ok(Reply::Logged(index))));
                }
            }
            (None, request) => {
                if let Some(request) = request {
                    let text = "the device is cut off, but the log could not take it yet; it is tried again";
                    let refusal = Refusal::new(RefusalKind::Unavailable, text);
                    self.desk.output(Output::Reply(request, Err(refusal)));
                }
                let revoked_ms = self.desk.devices.get(&device).and_then(|d| d.revoked_ms).unwrap_or(now_ms);
                self.afters.retry_revocation(device, revoked_ms, now_ms);
            }
        }
    }
}

/// Asks the log to take a revocation.
pub(super) fn append_revocation(desk: &mut Desk, device: DeviceId, time_ms: u64, request: Option<RequestId>) {
    desk.append(Ticket::Revoked(device, request), Entry::DeviceRevoked { time_ms, device });
}

/// What a request is told when the log failed.
pub(super) fn log_failed() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, "the office's log cannot be written now: try again, and tell who runs it")
}
