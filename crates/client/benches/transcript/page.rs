//! The page of results.

use crate::{delay::Delay, joins::Joins, noise::Invented, words::Words};
use telcon_client::transcription::wer::WordErrors;

/// All results.
pub struct Page {
    /// Word errors.
    pub words: Vec<Words>,
    /// First words.
    pub joins: Vec<Joins>,
    /// Invented words.
    pub noise: Vec<Invented>,
    /// Delays.
    pub delay: Vec<Delay>,
    /// Load of the machine.
    pub load: Option<f64>,
    /// Whether faster-whisper was there.
    pub offline: bool,
}

impl Page {
    /// The page.
    pub fn text(&self) -> String {
        let load = self.load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.1} runnable processes"));
        let mut words = table(&[
            "model",
            "speech",
            "language",
            "words",
            "in a call",
            "offline",
            "look uncertain",
            "lines in another language",
        ]);
        for row in &self.words {
            let offline = row.offline.map_or_else(|| "–".to_owned(), percent);
            row_of(
                &mut words,
                &[
                    row.model.clone(),
                    row.speech.clone(),
                    match (row.known, row.given) {
                        (false, _) => "unknown to the model",
                        (true, true) => "given",
                        (true, false) => "detected",
                    }
                    .to_owned(),
                    row.call.words.to_string(),
                    percent(row.call),
                    if row.given { offline } else { "–".to_owned() },
                    row.uncertain.to_string(),
                    row.other_language.to_string(),
                ],
            );
        }
        if !self.offline {
            words.push_str("\nfaster-whisper was not installed.\n");
        }
        let mut joins = table(&["model", "joins", "right", "marked", "wrong and not marked", "nothing"]);
        for row in &self.joins {
            let counts = [row.joins, row.right, row.marked, row.wrong, row.nothing].map(|count| count.to_string());
            row_of(&mut joins, &[&[row.model.clone()][..], &counts].concat());
        }
        let mut noise = table(&["model", "sound", "minutes", "invented words", "marks"]);
        for row in &self.noise {
            row_of(
                &mut noise,
                &[
                    row.model.clone(),
                    row.sound.to_owned(),
                    format!("{:.0}", row.seconds / 60.0),
                    row.words.to_string(),
                    row.marks.to_string(),
                ],
            );
        }
        let mut delay = table(&[
            "models",
            "seconds",
            "captions, median / worst",
            "final lines, median / worst",
            "most behind",
            "captions dropped",
        ]);
        for row in &self.delay {
            row_of(
                &mut delay,
                &[
                    row.models.clone(),
                    format!("{:.0}", row.seconds),
                    format!("{:.1} s / {:.1} s", row.captions.0, row.captions.1),
                    format!("{:.1} s / {:.1} s", row.finals.0, row.finals.1),
                    format!("{:.1} s", row.behind),
                    row.dropped.to_string(),
                ],
            );
        }
        let page = include_str!("page.md").replace("{load}", &load).replace("{words}", words.trim_end());
        page.replace("{joins}", joins.trim_end())
            .replace("{noise}", noise.trim_end())
            .replace("{delay}", delay.trim_end())
    }
}

fn percent(errors: WordErrors) -> String {
    format!("{:.1} %", 100.0 * errors.rate())
}

fn table(columns: &[&str]) -> String {
    format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}

fn row_of(table: &mut String, cells: &[String]) {
    table.push_str(&format!("| {} |\n", cells.join(" | ")));
}
