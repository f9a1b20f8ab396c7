//! Segments of real speech, in virtual time.

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

/// Only the loud frames: speech without pauses.
fn without_pauses(sound: &[f32]) -> Vec<f32> {
    let loud = |chunk: &&[f32]| chunk.iter().map(|s| s * s).sum::<f32>() / chunk.len() as f32 > 1e-4;
    sound.chunks(FRAME_SAMPLES).filter(loud).flatten().copied().collect()
}

/// Pushes the samples from `at_s` on; returns segments with the call time at which they were emitted.
fn push(stream: &mut Segmenter, sound: &[f32], at_s: f64) -> Vec<(f64, SpeechSegment)> {
    let mut segments = Vec::new();
    for (i, frame) in frames(sound).enumerate() {
        let time = at_s + i as f64 * 0.02;
        segments.extend(stream.push(&frame, time).into_iter().map(|segment| (time + 0.02, segment)));
    }
    segments
}

fn finals(segments: &[(f64, SpeechSegment)]) -> Vec<&SpeechSegment> {
    segments.iter().map(|(_, segment)| segment).filter(|segment| segment.is_final).collect()
}

#[test]
fn sentences_with_short_pauses_are_one_group_that_ends_after_silence() {
    let mut stream = Segmenter::new();
    let speech = fixture("a.wav");
    let length = speech.len() as f64 / 48_000.0;
    let segments = push(&mut stream, &[quiet(3.0), speech, quiet(4.0)].concat(), 100.0);
    let finals = finals(&segments);
    assert_eq!(finals.len(), 1);
    let last = finals[0];
    assert!((102.5..103.3).contains(&last.start_s), "starts at {}", last.start_s);
    assert!((last.end_s - (103.0 + length)).abs() < 0.6, "ends at {} of {}", last.end_s, 103.0 + length);
    assert!((last.samples.len() as f64 / 16_000.0 - (last.end_s - last.start_s)).abs() < 0.001);
    assert!(last.speech.len() >= 3);
    let (emitted, _) = segments.last().unwrap();
    assert!(emitted - last.end_s < END_SILENCE_S + 0.1, "emitted {} s after the end", emitted - last.end_s);
}

#[test]
fn every_word_is_submitted_within_two_seconds() {
    let mut stream = Segmenter::new();
    let segments = push(&mut stream, &[fixture("a.wav"), quiet(3.0)].concat(), 0.0);
    let provisional: Vec<_> = segments.iter().filter(|(_, segment)| !segment.is_final).collect();
    assert!(provisional.len() >= 5);
    assert!(provisional[0].0 < 2.2, "the first came at {}", provisional[0].0);
    let last = finals(&segments)[0];
    for (begin, end) in &last.speech {
        for tenth in (begin * 10.0) as usize..(end * 10.0) as usize {
            let spoken = last.start_s + tenth as f64 / 10.0;
            let submitted = |(now, segment): &(f64, SpeechSegment)| segment.end_s > spoken && *now < spoken + 2.0;
            assert!(segments.iter().any(submitted), "speech at {spoken} was not submitted by {}", spoken + 2.0);
        }
    }
    for pair in segments.windows(2) {
        let (now, next) = (&pair[0], &pair[1]);
        assert!(next.1.is_final || next.1.end_s > now.1.end_s);
        if !next.1.is_final && next.1.part == now.1.part {
            assert_eq!(next.1.start_s, now.1.start_s, "a part has one start");
        }
    }
    for (now, segment) in &provisional {
        let spoken = segment.start_s + segment.speech.last().unwrap().1;
        assert!(
            spoken <= segment.end_s + 1e-6 && segment.end_s <= now + 1e-6,
            "a pass at {now} covers up to {}",
            segment.end_s
        );
        assert_eq!(segment.group, 0);
    }
}

#[test]
fn provisional_parts_are_short_and_cover_all_speech() {
    for sound in [fixture("a.wav").repeat(3), without_pauses(&fixture("b.wav")).repeat(4)] {
        let mut stream = Segmenter::new();
        let mut segments = push(&mut stream, &sound, 0.0);
        segments.extend(stream.finish().map(|segment| (0.0, segment)));
        let mut parts: Vec<&SpeechSegment> = Vec::new();
        for (_, segment) in segments.iter().filter(|(_, segment)| !segment.is_final) {
            assert!(segment.samples.len() as f64 / 16_000.0 <= MAX_PART_S + 0.1, "too long for timely recognition");
            if parts.last().is_some_and(|last| (last.group, last.part) == (segment.group, segment.part)) {
                parts.pop();
            }
            parts.push(segment);
        }
        assert!(parts.len() >= 3);
        let covered = |time: f64| parts.iter().any(|part| part.start_s <= time && time <= part.end_s);
        let last = parts.last().unwrap().end_s;
        for segment in finals(&segments) {
            for (begin, end) in &segment.speech {
                let middle = segment.start_s + (begin + end) / 2.0;
                assert!(covered(middle) || middle > last, "no part covers the speech at {middle}");
            }
        }
    }
}

#[test]
fn a_long_speech_is_cut_in_pauses_without_overlap_or_loss() {
    let mut stream = Segmenter::new();
    let speech = fixture("a.wav").repeat(6);
    let length = speech.len() as f64 / 48_000.0;
    let mut segments = push(&mut stream, &[speech, quiet(2.0)].concat(), 0.0);
    segments.extend(stream.finish().map(|segment| (0.0, segment)));
    let finals = finals(&segments);
    assert!((3..=6).contains(&finals.len()), "{}", finals.len());
    for pair in finals.windows(2) {
        assert!(pair[1].start_s >= pair[0].end_s - 2.0 * MARGIN_S, "overlap");
        assert_eq!(pair[1].group, pair[0].group + 1);
        let pause = pair[1].start_s + pair[1].speech[0].0 - (pair[0].start_s + pair[0].speech.last().unwrap().1);
        assert!(pause >= CUT_PAUSE_S - 0.01, "cut in a pause of {pause}");
    }
    assert!(finals.iter().all(|segment| segment.end_s - segment.start_s < 29.5));
    let speech: f64 = finals.iter().flat_map(|segment| &segment.speech).map(|(begin, end)| end - begin).sum();
    assert!(speech > 0.7 * length, "{speech} of {length}");
}

