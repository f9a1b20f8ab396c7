//! The driver: store failures, slow consumers, group commit, lookups in the store.

mod faults;

use super::*;
use crate::{
    archive::{LogEvent, LogWriter},
    limits::OUTBOX_MESSAGES,
    limits::RECORD_DUE_MS,
    outbox::{OutboxReader, outbox},
    store::{
        PasskeyRow, StoreLocation,
        faulty::{Fault, FaultControl, FaultyStore},
    },
};
use telcon_log::LogSigner;
use telcon_proto::message::RefusalCode;
use telcon_proto::{Blob, Card, OfficeName, PersonId, RecordMode, Role, SuiteName, WIRE_VERSION, message::Ring};

struct World {
    hub: Hub,
    store: FaultControl,
    logged: std::sync::mpsc::Receiver<LogEvent>,
    _relay: mpsc::UnboundedReceiver<RelayCommand>,
    _dir: tempfile::TempDir,
}

fn home() -> OfficeName {
    OfficeName::parse("office.example").unwrap()
}

fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let signer = LogSigner::from_seed(&[1; 32], "office.example/log").unwrap();
        let writer = LogWriter::open(&dir.path().join("log"), signer, home(), 1).unwrap();
        let prover = writer.prover();
        let (done, logged) = std::sync::mpsc::channel();
        let (log, _) = writer.spawn(move |event| drop(done.send(event))).unwrap();
        let (relay, commands) = mpsc::unbounded_channel();
        let store = FaultControl::default();
        let database = StoreLocation::default_in(dir.path()).writer(&home()).unwrap();
        let parts = Parts {
            store: Box::new(FaultyStore::new(database, store.clone())),
            policy: Policy {
                domain: home(),
                suite: SuiteName::Hybrid,
                floor: RecordMode::LogOnly,
                record_due_ms: RECORD_DUE_MS,
                devices: Default::default(),
                rings: Default::default(),
            },
            log,
            prover,
            archive: Box::new(()),
            relay,
            push: crate::push::channel().0,
        };
        let hub = Hub::new(parts, 1_000_000).unwrap();
        let mut world = Self { hub, store, logged, _relay: commands, _dir: dir };
        for n in [1, 2] {
            let (reply, mut answer) = oneshot::channel();
            world.handle(Input::Enrol(Box::new(new_device(n)), reply));
            world.log();
            assert!(answer.try_recv().unwrap().is_ok());
        }
        world
    }

    fn handle(&mut self, input: Input) {
        self.handle_all([input]);
    }

    /// Handles all inputs as one batch.
    fn handle_all(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let mut batch = Batch::default();
        inputs.into_iter().for_each(|input| self.hub.take(input, &mut batch));
        self.hub.commit(batch);
    }

    /// Waits until one entry is in the log, and reports it to the hub.
    fn log(&mut self) {
        loop {
            match self.logged.recv_timeout(Duration::from_secs(60)).unwrap() {
                LogEvent::Appended(append, index) => return self.handle(Input::Logged(append, index)),
                LogEvent::Reported(size) => self.handle(Input::LogReported(size)),
            }
        }
    }

    fn connect(&mut self, session: u64, n: u8) -> OutboxReader {
        let (sender, receiver) = outbox();
        let (reply, _answer) = oneshot::channel();
        self.handle(Input::Connected {
            session: SessionId(session),
            device: device(n),
            token: "t".into(),
            outbox: sender,
            reply,
        });
        receiver
    }

    fn ring(&mut self, session: u64, call: u8) {
        let ring = Ring {
            version: WIRE_VERSION,
            call: CallId::from_bytes([call; 16]).at(&home()),
            from: device(1).at(&home()),
            to: PersonId::from_bytes([2; 16]).at(&home()),
            mode: RecordMode::Memo,
            suite: SuiteName::Hybrid,
            at_ms: 0,
            on_behalf: None,
            over: None,
        };
        let jws = serde_json::to_string(&ring).unwrap();
        let verified = VerifiedRing { ring, jws, call_exists: false, line: None };
        self.handle(Input::Ring(SessionId(session), Box::new(Ok(verified))));
    }
}

fn new_device(n: u8) -> NewDevice {
    let card = Card {
        person: PersonId::from_bytes([n; 16]),
        office: home(),
        name: format!("Person {n}"),
        organisation: "Chancellery".into(),
        role: Role::Principal,
        zone: "UTC".into(),
        place: false,
    };
    NewDevice {
        device: device(n),
        card,
        chain: vec![Blob(vec![n]), Blob(vec![n])],
        cert_sha256: telcon_proto::Digest::from_bytes([n; 32]),
        second_cert_sha256: None,
        registrars: Vec::new(),
        enrolment: format!("{n}"),
        enrolment_is_used: false,
    }
}

