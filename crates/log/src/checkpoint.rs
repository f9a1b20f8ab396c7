//! Tree heads (C2SP tlog-checkpoint), and the rule for when one may follow another.

use crate::hash::Hash;
use crate::note::{Note, NoteError};
use crate::proof::{ProofError, verify_consistency};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// The size and root of a log's tree. Carries no signature: keep the value that
/// [`VerifierKey::verify_checkpoint`](crate::VerifierKey::verify_checkpoint) returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The log's globally unique name: `office.example/log`.
    pub origin: String,
    /// Number of entries in the tree.
    pub size: u64,
    /// The tree's RFC 6962 root hash.
    pub root: Hash,
}

/// Why a checkpoint cannot follow a remembered one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The checkpoints belong to different logs.
    #[error("the checkpoint belongs to another log")]
    OtherOrigin,
    /// The tree shrank.
    #[error("the log was rolled back from {remembered} entries to {shown}")]
    RolledBack {
        /// Size of the remembered tree.
        remembered: u64,
        /// Size of the tree shown now.
        shown: u64,
    },
    /// The newer tree is not proven to extend the remembered one: the history was rewritten, or the proof is invalid.
    #[error("the log does not extend the tree of {remembered} entries seen before: {source}")]
    Forked {
        /// Size of the remembered tree.
        remembered: u64,
        /// Why the consistency proof failed.
        source: ProofError,
    },
}

impl Checkpoint {
    /// Parses the text of a note. Verifies no signature. Extension lines are ignored.
    ///
    /// # Errors
    /// [`NoteError::NotACheckpoint`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let text = text.strip_suffix('\n').ok_or(NoteError::NotACheckpoint)?;
        let mut lines = text.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(NoteError::NotACheckpoint);
        let (origin, size, root) = (line()?, line()?, line()?);
        let number: u64 = size.parse().map_err(|_| NoteError::NotACheckpoint)?;
        let root = root.parse().map_err(|_| NoteError::NotACheckpoint)?;
        let canonical = number.to_string() == size;
        if !canonical || lines.any(str::is_empty) {
            return Err(NoteError::NotACheckpoint);
        }
        Ok(Checkpoint { origin: origin.to_owned(), size: number, root })
    }

    /// Checks that `newer` belongs to the same log and extends this tree. A device that remembers `self` replaces it with
    /// `newer` only after this check.
    pub fn followed_by(&self, newer: &Checkpoint, consistency_proof: &[Hash]) -> Result<(), FollowError> {
        if self.origin != newer.origin {
            return Err(FollowError::OtherOrigin);
        }
        if newer.size < self.size {
            return Err(FollowError::RolledBack { remembered: self.size, shown: newer.size });
        }
        verify_consistency(self.size, &self.root, newer.size, &newer.root, consistency_proof)
            .map_err(|source| FollowError::Forked { remembered: self.size, source })
    }
}

/// The note's text: origin, size and root, each on a line.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)
    }
}

/// A checkpoint with the signed note that proves it. Created by a log, or by
/// [`VerifierKey::open`](crate::VerifierKey::open) after signature verification; never by parsing alone.
/// Serialises as the note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    time_s: Option<u64>,
    note: String,
}

impl SignedCheckpoint {
    pub(crate) fn new(checkpoint: Checkpoint, time_s: Option<u64>, note: &Note) -> Self {
        SignedCheckpoint { checkpoint, time_s, note: note.to_string() }
    }

    /// The signed tree head.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Number of entries in the tree.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// The tree's root hash.
    pub fn root(&self) -> &Hash {
        &self.checkpoint.root
    }

    /// The log's timestamp, in seconds since the Unix epoch; `None` if the note has none.
    pub fn time_s(&self) -> Option<u64> {
        self.time_s
    }

    /// The signed note.
    pub fn note(&self) -> &str {
        &self.note
    }
}

impl Serialize for SignedCheckpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{empty_root, leaf_hash, node_hash};

    const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

    #[test]
    fn parses_the_example_of_the_specification() {
        let text = format!("example.com/behind-the-sofa\n20852163\n{ROOT}\n");
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.to_string(), text);
        assert_eq!(Checkpoint::parse(&format!("{text}extension\n")).unwrap(), checkpoint);
    }

    #[test]
    fn malformed_texts_are_refused() {
        for bad in [
            String::new(),
            "\n".into(),
            "a\n1\n".into(),
            format!("a\n1\n{ROOT}"),
            format!("\n1\n{ROOT}\n"),
            format!("a\n\n{ROOT}\n"),
            format!("a\n01\n{ROOT}\n"),
            format!("a\n+1\n{ROOT}\n"),
            format!("a\n-1\n{ROOT}\n"),
            format!("a\n 1\n{ROOT}\n"),
            format!("a\n1 \n{ROOT}\n"),
            format!("a\n0x1\n{ROOT}\n"),
            format!("a\n18446744073709551616\n{ROOT}\n"),
            format!("a\n1\n{}\n", &ROOT[1..]),
            format!("a\n1\n{ROOT}=\n"),
            format!("a\n1\n{ROOT}\n\n"),
            format!("a\n1\n{ROOT}\n\nextension\n"),
            format!("a\n1\n {ROOT}\n"),
            format!("a\n1\n{}\n", ROOT.replace('+', "-").replace('/', "_")),
        ] {
            assert_eq!(Checkpoint::parse(&bad), Err(NoteError::NotACheckpoint), "{bad:?}");
        }
    }

    #[test]
    fn a_remembered_checkpoint_refuses_rollback_fork_and_another_log() {
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let head = |origin: &str, size, root| Checkpoint { origin: origin.into(), size, root };
        let (one, two) = (head("log", 1, a), head("log", 2, node_hash(&a, &b)));
        assert_eq!(one.followed_by(&two, &[b]), Ok(()));
        assert_eq!(head("log", 0, empty_root()).followed_by(&two, &[]), Ok(()));
        assert_eq!(two.followed_by(&one, &[]), Err(FollowError::RolledBack { remembered: 2, shown: 1 }));
        assert_eq!(one.followed_by(&head("other", 2, two.root), &[b]), Err(FollowError::OtherOrigin));
        let forked = Err(FollowError::Forked { remembered: 1, source: ProofError::RootMismatch });
        assert_eq!(one.followed_by(&head("log", 2, node_hash(&b, &a)), &[b]), forked);
        assert_eq!(one.followed_by(&head("log", 1, b), &[]), forked);
    }
}
