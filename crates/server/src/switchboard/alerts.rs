//! Alerts for devices whose role may see alerts. An alert is an entry of the log: it is sent to them once the log has it, and a
//! restart appends what is missing. What happens again within [`ALERT_INTERVAL_MS`] is counted into the next entry about the same.
//! Such counts are in memory until that entry: a restart of the server loses those of the running interval, at most, and never the
//! first of a kind.

use super::{
    Effects, Switchboard,
    context::{Context, Timer},
    port::{PendingAppend, SessionId},
};
use crate::{
    allowance::{Allowance, Rate},
    limits::{ALERT_PAUSE_MS, ALERTS_OF_A_KIND, LOG_RETRY_MS, RECENT_ALERTS},
    store::{AlertId, AlertRow, Write},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use telcon_proto::{
    AlertKind, CallId, DeviceId, InvitationId, OfficeAlert, Role, ServerMessage,
    alert::{AlertSeen, ReportedAlert},
    entry::Entry,
    limits::{ALERT_INTERVAL_MS, ALERTS_AT_SIGN_IN, MAX_ALERTS_PER_PAGE},
    message::RefusalCode,
    policy::{Action, ROLES, allows},
};

/// How often alerts of one kind about something else than before get an entry of their own.
const KIND_RATE: Rate = Rate::every_ms(ALERT_PAUSE_MS, ALERTS_OF_A_KIND);

/// What an alert is about: entries about the same are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Topic {
    kind: AlertKind,
    device: Option<DeviceId>,
    invitation: Option<InvitationId>,
}

impl Topic {
    pub fn device(kind: AlertKind, device: DeviceId) -> Self {
        Self { kind, device: Some(device), invitation: None }
    }

    pub fn invitation(kind: AlertKind, invitation: InvitationId, device: Option<DeviceId>) -> Self {
        Self { kind, device, invitation: Some(invitation) }
    }

    /// Several of one kind together.
    fn all(kind: AlertKind) -> Self {
        Self { kind, device: None, invitation: None }
    }

    /// By what it is counted: one invitation may be opened by any number of devices.
    fn counted(self) -> Self {
        Self { device: self.device.filter(|_| self.invitation.is_none()), ..self }
    }

    fn row(self, time_ms: u64, call: Option<CallId>, count: u64) -> AlertRow {
        let Self { kind, device, invitation } = self;
        AlertRow { time_ms, kind, device, invitation, call, count, log_index: None, seen: None }
    }
}

/// What happened again since the last entry about it.
#[derive(Debug)]
struct Repeated {
    count: u64,
    /// When the next entry about it may be written, milliseconds.
    due_ms: u64,
}

/// The office's alerts, as far as they are in memory.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    repeated: BTreeMap<Topic, Repeated>,
    /// Not known to be in the log.
    pending: BTreeMap<AlertId, AlertRow>,
    /// The log failed: when to append them again.
    retry_ms: Option<u64>,
    kinds: BTreeMap<AlertKind, Allowance>,
    /// The newest that are in the log, newest first.
    newest: VecDeque<OfficeAlert>,
    /// Log indices of those that no officer has seen: 8 bytes each, and their number is limited by that of entries.
    unseen: BTreeSet<u64>,
}

impl Alerts {
    /// As stored: what was raised within the interval is counted as before the restart.
    pub fn restore(stored: Vec<AlertRow>, unseen: Vec<u64>, context: &mut Context, now_ms: u64) -> Self {
        let mut this = Self { unseen: unseen.into_iter().collect(), ..Self::default() };
        for row in stored {
            // Raised in the future: the clock was set back since, and the interval is no longer than any other.
            let due_ms = row.time_ms.min(now_ms).saturating_add(ALERT_INTERVAL_MS);
            if row.kind.has_own_entry() && due_ms > now_ms {
                let topic = Topic { kind: row.kind, device: row.device, invitation: row.invitation }.counted();
                let known = this.repeated.entry(topic).or_insert(Repeated { count: 0, due_ms });
                known.due_ms = known.due_ms.max(due_ms);
            }
            match row.shown() {
                Some(alert) => this.newest.push_back(alert),
                None => {
                    context.append(PendingAppend::Alert(row.id()), entry(&row));
                    this.pending.insert(row.id(), row);
                }
            }
        }
        this
    }

