//! The MLS group of one call (RFC 9420), with `openmls`.
//!
//! This wrapper keeps three rules that a group alone does not have: every member's leaf carries an X.509 credential
//! whose key is the leaf's own; nothing changes before the caller has checked whom a commit adds; and of every
//! change the caller learns who came and who went. A fourth is about time: a key package names the call that it was made for
//! and adds a device once, so that a server that kept one cannot show somebody as joined who is not there.

use crate::{
    device::{Device, MlsSigner, ciphersuite},
    phrase::{self, Phrase},
    sframe::KEY_LEN,
};
use openmls::prelude::{
    ApplicationIdExtension, BasicCredentialError, Capabilities, CredentialType, Extension, Extensions, GroupId,
    KeyPackage, KeyPackageIn, LeafNodeIndex, MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig, MlsMessageBodyIn,
    MlsMessageIn, MlsMessageOut, PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProcessedMessageContent, ProtocolMessage,
    ProtocolVersion, StagedCommit, StagedWelcome, WireFormatPolicy, tls_codec::Deserialize as _,
};
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::{OpenMlsProvider, crypto::OpenMlsCrypto};
use std::collections::BTreeSet;
use telcon_proto::{CallId, SuiteName, limits::MAX_MEMBERS};
use zeroize::Zeroizing;

/// Application messages of the epoch before are still read: captions do not stop for a joiner.
const PAST_EPOCHS: usize = 1;

/// Exporter labels (RFC 9420, section 8.5); the first is of RFC 9605, section 5.2.
const SFRAME_LABEL: &str = "SFrame 1.0 Base Key";
const PHRASE_LABEL: &str = "Telcon phrase";

/// Why a group operation failed.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// A message that no honest member or server sends: malformed, forged, of another group, or breaking the rules.
    #[error("refused a group message: {0}")]
    Hostile(String),
    /// A commit for another epoch than the present one: a replay, or one of a pair made at once.
    #[error("a commit for epoch {got} came in epoch {have}")]
    WrongEpoch {
        /// The epoch the commit was made in.
        got: u64,
        /// The present one.
        have: u64,
    },
    /// This program used the group wrongly.
    #[error("group misused: {0}")]
    Misuse(String),
}

impl From<BasicCredentialError> for GroupError {
    fn from(error: BasicCredentialError) -> Self {
        Self::Hostile(error.to_string())
    }
}

fn hostile(error: impl std::fmt::Display) -> GroupError {
    GroupError::Hostile(error.to_string())
}

fn misuse(error: impl std::fmt::Display) -> GroupError {
    GroupError::Misuse(error.to_string())
}

/// A member as its leaf shows it: not yet verified against an office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Leaf index in the ratchet tree.
    pub index: u32,
    /// Certificates of the credential: device, enrolment.
    pub chain: Vec<Vec<u8>>,
    /// The leaf's signature key. Whoever verifies the chain compares it with the certificate's.
    pub signature_key: Vec<u8>,
}

fn leaf(index: LeafNodeIndex, credential: &openmls::prelude::Credential, key: &[u8]) -> Result<Leaf, GroupError> {
    if credential.credential_type() != CredentialType::X509 {
        return Err(GroupError::Hostile("a member without a certificate".into()));
    }
    let chain = telcon_identity::parse_x509_credential(credential.serialized_content()).map_err(hostile)?;
    Ok(Leaf { index: index.u32(), chain, signature_key: key.to_vec() })
}

/// A key package that was read and checked for itself (RFC 9420, section 10.1), with the leaf it would add.
pub struct Joiner {
    package: KeyPackage,
    reference: Vec<u8>,
    /// The leaf; its index is meaningless until it is added.
    pub leaf: Leaf,
}

/// Checks a KeyPackage for `call`, of `suite`.
pub fn read_key_package(bytes: &[u8], call: CallId, suite: SuiteName) -> Result<Joiner, GroupError> {
    let MlsMessageBodyIn::KeyPackage(package) = read(bytes)?.extract() else {
        return Err(GroupError::Hostile("not a key package".into()));
    };
    let provider = OpenMlsRustCrypto::default();
    let package: KeyPackageIn = package;
    let package = package.validate(provider.crypto(), ProtocolVersion::Mls10).map_err(hostile)?;
    if package.ciphersuite() != ciphersuite(suite) {
        return Err(GroupError::Hostile("a key package of another suite".into()));
    }
    let leaf = new_leaf(&package, call.as_bytes())?;
    let reference = reference(&package, provider.crypto())?;
    Ok(Joiner { package, reference, leaf })
}

/// The leaf that a key package for this call adds.
fn new_leaf(package: &KeyPackage, call: &[u8]) -> Result<Leaf, GroupError> {
    let node = package.leaf_node();
    if node.extensions().application_id().map(ApplicationIdExtension::as_slice) != Some(call) {
        return Err(GroupError::Hostile("a key package that was made for another call".into()));
    }
    leaf(LeafNodeIndex::new(0), node.credential(), node.signature_key().as_slice())
}

