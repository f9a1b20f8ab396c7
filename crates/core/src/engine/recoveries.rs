//! Recovery of people who lost all devices, on a registrar's device: what the office says of it is shown once the registrars'
//! signatures verify.

use crate::{
    Engine,
    device::KeptInvitation,
    io::Output,
    view::{AlertLevel, RecoveryView},
};
use chacha20::rand_core::Rng as _;
use std::collections::BTreeMap;
use telcon_identity::{Ask, VerifiedConfirmation, VerifiedRecovery};
use telcon_proto::{
    ClientMessage, InvitationId, PersonId, RecoveryId,
    limits::{MAX_DEVICES_PER_PERSON, MAX_INVITATION_MS, RECOVERY_MS},
    recovery::{OpenRecovery, RecoveryReason},
};
use zeroize::Zeroizing;

/// What this device knows of recoveries that are not over.
#[derive(Default)]
pub(super) struct Recoveries {
    open: BTreeMap<RecoveryId, Open>,
}

/// A recovery as the office sent it.
struct Open {
    recovery: OpenRecovery,
    /// What its statements say, verified.
    verified: Result<(VerifiedRecovery, Option<VerifiedConfirmation>), String>,
}

impl Engine {
    /// The office reports recoveries that are new, changed or over.
    pub(super) fn on_recoveries(&mut self, changed: Vec<OpenRecovery>, closed: &[RecoveryId]) {
        for recovery in changed {
            let verified = self.verified_recovery(&recovery);
            self.recoveries.open.insert(recovery.recovery, Open { recovery, verified });
        }
        for id in closed {
            self.recoveries.open.remove(id);
        }
    }

    /// At sign-in: what follows is the whole list.
    pub(super) fn reset_recoveries(&mut self) {
        self.recoveries.open.clear();
    }

    /// Two registrars' statements about exactly this person. A server alone can make neither.
    fn verified_recovery(
        &self,
        open: &OpenRecovery,
    ) -> Result<(VerifiedRecovery, Option<VerifiedConfirmation>), String> {
        let office = self.device.office();
        let unverified = |error| format!("its statement does not verify: {error}");
        let opened = office.verify_recovery(&open.statement).map_err(unverified)?;
        if opened.recovery() != open.recovery || !opened.is_of(open.card.person) {
            return Err("its statement is about another person".into());
        }
        if !opened.is_allowed(open.card.role) {
            return Err("whoever opened it may not enrol people of that role".into());
        }
        let confirmed = open.confirmation.as_deref();
        let confirmed = confirmed.map(|statement| office.verify_recovery_confirmation(statement, &opened));
        let confirmed = confirmed.transpose().map_err(unverified)?;
        if confirmed.as_ref().is_some_and(|confirmed| !confirmed.is_allowed(open.card.role)) {
            return Err("whoever confirmed it may not enrol people of that role".into());
        }
        Ok((opened, confirmed))
    }

    pub(super) fn open_recovery(&mut self, now_ms: u64, person: PersonId, reason: RecoveryReason) {
        let Some(registrar) = self.as_registrar() else { return };
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        let recovery = RecoveryId::from_bytes(id);
        match registrar.open_recovery(self.device.key(), recovery, person, reason, now_ms) {
            Ok(statement) => self.send(ClientMessage::OpenRecovery { person, statement }),
            Err(error) => self.alert(AlertLevel::Amber, format!("The recovery was not opened: {error}.")),
        }
    }

    pub(super) fn confirm_recovery(&mut self, now_ms: u64, id: RecoveryId) {
        let Some(registrar) = self.as_registrar() else { return };
        let result = match self.recoveries.open.get(&id) {
            None => Err("it is over".to_owned()),
            Some(Open { verified: Err(why), .. }) => Err(why.clone()),
            Some(Open { verified: Ok((_, Some(_))), .. }) => Err("it is confirmed already".to_owned()),
            // The list is the server's word: no confirmation signs orders against more than one person can have.
            Some(Open { recovery, .. }) if recovery.devices.len() > MAX_DEVICES_PER_PERSON => {
                Err("it names more devices than a person can have".to_owned())
            }
            Some(Open { recovery, .. }) if recovery.devices.contains(&self.device.me().device()) => {
                Err("it names this device".to_owned())
            }
            // By the signed time: the server may show an old statement as new.
            Some(Open { verified: Ok((opened, None)), .. }) if !opened.may_be_confirmed(now_ms) => {
                Err("it was opened too long ago, or by another clock: open it again".to_owned())
            }
            Some(Open { recovery, verified: Ok((opened, None)) }) => {
                let (mut invitation, mut secret) = ([0; 16], Zeroizing::new([0; 32]));
                self.rng.fill_bytes(&mut invitation);
                self.rng.fill_bytes(&mut *secret);
                let (key, invitation) = (self.device.key(), InvitationId::from_bytes(invitation));
                let revocations =
                    recovery.devices.iter().map(|device| registrar.revoke_and_erase(key, *device, now_ms));
                let revocations = revocations.collect::<Result<Vec<String>, _>>();
                let statement = registrar.confirm_recovery(key, opened, invitation, recovery.devices.clone(), now_ms);
                let signed = revocations.and_then(|revocations| Ok((revocations, statement?)));
                signed.map(|signed| (signed, invitation, secret)).map_err(|error| error.to_string())
            }
        };
        match result {
            Ok(((revocations, statement), invitation, secret)) => {
                // As of any invitation: the secret is durable before anything leaves this device.
                self.state.invitations.retain(|kept| kept.expires_ms + MAX_INVITATION_MS > now_ms);
                self.state.invitations.push(KeptInvitation::new(invitation, &secret, now_ms + RECOVERY_MS));
                self.out.push_back(Output::Persist);
                let office = self.device.office();
                let token_sha256 =
                    Ask::new(office.suite(), *secret, office.authority_sha256(), invitation).token_sha256();
                self.send(ClientMessage::ConfirmRecovery { statement, token_sha256, revocations });
            }
            Err(why) => self.alert(AlertLevel::Amber, format!("The recovery was not confirmed: {why}.")),
        }
    }

    pub(super) fn recovery_views(&self) -> Vec<RecoveryView> {
        let me = self.device.me().card().person;
        let view = |Open { recovery: open, verified }: &Open| {
            let (opened, confirmed) = match verified {
                Ok((opened, confirmed)) => (Some(opened), confirmed.as_ref()),
                Err(_) => (None, None),
            };
            let by = opened.map(|opened| opened.registrar().card().clone());
            let own = by.as_ref().is_some_and(|by| by.person == me);
            RecoveryView {
                recovery: open.recovery,
                card: open.card.clone(),
                reason: opened.map(VerifiedRecovery::reason),
                can_confirm: opened.is_some() && confirmed.is_none() && !own && open.card.person != me,
                by,
                own,
                opened_ms: open.opened_ms,
                expires_ms: open.expires_ms,
                devices: open.devices.clone(),
                confirmed_by: confirmed.map(|confirmed| confirmed.registrar().card().clone()),
                problem: verified.as_ref().err().cloned(),
            }
        };
        let mut views: Vec<RecoveryView> = self.recoveries.open.values().map(view).collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.opened_ms));
        views
    }
}
