//! Admission to a call, decided on this device: a leaf of the group becomes a member on the screen only through the checks
//! here.

use crate::mls::{GroupError, Leaf};
use telcon_identity::{IdentityError, LoggedDevice, LoggedRing, Office, VerifiedDevice};
use telcon_proto::{Role, message::Logged};

/// Why a device is not admitted to a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The certificate, or its log entry, does not hold.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The group message does not hold.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Everything is authentic, but the device does not belong in this call.
    #[error("{0}")]
    NotAllowed(&'static str),
}

/// Verifies a leaf and admits it to the call of `ring`: its certificates lead to the office, the leaf's key is the certified
/// one, the device belongs in this call, and one of `proofs` shows that its certificate is in the log.
pub(super) fn verify(
    office: &Office,
    ring: &LoggedRing,
    leaf: &Leaf,
    proofs: &[Logged],
    now_ms: u64,
) -> Result<LoggedDevice, Refusal> {
    let device = identify(office, leaf, now_ms)?;
    admit(ring, &device)?;
    let mut last = Refusal::NotAllowed("a member came without proof that its device is in the log");
    for proof in proofs {
        match office.verify_device_logged(device.clone(), proof) {
            Ok(logged) => return Ok(logged),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Verifies a leaf's certificates and key, without the log.
pub(super) fn identify(office: &Office, leaf: &Leaf, now_ms: u64) -> Result<VerifiedDevice, Refusal> {
    let device = office.verify_chain(&leaf.chain, now_ms)?;
    if device.public_key() != leaf.signature_key {
        return Err(Refusal::NotAllowed("a member's key is not the one in its certificate"));
    }
    Ok(device)
}

/// Admits a verified device to the call of `ring`: the two parties, and staff who listen.
fn admit(ring: &LoggedRing, device: &VerifiedDevice) -> Result<(), Refusal> {
    let card = device.card();
    let party = card.person == ring.ring().device().card().person || card.person == ring.ring().ring().to;
    match card.role {
        Role::Principal | Role::Counterpart if party => Ok(()),
        Role::DutyOfficer | Role::NoteTaker => Ok(()),
        Role::Principal | Role::Counterpart => {
            Err(Refusal::NotAllowed("somebody whom this call is not between was added to it"))
        }
    }
}
