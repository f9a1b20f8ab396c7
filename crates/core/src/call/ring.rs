//! The ring that opened a call.

use telcon_identity::LoggedRing;
use telcon_proto::Card;

/// A verified ring whose opening is in the log.
#[derive(Clone)]
pub(super) struct OpenedRing {
    /// The ring, its caller's certificates, and the log entry.
    pub(super) logged: LoggedRing,
    /// The signed ring.
    pub(super) jws: String,
}

impl OpenedRing {
    /// Log index and time (milliseconds since 1970 UTC) of the opening.
    pub(super) fn opened(&self) -> (u64, u64) {
        (self.logged.entry().index(), self.logged.entry().time_ms())
    }

    /// The caller.
    pub(super) fn caller(&self) -> &Card {
        self.logged.ring().device().card()
    }
}
