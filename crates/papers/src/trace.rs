//! How well a leaked text fits each copy of a memorandum.
//!
//! The result is a probability for each copy and for *none of them*, and how easily a copy would fit as well by chance. It never names
//! anybody: whoever has access to a reader's screen, print or voice may have passed a text on, and a text of two copies, or one that
//! was retyped from memory, fits none.
//!
//! **Model.** Local alignment (Smith and Waterman, 1981), scored by log-odds as in Durbin et al., *Biological Sequence Analysis* (1998),
//! chapter 2. The probabilities are estimates, not fitted to leaks. A portion of which copies have different wordings contributes to a leaked text at most one passage, retyped with
//! errors: words are kept, replaced, left out or put in with fixed probabilities ([`KEPT`] …). The likelihood of the best local
//! alignment is compared with that of the same words drawn from a background of word frequencies. *None of them* is half a text that
//! has nothing to do with the memorandum, and half one whose wordings were drawn at random: another copy, or a mix of copies. Before the
//! text is seen, *none of them* has probability 1/2, and the copies share the other half equally. Line breaks, where the leak has them, count with at most the evidence that the number of layouts allows.

use crate::circulation::{Alternatives, Circulation, Copy, LayoutMarks};
use crate::memorandum::{Memorandum, Turn};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Longest leaked text, words: four pages. Of a longer one, the beginning is used.
pub const MAX_LEAK_WORDS: usize = 2_000;
/// Most portions with alternatives that are compared.
pub const MAX_PORTIONS: usize = 256;
/// Longest wording, words.
pub const MAX_WORDING_WORDS: usize = 1_500;

/// Probability that a word of a passage is kept.
const KEPT: f64 = 0.93;
/// That it is replaced by another one.
const REPLACED: f64 = 0.04;
/// That one is left out, or put in.
const GAP: f64 = 0.015;
/// That a portion contributes a passage at all.
const PRESENT: f64 = 0.5;
/// A word that is nowhere in the memorandum is one of this many.
const VOCABULARY: f64 = 20_000.0;
/// That a line that ends in a copy also ends in a leak of it which kept its lines.
const BREAK_KEPT: f64 = 0.95;
/// That a line ends where none ends in the copy.
const BREAK_ADDED: f64 = 0.01;
/// Least log-likelihood by which line breaks of a portion may count against a copy.
const BREAK_FLOOR: f64 = -6.0;
/// Width of the steps in which scores are counted for the chance of a fit, nats.
const STEP: f64 = 0.05;

/// Wordings of a portion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedPortion {
    /// Each wording.
    pub wordings: Vec<String>,
}

/// A copy as it can be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedCopy {
    /// Its number.
    pub number: u32,
    /// Which wording of each portion it has.
    pub choices: Vec<u8>,
    /// Its lines as printed, by paragraph; empty if they are not to be used.
    pub lines: Vec<Vec<String>>,
}

/// Whether a leaked text has the lines of the page that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// As printed: typed off from a photograph of a page.
    AsPrinted,
    /// Its line breaks mean nothing.
    Reflowed,
}

/// What is traced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// Portions of which copies have different wordings.
    pub portions: Vec<TracedPortion>,
    /// All other text, the same in all copies.
    pub common: Vec<String>,
    /// The copies.
    pub copies: Vec<TracedCopy>,
}

impl Material {
    /// What a circulation's copies of a memorandum can be told apart by. `lines` gives a copy's lines as printed, or nothing.
    pub fn of(circulation: &Circulation, memo: &Memorandum, lines: impl Fn(&Copy) -> Vec<Vec<String>>) -> Self {
        let varies = |id| circulation.alternatives.iter().any(|alternatives| alternatives.portion == id);
        let portion = |alternatives: &Alternatives| TracedPortion { wordings: alternatives.wordings.clone() };
        let copy = |copy: &Copy| TracedCopy { number: copy.number, choices: copy.choices.clone(), lines: lines(copy) };
        Self {
            portions: circulation.alternatives.iter().map(portion).collect(),
            common: memo.turns.iter().filter(|turn| !varies(turn.id)).map(Turn::text).collect(),
            copies: circulation.copies.iter().map(copy).collect(),
        }
    }
}

impl Material {
    /// As [`Material::of`], for somebody who may trace and not read the memorandum: the wordings alone.
    pub fn of_wordings(circulation: &Circulation) -> Self {
        let portion = |alternatives: &Alternatives| TracedPortion { wordings: alternatives.wordings.clone() };
        let copy = |copy: &Copy| TracedCopy { number: copy.number, choices: copy.choices.clone(), lines: Vec::new() };
        Self {
            portions: circulation.alternatives.iter().map(portion).collect(),
            common: Vec::new(),
            copies: circulation.copies.iter().map(copy).collect(),
        }
    }
}

