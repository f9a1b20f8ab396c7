//! The contact list of a device: at sign-in, on changes, and by search.

use telcon_proto::{ClientMessage as C, PersonId, Role, ServerMessage as S, contact::Contact};
use telcon_server::limits::{CONTACTS_AT_SIGN_IN, CONTACTS_FOUND, CONTACTS_INTERVAL_MS};
use telcon_sim::script::ScriptedOffice;

fn seen(people: &[Contact]) -> Vec<(&str, bool)> {
    people.iter().map(|c| (c.card.name.as_str(), c.reachable)).collect()
}

fn signed_in(office: &mut ScriptedOffice, n: usize) -> (Vec<Contact>, bool) {
    office.connect(n);
    let Some(S::SignedIn { people, people_more, .. }) = office.messages(n).into_iter().next() else {
        panic!("not signed in")
    };
    (people, people_more)
}

fn changes(office: &mut ScriptedOffice, n: usize) -> Vec<(Vec<Contact>, Vec<PersonId>)> {
    let changes = office.messages(n).into_iter().filter_map(|message| match message {
        S::PeopleChanged { changed, removed } => Some((changed, removed)),
        _ => None,
    });
    changes.collect()
}

#[test]
fn the_list_is_sent_at_sign_in_and_its_changes_afterwards() {
    let mut office = ScriptedOffice::staffed();
    office.enrol(5, 5, Role::Counterpart).unwrap();
    office.enrol(6, 6, Role::Counterpart).unwrap();
    office.pass(CONTACTS_INTERVAL_MS);
    let told = changes(&mut office, 1);
    let told: Vec<_> = told.iter().map(|(changed, _)| seen(changed)).collect();
    assert_eq!(told, [[("Person 5", false), ("Person 6", false)]], "both in one message");
    let (people, more) = signed_in(&mut office, 5);
    assert_eq!(
        (seen(&people), more),
        (vec![("Person 1", true), ("Person 2", true)], false),
        "principals and nobody else"
    );
    office.pass(CONTACTS_INTERVAL_MS);
    let told = changes(&mut office, 1);
    assert_eq!((told.len(), seen(&told[0].0)), (1, vec![("Person 5", true)]), "only the changed contact");
    assert_eq!(office.received(4), Vec::<String>::new(), "staff has no contact list");
    assert_eq!(changes(&mut office, 5), [], "a device gets no update about its own person");
    office.disconnect(5);
    office.pass(CONTACTS_INTERVAL_MS);
    assert_eq!(seen(&changes(&mut office, 1)[0].0), [("Person 5", false)]);
}

#[test]
fn a_person_with_several_devices_is_reachable_while_one_is_connected() {
    let mut office = ScriptedOffice::staffed();
    office.enrol(20, 2, Role::Principal).unwrap();
    office.connect(20);
    office.pass(CONTACTS_INTERVAL_MS);
    office.discard();
    office.disconnect(2);
    office.pass(CONTACTS_INTERVAL_MS);
    assert_eq!(changes(&mut office, 1), []);
    office.disconnect(20);
    office.pass(CONTACTS_INTERVAL_MS);
    assert_eq!(seen(&changes(&mut office, 1)[0].0), [("Person 2", false)]);
}

#[test]
fn changes_within_a_second_are_sent_as_one_message() {
    let mut office = ScriptedOffice::staffed();
    for n in 5..25 {
        office.enrol(n, n, Role::Counterpart).unwrap();
    }
    office.pass(2 * CONTACTS_INTERVAL_MS);
    office.discard();
    for n in 5..25 {
        office.connect(n);
        office.pass(10);
    }
    office.pass(CONTACTS_INTERVAL_MS);
    let told = changes(&mut office, 1);
    assert_eq!(told.iter().map(|(changed, _)| changed.len()).collect::<Vec<_>>(), [1, 19]);
}

#[test]
fn a_person_without_device_is_removed_from_lists() {
    let mut office = ScriptedOffice::staffed();
    office.revoke(2);
    office.pass(CONTACTS_INTERVAL_MS);
    assert_eq!(changes(&mut office, 1), [(vec![], vec![office.person(2)])]);
    office.enrol(21, 2, Role::Principal).unwrap();
    office.pass(CONTACTS_INTERVAL_MS);
    assert_eq!(seen(&changes(&mut office, 1)[0].0), [("Person 2", false)], "and listed again");
}

#[test]
fn a_contact_list_is_truncated_and_searchable_by_name() {
    let mut office = ScriptedOffice::staffed();
    let many = 5..=(CONTACTS_AT_SIGN_IN + 20);
    for n in many.clone() {
        office.enrol(n, n, Role::Counterpart).unwrap();
    }
    let (people, more) = signed_in(&mut office, 1);
    assert_eq!((people.len(), more), (CONTACTS_AT_SIGN_IN, true));
    let listed: Vec<PersonId> = people.iter().map(|c| c.card.person).collect();
    let other = many.clone().rev().find(|n| !listed.contains(&office.person(*n))).unwrap();
    office.pass(2 * CONTACTS_INTERVAL_MS);
    office.discard();
    office.connect(other);
    office.pass(CONTACTS_INTERVAL_MS);
    assert_eq!(changes(&mut office, 1), [], "not in its list");
    office.send(1, C::FindPeople { name: format!(" pers {other}") });
    let found = changes(&mut office, 1);
    assert_eq!(seen(&found[0].0), [(format!("Person {other}").as_str(), true)]);
    office.disconnect(other);
    office.pass(CONTACTS_INTERVAL_MS);
    assert_eq!(
        seen(&changes(&mut office, 1)[0].0),
        [(format!("Person {other}").as_str(), false)],
        "subscribed from now on"
    );
    office.send(1, C::FindPeople { name: "nobody".into() });
    assert_eq!(changes(&mut office, 1), [(vec![], vec![office.person(other)])], "until the next search");
    office.send(1, C::FindPeople { name: "chancellery".into() });
    let found = changes(&mut office, 1);
    assert!(!found[0].0.is_empty() && found[0].0.len() <= CONTACTS_FOUND);
    // A counterpart finds principals only, and staff nobody.
    office.connect(5);
    office.discard();
    office.send(5, C::FindPeople { name: "person".into() });
    assert_eq!(changes(&mut office, 5), [(vec![], vec![])], "both are listed");
    office.send(4, C::FindPeople { name: "person".into() });
    assert_eq!(changes(&mut office, 4), [(vec![], vec![])]);
}
