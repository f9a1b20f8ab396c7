//! Opening, ringing, answering, ending. Every attempt is on record: opened first, then how it ended.

use super::{
    Switchboard,
    call::Call,
    desk::{Desk, entry_at, may_ring},
    port::{RelayCommand, SessionId, Ticket},
};
use crate::{
    digest::sha256,
    store::{Ask, CallRow, Stage, Write},
};
use telcon_proto::entry::Entry;
use telcon_proto::{
    Blob, CallId, DeviceId, Ended, ServerMessage, WIRE_VERSION,
    limits::{ABANDONED_AFTER_MS, RING_TIMEOUT_MS},
    message::{RefusalCode, Ring},
};

impl Switchboard {
    pub(super) fn ring(&mut self, session: SessionId, from: DeviceId, jws: String, now_ms: u64) {
        let ring = match self.rings.check(&jws, now_ms) {
            Ok(ring) => ring,
            Err(why) => {
                let text = format!("the ring was not accepted: {why}");
                return self.desk.refuse(session, None, RefusalCode::NotAllowed, &text);
            }
        };
        // A device that lost its connection before it heard "opened" sends the same ring again.
        if let Some(call) = self.calls.get_mut(&ring.call).filter(|c| c.row.ring == jws && c.row.from_device == from) {
            call.arrive(from, session);
            if call.row.stage != Stage::Opening {
                call.tell_opened(session, &mut self.desk);
            }
            return;
        }
        if let Some(call) = self.calls.values_mut().find(|call| call.is_rung_back_by(&ring, &self.desk)) {
            let text = "they ring you at this moment: answer their ring";
            self.desk.refuse(session, Some(ring.call), RefusalCode::RingsYou, text);
            // What was rung here while this device rang itself was not shown.
            call.ringing.remove(&from);
            return call.ring_device(from, &mut self.desk);
        }
        match self.accept(&ring, from, now_ms) {
            Ok(row) => self.open(session, CallRow { ring: jws, ..row }, &ring),
            Err((code, text)) => self.desk.refuse(session, Some(ring.call), code, text),
        }
    }

    fn accept(&mut self, ring: &Ring, from: DeviceId, now_ms: u64) -> Result<CallRow, (RefusalCode, &'static str)> {
        use RefusalCode::{NotAllowed, TooMany, Unreachable, Version};
        let policy = &self.desk.policy;
        if ring.version != WIRE_VERSION {
            return Err((Version, "the ring is of another version: update this device"));
        }
        if ring.from != from {
            return Err((NotAllowed, "the ring names another device than the one that sent it"));
        }
        if ring.office != policy.domain {
            return Err((NotAllowed, "the ring names another office"));
        }
        if ring.suite != policy.suite {
            return Err((NotAllowed, "the ring names another cipher suite than the office's: sign in again"));
        }
        if ring.mode < policy.floor {
            return Err((
                NotAllowed,
                "the office keeps more of its calls than this: ring with its record mode or above",
            ));
        }
        if self.known.contains(&ring.call) || self.calls.contains_key(&ring.call) {
            return Err((NotAllowed, "this call was opened before: ring anew"));
        }
        let caller = self.desk.card(&from).cloned().ok_or((NotAllowed, "this device is not enrolled"))?;
        let callee =
            self.desk.person(ring.to).cloned().ok_or((Unreachable, "no such person here, or they have no device"))?;
        if caller.person == callee.person {
            return Err((NotAllowed, "one cannot ring oneself"));
        }
        if !may_ring(caller.role, callee.role) {
            return Err((NotAllowed, "people of this role are not rung from here"));
        }
        if self.calls.values().any(|c| c.row.from.person == caller.person || c.engages_now(caller.person)) {
            return Err((NotAllowed, "you are in another call: end it first"));
        }
        if !self.desk.count_ring(from, now_ms) {
            return Err((TooMany, "too many rings from this device: wait a minute"));
        }
        Ok(CallRow {
            call: ring.call,
            ring: String::new(),
            from_device: from,
            from: caller,
            to: callee,
            mode: ring.mode,
            stage: Stage::Opening,
            epoch: 0,
            answerer: None,
            noted: false,
            opened_ms: now_ms,
            answered_ms: None,
            ended_ms: None,
            how: None,
            opened_index: None,
            ended_index: None,
            missing_index: None,
        })
    }

    fn open(&mut self, session: SessionId, row: CallRow, ring: &Ring) {
        let entry = Entry::CallOpened {
            time_ms: row.opened_ms,
            call: row.call,
            ring_sha256: sha256(row.ring.as_bytes()),
            mode: row.mode,
            suite: ring.suite,
            devices: vec![row.from_device],
        };
        self.known.insert(row.call);
        self.desk.write(Write::Call(Box::new(row.clone())));
        self.desk.append(Ticket::Opened(row.call), entry);
        self.calls.insert(row.call, Call::new(row, session));
    }

