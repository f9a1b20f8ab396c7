//! The transcriber with recognizers that are controlled by the tests.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::audio::frame::{SILENCE, frames};
use crate::audio::wav;
use crate::transcription::recognizer::{Phrase, Quality, Recognition, Word};

/// A recognizer implemented by a function.
struct Fake<F>(F);

impl<F: FnMut(&[f32], Effort) -> Result<Vec<Phrase>, RecognitionError>> Recognizer for Fake<F> {
    fn transcribe(&mut self, pcm16k: &[f32], request: &Request) -> Result<Recognition, RecognitionError> {
        Ok(Recognition { phrases: (self.0)(pcm16k, request.effort)?, language: None })
    }
}

/// A recognizer that knows English only, and says in which language it was asked to recognize.
struct English;

impl Recognizer for English {
    fn transcribe(&mut self, _: &[f32], request: &Request) -> Result<Recognition, RecognitionError> {
        match request.language {
            Some(language) if language != Language::ENGLISH => Err(RecognitionError::UnknownLanguage(language)),
            _ => Ok(Recognition { phrases: vec![phrase(0.0, 1.0, "English")], language: None }),
        }
    }
}

fn transcriber(f: impl FnMut(&[f32], Effort) -> Result<Vec<Phrase>, RecognitionError> + Send + 'static) -> Transcriber {
    Transcriber::new(Box::new(Fake(f))).unwrap()
}

fn fixture(name: &str) -> Vec<f32> {
    wav::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap()
}

fn phrase(start_s: f64, end_s: f64, text: &str) -> Phrase {
    let word =
        |text: &str| Word { text: text.into(), start_s, end_s, confidence: 0.99, onset_confidence: 0.99, spaced: true };
    Phrase { start_s, end_s, words: text.split(' ').map(word).collect(), quality: Quality::CERTAIN }
}

fn seconds(sound: &[f32]) -> f64 {
    sound.len() as f64 / 16_000.0
}

fn results(events: Vec<TranscriberEvent>) -> Vec<RecognitionResult> {
    let caption = |event| match event {
        TranscriberEvent::Result(caption) => caption,
        TranscriberEvent::Failed { error, .. } => panic!("{error}"),
    };
    events.into_iter().map(caption).collect()
}

/// Recognizes a speaker by loudness.
fn by_loudness(sound: &[f32], _: Effort) -> Result<Vec<Phrase>, RecognitionError> {
    let peak = sound.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    Ok(vec![phrase(0.0, seconds(sound), if peak > 0.35 { "loud" } else { "soft" })])
}

#[test]
fn simultaneous_speakers_are_never_swapped() {
    let loud = fixture("a.wav");
    let soft: Vec<f32> = fixture("b.wav").iter().map(|sample| sample * 0.3).collect();
    let mut transcriber = transcriber(by_loudness);
    let mut events = Vec::new();
    let silence = std::iter::repeat_n(SILENCE, 100);
    for (i, (a, b)) in frames(&loud).zip(frames(&soft)).chain(silence.map(|frame| (frame, frame))).enumerate() {
        let at = i as f64 * 0.02;
        // In alternating order.
        let pair = if i % 2 == 0 { [(1, &a), (2, &b)] } else { [(2, &b), (1, &a)] };
        for (speaker, frame) in pair {
            transcriber.push(speaker, frame, at);
        }
        events.extend(transcriber.events());
    }
    events.extend(transcriber.finish());
    let captions = results(events);
    for speaker in [1, 2] {
        assert!(captions.iter().any(|caption| caption.speaker == speaker && caption.is_final));
    }
    for caption in captions {
        assert_eq!(caption.text, if caption.speaker == 1 { "loud" } else { "soft" });
        assert!(caption.end_s > caption.start_s);
    }
}

