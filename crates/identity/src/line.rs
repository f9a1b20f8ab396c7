//! Lines: a principal's device certifies the device of whoever takes one, and signs who may ring over it and how; rings over it.
//!
//! A line is a chain of versions ([`telcon_proto::line`]). One version proves what its signer said, not that it is the newest: the
//! server is asked for the newest, devices that have seen a newer version refuse an older one, and the log has them all.

use crate::{
    VerifiedRequest,
    certificate::{Certificate, Fields, Span, key_id, serial},
    chain::VerifiedDevice,
    delegation::{Basis, VerifiedDelegation},
    error::{Flaw, Misuse, Result, Validity},
    jws,
    key::DeviceKey,
    logged::LoggedEntry,
    name::{card_name, check_zone},
    office::Office,
    ring::VerifiedRing,
    validity::{CLOCK_TOLERANCE_S, DEVICE_VALIDITY_S},
};
use sha2::{Digest as _, Sha256};
use telcon_proto::{
    Card, Digest, LineId, OfficeName, Role,
    delegation::Act,
    entry::Entry,
    limits::{MAX_LINE_STATEMENT_CHARS, MAX_LINE_VERSIONS},
    line::{Line, LineState, LineTerms, LocalMinute, OverLine, ProvenLine, Reach, Rings},
    policy::{Action, allows},
};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsages};

/// Type of a version of a line (RFC 7515 section 4.1.9).
pub const LINE_TYP: &str = "telcon-line+jws";

/// How far the date that a version was signed with may be from that of its log entry, milliseconds: more than the difference of two
/// clocks that a server accepts.
pub const LINE_MAX_DELAY_MS: u64 = 10 * 60_000;

/// What the clocks of a zone show at a time, milliseconds since 1970 UTC; none for a zone that is not known.
pub type ZoneClock<'a> = &'a dyn Fn(&str, u64) -> Option<LocalMinute>;

/// Signs a version of a line with a device key and its chain.
pub fn sign_line(key: &DeviceKey, chain: &[Vec<u8>], line: &Line) -> String {
    let payload = serde_json::to_vec(line).expect("invariant: strings and numbers are JSON");
    jws::sign(key, LINE_TYP, &payload, chain)
}

/// Certifies the key of a device that asked with a principal's invitation, as a counterpart's. Returns its chain, DER: the new device,
/// then the chain of the principal's device.
///
/// # Errors
/// [`Misuse::HolderRole`]: not a principal's device, or not a counterpart's card. [`Misuse::CardOffice`], [`Misuse::DeviceKey`];
/// [`Validity::Device`]; [`Flaw::EnrolmentKeyReused`] if the request is for the principal's own key.
pub fn certify_holder(
    key: &DeviceKey,
    giver: &VerifiedDevice,
    chain: &[Vec<u8>],
    request: &VerifiedRequest,
    card: &Card,
    now_ms: u64,
) -> Result<Vec<Vec<u8>>> {
    let issuer = Certificate::read(chain.first().ok_or(Flaw::ChainLength)?)?;
    let own = issuer.fields();
    if key.public_bytes() != own.public || giver.public_key() != own.public {
        return Err(Misuse::DeviceKey.into());
    }
    if !allows(giver.card().role, Action::GiveLines) || !allows(card.role, Action::HoldLines) {
        return Err(Misuse::HolderRole.into());
    }
    if card.office != *giver.office() {
        return Err(Misuse::CardOffice.into());
    }
    let asked = request.request();
    if asked.key.as_slice() == own.public {
        return Err(Flaw::EnrolmentKeyReused.into());
    }
    giver.check_time(now_ms)?;
    let from_s = (now_ms / 1000).saturating_sub(CLOCK_TOLERANCE_S).max(own.valid.from_s);
    let fields = Fields {
        serial: serial(asked.device.as_bytes()).to_vec(),
        issuer: own.subject.clone(),
        issuer_key: Some(key_id(&own.public)),
        subject: card_name(card, asked.device.as_bytes())?,
        valid: Span { from_s, until_s: from_s.saturating_add(DEVICE_VALIDITY_S).min(own.valid.until_s) },
        suite: own.suite,
        public: asked.key.0.clone(),
        constraints: BasicConstraints { ca: false, path_len_constraint: None },
        usage: KeyUsages::DigitalSignature.into(),
        key_use: None,
    };
    let mut certified = vec![fields.sign(key)?.der().to_vec()];
    certified.extend_from_slice(chain);
    Ok(certified)
}

/// A version of a line that a device signed which may, in everything but a delegation that it names
/// ([`VerifiedLine::check_delegation`]). Only verification creates one. It does not prove that the log has it ([`LoggedLine`]), or that
/// no newer one exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedLine {
    content: Line,
    device: VerifiedDevice,
    sha256: [u8; 32],
}

