//! Invitations: what a registrar's device does, who invites, verifies what new devices ask, and certifies them; where the charter demands
//! two, also what another person's registrar certified first. Those to take a principal's line are verified here too, and what a
//! principal's delegate attests of them; `lines` certifies.

use crate::{
    Engine,
    device::KeptInvitation,
    io::{Output, PersonToInvite},
    view::{AlertLevel, ApprovalView, InvitationView, OfferedForView, RegistrarView, RequestView},
};
use chacha20::rand_core::Rng as _;
use std::collections::BTreeMap;
use telcon_identity::{
    Ask, IdentityError, Registrar, VerifiedApproval, VerifiedAttestation, VerifiedRequest, read_request, verify_request,
};
use telcon_proto::{
    Blob, Card, ClientMessage, DeviceId, Digest, InvitationId, PersonId, http::Registrars, limits::MAX_INVITATION_MS,
    message::OpenInvitation,
};
use zeroize::Zeroizing;

/// What this device knows of invitations.
#[derive(Default)]
pub(super) struct Invitations {
    /// Its appointment, verified.
    registrar: Option<Registrar>,
    /// How often the office reported that devices changed.
    pub(super) devices_changed: u32,
    /// Those that are not closed.
    open: BTreeMap<InvitationId, Open>,
}

/// An invitation as the office sent it.
struct Open {
    invitation: OpenInvitation,
    /// What a device asked with it: verified once, when it came.
    request: Option<Result<VerifiedRequest, String>>,
    /// The first of two registrars' approvals of it, verified.
    first: Option<VerifiedApproval>,
    /// What a delegate's device says of it to this person, who is the principal; verified.
    attested: Option<VerifiedAttestation>,
}

/// What was verified of an open invitation.
#[derive(Default)]
struct Asked {
    request: Option<Result<VerifiedRequest, String>>,
    first: Option<VerifiedApproval>,
    attested: Option<VerifiedAttestation>,
}

impl Asked {
    fn flawed(why: impl Into<String>) -> Self {
        Self { request: Some(Err(why.into())), ..Self::default() }
    }
}

impl Engine {
    /// The office says that this device is a registrar. It is one if the authority certified this device's own key.
    pub(super) fn on_registrar(&mut self, certificate: &Blob, now_ms: u64) {
        let verified = self.device.office().verify_registrar(certificate.as_slice(), now_ms);
        let own = |registrar: &Registrar| {
            registrar.device() == self.device.me().device()
                && registrar.public_key() == self.device.key().public_bytes()
        };
        match verified {
            Ok(registrar) if own(&registrar) => self.invitations.registrar = Some(registrar),
            Ok(_) => {
                self.alert(AlertLevel::Red, "The office's server sent another device's appointment as a registrar.")
            }
            Err(error) => self.alert(AlertLevel::Amber, format!("This device cannot act as a registrar: {error}.")),
        }
    }

    /// The office reports invitations that are new, changed or closed.
    pub(super) fn on_invitations(&mut self, changed: Vec<OpenInvitation>, closed: &[InvitationId], now_ms: u64) {
        for invitation in changed {
            let Asked { request, first, attested } = self.verified(&invitation, now_ms);
            self.invitations.open.insert(invitation.invitation, Open { invitation, request, first, attested });
        }
        for id in closed {
            self.invitations.open.remove(id);
            self.forget_invitation(*id);
        }
        self.end_code_of_closed_invitation();
    }

    /// At sign-in: what follows is the whole list.
    pub(super) fn reset_invitations(&mut self) {
        self.invitations.open.clear();
    }

    fn forget_invitation(&mut self, id: InvitationId) {
        let before = self.state.invitations.len();
        self.state.invitations.retain(|kept| kept.invitation != id);
        if self.state.invitations.len() != before {
            self.out.push_back(Output::Persist);
        }
    }

    /// This device as a registrar; otherwise its person is told that it is none.
    pub(super) fn as_registrar(&mut self) -> Option<Registrar> {
        if self.invitations.registrar.is_none() {
            let text = "This device is not a registrar: the holder of the office's authority appoints it.";
            self.alert(AlertLevel::Amber, text);
        }
        self.invitations.registrar.clone()
    }

