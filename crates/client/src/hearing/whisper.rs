//! Whisper models in CTranslate2 form.

use std::path::Path;
use std::sync::Arc;

use ct2rs::Tokenizer as _;
use ct2rs::sys::{ComputeType, Config, StorageView, Whisper as Engine, WhisperGenerationResult, WhisperOptions};
use ct2rs::tokenizers::hf::Tokenizer;

use super::mel::{HOP, INPUT_FRAMES, INPUT_SAMPLES, MelSpectrogram};
use super::recogniser::{Effort, HearingError, Phrase, Recogniser};
use crate::audio::rate::HEARING_RATE;

/// Passages that are heard at the same time, each on a processor of its own: one for the transcript, one for captions.
pub const PASSES: usize = 2;
/// Hypotheses that are followed for the transcript. Five is what Whisper's published error rates were measured with.
const BEAM: usize = 5;
/// Whisper's own rule for "nobody spoke": this likely to be silence, and this unsure of the words (mean log
/// probability per token).
const NO_SPEECH: f32 = 0.6;
const UNSURE: f32 = -1.0;
/// Captions are heard in an input that is only as long as the sound, and this much (frames of 10 ms), instead of 30 s:
/// it halves the work, and what that costs in words the transcript does not lose.
const QUICK_EXTRA: usize = 150;
/// Shortest input. In shorter ones the model begins to make words up.
const QUICK_LEAST: usize = 500;
/// Tokens that a second of speech can take at most (fast speech has 6), and what a passage may have on top, for time
/// tokens above all. What is longer is the model repeating itself; the limit also bounds the work.
const BEST_TOKENS: (usize, usize) = (8, 16);
/// The same for captions, which have no time tokens and are often given half a sentence, after which models go on.
const QUICK_TOKENS: (usize, usize) = (6, 5);
/// Most tokens of one pass: half of Whisper's context.
const MAX_TOKENS: usize = 224;
/// Words or syllables in a row that may not come a second time once the model got stuck.
const REPEATED: usize = 3;
/// Below this share of distinct triples of words the text is a loop, and is decoded again without repetitions.
const DISTINCT: f64 = 0.6;
/// Sound shorter than this (0.1 s) has no word in it.
const LEAST_SAMPLES: usize = HEARING_RATE as usize / 10;
/// Least progress (one second) from one window to the next, whatever times the model gives.
const LEAST_STEP: usize = HEARING_RATE as usize;
/// Files that a model directory must have.
const FILES: [(&str, &str); 3] = [
    ("model.bin", "name a directory with a Whisper model in CTranslate2 form"),
    ("config.json", "copy it from where the model came from; it belongs to every CTranslate2 model"),
    ("tokenizer.json", "convert the model with `--copy_files tokenizer.json`, or copy it from the original model"),
];

/// A Whisper speech recogniser, loaded. Clones share the model, and [`PASSES`] of them can work at the same time.
#[derive(Clone)]
pub struct Whisper {
    loaded: Arc<Loaded>,
}

struct Loaded {
    engine: Engine,
    tokenizer: Tokenizer,
    mel: MelSpectrogram,
    prompt: Vec<&'static str>,
}

impl Whisper {
    /// Loads the model in `dir`: `model.bin`, `config.json`, `tokenizer.json` and its vocabulary. Models of several
    /// languages are told to expect English.
    ///
    /// `preprocessor_config.json` is not read: all Whisper models hear alike but for the number of bands, which the
    /// model itself knows.
    pub fn load(dir: &Path) -> Result<Self, HearingError> {
        for (file, advice) in FILES {
            if !dir.join(file).is_file() {
                return Err(HearingError::MissingFile { dir: dir.to_owned(), file, advice });
            }
        }
        let load = |cause: &dyn std::fmt::Display| HearingError::Load { dir: dir.to_owned(), cause: cause.to_string() };
        // In 8-bit integers the model makes the same words in a third less time.
        let config = Config {
            compute_type: ComputeType::INT8,
            device_indices: vec![0; PASSES],
            num_threads_per_replica: 1,
            ..Config::default()
        };
        let engine = Engine::new(dir, config).map_err(|cause| load(&cause))?;
        let tokenizer = Tokenizer::new(dir).map_err(|cause| load(&cause))?;
        let mel = MelSpectrogram::new(engine.n_mels());
        // A model that knows only English has never seen the tokens for language and task.
        let prompt = if engine.is_multilingual() {
            vec!["<|startoftranscript|>", "<|en|>", "<|transcribe|>"]
        } else {
            vec!["<|startoftranscript|>"]
        };
        Ok(Self { loaded: Arc::new(Loaded { engine, tokenizer, mel, prompt }) })
    }
}

