//! Web Push subscriptions, as far as they are in memory: all of them, which are few.

use crate::store::PushRow;
use std::collections::BTreeMap;
use telcon_proto::DeviceId;

/// The subscriptions of devices, one of each.
#[derive(Debug, Default)]
pub(super) struct PushSubscriptions(pub BTreeMap<DeviceId, PushRow>);
