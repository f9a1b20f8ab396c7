//! Callers whom a person has silenced: kept per person, listed on all their devices, undone by them.

use super::{Switchboard, port::SessionId};
use crate::store::{Stage, Write};
use std::collections::{BTreeMap, HashMap};
use telcon_proto::{
    Card, DeviceId, Ended, PersonId, ServerMessage, limits::MAX_SILENCED, message::RefusalCode, policy::may_ring,
};

/// Who has silenced whom.
#[derive(Debug, Default)]
pub(super) struct Silenced(HashMap<PersonId, BTreeMap<PersonId, Card>>);

impl Silenced {
    pub fn restore(&mut self, stored: Vec<(PersonId, Card)>) {
        for (person, caller) in stored {
            self.0.entry(person).or_default().insert(caller.person, caller);
        }
    }

    /// Whether rings of `caller`, or of the principal for whom they ring, are not shown to `person`.
    pub fn is_silenced(&self, person: PersonId, caller: PersonId, principal: Option<PersonId>) -> bool {
        let silenced = self.0.get(&person);
        silenced.is_some_and(|callers| {
            [Some(caller), principal].into_iter().flatten().any(|who| callers.contains_key(&who))
        })
    }

    /// The callers whom a person has silenced.
    pub fn of(&self, person: PersonId) -> Vec<Card> {
        self.0.get(&person).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }
}

impl Switchboard {
    pub(super) fn silence(&mut self, session: SessionId, from: DeviceId, caller: PersonId, on: bool, now_ms: u64) {
        let Some(me) = self.context.directory.card(&from).cloned() else { return };
        if on {
            let card = self.context.directory.person(caller).filter(|card| may_ring(card.role, me.role)).cloned();
            let Some(card) = card else {
                let text = "only people who may ring this person can be silenced";
                return self.context.refuse(session, None, RefusalCode::NotAllowed, text);
            };
            let callers = self.silenced.0.entry(me.person).or_default();
            if callers.len() >= MAX_SILENCED && !callers.contains_key(&caller) {
                let text = "the list of silenced callers is full: let one of them ring again first";
                return self.context.refuse(session, None, RefusalCode::TooMany, text);
            }
            callers.insert(caller, Card::clone(&card));
            self.context.write(Write::Silenced(me.person, Box::new(Card::clone(&card)), now_ms));
            let rings = |call: &&super::call::Call| {
                call.row.stage == Stage::Ringing && call.row.from.person == caller && call.row.to.person == me.person
            };
            let ringing: Vec<_> = self.calls.of_person(me.person).filter(rings).map(super::call::Call::id).collect();
            for id in ringing {
                self.end(id, Ended::Declined, now_ms);
            }
        } else {
            let Some(callers) = self.silenced.0.get_mut(&me.person) else { return };
            if callers.remove(&caller).is_none() {
                return;
            }
            if callers.is_empty() {
                self.silenced.0.remove(&me.person);
            }
            self.context.write(Write::SilenceEnded(me.person, caller));
        }
        let people = self.silenced.of(me.person);
        for device in self.context.directory.online_devices_of(me.person) {
            self.context.tell(&device, ServerMessage::Silenced { people: people.clone() });
        }
    }
}
