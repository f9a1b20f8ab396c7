//! Cost of appends, proofs and verification. A ring waits for one append; throughput comes from batches.
//!
//! Targets on two cores: 20,000 entries a second, fsynced, in batches; verification of a million entries within 5 s.

#![allow(missing_docs, reason = "criterion_group! makes a public function without any")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;
use telcon_log::{
    DiskReader, DiskStorage, Log, LogSigner, MAX_APPEND_ENTRIES, MemoryStorage, Storage, verify_inclusion, verify_tree,
    verify_tree_visiting,
};

/// Entries in the log before measuring: a few years of a busy office's calls.
const SIZE: u64 = 100_000;

/// Entries in the log that is verified.
const VERIFIED_SIZE: u64 = 1_000_000;

/// About the size of a sealed call event, in bytes.
const ENTRY_LEN: usize = 512;

fn signer() -> LogSigner {
    LogSigner::from_seed(&[1; 32], "office.example/log").expect("a valid key name")
}

fn log_of<S: Storage>(storage: S, size: u64) -> Log<S> {
    let mut log = Log::create(storage, signer(), 0).expect("a new log");
    while log.checkpoint().size() < size {
        let left = size - log.checkpoint().size();
        let batch = vec![vec![7; ENTRY_LEN]; left.min(MAX_APPEND_ENTRIES as u64) as usize];
        log.append(&batch, 0).expect("an append");
    }
    log
}

fn scratch_dir() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

fn append(c: &mut Criterion) {
    let one = [vec![7; ENTRY_LEN]];
    let mut log = log_of(MemoryStorage::new(), SIZE);
    c.bench_function("append one entry, in memory", |b| b.iter(|| log.append(black_box(&one), 0).expect("an append")));
    let mut group = c.benchmark_group("append, fsynced on disk");
    for size in [1, 100, MAX_APPEND_ENTRIES] {
        let dir = scratch_dir();
        let mut log = log_of(DiskStorage::open(dir.path()).expect("a storage"), 1_000);
        let batch = vec![vec![7; ENTRY_LEN]; size];
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(format!("{size} entries"), |b| {
            b.iter(|| log.append(black_box(&batch), 0).expect("an append"))
        });
    }
}

/// Writes the log without flushing each file: only its content matters here.
fn unflushed_copy(log: &Log<MemoryStorage>, dir: &Path) {
    for (path, bytes) in log.storage().files() {
        let file = dir.join(path);
        std::fs::create_dir_all(file.parent().expect("files are below the root")).expect("a directory");
        std::fs::write(file, bytes).expect("a file");
    }
}

fn verification(c: &mut Criterion) {
    let dir = scratch_dir();
    unflushed_copy(&log_of(MemoryStorage::new(), VERIFIED_SIZE), dir.path());
    let key = signer().verifier_key().clone();
    let mut group = c.benchmark_group("verify a log on disk");
    group.sample_size(10).measurement_time(Duration::from_secs(15)).throughput(Throughput::Elements(VERIFIED_SIZE));
    group.bench_function("1,000,000 entries", |b| {
        b.iter(|| verify_tree(DiskReader::new(dir.path()), &key, &[]).expect("a valid log"))
    });
    group.bench_function("1,000,000 entries, visiting them", |b| {
        b.iter(|| {
            let mut bytes = 0;
            verify_tree_visiting(DiskReader::new(dir.path()), &key, &[], |_, entry| bytes += entry.len())
                .expect("a valid log");
            bytes
        })
    });
}

fn proofs(c: &mut Criterion) {
    let log = log_of(MemoryStorage::new(), SIZE);
    let mut index = 0;
    let mut next = || {
        index = (index + 7_919) % SIZE;
        index
    };
    c.bench_function("inclusion proof", |b| {
        b.iter_batched(&mut next, |index| log.inclusion_proof(index, SIZE).expect("a proof"), BatchSize::SmallInput)
    });
    c.bench_function("consistency proof", |b| {
        b.iter_batched(&mut next, |old| log.consistency_proof(old, SIZE).expect("a proof"), BatchSize::SmallInput)
    });
    let (entry, proof) = (log.entry(12_345).expect("an entry"), log.inclusion_proof(12_345, SIZE).expect("a proof"));
    let root = *log.checkpoint().root();
    c.bench_function("verify inclusion", |b| {
        b.iter(|| verify_inclusion(black_box(&entry), 12_345, SIZE, &proof, &root).expect("a valid proof"))
    });
    let note = log.checkpoint().note();
    let key = signer().verifier_key().clone();
    c.bench_function("verify checkpoint", |b| b.iter(|| key.verify_checkpoint(black_box(note)).expect("a checkpoint")));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = append, verification, proofs
}
criterion_main!(benches);
