//! Lines: what a principal's device signs about those that its person gave, what a holder's signs to hand one back, and the versions
//! that the office shows. Giving one to somebody without a device is an invitation: see `registrar`.

use crate::{
    Engine,
    call::Call,
    challenge,
    device::{KeptInvitation, KeptLine},
    io::{LineChange, NewLine, Output},
    view::AlertLevel,
};
use chacha20::rand_core::Rng as _;
use telcon_identity::{
    Flaw, IdentityError, Validity, VerifiedDelegation, VerifiedLine, VerifiedRequest, attest_holder, certify_holder,
    request_sha256, sign_line,
};
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DeviceId, InvitationId, LineId, PersonId, Role,
    alert::ReportedAlert,
    attestation::HolderAttestation,
    delegation::Act,
    line::{Line, LineList, LineState, LineTerms, LoggedVersion, ProvenLine, Rings},
    policy::{Action, allows},
};

/// For whom this device's person signs.
struct Giver {
    principal: Card,
    under: Option<VerifiedDelegation>,
}

impl Engine {
    /// The line on which the next message about a call relies.
    pub(super) fn on_line(&mut self, proven: &ProvenLine, now_ms: u64) {
        let seen = self.line.set(self.device.trust(), proven);
        match seen.map(|seen| (seen.line().content().clone(), seen.entry().time_ms())) {
            Ok((line, since_ms)) => {
                let checkpoints: Vec<_> = proven.proofs().map(|proof| proof.checkpoint.clone()).collect();
                self.record_log_claims(checkpoints, now_ms);
                self.saw_line(&line, since_ms);
            }
            Err(error) => {
                if matches!(error, IdentityError::Hostile(_)) {
                    self.report(ReportedAlert::ProofInvalid, None);
                }
                self.alert(AlertLevel::Red, format!("A line was refused because it could not be verified: {error}."));
            }
        }
    }

    /// The page shows what the office listed: an older version is not accepted from now on. What the office has stopped ends here too.
    pub(super) fn see_lines(&mut self, list: &LineList) {
        // Of a version that the server lost, it has the one before.
        for listed in list.lines.iter().filter(|listed| listed.lost.is_none()) {
            let verified = self.device.office().verify_line(&listed.statement).and_then(|line| {
                let same = line.sha256() == listed.statement_sha256 && *line.content() == listed.line;
                if same { Ok(line) } else { Err(Flaw::OtherLine.into()) }
            });
            let line = match verified {
                Ok(line) => line,
                Err(error) => {
                    if matches!(error, IdentityError::Hostile(_)) {
                        self.report(ReportedAlert::ProofInvalid, None);
                    }
                    let text = format!("The office's list of lines has one that does not verify: {error}.");
                    self.alert(AlertLevel::Red, text);
                    continue;
                }
            };
            // The list has no proof of the delegation under which somebody signed.
            if line.content().on_behalf.is_none() {
                self.saw_line(line.content(), listed.changed_ms);
            }
            let newer = self.state.lines.newer_than(line.content());
            if newer.is_some_and(|newer| newer.was_logged_at(listed.changed_ms)) {
                let text = "The office's list of lines shows an older version of one than this device has seen. Tell the security officer.";
                self.alert(AlertLevel::Red, text);
            }
        }
    }

    /// The log has this version, as far as the office says.
    fn saw_line(&mut self, line: &Line, since_ms: u64) {
        if self.state.lines.saw(line, since_ms) {
            self.out.push_back(Output::Persist);
            self.stop_calls_over(line);
        }
    }

    /// Rings over a line that is not in use end here, and so does a call over one that was frozen or ended, whatever the server does.
    fn stop_calls_over(&mut self, line: &Line) {
        if line.state == LineState::Live {
            return;
        }
        let paused = line.state == LineState::Paused;
        self.end_rings_over(line.line);
        if self.call.as_ref().is_some_and(|call| call.is_over_line(line.line)) {
            self.with_call(|call, context| call.stop_line(paused, context));
        }
    }

