//! The newest version of each document that this device has verified, below which it accepts none.

use serde::{Deserialize, Serialize};
use telcon_identity::DocumentHead;
use telcon_proto::DocumentId;

/// Bounds the stored state. The least recently seen are forgotten first: their older versions are then refused by the server alone.
const MAX_KNOWN: usize = 2048;

/// The newest versions that this device has verified.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KnownDocuments(Vec<(DocumentId, DocumentHead)>);

impl KnownDocuments {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The newest version of a document that this device has verified.
    pub fn get(&self, document: &DocumentId) -> Option<&DocumentHead> {
        self.0.iter().find(|(known, _)| known == document).map(|(_, head)| head)
    }

    /// Remembers a version that was verified to follow the one that is known. Returns whether it is newer.
    pub(crate) fn saw(&mut self, document: DocumentId, head: DocumentHead) -> bool {
        let before = self.0.iter().position(|(known, _)| *known == document).map(|at| self.0.remove(at).1);
        if before.is_none() && self.0.len() >= MAX_KNOWN {
            self.0.remove(0);
        }
        self.0.push((document, before.filter(|before| before.version > head.version).unwrap_or(head)));
        before.is_none_or(|before| before.version < head.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_proto::Digest;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn head(version: u32) -> DocumentHead {
        DocumentHead { version, statement_sha256: Digest::from_bytes([version as u8; 32]) }
    }

    #[test]
    fn the_newest_version_is_known_and_the_least_recent_documents_are_forgotten() {
        let mut known = KnownDocuments::default();
        let id = |n: u16| DocumentId::from_bytes([&n.to_be_bytes()[..], &[0; 14]].concat().try_into().unwrap());
        assert!(known.saw(id(0), head(2)) && !known.saw(id(0), head(1)) && known.saw(id(0), head(3)));
        assert_eq!(known.get(&id(0)), Some(&head(3)));
        for n in 1..=MAX_KNOWN as u16 {
            known.saw(id(n), head(1));
        }
        assert_eq!((known.get(&id(0)), known.get(&id(1))), (None, Some(&head(1))));
        let stored = serde_json::to_string(&known).unwrap();
        assert_eq!(serde_json::from_str::<KnownDocuments>(&stored).unwrap().0, known.0);
    }
}
