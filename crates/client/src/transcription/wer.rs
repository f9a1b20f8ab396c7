//! Word error rate of a transcript against a reference text.

/// Word errors of a transcript.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordErrors {
    /// Levenshtein distance in words: substitutions, deletions and insertions.
    pub errors: usize,
    /// Number of words of the reference.
    pub words: usize,
}

impl WordErrors {
    /// Errors per word of the reference; above 1 if many words were inserted. For an empty reference: 0 if the transcript is
    /// empty, else 1.
    pub fn rate(self) -> f64 {
        match (self.errors, self.words) {
            (0, _) => 0.0,
            (_, 0) => 1.0,
            (errors, words) => errors as f64 / words as f64,
        }
    }
}

/// Compares a transcript with its reference, both normalised by [`words`].
pub fn word_errors(reference: &str, transcript: &str) -> WordErrors {
    let (reference, transcript) = (words(reference), words(transcript));
    WordErrors { errors: distance(&reference, &transcript), words: reference.len() }
}

/// The normalised words of a text: lower case, without punctuation, numbers as written. Apostrophes are removed ("don't"
/// becomes "dont"); a hyphen separates words.
pub fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace(['\'', '’'], "");
    lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Levenshtein distance with one row of memory.
fn distance(a: &[String], b: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, word) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(word != other);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(reference: &str, transcript: &str) -> usize {
        word_errors(reference, transcript).errors
    }

    #[test]
    fn case_punctuation_and_apostrophes_do_not_count() {
        assert_eq!(errors("We don't agree, Mr. President!", "we dont agree mr president"), 0);
        assert_eq!(errors("cease-fire", "cease fire"), 0);
        assert_eq!(words("At 10:30, 2nd of May."), ["at", "10", "30", "2nd", "of", "may"]);
    }

    #[test]
    fn each_kind_of_error_counts_one() {
        assert_eq!(errors("the first week of march", "the first week of may"), 1);
        assert_eq!(errors("the first week of march", "the week of march"), 1);
        assert_eq!(errors("the first week of march", "the very first week of march"), 1);
        assert_eq!(errors("one two three", "two three four"), 2);
        assert_eq!(errors("one two", ""), 2);
    }

    #[test]
    fn the_rate_is_per_word_of_the_reference() {
        assert_eq!(word_errors("one two three four", "one two three five").rate(), 0.25);
        assert_eq!(word_errors("", "").rate(), 0.0);
        assert_eq!(word_errors("", "thank you").rate(), 1.0);
        assert_eq!(word_errors("one", "two three").rate(), 2.0);
    }
}
