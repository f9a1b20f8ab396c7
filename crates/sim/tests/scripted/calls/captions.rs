//! Captions: for the office's own desk, at a constant rate and size.

use telcon_core::{UserCommand, call::captions::Caption};
use telcon_proto::ClientMessage;
use telcon_sim::script::Scenario;

#[test]
fn only_the_desk_can_read_captions() {
    let mut world = Scenario::of_four(8);
    world.call_of_four();
    let speaker = world.id(0);
    let start = world.now();
    let caption = |text: &str, done| {
        let (text, start_ms) = (text.into(), if done { start } else { start + 300 });
        Caption { speaker, passage: 1, part: 0, start_ms, text, done, behind_ms: 900 }
    };
    world.publish(3, &caption("We can", false));
    world.publish(3, &caption("We can send the ships.", true));
    let lines = world.view(2).captions;
    assert_eq!(lines.len(), 1, "a final line replaces its draft");
    assert_eq!((lines[0].name.as_str(), lines[0].caption.text.as_str()), ("Person 1", "We can send the ships."));
    for node in [0, 1, 3] {
        assert!(world.view(node).captions.is_empty(), "on the screen of {node}");
    }
}

#[test]
fn a_reader_that_joins_later_gets_no_earlier_captions() {
    let mut world = Scenario::of_four(17);
    world.call();
    let call = world.seen().id;
    world.command(3, UserCommand::Listen { call });
    world.settle();
    world.advance(5_000);
    let said_before = world.now() - 1_000;
    world.command(2, UserCommand::Listen { call });
    world.settle();
    for (start_ms, text) in [(said_before, "before"), (world.now(), "after")] {
        let speaker = world.id(0);
        let caption = Caption { speaker, passage: 1, part: 0, start_ms, text: text.into(), done: true, behind_ms: 0 };
        world.publish(3, &caption);
    }
    let lines: Vec<_> = world.view(2).captions.into_iter().map(|line| line.caption.text).collect();
    assert_eq!(lines, ["after"]);
}

#[test]
fn captions_of_other_roles_than_note_taker_are_ignored() {
    let mut world = Scenario::of_four(9);
    world.call_of_four();
    let speaker = world.id(0);
    let (text, start_ms) = ("I resign.".into(), world.now());
    let forged = Caption { speaker, passage: 1, part: 0, start_ms, text, done: true, behind_ms: 0 };
    // The counterpart's device received the desk's reader key too, and seals a caption to it.
    world.copy_caption_readers(1, 3);
    world.set_recording(1, true);
    world.publish(1, &forged);
    assert!(!world.sent(1, |m| matches!(m, ClientMessage::Application { .. }).then_some(())).is_empty(), "it was sent");
    assert!(world.view(2).captions.is_empty());
}

/// What the server sees of application messages must not depend on what is said beside them (SP 800-53 SC-31, covert channels).
#[test]
fn the_server_sees_no_difference_between_speech_silence_and_mute() {
    let seen = |said: &str, mute: bool| {
        let mut world = Scenario::of_four(11);
        world.call_of_four();
        let mut messages = Vec::new();
        for second in 0..20 {
            let mut before = world.received().len();
            if mute {
                world.command(0, UserCommand::Mute { on: second % 2 == 0 });
            }
            for part in 0..3 {
                if !said.is_empty() {
                    let (speaker, start_ms) = (world.id(0), world.now());
                    let text = said.repeat(part + second % 4);
                    let (passage, done) = (second as u64, part == 2);
                    world.queue_caption(3, &Caption { speaker, passage, part: 0, start_ms, text, done, behind_ms: 7 });
                }
                world.advance(if part == 2 { 400 } else { 300 });
                let now = world.now();
                let length = |message| serde_json::to_string(message).unwrap().len();
                messages.extend(world.received()[before..].iter().map(|(from, message)| (now, *from, length(message))));
                before = world.received().len();
            }
        }
        // Devices that send in the same millisecond do so in no order.
        messages.sort_by_key(|(now, from, _)| (*now, *from));
        (messages, world.view(2).captions.len())
    };
    let (silence, captions) = seen("", false);
    assert_eq!(captions, 0);
    assert!(silence.len() > 40, "there are messages to compare: {}", silence.len());
    for (said, mute) in [("", true), ("on inspections ", false), ("\u{4e2d}\u{6587} ", true)] {
        let (messages, captions) = seen(said, mute);
        assert_eq!(captions > 0, !said.is_empty());
        assert_eq!(messages, silence, "said {said:?}, mute {mute}");
    }
}