impl VerifiedLine {
    /// The signed payload.
    pub fn content(&self) -> &Line {
        &self.content
    }

    /// The device that signed it.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// SHA-256 over the text of the JWS, as the log and the next version have it.
    pub fn sha256(&self) -> Digest {
        Digest::from_bytes(self.sha256)
    }

    /// What a ring over it says.
    pub fn over(&self) -> OverLine {
        OverLine { line: self.content.line, statement_sha256: self.sha256() }
    }

    /// Whether its signer speaks for the principal, and may change everything.
    fn is_givers(&self) -> bool {
        self.content.on_behalf.is_some() || self.device.card().person == self.content.principal.person
    }

    /// Holds a version that was signed for the principal to the delegation that it names: exactly this one, to the signer, for lines,
    /// valid when it was signed.
    ///
    /// # Errors
    /// [`Flaw::DelegationMissing`], [`Flaw::OtherDelegation`], [`Flaw::OtherPrincipal`], and those of [`VerifiedDelegation::check`].
    pub fn check_delegation(&self, delegation: Option<&VerifiedDelegation>) -> Result<()> {
        match (self.content.on_behalf, delegation) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(Flaw::DelegationMissing.into()),
            (None, Some(_)) => Err(Flaw::OtherDelegation.into()),
            (Some(named), Some(delegation)) if named != delegation.on_behalf() => Err(Flaw::OtherDelegation.into()),
            (Some(_), Some(delegation)) if *delegation.principal() != self.content.principal => {
                Err(Flaw::OtherPrincipal.into())
            }
            (Some(_), Some(delegation)) => delegation.check(Act::Lines, self.device.card(), self.content.at_ms),
        }
    }

    /// Checks that another version follows this one: of the same line, principal and holder, naming this one, and changing no more than
    /// its signer may. A line that has ended has no further version.
    ///
    /// # Errors
    /// [`Flaw::LineVersion`], [`Flaw::LineSigner`]; [`Validity::LineEnded`].
    pub fn check_next(&self, next: &Self) -> Result<()> {
        let (old, new) = (&self.content, &next.content);
        if old.state == LineState::Ended {
            return Err(Validity::LineEnded.into());
        }
        let follows = new.line == old.line
            && new.version == old.version.saturating_add(1)
            && new.previous == Some(self.sha256())
            && new.principal.person == old.principal.person
            && new.holder.person == old.holder.person;
        if !follows {
            return Err(Flaw::LineVersion.into());
        }
        let same_line = new.terms == old.terms && new.device == old.device && new.holder == old.holder;
        // A stop needs no confirmation of its signer, and so changes nothing else.
        let may = match new.state {
            LineState::Live => next.is_givers() || same_line && new.principal == old.principal,
            LineState::Paused | LineState::Suspect | LineState::Ended => {
                same_line && (next.is_givers() || new.principal == old.principal)
            }
        };
        if may { Ok(()) } else { Err(Flaw::LineSigner.into()) }
    }

    /// Checks that a device of the holder is the one that the line is bound to. A device that a principal certified counts for the line
    /// that names it, and for no other.
    ///
    /// # Errors
    /// [`Flaw::LineDevice`].
    pub fn check_holder(&self, device: &VerifiedDevice) -> Result<()> {
        if is_bound_to(&self.content, device) { Ok(()) } else { Err(Flaw::LineDevice.into()) }
    }

    /// Checks that a ring is over this line, in one of its two directions: its holder rings the principal, from the device that it is
    /// bound to and as its terms allow at `at_ms`; or the principal, or who rings for them (`rings_for`), rings the holder.
    ///
    /// # Errors
    /// [`Flaw::OtherLine`], [`Flaw::LineDevice`], [`Flaw::RingMode`]; [`Validity::LineEnded`], [`Validity::LinePaused`],
    /// [`Validity::LineSuspect`], [`Validity::LinePlanned`], [`Validity::LineHours`].
    fn check_ring(
        &self,
        ring: &VerifiedRing,
        rings_for: Option<&Card>,
        at_ms: u64,
        local: ZoneClock<'_>,
    ) -> Result<()> {
        let (line, content, caller) = (&self.content, ring.ring(), ring.device());
        if content.over != Some(self.over()) {
            return Err(Flaw::OtherLine.into());
        }
        let by_principal = *rings_for.unwrap_or(caller.card()) == line.principal && line.holder.is_of(&content.to);
        let by_holder = rings_for.is_none() && *caller.card() == line.holder && line.principal.is_of(&content.to);
        if !by_principal && !by_holder {
            return Err(Flaw::OtherLine.into());
        }
        match line.state {
            LineState::Live => {}
            LineState::Paused => return Err(Validity::LinePaused.into()),
            LineState::Suspect => return Err(Validity::LineSuspect.into()),
            LineState::Ended => return Err(Validity::LineEnded.into()),
        }
        if line.terms.until_ms.is_some_and(|until_ms| at_ms > until_ms) {
            return Err(Validity::LineEnded.into());
        }
        if content.mode < line.terms.mode {
            return Err(Flaw::RingMode.into());
        }
        if by_principal {
            return Ok(());
        }
        self.check_holder(caller)?;
        if line.terms.reach == Reach::Planned {
            return Err(Validity::LinePlanned.into());
        }
        let within = |hours: &telcon_proto::line::Hours| local(&hours.zone, at_ms).is_some_and(|at| hours.contains(at));
        if line.terms.hours.as_ref().is_some_and(|hours| !within(hours)) {
            return Err(Validity::LineHours.into());
        }
        Ok(())
    }
}

