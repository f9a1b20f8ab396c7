//! What the switchboard knows of delegations: by whom, for whom, and which count.

use super::{
    directory::Directory,
    port::{SessionId, entry_at},
};
use crate::store::DelegationRow;
use std::collections::{BTreeSet, HashMap};
use telcon_proto::{
    Card, DelegationId, DeviceId, PersonId,
    delegation::{Act, ActsFor, OnBehalf, ProvenDelegation},
};

/// Delegations that have not ended, or whose end is not in the log.
#[derive(Debug, Default)]
pub(super) struct Delegations {
    pub rows: HashMap<DelegationId, Held>,
    pub by_principal: HashMap<PersonId, BTreeSet<DelegationId>>,
    pub by_delegate: HashMap<PersonId, BTreeSet<DelegationId>>,
    /// Where the answer goes while the log does not have a new one.
    pub asked_by: HashMap<DelegationId, SessionId>,
}

/// A delegation in memory.
#[derive(Debug)]
pub(super) struct Held {
    pub row: DelegationRow,
    /// In the log, within its term, and not ended.
    pub current: bool,
}

impl Held {
    /// Whether one may act under it now, in this way.
    fn allows(&self, act: Act) -> bool {
        self.current && self.row.acts.contains(&act)
    }
}

/// Who acts in a call for one of its parties, and how everybody verifies it.
#[derive(Clone, Debug)]
pub(super) struct Acting {
    pub delegation: DelegationId,
    pub who: ActsFor,
    /// Log proofs are references, as in every message.
    pub proven: ProvenDelegation,
    /// The principal's device that took the call over.
    pub taken_by: Option<DeviceId>,
}

impl Delegations {
    /// Those of a person that have not ended, by or to them.
    pub fn of(&self, person: PersonId) -> BTreeSet<DelegationId> {
        let by = self.by_principal.get(&person).into_iter().flatten();
        by.chain(self.by_delegate.get(&person).into_iter().flatten()).copied().collect()
    }

    /// Adds one, which does not count yet.
    pub fn insert(&mut self, row: DelegationRow) {
        if row.ended.is_none() {
            self.by_principal.entry(row.principal).or_default().insert(row.delegation);
            self.by_delegate.entry(row.delegate.person).or_default().insert(row.delegation);
        }
        self.rows.insert(row.delegation, Held { row, current: false });
    }

    /// Takes a delegation that ended out of the indexes.
    pub fn unindex(&mut self, id: DelegationId) {
        let Some(held) = self.rows.get_mut(&id) else { return };
        held.current = false;
        let (principal, delegate) = (held.row.principal, held.row.delegate.person);
        for (index, person) in [(&mut self.by_principal, principal), (&mut self.by_delegate, delegate)] {
            if let Some(ids) = index.get_mut(&person) {
                ids.remove(&id);
                if ids.is_empty() {
                    index.remove(&person);
                }
            }
        }
    }

    /// The delegation under which this person may answer for that one now.
    pub fn answers(&self, principal: PersonId, delegate: &Card) -> Option<DelegationId> {
        let fits = |held: &&Held| held.allows(Act::Answer) && held.row.delegate == *delegate;
        let ids = self.by_principal.get(&principal)?;
        ids.iter().filter_map(|id| self.rows.get(id)).find(fits).map(|held| held.row.delegation)
    }

    /// Who may answer for this person now.
    pub fn answerers(&self, principal: PersonId) -> BTreeSet<PersonId> {
        let ids = self.by_principal.get(&principal).into_iter().flatten();
        ids.filter_map(|id| self.rows.get(id))
            .filter(|held| held.allows(Act::Answer))
            .map(|held| held.row.delegate.person)
            .collect()
    }

    /// For whom this person may answer now.
    pub fn answered_by(&self, delegate: PersonId) -> BTreeSet<PersonId> {
        let ids = self.by_delegate.get(&delegate).into_iter().flatten();
        ids.filter_map(|id| self.rows.get(id))
            .filter(|held| held.allows(Act::Answer))
            .map(|held| held.row.principal)
            .collect()
    }

    /// Whether this person may ring for somebody now.
    pub fn rings(&self, delegate: PersonId) -> bool {
        let mut ids = self.by_delegate.get(&delegate).into_iter().flatten().filter_map(|id| self.rows.get(id));
        ids.any(|held| held.allows(Act::Ring))
    }

    /// For whom this person may ring now.
    pub fn rings_for(&self, delegate: PersonId) -> BTreeSet<PersonId> {
        let ids = self.by_delegate.get(&delegate).into_iter().flatten();
        ids.filter_map(|id| self.rows.get(id))
            .filter(|held| held.allows(Act::Ring))
            .map(|held| held.row.principal)
            .collect()
    }

    /// For whom this person may offer and change lines now.
    pub fn lines_for(&self, delegate: PersonId) -> BTreeSet<PersonId> {
        let ids = self.by_delegate.get(&delegate).into_iter().flatten();
        ids.filter_map(|id| self.rows.get(id))
            .filter(|held| held.allows(Act::Lines))
            .map(|held| held.row.principal)
            .collect()
    }

    /// Who may offer and change lines for this person now.
    pub fn line_delegates(&self, principal: PersonId) -> BTreeSet<PersonId> {
        let ids = self.by_principal.get(&principal).into_iter().flatten();
        ids.filter_map(|id| self.rows.get(id))
            .filter(|held| held.allows(Act::Lines))
            .map(|held| held.row.delegate.person)
            .collect()
    }

    /// Who may act for this person now, in whatever way.
    pub fn delegates(&self, principal: PersonId) -> BTreeSet<PersonId> {
        let ids = self.by_principal.get(&principal).into_iter().flatten();
        ids.filter_map(|id| self.rows.get(id))
            .filter(|held| held.current)
            .map(|held| held.row.delegate.person)
            .collect()
    }

    /// A delegation under which this person may ring now, with the signed digest: what to tell them otherwise.
    pub fn for_ring(&self, named: &OnBehalf, delegate: &Card, now_ms: u64) -> Result<&DelegationRow, &'static str> {
        self.for_act(named, Act::Ring, delegate, now_ms)
    }

    /// A delegation under which this person may act now in this way, with the signed digest: what to tell them otherwise.
    pub fn for_act(
        &self,
        named: &OnBehalf,
        act: Act,
        delegate: &Card,
        now_ms: u64,
    ) -> Result<&DelegationRow, &'static str> {
        let held = self.rows.get(&named.delegation).filter(|held| held.row.statement_sha256 == named.statement_sha256);
        let held = held.filter(|held| held.row.delegate == *delegate);
        let held = held.ok_or("there is no such delegation, or it has ended: ask the principal for another")?;
        if !held.current || now_ms > held.row.not_after_ms {
            return Err("this delegation is not in force: it has ended, or has not begun");
        }
        if !held.row.acts.contains(&act) {
            return Err(match act {
                Act::Ring => "this delegation is not for ringing",
                Act::Answer => "this delegation is not for answering",
                Act::Lines => "this delegation is not for lines",
            });
        }
        Ok(&held.row)
    }

    /// What a call needs of a delegation, if it is known.
    pub fn acting(&self, id: DelegationId, principal: &Card, act: Act, directory: &Directory) -> Option<Acting> {
        let row = &self.rows.get(&id)?.row;
        Some(Acting {
            delegation: id,
            who: ActsFor { principal: principal.clone(), delegate: row.delegate.clone(), act },
            proven: ProvenDelegation {
                statement: row.statement.clone(),
                given: entry_at(row.given_index?),
                device: directory.device_entry(&row.device),
            },
            taken_by: None,
        })
    }
}