/// How a copy fits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fit {
    /// The copy's number.
    pub number: u32,
    /// Log-likelihood of the text relative to the background, nats.
    pub log_likelihood: f64,
    /// Probability that the text comes from this copy, among all copies and none of them.
    pub probability: f64,
    /// Probability that one copy whose wordings were drawn at random would fit at least as well: the exact distribution over wordings,
    /// in steps of 0.05 nats, times one over the likelihood ratio of the line breaks, which bounds their chance (Markov's inequality).
    /// The best of many copies has more chances.
    pub chance: f64,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Trace {
    /// Each copy, the best first.
    pub fits: Vec<Fit>,
    /// Probability that it comes from none of them alone.
    pub none: f64,
    /// Words of the leaked text that were used.
    pub words: usize,
    /// Portions with alternatives of which it has enough to tell wordings apart.
    pub telling: usize,
}

impl Trace {
    /// For people. It says what fits, and never who.
    pub fn summary(&self) -> String {
        const LIMITS: &str = "This is a probability, not a culprit: anyone with access to a reader’s screen, print or voice may have \
        passed the text on.";
        let Some(best) = self.fits.first().filter(|best| best.probability > self.none) else {
            return format!("The text fits none of the copies alone better than a text from elsewhere. {LIMITS}");
        };
        let percent = |p: f64| match (p * 100.0).round() as u32 {
            100 => "more than 99 %".to_owned(),
            percent => format!("{percent} %"),
        };
        let chance = match 1.0 / best.chance.max(1e-9) {
            odds if odds < 1.5 => "nearly always".to_owned(),
            odds if odds < 1e6 => format!("about once in {odds:.0}"),
            _ => "less than once in a million".to_owned(),
        };
        format!(
            "The text fits copy {} best: {}. A copy with wordings drawn at random would fit this well by chance {chance}. {LIMITS}",
            best.number,
            percent(best.probability)
        )
    }
}

/// Words as they are compared: lower case, without punctuation; each ideograph is one.
fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        let is_ideograph = matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}');
        if c.is_alphanumeric() && !is_ideograph {
            word.extend(c.to_lowercase());
            continue;
        }
        if !word.is_empty() {
            found.push(std::mem::take(&mut word));
        }
        if is_ideograph {
            found.push(c.to_string());
        }
    }
    if !word.is_empty() {
        found.push(word);
    }
    found
}

/// How likely words are without any copy.
struct Background {
    counts: BTreeMap<String, f64>,
    total: f64,
}

impl Background {
    fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let (mut counts, mut total) = (BTreeMap::new(), 0.0);
        for word in texts.flat_map(words) {
            *counts.entry(word).or_insert(0.0) += 1.0;
            total += 1.0;
        }
        Self { counts, total }
    }

    /// Half of the memorandum's own words, half of a language's: a text about the same matter uses the same words.
    fn log(&self, word: &str) -> f64 {
        let own = self.counts.get(word).copied().unwrap_or(0.0) / self.total.max(1.0);
        (0.5 * own + 0.5 / VOCABULARY).ln()
    }
}

/// `ln(exp(a) + exp(b))`.
fn log_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// A leaked text, and which of its words are explained already.
struct Leak {
    words: Vec<String>,
    /// Log-probability of each word in the background.
    logs: Vec<f64>,
    explained: Vec<bool>,
}

/// How a wording fits.
struct Passage {
    /// Log-likelihood ratio of a leak that may have one passage of this wording, to the background.
    score: f64,
    /// The words of the leak that the best passage has.
    span: std::ops::Range<usize>,
}

impl Passage {
    /// That there is none.
    fn absent() -> Self {
        Self { score: (1.0 - PRESENT).ln(), span: 0..0 }
    }
}

impl Leak {
    /// Looks for a passage of a wording among the words that are not explained yet.
    fn passage(&self, wording: &[String]) -> Passage {
        if self.words.is_empty() || wording.is_empty() {
            return Passage::absent();
        }
        let (kept, replaced, gap) = (KEPT.ln(), REPLACED.ln(), GAP.ln());
        let (mut best, mut span) = (0.0f64, 0..0);
        // Local alignment, row by row: the score of the best passage that ends here and where it begins; at least an empty one.
        let mut above = vec![(0.0f64, 0usize); wording.len() + 1];
        for (number, word) in self.words.iter().enumerate() {
            let mut row = vec![(0.0f64, number + 1); wording.len() + 1];
            if !self.explained[number] {
                for (at, known) in wording.iter().enumerate() {
                    let step = if word == known { kept - self.logs[number] } else { replaced };
                    let begin = if above[at].0 > 0.0 { above[at].1 } else { number };
                    let ways = [
                        (above[at].0 + step, begin),
                        (above[at + 1].0 + gap, above[at + 1].1),
                        (row[at].0 + gap, row[at].1),
                    ];
                    for way in ways {
                        if way.0 > row[at + 1].0 {
                            row[at + 1] = way;
                        }
                    }
                    if row[at + 1].0 > best {
                        best = row[at + 1].0;
                        span = row[at + 1].1..number + 1;
                    }
                }
            }
            above = row;
        }
        // Where it begins in both was not known beforehand.
        let places = (self.words.len() * wording.len()) as f64;
        let gain = best - places.ln();
        // What is not more likely than chance is no passage, whatever the wording's length.
        if gain <= 0.0 {
            return Passage::absent();
        }
        Passage { score: log_sum((1.0 - PRESENT).ln(), PRESENT.ln() + gain), span }
    }

