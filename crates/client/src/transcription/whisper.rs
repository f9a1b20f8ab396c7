//! Whisper models in CTranslate2 format.

use std::path::Path;
use std::sync::Arc;

use ct2rs::sys::{ComputeType, Config, StorageView, Whisper as Engine, WhisperGenerationResult, WhisperOptions};

use super::mel::{HOP, INPUT_FRAMES, INPUT_SAMPLES, MelSpectrogram};
use super::recognizer::{Effort, Phrase, RecognitionError, Recognizer};
use crate::audio::resample::ASR_SAMPLE_RATE;

/// Concurrent passes, each on its own core: one for the transcript, one for captions.
pub const PASSES: usize = 2;
/// Beam size for the transcript. Whisper's published error rates were measured with five.
const BEAM_SIZE: usize = 5;
/// Whisper's rule for silence: the probability of no speech is above the first, and the mean log probability per token below
/// the second.
const NO_SPEECH_THRESHOLD: f32 = 0.6;
const LOG_PROBABILITY_THRESHOLD: f32 = -1.0;
/// Padding of a caption's input, frames of 10 ms. The input is the samples and this padding instead of 30 s, which halves the
/// work at some loss of accuracy; the transcript is not affected.
const QUICK_PADDING: usize = 150;
/// Shortest input of a caption, frames. With shorter inputs the model hallucinates.
const QUICK_MIN_FRAMES: usize = 500;
/// Most tokens per second of speech (fast speech has 6), and a constant allowance, mainly for timestamp tokens. Longer output
/// is the model repeating itself; the limit also bounds the work.
const BEST_TOKENS: (usize, usize) = (8, 16);
/// The same for captions, which have no timestamp tokens and often end mid-sentence, where models tend to continue.
const QUICK_TOKENS: (usize, usize) = (6, 5);
/// Most tokens of one pass: half of Whisper's context.
const MAX_TOKENS: usize = 224;
/// Length of token n-grams that may not repeat once the model is stuck in a loop.
const NO_REPEAT_NGRAM: usize = 3;
/// Share of distinct word trigrams below which the text is a loop and is decoded again without repetitions.
const MIN_DISTINCT_TRIGRAMS: f64 = 0.6;
/// Shortest audio that can contain a word: 0.1 s.
const MIN_SAMPLES: usize = ASR_SAMPLE_RATE as usize / 10;
/// Least progress from one window to the next, regardless of the model's timestamps: one second.
const MIN_STEP: usize = ASR_SAMPLE_RATE as usize;
/// Required files of a model directory, with advice for each.
const FILES: [(&str, &str); 2] = [
    ("model.bin", "name a directory with a Whisper model in CTranslate2 form"),
    ("config.json", "copy it from where the model came from; it belongs to every CTranslate2 model"),
];

/// A loaded Whisper recognizer. Clones share the model; [`PASSES`] of them can work concurrently.
#[derive(Clone)]
pub struct Whisper {
    loaded: Arc<Loaded>,
}

struct Loaded {
    engine: Engine,
    mel: MelSpectrogram,
    prompt: Vec<&'static str>,
}

impl Whisper {
    /// Loads the model in `dir`: `model.bin`, `config.json` and its vocabulary. Multilingual models are
    /// prompted for English.
    ///
    /// `preprocessor_config.json` is not read: Whisper models differ only in the number of mel bands, which the model
    /// itself specifies.
    ///
    /// # Errors
    /// [`RecognitionError::MissingFile`] and [`RecognitionError::Load`].
    pub fn load(dir: &Path) -> Result<Self, RecognitionError> {
        for (file, advice) in FILES {
            if !dir.join(file).is_file() {
                return Err(RecognitionError::MissingFile { dir: dir.to_owned(), file, advice });
            }
        }
        let load =
            |cause: &dyn std::fmt::Display| RecognitionError::Load { dir: dir.to_owned(), cause: cause.to_string() };
        // 8-bit integer weights give the same words in a third less time.
        let config = Config {
            compute_type: ComputeType::INT8,
            device_indices: vec![0; PASSES],
            num_threads_per_replica: 1,
            ..Config::default()
        };
        let engine = Engine::new(dir, config).map_err(|cause| load(&cause))?;
        let mel = MelSpectrogram::new(engine.n_mels());
        // English-only models were not trained with language and task tokens.
        let prompt = if engine.is_multilingual() {
            vec!["<|startoftranscript|>", "<|en|>", "<|transcribe|>"]
        } else {
            vec!["<|startoftranscript|>"]
        };
        Ok(Self { loaded: Arc::new(Loaded { engine, mel, prompt }) })
    }
}

