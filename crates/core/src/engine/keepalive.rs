//! Keepalive of the connection to the office. A connection can stay open for minutes to a hanging server or over a dead
//! network: the device would look signed in, and no ring would reach it.

/// Time between two pings, milliseconds: below the minute after which middleboxes drop an idle connection, and often
/// enough for the log on the screen to be current.
pub(super) const PING_INTERVAL_MS: u64 = 20_000;
/// Idle time in a call after which a ping is sent, milliseconds.
const IDLE_BEFORE_PING_MS: u64 = 2_000;
/// Timeout of a ping in a call, milliseconds: the end of the call and changes of its members come over this connection.
const TIMEOUT_IN_CALL_MS: u64 = 3_000;
/// Timeout of a ping otherwise, milliseconds.
const TIMEOUT_MS: u64 = 10_000;
/// Longest time that one entry of the engine counts as idle, milliseconds: a suspended device could not receive anything.
const MAX_ADVANCE_MS: u64 = 1_000;

/// How long the connection has been idle, and whether a ping is outstanding.
#[derive(Default)]
pub(super) struct KeepAlive {
    idle_ms: u64,
    /// Idle time at which the oldest outstanding ping was sent.
    pinged_at_ms: Option<u64>,
}

impl KeepAlive {
    /// Something was received, or a connection was opened.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Something was sent that the office has to answer.
    pub(super) fn on_ping_sent(&mut self) {
        self.pinged_at_ms.get_or_insert(self.idle_ms);
    }

    /// Time passed.
    pub(super) fn advance(&mut self, ms: u64) {
        self.idle_ms += ms.min(MAX_ADVANCE_MS);
    }

    /// Whether a ping should be sent now.
    pub(super) fn ping_due(&self, in_call: bool) -> bool {
        in_call && self.pinged_at_ms.is_none() && self.idle_ms >= IDLE_BEFORE_PING_MS
    }

    /// Whether an outstanding ping was not answered in time.
    pub(super) fn timed_out(&self, in_call: bool) -> bool {
        self.pinged_at_ms.is_some_and(|at| self.idle_ms >= at + timeout_ms(in_call))
    }

    /// Milliseconds until the next check, if one is needed.
    pub(super) fn next_check_ms(&self, in_call: bool) -> Option<u64> {
        let at = match self.pinged_at_ms {
            Some(at) => at + timeout_ms(in_call),
            None if in_call => IDLE_BEFORE_PING_MS,
            None => return None,
        };
        Some(at.saturating_sub(self.idle_ms).clamp(1, MAX_ADVANCE_MS))
    }
}

fn timeout_ms(in_call: bool) -> u64 {
    if in_call { TIMEOUT_IN_CALL_MS } else { TIMEOUT_MS }
}