    /// Something happened. It gets an entry, or is counted into the next one about the same.
    pub fn raise(&mut self, topic: Topic, call: Option<CallId>, context: &mut Context, now_ms: u64) {
        // Few: their number is limited by `KIND_RATE`.
        self.repeated.retain(|_, repeated| repeated.count > 0 || repeated.due_ms > now_ms);
        let mut shown = topic;
        let mut counted = topic.counted();
        if !self.repeated.contains_key(&counted) && !self.kinds.entry(topic.kind).or_default().take(KIND_RATE, now_ms) {
            (shown, counted) = (Topic::all(topic.kind), Topic::all(topic.kind));
        }
        if let Some(repeated) = self.repeated.get_mut(&counted) {
            repeated.count = repeated.count.saturating_add(1);
            return self.set_timer(context);
        }
        self.repeated.insert(counted, Repeated { count: 0, due_ms: now_ms + ALERT_INTERVAL_MS });
        self.append(shown.row(now_ms, call, 1), context);
    }

    fn append(&mut self, row: AlertRow, context: &mut Context) {
        context.write(Write::Alert(Box::new(row.clone())));
        context.append(PendingAppend::Alert(row.id()), entry(&row));
        self.pending.insert(row.id(), row);
    }

    /// Intervals are over, or the log failed and is tried again.
    pub fn due(&mut self, context: &mut Context, now_ms: u64) {
        if self.retry_ms.take_if(|at| *at <= now_ms).is_some() {
            for (id, row) in &self.pending {
                context.append(PendingAppend::Alert(*id), entry(row));
            }
        }
        let is_due = |repeated: &Repeated| repeated.count > 0 && repeated.due_ms <= now_ms;
        let due: Vec<Topic> =
            self.repeated.iter().filter(|(_, repeated)| is_due(repeated)).map(|(topic, _)| *topic).collect();
        for topic in due {
            let next = Repeated { count: 0, due_ms: now_ms + ALERT_INTERVAL_MS };
            if let Some(Repeated { count, .. }) = self.repeated.insert(topic, next) {
                self.append(topic.row(now_ms, None, count), context);
            }
        }
        self.set_timer(context);
    }

    fn set_timer(&self, context: &mut Context) {
        let repeated = self.repeated.values().filter(|repeated| repeated.count > 0);
        let due = repeated.map(|repeated| repeated.due_ms).chain(self.retry_ms).min();
        context.timers.set(Timer::Alerts, due);
    }

    /// The log has an entry of this alert, or refused it.
    pub fn logged(&mut self, id: AlertId, index: Option<u64>, context: &mut Context, now_ms: u64) {
        match index {
            Some(index) => {
                let Some(row) = self.pending.remove(&id) else { return };
                self.add(AlertRow { log_index: Some(index), ..row }, context);
            }
            None => {
                self.retry_ms = Some(now_ms + LOG_RETRY_MS);
                self.set_timer(context);
            }
        }
    }

    /// An alert is in the log: it is sent to the devices whose role may see alerts.
    pub fn add(&mut self, row: AlertRow, context: &mut Context) {
        // A revocation whose entry the log reported as failed may be reported again.
        let known = |alert: &OfficeAlert| self.newest.iter().any(|other| other.log_index == alert.log_index);
        let Some(alert) = row.shown().filter(|alert| !known(alert)) else { return };
        context.write(Write::Alert(Box::new(row)));
        self.unseen.insert(alert.log_index);
        let at = self.newest.iter().position(|other| other.log_index < alert.log_index);
        self.newest.insert(at.unwrap_or(self.newest.len()), alert.clone());
        self.newest.truncate(RECENT_ALERTS);
        context.push_alert(&alert);
        self.tell(vec![alert], context);
    }

    fn tell(&self, changed: Vec<OfficeAlert>, context: &mut Context) {
        let roles = ROLES.into_iter().filter(|role| allows(*role, Action::SeeAlerts));
        let sessions: Vec<_> = roles.flat_map(|role| context.directory.sessions_of_role(role)).collect();
        for session in sessions {
            context.send(session, ServerMessage::Alerts { changed: changed.clone(), unseen: self.unseen.len() as u64 });
        }
    }

