//! Names in certificates: conversion between offices or cards and X.501 names.
//!
//! The encoding is canonical. Reading encodes the result again and compares, so that a name with another string type, order or
//! an extra attribute is refused instead of shown.

use crate::error::{Flaw, Mismatch, Misuse, Result};
use telcon_proto::{
    Card, OfficeName, PersonId, Role, hex,
    limits::MAX_NAME_CHARS,
    policy::{ROLES, is_role_of_places},
    printable::is_active,
};
use unicode_security::GeneralSecurityProfile as _;
use x509_cert::{
    attr::AttributeTypeAndValue,
    der::{Decode, Encode, Tag, asn1::Any},
    name::{Name, RdnSequence, RelativeDistinguishedName},
    spki::ObjectIdentifier,
};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
const LOCALITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.7");
const ORGANISATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const ORGANISATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
/// RFC 4519 section 2.39.
const USER_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1");
/// RFC 4519 section 2.4.
const DOMAIN_COMPONENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25");

/// Attributes of a card's name.
const CARD_ATTRIBUTES: usize = 6;
/// Longest zone, characters; the longest in the IANA database has 32.
const MAX_ZONE_CHARS: usize = 64;

/// An office: its domain as domain components (RFC 2247), its name as common name.
///
/// # Errors
/// [`Misuse::Name`].
pub(crate) fn office_name(domain: &OfficeName, name: &str) -> Result<Name> {
    check_text(name)?;
    let labels = domain.as_str().rsplit('.').map(|label| (DOMAIN_COMPONENT, Tag::Ia5String, label));
    Ok(build(labels.chain([(COMMON_NAME, Tag::Utf8String, name)])))
}

/// Domain and name of an office.
///
/// # Errors
/// [`Flaw::Subject`].
pub(crate) fn read_office(subject: &Name) -> Result<(OfficeName, String)> {
    let attributes = read(subject)?;
    let (name, labels) = attributes.split_last().ok_or(Flaw::Subject)?;
    let domain = labels.iter().rev().map(|(_, label)| *label).collect::<Vec<_>>().join(".");
    let domain = OfficeName::parse(&domain).map_err(|_| Flaw::Subject)?;
    let name = name.1.to_owned();
    if office_name(&domain, &name).map_err(|_| Flaw::Subject)? != *subject {
        return Err(Flaw::Subject.into());
    }
    Ok((domain, name))
}

/// What follows the role of a place in its organisational unit. A version that knows no places takes it for a role of a later one.
const PLACE: &str = "_place";

/// The organisational unit of a card: the role, and whether it is a place's.
fn unit(card: &Card) -> Result<String> {
    match card.place {
        true if !is_role_of_places(card.role) => Err(Misuse::Place.into()),
        true => Ok(format!("{}{PLACE}", card.role.as_str())),
        false => Ok(card.role.as_str().to_owned()),
    }
}

/// The role of an organisational unit, and whether it is a place's.
fn read_unit(unit: &str) -> Result<(Role, bool)> {
    match unit.strip_suffix(PLACE) {
        Some(role) => Ok((known_role(role)?, true)),
        None => Ok((known_role(unit)?, false)),
    }
}

/// A person's card, with the identifier of the enrolment or device that the certificate is for. It does not contain the
/// office, which is the certificate's issuer.
///
/// # Errors
/// [`Misuse::Name`], [`Misuse::Zone`], [`Misuse::Place`].
pub(crate) fn card_name(card: &Card, id: &[u8; 16]) -> Result<Name> {
    check_text(&card.name)?;
    check_text(&card.organisation)?;
    check_zone(&card.zone)?;
    let unit = unit(card)?;
    Ok(build([
        (ORGANISATION, Tag::Utf8String, card.organisation.as_str()),
        (ORGANISATIONAL_UNIT, Tag::Utf8String, unit.as_str()),
        (LOCALITY, Tag::Utf8String, card.zone.as_str()),
        (USER_ID, Tag::Utf8String, card.person.to_hex().as_str()),
        (COMMON_NAME, Tag::Utf8String, card.name.as_str()),
        (SERIAL_NUMBER, Tag::PrintableString, hex(id).as_str()),
    ]))
}

