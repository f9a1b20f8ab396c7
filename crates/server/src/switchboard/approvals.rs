//! Registrars' approvals of devices that asked.
//!
//! Where the charter demands two, the first approval is kept with the invitation and shown to all registrars; it ends with the
//! invitation, or when its registrar is revoked. The second, by another person, enrols the device. How many the charter demands is
//! decided where certificates are verified ([`telcon_identity::Office::verify_chain`]): an [`Approved::Last`] has them all.

use super::{
    Switchboard,
    port::{Approved, Effects, FirstApproved, NewDevice, Output, Refusal, RefusalKind, Reply, RequestId, SessionId},
};
use crate::store::{FirstApprovalRow, InvitationRow, RegistrarRow, Write};
use telcon_proto::{Blob, Card, DeviceId, InvitationId, PersonId, message::RefusalCode};

impl Switchboard {
    /// A registrar approves the device that asked with an invitation. Its certificates were verified, unless `approved` says why
    /// not.
    pub fn approve(
        &mut self,
        session: SessionId,
        request: RequestId,
        invitation: InvitationId,
        approved: Result<Approved, String>,
        now_ms: u64,
    ) -> Effects {
        let Some(by) = self.context.directory.session(session).map(|session| session.device) else {
            let refusal = Refusal::new(RefusalKind::Forbidden, "the registrar is not connected");
            self.context.output(Output::Reply(request, Err(refusal)));
            return self.finish(now_ms);
        };
        let checked = approved.and_then(|approved| {
            match &approved {
                Approved::Holder(new, line) => self.may_bind(&by, invitation, new, line, now_ms)?,
                approved => self.may_approve(&by, invitation, approved)?,
            }
            Ok(approved)
        });
        match checked {
            Ok(Approved::First(first)) => self.keep_first_approval(request, by, invitation, first, now_ms),
            Ok(Approved::Last(new)) => {
                self.enrol_approved(request, new, None, invitation, by, session, now_ms);
            }
            Ok(Approved::Holder(new, line)) => {
                self.enrol_approved(request, new, Some(*line), invitation, by, session, now_ms);
            }
            Err(text) => self.refuse_registrar(session, request, RefusalKind::Forbidden, &text),
        }
        self.finish(now_ms)
    }

    fn keep_first_approval(
        &mut self,
        request: RequestId,
        by: DeviceId,
        invitation: InvitationId,
        first: FirstApproved,
        now_ms: u64,
    ) {
        let row = FirstApprovalRow { by, at_ms: now_ms, chain: first.chain };
        self.context.write(Write::FirstApproval(invitation, Some(Box::new(row.clone()))));
        if let Some(open) = self.invitations.open.get_mut(&invitation) {
            open.first_approval = Some(row);
        }
        self.context.output(Output::Reply(request, Ok(Reply::ApprovedFirst)));
        self.tell_changed(invitation);
    }

    /// The first approvals of a registrar's device that was revoked do not count any more.
    pub(super) fn void_first_approvals(&mut self, device: DeviceId) {
        let is_by = |row: &InvitationRow| row.first_approval.as_ref().is_some_and(|first| first.by == device);
        let found: Vec<InvitationId> =
            self.invitations.open.iter().filter(|(_, row)| is_by(row)).map(|(id, _)| *id).collect();
        for id in found {
            self.context.write(Write::FirstApproval(id, None));
            if let Some(row) = self.invitations.open.get_mut(&id) {
                row.first_approval = None;
            }
            self.tell_changed(id);
        }
    }

    /// Refuses what a registrar asked over its connection, and the driver's request with it.
    pub(super) fn refuse_registrar(&mut self, session: SessionId, request: RequestId, kind: RefusalKind, text: &str) {
        self.context.refuse(session, None, RefusalCode::NotAllowed, text);
        self.context.output(Output::Reply(request, Err(Refusal::new(kind, text))));
    }

    fn may_approve(&self, by: &DeviceId, invitation: InvitationId, approved: &Approved) -> Result<(), String> {
        let row = self.invitations.open.get(&invitation).ok_or("this invitation is closed already")?;
        if row.line.is_some() {
            return Err("this invitation offers a line: the principal who made it approves its device".into());
        }
        let registrar = self.invitations.registrars.get(by).filter(|_| self.may_enrol_role(by, Some(row.card.role)));
        let registrar = registrar.ok_or("this device may not approve devices of people of that role")?;
        let (device, card, chain) = match approved {
            Approved::First(FirstApproved { device, card, chain }) => (device, card, chain),
            Approved::Last(NewDevice { device, card, chain, .. })
            | Approved::Holder(NewDevice { device, card, chain, .. }, _) => (device, card, chain),
        };
        if row.device != Some(*device) || row.card != *card {
            return Err("the certificate is not for the device and person of this invitation".into());
        }
        if chain.last() != Some(&registrar.certificate) {
            return Err("the certificate was issued with another registrar's certificate".into());
        }
        let is_first = matches!(approved, Approved::First(_));
        match (approved, chain.as_slice()) {
            // In every office: one registrar does not recover anybody.
            (Approved::Last(_), [_, _]) if row.recovery.is_some() => {
                Err("two security officers have to approve the device of a recovered person".into())
            }
            _ if row.recovery.is_some() && !is_first && self.recovery_opener(row) != Some(self.person_of(by)?) => {
                Err("the security officer who opened this recovery has to approve the device second".into())
            }
            (Approved::Last(_), [first @ .., _, _]) if !first.is_empty() => self.may_follow(registrar, row, first),
            _ if row.made_by != *by => {
                Err("this invitation was made on another device, which alone can verify what was asked".into())
            }
            _ => Ok(()),
        }
    }

    fn person_of(&self, device: &DeviceId) -> Result<PersonId, String> {
        let card = self.context.directory.card(device).ok_or("this device is not enrolled")?;
        Ok(card.person)
    }

    /// Whether a registrar may approve second: after exactly this approval, of another person who may still enrol this one.
    fn may_follow(&self, registrar: &RegistrarRow, row: &InvitationRow, chain: &[Blob]) -> Result<(), String> {
        let Some(first) = row.first_approval.as_ref().filter(|first| first.chain == chain) else {
            return Err("the first security officer's approval has changed: compare the code and approve again".into());
        };
        let directory = &self.context.directory;
        let is_valid = directory.device(&first.by).is_some_and(super::Device::is_valid);
        if !is_valid || !self.may_enrol_role(&first.by, Some(row.card.role)) {
            return Err("the first security officer's approval does not count any more: refuse this device".into());
        }
        let person = |device: &DeviceId| directory.card(device).map(|card: &std::sync::Arc<Card>| card.person);
        if person(&first.by) == person(&registrar.device) {
            return Err("you approved this device already: a second security officer has to approve it".into());
        }
        Ok(())
    }
}
