//! Transcript segments as the note-taker's speech recognition delivers them, and their two public forms.
//!
//! In the bag a piece of transcript is `data/session-<N>/transcript/<piece>.jsonl`: one [`Segment`] per line (made with
//! [`crate::salted_jsonl`]). Opening merges all pieces of all sessions. What speech recognition heard is a machine's draft;
//! the merged files say so.

use serde::{Deserialize, Serialize};

use crate::vtt::{Cue, cues_text};

/// One utterance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Start, milliseconds since the call began (in later sessions too).
    pub start_ms: u64,
    /// End, milliseconds since the call began.
    pub end_ms: u64,
    /// The speaker's id, as in the `audio/<speaker>/` path. Empty where the note-taker itself says something of this time.
    pub speaker: String,
    /// The speaker's name as participants saw it.
    pub name: String,
    /// What was heard.
    pub text: String,
    /// BCP 47 language, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl From<&Segment> for Cue {
    fn from(segment: &Segment) -> Self {
        let voice = if segment.name.is_empty() { &segment.speaker } else { &segment.name };
        Cue { start_ms: segment.start_ms, end_ms: segment.end_ms, voice: voice.clone(), text: segment.text.clone() }
    }
}

/// The segments of one piece, and how many lines were none. A line with nothing but a salt is neither.
pub(crate) fn parse_piece(bytes: &[u8]) -> (Vec<Segment>, usize) {
    let mut segments = Vec::new();
    let mut strange = 0;
    for line in bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        match serde_json::from_slice::<Segment>(line) {
            Ok(segment) => segments.push(segment),
            Err(_) if is_salt(line) => {}
            Err(_) => strange += 1,
        }
    }
    (segments, strange)
}

fn is_salt(line: &[u8]) -> bool {
    let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line);
    object.is_ok_and(|o| o.len() == 1 && o.contains_key("salt"))
}

/// All segments as one WebVTT file, in the order they began.
pub(crate) fn merged_vtt(segments: &[Segment]) -> String {
    let cues: Vec<Cue> = segments.iter().map(Cue::from).collect();
    format!("WEBVTT\n\nNOTE Heard by speech recognition: a draft until a person signs it.\n\n{}", cues_text(&cues))
}

/// All segments as one JSON document, in the order they began.
pub(crate) fn merged_json(segments: &[Segment]) -> Vec<u8> {
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
    fn a_salted_piece_reads_back() {
        let text = "Good evening.".to_owned();
        let (speaker, name) = ("d1".to_owned(), "The President".to_owned());
        let segment = Segment { start_ms: 1, end_ms: 2, speaker, name, text, language: Some("en".into()) };
        let piece = salted_jsonl(Salt::from_bytes([1; 32]), std::slice::from_ref(&segment)).unwrap();
        assert_eq!(parse_piece(piece.bytes()), (vec![segment.clone()], 0));
        let damaged = [piece.bytes(), b"{\"salt\":\"x\",\"text\":1}\nnonsense\n"].concat();
        assert_eq!(parse_piece(&damaged), (vec![segment.clone()], 2));
        assert!(merged_vtt(&[segment]).contains("<v The President>Good evening."));
    }
}
