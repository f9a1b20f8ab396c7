//! Attacks on lines: on who may give and change them, on the devices that hold them, and on rings over them.

use super::*;
use crate::{
    ask::{Ask, VerifiedRequest, verify_request},
    authority::CharterTerms,
    line::{LINE_TYP, VerifiedLine, certify_holder, needs_line, sign_line},
    trust::TrustStore,
};
use serde_json::Value;
use telcon_proto::{
    InvitationId, LineId,
    delegation::{Act, Delegation},
    http::Registrars,
    line::{Hours, Line, LineState, LineTerms, LocalMinute, ProvenLine, Reach, Rings, Weekday},
};

const LINE: LineId = LineId::from_bytes([0x1e; 16]);
const HOLDER: DeviceId = DeviceId::from_bytes([0x77; 16]);

/// An office that demands lines, with a principal.
struct Giver {
    world: World,
    principal: Device,
}

impl Giver {
    fn new(suite: SuiteName) -> Self {
        let terms = CharterTerms { floor: RecordMode::Memo, registrars: Registrars::One, rings: Rings::OverLines };
        let world = World::chartered(suite, 1, DOMAIN, terms);
        let principal = world.enrol(Role::Principal);
        Self { world, principal }
    }

    fn holder_key(&self) -> DeviceKey {
        DeviceKey::from_seed(self.world.office.suite(), &[0x66; 32])
    }

    /// The request of a new device that opened the principal's link.
    fn request(&self, key: &DeviceKey, device: DeviceId) -> VerifiedRequest {
        let office = &self.world.office;
        let ask =
            Ask::new(office.suite(), [3; 32], office.authority_sha256(), InvitationId::from_bytes(*LINE.as_bytes()));
        let jws = ask.request(key, device, office.domain(), "Safari on a phone", NOW).unwrap();
        verify_request(&jws, office.domain(), &ask).unwrap()
    }

    fn certify(&self, by: &Device, card: &Card) -> crate::Result<Vec<Vec<u8>>> {
        let giver = self.world.office.verify_chain(&by.chain, NOW).unwrap();
        certify_holder(&by.key, &giver, &by.chain, &self.request(&self.holder_key(), HOLDER), card, NOW)
    }

    /// The holder's device, certified by the principal's.
    fn holder(&self) -> Device {
        let chain = self.certify(&self.principal, &guest()).unwrap();
        Device { key: self.holder_key(), chain, id: HOLDER }
    }

    /// The certificate of a holder, changed and signed with the principal's key.
    fn forged(&self, change: impl FnOnce(&mut Fields)) -> Vec<Vec<u8>> {
        let mut chain = self.certify(&self.principal, &guest()).unwrap();
        chain[0] = forge(&chain[0], &self.principal.key, change);
        chain
    }

    fn line(&self, change: impl FnOnce(&mut Line)) -> VerifiedLine {
        let mut line = first();
        change(&mut line);
        self.world.office.verify_line(&sign_line(&self.principal.key, &self.principal.chain, &line)).unwrap()
    }

    fn next(&self, before: &VerifiedLine, by: &Device, change: impl FnOnce(&mut Line)) -> crate::Result<VerifiedLine> {
        let old = before.content();
        let mut line = Line { version: old.version + 1, previous: Some(before.sha256()), ..old.clone() };
        change(&mut line);
        self.world.office.verify_line(&sign_line(&by.key, &by.chain, &line))
    }

    /// A ring of the holder over a line, at `at_ms`.
    fn ring(&self, by: &Device, line: &VerifiedLine, at_ms: u64) -> crate::VerifiedRing {
        let ring = Ring {
            to: card(Role::Principal).person.at(self.world.office.domain()),
            over: Some(line.over()),
            at_ms,
            ..ring(&self.world, by)
        };
        self.world.office.verify_ring(&sign_ring(&by.key, &by.chain, &ring), at_ms).unwrap()
    }

    fn check(&self, line: &VerifiedLine) -> crate::Result<()> {
        self.ring(&self.holder(), line, NOW).check_line(Rings::OverLines, None, Role::Principal, Some(line), NOW, &noon)
    }
}

fn guest() -> Card {
    Card {
        person: PersonId::from_bytes([0x99; 16]),
        name: "President Halvorsen".into(),
        organisation: "Presidency of Sudland".into(),
        ..card(Role::Counterpart)
    }
}

