//! Lines that a delegate offers for a principal.
//!
//! The offer is an invitation of the principal's, made on the delegate's device. The delegate attests which device asked; a device of the
//! principal approves it, as of an offer of their own ([`Switchboard::may_bind`]). It concerns the principal, those who may change their
//! lines, and security officers.

use super::{
    Switchboard,
    port::{Effects, NewAttestation, SessionId},
};
use crate::store::{AttestationRow, InvitationRow, OfferedForRow, Write};
use std::collections::BTreeSet;
use telcon_identity::CLOCK_TOLERANCE_S;
use telcon_proto::{
    DelegationId, DeviceId, InvitationId, PersonId,
    attestation::{Attested, OfferedFor},
    delegation::{Act, OnBehalf},
    entry::InvitationClosed,
    message::RefusalCode,
};

impl Switchboard {
    /// Whether the device of a connection may offer lines for anybody.
    pub fn may_offer_for_others(&self, session: SessionId) -> bool {
        let from = self.context.directory.session(session);
        from.is_some_and(|from| !self.context.delegations.lines_for(from.card.person).is_empty())
    }

    /// A delegate offers a line for a principal, by an id that the store does not have.
    pub(super) fn offer_line(&mut self, session: SessionId, row: InvitationRow, on_behalf: OnBehalf, now_ms: u64) {
        let Some(from) = self.context.directory.session(session) else { return };
        match self.context.delegations.for_act(&on_behalf, Act::Lines, &from.card, now_ms) {
            Ok(under) => {
                let offered_for = Some(OfferedForRow { principal: under.principal, on_behalf });
                self.invite(session, InvitationRow { offered_for, ..row }, now_ms);
            }
            Err(text) => self.context.refuse(session, None, RefusalCode::NotAllowed, text),
        }
    }

    /// A delegate compared the code of the device that asked with their offer. What was signed was verified, unless `new` says why not.
    pub fn attest_holder(&mut self, session: SessionId, new: Result<NewAttestation, String>, now_ms: u64) -> Effects {
        match new.and_then(|new| self.may_attest(session, &new, now_ms).map(|()| new)) {
            Ok(NewAttestation { content, by, statement, delegation }) => {
                let row = AttestationRow { by, at_ms: now_ms, statement, delegation };
                self.context.write(Write::Attestation(content.invitation, Box::new(row.clone())));
                if let Some(open) = self.invitations.open.get_mut(&content.invitation) {
                    open.attestation = Some(row);
                }
                self.tell_changed(content.invitation);
            }
            Err(text) => self.context.refuse(session, None, RefusalCode::NotAllowed, &text),
        }
        self.finish(now_ms)
    }

    /// A delegation counts no more: lines that were offered under it are closed. Where the delegate has said already who took one, the
    /// principal decides.
    pub(super) fn close_offers_under(&mut self, delegation: DelegationId, principal: PersonId, now_ms: u64) {
        let waits = |id: &InvitationId| {
            let row = self.invitations.open.get(id).filter(|row| row.attestation.is_none());
            row.and_then(|row| row.offered_for.as_ref()).is_some_and(|for_| for_.on_behalf.delegation == delegation)
        };
        let ids: Vec<_> = self.invitations.offered_by(principal).filter(waits).collect();
        for id in ids {
            self.close(id, InvitationClosed::Expired, None, now_ms);
        }
    }

    fn may_attest(&self, session: SessionId, new: &NewAttestation, now_ms: u64) -> Result<(), String> {
        let content = &new.content;
        let signer = self.context.directory.session(session).filter(|session| session.device == new.by);
        let signer = signer.ok_or("who took a line is stated by the device that signed it")?;
        if content.at_ms.abs_diff(now_ms) > CLOCK_TOLERANCE_S * 1000 {
            return Err("this device's clock differs from the office's: set it, then try again".into());
        }
        let row = self.invitations.open.get(&content.invitation).ok_or("this invitation is closed already")?;
        let offered = row.offered_for.as_ref().ok_or("this line was not offered for somebody else")?;
        if row.made_by != new.by {
            return Err("this line was offered on another device, which alone can verify what was asked".into());
        }
        if row.attestation.is_some() {
            return Err("the principal was told already who took this line: they have to confirm it".into());
        }
        let under = self.context.delegations.for_act(&content.on_behalf, Act::Lines, &signer.card, now_ms)?;
        let principal = self.context.directory.person(offered.principal);
        let same = under.principal == offered.principal
            && content.on_behalf == offered.on_behalf
            && row.device == Some(content.device)
            && row.card == content.holder
            && row.line.as_ref() == Some(&content.terms);
        if !same || principal.is_none_or(|known| **known != content.principal) {
            return Err("what was signed is not the line that was offered: withdraw it and offer another".into());
        }
        Ok(())
    }

    /// Whether a principal's device may approve the device that took a line which a delegate offered for that principal.
    pub(super) fn may_confirm(
        &self,
        by: &DeviceId,
        row: &InvitationRow,
        offered: &OfferedForRow,
    ) -> Result<(), String> {
        if self.context.directory.card(by).is_none_or(|card| card.person != offered.principal) {
            return Err("this line was offered for somebody else, who has to confirm it".into());
        }
        let attested = row.attestation.as_ref().ok_or("whoever offered this line has not compared the code yet")?;
        match self.context.directory.device(&attested.by).is_some_and(super::Device::is_valid) {
            true => Ok(()),
            false => Err("the device that offered this line was revoked: refuse it, and give another".into()),
        }
    }

    /// Who sees an offer beside security officers: the person whose line it is, and those who may change that person's lines where one
    /// of them offered it.
    pub(super) fn sees_offer(&self, row: &InvitationRow) -> BTreeSet<PersonId> {
        let Some(giver) = self.giver(row).filter(|_| row.line.is_some()) else { return BTreeSet::new() };
        let mut sees = match row.offered_for {
            Some(_) => self.context.delegations.line_delegates(giver),
            None => BTreeSet::new(),
        };
        sees.insert(giver);
        sees
    }

    /// The open offers that a person sees who is no security officer.
    pub(super) fn offers_seen_by(&self, person: PersonId) -> Vec<InvitationId> {
        let own = self.invitations.offered_by(person).collect::<Vec<_>>();
        let others = self.context.delegations.lines_for(person);
        let others = others.into_iter().flat_map(|principal| self.invitations.offered_by(principal));
        let delegated = others.filter(|id| self.invitations.open.get(id).is_some_and(|row| row.offered_for.is_some()));
        own.into_iter().chain(delegated).collect()
    }

    /// For whom a delegate offers a line, as everybody who sees it is told.
    pub(super) fn offered_for(&self, row: &InvitationRow) -> Option<OfferedFor> {
        let offered = row.offered_for.as_ref()?;
        let directory = &self.context.directory;
        Some(OfferedFor {
            principal: directory.person(offered.principal).map(|card| (**card).clone())?,
            delegate: directory.card(&row.made_by).map(|card| (**card).clone())?,
            attested: row.attestation.as_ref().map(|row| Attested {
                statement: row.statement.clone(),
                delegation: row.delegation.clone(),
                at_ms: row.at_ms,
            }),
        })
    }
}
