//! Assignment in virtual time: one note-taker per call, and none that blocks the others without recording.

use super::*;
use proptest::prelude::*;

fn call(n: u8) -> CallId {
    CallId::from_bytes([n; 16])
}

fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

/// The engine and the calls as a switchboard would have them.
#[derive(Default)]
struct Office {
    engine: Assignment,
    calls: BTreeMap<CallId, CallFacts>,
    now: u64,
}

impl Office {
    fn ring(&mut self, n: u8) {
        self.calls.insert(call(n), CallFacts { opened_ms: self.now, ..CallFacts::default() });
        self.update(n);
    }

    fn live(&mut self, n: u8) {
        self.facts(n).live = true;
        self.update(n);
    }

    fn end(&mut self, n: u8) {
        self.calls.remove(&call(n));
        self.engine.update(call(n), None, self.now);
    }

    fn facts(&mut self, n: u8) -> &mut CallFacts {
        self.calls.get_mut(&call(n)).unwrap()
    }

    fn update(&mut self, n: u8) {
        let facts = self.facts(n).clone();
        self.engine.update(call(n), Some(facts), self.now);
    }

    /// Requests to join, if that is allowed; returns whether it is.
    fn request(&mut self, n: u8, by: u8) -> bool {
        let may = self.engine.may_request(call(n), device(by));
        if may {
            self.engine.requested(call(n), device(by), self.now);
            self.facts(n).asking.insert(device(by));
            self.update(n);
        }
        may
    }

    fn admit(&mut self, n: u8, by: u8) {
        self.engine.admitted(call(n), &[device(by)], self.now);
        self.facts(n).asking.remove(&device(by));
        self.facts(n).note_taker_members.insert(device(by));
        self.update(n);
    }

    fn leave(&mut self, n: u8, by: u8) {
        self.facts(n).asking.remove(&device(by));
        self.facts(n).note_taker_members.remove(&device(by));
        self.update(n);
    }

    fn available(&mut self, by: u8) {
        self.engine.available(device(by), self.now);
    }

    fn advance(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(at) = self.engine.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.engine.timeout(self.now);
            self.carry_out();
        }
        self.now = until;
    }

    /// Ends the requests that expired, and returns the assignments.
    fn carry_out(&mut self) -> Vec<(CallId, DeviceId)> {
        let mut assigned = Vec::new();
        while let Some(decision) = self.engine.poll() {
            match decision {
                Decision::Assign { call, device } => assigned.push((call, device)),
                Decision::ExpireRequest { call, device } => {
                    self.calls.get_mut(&call).unwrap().asking.remove(&device);
                    self.engine.update(call, Some(self.calls[&call].clone()), self.now);
                }
                Decision::StatusChanged(_) => {}
            }
        }
        assigned
    }

    fn status(&self, n: u8) -> (bool, bool) {
        let Status { expected, silent } = self.engine.status(call(n));
        (expected, silent)
    }
}

#[test]
fn the_longest_free_note_taker_is_assigned_to_the_call_of_highest_priority() {
    let mut office = Office::default();
    for n in [1, 2, 3] {
        office.ring(n);
        office.now += 1;
    }
    office.live(3);
    assert_eq!(office.carry_out(), [], "nobody is free");
    office.available(7);
    assert_eq!(office.carry_out(), [(call(3), device(7))], "a live call comes first");
    assert_eq!(office.status(3), (true, false));
    office.available(8);
    assert_eq!(office.carry_out(), [(call(1), device(8))], "then the oldest");
    assert!(!office.engine.may_request(call(1), device(7)), "another one is assigned to it");
    assert!(office.request(1, 8));
    office.admit(1, 8);
    assert_eq!(office.status(1), (false, false));
    office.end(1);
    office.available(8);
    assert_eq!(office.carry_out(), [(call(2), device(8))]);
}

