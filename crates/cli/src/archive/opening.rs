//! Removes decrypted files when a signal ends the process before a record is completely open.

use crate::output::tell;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

/// Attempts to empty a directory in which a file may just have been created.
const ATTEMPTS: usize = 100;

/// A record that is being opened. While this exists, SIGINT, SIGTERM and SIGHUP remove the directory in which it is decrypted, and
/// end the process.
pub struct Opening {
    work: Arc<Mutex<Option<PathBuf>>>,
    watching: JoinHandle<()>,
}

impl Opening {
    /// Begins to listen for signals. Must be called in the runtime, and off its workers or where they are several.
    pub fn watch() -> io::Result<Self> {
        let work = Arc::new(Mutex::new(None));
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(|kind| signal(kind).map(|signal| (kind, signal)));
        let watching = tokio::spawn(stop([interrupt?, terminate?, hangup?], Arc::clone(&work)));
        Ok(Self { work, watching })
    }

    /// The directory in which it is decrypted.
    pub fn begun(&self, work: &Path) {
        *lock(&self.work) = Some(work.to_owned());
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        // The signal handler that removes the directory keeps the lock until the process exits, so that nothing is written after it.
        let _removed = lock(&self.work);
        self.watching.abort();
    }
}

async fn stop(signals: [(SignalKind, Signal); 3], work: Arc<Mutex<Option<PathBuf>>>) {
    let [(interrupt, mut interrupted), (terminate, mut terminated), (hangup, mut hung_up)] = signals;
    let kind = tokio::select! {
        _ = interrupted.recv() => interrupt,
        _ = terminated.recv() => terminate,
        _ = hung_up.recv() => hangup,
    };
    let work = lock(&work);
    match work.as_deref().map_or(Ok(()), remove) {
        Ok(()) => tell!("telcon: stopped; what was decrypted is removed"),
        Err((left, error)) => {
            tell!("telcon: stopped; {} has what was decrypted: remove it ({error})", left.display());
        }
    }
    std::process::exit(128 + kind.as_raw_value());
}

fn lock(work: &Mutex<Option<PathBuf>>) -> MutexGuard<'_, Option<PathBuf>> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the directory; otherwise says what is left and why. First it gets another name, so that nothing is created in it
/// any more.
fn remove(work: &Path) -> Result<(), (PathBuf, io::Error)> {
    let gone = telcon_files::beside(work, ".stopped");
    match fs::rename(work, &gone) {
        Ok(()) => {}
        // The record is open, or was removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err((work.to_owned(), error)),
    }
    for _ in 1..ATTEMPTS {
        if fs::remove_dir_all(&gone).is_ok() {
            return Ok(());
        }
    }
    fs::remove_dir_all(&gone).map_err(|error| (gone, error))
}
