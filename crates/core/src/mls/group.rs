//! The MLS group of one call on this device.

use super::{
    GroupError, Leaf, PAST_EPOCHS, capabilities, hostile,
    key_package::{Joiner, new_leaf, reference},
    leaf, misuse,
    phrase::{self, Phrase},
    read,
    storage::Provider,
    wire_policy, write,
};
use crate::{
    device::{Device, MlsSigner, ciphersuite},
    media::sframe::{BaseKey, KEY_LEN},
};
use openmls::prelude::{
    Extensions, GroupId, LeafNodeIndex, MlsGroup, MlsGroupCreateConfig, ProcessedMessageContent, ProtocolMessage,
    StagedCommit,
};
use openmls_traits::OpenMlsProvider;
use std::collections::BTreeSet;
use telcon_proto::{CallId, SuiteName, limits::MAX_MEMBERS};
use zeroize::Zeroizing;

/// Exporter labels (RFC 9420, section 8.5); the first is of RFC 9605, section 5.2.
const SFRAME_LABEL: &str = "SFrame 1.0 Base Key";
const PHRASE_LABEL: &str = "Telcon phrase";

/// A commit of this device that the switchboard has not ordered yet.
pub struct OwnCommit {
    /// The epoch it was made in.
    pub epoch: u64,
    /// The commit as an MLSMessage.
    pub commit: Vec<u8>,
    /// The welcome, if it adds somebody.
    pub welcome: Option<Vec<u8>>,
}

/// The epoch that a pending commit leads to.
pub struct NextEpoch {
    /// Its number.
    pub number: u64,
    /// [`CallGroup::sframe_base_key`] of that epoch.
    pub sframe_base_key: BaseKey,
    /// [`CallGroup::phrase`] of that epoch.
    pub phrase: Phrase,
}

/// A verified message of another member.
pub enum Incoming {
    /// A commit, verified but not merged.
    Commit(Box<StagedChange>),
    /// An application message.
    Application {
        /// Its epoch: the current one, or a recent one.
        epoch: u64,
        /// Leaf index of its authenticated sender.
        leaf: u32,
        /// The decrypted message.
        bytes: Vec<u8>,
    },
}

/// A commit that MLS verified and that the caller has not authorised yet.
pub struct StagedChange {
    staged: StagedCommit,
    /// Leaf index of the committer.
    pub committer: u32,
    /// Leaves that it adds (indices are not assigned yet).
    pub added: Vec<Leaf>,
    references: Vec<Vec<u8>>,
    /// Leaf indices that it removes.
    pub removed: Vec<u32>,
}

/// The group of one call on this device.
pub struct CallGroup {
    provider: Provider,
    signer: MlsSigner,
    suite: SuiteName,
    group: MlsGroup,
    /// References of the key packages that were used while this device was in the call.
    used: BTreeSet<Vec<u8>>,
    /// References of the key packages in this device's pending commit.
    pending: Vec<Vec<u8>>,
}

impl CallGroup {
    pub(super) fn joined(provider: Provider, signer: MlsSigner, suite: SuiteName, group: MlsGroup) -> Self {
        Self { provider, signer, suite, group, used: BTreeSet::new(), pending: Vec::new() }
    }

    /// Creates the group of a call, with this device as its only member.
    pub fn create(device: &Device, call: CallId, suite: SuiteName) -> Result<Self, GroupError> {
        let provider = Provider::default();
        let signer = device.signer();
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(ciphersuite(suite))
            .wire_format_policy(wire_policy())
            .use_ratchet_tree_extension(true)
            .max_past_epochs(PAST_EPOCHS)
            .capabilities(capabilities(suite))
            .with_group_context_extensions(Extensions::default())
            .build();
        let id = GroupId::from_slice(call.as_bytes());
        let group =
            MlsGroup::new_with_group_id(&provider, &signer, &config, id, device.credential()).map_err(misuse)?;
        Ok(Self { provider, signer, suite, group, used: BTreeSet::new(), pending: Vec::new() })
    }

    /// The current epoch.
    pub fn epoch(&self) -> u64 {
        self.group.epoch().as_u64()
    }

    /// This device's leaf index.
    pub fn own_index(&self) -> u32 {
        self.group.own_leaf_index().u32()
    }

    /// All members, this device included.
    pub fn members(&self) -> Result<Vec<Leaf>, GroupError> {
        self.group.members().map(|member| leaf(member.index, &member.credential, &member.signature_key)).collect()
    }

    /// Whether this key package was used before.
    pub fn was_used(&self, joiner: &Joiner) -> bool {
        self.used.contains(&joiner.reference)
    }

    /// Commits the removal of `removed` and the addition of `added` in one epoch. The group changes only with
    /// [`CallGroup::confirm`].
    pub fn commit(&mut self, added: Vec<Joiner>, removed: &[u32]) -> Result<OwnCommit, GroupError> {
        let size = self.group.members().count() - removed.len() + added.len();
        if size > MAX_MEMBERS {
            return Err(GroupError::Misuse(format!("a call has at most {MAX_MEMBERS} members")));
        }
        let epoch = self.epoch();
        let pending = added.iter().map(|joiner| joiner.reference.clone()).collect();
        let bundle = self
            .group
            .commit_builder()
            .force_self_update(true)
            .propose_removals(removed.iter().map(|index| LeafNodeIndex::new(*index)))
            .propose_adds(added.into_iter().map(|joiner| joiner.package))
            .load_psks(self.provider.storage())
            .map_err(misuse)?
            .build(self.provider.rand(), self.provider.crypto(), &self.signer, |_| true)
            .map_err(misuse)?
            .stage_commit(&self.provider)
            .map_err(misuse)?;
        self.pending = pending;
        let (commit, welcome, _) = bundle.into_messages();
        let welcome = welcome.as_ref().map(write).transpose()?;
        Ok(OwnCommit { epoch, commit: write(&commit)?, welcome })
    }

