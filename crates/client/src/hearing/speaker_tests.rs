//! Passages from real speech, in virtual time.

use std::path::Path;

use super::*;
use crate::audio::frame::{FRAME_SAMPLES, SAMPLE_RATE, SILENCE, frames};
use crate::audio::wav;

fn fixture(name: &str) -> Vec<f32> {
    wav::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap()
}

fn quiet(seconds: f64) -> Vec<f32> {
    vec![0.0; (seconds * f64::from(SAMPLE_RATE)) as usize]
}

/// Only what is loud: speech without any pause.
fn without_pauses(sound: &[f32]) -> Vec<f32> {
    let loud = |chunk: &&[f32]| chunk.iter().map(|s| s * s).sum::<f32>() / chunk.len() as f32 > 1e-4;
    sound.chunks(FRAME_SAMPLES).filter(loud).flatten().copied().collect()
}

/// Pushes the sound from `at_s` on; passages with the time of the call at which they came out.
fn push(stream: &mut SpeakerStream, sound: &[f32], at_s: f64) -> Vec<(f64, Passage)> {
    let mut passages = Vec::new();
    for (i, frame) in frames(sound).enumerate() {
        let time = at_s + i as f64 * 0.02;
        passages.extend(stream.push(&frame, time).into_iter().map(|passage| (time + 0.02, passage)));
    }
    passages
}

fn finals(passages: &[(f64, Passage)]) -> Vec<&Passage> {
    passages.iter().map(|(_, passage)| passage).filter(|passage| passage.is_final).collect()
}

#[test]
fn sentences_with_short_pauses_are_one_group_that_ends_after_silence() {
    let mut stream = SpeakerStream::new();
    let speech = fixture("a.wav");
    let length = speech.len() as f64 / 48_000.0;
    let passages = push(&mut stream, &[quiet(3.0), speech, quiet(4.0)].concat(), 100.0);
    let finals = finals(&passages);
    assert_eq!(finals.len(), 1);
    let last = finals[0];
    assert!((102.5..103.3).contains(&last.start_s), "begins at {}", last.start_s);
    assert!((last.end_s - (103.0 + length)).abs() < 0.6, "ends at {} of {}", last.end_s, 103.0 + length);
    assert!((last.sound.len() as f64 / 16_000.0 - (last.end_s - last.start_s)).abs() < 0.001);
    assert!(last.speech.len() >= 3);
    let (told, _) = passages.last().unwrap();
    assert!(told - last.end_s < END_SILENCE_S + 0.1, "told {} s after the end", told - last.end_s);
}

#[test]
fn every_word_is_heard_for_the_first_time_within_two_seconds() {
    let mut stream = SpeakerStream::new();
    let passages = push(&mut stream, &[fixture("a.wav"), quiet(3.0)].concat(), 0.0);
    let provisional: Vec<_> = passages.iter().filter(|(_, passage)| !passage.is_final).collect();
    assert!(provisional.len() >= 5);
    assert!(provisional[0].0 < 2.2, "the first came at {}", provisional[0].0);
    let last = finals(&passages)[0];
    for (begin, end) in &last.speech {
        for tenth in (begin * 10.0) as usize..(end * 10.0) as usize {
            let spoken = last.start_s + tenth as f64 / 10.0;
            let heard = |(now, passage): &(f64, Passage)| passage.end_s > spoken && *now < spoken + 2.0;
            assert!(passages.iter().any(heard), "what was said at {spoken} is not heard by {}", spoken + 2.0);
        }
    }
    for pair in passages.windows(2) {
        let (now, next) = (&pair[0], &pair[1]);
        assert!(next.1.is_final || next.1.end_s > now.1.end_s);
        if !next.1.is_final && next.1.part == now.1.part {
            assert_eq!(next.1.start_s, now.1.start_s, "a part has one beginning");
        }
    }
    for (now, passage) in &provisional {
        let spoken = passage.start_s + passage.speech.last().unwrap().1;
        assert!(
            spoken <= passage.end_s + 1e-6 && passage.end_s <= now + 1e-6,
            "a pass at {now} hears up to {}",
            passage.end_s
        );
        assert_eq!(passage.group, 0);
    }
}

#[test]
fn captions_come_in_short_parts_that_leave_no_speech_out() {
    for sound in [fixture("a.wav").repeat(3), without_pauses(&fixture("b.wav")).repeat(4)] {
        let mut stream = SpeakerStream::new();
        let mut passages = push(&mut stream, &sound, 0.0);
        passages.extend(stream.finish().map(|passage| (0.0, passage)));
        let mut parts: Vec<&Passage> = Vec::new();
        for (_, passage) in passages.iter().filter(|(_, passage)| !passage.is_final) {
            assert!(passage.sound.len() as f64 / 16_000.0 <= LONGEST_PART_S + 0.1, "too long to be heard in time");
            if parts.last().is_some_and(|last| (last.group, last.part) == (passage.group, passage.part)) {
                parts.pop();
            }
            parts.push(passage);
        }
        assert!(parts.len() >= 3);
        let heard = |time: f64| parts.iter().any(|part| part.start_s <= time && time <= part.end_s);
        let last = parts.last().unwrap().end_s;
        for passage in finals(&passages) {
            for (begin, end) in &passage.speech {
                let middle = passage.start_s + (begin + end) / 2.0;
                assert!(heard(middle) || middle > last, "nobody heard the speech at {middle}");
            }
        }
    }
}

