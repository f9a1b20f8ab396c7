//! Rows of Web Push subscriptions of devices, and their changes.

use telcon_proto::{Blob, CallId, DeviceId};

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
    /// Log index below which every alert was delivered to the device's push service, or was too old to be sent.
    pub notified_below: u64,
}

/// A ring that a device is notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPushRow {
    /// The call.
    pub call: CallId,
    /// The device.
    pub device: DeviceId,
    /// Until when what is to be sent next is of use, milliseconds since 1970 UTC.
    pub until_ms: u64,
    /// Whether the ring need not be sent any more.
    pub taken: bool,
    /// Whether it was missed, once it is over.
    pub over: Option<bool>,
}

/// Address and secrets stay out of log lines.
impl std::fmt::Debug for PushRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushRow")
            .field("device", &self.device)
            .field("notified_below", &self.notified_below)
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
    /// Alerts were delivered to its push service: see [`PushRow::notified_below`].
    NotifiedBelow(DeviceId, u64),
    /// A device is notified of a ring, until this time.
    Ring(CallId, DeviceId, u64),
    /// Its push service took that, or the device is connected: it is not sent again.
    RingTaken(CallId, DeviceId),
    /// The ring is over; whether it was missed, and until when that is of use.
    RingOver(CallId, DeviceId, bool, u64),
    /// Nothing more is sent to this device about this ring.
    RingSettled(CallId, DeviceId),
}
