//! Attacks on an office whose charter demands two registrars. The attacker has one registrar's key, or the server, or both, and
//! every certificate that was ever issued.

use super::*;
use crate::{
    CharterTerms, Registrar, VerifiedApproval,
    ask::{Ask, VerifiedRequest, verify_request},
    validity::CERTIFIED_TO_LOGGED_S,
};
use telcon_proto::{InvitationId, http::Registrars, limits::DEVICE_REQUEST_MS};

const ASKING: DeviceId = DeviceId::from_bytes([0x55; 16]);
/// The request waits this long, and the log takes the device an hour later at the latest.
const WINDOW_MS: u64 = DEVICE_REQUEST_MS + CERTIFIED_TO_LOGGED_S * 1000;

/// A registrar with its key.
struct Officer {
    key: DeviceKey,
    registrar: Registrar,
}

/// An office whose charter demands two registrars, and two officers.
struct Offices {
    world: World,
    one: Officer,
    two: Officer,
}

impl Offices {
    fn new(suite: SuiteName) -> Self {
        let terms = CharterTerms {
            floor: RecordMode::Memo,
            registrars: Registrars::Two,
            rings: telcon_proto::line::Rings::ByRole,
        };
        let world = World::chartered(suite, 1, DOMAIN, terms);
        let (one, two) = (officer(&world, 1, 1, &[Role::Principal]), officer(&world, 2, 2, &[Role::Principal]));
        Self { world, one, two }
    }

    fn office(&self) -> &Office {
        &self.world.office
    }

    /// What the new device `n` asks.
    fn request(&self, n: u8) -> VerifiedRequest {
        let suite = self.office().suite();
        let invitation = InvitationId::from_bytes([n; 16]);
        let ask = Ask::new(suite, [n; 32], self.world.authority.certificate_sha256(), invitation);
        let device = DeviceId::from_bytes([n; 16]);
        let jws = ask.request(&DeviceKey::from_seed(suite, &[n; 32]), device, &domain(), "Firefox", NOW).unwrap();
        verify_request(&jws, &domain(), &ask).unwrap()
    }

    /// The first officer's approval of the device [`ASKING`], verified as the second officer's device does.
    fn first(&self) -> (Vec<Vec<u8>>, VerifiedApproval) {
        let (request, card) = (self.request(0x55), card(Role::Principal));
        let chain = self.one.registrar.certify(&self.one.key, &request, &card, NOW).unwrap();
        let approval = self.office().verify_approval(&chain, &request, &card, NOW).unwrap();
        (chain, approval)
    }

    /// The chain of a device that both approved.
    fn chain(&self) -> Vec<Vec<u8>> {
        let (mut chain, first) = self.first();
        chain.extend(self.two.registrar.certify_second(&self.two.key, &first, NOW).unwrap());
        chain
    }

    /// That chain, with the second officer's certificate changed and signed with the second officer's key.
    fn forged(&self, change: impl FnOnce(&mut Fields)) -> Vec<Vec<u8>> {
        let mut chain = self.chain();
        chain[2] = forge(&chain[2], &self.two.key, change);
        chain
    }
}

/// A security officer's device `n` of the person `person`, appointed for these roles.
fn officer(world: &World, person: u8, n: u8, roles: &[Role]) -> Officer {
    officer_at(world, person, n, roles, NOW)
}

fn officer_at(world: &World, person: u8, n: u8, roles: &[Role], now_ms: u64) -> Officer {
    let card = Card { person: PersonId::from_bytes([person; 16]), ..card(Role::SecurityOfficer) };
    let spec = InviteSpec { enrolment_id: [n; 16], enrolment_seed: [0x80 + n; 32], ..world.spec(card) };
    let invitation = world.authority.invite(&spec).unwrap();
    let (key, chain) = invitation.enrol(&[0x90 + n; 32], DeviceId::from_bytes([0xa0 + n; 16]), NOW).unwrap();
    let device = world.office.verify_chain(&chain, NOW).unwrap();
    let der = world.authority.appoint(&device, roles, now_ms).unwrap();
    Officer { key, registrar: world.office.verify_registrar(&der, now_ms).unwrap() }
}