fn terms() -> LineTerms {
    LineTerms {
        reach: Reach::Direct,
        hours: None,
        until_ms: None,
        rings_per_day: None,
        mode: RecordMode::Memo,
        purpose: String::new(),
    }
}

fn first() -> Line {
    Line {
        office: domain(),
        line: LINE,
        version: 1,
        previous: None,
        principal: card(Role::Principal),
        holder: guest(),
        device: Some(HOLDER),
        terms: terms(),
        state: LineState::Live,
        at_ms: NOW,
        on_behalf: None,
    }
}

/// Monday at noon, everywhere.
fn noon(zone: &str, _: u64) -> Option<LocalMinute> {
    (zone == "Europe/Oslo").then_some(LocalMinute { day: Weekday::Monday, minute: 720 })
}

fn refused_line(by: Role, change: impl Fn(&mut Line), why: impl Into<IdentityError>) {
    let why = why.into();
    for suite in SUITES {
        let giver = Giver::new(suite);
        let mut line = first();
        change(&mut line);
        let by = giver.world.enrol(by);
        refused(giver.world.office.verify_line(&sign_line(&by.key, &by.chain, &line)), why);
    }
}

#[test]
fn a_holder_certified_by_a_principal_rings_over_the_line_that_names_its_device() {
    for suite in SUITES {
        let mut giver = Giver::new(suite);
        let (holder, line) = (giver.holder(), giver.line(|_| {}));
        assert_eq!(holder.chain.len(), 3);
        let verified = giver.world.office.verify_chain(&holder.chain, NOW).unwrap();
        assert_eq!((verified.card(), verified.device()), (&guest(), HOLDER));
        assert_eq!((verified.given_by(), verified.registrars()), (Some(giver.principal.id), &[][..]));
        let trust = TrustStore::new(giver.world.office.clone());
        assert_eq!(trust.verify_chain(&holder.chain, NOW), Ok(verified.clone()), "the office is found from the chain");
        let request = giver.request(&giver.holder_key(), HOLDER);
        let office = giver.world.office.clone();
        assert_eq!(office.verify_holder(&holder.chain, &request, &guest(), giver.principal.id, NOW), Ok(verified));
        assert_eq!(giver.check(&line), Ok(()));
        // With its proofs.
        let device = giver.world.log(&enrolled_entry(&giver.world, &giver.principal));
        let signed = giver.world.log(&entry_of(&line));
        let statement = sign_line(&giver.principal.key, &giver.principal.chain, &first());
        let proven = ProvenLine { statement, signed, device, delegation: None };
        let logged = trust.verify_line_logged(&proven).unwrap();
        assert_eq!((logged.line(), logged.id(), logged.entries().len()), (&line, LINE, 2));
    }
}

fn entry_of(line: &VerifiedLine) -> Value {
    let content = line.content();
    json!({
        "type": "line_signed",
        "time_ms": NOW,
        "line": content.line.to_hex(),
        "version": content.version,
        "state": content.state,
        "by": line.device().device().to_hex(),
        "statement_sha256": line.sha256().to_string(),
    })
}

/// A server that keeps the sealed form of a version from the log keeps custodians from knowing of it.
#[test]
fn a_line_that_was_logged_without_its_sealed_form_is_refused_where_the_charter_names_custodians() {
    let mut giver = Giver::new(SuiteName::Hybrid);
    let terms = CharterTerms { floor: RecordMode::Memo, registrars: Registrars::One, rings: Rings::OverLines };
    let log_key = giver.world.office.log_key().to_string();
    let chartered = |custodians: &[&str]| {
        let custodians = custodians.iter().map(|text| (*text).to_owned()).collect();
        giver.world.authority.office_with(&log_key, terms, custodians, NOW - DAY)
    };
    assert_eq!(chartered(&["age1x"]), Err(Misuse::Custodians.into()));
    let sealing = crate::Office::pin(&chartered(&["age1pq1x"]).unwrap(), None).unwrap();
    assert_eq!(sealing.custodians(), ["age1pq1x"]);
    let line = giver.line(|_| {});
    let device = giver.world.log(&enrolled_entry(&giver.world, &giver.principal));
    let statement = sign_line(&giver.principal.key, &giver.principal.chain, &first());
    let mut entry = entry_of(&line);
    let signed = giver.world.log(&entry);
    let unsealed = ProvenLine { statement: statement.clone(), signed, device: device.clone(), delegation: None };
    refused(sealing.verify_line_logged(&unsealed), Flaw::LineNotSealed);
    assert!(giver.world.office.verify_line_logged(&unsealed).is_ok(), "of an office without custodians");
    entry["sealed_sha256"] = json!("ab".repeat(32));
    let signed = giver.world.log(&entry);
    assert!(sealing.verify_line_logged(&ProvenLine { statement, signed, device, delegation: None }).is_ok());
}