/// KeyPackageRef (RFC 9420, section 5.2).
fn reference(package: &KeyPackage, crypto: &impl OpenMlsCrypto) -> Result<Vec<u8>, GroupError> {
    package.hash_ref(crypto).map(|reference| reference.as_slice().to_vec()).map_err(misuse)
}

fn read(bytes: &[u8]) -> Result<MlsMessageIn, GroupError> {
    let mut rest = bytes;
    let message = MlsMessageIn::tls_deserialize(&mut rest).map_err(hostile)?;
    if !rest.is_empty() {
        return Err(GroupError::Hostile("bytes after the end of a message".into()));
    }
    Ok(message)
}

fn write(message: &MlsMessageOut) -> Result<Vec<u8>, GroupError> {
    message.to_bytes().map_err(misuse)
}

fn capabilities(suite: SuiteName) -> Capabilities {
    Capabilities::builder().ciphersuites(vec![ciphersuite(suite)]).credentials(vec![CredentialType::X509]).build()
}

/// Handshakes are signed and not encrypted, so that the switchboard can see who commits for which epoch and order
/// them; application messages are always encrypted.
fn wire_policy() -> WireFormatPolicy {
    PURE_PLAINTEXT_WIRE_FORMAT_POLICY
}

fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(wire_policy())
        .use_ratchet_tree_extension(true)
        .max_past_epochs(PAST_EPOCHS)
        .build()
}

/// A device that made a fresh key package and waits for its welcome.
pub struct PendingJoin {
    provider: OpenMlsRustCrypto,
    signer: MlsSigner,
    key_package: Vec<u8>,
}

impl PendingJoin {
    /// Makes a fresh key package for `call`, which its leaf names (application_id, RFC 9420, section 5.3.3).
    pub fn new(device: &Device, call: CallId) -> Result<Self, GroupError> {
        let provider = OpenMlsRustCrypto::default();
        let signer = device.signer();
        let suite = device.office().suite();
        let of_call = Extension::ApplicationId(ApplicationIdExtension::new(call.as_bytes()));
        let bundle = KeyPackage::builder()
            .leaf_node_capabilities(capabilities(suite))
            .leaf_node_extensions(Extensions::single(of_call).map_err(misuse)?)
            .build(ciphersuite(suite), &provider, &signer, device.credential())
            .map_err(misuse)?;
        let key_package = write(&MlsMessageOut::from(bundle.key_package().clone()))?;
        Ok(Self { provider, signer, key_package })
    }

    /// The key package as an MLSMessage.
    pub fn key_package(&self) -> &[u8] {
        &self.key_package
    }

    /// Reads the welcome for `call`. `check` sees every member, this device among them, before the group is used.
    pub fn join<E>(
        self,
        call: CallId,
        suite: SuiteName,
        welcome: &[u8],
        check: impl FnOnce(&[Leaf]) -> Result<(), E>,
    ) -> Result<CallGroup, E>
    where
        E: From<GroupError>,
    {
        let MlsMessageBodyIn::Welcome(welcome) = read(welcome)?.extract() else {
            return Err(GroupError::Hostile("not a welcome".into()).into());
        };
        let staged = StagedWelcome::new_from_welcome(&self.provider, &join_config(), welcome, None).map_err(hostile)?;
        if staged.group_context().group_id().as_slice() != call.as_bytes() {
            return Err(GroupError::Hostile("a welcome to another call".into()).into());
        }
        if staged.group_context().ciphersuite() != ciphersuite(suite) {
            return Err(GroupError::Hostile("a welcome to a call of another suite".into()).into());
        }
        let group = staged.into_group(&self.provider).map_err(hostile)?;
        let (used, pending) = (BTreeSet::new(), Vec::new());
        let group = CallGroup { provider: self.provider, signer: self.signer, suite, group, used, pending };
        check(&group.members()?)?;
        Ok(group)
    }
}

/// A commit of this device that waits for the switchboard's order.
pub struct OwnCommit {
    /// The epoch it was made in.
    pub epoch: u64,
    /// The commit as an MLSMessage.
    pub commit: Vec<u8>,
    /// The welcome, if it adds somebody.
    pub welcome: Option<Vec<u8>>,
}

/// What a commit on its way leads to.
pub struct NextEpoch {
    /// Its number.
    pub number: u64,
    /// As [`CallGroup::sframe_base_key`], of that epoch.
    pub sframe_base_key: Zeroizing<[u8; KEY_LEN]>,
    /// As [`CallGroup::phrase`], of that epoch.
    pub phrase: Phrase,
}