#[test]
fn two_registrars_of_different_people_enrol_a_device() {
    for suite in SUITES {
        let mut offices = Offices::new(suite);
        let chain = offices.chain();
        let device = offices.office().verify_chain(&chain, NOW).unwrap();
        assert_eq!((device.device(), device.card()), (ASKING, &card(Role::Principal)));
        assert_eq!(device.registrars(), [offices.one.registrar.device(), offices.two.registrar.device()]);
        let second = Certificate::read(&chain[2]).unwrap().sha256();
        assert_eq!(device.second_cert_sha256(), Some(second));
        // Signed texts and MLS leaves carry all four certificates.
        let parsed = crate::parse_x509_credential(&crate::x509_credential(&chain)).unwrap();
        assert_eq!(parsed, chain);
        let caller = Device { key: DeviceKey::from_seed(suite, &[0x55; 32]), chain, id: ASKING };
        let jws = signed_ring(&offices.world, &caller);
        assert_eq!(TrustStore::new(offices.office().clone()).verify_ring(&jws, NOW).unwrap().device(), &device);
        assert!(jws.len() < jws::MAX_JWS_CHARS * 3 / 4, "a ring has {} characters", jws.len());
        let entry = enrolled_entry(&offices.world, &caller);
        let logged = offices.world.log(&entry);
        assert!(offices.office().verify_device_logged(device, &logged).is_ok());
    }
}

#[test]
fn devices_of_the_authority_need_no_registrar() {
    for suite in SUITES {
        let offices = Offices::new(suite);
        let device = offices.world.enrol(Role::Principal);
        let verified = offices.office().verify_chain(&device.chain, NOW).unwrap();
        assert_eq!((verified.registrars(), verified.second_cert_sha256()), (&[][..], None));
        // The authority's certificate beside a registrar's is no second approval.
        let (chain, _) = offices.first();
        let mixed = [chain, device.chain].concat();
        refused(offices.office().verify_chain(&mixed, NOW), Flaw::ChainLength);
    }
}

#[test]
fn one_registrar_where_two_are_needed_is_refused() {
    for suite in SUITES {
        let offices = Offices::new(suite);
        let chain = offices.chain();
        for half in [&chain[..2], &chain[2..]] {
            refused(offices.office().verify_chain(half, NOW), Flaw::OneRegistrar);
            let trust = TrustStore::new(offices.office().clone());
            refused(trust.verify_chain(half, NOW), Flaw::OneRegistrar);
            // In everything that a device signs with it.
            let key = DeviceKey::from_seed(suite, &[0x55; 32]);
            let caller = Device { key, chain: half.to_vec(), id: ASKING };
            refused(offices.office().verify_ring(&signed_ring(&offices.world, &caller), NOW), Flaw::OneRegistrar);
        }
        refused(offices.office().verify_chain(&chain[..3], NOW), Flaw::LinesNotUsed);
        refused(offices.office().verify_chain(&chain[..1], NOW), Flaw::ChainLength);
        // The same approval twice.
        let twice = [&chain[..2], &chain[..2]].concat();
        refused(offices.office().verify_chain(&twice, NOW), Flaw::SameRegistrar);
        // A third.
        let three = [&chain[..], &chain[2..]].concat();
        refused(offices.office().verify_chain(&three, NOW), Flaw::ChainLength);
    }
}

#[test]
fn two_approvals_by_one_person_with_two_devices_are_refused() {
    for suite in SUITES {
        let offices = Offices::new(suite);
        let again = officer(&offices.world, 1, 3, &[Role::Principal]);
        let (mut chain, first) = offices.first();
        refused(again.registrar.certify_second(&again.key, &first, NOW), Misuse::SamePerson);
        // With a program that does not ask.
        let own = again.registrar.certify(&again.key, &offices.request(0x55), &card(Role::Principal), NOW).unwrap();
        chain.extend(own);
        refused(offices.office().verify_chain(&chain, NOW), Flaw::SameRegistrar);
    }
}

#[test]
fn two_people_with_one_key_are_one_registrar() {
    for suite in SUITES {
        let offices = Offices::new(suite);
        let (mut chain, first) = offices.first();
        let two = Certificate::read(offices.two.registrar.der()).unwrap().fields().clone();
        let own = offices.one.key.public_bytes();
        let der = Fields { public: own, ..two }.sign(&authority_key(suite)).unwrap().der().to_vec();
        let registrar = offices.office().verify_registrar(&der, NOW).unwrap();
        chain.extend(registrar.certify_second(&offices.one.key, &first, NOW).unwrap());
        refused(offices.office().verify_chain(&chain, NOW), Flaw::SameRegistrar);
    }
}

