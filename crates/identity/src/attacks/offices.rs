//! Attacks on the trust anchor: authorities, and the statements that only they may sign.

use super::*;

#[test]
fn another_authority_than_the_one_in_the_link_is_refused() {
    for suite in SUITES {
        let (world, rogue) = (World::new(suite), World::of(suite, 2, DOMAIN));
        let pinned = world.authority.certificate_sha256();
        refused(Office::pin(&rogue.info, Some(&pinned)), Flaw::AuthorityDigest);
        let invitation = rogue.authority.invite(&rogue.spec(card(Role::Principal))).unwrap();
        refused(world.office.verify_invitation(&invitation), Flaw::AuthorityDigest);
    }
}

#[test]
fn an_office_description_that_contradicts_the_authority_is_refused() {
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
        let why = Mismatch::Suite { office: suite, other: other(suite) };
        refused(renamed(|info| info.suite = other(info.suite)), why);
    }
}

#[test]
fn a_charter_that_the_authority_did_not_sign_is_refused() {
    for suite in SUITES {
        let (world, rogue) = (World::new(suite), World::of(suite, 2, DOMAIN));
        let pin = |charter: String| Office::pin(&OfficeInfo { charter, ..world.info.clone() }, None);
        assert_eq!(pin(world.info.charter.clone()).unwrap().floor(), RecordMode::Memo);
        // Another log or a lower record mode, signed by the server.
        refused(pin(rogue.info.charter.clone()), Flaw::Signature);
        // The same key under another domain: an authority that was copied.
        refused(pin(World::of(suite, 1, "other.example").info.charter), Flaw::OtherOffice);
        // A statement that the authority signed for another purpose.
        let device = DeviceId::from_bytes([5; 16]);
        refused(pin(world.authority.revoke(device, NOW).unwrap()), Flaw::JwsType);
        let signed = |payload: &str| jws::sign(&authority_key(suite), CHARTER_TYP, payload.as_bytes(), &[]);
        refused(pin(signed("{}")), Flaw::Payload);
        let keyless = format!(r#"{{"office":"{DOMAIN}","log_key":"office.example/log","floor":"memo","at_ms":1}}"#);
        refused(pin(signed(&keyless)), Flaw::LogKey);
        refused(world.authority.office("office.example/log", RecordMode::Memo, NOW), Flaw::LogKey);
    }
}

#[test]
fn a_certificate_that_is_not_an_authoritys_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let root = world.authority.certificate_der().to_vec();
        let key = authority_key(suite);
        let pin = |der: &[u8]| {
            let mut info = world.info.clone();
            info.authority = der.to_vec().into();
            Office::pin(&info, None)
        };
        type Change = fn(&mut Fields);
        let changes: [(Change, Flaw); 8] = [
            (|fields| fields.constraints.ca = false, Flaw::NotAnIssuer),
            (|fields| fields.constraints.path_len_constraint = Some(2), Flaw::PathLength),
            (|fields| fields.usage |= KeyUsages::KeyAgreement, Flaw::KeyUsage),
            (|fields| fields.issuer = office_name(&elsewhere(), "b").unwrap(), Flaw::OtherAuthority),
            (|fields| fields.issuer_key = Some([0; 20]), Flaw::OtherAuthority),
            (|fields| fields.valid.until_s += 1, Flaw::Validity),
            (|fields| fields.serial = vec![2], Flaw::SerialNumber),
            (
                |fields| {
                    fields.subject = card_name(&card(Role::Principal), &[0; 16]).unwrap();
                    fields.issuer = fields.subject.clone();
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
fn a_key_that_does_not_match_the_authoritys_certificate_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let der = world.authority.certificate_der();
        assert_eq!(crate::Authority::open(suite, &[1; 32], der).unwrap().certificate_der(), der);
        refused(crate::Authority::open(suite, &[2; 32], der), Misuse::AuthorityKey);
        refused(crate::Authority::open(other(suite), &[1; 32], der), Misuse::AuthorityKey);
    }
}

#[test]
fn a_revocation_not_signed_by_the_authority_is_refused() {
    for suite in SUITES {
        let (world, rogue) = (World::new(suite), World::of(suite, 2, DOMAIN));
        let device = DeviceId::from_bytes([5; 16]);
        let revocation = world.office.verify_revocation(&world.authority.revoke(device, NOW).unwrap()).unwrap();
        assert_eq!((revocation.device(), revocation.registrar()), (device, None));
        refused(world.office.verify_revocation(&rogue.authority.revoke(device, NOW).unwrap()), Flaw::Signature);
        // The same key under another domain: an authority that was copied.
        let moved = World::of(suite, 1, "other.example");
        refused(world.office.verify_revocation(&moved.authority.revoke(device, NOW).unwrap()), Flaw::OtherOffice);
        let own = jws::sign(&authority_key(suite), RING_TYP, b"{}", &[]);
        refused(world.office.verify_revocation(&own), Flaw::JwsType);
    }
}
