//! What the storage of MLS replaces or drops is gone from this process's memory.
#![cfg(target_os = "linux")]

use openmls_traits::storage::{CURRENT_VERSION, Entity, Key, StorageProvider, traits};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{Read as _, Seek as _, SeekFrom, Write},
};
use telcon_core::mls::storage::Storage;
use zeroize::Zeroizing;

/// Numbers in a value: in JSON they are longer than what the storage allocates at first.
const NUMBERS: usize = 2_000;
/// Memory read at once, bytes.
const CHUNK: usize = 1 << 16;

#[derive(Serialize, Deserialize)]
struct Group(u8);
impl Key<CURRENT_VERSION> for Group {}
impl traits::GroupId<CURRENT_VERSION> for Group {}

#[derive(Serialize, Deserialize)]
struct Tree(Vec<u64>);
impl Entity<CURRENT_VERSION> for Tree {}
impl traits::TreeSync<CURRENT_VERSION> for Tree {}

/// A value that occurs nowhere else.
fn value(seed: u64) -> Tree {
    Tree((1..=NUMBERS as u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17) ^ seed).collect())
}

/// JSON with all bits inverted, so that the search does not find what it searches for.
struct Inverted(Vec<u8>);

impl Write for Inverted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend(bytes.iter().map(|byte| !byte));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How many of the pieces of a value, as it is stored, are in this process's memory.
fn pieces_in_memory(seed: u64) -> usize {
    let mut inverted = Inverted(Vec::new());
    serde_json::to_writer(&mut inverted, &value(seed)).unwrap();
    // From all parts of the value, as an allocator overwrites the start of what is freed.
    let pieces: Vec<&[u8]> = inverted.0.chunks_exact(32).step_by(16).collect();
    let mut there = vec![false; pieces.len()];
    let mut mem = fs::File::open("/proc/self/mem").unwrap();
    let mut buffer = Zeroizing::new(vec![0; CHUNK]);
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        for at in (from..to).step_by(CHUNK / 2) {
            // Empty while it is read itself.
            buffer.fill(0);
            let length = CHUNK.min((to - at) as usize);
            if mem.seek(SeekFrom::Start(at)).and_then(|_| mem.read_exact(&mut buffer[..length])).is_err() {
                continue;
            }
            for (there, piece) in there.iter_mut().zip(&pieces).filter(|(there, _)| !**there) {
                let is_here =
                    |window: &[u8]| window[0] == !piece[0] && window.iter().zip(*piece).all(|(a, b)| *a == !b);
                *there = buffer.windows(piece.len()).any(is_here);
            }
        }
    }
    there.iter().filter(|there| **there).count()
}

#[test]
fn what_is_replaced_removed_or_dropped_is_erased() {
    let storage = Storage::default();
    storage.write_tree(&Group(1), &value(1)).unwrap();
    storage.write_tree(&Group(2), &value(2)).unwrap();
    storage.write_tree(&Group(3), &value(3)).unwrap();
    assert!((1..=3).all(|seed| pieces_in_memory(seed) > 50), "the search is blind");
    storage.write_tree(&Group(1), &Tree(Vec::new())).unwrap();
    storage.delete_tree(&Group(2)).unwrap();
    drop(storage);
    assert_eq!([1, 2, 3].map(pieces_in_memory), [0, 0, 0]);
}
