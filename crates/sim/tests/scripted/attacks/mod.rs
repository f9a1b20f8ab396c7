//! Attacks by a hostile switchboard, member or unauthenticated peer. Each test is one attack, and the device's reaction.

mod alerts;
mod commits;
mod delegations;
mod forced_join;
mod fork;
mod gossip;
mod green_room;
mod listeners;
mod moves;
mod office;
mod offices;
mod records;
mod rings;
mod sealers;
mod shown;
mod sound;

use telcon_core::{Device, mls::join::PendingJoin};
use telcon_proto::{Blob, ServerMessage, message::Logged};
use telcon_sim::script::Scenario;

/// Whether the call failed on this device, with a red alert.
fn refused(world: &Scenario, node: usize) -> bool {
    world.view(node).ended == Some("failed") && world.red(node).iter().any(|text| text.contains("could not be trusted"))
}

/// Whether admission was refused with a red alert, and the call continues between its members.
fn admission_refused(world: &mut Scenario) -> bool {
    let alerted = world.red(0).iter().any(|text| text.contains("refused admission"));
    let same = world.screen(0) == ["Person 1", "Person 2"] && world.screen(1) == world.screen(0);
    alerted && same && world.hears(0, 1) && world.hears(1, 0)
}

/// Asks node 0, as a switchboard would, to add a device.
fn ask_for(world: &mut Scenario, device: &Device, proof: Logged, answer: bool) {
    let (call, from) = (world.seen().id, device.me().device());
    let key_package = Blob(PendingJoin::new(device, call).unwrap().key_package().to_vec());
    world.inject(0, ServerMessage::JoinAsked { call, from, key_package, device: proof, answer });
    world.settle();
}