/// The messages in the outbox, and whether the connection is closed.
fn drain(outbox: &mut OutboxReader) -> (Vec<ServerMessage>, bool) {
    let mut messages = Vec::new();
    loop {
        match outbox.try_recv() {
            Ok(Outgoing::Text(text)) => messages.push(serde_json::from_str(&text).unwrap()),
            Ok(Outgoing::Close(_)) => return (messages, true),
            Err(mpsc::error::TryRecvError::Empty) => return (messages, false),
            Err(mpsc::error::TryRecvError::Disconnected) => return (messages, true),
        }
    }
}

#[test]
fn nothing_is_sent_when_the_store_fails_and_calls_continue_after_it_recovers() {
    let mut world = World::new();
    let (mut caller, mut callee) = (world.connect(1, 1), world.connect(2, 2));
    drain(&mut caller);
    drain(&mut callee);
    world.ring(1, 7);
    world.store.take_down();
    world.log();
    assert_eq!(drain(&mut caller), (vec![], true), "the caller is not notified of a call that is not stored");
    assert_eq!(drain(&mut callee), (vec![], true));
    let (probe, mut alive) = oneshot::channel();
    world.handle(Input::Probe(probe));
    assert!(world.hub.state_unknown.is_some(), "the store still fails");
    assert!(alive.try_recv().is_err(), "a switchboard with unknown state is not alive");
    world.store.repair();
    // The opening had reached the log, so the call continues.
    let (mut caller, mut callee) = (world.connect(3, 1), world.connect(4, 2));
    let (heard, closed) = drain(&mut callee);
    assert!(heard.iter().any(|m| matches!(m, ServerMessage::Ringing { opened, .. } if opened.index == 2)), "{heard:?}");
    let (more, _) = drain(&mut caller);
    let in_call = Some(CallId::from_bytes([7; 16]));
    assert!(more.iter().any(|m| matches!(m, ServerMessage::SignedIn { in_call: c, .. } if *c == in_call)), "{more:?}");
    assert!(!closed);
    let hang_up = ClientMessage::HangUp { call: CallId::from_bytes([7; 16]), failed: false };
    world.handle(Input::Message(SessionId(3), Box::new(hang_up)));
    world.log();
    let (last, _) = world.hub.parts.prover.checkpoint();
    let entry = world.hub.parts.prover.prove(last - 1).unwrap().entry;
    assert!(is_end_of(entry.as_slice(), 7));
}

#[test]
fn a_full_disk_is_named_and_a_hang_up_is_not_lost() {
    let mut world = World::new();
    let (mut caller, mut callee) = (world.connect(1, 1), world.connect(2, 2));
    world.ring(1, 7);
    world.log();
    let call = CallId::from_bytes([7; 16]);
    world.store.inject(Fault::Full, 0, usize::MAX);
    let hang_up = |session| Input::Message(SessionId(session), Box::new(ClientMessage::HangUp { call, failed: false }));
    world.handle(hang_up(1));
    assert!(
        drain(&mut caller).1 && drain(&mut callee).1,
        "connections are closed: nobody is told of an end that is not stored"
    );
    // The engine recovers by reading; the next write fails again, and with it the recovery once the disk cannot be read.
    let (reply, mut answer) = oneshot::channel();
    world.handle(Input::Enrol(Box::new(new_device(3)), reply));
    let refusal = answer.try_recv().unwrap().unwrap_err();
    assert!(refusal.kind == RefusalKind::Unavailable && refusal.message.contains("disk"), "{}", refusal.message);
    world.hub.state_unknown = Some(failure::STORE_FAILED);
    world.store.take_down();
    let (sender, _receiver) = outbox();
    let (reply, mut answer) = oneshot::channel();
    let (session, token) = (SessionId(3), "t".to_owned());
    world.handle(Input::Connected { session, device: device(1), token, outbox: sender, reply });
    let refused = answer.try_recv().expect("an answer while the store fails").unwrap_err();
    assert!(matches!(*refused, ServerMessage::Refused { code: RefusalCode::Unavailable, .. }), "{refused:?}");
    // Space was freed. The device learns that the office has the call still, and hangs up again.
    world.store.repair();
    let (mut caller, mut callee) = (world.connect(4, 1), world.connect(5, 2));
    let (heard, _) = drain(&mut caller);
    let still = |m: &ServerMessage| matches!(m, ServerMessage::SignedIn { in_call: Some(c), .. } if *c == call);
    assert!(heard.iter().any(still), "{heard:?}");
    world.handle(hang_up(4));
    world.log();
    let ended = |m: &ServerMessage| matches!(m, ServerMessage::Ended { call: c, .. } if *c == call);
    assert!(drain(&mut callee).0.iter().any(ended));
    let (last, _) = world.hub.parts.prover.checkpoint();
    assert!(is_end_of(world.hub.parts.prover.prove(last - 1).unwrap().entry.as_slice(), 7));
}

