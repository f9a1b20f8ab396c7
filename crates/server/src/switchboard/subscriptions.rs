//! Web Push subscriptions, as far as the switchboard knows them.

use crate::store::PushRow;
use std::collections::{BTreeMap, BTreeSet};
use telcon_proto::DeviceId;

/// Web Push subscriptions, one of each device.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// By device.
    pub rows: BTreeMap<DeviceId, PushRow>,
    /// Those whose role may mark alerts as seen, which are few.
    pub alerted: BTreeSet<DeviceId>,
}

impl Subscriptions {
    /// Of a device.
    pub fn get(&self, device: &DeviceId) -> Option<&PushRow> {
        self.rows.get(device)
    }
}
