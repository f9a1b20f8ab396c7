//! Key packages as the member sees them that adds a device.

use super::{GroupError, Leaf, hostile, leaf, misuse, read, storage::Provider};
use crate::device::ciphersuite;
use openmls::prelude::{
    ApplicationIdExtension, KeyPackage, KeyPackageIn, LeafNodeIndex, MlsMessageBodyIn, ProtocolVersion,
};
use openmls_traits::{OpenMlsProvider, crypto::OpenMlsCrypto};
use telcon_proto::{CallId, SuiteName};

/// A validated key package (RFC 9420, section 10.1), with the leaf that it would add.
pub struct Joiner {
    pub(super) package: KeyPackage,
    pub(super) reference: Vec<u8>,
    /// The leaf; its index is meaningless before it is added.
    pub leaf: Leaf,
}

/// Validates a key package for `call` and `suite`.
pub fn read_key_package(bytes: &[u8], call: CallId, suite: SuiteName) -> Result<Joiner, GroupError> {
    let MlsMessageBodyIn::KeyPackage(package) = read(bytes)?.extract() else {
        return Err(GroupError::Hostile("not a key package".into()));
    };
    let provider = Provider::default();
    let package: KeyPackageIn = package;
    let package = package.validate(provider.crypto(), ProtocolVersion::Mls10).map_err(hostile)?;
    if package.ciphersuite() != ciphersuite(suite) {
        return Err(GroupError::Hostile("a key package of another suite".into()));
    }
    let leaf = new_leaf(&package, call.as_bytes())?;
    let reference = reference(&package, provider.crypto())?;
    Ok(Joiner { package, reference, leaf })
}

/// The leaf that a key package for this call would add.
pub(super) fn new_leaf(package: &KeyPackage, call: &[u8]) -> Result<Leaf, GroupError> {
    let node = package.leaf_node();
    if node.extensions().application_id().map(ApplicationIdExtension::as_slice) != Some(call) {
        return Err(GroupError::Hostile("a key package that was made for another call".into()));
    }
    leaf(LeafNodeIndex::new(0), node.credential(), node.signature_key().as_slice())
}

/// KeyPackageRef (RFC 9420, section 5.2).
pub(super) fn reference(package: &KeyPackage, crypto: &impl OpenMlsCrypto) -> Result<Vec<u8>, GroupError> {
    package.hash_ref(crypto).map(|reference| reference.as_slice().to_vec()).map_err(misuse)
}
