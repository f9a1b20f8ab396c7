//! Orders to erase and recoveries as devices see them, in an office that demands one registrar: what the server says, and what is
//! signed. Runs natively and in WebAssembly.

use telcon_core::{
    AskingDevice, Device, DeviceState, Engine, Output, UserCommand, device::Anchor, view::ConnectionState,
};
use telcon_identity::{Ask, Authority, InviteSpec, Registrar, verify_erasure, verify_request};
use telcon_log::LogSigner;
use telcon_proto::{
    Blob, Card, ClientMessage, DeviceId, InvitationId, PersonId, RecordMode, RecoveryId, Role, ServerMessage,
    SuiteName,
    http::OfficeInfo,
    limits::{MAX_DEVICES_PER_PERSON, RECOVERY_MS},
    recovery::{OpenRecovery, RecoveryReason},
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// 1 June 2026.
const NOW: u64 = 1_780_272_000_000;
const RECOVERY: RecoveryId = RecoveryId::from_bytes([8; 16]);

/// A security officer's device.
struct Officer {
    stored: String,
    device: Device,
    registrar: Registrar,
    certificate: Blob,
}

struct Office {
    authority: Authority,
    info: OfficeInfo,
    /// Two of the first person, then one of another.
    officers: Vec<Officer>,
    principal: String,
}

impl Office {
    fn new(suite: SuiteName) -> Self {
        let authority = Authority::create(suite, &[1; 32], "office.example", "Office", NOW - 1_000).unwrap();
        let log = LogSigner::from_seed(&[2; 32], "office.example/log").unwrap();
        let info = authority.office(&log.verifier_key().to_string(), RecordMode::Memo, NOW - 1_000).unwrap();
        let mut this = Self { authority, info, officers: Vec::new(), principal: String::new() };
        for (person, n) in [(101, 101), (101, 102), (103, 103)] {
            let stored = this.enrol(person, n, Role::SecurityOfficer);
            let device = opened(&stored);
            let der = this.authority.appoint(device.me(), &[Role::Principal], NOW).unwrap();
            let registrar = device.office().verify_registrar(&der, NOW).unwrap();
            this.officers.push(Officer { stored, device, registrar, certificate: Blob(der) });
        }
        this.principal = this.enrol(1, 1, Role::Principal);
        this
    }

    fn card(&self, person: u8, role: Role) -> Card {
        Card {
            person: PersonId::from_bytes([person; 16]),
            office: self.authority.domain().clone(),
            name: format!("Person {person}"),
            organisation: "Chancellery".into(),
            role,
            zone: "UTC".into(),
            place: false,
        }
    }

    fn enrol(&self, person: u8, n: u8, role: Role) -> String {
        let card = self.card(person, role);
        let spec = InviteSpec { card, enrolment_id: [n; 16], enrolment_seed: [n; 32], now_ms: NOW, ttl_ms: 3_600_000 };
        let link = self.authority.invite(&spec).unwrap().to_fragment();
        DeviceState::enrol(&link, self.info.clone(), &[n + 20; 32], NOW).unwrap().to_text().to_string()
    }

    /// A signed-in engine of an officer, as a registrar.
    fn officer(&self, n: usize) -> Engine {
        let mut engine = engine(&self.officers[n].stored);
        let certificate = self.officers[n].certificate.clone();
        engine.connected(NOW);
        engine.handle(NOW, signed_in(&self.officers[n].device));
        engine.handle(NOW, ServerMessage::Registrar { certificate });
        engine
    }

    fn opening(&self, by: usize, person: u8) -> String {
        let Officer { device, registrar, .. } = &self.officers[by];
        let person = PersonId::from_bytes([person; 16]);
        registrar.open_recovery(device.key(), RECOVERY, person, RecoveryReason::Lost, NOW).unwrap()
    }

    fn open(&self, statement: String) -> OpenRecovery {
        OpenRecovery {
            recovery: RECOVERY,
            card: self.card(1, Role::Principal),
            statement,
            opened_ms: NOW,
            expires_ms: NOW + 3_600_000,
            devices: vec![opened(&self.principal).me().device()],
            confirmation: None,
        }
    }
}

fn opened(stored: &str) -> Device {
    Device::open(&DeviceState::parse(stored).unwrap(), NOW).unwrap()
}

fn engine(stored: &str) -> Engine {
    Engine::new(DeviceState::parse(stored).unwrap(), [3; 32], NOW).unwrap()
}

fn signed_in(device: &Device) -> ServerMessage {
    ServerMessage::SignedIn {
        you: device.me().card().clone(),
        people: Vec::new(),
        people_more: false,
        silenced: Vec::new(),
        suite: device.office().suite(),
        mode: RecordMode::Memo,
        token: "token".into(),
        in_call: None,
        checkpoint: String::new(),
        recovered_ms: None,
        shift: None,
        key_missing: false,
    }
}

fn outputs(engine: &mut Engine) -> Vec<Output> {
    std::iter::from_fn(|| engine.poll()).collect()
}

fn sent(engine: &mut Engine) -> Vec<ClientMessage> {
    let sent = |output| if let Output::Send(message) = output { Some(message) } else { None };
    outputs(engine).into_iter().filter_map(sent).collect()
}

fn erases(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Erase { .. }))
}

