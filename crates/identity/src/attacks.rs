//! Every check as a named attack, in both suites: what an attacker would send, and what it is refused for.

use crate::{
    authority::{DEVICE_VALIDITY_S, InviteSpec},
    certificate::{Certificate, Description, Span, key_id, serial},
    error::{Flaw, IdentityError, Lapse, Mismatch, Misuse},
    invitation::Invitation,
    jws,
    key::DeviceKey,
    name::{card_name, office_name},
    office::Office,
    ring::{RING_TYP, sign_ring},
    statement::{RECORD_TYP, SIGN_IN_TYP, sign_in, sign_record, verify_sign_in},
    testkit::*,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;
use telcon_proto::{CallId, Card, DeviceId, PersonId, Role, SuiteName, limits::RING_MAX_AGE_MS, message::Ring};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsages};

fn refused<T: std::fmt::Debug>(result: Result<T, IdentityError>, why: impl Into<IdentityError>) {
    assert_eq!(result.map(|_| "accepted").unwrap_err(), why.into());
}

fn other(suite: SuiteName) -> SuiteName {
    if suite == SuiteName::Hybrid { SuiteName::Cnsa2 } else { SuiteName::Hybrid }
}

/// The certificate `der` with something changed and a valid signature by `issuer`.
fn forge(der: &[u8], issuer: &DeviceKey, change: impl FnOnce(&mut Description)) -> Vec<u8> {
    let mut says = Certificate::read(der).unwrap().says().clone();
    change(&mut says);
    says.sign(issuer).unwrap().der().to_vec()
}

/// Key of the enrolment of `role`, which its link carried.
fn enrolment_key(suite: SuiteName, role: Role) -> DeviceKey {
    DeviceKey::from_seed(suite, &[0x50 + role as u8; 32])
}

fn authority_key(suite: SuiteName) -> DeviceKey {
    DeviceKey::from_seed(suite, &[1; 32])
}

#[test]
fn an_honest_office_works() {
    for suite in SUITES {
        let mut world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let verified = world.office.verify_chain(&caller.chain, NOW).unwrap();
        assert_eq!((verified.device(), verified.card()), (caller.id, &card(Role::Principal)));
        assert_eq!((verified.public_key(), verified.suite()), (&caller.key.public_bytes()[..], suite));
        assert_eq!(verified.enrolment(), [0xe0; 16]);
        let logged = world.log(&enrolled_entry(&world, &caller));
        let device = world.office.verify_device_logged(verified.clone(), &logged).unwrap();
        assert_eq!((device.device(), device.entry().index()), (&verified, 1));

        let jws = signed_ring(&world, &caller);
        let ring = world.office.verify_ring(&jws, NOW + 1).unwrap();
        assert_eq!((ring.ring(), ring.device()), (&super::testkit::ring(&world, &caller), &verified));
        assert_eq!(world.office.verify_ring_past(&jws).unwrap(), ring);
        let opened = world.log(&opened_entry(&world, &jws, ring.ring()));
        let opening = world.office.verify_opening(ring.clone(), &opened).unwrap();
        assert_eq!((opening.ring(), opening.entry().size()), (&ring, 3));
        assert_eq!((opening.entry().kind(), opening.entry().time_ms()), ("call_opened", NOW + 50));
    }
}

mod rings {
    use super::*;

    fn attack(change: impl Fn(&mut Ring), why: impl Into<IdentityError>) {
        let why = why.into();
        for suite in SUITES {
            let world = World::new(suite);
            let caller = world.enrol(Role::Principal);
            let mut content = ring(&world, &caller);
            change(&mut content);
            let jws = sign_ring(&caller.key, &caller.chain, &content);
            refused(world.office.verify_ring(&jws, NOW), why);
            if !matches!(why, IdentityError::Expired(_)) {
                refused(world.office.verify_ring_past(&jws), why);
            }
        }
    }

