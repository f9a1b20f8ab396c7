//! The rules, with recognitions made by hand.

use super::super::language::{Detection, Language};
use super::*;

/// Words of half a second each from `start_s` on, written `text/confidence`.
fn phrase(start_s: f64, words: &str, quality: Quality) -> Phrase {
    let words: Vec<Word> = words
        .split(' ')
        .enumerate()
        .map(|(i, word)| {
            let (text, confidence) = word.split_once('/').unwrap_or((word, "0.99"));
            let start_s = start_s + 0.5 * i as f64;
            let confidence = confidence.parse().unwrap();
            Word {
                text: text.into(),
                start_s,
                end_s: start_s + 0.5,
                confidence,
                onset_confidence: confidence,
                spaced: true,
            }
        })
        .collect();
    Phrase { start_s, end_s: words[words.len() - 1].end_s, words, quality }
}

fn certain(words: &str) -> Phrase {
    phrase(0.0, words, Quality { mean_log_prob: -0.2, no_speech_prob: 0.05, looped: false })
}

fn lines(phrases: Vec<Phrase>, cuts: &[f64], cut_end: bool) -> Vec<Line> {
    let end = phrases.last().map_or(0.0, |phrase| phrase.end_s);
    let context = Context { speech: &[(0.0, end)], cut_beginnings: cuts, cut_end };
    judge(&Recognition { phrases, language: None }, &context)
}

fn texts(phrases: Vec<Phrase>, cuts: &[f64], cut_end: bool) -> Vec<String> {
    lines(phrases, cuts, cut_end).into_iter().map(|line| line.text).collect()
}

#[test]
fn certain_words_are_shown_and_uncertain_ones_look_uncertain() {
    let line = lines(vec![certain("We have read your/0.3 proposal,/0.2 Madam")], &[], false).remove(0);
    assert_eq!(line.text, "We have read [your?] [proposal?], Madam");
    assert_eq!(line.confidence, [99, 99, 99, 30, 20, 99]);
}

#[test]
fn a_cut_beginning_is_a_mark_and_never_a_confident_sentence() {
    // What the models made of "…call back so quickly" and of "the dams were built".
    assert_eq!(
        texts(vec![certain("After/0.06 all,/0.19 please/0.5 ask your people")], &[0.0], false),
        [format!("{BEGINNING} ask your people")]
    );
    assert_eq!(texts(vec![certain("grams/0.5 were built")], &[0.0], false), [format!("{BEGINNING} were built")]);
    assert_eq!(texts(vec![certain("Mr./0.85 John Dashwood")], &[0.0], false), ["Mr. John Dashwood"]);
    // The same words where nothing is missing.
    assert_eq!(texts(vec![certain("grams/0.5 were built")], &[], false), ["grams were built"]);
    let line = lines(vec![certain("grams/0.5 were built")], &[0.0], false).remove(0);
    assert_eq!(line.confidence, [0, 0, 0, 99, 99], "the words of a mark were not recognized");
}

#[test]
fn words_after_a_gap_within_a_passage_are_a_beginning_too() {
    let texts = texts(vec![certain("We have read/0.5 the/0.5 border with care")], &[1.2], false);
    assert_eq!(texts, ["We have".to_owned(), format!("{BEGINNING} border with care")]);
}

#[test]
fn nothing_certain_after_a_cut_is_a_mark_alone() {
    assert_eq!(texts(vec![certain("thank/0.3 you/0.5")], &[0.0], false), [BEGINNING]);
}

#[test]
fn the_last_word_of_speech_that_is_cut_short_looks_uncertain() {
    assert_eq!(texts(vec![certain("about the river/0.6")], &[], true), ["about the [river?]"]);
    assert_eq!(texts(vec![certain("about the river/0.6")], &[], false), ["about the river"]);
    assert_eq!(texts(vec![certain("about the river")], &[], true), ["about the river"]);
}

#[test]
fn what_is_no_speech_is_left_out_and_what_is_a_guess_is_marked() {
    let quality = |mean_log_prob, no_speech_prob| Quality { mean_log_prob, no_speech_prob, looped: false };
    let thanks = |quality| texts(vec![phrase(0.0, "Thank you for watching", quality)], &[], false);
    assert_eq!(thanks(quality(-1.2, 0.8)), [""; 0]);
    assert_eq!(thanks(quality(-1.2, 0.1)), [UNCLEAR]);
    assert_eq!(thanks(quality(-0.2, 0.1)), ["Thank you for watching"]);
    // What tiny.en made of German and of French, fluently.
    assert_eq!(thanks(quality(-0.45, 0.56)), [UNCLEAR]);
    let looped = Quality { looped: true, ..quality(-0.28, 0.43) };
    assert_eq!(thanks(looped), [UNCLEAR]);
    // What base made of an audiobook.
    assert_eq!(thanks(quality(-0.12, 0.67)), ["Thank you for watching"]);
    assert_eq!(texts(vec![certain("a/0.4 b/0.3 c/0.2 d/0.5")], &[], false), [UNCLEAR]);
    // A click is no passage.
    assert_eq!(texts(vec![certain("you/0.3")], &[], false), [""; 0]);
}

#[test]
fn repetitions_are_marked_once() {
    let villages = "42 villages 42 villagers ".repeat(12);
    assert_eq!(texts(vec![certain(villages.trim())], &[], false), [REPETITION]);
    let same = |start_s| phrase(start_s, "Thank you.", Quality::CERTAIN);
    let repeated = (0..6).map(|i| same(f64::from(i))).collect();
    assert_eq!(texts(repeated, &[], false), ["Thank you.", "Thank you.", REPETITION]);
}

#[test]
fn phrases_far_from_speech_are_left_out() {
    let phrases = vec![certain("Good morning"), phrase(3.0, "Thanks for watching!", Quality::CERTAIN)];
    let context = Context { speech: &[(0.0, 1.0)], cut_beginnings: &[], cut_end: false };
    let lines = judge(&Recognition { phrases, language: None }, &context);
    assert_eq!(lines.len(), 1);
}

#[test]
fn text_without_spaces_has_one_confidence_per_run() {
    let mut phrase = certain("你 好 吗");
    for (i, word) in phrase.words.iter_mut().enumerate() {
        (word.spaced, word.confidence) = (false, 0.9 - 0.1 * i as f32);
    }
    let line = lines(vec![phrase], &[], false).remove(0);
    assert_eq!((line.text.as_str(), line.confidence.as_slice()), ("你好吗", &[70][..]));
}

#[test]
fn marks_are_removed_for_comparison() {
    assert_eq!(
        without_marks(&format!("{BEGINNING} border {UNCLEAR}")).split_whitespace().collect::<Vec<_>>(),
        ["border"]
    );
}

#[test]
fn speech_in_a_language_that_cannot_be_told_is_unclear() {
    let judged = |probability| {
        let language = Some(Detection { language: Language::ENGLISH, probability });
        let context = Context { speech: &[(0.0, 2.0)], cut_beginnings: &[], cut_end: false };
        judge(&Recognition { phrases: vec![certain("Good morning Madam President")], language }, &context)
            .remove(0)
            .text
    };
    assert_eq!(judged(0.4), UNCLEAR);
    assert_eq!(judged(0.95), "Good morning Madam President");
}