#[test]
fn a_revoked_device_stops_and_erases_itself_only_when_that_is_ordered() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let office = Office::new(suite);
        let me = opened(&office.principal);
        let id = me.me().device();
        let Officer { device, registrar, .. } = &office.officers[0];
        let mut engine = engine(&office.principal);
        engine.connected(NOW);
        engine.handle(NOW, signed_in(&me));
        outputs(&mut engine);
        let plain = registrar.revoke(device.key(), id, NOW).unwrap();
        engine.handle(NOW, ServerMessage::Revoked { jws: Some(plain) });
        assert!(!erases(&outputs(&mut engine)), "its keys stay");
        let view = engine.view();
        assert_eq!((view.phase, view.token), (ConnectionState::Revoked, None));
        let shown = view.revocation.unwrap();
        assert_eq!((shown.erase, shown.by.as_ref(), shown.at_ms), (false, Some(device.me().card()), NOW));
        // It does nothing any more, whatever the server says.
        engine.connected(NOW);
        engine.handle(NOW, ServerMessage::Challenge { nonce: Blob(vec![1; 32]), now_ms: NOW });
        engine.handle(NOW, signed_in(&me));
        engine.command(NOW, UserCommand::Available);
        assert!(sent(&mut engine).is_empty());
        assert_eq!(engine.view().phase, ConnectionState::Revoked);
        // The order comes later. The report is signed before the key is erased.
        let order = registrar.revoke_and_erase(device.key(), id, NOW + 5).unwrap();
        engine.handle(NOW, ServerMessage::Revoked { jws: Some(order.clone()) });
        let outputs = outputs(&mut engine);
        let Some(Output::Erase { report }) = outputs.last() else { panic!("{outputs:?}") };
        let key = me.me().public_key();
        assert!(verify_erasure(report, suite, key, "office.example", id, &order).is_ok());
        assert!(!outputs.contains(&Output::Persist), "a state persisted after it would restore the keys");
        assert!(engine.view().revocation.unwrap().erase);
        engine.handle(NOW, ServerMessage::Revoked { jws: Some(order) });
        assert!(!erases(&self::outputs(&mut engine)), "once");
    }
}

#[test]
fn an_order_that_does_not_verify_erases_nothing_also_on_a_locked_device() {
    let office = Office::new(SuiteName::Hybrid);
    let id = opened(&office.principal).me().device();
    let anchor = Anchor::parse(&DeviceState::parse(&office.principal).unwrap().anchor().to_text()).unwrap();
    let Officer { device, registrar, .. } = &office.officers[0];
    let genuine = registrar.revoke_and_erase(device.key(), id, NOW).unwrap();
    let of_other = registrar.revoke_and_erase(device.key(), DeviceId::from_bytes([9; 16]), NOW).unwrap();
    let (jws, certificate) = genuine.split_once('~').unwrap();
    // A registrar that may enrol note-takers only.
    let der = office.authority.appoint(office.officers[2].device.me(), &[Role::NoteTaker], NOW).unwrap();
    let limited = device.office().verify_registrar(&der, NOW).unwrap();
    let other_role = limited.revoke_and_erase(office.officers[2].device.key(), id, NOW).unwrap();
    let stranger = Authority::create(SuiteName::Hybrid, &[7; 32], "office.example", "Office", NOW - 1_000).unwrap();
    let other_office = stranger.revoke_and_erase(id, NOW).unwrap();
    let sent = [of_other, jws.to_owned(), format!("{jws}x~{certificate}"), other_role, other_office, String::new()];
    for statement in sent.iter().map(|text| Some(text.clone())).chain([None]) {
        assert_eq!(statement.as_deref().and_then(|text| anchor.revocation(text)), None);
        let mut engine = engine(&office.principal);
        engine.connected(NOW);
        engine.handle(NOW, ServerMessage::Revoked { jws: statement });
        assert!(!erases(&outputs(&mut engine)));
        let view = engine.view();
        assert!(view.phase != ConnectionState::Revoked && view.revocation.is_none());
    }
    let shown = anchor.revocation(&genuine).unwrap();
    assert!(shown.erase && shown.by.as_ref() == Some(device.me().card()));
    assert_eq!(anchor.revocation(&office.authority.revoke(id, NOW).unwrap()).unwrap().by, None);
    // What is readable beside the keys has none of them.
    let readable = anchor.to_text();
    let state: serde_json::Value = serde_json::from_str(&office.principal).unwrap();
    assert!(!readable.contains(state["seed"].as_str().unwrap()));
}

