//! A switchboard, a member or a stranger that does not play by the rules. Each test is one thing that they could try,
//! and what the device does about it.

mod commits;
mod listeners;
mod office;
mod offices;
mod rings;
mod sound;
mod taken;

use crate::{
    DeviceState,
    device::Device,
    engine::tests::kit::{World, hex, ring_of},
    mls::key_package::PendingJoin,
};
use sha2::{Digest as _, Sha256};
use telcon_proto::{Blob, ServerMessage};

/// The call ended on this device, which says why in red.
pub(super) fn refused(world: &World, node: usize) -> bool {
    world.view(node).ended == Some("failed") && world.red(node).iter().any(|text| text.contains("could not be trusted"))
}

/// Somebody was kept out, said in red, and the call goes on between those who were in it.
pub(super) fn kept_out(world: &mut World) -> bool {
    let told = world.red(0).iter().any(|text| text.contains("kept out"));
    let same = world.screen(0) == ["Person 1", "Person 2"] && world.screen(1) == world.screen(0);
    told && same && world.hears(0, 1) && world.hears(1, 0)
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
