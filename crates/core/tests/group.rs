//! Two devices make keys for a call and speak, in each suite. Runs natively and in WebAssembly, where randomness and
//! cryptography come from elsewhere; whole calls are tested in `crates/sim`.

use telcon_core::{
    Device, DeviceState,
    media::keyring::Keyring,
    mls::{GroupError, group::CallGroup, group::Incoming, join::PendingJoin, key_package::read_key_package},
};
use telcon_identity::{Authority, InviteSpec};
use telcon_log::LogSigner;
use telcon_proto::{CallId, Card, PersonId, RecordMode, Role, SuiteName};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// 1 June 2026.
const NOW: u64 = 1_780_272_000_000;
const CALL: CallId = CallId::from_bytes([9; 16]);

fn devices(suite: SuiteName) -> [Device; 2] {
    let authority = Authority::create(suite, &[1; 32], "office.example", "Office", NOW - 1_000).unwrap();
    let log = LogSigner::from_seed(&[2; 32], "office.example/log").unwrap();
    let info = authority.office(&log.verifier_key().to_string(), RecordMode::Memo, NOW - 1_000).unwrap();
    [3, 4].map(|n| {
        let card = Card {
            person: PersonId::from_bytes([n; 16]),
            office: authority.domain().clone(),
            name: "Somebody".into(),
            organisation: "Office".into(),
            role: Role::Principal,
            zone: "Etc/UTC".into(),
            place: false,
        };
        let spec =
            InviteSpec { card, enrolment_id: [n; 16], enrolment_seed: [n + 10; 32], now_ms: NOW, ttl_ms: 3_600_000 };
        let link = authority.invite(&spec).unwrap().to_fragment();
        Device::open(&DeviceState::enrol(&link, info.clone(), &[n + 20; 32], NOW).unwrap(), NOW).unwrap()
    })
}

fn keys(group: &CallGroup) -> Keyring {
    let mut keys = Keyring::new();
    let leaves = group.members().unwrap().iter().map(|leaf| leaf.index).collect();
    keys.enter(group.epoch(), group.sframe_base_key().unwrap(), group.own_index(), leaves, NOW);
    keys
}

#[test]
fn two_devices_make_keys_and_speak() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let [caller, callee] = devices(suite);
        let mut group = CallGroup::create(&caller, CALL, suite).unwrap();
        let mut pending = PendingJoin::new(&callee, CALL).unwrap();
        let joiner = read_key_package(pending.key_package(), CALL, suite).unwrap();
        let welcome = group.commit(vec![joiner], &[]).unwrap().welcome.unwrap();
        group.confirm().unwrap();
        let mut joined = pending.join::<GroupError>(CALL, suite, &welcome, |_| Ok(())).unwrap();
        assert_eq!((group.epoch(), group.phrase().unwrap()), (joined.epoch(), joined.phrase().unwrap()));
        let (mut speaker, mut listener) = (keys(&group), keys(&joined));
        let frame = speaker.seal(b"opus").unwrap();
        assert!(!frame.windows(4).any(|window| window == b"opus"));
        assert_eq!(listener.open(&frame).unwrap().packet, b"opus");
        let message = group.encrypt(b"text").unwrap();
        assert!(matches!(joined.process(&message).unwrap(), Incoming::Application { bytes, .. } if bytes == b"text"));
        // Fresh keys.
        let commit = group.commit(Vec::new(), &[]).unwrap().commit;
        let Incoming::Commit(change) = joined.process(&commit).unwrap() else { panic!("a commit") };
        joined.merge(*change).unwrap();
        group.confirm().unwrap();
        assert_eq!(group.sframe_base_key().unwrap(), joined.sframe_base_key().unwrap());
        assert!(keys(&joined).open(&frame).is_err(), "the old key is gone");
    }
}
