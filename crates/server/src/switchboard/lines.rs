//! Lines: offered with an invitation, bound to the device that is approved, changed and ended by signed versions.
//!
//! A version counts once the log has it; a stop ends rings at once, before that. The driver verifies statements, and that a version
//! follows the one before in what it says; that it follows the newest one is decided here, by its digest. A version is durable before it
//! is appended, and no other of its line is taken until the log has it. With the first version of an offered line its device is enrolled
//! first: both are durable together, and the invitation is closed when both are in the log. What changes concerns the principal and those
//! who act for them, the holder, and security officers.

use super::{
    Switchboard,
    call::Call,
    context::{Context, Timer},
    held_lines::Viewer,
    port::{Effects, NewDevice, NewLine, PendingAppend, SessionId, entry_at},
};
use crate::{
    limits::LOG_RETRY_MS,
    local_time,
    store::{InvitationRow, LineRow, LineVersion, SignedLine, Write},
};
use std::collections::BTreeSet;
use telcon_identity::CLOCK_TOLERANCE_S;
use telcon_proto::{
    CallId, Card, DeviceId, Ended, InvitationId, LineId, PersonId, ServerMessage,
    delegation::{Act, ProvenDelegation},
    doubt::DoubtedLine,
    entry::{Entry, InvitationClosed},
    limits::{MAX_LINES_LISTED, MAX_LINES_PER_PRINCIPAL, MAX_OPEN_OFFERS_PER_PRINCIPAL},
    line::{Line, LineState, LineTerms, LoggedVersion, ProvenLine, Rings},
    message::RefusalCode,
    policy::{Action, ROLES, allows},
};

const NO_LINE: &str = "there is no such line, or it has ended";
const NO_ZONE: &str = "there is no such time zone: choose another for the line's hours";

/// Where roles decide who rings, a line would promise what nothing keeps.
const NO_LINES: &str = "this office's charter has no lines: people ring by their roles here";

impl Switchboard {
    pub(super) fn restore_lines(&mut self, stored: Vec<LineRow>) {
        for row in stored {
            let line = row.line;
            if let Some(next) = &row.pending
                && !self.awaits_its_device(next)
            {
                self.context.append(PendingAppend::LineSigned(line), signed(next));
            }
            self.context.lines.insert(row);
        }
    }

    /// Whether a version is the first of a line whose device the log may not have: then it is appended after that.
    fn awaits_its_device(&self, version: &LineVersion) -> bool {
        version.content.version == 1
            && version.content.device.is_some_and(|device| self.enrolling.contains_key(&device))
    }

    /// Whether the device of a connection may invite for a line.
    pub(super) fn may_offer(&self, session: SessionId) -> bool {
        let from = self.context.directory.session(session);
        from.is_some_and(|from| allows(from.card.role, Action::GiveLines))
    }

    /// Why a principal may not offer this line.
    pub(super) fn refuses_offer(&self, row: &InvitationRow, terms: &LineTerms) -> Option<(RefusalCode, String)> {
        use RefusalCode::{Malformed, NotAllowed, TooMany};
        let directory = &self.context.directory;
        // Whether a delegate may offer it was decided before ([`Switchboard::offer_line`]).
        let giver = match &row.offered_for {
            Some(offered) => directory.person(offered.principal),
            None => directory.card(&row.made_by),
        };
        let giver = giver.filter(|card| allows(card.role, Action::GiveLines));
        let Some(giver) = giver else {
            return Some((NotAllowed, "only a principal's device offers a line".into()));
        };
        if self.context.policy.rings == Rings::ByRole {
            return Some((NotAllowed, NO_LINES.into()));
        }
        if !allows(row.card.role, Action::HoldLines) {
            return Some((NotAllowed, "a line is offered to a counterpart".into()));
        }
        if !terms.is_well_formed() || terms.mode < self.context.policy.floor {
            return Some((Malformed, "what the line allows is not within its limits: choose again".into()));
        }
        if terms.hours.as_ref().is_some_and(|hours| !local_time::is_zone(&hours.zone)) {
            return Some((Malformed, NO_ZONE.into()));
        }
        let offers = self.invitations.offers_of(giver.person);
        if offers >= MAX_OPEN_OFFERS_PER_PRINCIPAL {
            return Some((
                TooMany,
                "too many of your lines wait for somebody to take them: withdraw some first".into(),
            ));
        }
        if self.context.lines.count(giver.person) + offers >= MAX_LINES_PER_PRINCIPAL {
            return Some((TooMany, "you have given as many lines as one can: end some first".into()));
        }
        // Devices of a person whom the office knows are not a principal's to add to. Whoever lost all of theirs is looked up when the
        // device is confirmed.
        if directory.devices_of(row.card.person).next().is_some() {
            return Some((NotAllowed, "this person is known to the office: offer the line to a new one".into()));
        }
        self.other_words(&row.card)
            .or_else(|| self.looks_like_another_holder(&row.card, giver.person))
            .map(|text| (NotAllowed, text))
    }