#[test]
fn a_binding_that_the_log_has_otherwise_is_refused() {
    let mut giver = Giver::new(SuiteName::Hybrid);
    let line = giver.line(|_| {});
    let device = giver.world.log(&enrolled_entry(&giver.world, &giver.principal));
    let statement = sign_line(&giver.principal.key, &giver.principal.chain, &first());
    let changes: [(&str, Value, Flaw); 6] = [
        ("line", json!("00".repeat(16)), Flaw::OtherEntry),
        ("version", json!(2), Flaw::OtherEntry),
        ("state", json!("ended"), Flaw::OtherEntry),
        ("by", json!("00".repeat(16)), Flaw::OtherEntry),
        ("statement_sha256", json!("00".repeat(32)), Flaw::OtherEntry),
        ("type", json!("line_frozen"), Flaw::LogEntry),
    ];
    for (field, value, why) in changes {
        let mut entry = entry_of(&line);
        entry[field] = value;
        let signed = giver.world.log(&entry);
        let proven = ProvenLine { statement: statement.clone(), signed, device: device.clone(), delegation: None };
        refused(giver.world.office.verify_line_logged(&proven), why);
    }
}

#[test]
fn only_a_principal_certifies_holders_and_only_as_counterparts() {
    for suite in SUITES {
        let giver = Giver::new(suite);
        refused(giver.certify(&giver.principal, &Card { role: Role::Principal, ..guest() }), Misuse::HolderRole);
        refused(giver.certify(&giver.world.enrol(Role::DutyOfficer), &guest()), Misuse::HolderRole);
        let other = Card { office: elsewhere(), ..guest() };
        refused(giver.certify(&giver.principal, &other), Misuse::CardOffice);
        // What a device that does not follow its program could sign.
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Counterpart) {
            let name = card_name(&Card { role, ..guest() }, HOLDER.as_bytes()).unwrap();
            let chain = giver.forged(|fields| fields.subject = name);
            refused(giver.world.office.verify_chain(&chain, NOW), Flaw::HolderRole);
        }
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Principal) {
            let by = giver.world.enrol(role);
            let mut chain = giver.certify(&giver.principal, &guest()).unwrap();
            let issuer = Certificate::read(&by.chain[0]).unwrap();
            chain[0] = forge(&chain[0], &by.key, |fields| {
                fields.issuer = issuer.fields().subject.clone();
                fields.issuer_key = Some(key_id(&issuer.fields().public));
            });
            chain.splice(1.., by.chain);
            refused(giver.world.office.verify_chain(&chain, NOW), Flaw::HolderRole);
        }
    }
}

#[test]
fn a_holder_certifies_nobody() {
    for suite in SUITES {
        let giver = Giver::new(suite);
        let holder = giver.holder();
        let verified = giver.world.office.verify_chain(&holder.chain, NOW).unwrap();
        let key = DeviceKey::from_seed(suite, &[0x67; 32]);
        let request = giver.request(&key, DeviceId::from_bytes([0x78; 16]));
        let card = Card { person: PersonId::from_bytes([0x9a; 16]), ..guest() };
        refused(certify_holder(&holder.key, &verified, &holder.chain, &request, &card, NOW), Misuse::HolderRole);
        // Four certificates are a pair of registrars' and never a longer chain.
        let mut chain = giver.certify(&giver.principal, &guest()).unwrap();
        let issuer = Certificate::read(&holder.chain[0]).unwrap();
        let next = forge(&chain[0], &holder.key, |fields| {
            fields.issuer = issuer.fields().subject.clone();
            fields.issuer_key = Some(key_id(&issuer.fields().public));
            fields.public = key.public_bytes();
        });
        chain.insert(0, next);
        assert_eq!(chain.len(), 4);
        assert!(giver.world.office.verify_chain(&chain, NOW).is_err());
    }
}