    pub(super) fn invite(&mut self, now_ms: u64, to: PersonToInvite) {
        let Some(registrar) = self.as_registrar() else { return };
        if !registrar.roles().contains(&to.role) {
            return self.alert(AlertLevel::Amber, "This device may not enrol people of that role.");
        }
        let (mut person, mut id) = ([0; 16], [0; 16]);
        self.rng.fill_bytes(&mut person);
        let card = Card {
            person: to.person.unwrap_or(PersonId::from_bytes(person)),
            office: self.device.office().domain().clone(),
            name: to.name,
            organisation: to.organisation,
            role: to.role,
            zone: to.zone,
            place: to.place,
        };
        if let Err(error) = telcon_identity::check_card(&card) {
            return self.alert(AlertLevel::Amber, format!("The invitation was not made: {error}."));
        }
        self.rng.fill_bytes(&mut id);
        let invitation = InvitationId::from_bytes(id);
        let (secret, expires_ms) = self.draw_link(now_ms, to.valid_ms);
        let kept = KeptInvitation::new(invitation, &secret, expires_ms);
        let token_sha256 = self.keep_invitation(now_ms, &secret, kept);
        self.send(ClientMessage::Invite { invitation, card, expires_ms, token_sha256, line: None });
    }

    /// The secret of a new link, and until when it may be used.
    pub(super) fn draw_link(&mut self, now_ms: u64, valid_ms: Option<u64>) -> (Zeroizing<[u8; 32]>, u64) {
        let mut secret = Zeroizing::new([0; 32]);
        self.rng.fill_bytes(&mut *secret);
        (secret, now_ms + valid_ms.unwrap_or(MAX_INVITATION_MS).min(MAX_INVITATION_MS))
    }

    /// Keeps an invitation that is about to be sent; returns the digest of its token. The secret is durable before anything leaves this
    /// device: a link that was handed out can be answered after a reload.
    pub(super) fn keep_invitation(&mut self, now_ms: u64, secret: &[u8; 32], kept: KeptInvitation) -> Digest {
        let office = self.device.office();
        let ask = Ask::new(office.suite(), *secret, office.authority_sha256(), kept.invitation);
        self.state.invitations.retain(|kept| kept.expires_ms + MAX_INVITATION_MS > now_ms);
        self.state.invitations.push(kept);
        self.out.push_back(Output::Persist);
        ask.token_sha256()
    }

    /// The device that asked with an open invitation.
    pub(super) fn asked_with(&self, id: InvitationId) -> Result<&VerifiedRequest, String> {
        match self.invitations.open.get(&id) {
            Some(Open { request: Some(request), .. }) => request.as_ref().map_err(Clone::clone),
            Some(Open { request: None, .. }) => Err("no device has asked yet".to_owned()),
            None => Err("the invitation is closed".to_owned()),
        }
    }

    /// The request of the device that asked with an open invitation, as it was signed.
    pub(super) fn request_text(&self, id: InvitationId) -> Option<&str> {
        self.invitations.open.get(&id)?.invitation.request.as_deref()
    }

    /// What a delegate's device says to this principal of the device that asked.
    pub(super) fn attested(&self, id: InvitationId) -> Option<&VerifiedAttestation> {
        self.invitations.open.get(&id)?.attested.as_ref()
    }

    pub(super) fn close_invitation(&mut self, invitation: InvitationId) {
        self.send(ClientMessage::CloseInvitation { invitation });
    }