impl Loaded {
    /// One pass over at most 30 s.
    fn pass(&self, sound: &[f32], effort: Effort) -> Result<Vec<Timed>, HearingError> {
        let (beam_size, frames) = match effort {
            Effort::Quick => (1, (sound.len() / HOP + QUICK_EXTRA).clamp(QUICK_LEAST, INPUT_FRAMES)),
            Effort::Best => (BEAM, INPUT_FRAMES),
        };
        let mut features = self.mel.features(sound, frames);
        let bands = features.len() / frames;
        let view = StorageView::new(&[1, bands, frames], &mut features, Default::default()).map_err(engine)?;
        let encoded = self.engine.encode(&view, false).map_err(engine)?;
        let (per_second, extra) = match effort {
            Effort::Quick => QUICK_TOKENS,
            Effort::Best => BEST_TOKENS,
        };
        let tokens = (sound.len() * per_second / HEARING_RATE as usize + extra).min(MAX_TOKENS);
        let mut options = WhisperOptions {
            beam_size,
            // The engine halves this limit, because half of Whisper's context is kept for what was said before.
            max_length: 2 * tokens,
            return_scores: true,
            return_no_speech_prob: true,
            ..WhisperOptions::default()
        };
        let mut prompt = self.prompt.clone();
        if effort == Effort::Quick {
            // In short inputs the model easily gets stuck, and there is no time to try again; nor for time tokens.
            options.no_repeat_ngram_size = REPEATED;
            prompt.push("<|notimestamps|>");
        }
        let mut heard = self.generate(&encoded, &prompt, &options)?;
        if effort == Effort::Best && loops(&self.phrases(&heard, sound)?) {
            options.no_repeat_ngram_size = REPEATED;
            heard = self.generate(&encoded, &prompt, &options)?;
        }
        let score = heard.scores.first().copied().unwrap_or(0.0);
        if heard.no_speech_prob > NO_SPEECH && score < UNSURE {
            return Ok(Vec::new());
        }
        self.phrases(&heard, sound)
    }

    fn generate(
        &self,
        encoded: &StorageView,
        prompt: &[&str],
        options: &WhisperOptions,
    ) -> Result<WhisperGenerationResult, HearingError> {
        let results = self.engine.generate(encoded, &[prompt.to_vec()], options).map_err(engine)?;
        results.into_iter().next().ok_or_else(|| HearingError::Engine("it gave no result".into()))
    }