#[test]
fn a_holders_certificate_is_held_to_the_profile_of_a_device() {
    for suite in SUITES {
        let giver = Giver::new(suite);
        let check = |change: &dyn Fn(&mut Fields), why: Flaw| {
            refused(giver.world.office.verify_chain(&giver.forged(|fields| change(fields)), NOW), why);
        };
        check(&|fields| fields.constraints.ca = true, Flaw::IssuerAsDevice);
        check(&|fields| fields.usage = KeyUsages::KeyCertSign.into(), Flaw::KeyUsage);
        check(&|fields| fields.serial = serial(&[1; 16]).to_vec(), Flaw::SerialNumber);
        check(&|fields| fields.valid.until_s += DEVICE_VALIDITY_S, Flaw::Validity);
        check(&|fields| fields.public = giver.principal.key.public_bytes(), Flaw::EnrolmentKeyReused);
        let own = card_name(&Card { person: card(Role::Principal).person, ..guest() }, HOLDER.as_bytes()).unwrap();
        check(&|fields| fields.subject = own.clone(), Flaw::CardChanged);
        // Another principal's key, and a server's.
        let mut chain = giver.certify(&giver.principal, &guest()).unwrap();
        chain[0] = forge(&chain[0], &DeviceKey::from_seed(suite, &[9; 32]), |_| {});
        refused(giver.world.office.verify_chain(&chain, NOW), Flaw::Signature);
    }
}

#[test]
fn a_server_cannot_claim_a_binding_that_did_not_happen() {
    for suite in SUITES {
        let giver = Giver::new(suite);
        // The device that asked is not the one that was certified, or another principal's device certified it.
        let chain = giver.certify(&giver.principal, &guest()).unwrap();
        let office = &giver.world.office;
        let other_key = DeviceKey::from_seed(suite, &[0x68; 32]);
        let stolen = giver.request(&other_key, HOLDER);
        refused(office.verify_holder(&chain, &stolen, &guest(), giver.principal.id, NOW), Flaw::OtherRequest);
        let request = giver.request(&giver.holder_key(), HOLDER);
        let renamed = Card { name: "President Halvorson".into(), ..guest() };
        refused(office.verify_holder(&chain, &request, &renamed, giver.principal.id, NOW), Flaw::OtherRequest);
        refused(office.verify_holder(&chain, &request, &guest(), HOLDER, NOW), Flaw::OtherDevice);
        let registered = giver.world.enrol(Role::Counterpart);
        refused(
            office.verify_holder(&registered.chain, &request, &guest(), giver.principal.id, NOW),
            Flaw::OtherDevice,
        );
    }
}

#[test]
fn a_line_by_somebody_who_may_not_give_it_is_refused() {
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Principal) {
        refused_line(role, |_| {}, Flaw::LineSigner);
        refused_line(role, |line| line.principal = card(role), Flaw::LineRole);
    }
    refused_line(Role::Principal, |line| line.principal.name = "The President of Sudland".into(), Flaw::LineSigner);
    refused_line(Role::Principal, |line| line.principal.person = PersonId::from_bytes([5; 16]), Flaw::LineSigner);
    refused_line(Role::Principal, |line| line.holder.role = Role::DutyOfficer, Flaw::LineRole);
    refused_line(Role::Principal, |line| line.holder.office = elsewhere(), Flaw::OtherOffice);
    refused_line(Role::Principal, |line| line.office = elsewhere(), Flaw::OtherOffice);
    refused_line(Role::Principal, |line| line.version = 2, Flaw::LineVersion);
    refused_line(Role::Principal, |line| line.previous = Some(Digest::from_bytes([1; 32])), Flaw::LineVersion);
    refused_line(Role::Principal, |line| line.terms.mode = RecordMode::LogOnly, Flaw::LineTerms);
    refused_line(Role::Principal, |line| line.terms.rings_per_day = Some(0), Flaw::LineTerms);
    let hours = |zone: &str| Hours { zone: zone.into(), days: vec![Weekday::Monday], from_min: 0, until_min: 60 };
    refused_line(Role::Principal, |line| line.terms.hours = Some(hours("Oslo; now")), Flaw::LineTerms);
    refused_line(Role::Principal, |line| line.at_ms = NOW + 366 * DAY, Validity::Device);
}

#[test]
fn a_line_signed_as_another_kind_of_text_is_refused() {
    let giver = Giver::new(SuiteName::Hybrid);
    let payload = serde_json::to_vec(&first()).unwrap();
    let jws = jws::sign(&giver.principal.key, RING_TYP, &payload, &giver.principal.chain);
    refused(giver.world.office.verify_line(&jws), Flaw::JwsType);
    let mut more: Value = serde_json::to_value(first()).unwrap();
    more["allow"] = json!("everything");
    let jws = jws::sign(&giver.principal.key, LINE_TYP, more.to_string().as_bytes(), &giver.principal.chain);
    refused(giver.world.office.verify_line(&jws), Flaw::Payload);
}