#[test]
fn a_long_speech_is_cut_in_pauses_and_nothing_is_heard_twice_or_not_at_all() {
    let mut stream = SpeakerStream::new();
    let speech = fixture("a.wav").repeat(6);
    let length = speech.len() as f64 / 48_000.0;
    let mut passages = push(&mut stream, &[speech, quiet(2.0)].concat(), 0.0);
    passages.extend(stream.finish().map(|passage| (0.0, passage)));
    let finals = finals(&passages);
    assert!((3..=6).contains(&finals.len()), "{}", finals.len());
    for pair in finals.windows(2) {
        assert!(pair[1].start_s >= pair[0].end_s - 2.0 * MARGIN_S, "heard twice");
        assert_eq!(pair[1].group, pair[0].group + 1);
        let pause = pair[1].start_s + pair[1].speech[0].0 - (pair[0].start_s + pair[0].speech.last().unwrap().1);
        assert!(pause >= CUT_PAUSE_S - 0.01, "cut in a pause of {pause}");
    }
    assert!(finals.iter().all(|passage| passage.end_s - passage.start_s < 29.5));
    let speech: f64 = finals.iter().flat_map(|passage| &passage.speech).map(|(begin, end)| end - begin).sum();
    assert!(speech > 0.7 * length, "{speech} of {length}");
}

#[test]
fn somebody_who_never_pauses_is_cut_all_the_same() {
    let mut stream = SpeakerStream::new();
    let speech = without_pauses(&fixture("b.wav")).repeat(12);
    let length = speech.len() as f64 / 48_000.0;
    assert!(length > 60.0);
    let mut passages = push(&mut stream, &speech, 0.0);
    passages.extend(stream.finish().map(|passage| (0.0, passage)));
    let finals = finals(&passages);
    assert!(finals.len() >= 3);
    for passage in &finals {
        let long = passage.end_s - passage.start_s;
        assert!(long < 29.9, "{long} s do not fit into the model");
    }
    for pair in finals.windows(2) {
        let gap = pair[1].start_s - pair[0].end_s;
        assert!((-2.0 * MARGIN_S..0.5).contains(&gap), "{gap} s between groups");
    }
    assert!(finals.last().unwrap().end_s > length - 1.0);
}

#[test]
fn a_short_hole_is_filled_and_a_long_one_ends_the_group() {
    let speech = fixture("a.wav");
    let (first, second) = speech.split_at(3 * 24_000);
    let mut stream = SpeakerStream::new();
    let mut passages = push(&mut stream, first, 0.0);
    passages.extend(push(&mut stream, second, 1.9));
    passages.extend(push(&mut stream, &speech, 60.0));
    passages.extend(stream.finish().map(|passage| (0.0, passage)));
    let finals = finals(&passages);
    assert_eq!(finals.len(), 2);
    assert!((finals[0].end_s - (speech.len() as f64 / 48_000.0 + 0.4)).abs() < 0.5, "ends at {}", finals[0].end_s);
    assert!((59.9..60.3).contains(&finals[1].start_s), "begins at {}", finals[1].start_s);
    assert_eq!((finals[0].group, finals[1].group), (0, 1));
}

#[test]
fn time_that_goes_back_begins_a_new_group_at_the_time_given() {
    let speech = fixture("b.wav");
    let mut stream = SpeakerStream::new();
    let mut passages = push(&mut stream, &speech, 50.0);
    passages.extend(push(&mut stream, &speech, 10.0));
    passages.extend(stream.finish().map(|passage| (0.0, passage)));
    let starts: Vec<f64> = finals(&passages).iter().map(|passage| passage.start_s.round()).collect();
    assert_eq!(starts, [50.0, 10.0]);
}

#[test]
fn hours_of_silence_take_no_memory_and_give_no_passage() {
    let mut stream = SpeakerStream::new();
    for i in 0..30_000 {
        assert_eq!(stream.push(&SILENCE, f64::from(i) * 0.02), []);
    }
    assert!(stream.kept.len() < 3 * 16_000);
    assert_eq!(stream.finish(), None);
}

#[test]
fn the_last_words_before_a_pause_are_heard_in_it() {
    let speech = fixture("a.wav");
    for eighth in 8..24 {
        let mut stream = SpeakerStream::new();
        let said = &speech[..(eighth * SAMPLE_RATE as usize / 8).min(speech.len())];
        let passages = push(&mut stream, &[said, &quiet(END_SILENCE_S - 0.3)].concat(), 0.0);
        let heard = passages.iter().map(|(_, passage)| passage.end_s).fold(0.0, f64::max);
        let whole = stream.finish().unwrap();
        let end = whole.start_s + whole.speech.last().unwrap().1;
        assert!(heard >= end, "of {end} s of speech {heard} s were heard before its final pass");
    }
}
