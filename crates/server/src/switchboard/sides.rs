//! The two sides of a call, and the devices that stand for them beside the first one.

use std::collections::{BTreeMap, BTreeSet};
use telcon_proto::{DeviceId, PersonId, hand_over::AskedFor};

/// One of the two parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Who rang, or for whom.
    Caller,
    /// Who was rung.
    Callee,
}

/// Further devices of a call's parties.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Devices that joined beside the one that rang, answered or took over.
    pub continued: Vec<(Side, DeviceId)>,
    /// Principals who were asked to it and have not come, and when.
    pub asked: BTreeMap<PersonId, u64>,
    /// Devices that were told that they may continue it: they are told of its end.
    pub told: BTreeSet<DeviceId>,
}

impl Moves {
    /// For the notice.
    pub fn asked(&self) -> Vec<AskedFor> {
        self.asked.iter().map(|(principal, at_ms)| AskedFor { principal: *principal, at_ms: *at_ms }).collect()
    }
}
