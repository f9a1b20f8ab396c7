//! Cooperative cancellation of a run, so that processes and network namespaces are cleaned up by their owners.

use anyhow::{Result, bail};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A cancellation flag, shared between the signal handler and the run.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Requests the end of the run.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// When the run was cancelled.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }
}
