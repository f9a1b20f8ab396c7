//! Automatic joining of calls by a note-taker. Which note-taker records which call is decided by the office's server
//! (`telcon_server::assignment`); this device reports that it is available and carries the assignment out. A pure decision: time
//! is an argument.

use std::time::{Duration, Instant};
use telcon_proto::CallId;

/// Interval at which a note-taker without a call reports that it is available, in case the last report was lost.
const AVAILABLE_INTERVAL: Duration = Duration::from_secs(5);

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinAction {
    /// Join this call.
    Join(CallId),
    /// Leave the current call, which is only ringing, so that the assigned one can be joined.
    Leave,
    /// Report to the office that this note-taker has no call.
    ReportAvailable,
}

/// The assignment that is to be carried out, and the last report.
#[derive(Default)]
pub(super) struct AutoJoin {
    assigned: Option<CallId>,
    reported_at: Option<Instant>,
}

impl AutoJoin {
    /// The office assigned this device to a call.
    pub(super) fn assign(&mut self, call: CallId) {
        self.assigned = Some(call);
    }

    /// Decides. `current` is this device's call, and whether it is live; `ready` is whether it is signed in and up to date.
    pub(super) fn decide(&mut self, current: Option<(CallId, bool)>, ready: bool, now: Instant) -> Option<JoinAction> {
        match (current, self.assigned) {
            (None, Some(call)) => {
                *self = Self::default();
                Some(JoinAction::Join(call))
            }
            (None, None) if ready => {
                let recent = |at: Instant| now.saturating_duration_since(at) < AVAILABLE_INTERVAL;
                if self.reported_at.is_some_and(recent) {
                    return None;
                }
                self.reported_at = Some(now);
                Some(JoinAction::ReportAvailable)
            }
            (None, None) => {
                self.reported_at = None;
                None
            }
            (Some((current, false)), Some(assigned)) if current != assigned => Some(JoinAction::Leave),
            (Some(_), _) => {
                *self = Self::default();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: CallId = CallId::from_bytes([1; 16]);
    const SECOND: CallId = CallId::from_bytes([2; 16]);

    #[test]
    fn availability_is_reported_at_once_and_again_at_an_interval() {
        let (mut join, start) = (AutoJoin::default(), Instant::now());
        let mut at = |ready, ms| join.decide(None, ready, start + Duration::from_millis(ms));
        assert_eq!(at(false, 0), None, "not signed in");
        assert_eq!(at(true, 1), Some(JoinAction::ReportAvailable));
        assert_eq!(at(true, 5_000), None);
        assert_eq!(at(true, 5_001), Some(JoinAction::ReportAvailable));
        assert_eq!(at(false, 5_002), None, "the connection is lost");
        assert_eq!(at(true, 5_003), Some(JoinAction::ReportAvailable), "a new connection is told at once");
    }

    #[test]
    fn an_assigned_call_is_joined_once() {
        let (mut join, now) = (AutoJoin::default(), Instant::now());
        join.assign(FIRST);
        assert_eq!(join.decide(None, true, now), Some(JoinAction::Join(FIRST)));
        assert_eq!(join.decide(Some((FIRST, false)), true, now), None);
        assert_eq!(join.decide(Some((FIRST, true)), true, now), None);
        assert_eq!(join.decide(None, true, now), Some(JoinAction::ReportAvailable), "after the call");
    }

    #[test]
    fn a_ringing_call_is_left_for_the_assigned_one_and_a_live_call_is_not() {
        let (mut join, now) = (AutoJoin::default(), Instant::now());
        join.assign(SECOND);
        assert_eq!(join.decide(Some((FIRST, false)), true, now), Some(JoinAction::Leave));
        assert_eq!(join.decide(None, true, now), Some(JoinAction::Join(SECOND)));
        join.assign(FIRST);
        assert_eq!(join.decide(Some((SECOND, true)), true, now), None);
        assert_eq!(join.decide(None, true, now), Some(JoinAction::ReportAvailable), "the assignment was void");
    }
}