    /// Whether this device's person gives lines; otherwise they are told that they do not.
    fn gives_lines(&mut self) -> bool {
        let gives = allows(self.device.me().card().role, Action::GiveLines);
        if !gives {
            self.alert(AlertLevel::Amber, "People of your role do not give lines.");
        } else if self.device.office().rings() == Rings::ByRole {
            self.alert(AlertLevel::Amber, "This office's charter has no lines: people ring by their roles here.");
            return false;
        }
        gives
    }

    /// Offers a line to somebody who has no device in this office, for oneself or for a principal. Its link is an invitation's, with the
    /// same identifier.
    pub(super) fn give_line(&mut self, now_ms: u64, to: NewLine) {
        let Some(giver) = self.giver(now_ms, to.under.as_deref()) else { return };
        let (mut person, mut id) = ([0; 16], [0; 16]);
        self.rng.fill_bytes(&mut person);
        self.rng.fill_bytes(&mut id);
        let holder = Card {
            person: PersonId::from_bytes(person),
            office: giver.principal.office.clone(),
            name: to.name,
            organisation: to.organisation,
            role: Role::Counterpart,
            zone: to.zone,
            place: false,
        };
        let terms = self.within_floor(to.terms);
        let first = self.first_version(now_ms, LineId::from_bytes(id), &giver, holder.clone(), terms.clone(), None);
        // What this device's own rules refuse is not offered.
        if let Err(why) = self.signed_line(&first, &giver) {
            return self.alert(AlertLevel::Amber, format!("The line was not offered: {why}."));
        }
        let invitation = InvitationId::from_bytes(id);
        let (secret, expires_ms) = self.draw_link(now_ms, to.valid_ms);
        let kept = KeptLine { holder: holder.clone(), terms: terms.clone(), under: to.under };
        let token_sha256 =
            self.keep_invitation(now_ms, &secret, KeptInvitation::new(invitation, &secret, expires_ms).for_line(kept));
        let card = holder;
        self.send(match giver.under.as_ref().map(VerifiedDelegation::on_behalf) {
            None => ClientMessage::Invite { invitation, card, expires_ms, token_sha256, line: Some(terms) },
            Some(on_behalf) => {
                ClientMessage::OfferLine { invitation, card, expires_ms, token_sha256, line: terms, on_behalf }
            }
        });
    }

    /// Gives a line to somebody whom the office's registrars enrolled: for all their devices, and at once.
    pub(super) fn give_line_to(&mut self, now_ms: u64, person: PersonId, terms: LineTerms, under: Option<&str>) {
        let Some(giver) = self.giver(now_ms, under) else { return };
        let holder = self.people.iter().find(|contact| contact.card.person == person).map(|c| c.card.clone());
        let Some(holder) = holder.filter(|card| allows(card.role, Action::HoldLines)) else {
            return self.alert(AlertLevel::Amber, "This person is not in the office's list, or needs no line.");
        };
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        let terms = self.within_floor(terms);
        let first = self.first_version(now_ms, LineId::from_bytes(id), &giver, holder, terms, None);
        let signed = self.signed_line(&first, &giver);
        match signed.and_then(|(statement, _)| self.with_custodians(statement)) {
            Ok(statement) => self.send(ClientMessage::SignLine { statement }),
            Err(why) => self.alert(AlertLevel::Amber, format!("The line was not given: {why}.")),
        }
    }

    /// Certifies the device that asked to take a line, and signs its first version, which names that device. A delegate certifies
    /// nobody: this device attests to the principal who asked.
    pub(super) fn confirm_line(&mut self, now_ms: u64, id: InvitationId, compared: &str) {
        let kept = self.state.invitations.iter().find(|kept| kept.invitation == id);
        if kept.is_some_and(|kept| kept.line.as_ref().is_some_and(|line| line.under.is_some())) {
            return self.attest_holder(now_ms, id, compared);
        }
        match self.confirmed_line(now_ms, id, compared) {
            Ok((chain, statement)) => {
                let chain = chain.into_iter().map(Blob).collect();
                self.keep_challenge(id);
                self.send(ClientMessage::ApproveDevice { invitation: id, chain, line: Some(statement) });
            }
            Err(why) => self.alert(AlertLevel::Amber, format!("The line was not confirmed: {why}.")),
        }
    }