#[test]
fn versions_follow_each_other_and_an_ended_line_stays_ended() {
    for suite in SUITES {
        let giver = Giver::new(suite);
        let one = giver.line(|_| {});
        let two = giver.next(&one, &giver.principal, |line| line.state = LineState::Paused).unwrap();
        assert_eq!(one.check_next(&two), Ok(()));
        // Over itself, back, and past a version.
        refused(two.check_next(&two), Flaw::LineVersion);
        refused(two.check_next(&one), Flaw::LineVersion);
        let three = giver.next(&two, &giver.principal, |line| line.state = LineState::Ended).unwrap();
        refused(one.check_next(&three), Flaw::LineVersion);
        // Two versions of one number: one follows what the other device signed.
        let fork = giver.next(&one, &giver.principal, |line| line.state = LineState::Ended).unwrap();
        let after = giver.next(&fork, &giver.principal, |_| {}).unwrap();
        refused(two.check_next(&after), Flaw::LineVersion);
        let again = giver.next(&three, &giver.principal, |line| line.state = LineState::Live).unwrap();
        refused(three.check_next(&again), Validity::LineEnded);
        let other =
            giver.next(&one, &giver.principal, |line| line.holder.person = PersonId::from_bytes([8; 16])).unwrap();
        refused(one.check_next(&other), Flaw::LineVersion);
    }
}

#[test]
fn holders_only_hand_back_and_security_officers_only_stop() {
    for suite in SUITES {
        let giver = Giver::new(suite);
        let (one, holder) = (giver.line(|_| {}), giver.holder());
        let officer = giver.world.enrol(Role::SecurityOfficer);
        let back = giver.next(&one, &holder, |line| line.state = LineState::Ended).unwrap();
        assert_eq!(one.check_next(&back), Ok(()));
        for state in [LineState::Live, LineState::Paused, LineState::Suspect] {
            refused(giver.next(&one, &holder, |line| line.state = state), Flaw::LineSigner);
        }
        for state in [LineState::Suspect, LineState::Ended] {
            let stopped = giver.next(&one, &officer, |line| line.state = state).unwrap();
            assert_eq!(one.check_next(&stopped), Ok(()));
        }
        for state in [LineState::Live, LineState::Paused] {
            refused(giver.next(&one, &officer, |line| line.state = state), Flaw::LineSigner);
        }
        // With the end, nothing else.
        for by in [&holder, &officer] {
            let more = giver.next(&one, by, |line| {
                line.state = LineState::Ended;
                line.terms.mode = RecordMode::Audio;
            });
            refused(one.check_next(&more.unwrap()), Flaw::LineSigner);
        }
        // Another counterpart.
        let stranger = giver.world.enrol(Role::Counterpart);
        refused(giver.next(&one, &stranger, |line| line.state = LineState::Ended), Flaw::LineSigner);
    }
}

#[test]
fn a_change_on_the_principals_behalf_needs_their_delegation_for_lines() {
    for suite in SUITES {
        let giver = Giver::new(suite);
        let (one, officer) = (giver.line(|_| {}), giver.world.enrol(Role::DutyOfficer));
        let delegation = |acts: &[Act], until_ms| {
            let delegation = Delegation {
                office: domain(),
                delegation: telcon_proto::DelegationId::from_bytes([2; 16]),
                principal: card(Role::Principal).person,
                delegate: card(Role::DutyOfficer),
                acts: acts.to_vec(),
                not_before_ms: NOW - HOUR,
                not_after_ms: until_ms,
                at_ms: NOW,
            };
            let jws = crate::sign_delegation(&giver.principal.key, &giver.principal.chain, &delegation);
            giver.world.office.verify_delegation(&jws).unwrap()
        };
        let changed = |under: &crate::VerifiedDelegation| {
            giver.next(&one, &officer, |line| {
                line.on_behalf = Some(under.on_behalf());
                line.terms.purpose = "Grain".into();
            })
        };
        let lines = delegation(&[Act::Lines], NOW + HOUR);
        let two = changed(&lines).unwrap();
        assert_eq!((two.check_delegation(Some(&lines)), one.check_next(&two)), (Ok(()), Ok(())));
        refused(two.check_delegation(None), Flaw::DelegationMissing);
        let answers = delegation(&[Act::Answer], NOW + HOUR);
        refused(two.check_delegation(Some(&answers)), Flaw::OtherDelegation);
        refused(changed(&answers).unwrap().check_delegation(Some(&answers)), Flaw::DelegationAct);
        let over = delegation(&[Act::Lines], NOW - 1);
        refused(changed(&over).unwrap().check_delegation(Some(&over)), Validity::Delegation);
        refused(giver.next(&one, &officer, |line| line.terms.purpose = "Grain".into()), Flaw::LineSigner);
        refused(one.check_delegation(Some(&lines)), Flaw::OtherDelegation);
    }
}

