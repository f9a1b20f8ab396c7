//! Attempts to add a hidden listener to a call.

use super::{admission_refused, ask_for, refused};
use telcon_core::{
    Device, UserCommand,
    media::keyring::OpenError,
    mls::{join::PendingJoin, key_package::read_key_package},
    view::CallState,
};
use telcon_proto::{Blob, ClientMessage, Role, ServerMessage, SuiteName};
use telcon_sim::script::{OtherOffice, START_MS, Scenario};

#[test]
fn a_server_that_adds_a_member_from_an_office_of_its_own_is_refused() {
    let mut world = Scenario::of_two(1);
    world.call();
    let mut other = OtherOffice::new(SuiteName::Hybrid, 99, "office.example", START_MS);
    let (state, _, proof) = other.enrol(3, Role::DutyOfficer);
    let spy = Device::open(&state, world.now()).unwrap();
    ask_for(&mut world, &spy, proof, false);
    assert!(admission_refused(&mut world), "{:?}", world.problems());
}

#[test]
fn a_server_that_adds_a_member_whose_certificate_is_not_in_the_log_is_refused() {
    let mut world = Scenario::of_two(2);
    world.call();
    let (state, _) = world.certify(3, Role::DutyOfficer);
    let unlogged = Device::open(&state, world.now()).unwrap();
    let proof_of_another = world.proof(1);
    ask_for(&mut world, &unlogged, proof_of_another, false);
    assert!(admission_refused(&mut world), "{:?}", world.problems());
}

#[test]
fn a_server_that_adds_a_speaker_who_is_not_a_party_is_refused() {
    let mut world = Scenario::of_two(3);
    let third = world.join_office(5, Role::Principal);
    world.settle();
    world.call();
    let (state, proof) = (world.state_of(third), world.proof(third));
    let stranger = Device::open(&state, world.now()).unwrap();
    ask_for(&mut world, &stranger, proof, false);
    assert!(admission_refused(&mut world), "{:?}", world.problems());
}

#[test]
fn an_answer_by_another_person_is_refused() {
    let mut world = Scenario::of_four(4);
    world.ring(0, 1);
    world.settle();
    let (state, proof) = (world.state_of(2), world.proof(2));
    let desk = Device::open(&state, world.now()).unwrap();
    ask_for(&mut world, &desk, proof, true);
    assert!(world.red(0).iter().any(|text| text.contains("another person answered")));
    assert_eq!(world.state(0), CallState::Ringing);
    assert!(world.speak(0, b"opus").is_none());
}

#[test]
fn a_server_that_swaps_a_key_package_is_refused() {
    let mut world = Scenario::of_four(5);
    world.ring(0, 1);
    world.settle();
    // The callee answers; the caller is given the key package of another device of the office in its name.
    let state = world.state_of(2);
    let swapped = Blob(
        PendingJoin::new(&Device::open(&state, world.now()).unwrap(), world.seen().id).unwrap().key_package().to_vec(),
    );
    world.tamper(move |_, message| {
        vec![match message {
            ServerMessage::JoinAsked { call, from, device, answer, .. } => {
                ServerMessage::JoinAsked { call, from, key_package: swapped.clone(), device, answer }
            }
            other => other,
        }]
    });
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    assert!(world.red(0).iter().any(|text| text.contains("refused admission")), "{:?}", world.problems());
    assert!(world.speak(0, b"opus").is_none(), "nothing is sealed");
    assert_eq!(world.view(0).phrase, None);
}

#[test]
fn a_server_that_swaps_a_key_package_and_its_proofs_is_refused() {
    let mut world = Scenario::of_four(6);
    world.ring(0, 1);
    world.settle();
    let (state, proof, id) = (world.state_of(2), world.proof(2), world.id(2));
    let swapped = Blob(
        PendingJoin::new(&Device::open(&state, world.now()).unwrap(), world.seen().id).unwrap().key_package().to_vec(),
    );
    world.tamper(move |_, message| {
        vec![match message {
            ServerMessage::JoinAsked { call, answer, .. } => {
                ServerMessage::JoinAsked { call, from: id, key_package: swapped.clone(), device: proof.clone(), answer }
            }
            other => other,
        }]
    });
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    assert!(world.red(0).iter().any(|text| text.contains("another person answered")), "{:?}", world.problems());
    assert!(world.speak(0, b"opus").is_none());
}

#[test]
fn a_stored_key_package_cannot_be_replayed_into_another_call() {
    let answered = |world: &Scenario| {
        world.sent(1, |message| match message {
            ClientMessage::Answer { key_package, .. } => Some(key_package.clone()),
            _ => None,
        })
    };
    let mut world = Scenario::of_two(21);
    world.call();
    let kept = answered(&world).remove(0);
    let first = world.seen().id;
    world.command(1, UserCommand::HangUp);
    world.settle();
    // In another call the server answers with it in the callee's name.
    world.ring(0, 1);
    world.settle();
    let (call, from, proof) = (world.seen().id, world.id(1), world.proof(1));
    assert_ne!(call, first);
    world.inject(0, ServerMessage::JoinAsked { call, from, key_package: kept, device: proof, answer: true });
    world.settle();
    assert!(world.red(0).iter().any(|text| text.contains("refused admission")), "{:?}", world.problems());
    assert_eq!((world.state(0), world.view(0).phrase), (CallState::Ringing, None));
    assert!(world.speak(0, b"opus").is_none(), "nothing is sealed");
}

