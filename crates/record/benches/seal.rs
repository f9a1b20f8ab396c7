//! How fast a note-taker seals: one part of ten seconds, and parts of many megabytes, to two custodians.

#![allow(missing_docs, reason = "criterion_group! makes a public function without any")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use telcon_record::{CustodianIdentity, RecordWriter, Salt, salted_jsonl};

const CALL: &str = "00112233445566778899aabbccddeeff";

fn seal(c: &mut Criterion) {
    let custodians = [1, 2].map(|n| CustodianIdentity::from_seed(&[n; 32]).recipient());
    let mut group = c.benchmark_group("seal");
    for (name, bytes) in [("ten_seconds_400_kB", 400_000), ("16_MB", 16_000_000)] {
        let content = "x".repeat(bytes);
        group.throughput(Throughput::Bytes(bytes as u64)).sample_size(10);
        group.bench_function(name, |b| {
            b.iter_batched(
                || {
                    let dir = tempfile::tempdir().expect("a temporary directory");
                    let mut writer = RecordWriter::create(&dir.path().join(CALL), &custodians, CALL).expect("a record");
                    let payload = salted_jsonl(Salt::from_bytes([1; 32]), &[&content]).expect("a payload");
                    assert!(writer.add("a.jsonl", payload).is_ok());
                    (dir, writer)
                },
                |(dir, mut writer)| {
                    writer.flush_part().expect("a part");
                    (dir, writer)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, seal);
criterion_main!(benches);
