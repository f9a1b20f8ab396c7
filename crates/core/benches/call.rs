//! Cost of the end-to-end encryption: SFrame per frame, MLS per membership change. The same code runs natively and, with
//! the browser's build of the engine, in WebAssembly (`make bench` does both).

#![allow(missing_docs, reason = "criterion_group! makes a public function without any")]

#[cfg(not(target_arch = "wasm32"))]
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use telcon_core::{
    Device, DeviceState,
    media::sframe::{Header, Key},
    mls::{group::CallGroup, join::PendingJoin, key_package::read_key_package},
};
use telcon_identity::{Authority, InviteSpec};
use telcon_log::LogSigner;
use telcon_proto::{CallId, Card, PersonId, RecordMode, Role, SuiteName};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::{Criterion, wasm_bindgen_bench};

/// 1 June 2026.
const NOW: u64 = 1_780_272_000_000;
/// An Opus packet of 20 ms at 32 kbit/s.
const PACKET: [u8; 80] = [0x55; 80];

/// Devices of one office.
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
        };
        let spec =
            InviteSpec { card, enrolment_id: [n; 16], enrolment_seed: [n + 10; 32], now_ms: NOW, ttl_ms: 3_600_000 };
        let link = authority.invite(&spec).unwrap().to_fragment();
        Device::open(&DeviceState::enrol(&link, info.clone(), &[n + 20; 32], NOW).unwrap(), NOW).unwrap()
    })
}

fn sframe(c: &mut Criterion) {
    let key = Key::derive(&[7; 32], 0x0103);
    let mut counter = 0;
    c.bench_function("sframe seal, one frame", |b| {
        b.iter(|| {
            counter += 1;
            key.seal(counter, b"", black_box(&PACKET)).unwrap()
        })
    });
    let frame = key.seal(123_456, b"", &PACKET).unwrap();
    c.bench_function("sframe open, one frame", |b| {
        b.iter(|| {
            let (header, length) = Header::decode(black_box(&frame)).unwrap();
            key.open(header, length, b"", &frame).unwrap()
        })
    });
}

fn mls(c: &mut Criterion) {
    for (suite, name) in [(SuiteName::Hybrid, "hybrid"), (SuiteName::Cnsa2, "cnsa2")] {
        let [caller, callee] = devices(suite);
        let call = CallId::from_bytes([9; 16]);
        let mut group = CallGroup::create(&caller, call, suite).unwrap();
        c.bench_function(&format!("mls {name}: key package"), |b| b.iter(|| PendingJoin::new(&callee, call).unwrap()));
        let key_package = PendingJoin::new(&callee, call).unwrap().key_package().to_vec();
        c.bench_function(&format!("mls {name}: check a key package, add it and commit"), |b| {
            b.iter(|| {
                let joiner = read_key_package(black_box(&key_package), call, suite).unwrap();
                let commit = group.commit(vec![joiner], &[]).unwrap();
                group.discard().unwrap();
                commit
            })
        });
        c.bench_function(&format!("mls {name}: from answer to keys on both sides"), |b| {
            b.iter(|| {
                let mut join = PendingJoin::new(&callee, call).unwrap();
                let joiner = read_key_package(join.key_package(), call, suite).unwrap();
                let commit = group.commit(vec![joiner], &[]).unwrap();
                let welcome = commit.welcome.unwrap();
                let joined = join.join::<telcon_core::mls::GroupError>(call, suite, &welcome, |_| Ok(())).unwrap();
                group.discard().unwrap();
                joined.sframe_base_key().unwrap()
            })
        });
    }
}

#[cfg(not(target_arch = "wasm32"))]
criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = sframe, mls
}
#[cfg(not(target_arch = "wasm32"))]
criterion_main!(benches);

#[cfg(target_arch = "wasm32")]
fn main() {}

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen_bench]
fn sframe_in_wasm(c: &mut Criterion) {
    sframe(c);
}

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen_bench]
fn mls_in_wasm(c: &mut Criterion) {
    mls(c);
}