    /// The epoch of this device's pending commit.
    pub fn pending_epoch(&self) -> Result<NextEpoch, GroupError> {
        let staged = self.group.pending_commit().ok_or_else(|| misuse("no commit is pending"))?;
        let export = |label: &str, len| {
            staged.export_secret(self.provider.crypto(), label, b"", len).map(Zeroizing::new).map_err(misuse)
        };
        Ok(NextEpoch {
            number: staged.epoch().as_u64(),
            sframe_base_key: base_key(&export(SFRAME_LABEL, KEY_LEN)?)?,
            phrase: spoken(&export(PHRASE_LABEL, phrase::SECRET_LEN)?)?,
        })
    }

    /// The switchboard accepted this device's commit: enters its epoch.
    pub fn confirm(&mut self) -> Result<(), GroupError> {
        self.group.merge_pending_commit(&self.provider).map_err(misuse)?;
        self.used.extend(std::mem::take(&mut self.pending));
        Ok(())
    }

    /// The switchboard accepted another commit instead: drops this device's.
    pub fn discard(&mut self) -> Result<(), GroupError> {
        self.group.clear_pending_commit(self.provider.storage()).map_err(misuse)
    }

    /// Verifies a message of another member. A commit is not merged yet.
    pub fn process(&mut self, bytes: &[u8]) -> Result<Incoming, GroupError> {
        let message: ProtocolMessage = read(bytes)?.try_into_protocol_message().map_err(hostile)?;
        if message.group_id() != self.group.group_id() {
            return Err(GroupError::Hostile("a message of another call".into()));
        }
        let (got, have) = (message.epoch().as_u64(), self.epoch());
        let handshake = !matches!(message, ProtocolMessage::PrivateMessage(_));
        if handshake && got != have {
            return Err(GroupError::WrongEpoch { got, have });
        }
        let processed = self.group.process_message(&self.provider, message).map_err(hostile)?;
        let openmls::prelude::Sender::Member(sender) = *processed.sender() else {
            return Err(GroupError::Hostile("a message from outside the call".into()));
        };
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => {
                Ok(Incoming::Application { epoch: got, leaf: sender.u32(), bytes: message.into_bytes() })
            }
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                let (mut added, mut references) = (Vec::new(), Vec::new());
                for add in staged.add_proposals() {
                    let package = add.add_proposal().key_package();
                    added.push(new_leaf(package, self.group.group_id().as_slice())?);
                    references.push(reference(package, self.provider.crypto())?);
                }
                if references.iter().any(|reference| self.used.contains(reference)) {
                    return Err(GroupError::Hostile("a key package that was used before".into()));
                }
                let removed = staged.remove_proposals().map(|r| r.remove_proposal().removed().u32()).collect();
                Ok(Incoming::Commit(Box::new(StagedChange {
                    staged: *staged,
                    committer: sender.u32(),
                    added,
                    references,
                    removed,
                })))
            }
            _ => Err(GroupError::Hostile("a message type that calls do not use".into())),
        }
    }

    /// Merges an authorised commit and enters its epoch.
    pub fn merge(&mut self, change: StagedChange) -> Result<(), GroupError> {
        self.group.merge_staged_commit(&self.provider, change.staged).map_err(hostile)?;
        self.used.extend(change.references);
        Ok(())
    }

    /// Whether this device was removed.
    pub fn is_removed(&self) -> bool {
        !self.group.is_active()
    }

    /// Encrypts an application message to all members.
    pub fn encrypt(&mut self, bytes: &[u8]) -> Result<Vec<u8>, GroupError> {
        write(&self.group.create_message(&self.provider, &self.signer, bytes).map_err(misuse)?)
    }

    /// SFrame base key of the epoch (RFC 9605, section 5.2).
    pub fn sframe_base_key(&self) -> Result<BaseKey, GroupError> {
        base_key(&self.export(SFRAME_LABEL, KEY_LEN)?)
    }

    /// The spoken phrase of the epoch.
    pub fn phrase(&self) -> Result<Phrase, GroupError> {
        spoken(&self.export(PHRASE_LABEL, phrase::SECRET_LEN)?)
    }

    /// The epoch authenticator (RFC 9420, section 8.7): equal on all members that agree; the record contains it.
    pub fn epoch_authenticator(&self) -> Vec<u8> {
        self.group.epoch_authenticator().as_slice().to_vec()
    }

    /// The suite of the call.
    pub fn suite(&self) -> SuiteName {
        self.suite
    }

    /// The secrets of the epoch, as they are stored.
    #[cfg(feature = "test-keys")]
    pub(crate) fn epoch_secrets(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.provider.storage().epoch_secrets(self.group.group_id())
    }

    fn export(&self, label: &str, len: usize) -> Result<Zeroizing<Vec<u8>>, GroupError> {
        self.group.export_secret(self.provider.crypto(), label, b"", len).map(Zeroizing::new).map_err(misuse)
    }
}

fn base_key(secret: &[u8]) -> Result<BaseKey, GroupError> {
    let mut key = Box::new(Zeroizing::new([0; KEY_LEN]));
    if secret.len() != KEY_LEN {
        return Err(misuse("an exported secret of another length"));
    }
    key.copy_from_slice(secret);
    Ok(key)
}

fn spoken(secret: &[u8]) -> Result<Phrase, GroupError> {
    Ok(phrase::phrase(secret.try_into().map_err(misuse)?))
}