    /// Why a holder may not be named like this: two lines of one principal would look the same, or it looks like somebody of the office.
    /// What other principals call those who hold their lines is not compared: a holder is shown to who gave the line.
    fn looks_like_another_holder(&self, card: &Card, giver: PersonId) -> Option<String> {
        let directory = &self.context.directory;
        let other = directory.cards_like(&card.name).find(|other| {
            let theirs = !allows(other.role, Action::HoldLines) || self.context.lines.is_between(giver, other.person);
            other.person != card.person && theirs
        })?;
        Some(format!(
            "\u{201c}{}\u{201d} looks the same as \u{201c}{}\u{201d}, {}, who is enrolled: choose words that tell the two apart",
            card.name, other.name, other.organisation
        ))
    }

    /// Whether a principal's device may approve the device that asked with their offer, as the line's holder.
    pub(super) fn may_bind(
        &self,
        by: &DeviceId,
        invitation: InvitationId,
        new: &NewDevice,
        line: &NewLine,
        now_ms: u64,
    ) -> Result<(), String> {
        let row = self.invitations.open.get(&invitation).ok_or("this invitation is closed already")?;
        let terms = row.line.as_ref().ok_or("this invitation is not for a line")?;
        match &row.offered_for {
            Some(offered) => self.may_confirm(by, row, offered)?,
            None if row.made_by != *by => {
                return Err("this line was offered on another device, which alone can verify what was asked".into());
            }
            None => {}
        }
        if row.device != Some(new.device) || row.card != new.card {
            return Err("the certificate is not for the device and person of this invitation".into());
        }
        let content = &line.content;
        let is_same = content.line.offer() == invitation
            && content.version == 1
            && content.state == LineState::Live
            && content.device == Some(new.device)
            && content.holder == row.card
            && content.on_behalf.is_none()
            && line.by == *by;
        if !is_same || content.terms != *terms {
            return Err("the signed line is not the one that was offered".into());
        }
        if self.context.directory.card(by).is_none_or(|card| **card != content.principal) {
            return Err("the signed line is another principal's".into());
        }
        check_clock(content, now_ms)
    }

    /// With the enrolment of its holder's device, the first version of a line is stored, not to be appended before that.
    pub(super) fn begin_line(&mut self, line: NewLine, now_ms: u64) {
        let id = line.content.line;
        if self.context.lines.rows.contains_key(&id) {
            // The log failed before: what was stored first stays.
            return;
        }
        let (version, statement) = version(line, now_ms);
        self.context.write(Write::LineSigned(Box::new(version.clone()), statement));
        let row = LineRow { line: id, given_ms: now_ms, current: None, pending: Some(version), found: None };
        self.context.lines.insert(row);
    }