#[test]
fn an_approval_replayed_for_another_device_is_refused() {
    for suite in SUITES {
        let offices = Offices::new(suite);
        let (chain, _) = offices.first();
        let card = card(Role::Principal);
        let other = offices.request(0x66);
        // To the second registrar, and to the server.
        refused(offices.office().verify_approval(&chain, &other, &card, NOW), Flaw::OtherRequest);
        // To everybody: one officer's approval of one device, the other's of another.
        let second = offices.two.registrar.certify(&offices.two.key, &other, &card, NOW).unwrap();
        refused(offices.office().verify_chain(&[&chain[..], &second[..]].concat(), NOW), Flaw::OtherApproval);
        // The same identifier with another key, or the same key with another identifier.
        let key = DeviceKey::from_seed(suite, &[0x66; 32]).public_bytes();
        refused(offices.office().verify_chain(&offices.forged(|fields| fields.public = key), NOW), Flaw::OtherApproval);
        let chain = offices.forged(|fields| {
            fields.serial = serial(&[0x66; 16]).to_vec();
            fields.subject = card_name(&card, &[0x66; 16]).unwrap();
        });
        refused(offices.office().verify_chain(&chain, NOW), Flaw::OtherApproval);
    }
}

#[test]
fn approvals_over_different_cards_are_refused() {
    for suite in SUITES {
        let offices = Offices::new(suite);
        let (chain, _) = offices.first();
        let other = Card { name: "The President of Estmark".into(), ..card(Role::Principal) };
        refused(offices.office().verify_approval(&chain, &offices.request(0x55), &other, NOW), Flaw::OtherRequest);
        let subject = card_name(&other, ASKING.as_bytes()).unwrap();
        let chain = offices.forged(|fields| fields.subject = subject);
        refused(offices.office().verify_chain(&chain, NOW), Flaw::OtherApproval);
    }
}

#[test]
fn approvals_of_different_times_are_refused() {
    for suite in SUITES {
        let offices = Offices::new(suite);
        let changes: [fn(&mut Span); 2] = [|valid| valid.from_s += 1, |valid| valid.until_s -= 1];
        for change in changes {
            let chain = offices.forged(|fields| change(&mut fields.valid));
            refused(offices.office().verify_chain(&chain, NOW), Flaw::OtherApproval);
        }
    }
}

#[test]
fn a_second_registrar_beyond_its_roles_is_refused() {
    for suite in SUITES {
        let offices = Offices::new(suite);
        let third = officer(&offices.world, 3, 3, &[Role::NoteTaker]);
        let (mut chain, first) = offices.first();
        refused(third.registrar.certify_second(&third.key, &first, NOW), Misuse::RoleNotAllowed);
        let issuer = Certificate::read(third.registrar.der()).unwrap().fields().clone();
        let forged = forge(&chain[0], &third.key, |fields| {
            (fields.issuer, fields.issuer_key) = (issuer.subject.clone(), Some(key_id(&issuer.public)));
        });
        chain.extend([forged, third.registrar.der().to_vec()]);
        refused(offices.office().verify_chain(&chain, NOW), Flaw::RoleNotAllowed);
    }
}

#[test]
fn a_second_registrar_whom_another_authority_appointed_is_refused() {
    for suite in SUITES {
        let offices = Offices::new(suite);
        let rogue = World::of(suite, 2, DOMAIN);
        let accomplice = officer(&rogue, 2, 2, &[Role::Principal]);
        let (mut chain, _) = offices.first();
        let request = offices.request(0x55);
        let second = accomplice.registrar.certify(&accomplice.key, &request, &card(Role::Principal), NOW).unwrap();
        chain.extend(second);
        refused(offices.office().verify_chain(&chain, NOW), Flaw::OtherAuthority);
    }
}

#[test]
fn two_registrars_where_the_charter_demands_one_are_two_all_the_same() {
    for suite in SUITES {
        let offices = Offices::new(suite);
        // The same authority, with a charter that demands one.
        let info = World::new(suite).info;
        let office = Office::pin(&info, Some(&offices.world.authority.certificate_sha256())).unwrap();
        let chain = offices.chain();
        // Whoever was recovered has both, in every office: neither may be forged because one would do.
        assert_eq!(office.verify_chain(&chain, NOW).unwrap().registrars().len(), 2);
        refused(
            office.verify_chain(&offices.forged(|fields| fields.public = vec![9; fields.public.len()]), NOW),
            Flaw::OtherApproval,
        );
        let twice = [&chain[..2], &chain[..2]].concat();
        refused(office.verify_chain(&twice, NOW), Flaw::SameRegistrar);
        assert!(office.verify_chain(&chain[..2], NOW).is_ok());
    }
}

