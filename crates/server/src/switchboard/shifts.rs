//! Shifts at devices of places: who is at a shared device, and when that ends.
//!
//! A device of a place is signed in only while a shift is current at it. A shift is current once the log has its beginning, until it is
//! ended: by who is on shift, by the next one, by time, by idleness, or with a device that was revoked. The driver verifies passkeys.
//! A shift whose beginning the log did not take at once, or in time for a restart, never becomes current, and the log says so.

use super::{
    Switchboard,
    call::{Call, tell_members},
    context::{Context, Timer},
    port::{
        BeginningShift, CloseReason, Effects, Output, PendingAppend, Refusal, RefusalKind, Reply, RequestId, SessionId,
    },
};
use crate::{
    digest::sha256,
    limits::LOG_RETRY_MS,
    protection::MAX_AHEAD_MS,
    store::{ShiftRow, Write},
};
use std::collections::BTreeSet;
use telcon_proto::{
    Card, DeviceId, Ended, ServerMessage, ShiftId,
    entry::Entry,
    limits::MAX_SHIFT_MS,
    message::RefusalCode,
    policy::may_work_at,
    shift::{ShiftEnd, shift_commitment},
};

/// What is said to a device of a person.
pub const NOT_A_PLACE: &str = "nobody works in shifts at this device: it is not a place's";

impl Context {
    /// When the shift at a device ends that is away now, because nobody uses it; none while it is connected.
    fn idle_end_ms(&self, device: &DeviceId) -> Option<u64> {
        let since = self.shifts.away.get(device)?;
        let minutes = self.directory.role(device).map(|role| self.policy.devices.rules(role).idle_lock_minutes);
        Some(since + u64::from(minutes.unwrap_or_default()) * 60_000)
    }

    /// Sets the time at which the current shift of a device ends: by its term, or by idleness.
    fn set_shift_timer(&mut self, device: &DeviceId) {
        let Some(row) = self.shifts.current_at(device) else { return };
        let (shift, until_ms) = (row.shift, row.until_ms);
        let end_ms = self.idle_end_ms(device).map_or(until_ms, |idle| idle.min(until_ms));
        self.timers.set(Timer::Shift(shift), Some(end_ms));
    }

    /// A device that may be of a place is connected from now on.
    pub fn shift_device_connected(&mut self, device: &DeviceId) {
        if self.shifts.away.remove(device).is_some() {
            self.set_shift_timer(device);
        }
    }

    /// A device that may be of a place is not connected any more.
    pub fn shift_device_disconnected(&mut self, device: &DeviceId, now_ms: u64) {
        if self.shifts.current.contains_key(device) {
            self.shifts.away.insert(*device, now_ms);
            self.set_shift_timer(device);
        }
    }
}

impl Switchboard {
    /// Restores the shifts that lasted. Nobody is connected yet.
    pub(super) fn restore_shifts(&mut self, stored: Vec<ShiftRow>, now_ms: u64) {
        for mut row in stored {
            let id = row.shift;
            let valid = |device: &DeviceId| self.context.directory.device(device).is_some_and(|found| found.is_valid());
            let revoked = !valid(&row.device) || row.begun_with.as_ref().is_none_or(|with| !valid(with));
            // The log had not taken its beginning when the engine ended: who asked for it was refused, or is gone.
            if row.started_index.is_none() && row.ended.is_none() {
                row.ended = Some((ShiftEnd::NotBegun, now_ms));
                self.context.write(Write::ShiftEnded(id, ShiftEnd::NotBegun, now_ms));
            }
            let lasts = row.ended.is_none();
            // A time in the future proves nothing: the clock was set back since.
            let expired = now_ms >= row.until_ms || row.started_ms > now_ms.saturating_add(MAX_AHEAD_MS);
            match (row.started_index, &row.ended) {
                (None, _) => self.context.append(PendingAppend::ShiftStarted(id), started(&row)),
                (Some(_), Some(_)) => self.context.append(PendingAppend::ShiftEnded(id), ended(&row)),
                (Some(_), None) => {}
            }
            let device = row.device;
            self.context.shifts.rows.insert(id, row);
            if !lasts {
                continue;
            }
            // In the order of their beginnings: the engine may have ended before the one before was.
            let before = self.context.shifts.current.insert(device, id);
            if let Some(before) = before {
                self.end_shift(before, ShiftEnd::HandedOver, now_ms);
            }
            self.context.shifts.away.insert(device, now_ms);
            self.context.set_shift_timer(&device);
            if revoked || expired {
                self.end_shift(id, if revoked { ShiftEnd::Revoked } else { ShiftEnd::Expired }, now_ms);
            }
        }
    }

