//! Admission to a call, decided on this device: a leaf of the group becomes a member on the screen only through the checks
//! here.

use crate::{
    context::Context,
    mls::{GroupError, Leaf},
    view::AlertLevel,
};
use telcon_identity::{
    IdentityError, LoggedDelegation, LoggedDevice, LoggedEntry, LoggedLine, LoggedRing, TrustStore, VerifiedDevice,
};
use telcon_proto::{
    Card,
    message::Logged,
    policy::{Action, allows},
};

/// Why a device is not admitted to a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The certificate or its log entry failed verification.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The group message failed verification.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Everything is authentic, but the device does not belong in this call.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// It was right when it was sent, and something changed meanwhile.
    #[error("{0}")]
    Crossed(&'static str),
    /// A limit of this device is reached.
    #[error("{0}")]
    TooMany(&'static str),
}

impl Refusal {
    /// Whether two messages crossed, so that nobody did wrong.
    pub(crate) fn has_crossed(&self) -> bool {
        matches!(self, Self::Crossed(_))
    }

    /// Whether no honest device or office causes it. What has expired, is of another version, exceeds a limit, crossed another message
    /// on its way, or is a bug of this program accuses nobody.
    pub(crate) fn is_hostile(&self) -> bool {
        match self {
            Self::Identity(IdentityError::Hostile(_)) | Self::Group(GroupError::Hostile(_)) | Self::NotAllowed(_) => {
                true
            }
            Self::Identity(IdentityError::Incompatible(_) | IdentityError::Expired(_) | IdentityError::Misuse(_))
            | Self::Group(GroupError::WrongEpoch { .. } | GroupError::OtherKeyPackage | GroupError::Misuse(_))
            | Self::Crossed(_)
            | Self::TooMany(_) => false,
        }
    }
}

/// Why a call was ended, or a device was not admitted to it, because something did not verify.
pub(crate) struct Problem {
    /// What did not verify.
    pub(crate) refusal: Refusal,
    /// A sentence for the person.
    pub(crate) text: String,
}

impl Problem {
    /// How the sentence is shown: what crossed accuses nobody.
    pub(crate) fn level(&self) -> AlertLevel {
        if self.refusal.has_crossed() { AlertLevel::Amber } else { AlertLevel::Red }
    }
}

/// Verifies a leaf and admits it to the call of `ring`, which was rung for the principal of `on_behalf` and over `line`: its
/// certificates lead to a trusted office, the leaf's key is the certified one, the device belongs in this call, and one of `proofs`
/// shows that its certificate is in the log.
pub(super) fn verify(
    context: &Context<'_>,
    ring: &LoggedRing,
    on_behalf: Option<&LoggedDelegation>,
    line: Option<&LoggedLine>,
    leaf: &Leaf,
    proofs: &[Logged],
) -> Result<LoggedDevice, Refusal> {
    let (trust, fresh_size) = (context.device.trust(), context.fresh_size);
    let device = identify(trust, leaf, context.now_ms())?;
    admit(context, ring, on_behalf, &device)?;
    check_bound(line, &device)?;
    let mut last = Refusal::NotAllowed("a member came without proof that its device is in the log");
    for proof in proofs {
        match trust.verify_device_logged(device.clone(), proof) {
            Ok(logged) => {
                check_fresh(trust, logged.entry(), fresh_size)?;
                return Ok(logged);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// A proof has to lead to a tree of at least `fresh_size` entries of the home office's log
/// ([`telcon_proto::limits::MAX_PROOF_AGE_MS`]): under an old tree a server could show a device what it has hidden from everybody
/// since.
pub(super) fn check_fresh(trust: &TrustStore, entry: &LoggedEntry, fresh_size: u64) -> Result<(), Refusal> {
    if entry.office() == trust.home().domain() && entry.size() < fresh_size {
        return Err(Refusal::NotAllowed("the office proved it with an old state of its log"));
    }
    Ok(())
}

/// Verifies a leaf's certificates and key, without the log.
pub(super) fn identify(trust: &TrustStore, leaf: &Leaf, now_ms: u64) -> Result<VerifiedDevice, Refusal> {
    let device = trust.verify_chain(&leaf.chain, now_ms)?;
    if device.public_key() != leaf.signature_key {
        return Err(Refusal::NotAllowed("a member's key is not the one in its certificate"));
    }
    Ok(device)
}

/// The office's lists are not authenticated, certificates are: what a list showed of a person must be what their certificate
/// says, in everything that a screen shows. Names alone do not tell apart two people with the same title.
pub(super) fn check_shown(shown: &Card, certified: &Card) -> Result<(), Refusal> {
    if shown.is_same_person(certified) && shown != certified {
        return Err(Refusal::NotAllowed(
            "the office's list showed this person with another name, organisation, role or time zone than their certificate has",
        ));
    }
    Ok(())
}

/// Two devices of one person that are in a call: what a screen shows of the person must be the same on both.
pub(super) fn check_same_words(known: &Card, other: &Card) -> Result<(), Refusal> {
    if known.is_same_person(other) && known != other {
        return Err(Refusal::NotAllowed(
            "another device of a person in the call has a certificate with another name, organisation, role or time zone",
        ));
    }
    Ok(())
}

/// A holder's device counts in a call over the line that names it, and in no other: another principal, or a server, that had one
/// certified for the same person adds nobody.
fn check_bound(line: Option<&LoggedLine>, device: &VerifiedDevice) -> Result<(), Refusal> {
    match line {
        Some(line) if allows(device.card().role, Action::HoldLines) => Ok(line.line().check_holder(device)?),
        Some(_) => Ok(()),
        None if device.given_by().is_some() => {
            Err(Refusal::NotAllowed("a device that holds a line was added to a call that is over none"))
        }
        None => Ok(()),
    }
}

/// Admits a verified device to the call of `ring`: the two parties, who acts for them, and staff of their offices who listen.
fn admit(
    context: &Context<'_>,
    ring: &LoggedRing,
    on_behalf: Option<&LoggedDelegation>,
    device: &VerifiedDevice,
) -> Result<(), Refusal> {
    let (card, content) = (device.card(), ring.ring().ring());
    let caller = card.is_same_person(ring.ring().device().card());
    let principal = on_behalf.is_some_and(|delegation| delegation.principal().is_same_person(card));
    let of_their_offices = [&content.from.office, &content.to.office].contains(&&card.office);
    if allows(card.role, Action::Speak) {
        return match caller || principal || card.is_of(&content.to) {
            true => Ok(()),
            false => Err(Refusal::NotAllowed("a speaker who is not a party of this call was added")),
        };
    }
    if allows(card.role, Action::ListenIn) && of_their_offices {
        return Ok(());
    }
    // Who may not listen is in it only by acting for a party.
    let times = [ring.entry().time_ms(), context.now_ms()];
    if caller && on_behalf.is_some() || context.delegations.answering(&content.to, card, &times).is_some() {
        return Ok(());
    }
    Err(Refusal::NotAllowed("a listener of an office without a party in this call was added"))
}