    /// Scores of all wordings of each text. A word is explained once, by the text that fits best: words that a passage shares by
    /// chance with another portion say nothing about that one.
    fn scores(&mut self, texts: &[Vec<Vec<String>>]) -> Vec<Vec<f64>> {
        let best = |leak: &Self, text: &Vec<Vec<String>>| {
            let passages = text.iter().map(|wording| leak.passage(wording));
            passages.max_by(|a, b| a.score.total_cmp(&b.score)).unwrap_or_else(Passage::absent)
        };
        let mut order: Vec<(usize, f64)> = texts.iter().map(|text| best(self, text).score).enumerate().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut scores = vec![Vec::new(); texts.len()];
        for (at, _) in order {
            scores[at] = texts[at].iter().map(|wording| self.passage(wording).score).collect();
            let Passage { score, span } = best(self, &texts[at]);
            if score > 0.0 {
                self.explained[span].fill(true);
            }
        }
        scores
    }
}

/// Pairs of neighbouring words of a paragraph that occur once in it, and whether a line ends between them.
fn breaks(lines: &[String]) -> BTreeMap<(String, String), bool> {
    let (mut found, mut twice) = (BTreeMap::new(), BTreeSet::new());
    let mut last: Option<(String, usize)> = None;
    for (number, line) in lines.iter().enumerate() {
        for word in words(line) {
            if let Some((before, of)) = last.take() {
                let pair = (before, word.clone());
                if found.insert(pair.clone(), of != number).is_some() {
                    twice.insert(pair);
                }
            }
            last = Some((word, number));
        }
    }
    found.retain(|pair, _| !twice.contains(pair));
    found
}

/// Traces a leaked text.
pub fn trace(material: &Material, leaked: &str, lines: Lines) -> Trace {
    let mut leak = words(leaked);
    leak.truncate(MAX_LEAK_WORDS);
    let portions = &material.portions[..material.portions.len().min(MAX_PORTIONS)];
    let texts = portions.iter().flat_map(|portion| portion.wordings.iter().take(1)).chain(&material.common);
    let background = Background::of(texts.map(String::as_str));
    let cut = |text: &String| {
        let mut wording = words(text);
        wording.truncate(MAX_WORDING_WORDS);
        wording
    };
    let common = material.common.iter().take(4 * MAX_PORTIONS).map(|text| vec![cut(text)]);
    let texts: Vec<Vec<Vec<String>>> =
        portions.iter().map(|portion| portion.wordings.iter().map(cut).collect()).chain(common).collect();
    let logs = leak.iter().map(|word| background.log(word)).collect();
    let count = leak.len();
    let mut leak = Leak { words: leak, logs, explained: vec![false; count] };
    let mut scores = leak.scores(&texts);
    let common: f64 = scores.split_off(portions.len()).iter().flatten().sum();
    let layout = layout(material, leaked, lines);

    let wording = |copy: &TracedCopy| {
        let score = |(at, scores): (usize, &Vec<f64>)| {
            let choice = copy.choices.get(at).map_or(0, |choice| usize::from(*choice));
            scores.get(choice).copied().unwrap_or((1.0 - PRESENT).ln())
        };
        scores.iter().enumerate().map(score).sum::<f64>()
    };
    let mean = |scores: &Vec<f64>| {
        let sum = scores.iter().fold(f64::NEG_INFINITY, |sum, score| log_sum(sum, *score));
        sum - (scores.len().max(1) as f64).ln()
    };
    let elsewhere: f64 = scores.iter().filter(|scores| !scores.is_empty()).map(mean).sum();
    let none = log_sum(0.5f64.ln(), 0.5f64.ln() + common + elsewhere);
    let likelihoods: Vec<f64> =
        material.copies.iter().zip(&layout).map(|(copy, layout)| common + wording(copy) + layout).collect();

    // Half for none of them, the other half shared by the copies.
    let share = (0.5 / material.copies.len().max(1) as f64).ln();
    let total = likelihoods.iter().fold(0.5f64.ln() + none, |sum, likelihood| log_sum(sum, share + likelihood));
    let chances = Chances::of(&scores);
    let mut fits: Vec<Fit> = material
        .copies
        .iter()
        .zip(likelihoods.iter().zip(&layout))
        .map(|(copy, (likelihood, layout))| Fit {
            number: copy.number,
            log_likelihood: *likelihood,
            probability: (share + likelihood - total).exp(),
            chance: chances.at_least(&scores, &copy.choices) * (-layout).exp().min(1.0),
        })
        .collect();
    fits.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.number.cmp(&b.number)));
    let spread = |scores: &&Vec<f64>| {
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        most - least > 1.0
    };
    Trace {
        fits,
        none: if material.copies.is_empty() { 1.0 } else { (0.5f64.ln() + none - total).exp() },
        words: count,
        telling: scores.iter().filter(spread).count(),
    }
}