    /// The clock was set back by so much: shifts end as much earlier by the new time, so that none lasts longer than it may. The engine
    /// starts anew after this.
    pub fn clock_set_back(&mut self, by_ms: u64) -> Effects {
        let current: Vec<_> = self.context.shifts.current.values().copied().collect();
        for id in current {
            if let Some(row) = self.context.shifts.rows.get_mut(&id) {
                row.until_ms = row.until_ms.saturating_sub(by_ms);
                let until_ms = row.until_ms;
                self.context.write(Write::ShiftUntil(id, until_ms));
            }
        }
        self.context.take_effects()
    }

    /// A person begins a shift at a device of a place, with a passkey that the driver verified.
    pub fn begin_shift(&mut self, request: RequestId, new: BeginningShift, now_ms: u64) -> Effects {
        match self.may_begin(&new) {
            Ok(person) => {
                let row = ShiftRow {
                    shift: new.shift,
                    device: new.device,
                    person: Some(person),
                    begun_with: Some(new.with),
                    started_ms: now_ms,
                    until_ms: now_ms + MAX_SHIFT_MS,
                    started_index: None,
                    ended: None,
                    ended_index: None,
                };
                self.context.write(Write::Shift(Box::new(row.clone())));
                self.context.append(PendingAppend::ShiftStarted(row.shift), started(&row));
                self.context.shifts.requests.insert(row.shift, request);
                self.context.shifts.rows.insert(row.shift, row);
            }
            Err((kind, text)) => self.context.output(Output::Reply(request, Err(Refusal::new(kind, text)))),
        }
        self.finish(now_ms)
    }

    fn may_begin(&self, new: &BeginningShift) -> Result<Card, (RefusalKind, &'static str)> {
        let directory = &self.context.directory;
        let card = |device| directory.device(device).filter(|device| device.is_valid()).map(|device| &device.card);
        let forbidden = |text| (RefusalKind::Forbidden, text);
        let place = card(&new.device).filter(|card| card.place).ok_or(forbidden(NOT_A_PLACE))?;
        let person = card(&new.with).ok_or(forbidden("the device of this passkey is revoked"))?;
        if person.place {
            return Err(forbidden("this passkey protects a place's device: use your own"));
        }
        if !may_work_at(person.role, place.role) {
            let text = "your role does not allow a shift at this place: someone whose role does has to begin it";
            return Err(forbidden(text));
        }
        if self.context.shifts.begins(&new.device) || self.context.shifts.rows.contains_key(&new.shift) {
            return Err((RefusalKind::Conflict, "a shift begins at this device already: wait a moment"));
        }
        Ok(Card::clone(person))
    }