#[test]
fn speech_without_pauses_is_cut_as_well() {
    let mut stream = Segmenter::new();
    let speech = without_pauses(&fixture("b.wav")).repeat(12);
    let length = speech.len() as f64 / 48_000.0;
    assert!(length > 60.0);
    let mut segments = push(&mut stream, &speech, 0.0);
    segments.extend(stream.finish().map(|segment| (0.0, segment)));
    let finals = finals(&segments);
    assert!(finals.len() >= 3);
    for segment in &finals {
        let long = segment.end_s - segment.start_s;
        assert!(long < 29.9, "{long} s exceed the model's input");
    }
    for pair in finals.windows(2) {
        let gap = pair[1].start_s - pair[0].end_s;
        assert!((-2.0 * MARGIN_S..0.5).contains(&gap), "{gap} s between groups");
    }
    assert!(finals.last().unwrap().end_s > length - 1.0);
}

#[test]
fn a_short_gap_is_filled_and_a_long_one_ends_the_group() {
    let speech = fixture("a.wav");
    let (first, second) = speech.split_at(3 * 24_000);
    let mut stream = Segmenter::new();
    let mut segments = push(&mut stream, first, 0.0);
    segments.extend(push(&mut stream, second, 1.9));
    segments.extend(push(&mut stream, &speech, 60.0));
    segments.extend(stream.finish().map(|segment| (0.0, segment)));
    let finals = finals(&segments);
    assert_eq!(finals.len(), 2);
    assert!((finals[0].end_s - (speech.len() as f64 / 48_000.0 + 0.4)).abs() < 0.5, "ends at {}", finals[0].end_s);
    assert!((59.9..60.3).contains(&finals[1].start_s), "starts at {}", finals[1].start_s);
    assert_eq!((finals[0].group, finals[1].group), (0, 1));
}

#[test]
fn a_time_that_goes_backwards_starts_a_new_group() {
    let speech = fixture("b.wav");
    let mut stream = Segmenter::new();
    let mut segments = push(&mut stream, &speech, 50.0);
    segments.extend(push(&mut stream, &speech, 10.0));
    segments.extend(stream.finish().map(|segment| (0.0, segment)));
    let starts: Vec<f64> = finals(&segments).iter().map(|segment| segment.start_s.round()).collect();
    assert_eq!(starts, [50.0, 10.0]);
}

#[test]
fn hours_of_silence_use_no_memory_and_give_no_segment() {
    let mut stream = Segmenter::new();
    for i in 0..30_000 {
        assert_eq!(stream.push(&SILENCE, f64::from(i) * 0.02), []);
    }
    assert!(stream.buffer.len() < 3 * 16_000);
    assert_eq!(stream.finish(), None);
}

#[test]
fn the_last_words_before_a_pause_are_submitted_in_it() {
    let speech = fixture("a.wav");
    for eighth in 8..24 {
        let mut stream = Segmenter::new();
        let spoken = &speech[..(eighth * SAMPLE_RATE as usize / 8).min(speech.len())];
        let segments = push(&mut stream, &[spoken, &quiet(END_SILENCE_S - 0.3)].concat(), 0.0);
        let submitted = segments.iter().map(|(_, segment)| segment.end_s).fold(0.0, f64::max);
        let whole = stream.finish().unwrap();
        let end = whole.start_s + whole.speech.last().unwrap().1;
        assert!(submitted >= end, "of {end} s of speech {submitted} s were submitted before the final pass");
    }
}

#[test]
fn speech_whose_beginning_is_missing_says_so() {
    let speech = without_pauses(&fixture("a.wav"));
    // Joined in mid-speech.
    let mut stream = Segmenter::new();
    let segments = push(&mut stream, &[&speech[48_000..], &quiet(3.0)].concat(), 50.0);
    assert_eq!(finals(&segments)[0].cut_beginnings, [0.0]);
    // Begun after a second of room noise.
    let mut stream = Segmenter::new();
    let noise: Vec<f32> =
        (0..48_000).map(|i: u32| 0.0005 * ((i.wrapping_mul(2_654_435_761) >> 16) as f32 / 32_768.0 - 1.0)).collect();
    let segments = push(&mut stream, &[&noise[..], &fixture("a.wav"), &quiet(3.0)].concat(), 0.0);
    let first = finals(&segments)[0].cut_beginnings.first().copied();
    assert!(first.is_none_or(|cut| cut > 1.0), "nothing is missing before the first sentence: {first:?}");
    // A gap of a second in mid-speech.
    let mut stream = Segmenter::new();
    let mut segments = push(&mut stream, &speech[..3 * 48_000], 0.0);
    segments.extend(push(&mut stream, &[&speech[4 * 48_000..], &quiet(3.0)].concat(), 4.0));
    let cuts = &finals(&segments)[0].cut_beginnings;
    assert!(cuts.iter().any(|cut| (3.7..4.2).contains(cut)), "{cuts:?}");
    // The speaker is gone in mid-speech.
    let mut stream = Segmenter::new();
    push(&mut stream, &speech[..3 * 48_000], 0.0);
    assert!(stream.finish().is_some_and(|segment| segment.cut_end));
}