#[test]
fn a_slow_recognizer_skips_captions_but_no_final_segment() {
    let (permit, permits): (Sender<()>, Receiver<()>) = channel();
    let (call_sender, calls) = channel();
    let mut transcriber = transcriber(move |sound, effort| {
        permits.recv().unwrap();
        call_sender.send(effort).unwrap();
        Ok(vec![phrase(0.0, seconds(sound), "recognized")])
    });
    let mut sound = Vec::new();
    for _ in 0..3 {
        sound.extend(fixture("a.wav"));
        sound.extend(vec![0.0; 2 * 48_000]);
    }
    // Half a minute arrives before the recognizer has finished its first segment.
    for (i, frame) in frames(&sound).enumerate() {
        transcriber.push(1, &frame, i as f64 * 0.02);
    }
    for _ in 0..100 {
        permit.send(()).unwrap();
    }
    let finals: Vec<u64> =
        results(transcriber.finish()).iter().filter(|caption| caption.is_final).map(|caption| caption.group).collect();
    assert_eq!(finals, [0, 1, 2]);
    let efforts: Vec<Effort> = calls.try_iter().collect();
    assert_eq!(efforts.iter().filter(|effort| **effort == Effort::Best).count(), 3);
    assert!(efforts.len() <= 4, "{} passes, one of which was already running", efforts.len());
}

#[test]
fn a_second_recognizer_makes_captions_while_the_first_is_busy() {
    let (permit, permits): (Sender<()>, Receiver<()>) = channel();
    let slow = move |sound: &[f32], effort| {
        assert_eq!(effort, Effort::Best);
        permits.recv().unwrap();
        Ok(vec![phrase(0.0, seconds(sound), "transcript")])
    };
    let (call_sender, calls) = channel();
    let quick = move |sound: &[f32], effort| {
        assert_eq!(effort, Effort::Quick);
        call_sender.send(()).unwrap();
        Ok(vec![phrase(0.0, seconds(sound), "caption")])
    };
    let mut transcriber = Transcriber::with_captioner(Box::new(Fake(slow)), Box::new(Fake(quick))).unwrap();
    let sound = [fixture("a.wav"), vec![0.0; 2 * 48_000], fixture("b.wav")].concat();
    let mut events = Vec::new();
    for (i, frame) in frames(&sound).enumerate() {
        transcriber.push(1, &frame, i as f64 * 0.02);
    }
    // The first group is still in recognition; the second one gets a caption nevertheless.
    calls.recv().unwrap();
    for _ in 0..2 {
        permit.send(()).unwrap();
    }
    events.extend(transcriber.finish());
    let captions = results(events);
    let finals: Vec<u64> = captions.iter().filter(|caption| caption.is_final).map(|caption| caption.group).collect();
    assert_eq!(finals, [0, 1]);
    // After a group's final result there is no provisional result of it.
    let mut settled = None;
    for caption in &captions {
        assert_eq!(caption.text, if caption.is_final { "transcript" } else { "caption" });
        if caption.is_final {
            settled = Some(caption.group);
        }
        assert!(caption.is_final || settled.is_none_or(|group| caption.group > group));
    }
}

#[test]
fn final_phrases_have_call_time_and_hallucinations_are_dropped() {
    let mut transcriber = transcriber(|sound, effort| {
        let hallucinated = phrase(seconds(sound) + 1.0, seconds(sound) + 3.0, "Thanks for watching!");
        Ok(match effort {
            Effort::Quick => vec![phrase(0.0, 1.0, "one"), phrase(1.0, 2.0, "two")],
            Effort::Best => vec![phrase(0.5, 1.5, "first"), phrase(2.0, 60.0, "second"), hallucinated],
        })
    });
    for (i, frame) in frames(&fixture("b.wav")).enumerate() {
        transcriber.push(7, &frame, 1_000.0 + i as f64 * 0.02);
    }
    let captions = results(transcriber.finish());
    let finals: Vec<&RecognitionResult> = captions.iter().filter(|caption| caption.is_final).collect();
    let texts: Vec<&str> = finals.iter().map(|caption| caption.text.as_str()).collect();
    assert_eq!(texts, ["first", "second"]);
    assert!((1_000.4..1_000.9).contains(&finals[0].start_s), "{}", finals[0].start_s);
    assert!(finals[1].end_s < 1_011.0, "{} is after the end of the audio", finals[1].end_s);
    assert!(captions.iter().filter(|caption| !caption.is_final).all(|caption| caption.text == "one two"));
}