    pub(super) fn shift_logged(&mut self, id: ShiftId, index: Option<u64>, now_ms: u64) {
        let request = self.context.shifts.requests.remove(&id);
        let Some(row) = self.context.shifts.rows.get_mut(&id) else { return };
        let Some(index) = index else {
            // The entry may be in the log: then the log has to say that nobody worked in it.
            if row.ended.is_none() {
                row.ended = Some((ShiftEnd::NotBegun, now_ms));
                self.context.write(Write::ShiftEnded(id, ShiftEnd::NotBegun, now_ms));
            }
            self.context.timers.set(Timer::Shift(id), Some(now_ms + LOG_RETRY_MS));
            if let Some(request) = request {
                self.context.output(Output::Reply(request, Err(super::enrolment::log_failed())));
            }
            return;
        };
        row.started_index = Some(index);
        let (device, over) = (row.device, row.ended.is_some());
        let end = over.then(|| ended(row));
        self.context.write(Write::ShiftLogged(id, index));
        if let Some(end) = end {
            self.context.append(PendingAppend::ShiftEnded(id), end);
            if let Some(request) = request {
                let text = "this shift ended before it began: a device was revoked. Ask your security officer";
                self.context.output(Output::Reply(request, Err(Refusal::new(RefusalKind::Gone, text))));
            }
            return;
        }
        if let Some(before) = self.context.shifts.current.insert(device, id) {
            self.end_shift(before, ShiftEnd::HandedOver, now_ms);
        }
        self.context.shifts.away.insert(device, now_ms);
        self.context.set_shift_timer(&device);
        // Of the one before: it signs in again, for whoever is there now. Calls go on, with the keys that the device has.
        self.close_shift_session(device, now_ms);
        self.tell_shift(device);
        if let Some(request) = request {
            self.context.output(Output::Reply(request, Ok(Reply::Logged(index))));
        }
    }

    /// Who is on shift at the device of a connection ends the shift, or nobody used the device for too long.
    pub(super) fn end_own_shift(&mut self, session: SessionId, device: DeviceId, idle: bool, now_ms: u64) {
        match self.context.shifts.current.get(&device).copied() {
            Some(id) => self.end_shift(id, if idle { ShiftEnd::Idle } else { ShiftEnd::Ended }, now_ms),
            None => {
                let text = "nobody is on shift at this device";
                self.context.refuse(session, None, RefusalCode::NotAllowed, text);
            }
        }
    }

    /// A device was revoked: shifts at it end, and those that were begun with a passkey of it, which a thief may have.
    pub(super) fn end_shifts_of_device(&mut self, device: DeviceId, now_ms: u64) {
        let concerns =
            |row: &&ShiftRow| row.ended.is_none() && (row.device == device || row.begun_with == Some(device));
        let ids: Vec<_> = self.context.shifts.rows.values().filter(concerns).map(|row| row.shift).collect();
        for id in ids {
            self.end_shift(id, ShiftEnd::Revoked, now_ms);
        }
    }

    fn end_shift(&mut self, id: ShiftId, how: ShiftEnd, now_ms: u64) {
        let Some(row) = self.context.shifts.rows.get_mut(&id).filter(|row| row.ended.is_none()) else { return };
        row.ended = Some((how, now_ms));
        let (device, logged, entry) = (row.device, row.started_index.is_some(), ended(row));
        let person = row.person.as_ref().map(|card| card.person);
        self.context.write(Write::ShiftEnded(id, how, now_ms));
        self.context.timers.set(Timer::Shift(id), None);
        if logged {
            self.context.append(PendingAppend::ShiftEnded(id), entry);
        }
        if self.context.shifts.current.get(&device) == Some(&id) {
            self.context.shifts.current.remove(&device);
            self.context.shifts.away.remove(&device);
            self.leave_calls(device, Ended::Interrupted, now_ms);
            self.close_shift_session(device, now_ms);
            self.tell_shift(device);
        }
        // Devices of the person list shifts among their sign-ins.
        for device in person.map(|person| self.context.directory.online_devices_of(person)).unwrap_or_default() {
            self.context.tell(&device, ServerMessage::DevicesChanged {});
        }
    }

    fn close_shift_session(&mut self, device: DeviceId, now_ms: u64) {
        if let Some(session) = self.context.directory.session_of(&device) {
            self.context.close(session, CloseReason::ShiftOver);
            self.forget_session(session, now_ms);
        }
    }