#[test]
fn a_ring_without_a_live_line_is_refused_by_whoever_is_rung() {
    for suite in SUITES {
        let giver = Giver::new(suite);
        let holder = giver.holder();
        let none = Ring { to: card(Role::Principal).person.at(&domain()), ..ring(&giver.world, &holder) };
        let none = giver.world.office.verify_ring(&sign_ring(&holder.key, &holder.chain, &none), NOW).unwrap();
        let check = |line| none.check_line(Rings::OverLines, None, Role::Principal, line, NOW, &noon);
        refused(check(None), Flaw::LineMissing);
        let live = giver.line(|_| {});
        refused(check(Some(&live)), Flaw::LineMissing);
        assert_eq!(none.check_line(Rings::ByRole, None, Role::Principal, None, NOW, &noon), Ok(()));
        for (state, why) in [
            (LineState::Paused, Validity::LinePaused),
            (LineState::Suspect, Validity::LineSuspect),
            (LineState::Ended, Validity::LineEnded),
        ] {
            refused(giver.check(&giver.line(|line| line.state = state)), why);
        }
        // A ring over a version that was revoked while it was in flight names that version: the newer one does not fit it.
        let ring = giver.ring(&holder, &live, NOW);
        let ended = giver.next(&live, &giver.principal, |line| line.state = LineState::Ended).unwrap();
        refused(ring.check_line(Rings::OverLines, None, Role::Principal, Some(&ended), NOW, &noon), Flaw::OtherLine);
    }
}

#[test]
fn a_ring_outside_the_terms_is_refused_by_the_clock_of_the_device_that_rings() {
    let giver = Giver::new(SuiteName::Hybrid);
    let hours =
        |from_min, until_min| Hours { zone: "Europe/Oslo".into(), days: vec![Weekday::Monday], from_min, until_min };
    let with = |change: &dyn Fn(&mut LineTerms)| giver.check(&giver.line(|line| change(&mut line.terms)));
    assert_eq!(with(&|terms| terms.hours = Some(hours(720, 721))), Ok(()));
    refused(with(&|terms| terms.hours = Some(hours(0, 720))), Validity::LineHours);
    // A zone that this device does not know is no permission.
    let unknown = Hours { zone: "Europe/Atlantis".into(), ..hours(0, 1440) };
    refused(with(&|terms| terms.hours = Some(unknown.clone())), Validity::LineHours);
    assert_eq!(with(&|terms| terms.until_ms = Some(NOW)), Ok(()));
    refused(with(&|terms| terms.until_ms = Some(NOW - 1)), Validity::LineEnded);
    refused(with(&|terms| terms.reach = Reach::Planned), Validity::LinePlanned);
    assert_eq!(with(&|terms| terms.reach = Reach::Desk), Ok(()));
    refused(with(&|terms| terms.mode = RecordMode::Audio), Flaw::RingMode);
    // The caller's own date does not decide: within the age of a ring it can be chosen.
    let line = giver.line(|line| line.terms.until_ms = Some(NOW));
    let ring = giver.ring(&giver.holder(), &line, NOW);
    refused(ring.check_line(Rings::OverLines, None, Role::Principal, Some(&line), NOW + 1, &noon), Validity::LineEnded);
}