    pub(super) fn approve_device(&mut self, now_ms: u64, id: InvitationId, compared: &str) {
        let Some(registrar) = self.as_registrar() else { return };
        let result = match self.invitations.open.get(&id) {
            Some(Open { request: Some(Ok(request)), .. }) if request.code() != compared => {
                Err("its code is not the one that you compared".to_owned())
            }
            // Its holder's certificate is the principal's to issue.
            Some(Open { invitation, .. }) if invitation.line.is_some() => {
                Err("it is for a line: who gave it confirms it".to_owned())
            }
            // The device that approved first may do it once more, as long as the second has not.
            Some(Open { request: Some(Ok(_)), first: Some(first), .. }) if first.registrar() != registrar.device() => {
                registrar.certify_second(self.device.key(), first, now_ms).map_err(|error| error.to_string())
            }
            Some(Open { invitation, request: Some(Ok(request)), .. }) => registrar
                .certify(self.device.key(), request, &invitation.card, now_ms)
                .map_err(|error| error.to_string()),
            Some(Open { request: Some(Err(why)), .. }) => Err(why.clone()),
            Some(Open { request: None, .. }) => Err("no device has asked yet".to_owned()),
            None => Err("the invitation is closed".to_owned()),
        };
        match result {
            Ok(chain) => {
                let chain = chain.into_iter().map(Blob).collect();
                self.send(ClientMessage::ApproveDevice { invitation: id, chain, line: None });
            }
            Err(why) => self.alert(AlertLevel::Amber, format!("The device was not approved: {why}.")),
        }
    }

    pub(super) fn revoke_device(&mut self, now_ms: u64, device: DeviceId, erase: bool) {
        let Some(registrar) = self.as_registrar() else { return };
        let key = self.device.key();
        let signed = match erase {
            true => registrar.revoke_and_erase(key, device, now_ms),
            false => registrar.revoke(key, device, now_ms),
        };
        match signed {
            Ok(statement) => self.send(ClientMessage::RevokeDevice { statement }),
            Err(error) => self.alert(AlertLevel::Amber, format!("The device was not revoked: {error}.")),
        }
    }

    /// What a device asked with an invitation, and the first of two registrars' approvals of it.
    fn verified(&self, open: &OpenInvitation, now_ms: u64) -> Asked {
        let Some(request) = open.request.as_deref() else { return Asked::default() };
        let office = self.device.office();
        let first = open.first_approval.as_ref().filter(|_| self.approvals_needed(open) == Registrars::Two);
        let first = first.map(|first| {
            let request = read_request(request, office.domain(), office.suite())?;
            let chain: Vec<&[u8]> = first.chain.iter().map(|der| der.as_slice()).collect();
            Ok((office.verify_approval(&chain, &request, &open.card, now_ms)?, request))
        });
        let first: Option<(VerifiedApproval, VerifiedRequest)> = match first.transpose() {
            Ok(first) => first,
            Err::<_, IdentityError>(error) => {
                return Asked::flawed(format!("the first approval does not verify: {error}"));
            }
        };
        match (self.ask(open.invitation), first) {
            // With the secret that only the device has which made the invitation.
            (Some(_), _) if self.differs_from_kept(open) => {
                Asked::flawed("the office's server shows another person or other terms than were given")
            }
            (Some(ask), first) => {
                let verified = verify_request(request, office.domain(), &ask).map_err(|error| error.to_string());
                Asked { request: Some(verified), first: first.map(|(first, _)| first), attested: None }
            }
            // The first registrar certified that the sender had the link; the code that is compared is the request's.
            (None, Some((first, request))) => Asked { request: Some(Ok(request)), first: Some(first), attested: None },
            (None, None) => match self.attested_for_me(open, request) {
                Some(Ok((attested, request))) => {
                    Asked { request: Some(Ok(request)), first: None, attested: Some(attested) }
                }
                Some(Err(why)) => Asked::flawed(why),
                None => Asked::flawed("it was made on another device, which has to answer it"),
            },
        }
    }

    /// What a delegate's device attests of an offer for this person, and the request that it is about.
    fn attested_for_me(
        &self,
        open: &OpenInvitation,
        request: &str,
    ) -> Option<Result<(VerifiedAttestation, VerifiedRequest), String>> {
        let offered = open.offered_for.as_ref()?;
        let (me, attested) = (self.device.me().card(), offered.attested.as_ref()?);
        if offered.principal.person != me.person {
            return None;
        }
        let verified = self.device.office().verify_attested(attested, request);
        Some(verified.map_err(|error| format!("what the delegate said does not verify: {error}")).and_then(|found| {
            let content = found.0.content();
            let same = content.principal == *me
                && content.invitation == open.invitation
                && content.holder == open.card
                && open.line.as_ref() == Some(&content.terms);
            if same {
                Ok(found)
            } else {
                Err("the office's server shows another offer than the delegate made".to_owned())
            }
        }))
    }