#[test]
fn an_old_join_request_does_not_readmit_a_listener() {
    let mut world = Scenario::of_four(22);
    world.ring(0, 1);
    world.settle();
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    let call = world.seen().id;
    world.command(2, UserCommand::Listen { call });
    world.settle();
    assert_eq!(world.screen(0).len(), 3);
    let asked = world.sent(2, |message| match message {
        ClientMessage::AskJoin { key_package, .. } => Some(key_package.clone()),
        _ => None,
    });
    world.command(2, UserCommand::Leave);
    world.settle();
    assert_eq!(world.screen(0).len(), 2);
    let (from, proof) = (world.id(2), world.proof(2));
    let again =
        || ServerMessage::JoinAsked { call, from, key_package: asked[0].clone(), device: proof.clone(), answer: false };
    world.inject(0, again());
    world.settle();
    assert_eq!((world.screen(0).len(), world.screen(1).len()), (2, 2), "the caller admits nobody by it");
    // A hostile member's commit does not readmit it either.
    let joiner = read_key_package(asked[0].as_slice(), call, SuiteName::Hybrid).unwrap();
    let commit = world.group(0).commit(vec![joiner], &[]).unwrap().commit;
    let (from, seq) = (world.id(0), world.seen().epoch + 1);
    world.inject(1, ServerMessage::Committed { call, seq, from, commit: Blob(commit), devices: vec![proof.clone()] });
    assert!(refused(&world, 1), "{:?}", world.view(1));
    // A new request is accepted.
    let mut world = Scenario::of_four(23);
    world.ring(0, 1);
    world.settle();
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    let call = world.seen().id;
    for command in [UserCommand::Listen { call }, UserCommand::Leave, UserCommand::Listen { call }] {
        world.command(2, command);
        world.settle();
    }
    assert_eq!(world.screen(0).len(), 3);
}

#[test]
fn a_commit_that_adds_an_unverified_device_is_refused_by_the_other_members() {
    let mut world = Scenario::of_two(7);
    world.call();
    // The caller's own device is hostile: it adds a device of another office, past its engine's checks.
    let mut other = OtherOffice::new(SuiteName::Hybrid, 98, "office.example", START_MS);
    let (state, _, proof) = other.enrol(3, Role::DutyOfficer);
    let spy = PendingJoin::new(&Device::open(&state, world.now()).unwrap(), world.seen().id).unwrap();
    let joiner = read_key_package(spy.key_package(), world.seen().id, SuiteName::Hybrid).unwrap();
    let (call, from, seq) = (world.seen().id, world.id(0), world.seen().epoch + 1);
    let commit = world.group(0).commit(vec![joiner], &[]).unwrap().commit;
    world.inject(1, ServerMessage::Committed { call, seq, from, commit: Blob(commit), devices: vec![proof] });
    assert!(refused(&world, 1), "{:?}", world.view(1));
    assert!(world.speak(1, b"opus").is_none());
}

#[test]
fn a_listener_cannot_be_hidden_from_one_screen() {
    let mut world = Scenario::of_four(8);
    world.call();
    // The switchboard withholds the commit that adds the desk from the callee.
    world.tamper(|to, message| match message {
        ServerMessage::Committed { .. } if to == 1 => vec![],
        message => vec![message],
    });
    let call = world.seen().id;
    world.command(2, UserCommand::Listen { call });
    world.settle();
    assert_eq!((world.screen(0).len(), world.screen(1).len()), (3, 2));
    // A device that does not see the listener shares no key with it, in either direction.
    let of_callee = world.speak(1, b"opus").unwrap();
    assert!(world.hear(2, &of_callee).is_err());
    let of_caller = world.speak(0, b"opus").unwrap();
    assert_eq!(world.hear(1, &of_caller), Err(OpenError::UnknownEpoch));
    assert_ne!(world.view(0).phrase, world.view(1).phrase);
}

#[test]
fn a_new_member_cannot_open_earlier_frames_and_a_former_member_cannot_open_later_ones() {
    let mut world = Scenario::of_four(9);
    world.call();
    let before = world.speak(0, b"before").unwrap();
    let call = world.seen().id;
    world.command(2, UserCommand::Listen { call });
    world.settle();
    assert!(world.hear(2, &before).is_err());
    assert!(world.hears(2, 0));
    // The desk leaves and keeps its keys: its engine is not told of the removal.
    let kept = std::mem::take(world.engine(2).media_keys().unwrap());
    world.command(2, UserCommand::Leave);
    world.settle();
    let mut kept = kept;
    let after = world.speak(0, b"after").unwrap();
    assert!(kept.open(&after).is_err());
}

#[test]
fn old_keys_are_erased_soon_after_an_epoch_ends() {
    let mut world = Scenario::of_four(10);
    world.call();
    let old = world.speak(0, b"old").unwrap();
    let also = world.speak(0, b"old too").unwrap();
    let call = world.seen().id;
    world.command(2, UserCommand::Listen { call });
    world.settle();
    assert!(world.hear(1, &old).is_ok(), "frames in flight when the epoch changed are still opened");
    world.advance(10_000);
    assert!(world.hear(1, &also).is_err());
}
