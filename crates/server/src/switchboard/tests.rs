//! The cost of a message: it visits the same calls and causes the same effects, independent of the office's size. Limits of
//! what one connection causes, and of what it is sent at sign-in. Which devices are in use.

use super::{
    BeginningShift, Effects, NewDelegation, NewDevice, NewLine, Output, Policy, RelayCommand, RequestId, Seal,
    SessionId, Switchboard, VerifiedRing, contacts::MAX_CANDIDATES,
};
use crate::{
    limits::{CONTACTS_AT_SIGN_IN, CONTACTS_INTERVAL_MS, NOTICES_AT_SIGN_IN, RECORD_DUE_MS},
    store::{SignedLine, Snapshot},
};
use telcon_proto::{
    Blob, CallId, Card, ClientMessage as C, DelegationId, DeviceId, Digest, LineId, OfficeName, PersonId, RecordMode,
    Role, ServerMessage as S, ShiftId, SuiteName, WIRE_VERSION,
    delegation::{Act, Delegation, OnBehalf},
    line::{Line, LineState, LineTerms, OverLine, Reach, Rings},
    message::{RefusalCode, Ring},
};

const CALL: CallId = CallId::from_bytes([0xca; 16]);

fn home() -> OfficeName {
    OfficeName::parse("office.example").unwrap()
}

fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

fn person(n: u8) -> PersonId {
    PersonId::from_bytes([n; 16])
}

fn blob(text: &str) -> Blob {
    Blob(text.as_bytes().to_vec())
}

fn kind(message: &S) -> String {
    serde_json::to_value(message).unwrap()["type"].as_str().unwrap().to_owned()
}

fn new_device(device: DeviceId, person: PersonId, name: String, role: Role) -> NewDevice {
    let card = Card {
        person,
        office: home(),
        name,
        organisation: "Chancellery".into(),
        role,
        zone: "Europe/Oslo".into(),
        place: false,
    };
    NewDevice {
        device,
        card,
        chain: vec![blob("device"), blob("enrolment")],
        cert_sha256: Digest::from_bytes([7; 32]),
        second_cert_sha256: None,
        registrars: Vec::new(),
        enrolment: format!("enrolment of {device:?}"),
        enrolment_is_used: false,
    }
}

/// A device of a place, number 5.
fn place() -> NewDevice {
    let mut new = new_device(device(5), person(5), "Operations room".into(), Role::DutyOfficer);
    new.card.place = true;
    new
}

/// A ring, as if its signature had been verified.
fn ring(call: CallId, from: DeviceId, to: PersonId) -> VerifiedRing {
    let (call, from, to) = (call.at(&home()), from.at(&home()), to.at(&home()));
    let ring = Ring {
        version: WIRE_VERSION,
        call,
        from,
        to,
        mode: RecordMode::Memo,
        suite: SuiteName::Hybrid,
        at_ms: 0,
        on_behalf: None,
        over: None,
    };
    VerifiedRing { ring, jws: "jws".into(), call_exists: false, line: None }
}

/// A switchboard whose entries are in the log at once. What it sends is kept.
struct Office {
    switchboard: Switchboard,
    now: u64,
    entries: u64,
    /// What it sent.
    sent: Vec<(SessionId, S)>,
}

impl Office {
    /// Two principals (persons and devices 1 and 2) in a call with a note-taker (3), and a duty officer (4).
    fn in_call() -> Self {
        let policy = Policy {
            domain: home(),
            suite: SuiteName::Hybrid,
            floor: RecordMode::LogOnly,
            record_due_ms: RECORD_DUE_MS,
            devices: Default::default(),
            rings: Default::default(),
        };
        let (switchboard, _) = Switchboard::new(policy, Snapshot::default(), 1_000_000);
        let mut office = Self { switchboard, now: 1_000_000, entries: 0, sent: Vec::new() };
        for (n, role) in [(1, Role::Principal), (2, Role::Principal), (3, Role::NoteTaker), (4, Role::DutyOfficer)] {
            office.enrol(new_device(device(n), person(n), format!("Person {n}"), role));
            office.connect(session(n), device(n));
        }
        let effects = office.switchboard.ring(session(1), Ok(ring(CALL, device(1), person(2))), office.now);
        office.run(effects);
        for (epoch, joiner) in [(0, 2), (1, 3)] {
            let (call, key_package) = (CALL, blob("kp"));
            office.send(
                joiner,
                if joiner == 2 { C::Answer { call, key_package } } else { C::AskJoin { call, key_package } },
            );
            let (adds, welcome) = (vec![device(joiner)], Some(blob("w")));
            office.send(1, C::Commit { call, epoch, commit: blob("c"), welcome, adds, removes: vec![] });
        }
        office
    }

