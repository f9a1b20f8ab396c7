//! Cost of the end-to-end encryption: SFrame per frame, MLS per membership change; and of verifying a ring before it is shown. The
//! same code runs natively and, with the browser's build of the engine, in WebAssembly (`make bench` does both).

#![allow(missing_docs, reason = "criterion_group! makes a public function without any")]

#[cfg(not(target_arch = "wasm32"))]
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use telcon_core::{
    Device, DeviceState,
    media::sframe::{Header, Key},
    mls::{group::CallGroup, join::PendingJoin, key_package::read_key_package},
};
use telcon_identity::{Authority, InviteSpec, sign_ring};
use telcon_log::{Log, LogSigner, storage::MemoryStorage};
use telcon_proto::{
    Blob, CallId, Card, Digest, PersonId, RecordMode, Role, SuiteName, WIRE_VERSION,
    entry::Entry,
    message::{Logged, Ring},
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::{Criterion, wasm_bindgen_bench};

/// 1 June 2026.
const NOW: u64 = 1_780_272_000_000;
/// An Opus packet of 20 ms at 32 kbit/s.
const PACKET: [u8; 80] = [0x55; 80];

/// Entries of the log in which a call is opened: some years of an office.
const LOG_ENTRIES: usize = 100_000;

fn log_signer() -> LogSigner {
    LogSigner::from_seed(&[2; 32], "office.example/log").unwrap()
}

/// Devices of one office.
fn devices(suite: SuiteName) -> [Device; 2] {
    let authority = Authority::create(suite, &[1; 32], "office.example", "Office", NOW - 1_000).unwrap();
    let log = log_signer();
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

/// What a device verifies before it shows a ring: the signature, the chain to the authority, and the proof under a signed
/// checkpoint that the log has the call.
fn ring(c: &mut Criterion) {
    for (suite, name) in [(SuiteName::Hybrid, "hybrid"), (SuiteName::Cnsa2, "cnsa2")] {
        let [caller, callee] = devices(suite);
        let office = caller.office().domain();
        let call = CallId::from_bytes([9; 16]);
        let ring = Ring {
            version: WIRE_VERSION,
            call: call.at(office),
            from: caller.me().qualified(),
            to: callee.me().card().person.at(office),
            mode: RecordMode::Memo,
            suite,
            at_ms: NOW,
            on_behalf: None,
            over: None,
        };
        let jws = sign_ring(caller.key(), caller.chain(), &ring);
        let verified = callee.office().verify_ring(&jws, NOW).unwrap();
        let opened = opened(&Entry::CallOpened {
            time_ms: NOW,
            call,
            ring_sha256: Digest::from_bytes(verified.sha256()),
            mode: RecordMode::Memo,
            suite,
            devices: vec![caller.me().device()],
            delegation: None,
            line: None,
        });
        c.bench_function(&format!("ring {name}: verify signature, chain and log proof"), |b| {
            b.iter(|| {
                let ring = callee.office().verify_ring(black_box(&jws), NOW).unwrap();
                callee.office().verify_opening(ring, &opened).unwrap()
            })
        });
    }
}

/// An entry in a log of [`LOG_ENTRIES`], with its proof.
fn opened(entry: &Entry) -> Logged {
    let mut log = Log::create(MemoryStorage::new(), log_signer(), NOW / 1_000).unwrap();
    let mut entries = vec![b"{}".to_vec(); LOG_ENTRIES];
    entries.push(entry.to_bytes());
    for chunk in entries.chunks(4_096) {
        log.append(chunk, NOW / 1_000).unwrap();
    }
    let checkpoint = log.checkpoint();
    let index = checkpoint.size() - 1;
    let proof = log.inclusion_proof(index, checkpoint.size()).unwrap();
    Logged {
        entry: Blob(entry.to_bytes()),
        index,
        proof: proof.iter().map(|hash| Blob(hash.0.to_vec())).collect(),
        checkpoint: checkpoint.note().to_owned(),
        office: None,
    }
}

#[cfg(not(target_arch = "wasm32"))]
criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = sframe, mls, ring
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

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen_bench]
fn ring_in_wasm(c: &mut Criterion) {
    ring(c);
}
