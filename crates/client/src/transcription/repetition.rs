//! Repetitions: how much shorter a text becomes when what it repeats is written once.

/// Ratio from which a text is a loop. Speech stays below 2, and Whisper's own limit, with another compressor, is 2.4.
pub const LOOP_RATIO: f64 = 2.4;
/// Shortest repeated run, bytes, and the bytes that a reference to it costs.
const MIN_RUN: usize = 4;
const REFERENCE: usize = 3;
/// Most bytes that are looked at: more than one pass of the model yields.
const MAX_BYTES: usize = 4_096;

/// The text's length over its length after replacing each run that occurred before by a reference (LZ77, greedy); 1 for a
/// text without repetitions. Case does not matter.
pub fn compression_ratio(text: &str) -> f64 {
    let text = text.to_lowercase();
    let bytes = &text.as_bytes()[..text.len().min(MAX_BYTES)];
    let mut cost = 0;
    let mut at = 0;
    while at < bytes.len() {
        let longest = (0..at).map(|from| run(bytes, from, at)).max().unwrap_or(0);
        (cost, at) = if longest >= MIN_RUN { (cost + REFERENCE, at + longest) } else { (cost + 1, at + 1) };
    }
    if cost == 0 { 1.0 } else { bytes.len() as f64 / cost as f64 }
}

/// Whether a text is a model's loop.
pub fn is_loop(text: &str) -> bool {
    compression_ratio(text) > LOOP_RATIO
}

/// Length of the common run of bytes from two positions. The runs may overlap, as in LZ77.
fn run(bytes: &[u8], from: usize, at: usize) -> usize {
    bytes[from..].iter().zip(&bytes[at..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_detected_and_speech_is_not() {
        assert!(is_loop(&"I am going to ".repeat(20)));
        assert!(is_loop("42 villages, 42 villages, 42 villages, 42 villages, 42 villages, 42 villages"));
        for speech in [
            "We have read your proposal on the northern border with great care and most of it is welcome here.",
            "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was \
             the epoch of belief, it was the epoch of incredulity, it was the season of light, it was the season of darkness.",
            "no no no no",
            "",
        ] {
            assert!(!is_loop(speech), "{} {speech}", compression_ratio(speech));
        }
    }
}
