//! Liveness of the switchboard. Connections answer the pings of devices themselves, so that idle devices cost the
//! switchboard nothing. They do so only while the switchboard is alive: a device whose ping is not answered reconnects.

use crate::hub::{HubHandle, Input};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Interval of probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Age of the last answer from which the switchboard counts as unresponsive. Devices detect it later by this time than
/// if the switchboard answered their pings itself.
const TIMEOUT: Duration = Duration::from_secs(3);

/// When the switchboard last answered a probe.
pub struct Liveness {
    started: Instant,
    /// Milliseconds after `started`.
    answered_ms: AtomicU64,
}

impl Liveness {
    /// Starts with a recent answer, as of a switchboard that has just started.
    pub fn new(now: Instant) -> Self {
        Self { started: now, answered_ms: AtomicU64::new(0) }
    }

    /// Whether the last probe was answered recently enough.
    pub fn is_alive(&self, now: Instant) -> bool {
        let answered = self.started + Duration::from_millis(self.answered_ms.load(Ordering::Relaxed));
        now.saturating_duration_since(answered) < TIMEOUT
    }

    fn answered(&self, now: Instant) {
        let since_start = now.saturating_duration_since(self.started).as_millis();
        self.answered_ms.store(since_start as u64, Ordering::Relaxed);
    }

    /// Probes indefinitely: one probe a second, independent of the number of connections, and no further ones while one
    /// is unanswered.
    pub async fn probe(&self, hub: HubHandle) {
        loop {
            if hub.ask(Input::Probe).await.is_some() {
                self.answered(Instant::now());
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switchboard_is_unresponsive_after_three_seconds_until_it_answers_again() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let liveness = Liveness::new(start);
        assert!(liveness.is_alive(at(2_999)));
        assert!(!liveness.is_alive(at(3_000)));
        liveness.answered(at(5_000));
        assert!(liveness.is_alive(at(7_999)) && !liveness.is_alive(at(8_000)));
    }
}
