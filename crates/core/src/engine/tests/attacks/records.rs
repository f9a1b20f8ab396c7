//! Proofs of records: who may have sealed one is the rule of [`telcon_proto::sealing`], on the page too.

use super::state_of;
use crate::{DeviceState, device::Device, engine::tests::kit::World};
use sha2::{Digest as _, Sha256};
use telcon_identity::sign_record;
use telcon_proto::{
    Blob, Digest, Ended, Role,
    entry::Entry,
    http::{ProvenDevice, ProvenRecord, RecordLine, RecordProof},
    message::Logged,
    seal::{PartDigest, Seal, part_name},
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn append(world: &mut World, entry: &Entry) -> Logged {
    world.append(&serde_json::to_value(entry).unwrap())
}

fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

fn proven(device: &Device, logged: &Logged) -> ProvenDevice {
    ProvenDevice { chain: device.chain().iter().cloned().map(Blob).collect(), logged: logged.clone() }
}

/// The attacker is the server, with a device that the office enrolled only after the call, or with a duty officer's.
#[test]
fn a_record_sealed_by_a_device_enrolled_after_the_call_is_refused() {
    let mut here = World::of_two(171);
    here.call();
    let before = here.enrol(11, Role::NoteTaker);
    let duty = here.enrol(12, Role::DutyOfficer);
    let call = here.room().id;
    let (answered, answered_ms) = (Some(true), Some(here.now));
    let end = Entry::CallEnded { time_ms: here.now, call, how: Ended::HungUp, answered, answered_ms };
    let ended = append(&mut here, &end);
    let after = here.enrol(13, Role::NoteTaker);
    let mut sealed_by = |(state, _, logged): &(DeviceState, telcon_proto::Card, Logged)| {
        let device = Device::open(state, here.now).unwrap();
        let part = PartDigest { name: part_name(0), sha256: sha256(b"part"), bytes: 4 };
        let mut seal = Seal::unsigned(call, vec![part], vec!["age1pq1x".into()], false, sha256);
        let jws = sign_record(device.key(), device.chain(), call, &seal.record_digest, 1, false, here.now);
        seal.jws = Some(jws.clone());
        let (record_digest, me) = (seal.record_digest, Some(device.me().device()));
        let entry =
            Entry::RecordSealed { time_ms: here.now, call, device: me, record_digest, jws, parts: 1, partial: false };
        let entry = append(&mut here, &entry);
        let caller = Device::open(&state_of(&here, 0), here.now).unwrap();
        let room = here.room();
        let proof = RecordProof {
            line: RecordLine {
                call,
                from: here.nodes[0].card.clone(),
                to: here.nodes[1].card.clone(),
                mode: room.ring.mode,
                opened_ms: here.now,
                answered_ms,
                ended_ms: Some(here.now),
                how: Some(Ended::HungUp),
                records: 1,
                partial: false,
                missing: false,
            },
            ring: room.jws.clone(),
            opened: room.opened.clone(),
            ended: Some(ended.clone()),
            records: vec![ProvenRecord { logged: entry, seal: String::from_utf8(seal.to_json()).unwrap() }],
            missing: None,
            devices: vec![proven(&caller, &here.nodes[0].proof), proven(&device, logged)],
            from_size: 0,
            consistency: Vec::new(),
        };
        let report = crate::proof::check_record(here.nodes[1].engine.device().trust(), &proof);
        let check = report.checks.into_iter().find(|check| check.title == "Sealed by its note-taker").unwrap();
        (check.ok, check.detail)
    };
    let (ok, detail) = sealed_by(&before);
    assert!(ok, "{detail}");
    let (ok, detail) = sealed_by(&after);
    assert!(!ok && detail.contains("only after the call had ended"), "{detail}");
    let (ok, detail) = sealed_by(&duty);
    assert!(!ok && detail.contains("note-taker"), "{detail}");
}