    /// Appends the version of a line that waits: the log has the device of its holder, or is tried again.
    pub(super) fn append_line(&mut self, line: LineId) {
        let held = self.context.lines.rows.get(&line);
        if let Some(entry) = held.and_then(|held| held.pending.as_ref()).map(signed) {
            self.context.append(PendingAppend::LineSigned(line), entry);
        }
    }

    /// Whether an offered line is signed, and the log may not have it.
    pub(super) fn is_binding(&self, invitation: &InvitationId) -> bool {
        self.context
            .lines
            .rows
            .get(&LineId::of_offer(*invitation))
            .is_some_and(|held| held.current.is_none() && held.pending.is_some())
    }

    /// A device signs the next version of a line, which the driver verified, unless `new` says why not.
    pub fn sign_line(&mut self, session: SessionId, new: Result<NewLine, String>, now_ms: u64) -> Effects {
        match new.and_then(|new| self.may_sign_line(session, &new, now_ms).map(|()| new)) {
            Ok(new) if self.is_stopped_so(&new) => {}
            Ok(new) => {
                let (id, state) = (new.content.line, new.content.state);
                let (version, statement) = version(new, now_ms);
                self.context.write(Write::LineSigned(Box::new(version.clone()), statement));
                self.context.append(PendingAppend::LineSigned(id), signed(&version));
                self.context.lines.asked_by.insert(id, session);
                match self.context.lines.rows.get_mut(&id) {
                    Some(held) => held.pending = Some(version),
                    None => {
                        let row =
                            LineRow { line: id, given_ms: now_ms, current: None, pending: Some(version), found: None };
                        self.context.lines.insert(row);
                    }
                }
                if state != LineState::Live {
                    self.stop_calls_over(id, now_ms);
                }
            }
            Err(text) => self.context.refuse(session, None, RefusalCode::NotAllowed, &text),
        }
        self.finish(now_ms)
    }

    /// Whether a line is stopped as this version says, by the same device, or has ended: a device sends a stop again whose answer it did
    /// not get, with another date.
    fn is_stopped_so(&self, new: &NewLine) -> bool {
        let content = &new.content;
        let same = |held: &LineVersion| {
            let of = &held.content;
            held.by == new.by
                && (of.version, of.state, of.previous) == (content.version, content.state, content.previous)
        };
        match self.context.lines.rows.get(&content.line) {
            Some(held) => content.state != LineState::Live && held.pending.iter().chain(&held.current).any(same),
            None => content.state == LineState::Ended,
        }
    }

    fn may_sign_line(&self, session: SessionId, new: &NewLine, now_ms: u64) -> Result<(), String> {
        let content = &new.content;
        let signer = self.context.directory.session(session).filter(|session| session.device == new.by);
        let signer = signer.ok_or("a version of a line is sent by the device that signed it")?;
        check_clock(content, now_ms)?;
        if self.context.policy.rings == Rings::ByRole {
            return Err(NO_LINES.into());
        }
        if content.terms.hours.as_ref().is_some_and(|hours| !local_time::is_zone(&hours.zone)) {
            return Err(NO_ZONE.into());
        }
        let principal = content.principal.person;
        match content.on_behalf {
            None => {}
            Some(named) => {
                let under = self.context.delegations.for_act(&named, Act::Lines, &signer.card, now_ms)?;
                if under.principal != principal {
                    return Err("this delegation is another principal's".into());
                }
            }
        }
        match self.context.lines.rows.get(&content.line) {
            _ if self.is_stopped_so(new) => Ok(()),
            Some(held) => {
                if held.pending.is_some() {
                    return Err(
                        "the last change of this line is not in the office's log yet: try again in a moment".into()
                    );
                }
                let newest = held.newest().ok_or(NO_LINE)?;
                let before = held.current.as_ref().ok_or(NO_LINE)?;
                if newest.state == LineState::Ended {
                    return Err(NO_LINE.into());
                }
                let checked = new.follows == Some(newest.statement_sha256) || held.found.is_some();
                let next = content.version == newest.version.saturating_add(1)
                    && content.previous == Some(newest.statement_sha256);
                if !next || !checked {
                    return Err("this line has changed meanwhile: look at it again".into());
                }
                let old = &before.content;
                if principal != old.principal.person || content.holder.person != old.holder.person {
                    return Err("a line stays between the same people: end it, and give another".into());
                }
                // What needs no confirmation changes nothing but whether the line is in use.
                let stops = content.state != LineState::Live;
                if stops && (content.terms != old.terms || content.device != old.device || content.holder != old.holder)
                {
                    return Err("a line that is stopped keeps what it allows: change that when it is in use".into());
                }
                // Whether it follows the version that the database lacks, nobody can say: the principal answers for all of it.
                let is_givers = content.on_behalf.is_some() || signer.card.person == principal;
                if held.found.is_some() && !is_givers {
                    return Err("only its principal confirms a line after the office's server was restored".into());
                }
                self.check_bound(content, old)
            }
            None if content.version != 1 => Err(NO_LINE.into()),
            None => {
                if new.exists || self.invitations.is_known(&content.line.offer()) {
                    return Err("a line of this id was given before: give another".into());
                }
                if content.state != LineState::Live || content.device.is_some() {
                    return Err("a line to a person whom the office enrolled is for all of their devices: offer others with an invitation".into());
                }
                let offers = self.invitations.offers_of(principal);
                if self.context.lines.count(principal) + offers >= MAX_LINES_PER_PRINCIPAL {
                    return Err("this principal has given as many lines as one can: end some first".into());
                }
                self.check_parties(content)
            }
        }
    }

