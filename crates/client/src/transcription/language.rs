//! Languages of speech: Whisper's codes, and which one a passage is in.

use std::fmt;
use std::str::FromStr;

/// The codes of Whisper's languages: ISO 639-1 where there is one.
/// Source: `LANGUAGES` in <https://github.com/openai/whisper/blob/main/whisper/tokenizer.py>.
const CODES: &[&str] = &[
    "af", "am", "ar", "as", "az", "ba", "be", "bg", "bn", "bo", "br", "bs", "ca", "cs", "cy", "da", "de", "el", "en",
    "es", "et", "eu", "fa", "fi", "fo", "fr", "gl", "gu", "ha", "haw", "he", "hi", "hr", "ht", "hu", "hy", "id", "is",
    "it", "ja", "jw", "ka", "kk", "km", "kn", "ko", "la", "lb", "ln", "lo", "lt", "lv", "mg", "mi", "mk", "ml", "mn",
    "mr", "ms", "mt", "my", "ne", "nl", "nn", "no", "oc", "pa", "pl", "ps", "pt", "ro", "ru", "sa", "sd", "si", "sk",
    "sl", "sn", "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl", "tr", "tt", "uk", "ur", "uz",
    "vi", "yi", "yo", "yue", "zh",
];
/// Probability from which a detection is followed against the speaker's previous language.
const SWITCH_PROBABILITY: f32 = 0.8;

/// A language that Whisper models may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(&'static str);

/// A text is not the code of a language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a language that Whisper models know: use a code like en, fr, es, de, ru, ar or zh")]
pub struct UnknownLanguage(pub String);

impl Language {
    /// English.
    pub const ENGLISH: Self = Self("en");

    /// The code, also a BCP 47 tag.
    pub fn code(self) -> &'static str {
        self.0
    }

    /// The language of a token of the vocabulary (`<|fr|>`).
    pub(super) fn of_token(token: &str) -> Option<Self> {
        token.strip_prefix("<|")?.strip_suffix("|>")?.parse().ok()
    }

    /// Its token in the vocabulary.
    pub(super) fn token(self) -> String {
        format!("<|{}|>", self.0)
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(code: &str) -> Result<Self, UnknownLanguage> {
        let known = CODES.iter().find(|known| known.eq_ignore_ascii_case(code));
        known.map(|code| Self(code)).ok_or_else(|| UnknownLanguage(code.chars().take(20).collect()))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A language, and how certain it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// The language.
    pub language: Language,
    /// Its probability, 0..1; 1 if it was given, or is that in which the speaker spoke before.
    pub probability: f32,
}

/// The language to recognize a passage in: what was detected, unless another one was spoken before and this is not clear, so
/// that a short or noisy passage does not change the language (hysteresis).
pub fn choose(detected: Detection, previous: Option<Language>) -> Detection {
    match previous.filter(|previous| *previous != detected.language && detected.probability < SWITCH_PROBABILITY) {
        Some(language) => Detection { language, probability: 1.0 },
        None => detected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_parsed() {
        assert!(CODES.is_sorted());
        assert_eq!("FR".parse::<Language>().unwrap().code(), "fr");
        assert_eq!(Language::of_token("<|en|>"), Some(Language::ENGLISH));
        assert_eq!(Language::of_token("<|transcribe|>"), None);
        assert!("english".parse::<Language>().unwrap_err().to_string().contains("use a code like en"));
    }

    #[test]
    fn a_doubtful_detection_keeps_the_previous_language() {
        let language = |code: &str| code.parse::<Language>().unwrap();
        let detected = |code, probability| Detection { language: language(code), probability };
        let chosen = |detected, previous: Option<&str>| choose(detected, previous.map(language)).language.code();
        assert_eq!(chosen(detected("la", 0.6), Some("ar")), "ar");
        assert_eq!(chosen(detected("la", 0.9), Some("ar")), "la");
        assert_eq!(chosen(detected("ar", 0.3), None), "ar");
    }
}
