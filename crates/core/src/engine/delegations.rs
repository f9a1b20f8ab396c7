//! Acting for somebody: what a principal's device signs, and rings of a delegate's.

use crate::{Engine, io::NewDelegate, view::AlertLevel};
use chacha20::rand_core::Rng as _;
use telcon_identity::{VerifiedDelegation, sign_delegation, sign_delegation_end};
use telcon_proto::{
    ClientMessage, DelegationId, PersonId, RecordMode,
    delegation::{Act, Delegation, DelegationEnd},
    policy::{Action, allows},
};

impl Engine {
    /// The person lets somebody act for them.
    pub(super) fn delegate(&mut self, now_ms: u64, to: NewDelegate) {
        let NewDelegate { delegate, acts, not_before_ms, not_after_ms } = to;
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        let me = self.device.me().card();
        let delegation = Delegation {
            office: me.office.clone(),
            delegation: DelegationId::from_bytes(id),
            principal: me.person,
            delegate,
            acts,
            not_before_ms: not_before_ms.unwrap_or(now_ms),
            not_after_ms,
            at_ms: now_ms,
        };
        let statement = sign_delegation(self.device.key(), self.device.chain(), &delegation);
        // What this device's own rules refuse is not sent.
        match self.device.office().verify_delegation(&statement) {
            Ok(_) => self.send(ClientMessage::Delegate { statement }),
            Err(error) => self.alert(AlertLevel::Amber, format!("Nothing was signed: {error}.")),
        }
    }

    /// The person ends a delegation, of their own or as a security officer.
    pub(super) fn end_delegation(&mut self, now_ms: u64, delegation: DelegationId) {
        let end = DelegationEnd { office: self.device.me().office().clone(), delegation, at_ms: now_ms };
        let statement = sign_delegation_end(self.device.key(), self.device.chain(), &end);
        self.send(ClientMessage::EndDelegation { statement });
    }

    /// The person rings for a principal, under a delegation as the office listed it.
    pub(super) fn ring_for(&mut self, now_ms: u64, person: PersonId, mode: Option<RecordMode>, statement: &str) {
        let me = self.device.me().card();
        if !allows(me.role, Action::ActForPrincipal) {
            return self.alert(AlertLevel::Amber, "People of your role do not ring for others.");
        }
        let verified = self.device.office().verify_delegation(statement);
        let checked = verified.and_then(|known: VerifiedDelegation| {
            known.check(Act::Ring, me, now_ms)?;
            Ok(known)
        });
        match checked {
            Ok(known) if known.principal().person == person => {
                self.alert(AlertLevel::Amber, "You cannot ring somebody for themselves.");
            }
            Ok(known) => self.ring(now_ms, person, mode, Some(known)),
            Err(error) => self.alert(AlertLevel::Amber, format!("You cannot ring for this person: {error}.")),
        }
    }
}
