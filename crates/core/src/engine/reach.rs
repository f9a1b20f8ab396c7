//! When this person, and those for whom they may answer, are reached. The office keeps it, and holds rings to it.

use crate::Engine;
use telcon_proto::{
    policy::{Action, allows},
    reach::{PersonsReach, ReachSettings},
};

impl Engine {
    /// This person's own first, which they can set before they ever did.
    pub(super) fn reach_views(&self) -> Vec<PersonsReach> {
        let me = self.device.me().card();
        let mut views = self.reach.clone();
        let own = |one: &PersonsReach| one.principal.is_same_person(me);
        if allows(me.role, Action::SetReach) && !views.iter().any(own) {
            let settings = ReachSettings::default();
            let principal = me.clone();
            views.insert(0, PersonsReach { principal, settings, people: Vec::new(), set_by: None, set_ms: None });
        }
        views
    }
}