#[test]
fn a_step_of_the_clock_is_followed_and_calls_go_on() {
    const HOUR: i64 = 3_600_000;
    for by_ms in [HOUR, -HOUR / 4] {
        let mut world = World::new();
        let (mut caller, mut callee) = (world.connect(1, 1), world.connect(2, 2));
        world.ring(1, 7);
        world.log();
        let before = world.hub.now_ms();
        let wall_ms = (before as i64 + by_ms) as u64;
        // Nothing happens while both clocks agree.
        world.hub.follow_clock(Instant::now(), before);
        assert!(!drain(&mut caller).1);
        world.hub.follow_clock(Instant::now(), wall_ms);
        assert!(drain(&mut caller).1 && drain(&mut callee).1, "devices reconnect");
        let now = world.hub.now_ms();
        assert!((wall_ms..wall_ms + 60_000).contains(&now), "{now} instead of {wall_ms}");
        let (mut caller, mut callee) = (world.connect(3, 1), world.connect(4, 2));
        drain(&mut caller);
        if by_ms < 0 {
            // It rings on, and its deadline is of the new time.
            let ringing = |m: &ServerMessage| matches!(m, ServerMessage::Ringing { .. });
            assert!(drain(&mut callee).0.iter().any(ringing));
            let due = world.hub.board.next_timeout().unwrap();
            assert!((wall_ms..wall_ms + 600_000).contains(&due), "{due} is not a deadline of {wall_ms}");
            let call = CallId::from_bytes([7; 16]);
            let hang_up = ClientMessage::HangUp { call, failed: false };
            world.handle(Input::Message(SessionId(3), Box::new(hang_up)));
        }
        // Set forward, as after a suspension, the ring is over.
        world.log();
        let (last, _) = world.hub.parts.prover.checkpoint();
        let entries = world.hub.parts.prover.entries(0..last).unwrap();
        let entries: Vec<telcon_proto::entry::Entry> =
            entries.iter().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect();
        let kinds: Vec<_> = entries.iter().map(telcon_proto::entry::Entry::kind).collect();
        assert_eq!(
            kinds,
            ["device_enrolled", "device_enrolled", "call_opened", "call_ended"],
            "in the order of events"
        );
        let at = entries[3].time_ms();
        assert!((wall_ms..wall_ms + 60_000).contains(&at), "{at} is not the new time {wall_ms}");
    }
}

#[test]
fn each_recovery_names_its_own_cause() {
    let mut world = World::new();
    let enrol = |world: &mut World, n| {
        let (reply, answer) = oneshot::channel();
        world.handle(Input::Enrol(Box::new(new_device(n)), reply));
        answer
    };
    world.store.inject(Fault::Full, 0, 1);
    let refusal = enrol(&mut world, 3).try_recv().unwrap().unwrap_err();
    assert!(refusal.message.contains("disk"), "{}", refusal.message);
    // The disk has space again. The clock is set while the next enrolment waits for the log.
    let mut answer = enrol(&mut world, 4);
    let wall_ms = world.hub.now_ms() + 3_600_000;
    world.hub.follow_clock(Instant::now(), wall_ms);
    let refusal = answer.try_recv().unwrap().unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Unavailable);
    assert_eq!(refusal.message, failure::CLOCK_SET);
}

fn is_end_of(entry: &[u8], call: u8) -> bool {
    use telcon_proto::entry::Entry;
    matches!(serde_json::from_slice(entry), Ok(Entry::CallEnded { call: c, .. }) if c == CallId::from_bytes([call; 16]))
}

/// A message about an unknown call: its only effect is a refusal to its sender.
fn unanswerable(session: u64) -> Input {
    let call = CallId::from_bytes([0xee; 16]);
    Input::Message(SessionId(session), Box::new(ClientMessage::Decline { call, reply: None }))
}

#[test]
fn a_slow_consumer_is_closed() {
    let mut world = World::new();
    let mut slow = world.connect(1, 1);
    for _ in 0..OUTBOX_MESSAGES {
        world.handle(unanswerable(1));
    }
    world.hub.close_failed();
    assert_eq!(world.hub.board.gauges().sessions, 0);
    let (messages, closed) = drain(&mut slow);
    assert_eq!((messages.len(), closed), (OUTBOX_MESSAGES, true));
}

