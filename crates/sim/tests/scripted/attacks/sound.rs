//! Unencrypted, damaged, replayed and reflected frames.

use telcon_core::UserCommand;
use telcon_sim::script::Scenario;

#[test]
fn audio_without_sframe_is_refused() {
    let mut world = Scenario::of_two(19);
    world.call();
    for stripped in [&b""[..], &[0x78, 1, 2, 3], &[0; 120], &[0xff; 120]] {
        assert!(world.hear(1, stripped).is_err());
    }
    let frame = world.speak(0, &[0x78, 1, 2, 3]).unwrap();
    assert!(!frame.windows(3).any(|window| window == [1, 2, 3]), "audio is never sent unencrypted");
    for at in 0..frame.len() {
        let mut damaged = frame.clone();
        damaged[at] ^= 1;
        assert!(world.hear(1, &damaged).is_err(), "a change in byte {at}");
    }
    for length in 0..frame.len() {
        assert!(world.hear(1, &frame[..length]).is_err(), "cut to {length}");
    }
    assert!(world.hear(1, &frame).is_ok());
}

#[test]
fn a_replayed_frame_is_refused() {
    let mut world = Scenario::of_two(20);
    world.call();
    let frame = world.speak(0, b"opus").unwrap();
    assert!(world.hear(1, &frame).is_ok());
    assert!(world.hear(1, &frame).is_err());
}

#[test]
fn reflected_frames_are_refused() {
    let mut world = Scenario::of_two(21);
    world.call();
    let frame = world.speak(0, b"opus").unwrap();
    assert!(world.hear(0, &frame).is_err());
}

#[test]
fn no_state_sends_audio_unencrypted() {
    let mut world = Scenario::of_two(22);
    assert!(world.speak(0, b"opus").is_none());
    world.ring(0, 1);
    assert!(world.speak(0, b"opus").is_none());
    world.settle();
    assert!(world.speak(0, b"opus").is_none());
    world.command(1, UserCommand::Answer { call: None });
    assert!(world.speak(1, b"opus").is_none());
    world.settle();
    assert!(world.speak(1, b"opus").is_some());
    world.command(1, UserCommand::HangUp);
    assert!(world.speak(1, b"opus").is_none());
    assert!(world.hear(1, b"opus").is_err());
}
