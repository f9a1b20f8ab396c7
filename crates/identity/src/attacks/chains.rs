//! Attacks on certificate chains.

use super::*;

/// Enrols a principal and forges the device certificate with the real enrolment key.
fn device(change: impl Fn(&mut Fields), why: impl Into<IdentityError>) {
    let why = why.into();
    for suite in SUITES {
        let world = World::new(suite);
        let mut chain = world.enrol(Role::Principal).chain;
        chain[0] = forge(&chain[0], &enrolment_key(suite, Role::Principal), &change);
        refused(world.office.verify_chain(&chain, NOW), why);
    }
}

/// Forges the enrolment certificate with the real authority key: bugs of an authority rather than attacks.
fn enrolment(change: impl Fn(&mut Fields), why: impl Into<IdentityError>) {
    let why = why.into();
    for suite in SUITES {
        let world = World::new(suite);
        let mut chain = world.enrol(Role::Principal).chain;
        chain[1] = forge(&chain[1], &authority_key(suite), &change);
        refused(world.office.verify_chain(&chain, NOW), why);
    }
}

#[test]
fn a_chain_of_another_length_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let [device, enrolment] = <[_; 2]>::try_from(world.enrol(Role::Principal).chain).unwrap();
        let root = world.authority.certificate_der().to_vec();
        let long = vec![device.clone(), enrolment.clone(), root];
        for chain in [vec![], vec![device.clone()], vec![enrolment.clone()]] {
            refused(world.office.verify_chain(&chain, NOW), Flaw::ChainLength);
        }
        // Three are a line's holder before the chain of a principal's device.
        refused(world.office.verify_chain(&long, NOW), Flaw::LinesNotUsed);
        let [one, two] = [&device, &enrolment];
        for chain in [vec![one, one, two, one, two, one], vec![one, one, one, two, one, two, one]] {
            refused(world.office.verify_chain(&chain, NOW), Flaw::ChainLength);
        }
        refused(world.office.verify_chain(&[enrolment, device], NOW), Flaw::NotAnIssuer);
    }
}

#[test]
fn an_enrolment_certificate_as_a_device_certificate_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let enrolment = &world.enrol(Role::Principal).chain[1];
        refused(world.office.verify_chain(&[enrolment, enrolment], NOW), Flaw::IssuerAsDevice);
        let root = world.authority.certificate_der();
        refused(world.office.verify_chain(&[enrolment, root], NOW), Flaw::PathLength);
    }
    device(|fields| fields.constraints.ca = true, Flaw::IssuerAsDevice);
    device(
        |fields| fields.public = enrolment_key(fields.suite, Role::Principal).public_bytes(),
        Flaw::EnrolmentKeyReused,
    );
}

#[test]
fn a_device_certificate_as_an_issuer_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let parent = Certificate::read(&caller.chain[0]).unwrap().fields().clone();
        let rogue = forge(&caller.chain[0], &caller.key, |fields| {
            fields.issuer = parent.subject.clone();
            fields.issuer_key = Some(key_id(&parent.public));
            fields.public = DeviceKey::from_seed(suite, &[0xbb; 32]).public_bytes();
        });
        refused(world.office.verify_chain(&[rogue.clone(), caller.chain[0].clone()], NOW), Flaw::NotAnIssuer);
        let long = [rogue, caller.chain[0].clone(), caller.chain[1].clone()];
        refused(world.office.verify_chain(&long, NOW), Flaw::LinesNotUsed);
    }
}

#[test]
fn a_device_certificate_signed_by_another_enrolment_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let (caller, counterpart) = (world.enrol(Role::Principal), world.enrol(Role::Counterpart));
        let mixed = [counterpart.chain[0].clone(), caller.chain[1].clone()];
        refused(world.office.verify_chain(&mixed, NOW), Flaw::OtherEnrolment);
        // The counterpart's enrolment key signs under the name of the principal's enrolment.
        let mut chain = caller.chain;
        chain[0] = forge(&chain[0], &enrolment_key(suite, Role::Counterpart), |_| ());
        refused(world.office.verify_chain(&chain, NOW), Flaw::Signature);
    }
}

#[test]
fn a_device_certificate_with_a_changed_card_is_refused() {
    type Change = fn(&mut Card);
    let changes: [Change; 5] = [
        |card| card.name = "The President of Sudland".into(),
        |card| card.organisation = "Chancellery of Sudland".into(),
        |card| card.role = Role::DutyOfficer,
        |card| card.person = PersonId::from_bytes([0x77; 16]),
        |card| card.zone = "Europe/Rome".into(),
    ];
    for change in changes {
        let id = [0xd0; 16];
        let mut changed = card(Role::Principal);
        change(&mut changed);
        device(|fields| fields.subject = card_name(&changed, &id).unwrap(), Flaw::CardChanged);
    }
}

#[test]
fn a_subject_that_is_not_a_card_is_refused() {
    device(|fields| fields.subject = office_name(&domain(), "Chancellery").unwrap(), Flaw::Subject);
    enrolment(|fields| fields.subject = office_name(&domain(), "Chancellery").unwrap(), Flaw::Subject);
}

#[test]
fn a_serial_number_that_does_not_match_the_subject_is_refused() {
    device(|fields| fields.serial = serial(&[0; 16]).to_vec(), Flaw::SerialNumber);
    enrolment(|fields| fields.serial = vec![1], Flaw::SerialNumber);
}

