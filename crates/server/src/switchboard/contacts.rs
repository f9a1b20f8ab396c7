//! The contact list of a device, that is the people whom it may ring ([`may_ring`] is the only rule): sent at sign-in,
//! then changes, and search by name.
//!
//! A list has at most [`CONTACTS_AT_SIGN_IN`] people; others are found by name
//! ([`telcon_proto::ClientMessage::FindPeople`]). A connection is notified only of changes of people that it was sent.
//! Changes are collected for [`CONTACTS_INTERVAL_MS`], so that a thousand people who reconnect within a second cost one
//! message per connection.

use super::{directory::Directory, port::SessionId};
use crate::limits::{CONTACTS_AT_SIGN_IN, CONTACTS_FOUND, CONTACTS_INTERVAL_MS};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use telcon_proto::{
    Card, PersonId, Role, ServerMessage,
    policy::{ROLES, may_ring},
    terms::Contact,
};

/// Most people with a matching word that a search examines.
const MAX_CANDIDATES: usize = 512;

/// Most words of a search that are used.
const MAX_WORDS: usize = 4;

/// The people that a connection was sent.
#[derive(Debug)]
struct List {
    viewer: PersonId,
    role: Role,
    /// Sent at sign-in, or added since.
    listed: BTreeSet<PersonId>,
    /// Found by the latest search.
    found: BTreeSet<PersonId>,
    /// There are more people than those listed.
    more: bool,
}

/// The index of people by name, and the connections subscribed to each person.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    by_name: HashMap<Role, BTreeSet<(String, PersonId)>>,
    /// Lower-case words of names and organisations.
    by_word: BTreeSet<(String, PersonId)>,
    indexed: HashMap<PersonId, Arc<Card>>,
    lists: HashMap<SessionId, List>,
    watchers: HashMap<PersonId, BTreeSet<SessionId>>,
    changed: BTreeSet<PersonId>,
    /// Those of `changed` who had no device before.
    added: BTreeSet<PersonId>,
    sent_ms: Option<u64>,
}

impl Contacts {
    /// A person's devices or connections have changed.
    pub fn changed(&mut self, person: PersonId, directory: &Directory) {
        let card = directory.person(person);
        let known = card.or(self.indexed.get(&person));
        if known.is_none_or(|card| !ROLES.into_iter().any(|viewer| may_ring(viewer, card.role))) {
            return;
        }
        if self.indexed.get(&person) != card {
            if !self.indexed.contains_key(&person) {
                self.added.insert(person);
            }
            self.index(person, card.cloned());
        }
        self.changed.insert(person);
    }

    /// Indexes everybody, after a restart.
    pub fn load(&mut self, directory: &Directory) {
        for person in directory.people() {
            self.index(person, directory.person(person).cloned());
        }
    }

    fn index(&mut self, person: PersonId, card: Option<Arc<Card>>) {
        if let Some(old) = self.indexed.remove(&person) {
            if let Some(names) = self.by_name.get_mut(&old.role) {
                names.remove(&(old.name.clone(), person));
            }
            for word in words_of(&old) {
                self.by_word.remove(&(word, person));
            }
        }
        if let Some(card) = card {
            self.by_name.entry(card.role).or_default().insert((card.name.clone(), person));
            self.by_word.extend(words_of(&card).into_iter().map(|word| (word, person)));
            self.indexed.insert(person, card);
        }
    }

    /// Creates the list of a connection that signs in; returns it, and whether there are more people.
    pub fn open_list(&mut self, session: SessionId, viewer: &Card, directory: &Directory) -> (Vec<Contact>, bool) {
        let mut people: Vec<(&String, PersonId)> = Vec::new();
        for role in ROLES.into_iter().filter(|role| may_ring(viewer.role, *role)) {
            let names = self.by_name.get(&role).into_iter().flatten().filter(|(_, person)| *person != viewer.person);
            people.extend(names.take(CONTACTS_AT_SIGN_IN + 1).map(|(name, person)| (name, *person)));
        }
        people.sort_unstable();
        let more = people.len() > CONTACTS_AT_SIGN_IN;
        let people: Vec<PersonId> = people.into_iter().take(CONTACTS_AT_SIGN_IN).map(|(_, person)| person).collect();
        for person in &people {
            self.watchers.entry(*person).or_default().insert(session);
        }
        let listed = people.iter().copied().collect();
        let (viewer, role, found) = (viewer.person, viewer.role, BTreeSet::new());
        self.lists.insert(session, List { viewer, role, listed, found, more });
        (people.into_iter().filter_map(|person| directory.contact(person)).collect(), more)
    }

