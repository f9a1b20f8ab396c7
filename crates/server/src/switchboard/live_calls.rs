//! Calls that have not ended, indexed by person, device and age, so that an input accesses only the calls it concerns.

use super::{call::Call, context::Context};
use crate::store::Stage;
use std::collections::{BTreeSet, HashMap, HashSet};
use telcon_proto::{CallId, DeviceId, PersonId};

/// All calls of the office that have not ended.
#[derive(Debug, Default)]
pub(super) struct LiveCalls {
    calls: HashMap<CallId, Call>,
    by_person: HashMap<PersonId, BTreeSet<CallId>>,
    by_device: HashMap<DeviceId, BTreeSet<CallId>>,
    by_age: BTreeSet<(u64, CallId)>,
    ringing: HashSet<CallId>,
    live: HashSet<CallId>,
    /// Calls borrowed mutably since the last [`LiveCalls::take_touched`].
    touched: BTreeSet<CallId>,
}

impl LiveCalls {
    pub fn get(&self, id: &CallId) -> Option<&Call> {
        self.calls.get(id)
    }

    /// Mutable access; the call is settled at the end of the input.
    pub fn get_mut(&mut self, id: &CallId) -> Option<&mut Call> {
        let call = self.calls.get_mut(id)?;
        self.touched.insert(*id);
        Some(call)
    }

    /// [`LiveCalls::get_mut`] of a call whose opening is in the log.
    pub fn known_mut(&mut self, id: &CallId) -> Option<&mut Call> {
        self.get(id).filter(|call| call.row.stage != Stage::Opening)?;
        self.get_mut(id)
    }

    pub fn contains(&self, id: &CallId) -> bool {
        self.calls.contains_key(id)
    }

    pub fn insert(&mut self, call: Call) {
        let id = call.id();
        for person in concerned(&call) {
            self.by_person.entry(person).or_default().insert(id);
        }
        self.by_age.insert((call.row.opened_ms, id));
        self.calls.insert(id, call);
        self.touched.insert(id);
    }

    pub fn remove(&mut self, id: &CallId) -> Option<Call> {
        let call = self.calls.remove(id)?;
        for person in concerned(&call) {
            remove(&mut self.by_person, person, id);
        }
        for device in &call.indexed {
            remove(&mut self.by_device, *device, id);
        }
        self.by_age.remove(&(call.row.opened_ms, *id));
        self.ringing.remove(id);
        self.live.remove(id);
        self.touched.insert(*id);
        Some(call)
    }

    /// Calls in which the person is a party, or for whom somebody rang.
    pub fn of_person(&self, person: PersonId) -> impl Iterator<Item = &Call> {
        self.by_person.get(&person).into_iter().flatten().filter_map(|id| self.calls.get(id))
    }

    /// Calls that concern the device.
    pub fn of_device(&self, device: &DeviceId) -> Vec<CallId> {
        self.by_device.get(device).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// The calls in the log that were opened last, newest first, at most `limit`.
    pub fn newest(&self, limit: usize) -> impl Iterator<Item = &Call> {
        let calls = self.by_age.iter().rev().filter_map(|(_, id)| self.calls.get(id));
        calls.filter(|call| call.row.stage != Stage::Opening).take(limit)
    }

    pub fn ringing(&self) -> usize {
        self.ringing.len()
    }

    pub fn live(&self) -> usize {
        self.live.len()
    }

    pub fn take_touched(&mut self) -> BTreeSet<CallId> {
        std::mem::take(&mut self.touched)
    }

    /// Updates the indexes to a call's state.
    pub fn reindex(&mut self, id: &CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let involved = call.involved();
        for device in call.indexed.difference(&involved) {
            remove(&mut self.by_device, *device, id);
        }
        for device in involved.difference(&call.indexed) {
            self.by_device.entry(*device).or_default().insert(*id);
        }
        call.indexed = involved;
        for (stage, calls) in [(Stage::Ringing, &mut self.ringing), (Stage::Live, &mut self.live)] {
            if call.row.stage == stage {
                calls.insert(*id)
            } else {
                calls.remove(id)
            };
        }
    }

    /// At the end of an input, for each changed call: sends the notice to staff and asks for commits.
    pub fn conclude(&mut self, id: &CallId, context: &mut Context) {
        if let Some(call) = self.calls.get_mut(id) {
            call.send_notice(context);
            call.ask_committer(context);
        }
    }
}

/// The people under whom a call is indexed.
fn concerned(call: &Call) -> impl Iterator<Item = PersonId> {
    let principal = call.row.on_behalf.as_ref().map(|(_, card)| card.person);
    [call.row.from.person, call.row.to.person].into_iter().chain(principal)
}

fn remove<K: Eq + std::hash::Hash>(index: &mut HashMap<K, BTreeSet<CallId>>, key: K, id: &CallId) {
    if let Some(calls) = index.get_mut(&key) {
        calls.remove(id);
        if calls.is_empty() {
            index.remove(&key);
        }
    }
}
