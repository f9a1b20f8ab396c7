//! An append-only transparency log in the C2SP tlog-tiles layout: append, checkpoints, proofs, verifier.
