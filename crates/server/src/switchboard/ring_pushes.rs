//! Rings whose devices are not connected: they are notified by Web Push, and their page, once it is open, is rung.
//!
//! Which devices were notified is stored with the ring, until each was told that it is over or is connected by then. After a restart
//! what no push service took is stated again: the same ring replaces itself, at the push service and on the screen.

use super::{
    Switchboard,
    call::Call,
    context::Context,
    port::{Output, Push, PushCommand, SessionId},
};
use crate::{
    limits::{
        MAX_DEVICES_NOTIFIED_OF_A_RING, MISSED_RING_PUSH_TTL_MS, NOTIFIED_UNLESS_SHOWN_MS, RING_OVER_PUSH_TTL_MS,
    },
    store::{PushWrite, RingPushRow, Stage, Write},
};
use telcon_proto::{CallId, DeviceId, Ended, PersonId, limits::RING_TIMEOUT_MS, push::PushAbout};

/// Whether a ring that ended in this way without an answer was missed: nobody who was rung decided it.
pub(super) fn is_missed(how: Ended) -> bool {
    match how {
        Ended::Missed | Ended::Cancelled | Ended::Busy | Ended::Interrupted | Ended::Failed => true,
        Ended::Declined | Ended::HungUp | Ended::Revoked => false,
    }
}

impl Context {
    /// Sends a message to a device that is subscribed. Returns whether it is.
    pub(super) fn push_to(&mut self, device: DeviceId, about: PushAbout, until_ms: u64) -> bool {
        let Some(row) = self.push.get(&device) else { return false };
        let push = Push { to: row.clone(), about, until_ms };
        self.output(Output::Push(PushCommand::Send(Box::new(push))));
        true
    }

    fn write_push(&mut self, write: PushWrite) {
        self.write(Write::Push(write));
    }
}

impl Call {
    /// Notifies the subscribed of these devices of the ring, unless they are connected or were notified before.
    pub(super) fn notify_devices(&mut self, devices: impl IntoIterator<Item = DeviceId>, context: &mut Context) {
        for device in devices {
            let concerned = self.rings_at(&device, context) && !self.failed.contains(&device);
            if !concerned || self.is_shown_on(&device, context) || self.notified.contains_key(&device) {
                continue;
            }
            if self.push_ring(device, context) {
                context.write_push(PushWrite::Ring(self.row.call, device, self.ring_until_ms()));
                self.notified.insert(device, false);
            }
        }
    }

    /// Whether a device is connected and, as far as is known, shows the ring or will in a moment.
    fn is_shown_on(&self, device: &DeviceId, context: &Context) -> bool {
        let is_late = self.notify_ms.is_none() && self.ringing.contains(device);
        context.directory.session_of(device).is_some() && (self.shown_by.contains(device) || !is_late)
    }

    /// Sets the time at which connected devices are notified that do not show the ring by then, if there are such that can be.
    pub(super) fn notify_unless_shown(&mut self, context: &Context, now_ms: u64) {
        if self.ringing.iter().any(|device| context.push.get(device).is_some()) {
            self.notify_ms = Some(now_ms + NOTIFIED_UNLESS_SHOWN_MS);
        }
    }

    /// Notifies the subscribed devices of a principal who is asked to this call while their page is closed. Opened, the page shows the
    /// call.
    pub(super) fn notify_asked(&mut self, principal: PersonId, context: &mut Context, now_ms: u64) {
        let until_ms = now_ms + RING_TIMEOUT_MS;
        let about = PushAbout::Asked { call: self.row.call, until_ms };
        let closed: Vec<DeviceId> = context
            .directory
            .notifiable_devices_of(principal)
            .filter(|device| !self.concerns(device))
            .take(MAX_DEVICES_NOTIFIED_OF_A_RING)
            .collect();
        for device in closed {
            if context.push_to(device, about, until_ms) {
                context.write_push(PushWrite::Ring(self.row.call, device, until_ms));
                self.notified.insert(device, false);
            }
        }
    }

    fn push_ring(&self, device: DeviceId, context: &mut Context) -> bool {
        let until_ms = self.ring_until_ms();
        context.push_to(device, PushAbout::Ring { call: self.row.call, until_ms }, until_ms)
    }

    /// The ring need not be sent to this device any more. Returns whether it had to be until now.
    pub(super) fn ring_taken(&mut self, device: DeviceId, context: &mut Context) -> bool {
        let Some(taken @ false) = self.notified.get_mut(&device) else { return false };
        *taken = true;
        context.write_push(PushWrite::RingTaken(self.row.call, device));
        true
    }

    /// A device is connected, or shows the ring: it need not be notified any more.
    pub(super) fn withdraw_notification(&mut self, device: DeviceId, context: &mut Context) {
        if self.ring_taken(device, context) {
            context.output(Output::Push(PushCommand::Withdraw(device, self.row.call)));
        }
    }

    /// Whether a device was notified that is not connected: its person may come, and be rung.
    pub(super) fn awaits_notified(&self, context: &Context) -> bool {
        self.notified.keys().any(|device| context.directory.session_of(device).is_none())
    }

    /// It does not ring any more: the devices that were notified are told, unless they show it.
    pub(super) fn end_notifications(&mut self, missed: bool, context: &mut Context, now_ms: u64) {
        self.only_notified = false;
        for device in std::mem::take(&mut self.notified).into_keys() {
            self.end_notification(device, missed, context, now_ms);
        }
    }

