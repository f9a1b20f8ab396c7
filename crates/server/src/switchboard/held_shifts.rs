//! What the switchboard knows of shifts: which are current, and which the log does not have.

use super::port::RequestId;
use crate::store::ShiftRow;
use std::collections::{BTreeMap, HashMap};
use telcon_proto::{DeviceId, ShiftId, shift::OnShift};

/// Shifts that last, and those of which an entry is not in the log.
#[derive(Debug, Default)]
pub(super) struct Shifts {
    /// At most one of each device lasts or begins, and some are over: few.
    pub rows: BTreeMap<ShiftId, ShiftRow>,
    /// The current one of each device.
    pub current: HashMap<DeviceId, ShiftId>,
    /// Devices with a current shift that are not connected, and since when.
    pub away: HashMap<DeviceId, u64>,
    /// Requests that wait for the log.
    pub requests: HashMap<ShiftId, RequestId>,
}

impl Shifts {
    /// The current shift of a device.
    pub fn current_at(&self, device: &DeviceId) -> Option<&ShiftRow> {
        self.rows.get(self.current.get(device)?)
    }

    /// Who is on shift at a device of a place.
    pub fn on_shift(&self, device: &DeviceId) -> Option<OnShift> {
        self.current_at(device)?.shown()
    }

    /// Whether one begins at a device.
    pub fn begins(&self, device: &DeviceId) -> bool {
        self.rows.values().any(|row| row.device == *device && row.started_index.is_none() && row.ended.is_none())
    }
}