#[test]
fn an_expired_assignment_goes_to_another_note_taker() {
    let mut office = Office::default();
    office.available(7);
    office.now += 1;
    office.available(8);
    office.ring(1);
    assert_eq!(office.carry_out(), [(call(1), device(7))]);
    office.engine.timeout(office.now + ASSIGNMENT_TIMEOUT_MS);
    assert_eq!(office.carry_out(), [(call(1), device(8))]);
    // When its connection ends, its assignment ends at once.
    office.engine.disconnected(device(8), office.now);
    office.available(9);
    assert_eq!(office.carry_out(), [(call(1), device(9))]);
    office.available(9);
    assert_eq!(office.carry_out(), [], "crossed the assignment on the network");
    // One that gives up and reports to be available is assigned again after a while.
    office.now += CROSSING_MS;
    office.available(9);
    assert_eq!(office.carry_out(), []);
    office.engine.timeout(office.now + REASSIGN_AFTER_MS);
    assert_eq!(office.carry_out(), [(call(1), device(9))]);
}

#[test]
fn the_note_taker_of_a_ringing_call_is_reassigned_to_a_live_call() {
    let mut office = Office::default();
    office.available(7);
    office.ring(1);
    office.carry_out();
    office.request(1, 7);
    office.admit(1, 7);
    office.ring(2);
    office.live(2);
    office.engine.timeout(office.now + UNATTENDED_MS - 1);
    assert_eq!(office.carry_out(), []);
    office.engine.timeout(office.now + UNATTENDED_MS);
    assert_eq!(office.carry_out(), [(call(2), device(7))]);
    // It is not reassigned from a live call.
    office.leave(1, 7);
    office.request(2, 7);
    office.admit(2, 7);
    office.ring(3);
    office.live(3);
    office.engine.timeout(office.now + 2 * UNATTENDED_MS);
    assert_eq!(office.carry_out(), []);
}

#[test]
fn a_request_that_is_not_granted_does_not_block_others() {
    let mut office = Office::default();
    office.ring(1);
    assert!(office.request(1, 7));
    office.advance(REQUEST_TIMEOUT_MS - 1);
    assert!(!office.request(1, 8));
    office.advance(1);
    assert!(office.calls[&call(1)].asking.is_empty());
    // The same one requests first again, which blocks nobody.
    assert!(office.request(1, 7));
    assert_eq!(office.status(1), (false, false));
    assert!(office.request(1, 8));
    office.advance(REQUEST_TIMEOUT_MS);
    assert!(office.calls[&call(1)].asking.is_empty(), "both end");
    office.advance(REQUEST_FORGOTTEN_MS);
    assert_eq!(office.engine.next_timeout(), None);
}

#[test]
fn repeated_requests_do_not_extend_the_first_one() {
    let mut office = Office::default();
    office.ring(1);
    for _ in 0..3 {
        assert!(office.request(1, 7));
        office.advance(REQUEST_TIMEOUT_MS / 3);
        office.leave(1, 7);
    }
    office.advance(1);
    office.request(1, 7);
    assert_eq!(office.status(1), (false, false));
    assert!(office.request(1, 8));
}

#[test]
fn a_note_taker_that_nobody_admits_is_reassigned_to_another_live_call() {
    let mut office = Office::default();
    office.ring(1);
    office.live(1);
    // It went back into the call that it was in before a restart, and never reported to be free.
    office.request(1, 7);
    office.ring(2);
    office.live(2);
    let assigned = |office: &Office, n: u8| office.engine.calls[&call(n)].assigned.map(|(device, _)| device);
    office.advance(REQUEST_TIMEOUT_MS - 1);
    assert_eq!(assigned(&office, 2), None, "it may be admitted yet");
    office.advance(1);
    assert_eq!(assigned(&office, 2), Some(device(7)));
    office.end(2);
    office.advance(REQUEST_TIMEOUT_MS);
    assert_eq!(assigned(&office, 1), None, "nor is it sent back to where nobody admitted it");
}

