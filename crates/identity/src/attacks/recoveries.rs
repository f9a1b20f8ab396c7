//! Attacks on the recovery of a person who lost all devices, and on orders to erase. The attacker has the server, or one registrar's
//! key, and every statement that was ever signed.

use super::*;
use crate::{Registrar, Validity, VerifiedRecovery, sign_erasure, verify_erasure};
use telcon_proto::{InvitationId, RecoveryId, limits::RECOVERY_MS, recovery::RecoveryReason};

const RECOVERY: RecoveryId = RecoveryId::from_bytes([8; 16]);
const OTHER: RecoveryId = RecoveryId::from_bytes([9; 16]);
const INVITATION: InvitationId = InvitationId::from_bytes([3; 16]);
const PHONE: DeviceId = DeviceId::from_bytes([0x20; 16]);

struct Officer {
    key: DeviceKey,
    registrar: Registrar,
}

struct Desk {
    world: World,
    one: Officer,
    two: Officer,
    /// The first officer's other device.
    same: Officer,
}

impl Desk {
    fn new(suite: SuiteName) -> Self {
        let world = World::new(suite);
        let [one, two, same] = [(1, 1), (2, 2), (1, 3)].map(|(person, n)| officer(&world, person, n));
        Self { world, one, two, same }
    }

    fn opened_by(&self, by: &Officer, recovery: RecoveryId, of: PersonId) -> VerifiedRecovery {
        let statement = by.registrar.open_recovery(&by.key, recovery, of, RecoveryReason::Lost, NOW).unwrap();
        self.world.office.verify_recovery(&statement).unwrap()
    }
}

fn officer(world: &World, person: u8, n: u8) -> Officer {
    let card = Card { person: PersonId::from_bytes([person; 16]), ..card(Role::SecurityOfficer) };
    let spec = InviteSpec { enrolment_id: [n; 16], enrolment_seed: [0x80 + n; 32], ..world.spec(card) };
    let invitation = world.authority.invite(&spec).unwrap();
    let (key, chain) = invitation.enrol(&[0x90 + n; 32], DeviceId::from_bytes([0xa0 + n; 16]), NOW).unwrap();
    let device = world.office.verify_chain(&chain, NOW).unwrap();
    let der = world.authority.appoint(&device, &[Role::Principal], NOW).unwrap();
    Officer { key, registrar: world.office.verify_registrar(&der, NOW).unwrap() }
}

fn lost() -> PersonId {
    PersonId::from_bytes([77; 16])
}

#[test]
fn two_officers_state_and_confirm_a_recovery() {
    for suite in SUITES {
        let desk = Desk::new(suite);
        let opened = desk.opened_by(&desk.one, RECOVERY, lost());
        assert!(opened.is_of(lost()) && !opened.is_of(PersonId::from_bytes([78; 16])));
        assert!(opened.is_allowed(Role::Principal) && !opened.is_allowed(Role::NoteTaker));
        let two = &desk.two;
        let statement = two.registrar.confirm_recovery(&two.key, &opened, INVITATION, vec![PHONE], NOW).unwrap();
        let confirmed = desk.world.office.verify_recovery_confirmation(&statement, &opened).unwrap();
        assert_eq!((confirmed.invitation(), confirmed.devices()), (INVITATION, &[PHONE][..]));
        // What the log has of them names nobody: not the person, and no certificate.
        let logged = crate::without_certificate(&statement);
        assert!(!logged.contains('~') && jws::decode(logged).unwrap().x5c().is_empty());
    }
}

#[test]
fn the_server_alone_makes_neither_statement() {
    for suite in SUITES {
        let desk = Desk::new(suite);
        let office = &desk.world.office;
        // With a key of its own, beside a genuine certificate; or beside none.
        let one = &desk.one;
        let genuine = one.registrar.open_recovery(&one.key, RECOVERY, lost(), RecoveryReason::Lost, NOW).unwrap();
        let (jws_text, certificate) = genuine.split_once('~').unwrap();
        let payload = jws::decode(jws_text).unwrap().claimed_payload().to_vec();
        let own = DeviceKey::from_seed(suite, &[0x66; 32]);
        let forged = jws::sign(&own, crate::RECOVERY_TYP, &payload, &[]);
        refused(office.verify_recovery(&format!("{forged}~{certificate}")), Flaw::Signature);
        refused(office.verify_recovery(jws_text), Flaw::CertificateForm);
        // A statement of another type by the same registrar.
        let revocation = one.registrar.revoke(&one.key, PHONE, NOW).unwrap();
        refused(office.verify_recovery(&revocation), Flaw::JwsType);
        let opened = office.verify_recovery(&genuine).unwrap();
        refused(office.verify_recovery_confirmation(&genuine, &opened), Flaw::JwsType);
    }
}

#[test]
fn one_person_is_not_two_officers() {
    for suite in SUITES {
        let desk = Desk::new(suite);
        let opened = desk.opened_by(&desk.one, RECOVERY, lost());
        for by in [&desk.one, &desk.same] {
            let result = by.registrar.confirm_recovery(&by.key, &opened, INVITATION, vec![], NOW);
            assert_eq!(result, Err(Misuse::SamePerson.into()));
        }
        // A changed program signs it all the same: the second officer's statement with the first's key, on either device.
        let two = &desk.two;
        let statement = two.registrar.confirm_recovery(&two.key, &opened, INVITATION, vec![], NOW).unwrap();
        for by in [&desk.one, &desk.same] {
            let mut payload: serde_json::Value =
                serde_json::from_slice(jws::decode(crate::without_certificate(&statement)).unwrap().claimed_payload())
                    .unwrap();
            payload["by"] = json!(by.registrar.device());
            let text = jws::sign(&by.key, crate::RECOVERY_CONFIRMATION_TYP, payload.to_string().as_bytes(), &[]);
            let forged = crate::with_certificate(&text, by.registrar.der());
            refused(desk.world.office.verify_recovery_confirmation(&forged, &opened), Flaw::SameRegistrar);
        }
    }
}