/// Its order was given while its certificate was valid, or after that: whoever has the device has its keys all the same.
#[test]
fn a_device_whose_certificate_has_expired_erases_itself_when_ordered() {
    const YEAR_MS: u64 = 366 * 86_400_000;
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let office = Office::new(suite);
        let me = opened(&office.principal);
        let id = me.me().device();
        let later_ms = NOW + 3 * YEAR_MS;
        let state = DeviceState::parse(&office.principal).unwrap();
        assert!(Device::open(&state, later_ms).is_err(), "it has expired");
        let anchor = Anchor::parse(&state.anchor().to_text()).unwrap();
        let Officer { device, registrar, .. } = &office.officers[0];
        let in_time = registrar.revoke_and_erase(device.key(), id, NOW).unwrap();
        let afterwards = office.authority.revoke_and_erase(id, later_ms).unwrap();
        for order in [in_time, afterwards] {
            assert!(anchor.revocation(&order).unwrap().erase);
            let report = state.erasure_report(&order, later_ms).unwrap();
            assert!(verify_erasure(&report, suite, me.me().public_key(), "office.example", id, &order).is_ok());
        }
        let plain = office.authority.revoke(id, NOW).unwrap();
        assert_eq!(state.erasure_report(&plain, later_ms), None);
        assert_eq!(state.erasure_report("forged", later_ms), None);
    }
}

#[test]
fn an_officer_sees_and_confirms_only_what_another_officer_signed() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let office = Office::new(suite);
        let changed = |recovery| ServerMessage::Recoveries { changed: vec![recovery], closed: Vec::new() };
        // The server opens one by itself, or shows a genuine statement for somebody else.
        let forged = office.opening(0, 1).replacen('.', ".e", 1);
        for statement in [forged, String::new(), office.opening(0, 2)] {
            let mut engine = office.officer(2);
            engine.handle(NOW, changed(office.open(statement)));
            let [shown] = &engine.view().recoveries[..] else { panic!("one recovery") };
            assert!(shown.problem.is_some() && !shown.can_confirm && shown.by.is_none());
            outputs(&mut engine);
            engine.command(NOW, UserCommand::ConfirmRecovery { recovery: RECOVERY });
            assert!(sent(&mut engine).is_empty());
        }
        // The same person on another device confirms nothing.
        for (n, may) in [(0, false), (1, false), (2, true)] {
            let mut engine = office.officer(n);
            engine.handle(NOW, changed(office.open(office.opening(0, 1))));
            let [shown] = &engine.view().recoveries[..] else { panic!("one recovery") };
            assert_eq!((shown.can_confirm, shown.own, shown.reason), (may, !may, Some(RecoveryReason::Lost)));
            outputs(&mut engine);
            engine.command(NOW, UserCommand::ConfirmRecovery { recovery: RECOVERY });
            assert_eq!(sent(&mut engine).len(), usize::from(may));
        }
    }
}

/// The server withheld an officer's statement, and shows it as if it were new.
#[test]
fn an_opening_of_another_day_is_not_confirmed() {
    let office = Office::new(SuiteName::Hybrid);
    for (later_ms, sends) in [(RECOVERY_MS, true), (RECOVERY_MS + 120_000, false), (200 * RECOVERY_MS, false)] {
        let mut engine = office.officer(2);
        let open = OpenRecovery {
            opened_ms: NOW + later_ms,
            expires_ms: NOW + 2 * later_ms,
            ..office.open(office.opening(0, 1))
        };
        engine.handle(NOW + later_ms, ServerMessage::Recoveries { changed: vec![open], closed: Vec::new() });
        outputs(&mut engine);
        engine.command(NOW + later_ms, UserCommand::ConfirmRecovery { recovery: RECOVERY });
        assert_eq!(!sent(&mut engine).is_empty(), sends, "{later_ms} ms later");
    }
}

