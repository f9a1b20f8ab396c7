//! Attacks on enrolment links.

use super::*;

#[test]
fn a_link_round_trips_and_enrols_a_device() {
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
        assert_eq!(format!("{invitation:?}"), format!("Invitation {{ suite: {suite:?}, expires_ms: 1780275600000 }}"));
        let (_, chain) = invitation.enrol(&[3; 32], DeviceId::from_bytes([4; 16]), NOW).unwrap();
        assert!(world.office.verify_chain(&chain, NOW).is_ok());
    }
}

#[test]
fn an_expired_or_not_yet_valid_link_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let enrol = |now_ms| {
            let invitation = world.authority.invite(&world.spec(card(Role::Principal))).unwrap();
            let (_, chain) = invitation.enrol(&[3; 32], DeviceId::from_bytes([4; 16]), now_ms)?;
            world.office.verify_chain(&chain, now_ms)
        };
        assert!(enrol(NOW + HOUR).is_ok());
        assert!(enrol(NOW - 59_000).is_ok(), "a clock that is a minute slow");
        refused(enrol(NOW + HOUR + 1000), Validity::Invitation);
        refused(enrol(NOW - 62_000), Validity::InvitationNotYet);
    }
}

#[test]
fn a_forged_link_is_refused() {
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
        refused(changed(0, 105), Flaw::Invitation);
        refused(Invitation::parse("invitation"), Flaw::Invitation);
        refused(Invitation::parse(&"nonsense".repeat(100)), Flaw::Invitation);
        refused(changed(1, 3), Flaw::Invitation);
        refused(changed(1, if suite == SuiteName::Hybrid { 2 } else { 1 }), Flaw::Invitation);
        refused(changed(2, bytes[2] ^ 1), Flaw::Invitation);
        refused(Invitation::parse(""), Flaw::Invitation);
        refused(Invitation::parse(&fragment[..40]), Flaw::Invitation);
        refused(Invitation::parse(&format!("{fragment}=")), Flaw::Invitation);
        refused(Invitation::parse(&"A".repeat(crate::MAX_FRAGMENT_CHARS + 1)), Flaw::TooLong);
        // Consistent, but certified by the enrolment key itself.
        let key = enrolment_key(suite, Role::Principal);
        let forged = forge(&bytes[66..], &key, |_| ());
        let invitation = Invitation::new(suite, [0x50; 32], world.office.authority_sha256(), &forged).unwrap();
        refused(world.office.verify_invitation(&invitation), Flaw::Signature);
        // A device certificate in place of the enrolment certificate.
        let device = &world.enrol(Role::Principal).chain[0];
        refused(Invitation::new(suite, [0x70; 32], [0; 32], device), Flaw::NotAnIssuer);
    }
}

#[test]
fn an_authority_refuses_invalid_invitations() {
    let world = World::new(SuiteName::Hybrid);
    let invite = |change: fn(&mut InviteSpec)| {
        let mut spec = world.spec(card(Role::Principal));
        change(&mut spec);
        world.authority.invite(&spec)
    };
    refused(invite(|spec| spec.ttl_ms = 999), Misuse::InvitationTtl);
    refused(invite(|spec| spec.ttl_ms = 30 * DAY + 1000), Misuse::InvitationTtl);
    refused(invite(|spec| spec.now_ms += 9 * 365 * DAY), Validity::Authority);
    refused(invite(|spec| spec.now_ms = u64::MAX), Validity::Authority);
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

#[test]
fn sizes_are_those_that_limits_and_documents_state() {
    for (suite, link, ring_text) in
        [(SuiteName::Hybrid, 900..1100, 2700..3300), (SuiteName::Cnsa2, 10_200..10_800, 34_000..37_000)]
    {
        let world = World::new(suite);
        let fragment = world.authority.invite(&world.spec(card(Role::Principal))).unwrap().to_fragment();
        let jws = signed_ring(&world, &world.enrol(Role::Principal));
        assert!(link.contains(&fragment.len()), "a link has {} characters", fragment.len());
        assert!(ring_text.contains(&jws.len()), "a ring has {} characters", jws.len());
        // Names of the maximum length, in four-byte UTF-8.
        let longest = Card { name: "𝔑".repeat(64), organisation: "𝔒".repeat(64), ..card(Role::Counterpart) };
        let invitation = world.authority.invite(&world.spec(longest)).unwrap();
        assert!(invitation.to_fragment().len() < crate::MAX_FRAGMENT_CHARS * 3 / 4);
        let id = DeviceId::from_bytes([4; 16]);
        let (key, chain) = invitation.enrol(&[3; 32], id, NOW).unwrap();
        assert!(chain.iter().all(|der| der.len() < crate::MAX_CERTIFICATE_BYTES * 3 / 4));
        let jws = signed_ring(&world, &Device { key, chain, id });
        assert!(world.office.verify_ring(&jws, NOW).is_ok());
        assert!(jws.len() < jws::MAX_JWS_CHARS * 3 / 4);
    }
}
