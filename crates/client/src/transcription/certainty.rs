//! What of a recognition may be believed. Pure rules: a model's words and certainty in, lines of the transcript out.
//!
//! A transcript says nothing rather than inventing. What the model was not certain of is either shown as uncertain (`[word?]`),
//! or replaced by a mark that says what happened; what is no speech is left out.

use super::recognizer::{Phrase, Quality, Recognition, Word};
use super::repetition::is_loop;

/// Replaces the first words of speech whose beginning is missing, if they are not certain.
pub const BEGINNING: &str = "[beginning not understood]";
/// Replaces words that are not certain enough to be shown.
pub const UNCLEAR: &str = "[unclear]";
/// Replaces speech in a language that the model does not know.
pub const OTHER_LANGUAGE: &str = "[speech in another language]";
/// Replaces what a model repeats.
pub const REPETITION: &str = "[repetition left out]";
/// Replaces speech that the recognizer failed on.
pub const FAILED: &str = "[not transcribed]";
/// All marks, which are no words that anybody said.
pub const MARKS: [&str; 5] = [BEGINNING, UNCLEAR, OTHER_LANGUAGE, REPETITION, FAILED];

/// A phrase this far (seconds) from all detected speech is a hallucination of the model.
const MAX_DISTANCE_S: f64 = 0.5;
/// Whisper's rule for silence: the probability of no speech is above the first, and the mean log probability per token below
/// the second.
const NO_SPEECH_PROB: f32 = 0.6;
const NO_SPEECH_LOG_PROB: f32 = -1.0;
/// Mean log probability of a pass, and mean confidence of a phrase, below which nothing of it is shown. English that was recognized
/// with few errors has at least -0.45 and 0.8, with either of the models of docs/transcript.md.
const UNCLEAR_LOG_PROB: f32 = -0.7;
const UNCLEAR_CONFIDENCE: f32 = 0.45;
/// The same mean log probability where the model also doubts that there is speech: what an English model makes of another language.
const DOUBTED_SPEECH_PROB: f32 = 0.35;
const DOUBTED_LOG_PROB: f32 = -0.4;
/// What a pass needs to be shown after the model repeated itself in a first attempt, which it does where it does not understand.
const LOOPED_SPEECH_PROB: f32 = 0.2;
const LOOPED_LOG_PROB: f32 = -0.3;
/// Probability of a language below which it is not known what was spoken, and words of it are inventions.
const UNKNOWN_LANGUAGE_PROB: f32 = 0.6;
/// Confidence below which a single word is shown as uncertain.
pub const UNCERTAIN_WORD: f32 = 0.4;
/// The same for the last word of speech that is cut short.
const UNCERTAIN_LAST_WORD: f32 = 0.7;
/// Least speech, seconds, in an unclear passage that is marked. Shorter sounds are clicks and breaths, and are left out.
const MIN_UNCLEAR_S: f64 = 0.6;
/// Words that begin this long after a cut are not affected by it.
const CUT_REACH_S: f64 = 1.5;
/// Confidence that a word needs directly after a cut. Of a hundred joins in mid-speech, no wrong word had it, with either of
/// the models of docs/transcript.md.
const BEGINNING_CONFIDENCE: f32 = 0.8;
/// Fewest equal phrases in a row that are a loop.
const LOOP_PHRASES: usize = 3;

/// What is known of a segment besides its recognition. All times are seconds from its start.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Spans of detected speech.
    pub speech: &'a [(f64, f64)],
    /// Where speech may begin within a word.
    pub cut_beginnings: &'a [f64],
    /// Whether the segment may end within a word.
    pub cut_end: bool,
}

/// A line of the transcript.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Start, seconds from the start of the segment.
    pub start_s: f64,
    /// End, seconds from the start of the segment.
    pub end_s: f64,
    /// The text: words, uncertain ones as `[word?]`, and [`MARKS`].
    pub text: String,
    /// Confidence of each word of the text (separated by spaces), percent; 0 for the words of a mark.
    pub confidence: Vec<u8>,
}

impl Line {
    fn mark(start_s: f64, end_s: f64, mark: &str) -> Self {
        Self { start_s, end_s, text: mark.to_owned(), confidence: vec![0; mark.split_whitespace().count()] }
    }

    /// A mark in the place of a whole segment.
    pub fn of_mark(mark: &str, length_s: f64) -> Self {
        Self::mark(0.0, length_s, mark)
    }

    /// All lines of a segment as one.
    pub fn joined(lines: &[Self], length_s: f64) -> Self {
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let confidence = lines.iter().flat_map(|line| line.confidence.iter().copied()).collect();
        Self { start_s: 0.0, end_s: length_s, text: texts.join(" "), confidence }
    }

    fn of_words(phrase: &Phrase, words: &[Word], beginning: bool) -> Self {
        let mut confidence = Vec::new();
        let mut text = if beginning { BEGINNING.to_owned() } else { String::new() };
        confidence.resize(text.split_whitespace().count(), 0);
        for word in words {
            let shown = if word.confidence < UNCERTAIN_WORD { uncertain(&word.text) } else { word.text.clone() };
            if word.spaced && !text.is_empty() || text == BEGINNING {
                text.push(' ');
            }
            text.push_str(&shown);
            let percent = (100.0 * word.confidence).clamp(0.0, 100.0) as u8;
            // What is written without spaces is one word as certain as its least certain character.
            match confidence.last_mut() {
                Some(last) if !word.spaced && *last > 0 => *last = percent.min(*last),
                _ => confidence.push(percent),
            }
        }
        Self { start_s: phrase.start_s, end_s: phrase.end_s, text, confidence }
    }
}

