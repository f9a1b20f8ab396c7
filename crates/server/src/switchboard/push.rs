//! Web Push subscriptions, and which devices are notified of alerts while their page is closed. A push message about an alert follows
//! from a log entry: it is sent once the log has the entry. After a restart, messages that were not delivered are sent again.
//! Messages about rings are in [`super::ring_pushes`].

use super::{
    Effects, Switchboard,
    context::Context,
    port::{Output, PushCommand, Refusal, RefusalKind, Reply, RequestId},
};
use crate::{
    limits::{ALERT_PUSH_TTL_MS, MAX_PUSH_SUBSCRIPTIONS, MAX_PUSHES_PER_DEVICE},
    store::{PushRow, PushWrite, Write},
};
use telcon_proto::{
    DeviceId, OfficeAlert, access,
    policy::{Action, allows, refusal},
    push::PushAbout,
};

impl Context {
    /// An alert is in the log: it is pushed to the subscribed devices of security officers.
    pub fn push_alert(&mut self, alert: &OfficeAlert) {
        let officers: Vec<DeviceId> =
            self.push.alerted.iter().copied().filter(|device| self.is_alerted(device)).collect();
        for device in officers {
            self.push_alert_to(device, alert);
        }
    }

    /// Keeps a subscription.
    fn add_push(&mut self, row: PushRow) {
        let Some(role) = self.directory.role(&row.device) else { return };
        if allows(role, Action::MarkAlerts) {
            self.push.alerted.insert(row.device);
        }
        if allows(role, Action::Answer) || allows(role, Action::ActForPrincipal) {
            self.directory.set_notifiable(&row.device, true);
        }
        self.push.rows.insert(row.device, row);
    }

    /// Returns whether there was one.
    fn remove_push(&mut self, device: &DeviceId) -> bool {
        self.push.alerted.remove(device);
        self.directory.set_notifiable(device, false);
        self.push.rows.remove(device).is_some()
    }

    fn push_alert_to(&mut self, device: DeviceId, alert: &OfficeAlert) {
        let about = PushAbout::Alert { kind: alert.kind, entry: alert.log_index };
        self.push_to(device, about, alert.time_ms.saturating_add(ALERT_PUSH_TTL_MS));
    }

    /// Whether push messages of alerts go to this device: it is valid, and its role may mark alerts as seen.
    fn is_alerted(&self, device: &DeviceId) -> bool {
        self.directory.device(device).is_some_and(super::Device::is_valid)
            && self.directory.role(device).is_some_and(|role| allows(role, Action::MarkAlerts))
    }

    /// Why a device may not subscribe; none if it may.
    fn refuses_push(&self, device: &DeviceId) -> Option<String> {
        let role = self.directory.device(device).filter(|device| device.is_valid()).map(|device| device.card.role);
        match role {
            Some(role) => access::NOTIFIED.refuses(role),
            None => Some(refusal(&[])),
        }
    }
}

impl Switchboard {
    /// As stored.
    pub(super) fn restore_push(&mut self, rows: Vec<PushRow>, now_ms: u64) {
        self.context.output(Output::Push(PushCommand::Restart));
        rows.into_iter().for_each(|row| self.context.add_push(row));
        let devices: Vec<DeviceId> = self.context.push.alerted.iter().copied().collect();
        for device in devices {
            self.push_missed(device, now_ms);
        }
    }

    /// Pushes the alerts of which a device was not notified, as far as they are in memory and not too old.
    fn push_missed(&mut self, device: DeviceId, now_ms: u64) {
        let Some(below) = self.context.push.get(&device).map(|row| row.notified_below) else { return };
        if !self.context.is_alerted(&device) {
            return;
        }
        let recent = |alert: &&OfficeAlert| alert.time_ms.saturating_add(ALERT_PUSH_TTL_MS) > now_ms;
        let missed = self.alerts.oldest_first().filter(|alert| alert.log_index >= below).filter(recent);
        let missed: Vec<OfficeAlert> = missed.cloned().collect();
        // Oldest first: no more than are kept for the device.
        for alert in missed.iter().skip(missed.len().saturating_sub(MAX_PUSHES_PER_DEVICE)) {
            self.context.push_alert_to(device, alert);
        }
    }

