//! Attacks on certificate chains.

use super::*;

/// Enrols a principal, forges the device certificate with the enrolment's true key, and shows it.
fn device(change: impl Fn(&mut Description), why: impl Into<IdentityError>) {
    let why = why.into();
    for suite in SUITES {
        let world = World::new(suite);
        let mut chain = world.enrol(Role::Principal).chain;
        chain[0] = forge(&chain[0], &enrolment_key(suite, Role::Principal), &change);
        refused(world.office.verify_chain(&chain, NOW), why);
    }
}

/// The same for the enrolment certificate, with the authority's true key: bugs of an authority, not attacks.
fn enrolment(change: impl Fn(&mut Description), why: impl Into<IdentityError>) {
    let why = why.into();
    for suite in SUITES {
        let world = World::new(suite);
        let mut chain = world.enrol(Role::Principal).chain;
        chain[1] = forge(&chain[1], &authority_key(suite), &change);
        refused(world.office.verify_chain(&chain, NOW), why);
    }
}

#[test]
fn of_another_length() {
    for suite in SUITES {
        let world = World::new(suite);
        let [device, enrolment] = <[_; 2]>::try_from(world.enrol(Role::Principal).chain).unwrap();
        let root = world.authority.certificate_der().to_vec();
        let long = vec![device.clone(), enrolment.clone(), root];
        for chain in [vec![], vec![device.clone()], vec![enrolment.clone()], long] {
            refused(world.office.verify_chain(&chain, NOW), Flaw::ChainLength);
        }
        refused(world.office.verify_chain(&[enrolment, device], NOW), Flaw::NotAnIssuer);
    }
}

#[test]
fn an_enrolment_certificate_as_a_device() {
    for suite in SUITES {
        let world = World::new(suite);
        let enrolment = &world.enrol(Role::Principal).chain[1];
        refused(world.office.verify_chain(&[enrolment, enrolment], NOW), Flaw::IssuerAsDevice);
        let root = world.authority.certificate_der();
        refused(world.office.verify_chain(&[enrolment, root], NOW), Flaw::PathLength);
    }
    device(|says| says.constraints.ca = true, Flaw::IssuerAsDevice);
    device(|says| says.public = enrolment_key(says.suite, Role::Principal).public_bytes(), Flaw::EnrolmentKeyReused);
}

#[test]
fn a_device_certificate_as_an_issuer() {
    for suite in SUITES {
        let world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let parent = Certificate::read(&caller.chain[0]).unwrap().says().clone();
        let rogue = forge(&caller.chain[0], &caller.key, |says| {
            says.issuer = parent.subject.clone();
            says.issuer_key = Some(key_id(&parent.public));
            says.public = DeviceKey::from_seed(suite, &[0xbb; 32]).public_bytes();
        });
        refused(world.office.verify_chain(&[rogue.clone(), caller.chain[0].clone()], NOW), Flaw::NotAnIssuer);
        let long = [rogue, caller.chain[0].clone(), caller.chain[1].clone()];
        refused(world.office.verify_chain(&long, NOW), Flaw::ChainLength);
    }
}

#[test]
fn a_device_that_an_enrolment_of_somebody_else_signed() {
    for suite in SUITES {
        let world = World::new(suite);
        let (caller, counterpart) = (world.enrol(Role::Principal), world.enrol(Role::Counterpart));
        let mixed = [counterpart.chain[0].clone(), caller.chain[1].clone()];
        refused(world.office.verify_chain(&mixed, NOW), Flaw::OtherEnrolment);
        // The counterpart's enrolment key signs in the principal's enrolment's name.
        let mut chain = caller.chain;
        chain[0] = forge(&chain[0], &enrolment_key(suite, Role::Counterpart), |_| ());
        refused(world.office.verify_chain(&chain, NOW), Flaw::Signature);
    }
}

#[test]
fn a_changed_card() {
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
        device(|says| says.subject = card_name(&changed, &id).unwrap(), Flaw::CardChanged);
    }
}

#[test]
fn a_subject_that_is_no_card() {
    device(|says| says.subject = office_name(&domain(), "Chancellery").unwrap(), Flaw::Subject);
    enrolment(|says| says.subject = office_name(&domain(), "Chancellery").unwrap(), Flaw::Subject);
}

#[test]
fn a_serial_number_of_another() {
    device(|says| says.serial = serial(&[0; 16]).to_vec(), Flaw::SerialNumber);
    enrolment(|says| says.serial = vec![1], Flaw::SerialNumber);
}

