//! The transparency log alone: durable append throughput, and offline verification.

use super::report::LogFigures;
use crate::{cancellation::Cancellation, testbed::TempDir};
use anyhow::{Context, Result, ensure};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use telcon_log::{DiskReader, DiskStorage, Log, LogSigner, verify_tree};

/// Entries per durable append: what the server batches while one append is in progress under load.
const BATCH: usize = 256;
/// Bytes per entry: a *call opened* entry of a hybrid office.
const ENTRY_BYTES: usize = 400;
/// How long single appends are measured.
const SINGLE: Duration = Duration::from_secs(2);

/// Appends `entries` entries to a log on disk in durable batches, and verifies them from disk.
///
/// # Errors
/// When the disk fails, or the run is cancelled.
pub fn measure(entries: u64, cancellation: &Cancellation) -> Result<LogFigures> {
    let directory = TempDir::new()?;
    let signer = LogSigner::from_seed(&[1; 32], "bench.example/log").context("invariant: a valid origin")?;
    let key = signer.verifier_key().clone();
    let mut log = Log::create(DiskStorage::open(directory.path())?, signer, 0)?;
    let single = single_appends(&mut log)?;
    let started_at = log.checkpoint().size();
    let began = Instant::now();
    while log.checkpoint().size() < started_at + entries {
        cancellation.check()?;
        let size = log.checkpoint().size();
        let count = (started_at + entries - size).min(BATCH as u64);
        let batch: Vec<Vec<u8>> = (size..size + count).map(entry).collect();
        log.append(&batch, 0)?;
    }
    let appends = entries as f64 / began.elapsed().as_secs_f64();
    let size = log.checkpoint().size();
    let began = Instant::now();
    let report = black_box(verify_tree(DiskReader::new(directory.path()), &key, &[])?);
    let verify_seconds = began.elapsed().as_secs_f64();
    ensure!(report.checkpoint().size() == size, "the verified log has another size");
    Ok(LogFigures {
        entries: size,
        entry_bytes: ENTRY_BYTES as u32,
        batch: BATCH as u32,
        appends_per_second: appends,
        single_appends_per_second: single,
        verify_seconds,
    })
}

/// Durable appends of one entry each, per second.
fn single_appends(log: &mut Log<DiskStorage>) -> Result<f64> {
    let (began, mut count) = (Instant::now(), 0u32);
    while began.elapsed() < SINGLE {
        log.append(&[entry(u64::from(count))], 0)?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

fn entry(number: u64) -> Vec<u8> {
    let mut entry = vec![0x5a; ENTRY_BYTES];
    entry[..8].copy_from_slice(&number.to_be_bytes());
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_log_is_appended_and_verified() {
        let figures = measure(600, &Cancellation::default()).unwrap();
        assert!(figures.entries >= 600);
        assert!(figures.appends_per_second > 0.0 && figures.single_appends_per_second > 0.0);
        assert!(figures.verify_seconds > 0.0);
    }
}