    pub fn close_list(&mut self, session: SessionId) {
        let Some(list) = self.lists.remove(&session) else { return };
        for person in list.listed.iter().chain(&list.found) {
            self.unwatch(*person, session);
        }
    }

    fn unwatch(&mut self, person: PersonId, session: SessionId) {
        if let Some(watchers) = self.watchers.get_mut(&person) {
            watchers.remove(&session);
            if watchers.is_empty() {
                self.watchers.remove(&person);
            }
        }
    }

    /// Searches people whom the connection may ring by prefixes of words. Subscribes it to the results until its next
    /// search.
    pub fn find(&mut self, session: SessionId, text: &str, directory: &Directory) -> Option<ServerMessage> {
        let wanted: Vec<String> = words(text).take(MAX_WORDS).collect();
        let list = self.lists.get(&session)?;
        let matches = |person: &PersonId| {
            let card = self.indexed.get(person)?;
            let known = words_of(card);
            let all = wanted.iter().all(|start| known.iter().any(|word| word.starts_with(start)));
            (*person != list.viewer && may_ring(list.role, card.role) && all).then_some(*person)
        };
        // Candidates are those with the longest word, which is usually the rarest.
        let longest = wanted.iter().max_by_key(|word| word.len()).cloned();
        let candidates = longest.into_iter().flat_map(|start| {
            let from = (start.clone(), PersonId::from_bytes([0; 16]));
            self.by_word.range(from..).take_while(move |(word, _)| word.starts_with(&start)).map(|(_, person)| *person)
        });
        let mut found = BTreeSet::new();
        for person in candidates.take(MAX_CANDIDATES) {
            found.extend(matches(&person));
            if found.len() == CONTACTS_FOUND {
                break;
            }
        }
        let list = self.lists.get_mut(&session)?;
        found.retain(|person| !list.listed.contains(person));
        let before = std::mem::replace(&mut list.found, found.clone());
        let removed: Vec<PersonId> = before.difference(&found).copied().collect();
        for person in &removed {
            self.unwatch(*person, session);
        }
        for person in &found {
            self.watchers.entry(*person).or_default().insert(session);
        }
        let changed = found.into_iter().filter_map(|person| directory.contact(person)).collect();
        Some(ServerMessage::PeopleChanged { changed, removed })
    }

    /// Takes the changes that are due, one message per connection concerned; or the time at which they are due.
    pub fn collect(
        &mut self,
        directory: &Directory,
        now_ms: u64,
    ) -> Result<BTreeMap<SessionId, ServerMessage>, Option<u64>> {
        if self.changed.is_empty() {
            return Err(None);
        }
        let due = self.sent_ms.map_or(now_ms, |sent| sent + CONTACTS_INTERVAL_MS);
        if now_ms < due {
            return Err(Some(due));
        }
        self.sent_ms = Some(now_ms);
        let mut messages: BTreeMap<SessionId, (Vec<Contact>, Vec<PersonId>)> = BTreeMap::new();
        for person in std::mem::take(&mut self.changed) {
            match directory.contact(person) {
                Some(contact) => {
                    if self.added.remove(&person) {
                        self.add_to_lists(&contact.card, directory);
                    }
                    for session in self.watchers.get(&person).into_iter().flatten() {
                        messages.entry(*session).or_default().0.push(contact.clone());
                    }
                }
                None => {
                    self.added.remove(&person);
                    for session in self.watchers.remove(&person).into_iter().flatten() {
                        if let Some(list) = self.lists.get_mut(&session) {
                            list.listed.remove(&person);
                            list.found.remove(&person);
                        }
                        messages.entry(session).or_default().1.push(person);
                    }
                }
            }
        }
        let message = |(changed, removed)| ServerMessage::PeopleChanged { changed, removed };
        Ok(messages.into_iter().map(|(session, lists)| (session, message(lists))).collect())
    }

    /// Adds a person who now has a device to the lists of those who may ring them, up to the limit.
    fn add_to_lists(&mut self, card: &Card, directory: &Directory) {
        for viewer in ROLES.into_iter().filter(|viewer| may_ring(*viewer, card.role)) {
            for session in directory.sessions_of_role(viewer) {
                let Some(list) = self.lists.get_mut(&session) else { continue };
                if list.viewer == card.person || list.more {
                    continue;
                }
                if list.listed.len() >= CONTACTS_AT_SIGN_IN {
                    list.more = true;
                    continue;
                }
                list.listed.insert(card.person);
                self.watchers.entry(card.person).or_default().insert(session);
            }
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

fn words_of(card: &Card) -> BTreeSet<String> {
    words(&card.name).chain(words(&card.organisation)).collect()
}
