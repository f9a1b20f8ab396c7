//! Word errors per language and model, in a call and with faster-whisper on the original file.

use crate::{Model, Speech, call};
use std::collections::BTreeMap;
use telcon_client::transcription::certainty::{UNCERTAIN_WORD, without_marks};
use telcon_client::transcription::wer::{WordErrors, word_errors};
use telcon_client::transcription::{Language, RecognitionResult};

/// Errors of one model in one language.
pub struct Words {
    /// The model's name.
    pub model: String,
    /// Language and kind of speech.
    pub speech: String,
    /// Whether the language was given; otherwise it was detected.
    pub given: bool,
    /// Whether the model knows the language. If not, it was told of no language.
    pub known: bool,
    /// In a call.
    pub call: WordErrors,
    /// With faster-whisper on the original files.
    pub offline: Option<WordErrors>,
    /// Words that look uncertain, or stand in a mark.
    pub uncertain: usize,
    /// Lines in another language than the one spoken.
    pub other_language: usize,
}

/// Measures a model with all speech in languages that it knows, and what it makes of one that it does not know.
pub fn measure(model: &Model, speech: &[Speech], offline: Option<&BTreeMap<String, String>>) -> Vec<Words> {
    let mut kinds: Vec<(String, String)> =
        speech.iter().map(|file| (file.language.clone(), file.kind.clone())).collect();
    kinds.sort();
    kinds.dedup();
    let mut rows = Vec::new();
    for (language, kind) in kinds {
        let code: Language = language.parse().expect("the manifest has known languages");
        let files: Vec<&Speech> = speech.iter().filter(|file| file.language == language && file.kind == kind).collect();
        for given in if model.whisper.is_multilingual() { vec![true, false] } else { vec![true] } {
            let mut row = Words {
                model: model.name.clone(),
                speech: format!("{language}, {kind}"),
                given,
                known: model.whisper.knows(code),
                call: WordErrors::default(),
                offline: None,
                uncertain: 0,
                other_language: 0,
            };
            for file in &files {
                // A model that does not know the language is not told of it: what does it make of the speech?
                let told = Some(code).filter(|code| given && model.whisper.knows(*code));
                let lines = call::lines(model.whisper.clone(), told, &file.frames, 0);
                println!(
                    "{} {} {}: {}",
                    model.name,
                    file.sound,
                    if given { "given" } else { "detected" },
                    call::text(&lines)
                );
                add(&mut row.call, errors(file, &call::text(&lines)));
                row.uncertain += uncertain(&lines);
                row.other_language += lines.iter().filter(|line| line.language.is_some_and(|of| of != code)).count();
                if let Some(text) = offline.and_then(|texts| texts.get(&file.sound)) {
                    add(row.offline.get_or_insert_default(), errors(file, text));
                }
            }
            rows.push(row);
        }
    }
    rows
}

/// Errors in words, in Chinese in characters.
fn errors(file: &Speech, text: &str) -> WordErrors {
    let spaced = |text: &str| match file.language.as_str() {
        "zh" => text.chars().flat_map(|character| [character, ' ']).collect(),
        _ => text.to_owned(),
    };
    word_errors(&spaced(&file.text), &spaced(&without_marks(text)))
}

fn uncertain(lines: &[RecognitionResult]) -> usize {
    lines
        .iter()
        .flat_map(|line| &line.confidence)
        .filter(|percent| f32::from(**percent) < 100.0 * UNCERTAIN_WORD)
        .count()
}

fn add(total: &mut WordErrors, more: WordErrors) {
    total.errors += more.errors;
    total.words += more.words;
}
