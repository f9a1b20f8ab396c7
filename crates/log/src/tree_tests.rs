use super::*;
use crate::bundle::push_entry;
use crate::hash::leaf_hash;
use crate::proof::{verify_consistency, verify_inclusion};
use crate::storage::{MemoryStorage, Storage};
use crate::tile::encode_tile;
use proptest::prelude::*;

/// The reference: a literal implementation of RFC 6962 section 2.1.
fn reference_root(entries: &[Vec<u8>]) -> Hash {
    match entries {
        [] => empty_root(),
        [entry] => leaf_hash(entry),
        _ => {
            let middle = entries.len().next_power_of_two() / 2;
            node_hash(&reference_root(&entries[..middle]), &reference_root(&entries[middle..]))
        }
    }
}

/// All tiles of a tree, written without using the log.
fn stored(entries: &[Vec<u8>]) -> (MemoryStorage, Frontier) {
    let mut storage = MemoryStorage::new();
    let (mut frontier, mut full) = (Frontier::new(), Vec::new());
    entries.iter().for_each(|entry| frontier.push(leaf_hash(entry), &mut full));
    let partial = frontier.partial_tiles().map(|(tile, hashes)| (tile, hashes.to_vec()));
    for (tile, hashes) in full.into_iter().chain(partial) {
        storage.write_once(&tile.to_string(), &encode_tile(&hashes)).unwrap();
    }
    for (index, chunk) in entries.chunks(256).enumerate() {
        let mut bundle = Vec::new();
        chunk.iter().for_each(|entry| push_entry(&mut bundle, entry));
        let tile = TilePath::new(TileKind::Entries, index as u64, chunk.len() as u16).unwrap();
        storage.write_once(&tile.to_string(), &bundle).unwrap();
    }
    (storage, frontier)
}

fn numbered(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("entry {number}").into_bytes()).collect()
}