#[test]
fn a_chain_under_another_root_is_refused() {
    for suite in SUITES {
        let (world, rogue) = (World::new(suite), World::of(suite, 2, DOMAIN));
        let chain = rogue.enrol(Role::Principal).chain;
        refused(world.office.verify_chain(&chain, NOW), Flaw::OtherAuthority);
        // The rogue authority names the real authority's key.
        let root = authority_key(suite).public_bytes();
        let rogue_key = DeviceKey::from_seed(suite, &[2; 32]);
        let claimed = forge(&chain[1], &rogue_key, |fields| fields.issuer_key = Some(key_id(&root)));
        refused(world.office.verify_chain(&[chain[0].clone(), claimed], NOW), Flaw::Signature);
    }
    enrolment(|fields| fields.issuer = office_name(&elsewhere(), "Other").unwrap(), Flaw::OtherAuthority);
    enrolment(|fields| fields.issuer_key = None, Flaw::OtherAuthority);
    device(|fields| fields.issuer_key = None, Flaw::OtherEnrolment);
    device(|fields| fields.issuer = fields.subject.clone(), Flaw::OtherEnrolment);
}

#[test]
fn a_chain_of_another_suite_is_refused() {
    for suite in SUITES {
        let (world, foreign) = (World::new(suite), World::new(other(suite)));
        let chain = foreign.enrol(Role::Principal).chain;
        let why = Mismatch::Suite { office: suite, other: other(suite) };
        refused(world.office.verify_chain(&chain, NOW), why);
        let mixed = [chain[0].clone(), world.enrol(Role::Principal).chain[1].clone()];
        refused(world.office.verify_chain(&mixed, NOW), why);
    }
}

#[test]
fn another_path_length_constraint_is_refused() {
    for path_len_constraint in [None, Some(1), Some(255)] {
        let constraints = BasicConstraints { ca: true, path_len_constraint };
        enrolment(|fields| fields.constraints = constraints.clone(), Flaw::PathLength);
    }
    device(|fields| fields.constraints.path_len_constraint = Some(0), Flaw::PathLength);
    enrolment(|fields| fields.constraints.ca = false, Flaw::NotAnIssuer);
}

#[test]
fn another_key_usage_is_refused() {
    device(|fields| fields.usage = KeyUsages::DigitalSignature | KeyUsages::KeyCertSign, Flaw::KeyUsage);
    device(|fields| fields.usage = KeyUsages::KeyAgreement.into(), Flaw::KeyUsage);
    device(|fields| fields.key_use = Some(fields.valid), Flaw::KeyUsage);
    enrolment(|fields| fields.usage |= KeyUsages::DigitalSignature, Flaw::KeyUsage);
    enrolment(|fields| fields.usage = KeyUsages::CRLSign.into(), Flaw::KeyUsage);
}

#[test]
fn a_device_certificate_issued_outside_its_enrolment_is_refused() {
    let late = NOW / 1000 + 3601;
    device(|fields| fields.valid = Span { from_s: late, until_s: late + 60 }, Flaw::OutsideEnrolment);
    device(|fields| fields.valid.from_s = NOW / 1000 - 61, Flaw::OutsideEnrolment);
}

#[test]
fn a_validity_period_that_is_too_long_or_reversed_is_refused() {
    device(|fields| fields.valid.until_s = fields.valid.from_s + DEVICE_VALIDITY_S + 1, Flaw::Validity);
    device(|fields| fields.valid.until_s = fields.valid.from_s - 1, Flaw::Validity);
    enrolment(|fields| fields.valid.until_s += 1, Flaw::Validity);
    enrolment(|fields| fields.key_use = None, Flaw::Validity);
    enrolment(
        |fields| fields.key_use = Some(Span { from_s: fields.valid.from_s, until_s: fields.valid.until_s }),
        Flaw::Validity,
    );
    let before = NOW / 1000 - 2 * 24 * 3600;
    enrolment(
        |fields| {
            fields.valid = Span { from_s: before, until_s: before + 3600 + DEVICE_VALIDITY_S };
            fields.key_use = Some(Span { from_s: before, until_s: before + 3600 });
        },
        Flaw::Validity,
    );
}

#[test]
fn an_expired_or_not_yet_valid_device_certificate_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let chain = world.enrol(Role::Principal).chain;
        assert!(world.office.verify_chain(&chain, NOW + 364 * DAY).is_ok(), "long after the enrolment's hour");
        refused(world.office.verify_chain(&chain, NOW + 365 * DAY), Validity::Device);
        refused(world.office.verify_chain(&chain, u64::MAX), Validity::Device);
        refused(world.office.verify_chain(&chain, NOW - 61_000), Validity::DeviceNotYet);
    }
}

#[test]
fn a_change_of_any_byte_of_a_chain_is_refused() {
    let world = World::new(SuiteName::Hybrid);
    let chain = world.enrol(Role::Principal).chain;
    for place in 0..2 {
        for byte in 0..chain[place].len() {
            let mut changed = chain.clone();
            changed[place][byte] ^= 1 << (byte % 8);
            assert!(world.office.verify_chain(&changed, NOW).is_err(), "certificate {place}, byte {byte}");
        }
    }
}

#[test]
fn trailing_bytes_after_a_certificate_are_refused() {
    let world = World::new(SuiteName::Hybrid);
    let mut chain = world.enrol(Role::Principal).chain;
    chain[0].push(0);
    refused(world.office.verify_chain(&chain, NOW), Flaw::CertificateForm);
    chain[0] = vec![0x30; crate::MAX_CERTIFICATE_BYTES + 1];
    refused(world.office.verify_chain(&chain, NOW), Flaw::TooLong);
}

#[test]
fn an_additional_extension_is_refused() {
    // All fields are valid, but the office's profile has no such extension.
    let world = World::new(SuiteName::Hybrid);
    let chain = world.enrol(Role::Principal).chain;
    let key = enrolment_key(SuiteName::Hybrid, Role::Principal);
    let extended = crate::certificate::with_extra_extension(&chain[0], &key);
    refused(world.office.verify_chain(&[extended, chain[1].clone()], NOW), Flaw::CertificateForm);
}