#[test]
fn an_assignment_ends_with_the_request_that_expires() {
    let mut office = Office::default();
    office.ring(1);
    office.live(1);
    office.ring(2);
    office.request(1, 7);
    office.advance(REQUEST_TIMEOUT_MS);
    // It requests again, which blocks nobody, and says that it is free.
    office.request(1, 7);
    office.advance(REASSIGN_AFTER_MS + CROSSING_MS);
    office.available(7);
    assert_eq!(office.carry_out(), [(call(1), device(7))]);
    office.advance(REQUEST_TIMEOUT_MS - REASSIGN_AFTER_MS - CROSSING_MS);
    office.available(7);
    assert_eq!(office.carry_out(), [(call(2), device(7))]);
    assert_eq!(office.engine.calls[&call(1)].assigned, None, "it has one assignment");
}

#[test]
fn a_note_taker_without_heartbeat_is_replaced() {
    let mut office = Office::default();
    office.ring(1);
    office.request(1, 7);
    office.admit(1, 7);
    for _ in 0..5 {
        office.advance(HEARTBEAT_TIMEOUT_MS - 1);
        office.engine.message_received(call(1), device(7), office.now);
    }
    assert!(!office.request(1, 8));
    office.advance(HEARTBEAT_TIMEOUT_MS);
    assert_eq!(office.status(1), (false, true));
    assert!(office.engine.may_request(call(1), device(8)));
    office.engine.message_received(call(1), device(7), office.now);
    assert_eq!(office.status(1), (false, false));
    assert!(!office.engine.may_request(call(1), device(8)), "it is live again");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Random histories of three calls and four note-takers. Invariants: no note-taker has two assignments, and none is
    /// free while a call that it may be assigned to has none.
    #[test]
    fn every_call_gets_at_most_one_note_taker_and_none_stays_idle(steps in prop::collection::vec((0..8u8, 1..4u8, 1..5u8, 0..9_000u64), 1..150)) {
        let mut office = Office::default();
        for (what, n, by, ms) in steps {
            let open = office.calls.contains_key(&call(n));
            match what {
                0 if !open => office.ring(n),
                1 if open => office.live(n),
                2 if open => office.end(n),
                3 => office.available(by),
                4 if open && !office.calls[&call(n)].note_taker_members.contains(&device(by)) => drop(office.request(n, by)),
                5 if open && office.calls[&call(n)].asking.contains(&device(by)) => {
                    // Members admit one that waits, unless another note-taker was admitted meanwhile and is live.
                    if office.engine.may_request(call(n), device(by)) {
                        office.admit(n, by);
                    }
                }
                6 => {
                    for n in 1..4 {
                        if office.calls.contains_key(&call(n)) {
                            office.leave(n, by);
                        }
                    }
                    office.engine.disconnected(device(by), office.now);
                }
                _ => {
                    for (id, facts) in &office.calls {
                        for writer in facts.note_taker_members.iter().filter(|_| ms % 2 == 0) {
                            office.engine.message_received(*id, *writer, office.now);
                        }
                    }
                    office.advance(ms);
                }
            }
            office.carry_out();
            for (id, state) in &office.engine.calls {
                let silent = office.engine.status(*id).silent;
                prop_assert!(!silent || !state.facts.note_taker_members.is_empty());
                if state.is_unattended() {
                    prop_assert!(office.engine.may_request(*id, device(200)), "any note-taker may request");
                }
                prop_assert_eq!(state.is_unattended(), office.engine.unattended.contains(&state.priority(*id)));
                if state.is_unattended() {
                    let willing = office.engine.free.iter().any(|(_, one)| state.may_be_assigned(*one, office.now));
                    prop_assert!(!willing, "a note-taker is free and a call has none");
                }
            }
            let assigned: Vec<DeviceId> =
                office.engine.calls.values().filter_map(|state| Some(state.assigned?.0)).collect();
            prop_assert_eq!(assigned.iter().collect::<BTreeSet<_>>().len(), assigned.len());
            for (since, one) in &office.engine.free {
                prop_assert_eq!(office.engine.note_takers[one].free_since_ms, Some(*since));
                prop_assert!(!assigned.contains(one));
            }
            prop_assert_eq!(office.engine.calls.len(), office.calls.len());
        }
        // Without further events, all timers run out.
        office.advance(10 * REQUEST_FORGOTTEN_MS);
        prop_assert!(office.engine.unattended.len() <= office.calls.len());
    }
}