    /// The log took the opening, or did not. No entry, no call.
    pub(super) fn opened(&mut self, id: CallId, index: Option<u64>, now_ms: u64) {
        let Some(call) = self.calls.get_mut(&id).filter(|c| c.row.stage == Stage::Opening) else {
            // The entry arrived after the call had been given up: whoever reads the log must see its end as well.
            if let Some(index) = index.filter(|_| !self.calls.contains_key(&id)) {
                self.desk.write(Write::CallOpened(id, index));
                self.afters.owe_end(id, Ended::Failed, None, now_ms, &mut self.desk);
            }
            return;
        };
        let Some(index) = index else {
            // The row stays: if the entry reached the disk after all, a restart finds it and logs the end.
            if let Some(call) = self.calls.remove(&id) {
                self.desk.write(Write::CallEnded(id, Ended::Failed, now_ms));
                let text = "the office's log cannot be written, and no call takes place that is not in it: \
                            tell whoever runs the server";
                if let Some(session) = call.present.get(&call.row.from_device) {
                    self.desk.refuse(*session, Some(id), RefusalCode::Unavailable, text);
                }
                self.remember_end(id, Ended::Failed);
            }
            return;
        };
        call.row.opened_index = Some(index);
        call.row.stage = Stage::Ringing;
        self.desk.write(Write::CallOpened(id, index));
        // Revoked while the log took it.
        if self.desk.devices.get(&call.row.from_device).is_none_or(|device| device.revoked_ms.is_some()) {
            return self.end(id, Ended::Revoked, now_ms);
        }
        self.start_ringing(id, now_ms);
    }

    fn start_ringing(&mut self, id: CallId, now_ms: u64) {
        let Some(to) = self.calls.get(&id).map(|c| c.row.to.person) else { return };
        if self.calls.values().any(|c| c.id() != id && c.engages_now(to)) {
            return self.end(id, Ended::Busy, now_ms);
        }
        let devices = self.desk.online_devices_of(to);
        if devices.is_empty() {
            return self.end(id, Ended::Missed, now_ms);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        self.desk.relay(RelayCommand::OpenCall(id, call.row.opened_index.unwrap_or_default()));
        if let Some(session) = call.present.get(&call.row.from_device).copied() {
            call.tell_opened(session, &mut self.desk);
        }
        for device in devices {
            call.ring_device(device, &mut self.desk);
        }
        call.notify_staff(&mut self.desk);
    }

    /// Takes up a call that was stored when the server stopped.
    pub(super) fn restore(&mut self, call: Call, now_ms: u64) {
        let id = call.id();
        match call.row.stage {
            // Its entry never reached the log (or the store would know): there was no call.
            Stage::Opening => {
                self.calls.insert(id, call);
                self.opened(id, None, now_ms);
            }
            Stage::Ringing | Stage::Live => {
                self.desk.relay(RelayCommand::OpenCall(id, call.row.opened_index.unwrap_or_default()));
                self.calls.insert(id, call);
            }
            Stage::Ended => {}
        }
    }

    pub(super) fn decline(&mut self, session: SessionId, from: DeviceId, id: CallId, now_ms: u64) {
        match self.calls.get(&id).filter(|c| c.row.stage != Stage::Opening) {
            Some(call) if call.rings_at(&from, &self.desk) => self.end(id, Ended::Declined, now_ms),
            Some(_) => {
                let text = "only a device that rings can decline: hang up instead";
                self.desk.refuse(session, Some(id), RefusalCode::NotAllowed, text);
            }
            None => self.no_such_call(session, id),
        }
    }

    pub(super) fn hang_up(&mut self, session: SessionId, from: DeviceId, id: CallId, failed: bool, now_ms: u64) {
        let Some(call) = self.calls.get_mut(&id).filter(|c| c.row.stage != Stage::Opening) else {
            return self.no_such_call(session, id);
        };
        if call.is_principals(&from) {
            let how = match (failed, call.row.stage) {
                (true, _) => Ended::Failed,
                (false, Stage::Ringing) => Ended::Cancelled,
                (false, _) => Ended::HungUp,
            };
            return self.end(id, how, now_ms);
        }
        if call.rings_at(&from, &self.desk) {
            if !failed {
                return self.end(id, Ended::Declined, now_ms);
            }
            // One device that cannot show the ring does not silence the others.
            call.failed.insert(from);
            call.ringing.remove(&from);
            call.drop_leg(from, &mut self.desk);
            if call.ringing.is_empty() {
                self.end(id, Ended::Failed, now_ms);
            }
            return;
        }
        if call.members.contains(&from) || call.is_waiting(&from) {
            call.stop_waiting(&from, &mut self.desk);
            call.leave(from, &mut self.desk);
            return call.notify_staff(&mut self.desk);
        }
        let text = "this device is not in the call";
        self.desk.refuse(session, Some(id), RefusalCode::NotAllowed, text);
    }

    /// The call is over. The log hears of it, and goes on being told until it has it.
    pub(super) fn end(&mut self, id: CallId, how: Ended, now_ms: u64) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        self.desk.write(Write::CallEnded(id, how, now_ms));
        for device in call.audience() {
            self.desk.tell(&device, ServerMessage::Ended { call: id, how });
        }
        call.row.stage = Stage::Ended;
        call.row.how = Some(how);
        call.row.ended_ms = Some(now_ms);
        self.desk.relay(RelayCommand::CloseCall(id));
        call.notify_staff(&mut self.desk);
        self.remember_end(id, how);
        self.afters.ended(&call.row, &call.participants, &mut self.desk);
    }
}

