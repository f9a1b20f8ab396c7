//! Joining a group: this device's key package, and the welcome that answers it.

use super::{
    GroupError, Leaf, capabilities, group::CallGroup, hostile, join_config, misuse, read, storage::Provider, write,
};
use crate::device::{Device, MlsSigner, ciphersuite};
use openmls::prelude::{
    ApplicationIdExtension, Extension, Extensions, KeyPackage, MlsMessageBodyIn, MlsMessageOut, StagedWelcome,
    WelcomeError,
};
use telcon_proto::{CallId, SuiteName};

/// A fresh key package of this device, waiting for its welcome.
pub struct PendingJoin {
    provider: Provider,
    signer: MlsSigner,
    key_package: Vec<u8>,
}

impl PendingJoin {
    /// Creates a key package for `call`, which its leaf names (application_id, RFC 9420, section 5.3.3).
    pub fn new(device: &Device, call: CallId) -> Result<Self, GroupError> {
        let provider = Provider::default();
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

    /// Processes the welcome for `call`. `check` is given every member, this device included, before the group is used. Works
    /// once: the group takes this device's private keys.
    ///
    /// # Errors
    /// When the welcome is malformed or of another call or suite, or `check` refuses a member.
    pub fn join<E>(
        &mut self,
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
        let staged = StagedWelcome::new_from_welcome(&self.provider, &join_config(), welcome, None);
        let staged = staged.map_err(|error| match error {
            WelcomeError::NoMatchingKeyPackage => GroupError::OtherKeyPackage,
            error => hostile(error),
        })?;
        if staged.group_context().group_id().as_slice() != call.as_bytes() {
            return Err(GroupError::Hostile("a welcome to another call".into()).into());
        }
        if staged.group_context().ciphersuite() != ciphersuite(suite) {
            return Err(GroupError::Hostile("a welcome to a call of another suite".into()).into());
        }
        let group = staged.into_group(&self.provider).map_err(hostile)?;
        let group = CallGroup::joined(std::mem::take(&mut self.provider), self.signer.clone(), suite, group);
        check(&group.members()?)?;
        Ok(group)
    }
}