#[test]
fn a_copied_or_borrowed_line_rings_nobody() {
    for suite in SUITES {
        let giver = Giver::new(suite);
        let line = giver.line(|_| {});
        let check = |by: &Device, line: &VerifiedLine| {
            giver.ring(by, line, NOW).check_line(Rings::OverLines, None, Role::Principal, Some(line), NOW, &noon)
        };
        // Another counterpart who learned the line's identifier and digest.
        refused(check(&giver.world.enrol(Role::Counterpart), &line), Flaw::OtherLine);
        // The holder's device, over a line that is bound to another of theirs; and one that is for devices of the office alone.
        let moved = giver.line(|line| line.device = Some(DeviceId::from_bytes([0x79; 16])));
        refused(check(&giver.holder(), &moved), Flaw::LineDevice);
        refused(check(&giver.holder(), &giver.line(|line| line.device = None)), Flaw::LineDevice);
        // Another version or line than the one that the ring names.
        let other = giver.line(|line| line.line = LineId::from_bytes([2; 16]));
        let ring = giver.ring(&giver.holder(), &line, NOW);
        refused(ring.check_line(Rings::OverLines, None, Role::Principal, Some(&other), NOW, &noon), Flaw::OtherLine);
        // The right line, to another principal.
        let elsewhere = Ring { over: Some(line.over()), ..super::ring(&giver.world, &giver.holder()) };
        let holder = giver.holder();
        let jws = sign_ring(&holder.key, &holder.chain, &elsewhere);
        let ring = giver.world.office.verify_ring(&jws, NOW).unwrap();
        refused(ring.check_line(Rings::OverLines, None, Role::Principal, Some(&line), NOW, &noon), Flaw::OtherLine);
    }
}

#[test]
fn a_principal_rings_the_holder_over_the_same_line_at_any_hour() {
    let giver = Giver::new(SuiteName::Hybrid);
    let night = |line: &mut Line| {
        line.terms.hours =
            Some(Hours { zone: "Europe/Oslo".into(), days: vec![Weekday::Sunday], from_min: 0, until_min: 1 });
        line.terms.reach = Reach::Planned;
    };
    let line = giver.line(night);
    let to_guest =
        Ring { to: guest().person.at(&domain()), over: Some(line.over()), ..ring(&giver.world, &giver.principal) };
    let verify =
        |ring: &Ring, by: &Device| giver.world.office.verify_ring(&sign_ring(&by.key, &by.chain, ring), NOW).unwrap();
    let check = |ring: &crate::VerifiedRing, rings_for: Option<&Card>, line: &VerifiedLine| {
        ring.check_line(Rings::OverLines, rings_for, Role::Counterpart, Some(line), NOW, &noon)
    };
    assert_eq!(check(&verify(&to_guest, &giver.principal), None, &line), Ok(()));
    refused(
        check(&verify(&to_guest, &giver.principal), None, &giver.line(|line| line.state = LineState::Paused)),
        Flaw::OtherLine,
    );
    // Who rings for the principal rings over the principal's line, and not in their own name.
    let officer = giver.world.enrol(Role::DutyOfficer);
    let under = telcon_proto::delegation::OnBehalf {
        delegation: telcon_proto::DelegationId::from_bytes([2; 16]),
        statement_sha256: Digest::from_bytes([0; 32]),
    };
    let for_them = Ring { from: officer.id.at(&domain()), on_behalf: Some(under), ..to_guest };
    let ring = verify(&for_them, &officer);
    assert_eq!(check(&ring, Some(&card(Role::Principal)), &line), Ok(()));
    refused(
        check(&ring, Some(&Card { person: PersonId::from_bytes([6; 16]), ..card(Role::Principal) }), &line),
        Flaw::OtherLine,
    );
}

#[test]
fn only_rings_with_a_counterpart_need_a_line() {
    for caller in Role::ALL {
        for callee in Role::ALL {
            let with_counterpart = caller == Role::Counterpart || callee == Role::Counterpart;
            assert_eq!(needs_line(Rings::OverLines, caller, callee), with_counterpart);
            assert!(!needs_line(Rings::ByRole, caller, callee));
        }
    }
}

#[test]
fn an_opening_that_names_another_line_than_its_ring_is_refused() {
    let mut giver = Giver::new(SuiteName::Hybrid);
    let line = giver.line(|_| {});
    for (named, accepted) in [(Some(LINE), true), (None, false), (Some(LineId::from_bytes([2; 16])), false)] {
        let ring = giver.ring(&giver.holder(), &line, NOW);
        let mut entry = json!({
            "type": "call_opened",
            "time_ms": NOW,
            "call": CALL.to_hex(),
            "ring_sha256": Digest::from_bytes(ring.sha256()).to_string(),
            "mode": "memo",
            "suite": "hybrid",
            "devices": [HOLDER.to_hex()],
        });
        if let Some(named) = named {
            entry["line"] = json!(named.to_hex());
        }
        let opened = giver.world.log(&entry);
        let result = giver.world.office.verify_opening(ring, &opened);
        match accepted {
            true => assert!(result.is_ok()),
            false => refused(result, Flaw::OtherEntry),
        }
    }
}

