//! Which call a note-taker joins by itself. A pure decision: time is an argument.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use telcon_core::view::{CallState, CallView, NoticeView};
use telcon_proto::{CallId, message::NoticeState};

/// Time until a call that did not admit this device is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Time that a live call must have been without a note-taker before this device leaves a ringing call for it: an idle
/// note-taker joins sooner.
const TAKEOVER_AFTER: Duration = Duration::from_secs(2);

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinAction {
    /// Join this call.
    Join(CallId),
    /// Leave the current call, which is only ringing, so that a live one can be joined.
    Leave,
}

/// Remembers what this device has tried.
#[derive(Default)]
pub(super) struct AutoJoin {
    /// Calls that this device asked to join, and when.
    attempts: BTreeMap<CallId, Instant>,
    /// Live calls without a note-taker, and since when this device knows. By its own time, because the office's clock may
    /// differ.
    unattended_since: BTreeMap<CallId, Instant>,
}

impl AutoJoin {
    /// Allows calls to be tried again whose attempt is old enough.
    pub(super) fn expire_attempts(&mut self, now: Instant) {
        self.attempts.retain(|_, at| now.saturating_duration_since(*at) < RETRY_AFTER);
    }

    /// Decides, given the office's calls and this device's own. Live calls take precedence over ringing ones, older ones over
    /// newer ones.
    pub(super) fn decide(
        &mut self,
        notices: &[NoticeView],
        current: Option<&CallView>,
        now: Instant,
    ) -> Option<JoinAction> {
        let candidates = notices.iter().filter(|notice| notice.can_listen).map(|notice| Candidate {
            call: notice.call,
            live: matches!(notice.state, NoticeState::Live { .. }),
            attended: notice.noted || notice.note_taker_asks,
            opened_ms: notice.opened_ms,
        });
        let current = current.filter(|call| call.state != CallState::Ended);
        self.decide_among(candidates, current.map(|call| (call.call, call.started_ms.is_some())), now)
    }

    /// `current`: this device's call, and whether it is live.
    fn decide_among(
        &mut self,
        candidates: impl Iterator<Item = Candidate>,
        current: Option<(CallId, bool)>,
        now: Instant,
    ) -> Option<JoinAction> {
        let mut open: Vec<Candidate> =
            candidates.filter(|one| !one.attended && !self.attempts.contains_key(&one.call)).collect();
        open.sort_by_key(|one| (!one.live, one.opened_ms));
        let live = |call: &CallId| open.iter().any(|one| one.live && one.call == *call);
        self.unattended_since.retain(|call, _| live(call));
        for one in open.iter().filter(|one| one.live) {
            self.unattended_since.entry(one.call).or_insert(now);
        }
        match current {
            None => {
                let first = open.first()?;
                self.attempts.insert(first.call, now);
                Some(JoinAction::Join(first.call))
            }
            Some((_, true)) => None,
            Some((ringing, false)) => {
                let waits = |since: &Instant| now.saturating_duration_since(*since) >= TAKEOVER_AFTER;
                self.unattended_since.iter().any(|(call, since)| *call != ringing && waits(since)).then(|| {
                    // If another note-taker takes the live call, this one may return to the ringing call at once.
                    self.attempts.remove(&ringing);
                    JoinAction::Leave
                })
            }
        }
    }
}

/// A call that this device may join.
#[derive(Clone, Copy)]
struct Candidate {
    call: CallId,
    live: bool,
    /// A note-taker is in it or is joining.
    attended: bool,
    opened_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> CallId {
        CallId::from_bytes([n; 16])
    }

    fn call(n: u8, live: bool, attended: bool) -> Candidate {
        Candidate { call: id(n), live, attended, opened_ms: u64::from(n) }
    }

    #[test]
    fn the_oldest_live_call_is_joined_first_and_attended_ones_are_not() {
        let calls = [call(1, false, false), call(2, true, true), call(3, true, false), call(4, true, false)];
        let (mut join, now) = (AutoJoin::default(), Instant::now());
        let mut next = || join.decide_among(calls.into_iter(), None, now);
        assert_eq!(next(), Some(JoinAction::Join(id(3))));
        assert_eq!(next(), Some(JoinAction::Join(id(4))), "an attempt is not repeated at once");
        assert_eq!(next(), Some(JoinAction::Join(id(1))));
        assert_eq!(next(), None);
        join.expire_attempts(now + RETRY_AFTER);
        let again = join.decide_among(calls.into_iter(), None, now + RETRY_AFTER);
        assert_eq!(again, Some(JoinAction::Join(id(3))));
    }

    #[test]
    fn a_ringing_call_is_left_for_a_live_one_that_stays_unattended() {
        let (mut join, start) = (AutoJoin::default(), Instant::now());
        let ringing = [call(1, false, false)];
        assert_eq!(join.decide_among(ringing.into_iter(), None, start), Some(JoinAction::Join(id(1))));
        let both = [call(1, false, true), call(2, true, false)];
        let mut at = |calls: [Candidate; 2], live, ms| {
            join.decide_among(calls.into_iter(), Some((id(1), live)), start + Duration::from_millis(ms))
        };
        assert_eq!(at(both, false, 0), None);
        assert_eq!(at(both, false, 1_999), None);
        assert_eq!(at(both, true, 2_000), None, "a live call is not left");
        assert_eq!(at([call(1, false, true), call(2, true, true)], false, 2_000), None, "somebody joined it");
        assert_eq!(at(both, false, 2_100), None, "the time starts again");
        assert_eq!(at(both, false, 4_100), Some(JoinAction::Leave));
    }
}