#[test]
fn under_another_root() {
    for suite in SUITES {
        let (world, rogue) = (World::new(suite), World::of(suite, 2, DOMAIN));
        let chain = rogue.enrol(Role::Principal).chain;
        refused(world.office.verify_chain(&chain, NOW), Flaw::OtherAuthority);
        // The rogue names the true authority's key.
        let root = authority_key(suite).public_bytes();
        let rogue_key = DeviceKey::from_seed(suite, &[2; 32]);
        let claimed = forge(&chain[1], &rogue_key, |says| says.issuer_key = Some(key_id(&root)));
        refused(world.office.verify_chain(&[chain[0].clone(), claimed], NOW), Flaw::Signature);
    }
    enrolment(|says| says.issuer = office_name(&elsewhere(), "Other").unwrap(), Flaw::OtherAuthority);
    enrolment(|says| says.issuer_key = None, Flaw::OtherAuthority);
    device(|says| says.issuer_key = None, Flaw::OtherEnrolment);
    device(|says| says.issuer = says.subject.clone(), Flaw::OtherEnrolment);
}

#[test]
fn of_another_suite() {
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
fn a_path_length_that_leaves_room() {
    for path_len_constraint in [None, Some(1), Some(255)] {
        let constraints = BasicConstraints { ca: true, path_len_constraint };
        enrolment(|says| says.constraints = constraints.clone(), Flaw::PathLength);
    }
    device(|says| says.constraints.path_len_constraint = Some(0), Flaw::PathLength);
    enrolment(|says| says.constraints.ca = false, Flaw::NotAnIssuer);
}

#[test]
fn a_key_usage_too_many() {
    device(|says| says.usage = KeyUsages::DigitalSignature | KeyUsages::KeyCertSign, Flaw::KeyUsage);
    device(|says| says.usage = KeyUsages::KeyAgreement.into(), Flaw::KeyUsage);
    device(|says| says.key_use = Some(says.valid), Flaw::KeyUsage);
    enrolment(|says| says.usage |= KeyUsages::DigitalSignature, Flaw::KeyUsage);
    enrolment(|says| says.usage = KeyUsages::CRLSign.into(), Flaw::KeyUsage);
}

#[test]
fn made_after_the_enrolment_or_before() {
    let late = NOW / 1000 + 3601;
    device(|says| says.valid = Span { from_s: late, until_s: late + 60 }, Flaw::OutsideEnrolment);
    device(|says| says.valid.from_s = NOW / 1000 - 61, Flaw::OutsideEnrolment);
}

#[test]
fn valid_for_too_long() {
    device(|says| says.valid.until_s = says.valid.from_s + DEVICE_VALIDITY_S + 1, Flaw::Validity);
    device(|says| says.valid.until_s = says.valid.from_s - 1, Flaw::Validity);
    enrolment(|says| says.valid.until_s += 1, Flaw::Validity);
    enrolment(|says| says.key_use = None, Flaw::Validity);
    enrolment(
        |says| says.key_use = Some(Span { from_s: says.valid.from_s, until_s: says.valid.until_s }),
        Flaw::Validity,
    );
    let before = NOW / 1000 - 2 * 24 * 3600;
    enrolment(
        |says| {
            says.valid = Span { from_s: before, until_s: before + 3600 + DEVICE_VALIDITY_S };
            says.key_use = Some(Span { from_s: before, until_s: before + 3600 });
        },
        Flaw::Validity,
    );
}

#[test]
fn shown_outside_its_validity() {
    for suite in SUITES {
        let world = World::new(suite);
        let chain = world.enrol(Role::Principal).chain;
        assert!(world.office.verify_chain(&chain, NOW + 364 * DAY).is_ok(), "long after the enrolment's hour");
        refused(world.office.verify_chain(&chain, NOW + 365 * DAY), Lapse::Device);
        refused(world.office.verify_chain(&chain, u64::MAX), Lapse::Device);
        refused(world.office.verify_chain(&chain, NOW - 61_000), Lapse::DeviceNotYet);
    }
}

#[test]
fn with_one_byte_changed_anywhere() {
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
fn with_bytes_after_the_end() {
    let world = World::new(SuiteName::Hybrid);
    let mut chain = world.enrol(Role::Principal).chain;
    chain[0].push(0);
    refused(world.office.verify_chain(&chain, NOW), Flaw::CertificateForm);
    chain[0] = vec![0x30; crate::MAX_CERTIFICATE_BYTES + 1];
    refused(world.office.verify_chain(&chain, NOW), Flaw::TooLong);
}

#[test]
fn with_an_extension_more() {
    // Serial number, subject and all are right; the office's form just has no such extension.
    let world = World::new(SuiteName::Hybrid);
    let chain = world.enrol(Role::Principal).chain;
    let key = enrolment_key(SuiteName::Hybrid, Role::Principal);
    let extended = crate::certificate::with_extra_extension(&chain[0], &key);
    refused(world.office.verify_chain(&[extended, chain[1].clone()], NOW), Flaw::CertificateForm);
}