    fn confirmed_line(&self, now_ms: u64, id: InvitationId, compared: &str) -> Result<(Vec<Vec<u8>>, String), String> {
        let request = self.compared(id, compared)?;
        let kept = self.state.invitations.iter().find(|kept| kept.invitation == id).and_then(|kept| kept.line.clone());
        // What is signed is what this person said, or a delegate: not what the server shows.
        let attested = self.attested(id).map(|by| by.content());
        let attested = attested.map(|content| (content.holder.clone(), content.terms.clone()));
        let given = kept.map(|kept| (kept.holder, kept.terms)).or(attested);
        let (holder, terms) = given.ok_or("it is no line that was given on this device")?;
        let (key, me) = (self.device.key(), self.device.me());
        let chain = certify_holder(key, me, self.device.chain(), request, &holder, now_ms)
            .map_err(|error| error.to_string())?;
        let giver = Giver { principal: me.card().clone(), under: None };
        let (line, device) = (LineId::of_offer(id), request.request().device);
        let first = self.first_version(now_ms, line, &giver, holder, terms, Some(device));
        let (statement, _) = self.signed_line(&first, &giver)?;
        Ok((chain, self.with_custodians(statement)?))
    }

    /// Keeps the words of a line whose link this device has; durable before the holder can have the line.
    fn keep_challenge(&mut self, id: InvitationId) {
        let words = self.ask(id).zip(self.asked_with(id).ok()).map(|(ask, request)| challenge::words(&ask, request));
        if let Some(words) = words {
            self.state.challenges.keep(id, words);
            self.out.push_back(Output::Persist);
        }
    }

    pub(super) fn show_challenge(&mut self, line: Option<LineId>) {
        self.shown_challenge = line;
        self.view_changed();
    }

    /// The device that asked with an open invitation, if its code is the one that was compared.
    fn compared(&self, id: InvitationId, code: &str) -> Result<&VerifiedRequest, String> {
        let request = self.asked_with(id)?;
        if request.code() == code { Ok(request) } else { Err("its code is not the one that you compared".into()) }
    }

    /// Tells the principal, signed, which device took the line that was offered for them here.
    fn attest_holder(&mut self, now_ms: u64, id: InvitationId, compared: &str) {
        match self.attestation(now_ms, id, compared) {
            Ok(statement) => {
                self.keep_challenge(id);
                self.send(ClientMessage::AttestHolder { invitation: id, statement });
            }
            Err(why) => self.alert(AlertLevel::Amber, format!("The line was not confirmed: {why}.")),
        }
    }

    fn attestation(&self, now_ms: u64, id: InvitationId, compared: &str) -> Result<String, String> {
        let device = self.compared(id, compared)?.request().device;
        let kept = self.state.invitations.iter().find(|kept| kept.invitation == id).and_then(|kept| kept.line.clone());
        let KeptLine { holder, terms, under } = kept.ok_or("it is no line that was offered on this device")?;
        let under = under.ok_or("it was not offered for somebody else")?;
        let request = self.request_text(id).ok_or("no device has asked yet")?;
        let (office, unverified) = (self.device.office(), |error: IdentityError| error.to_string());
        let delegation = office.verify_delegation(&under).map_err(unverified)?;
        // By the present time: the statement's own date is of this device's choice.
        delegation.check(Act::Lines, self.device.me().card(), now_ms).map_err(unverified)?;
        let attestation = HolderAttestation {
            office: self.device.me().office().clone(),
            invitation: id,
            principal: delegation.principal().clone(),
            holder,
            terms,
            device,
            request_sha256: request_sha256(request),
            on_behalf: delegation.on_behalf(),
            at_ms: now_ms,
        };
        let statement = attest_holder(self.device.key(), self.device.chain(), &attestation);
        office.verify_attestation(&statement).map_err(unverified)?;
        Ok(statement)
    }