/// Card and identifier of a person's certificate, which this office issued.
///
/// # Errors
/// [`Flaw::Subject`].
pub(crate) fn read_card(subject: &Name, office: &OfficeName) -> Result<(Card, [u8; 16])> {
    let attributes = read(subject)?;
    let [organisation, unit, zone, person, name, id] = &attributes[..] else {
        return Err(Flaw::Subject.into());
    };
    let (role, place) = read_unit(unit.1)?;
    let card = Card {
        person: person.1.parse().map_err(|_| Flaw::Subject)?,
        office: office.clone(),
        name: name.1.to_owned(),
        organisation: organisation.1.to_owned(),
        role,
        zone: zone.1.to_owned(),
        place,
    };
    // An identifier of any kind: 32 lower-case hexadecimal digits.
    let id = *id.1.parse::<PersonId>().map_err(|_| Flaw::Subject)?.as_bytes();
    if card_name(&card, &id).map_err(|_| Flaw::Subject)? != *subject {
        return Err(Flaw::Subject.into());
    }
    Ok((card, id))
}

/// A registrar's name: its person's card and device, and the roles whose people it may enrol as further organisational units.
///
/// # Errors
/// Those of [`card_name`]; [`Misuse::Roles`] for no role, or one twice.
pub(crate) fn registrar_name(card: &Card, id: &[u8; 16], roles: &[Role]) -> Result<Name> {
    let sorted: Vec<Role> = ROLES.into_iter().filter(|role| roles.contains(role)).collect();
    if sorted.is_empty() || sorted.len() != roles.len() {
        return Err(Misuse::Roles.into());
    }
    let person = card_name(card, id)?;
    let person = read(&person)?.into_iter().map(|(oid, text)| (oid, tag_of(oid), text));
    Ok(build(person.chain(sorted.iter().map(|role| (ORGANISATIONAL_UNIT, Tag::Utf8String, role.as_str())))))
}

/// Card, device and roles of a registrar's name.
///
/// # Errors
/// [`Flaw::Subject`].
pub(crate) fn read_registrar(subject: &Name, office: &OfficeName) -> Result<(Card, [u8; 16], Vec<Role>)> {
    let attributes = read(subject)?;
    let (person, roles) = attributes.split_at_checked(CARD_ATTRIBUTES).ok_or(Flaw::Subject)?;
    let person = build(person.iter().map(|(oid, text)| (*oid, tag_of(*oid), *text)));
    let (card, id) = read_card(&person, office)?;
    let roles = roles.iter().map(|(_, role)| known_role(role)).collect::<Result<Vec<_>>>()?;
    if registrar_name(&card, &id, &roles).map_err(|_| Flaw::Subject)? != *subject {
        return Err(Flaw::Subject.into());
    }
    Ok((card, id, roles))
}

/// A role that a later version added has an error of its own: unlike a malformed name, it is no flaw of the certificate.
fn known_role(name: &str) -> Result<Role> {
    let is_a_role = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    match Role::parse(name) {
        Some(role) => Ok(role),
        None if is_a_role => Err(Mismatch::UnknownRole.into()),
        None => Err(Flaw::Subject.into()),
    }
}

/// Whether a subject has the form of a registrar's: more than a card.
pub(crate) fn is_registrar_name(subject: &Name) -> bool {
    subject.iter().count() > CARD_ATTRIBUTES
}

/// The string type of each attribute of a card.
fn tag_of(oid: ObjectIdentifier) -> Tag {
    if oid == SERIAL_NUMBER { Tag::PrintableString } else { Tag::Utf8String }
}

/// Whether a character is in no name. The table has a type for every character that is assigned.
fn is_refused(c: char) -> bool {
    is_active(c) || c.identifier_type().is_none()
}

/// Refuses what could not be shown as it is, and what makes two different names look the same ([`is_active`]): also characters that
/// Unicode has not assigned, which each font draws as it likes, or not at all.
fn check_text(text: &str) -> Result<()> {
    let length = text.chars().count();
    if length == 0 || length > MAX_NAME_CHARS || text.trim() != text || text.chars().any(is_refused) {
        return Err(Misuse::Name.into());
    }
    Ok(())
}

pub(crate) fn check_zone(zone: &str) -> Result<()> {
    let part_fits = |part: &str| {
        part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
            && part.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
    };
    if zone.len() <= MAX_ZONE_CHARS && zone.split('/').all(part_fits) { Ok(()) } else { Err(Misuse::Zone.into()) }
}

fn build<'a>(attributes: impl IntoIterator<Item = (ObjectIdentifier, Tag, &'a str)>) -> Name {
    let mut names = RdnSequence::default();
    for (oid, tag, text) in attributes {
        let value = Any::new(tag, text.as_bytes()).expect("invariant: checked texts are short");
        let mut name = RelativeDistinguishedName::default();
        name.insert(AttributeTypeAndValue { oid, value }).expect("invariant: a set of one attribute has no duplicate");
        names.push(name);
    }
    let der = names.to_der().expect("invariant: short names can be encoded");
    Name::from_der(&der).expect("invariant: an encoded RDNSequence is a Name")
}