    /// Whether an invitation to take a line is not what this device made: what was given is signed, and not what the server says.
    fn differs_from_kept(&self, open: &OpenInvitation) -> bool {
        let kept = self.state.invitations.iter().find(|kept| kept.invitation == open.invitation);
        let given = kept.and_then(|kept| kept.line.as_ref());
        open.line.as_ref() != given.map(|given| &given.terms) || given.is_some_and(|given| given.holder != open.card)
    }

    /// A recovery's device needs two in every office; a line's holder needs their principal.
    fn approvals_needed(&self, open: &OpenInvitation) -> Registrars {
        if open.line.is_some() {
            return Registrars::One;
        }
        if open.recovery.is_some() { Registrars::Two } else { self.device.office().registrars() }
    }

    pub(super) fn ask(&self, id: InvitationId) -> Option<Ask> {
        let kept = self.state.invitations.iter().find(|kept| kept.invitation == id)?;
        let office = self.device.office();
        let ask = Ask::new(office.suite(), kept.secret()?, office.authority_sha256(), id);
        Some(ask.for_line(kept.line.is_some()))
    }

    /// The fragment of an open invitation's link, if it was made here and no device has asked with it.
    pub(super) fn link_of(&self, id: InvitationId) -> Option<String> {
        self.invitations.open.get(&id).filter(|open| open.request.is_none())?;
        self.ask(id).map(|ask| ask.to_fragment())
    }

    pub(super) fn registrar_view(&self) -> Option<RegistrarView> {
        let registrar = self.invitations.registrar.as_ref()?;
        Some(RegistrarView { roles: registrar.roles().to_vec() })
    }

    pub(super) fn invitation_views(&self) -> Vec<InvitationView> {
        let view = |Open { invitation: open, request, first, attested }: &Open| {
            let ask = self.ask(open.invitation).map(|ask| ask.for_recovery(open.recovery.is_some()));
            let request = request.as_ref().map(|request| match request {
                Ok(verified) => RequestView {
                    label: verified.request().label.clone(),
                    code: Some(verified.code().to_owned()),
                    problem: None,
                },
                Err(why) => RequestView { label: String::new(), code: None, problem: Some(why.clone()) },
            });
            InvitationView {
                invitation: open.invitation,
                card: open.card.clone(),
                made_ms: open.made_ms,
                expires_ms: open.expires_ms,
                made_here: ask.is_some(),
                link: ask.filter(|_| request.is_none()).map(|ask| ask.to_fragment()),
                request,
                refused_requests: open.refused_requests,
                approvals_needed: self.approvals_needed(open).into(),
                recovery: open.recovery,
                line: open.line.clone(),
                offered_for: open.offered_for.as_ref().map(|offered| OfferedForView {
                    principal: offered.principal.clone(),
                    delegate: attested.as_ref().map_or(&offered.delegate, |by| by.delegate()).clone(),
                    attested_ms: offered.attested.as_ref().map(|by| by.at_ms),
                }),
                first_approval: first.as_ref().map(|first| ApprovalView {
                    by: first.card().clone(),
                    own: first.card().person == self.device.me().card().person,
                    at_ms: open.first_approval.as_ref().map_or(0, |first| first.at_ms),
                }),
            }
        };
        let mut views: Vec<InvitationView> = self.invitations.open.values().map(view).collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.made_ms));
        views
    }

    /// A text with which the holder of the authority appoints this device (`telcon appoint`).
    pub fn appointment_request(&self, now_ms: u64) -> String {
        telcon_identity::request_appointment(self.device.key(), self.device.chain(), self.device.me(), now_ms)
    }
}
