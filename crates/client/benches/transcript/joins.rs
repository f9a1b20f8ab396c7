//! First words after joining in mid-speech.

use crate::{Model, Speech, call};
use telcon_client::transcription::certainty::{BEGINNING, UNCLEAR};
use telcon_client::transcription::recognizer::Word;
use telcon_client::transcription::wer::words;
use telcon_client::transcription::{Effort, Language, Recognizer as _, Request};

/// Seed of the places.
const SEED: u64 = 12;
/// Speech after the join that is transcribed, seconds.
const HEARD_S: f64 = 6.0;
/// A word counts as spoken at a join if it lies this far from both of its ends, seconds.
const WITHIN_S: f64 = 0.03;

/// Joins of one model.
#[derive(Default)]
pub struct Joins {
    /// The model's name.
    pub model: String,
    /// Joins in mid-speech.
    pub joins: usize,
    /// The transcript begins with the right word.
    pub right: usize,
    /// The transcript begins with a mark, or with a word that looks uncertain.
    pub marked: usize,
    /// The transcript begins with a wrong word that looks certain.
    pub wrong: usize,
    /// There is no transcript.
    pub nothing: usize,
}

/// Joins at places in English speech that are drawn from a seed.
pub fn measure(model: &Model, speech: &[Speech], joins: usize) -> Joins {
    let mut random = SEED;
    let mut found = Joins { model: model.name.clone(), ..Joins::default() };
    let files: Vec<(&Speech, Vec<Word>)> = speech
        .iter()
        .filter(|file| file.language == "en" && !file.sound.starts_with("espeak"))
        .map(|file| (file, timed_words(model, file)))
        .collect();
    let total: f64 = files.iter().map(|(file, _)| seconds(file)).sum();
    while found.joins < joins {
        let mut at_s = total * share(&mut random);
        let mut place = None;
        for (file, words) in &files {
            if at_s < seconds(file) {
                place = Some((file, words));
                break;
            }
            at_s -= seconds(file);
        }
        let Some((file, spoken)) = place else { continue };
        let in_word = spoken.iter().position(|word| word.start_s + WITHIN_S < at_s && at_s < word.end_s - WITHIN_S);
        // Not in the last words, of which nothing is left to compare.
        let Some(first) = in_word.filter(|first| first + 4 < spoken.len()) else { continue };
        found.joins += 1;
        let joined = (at_s * 50.0) as usize;
        let until = file.frames.len().min(joined + (HEARD_S * 50.0) as usize);
        let lines = call::lines(model.whisper.clone(), Some(Language::ENGLISH), &file.frames[..until], joined);
        let text = call::text(&lines);
        let begins = words(&text).first().cloned();
        // The word that the join is in, or the next one.
        let expected = spoken[first..=first + 1].iter().flat_map(|word| words(&word.text)).collect::<Vec<_>>();
        match begins {
            None => found.nothing += 1,
            Some(_) if text.starts_with(BEGINNING) || text.starts_with(UNCLEAR) || text.starts_with('[') => {
                found.marked += 1
            }
            Some(word) if expected.contains(&word) => found.right += 1,
            Some(word) => {
                found.wrong += 1;
                println!("{} joins {} at {at_s:.2} s in {expected:?}: {word}: {text}", model.name, file.sound);
            }
        }
    }
    found
}

/// The words of a whole file with their times.
fn timed_words(model: &Model, file: &Speech) -> Vec<Word> {
    let request = Request::new(Effort::Best).in_language(Language::ENGLISH);
    let recognition = model.whisper.clone().transcribe(&file.samples, &request).expect("the model works");
    recognition.phrases.into_iter().flat_map(|phrase| phrase.words).collect()
}

fn seconds(file: &Speech) -> f64 {
    file.frames.len() as f64 / 50.0
}

/// A pseudo-random number in 0..1 (splitmix64).
fn share(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
