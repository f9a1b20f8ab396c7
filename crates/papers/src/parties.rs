//! Who was in a call and what they did there, from its verified record: nothing of it is typed.

use crate::draft::Facts;
use crate::marking::Scheme;
use crate::memorandum::{Attendee, AttendeeSource};
use crate::schedule::Place;
use std::collections::BTreeSet;
use telcon_proto::{Card, PersonId, Role, http::RecordLine};

/// The people of a call, by what they did in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parties {
    /// Who spoke.
    pub participants: Vec<Attendee>,
    /// Who interpreted.
    pub interpreters: Vec<Attendee>,
    /// Who wrote: note-takers, and everybody whose notes there are.
    pub note_takers: Vec<Attendee>,
    /// The others.
    pub listeners: Vec<Attendee>,
}

fn attendee(card: &Card) -> Attendee {
    Attendee {
        name: card.name.clone(),
        organisation: card.organisation.clone(),
        person: Some(card.person),
        source: AttendeeSource::Call,
    }
}

/// Sorts the people of a call. `people`: from the certificates of its devices; `writers`: the authors of its notes.
pub fn parties(line: &RecordLine, people: &[Card], writers: &BTreeSet<PersonId>) -> Parties {
    let mut parties = Parties::default();
    let rang_or_answered = |card: &Card| {
        [Some(&line.from), Some(&line.to), line.answered_by.as_ref()]
            .into_iter()
            .flatten()
            .any(|one| one.is_same_person(card))
    };
    // Caller and callee first, in this order.
    let mut ordered: Vec<&Card> = people.iter().collect();
    ordered.sort_by_key(|card| (!card.is_same_person(&line.from), !rang_or_answered(card)));
    for card in ordered {
        let list = match card.role {
            Role::Principal | Role::Counterpart => &mut parties.participants,
            _ if rang_or_answered(card) => &mut parties.participants,
            Role::Interpreter => &mut parties.interpreters,
            Role::NoteTaker => &mut parties.note_takers,
            _ if writers.contains(&card.person) => &mut parties.note_takers,
            _ => &mut parties.listeners,
        };
        list.push(attendee(card));
    }
    parties
}

/// The places of both sides, that of `own` first.
pub fn places(line: &RecordLine, own: &PersonId) -> Vec<Place> {
    let place = |card: &Card| Place { of: card.name.clone(), zone: card.zone.clone(), place: String::new() };
    let ours = |card: &Card| card.person == *own;
    let to_first = ours(&line.to) || (!ours(&line.from) && line.from.role == Role::Counterpart);
    let ordered = if to_first { [&line.to, &line.from] } else { [&line.from, &line.to] };
    ordered.map(place).into()
}

/// What a draft is made of, beside transcript and notes: from the record alone. None for a call that was not answered, or is not over.
/// `seed` is random.
pub fn facts<'a>(
    line: &RecordLine,
    parties: Parties,
    (scheme, letterhead, subject): (Scheme, String, String),
    places: Vec<(Place, &'a dyn crate::clock::ZoneClock)>,
    now_ms: u64,
    seed: [u8; 12],
) -> Option<Facts<'a>> {
    let (answered_ms, ended_ms) = (line.answered_ms?, line.ended_ms?);
    let Parties { participants, interpreters, note_takers, listeners } = parties;
    Some(Facts {
        call: line.call,
        scheme,
        letterhead,
        subject,
        participants,
        interpreters,
        note_takers,
        listeners,
        answered_ms,
        ended_ms: ended_ms.max(answered_ms),
        places,
        caution: None,
        now_ms,
        seed,
    })
}
