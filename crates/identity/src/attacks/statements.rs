//! Attacks on sign-ins and record signatures.

use super::*;

#[test]
fn a_sign_in_for_another_office_device_or_challenge_is_refused() {
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

const DIGEST: Digest = Digest::from_bytes([7; 32]);

#[test]
fn a_record_signature_for_another_call_content_or_signer_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let note_taker = world.enrol(Role::NoteTaker);
        let sign = |device: &Device, at_ms| sign_record(&device.key, &device.chain, CALL, &DIGEST, 3, true, at_ms);
        let jws = sign(&note_taker, NOW);
        let record = world.office.verify_record(&jws, CALL, &DIGEST).unwrap();
        assert_eq!(record.device().device(), note_taker.id);
        assert_eq!((record.parts(), record.partial(), record.at_ms()), (3, true, NOW));
        let another = CallId::from_bytes([0; 16]);
        refused(world.office.verify_record(&jws, another, &DIGEST), Flaw::OtherRecord);
        refused(world.office.verify_record(&jws, CALL, &Digest::from_bytes([8; 32])), Flaw::OtherRecord);
        refused(world.office.verify_record(&sign(&note_taker, NOW + 366 * DAY), CALL, &DIGEST), Validity::Device);
        for role in [Role::Principal, Role::Counterpart, Role::DutyOfficer] {
            refused(world.office.verify_record(&sign(&world.enrol(role), NOW), CALL, &DIGEST), Flaw::RecordRole);
        }
        let rogue = World::of(suite, 2, DOMAIN).enrol(Role::NoteTaker);
        refused(world.office.verify_record(&sign(&rogue, NOW), CALL, &DIGEST), Flaw::OtherAuthority);
    }
}
