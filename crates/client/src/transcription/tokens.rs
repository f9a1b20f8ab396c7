//! Whisper's tokens: the vocabulary, and words with times and probabilities from tokens.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use super::language::Language;
use super::recognizer::Word;

/// Duration of one position of the encoder's output, seconds.
const ENCODER_FRAME_S: f64 = 0.02;
/// The first special token: tokens before it are text.
const END_OF_TEXT: &str = "<|endoftext|>";
/// Languages that are written without spaces.
const WITHOUT_SPACES: [&str; 7] = ["zh", "ja", "th", "lo", "my", "yue", "bo"];
/// The character of the vocabulary for a space.
const SPACE: char = 'Ġ';

/// The numbers of a model's tokens.
pub(super) struct Vocabulary {
    ids: HashMap<String, usize>,
    end_of_text: usize,
}

/// A token of the text.
pub(super) struct TextToken {
    pub(super) id: usize,
    pub(super) text: String,
}

impl Vocabulary {
    /// Reads `vocabulary.txt` (a token per line) or `vocabulary.json` (a list) in a model's directory.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read(dir: &Path) -> Result<Self, String> {
        let tokens: Vec<String> = match std::fs::read_to_string(dir.join("vocabulary.txt")) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(_) => {
                let json = std::fs::read(dir.join("vocabulary.json"))
                    .map_err(|_| "it has neither vocabulary.txt nor vocabulary.json".to_owned())?;
                serde_json::from_slice(&json).map_err(|error| format!("vocabulary.json: {error}"))?
            }
        };
        let ids: HashMap<String, usize> = tokens.into_iter().enumerate().map(|(id, token)| (token, id)).collect();
        let end_of_text = *ids.get(END_OF_TEXT).ok_or_else(|| format!("the vocabulary has no {END_OF_TEXT}"))?;
        Ok(Self { ids, end_of_text })
    }

    pub(super) fn contains(&self, token: &str) -> bool {
        self.ids.contains_key(token)
    }

    /// The numbers of tokens; unknown ones are left out.
    pub(super) fn ids(&self, tokens: &[String]) -> Vec<usize> {
        tokens.iter().filter_map(|token| self.ids.get(token).copied()).collect()
    }

    /// The tokens of the text in an output, without timestamps and other special tokens.
    pub(super) fn text(&self, ids: &[usize], tokens: &[String]) -> Vec<TextToken> {
        let all = ids.iter().zip(tokens).filter(|(id, token)| **id < self.end_of_text && special(token).is_none());
        all.map(|(id, token)| TextToken { id: *id, text: token.clone() }).collect()
    }
}

/// A phrase of an output: its time, and which of the text's tokens it has.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) start_s: f64,
    pub(super) end_s: Option<f64>,
    pub(super) text: Range<usize>,
}

fn special(token: &str) -> Option<&str> {
    token.strip_prefix("<|").and_then(|rest| rest.strip_suffix("|>"))
}

/// Splits an output at timestamp tokens (`<|2.40|>`). Other special tokens are skipped.
pub(super) fn split(tokens: &[String]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start_s = 0.0;
    let (mut from, mut to) = (0, 0);
    for token in tokens {
        match special(token) {
            Some(special) => {
                let Ok(time) = special.parse::<f64>() else { continue };
                if to > from {
                    pieces.push(Piece { start_s, end_s: Some(time), text: from..to });
                }
                (start_s, from) = (time, to);
            }
            None => to += 1,
        }
    }
    if to > from {
        pieces.push(Piece { start_s, end_s: None, text: from..to });
    }
    pieces
}

/// Start and end of each of `count` tokens, seconds, from an alignment: steps of (token, encoder frame), in order.
pub(super) fn times(path: impl Iterator<Item = (i64, i64)>, count: usize, length_s: f64) -> Vec<(f64, f64)> {
    let mut starts: Vec<Option<f64>> = vec![None; count + 1];
    for (token, frame) in path {
        if let Some(start) = usize::try_from(token).ok().and_then(|token| starts.get_mut(token)) {
            start.get_or_insert((frame as f64 * ENCODER_FRAME_S).clamp(0.0, length_s));
        }
    }
    let mut end = starts[count].unwrap_or(length_s);
    let mut times = vec![(0.0, 0.0); count];
    for (time, start) in times.iter_mut().zip(&starts).rev() {
        let start = start.unwrap_or(end).min(end);
        *time = (start, end);
        end = start;
    }
    times
}

/// A token of the text with its time and probability.
pub(super) struct Scored<'a> {
    pub(super) text: &'a str,
    pub(super) probability: f32,
    pub(super) time: (f64, f64),
}

/// Whether a language is written with spaces.
pub(super) fn has_spaces(language: Language) -> bool {
    !WITHOUT_SPACES.contains(&language.code())
}

