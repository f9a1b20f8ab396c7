//! MLS (RFC 9420) for calls, with `openmls`.
//!
//! This wrapper enforces three rules beyond a bare MLS group: each member's leaf carries an X.509 credential whose key is
//! the leaf's signature key; no commit is merged before the caller has checked whom it adds; and each change
//! reports to the caller who joined and who left. A fourth prevents replays: a key package names its call and adds a device
//! once, so a server cannot replay a stored one to show an absent device as joined.

pub mod group;
pub mod join;
pub mod key_package;
pub mod phrase;
pub mod storage;

use crate::device::ciphersuite;
use openmls::prelude::{
    BasicCredentialError, Capabilities, CredentialType, LeafNodeIndex, MlsGroupJoinConfig, MlsMessageIn, MlsMessageOut,
    PURE_PLAINTEXT_WIRE_FORMAT_POLICY, WireFormatPolicy, tls_codec::Deserialize as _,
};
use telcon_proto::SuiteName;

/// Application messages of the previous epoch are still decrypted: captions continue while somebody joins.
const PAST_EPOCHS: usize = 1;

/// Why a group operation failed.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// A message that no honest member or server sends: malformed, forged, of another group, or against the rules.
    #[error("refused a group message: {0}")]
    Hostile(String),
    /// A commit for another epoch than the current one: a replay, or one of two concurrent commits.
    #[error("a commit for epoch {got} came in epoch {have}")]
    WrongEpoch {
        /// The epoch the commit was made in.
        got: u64,
        /// The current one.
        have: u64,
    },
    /// A welcome for another key package than the one that this device waits with.
    #[error("the welcome is for another key package")]
    OtherKeyPackage,
    /// A bug in this program: the group was used wrongly.
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

/// A member as its leaf describes it, not yet verified against an office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Leaf index in the ratchet tree.
    pub index: u32,
    /// Certificates of the credential: device, enrolment.
    pub chain: Vec<Vec<u8>>,
    /// The leaf's signature key. The verifier of the chain compares it with the certificate's key.
    pub signature_key: Vec<u8>,
}

fn leaf(index: LeafNodeIndex, credential: &openmls::prelude::Credential, key: &[u8]) -> Result<Leaf, GroupError> {
    if credential.credential_type() != CredentialType::X509 {
        return Err(GroupError::Hostile("a member without a certificate".into()));
    }
    let chain = telcon_identity::parse_x509_credential(credential.serialized_content()).map_err(hostile)?;
    Ok(Leaf { index: index.u32(), chain, signature_key: key.to_vec() })
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

/// Handshakes are signed but not encrypted, so that the switchboard can order commits by epoch and committer; application
/// messages are always encrypted.
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