    /// Signs the next version of a line. The version before comes from the office's list: the server cannot have it be another one, since
    /// it names its line, its people and its number, and the log has the digest.
    ///
    /// Where the office lost a version (`lost`), the principal signs again all that the line says, after the digest that the log has.
    pub(super) fn sign_line_change(
        &mut self,
        now_ms: u64,
        (statement, lost): (&str, Option<LoggedVersion>),
        change: LineChange,
        under: Option<&str>,
    ) {
        let me = self.device.me().card();
        // The holder and a security officer sign for nobody.
        let signs_for_nobody = under.is_none() && !allows(me.role, Action::GiveLines);
        let giver = match signs_for_nobody {
            true => None,
            false => match self.giver(now_ms, under) {
                Some(giver) => Some(giver),
                None => return,
            },
        };
        let before = match self.device.office().verify_line(statement) {
            Ok(before) => before,
            Err(error) => return self.alert(AlertLevel::Amber, format!("The line was not changed: {error}.")),
        };
        self.sign_next(now_ms, &before, lost, change, giver);
    }

    /// The holder hands a line back.
    pub(super) fn hand_back(&mut self, now_ms: u64, statement: &str) {
        let change = LineChange { terms: None, state: Some(LineState::Ended) };
        match self.device.office().verify_line(statement) {
            Ok(before) if before.content().holder == *self.device.me().card() => {
                self.sign_next(now_ms, &before, None, change, None);
            }
            Ok(_) => self.alert(AlertLevel::Amber, "This line is not yours to hand back."),
            Err(error) => self.alert(AlertLevel::Amber, format!("The line was not handed back: {error}.")),
        }
    }

    /// Freezes the line of a ring or call: its version is the one that came with it.
    pub(super) fn suspect(&mut self, now_ms: u64, id: Option<CallId>) {
        let calls = self.call.iter().filter(|call| !call.is_over()).chain(self.rings.iter());
        let wanted = |call: &&Call| id.is_none_or(|id| call.id == id) && call.line().is_some();
        let Some(before) = calls.filter(|call| wanted(call)).find_map(|call| Some(call.line()?.line().clone())) else {
            return self.alert(AlertLevel::Amber, "No call over a line is on.");
        };
        let me = self.device.me().card();
        if before.content().principal != *me && !allows(me.role, Action::StopLines) {
            let text = "Only the person who gave this line, or a security officer, can freeze it here. Tell them.";
            return self.alert(AlertLevel::Amber, text);
        }
        let giver = (before.content().principal == *me).then(|| Giver { principal: me.clone(), under: None });
        let freeze = LineChange { terms: None, state: Some(LineState::Suspect) };
        self.sign_next(now_ms, &before, None, freeze, giver);
    }

    fn sign_next(
        &mut self,
        now_ms: u64,
        before: &VerifiedLine,
        lost: Option<LoggedVersion>,
        change: LineChange,
        giver: Option<Giver>,
    ) {
        let old = before.content();
        if change.terms.is_some() && change.state.unwrap_or(old.state) != LineState::Live {
            return self
                .alert(AlertLevel::Amber, "The line was not changed: use it again first, then change what it allows.");
        }
        let terms = change.terms.map(|terms| self.within_floor(terms));
        let next = Line {
            version: lost.map_or(old.version, |lost| lost.version).saturating_add(1),
            previous: Some(lost.map_or_else(|| before.sha256(), |lost| lost.statement_sha256)),
            // Somebody who signs for themselves is named as certified today; only the principal may change the words.
            principal: giver.as_ref().map_or(&old.principal, |giver| &giver.principal).clone(),
            terms: terms.unwrap_or_else(|| old.terms.clone()),
            state: change.state.unwrap_or(old.state),
            at_ms: now_ms,
            on_behalf: giver.as_ref().and_then(|giver| giver.under.as_ref()).map(VerifiedDelegation::on_behalf),
            ..old.clone()
        };
        let signed = match &giver {
            _ if lost.is_some_and(|lost| lost.version <= old.version) => {
                Err("the office says that it lost a version that is not newer".to_owned())
            }
            Some(giver) if giver.principal.person != old.principal.person => {
                Err("somebody else gave this line".to_owned())
            }
            Some(giver) => self.signed_line(&next, giver),
            None => self.sign_and_verify(&next).map_err(|error| error.to_string()),
        };
        let signed = signed.and_then(|(statement, signed)| match lost {
            None => before.check_next(&signed).map(|()| statement).map_err(|error| error.to_string()),
            Some(_) if giver.is_none() => {
                Err("only its principal confirms a line after the office's server was restored".to_owned())
            }
            Some(lost) if lost.state == LineState::Ended => Err(IdentityError::from(Validity::LineEnded).to_string()),
            Some(_) => Ok(statement),
        });
        match signed.and_then(|statement| self.with_custodians(statement)) {
            Ok(statement) if next.state == LineState::Live => self.send(ClientMessage::SignLine { statement }),
            Ok(statement) => {
                // Durable before it is sent: the server may lose it, and this device must not ring over what its person stopped.
                self.state.lines.stopped(&next, self.pings_sent);
                self.out.push_back(Output::Persist);
                self.send(ClientMessage::StopLine { statement });
                // Its answer says that the office has handled the stop.
                self.ping(now_ms);
                self.stop_calls_over(&next);
            }
            Err(why) => self.alert(AlertLevel::Amber, format!("The line was not changed: {why}.")),
        }
    }

