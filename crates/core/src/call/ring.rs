//! The ring that opened a call.

use super::admission::{self, Refusal};
use crate::context::Context;
use telcon_identity::{LoggedDelegation, LoggedRing};
use telcon_proto::Card;

/// A verified ring whose opening is in the log, with the delegation under which it was rung for somebody.
#[derive(Clone)]
pub(super) struct OpenedRing {
    /// The ring, its caller's certificates, and the log entry.
    pub(super) logged: LoggedRing,
    /// The signed ring.
    pub(super) jws: String,
    /// The caller rang for its principal.
    pub(super) on_behalf: Option<LoggedDelegation>,
}

impl OpenedRing {
    /// A ring on somebody's behalf is one only with the delegation that it names, which the office sent before it.
    pub(super) fn new(context: &Context<'_>, logged: LoggedRing, jws: String) -> Result<Self, Refusal> {
        let named = logged.ring().ring().on_behalf;
        let on_behalf = named.and_then(|named| context.delegations.get(named.delegation)).cloned();
        logged.ring().check_delegation(on_behalf.as_ref().map(LoggedDelegation::delegation))?;
        if let Some(delegation) = &on_behalf {
            check_fresh(context, delegation)?;
            if delegation.principal().office != logged.ring().device().card().office {
                return Err(Refusal::NotAllowed("it is on behalf of somebody of another office"));
            }
        }
        Ok(Self { logged, jws, on_behalf })
    }

    /// Log index and time (milliseconds since 1970 UTC) of the opening.
    pub(super) fn opened(&self) -> (u64, u64) {
        (self.logged.entry().index(), self.logged.entry().time_ms())
    }

    /// The caller.
    pub(super) fn caller(&self) -> &Card {
        self.logged.ring().device().card()
    }

    /// For whom the caller rang, if not for themselves.
    pub(super) fn principal(&self) -> Option<&Card> {
        self.on_behalf.as_ref().map(LoggedDelegation::principal)
    }
}

/// The proofs of a delegation are under the newest state of the log.
pub(super) fn check_fresh(context: &Context<'_>, delegation: &LoggedDelegation) -> Result<(), Refusal> {
    let trust = context.device.trust();
    delegation.entries().into_iter().try_for_each(|entry| admission::check_fresh(trust, entry, context.fresh_size))
}