    /// That a line's people are enrolled in the words that it has.
    fn check_parties(&self, content: &Line) -> Result<(), String> {
        let directory = &self.context.directory;
        let known = |card: &Card| directory.person(card.person).is_some_and(|known| **known == *card);
        if !known(&content.principal) || !known(&content.holder) {
            return Err("the person has no device here, or is enrolled under other words: choose them again".into());
        }
        self.check_devices(content)
    }

    fn check_devices(&self, content: &Line) -> Result<(), String> {
        let mut devices =
            self.context.directory.devices_of(content.holder.person).filter(|(_, device)| device.is_valid());
        let found = match content.device {
            Some(bound) => devices.any(|(id, _)| *id == bound),
            None => devices.any(|(_, device)| !device.given),
        };
        if found {
            Ok(())
        } else {
            Err("the line is for a device that its holder does not have: offer another line".into())
        }
    }

    /// A version may bind a line to another device of its holder, or name people in the words of now.
    fn check_bound(&self, content: &Line, old: &Line) -> Result<(), String> {
        if content.state != LineState::Live {
            return Ok(());
        }
        if content.principal != old.principal || content.holder != old.holder {
            return self.check_parties(content);
        }
        if content.device != old.device { self.check_devices(content) } else { Ok(()) }
    }

    pub(super) fn line_logged(&mut self, id: LineId, index: Option<u64>, now_ms: u64) {
        let session = self.context.lines.asked_by.remove(&id);
        let Some(held) = self.context.lines.rows.get_mut(&id) else { return };
        let Some(index) = index else {
            self.context.timers.set(Timer::Line(id), Some(now_ms + LOG_RETRY_MS));
            if let Some(session) = session {
                let text = "the office's log cannot be written now: the change of the line counts once it can";
                self.context.refuse(session, None, RefusalCode::Unavailable, text);
            }
            return;
        };
        let Some(next) = held.pending.take() else { return };
        let next = LineVersion { index: Some(index), ..next };
        let holder = next.content.holder.person;
        let was_doubted = self.context.lines.is_doubted(holder);
        let Some(held) = self.context.lines.rows.get_mut(&id) else { return };
        let (content, entry) = (next.content.clone(), signed(&next));
        let found = LoggedVersion { version: content.version, state: content.state, statement_sha256: next.sha256 };
        let logged = Write::LineLogged(id, found, index, next.signed_ms);
        held.current = Some(next);
        held.found = None;
        self.context.write(logged);
        self.context.timers.set(Timer::Line(id), None);
        self.context.lines.state_changed(id);
        if content.state == LineState::Ended {
            self.context.lines.remove(id);
        }
        self.entry_is_alert(index, &entry);
        let invitation = id.offer();
        if let Some(by) = self.invitations.open.get(&invitation).and_then(|row| row.last_approved_by) {
            self.close(invitation, InvitationClosed::Approved, Some(by), now_ms);
        }
        self.tell_lines_changed(content.principal.person, content.holder.person);
        if was_doubted || self.context.lines.is_doubted(holder) {
            self.tell_of_doubt(content.principal.person, holder);
        }
    }