/// The server kept an opening and shows it much later; or an officer's clock is far ahead.
#[test]
fn a_confirmation_counts_within_a_day_of_the_opening() {
    for suite in SUITES {
        let desk = Desk::new(suite);
        let (opened, two) = (desk.opened_by(&desk.one, RECOVERY, lost()), &desk.two);
        let confirmed = |at_ms| {
            let statement = two.registrar.confirm_recovery(&two.key, &opened, INVITATION, vec![PHONE], at_ms).unwrap();
            desk.world.office.verify_recovery_confirmation(&statement, &opened)
        };
        assert!(confirmed(NOW + RECOVERY_MS).is_ok());
        for at_ms in [NOW + RECOVERY_MS + 120_000, NOW + 90 * RECOVERY_MS] {
            assert_eq!(confirmed(at_ms).unwrap_err(), Validity::Recovery.into());
        }
    }
}

#[test]
fn a_confirmation_is_not_replayed_for_another_person_or_recovery() {
    for suite in SUITES {
        let desk = Desk::new(suite);
        let opened = desk.opened_by(&desk.one, RECOVERY, lost());
        let two = &desk.two;
        let statement = two.registrar.confirm_recovery(&two.key, &opened, INVITATION, vec![], NOW).unwrap();
        for other in [
            desk.opened_by(&desk.one, OTHER, lost()),
            // The same identifier for another person.
            desk.opened_by(&desk.one, RECOVERY, PersonId::from_bytes([78; 16])),
        ] {
            refused(desk.world.office.verify_recovery_confirmation(&statement, &other), Flaw::OtherApproval);
        }
    }
}

#[test]
fn nobody_recovers_themselves() {
    for suite in SUITES {
        let desk = Desk::new(suite);
        let (one, two) = (&desk.one, &desk.two);
        let own = one.registrar.card().person;
        let result = one.registrar.open_recovery(&one.key, RECOVERY, own, RecoveryReason::Lost, NOW);
        assert_eq!(result, Err(Misuse::SamePerson.into()));
        let opened = desk.opened_by(one, RECOVERY, two.registrar.card().person);
        let result = two.registrar.confirm_recovery(&two.key, &opened, INVITATION, vec![], NOW);
        assert_eq!(result, Err(Misuse::SamePerson.into()));
    }
}

#[test]
fn an_order_to_erase_is_the_signers_word() {
    for suite in SUITES {
        let desk = Desk::new(suite);
        let (office, one) = (&desk.world.office, &desk.one);
        let plain = one.registrar.revoke(&one.key, PHONE, NOW).unwrap();
        assert!(!office.verify_revocation(&plain).unwrap().erases());
        let order = one.registrar.revoke_and_erase(&one.key, PHONE, NOW).unwrap();
        let verified = office.verify_revocation(&order).unwrap();
        assert!(verified.erases() && verified.is_allowed(Role::Principal) && !verified.is_allowed(Role::NoteTaker));
        // The server adds the word to a revocation.
        let (jws_text, certificate) = plain.split_once('~').unwrap();
        let parts: Vec<&str> = jws_text.split('.').collect();
        let mut payload: serde_json::Value =
            serde_json::from_slice(jws::decode(jws_text).unwrap().claimed_payload()).unwrap();
        payload["erase"] = json!(true);
        let changed = URL_SAFE_NO_PAD.encode(payload.to_string());
        let forged = format!("{}.{changed}.{}~{certificate}", parts[0], parts[2]);
        refused(office.verify_revocation(&forged), Flaw::Signature);
        // Statements of before there were such orders erase nothing.
        let authority = desk.world.authority.revoke(PHONE, NOW).unwrap();
        let payload = jws::decode(&authority).unwrap().claimed_payload().to_vec();
        assert!(!String::from_utf8(payload).unwrap().contains("erase"), "older devices read it");
    }
}

#[test]
fn a_report_of_an_erasure_is_of_that_device_about_that_order() {
    for suite in SUITES {
        let desk = Desk::new(suite);
        let key = DeviceKey::from_seed(suite, &[0x20; 32]);
        let order = desk.one.registrar.revoke_and_erase(&desk.one.key, PHONE, NOW).unwrap();
        let digest = desk.world.office.verify_revocation(&order).unwrap().order_sha256();
        let report = sign_erasure(&key, DOMAIN, PHONE, digest, NOW);
        let public = key.public_bytes();
        let verify = |device, order: &str, key: &[u8]| verify_erasure(&report, suite, key, DOMAIN, device, order);
        assert!(verify(PHONE, &order, &public).is_ok());
        // Also as the log has the order, without the certificate.
        assert!(verify(PHONE, crate::without_certificate(&order), &public).is_ok());
        refused(verify(DeviceId::from_bytes([1; 16]), &order, &public), Flaw::OtherDevice);
        let later = desk.one.registrar.revoke_and_erase(&desk.one.key, PHONE, NOW + 1000).unwrap();
        refused(verify(PHONE, &later, &public), Flaw::OtherChallenge);
        let other = DeviceKey::from_seed(suite, &[0x21; 32]).public_bytes();
        refused(verify(PHONE, &order, &other), Flaw::Signature);
    }
}