/// Whether the line is bound to this device of its holder. One that a principal certified is for the line that names it alone.
fn is_bound_to(content: &Line, device: &VerifiedDevice) -> bool {
    match content.device {
        Some(bound) => bound == device.device(),
        None => device.given_by().is_none(),
    }
}

/// Whether a ring between these roles has to be over a line, by the office's charter.
pub fn needs_line(rings: Rings, caller: Role, callee: Role) -> bool {
    rings == Rings::OverLines && [caller, callee].iter().any(|role| allows(*role, Action::HoldLines))
}

/// A version of a line that the log has, by a device that the log has, under a delegation that the log has if it names one.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedLine {
    line: VerifiedLine,
    basis: Basis,
}

impl LoggedLine {
    /// The version.
    pub fn line(&self) -> &VerifiedLine {
        &self.line
    }

    /// Its line's identifier.
    pub fn id(&self) -> LineId {
        self.line.content.line
    }

    /// Its entry.
    pub fn entry(&self) -> &LoggedEntry {
        &self.basis.signed
    }

    /// The entries that prove it.
    pub fn entries(&self) -> Vec<&LoggedEntry> {
        self.basis.entries()
    }
}

impl Office {
    /// Verifies a version of a line in everything but the present time and a delegation that it names: signature and chain of a device
    /// of this office, whose certificate was valid when it was signed; a principal and a counterpart of this office; terms within their
    /// limits; a signer who may say this. That is the principal, or somebody for them; the holder to hand it back, and a security officer
    /// to freeze or end it.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the chain; [`Flaw::TooLong`], [`Flaw::OtherOffice`], [`Flaw::LineRole`], [`Flaw::LineTerms`],
    /// [`Flaw::LineVersion`], [`Flaw::LineSigner`]; [`Misuse`] of a card; [`Validity::Device`], [`Validity::DeviceNotYet`].
    pub fn verify_line(&self, jws: &str) -> Result<VerifiedLine> {
        if jws.len() > MAX_LINE_STATEMENT_CHARS {
            return Err(Flaw::TooLong.into());
        }
        let (device, payload) = self.verify_signed(jws, LINE_TYP)?;
        let content: Line = serde_json::from_slice(&payload).map_err(|_| Flaw::Payload)?;
        self.check_given(&content.office, &content.principal, &content.holder, &content.terms)?;
        let first = content.version == 1;
        // The last versions are for stopping: a line can always be ended.
        let last = match content.state {
            LineState::Live => MAX_LINE_VERSIONS - 2,
            LineState::Paused | LineState::Suspect => MAX_LINE_VERSIONS - 1,
            LineState::Ended => MAX_LINE_VERSIONS,
        };
        if first != content.previous.is_none() || !(1..=last).contains(&content.version) {
            return Err(Flaw::LineVersion.into());
        }
        let signer = device.card();
        let may = match content.on_behalf {
            Some(_) => allows(signer.role, Action::ActForPrincipal),
            None if *signer == content.principal => true,
            None if *signer == content.holder => {
                is_bound_to(&content, &device) && !first && content.state == LineState::Ended
            }
            None => {
                let stops = matches!(content.state, LineState::Suspect | LineState::Ended);
                allows(signer.role, Action::StopLines) && !first && stops
            }
        };
        if !may {
            return Err(Flaw::LineSigner.into());
        }
        device.check_time(content.at_ms)?;
        Ok(VerifiedLine { content, device, sha256: Sha256::digest(jws).into() })
    }

