//! Cooperative cancellation of a run, so that processes and network namespaces are cleaned up by their owners.

use anyhow::{Result, bail};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A cancellation flag, shared between the signal handler and the run.
#[derive(Debug, Clone, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// Cancels the run: it ends at its next check.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Ends the run with `?` if it was cancelled. Called wherever it may wait or repeat.
    ///
    /// # Errors
    /// When it was cancelled.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }
}
