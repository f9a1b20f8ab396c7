//! What a call needs of the device that it is on.

use crate::{
    clock::Clock,
    delegations::SentDelegations,
    device::{Device, LogHead},
    io::Output,
    lines::{KnownLines, SentLine, Zones},
};
use chacha20::ChaCha20Rng;
use std::collections::VecDeque;

/// What a call is given with each input.
pub(crate) struct Context<'a> {
    pub(crate) device: &'a Device,
    pub(crate) clock: Clock,
    /// Whether this note-taker's program can record.
    pub(crate) recording: bool,
    /// Whether this device may send the members messages that do not depend on a person: while it is signed in, and a note-taker
    /// only while it can record, because the switchboard takes any message of a note-taker for attendance.
    pub(crate) may_send_unattended: bool,
    /// The newest tree of the home office's log that this device verified.
    pub(crate) log: Option<&'a LogHead>,
    /// Least size of the tree that an inclusion proof of the home office may lead to: see
    /// [`telcon_proto::limits::MAX_PROOF_AGE_MS`].
    pub(crate) fresh_size: u64,
    /// The delegations that came before the message in progress.
    pub(crate) delegations: &'a SentDelegations,
    /// The line that came before the message in progress.
    pub(crate) line: &'a SentLine,
    /// The versions of lines below which this device accepts none.
    pub(crate) known_lines: &'a KnownLines,
    /// What clocks show in other zones.
    pub(crate) zones: Zones,
    pub(crate) rng: &'a mut ChaCha20Rng,
    pub(crate) out: &'a mut VecDeque<Output>,
}

impl Context<'_> {
    /// Milliseconds since 1970 UTC, by the device's clock.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.wall_ms
    }
}