    /// What every statement about a line has to say: an office, a principal, a holder and terms that a line of this office may have.
    ///
    /// # Errors
    /// [`Flaw::OtherOffice`], [`Flaw::LineRole`], [`Flaw::LineTerms`]; [`Misuse`] of a card.
    pub(crate) fn check_given(
        &self,
        office: &OfficeName,
        principal: &Card,
        holder: &Card,
        terms: &LineTerms,
    ) -> Result<()> {
        if [office, &principal.office, &holder.office].iter().any(|office| *office != self.domain()) {
            return Err(Flaw::OtherOffice.into());
        }
        if !allows(principal.role, Action::GiveLines) || !allows(holder.role, Action::HoldLines) {
            return Err(Flaw::LineRole.into());
        }
        for card in [principal, holder] {
            card_name(card, &[0; 16])?;
        }
        let zone = terms.hours.as_ref().is_none_or(|hours| check_zone(&hours.zone).is_ok());
        if !zone || !terms.is_well_formed() || terms.mode < self.floor() {
            return Err(Flaw::LineTerms.into());
        }
        Ok(())
    }

    /// Verifies a version of a line, and that it, the device that signed it and the delegation that it names are in the log.
    ///
    /// # Errors
    /// Those of [`Office::verify_line`], [`Office::verify_logged`], [`Office::verify_device_logged`],
    /// [`Office::verify_delegation_logged`] and [`VerifiedLine::check_delegation`]; [`Flaw::LogEntry`], [`Flaw::OtherEntry`],
    /// [`Flaw::EntryTime`]; [`Flaw::LineNotSealed`] where the charter names custodians.
    pub fn verify_line_logged(&self, proven: &ProvenLine) -> Result<LoggedLine> {
        let line = self.verify_line(&proven.statement)?;
        let basis = self.verify_basis(&line.device, &proven.signed, &proven.device, proven.delegation.as_deref())?;
        line.check_delegation(basis.under())?;
        let Some(Entry::LineSigned { line: id, version, state, by, statement_sha256, sealed_sha256, .. }) =
            basis.signed.entry()
        else {
            return Err(Flaw::LogEntry.into());
        };
        let same = *id == line.content.line
            && *version == line.content.version
            && *state == line.content.state
            && *by == line.device.device()
            && *statement_sha256 == line.sha256();
        if !same {
            return Err(Flaw::OtherEntry.into());
        }
        if sealed_sha256.is_none() && !self.custodians().is_empty() {
            return Err(Flaw::LineNotSealed.into());
        }
        basis.check_date(line.content.at_ms, LINE_MAX_DELAY_MS)?;
        Ok(LoggedLine { line, basis })
    }

    /// Verifies the chain that a principal's device issued for the device that asked with its invitation: exactly the key and device
    /// that asked, for this person, by this principal's device, and valid at `now_ms`.
    ///
    /// # Errors
    /// [`Flaw`]s of the chain; [`Flaw::OtherRequest`], [`Flaw::OtherDevice`]; [`Validity::Device`], [`Validity::DeviceNotYet`].
    pub fn verify_holder(
        &self,
        chain: &[impl AsRef<[u8]>],
        request: &VerifiedRequest,
        card: &Card,
        giver: telcon_proto::DeviceId,
        now_ms: u64,
    ) -> Result<VerifiedDevice> {
        let device = self.verify_chain(chain, now_ms)?;
        if device.given_by() != Some(giver) {
            return Err(Flaw::OtherDevice.into());
        }
        let asked = request.request();
        if device.public_key() != asked.key.as_slice() || device.device() != asked.device || device.card() != card {
            return Err(Flaw::OtherRequest.into());
        }
        Ok(device)
    }
}

impl VerifiedRing {
    /// Holds a ring to the line that it names: exactly this version, and as [`needs_line`] demands one. `rings_for` is the principal on
    /// whose behalf it is, by the delegation that was verified ([`VerifiedRing::check_delegation`]); `callee` the role of the person
    /// rung, as certified; `at_ms` the time by which terms and hours are judged, which is that of the device that judges.
    ///
    /// # Errors
    /// [`Flaw::LineMissing`], [`Flaw::OtherLine`], [`Flaw::LineDevice`], [`Flaw::RingMode`]; [`Validity`] of the line.
    pub fn check_line(
        &self,
        rings: Rings,
        rings_for: Option<&Card>,
        callee: Role,
        line: Option<&VerifiedLine>,
        at_ms: u64,
        local: ZoneClock<'_>,
    ) -> Result<()> {
        let caller = rings_for.unwrap_or(self.device().card());
        match (self.ring().over, line) {
            (None, _) if needs_line(rings, caller.role, callee) => Err(Flaw::LineMissing.into()),
            (None, None) => Ok(()),
            (None, Some(_)) => Err(Flaw::OtherLine.into()),
            (Some(_), None) => Err(Flaw::LineMissing.into()),
            (Some(_), Some(line)) => line.check_ring(self, rings_for, at_ms, local),
        }
    }
}