/// `word,` becomes `[word?],`.
fn uncertain(word: &str) -> String {
    let end = word.trim_end_matches(|c: char| !c.is_alphanumeric()).len();
    let (word, punctuation) = word.split_at(end);
    format!("[{word}?]{punctuation}")
}

/// The text without marks, for comparison with what was said.
pub fn without_marks(text: &str) -> String {
    MARKS.iter().fold(text.to_owned(), |text, mark| text.replace(mark, " "))
}

/// The lines of a recognized segment.
pub fn judge(recognition: &Recognition, context: &Context<'_>) -> Vec<Line> {
    let in_unknown_language =
        recognition.language.is_some_and(|detection| detection.probability < UNKNOWN_LANGUAGE_PROB);
    let mut lines: Vec<Line> = Vec::new();
    let mut equal = 0;
    let mut previous = String::new();
    let mut phrases = split_at_cuts(&recognition.phrases, context.cut_beginnings);
    phrases.retain(|phrase| is_near_speech(phrase, context.speech));
    if context.cut_end
        && let Some(word) = phrases.last_mut().and_then(|phrase| phrase.words.last_mut())
        && word.confidence < UNCERTAIN_LAST_WORD
    {
        word.confidence = word.confidence.min(UNCERTAIN_WORD - 0.01);
    }
    for phrase in &phrases {
        let text = phrase.text().to_lowercase();
        equal = if text == previous { equal + 1 } else { 1 };
        let half_heard = half_heard(&phrase.words, context.cut_beginnings);
        let words = &phrase.words[half_heard..];
        let beginning = half_heard > 0;
        let line = if equal >= LOOP_PHRASES || is_loop(&text) {
            Some(Line::mark(phrase.start_s, phrase.end_s, REPETITION))
        } else if is_silence(phrase) {
            None
        } else if in_unknown_language || is_unclear(phrase, words) {
            (speech_within(phrase, context.speech) >= MIN_UNCLEAR_S)
                .then(|| Line::mark(phrase.start_s, phrase.end_s, if beginning { BEGINNING } else { UNCLEAR }))
        } else {
            Some(Line::of_words(phrase, words, beginning))
        };
        previous = text;
        extend(&mut lines, line);
    }
    lines
}

/// Splits phrases where sound is missing, so that each piece has one beginning.
fn split_at_cuts(phrases: &[Phrase], cuts: &[f64]) -> Vec<Phrase> {
    let mut pieces = Vec::new();
    for phrase in phrases {
        let mut rest = phrase.clone();
        for cut in cuts {
            // A word that the cut is in belongs to what follows.
            let before = rest.words.iter().take_while(|word| word.end_s <= *cut).count();
            if before == 0 || before == rest.words.len() {
                continue;
            }
            let words = rest.words.split_off(before);
            let following = Phrase { start_s: words[0].start_s.max(*cut), words, ..rest.clone() };
            pieces.push(Phrase { end_s: following.start_s, ..rest });
            rest = following;
        }
        pieces.push(rest);
    }
    pieces
}

/// Adds a line; a mark that repeats the line before extends it.
fn extend(lines: &mut Vec<Line>, line: Option<Line>) {
    let Some(line) = line else { return };
    match lines.last_mut() {
        Some(last) if last.text == line.text && MARKS.contains(&line.text.as_str()) => last.end_s = line.end_s,
        _ => lines.push(line),
    }
}

fn is_near_speech(phrase: &Phrase, speech: &[(f64, f64)]) -> bool {
    speech.iter().any(|(begin, end)| phrase.start_s < end + MAX_DISTANCE_S && phrase.end_s > begin - MAX_DISTANCE_S)
}

fn speech_within(phrase: &Phrase, speech: &[(f64, f64)]) -> f64 {
    speech.iter().map(|(begin, end)| (end.min(phrase.end_s) - begin.max(phrase.start_s)).max(0.0)).sum()
}

fn is_silence(phrase: &Phrase) -> bool {
    phrase.quality.no_speech_prob > NO_SPEECH_PROB && phrase.quality.mean_log_prob < NO_SPEECH_LOG_PROB
}

fn is_unclear(phrase: &Phrase, words: &[Word]) -> bool {
    let Quality { mean_log_prob, no_speech_prob, looped } = phrase.quality;
    words.is_empty()
        || mean_log_prob < UNCLEAR_LOG_PROB
        || (no_speech_prob > DOUBTED_SPEECH_PROB && mean_log_prob < DOUBTED_LOG_PROB)
        || (looped && (no_speech_prob > LOOPED_SPEECH_PROB || mean_log_prob < LOOPED_LOG_PROB))
        || words.iter().map(|word| word.confidence).sum::<f32>() / (words.len() as f32) < UNCLEAR_CONFIDENCE
}

/// How many words at the start follow a cut and are not certain.
fn half_heard(words: &[Word], cuts: &[f64]) -> usize {
    let Some(first) = words.first() else { return 0 };
    let Some(cut) = cuts.iter().copied().rfind(|cut| *cut <= first.end_s && first.start_s < cut + CUT_REACH_S) else {
        return 0;
    };
    let affected = words.iter().take_while(|word| word.start_s < cut + CUT_REACH_S).count();
    let is_certain = |word: &Word| word.confidence.min(word.onset_confidence) >= BEGINNING_CONFIDENCE;
    words[..affected].iter().position(is_certain).unwrap_or(affected)
}

#[cfg(test)]
#[path = "certainty_tests.rs"]
mod tests;
