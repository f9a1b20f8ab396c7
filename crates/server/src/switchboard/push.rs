//! Which devices are told what by Web Push, while their page is closed. A message follows from a log entry: it is sent once the log
//! has it. A restart states again what a device was not told of.

use super::{
    Effects, Switchboard,
    context::Context,
    port::{Output, Push, PushCommand, Refusal, RefusalKind, Reply, RequestId},
};
use crate::{
    limits::{ALERT_PUSH_TTL_MS, MAX_PUSH_SUBSCRIPTIONS},
    store::{PushRow, PushWrite, Write},
};
use telcon_proto::{
    DeviceId, OfficeAlert,
    policy::{Action, allows},
    push::PushAbout,
};

impl Context {
    /// An alert is in the log: security officers' devices that subscribed are told.
    pub fn push_alert(&mut self, alert: &OfficeAlert) {
        let officers: Vec<DeviceId> = self.push.0.keys().copied().filter(|device| self.is_alerted(device)).collect();
        for device in officers {
            self.push_alert_to(device, alert);
        }
    }

    fn push_alert_to(&mut self, device: DeviceId, alert: &OfficeAlert) {
        let Some(row) = self.push.0.get(&device) else { return };
        let about = PushAbout::Alert { kind: alert.kind, entry: alert.log_index };
        let until_ms = alert.time_ms.saturating_add(ALERT_PUSH_TTL_MS);
        let push = Push { to: row.clone(), about, until_ms };
        self.output(Output::Push(PushCommand::Send(Box::new(push))));
    }

    /// Whether a device may see the office's alerts now.
    fn is_alerted(&self, device: &DeviceId) -> bool {
        self.directory.device(device).is_some_and(super::Device::is_valid)
            && self.directory.role(device).is_some_and(|role| allows(role, Action::MarkAlerts))
    }
}

impl Switchboard {
    /// As stored.
    pub(super) fn restore_push(&mut self, rows: Vec<PushRow>, now_ms: u64) {
        self.context.output(Output::Push(PushCommand::Restart));
        self.context.push.0 = rows.into_iter().map(|row| (row.device, row)).collect();
        let devices: Vec<DeviceId> = self.context.push.0.keys().copied().collect();
        for device in devices {
            self.push_missed(device, now_ms);
        }
    }

    /// States the alerts of which a device was not told, as far as they are in memory and of use.
    fn push_missed(&mut self, device: DeviceId, now_ms: u64) {
        let Some(below) = self.context.push.0.get(&device).map(|row| row.told_below) else { return };
        if !self.context.is_alerted(&device) {
            return;
        }
        let recent = |alert: &&OfficeAlert| alert.time_ms.saturating_add(ALERT_PUSH_TTL_MS) > now_ms;
        let missed = self.alerts.newest().filter(|alert| alert.log_index >= below).filter(recent);
        for alert in missed.cloned().collect::<Vec<_>>() {
            self.context.push_alert_to(device, &alert);
        }
    }

    /// A device subscribes, in place of its subscription before. `row` was checked, except for [`PushRow::told_below`].
    pub fn subscribe(&mut self, request: RequestId, row: PushRow, now_ms: u64) -> Effects {
        let device = row.device;
        let before = self.context.push.0.get(&device);
        let refusal = if !self.context.is_alerted(&device) {
            let text = "this device is told of nothing while its page is closed: only a security officer's is";
            Some(Refusal::new(RefusalKind::Forbidden, text))
        } else if before.is_none() && self.context.push.0.len() >= MAX_PUSH_SUBSCRIPTIONS {
            Some(Refusal::new(RefusalKind::Conflict, "too many devices are told of alerts: turn it off on another one"))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.context.output(Output::Reply(request, Err(refusal)));
            return self.finish(now_ms);
        }
        // A device that subscribes is told of what happens from now on; one that subscribes again, also of what it missed.
        let next = || self.alerts.newest().map(|alert| alert.log_index + 1).max().unwrap_or_default();
        let told_below = before.map_or_else(next, |before| before.told_below);
        let row = PushRow { told_below, ..row };
        let again = before.is_some_and(|before| *before != row);
        self.context.write(Write::Push(PushWrite::Subscribed(Box::new(row.clone()))));
        self.context.push.0.insert(device, row);
        if again {
            self.context.output(Output::Push(PushCommand::Forget(device)));
            self.push_missed(device, now_ms);
        }
        self.context.output(Output::Reply(request, Ok(Reply::PushStored)));
        self.finish(now_ms)
    }

    /// A device's subscription ends.
    pub fn unsubscribe(&mut self, request: RequestId, device: DeviceId, now_ms: u64) -> Effects {
        self.end_push(device);
        self.context.output(Output::Reply(request, Ok(Reply::PushStored)));
        self.finish(now_ms)
    }

    /// The push service took a message for a device, or it is of no use any more.
    pub fn pushed(&mut self, device: DeviceId, about: PushAbout, now_ms: u64) -> Effects {
        let PushAbout::Alert { entry, .. } = about;
        if let Some(row) = self.context.push.0.get_mut(&device).filter(|row| row.told_below <= entry) {
            row.told_below = entry + 1;
            self.context.write(Write::Push(PushWrite::Told(device, entry + 1)));
        }
        self.finish(now_ms)
    }

    /// The push service does not know this address any more.
    pub fn push_gone(&mut self, device: DeviceId, endpoint: &str, now_ms: u64) -> Effects {
        // The device may have subscribed again meanwhile.
        if self.context.push.0.get(&device).is_some_and(|row| row.endpoint == endpoint) {
            self.end_push(device);
        }
        self.finish(now_ms)
    }

    fn end_push(&mut self, device: DeviceId) {
        if self.context.push.0.contains_key(&device) {
            self.context.write(Write::Push(PushWrite::Ended(device)));
            self.forget_push(device);
        }
    }

    /// A device is revoked, whose subscription is erased with it.
    pub(super) fn forget_push(&mut self, device: DeviceId) {
        if self.context.push.0.remove(&device).is_some() {
            self.context.output(Output::Push(PushCommand::Forget(device)));
        }
    }
}

#[cfg(test)]
mod tests;
