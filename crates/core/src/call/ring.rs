//! The ring that opened a call.

use super::admission::{self, Refusal};
use crate::{context::Context, mls::Leaf};
use telcon_identity::{LoggedDelegation, LoggedDevice, LoggedLine, LoggedRing};
use telcon_proto::{Card, Role, message::Logged};

/// A verified ring whose opening is in the log, with the delegation under which it was rung for somebody.
#[derive(Clone)]
pub(super) struct OpenedRing {
    /// The ring, its caller's certificates, and the log entry.
    pub(super) logged: LoggedRing,
    /// The signed ring.
    pub(super) jws: String,
    /// The caller rang for its principal.
    pub(super) on_behalf: Option<LoggedDelegation>,
    /// The version of the line that it names.
    pub(super) line: Option<LoggedLine>,
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
        // Whether it allows the ring is [`OpenedRing::check_line`]'s to say, once the callee's role is known.
        let line = logged.ring().ring().over.and(context.line.get()).cloned();
        Ok(Self { logged, jws, on_behalf, line })
    }

    /// Holds a ring that rings now to the line that it names, and to that it names one if the office's charter demands one between
    /// these two people. Hours and terms are judged by this device's clock.
    pub(super) fn check_line(&self, context: &Context<'_>, callee: Role) -> Result<(), Refusal> {
        self.check_line_at(context, callee, context.now_ms())?;
        let line = self.line.as_ref().map(|line| line.line().content());
        if line.and_then(|line| context.known_lines.newer_than(line)).is_some() {
            return Err(Refusal::Crossed("its line was stopped or changed while it was on its way"));
        }
        Ok(())
    }

    /// The same for the ring of a call that was opened before, as of its opening: its line may have been stopped, or its hours be over,
    /// since.
    pub(super) fn check_line_past(&self, context: &Context<'_>, callee: Role) -> Result<(), Refusal> {
        self.check_line_at(context, callee, self.opened().1)
    }

    fn check_line_at(&self, context: &Context<'_>, callee: Role, at_ms: u64) -> Result<(), Refusal> {
        let (rings, zones) = (context.device.office().rings(), context.zones);
        let verified = self.line.as_ref().map(LoggedLine::line);
        self.logged.ring().check_line(rings, self.principal(), callee, verified, at_ms, &zones)?;
        let Some(line) = &self.line else { return Ok(()) };
        let trust = context.device.trust();
        line.entries().into_iter().try_for_each(|entry| admission::check_fresh(trust, entry, context.fresh_size))?;
        match context.known_lines.newer_than(line.line().content()) {
            Some(newer) if newer.was_logged_at(self.opened().1) => {
                Err(Refusal::NotAllowed("it is over an older version of the line than this device has seen"))
            }
            _ => Ok(()),
        }
    }

    /// Verifies a leaf and admits it to the call that this ring opened; one of `proofs` shows that its certificate is in the log.
    pub(super) fn verify_member(
        &self,
        context: &Context<'_>,
        leaf: &Leaf,
        proofs: &[Logged],
    ) -> Result<LoggedDevice, Refusal> {
        admission::verify(context, &self.logged, self.on_behalf.as_ref(), self.line.as_ref(), leaf, proofs)
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
