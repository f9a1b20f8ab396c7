//! Whisper models in CTranslate2 format.

use std::path::Path;
use std::sync::Arc;

use ct2rs::sys::{ComputeType, Config, StorageView, Whisper as Engine, WhisperGenerationResult, WhisperOptions};

use super::language::{Detection, Language, choose};
use super::mel::{HOP, INPUT_FRAMES, INPUT_SAMPLES, MelSpectrogram};
use super::recognizer::{Effort, Phrase, Quality, Recognition, RecognitionError, Recognizer, Request};
use super::repetition::is_loop;
use super::tokens::{self, Vocabulary};
use crate::audio::resample::ASR_SAMPLE_RATE;

/// Concurrent passes, each on its own core: one for the transcript, one for captions.
pub const PASSES: usize = 2;
/// Beam size for the transcript. Whisper's published error rates were measured with five.
const BEAM_SIZE: usize = 5;
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
/// Width of the median filter of word times, which Whisper's authors use.
const MEDIAN_FILTER: i64 = 7;
/// Shortest audio that can contain a word: 0.1 s.
const MIN_SAMPLES: usize = ASR_SAMPLE_RATE as usize / 10;
/// Least progress from one window to the next, regardless of the model's timestamps: one second.
const MIN_STEP: usize = ASR_SAMPLE_RATE as usize;
/// Samples from which a language is detected: eight seconds.
const DETECTION_SAMPLES: usize = 8 * ASR_SAMPLE_RATE as usize;
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
    vocabulary: Vocabulary,
}

impl Whisper {
    /// Loads the model in `dir`: `model.bin`, `config.json` and its vocabulary.
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
        let vocabulary = Vocabulary::read(dir).map_err(|cause| load(&cause))?;
        Ok(Self { loaded: Arc::new(Loaded { engine, mel, vocabulary }) })
    }

    /// Whether the model knows more languages than English.
    pub fn is_multilingual(&self) -> bool {
        self.loaded.engine.is_multilingual()
    }

    /// Whether the model knows a language.
    pub fn knows(&self, language: Language) -> bool {
        language == Language::ENGLISH || (self.is_multilingual() && self.loaded.vocabulary.contains(&language.token()))
    }

    /// The language of the first seconds of `pcm16k`, if this is a multilingual model.
    ///
    /// # Errors
    /// [`RecognitionError::Engine`].
    pub fn detect(&self, pcm16k: &[f32], previous: Option<Language>) -> Result<Option<Detection>, RecognitionError> {
        let samples = &pcm16k[..pcm16k.len().min(DETECTION_SAMPLES)];
        let frames = (samples.len() / HOP + QUICK_PADDING).max(QUICK_MIN_FRAMES);
        let encoded = self.loaded.encode(samples, frames)?;
        self.loaded.language(&encoded, &Request { effort: Effort::Quick, language: None, previous })
    }
}

impl Loaded {
    /// One pass over at most 30 s. Without a language in `request`, a multilingual model detects it.
    fn pass(&self, samples: &[f32], request: &Request) -> Result<Pass, RecognitionError> {
        let Request { effort, .. } = *request;
        let (beam_size, frames) = match effort {
            Effort::Quick => (1, (samples.len() / HOP + QUICK_PADDING).clamp(QUICK_MIN_FRAMES, INPUT_FRAMES)),
            Effort::Best => (BEAM_SIZE, INPUT_FRAMES),
        };
        let encoded = self.encode(samples, frames)?;
        let language = self.language(&encoded, request)?;
        let mut prompt = vec!["<|startoftranscript|>".to_owned()];
        // English-only models were not trained with language and task tokens.
        if self.engine.is_multilingual() {
            let Some(language) = language else { return Ok(Pass { phrases: Vec::new(), language: None }) };
            prompt.extend([language.language.token(), "<|transcribe|>".to_owned()]);
        }
        let start = self.vocabulary.ids(&prompt);
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
        if effort == Effort::Quick {
            // Short inputs often cause loops, and there is no time for a second attempt, nor for timestamp tokens.
            options.no_repeat_ngram_size = NO_REPEAT_NGRAM;
            prompt.push("<|notimestamps|>".to_owned());
        }
        let mut output = self.generate(&encoded, &prompt, &options)?;
        let looped = effort == Effort::Best && is_loop(&tokens::decode(first(&output.sequences)));
        if looped {
            options.no_repeat_ngram_size = NO_REPEAT_NGRAM;
            output = self.generate(&encoded, &prompt, &options)?;
        }
        let mut phrases = self.phrases(&output, (&encoded, &start), samples, language)?;
        phrases.iter_mut().for_each(|timed| timed.phrase.quality.looped = looped);
        Ok(Pass { phrases, language })
    }

