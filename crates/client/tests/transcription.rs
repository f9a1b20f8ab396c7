//! Speech recognition with a real model, over a call's complete audio path: encoder, jitter buffer, decoder, segmenter.
//!
//! Needs a model: `TELCON_ASR_MODEL` names a directory with a Whisper model in CTranslate2 form.

use std::path::{Path, PathBuf};

use telcon_client::audio::opus::{Encoder, Settings};
use telcon_client::audio::playout::SpeakerPlayout;
use telcon_client::audio::resample::ASR_SAMPLE_RATE;
use telcon_client::audio::{Frame, SILENCE, frames, wav};
use telcon_client::transcription::transcriber::TranscriberEvent;
use telcon_client::transcription::wer::{WordErrors, word_errors};
use telcon_client::transcription::{Effort, RecognitionResult, Recognizer, Request, Transcriber, Whisper};

/// Allowed difference of word error rate between a call and the original file, percentage points.
const ALLOWED_POINTS: f64 = 3.0;

/// The model directory, or `None` after printing why the test is skipped.
fn model() -> Option<PathBuf> {
    let dir = std::env::var_os("TELCON_ASR_MODEL").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: TELCON_ASR_MODEL names no model (scripts/fixtures/fetch_model.py fetches a small one)");
    }
    dir
}

/// Where the speech is: `TELCON_SPEECH` (a directory with a.wav, a.txt, b.wav, b.txt), or the files kept with the code.
fn speech_dir() -> PathBuf {
    std::env::var_os("TELCON_SPEECH")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), PathBuf::from)
}

/// A transcriber as in a call: one model, used by the transcript's thread and the captions' thread.
fn transcriber(model: &Path) -> Transcriber {
    let whisper = Whisper::load(model).unwrap();
    Transcriber::with_captioner(Box::new(whisper.clone()), Box::new(whisper)).unwrap()
}

struct Speech {
    path: PathBuf,
    reference: String,
    frames: Vec<Frame>,
}

fn speech(name: &str) -> Speech {
    let path = speech_dir().join(format!("{name}.wav"));
    let reference = std::fs::read_to_string(speech_dir().join(format!("{name}.txt"))).unwrap();
    let frames = frames(&wav::read(&path).unwrap()).collect();
    Speech { path, reference, frames }
}

/// The received audio: through Opus at a constant bit rate and the jitter buffer, without loss, with 30 ms of latency.
fn through_the_call(input: &[Frame]) -> Vec<Frame> {
    let mut encoder = Encoder::new(Settings::default()).unwrap();
    let mut speaker = SpeakerPlayout::new().unwrap();
    let mut received = Vec::new();
    let tail = std::iter::repeat_n(&SILENCE, 150);
    for (counter, frame) in input.iter().chain(tail).enumerate() {
        let sent = counter as u64 * 20_000;
        speaker.push(counter as u64, encoder.encode(frame).unwrap(), sent + 30_000);
        received.push(speaker.pull(sent + 30_000).frame);
    }
    assert_eq!(speaker.stats().buffer.lost, 0);
    received
}

fn results(events: Vec<TranscriberEvent>) -> Vec<RecognitionResult> {
    let caption = |event| match event {
        TranscriberEvent::Result(caption) => caption,
        TranscriberEvent::Failed { error, .. } => panic!("{error}"),
    };
    events.into_iter().map(caption).collect()
}

/// The final text of a speaker.
fn transcript(captions: &[RecognitionResult], speaker: u32) -> String {
    let theirs = captions.iter().filter(|caption| caption.speaker == speaker && caption.is_final);
    theirs.map(|caption| caption.text.as_str()).collect::<Vec<_>>().join(" ")
}

fn direct(model: &Path, path: &Path) -> String {
    let sound = wav::read_at(path, ASR_SAMPLE_RATE).unwrap();
    Whisper::load(model).unwrap().transcribe(&sound, &Request::new(Effort::Best)).unwrap().text()
}

fn points(errors: WordErrors) -> f64 {
    100.0 * errors.rate()
}

#[test]
fn a_call_is_transcribed_as_well_as_the_original_file_and_speakers_are_not_swapped() {
    let Some(model) = model() else { return };
    let (a, b) = (speech("a"), speech("b"));
    // Speaker 1 first, then speaker 2; then exchanged, at the same time.
    for (together, first, second) in [(false, &a, &b), (true, &b, &a)] {
        let mut transcriber = transcriber(&model);
        let (one, two) = (through_the_call(&first.frames), through_the_call(&second.frames));
        let begin = if together { 0 } else { one.len() };
        let (mut one, mut two) = (one.into_iter(), two.into_iter());
        let mut events = Vec::new();
        for tick in 0.. {
            let frame = one.next();
            let other = if tick >= begin { two.next() } else { Some(SILENCE) };
            if frame.is_none() && other.is_none() {
                break;
            }
            transcriber.push(1, &frame.unwrap_or(SILENCE), tick as f64 * 0.02);
            transcriber.push(2, &other.unwrap_or(SILENCE), tick as f64 * 0.02);
            events.extend(transcriber.events());
        }
        events.extend(transcriber.finish());
        let captions = results(events);
        for (speaker, speech, other) in [(1, first, second), (2, second, first)] {
            let text = transcript(&captions, speaker);
            let original = direct(&model, &speech.path);
            let (call, file) =
                (points(word_errors(&speech.reference, &text)), points(word_errors(&speech.reference, &original)));
            println!("{}: call {call:.1} %, file {file:.1} %", speech.path.display());
            println!("  reference: {}\n  call: {text}\n  file: {original}", speech.reference.replace('\n', " "));
            assert!(call <= file + ALLOWED_POINTS, "word error rate {call:.1} % against {file:.1} %");
            let swapped = points(word_errors(&other.reference, &text));
            assert!(swapped > call + 30.0, "speaker {speaker} was given the other's words");
        }
        for caption in captions.iter().filter(|caption| caption.is_final) {
            assert!(caption.start_s < caption.end_s, "{caption:?}");
        }
    }
}

#[test]
fn silence_and_noise_are_not_transcribed() {
    let Some(model) = model() else { return };
    let mut transcriber = transcriber(&model);
    let mut state = 1_u32;
    for tick in 0..1_000 {
        let loud = if tick < 500 { 0 } else { 600 };
        let noise = std::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) as i32 % (2 * loud + 1) - loud) as i16
        });
        transcriber.push(1, &noise, f64::from(tick) * 0.02);
    }
    let captions = results(transcriber.finish());
    assert!(captions.iter().all(|caption| caption.text.is_empty()), "invented text: {captions:?}");
}