#[test]
fn holders_are_certified_only_where_the_charter_has_lines() {
    for suite in SUITES {
        let giver = Giver::new(suite);
        let by_role = World::new(suite);
        // The same authority, with a charter of an earlier version.
        refused(by_role.office.verify_chain(&giver.holder().chain, NOW), Flaw::LinesNotUsed);
    }
}

#[test]
fn another_device_of_the_holders_person_neither_ends_the_line_nor_counts_for_it() {
    for suite in SUITES {
        let giver = Giver::new(suite);
        let line = giver.line(|_| {});
        // Another principal, or one who lost a device, certified it for the same card.
        let key = DeviceKey::from_seed(suite, &[0x69; 32]);
        let id = DeviceId::from_bytes([0x7a; 16]);
        let by = giver.world.office.verify_chain(&giver.principal.chain, NOW).unwrap();
        let request = giver.request(&key, id);
        let chain = certify_holder(&giver.principal.key, &by, &giver.principal.chain, &request, &guest(), NOW).unwrap();
        let other = Device { key, chain, id };
        refused(giver.next(&line, &other, |line| line.state = LineState::Ended), Flaw::LineSigner);
        let verified = giver.world.office.verify_chain(&other.chain, NOW).unwrap();
        refused(line.check_holder(&verified), Flaw::LineDevice);
        refused(giver.line(|line| line.device = None).check_holder(&verified), Flaw::LineDevice);
        let bound = giver.world.office.verify_chain(&giver.holder().chain, NOW).unwrap();
        assert_eq!(line.check_holder(&bound), Ok(()));
    }
}

#[test]
fn a_stop_changes_nothing_but_whether_the_line_is_in_use() {
    let giver = Giver::new(SuiteName::Hybrid);
    let one = giver.line(|line| line.terms.reach = Reach::Planned);
    for state in [LineState::Paused, LineState::Suspect, LineState::Ended] {
        let stop = |change: &dyn Fn(&mut Line)| {
            let next = giver.next(&one, &giver.principal, |line| {
                line.state = state;
                change(line);
            });
            one.check_next(&next.unwrap())
        };
        assert_eq!(stop(&|_| {}), Ok(()));
        refused(stop(&|line| line.terms.reach = Reach::Direct), Flaw::LineSigner);
        refused(stop(&|line| line.device = None), Flaw::LineSigner);
        refused(stop(&|line| line.holder.name = "President Halvorson".into()), Flaw::LineSigner);
    }
}

#[test]
fn the_last_versions_of_a_line_are_for_stopping_it() {
    let giver = Giver::new(SuiteName::Hybrid);
    let sign = |version, state| {
        let line = Line { version, previous: Some(Digest::from_bytes([1; 32])), state, ..first() };
        giver.world.office.verify_line(&sign_line(&giver.principal.key, &giver.principal.chain, &line))
    };
    let last = telcon_proto::limits::MAX_LINE_VERSIONS;
    for (state, most) in [
        (LineState::Live, last - 2),
        (LineState::Paused, last - 1),
        (LineState::Suspect, last - 1),
        (LineState::Ended, last),
    ] {
        assert!(sign(most, state).is_ok(), "{state:?}");
        refused(sign(most + 1, state), Flaw::LineVersion);
    }
}

#[test]
fn a_version_that_was_logged_long_after_its_date_is_refused() {
    let mut giver = Giver::new(SuiteName::Hybrid);
    let device = giver.world.log(&enrolled_entry(&giver.world, &giver.principal));
    for (at_ms, accepted) in [(NOW - 9 * 60_000, true), (NOW - 11 * 60_000, false), (NOW + 11 * 60_000, false)] {
        let line = Line { at_ms, ..first() };
        let statement = sign_line(&giver.principal.key, &giver.principal.chain, &line);
        // The device is certified a minute before now at the earliest.
        let Ok(verified) = giver.world.office.verify_line(&statement) else {
            assert!(at_ms < NOW);
            continue;
        };
        let signed = giver.world.log(&entry_of(&verified));
        let proven = ProvenLine { statement, signed, device: device.clone(), delegation: None };
        match accepted {
            true => assert!(giver.world.office.verify_line_logged(&proven).is_ok()),
            false => refused(giver.world.office.verify_line_logged(&proven), Flaw::EntryTime),
        }
    }
}