    /// After signing in, before the first ping: sends the stops again that the office did not answer. They are signed again, because a
    /// version counts only if its date agrees with its entry in the log; if the office has the first, it refuses the second.
    pub(super) fn send_stops_again(&mut self, now_ms: u64) {
        for stop in self.state.lines.unanswered() {
            let stop = Line { at_ms: now_ms, ..stop };
            let signed = self.sign_and_verify(&stop).map_err(|error| error.to_string());
            match signed.and_then(|(statement, _)| self.with_custodians(statement)) {
                Ok(statement) => {
                    self.state.lines.stopped(&stop, self.pings_sent);
                    self.send(ClientMessage::StopLine { statement });
                }
                Err(error) => self.alert(AlertLevel::Amber, format!("The line was not changed: {error}.")),
            }
        }
    }

    /// The office answered a ping.
    pub(super) fn on_ping_answered(&mut self) {
        self.pings_answered += 1;
        if self.state.lines.pings_answered(self.pings_answered) {
            self.out.push_back(Output::Persist);
        }
    }

    /// For whom this person signs: themselves, or the principal of a delegation that says so.
    fn giver(&mut self, now_ms: u64, under: Option<&str>) -> Option<Giver> {
        let Some(statement) = under else {
            return self.gives_lines().then(|| Giver { principal: self.device.me().card().clone(), under: None });
        };
        let verified = self.device.office().verify_delegation(statement).and_then(|known| {
            known.check(Act::Lines, self.device.me().card(), now_ms)?;
            Ok(known)
        });
        match verified {
            Ok(known) => Some(Giver { principal: known.principal().clone(), under: Some(known) }),
            Err(error) => {
                self.alert(AlertLevel::Amber, format!("You cannot change lines for this person: {error}."));
                None
            }
        }
    }

    fn first_version(
        &self,
        now_ms: u64,
        line: LineId,
        giver: &Giver,
        holder: Card,
        terms: LineTerms,
        device: Option<DeviceId>,
    ) -> Line {
        Line {
            office: self.device.me().office().clone(),
            line,
            version: 1,
            previous: None,
            principal: giver.principal.clone(),
            holder,
            device,
            terms,
            state: LineState::Live,
            at_ms: now_ms,
            on_behalf: giver.under.as_ref().map(VerifiedDelegation::on_behalf),
        }
    }

    /// A line asks for no less of a record than the office does.
    fn within_floor(&self, terms: LineTerms) -> LineTerms {
        LineTerms { mode: terms.mode.max(self.mode).max(self.device.office().floor()), ..terms }
    }

    /// Signs a version, unless other devices would refuse it.
    fn signed_line(&self, line: &Line, giver: &Giver) -> Result<(String, VerifiedLine), String> {
        let zone = line.terms.hours.as_ref().map(|hours| hours.zone.as_str());
        if zone.is_some_and(|zone| (self.zones)(zone, line.at_ms).is_none()) {
            return Err("this device does not know the time zone of its hours".into());
        }
        let (statement, verified) = self.sign_and_verify(line).map_err(|error| error.to_string())?;
        verified.check_delegation(giver.under.as_ref()).map_err(|error| error.to_string())?;
        Ok((statement, verified))
    }

    fn sign_and_verify(&self, line: &Line) -> telcon_identity::Result<(String, VerifiedLine)> {
        let statement = sign_line(self.device.key(), self.device.chain(), line);
        let verified = self.device.office().verify_line(&statement)?;
        Ok((statement, verified))
    }
}
