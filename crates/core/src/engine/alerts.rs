//! Alerts: what this device reports to the office's security officers, what it shows them if its person is one, and devices that
//! were added in its person's name.

use crate::{
    Engine,
    view::{ConnectionState, OfficeAlertsView},
};
use telcon_proto::{
    CallId, ClientMessage, DeviceId, OfficeAlert,
    alert::{AddedDevice, ReportedAlert},
    limits::{ALERTS_AT_SIGN_IN, MAX_ADDED_DEVICES, MAX_ALERTS_PER_PAGE},
    printable::printable,
};

/// Reports that wait for a sign-in, one of each kind and call. Further ones are dropped: the office counts the reports of one kind by
/// one device together.
const MAX_WAITING_REPORTS: usize = 8;
/// How much of what the office says of an added device is shown, characters.
const MAX_SHOWN_CHARS: usize = 128;

/// What this device knows of alerts.
#[derive(Default)]
pub(super) struct Alerts {
    /// What the office sent, if this device may see alerts.
    office: Option<OfficeAlertsView>,
    /// Devices that were added in this person's name and not acknowledged here.
    added: Vec<AddedDevice>,
    /// Reports that wait for a sign-in.
    waiting: Vec<(ReportedAlert, Option<CallId>)>,
}

impl Engine {
    /// Something did not verify here: the office logs it, for its security officers. A server that withholds the report cannot
    /// withhold what this device's own screen says.
    pub(super) fn report(&mut self, kind: ReportedAlert, call: Option<CallId>) {
        if self.phase == ConnectionState::Ready {
            self.send(ClientMessage::ReportAlert { kind, call });
        } else if self.alerts_known.waiting.len() < MAX_WAITING_REPORTS
            && !self.alerts_known.waiting.contains(&(kind, call))
        {
            self.alerts_known.waiting.push((kind, call));
        }
    }

    /// At sign-in: what follows is the whole list of added devices, and what waited is reported. The office's alerts stay: they
    /// are entries of its log, and what follows is merged into them.
    pub(super) fn reset_alerts(&mut self) {
        self.alerts_known.added.clear();
        for (kind, call) in std::mem::take(&mut self.alerts_known.waiting) {
            self.send(ClientMessage::ReportAlert { kind, call });
        }
    }

    /// The office reports alerts that are new or were seen.
    pub(super) fn on_alerts(&mut self, changed: Vec<OfficeAlert>, unseen: u64) {
        let known = self.alerts_known.office.get_or_insert_default();
        for alert in changed {
            known.newest.retain(|other| other.log_index != alert.log_index);
            known.newest.push(alert);
        }
        known.newest.sort_by_key(|alert| std::cmp::Reverse(alert.log_index));
        known.newest.truncate(ALERTS_AT_SIGN_IN);
        known.unseen = unseen;
        known.changes = known.changes.wrapping_add(1);
    }

    /// The office lists the devices that were added in this person's name.
    pub(super) fn on_devices_added(&mut self, devices: Vec<AddedDevice>) {
        let shown = |text: String| printable(&text).chars().take(MAX_SHOWN_CHARS).collect();
        let devices = devices.into_iter().take(MAX_ADDED_DEVICES).map(|added| AddedDevice {
            label: added.label.map(shown),
            approved_by: added.approved_by.map(shown),
            ..added
        });
        self.alerts_known.added = devices.collect();
    }

    pub(super) fn see_alerts(&mut self, alerts: Vec<u64>) {
        for alerts in alerts.chunks(MAX_ALERTS_PER_PAGE) {
            self.send(ClientMessage::SeeAlerts { alerts: alerts.to_vec() });
        }
    }

    pub(super) fn acknowledge_device(&mut self, device: DeviceId) {
        self.send(ClientMessage::AcknowledgeDevice { device });
    }

    pub(super) fn office_alerts_view(&self) -> Option<OfficeAlertsView> {
        self.alerts_known.office.clone()
    }

    pub(super) fn added_devices_view(&self) -> Vec<AddedDevice> {
        self.alerts_known.added.clone()
    }
}
