//! Attacks on registrars, on their links, and on what new devices ask.

use super::*;
use crate::{
    Registrar,
    ask::{Ask, VerifiedRequest, read_request, verify_request},
};
use telcon_proto::{InvitationId, statement::DeviceRequest};

const SECRET: [u8; 32] = [0x33; 32];
const INVITATION: InvitationId = InvitationId::from_bytes([0x44; 16]);
const ASKING: DeviceId = DeviceId::from_bytes([0x55; 16]);

/// An office with a security officer whose device is a registrar for these roles.
struct Desk {
    world: World,
    officer: Device,
    registrar: Registrar,
}

impl Desk {
    fn new(suite: SuiteName, roles: &[Role]) -> Self {
        let world = World::new(suite);
        let officer = world.enrol(Role::SecurityOfficer);
        let verified = world.office.verify_chain(&officer.chain, NOW).unwrap();
        let der = world.authority.appoint(&verified, roles, NOW).unwrap();
        let registrar = world.office.verify_registrar(&der, NOW).unwrap();
        Self { world, officer, registrar }
    }

    fn ask(&self) -> Ask {
        Ask::new(self.world.office.suite(), SECRET, self.world.authority.certificate_sha256(), INVITATION)
    }

    fn new_key(&self) -> DeviceKey {
        DeviceKey::from_seed(self.world.office.suite(), &[0x66; 32])
    }

    /// What a new device sends that opened `ask`.
    fn request(&self, ask: &Ask) -> String {
        let office = self.world.office.domain();
        // Through the link, as a device gets it.
        let ask = Ask::parse(&format!("#{}", ask.to_fragment())).unwrap();
        ask.request(&self.new_key(), ASKING, office, "Firefox on Android", NOW).unwrap()
    }

    fn verified(&self) -> VerifiedRequest {
        verify_request(&self.request(&self.ask()), self.world.office.domain(), &self.ask()).unwrap()
    }

    fn certify(&self, role: Role) -> crate::Result<Vec<Vec<u8>>> {
        self.registrar.certify(&self.officer.key, &self.verified(), &card(role), NOW)
    }

    /// The certificate of a new principal, changed and signed with the registrar's key.
    fn forged(&self, change: impl FnOnce(&mut Fields)) -> Vec<Vec<u8>> {
        let mut chain = self.certify(Role::Principal).unwrap();
        chain[0] = forge(&chain[0], &self.officer.key, change);
        chain
    }
}

#[test]
fn a_registrar_enrols_a_device_that_asked() {
    for suite in SUITES {
        let mut desk = Desk::new(suite, &[Role::Principal, Role::NoteTaker]);
        let chain = desk.certify(Role::Principal).unwrap();
        let device = desk.world.office.verify_chain(&chain, NOW).unwrap();
        assert_eq!((device.device(), device.card()), (ASKING, &card(Role::Principal)));
        assert_eq!(device.registrars(), [desk.officer.id]);
        assert_eq!(device.public_key(), desk.new_key().public_bytes());
        // Its entry in the log has to be of the same hour.
        let new = Device { key: desk.new_key(), chain, id: ASKING };
        let logged = desk.world.log(&enrolled_entry(&desk.world, &new));
        desk.world.office.verify_device_logged(device.clone(), &logged).unwrap();
        let mut late = enrolled_entry(&desk.world, &new);
        late["time_ms"] = json!(NOW + 2 * HOUR);
        let late = desk.world.log(&late);
        refused(desk.world.office.verify_device_logged(device, &late), Flaw::EntryTime);
        // It is used as any other: in rings, sign-ins and credentials.
        desk.world.office.verify_ring(&signed_ring(&desk.world, &new), NOW).unwrap();
    }
}

#[test]
fn both_sides_see_the_same_code_and_another_request_has_another_one() {
    let desk = Desk::new(SuiteName::Hybrid, &[Role::Principal]);
    let jws = desk.request(&desk.ask());
    let seen = read_request(&jws, desk.world.office.domain(), SuiteName::Hybrid).unwrap();
    assert_eq!(seen.code(), desk.verified().code());
    assert!(seen.code().split(' ').all(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit())));
    assert_eq!(seen.code().len(), 15);
    let thief = DeviceKey::from_seed(SuiteName::Hybrid, &[0x77; 32]);
    let theirs = desk.ask().request(&thief, ASKING, desk.world.office.domain(), "x", NOW).unwrap();
    assert_ne!(read_request(&theirs, desk.world.office.domain(), SuiteName::Hybrid).unwrap().code(), seen.code());
}