#[test]
fn a_first_approval_is_used_in_time_and_by_a_registrar_of_that_time() {
    for suite in SUITES {
        let offices = Offices::new(suite);
        let (_, first) = offices.first();
        let second = |now_ms| offices.two.registrar.certify_second(&offices.two.key, &first, now_ms);
        assert!(second(NOW + DEVICE_REQUEST_MS).is_ok());
        refused(second(NOW + WINDOW_MS + 1000), Validity::FirstApproval);
        refused(second(NOW - 2 * CLOCK_TOLERANCE_S * 1000), Validity::Registrar);
        let late = officer_at(&offices.world, 3, 3, &[Role::Principal], NOW + HOUR);
        refused(late.registrar.certify_second(&late.key, &first, NOW + HOUR), Validity::SecondRegistrar);
        // A clock that is ahead by an hour, or a lie.
        let (request, card) = (offices.request(0x55), card(Role::Principal));
        let ahead = offices.one.registrar.certify(&offices.one.key, &request, &card, NOW + HOUR).unwrap();
        refused(offices.office().verify_approval(&ahead, &request, &card, NOW), Validity::DeviceNotYet);
    }
}

#[test]
fn a_log_entry_without_the_second_certificate_proves_nothing() {
    for suite in SUITES {
        let mut offices = Offices::new(suite);
        let chain = offices.chain();
        let device = Device { key: DeviceKey::from_seed(suite, &[0x55; 32]), chain, id: ASKING };
        let entry = enrolled_entry(&offices.world, &device);
        let verified = offices.office().verify_chain(&device.chain, NOW).unwrap();
        let mut check = |change: &dyn Fn(&mut serde_json::Value), why: Option<Flaw>| {
            let mut entry = entry.clone();
            change(&mut entry);
            let logged = offices.world.log(&entry);
            let found = offices.office().verify_device_logged(verified.clone(), &logged);
            match why {
                Some(why) => refused(found, why),
                None => drop(found.unwrap()),
            }
        };
        check(&|entry| drop(entry.as_object_mut().unwrap().remove("second_cert_sha256")), Some(Flaw::OtherEntry));
        let first = entry["cert_sha256"].clone();
        check(&|entry| entry["second_cert_sha256"] = first.clone(), Some(Flaw::OtherEntry));
        // While the request waits, and an hour; no later.
        let at = |ms: u64| move |entry: &mut serde_json::Value| entry["time_ms"] = (NOW + ms).into();
        check(&at(WINDOW_MS), None);
        check(&at(WINDOW_MS + 2 * CLOCK_TOLERANCE_S * 1000), Some(Flaw::EntryTime));
        // A device of one certificate with an entry of two.
        let own = offices.world.enrol(Role::Counterpart);
        let mut entry = enrolled_entry(&offices.world, &own);
        entry["second_cert_sha256"] = first;
        let verified = offices.office().verify_chain(&own.chain, NOW).unwrap();
        let logged = offices.world.log(&entry);
        refused(offices.office().verify_device_logged(verified, &logged), Flaw::OtherEntry);
    }
}

#[test]
fn a_charter_without_the_number_demands_one_and_other_numbers_are_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let charter = jws::decode(&world.info.charter).unwrap().claimed_payload().to_vec();
        let text = String::from_utf8(charter).unwrap();
        assert!(!text.contains("registrars"), "as offices of earlier versions signed it: {text}");
        assert_eq!(world.office.registrars(), Registrars::One);
        for (number, wanted) in [(r#""2""#, None), ("0", None), ("3", None), ("1", Some(1u8)), ("2", Some(2))] {
            let payload = text.replacen('{', &format!(r#"{{"registrars":{number},"#), 1);
            let charter = jws::sign(&authority_key(suite), CHARTER_TYP, payload.as_bytes(), &[]);
            let pinned = Office::pin(&OfficeInfo { charter, ..world.info.clone() }, None);
            match wanted {
                Some(wanted) => assert_eq!(u8::from(pinned.unwrap().registrars()), wanted),
                None => refused(pinned, Flaw::Payload),
            }
        }
    }
}
