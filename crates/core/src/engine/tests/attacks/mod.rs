//! Attacks by a hostile switchboard, member or unauthenticated peer. Each test is one attack, and the device's reaction.

mod commits;
mod forced_join;
mod listeners;
mod office;
mod offices;
mod records;
mod rings;
mod sound;

use crate::{
    DeviceState,
    device::Device,
    engine::tests::kit::{World, hex, ring_of},
    mls::join::PendingJoin,
};
use sha2::{Digest as _, Sha256};
use telcon_proto::{Blob, ServerMessage};

/// Whether the call failed on this device, with a red alert.
pub(super) fn refused(world: &World, node: usize) -> bool {
    world.view(node).ended == Some("failed") && world.red(node).iter().any(|text| text.contains("could not be trusted"))
}

/// Whether admission was refused with a red alert, and the call continues between its members.
pub(super) fn admission_refused(world: &mut World) -> bool {
    let alerted = world.red(0).iter().any(|text| text.contains("refused admission"));
    let same = world.screen(0) == ["Person 1", "Person 2"] && world.screen(1) == world.screen(0);
    alerted && same && world.hears(0, 1) && world.hears(1, 0)
}

/// Asks node 0, as a switchboard would, to add a device.
pub(super) fn ask_for(world: &mut World, device: &Device, proof: telcon_proto::message::Logged, answer: bool) {
    let (call, from) = (world.room().id, device.me().device());
    let key_package = Blob(PendingJoin::new(device, call).unwrap().key_package().to_vec());
    world.inject(0, ServerMessage::JoinAsked { call, from, key_package, device: proof, answer });
    world.settle();
}

pub(super) fn state_of(world: &World, node: usize) -> DeviceState {
    DeviceState::parse(&world.nodes[node].engine.state_text()).unwrap()
}

/// The log entry that an honest switchboard would write for a ring.
pub(super) fn opening(jws: &str, now: u64) -> serde_json::Value {
    let ring = ring_of(jws);
    serde_json::json!({
        "type": "call_opened",
        "call": ring.call.id.to_hex(),
        "ring_sha256": hex(&Sha256::digest(jws)),
        "mode": ring.mode.as_str(),
        "suite": ring.suite,
        "devices": [ring.from.id.to_hex()],
        "time_ms": now,
    })
}