    /// Tells who is concerned that somebody else, or nobody, is on shift at a device.
    fn tell_shift(&mut self, device: DeviceId) {
        let Some(place) = self.context.directory.card(&device).map(|card| card.person) else { return };
        self.tell_devices_changed(place);
        let Some(on_shift) = self.context.shifts.on_shift(&device) else { return };
        for id in self.calls.of_device(&device) {
            if let Some(call) = self.calls.get(&id).filter(|call| call.is_member(&device)) {
                let message = ServerMessage::OnShift { call: id, device, on_shift: on_shift.clone() };
                tell_members(call, &mut self.context, &[device], &message);
            }
        }
        for device in self.context.directory.online_devices_of(on_shift.person.person) {
            self.context.tell(&device, ServerMessage::DevicesChanged {});
        }
    }

    pub(super) fn shift_end_logged(&mut self, id: ShiftId, index: Option<u64>, now_ms: u64) {
        match index {
            Some(index) => {
                self.context.write(Write::ShiftEndLogged(id, index));
                self.context.shifts.rows.remove(&id);
                self.context.timers.set(Timer::Shift(id), None);
            }
            None => self.context.timers.set(Timer::Shift(id), Some(now_ms + LOG_RETRY_MS)),
        }
    }

    /// A shift has lasted long enough, nobody uses its device, or the log is tried again.
    pub(super) fn shift_due(&mut self, id: ShiftId, now_ms: u64) {
        let Some(row) = self.context.shifts.rows.get(&id) else { return };
        if row.started_index.is_none() {
            let entry = started(row);
            return self.context.append(PendingAppend::ShiftStarted(id), entry);
        }
        if row.ended.is_some() {
            let entry = ended(row);
            return self.context.append(PendingAppend::ShiftEnded(id), entry);
        }
        let (device, until_ms) = (row.device, row.until_ms);
        let idle = self.context.idle_end_ms(&device);
        if now_ms >= until_ms {
            self.end_shift(id, ShiftEnd::Expired, now_ms);
        } else if idle.is_some_and(|idle| now_ms >= idle) {
            self.end_shift(id, ShiftEnd::Idle, now_ms);
        } else {
            self.context.set_shift_timer(&device);
        }
    }
}

impl Call {
    /// Sends to those who were added, and of them to the others, who is on shift at devices of places.
    pub fn send_shifts(&self, added: &BTreeSet<DeviceId>, context: &mut Context) {
        let shifts = self.shifts(context);
        for (device, session) in self.present.iter().filter(|(device, _)| self.is_member(device)) {
            for (of, message) in &shifts {
                if of != device && (added.contains(device) || added.contains(of)) {
                    context.send(*session, message.clone());
                }
            }
        }
    }

    /// Who is on shift at its members that are devices of places.
    fn shifts(&self, context: &Context) -> Vec<(DeviceId, ServerMessage)> {
        let of = |device: &DeviceId| {
            let on_shift = context.shifts.on_shift(device)?;
            Some((*device, ServerMessage::OnShift { call: self.row.call, device: *device, on_shift }))
        };
        self.members.iter().filter_map(of).collect()
    }
}

/// The entry of a shift's beginning, which the log does not have yet.
fn started(row: &ShiftRow) -> Entry {
    let card = row.person.as_ref().expect("invariant: only a shift whose beginning the log has lacks its person");
    let person_sha256 = shift_commitment(card.person, row.shift, sha256);
    Entry::ShiftStarted { time_ms: row.started_ms, shift: row.shift, device: row.device, person_sha256 }
}

/// The entry of the end of a shift that has ended.
fn ended(row: &ShiftRow) -> Entry {
    let (how, time_ms) = row.ended.expect("invariant: it has ended");
    Entry::ShiftEnded { time_ms, shift: row.shift, how }
}

#[cfg(test)]
mod tests;