/// For each copy, how much the line breaks of the leak speak for it, against a copy of any layout.
fn layout(material: &Material, leaked: &str, lines: Lines) -> Vec<f64> {
    let nothing = vec![0.0; material.copies.len()];
    if lines == Lines::Reflowed || material.copies.len() < 2 {
        return nothing;
    }
    let leaked: Vec<String> = leaked.lines().take(MAX_LEAK_WORDS).map(str::to_owned).collect();
    let seen = breaks(&leaked);
    let paragraphs = material.copies.iter().map(|copy| copy.lines.len()).max().unwrap_or(0);
    let cap = f64::from(LayoutMarks::VARIANTS).ln();
    let likely = |is_seen: bool, is_printed: bool| match (is_seen, is_printed) {
        (true, true) => BREAK_KEPT,
        (false, true) => 1.0 - BREAK_KEPT,
        (true, false) => BREAK_ADDED,
        (false, false) => 1.0 - BREAK_ADDED,
    };
    let mut sums = nothing;
    for paragraph in 0..paragraphs.min(4 * MAX_PORTIONS) {
        let printed: Vec<_> = material
            .copies
            .iter()
            .map(|copy| copy.lines.get(paragraph).map(|lines| breaks(lines)).unwrap_or_default())
            .collect();
        // Only pairs of words that all copies have: other wordings were counted already.
        let mut ours = vec![0.0; printed.len()];
        let mut any = 0.0;
        for pair in printed[0].keys() {
            let Some(is_seen) = seen.get(pair) else { continue };
            let each: Option<Vec<bool>> = printed.iter().map(|printed| printed.get(pair).copied()).collect();
            let Some(each) = each else { continue };
            let mean = each.iter().map(|is_printed| likely(*is_seen, *is_printed)).sum::<f64>() / each.len() as f64;
            any += mean.ln();
            for (sum, is_printed) in ours.iter_mut().zip(&each) {
                *sum += likely(*is_seen, *is_printed).ln();
            }
        }
        for (sum, ours) in sums.iter_mut().zip(ours) {
            // The lines of a paragraph follow from one of few layouts, and do not count one by one.
            *sum += (ours - any).clamp(BREAK_FLOOR, cap);
        }
    }
    // Half: lines of the leak's own, which say nothing.
    sums.into_iter().map(|sum| log_sum(0.5f64.ln(), 0.5f64.ln() + sum)).collect()
}

/// The distribution of scores of copies whose wordings are drawn at random: the convolution of the portions' distributions.
struct Chances(BTreeMap<i64, f64>);

fn steps(score: f64) -> i64 {
    (score / STEP).round() as i64
}

impl Chances {
    fn of(scores: &[Vec<f64>]) -> Self {
        let mut distribution = BTreeMap::from([(0i64, 1.0f64)]);
        for scores in scores.iter().filter(|scores| !scores.is_empty()) {
            let share = 1.0 / scores.len() as f64;
            let mut next = BTreeMap::new();
            for (sum, probability) in &distribution {
                for score in scores {
                    *next.entry(sum + steps(*score)).or_insert(0.0) += probability * share;
                }
            }
            distribution = next;
        }
        Self(distribution)
    }

    fn at_least(&self, scores: &[Vec<f64>], choices: &[u8]) -> f64 {
        let score = |(at, scores): (usize, &Vec<f64>)| {
            let choice = choices.get(at).map_or(0, |choice| usize::from(*choice));
            scores.get(choice).copied().map(steps)
        };
        let sum: i64 = scores.iter().enumerate().filter_map(score).sum();
        self.0.range(sum..).map(|(_, probability)| probability).sum::<f64>().min(1.0)
    }
}

#[cfg(test)]
mod tests;