    fn encode(&self, samples: &[f32], frames: usize) -> Result<StorageView<'static>, RecognitionError> {
        let mut features = self.mel.features(samples, frames);
        let bands = features.len() / frames;
        let view = StorageView::new(&[1, bands, frames], &mut features, Default::default()).map_err(engine)?;
        self.engine.encode(&view, false).map_err(engine)
    }

    /// The language of a pass: as requested, or as detected.
    fn language(&self, encoded: &StorageView, request: &Request) -> Result<Option<Detection>, RecognitionError> {
        if !self.engine.is_multilingual() {
            return Ok(None);
        }
        if let Some(language) = request.language {
            return Ok(Some(Detection { language, probability: 1.0 }));
        }
        let detected = self.engine.detect_language(encoded).map_err(engine)?;
        let detected = detected.first().and_then(|languages| languages.first()).and_then(|likeliest| {
            let language = Language::of_token(&likeliest.language)?;
            Some(Detection { language, probability: likeliest.probability })
        });
        Ok(detected.map(|detected| choose(detected, request.previous)))
    }

    fn generate(
        &self,
        encoded: &StorageView,
        prompt: &[String],
        options: &WhisperOptions,
    ) -> Result<WhisperGenerationResult, RecognitionError> {
        let results = self.engine.generate(encoded, &[prompt.to_vec()], options).map_err(engine)?;
        results.into_iter().next().ok_or_else(|| RecognitionError::Engine("the engine returned no result".into()))
    }

    /// The phrases of an output, with the time and the probability of each word.
    fn phrases(
        &self,
        output: &WhisperGenerationResult,
        (encoded, start): (&StorageView, &[usize]),
        samples: &[f32],
        language: Option<Detection>,
    ) -> Result<Vec<Timed>, RecognitionError> {
        let length = samples.len() as f64 / f64::from(ASR_SAMPLE_RATE);
        let score = output.scores.first().copied().unwrap_or(0.0);
        let quality = Quality { mean_log_prob: score, no_speech_prob: output.no_speech_prob, looped: false };
        let text = self.vocabulary.text(first(&output.sequences_ids), first(&output.sequences));
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<usize> = text.iter().map(|token| token.id).collect();
        let frames = samples.len().div_ceil(HOP).max(2);
        let aligned = self.engine.align(encoded, start, &[ids], &[frames], MEDIAN_FILTER).map_err(engine)?;
        let aligned = aligned.first().ok_or_else(|| RecognitionError::Engine("the engine aligned nothing".into()))?;
        let path = aligned.alignments.iter().map(|step| (step.token_x, step.frame_x));
        let times = tokens::times(path, text.len(), length);
        let spaced = language.is_none_or(|detection| tokens::has_spaces(detection.language));
        let mut phrases = Vec::new();
        for piece in tokens::split(first(&output.sequences)) {
            let tokens = piece.text.clone().map(|i| tokens::Scored {
                text: &text[i].text,
                probability: aligned.text_token_probs.get(i).copied().unwrap_or(0.0),
                time: times[i],
            });
            let words = tokens::words(tokens, spaced);
            // The input is padded to 30 s; a phrase that starts in the padding is a hallucination.
            if words.is_empty() || piece.start_s >= length {
                continue;
            }
            let phrase = Phrase {
                start_s: piece.start_s,
                end_s: piece.end_s.unwrap_or(length).clamp(piece.start_s, length),
                words,
                quality,
            };
            phrases.push(Timed { phrase, closed: piece.end_s.is_some() });
        }
        Ok(phrases)
    }
}

/// What one pass found.
struct Pass {
    phrases: Vec<Timed>,
    language: Option<Detection>,
}

fn first<T>(sequences: &[Vec<T>]) -> &[T] {
    sequences.first().map_or(&[], Vec::as_slice)
}

impl Recognizer for Whisper {
    fn transcribe(&mut self, pcm16k: &[f32], request: &Request) -> Result<Recognition, RecognitionError> {
        if let Some(language) = request.language.filter(|language| !self.knows(*language)) {
            return Err(RecognitionError::UnknownLanguage(language));
        }
        let mut recognition = Recognition::default();
        let mut request = *request;
        let mut at = 0;
        while pcm16k.len() - at >= MIN_SAMPLES {
            let window = &pcm16k[at..pcm16k.len().min(at + INPUT_SAMPLES)];
            let more_follows = at + window.len() < pcm16k.len();
            let Pass { phrases: mut found, language } = self.loaded.pass(window, &request)?;
            let step = if more_follows { drop_cut_phrase(&mut found, window.len()) } else { window.len() };
            recognition.language = recognition.language.or(language);
            request.previous = language.map_or(request.previous, |detection| Some(detection.language));
            let offset = at as f64 / f64::from(ASR_SAMPLE_RATE);
            recognition.phrases.extend(found.into_iter().map(|Timed { phrase, .. }| moved(phrase, offset)));
            at += step;
        }
        Ok(recognition)
    }
}

/// A phrase that is `by` seconds later.
fn moved(mut phrase: Phrase, by: f64) -> Phrase {
    phrase.start_s += by;
    phrase.end_s += by;
    for word in &mut phrase.words {
        word.start_s += by;
        word.end_s += by;
    }
    phrase
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_window_starts_after_the_last_complete_phrase() {
        let timed = |end_s, closed| Timed {
            phrase: Phrase { start_s: 0.0, end_s, words: Vec::new(), quality: Quality::CERTAIN },
            closed,
        };
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
