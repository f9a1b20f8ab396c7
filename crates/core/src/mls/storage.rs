//! Where the MLS library keeps a group's state: in memory, and erased as soon as it is replaced.
//!
//! The library's own storage frees what it replaces without erasing it, so that the secrets of past epochs stay readable in freed
//! memory for as long as a process runs. Whoever gets an image of that memory later could open recorded calls with them.

use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    OpenMlsProvider,
    storage::{CURRENT_VERSION, StorageProvider, traits},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{cell::RefCell, collections::HashMap, io};
use zeroize::Zeroizing;

/// Bytes that an erased buffer begins with: the private keys of an epoch fit.
const INITIAL_CAPACITY_BYTES: usize = 1024;

/// Cryptography, randomness and storage of one group or key package.
#[derive(Default)]
pub struct Provider {
    crypto: RustCrypto,
    storage: Storage,
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = RustCrypto;
    type RandProvider = RustCrypto;
    type StorageProvider = Storage;

    fn storage(&self) -> &Storage {
        &self.storage
    }

    fn crypto(&self) -> &RustCrypto {
        &self.crypto
    }

    fn rand(&self) -> &RustCrypto {
        &self.crypto
    }
}

/// Why the library's state could not be written or read: a bug of this program, as it is never stored elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("the state of the group: {0}")]
pub struct StorageError(#[from] serde_json::Error);

/// The state of a group, as JSON by kind and key. Values are erased when they are replaced, removed or dropped, and while they
/// are written no copy is left behind, except of leaf nodes and proposals, which are no secrets.
#[derive(Default)]
pub struct Storage {
    values: RefCell<HashMap<Vec<u8>, Zeroizing<Vec<u8>>>>,
}

/// A buffer that erases the former memory when it grows.
#[derive(Default)]
struct Erasing(Zeroizing<Vec<u8>>);

impl io::Write for Erasing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger =
                Zeroizing::new(Vec::with_capacity(needed.max(2 * self.0.capacity()).max(INITIAL_CAPACITY_BYTES)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, StorageError> {
    let mut buffer = Erasing::default();
    serde_json::to_writer(&mut buffer, value)?;
    Ok(buffer.0)
}

impl Storage {
    fn put(&self, kind: &str, key: &impl Serialize, value: &impl Serialize) -> Result<(), StorageError> {
        let (key, value) = (serde_json::to_vec(&(kind, key))?, written(value)?);
        self.values.borrow_mut().insert(key, value);
        Ok(())
    }

    fn find<T: DeserializeOwned>(&self, kind: &str, key: &impl Serialize) -> Result<Option<T>, StorageError> {
        let key = serde_json::to_vec(&(kind, key))?;
        Ok(self.values.borrow().get(&key).map(|value| serde_json::from_slice(value)).transpose()?)
    }

    /// A list that is empty unless it was stored.
    fn list<T: DeserializeOwned>(&self, kind: &str, key: &impl Serialize) -> Result<Vec<T>, StorageError> {
        Ok(self.find(kind, key)?.unwrap_or_default())
    }

    fn remove(&self, kind: &str, key: &impl Serialize) -> Result<(), StorageError> {
        self.values.borrow_mut().remove(&serde_json::to_vec(&(kind, key))?);
        Ok(())
    }

    /// The secrets of the current epoch, as they are stored.
    #[cfg(feature = "test-keys")]
    pub(super) fn epoch_secrets(&self, group: &impl Serialize) -> Option<Zeroizing<Vec<u8>>> {
        self.values.borrow().get(&serde_json::to_vec(&("epoch secrets", group)).ok()?).cloned()
    }
}

/// Methods that store, read or remove one value.
macro_rules! values {
    ($(set $name:ident<$($generic:ident),+>($key:ident, $value:ident) $kind:literal;)+) => {$(
        fn $name<$($generic: traits::$generic<CURRENT_VERSION>),+>(
            &self, key: &$key, value: &$value,
        ) -> Result<(), StorageError> {
            self.put($kind, key, value)
        }
    )+};
    ($(get $name:ident<$($generic:ident),+>($key:ident, $value:ident) $kind:literal;)+) => {$(
        fn $name<$($generic: traits::$generic<CURRENT_VERSION>),+>(
            &self, key: &$key,
        ) -> Result<Option<$value>, StorageError> {
            self.find($kind, key)
        }
    )+};
    ($(delete $name:ident($key:ident) $kind:literal;)+) => {$(
        fn $name<$key: traits::$key<CURRENT_VERSION>>(&self, key: &$key) -> Result<(), StorageError> {
            self.remove($kind, key)
        }
    )+};
}

/// Methods with the bounds that the library's traits ask for.
macro_rules! methods {
    ($($name:ident<$($generic:ident),+>(&$self:ident, $($arg:ident: $type:ty),+) -> $result:ty $body:block)+) => {$(
        fn $name<$($generic: traits::$generic<CURRENT_VERSION>),+>(
            &$self, $($arg: $type),+
        ) -> Result<$result, StorageError> $body
    )+};
}

impl StorageProvider<CURRENT_VERSION> for Storage {
    type Error = StorageError;

    values! {
        set write_mls_join_config<GroupId, MlsGroupJoinConfig>(GroupId, MlsGroupJoinConfig) "join config";
        set write_tree<GroupId, TreeSync>(GroupId, TreeSync) "tree";
        set write_interim_transcript_hash<GroupId, InterimTranscriptHash>(GroupId, InterimTranscriptHash) "transcript";
        set write_context<GroupId, GroupContext>(GroupId, GroupContext) "context";
        set write_confirmation_tag<GroupId, ConfirmationTag>(GroupId, ConfirmationTag) "confirmation";
        set write_group_state<GroupState, GroupId>(GroupId, GroupState) "state";
        set write_message_secrets<GroupId, MessageSecrets>(GroupId, MessageSecrets) "message secrets";
        set write_resumption_psk_store<GroupId, ResumptionPskStore>(GroupId, ResumptionPskStore) "resumption";
        set write_own_leaf_index<GroupId, LeafNodeIndex>(GroupId, LeafNodeIndex) "own index";
        set write_group_epoch_secrets<GroupId, GroupEpochSecrets>(GroupId, GroupEpochSecrets) "epoch secrets";
        set write_signature_key_pair<SignaturePublicKey, SignatureKeyPair>(SignaturePublicKey, SignatureKeyPair) "signature";
        set write_encryption_key_pair<EncryptionKey, HpkeKeyPair>(EncryptionKey, HpkeKeyPair) "encryption";
        set write_key_package<HashReference, KeyPackage>(HashReference, KeyPackage) "key package";
        set write_psk<PskId, PskBundle>(PskId, PskBundle) "psk";
    }

    values! {
        get mls_group_join_config<GroupId, MlsGroupJoinConfig>(GroupId, MlsGroupJoinConfig) "join config";
        get tree<GroupId, TreeSync>(GroupId, TreeSync) "tree";
        get interim_transcript_hash<GroupId, InterimTranscriptHash>(GroupId, InterimTranscriptHash) "transcript";
        get group_context<GroupId, GroupContext>(GroupId, GroupContext) "context";
        get confirmation_tag<GroupId, ConfirmationTag>(GroupId, ConfirmationTag) "confirmation";
        get group_state<GroupState, GroupId>(GroupId, GroupState) "state";
        get message_secrets<GroupId, MessageSecrets>(GroupId, MessageSecrets) "message secrets";
        get resumption_psk_store<GroupId, ResumptionPskStore>(GroupId, ResumptionPskStore) "resumption";
        get own_leaf_index<GroupId, LeafNodeIndex>(GroupId, LeafNodeIndex) "own index";
        get group_epoch_secrets<GroupId, GroupEpochSecrets>(GroupId, GroupEpochSecrets) "epoch secrets";
        get signature_key_pair<SignaturePublicKey, SignatureKeyPair>(SignaturePublicKey, SignatureKeyPair) "signature";
        get encryption_key_pair<HpkeKeyPair, EncryptionKey>(EncryptionKey, HpkeKeyPair) "encryption";
        get key_package<HashReference, KeyPackage>(HashReference, KeyPackage) "key package";
        get psk<PskBundle, PskId>(PskId, PskBundle) "psk";
    }

    values! {
        delete delete_own_leaf_nodes(GroupId) "own leaves";
        delete delete_group_config(GroupId) "join config";
        delete delete_tree(GroupId) "tree";
        delete delete_confirmation_tag(GroupId) "confirmation";
        delete delete_group_state(GroupId) "state";
        delete delete_context(GroupId) "context";
        delete delete_interim_transcript_hash(GroupId) "transcript";
        delete delete_message_secrets(GroupId) "message secrets";
        delete delete_all_resumption_psk_secrets(GroupId) "resumption";
        delete delete_own_leaf_index(GroupId) "own index";
        delete delete_group_epoch_secrets(GroupId) "epoch secrets";
        delete delete_signature_key_pair(SignaturePublicKey) "signature";
        delete delete_encryption_key_pair(EncryptionKey) "encryption";
        delete delete_key_package(HashReference) "key package";
        delete delete_psk(PskId) "psk";
    }

    methods! {
        append_own_leaf_node<GroupId, LeafNode>(&self, group: &GroupId, leaf: &LeafNode) -> () {
            let mut leaves: Vec<serde_json::Value> = self.list("own leaves", group)?;
            leaves.push(serde_json::to_value(leaf)?);
            self.put("own leaves", group, &leaves)
        }
        own_leaf_nodes<GroupId, LeafNode>(&self, group: &GroupId) -> Vec<LeafNode> {
            self.list("own leaves", group)
        }
        write_encryption_epoch_key_pairs<GroupId, EpochKey, HpkeKeyPair>(
            &self, group: &GroupId, epoch: &EpochKey, leaf: u32, pairs: &[HpkeKeyPair]
        ) -> () {
            self.put("epoch keys", &(group, epoch, leaf), &pairs)
        }
        encryption_epoch_key_pairs<GroupId, EpochKey, HpkeKeyPair>(
            &self, group: &GroupId, epoch: &EpochKey, leaf: u32
        ) -> Vec<HpkeKeyPair> {
            self.list("epoch keys", &(group, epoch, leaf))
        }
        delete_encryption_epoch_key_pairs<GroupId, EpochKey>(
            &self, group: &GroupId, epoch: &EpochKey, leaf: u32
        ) -> () {
            self.remove("epoch keys", &(group, epoch, leaf))
        }
        queue_proposal<GroupId, ProposalRef, QueuedProposal>(
            &self, group: &GroupId, reference: &ProposalRef, proposal: &QueuedProposal
        ) -> () {
            let mut queue: Vec<serde_json::Value> = self.list("proposals", group)?;
            queue.push(serde_json::to_value((reference, proposal))?);
            self.put("proposals", group, &queue)
        }
        queued_proposal_refs<GroupId, ProposalRef>(&self, group: &GroupId) -> Vec<ProposalRef> {
            let queue: Vec<(ProposalRef, serde_json::Value)> = self.list("proposals", group)?;
            Ok(queue.into_iter().map(|(reference, _)| reference).collect())
        }
        queued_proposals<GroupId, ProposalRef, QueuedProposal>(
            &self, group: &GroupId
        ) -> Vec<(ProposalRef, QueuedProposal)> {
            self.list("proposals", group)
        }
        remove_proposal<GroupId, ProposalRef>(&self, group: &GroupId, reference: &ProposalRef) -> () {
            let reference = serde_json::to_value(reference)?;
            let mut queue: Vec<(serde_json::Value, serde_json::Value)> = self.list("proposals", group)?;
            queue.retain(|(queued, _)| *queued != reference);
            self.put("proposals", group, &queue)
        }
        clear_proposal_queue<GroupId, ProposalRef>(&self, group: &GroupId) -> () {
            self.remove("proposals", group)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_buffer_that_grows_keeps_what_was_written() {
        let mut buffer = Erasing::default();
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * INITIAL_CAPACITY_BYTES).collect();
        for piece in bytes.chunks(7) {
            buffer.write_all(piece).unwrap();
        }
        assert_eq!(*buffer.0, bytes);
    }

    #[test]
    fn values_are_kept_by_kind_and_key() {
        let storage = Storage::default();
        for (kind, key, value) in [("a", 1, 10), ("a", 2, 20), ("b", 1, 30), ("a", 1, 40)] {
            storage.put(kind, &key, &value).unwrap();
        }
        storage.remove("a", &2).unwrap();
        let found =
            [("a", 1), ("a", 2), ("b", 1), ("b", 2)].map(|(kind, key)| storage.find::<u32>(kind, &key).unwrap());
        assert_eq!(found, [Some(40), None, Some(30), None]);
    }
}
