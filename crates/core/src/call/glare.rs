//! Glare: two people ring each other at the same moment. The office opens the ring that came first and refuses the other;
//! the refused device waits for the first ring, and answers it without asking again.

use super::ring::OpenedRing;
use telcon_proto::{Card, RecordMode};

/// How long a device whose own ring was refused waits for the other party's ring, milliseconds.
const GLARE_TIMEOUT_MS: u64 = 5_000;

/// A device that yielded to the other party's ring.
pub(super) struct Glare {
    /// The person that was rung, as the screen showed them.
    pub(super) shown: Card,
    /// The record mode of the refused ring.
    pub(super) mode: RecordMode,
    /// Until when the other ring must arrive, milliseconds since 1970 UTC.
    pub(super) deadline_ms: u64,
}

impl Glare {
    /// The office refused the ring to `shown` because theirs was first.
    pub(super) fn new(shown: Card, mode: RecordMode, now_ms: u64) -> Self {
        Self { shown, mode, deadline_ms: now_ms + GLARE_TIMEOUT_MS }
    }

    /// Whether a verified ring is the expected one: of the person that was rung, certified as they were shown on the screen, and
    /// keeping no less.
    pub(super) fn matches(&self, ring: &OpenedRing) -> bool {
        let caller = ring.caller();
        *caller == self.shown && ring.logged.ring().ring().mode >= self.mode
    }
}