#[test]
fn a_server_cannot_make_or_change_a_request() {
    for suite in SUITES {
        let desk = Desk::new(suite, &[Role::Principal]);
        let domain = desk.world.office.domain();
        // The server knows the invitation, not the link's secret.
        let guess = Ask::new(suite, [0; 32], desk.world.authority.certificate_sha256(), INVITATION);
        refused(verify_request(&desk.request(&guess), domain, &desk.ask()), Flaw::InvitationSecret);
        // It puts its own key or device into a request that it forwards.
        let own = DeviceKey::from_seed(suite, &[0x77; 32]);
        let payload = jws::decode(&desk.request(&desk.ask())).unwrap().claimed_payload().to_vec();
        let honest: DeviceRequest = serde_json::from_slice(&payload).unwrap();
        let sign = |request: &DeviceRequest| {
            jws::sign(&own, crate::DEVICE_REQUEST_TYP, &serde_json::to_vec(request).unwrap(), &[])
        };
        let swapped = DeviceRequest { key: Blob(own.public_bytes()), ..honest.clone() };
        refused(verify_request(&sign(&swapped), domain, &desk.ask()), Flaw::InvitationSecret);
        refused(verify_request(&sign(&honest), domain, &desk.ask()), Flaw::Signature);
        let renamed = DeviceRequest { label: "A\u{202e}B".into(), ..swapped };
        refused(verify_request(&sign(&renamed), domain, &desk.ask()), Flaw::Payload);
        // It shows it to another office, or for another invitation.
        refused(verify_request(&desk.request(&desk.ask()), &elsewhere(), &desk.ask()), Flaw::OtherOffice);
        assert_eq!(desk.verified().token_sha256(), desk.ask().token_sha256());
        assert_ne!(guess.token_sha256(), desk.ask().token_sha256());
        let other = InvitationId::from_bytes([9; 16]);
        let other = Ask::new(suite, SECRET, desk.world.authority.certificate_sha256(), other);
        refused(verify_request(&desk.request(&desk.ask()), domain, &other), Flaw::OtherInvitation);
    }
}

#[test]
fn a_registrar_beyond_its_roles_is_refused() {
    for suite in SUITES {
        let desk = Desk::new(suite, &[Role::NoteTaker, Role::Principal]);
        refused(desk.certify(Role::Counterpart), Misuse::RoleNotAllowed);
        let counterpart = card_name(&card(Role::Counterpart), ASKING.as_bytes()).unwrap();
        let chain = desk.forged(|fields| fields.subject = counterpart);
        refused(desk.world.office.verify_chain(&chain, NOW), Flaw::RoleNotAllowed);
    }
}

#[test]
fn a_registrar_cannot_make_registrars_or_enrolments() {
    for suite in SUITES {
        let desk = Desk::new(suite, &[Role::Principal, Role::SecurityOfficer]);
        // A certificate that may issue, by a registrar.
        let issuer = desk.forged(|fields| {
            fields.constraints = BasicConstraints { ca: true, path_len_constraint: Some(0) };
            fields.usage = KeyUsages::KeyCertSign.into();
        });
        refused(desk.world.office.verify_chain(&issuer, NOW), Flaw::IssuerAsDevice);
        // The whole of a registrar's certificate, issued by a registrar.
        let own = crate::certificate::Certificate::read(desk.registrar.der()).unwrap().fields().clone();
        let registrar = desk.forged(|fields| *fields = Fields { issuer: fields.issuer.clone(), ..own });
        let mut below = desk.certify(Role::Principal).unwrap();
        below[1].clone_from(&registrar[0]);
        refused(desk.world.office.verify_chain(&below, NOW), Flaw::OtherAuthority);
        refused(desk.world.office.verify_registrar(&registrar[0], NOW), Flaw::OtherAuthority);
        // The registrar's certificate as that of a device.
        let own = [desk.registrar.der(), desk.registrar.der()];
        refused(desk.world.office.verify_chain(&own, NOW), Flaw::IssuerAsDevice);
        // A device of its own key.
        let key = desk.officer.key.public_bytes();
        let chain = desk.forged(|fields| fields.public = key);
        refused(desk.world.office.verify_chain(&chain, NOW), Flaw::EnrolmentKeyReused);
    }
}

#[test]
fn a_device_certificate_without_an_appointment_issues_nothing() {
    for suite in SUITES {
        let desk = Desk::new(suite, &[Role::Principal]);
        let mut chain = desk.certify(Role::Principal).unwrap();
        chain[1].clone_from(&desk.officer.chain[0]);
        refused(desk.world.office.verify_chain(&chain, NOW), Flaw::NotAnIssuer);
        // Appointed by another office's authority of the same name.
        let rogue = World::of(suite, 2, DOMAIN);
        let rogue_officer = rogue.enrol(Role::SecurityOfficer);
        let verified = rogue.office.verify_chain(&rogue_officer.chain, NOW).unwrap();
        let der = rogue.authority.appoint(&verified, &[Role::Principal], NOW).unwrap();
        refused(desk.world.office.verify_registrar(&der, NOW), Flaw::OtherAuthority);
        // Of a role that may not enrol.
        let principal = desk.world.enrol(Role::Principal);
        let verified = desk.world.office.verify_chain(&principal.chain, NOW).unwrap();
        refused(desk.world.authority.appoint(&verified, &[Role::Principal], NOW), Flaw::RegistrarRole);
    }
}

