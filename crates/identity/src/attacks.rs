//! Every check as an attack, in both suites: the attacker's input, and the error that refuses it.

mod chains;
mod delegation;
mod documents;
mod invitations;
mod lines;
mod logs;
mod offices;
mod recoveries;
mod registrars;
mod rings;
mod signed_texts;
mod statements;
mod trust;
mod two_registrars;

use crate::{
    authority::{CHARTER_TYP, InviteSpec},
    certificate::{Certificate, Fields, Span, key_id, serial},
    error::{Flaw, IdentityError, Mismatch, Misuse, Validity},
    invitation::Invitation,
    jws,
    key::DeviceKey,
    name::{card_name, office_name},
    office::Office,
    ring::{RING_TYP, sign_ring},
    statement::{RECORD_TYP, SIGN_IN_TYP, sign_in, sign_record, verify_sign_in},
    testkit::*,
    trust::TrustStore,
    validity::{CLOCK_TOLERANCE_S, DEVICE_VALIDITY_S, REGISTRAR_VALIDITY_S},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;
use telcon_proto::{
    Blob, CallId, Card, DeviceId, Digest, OfficeName, PersonId, RecordMode, Role, SuiteName, WIRE_VERSION,
    entry::Entry,
    http::OfficeInfo,
    limits::RING_MAX_AGE_MS,
    message::{Logged, Ring},
};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsages};

fn refused<T: std::fmt::Debug>(result: Result<T, IdentityError>, why: impl Into<IdentityError>) {
    assert_eq!(result.map(|_| "accepted").unwrap_err(), why.into());
}

fn other(suite: SuiteName) -> SuiteName {
    if suite == SuiteName::Hybrid { SuiteName::Cnsa2 } else { SuiteName::Hybrid }
}

/// The certificate `der` with changed fields and a valid signature by `issuer`.
fn forge(der: &[u8], issuer: &DeviceKey, change: impl FnOnce(&mut Fields)) -> Vec<u8> {
    let mut fields = Certificate::read(der).unwrap().fields().clone();
    change(&mut fields);
    fields.sign(issuer).unwrap().der().to_vec()
}

/// Enrolment key of `role`, from its link.
fn enrolment_key(suite: SuiteName, role: Role) -> DeviceKey {
    DeviceKey::from_seed(suite, &[0x50 + role as u8; 32])
}

fn authority_key(suite: SuiteName) -> DeviceKey {
    DeviceKey::from_seed(suite, &[1; 32])
}

#[test]
fn valid_certificates_rings_and_proofs_are_accepted() {
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
        assert_eq!(
            (opening.entry().entry().map(Entry::kind), opening.entry().time_ms()),
            (Some("call_opened"), NOW + 50)
        );
    }
}