/// Joins tokens to words: at spaces, or in languages without spaces wherever a character is complete. Punctuation belongs to the
/// word before it and does not count in its confidence, which is the mean of the tokens, as in Whisper's own code.
pub(super) fn words<'a>(tokens: impl Iterator<Item = Scored<'a>>, spaced: bool) -> Vec<Word> {
    struct Open {
        bytes: Vec<u8>,
        time: (f64, f64),
        probabilities: Vec<f32>,
        spaced: bool,
    }
    let mut open: Vec<Open> = Vec::new();
    for token in tokens {
        let starts_with_space = token.text.starts_with(SPACE);
        let bytes: Vec<u8> = token.text.chars().filter_map(byte_of).collect();
        let is_word = std::str::from_utf8(&bytes).map_or(true, |text| text.chars().any(char::is_alphanumeric));
        let continues = open.last().is_some_and(|last| {
            let incomplete = std::str::from_utf8(&last.bytes).is_err();
            let begins_word = starts_with_space || (!spaced && is_word);
            incomplete || !begins_word || (starts_with_space && !is_word && bytes.len() > 1)
        });
        match open.last_mut().filter(|_| continues) {
            Some(last) => {
                last.bytes.extend(if starts_with_space && !is_word { &bytes[1..] } else { &bytes[..] });
                if is_word {
                    last.probabilities.push(token.probability);
                    last.time.1 = token.time.1;
                }
            }
            None => open.push(Open {
                bytes,
                time: token.time,
                probabilities: if is_word { vec![token.probability] } else { Vec::new() },
                spaced: spaced || starts_with_space,
            }),
        }
    }
    let word = |open: Open| {
        let text = String::from_utf8_lossy(&open.bytes).trim().to_owned();
        // Punctuation alone is no word.
        if !text.chars().any(char::is_alphanumeric) {
            return None;
        }
        let confidence = open.probabilities.iter().sum::<f32>() / open.probabilities.len().max(1) as f32;
        let onset_confidence = open.probabilities.first().copied().unwrap_or_default();
        let (start_s, end_s) = open.time;
        Some(Word { text, start_s, end_s, confidence, onset_confidence, spaced: open.spaced })
    };
    open.into_iter().filter_map(word).collect()
}

/// The text of byte-level tokens, without special ones. Whisper's vocabulary is that of GPT-2: each character of a token stands
/// for one byte, and a character of the text may be spread over tokens, so bytes are joined before they are read as UTF-8.
/// Source: `bytes_to_unicode` in the encoder of GPT-2 (<https://github.com/openai/gpt-2/blob/master/src/encoder.py>).
pub(super) fn decode(tokens: &[String]) -> String {
    let text = tokens.iter().filter(|token| special(token).is_none());
    let bytes: Vec<u8> = text.flat_map(|token| token.chars()).filter_map(byte_of).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that a character of the vocabulary stands for. Printable Latin-1 characters stand for themselves; the other bytes,
/// in ascending order, have the characters from U+0100 on. None for a character that no token contains.
fn byte_of(character: char) -> Option<u8> {
    let is_own = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    match u32::from(character).checked_sub(0x100) {
        None => u8::try_from(u32::from(character)).ok().filter(is_own),
        Some(index) => (0..=u8::MAX).filter(|byte| !is_own(byte)).nth(index as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn joined(text: &str, spaced: bool) -> Vec<(String, f32)> {
        let tokens = tokens(text);
        let scored = tokens.iter().enumerate().map(|(i, text)| {
            let probability = 1.0 / (1 << i) as f32;
            Scored { text, probability, time: (i as f64, i as f64 + 1.0) }
        });
        words(scored, spaced).into_iter().map(|word| (word.text, word.confidence)).collect()
    }

    #[test]
    fn an_output_is_split_at_timestamps() {
        let pieces = split(&tokens("<|0.00|> Good ĠMorning <|1.20|> <|1.50|> How Ġsoon <|3.00|> <|3.00|> And"));
        let piece = |start_s, end_s, text| Piece { start_s, end_s, text };
        assert_eq!(pieces, [piece(0.0, Some(1.2), 0..2), piece(1.5, Some(3.0), 2..4), piece(3.0, None, 4..5)]);
        assert_eq!(split(&tokens("<|nocaptions|> <|0.00|>")), []);
    }

    #[test]
    fn tokens_are_joined_to_words_with_their_punctuation() {
        assert_eq!(
            joined("ĠGood Ġmorn ing , Ġall .", true),
            [("Good".into(), 1.0), ("morning,".into(), 0.375), ("all.".into(), 0.0625)]
        );
        // Two characters of three bytes each, one of them spread over two tokens.
        assert_eq!(joined("ä½ł å¥ ½ ï¼Į", false), [("你".into(), 1.0), ("好，".into(), 0.375)]);
        assert_eq!(joined("Ġ. Ġ-", true), []);
    }

    #[test]
    fn tokens_have_the_times_of_their_alignment() {
        let path = [(0, 0), (0, 10), (1, 25), (2, 50), (2, 60), (3, 75)];
        assert_eq!(times(path.into_iter(), 3, 2.0), [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5)]);
        assert_eq!(times([].into_iter(), 2, 2.0), [(2.0, 2.0), (2.0, 2.0)]);
    }

    #[test]
    fn tokens_are_decoded_byte_by_byte() {
        assert_eq!(decode(&tokens("<|0.00|> ĠGood Ġmorning ,")), " Good morning,");
        // One character over two tokens, and bytes that are no UTF-8.
        assert_eq!(decode(&tokens("caf Ã ©")), "café");
        assert_eq!(decode(&tokens("Ã")), "\u{FFFD}");
        // Each byte has exactly one character.
        let mut bytes: Vec<u8> = (0..0x200).filter_map(char::from_u32).filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
    }
}
