//! Devices that were added in somebody's name: the person's other devices notify them, each until it is acknowledged there. Only on
//! that device: whoever holds the added one cannot silence the others.
//!
//! What they are to show is durable with the added device, before its entry is in the log. They are sent it before anybody else
//! learns that the log has it, and so before the added device can sign in.

use super::{Switchboard, port::SessionId};
use crate::store::{AddedDeviceRow, Write};
use std::collections::{BTreeMap, HashMap};
use telcon_identity::label_of;
use telcon_proto::{DeviceId, ServerMessage, alert::AddedDevice, limits::MAX_ADDED_DEVICES};

/// By device: the added devices of which it has to notify its person.
#[derive(Debug, Default)]
pub(super) struct AddedDevices(HashMap<DeviceId, BTreeMap<DeviceId, AddedDeviceRow>>);

impl AddedDevices {
    pub fn restore(&mut self, stored: Vec<AddedDeviceRow>) {
        for row in stored {
            self.0.entry(row.notified).or_default().insert(row.device, row);
        }
    }
}

impl Switchboard {
    /// The person's other devices are to notify them of this one. It is called when the enrolment begins and when the log has it:
    /// devices may have been added in between.
    pub(super) fn note_added_device(&mut self, device: DeviceId) {
        let directory = &self.context.directory;
        let Some(added) = directory.device(&device) else { return };
        let others: Vec<DeviceId> = directory
            .devices_of(added.card.person)
            .filter(|(id, other)| **id != device && other.is_valid())
            .map(|(id, _)| *id)
            .collect();
        if others.is_empty() {
            return;
        }
        let enrolled_ms = added.enrolled_ms;
        let approval = self.enrolling.get(&device).and_then(|enrolling| enrolling.approval);
        let request = approval.and_then(|approval| self.request_of(&approval.invitation));
        let label = request.and_then(|request| label_of(request, &self.context.policy.domain));
        for notified in others {
            let known = self.added_devices.0.entry(notified).or_default();
            // The oldest are kept: a flood must not push out the first one.
            if known.contains_key(&device) || known.len() >= MAX_ADDED_DEVICES {
                continue;
            }
            let approved_by = approval.map(|approval| approval.by);
            let row = AddedDeviceRow { notified, device, label: label.clone(), approved_by, enrolled_ms };
            known.insert(device, row.clone());
            self.context.write(Write::DeviceAdded(Box::new(row)));
        }
    }

    /// Sends the person's other devices that are connected what they have to show of this one, which the log has.
    pub(super) fn send_added_device(&mut self, device: DeviceId) {
        let Some(person) = self.context.directory.card(&device).map(|card| card.person) else { return };
        for notified in self.context.directory.online_devices_of(person) {
            if self.added_devices.0.get(&notified).is_some_and(|known| known.contains_key(&device)) {
                let message = self.devices_added(&notified);
                self.context.tell(&notified, message);
            }
        }
    }

    /// What a device that signs in has to show of added devices, if there is anything.
    pub(super) fn send_devices_added(&mut self, session: SessionId, device: DeviceId) {
        match self.devices_added(&device) {
            ServerMessage::DevicesAdded { devices } if devices.is_empty() => {}
            message => self.context.send(session, message),
        }
    }

    fn devices_added(&self, notified: &DeviceId) -> ServerMessage {
        let directory = &self.context.directory;
        let in_log = |row: &&AddedDeviceRow| directory.device(&row.device).is_some_and(|one| one.log_index.is_some());
        let rows = self.added_devices.0.get(notified).into_iter().flat_map(BTreeMap::values).filter(in_log);
        let mut devices: Vec<AddedDevice> = rows
            .map(|row| AddedDevice {
                device: row.device,
                label: row.label.clone(),
                approved_by: row.approved_by.and_then(|by| directory.card(&by)).map(|card| card.name.clone()),
                enrolled_ms: row.enrolled_ms,
            })
            .collect();
        devices.sort_by_key(|added| (added.enrolled_ms, added.device));
        ServerMessage::DevicesAdded { devices }
    }

    /// A device is revoked: it notifies nobody any more. The store forgets it with the revocation.
    pub(super) fn forget_notified(&mut self, device: &DeviceId) {
        self.added_devices.0.remove(device);
    }

    /// The person read on this device that the other one was added.
    pub(super) fn acknowledge_device(&mut self, notified: DeviceId, device: DeviceId) {
        let Some(known) = self.added_devices.0.get_mut(&notified) else { return };
        if known.remove(&device).is_none() {
            return;
        }
        if known.is_empty() {
            self.added_devices.0.remove(&notified);
        }
        self.context.write(Write::AddedDeviceAcknowledged(notified, device));
        let message = self.devices_added(&notified);
        self.context.tell(&notified, message);
    }
}

#[cfg(test)]
mod tests;