#[test]
fn a_forged_registrar_certificate_is_refused() {
    for suite in SUITES {
        let desk = Desk::new(suite, &[Role::Principal]);
        let check = |change: &dyn Fn(&mut Fields), why: Flaw| {
            let der = forge(desk.registrar.der(), &authority_key(suite), change);
            refused(desk.world.office.verify_registrar(&der, NOW), why);
        };
        check(&|fields| fields.constraints.path_len_constraint = Some(1), Flaw::PathLength);
        check(&|fields| fields.constraints.ca = false, Flaw::NotAnIssuer);
        check(&|fields| fields.usage = KeyUsages::KeyCertSign | KeyUsages::DigitalSignature, Flaw::KeyUsage);
        check(&|fields| fields.key_use = None, Flaw::Validity);
        check(&|fields| fields.serial = serial(&[1; 16]).to_vec(), Flaw::SerialNumber);
        check(&|fields| fields.key_use.as_mut().unwrap().until_s += 2 * CLOCK_TOLERANCE_S, Flaw::Validity);
    }
}

#[test]
fn a_registrar_issues_within_its_year_and_outside_it_nothing() {
    for suite in SUITES {
        let desk = Desk::new(suite, &[Role::Principal]);
        let after = NOW + (REGISTRAR_VALIDITY_S + 2) * 1000;
        refused(
            desk.registrar.certify(&desk.officer.key, &desk.verified(), &card(Role::Principal), after),
            Validity::Registrar,
        );
        refused(desk.world.office.verify_registrar(desk.registrar.der(), after), Validity::Registrar);
        let chain = desk.forged(|fields| {
            fields.valid.from_s = after / 1000;
            fields.valid.until_s = after / 1000 + 60;
        });
        refused(desk.world.office.verify_chain(&chain, after), Flaw::OutsideEnrolment);
    }
}

#[test]
fn links_of_registrars_are_short_and_malformed_ones_are_refused() {
    for suite in SUITES {
        let desk = Desk::new(suite, &[Role::Principal]);
        let fragment = desk.ask().to_fragment();
        assert_eq!(fragment.len(), 110);
        assert!(Ask::is_ask(&fragment) && Ask::is_ask(&format!(" #{fragment}\n")));
        let invitation = desk.world.authority.invite(&desk.world.spec(card(Role::Principal))).unwrap().to_fragment();
        assert!(!Ask::is_ask(&invitation));
        refused(Ask::parse(&invitation), Flaw::TooLong);
        for bad in ["", "#", "é", &fragment[1..], &fragment[..109], &format!("{fragment}AA")] {
            assert!(Ask::parse(bad).is_err(), "{bad}");
        }
        assert!(!format!("{:?}", desk.ask()).contains("33"));
    }
}

#[test]
fn a_registrar_revokes_devices_of_its_roles_in_its_own_name() {
    for suite in SUITES {
        let desk = Desk::new(suite, &[Role::Principal]);
        let office = &desk.world.office;
        let statement = desk.registrar.revoke(&desk.officer.key, ASKING, NOW).unwrap();
        let revocation = office.verify_revocation(&statement).unwrap();
        assert_eq!(revocation.device(), ASKING);
        assert_eq!(revocation.registrar().map(Registrar::device), Some(desk.officer.id));
        assert!(revocation.is_allowed(Role::Principal) && !revocation.is_allowed(Role::NoteTaker));
        for stated in [&*statement, crate::without_certificate(&statement)] {
            assert_eq!(crate::claimed_revoker(stated), Some(desk.officer.id));
        }

        let (jws, certificate) = statement.split_once('~').unwrap();
        // Without its certificate it is nobody's, and the authority's certificate is no registrar's.
        refused(office.verify_revocation(jws), Flaw::Signature);
        refused(
            office.verify_revocation(&crate::with_certificate(jws, desk.world.authority.certificate_der())),
            Flaw::PathLength,
        );
        refused(office.verify_revocation(&format!("{jws}~{certificate}~")), Flaw::CertificateForm);
        // With another device's signature.
        let other = desk.world.enrol(Role::Principal);
        let payload = jws::decode(jws).unwrap().claimed_payload().to_vec();
        let forged = jws::sign(&other.key, crate::REVOCATION_TYP, &payload, &[]);
        refused(office.verify_revocation(&crate::with_certificate(&forged, desk.registrar.der())), Flaw::Signature);
        // In the name of another device, or of the authority.
        for by in [Some(other.id), None] {
            let revocation =
                telcon_proto::http::Revocation { office: DOMAIN.into(), device: ASKING, at_ms: NOW, by, erase: false };
            let payload = serde_json::to_vec(&revocation).unwrap();
            let jws = jws::sign(&desk.officer.key, crate::REVOCATION_TYP, &payload, &[]);
            let statement = crate::with_certificate(&jws, desk.registrar.der());
            refused(office.verify_revocation(&statement), Flaw::OtherDevice);
        }
        // After its year.
        let after = NOW + (REGISTRAR_VALIDITY_S + 2) * 1000;
        let late = desk.registrar.revoke(&desk.officer.key, ASKING, after).unwrap();
        refused(office.verify_revocation(&late), Validity::Registrar);
        // Of another office.
        let rogue = World::of(suite, 2, DOMAIN);
        refused(rogue.office.verify_revocation(&statement), Flaw::OtherAuthority);
    }
}