    fn enrol(&mut self, new: NewDevice) {
        let effects = self.switchboard.enrol(RequestId(1), new, self.now);
        self.run(effects);
    }

    /// Returns the messages sent to it at sign-in.
    fn connect(&mut self, session: SessionId, device: DeviceId) -> Vec<S> {
        let (_, effects) = self.switchboard.connected(session, device, "token".into(), self.now).unwrap();
        let sent = effects.outputs.iter().filter_map(|output| match output {
            Output::Send(to, message) if *to == session => Some((**message).clone()),
            _ => None,
        });
        let sent = sent.collect();
        self.run(effects);
        sent
    }

    fn send(&mut self, n: u8, message: C) {
        let effects = self.switchboard.message(session(n), message, self.now);
        self.run(effects);
    }

    fn advance(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(at) = self.switchboard.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let effects = self.switchboard.timeout(self.now);
            self.run(effects);
        }
        self.now = until;
    }

    fn run(&mut self, effects: Effects) {
        for output in effects.outputs {
            match output {
                Output::Append(append, _) => {
                    self.entries += 1;
                    let effects = self.switchboard.logged(append, Some(self.entries - 1), self.now);
                    self.run(effects);
                }
                Output::Send(to, message) => self.sent.push((to, (*message).clone())),
                _ => {}
            }
        }
    }

    /// What a device was sent since [`Office::discard`].
    fn messages(&self, n: u8) -> Vec<S> {
        self.sent.iter().filter(|(to, _)| *to == session(n)).map(|(_, message)| message.clone()).collect()
    }

    fn discard(&mut self) {
        self.sent.clear();
    }
}

/// The session of one of the call's devices.
fn session(n: u8) -> SessionId {
    SessionId(u64::from(n))
}