impl Loaded {
    /// One pass over at most 30 s.
    fn pass(&self, samples: &[f32], effort: Effort) -> Result<Vec<Timed>, RecognitionError> {
        let (beam_size, frames) = match effort {
            Effort::Quick => (1, (samples.len() / HOP + QUICK_PADDING).clamp(QUICK_MIN_FRAMES, INPUT_FRAMES)),
            Effort::Best => (BEAM_SIZE, INPUT_FRAMES),
        };
        let mut features = self.mel.features(samples, frames);
        let bands = features.len() / frames;
        let view = StorageView::new(&[1, bands, frames], &mut features, Default::default()).map_err(engine)?;
        let encoded = self.engine.encode(&view, false).map_err(engine)?;
        let (per_second, extra) = match effort {
            Effort::Quick => QUICK_TOKENS,
            Effort::Best => BEST_TOKENS,
        };
        let tokens = (samples.len() * per_second / ASR_SAMPLE_RATE as usize + extra).min(MAX_TOKENS);
        let mut options = WhisperOptions {
            beam_size,
            // The engine halves this limit, because half of Whisper's context is reserved for the previous text.
            max_length: 2 * tokens,
            return_scores: true,
            return_no_speech_prob: true,
            ..WhisperOptions::default()
        };
        let mut prompt = self.prompt.clone();
        if effort == Effort::Quick {
            // Short inputs often cause loops, and there is no time for a second attempt, nor for timestamp tokens.
            options.no_repeat_ngram_size = NO_REPEAT_NGRAM;
            prompt.push("<|notimestamps|>");
        }
        let mut output = self.generate(&encoded, &prompt, &options)?;
        if effort == Effort::Best && is_loop(&self.phrases(&output, samples)?) {
            options.no_repeat_ngram_size = NO_REPEAT_NGRAM;
            output = self.generate(&encoded, &prompt, &options)?;
        }
        let score = output.scores.first().copied().unwrap_or(0.0);
        if output.no_speech_prob > NO_SPEECH_THRESHOLD && score < LOG_PROBABILITY_THRESHOLD {
            return Ok(Vec::new());
        }
        self.phrases(&output, samples)
    }

    fn generate(
        &self,
        encoded: &StorageView,
        prompt: &[&str],
        options: &WhisperOptions,
    ) -> Result<WhisperGenerationResult, RecognitionError> {
        let results = self.engine.generate(encoded, &[prompt.to_vec()], options).map_err(engine)?;
        results.into_iter().next().ok_or_else(|| RecognitionError::Engine("the engine returned no result".into()))
    }

    fn phrases(&self, output: &WhisperGenerationResult, samples: &[f32]) -> Result<Vec<Timed>, RecognitionError> {
        let tokens = output.sequences.first().map_or(&[][..], Vec::as_slice);
        let length = samples.len() as f64 / f64::from(ASR_SAMPLE_RATE);
        let mut phrases = Vec::new();
        for (start, end, tokens) in split(tokens) {
            let text = decode(&tokens);
            let text = text.trim();
            // The input is padded to 30 s; a phrase that starts in the padding is a hallucination.
            if text.is_empty() || start >= length {
                continue;
            }
            let phrase =
                Phrase { start_s: start, end_s: end.unwrap_or(length).clamp(start, length), text: text.into() };
            phrases.push(Timed { phrase, closed: end.is_some() });
        }
        Ok(phrases)
    }
}

impl Recognizer for Whisper {
    fn transcribe(&mut self, pcm16k: &[f32], effort: Effort) -> Result<Vec<Phrase>, RecognitionError> {
        let mut phrases = Vec::new();
        let mut at = 0;
        while pcm16k.len() - at >= MIN_SAMPLES {
            let window = &pcm16k[at..pcm16k.len().min(at + INPUT_SAMPLES)];
            let more_follows = at + window.len() < pcm16k.len();
            let mut found = self.loaded.pass(window, effort)?;
            let step = if more_follows { drop_cut_phrase(&mut found, window.len()) } else { window.len() };
            let offset = at as f64 / f64::from(ASR_SAMPLE_RATE);
            phrases.extend(found.into_iter().map(|Timed { phrase, .. }| Phrase {
                start_s: phrase.start_s + offset,
                end_s: phrase.end_s + offset,
                ..phrase
            }));
            at += step;
        }
        Ok(phrases)
    }
}

/// Drops the phrase that is cut by the end of a window, and returns where the next window starts, in samples: after the last
/// complete phrase, so that everything after it is recognized again from its start.
fn drop_cut_phrase(phrases: &mut Vec<Timed>, window: usize) -> usize {
    if phrases.len() > 1 && phrases.last().is_some_and(|last| !last.closed) {
        phrases.pop();
    }
    match phrases.last() {
        Some(last) if last.closed => {
            ((last.phrase.end_s * f64::from(ASR_SAMPLE_RATE)) as usize).clamp(MIN_STEP.min(window), window)
        }
        _ => window,
    }
}

/// A phrase, and whether it has an end timestamp.
struct Timed {
    phrase: Phrase,
    closed: bool,
}

fn engine(cause: impl std::fmt::Display) -> RecognitionError {
    RecognitionError::Engine(cause.to_string())
}