fn read(name: &Name) -> Result<Vec<(ObjectIdentifier, &str)>> {
    let text = |attribute: &AttributeTypeAndValue| std::str::from_utf8(attribute.value.value()).map(|_| ());
    if name.iter().any(|attribute| text(attribute).is_err()) {
        return Err(Flaw::Subject.into());
    }
    Ok(name.iter().map(|a| (a.oid, std::str::from_utf8(a.value.value()).unwrap_or_default())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        IdentityError,
        testkit::{card, domain},
    };

    #[test]
    fn cards_and_offices_round_trip() {
        for role in ROLES {
            let card = Card { name: "Førsteminister Ødegård, «a+b=c»".into(), ..card(role) };
            assert_eq!(read_card(&card_name(&card, &[7; 16]).unwrap(), &domain()).unwrap(), (card, [7; 16]));
        }
        for name in ["office.example", "localhost", "xn--bcher-kva.example", "a-1.b"] {
            let name = OfficeName::parse(name).unwrap();
            let office = office_name(&name, "Chancellery of Norland").unwrap();
            assert_eq!(read_office(&office).unwrap(), (name, "Chancellery of Norland".into()));
        }
    }

    #[test]
    fn a_place_is_certified_and_only_with_a_role_that_works_in_shifts() {
        for role in ROLES {
            let place = Card { name: "Operations room".into(), place: true, ..card(role) };
            let named = card_name(&place, &[7; 16]);
            if !is_role_of_places(role) {
                assert_eq!(named, Err(Misuse::Place.into()), "{role:?}");
                continue;
            }
            let named = named.unwrap();
            assert_eq!(read_card(&named, &domain()).unwrap(), (place.clone(), [7; 16]));
            let person = Card { place: false, ..place };
            assert_ne!(card_name(&person, &[7; 16]).unwrap(), named, "a place's certificate is no person's");
        }
        // Written by hand, with a role that has no places, or twice.
        for unit in ["principal_place", "security_officer_place", "duty_officer_place_place", "_place"] {
            let (person, card) = (card(Role::DutyOfficer).person.to_hex(), card(Role::DutyOfficer));
            let named = build([
                (ORGANISATION, Tag::Utf8String, card.organisation.as_str()),
                (ORGANISATIONAL_UNIT, Tag::Utf8String, unit),
                (LOCALITY, Tag::Utf8String, card.zone.as_str()),
                (USER_ID, Tag::Utf8String, person.as_str()),
                (COMMON_NAME, Tag::Utf8String, card.name.as_str()),
                (SERIAL_NUMBER, Tag::PrintableString, "00000000000000000000000000000000"),
            ]);
            assert!(read_card(&named, &domain()).is_err(), "{unit}");
        }
    }

    #[test]
    fn deceptive_names_are_refused() {
        let long = "n".repeat(MAX_NAME_CHARS + 1);
        for bad in [
            "",
            " ",
            " A",
            "A ",
            "A\nB",
            "A\0",
            "A\u{202e}B",
            "A\u{200b}",
            "\u{2066}A",
            "A\u{e0041}",
            "A\u{2800}",
            "A\u{fffc}",
            "A\u{1d159}B",
            "A\u{16fe4}",
            "A\u{378}",
            "A\u{e000}",
            "A\u{f0000}",
            "A\u{fdd0}",
            &long,
        ] {
            let card = Card { name: bad.into(), ..card(Role::Principal) };
            assert_eq!(card_name(&card, &[0; 16]), Err(Misuse::Name.into()), "{bad:?}");
            assert_eq!(office_name(&domain(), bad), Err(Misuse::Name.into()), "{bad:?}");
        }
        let longest = Card { name: "é".repeat(MAX_NAME_CHARS), ..card(Role::Principal) };
        assert!(card_name(&longest, &[0; 16]).is_ok());
    }

    #[test]
    fn names_in_every_script_are_accepted() {
        for name in [
            "Élise Ørsted-O’Neil, Jr. (“Liz”) & Søn",
            "Nguyễn Thị Ánh",
            "Владимир Ґедзь",
            "Κυριάκος",
            "רָחֵל בת־שבע",
            "محمد بن سلمان",
            "می‌خواهم",
            "क्‍ष श्रीमती",
            "தமிழ்",
            "ไทย สมชาย",
            "ကျော်",
            "សុខា",
            "ልዑል",
            "ᓄᓇᕗᑦ",
            "ᏣᎳᎩ",
            "王小明 𠮷野家",
            "髙橋﨑",
            "やまだ タロウ",
            "김민준",
            "Հայաստան",
            "საქართველო",
            "ⵜⴰⵎⴰⵣⵉⵖⵜ",
            "Ｆｕｌｌ",
            "№ 5 ½ ™ §",
            "👩\u{200d}🚀 x",
            "❤\u{fe0f}",
        ] {
            let card = Card { name: name.into(), ..card(Role::Principal) };
            assert!(card_name(&card, &[0; 16]).is_ok(), "{name}: {:?}", name.chars().find(|c| is_refused(*c)));
        }
    }

    #[test]
    fn malformed_zones_are_refused() {
        for bad in ["", "/", "Europe/", "Europe//Oslo", "../etc", "Europe/Oslo ", "Europe/Øslo", &"a".repeat(65)] {
            assert_eq!(check_zone(bad), Err(Misuse::Zone.into()), "{bad}");
        }
        for good in ["Europe/Oslo", "America/Argentina/Buenos_Aires", "Etc/GMT+12", "UTC"] {
            assert_eq!(check_zone(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn a_role_of_a_later_version_is_refused_with_advice() {
        let (home, registrar) = (domain(), card(Role::SecurityOfficer));
        let replace = |name: &Name, role: &str, later: &str| {
            let attributes = read(name).unwrap();
            build(attributes.iter().map(|(oid, text)| (*oid, tag_of(*oid), if *text == role { later } else { text })))
        };
        let refused = IdentityError::from(Mismatch::UnknownRole);
        let person = card_name(&card(Role::Auditor), &[7; 16]).unwrap();
        assert_eq!(read_card(&replace(&person, "auditor", "press_officer"), &home).unwrap_err(), refused);
        let name = registrar_name(&registrar, &[7; 16], &[Role::Principal, Role::Auditor]).unwrap();
        assert_eq!(read_registrar(&replace(&name, "auditor", "press_officer"), &home).unwrap_err(), refused);
        assert!(refused.to_string().contains("update this device"));
    }

    #[test]
    fn registrars_that_were_appointed_for_all_roles_before_there_were_more_still_count() {
        let before = [
            Role::Principal,
            Role::Counterpart,
            Role::DutyOfficer,
            Role::NoteTaker,
            Role::SecurityOfficer,
            Role::RecordsOfficer,
        ];
        let person = card_name(&card(Role::SecurityOfficer), &[7; 16]).unwrap();
        let person = read(&person).unwrap().into_iter().map(|(oid, text)| (oid, tag_of(oid), text.to_owned()));
        let roles = before.iter().map(|role| (ORGANISATIONAL_UNIT, Tag::Utf8String, role.as_str().to_owned()));
        let attributes: Vec<_> = person.chain(roles).collect();
        let old = build(attributes.iter().map(|(oid, tag, text)| (*oid, *tag, text.as_str())));
        assert_eq!(read_registrar(&old, &domain()).unwrap().2, before);
    }

    #[test]
    fn non_canonical_encodings_of_a_name_are_refused() {
        let card = card(Role::Principal);
        let person = card.person.to_hex();
        let mut attributes = vec![
            (ORGANISATION, Tag::Utf8String, card.organisation.as_str()),
            (ORGANISATIONAL_UNIT, Tag::Utf8String, "principal"),
            (LOCALITY, Tag::Utf8String, card.zone.as_str()),
            (USER_ID, Tag::Utf8String, person.as_str()),
            (COMMON_NAME, Tag::Utf8String, card.name.as_str()),
            (SERIAL_NUMBER, Tag::PrintableString, "00000000000000000000000000000000"),
        ];
        let refused = Err(Flaw::Subject.into());
        assert!(read_card(&build(attributes.clone()), &domain()).is_ok());
        assert_eq!(read_card(&build(attributes[1..].to_vec()), &domain()), refused);
        assert_eq!(read_card(&build([&attributes[..], &attributes[5..]].concat()), &domain()), refused);
        attributes.swap(0, 4);
        assert_eq!(read_card(&build(attributes.clone()), &domain()), refused);
        attributes.swap(0, 4);
        for (place, value) in [
            (0, (ORGANISATION, Tag::PrintableString, "Plain")),
            (1, (ORGANISATIONAL_UNIT, Tag::Utf8String, "Principal")),
            (3, (USER_ID, Tag::Utf8String, "00")),
            (4, (COMMON_NAME, Tag::Utf8String, "A\u{202e}B")),
            (5, (SERIAL_NUMBER, Tag::PrintableString, "0000000000000000000000000000000A")),
        ] {
            let mut changed = attributes.clone();
            changed[place] = value;
            assert_eq!(read_card(&build(changed), &domain()), refused, "{place}");
        }
    }
}
