//! What happened, in order: a line for each step. The hash of all lines is what two runs of a seed are compared by, and the
//! last lines are printed when a run fails.

use std::collections::VecDeque;

/// Lines that are kept for a failure.
const KEPT: usize = 120;

/// Prints a line.
pub type Echo = fn(&str);

/// The trace of one run. It names no key and no ciphertext, which differ from run to run.
pub struct Trace {
    hash: u64,
    lines: VecDeque<String>,
    count: u64,
    echo: Option<Echo>,
}

impl Trace {
    /// An empty trace. Each line is given to `echo` as it comes.
    pub fn new(echo: Option<Echo>) -> Self {
        // FNV-1a: it tells runs apart, and protects nothing.
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: VecDeque::new(), count: 0, echo }
    }

    /// Adds a line.
    pub fn push(&mut self, now_ms: u64, line: &str) {
        let line = format!("{:>8}.{:03} {line}", now_ms / 1000, now_ms % 1000);
        if let Some(echo) = self.echo {
            echo(&line);
        }
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.count += 1;
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The hash of all lines so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The last lines.
    pub fn tail(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