#[test]
fn queued_inputs_share_one_transaction_and_keep_their_order() {
    let mut world = World::new();
    let (mut caller, _callee) = (world.connect(1, 1), world.connect(2, 2));
    drain(&mut caller);
    world.ring(1, 7);
    world.log();
    let call = CallId::from_bytes([7; 16]);
    let refused = || unanswerable(1);
    let decline = Input::Message(SessionId(2), Box::new(ClientMessage::Decline { call, reply: None }));
    drain(&mut caller);
    world.handle_all([refused(), decline, refused()]);
    let kinds: Vec<bool> =
        drain(&mut caller).0.iter().map(|message| matches!(message, ServerMessage::Refused { .. })).collect();
    assert_eq!(kinds, [true, false, true], "refusal, end of the call, refusal");
    // A failed transaction loses its whole batch.
    world.store.inject(Fault::Failed, 0, usize::MAX);
    let disconnect = Input::Disconnected(SessionId(2));
    let (reply, mut answer) = oneshot::channel();
    world.handle_all([disconnect, Input::Enrol(Box::new(new_device(3)), reply), refused()]);
    assert_eq!(drain(&mut caller), (vec![], true));
    assert!(answer.try_recv().unwrap().is_err_and(|refusal| refusal.kind == RefusalKind::Unavailable));
}

#[test]
fn a_call_id_in_the_store_cannot_be_reused() {
    let mut world = World::new();
    let (mut caller, _callee) = (world.connect(1, 1), world.connect(2, 2));
    let call = CallId::from_bytes([7; 16]);
    world.ring(1, 7);
    world.log();
    world.handle(Input::Message(SessionId(1), Box::new(ClientMessage::HangUp { call, failed: false })));
    world.log();
    // No longer in memory.
    let policy = world.hub.parts.policy.clone();
    let snapshot = world.hub.parts.store.load().unwrap();
    world.hub.board = Switchboard::new(policy, snapshot, 2_000_000).0;
    let _callee = world.connect(4, 2);
    let mut again = world.connect(3, 1);
    drain(&mut caller);
    drain(&mut again);
    world.ring(3, 7);
    let (heard, _) = drain(&mut again);
    assert!(matches!(&heard[..], [ServerMessage::Refused { code: RefusalCode::NotAllowed, .. }]), "{heard:?}");
    let (reply, mut answer) = oneshot::channel();
    world.handle(Input::MaySeal(call, device(1), reply));
    assert_eq!(answer.try_recv().unwrap().unwrap_err().kind, RefusalKind::Conflict, "no record of it is pending");
    let (reply, mut answer) = oneshot::channel();
    world.handle(Input::MaySeal(CallId::from_bytes([9; 16]), device(1), reply));
    assert_eq!(answer.try_recv().unwrap().unwrap_err().kind, RefusalKind::NotFound);
    let (reply, mut answer) = oneshot::channel();
    world.handle(Input::Enrol(Box::new(NewDevice { device: device(9), ..new_device(1) }), reply));
    assert_eq!(answer.try_recv().unwrap().unwrap_err().kind, RefusalKind::Gone);
}

/// The attacker is signed in, and invites with one new id after the other.
#[test]
fn a_device_that_may_not_invite_costs_the_store_no_read() {
    let mut world = World::new();
    let mut sender = world.connect(1, 1);
    drain(&mut sender);
    world.store.take_down();
    let invite = ClientMessage::Invite {
        invitation: InvitationId::from_bytes([3; 16]),
        card: new_device(3).card,
        expires_ms: u64::MAX,
        token_sha256: telcon_proto::Digest::from_bytes([4; 32]),
        line: None,
    };
    world.handle(Input::Message(SessionId(1), Box::new(invite)));
    let (messages, closed) = drain(&mut sender);
    let is_refused =
        |message: &ServerMessage| matches!(message, ServerMessage::Refused { code: RefusalCode::NotAllowed, .. });
    assert!(messages.iter().any(is_refused) && !closed, "{messages:?}");
}

#[test]
fn each_change_of_a_batch_is_answered_with_its_own_outcome() {
    let mut world = World::new();
    let change = |writes: Vec<ProtectionWrite>| {
        let (reply, answer) = oneshot::channel();
        (Input::Protection(writes, reply), answer)
    };
    let passkey = |n: u8| {
        let row = PasskeyRow { credential: "a".into(), device: device(n), passkey: "{}".into(), added_ms: 1 };
        vec![ProtectionWrite::PasskeyAdded(Box::new(row))]
    };
    let removed = || vec![ProtectionWrite::PasskeyRemoved(device(1), "a".into())];
    let (inputs, answers): (Vec<_>, Vec<_>) =
        [passkey(1), passkey(2), removed(), vec![ProtectionWrite::Connected(vec![device(1)], 5)]]
            .into_iter()
            .map(change)
            .unzip();
    world.handle_all(inputs);
    let held: Vec<bool> = answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect();
    assert_eq!(held, [true, false, false, true]);
}
