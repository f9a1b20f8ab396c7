//! The contact list of a device, that is the people whom it may ring: sent at sign-in, then changes, and search by name. Whom it may
//! ring is decided by roles ([`may_ring`]), and where the charter demands lines, between a principal and a counterpart by those alone.
//!
//! A list has at most [`CONTACTS_AT_SIGN_IN`] people; others are found by name
//! ([`telcon_proto::ClientMessage::FindPeople`]). A connection is notified only of changes of people that it was sent.
//! Changes are collected for [`CONTACTS_INTERVAL_MS`], so that a thousand people who reconnect within a second cost one
//! message per connection.

use super::{
    directory::Directory,
    held_lines::{Lines, Viewer},
    port::SessionId,
};
use crate::{
    allowance::{Allowance, Rate},
    limits::{CONTACTS_AT_SIGN_IN, CONTACTS_FOUND, CONTACTS_INTERVAL_MS},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use telcon_identity::needs_line;
use telcon_proto::{
    Card, PersonId, Role, ServerMessage,
    contact::Contact,
    line::{ContactLine, Rings},
    policy::{Action, ROLES, allows, may_ring},
};

/// Most people with a matching word that a search examines.
pub(super) const MAX_CANDIDATES: usize = 512;

/// Most words of a search that are used.
const MAX_WORDS: usize = 4;

/// Searches of a connection. A page searches when somebody pauses in typing.
const SEARCH_RATE: Rate = Rate::every_ms(200, 5);

/// What decides whom a device is shown.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub directory: &'a Directory,
    pub lines: &'a Lines,
    pub rings: Rings,
}

/// Who looks at a contact list.
#[derive(Clone, Debug)]
pub(super) struct ListViewer {
    pub person: PersonId,
    /// As which role they ring.
    pub role: Role,
    /// How they see lines.
    pub line_viewer: Viewer,
    /// Whose lines are theirs: their own, or those of whom they ring for.
    pub sides: BTreeSet<PersonId>,
}

impl ListViewer {
    /// The line between them and another person.
    fn line(&self, other: PersonId, known: &Known<'_>) -> Option<ContactLine> {
        if known.rings == Rings::ByRole {
            return None;
        }
        match self.line_viewer {
            Viewer::Holder { .. } => known.lines.shown(other, self.person, self.line_viewer),
            Viewer::Principal => {
                self.sides.iter().find_map(|principal| known.lines.shown(*principal, other, self.line_viewer))
            }
        }
    }

    /// Whether they may ring people of a role without a line.
    fn sees_all(&self, other: Role, rings: Rings) -> bool {
        may_ring(self.role, other) && !needs_line(rings, self.role, other)
    }

    /// Whom they may ring over a line.
    fn over_lines(&self, known: &Known<'_>) -> BTreeSet<PersonId> {
        if known.rings == Rings::ByRole {
            return BTreeSet::new();
        }
        let people: BTreeSet<PersonId> = match self.line_viewer {
            Viewer::Holder { .. } => known.lines.principals(self.person),
            Viewer::Principal => self.sides.iter().flat_map(|principal| known.lines.holders(*principal)).collect(),
        };
        people.into_iter().filter(|person| self.line(*person, known).is_some()).collect()
    }

    fn contact(&self, person: PersonId, known: &Known<'_>) -> Option<Contact> {
        Some(self.with_line(known.directory.contact(person)?, known))
    }

    /// A person of the directory as this viewer sees them.
    fn with_line(&self, contact: Contact, known: &Known<'_>) -> Contact {
        let line = self.line(contact.card.person, known).map(Box::new);
        let needs_line = line.is_none() && !self.sees_all(contact.card.role, known.rings);
        Contact { line, needs_line, ..contact }
    }

    /// Whether they find people of a role, who need a line first, in order to give them one.
    fn gives_lines_to(&self, other: Role, rings: Rings) -> bool {
        rings == Rings::OverLines && allows(self.role, Action::GiveLines) && allows(other, Action::HoldLines)
    }

    /// Whether they may find a person: without a line, only whom the office enrolled.
    fn may_find(&self, card: &Card, known: &Known<'_>) -> bool {
        self.sees_all(card.role, known.rings)
            || self.line(card.person, known).is_some()
            || known.directory.is_enrolled_by_office(card.person)
    }
}

/// The people that a connection was sent.
#[derive(Debug)]
struct List {
    viewer: ListViewer,
    /// Sent at sign-in, or added since.
    listed: BTreeSet<PersonId>,
    /// Found by the latest search.
    found: BTreeSet<PersonId>,
    /// There are more people than those listed.
    more: bool,
    /// The searches that it has left.
    searches: Allowance,
}

/// A person in the indexes.
#[derive(Debug)]
struct Indexed {
    card: Arc<Card>,
    /// Lower-case words of name and organisation: computed when the card changes, not when somebody searches.
    words: BTreeSet<Box<str>>,
}

/// What a search costs the switchboard's thread, for the cost test.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SearchCost {
    /// People examined by searches.
    pub examined: usize,
    /// Names split into words.
    pub split: usize,
}

