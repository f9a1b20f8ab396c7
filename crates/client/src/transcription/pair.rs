//! A quick model for English and a multilingual one for everything else.

use super::language::Language;
use super::recognizer::{Recognition, RecognitionError, Recognizer, Request};
use super::whisper::Whisper;

/// Recognizes English with a small English model, and other languages with a multilingual one, which also says which
/// language it is.
#[derive(Clone)]
pub struct Pair {
    english: Whisper,
    multilingual: Whisper,
}

impl Pair {
    /// A pair. `multilingual` has to be multilingual to be of use.
    pub fn new(english: Whisper, multilingual: Whisper) -> Self {
        Self { english, multilingual }
    }
}

impl Recognizer for Pair {
    fn transcribe(&mut self, pcm16k: &[f32], request: &Request) -> Result<Recognition, RecognitionError> {
        let detected = match request.language {
            Some(_) => None,
            None => self.multilingual.detect(pcm16k, request.previous)?,
        };
        let language = request.language.or(detected.map(|detection| detection.language));
        let Some(language) = language.filter(|language| *language != Language::ENGLISH) else {
            let recognition = self.english.transcribe(pcm16k, &request.in_language(Language::ENGLISH))?;
            return Ok(Recognition { language: detected, ..recognition });
        };
        let recognition = self.multilingual.transcribe(pcm16k, &request.in_language(language))?;
        Ok(Recognition { language: detected.or(recognition.language), ..recognition })
    }
}