    /// The newest that are in the log, oldest first.
    pub fn oldest_first(&self) -> impl Iterator<Item = &OfficeAlert> {
        self.newest.iter().rev()
    }

    /// What a device whose role may see alerts is sent when it signs in.
    pub fn at_sign_in(&self) -> ServerMessage {
        let changed = self.newest.iter().take(ALERTS_AT_SIGN_IN).cloned().collect();
        ServerMessage::Alerts { changed, unseen: self.unseen.len() as u64 }
    }

    fn see(&mut self, alerts: &[u64], by: DeviceId, context: &mut Context, now_ms: u64) {
        let seen = AlertSeen { by, at_ms: now_ms };
        let mut changed = Vec::new();
        let first = alerts.iter().filter(|index| self.unseen.remove(index)).copied().collect::<BTreeSet<u64>>();
        for index in &first {
            context.write(Write::AlertSeen(*index, by, now_ms));
        }
        for alert in self.newest.iter_mut().filter(|alert| first.contains(&alert.log_index)) {
            alert.seen = Some(seen);
            changed.push(alert.clone());
        }
        if !first.is_empty() {
            self.tell(changed, context);
        }
    }
}

fn entry(row: &AlertRow) -> Entry {
    Entry::AlertRaised {
        time_ms: row.time_ms,
        kind: row.kind.as_str().to_owned(),
        device: row.device,
        invitation: row.invitation,
        call: row.call,
        count: row.count,
    }
}

impl Switchboard {
    pub(super) fn raise(&mut self, topic: Topic, call: Option<CallId>, now_ms: u64) {
        self.alerts.raise(topic, call, &mut self.context, now_ms);
    }

    /// An entry that is an alert by what it states is in the log.
    pub(super) fn entry_is_alert(&mut self, index: u64, entry: &Entry) {
        if let Some(alert) = OfficeAlert::of_entry(index, entry) {
            self.alerts.add(alert.into(), &mut self.context);
        }
    }

    /// Somebody failed to prove that they are this device, or one that is not enrolled.
    pub fn sign_in_failed(&mut self, device: DeviceId, now_ms: u64) -> Effects {
        let known = self.context.directory.device(&device).is_some_and(super::Device::is_valid);
        let topic = Topic { device: known.then_some(device), ..Topic::all(AlertKind::SignInFailed) };
        self.raise(topic, None, now_ms);
        self.finish(now_ms)
    }

    /// A person signs in on this device with an account at the office's provider that becomes theirs.
    pub fn account_linked(&mut self, device: DeviceId, now_ms: u64) -> Effects {
        self.raise(Topic::device(AlertKind::AccountLinked, device), None, now_ms);
        self.finish(now_ms)
    }

    /// A device had the link of a closed invitation, which another device had used up.
    pub fn link_opened_again(&mut self, invitation: InvitationId, now_ms: u64) -> Effects {
        self.raise(Topic::invitation(AlertKind::LinkOpenedAgain, invitation, None), None, now_ms);
        self.finish(now_ms)
    }

    /// A device reports what did not verify on it.
    pub(super) fn report_alert(&mut self, from: DeviceId, kind: ReportedAlert, call: Option<CallId>, now_ms: u64) {
        self.raise(Topic::device(kind.into(), from), call, now_ms);
    }

    /// A security officer saw alerts.
    pub(super) fn see_alerts(&mut self, session: SessionId, by: DeviceId, alerts: &[u64], now_ms: u64) {
        if !self.context.directory.role(&by).is_some_and(|role| allows(role, Action::MarkAlerts)) {
            let text = "this device may not mark the office's alerts as seen";
            return self.context.refuse(session, None, RefusalCode::NotAllowed, text);
        }
        if alerts.len() > MAX_ALERTS_PER_PAGE {
            let text = "too many alerts in one message: mark fewer at once";
            return self.context.refuse(session, None, RefusalCode::TooMany, text);
        }
        self.alerts.see(alerts, by, &mut self.context, now_ms);
    }

    pub(super) fn send_alerts(&mut self, session: SessionId, role: Role) {
        if allows(role, Action::SeeAlerts) {
            let message = self.alerts.at_sign_in();
            self.context.send(session, message);
        }
    }
}

#[cfg(test)]
mod tests;