    #[test]
    fn forged_content() {
        for suite in SUITES {
            let world = World::new(suite);
            let caller = world.enrol(Role::Principal);
            let jws = signed_ring(&world, &caller);
            let content = Ring { to: PersonId::from_bytes([8; 16]), ..ring(&world, &caller) };
            let mut parts: Vec<&str> = jws.split('.').collect();
            let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&content).unwrap());
            parts[1] = &payload;
            refused(world.office.verify_ring(&parts.join("."), NOW), Flaw::Signature);
        }
    }

    #[test]
    fn signed_by_a_key_that_the_certificate_does_not_have() {
        for suite in SUITES {
            let world = World::new(suite);
            let caller = world.enrol(Role::Principal);
            let thief = DeviceKey::from_seed(suite, &[0xbb; 32]);
            let jws = sign_ring(&thief, &caller.chain, &ring(&world, &caller));
            refused(world.office.verify_ring(&jws, NOW), Flaw::Signature);
        }
    }

    #[test]
    fn under_a_swapped_certificate() {
        for suite in SUITES {
            let world = World::new(suite);
            let (caller, counterpart) = (world.enrol(Role::Principal), world.enrol(Role::Counterpart));
            let jws = sign_ring(&counterpart.key, &caller.chain, &ring(&world, &caller));
            refused(world.office.verify_ring(&jws, NOW), Flaw::Signature);
            // Honestly signed by one device, in the name of another.
            let jws = sign_ring(&counterpart.key, &counterpart.chain, &ring(&world, &caller));
            refused(world.office.verify_ring(&jws, NOW), Flaw::OtherDevice);
        }
    }

    #[test]
    fn by_another_office_of_the_same_name() {
        for suite in SUITES {
            let (world, rogue) = (World::new(suite), World::of(suite, 2, DOMAIN));
            let jws = signed_ring(&rogue, &rogue.enrol(Role::Principal));
            refused(world.office.verify_ring(&jws, NOW), Flaw::OtherAuthority);
        }
    }

    #[test]
    fn for_another_office() {
        attack(|ring| ring.office = "other.example".into(), Flaw::OtherOffice);
    }

    #[test]
    fn by_a_listener() {
        for suite in SUITES {
            for role in [Role::DutyOfficer, Role::NoteTaker] {
                let world = World::new(suite);
                let jws = signed_ring(&world, &world.enrol(role));
                refused(world.office.verify_ring(&jws, NOW), Flaw::RingRole);
            }
        }
    }

    #[test]
    fn asking_for_another_suite() {
        attack(|ring| ring.suite = other(ring.suite), Flaw::RingSuite);
    }

    #[test]
    fn of_another_version() {
        attack(|ring| ring.version = 2, Mismatch::WireVersion(2));
        // A later version may have members that this one does not know: it is incompatible and not hostile.
        let world = World::new(SuiteName::Hybrid);
        let caller = world.enrol(Role::Principal);
        let jws = jws::sign(&caller.key, RING_TYP, br#"{"version":7,"new":[]}"#, &caller.chain);
        refused(world.office.verify_ring(&jws, NOW), Mismatch::WireVersion(7));
    }

    #[test]
    fn replayed() {
        attack(|ring| ring.at_ms = NOW - RING_MAX_AGE_MS - 1, Lapse::Ring);
        for suite in SUITES {
            let world = World::new(suite);
            let jws = signed_ring(&world, &world.enrol(Role::Principal));
            assert!(world.office.verify_ring(&jws, NOW + RING_MAX_AGE_MS).is_ok());
            refused(world.office.verify_ring(&jws, NOW + RING_MAX_AGE_MS + 1), Lapse::Ring);
            assert!(world.office.verify_ring_past(&jws).is_ok(), "auditors come later");
        }
    }

    #[test]
    fn dated_in_the_future() {
        attack(|ring| ring.at_ms = NOW + 60_001, Lapse::RingFuture);
        attack(|ring| ring.at_ms = u64::MAX, Lapse::RingFuture);
    }

    #[test]
    fn by_an_expired_device() {
        for suite in SUITES {
            let world = World::new(suite);
            let caller = world.enrol(Role::Principal);
            for (at_ms, why) in [(NOW + 366 * DAY, Lapse::Device), (NOW - DAY, Lapse::DeviceNotYet)] {
                let content = Ring { at_ms, ..ring(&world, &caller) };
                let jws = sign_ring(&caller.key, &caller.chain, &content);
                refused(world.office.verify_ring(&jws, at_ms), why);
                refused(world.office.verify_ring_past(&jws), why);
            }
        }
    }

    #[test]
    fn with_malformed_content() {
        let world = World::new(SuiteName::Hybrid);
        let caller = world.enrol(Role::Principal);
        let good = serde_json::to_string(&ring(&world, &caller)).unwrap();
        let extra = good.replacen('{', r#"{"note":"x","#, 1);
        let twice = good.replacen('{', r#"{"version":1,"#, 1);
        for bad in ["", "{}", "[]", "null", "{\"version\":-1}", "{\"version\":1}", &extra, &twice, &good[1..]] {
            let jws = jws::sign(&caller.key, RING_TYP, bad.as_bytes(), &caller.chain);
            refused(world.office.verify_ring(&jws, NOW), Flaw::Payload);
        }
    }
}

mod chains {
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
        device(|says| says.subject = office_name(DOMAIN, "Chancellery").unwrap(), Flaw::Subject);
        enrolment(|says| says.subject = office_name(DOMAIN, "Chancellery").unwrap(), Flaw::Subject);
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
        enrolment(|says| says.issuer = office_name("other.example", "Other").unwrap(), Flaw::OtherAuthority);
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
        enrolment(|says| says.key_use = Some(Span { from_s: says.valid.from_s, until_s: says.valid.until_s }), Flaw::Validity);
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
}

mod offices {
    use super::*;

    #[test]
    fn another_authority_than_the_link_names() {
        for suite in SUITES {
            let (world, rogue) = (World::new(suite), World::of(suite, 2, DOMAIN));
            let pinned = world.authority.certificate_sha256();
            refused(Office::pin(&rogue.info, Some(&pinned)), Flaw::AuthorityDigest);
            let invitation = rogue.authority.invite(&rogue.spec(card(Role::Principal))).unwrap();
            refused(world.office.verify_invitation(&invitation), Flaw::AuthorityDigest);
        }
    }

    #[test]
    fn a_server_that_contradicts_the_authority() {
        for suite in SUITES {
            let info = World::new(suite).info;
            let renamed = |change: fn(&mut telcon_proto::http::OfficeInfo)| {
                let mut info = info.clone();
                change(&mut info);
                Office::pin(&info, None)
            };
            assert!(Office::pin(&info, None).is_ok());
            refused(renamed(|info| info.domain = "other.example".into()), Flaw::OfficeInfo);
            refused(renamed(|info| info.name = "Other".into()), Flaw::OfficeInfo);
            refused(renamed(|info| info.log_key = "office.example/log".into()), Flaw::LogKey);
            let why = Mismatch::Suite { office: suite, other: other(suite) };
            refused(renamed(|info| info.suite = other(info.suite)), why);
        }
    }

    #[test]
    fn a_certificate_that_is_no_authority() {
        for suite in SUITES {
            let world = World::new(suite);
            let root = world.authority.certificate_der().to_vec();
            let key = authority_key(suite);
            let pin = |der: &[u8]| {
                let mut info = world.info.clone();
                info.authority = der.to_vec().into();
                Office::pin(&info, None)
            };
            type Change = fn(&mut Description);
            let changes: [(Change, Flaw); 8] = [
                (|says| says.constraints.ca = false, Flaw::NotAnIssuer),
                (|says| says.constraints.path_len_constraint = Some(2), Flaw::PathLength),
                (|says| says.usage |= KeyUsages::KeyAgreement, Flaw::KeyUsage),
                (|says| says.issuer = office_name("a", "b").unwrap(), Flaw::OtherAuthority),
                (|says| says.issuer_key = Some([0; 20]), Flaw::OtherAuthority),
                (|says| says.valid.until_s += 1, Flaw::Validity),
                (|says| says.serial = vec![2], Flaw::SerialNumber),
                (
                    |says| {
                        says.subject = card_name(&card(Role::Principal), &[0; 16]).unwrap();
                        says.issuer = says.subject.clone();
                    },
                    Flaw::Subject,
                ),
            ];
            for (change, why) in changes {
                refused(pin(&forge(&root, &key, change)), why);
            }
            refused(pin(&forge(&root, &DeviceKey::from_seed(suite, &[2; 32]), |_| ())), Flaw::Signature);
            let chain = world.enrol(Role::Principal).chain;
            refused(pin(&chain[0]), Flaw::NotAnIssuer);
            refused(pin(&chain[1]), Flaw::PathLength);
        }
    }

    #[test]
    fn a_key_that_is_not_the_authoritys() {
        for suite in SUITES {
            let world = World::new(suite);
            let der = world.authority.certificate_der();
            assert_eq!(crate::Authority::open(suite, &[1; 32], der).unwrap().certificate_der(), der);
            refused(crate::Authority::open(suite, &[2; 32], der), Misuse::AuthorityKey);
            refused(crate::Authority::open(other(suite), &[1; 32], der), Misuse::AuthorityKey);
        }
    }

    #[test]
    fn a_revocation_by_anybody_else() {
        for suite in SUITES {
            let (world, rogue) = (World::new(suite), World::of(suite, 2, DOMAIN));
            let device = DeviceId::from_bytes([5; 16]);
            let revocation = world.office.verify_revocation(&world.authority.revoke(device, NOW).unwrap()).unwrap();
            assert_eq!((revocation.device, revocation.at_ms), (device, NOW));
            refused(world.office.verify_revocation(&rogue.authority.revoke(device, NOW).unwrap()), Flaw::Signature);
            // The same key under another domain: an authority that was moved.
            let moved = World::of(suite, 1, "other.example");
            refused(world.office.verify_revocation(&moved.authority.revoke(device, NOW).unwrap()), Flaw::OtherOffice);
            let own = jws::sign(&authority_key(suite), RING_TYP, b"{}", &[]);
            refused(world.office.verify_revocation(&own), Flaw::JwsType);
        }
    }
}

mod invitations {
    use super::*;

    #[test]
    fn a_link_comes_back_and_enrols() {
        for suite in SUITES {
            let world = World::new(suite);
            let fragment = world.authority.invite(&world.spec(card(Role::Counterpart))).unwrap().to_fragment();
            assert!(fragment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert!(fragment.len() < crate::MAX_FRAGMENT_CHARS);
            let invitation = Invitation::parse(&format!(" #{fragment}\n")).unwrap();
            assert_eq!(invitation.to_fragment(), fragment);
            assert_eq!(invitation.card(), &card(Role::Counterpart));
            assert_eq!(invitation.authority_sha256(), world.office.authority_sha256());
            assert_eq!(invitation.expires_ms(), (NOW + HOUR) / 1000 * 1000);
            assert_eq!(world.office.verify_invitation(&invitation), Ok(()));
            let debug = format!("{invitation:?}");
            assert!(!debug.contains("President") && !debug.contains("83"), "{debug}");
            let (_, chain) = invitation.enrol(&[3; 32], DeviceId::from_bytes([4; 16]), NOW).unwrap();
            assert!(world.office.verify_chain(&chain, NOW).is_ok());
        }
    }

    #[test]
    fn expired_or_not_begun() {
        for suite in SUITES {
            let world = World::new(suite);
            let enrol = |now_ms| {
                let invitation = world.authority.invite(&world.spec(card(Role::Principal))).unwrap();
                let (_, chain) = invitation.enrol(&[3; 32], DeviceId::from_bytes([4; 16]), now_ms)?;
                world.office.verify_chain(&chain, now_ms)
            };
            assert!(enrol(NOW + HOUR).is_ok());
            assert!(enrol(NOW - 59_000).is_ok(), "a clock that is a minute slow");
            refused(enrol(NOW + HOUR + 1000), Lapse::Invitation);
            refused(enrol(NOW - 62_000), Lapse::InvitationNotYet);
        }
    }

    #[test]
    fn a_forged_link() {
        for suite in SUITES {
            let world = World::new(suite);
            let fragment = world.authority.invite(&world.spec(card(Role::Principal))).unwrap().to_fragment();
            let bytes = URL_SAFE_NO_PAD.decode(&fragment).unwrap();
            let changed = |place: usize, value: u8| {
                let mut bytes = bytes.clone();
                bytes[place] = value;
                Invitation::parse(&URL_SAFE_NO_PAD.encode(bytes))
            };
            refused(changed(0, 2), Mismatch::InvitationVersion(2));
            refused(changed(1, 3), Flaw::Invitation);
            refused(changed(1, if suite == SuiteName::Hybrid { 2 } else { 1 }), Flaw::Invitation);
            refused(changed(2, bytes[2] ^ 1), Flaw::Invitation);
            refused(Invitation::parse(""), Flaw::Invitation);
            refused(Invitation::parse(&fragment[..40]), Flaw::Invitation);
            refused(Invitation::parse(&format!("{fragment}=")), Flaw::Invitation);
            refused(Invitation::parse(&"A".repeat(crate::MAX_FRAGMENT_CHARS + 1)), Flaw::TooLong);
            // Everything consistent, but certified by the enrolment key itself.
            let key = enrolment_key(suite, Role::Principal);
            let forged = forge(&bytes[66..], &key, |_| ());
            let invitation = Invitation::new(suite, [0x50; 32], world.office.authority_sha256(), &forged).unwrap();
            refused(world.office.verify_invitation(&invitation), Flaw::Signature);
            // A device's certificate in the place of the enrolment's.
            let device = &world.enrol(Role::Principal).chain[0];
            refused(Invitation::new(suite, [0x70; 32], [0; 32], device), Flaw::NotAnIssuer);
        }
    }

    #[test]
    fn what_an_authority_does_not_issue() {
        let world = World::new(SuiteName::Hybrid);
        let invite = |change: fn(&mut InviteSpec)| {
            let mut spec = world.spec(card(Role::Principal));
            change(&mut spec);
            world.authority.invite(&spec)
        };
        refused(invite(|spec| spec.ttl_ms = 999), Misuse::InvitationTtl);
        refused(invite(|spec| spec.ttl_ms = 30 * DAY + 1000), Misuse::InvitationTtl);
        refused(invite(|spec| spec.now_ms += 9 * 365 * DAY), Lapse::Authority);
        refused(invite(|spec| spec.now_ms = u64::MAX), Lapse::Authority);
        refused(invite(|spec| spec.card.name = "\u{202e}drow".into()), Misuse::Name);
        refused(invite(|spec| spec.card.zone = "Oslo time".into()), Misuse::Zone);
        let invitation = invite(|_| ()).unwrap();
        refused(invitation.enrol(&[0x50; 32], DeviceId::from_bytes([4; 16]), NOW), Misuse::SeedReused);
        let create = |domain, name| crate::Authority::create(SuiteName::Hybrid, &[1; 32], domain, name, NOW);
        refused(create("Office.example", "Chancellery"), Misuse::Domain);
        refused(create(DOMAIN, ""), Misuse::Name);
        let far = crate::Authority::create(SuiteName::Hybrid, &[1; 32], DOMAIN, "Chancellery", u64::MAX);
        refused(far, Misuse::Time);
    }
}

mod logs {
    use super::*;

    #[test]
    fn a_device_that_is_not_in_the_log() {
        for suite in SUITES {
            let mut world = World::new(suite);
            let device = world.enrol(Role::Principal);
            let verified = world.office.verify_chain(&device.chain, NOW).unwrap();
            let entry = enrolled_entry(&world, &device);
            let logged = world.log(&entry);
            assert!(world.office.verify_device_logged(verified.clone(), &logged).is_ok());
            let verify = |logged| world.office.verify_device_logged(verified.clone(), logged);

            let mut elsewhere = World::of(suite, 2, DOMAIN);
            refused(verify(&elsewhere.log(&entry)), Flaw::Checkpoint);
            let mut changed = logged.clone();
            changed.entry.0[0] = b' ';
            refused(verify(&changed), Flaw::LogProof);
            changed = logged.clone();
            changed.index = 0;
            refused(verify(&changed), Flaw::LogProof);
            changed = logged.clone();
            changed.proof.push(vec![0; 32].into());
            refused(verify(&changed), Flaw::LogProof);
            changed.proof[0].0.pop();
            refused(verify(&changed), Flaw::LogProof);
            changed.proof = vec![vec![0; 32].into(); 65];
            refused(verify(&changed), Flaw::TooLong);
            changed = logged.clone();
            changed.checkpoint = changed.checkpoint.replacen("\n2\n", "\n3\n", 1);
            assert_ne!(changed.checkpoint, logged.checkpoint);
            refused(verify(&changed), Flaw::Checkpoint);
            changed = logged.clone();
            changed.entry.0 = vec![b' '; telcon_log::MAX_ENTRY_LEN + 1];
            refused(verify(&changed), Flaw::TooLong);
        }
    }

    #[test]
    fn the_entry_of_another_device_or_certificate() {
        for suite in SUITES {
            let mut world = World::new(suite);
            let device = world.enrol(Role::Principal);
            let verified = world.office.verify_chain(&device.chain, NOW).unwrap();
            let good = enrolled_entry(&world, &device);
            for (member, value, why) in [
                ("device", json!("00"), Flaw::OtherEntry),
                ("cert_sha256", json!("ab".repeat(32)), Flaw::OtherEntry),
                ("enrolment", json!(null), Flaw::OtherEntry),
                ("type", json!("device_revoked"), Flaw::LogEntry),
                ("time_ms", json!("now"), Flaw::LogEntry),
                ("time_ms", json!(-1), Flaw::LogEntry),
                // Backdated: the certificate claims the enrolment's hour, the log knows better.
                ("time_ms", json!(NOW + HOUR + 61_000), Flaw::EntryTime),
                ("time_ms", json!(NOW - HOUR), Flaw::EntryTime),
            ] {
                let mut entry = good.clone();
                entry[member] = value;
                let logged = world.log(&entry);
                refused(world.office.verify_device_logged(verified.clone(), &logged), why);
            }
            let text = world.log(&json!("device_enrolled"));
            refused(world.office.verify_device_logged(verified, &text), Flaw::LogEntry);
        }
    }

    #[test]
    fn the_opening_of_another_ring() {
        for suite in SUITES {
            let mut world = World::new(suite);
            let caller = world.enrol(Role::Principal);
            let jws = signed_ring(&world, &caller);
            let verified = world.office.verify_ring(&jws, NOW).unwrap();
            let good = opened_entry(&world, &jws, verified.ring());
            let elsewhere = json!(caller.id.to_hex());
            for (member, value, why) in [
                ("call", json!("00"), Flaw::OtherEntry),
                ("ring_sha256", json!("ab".repeat(32)), Flaw::OtherEntry),
                ("mode", json!("log_only"), Flaw::OtherEntry),
                ("suite", serde_json::to_value(other(suite)).unwrap(), Flaw::OtherEntry),
                ("devices", json!([]), Flaw::OtherEntry),
                ("devices", json!(["00"]), Flaw::OtherEntry),
                ("devices", json!([elsewhere.clone(), elsewhere]), Flaw::OtherEntry),
                ("devices", json!(null), Flaw::LogEntry),
                ("type", json!("call_ended"), Flaw::LogEntry),
                ("time_ms", json!(NOW + RING_MAX_AGE_MS + 1), Flaw::EntryTime),
                ("time_ms", json!(NOW - 60_001), Flaw::EntryTime),
            ] {
                let mut entry = good.clone();
                entry[member] = value;
                let opened = world.log(&entry);
                refused(world.office.verify_opening(verified.clone(), &opened), why);
            }
            // The same call rung once more is another text, and needs an opening of its own.
            let again = Ring { at_ms: NOW + 1, ..ring(&world, &caller) };
            let again = world.office.verify_ring(&sign_ring(&caller.key, &caller.chain, &again), NOW).unwrap();
            let opened = world.log(&good);
            refused(world.office.verify_opening(again, &opened), Flaw::OtherEntry);
        }
    }
}

mod statements {
    use super::*;

    #[test]
    fn a_sign_in_for_another_office_device_or_challenge() {
        for suite in SUITES {
            let key = DeviceKey::from_seed(suite, &[1; 32]);
            let (device, public) = (DeviceId::from_bytes([5; 16]), key.public_bytes());
            let jws = sign_in(&key, DOMAIN, device, &[7; 32]);
            assert_eq!(verify_sign_in(&jws, suite, &public, DOMAIN, device, &[7; 32]), Ok(()));
            refused(verify_sign_in(&jws, suite, &public, "other.example", device, &[7; 32]), Flaw::OtherOffice);
            let stranger = DeviceId::from_bytes([6; 16]);
            refused(verify_sign_in(&jws, suite, &public, DOMAIN, stranger, &[7; 32]), Flaw::OtherDevice);
            refused(verify_sign_in(&jws, suite, &public, DOMAIN, device, &[8; 32]), Flaw::OtherChallenge);
            refused(verify_sign_in(&jws, suite, &public, DOMAIN, device, &[]), Flaw::OtherChallenge);
            let thief = DeviceKey::from_seed(suite, &[2; 32]).public_bytes();
            refused(verify_sign_in(&jws, suite, &thief, DOMAIN, device, &[7; 32]), Flaw::Signature);
        }
    }

    #[test]
    fn a_record_of_another_call_content_or_signer() {
        for suite in SUITES {
            let world = World::new(suite);
            let note_taker = world.enrol(Role::NoteTaker);
            let sign = |device: &Device, at_ms| sign_record(&device.key, &device.chain, CALL, "digest", 3, true, at_ms);
            let jws = sign(&note_taker, NOW);
            let record = world.office.verify_record(&jws, CALL, "digest").unwrap();
            assert_eq!(record.device().device(), note_taker.id);
            assert_eq!((record.parts(), record.partial(), record.at_ms()), (3, true, NOW));
            let another = CallId::from_bytes([0; 16]);
            refused(world.office.verify_record(&jws, another, "digest"), Flaw::OtherRecord);
            refused(world.office.verify_record(&jws, CALL, "other"), Flaw::OtherRecord);
            refused(world.office.verify_record(&sign(&note_taker, NOW + 366 * DAY), CALL, "digest"), Lapse::Device);
            for role in [Role::Principal, Role::Counterpart] {
                refused(world.office.verify_record(&sign(&world.enrol(role), NOW), CALL, "digest"), Flaw::RecordRole);
            }
            let rogue = World::of(suite, 2, DOMAIN).enrol(Role::NoteTaker);
            refused(world.office.verify_record(&sign(&rogue, NOW), CALL, "digest"), Flaw::OtherAuthority);
        }
    }
}

mod signed_texts {
    use super::*;

    fn with_header(key: &DeviceKey, header: &str, payload: &[u8]) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())))
    }

    #[test]
    fn of_one_type_in_the_place_of_another() {
        for suite in SUITES {
            let world = World::new(suite);
            let (caller, note_taker) = (world.enrol(Role::Principal), world.enrol(Role::NoteTaker));
            let content = serde_json::to_vec(&ring(&world, &caller)).unwrap();
            for typ in ["", "JWT", SIGN_IN_TYP, RECORD_TYP, "telcon-ring", "Telcon-ring+jws", "application/telcon-ring+jws"] {
                let jws = jws::sign(&caller.key, typ, &content, &caller.chain);
                refused(world.office.verify_ring(&jws, NOW), Flaw::JwsType);
            }
            let jws = signed_ring(&world, &caller);
            refused(world.office.verify_record(&jws, CALL, ""), Flaw::JwsType);
            refused(verify_sign_in(&jws, suite, &caller.key.public_bytes(), DOMAIN, caller.id, &[]), Flaw::JwsType);
            let record = sign_record(&note_taker.key, &note_taker.chain, CALL, "", 0, false, NOW);
            refused(world.office.verify_ring(&record, NOW), Flaw::JwsType);
        }
    }

    #[test]
    fn of_a_confused_algorithm() {
        for suite in SUITES {
            let world = World::new(suite);
            let caller = world.enrol(Role::Principal);
            let x5c: Vec<_> = caller.chain.iter().map(|der| STANDARD.encode(der)).collect();
            let content = serde_json::to_vec(&ring(&world, &caller)).unwrap();
            let swapped = if suite == SuiteName::Hybrid { "ML-DSA-87" } else { "EdDSA" };
            for alg in ["none", "HS256", "ES256", "Ed25519", "eddsa", "ML-DSA-65", "", swapped] {
                let header = json!({"alg": alg, "typ": RING_TYP, "x5c": x5c}).to_string();
                let jws = with_header(&caller.key, &header, &content);
                refused(world.office.verify_ring(&jws, NOW), Flaw::JwsAlgorithm);
            }
            // No signature at all.
            let jws = signed_ring(&world, &caller);
            let unsigned = &jws[..=jws.rfind('.').unwrap()];
            refused(world.office.verify_ring(unsigned, NOW), Flaw::Signature);
        }
    }

    #[test]
    fn with_a_header_that_asks_for_more() {
        let key = DeviceKey::from_seed(SuiteName::Hybrid, &[1; 32]);
        let public = key.public_bytes();
        let verify = |header: &str| {
            jws::verify(&with_header(&key, header, b"content"), "t", SuiteName::Hybrid, &public)
        };
        assert_eq!(verify(r#"{"alg":"EdDSA","typ":"t"}"#).unwrap(), b"content");
        assert_eq!(verify(r#" {"typ":"t", "alg":"EdDSA", "x5c":[]} "#).unwrap(), b"content");
        for header in [
            r#"{"alg":"EdDSA","typ":"t","crit":["b64"],"b64":false}"#, r#"{"alg":"EdDSA","typ":"t","crit":[]}"#,
            r#"{"alg":"EdDSA","typ":"t","jwk":{}}"#, r#"{"alg":"EdDSA","typ":"t","kid":"1"}"#,
            r#"{"alg":"EdDSA","typ":"t","x5u":"https://a"}"#, r#"{"alg":"EdDSA","alg":"EdDSA","typ":"t"}"#,
            r#"{"alg":"EdDSA"}"#, r#"{"typ":"t"}"#, r#"{"alg":["EdDSA"],"typ":"t"}"#, r#"{"alg":"EdDSA","typ":null}"#,
            r#"{"alg":"EdDSA","typ":"t"}{}"#, r#"{"alg":"EdDSA","typ":"t","x5c":["!"]}"#, "", "[]", "null",
        ] {
            refused(verify(header), Flaw::JwsForm);
        }
        refused(verify(r#"{"alg":"EdDSA","typ":"t","x5c":["","",""]}"#), Flaw::TooLong);
        let long = format!(r#"{{"alg":"EdDSA","typ":"t","x5c":["{}"]}}"#, "A".repeat(20_000));
        refused(verify(&long), Flaw::TooLong);
    }

    #[test]
    fn of_another_form() {
        let key = DeviceKey::from_seed(SuiteName::Hybrid, &[1; 32]);
        let public = key.public_bytes();
        let verify = |token: &str| jws::verify(token, "t", SuiteName::Hybrid, &public);
        let good = jws::sign(&key, "t", b"content", &[]);
        assert_eq!(verify(&good).unwrap(), b"content");
        let [head, body, mac] = <[&str; 3]>::try_from(good.split('.').collect::<Vec<_>>()).unwrap();
        for bad in [
            String::new(), "..".into(), "a".into(), format!("{head}.{body}"), format!(".{body}.{mac}"),
            format!("{good}."), format!("{good}.{mac}"), format!("{head}.{body}=.{mac}"), format!("{good}="),
            format!("{good}\n"), format!(" {good}"), format!("{head}.{body}+.{mac}"),
        ] {
            refused(verify(&bad), Flaw::JwsForm);
        }
        refused(verify(&"a".repeat(jws::MAX_JWS_CHARS + 1)), Flaw::TooLong);
        // Base64 has several spellings of a last digit; only the one with zero bits is read.
        let last = good.chars().last().unwrap();
        let sloppy = format!("{}{}", &good[..good.len() - 1], char::from(last as u8 + 1));
        assert!(verify(&sloppy).is_err());
    }
}