/// Ids distinct from those of the call's devices.
fn id(n: u32) -> [u8; 16] {
    let mut id = [0xff; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    id
}

/// An office with one call and `others` further connected devices, every second pair of which rings.
fn office_with(others: u32) -> Office {
    let mut office = Office::in_call();
    for n in 0..others {
        let role = if n % 2 == 0 { Role::Principal } else { Role::Counterpart };
        let (device, person) = (DeviceId::from_bytes(id(n)), PersonId::from_bytes(id(n)));
        // Sorted after the call's people, so that their devices see the same head of the contact list.
        office.enrol(new_device(device, person, format!("Somebody {n:05}"), role));
        let session = SessionId(1_000_000 + u64::from(n));
        office.connect(session, device);
        if n % 4 == 3 {
            let ring = ring(CallId::from_bytes(id(n)), device, PersonId::from_bytes(id(n - 1)));
            let effects = office.switchboard.ring(session, Ok(ring), office.now);
            let before = office.entries;
            office.run(effects);
            assert_eq!(office.entries, before + 1, "the ring was accepted: its call is opened, and not over");
        }
    }
    office.advance(2 * CONTACTS_INTERVAL_MS);
    office
}

/// Effects of one input: writes, and outputs by kind. Messages to other devices must not grow.
fn cost(office: &mut Office, effects: Effects) -> (usize, Vec<String>) {
    let kinds = effects.outputs.iter().map(|output| match output {
        Output::Send(_, message) => kind(message),
        Output::Close(..) => "close".into(),
        Output::Append(..) => "append".into(),
        Output::Relay(RelayCommand::OpenCall(..)) => "open".into(),
        Output::Relay(_) => "relay".into(),
        Output::Reply(..) => "reply".into(),
        Output::Push(_) => "push".into(),
    });
    let counted = (effects.writes.len(), kinds.collect());
    office.run(effects);
    counted
}

#[test]
fn members_of_a_call_are_told_who_is_at_a_place_and_lose_it_with_the_shift() {
    let mut office = Office::in_call();
    office.enrol(place());
    office.enrol(new_device(device(6), person(6), "Person 6".into(), Role::DutyOfficer));
    let begin = |office: &mut Office, n: u8, with: u8| {
        let new = BeginningShift { shift: ShiftId::from_bytes([n; 16]), device: device(5), with: device(with) };
        let effects = office.switchboard.begin_shift(RequestId(7), new, office.now);
        office.run(effects);
    };
    // Who each member was told is at the place.
    let told = |office: &Office| {
        let on_shift = |n: u8| {
            let name = |message: S| match message {
                S::OnShift { call: CALL, device: of, on_shift } if of == device(5) => Some(on_shift.person.name),
                _ => None,
            };
            office.messages(n).into_iter().filter_map(name).collect::<Vec<_>>()
        };
        [1, 2, 3, 4, 5, 6].map(on_shift)
    };
    begin(&mut office, 1, 4);
    office.connect(session(5), device(5));
    office.send(5, C::AskJoin { call: CALL, key_package: blob("kp5") });
    office.discard();
    let commit = |epoch, adds, removes: Vec<DeviceId>| {
        let welcome = Some(blob("w")).filter(|_| removes.is_empty());
        C::Commit { call: CALL, epoch, commit: blob("c"), welcome, adds, removes }
    };
    office.send(1, commit(2, vec![device(5)], vec![]));
    let ana = || vec!["Person 4".to_owned()];
    assert_eq!(told(&office), [ana(), ana(), ana(), vec![], vec![], vec![]], "the members, and nobody else");

    // Handed over: the device stays in the call, over a new connection.
    office.discard();
    begin(&mut office, 2, 6);
    let ben = || vec!["Person 6".to_owned()];
    assert_eq!(told(&office), [ben(), ben(), ben(), vec![], vec![], vec![]]);
    office.connect(SessionId(50), device(5));
    let effects = office.switchboard.message(SessionId(50), C::Resume { call: CALL, after: 3 }, office.now);
    office.run(effects);
    assert!(office.switchboard.device_is_in_use(&device(5), office.now), "it resumed the call");
    // Somebody who joins later is told, too.
    office.connect(session(4), device(4));
    office.send(4, C::AskJoin { call: CALL, key_package: blob("kp4") });
    office.discard();
    office.send(1, commit(3, vec![device(4)], vec![]));
    assert_eq!(told(&office)[3], ben());

    // Ended: the members have to remove it, and it may not come back.
    office.discard();
    let effects = office.switchboard.message(SessionId(50), C::EndShift { idle: false }, office.now);
    office.run(effects);
    let asked = office
        .messages(1)
        .into_iter()
        .any(|message| matches!(message, S::RemoveAsked { call: CALL, devices } if devices == [device(5)]));
    assert!(asked && !office.switchboard.device_is_in_use(&device(5), office.now));
    let refused = office.switchboard.connected(SessionId(51), device(5), "t".into(), office.now);
    assert!(matches!(refused.map_err(|message| *message), Err(S::ShiftRequired { .. })));
}

/// The attacker is on shift at a place, and wants to be a party of calls.
#[test]
fn a_place_is_nobodys_delegate() {
    let mut office = Office::in_call();
    office.enrol(place());
    let content = Delegation {
        office: home(),
        delegation: DelegationId::from_bytes([0xde; 16]),
        principal: person(1),
        delegate: place().card,
        acts: vec![Act::Ring],
        not_before_ms: office.now,
        not_after_ms: office.now + 3_600_000,
        at_ms: office.now,
    };
    let sha256 = Digest::from_bytes([0xde; 32]);
    let new = NewDelegation { content, device: device(1), statement: "s".into(), sha256, exists: false };
    office.discard();
    let effects = office.switchboard.delegate(session(1), Ok(new), office.now);
    office.run(effects);
    assert!(matches!(&office.messages(1)[..], [S::Refused { code: RefusalCode::NotAllowed, .. }]));
}

/// The attacker is at a device that is not the party's, or not for this call.
#[test]
fn only_another_device_of_a_party_continues_a_call() {
    let mut office = Office::in_call();
    office.enrol(place());
    let begin = BeginningShift { shift: ShiftId::from_bytes([1; 16]), device: device(5), with: device(4) };
    let effects = office.switchboard.begin_shift(RequestId(7), begin, office.now);
    office.run(effects);
    let mut of_place = place();
    (of_place.device, of_place.enrolment) = (device(6), "another".into());
    office.enrol(of_place);
    office.enrol(new_device(device(8), person(8), "Person 8".into(), Role::Principal));
    office.enrol(new_device(device(9), person(1), "Person 1".into(), Role::Principal));
    let told = |office: &mut Office, n: u8| {
        let sent = office.connect(session(n), device(n));
        sent.iter().any(|message| matches!(message, S::Notice(notice) if notice.call == CALL))
    };
    assert!(!told(&mut office, 8) && told(&mut office, 9), "the party's other device is told of the call");
    let asks = |office: &mut Office, n: u8| {
        office.discard();
        office.send(n, C::AskJoin { call: CALL, key_package: blob("kp") });
        office.messages(1).iter().any(|message| matches!(message, S::JoinAsked { from, .. } if *from == device(n)))
    };
    assert!(!asks(&mut office, 8));
    assert!(matches!(&office.messages(8)[..], [S::Refused { code: RefusalCode::NotAllowed, .. }]));
    assert!(asks(&mut office, 9));
    // A place that listens is no party: leaving ends nothing, and nobody is handed a call by it.
    office.connect(session(5), device(5));
    assert!(asks(&mut office, 5));
    office.send(
        1,
        C::Commit {
            call: CALL,
            epoch: 2,
            commit: blob("c"),
            welcome: Some(blob("w")),
            adds: vec![device(5), device(9)],
            removes: vec![],
        },
    );
    office.discard();
    office.send(5, C::HandOver { call: CALL });
    assert!(matches!(&office.messages(5)[..], [S::Refused { code: RefusalCode::NotAllowed, .. }]));
    office.send(5, C::Leave { call: CALL });
    // Both devices of the party are: neither ends the call by leaving, and the last one does.
    office.send(1, C::Leave { call: CALL });
    assert!(office.switchboard.device_is_in_use(&device(9), office.now));
    assert!(!office.switchboard.device_is_in_use(&device(1), office.now));
    office.discard();
    office.send(9, C::Leave { call: CALL });
    let ended = |n: u8| office.messages(n).iter().any(|message| matches!(message, S::Ended { call: CALL, .. }));
    assert!(ended(2) && !ended(8));
}

#[test]
fn effects_do_not_grow_with_the_size_of_the_office() {
    let all = |others: u32| {
        let mut office = office_with(others);
        let mut costs = Vec::new();
        let mut step = |office: &mut Office, n: u8, message: C| {
            let effects = office.switchboard.message(session(n), message, office.now);
            costs.push(cost(office, effects));
        };
        step(&mut office, 1, C::Application { call: CALL, message: blob("a") });
        step(&mut office, 2, C::Offer { call: CALL, sdp: "offer".into() });
        step(&mut office, 4, C::AskJoin { call: CALL, key_package: blob("kp4") });
        let commit = |epoch, adds: Vec<DeviceId>, removes: Vec<DeviceId>| C::Commit {
            call: CALL,
            epoch,
            commit: blob("c"),
            welcome: Some(blob("w")).filter(|_| removes.is_empty()),
            adds,
            removes,
        };
        step(&mut office, 1, commit(2, vec![device(4)], vec![]));
        step(&mut office, 2, C::Resume { call: CALL, after: 1 });
        step(&mut office, 4, C::HangUp { call: CALL, failed: false });
        step(&mut office, 1, commit(3, vec![], vec![device(4)]));
        // The caller continues on another device, and is back on the first one.
        office.enrol(new_device(device(9), person(1), "Person 1".into(), Role::Principal));
        office.connect(session(9), device(9));
        step(&mut office, 9, C::AskJoin { call: CALL, key_package: blob("kp9") });
        step(&mut office, 1, commit(4, vec![device(9)], vec![]));
        step(&mut office, 9, C::Leave { call: CALL });
        step(&mut office, 1, commit(5, vec![], vec![device(9)]));
        step(&mut office, 4, C::FindPeople { name: "person".into() });
        step(&mut office, 3, C::Available {});
        step(&mut office, 1, C::HangUp { call: CALL, failed: false });
        let next = CallId::from_bytes([0xcb; 16]);
        let effects = office.switchboard.ring(session(1), Ok(ring(next, device(1), person(2))), office.now);
        let rung = cost(&mut office, effects);
        step(&mut office, 2, C::RingShown { call: next });
        step(&mut office, 2, C::Answer { call: next, key_package: blob("kp2") });
        step(&mut office, 1, C::Decline { call: next, reply: None });
        costs.push(rung);

        // The duty officer rings for the principal, whose delegation concerns the two alone.
        let content = Delegation {
            office: home(),
            delegation: DelegationId::from_bytes([0xde; 16]),
            principal: person(1),
            delegate: new_device(device(4), person(4), "Person 4".into(), Role::DutyOfficer).card,
            acts: vec![Act::Ring, Act::Answer],
            not_before_ms: office.now,
            not_after_ms: office.now + 3_600_000,
            at_ms: office.now,
        };
        let sha256 = Digest::from_bytes([0xde; 32]);
        let named = OnBehalf { delegation: content.delegation, statement_sha256: sha256 };
        let new = NewDelegation { content, device: device(1), statement: "s".into(), sha256, exists: false };
        office.send(1, C::HangUp { call: next, failed: false });
        let effects = office.switchboard.delegate(session(1), Ok(new), office.now);
        costs.push(cost(&mut office, effects));
        // Whom they may ring is sent to the delegate: as much as at a sign-in.
        let third = CallId::from_bytes([0xcc; 16]);
        let mut for_principal = ring(third, device(4), person(2));
        for_principal.ring.on_behalf = Some(named);
        let effects = office.switchboard.ring(session(4), Ok(for_principal), office.now);
        costs.push(cost(&mut office, effects));
        let effects = office.switchboard.message(session(4), C::HangUp { call: third, failed: false }, office.now);
        costs.push(cost(&mut office, effects));

        // A place's device, at which the duty officer begins a shift, and then the next one.
        office.enrol(place());
        for (n, with) in [(1, 4), (2, 4)] {
            let new = BeginningShift { shift: ShiftId::from_bytes([n; 16]), device: device(5), with: device(with) };
            let effects = office.switchboard.begin_shift(RequestId(7), new, office.now);
            costs.push(cost(&mut office, effects));
            let (_, effects) =
                office.switchboard.connected(SessionId(80 + u64::from(n)), device(5), "t".into(), office.now).unwrap();
            costs.push(cost(&mut office, effects));
        }
        let effects = office.switchboard.message(SessionId(82), C::EndShift { idle: false }, office.now);
        costs.push(cost(&mut office, effects));

        // A device of staff, which is in no contact list: its presence is sent to nobody.
        let effects = office.switchboard.disconnected(session(4), office.now);
        costs.push((effects.writes.len(), vec![effects.outputs.len().to_string()]));
        let (_, effects) = office.switchboard.connected(SessionId(77), device(4), "t".into(), office.now).unwrap();
        costs.push((effects.writes.len(), vec![effects.outputs.len().to_string()]));
        let seal = Seal {
            call: CALL,
            device: device(3),
            digest: telcon_proto::Digest::from_bytes([0xd; 32]),
            jws: "j".into(),
            parts: 1,
            partial: false,
        };
        let effects = office.switchboard.seal(RequestId(5), seal, true, office.now);
        costs.push((effects.writes.len(), vec![effects.outputs.len().to_string()]));
        let effects = office.switchboard.revoke(RequestId(6), device(4), "jws".into(), office.now);
        costs.push((effects.writes.len(), vec![effects.outputs.len().to_string()]));
        costs
    };
    // Both offices have more calls than staff is sent notices for at sign-in.
    let (few, many) = (all(300), all(1_200));
    for (at, (few, many)) in few.iter().zip(&many).enumerate() {
        assert_eq!(few, many, "step {at}");
    }
}

/// An office that demands lines: a principal (1) has given so many, each to a counterpart who is connected.
fn office_with_lines(lines: u32) -> Office {
    let policy = Policy {
        domain: home(),
        suite: SuiteName::Hybrid,
        floor: RecordMode::LogOnly,
        record_due_ms: RECORD_DUE_MS,
        devices: Default::default(),
        rings: Rings::OverLines,
    };
    let (switchboard, _) = Switchboard::new(policy, Snapshot::default(), 1_000_000);
    let mut office = Office { switchboard, now: 1_000_000, entries: 0, sent: Vec::new() };
    office.enrol(new_device(device(1), person(1), "Person 1".into(), Role::Principal));
    office.connect(session(1), device(1));
    for n in 0..lines {
        let (holder, person) = (DeviceId::from_bytes(id(n)), PersonId::from_bytes(id(n)));
        office.enrol(new_device(holder, person, format!("Somebody {n:05}"), Role::Counterpart));
        office.connect(SessionId(1_000_000 + u64::from(n)), holder);
        let new = version_of(&office, n, 1, LineState::Live);
        let effects = office.switchboard.sign_line(session(1), Ok(new), office.now);
        office.run(effects);
    }
    office.advance(2 * CONTACTS_INTERVAL_MS);
    office
}

/// A version of a line, as if its signature had been verified.
fn version_of(office: &Office, n: u32, version: u32, state: LineState) -> NewLine {
    let digest = |version: u32| {
        let mut bytes = [version as u8; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        Digest::from_bytes(bytes)
    };
    let card = |device, person, name, role| new_device(device, person, name, role).card;
    let content = Line {
        office: home(),
        line: LineId::from_bytes(id(n)),
        version,
        previous: (version > 1).then(|| digest(version - 1)),
        principal: card(device(1), person(1), "Person 1".into(), Role::Principal),
        holder: card(
            DeviceId::from_bytes(id(n)),
            PersonId::from_bytes(id(n)),
            format!("Somebody {n:05}"),
            Role::Counterpart,
        ),
        device: None,
        terms: LineTerms {
            reach: Reach::Direct,
            hours: None,
            until_ms: None,
            rings_per_day: None,
            mode: RecordMode::LogOnly,
            purpose: String::new(),
        },
        state,
        at_ms: office.now,
        on_behalf: None,
    };
    let (sha256, follows) = (digest(version), content.previous);
    NewLine { content, by: device(1), statement: "s".into(), sha256, sealed: None, follows, exists: false }
}

#[test]
fn effects_do_not_grow_with_the_lines_of_a_principal() {
    let all = |lines: u32| {
        let mut office = office_with_lines(lines);
        let mut costs = Vec::new();
        let first = version_of(&office, 7, 1, LineState::Live);
        let over = OverLine { line: first.content.line, statement_sha256: first.sha256 };
        let signed = SignedLine {
            content: first.content,
            statement: "s".into(),
            sha256: first.sha256,
            by: device(1),
            index: 1,
            delegation: None,
            rings_ms: Vec::new(),
        };
        let mut rings = ring(CALL, DeviceId::from_bytes(id(7)), person(1));
        (rings.ring.over, rings.line) = (Some(over), Some(Box::new(signed)));
        let effects = office.switchboard.ring(SessionId(1_000_007), Ok(rings), office.now);
        costs.push(cost(&mut office, effects));
        // It is paused while it rings, and the log has that.
        for (version, state) in [(2, LineState::Paused), (3, LineState::Live), (4, LineState::Ended)] {
            let new = version_of(&office, 7, version, state);
            let effects = office.switchboard.sign_line(session(1), Ok(new), office.now);
            costs.push((effects.writes.len(), Vec::new()));
            office.discard();
            office.run(effects);
            let mut kinds: Vec<_> = office.sent.iter().map(|(to, message)| (to.0, kind(message))).collect();
            kinds.sort();
            costs.push((0, kinds.into_iter().map(|(to, kind)| format!("{to} {kind}")).collect()));
        }
        let effects = office.switchboard.message(session(1), C::FindPeople { name: "somebody".into() }, office.now);
        costs.push(cost(&mut office, effects));
        // A holder goes and comes back: their principal is told, if they are in the list.
        for back in [false, true] {
            let (session, holder) = (SessionId(1_000_009 + 5_000_000 * u64::from(back)), DeviceId::from_bytes(id(9)));
            let effects = match back {
                false => office.switchboard.disconnected(SessionId(1_000_009), office.now),
                true => office.switchboard.connected(session, holder, "t".into(), office.now).unwrap().1,
            };
            costs.push(cost(&mut office, effects));
            office.discard();
            office.advance(2 * CONTACTS_INTERVAL_MS);
            costs.push((office.sent.len(), Vec::new()));
        }
        costs
    };
    let (few, many) = (all(100), all(1_000));
    for (at, (few, many)) in few.iter().zip(&many).enumerate() {
        assert_eq!(few, many, "step {at}");
    }
    let told = |step: usize| few[step].1.iter().filter(|sent| sent.ends_with("lines_changed")).count();
    assert_eq!((told(2), told(4), told(6)), (2, 2, 2), "the principal and the holder: {few:?}");
}

#[test]
fn a_principal_and_a_holder_are_shown_each_other_while_there_is_a_line_between_them() {
    let mut office = office_with_lines(100);
    // As many as fit; the others are found by name.
    let people = |messages: &[S]| match &messages[0] {
        S::SignedIn { people, people_more, .. } => (people.len(), *people_more),
        other => panic!("{other:?}"),
    };
    let effects = office.switchboard.disconnected(session(1), office.now);
    office.run(effects);
    let sent = office.connect(SessionId(77), device(1));
    assert_eq!(people(&sent), (CONTACTS_AT_SIGN_IN, true));
    let holder = DeviceId::from_bytes(id(80));
    let sent = office.connect(SessionId(2_000_000), holder);
    assert_eq!(people(&sent), (1, false));
    office.discard();
    let effects = office.switchboard.message(SessionId(77), C::FindPeople { name: "00080".into() }, office.now);
    office.run(effects);
    let shown = |office: &Office, to: u64| {
        office.sent.iter().rev().find_map(|(session, message)| match message {
            S::PeopleChanged { changed, removed } if session.0 == to => Some((
                changed.iter().map(|contact| contact.line.as_ref().map(|line| line.state)).collect::<Vec<_>>(),
                removed.len(),
            )),
            _ => None,
        })
    };
    assert_eq!(shown(&office, 77), Some((vec![Some(LineState::Live)], 0)));
    for (version, state) in [(2, LineState::Paused), (3, LineState::Ended)] {
        office.discard();
        let new = version_of(&office, 80, version, state);
        let effects = office.switchboard.sign_line(SessionId(77), Ok(new), office.now);
        office.run(effects);
        let expected = match state {
            LineState::Ended => (Vec::new(), 1),
            state => (vec![Some(state)], 0),
        };
        assert_eq!(shown(&office, 77), Some(expected.clone()));
        assert_eq!(shown(&office, 2_000_000), Some(expected));
    }
    office.discard();
    // The principal finds them, to give them another line; they find nobody.
    for (session, name, found) in [(77, "00080", vec![None]), (2_000_000, "person", vec![])] {
        office.advance(CONTACTS_INTERVAL_MS);
        let effects = office.switchboard.message(SessionId(session), C::FindPeople { name: name.into() }, office.now);
        office.run(effects);
        assert_eq!(shown(&office, session), Some((found, 0)), "{name}");
    }
}

#[test]
fn a_search_examines_a_bounded_number_of_people() {
    let searches = ["person", "somebody 00012", "somebody", "els", "s e", "nobody", ""];
    let all = |others: u32| {
        let mut office = office_with(others);
        let mut costs = Vec::new();
        for name in searches {
            let before = office.switchboard.context.contacts.cost;
            office.send(1, C::FindPeople { name: name.into() });
            office.advance(CONTACTS_INTERVAL_MS);
            let after = office.switchboard.context.contacts.cost;
            assert_eq!(before.split, after.split, "{name:?}: names are split when they change");
            costs.push(after.examined - before.examined);
        }
        costs
    };
    let (few, many) = (all(300), all(1_200));
    for (at, name) in searches.iter().enumerate() {
        // The longest word chooses whom to examine: here everybody, of whom one has the number. Only the limit ends it.
        assert!(few[at] == many[at] || *name == "somebody 00012", "{name:?}: {} and {}", few[at], many[at]);
    }
    assert_eq!(many.iter().max(), Some(&MAX_CANDIDATES), "{many:?}");
    assert_eq!((few[5], few[6]), (0, 0), "{few:?}");
}

#[test]
fn a_connection_that_searches_without_pause_is_refused_with_a_reason() {
    let mut office = office_with(300);
    office.discard();
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..100 {
        office.send(1, C::FindPeople { name: "some".into() });
        office.advance(10);
    }
    for message in office.messages(1) {
        match message {
            S::PeopleChanged { .. } => answered += 1,
            S::Refused { call: None, code: RefusalCode::TooMany, message } => {
                assert!(message.contains("wait a second"));
                refused += 1;
            }
            _ => {}
        }
    }
    assert!((5..=11).contains(&answered), "{answered} of 100 searches within a second are carried out");
    assert_eq!(answered + refused, 100);
    // Others are not limited by it, and neither is it after a pause.
    for n in [2, 1] {
        office.advance(CONTACTS_INTERVAL_MS);
        office.discard();
        office.send(n, C::FindPeople { name: "some".into() });
        let messages = office.messages(n);
        assert!(messages.iter().any(|message| matches!(message, S::PeopleChanged { .. })), "{messages:?}");
        assert!(!messages.iter().any(|message| matches!(message, S::Refused { .. })), "{messages:?}");
    }
}

#[test]
fn the_messages_at_sign_in_are_bounded() {
    let mut office = office_with(400);
    let effects = office.switchboard.disconnected(session(1), office.now);
    office.run(effects);
    let sent = office.connect(SessionId(77), device(1));
    let bytes: usize = sent.iter().map(|message| serde_json::to_vec(message).unwrap().len()).sum();
    assert!(bytes < 20_000, "{bytes}");
    let effects = office.switchboard.disconnected(session(4), office.now);
    office.run(effects);
    let sent = office.connect(SessionId(78), device(4));
    let notices = sent.iter().filter(|message| matches!(message, S::Notice(_))).count();
    assert_eq!(notices, NOTICES_AT_SIGN_IN, "of 101 calls");
}

#[test]
fn inputs_look_only_at_the_calls_that_they_concern() {
    let mut office = office_with(400);
    let touched = |office: &mut Office, message: C| {
        office.send(1, message);
        std::mem::take(&mut office.switchboard.settled)
    };
    touched(&mut office, C::Application { call: CALL, message: blob("a") });
    assert!(touched(&mut office, C::Application { call: CALL, message: blob("a") }) <= 1);
    assert!(touched(&mut office, C::HangUp { call: CALL, failed: false }) <= 2);
    office.switchboard.settled = 0;
    let effects = office.switchboard.disconnected(session(4), office.now);
    office.run(effects);
    assert_eq!(office.switchboard.settled, 0);
}

#[test]
fn a_device_is_in_use_during_a_call_and_while_its_record_is_expected() {
    let mut office = Office::in_call();
    let in_use = |office: &Office| [1, 2, 3, 4].map(|n| office.switchboard.device_is_in_use(&device(n), office.now));
    assert_eq!(in_use(&office), [true, true, true, false]);
    office.send(1, C::HangUp { call: CALL, failed: false });
    assert_eq!(in_use(&office), [false, false, true, false], "the note-taker delivers its record");
    office.advance(RECORD_DUE_MS - 1);
    assert_eq!(in_use(&office), [false, false, true, false]);
    office.advance(1);
    assert_eq!(in_use(&office), [false; 4], "a record that does not come keeps no device unlocked");
}
