//! Questions to a person at a terminal, or to a script that answers them line by line on standard input.
//!
//! A flag answers its question beforehand. Each answer is checked at once: a person is asked again, a script fails.

use crate::output::{Printable, remark, tell};
use anyhow::{Context as _, bail};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use zeroize::Zeroizing;

/// Longest answer, bytes: four recipients' length. A terminal passes on 4,095 in one line.
const MAX_ANSWER_BYTES: usize = 8192;

/// How often a person is asked the same.
pub const MAX_TRIES: usize = 3;

/// One question.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The flag that answers it.
    pub flag: &'a str,
    /// What is asked for.
    pub title: &'a str,
    /// Why, in one sentence.
    pub why: &'a str,
    /// What an empty line means.
    pub default: Option<&'a str>,
}

/// Who answers.
#[derive(Clone, Copy)]
pub struct Questions {
    is_terminal: bool,
    takes_defaults: bool,
}

impl Questions {
    /// Asks on standard error and reads standard input; with `takes_defaults` asks nothing.
    pub fn new(takes_defaults: bool) -> Self {
        Self { is_terminal: is_terminal(), takes_defaults }
    }

    /// The answer to a question: `given` by its flag, or typed.
    ///
    /// # Errors
    /// `parse`'s, for a flag, for a script and after [`MAX_TRIES`]; when there is no answer.
    pub fn ask<T>(
        &self,
        question: &Question<'_>,
        given: Option<&str>,
        parse: impl Fn(&str) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let Question { flag, title, why, default } = *question;
        if let Some(given) = given {
            return parse(given).with_context(|| format!("{flag} is not accepted"));
        }
        if self.takes_defaults {
            let default = default.with_context(|| format!("{flag} is missing: with --yes nothing is asked"))?;
            return parse(default).with_context(|| format!("{flag} is not accepted"));
        }
        tell!("\n{why}");
        let shown = default.map(|default| format!(" [{}]", Printable(default))).unwrap_or_default();
        for left in (0..self.tries()).rev() {
            remark(&format!("{title}{shown}: "));
            let line = self.line()?.with_context(|| format!("{title} was not answered: answer it, or give {flag}"))?;
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                (answer, _) => answer,
            };
            match parse(answer) {
                Ok(value) => return Ok(value),
                Err(error) if left > 0 => tell!("  {}", Printable(&crate::causes(&error))),
                Err(error) => return Err(error).with_context(|| format!("{title} is not accepted")),
            }
        }
        bail!("{title} was not answered")
    }

    /// Answers until an empty line, each checked at once.
    ///
    /// # Errors
    /// As [`Questions::ask`].
    pub fn ask_several<T>(
        &self,
        question: &Question<'_>,
        given: &[String],
        parse: impl Fn(&str) -> anyhow::Result<T>,
    ) -> anyhow::Result<Vec<T>> {
        let Question { flag, title, why, .. } = *question;
        if !given.is_empty() || self.takes_defaults {
            return given.iter().map(|given| parse(given).with_context(|| format!("{flag} is not accepted"))).collect();
        }
        tell!("\n{why}");
        let (mut found, mut refused) = (Vec::new(), 0);
        loop {
            remark(&format!("{title} {} (an empty line ends the list): ", found.len() + 1));
            let Some(line) = self.line()?.filter(|line| !line.trim().is_empty()) else { return Ok(found) };
            match parse(line.trim()) {
                Ok(value) => found.push(value),
                Err(error) if refused + 1 < self.tries() => {
                    refused += 1;
                    tell!("  {}", Printable(&crate::causes(&error)));
                }
                Err(error) => return Err(error).with_context(|| format!("{title} is not accepted")),
            }
        }
    }

    fn tries(&self) -> usize {
        if self.is_terminal { MAX_TRIES } else { 1 }
    }

    /// A line of standard input; none at its end. What a script answers stands nowhere, so that its prompts end here.
    fn line(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        let line = read_line();
        if !self.is_terminal {
            remark("\n");
        }
        line
    }
}

/// Whether a person answers.
pub fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// A line of standard input without its end; none at the end of the input. It may be a secret and is erased when dropped.
///
/// # Errors
/// When it is longer than allowed or no text.
pub fn read_line() -> anyhow::Result<Option<Zeroizing<String>>> {
    // Reserved at full length: a reallocation would leave a copy in memory.
    let mut line = Zeroizing::new(String::with_capacity(MAX_ANSWER_BYTES + 1));
    let read = io::stdin().lock().take(MAX_ANSWER_BYTES as u64 + 1).read_line(&mut line);
    if read.context("standard input is not text (UTF-8)")? == 0 {
        return Ok(None);
    }
    if line.len() > MAX_ANSWER_BYTES {
        bail!("a line of standard input is longer than {MAX_ANSWER_BYTES} bytes");
    }
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(Some(line))
}
