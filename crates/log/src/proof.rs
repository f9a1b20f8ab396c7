//! Proof verification: pure functions over bytes, run by devices (also in wasm32) and witnesses.
//!
//! A proof is supplied by the party it is meant to bind, so every error means "do not trust it".

use crate::hash::{Hash, empty_root, leaf_hash, node_hash};

/// Why a proof is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The entry's index is not below the tree's size.
    #[error("index {index} is not in a tree of {size} entries")]
    IndexOutOfRange {
        /// The requested index, from 0.
        index: u64,
        /// Entries in the tree.
        size: u64,
    },
    /// The newer tree is smaller than the older one.
    #[error("a tree of {new} entries cannot follow one of {old}")]
    Shrunk {
        /// Size of the older tree.
        old: u64,
        /// Size of the tree that claims to follow it.
        new: u64,
    },
    /// The proof does not have the number of hashes that the sizes require.
    #[error("the proof has the wrong number of hashes")]
    WrongLength,
    /// The proof computes to a different root hash.
    #[error("the proof computes to a different root")]
    RootMismatch,
}

/// Checks that `leaf` is entry number `index` of the tree of `size` entries under `root` (RFC 9162 section 2.1.3.2).
pub fn verify_inclusion(leaf: &[u8], index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    verify_inclusion_hash(&leaf_hash(leaf), index, size, proof, root)
}

/// [`verify_inclusion`] for a caller that has only the leaf hash.
pub fn verify_inclusion_hash(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutOfRange { index, size });
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // The last node of a level with an odd number of nodes has no sibling and is promoted unchanged.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    if hash != *root { Err(ProofError::RootMismatch) } else { Ok(()) }
}

/// Checks that the tree of `new_size` entries under `new_root` begins with the tree of `old_size` entries under
/// `old_root` (RFC 9162 section 2.1.4.2). Every tree extends the empty one, and equal sizes require equal roots;
/// both cases take an empty proof.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::Shrunk { old: old_size, new: new_size });
    }
    if old_size == 0 || old_size == new_size {
        if !proof.is_empty() {
            return Err(ProofError::WrongLength);
        }
        let empty = empty_root();
        let old_holds = if old_size == 0 { *old_root == empty } else { old_root == new_root };
        let new_holds = new_size != 0 || *new_root == empty;
        return if old_holds && new_holds { Ok(()) } else { Err(ProofError::RootMismatch) };
    }
    // If the old tree is a complete subtree of the new one, its root is omitted from the proof.
    let (first, rest) = if old_size.is_power_of_two() {
        (*old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(ProofError::WrongLength)?;
        (*first, rest)
    };
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    if old_hash != *old_root || new_hash != *new_root { Err(ProofError::RootMismatch) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_one_entry_is_its_leaf_hash() {
        let root = leaf_hash(b"only");
        assert_eq!(verify_inclusion(b"only", 0, 1, &[], &root), Ok(()));
        assert_eq!(verify_inclusion(b"other", 0, 1, &[], &root), Err(ProofError::RootMismatch));
        assert_eq!(verify_inclusion(b"only", 0, 1, &[root], &root), Err(ProofError::WrongLength));
        assert_eq!(verify_inclusion(b"only", 1, 1, &[], &root), Err(ProofError::IndexOutOfRange { index: 1, size: 1 }));
        assert_eq!(verify_inclusion(b"only", 0, 0, &[], &root), Err(ProofError::IndexOutOfRange { index: 0, size: 0 }));
    }

    #[test]
    fn empty_and_equal_trees() {
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let empty = empty_root();
        assert_eq!(verify_consistency(0, &empty, 5, &a, &[]), Ok(()));
        assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Ok(()));
        assert_eq!(verify_consistency(0, &a, 5, &a, &[]), Err(ProofError::RootMismatch));
        assert_eq!(verify_consistency(0, &empty, 0, &a, &[]), Err(ProofError::RootMismatch));
        assert_eq!(verify_consistency(0, &empty, 5, &a, &[b]), Err(ProofError::WrongLength));
        assert_eq!(verify_consistency(5, &a, 5, &a, &[]), Ok(()));
        assert_eq!(verify_consistency(5, &a, 5, &b, &[]), Err(ProofError::RootMismatch));
        assert_eq!(verify_consistency(5, &a, 5, &a, &[a]), Err(ProofError::WrongLength));
        assert_eq!(verify_consistency(6, &a, 5, &a, &[]), Err(ProofError::Shrunk { old: 6, new: 5 }));
        assert_eq!(verify_consistency(3, &a, 5, &b, &[]), Err(ProofError::WrongLength));
    }

    #[test]
    fn the_largest_sizes_do_not_overflow() {
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let long = [a; 80];
        for len in 0..long.len() {
            assert!(verify_inclusion_hash(&a, u64::MAX - 1, u64::MAX, &long[..len], &b).is_err());
            assert!(verify_consistency(u64::MAX - 1, &a, u64::MAX, &b, &long[..len]).is_err());
            assert!(verify_consistency(1 << 63, &a, u64::MAX, &b, &long[..len]).is_err());
        }
    }
}
