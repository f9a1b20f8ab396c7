//! Transcript segments as the note-taker's speech recognition produces them, and the two files assembled from them.
//!
//! In the bag, `data/session-<N>/transcript/<piece>.jsonl` contains one [`Segment`] per line (see [`crate::salted_jsonl`]).
//! Opening assembles all pieces of all sessions. The output of speech recognition is a draft, and the assembled files
//! say so.

use serde::{Deserialize, Serialize};

use crate::payload::is_salt;
use crate::vtt::{Cue, cues_text};

/// Why a record is partial whose note-taker recognized no speech.
pub const NO_TRANSCRIPT: &str = "there is no transcript: the note-taker could not recognize speech";
/// Text of a segment that marks a time without sound from its speaker, or from anybody if it has none.
pub const NO_AUDIO: &str = "[No audio was received in this period.]";

/// Text of a segment that marks a time which a note-taker received but had not transcribed when it was interrupted.
pub(crate) const NO_TRANSCRIPT_YET: &str = "[No transcript of this time: the note-taker was interrupted.]";

/// One utterance.
///
/// ```
/// use telcon_record::{Segment, parse_vtt, write_vtt};
///
/// let segment = Segment {
///     start_ms: 1_000,
///     end_ms: 2_500,
///     speaker: "5f".repeat(16),
///     name: "The President of Norland".into(),
///     text: "Good evening.".into(),
///     language: Some("en".into()),
///     confidence: vec![98, 71],
/// };
/// let file = write_vtt(&[(&segment).into()]);
/// assert!(file.contains("00:00:01.000 --> 00:00:02.500\n<v The President of Norland>Good evening."));
/// assert_eq!(parse_vtt(&file).unwrap()[0].text, segment.text);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Start, milliseconds since the start of the call (not of the session).
    pub start_ms: u64,
    /// End, milliseconds since the start of the call.
    pub end_ms: u64,
    /// The speaker's id, as in the `audio/<speaker>/` path. Empty for a remark of the note-taker about this time.
    pub speaker: String,
    /// The speaker's name as shown to the participants.
    pub name: String,
    /// The recognized text. Words that the recognizer was not certain of are written `[word?]`; what was not understood is replaced
    /// by a mark in brackets.
    pub text: String,
    /// BCP 47 language tag, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Confidence of each word of the text (separated by spaces), percent, as the recognizer gave it: 0 for the words of a mark in
    /// brackets. Empty if nothing is known, as in records before version 0.2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confidence: Vec<u8>,
}

impl From<&Segment> for Cue {
    fn from(segment: &Segment) -> Self {
        let voice = if segment.name.is_empty() { &segment.speaker } else { &segment.name };
        Cue { start_ms: segment.start_ms, end_ms: segment.end_ms, voice: voice.clone(), text: segment.text.clone() }
    }
}

/// The segments of one piece, and the number of unreadable lines. The salt's line counts as neither.
pub(crate) fn parse_piece(bytes: &[u8]) -> (Vec<Segment>, usize) {
    let mut segments = Vec::new();
    let mut unreadable = 0;
    for line in bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        match serde_json::from_slice::<Segment>(line) {
            Ok(segment) => segments.push(segment),
            Err(_) if serde_json::from_slice(line).is_ok_and(|line| is_salt(&line)) => {}
            Err(_) => unreadable += 1,
        }
    }
    (segments, unreadable)
}

/// All segments as one WebVTT file, ordered by start.
pub(crate) fn draft_vtt(segments: &[Segment]) -> String {
    let cues: Vec<Cue> = segments.iter().map(Cue::from).collect();
    format!("WEBVTT\n\nNOTE Produced by speech recognition: a draft until a person signs it.\n\n{}", cues_text(&cues))
}

/// All segments as one JSON document, ordered by start.
pub(crate) fn draft_json(segments: &[Segment]) -> Vec<u8> {
    let document = serde_json::json!({ "draft": true, "segments": segments });
    let mut json = serde_json::to_vec_pretty(&document).expect("invariant: segments have nothing JSON cannot hold");
    json.push(b'\n');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{Salt, salted_jsonl};

    #[test]
    fn salted_piece_round_trips() {
        let text = "Good evening.".to_owned();
        let (speaker, name) = ("d1".to_owned(), "The President".to_owned());
        let segment = Segment {
            start_ms: 1,
            end_ms: 2,
            speaker,
            name,
            text,
            language: Some("en".into()),
            confidence: vec![99, 40],
        };
        let piece = salted_jsonl(Salt::from_bytes([1; 32]), std::slice::from_ref(&segment)).unwrap();
        assert_eq!(parse_piece(piece.bytes()), (vec![segment.clone()], 0));
        let damaged = [piece.bytes(), b"{\"salt\":\"x\",\"text\":1}\nnonsense\n"].concat();
        assert_eq!(parse_piece(&damaged), (vec![segment.clone()], 2));
        assert!(draft_vtt(&[segment]).contains("<v The President>Good evening."));
    }
}
