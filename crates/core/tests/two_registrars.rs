//! Devices that two registrars certified carry four certificates in rings and MLS leaves: they fit the limits of the wire. Runs
//! natively and in WebAssembly.

use telcon_core::{
    AskingDevice, Device, DeviceState, Engine,
    device::KeptInvitation,
    mls::{group::CallGroup, join::PendingJoin, key_package::read_key_package},
};
use telcon_identity::{Ask, Authority, CharterTerms, InviteSpec, Registrar, verify_request};
use telcon_log::LogSigner;
use telcon_proto::{
    Blob, CallId, Card, InvitationId, PersonId, RecordMode, Role, ServerMessage, SuiteName,
    http::{OfficeInfo, Registrars},
    limits::{MAX_COMMIT_BYTES, MAX_MEMBERS, MAX_MESSAGE_BYTES, MAX_NAME_CHARS, max_key_package_bytes},
    message::{FirstApproval, OpenInvitation},
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// 1 June 2026.
const NOW: u64 = 1_780_272_000_000;
const CALL: CallId = CallId::from_bytes([9; 16]);
/// A commit with its welcome fits a message in base64, with 16 kB for the proofs that the server adds.
const _: () = assert!(MAX_COMMIT_BYTES * 4 / 3 + 16 * 1024 <= MAX_MESSAGE_BYTES);

/// An office that demands two registrars, and the registrars.
struct Office {
    authority: Authority,
    info: OfficeInfo,
    registrars: [(Device, Registrar); 2],
    /// The first registrar's device, at rest.
    stored: String,
}

/// A card with the longest names, in characters of four bytes.
fn card(authority: &Authority, n: u8, role: Role) -> Card {
    Card {
        person: PersonId::from_bytes([n; 16]),
        office: authority.domain().clone(),
        name: "𝔑".repeat(MAX_NAME_CHARS),
        organisation: "𝔒".repeat(MAX_NAME_CHARS),
        role,
        zone: "America/Argentina/ComodRivadavia".into(),
        place: false,
    }
}

impl Office {
    fn new(suite: SuiteName) -> Self {
        let authority = Authority::create(suite, &[1; 32], "office.example", "Office", NOW - 1_000).unwrap();
        let log = LogSigner::from_seed(&[2; 32], "office.example/log").unwrap();
        let terms = CharterTerms {
            floor: RecordMode::Memo,
            registrars: Registrars::Two,
            rings: telcon_proto::line::Rings::ByRole,
        };
        let info = authority.office(&log.verifier_key().to_string(), terms, NOW - 1_000).unwrap();
        let mut stored = Vec::new();
        let registrars = [101, 102].map(|n| {
            let card = card(&authority, n, Role::SecurityOfficer);
            let spec =
                InviteSpec { card, enrolment_id: [n; 16], enrolment_seed: [n; 32], now_ms: NOW, ttl_ms: 3_600_000 };
            let link = authority.invite(&spec).unwrap().to_fragment();
            let state = DeviceState::enrol(&link, info.clone(), &[n + 20; 32], NOW).unwrap();
            stored.push(state.to_text().to_string());
            let device = Device::open(&state, NOW).unwrap();
            let der = authority.appoint(device.me(), &telcon_proto::policy::ROLES, NOW).unwrap();
            let registrar = device.office().verify_registrar(&der, NOW).unwrap();
            (device, registrar)
        });
        Self { authority, info, registrars, stored: stored.swap_remove(0) }
    }

    /// What a device asked, and the certificates with which both registrars approved it.
    fn approved(&self, n: u8) -> (AskingDevice, Vec<Vec<u8>>) {
        let [(one, first), (two, second)] = &self.registrars;
        let (suite, invitation) = (self.info.suite, InvitationId::from_bytes([n; 16]));
        let ask = Ask::new(suite, [n; 32], self.authority.certificate_sha256(), invitation);
        let asking = AskingDevice::ask(&ask.to_fragment(), self.info.clone(), "x", &[n + 40; 32], NOW).unwrap();
        let office = one.office();
        let request = verify_request(asking.request(), office.domain(), &ask).unwrap();
        let card = card(&self.authority, n, Role::Principal);
        let mut chain = first.certify(one.key(), &request, &card, NOW).unwrap();
        let approval = office.verify_approval(&chain, &request, &card, NOW).unwrap();
        chain.extend(second.certify_second(two.key(), &approval, NOW).unwrap());
        (asking, chain)
    }

    fn device(&self, n: u8) -> Device {
        let (asking, chain) = self.approved(n);
        let state = asking.complete(chain.into_iter().map(Blob).collect(), NOW).unwrap();
        // As it is stored and read.
        Device::open(&DeviceState::parse(&state.to_text()).unwrap(), NOW).unwrap()
    }
}

#[test]
fn a_full_call_of_such_devices_fits_the_limits() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let office = Office::new(suite);
        let caller = office.device(1);
        assert_eq!(caller.me().registrars().len(), 2);
        let mut group = CallGroup::create(&caller, CALL, suite).unwrap();
        let mut longest = 0;
        for n in 2..=MAX_MEMBERS as u8 {
            let pending = PendingJoin::new(&office.device(n), CALL).unwrap();
            let (length, limit) = (pending.key_package().len(), max_key_package_bytes(suite));
            assert!(length <= limit, "{suite:?}: a key package of {length} bytes, limit {limit}");
            let joiner = read_key_package(pending.key_package(), CALL, suite).unwrap();
            let commit = group.commit(vec![joiner], &[]).unwrap();
            group.confirm().unwrap();
            longest = longest.max(commit.commit.len() + commit.welcome.unwrap().len());
        }
        assert_eq!(group.members().unwrap().len(), MAX_MEMBERS);
        assert!(longest <= MAX_COMMIT_BYTES, "{suite:?}: commit and welcome of {longest} bytes");
    }
}