    /// It does not ring any more for this person, who has handed it on.
    pub(super) fn end_notifications_of(&mut self, person: PersonId, context: &mut Context, now_ms: u64) {
        let of = |device: &DeviceId| context.directory.is_person(device, person);
        let devices: Vec<DeviceId> = self.notified.keys().filter(|device| of(device)).copied().collect();
        for device in devices {
            self.notified.remove(&device);
            self.end_notification(device, false, context, now_ms);
        }
    }

    fn end_notification(&self, device: DeviceId, missed: bool, context: &mut Context, now_ms: u64) {
        let call = self.row.call;
        let until_ms = now_ms + if missed { MISSED_RING_PUSH_TTL_MS } else { RING_OVER_PUSH_TTL_MS };
        let shows = context.directory.session_of(&device).is_some() && self.shown_by.contains(&device);
        if !shows && context.push_to(device, PushAbout::RingOver { call, missed }, until_ms) {
            context.write_push(PushWrite::RingOver(call, device, missed, until_ms));
        } else {
            context.write_push(PushWrite::RingSettled(call, device));
        }
    }
}

impl Switchboard {
    /// Devices that can be notified of this ring: the callee's, and those of people who may answer for them.
    pub(super) fn notifiable_devices(&self, id: CallId) -> Vec<DeviceId> {
        let Some(call) = self.calls.get(&id) else { return Vec::new() };
        let (from, to) = (call.row.from.person, call.row.to.person);
        let answerers = self.context.delegations.answerers(to).into_iter().filter(|person| *person != from);
        let people = std::iter::once(to).chain(answerers);
        people
            .flat_map(|person| self.context.directory.notifiable_devices_of(person))
            .filter(|device| call.rings_at(device, &self.context))
            .take(MAX_DEVICES_NOTIFIED_OF_A_RING)
            .collect()
    }

    /// Some time after it began to ring, or the server was restarted: devices that do not show it are notified.
    pub(super) fn notify_late(&mut self, id: CallId, now_ms: u64) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.row.stage != Stage::Ringing || call.notify_ms.take_if(|at| *at <= now_ms).is_none() {
            return;
        }
        let (from, to) = (call.row.from.person, call.row.to.person);
        let principal = call.row.on_behalf.as_ref().map(|(_, principal)| principal.person);
        let frozen: Vec<DeviceId> = call.ringing.difference(&call.shown_by).copied().collect();
        if self.silenced.is_silenced(to, from, principal) {
            return;
        }
        let devices = self.notifiable_devices(id);
        if let Some(call) = self.calls.get_mut(&id) {
            call.notify_devices(devices.into_iter().chain(frozen), &mut self.context);
            call.only_notified |= call.ringing.is_empty() && !call.notified.is_empty();
        }
    }

    /// The calls that ring at the device of this connection.
    pub(super) fn rings_on(&self, session: SessionId) -> Vec<CallId> {
        let Some(device) = self.context.directory.session(session).map(|session| session.device) else {
            return Vec::new();
        };
        let rings = |id: &CallId| self.calls.get(id).is_some_and(|call| call.ringing.contains(&device));
        self.calls.of_device(&device).into_iter().filter(rings).collect()
    }

    /// A page was closed or lost its connection while it rang: its device is notified.
    pub(super) fn notify_of(&mut self, rings: Vec<CallId>, device: DeviceId) {
        for id in rings {
            if let Some(call) = self.calls.get_mut(&id) {
                call.notify_devices([device], &mut self.context);
            }
        }
    }

    /// A device can be sent nothing more. A ring of which nobody else knows is missed.
    pub(super) fn forget_ring_pushes(&mut self, device: DeviceId, now_ms: u64) {
        for id in self.calls.of_device(&device) {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            let known = call.notified.remove(&device).is_some();
            if known && call.only_notified && call.notified.is_empty() {
                self.end_unless_it_rings(id, Ended::Missed, now_ms);
            }
        }
    }

    /// The push service took a message about a ring, or it is of no use any more.
    pub(super) fn ring_pushed(&mut self, device: DeviceId, about: PushAbout) {
        match about {
            PushAbout::Ring { call, .. } | PushAbout::Asked { call, .. } => {
                if let Some(call) = self.calls.get_mut(&call) {
                    call.ring_taken(device, &mut self.context);
                }
            }
            PushAbout::RingOver { call, .. } => {
                self.context.write_push(PushWrite::RingSettled(call, device));
            }
            PushAbout::Alert { .. } => {}
        }
    }

    /// As stored. Calls and subscriptions are restored before.
    pub(super) fn restore_ring_pushes(&mut self, rows: Vec<RingPushRow>, now_ms: u64) {
        for RingPushRow { call: id, device, until_ms, taken, over } in rows {
            let ringing = self.calls.get(&id).is_some_and(|call| call.row.stage == Stage::Ringing);
            if let Some(call) = self.calls.get_mut(&id).filter(|_| ringing && over.is_none()) {
                call.notified.insert(device, taken);
                call.only_notified = true;
                if !taken {
                    call.push_ring(device, &mut self.context);
                }
                continue;
            }
            let about = PushAbout::RingOver { call: id, missed: over.unwrap_or(false) };
            if until_ms <= now_ms || !self.context.push_to(device, about, until_ms) {
                self.context.write_push(PushWrite::RingSettled(id, device));
            }
        }
    }
}

#[cfg(test)]
mod tests;
