//! Speech through a call's audio path, as the note-taker receives it: encoder, packets by counter, decoder, segments, rules.

use telcon_client::audio::opus::{Encoder, Settings};
use telcon_client::audio::{Frame, SILENCE};
use telcon_client::transcription::reassembler::StreamReassembler;
use telcon_client::transcription::transcriber::TranscriberEvent;
use telcon_client::transcription::{Language, RecognitionResult, Recognizer, Transcriber};

/// Silence before speech that is heard from its beginning, frames.
const LEAD: usize = 50;
/// Silence after speech, frames: a group ends after 1.2 s.
const TAIL: usize = 75;

/// The final lines of what is received from packet number `joined` on.
pub fn lines(
    recognizer: impl Recognizer + Send + 'static,
    language: Option<Language>,
    sound: &[Frame],
    joined: usize,
) -> Vec<RecognitionResult> {
    let mut transcriber = Transcriber::new(Box::new(recognizer)).expect("a thread can be started");
    transcriber.set_language(0, language);
    let mut encoder = Encoder::new(Settings::default()).expect("the encoder works");
    let mut reassembler = StreamReassembler::new().expect("the decoder works");
    let mut results = Vec::new();
    let lead = if joined == 0 { LEAD } else { 0 };
    let silence = |frames| std::iter::repeat_n(&SILENCE, frames);
    for (counter, frame) in silence(lead).chain(sound).chain(silence(TAIL)).enumerate() {
        let packet = encoder.encode(frame).expect("a frame can be encoded");
        if counter < joined {
            continue;
        }
        let at_ms = 20 * (counter - joined) as u64;
        reassembler.push((1, 0), counter as u64, &packet, at_ms);
        for timed in reassembler.frames(at_ms) {
            transcriber.push(0, &timed.frame, timed.at_s);
        }
        results.extend(transcriber.events());
    }
    results.extend(transcriber.finish());
    let of_event = |event| match event {
        TranscriberEvent::Result(result) => result,
        TranscriberEvent::Failed { error, .. } => panic!("{error}"),
    };
    results.into_iter().map(of_event).filter(|result| result.is_final && !result.text.is_empty()).collect()
}

/// The text of lines.
pub fn text(lines: &[RecognitionResult]) -> String {
    lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join(" ")
}