/// What another member sent.
pub enum Incoming {
    /// A commit, verified and not merged.
    Commit(Box<StagedChange>),
    /// An application message.
    Application {
        /// Of which epoch it is: this one, or one of the few before.
        epoch: u64,
        /// Leaf index of its authenticated sender.
        leaf: u32,
        /// What it says.
        bytes: Vec<u8>,
    },
}

/// A commit that MLS verified and that nobody has agreed to yet.
pub struct StagedChange {
    staged: StagedCommit,
    /// Who committed.
    pub committer: u32,
    /// Leaves it adds (indices not assigned yet).
    pub added: Vec<Leaf>,
    references: Vec<Vec<u8>>,
    /// Indices that it removes.
    pub removed: Vec<u32>,
}

/// The group of one call on this device.
pub struct CallGroup {
    provider: OpenMlsRustCrypto,
    signer: MlsSigner,
    suite: SuiteName,
    group: MlsGroup,
    /// References of the key packages that added somebody while this device was in the call.
    used: BTreeSet<Vec<u8>>,
    /// Those that this device's commit on its way adds.
    pending: Vec<Vec<u8>>,
}

impl CallGroup {
    /// Starts the group of a call with this device alone in it.
    pub fn create(device: &Device, call: CallId, suite: SuiteName) -> Result<Self, GroupError> {
        let provider = OpenMlsRustCrypto::default();
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

    /// The present epoch.
    pub fn epoch(&self) -> u64 {
        self.group.epoch().as_u64()
    }

    /// This device's leaf index.
    pub fn own_index(&self) -> u32 {
        self.group.own_leaf_index().u32()
    }

    /// All members, this device among them.
    pub fn members(&self) -> Result<Vec<Leaf>, GroupError> {
        self.group.members().map(|member| leaf(member.index, &member.credential, &member.signature_key)).collect()
    }

    /// Whether a key package added somebody before.
    pub fn was_used(&self, joiner: &Joiner) -> bool {
        self.used.contains(&joiner.reference)
    }

    /// Commits the removal of `removed` and the addition of `added`, in one epoch. The group changes only with
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

    /// The epoch that this device's commit makes, before it is confirmed.
    pub fn pending_epoch(&self) -> Result<NextEpoch, GroupError> {
        let staged = self.group.pending_commit().ok_or_else(|| misuse("no commit is on its way"))?;
        let export = |label: &str, len| {
            staged.export_secret(self.provider.crypto(), label, b"", len).map(Zeroizing::new).map_err(misuse)
        };
        Ok(NextEpoch {
            number: staged.epoch().as_u64(),
            sframe_base_key: base_key(&export(SFRAME_LABEL, KEY_LEN)?)?,
            phrase: spoken(&export(PHRASE_LABEL, phrase::SECRET_LEN)?)?,
        })
    }

    /// The switchboard took this device's commit: enter its epoch.
    pub fn confirm(&mut self) -> Result<(), GroupError> {
        self.group.merge_pending_commit(&self.provider).map_err(misuse)?;
        self.used.extend(std::mem::take(&mut self.pending));
        Ok(())
    }

    /// The switchboard took another commit instead: forget this device's.
    pub fn discard(&mut self) -> Result<(), GroupError> {
        self.group.clear_pending_commit(self.provider.storage()).map_err(misuse)
    }

    /// Verifies a message of another member. A commit is not merged.
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
            _ => Err(GroupError::Hostile("a kind of message that calls do not use".into())),
        }
    }

    /// Enters the epoch of a commit that was agreed to.
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
    pub fn sframe_base_key(&self) -> Result<Zeroizing<[u8; KEY_LEN]>, GroupError> {
        base_key(&self.export(SFRAME_LABEL, KEY_LEN)?)
    }

    /// The phrase of the epoch.
    pub fn phrase(&self) -> Result<Phrase, GroupError> {
        spoken(&self.export(PHRASE_LABEL, phrase::SECRET_LEN)?)
    }

    /// The epoch authenticator (RFC 9420, section 8.7): equal on all members that agree, and kept in the record.
    pub fn epoch_authenticator(&self) -> Vec<u8> {
        self.group.epoch_authenticator().as_slice().to_vec()
    }

    /// The suite of the call.
    pub fn suite(&self) -> SuiteName {
        self.suite
    }

    fn export(&self, label: &str, len: usize) -> Result<Zeroizing<Vec<u8>>, GroupError> {
        self.group.export_secret(self.provider.crypto(), label, b"", len).map(Zeroizing::new).map_err(misuse)
    }
}

fn base_key(secret: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>, GroupError> {
    Ok(Zeroizing::new(secret.try_into().map_err(misuse)?))
}

fn spoken(secret: &[u8]) -> Result<Phrase, GroupError> {
    Ok(phrase::phrase(secret.try_into().map_err(misuse)?))
}
