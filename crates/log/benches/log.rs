//! What an append and a proof cost. A ring waits for one append.

#![allow(missing_docs, reason = "criterion_group! makes a public function without any")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use telcon_log::{DiskStorage, Log, LogSigner, MemoryStorage, Storage, verify_inclusion};

/// Entries in the log before measuring: a few years of a busy office's calls.
const SIZE: u64 = 100_000;

/// About what one sealed call event takes, in bytes.
const ENTRY_LEN: usize = 512;

fn signer() -> LogSigner {
    LogSigner::from_seed(&[1; 32], "office.example/log").expect("a name for a key")
}

fn filled<S: Storage>(storage: S, size: u64) -> Log<S> {
    let mut log = Log::create(storage, signer(), 0).expect("a new log");
    while log.checkpoint().size() < size {
        let left = size - log.checkpoint().size();
        let batch = vec![vec![7; ENTRY_LEN]; left.min(1024) as usize];
        log.append(&batch, 0).expect("an append");
    }
    log
}

fn append(c: &mut Criterion) {
    let one = [vec![7; ENTRY_LEN]];
    let mut log = filled(MemoryStorage::new(), SIZE);
    c.bench_function("append one entry, in memory", |b| b.iter(|| log.append(black_box(&one), 0).expect("an append")));
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut log = filled(DiskStorage::open(dir.path()).expect("a storage"), 1_000);
    c.bench_function("append one entry, on disk", |b| b.iter(|| log.append(black_box(&one), 0).expect("an append")));
    let many = vec![vec![7; ENTRY_LEN]; 100];
    c.bench_function("append 100 entries, on disk", |b| b.iter(|| log.append(black_box(&many), 0).expect("an append")));
}

fn proofs(c: &mut Criterion) {
    let log = filled(MemoryStorage::new(), SIZE);
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
    targets = append, proofs
}
criterion_main!(benches);