    /// A device subscribes, in place of its subscription before. `row` was checked, except for [`PushRow::notified_below`].
    pub fn subscribe(&mut self, request: RequestId, row: PushRow, now_ms: u64) -> Effects {
        let device = row.device;
        let before = self.context.push.get(&device);
        let refusal = if let Some(text) = self.context.refuses_push(&device) {
            Some(Refusal::new(RefusalKind::Forbidden, text))
        } else if before.is_none() && self.context.push.rows.len() >= MAX_PUSH_SUBSCRIPTIONS {
            let text =
                "the office has reached its limit of push subscriptions: turn notifications off on another device";
            Some(Refusal::new(RefusalKind::Conflict, text))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.context.output(Output::Reply(request, Err(refusal)));
            return self.finish(now_ms);
        }
        // A new subscription starts with the next alert; one that replaces another also gets what that one missed.
        let next = || self.alerts.oldest_first().last().map_or(0, |alert| alert.log_index + 1);
        let notified_below = before.map_or_else(next, |before| before.notified_below);
        let row = PushRow { notified_below, ..row };
        let again = before.is_some_and(|before| *before != row);
        self.context.write(Write::Push(PushWrite::Subscribed(Box::new(row.clone()))));
        self.context.add_push(row);
        self.push_changed(device);
        if again {
            self.context.output(Output::Push(PushCommand::Forget(device)));
            self.push_missed(device, now_ms);
        }
        self.context.output(Output::Reply(request, Ok(Reply::PushStored)));
        self.finish(now_ms)
    }

    /// A device's subscription ends.
    pub fn unsubscribe(&mut self, request: RequestId, device: DeviceId, now_ms: u64) -> Effects {
        self.end_push(device, now_ms);
        self.context.output(Output::Reply(request, Ok(Reply::PushStored)));
        self.finish(now_ms)
    }

    /// The push service took a message for a device, or it is of no use any more.
    pub fn pushed(&mut self, device: DeviceId, about: PushAbout, now_ms: u64) -> Effects {
        self.ring_pushed(device, about);
        if let PushAbout::Alert { entry, .. } = about
            && let Some(row) = self.context.push.rows.get_mut(&device).filter(|row| row.notified_below <= entry)
        {
            row.notified_below = entry + 1;
            self.context.write(Write::Push(PushWrite::NotifiedBelow(device, entry + 1)));
        }
        self.finish(now_ms)
    }

    /// The push service does not know this address any more.
    pub fn push_gone(&mut self, device: DeviceId, endpoint: &str, now_ms: u64) -> Effects {
        // The device may have subscribed again meanwhile.
        if self.context.push.get(&device).is_some_and(|row| row.endpoint == endpoint) {
            self.end_push(device, now_ms);
        }
        self.finish(now_ms)
    }

    fn end_push(&mut self, device: DeviceId, now_ms: u64) {
        if self.context.push.get(&device).is_some() {
            self.context.write(Write::Push(PushWrite::Ended(device)));
            self.forget_push(device, now_ms);
        }
    }

    /// Whether a person is notified of rings has changed, which is in the lists of those who may ring them.
    fn push_changed(&mut self, device: DeviceId) {
        if let Some(person) = self.context.directory.card(&device).map(|card| card.person) {
            self.person_changed(person);
        }
    }

    /// A device is revoked, whose subscription is erased with it.
    pub(super) fn forget_push(&mut self, device: DeviceId, now_ms: u64) {
        if self.context.remove_push(&device) {
            self.context.output(Output::Push(PushCommand::Forget(device)));
            self.forget_ring_pushes(device, now_ms);
            self.push_changed(device);
        }
    }
}

#[cfg(test)]
mod tests;