impl Call {
    /// Whether the person rings in it, is being rung or speaks. A call that is not yet in the log does not count.
    pub(super) fn engages_now(&self, person: telcon_proto::PersonId) -> bool {
        matches!(self.row.stage, Stage::Ringing | Stage::Live) && self.engages(person)
    }

    /// Whether this ring goes from the person that this call rings to the one who rings in it.
    fn is_rung_back_by(&self, ring: &Ring, desk: &Desk) -> bool {
        let ringing = matches!(self.row.stage, Stage::Opening | Stage::Ringing);
        ringing && self.row.from.person == ring.to && desk.is_person(&ring.from, self.row.to.person)
    }

    fn tell_opened(&self, session: SessionId, desk: &mut Desk) {
        let opened = entry_at(self.row.opened_index.unwrap_or_default());
        desk.send(session, ServerMessage::Opened { call: self.row.call, opened });
        if self.shown {
            desk.send(session, ServerMessage::RingingThere { call: self.row.call });
        }
    }

    /// After the caller's device came back while it rings.
    pub(super) fn tell_again(&self, device: &DeviceId, session: SessionId, desk: &mut Desk) {
        if self.row.stage == Stage::Ringing && self.row.from_device == *device {
            self.tell_opened(session, desk);
        }
    }

    /// Rings a device of the person rung, if it is connected and was not told yet.
    pub(super) fn ring_device(&mut self, device: DeviceId, desk: &mut Desk) {
        let rung = self.row.stage == Stage::Ringing && desk.is_person(&device, self.row.to.person);
        if !rung || self.failed.contains(&device) || !desk.online.contains_key(&device) || !self.ringing.insert(device)
        {
            return;
        }
        let caller = desk.device_entry(&self.row.from_device);
        let opened = entry_at(self.row.opened_index.unwrap_or_default());
        desk.tell(&device, ServerMessage::Ringing { jws: self.row.ring.clone(), opened, device: caller });
    }

    fn rings_at(&self, device: &DeviceId, desk: &Desk) -> bool {
        self.row.stage == Stage::Ringing && desk.is_person(device, self.row.to.person)
    }

    pub(super) fn ring_shown(&mut self, from: DeviceId, desk: &mut Desk) {
        // A late message of a device that does not ring any more changes nothing.
        if self.rings_at(&from, desk) && !std::mem::replace(&mut self.shown, true) {
            desk.tell(&self.row.from_device, ServerMessage::RingingThere { call: self.row.call });
        }
    }

    pub(super) fn answer(
        &mut self,
        session: SessionId,
        from: DeviceId,
        key_package: Blob,
        desk: &mut Desk,
        now_ms: u64,
    ) {
        let again = self.row.stage == Stage::Live && self.row.answerer == Some(from) && !self.members.contains(&from);
        if !again && !self.rings_at(&from, desk) {
            let text = "another device has answered this call, or it does not ring here";
            return desk.refuse(session, Some(self.row.call), RefusalCode::NotAllowed, text);
        }
        self.arrive(from, session);
        if !again {
            self.row.stage = Stage::Live;
            self.row.answerer = Some(from);
            self.row.answered_ms = Some(now_ms);
            desk.write(Write::CallAnswered(self.row.call, from, now_ms));
            for other in std::mem::take(&mut self.ringing) {
                if other != from {
                    desk.tell(&other, ServerMessage::TakenElsewhere { call: self.row.call });
                    self.drop_leg(other, desk);
                }
            }
            self.notify_staff(desk);
        }
        self.wait(Ask { device: from, key_package, answer: true }, desk, now_ms);
    }

    /// What is due: removes members that were lost for too long, and says if the call is over.
    pub(super) fn due(&mut self, desk: &mut Desk, now_ms: u64) -> Option<Ended> {
        match self.row.stage {
            Stage::Opening | Stage::Ended => return None,
            Stage::Ringing => {
                if now_ms >= self.row.opened_ms + RING_TIMEOUT_MS {
                    return Some(Ended::Missed);
                }
                if self.abandoned_by(self.row.from.person, desk, now_ms) {
                    return Some(Ended::Interrupted);
                }
            }
            Stage::Live => {
                let sides = [self.row.from.person, self.row.to.person];
                if sides.into_iter().any(|side| self.abandoned_by(side, desk, now_ms)) {
                    return Some(Ended::Interrupted);
                }
            }
        }
        self.takers_due(desk, now_ms);
        let long_lost: Vec<DeviceId> =
            self.lost.iter().filter(|(_, since)| now_ms >= *since + ABANDONED_AFTER_MS).map(|(d, _)| *d).collect();
        for device in &long_lost {
            self.leave(*device, desk);
        }
        if !long_lost.is_empty() {
            self.notify_staff(desk);
        }
        None
    }
}
