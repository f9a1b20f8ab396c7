//! Devices of places that wait until somebody begins a shift, and what their tokens are for.

use super::{
    App,
    tokens::{Bearer, Tokens},
};
use axum::http::HeaderMap;
use telcon_proto::DeviceId;
use tokio::sync::broadcast;

/// Beginnings that connections have not been told of yet. One that lags behind connects again, and is looked up anew.
const MAX_UNTOLD: usize = 64;

/// Devices of places at which nobody is on shift.
pub struct Shifts {
    /// Tokens of connections whose devices have proven their keys. They are valid for [`telcon_proto::access::needs_no_shift`] alone.
    pub(super) waiting: Tokens,
    /// Devices at which a shift has begun.
    pub(super) begun: broadcast::Sender<DeviceId>,
}

impl Default for Shifts {
    fn default() -> Self {
        Self { waiting: Tokens::default(), begun: broadcast::channel(MAX_UNTOLD).0 }
    }
}

impl Shifts {
    /// Closes the connection in which a device waits, if it has one: it connects again, and is looked up anew.
    pub(super) fn release(&self, device: DeviceId) {
        // Nobody waits: that is no error.
        let _ = self.begun.send(device);
    }
}

/// Who asks for something for which nobody has to be on shift: a device that is signed in, or one that waits for a shift.
pub(super) fn bearer(app: &App, headers: &HeaderMap) -> Option<Bearer> {
    app.tokens.bearer(headers).or_else(|| app.shifts.waiting.bearer(headers))
}
