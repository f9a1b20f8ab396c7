//! How far the transcript was when a note-taker stopped, from the events of its recording sessions.
//!
//! Before each part is sealed, `transcribed` says up to which time of the call everything that was received is in the transcript.
//! A later session that transcribes what an earlier one left says so with `transcribed_later`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::error::RecordError;

/// Shortest time without transcript that is noted and shown, milliseconds. Less is the pause around words.
pub const MIN_MISSING_MS: u64 = 1_000;

/// What one session says, milliseconds since the call was answered.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// Up to where the transcript was complete when the last part was sealed, and up to where there is sound or was speech.
    last: (u64, u64),
    /// What was transcribed of an earlier session.
    later: Vec<(u64, u64)>,
}

#[derive(Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum Event {
    Transcribed {
        to_ms: u64,
        of_ms: u64,
    },
    TranscribedLater {
        from_ms: u64,
        to_ms: u64,
    },
    #[serde(other)]
    Other,
}

/// What the files of a session's events say; none if it made no transcript, or was written before version 0.2.
pub(crate) fn of_session(events: &[PathBuf]) -> Result<Option<Progress>, RecordError> {
    let mut found = None;
    for file in events {
        let bytes = std::fs::read(file).map_err(|e| RecordError::io(file, e))?;
        read(&bytes, &mut found);
    }
    Ok(found)
}

fn read(bytes: &[u8], found: &mut Option<Progress>) {
    for line in bytes.split(|b| *b == b'\n') {
        match serde_json::from_slice(line) {
            Ok(Event::Transcribed { to_ms, of_ms }) => found.get_or_insert_default().last = (to_ms, of_ms),
            Ok(Event::TranscribedLater { from_ms, to_ms }) => {
                found.get_or_insert_default().later.push((from_ms, to_ms));
            }
            Ok(Event::Other) | Err(_) => {}
        }
    }
}

/// The times that were received and never transcribed.
pub(crate) fn missing(sessions: &[Progress]) -> Vec<(u64, u64)> {
    let later: Vec<(u64, u64)> = sessions.iter().flat_map(|session| session.later.iter().copied()).collect();
    let mut missing = Vec::new();
    for Progress { last: (to_ms, of_ms), .. } in sessions {
        let mut from_ms = *to_ms;
        for (later_from, later_to) in &later {
            if *later_from <= from_ms.saturating_add(MIN_MISSING_MS) {
                from_ms = from_ms.max(*later_to);
            }
        }
        if of_ms.saturating_sub(from_ms) >= MIN_MISSING_MS {
            missing.push((from_ms, *of_ms));
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(events: &str) -> Option<Progress> {
        let mut found = None;
        read(events.as_bytes(), &mut found);
        found
    }

    const KILLED: &str = "{\"salt\":\"00\"}   \n{\"at_ms\":5,\"what\":\"live\"}\n\
        {\"at_ms\":9,\"what\":\"transcribed\",\"to_ms\":4000,\"of_ms\":5000}\n\
        {\"at_ms\":9,\"what\":\"transcribed\",\"to_ms\":6000,\"of_ms\":25000}\n";

    #[test]
    fn what_a_killed_session_received_and_did_not_transcribe_is_missing() {
        assert_eq!(missing(&[progress(KILLED).unwrap()]), [(6_000, 25_000)]);
        assert_eq!(progress("{\"at_ms\":5,\"what\":\"live\"}\nnonsense\n"), None);
    }

    #[test]
    fn what_a_later_session_transcribed_is_not_missing() {
        let later = |from_ms, to_ms| {
            let event = serde_json::json!({ "what": "transcribed_later", "from_ms": from_ms, "to_ms": to_ms });
            progress(&event.to_string()).unwrap()
        };
        assert_eq!(missing(&[progress(KILLED).unwrap(), later(5_600, 24_900)]), []);
        assert_eq!(missing(&[progress(KILLED).unwrap(), later(5_600, 20_000)]), [(20_000, 25_000)]);
        assert_eq!(missing(&[progress(KILLED).unwrap(), later(12_000, 24_900)]), [(6_000, 25_000)]);
    }
}