/// The common test vectors of RFC 6962 implementations: eight entries, and the roots of the trees over their prefixes.
fn known() -> (Vec<Vec<u8>>, [&'static str; 8]) {
    let entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let unhex = |text: &str| {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect::<Vec<u8>>()
    };
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    (entries.map(unhex).to_vec(), roots)
}

#[test]
fn roots_match_the_test_vectors() {
    let (entries, roots) = known();
    let mut frontier = Frontier::new();
    for (entry, root) in entries.iter().zip(roots) {
        frontier.push(leaf_hash(entry), &mut Vec::new());
        assert_eq!(frontier.root().hex(), root);
    }
}

#[test]
fn proofs_match_the_test_vectors() {
    let (entries, _) = known();
    let tree = Tree::new(stored(&entries).0, 8);
    let hex = |proof: Vec<Hash>| proof.iter().map(Hash::hex).collect::<Vec<_>>();
    assert_eq!(
        hex(tree.inclusion_proof(5, 8).unwrap()),
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(
        hex(tree.inclusion_proof(2, 3).unwrap()),
        ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]
    );
    assert_eq!(
        hex(tree.consistency_proof(6, 8).unwrap()),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(
        hex(tree.consistency_proof(2, 5).unwrap()),
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ]
    );
    assert!(tree.consistency_proof(1, 1).unwrap().is_empty());
    assert!(tree.consistency_proof(0, 8).unwrap().is_empty());
}

#[test]
fn roots_are_correct_across_tile_boundaries() {
    let entries = numbered(1030);
    let (storage, _) = stored(&entries);
    let tree = Tree::new(&storage, 1030);
    let mut frontier = Frontier::new();
    for (index, entry) in entries.iter().enumerate() {
        frontier.push(leaf_hash(entry), &mut Vec::new());
        assert_eq!(tree.root(index as u64 + 1).unwrap(), frontier.root(), "size {}", index + 1);
    }
    assert_eq!(frontier.root(), reference_root(&entries));
}

#[test]
fn requests_beyond_the_tree_are_rejected() {
    let (storage, _) = stored(&numbered(3));
    let tree = Tree::new(&storage, 3);
    assert!(matches!(tree.root(4), Err(ReadError::OutOfRange { asked: 4, size: 3 })));
    assert!(matches!(tree.inclusion_proof(3, 3), Err(ReadError::OutOfRange { asked: 3, size: 3 })));
    assert!(matches!(tree.inclusion_proof(0, 4), Err(ReadError::OutOfRange { asked: 4, size: 3 })));
    assert!(matches!(tree.inclusion_proof(0, 0), Err(ReadError::OutOfRange { asked: 0, size: 0 })));
    assert!(matches!(tree.consistency_proof(2, 1), Err(ReadError::OutOfRange { asked: 2, size: 1 })));
    assert!(matches!(tree.consistency_proof(1, 4), Err(ReadError::OutOfRange { asked: 4, size: 3 })));
    assert!(matches!(tree.entries(0..4), Err(ReadError::OutOfRange { asked: 4, size: 3 })));
}

#[test]
fn the_full_tile_replaces_a_removed_partial_one() {
    let entries = numbered(300);
    let (storage, _) = stored(&entries);
    let old = Tree::new(&storage, 200);
    assert_eq!(old.root(200).unwrap(), reference_root(&entries[..200]));
    assert_eq!(Frontier::load(&storage, 200).unwrap().root(), reference_root(&entries[..200]));
    let read: Vec<_> = old.entries(190..200).unwrap().map(|entry| entry.unwrap().1).collect();
    assert_eq!(read, entries[190..200]);
}

/// Exhaustive up to 70 entries, which covers every shape of subtree.
#[test]
fn all_proofs_of_small_trees_verify_only_what_they_prove() {
    let entries = numbered(70);
    let (storage, _) = stored(&entries);
    let tree = Tree::new(&storage, 70);
    let roots: Vec<Hash> = (0..=70).map(|size| tree.root(size).unwrap()).collect();
    for size in 1..=70u64 {
        let root = &roots[size as usize];
        for index in 0..size {
            let proof = tree.inclusion_proof(index, size).unwrap();
            verify_inclusion(&entries[index as usize], index, size, &proof, root).unwrap();
            let other = if index == 0 { size - 1 } else { index - 1 };
            if other != index {
                assert!(verify_inclusion(&entries[index as usize], other, size, &proof, root).is_err());
            }
        }
        for old in 0..=size {
            let proof = tree.consistency_proof(old, size).unwrap();
            verify_consistency(old, &roots[old as usize], size, root, &proof).unwrap();
            if old > 0 {
                let forged = node_hash(&roots[old as usize], root);
                assert!(verify_consistency(old, &forged, size, root, &proof).is_err());
                assert!(verify_consistency(old, &roots[old as usize], size, &forged, &proof).is_err());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn inclusion_and_consistency(size in 0..1000u64, seed in any::<[u64; 3]>(), flip in any::<(prop::sample::Index, u8)>()) {
        let entries = numbered(size as usize);
        let (storage, frontier) = stored(&entries);
        let tree = Tree::new(&storage, size);
        let root = tree.root(size).unwrap();
        prop_assert_eq!(root, reference_root(&entries));
        prop_assert_eq!(&Frontier::load(&storage, size).unwrap(), &frontier);
        prop_assert_eq!(frontier.root(), root);

        let old = seed[0] % (size + 1);
        let old_root = tree.root(old).unwrap();
        let mut proof = tree.consistency_proof(old, size).unwrap();
        verify_consistency(old, &old_root, size, &root, &proof).unwrap();
        if !proof.is_empty() {
            let at = flip.0.index(proof.len());
            proof[at].0[usize::from(flip.1 % 32)] ^= 1 << (flip.1 / 32);
            prop_assert!(verify_consistency(old, &old_root, size, &root, &proof).is_err());
        }

        if size > 0 {
            let within = seed[1] % size + 1;
            let index = seed[2] % within;
            let root = tree.root(within).unwrap();
            let entry = &entries[index as usize];
            let mut proof = tree.inclusion_proof(index, within).unwrap();
            verify_inclusion(entry, index, within, &proof, &root).unwrap();
            prop_assert!(verify_inclusion(b"forged", index, within, &proof, &root).is_err());
            if let Some(last) = proof.pop() {
                prop_assert!(verify_inclusion(entry, index, within, &proof, &root).is_err());
                proof.extend([last, last]);
                prop_assert!(verify_inclusion(entry, index, within, &proof, &root).is_err());
                proof.pop();
                let at = flip.0.index(proof.len());
                proof[at].0[usize::from(flip.1 % 32)] ^= 1 << (flip.1 / 32);
                prop_assert!(verify_inclusion(entry, index, within, &proof, &root).is_err());
            }
            let (from, to) = (index, (index + seed[0] % 600).min(size));
            let read: Vec<_> = tree.entries(from..to).unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(read.len() as u64, to - from);
            for (index, bytes) in read {
                prop_assert_eq!(&bytes, &entries[index as usize]);
            }
        }
    }

    /// For arbitrary sizes and hashes the verifier does not panic, and random hashes do not verify.
    #[test]
    fn random_proofs_do_not_verify(index: u64, size: u64, other: u64, hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let proof: Vec<Hash> = hashes.into_iter().map(Hash).collect();
        let root = Hash([3; 32]);
        prop_assert!(verify_inclusion(b"leaf", index, size, &proof, &root).is_err());
        prop_assert!(verify_consistency(other, &Hash([4; 32]), size, &root, &proof).is_err());
    }
}