    /// A line of this holder was frozen, or is not frozen any more: everybody who gave them one is told, and those who change lines for
    /// them.
    fn tell_of_doubt(&mut self, principal: PersonId, holder: PersonId) {
        let mut principals = self.context.lines.principals(holder);
        // If it has ended, they hold no line of this principal any more.
        principals.insert(principal);
        let people: BTreeSet<PersonId> = principals
            .into_iter()
            .flat_map(|person| self.context.delegations.line_delegates(person).into_iter().chain([person]))
            .collect();
        for person in people {
            let lines = self.doubted_lines(person);
            for device in self.context.directory.online_devices_of(person) {
                self.context.tell(&device, ServerMessage::LinesDoubted { lines: lines.clone() });
            }
        }
    }

    /// The lines of a person, and of those for whom they change lines, whose holder somebody else doubts.
    fn doubted_lines(&self, person: PersonId) -> Vec<DoubtedLine> {
        let others = self.context.delegations.lines_for(person);
        others
            .into_iter()
            .chain([person])
            .flat_map(|principal| self.context.lines.doubted(principal))
            .take(MAX_LINES_LISTED)
            .collect()
    }

    /// What a device is told at sign-in of lines whose holder somebody doubts.
    pub(super) fn send_doubted_lines(&mut self, session: SessionId, person: PersonId) {
        let lines = self.doubted_lines(person);
        if !lines.is_empty() {
            self.context.send(session, ServerMessage::LinesDoubted { lines });
        }
    }

    /// A line is stopped: rings over it end, and calls too unless it is only paused.
    fn stop_calls_over(&mut self, id: LineId, now_ms: u64) {
        let Some(held) = self.context.lines.rows.get(&id) else { return };
        let Some(holder) = held.current.as_ref().map(|version| version.content.holder.person) else { return };
        let lines = &self.context.lines;
        let stops = |call: &Call| {
            let over = call.row.line.is_some_and(|(line, _)| line == id);
            // One that is being opened is looked at when the log has it.
            over && call.is_ringing_or_live() && lines.stops(&call.row)
        };
        let calls: Vec<CallId> = self.calls.of_person(holder).filter(|call| stops(call)).map(Call::id).collect();
        for call in calls {
            self.end(call, Ended::Revoked, now_ms);
        }
    }

    /// Tells those whom a line concerns that it was signed, and shows its people to each other as it is now.
    fn tell_lines_changed(&mut self, principal: PersonId, holder: PersonId) {
        let directory = &self.context.directory;
        let roles = ROLES.into_iter().filter(|role| allows(*role, Action::StopLines));
        let mut sessions: BTreeSet<SessionId> = roles.flat_map(|role| directory.sessions_of_role(role)).collect();
        let delegates = self.context.delegations.delegates(principal);
        for person in [principal, holder].into_iter().chain(delegates.iter().copied()) {
            let devices = directory.online_devices_of(person);
            sessions.extend(devices.iter().filter_map(|device| directory.session_of(device)));
        }
        for session in sessions {
            self.context.send(session, ServerMessage::LinesChanged {});
        }
        if self.context.policy.rings != Rings::OverLines {
            return;
        }
        let viewers = [(principal, holder), (holder, principal)].into_iter();
        let ringing =
            delegates.iter().filter(|person| self.context.delegations.rings_for(**person).contains(&principal));
        let viewers: Vec<_> = viewers.chain(ringing.map(|person| (*person, holder))).collect();
        for (viewer, other) in viewers {
            for device in self.context.directory.online_devices_of(viewer) {
                let Some(session) = self.context.directory.session_of(&device) else { continue };
                if let Some(message) = self.context.show_again(session, other) {
                    self.context.send(session, message);
                }
            }
        }
    }
}