    fn phrases(&self, heard: &WhisperGenerationResult, sound: &[f32]) -> Result<Vec<Timed>, HearingError> {
        let tokens = heard.sequences.first().map_or(&[][..], Vec::as_slice);
        let length = sound.len() as f64 / f64::from(HEARING_RATE);
        let mut phrases = Vec::new();
        for (start, end, tokens) in split(tokens) {
            let text = self.tokenizer.decode(tokens).map_err(engine)?;
            let text = text.trim();
            // The model sees 30 s, of which all after the sound is filling: nothing begins there.
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

impl Recogniser for Whisper {
    fn transcribe(&mut self, pcm16k: &[f32], effort: Effort) -> Result<Vec<Phrase>, HearingError> {
        let mut phrases = Vec::new();
        let mut at = 0;
        while pcm16k.len() - at >= LEAST_SAMPLES {
            let window = &pcm16k[at..pcm16k.len().min(at + INPUT_SAMPLES)];
            let more_follows = at + window.len() < pcm16k.len();
            let mut heard = self.loaded.pass(window, effort)?;
            let step = if more_follows { keep_whole(&mut heard, window.len()) } else { window.len() };
            let offset = at as f64 / f64::from(HEARING_RATE);
            phrases.extend(heard.into_iter().map(|Timed { phrase, .. }| Phrase {
                start_s: phrase.start_s + offset,
                end_s: phrase.end_s + offset,
                ..phrase
            }));
            at += step;
        }
        Ok(phrases)
    }
}

/// Of a window that the sound goes on after: drops a phrase that the end of the window cut through, and gives how many
/// samples were heard whole. The next window begins there, so that what follows the last whole phrase, also if the model
/// passed over it because it was only a beginning, is heard again from its start.
fn keep_whole(heard: &mut Vec<Timed>, window: usize) -> usize {
    if heard.len() > 1 && heard.last().is_some_and(|last| !last.closed) {
        heard.pop();
    }
    match heard.last() {
        Some(last) if last.closed => {
            ((last.phrase.end_s * f64::from(HEARING_RATE)) as usize).clamp(LEAST_STEP.min(window), window)
        }
        _ => window,
    }
}

/// A phrase, and whether the model said where it ends.
struct Timed {
    phrase: Phrase,
    closed: bool,
}

fn engine(cause: impl std::fmt::Display) -> HearingError {
    HearingError::Engine(cause.to_string())
}

/// Cuts tokens at time tokens (`<|2.40|>`) into start, end if told, and text tokens. Other special tokens are left out.
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

/// Whether the model got stuck: the same three words over and over.
fn loops(phrases: &[Timed]) -> bool {
    let words: Vec<String> = phrases.iter().flat_map(|timed| super::wer::words(&timed.phrase.text)).collect();
    let triples: Vec<&[String]> = words.windows(3).collect();
    if triples.len() < 12 {
        return false;
    }
    let distinct: std::collections::HashSet<&&[String]> = triples.iter().collect();
    (distinct.len() as f64) < DISTINCT * triples.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn tokens_are_cut_at_times_and_an_open_end_is_told() {
        let pieces = split(&tokens("<|0.00|> Good ĠMorning <|1.20|> <|1.50|> How Ġsoon <|3.00|> <|3.00|> And"));
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[0], (0.0, Some(1.2), tokens("Good ĠMorning")));
        assert_eq!(pieces[1], (1.5, Some(3.0), tokens("How Ġsoon")));
        assert_eq!(pieces[2], (3.0, None, tokens("And")));
        assert_eq!(split(&tokens("<|nocaptions|> <|0.00|>")), []);
    }

    #[test]
    fn the_next_window_begins_after_the_last_whole_phrase() {
        let timed = |end_s, closed| Timed { phrase: Phrase { start_s: 0.0, end_s, text: "word".into() }, closed };
        // The model ended before the window did: the rest may be a beginning that it passed over.
        let mut heard = vec![timed(10.0, true), timed(29.0, true)];
        assert_eq!((keep_whole(&mut heard, INPUT_SAMPLES), heard.len()), (29 * 16_000, 2));
        // It was cut through in mid-phrase.
        let mut heard = vec![timed(27.0, true), timed(30.0, false)];
        assert_eq!((keep_whole(&mut heard, INPUT_SAMPLES), heard.len()), (27 * 16_000, 1));
        // One endless phrase, nothing at all, and a time that would make no progress.
        let mut heard = vec![timed(30.0, false)];
        assert_eq!((keep_whole(&mut heard, INPUT_SAMPLES), heard.len()), (INPUT_SAMPLES, 1));
        assert_eq!(keep_whole(&mut Vec::new(), INPUT_SAMPLES), INPUT_SAMPLES);
        assert_eq!(keep_whole(&mut vec![timed(0.0, true)], INPUT_SAMPLES), LEAST_STEP);
    }

    #[test]
    fn a_loop_is_noticed_and_a_speech_is_not() {
        let timed = |text: &str| Timed { phrase: Phrase { start_s: 0.0, end_s: 1.0, text: text.into() }, closed: true };
        assert!(loops(&[timed(&"I am going to ".repeat(20))]));
        assert!(!loops(&[timed(
            "We have read your proposal on the northern border with great care and most of it is welcome here"
        )]));
        assert!(!loops(&[timed("no no no no")]));
    }

    #[test]
    fn a_directory_without_a_model_says_which_file_is_missing_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let told = |dir: &Path| Whisper::load(dir).err().unwrap().to_string();
        assert!(told(dir.path()).contains("has no model.bin: name a directory"));
        std::fs::write(dir.path().join("model.bin"), "nonsense").unwrap();
        std::fs::write(dir.path().join("config.json"), "{}").unwrap();
        assert!(told(dir.path()).contains("has no tokenizer.json"));
        std::fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
        assert!(told(dir.path()).contains("cannot be loaded as a Whisper model"));
    }
}