/// The index of people by name, and the connections subscribed to each person.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    by_name: HashMap<Role, BTreeSet<(String, PersonId)>>,
    /// By role, so that a search meets only people who may be rung.
    by_word: HashMap<Role, BTreeSet<(Box<str>, PersonId)>>,
    indexed: HashMap<PersonId, Indexed>,
    lists: HashMap<SessionId, List>,
    watchers: HashMap<PersonId, BTreeSet<SessionId>>,
    changed: BTreeSet<PersonId>,
    /// Those of `changed` who had no device before.
    added: BTreeSet<PersonId>,
    sent_ms: Option<u64>,
    #[cfg(test)]
    pub cost: SearchCost,
}

impl Contacts {
    /// A person's devices or connections have changed.
    pub fn changed(&mut self, person: PersonId, directory: &Directory) {
        let card = directory.person(person);
        let indexed = self.indexed.get(&person).map(|known| &known.card);
        let known = card.or(indexed);
        if known.is_none_or(|card| !ROLES.into_iter().any(|viewer| may_ring(viewer, card.role))) {
            return;
        }
        if indexed != card {
            if indexed.is_none() {
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
            if let Some(names) = self.by_name.get_mut(&old.card.role) {
                names.remove(&(old.card.name.clone(), person));
            }
            if let Some(words) = self.by_word.get_mut(&old.card.role) {
                for word in old.words {
                    words.remove(&(word, person));
                }
            }
        }
        if let Some(card) = card {
            let words = words_of(&card);
            #[cfg(test)]
            {
                self.cost.split += 1;
            }
            self.by_name.entry(card.role).or_default().insert((card.name.clone(), person));
            self.by_word.entry(card.role).or_default().extend(words.iter().map(|word| (word.clone(), person)));
            self.indexed.insert(person, Indexed { card, words });
        }
    }

    /// Creates the list of a connection that signs in, of whom it may ring; returns it, and whether there are more people.
    pub fn open_list(&mut self, session: SessionId, viewer: ListViewer, known: &Known<'_>) -> (Vec<Contact>, bool) {
        let mut people: Vec<(&String, PersonId)> = Vec::new();
        for other in ROLES.into_iter().filter(|other| viewer.sees_all(*other, known.rings)) {
            let names = self.by_name.get(&other).into_iter().flatten().filter(|(_, person)| *person != viewer.person);
            people.extend(names.take(CONTACTS_AT_SIGN_IN + 1).map(|(name, person)| (name, *person)));
        }
        let held = viewer.over_lines(known);
        people.extend(held.iter().filter_map(|person| Some((&self.indexed.get(person)?.card.name, *person))));
        people.sort_unstable();
        let more = people.len() > CONTACTS_AT_SIGN_IN;
        let people: Vec<PersonId> = people.into_iter().take(CONTACTS_AT_SIGN_IN).map(|(_, person)| person).collect();
        for person in &people {
            self.watchers.entry(*person).or_default().insert(session);
        }
        let contacts = people.iter().filter_map(|person| viewer.contact(*person, known)).collect();
        let listed = people.into_iter().collect();
        let (found, searches) = (BTreeSet::new(), Allowance::default());
        self.lists.insert(session, List { viewer, listed, found, more, searches });
        (contacts, more)
    }

    pub fn close_list(&mut self, session: SessionId) {
        let Some(list) = self.lists.remove(&session) else { return };
        for person in list.listed.iter().chain(&list.found) {
            self.unwatch(*person, session);
        }
    }

    /// The same for a connection whose person may ring as another role, or for others, than before; none if nothing changes for it.
    pub fn reopen_list(&mut self, session: SessionId, viewer: ListViewer, known: &Known<'_>) -> Option<ServerMessage> {
        let changes = |list: &&List| {
            list.viewer.role != viewer.role || known.rings == Rings::OverLines && list.viewer.sides != viewer.sides
        };
        let list = self.lists.get(&session).filter(changes)?;
        let before: BTreeSet<PersonId> = list.listed.union(&list.found).copied().collect();
        self.close_list(session);
        let (changed, _) = self.open_list(session, viewer, known);
        let removed = before.into_iter().filter(|old| changed.iter().all(|new| new.card.person != *old)).collect();
        Some(ServerMessage::PeopleChanged { changed, removed })
    }

    /// A line between a connection's person and another one changed: they are shown, as it is now, or not any more.
    pub fn show_again(&mut self, session: SessionId, person: PersonId, known: &Known<'_>) -> Option<ServerMessage> {
        let list = self.lists.get_mut(&session)?;
        let contact = list
            .viewer
            .contact(person, known)
            .filter(|contact| contact.line.is_some() || list.viewer.sees_all(contact.card.role, known.rings));
        let Some(contact) = contact else {
            if !list.listed.remove(&person) & !list.found.remove(&person) {
                return None;
            }
            self.unwatch(person, session);
            return Some(ServerMessage::PeopleChanged { changed: Vec::new(), removed: vec![person] });
        };
        if !list.listed.contains(&person) && !list.found.contains(&person) {
            if list.listed.len() >= CONTACTS_AT_SIGN_IN {
                list.more = true;
                return None;
            }
            list.listed.insert(person);
            self.watchers.entry(person).or_default().insert(session);
        }
        Some(ServerMessage::PeopleChanged { changed: vec![contact], removed: Vec::new() })
    }

    fn unwatch(&mut self, person: PersonId, session: SessionId) {
        if let Some(watchers) = self.watchers.get_mut(&person) {
            watchers.remove(&session);
            if watchers.is_empty() {
                self.watchers.remove(&person);
            }
        }
    }

    /// Searches people whom the connection may ring, or give a line, by prefixes of words. Subscribes it to the results until its next
    /// search. None if the connection has no list.
    ///
    /// # Errors
    /// [`TooManySearches`].
    pub fn find(
        &mut self,
        session: SessionId,
        text: &str,
        known: &Known<'_>,
        now_ms: u64,
    ) -> Option<Result<ServerMessage, TooManySearches>> {
        let list = self.lists.get_mut(&session)?;
        if !list.searches.take(SEARCH_RATE, now_ms) {
            return Some(Err(TooManySearches));
        }
        let wanted: Vec<String> = words(text).take(MAX_WORDS).collect();
        let viewer = list.viewer.clone();
        let rings = known.rings;
        // Candidates are those with the longest word, which is usually the rarest.
        let longest = wanted.iter().max_by_key(|word| word.len()).map(|word| word.as_str());
        let of_role = ROLES
            .into_iter()
            .filter(|other| viewer.sees_all(*other, rings) || viewer.gives_lines_to(*other, rings))
            .filter_map(|other| self.by_word.get(&other));
        let candidates = longest.into_iter().flat_map(|start| {
            let from = (Box::from(start), PersonId::from_bytes([0; 16]));
            of_role.clone().flat_map(move |index| {
                index
                    .range(from.clone()..)
                    .take_while(move |(word, _)| word.starts_with(start))
                    .map(|(_, person)| *person)
            })
        });
        let mut found = BTreeSet::new();
        #[cfg(test)]
        let mut examined = 0;
        // Of whom they know by lines there are as many as one principal gives.
        let held = if longest.is_some() { viewer.over_lines(known) } else { BTreeSet::new() };
        for person in candidates.take(MAX_CANDIDATES).chain(held) {
            #[cfg(test)]
            {
                examined += 1;
            }
            let indexed = self.indexed.get(&person).filter(|indexed| indexed.has_words(&wanted));
            if person != viewer.person && indexed.is_some_and(|indexed| viewer.may_find(&indexed.card, known)) {
                found.insert(person);
            }
            if found.len() == CONTACTS_FOUND {
                break;
            }
        }
        #[cfg(test)]
        {
            self.cost.examined += examined;
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
        let changed = found.into_iter().filter_map(|person| viewer.contact(person, known)).collect();
        Some(Ok(ServerMessage::PeopleChanged { changed, removed }))
    }

    /// Takes the changes that are due, one message per connection concerned; or the time at which they are due.
    pub fn collect(
        &mut self,
        known: &Known<'_>,
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
            match known.directory.contact(person) {
                Some(contact) => {
                    if self.added.remove(&person) {
                        self.add_to_lists(&contact.card, known);
                    }
                    for session in self.watchers.get(&person).into_iter().flatten() {
                        let Some(list) = self.lists.get(session) else { continue };
                        let contact = list.viewer.with_line(contact.clone(), known);
                        messages.entry(*session).or_default().0.push(contact);
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
    fn add_to_lists(&mut self, card: &Card, known: &Known<'_>) {
        let directory = known.directory;
        let viewers = ROLES.into_iter().filter(|viewer| may_ring(*viewer, card.role));
        let mut sessions: Vec<SessionId> = viewers
            .filter(|viewer| !needs_line(known.rings, *viewer, card.role))
            .flat_map(|viewer| directory.sessions_of_role(viewer))
            .collect();
        if known.rings == Rings::OverLines {
            let mut others = known.lines.principals(card.person);
            others.extend(known.lines.holders(card.person));
            let devices = others.into_iter().flat_map(|person| directory.online_devices_of(person));
            sessions.extend(devices.filter_map(|device| directory.session_of(&device)));
        }
        for session in sessions {
            let Some(list) = self.lists.get_mut(&session) else { continue };
            if list.viewer.person == card.person || list.more || list.listed.contains(&card.person) {
                continue;
            }
            if !list.viewer.sees_all(card.role, known.rings) && list.viewer.line(card.person, known).is_none() {
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

/// The connection searches more often than [`SEARCH_RATE`].
#[derive(Clone, Copy, Debug)]
pub(super) struct TooManySearches;

impl Indexed {
    /// Whether each of these is the beginning of a word of name or organisation.
    fn has_words(&self, starts: &[String]) -> bool {
        starts.iter().all(|start| {
            let from = (std::ops::Bound::Included(start.as_str()), std::ops::Bound::Unbounded);
            self.words.range::<str, _>(from).next().is_some_and(|word| word.starts_with(start.as_str()))
        })
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

fn words_of(card: &Card) -> BTreeSet<Box<str>> {
    words(&card.name).chain(words(&card.organisation)).map(String::into_boxed_str).collect()
}
