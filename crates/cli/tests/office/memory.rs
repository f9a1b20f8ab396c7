//! What is in the memory of another process.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{collections::HashSet, fs, os::unix::fs::FileExt as _};

/// Searches for many pieces of this length simultaneously.
pub struct Search<const PIECE: usize> {
    pieces: HashSet<[u8; PIECE]>,
    maybe: Vec<u64>,
}

impl<const PIECE: usize> Search<PIECE> {
    pub fn new<'n>(needles: impl IntoIterator<Item = &'n [u8]>) -> Self {
        let mut search = Self { pieces: HashSet::new(), maybe: vec![0; 1 << 16] };
        for needle in needles {
            for piece in needle.windows(PIECE) {
                // Silence and padding carry no content and occur everywhere.
                if piece.iter().collect::<HashSet<_>>().len() >= PIECE / 2 {
                    let bit = Self::bit(piece);
                    search.maybe[bit / 64] |= 1 << (bit % 64);
                    search.pieces.insert(piece.try_into().unwrap());
                }
            }
        }
        search
    }

    fn bit(piece: &[u8]) -> usize {
        let word = u32::from_le_bytes(piece[..4].try_into().unwrap());
        (word.wrapping_mul(0x9E37_79B1) >> 10) as usize
    }

    /// Number of pieces.
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Position of the first match.
    pub fn finds(&self, hay: &[u8]) -> Option<usize> {
        let maybe = |window: &[u8]| {
            let bit = Self::bit(window);
            self.maybe[bit / 64] & (1 << (bit % 64)) != 0
        };
        hay.windows(PIECE).position(|window| maybe(window) && self.pieces.contains(window))
    }
}

/// All writable memory of a process.
pub fn memory(process: u32) -> Vec<u8> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let mem = fs::File::open(format!("/proc/{process}/mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|flags| flags.starts_with("rw")))
    {
        let (from, to) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut region = vec![0; (to - from) as usize];
        // A region can be unmapped between listing and reading.
        if mem.read_exact_at(&mut region, from).is_ok() {
            all.extend(region);
        }
    }
    all
}
