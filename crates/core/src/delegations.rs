//! Delegations that the office sent with a message about a call, verified on this device: who acts in it for whom.

use telcon_identity::{LoggedDelegation, Result, TrustStore};
use telcon_proto::{
    Card, DelegationId, PersonId, Qualified,
    delegation::{Act, ProvenDelegation},
};

/// More than a call can have: one of each party, and one under which this device may answer.
const MAX_SENT: usize = 4;

/// The delegations that came before a message. They count for that message alone, so that a server cannot have one count later that it
/// knows to have ended.
#[derive(Default)]
pub(crate) struct SentDelegations(Vec<LoggedDelegation>);

impl SentDelegations {
    /// One came. Those beyond the limit are ignored, and what relies on them is refused.
    pub(crate) fn add(&mut self, trust: &TrustStore, proven: &ProvenDelegation) -> Result<()> {
        let logged = trust.verify_delegation_logged(proven)?;
        self.0.retain(|known| known.id() != logged.id());
        if self.0.len() < MAX_SENT {
            self.0.push(logged);
        }
        Ok(())
    }

    /// The message that relies on them was handled.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn get(&self, id: DelegationId) -> Option<&LoggedDelegation> {
        self.0.iter().find(|known| known.id() == id)
    }

    /// The delegation under which this person answers for that one at one of these times.
    pub(crate) fn answering(
        &self,
        principal: &Qualified<PersonId>,
        delegate: &Card,
        at_ms: &[u64],
    ) -> Option<&LoggedDelegation> {
        let fits = |known: &&LoggedDelegation| {
            let valid = |at_ms: &u64| known.delegation().check(Act::Answer, delegate, *at_ms).is_ok();
            known.principal().is_of(principal) && at_ms.iter().any(valid)
        };
        self.0.iter().find(fits)
    }
}