/// Splits tokens at timestamp tokens (`<|2.40|>`) into start, end (if there is one) and text tokens. Other special tokens are
/// removed.
fn split(tokens: &[String]) -> Vec<(f64, Option<f64>, Vec<String>)> {
    let mut pieces = Vec::new();
    let mut start = 0.0;
    let mut text: Vec<String> = Vec::new();
    for token in tokens {
        match token.strip_prefix("<|").and_then(|rest| rest.strip_suffix("|>")) {
            Some(special) => {
                let Ok(time) = special.parse::<f64>() else { continue };
                if !text.is_empty() {
                    pieces.push((start, Some(time), std::mem::take(&mut text)));
                }
                start = time;
            }
            None => text.push(token.clone()),
        }
    }
    if !text.is_empty() {
        pieces.push((start, None, text));
    }
    pieces
}

/// The text of byte-level tokens. Whisper's vocabulary is that of GPT-2: each character of a token stands for one byte, and a
/// character of the text may be spread over tokens, so bytes are joined before they are read as UTF-8.
/// Source: `bytes_to_unicode` in the encoder of GPT-2 (<https://github.com/openai/gpt-2/blob/master/src/encoder.py>).
fn decode(tokens: &[String]) -> String {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.chars()).filter_map(byte_of).collect();
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

/// Whether the model is stuck in a loop, repeating the same trigrams.
fn is_loop(phrases: &[Timed]) -> bool {
    let words: Vec<String> = phrases.iter().flat_map(|timed| super::wer::words(&timed.phrase.text)).collect();
    let triples: Vec<&[String]> = words.windows(3).collect();
    if triples.len() < 12 {
        return false;
    }
    let distinct: std::collections::HashSet<&&[String]> = triples.iter().collect();
    (distinct.len() as f64) < MIN_DISTINCT_TRIGRAMS * triples.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn tokens_are_split_at_timestamps() {
        let pieces = split(&tokens("<|0.00|> Good ĠMorning <|1.20|> <|1.50|> How Ġsoon <|3.00|> <|3.00|> And"));
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[0], (0.0, Some(1.2), tokens("Good ĠMorning")));
        assert_eq!(pieces[1], (1.5, Some(3.0), tokens("How Ġsoon")));
        assert_eq!(pieces[2], (3.0, None, tokens("And")));
        assert_eq!(split(&tokens("<|nocaptions|> <|0.00|>")), []);
    }

    #[test]
    fn tokens_are_decoded_byte_by_byte() {
        assert_eq!(decode(&tokens("ĠGood Ġmorning ,")), " Good morning,");
        // One character over two tokens, and bytes that are no UTF-8.
        assert_eq!(decode(&tokens("caf Ã ©")), "café");
        assert_eq!(decode(&tokens("Ã")), "\u{FFFD}");
        // Each byte has exactly one character.
        let mut bytes: Vec<u8> = (0..0x200).filter_map(char::from_u32).filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
    }

    #[test]
    fn the_next_window_starts_after_the_last_complete_phrase() {
        let timed = |end_s, closed| Timed { phrase: Phrase { start_s: 0.0, end_s, text: "word".into() }, closed };
        // The last phrase ends before the window: the rest may be the start of a phrase.
        let mut phrases = vec![timed(10.0, true), timed(29.0, true)];
        assert_eq!((drop_cut_phrase(&mut phrases, INPUT_SAMPLES), phrases.len()), (29 * 16_000, 2));
        // The window cuts a phrase.
        let mut phrases = vec![timed(27.0, true), timed(30.0, false)];
        assert_eq!((drop_cut_phrase(&mut phrases, INPUT_SAMPLES), phrases.len()), (27 * 16_000, 1));
        // One endless phrase, no phrase, and a timestamp without progress.
        let mut phrases = vec![timed(30.0, false)];
        assert_eq!((drop_cut_phrase(&mut phrases, INPUT_SAMPLES), phrases.len()), (INPUT_SAMPLES, 1));
        assert_eq!(drop_cut_phrase(&mut Vec::new(), INPUT_SAMPLES), INPUT_SAMPLES);
        assert_eq!(drop_cut_phrase(&mut vec![timed(0.0, true)], INPUT_SAMPLES), MIN_STEP);
    }

    #[test]
    fn a_loop_is_detected_and_speech_is_not() {
        let timed = |text: &str| Timed { phrase: Phrase { start_s: 0.0, end_s: 1.0, text: text.into() }, closed: true };
        assert!(is_loop(&[timed(&"I am going to ".repeat(20))]));
        assert!(!is_loop(&[timed(
            "We have read your proposal on the northern border with great care and most of it is welcome here"
        )]));
        assert!(!is_loop(&[timed("no no no no")]));
    }

    #[test]
    fn an_invalid_model_directory_is_reported_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let error = |dir: &Path| Whisper::load(dir).err().unwrap().to_string();
        assert!(error(dir.path()).contains("has no model.bin: name a directory"));
        std::fs::write(dir.path().join("model.bin"), "nonsense").unwrap();
        assert!(error(dir.path()).contains("has no config.json"));
        std::fs::write(dir.path().join("config.json"), "{}").unwrap();
        assert!(error(dir.path()).contains("cannot be loaded as a Whisper model"));
    }
}
