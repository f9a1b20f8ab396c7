//! Fault matrix: the store fails at each transaction of a call, once without effect and once after persisting. After
//! every failure the switchboard restarts from what is durable, devices reconnect, and the call reaches the log and the
//! store exactly once.

use super::*;
use crate::store::Stage;
use telcon_proto::entry::Entry;

const CALL: CallId = CallId::from_bytes([7; 16]);

/// Most rounds of [`World::call_from_ring_to_end`]. Each goes one step further or recovers, and there are four steps and at
/// most two failures.
const MAX_ROUNDS: usize = 50;

/// A device that reconnects whenever it is disconnected.
struct Client {
    device: u8,
    session: u64,
    outbox: Option<OutboxReader>,
    /// All that it was sent.
    received: Vec<ServerMessage>,
}

impl Client {
    fn new(device: u8) -> Self {
        Self { device, session: u64::from(device) * 1_000_000, outbox: None, received: Vec::new() }
    }

    fn stay_connected(&mut self, world: &mut World) {
        if !self.receive() {
            return;
        }
        self.session += 1;
        self.outbox = Some(world.connect(self.session, self.device));
    }

    /// Takes what it was sent; returns whether its connection is closed, or it has none yet.
    fn receive(&mut self) -> bool {
        let Some(outbox) = &mut self.outbox else { return true };
        let (messages, closed) = drain(outbox);
        self.received.extend(messages);
        closed
    }

    /// Whether it was notified of the call: it opened, or it rings.
    fn was_notified(&self) -> bool {
        let notifies = |m: &ServerMessage| matches!(m, ServerMessage::Opened { .. } | ServerMessage::Ringing { .. });
        self.received.iter().any(notifies)
    }
}

impl World {
    /// Passes the log's reports to the hub, until nothing is left to be appended.
    fn hand_over(&mut self) {
        while self.hand_over_queued() {}
    }

    /// Passes on the reports of what was queued before; returns whether an entry was among it. The log's thread works in order:
    /// an entry of the test's own is reported last. It is identical each time, so that the log has it once.
    fn hand_over_queued(&mut self) -> bool {
        let other = CallId::from_bytes([8; 16]);
        let last = PendingAppend::Missing(other);
        let entry = Entry::ArchiveOpened { time_ms: 0, call: other, by: "the last entry of the queue".into() };
        assert!(self.hub.parts.log.append(last.clone(), entry));
        let (mut found_last, mut appended) = (false, false);
        loop {
            // Only a log thread that died makes it wait so long.
            match self.logged.recv_timeout(Duration::from_secs(60)).unwrap() {
                LogEvent::Appended(append, _) if append == last => found_last = true,
                LogEvent::Appended(append, index) => {
                    appended = true;
                    self.handle(Input::Logged(append, index));
                }
                LogEvent::Reported(size) => {
                    self.handle(Input::LogReported(size));
                    if found_last {
                        return appended;
                    }
                }
            }
        }
    }

    fn phase(&mut self) -> Option<Stage> {
        let snapshot = self.hub.parts.store.load().unwrap();
        let active = snapshot.active.iter().find(|call| call.row.call == CALL).map(|call| call.row.stage);
        let ended = || snapshot.unfinished.iter().find(|call| call.row.call == CALL).map(|_| Stage::Ended);
        active.or_else(ended)
    }

    /// Rings and ends the call, retrying until both succeeded. Returns caller and callee.
    fn call_from_ring_to_end(&mut self) -> [Client; 2] {
        let (mut caller, mut callee) = (Client::new(1), Client::new(2));
        let mut rang = false;
        for _ in 0..MAX_ROUNDS {
            caller.stay_connected(self);
            callee.stay_connected(self);
            match self.phase() {
                None if rang && self.hub.parts.store.call_exists(&CALL).unwrap() => {
                    caller.receive();
                    callee.receive();
                    return [caller, callee];
                }
                None | Some(Stage::Opening) => {
                    self.ring(caller.session, 7);
                    rang = true;
                }
                Some(Stage::Ringing | Stage::Live) => {
                    let hang_up = ClientMessage::HangUp { call: CALL, failed: false };
                    self.handle(Input::Message(SessionId(caller.session), Box::new(hang_up)));
                }
                Some(Stage::Ended) => {}
            }
            self.hub.close_failed();
            self.hand_over();
        }
        panic!("the call did not end within {MAX_ROUNDS} rounds");
    }

    /// The log indices of the call's opening and end.
    fn logged(&self) -> (Vec<u64>, Vec<u64>) {
        let (size, _) = self.hub.parts.prover.checkpoint();
        let (mut opened, mut ended) = (Vec::new(), Vec::new());
        for (index, bytes) in (0..).zip(self.hub.parts.prover.entries(0..size).unwrap()) {
            match serde_json::from_slice(&bytes).unwrap() {
                Entry::CallOpened { call, .. } if call == CALL => opened.push(index),
                Entry::CallEnded { call, .. } if call == CALL => ended.push(index),
                _ => {}
            }
        }
        (opened, ended)
    }
}

#[test]
fn a_call_survives_a_failure_of_each_of_its_transactions() {
    let mut clean = World::new();
    let before = clean.store.transactions();
    let devices = clean.call_from_ring_to_end();
    assert!(devices.iter().all(Client::was_notified));
    let transactions = clean.store.transactions() - before;
    assert!(transactions >= 4, "ring, opened, ended, logged: {transactions}");
    for fault in [Fault::Failed, Fault::FailedButPersisted] {
        for after in 0..transactions {
            for times in [1, 2] {
                let mut world = World::new();
                world.store.inject(fault, after, times);
                let devices = world.call_from_ring_to_end();
                world.store.repair();
                let what = format!("{fault:?} {times} times after {after} transactions");
                // What was not stored is written again, and fails again; what was stored need not be.
                let least = if fault == Fault::Failed { times } else { 1 };
                assert!((least..=times).contains(&world.store.fired()), "{what}: {}", world.store.fired());
                let (opened, ended) = world.logged();
                let reader = StoreLocation::default_in(world._dir.path()).reader(&home()).unwrap();
                if fault == Fault::FailedButPersisted && after == 0 {
                    // Recovery found a call that was never logged: no device was notified, and its id cannot be reused.
                    assert!(!devices.iter().any(Client::was_notified), "{what}");
                    assert_eq!((&opened[..], &ended[..]), (&[][..], &[][..]), "{what}");
                    assert!(reader.record(&CALL).unwrap().is_none(), "{what}");
                    continue;
                }
                let ([opened], [ended]) = (&opened[..], &ended[..]) else { panic!("{what}: {opened:?} {ended:?}") };
                let stored = reader.record(&CALL).unwrap().unwrap().0.call;
                assert_eq!(
                    (stored.stage, stored.opened_index, stored.ended_index),
                    (Stage::Ended, Some(*opened), Some(*ended)),
                    "{what}"
                );
                // Reconciling the whole log with the store changes nothing.
                let before = world.hub.parts.store.load().unwrap();
                world.hub.parts.store.apply(&[Write::LogSeen(0)]).unwrap();
                reconcile(&mut *world.hub.parts.store, &world.hub.parts.prover, &(), true).unwrap();
                assert_eq!(world.hub.parts.store.load().unwrap(), before, "{what}");
                assert_eq!(reader.record(&CALL).unwrap().unwrap().0.call, stored, "{what}");
            }
        }
    }
}
