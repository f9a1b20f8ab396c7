//! Whether the switchboard answers. Connections answer the pings of devices themselves, so that an idle device costs the
//! switchboard nothing; they do so only while this says that it is alive, because a device whose ping is not answered
//! connects again.

use crate::hub::{HubHandle, Input};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Interval of probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Age of the last answer from which the switchboard counts as hanging. A device notices that much later than if the
/// switchboard answered its pings itself.
const TIMEOUT: Duration = Duration::from_secs(3);

/// When the switchboard last answered a probe.
pub struct Liveness {
    started: Instant,
    /// Milliseconds after `started`.
    answered_ms: AtomicU64,
}

impl Liveness {
    /// Of a switchboard that has just started.
    pub fn new(now: Instant) -> Self {
        Self { started: now, answered_ms: AtomicU64::new(0) }
    }

    /// Whether it answered lately.
    pub fn is_alive(&self, now: Instant) -> bool {
        let answered = self.started + Duration::from_millis(self.answered_ms.load(Ordering::Relaxed));
        now.saturating_duration_since(answered) < TIMEOUT
    }

    fn answered(&self, now: Instant) {
        let since_start = now.saturating_duration_since(self.started).as_millis();
        self.answered_ms.store(since_start as u64, Ordering::Relaxed);
    }

    /// Probes for ever. One probe a second, whatever the number of connections; a hanging switchboard is not sent more.
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
    fn silence_of_three_seconds_is_a_hanging_switchboard_until_it_answers_again() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let liveness = Liveness::new(start);
        assert!(liveness.is_alive(at(2_999)));
        assert!(!liveness.is_alive(at(3_000)));
        liveness.answered(at(5_000));
        assert!(liveness.is_alive(at(7_999)) && !liveness.is_alive(at(8_000)));
    }
}