#[test]
fn a_group_without_words_retracts_its_caption() {
    let mut transcriber = transcriber(|_, _| Ok(Vec::new()));
    for (i, frame) in frames(&fixture("b.wav")).enumerate() {
        transcriber.push(1, &frame, i as f64 * 0.02);
    }
    let captions = results(transcriber.finish());
    assert_eq!(captions.len(), 1);
    assert!(captions[0].is_final && captions[0].text.is_empty());
}

#[test]
fn failed_segments_and_panicking_recognizers_leave_visible_gaps() {
    let run = |f: fn(&[f32], Effort) -> Result<Vec<Phrase>, RecognitionError>| {
        let mut transcriber = transcriber(f);
        for (i, frame) in frames(&fixture("b.wav")).enumerate() {
            transcriber.push(3, &frame, i as f64 * 0.02);
        }
        transcriber.finish()
    };
    for events in [run(|_, _| Err(RecognitionError::Engine("out of memory".into()))), run(|_, _| panic!("a bug"))] {
        let [TranscriberEvent::Failed { speaker: 3, start_s, end_s, .. }] = events[..] else { panic!("{events:?}") };
        assert!(start_s < 1.0 && end_s > 8.0);
    }
}

#[test]
fn a_speaker_who_leaves_is_finished_at_once_and_may_resume() {
    let mut transcriber = transcriber(by_loudness);
    let speech = fixture("a.wav");
    for (i, frame) in frames(&speech).enumerate() {
        transcriber.push(1, &frame, i as f64 * 0.02);
    }
    transcriber.leave(1);
    transcriber.leave(2);
    for (i, frame) in frames(&speech).enumerate() {
        transcriber.push(1, &frame, 300.0 + i as f64 * 0.02);
    }
    let captions = results(transcriber.finish());
    let finals: Vec<(u64, bool)> = captions
        .iter()
        .filter(|caption| caption.is_final)
        .map(|caption| (caption.group, caption.start_s >= 299.0))
        .collect();
    assert_eq!(finals, [(0, false), (1, true)]);
}

#[test]
fn speech_in_a_language_that_the_model_does_not_know_is_marked() {
    let mut transcriber = Transcriber::new(Box::new(English)).unwrap();
    transcriber.set_language(2, Some("fr".parse().unwrap()));
    for (i, frame) in frames(&fixture("b.wav")).enumerate() {
        for speaker in [1, 2] {
            transcriber.push(speaker, &frame, i as f64 * 0.02);
        }
    }
    for caption in results(transcriber.finish()) {
        let expected = if caption.speaker == 1 { "English" } else { certainty::OTHER_LANGUAGE };
        assert_eq!(caption.text, expected);
    }
}

#[test]
fn recognition_that_is_behind_says_by_how_much() {
    let (permit, permits): (Sender<()>, Receiver<()>) = channel();
    let mut transcriber = transcriber(move |_, _| {
        permits.recv().unwrap();
        Ok(Vec::new())
    });
    assert_eq!(transcriber.behind_s(100.0), 0.0);
    let sound = [fixture("b.wav"), vec![0.0; 2 * 48_000]].concat();
    for (i, frame) in frames(&sound).enumerate() {
        transcriber.push(1, &frame, i as f64 * 0.02);
    }
    let spoken = fixture("b.wav").len() as f64 / 48_000.0;
    let behind = transcriber.behind_s(spoken + 30.0);
    assert!((29.0..32.0).contains(&behind), "{behind}");
    let settled = transcriber.settled_s(1).unwrap();
    assert!(settled < 1.0, "nothing is transcribed before {settled}");
    for _ in 0..100 {
        permit.send(()).unwrap();
    }
    transcriber.finish();
}
