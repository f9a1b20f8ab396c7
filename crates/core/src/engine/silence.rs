//! Whether the office still answers. A connection can stand for minutes to a server that hangs, or through a network that
//! is gone: then this device looks signed in, and no ring reaches it.

/// For how long nothing may come in a call before the office is asked, milliseconds.
const ASK_IN_CALL_MS: u64 = 2_000;
/// How long it may take to answer in a call: its end and its other members come by the office.
const ANSWERS_IN_CALL_MS: u64 = 3_000;
/// How long otherwise.
const ANSWERS_MS: u64 = 10_000;
/// Most that one entry of the engine adds: a device that slept did not listen.
const STEP_MS: u64 = 1_000;

/// For how long nothing has come from the office, while it was listened for.
#[derive(Default)]
pub(super) struct Silence {
    ms: u64,
    /// How long it was when the office was asked and has to answer.
    asked_at_ms: Option<u64>,
}

impl Silence {
    /// Something came, or a connection begins.
    pub(super) fn ends(&mut self) {
        *self = Self::default();
    }

    /// The office has been asked for something.
    pub(super) fn asked(&mut self) {
        self.asked_at_ms.get_or_insert(self.ms);
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.ms += ms.min(STEP_MS);
    }

    /// Whether the office is to be asked whether it is there.
    pub(super) fn asks(&self, in_call: bool) -> bool {
        in_call && self.asked_at_ms.is_none() && self.ms >= ASK_IN_CALL_MS
    }

    /// Whether an answer is overdue.
    pub(super) fn is_too_long(&self, in_call: bool) -> bool {
        self.asked_at_ms.is_some_and(|at| self.ms >= at + allowed(in_call))
    }

    /// In how many milliseconds to look again, if at all.
    pub(super) fn next_ms(&self, in_call: bool) -> Option<u64> {
        let at = match self.asked_at_ms {
            Some(at) => at + allowed(in_call),
            None if in_call => ASK_IN_CALL_MS,
            None => return None,
        };
        Some(at.saturating_sub(self.ms).clamp(1, STEP_MS))
    }
}

fn allowed(in_call: bool) -> u64 {
    if in_call { ANSWERS_IN_CALL_MS } else { ANSWERS_MS }
}
