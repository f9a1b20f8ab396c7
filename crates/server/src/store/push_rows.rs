//! Rows of Web Push subscriptions of devices, and their changes.

use telcon_proto::{Blob, DeviceId};

/// A device's subscription. A device has one.
#[derive(Clone, PartialEq, Eq)]
pub struct PushRow {
    /// The device.
    pub device: DeviceId,
    /// Address at its push service.
    pub endpoint: String,
    /// Public key of its browser: an uncompressed point of P-256.
    pub key: Blob,
    /// Authentication secret of its browser.
    pub auth: Blob,
    /// Log index below which the device was told of every alert, or the alert was too old.
    pub told_below: u64,
}

/// Whoever knows the address may send: it is in no log line.
impl std::fmt::Debug for PushRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushRow")
            .field("device", &self.device)
            .field("told_below", &self.told_below)
            .finish_non_exhaustive()
    }
}

/// A change of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushWrite {
    /// A device subscribed, in place of its subscription before.
    Subscribed(Box<PushRow>),
    /// Its subscription ended.
    Ended(DeviceId),
    /// It was told of alerts: see [`PushRow::told_below`].
    Told(DeviceId, u64),
}