/// The list of the person's devices is the server's word.
#[test]
fn a_confirmation_signs_orders_against_no_more_devices_than_a_person_has_and_not_against_its_own() {
    let office = Office::new(SuiteName::Hybrid);
    let own = office.officer(2).view().you.unwrap().device;
    let many = (0..=MAX_DEVICES_PER_PERSON as u8).map(|n| DeviceId::from_bytes([n; 16])).collect();
    for devices in [many, vec![own]] {
        let mut engine = office.officer(2);
        let open = OpenRecovery { devices, ..office.open(office.opening(0, 1)) };
        engine.handle(NOW, ServerMessage::Recoveries { changed: vec![open], closed: Vec::new() });
        outputs(&mut engine);
        engine.command(NOW, UserCommand::ConfirmRecovery { recovery: RECOVERY });
        assert!(sent(&mut engine).is_empty());
    }
}

#[test]
fn a_confirmation_revokes_the_persons_devices_and_makes_a_link_that_demands_two_registrars() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let office = Office::new(suite);
        let mut engine = office.officer(2);
        let open = office.open(office.opening(0, 1));
        engine.handle(NOW, ServerMessage::Recoveries { changed: vec![open.clone()], closed: Vec::new() });
        outputs(&mut engine);
        engine.command(NOW, UserCommand::ConfirmRecovery { recovery: RECOVERY });
        let outputs = outputs(&mut engine);
        let persisted = outputs.iter().position(|output| *output == Output::Persist);
        let message = outputs.iter().position(|output| matches!(output, Output::Send(_)));
        assert!(persisted < message, "the link's secret is durable before anything leaves the device");
        let Some(Output::Send(ClientMessage::ConfirmRecovery { statement, revocations, .. })) =
            message.map(|at| &outputs[at])
        else {
            panic!("{outputs:?}")
        };
        let verifier = office.officers[0].device.office();
        let opened = verifier.verify_recovery(&open.statement).unwrap();
        let confirmed = verifier.verify_recovery_confirmation(statement, &opened).unwrap();
        assert_eq!(confirmed.devices(), open.devices);
        let revoked: Vec<_> = revocations.iter().map(|text| verifier.verify_revocation(text).unwrap()).collect();
        assert!(revoked.iter().all(|revocation| revocation.erases()));
        assert_eq!(revoked.iter().map(|revocation| revocation.device()).collect::<Vec<_>>(), open.devices);
    }
}

#[test]
fn the_device_of_a_recovered_person_takes_no_certificate_of_one_registrar() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let office = Office::new(suite);
        let [one, _, two] = &office.officers[..] else { panic!("three officers") };
        let card = office.card(1, Role::Principal);
        for recovery in [false, true] {
            let digest = office.authority.certificate_sha256();
            let ask = Ask::new(suite, [7; 32], digest, InvitationId::from_bytes([7; 16])).for_recovery(recovery);
            let fragment = ask.to_fragment();
            assert!(telcon_core::device::is_ask(&fragment));
            let asking = || {
                let asking = AskingDevice::ask(&fragment, office.info.clone(), "x", &[40; 32], NOW).unwrap();
                // As it is stored and read.
                AskingDevice::parse(&asking.to_text()).unwrap()
            };
            let request = verify_request(asking().request(), office.authority.domain(), &ask).unwrap();
            let first = one.registrar.certify(one.device.key(), &request, &card, NOW).unwrap();
            let approval = one.device.office().verify_approval(&first, &request, &card, NOW).unwrap();
            let second = two.registrar.certify_second(two.device.key(), &approval, NOW).unwrap();
            let blobs = |chain: &[Vec<u8>]| chain.iter().cloned().map(Blob).collect::<Vec<_>>();
            assert_eq!(asking().complete(blobs(&first), NOW).is_ok(), !recovery);
            let both = asking().complete(blobs(&[first, second].concat()), NOW).unwrap();
            assert_eq!(Device::open(&both, NOW).unwrap().me().registrars().len(), 2);
        }
    }
}
