//! Records sealed by devices that may not: who may is the rule of [`telcon_proto::sealing`], on the page too.

use sha2::{Digest as _, Sha256};
use telcon_core::{Device, DeviceState, UserCommand};
use telcon_identity::sign_record;
use telcon_proto::{
    Blob, Card, Digest, Role,
    entry::Entry,
    http::{ProvenDevice, ProvenRecord, RecordLine},
    message::Logged,
    seal::{PartDigest, Seal, part_name},
};
use telcon_sim::script::Scenario;

fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// The attacker is the server, with a device that the office enrolled only after the call, or with a duty officer's.
#[test]
fn a_record_sealed_by_a_device_enrolled_after_the_call_is_refused() {
    let mut here = Scenario::of_two(171);
    here.call();
    let before = here.enrol_only(11, Role::NoteTaker);
    let duty = here.enrol_only(12, Role::DutyOfficer);
    here.command(0, UserCommand::HangUp);
    here.settle();
    let after = here.enrol_only(13, Role::NoteTaker);
    let trust = here.stolen(1).trust().clone();
    let sealed_by = |(state, _, logged): &(DeviceState, Card, Logged)| {
        let device = Device::open(state, here.now()).unwrap();
        let call = here.seen().id;
        let part = PartDigest { name: part_name(0), sha256: sha256(b"part"), bytes: 4 };
        let mut seal = Seal::unsigned(call, vec![part], vec!["age1pq1x".into()], false, sha256);
        let jws = sign_record(device.key(), device.chain(), call, &seal.record_digest, 1, false, here.now());
        seal.jws = Some(jws.clone());
        let (time_ms, record_digest, me) = (here.now(), seal.record_digest, Some(device.me().device()));
        let entry = Entry::RecordSealed { time_ms, call, device: me, record_digest, jws, parts: 1, partial: false };
        let entry = here.forge_entry(&serde_json::to_value(entry).unwrap());
        let mut proof = here.record_proof(&here.fork_log(), 0);
        proof.line = RecordLine { records: 1, ..proof.line };
        proof.records = vec![ProvenRecord { logged: entry, seal: String::from_utf8(seal.to_json()).unwrap() }];
        let chain = device.chain().iter().cloned().map(Blob).collect();
        proof.devices.push(ProvenDevice { chain, logged: logged.clone() });
        let report = telcon_core::proof::check_record(&trust, &proof, |_, _| None);
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