#[test]
fn the_device_that_made_an_invitation_shows_that_its_first_approval_does_not_verify() {
    let office = Office::new(SuiteName::Hybrid);
    let mut state = DeviceState::parse(&office.stored).unwrap();
    let (invitation, card) = (InvitationId::from_bytes([1; 16]), card(&office.authority, 1, Role::Principal));
    state.invitations.push(KeptInvitation::new(invitation, &[1; 32], NOW + 3_600_000));
    let mut engine = Engine::new(state, [3; 32], NOW).unwrap();
    let ((asking, own), (_, other)) = (office.approved(1), office.approved(2));
    for (approval, verifies) in [(own, true), (other, false)] {
        let chain = approval[..2].iter().cloned().map(Blob).collect();
        let open = OpenInvitation {
            invitation,
            card: card.clone(),
            by: office.registrars[0].0.me().device(),
            made_ms: NOW,
            expires_ms: NOW + 3_600_000,
            request: Some(asking.request().to_owned()),
            refused_requests: 0,
            first_approval: Some(FirstApproval { chain, at_ms: NOW }),
            recovery: None,
            line: None,
            offered_for: None,
        };
        engine.handle(NOW, ServerMessage::Invitations { changed: vec![open], closed: vec![] });
        let [shown] = &engine.view().invitations[..] else { panic!("one invitation") };
        let request = shown.request.as_ref().unwrap();
        assert_eq!((request.code.is_some(), shown.first_approval.is_some()), (verifies, verifies));
        let problem = request.problem.as_deref().unwrap_or_default();
        assert_eq!(problem.contains("the first approval does not verify"), !verifies, "{problem}");
    }
}

#[test]
fn a_device_takes_no_certificates_of_one_registrar() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let office = Office::new(suite);
        for half in [0..2, 2..4] {
            let (asking, chain) = office.approved(1);
            let chain = chain[half].iter().cloned().map(Blob).collect();
            let refused = asking.complete(chain, NOW).err().expect("one registrar is not enough").to_string();
            assert!(refused.contains("certified by one registrar, and its office demands two"), "{refused}");
        }
        // Nor those of another device.
        let ((asking, _), (_, chain)) = (office.approved(1), office.approved(2));
        assert!(asking.complete(chain.into_iter().map(Blob).collect(), NOW).is_err());
    }
}