impl Context {
    /// Shows a person in a connection's contact list as the lines are now, or no more.
    fn show_again(&mut self, session: SessionId, person: PersonId) -> Option<ServerMessage> {
        let (contacts, known) = self.contacts();
        contacts.show_again(session, person, &known)
    }

    /// How a device sees lines, by its person's role.
    pub fn viewer(&self, card: &Card, device: DeviceId) -> Viewer {
        match allows(card.role, Action::HoldLines) {
            true => Viewer::Holder { device, given: self.directory.device(&device).is_some_and(|device| device.given) },
            false => Viewer::Principal,
        }
    }

    /// For whom a person sees lines: for themselves, or for those for whom they ring.
    pub fn sides(&self, card: &Card) -> BTreeSet<PersonId> {
        match allows(card.role, Action::ActForPrincipal) {
            true => self.delegations.rings_for(card.person),
            false => BTreeSet::from([card.person]),
        }
    }
}

impl Call {
    /// The version of the line that it is over, with what proves it.
    pub(super) fn load_line(&mut self, signed: Option<SignedLine>, context: &Context) {
        self.over = signed.map(|signed| {
            let entry = |index| entry_at(index);
            let under = signed.delegation.map(|(statement, given, device)| {
                Box::new(ProvenDelegation {
                    statement,
                    given: entry(given),
                    device: context.directory.device_entry(&device),
                })
            });
            let proven = ProvenLine {
                statement: signed.statement,
                signed: entry(signed.index),
                device: context.directory.device_entry(&signed.by),
                delegation: under,
            };
            let desk_alone = super::held_lines::reaches_desk_alone(&signed.content, self.row.from.person);
            super::call::Over { proven: Box::new(proven), desk_alone }
        });
    }

    /// Sends what a device needs to verify who acts in it for whom, and over which line it is, before the message that relies on it.
    pub(super) fn send_basis(&self, session: SessionId, context: &mut Context) {
        self.send_delegations(session, context);
        if let Some(over) = &self.over {
            context.send(session, ServerMessage::Line(over.proven.clone()));
        }
    }

    /// Whether it rings at the devices of those who may answer for the person rung, and not at that person's.
    pub(super) fn rings_desk_alone(&self) -> bool {
        self.row.diverted || self.over.as_ref().is_some_and(|over| over.desk_alone)
    }
}

/// A clock that is wrong would make the next versions look older than they are.
fn check_clock(content: &Line, now_ms: u64) -> Result<(), String> {
    if content.at_ms.abs_diff(now_ms) > CLOCK_TOLERANCE_S * 1000 {
        return Err("this device's clock differs from the office's: set it, then try again".into());
    }
    Ok(())
}

fn version(new: NewLine, now_ms: u64) -> (LineVersion, String) {
    let NewLine { content, by, statement, sha256, sealed, .. } = new;
    let sealed_sha256 = sealed.map(|sealed| sealed.sha256);
    (LineVersion { content, sha256, sealed_sha256, by, signed_ms: now_ms, index: None }, statement)
}

/// The entry of a version.
fn signed(version: &LineVersion) -> Entry {
    Entry::LineSigned {
        time_ms: version.signed_ms,
        line: version.content.line,
        version: version.content.version,
        state: version.content.state,
        by: version.by,
        statement_sha256: version.sha256,
        sealed_sha256: version.sealed_sha256,
    }
}

#[cfg(test)]
mod tests;
