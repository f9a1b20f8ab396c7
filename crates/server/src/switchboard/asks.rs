//! Limits of requests to join a call.

use super::port::SessionId;
use crate::allowance::{Allowance, Rate};
use std::collections::BTreeMap;
use telcon_proto::{DeviceId, limits::JOIN_REQUEST_INTERVAL_MS};

/// Requests of one device in one call: somebody who reloads the page, or joins and leaves again.
const ASK_RATE: Rate = Rate::every_ms(JOIN_REQUEST_INTERVAL_MS, 6);

/// The requests of the devices of one call.
#[derive(Debug, Default)]
pub(super) struct Asks(BTreeMap<DeviceId, Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// Over which connection and in which epoch it asked last; none since the server started.
    last: Option<(SessionId, u64)>,
    left: Allowance,
}

impl Asks {
    /// Counts a request of a device; whether it is accepted. A device whose request is `pending` has asked already: it asks
    /// again in another epoch, or over another connection after it lost its state.
    pub fn count(&mut self, device: DeviceId, pending: bool, session: SessionId, epoch: u64, now_ms: u64) -> bool {
        let last = Some((session, epoch));
        let asked = self.0.entry(device).or_default();
        let repeated = pending && asked.last == last;
        if repeated || !asked.left.take(ASK_RATE, now_ms) {
            return false;
        }
        asked.last = last;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_asks_once_per_epoch_and_connection_and_not_without_pause() {
        let device = DeviceId::from_bytes([1; 16]);
        let mut asks = Asks::default();
        assert!(asks.count(device, false, SessionId(1), 3, 0));
        assert!(!asks.count(device, true, SessionId(1), 3, 1_000_000), "it waits already");
        assert!(asks.count(device, true, SessionId(1), 4, 0), "its key package was used up, or lost, in another epoch");
        assert!(asks.count(device, true, SessionId(2), 4, 0), "it lost its keys and its connection");
        // The attacker is a listener that asks, leaves and asks again, or reconnects each time.
        let joins = (0..600).filter(|n| asks.count(device, false, SessionId(2), 4, n * 100)).count();
        let reconnects =
            (0..600u64).filter(|n| asks.count(device, true, SessionId(n + 9), 4, 100_000 + n * 100)).count();
        assert!(joins <= 33 && reconnects <= 36, "{joins}, {reconnects} within a minute");
        assert!(asks.count(DeviceId::from_bytes([2; 16]), false, SessionId(3), 4, 0), "others are not limited by it");
    }

    #[test]
    fn a_device_that_waited_when_the_server_started_again_may_ask_once() {
        let (device, mut asks) = (DeviceId::from_bytes([1; 16]), Asks::default());
        assert!(asks.count(device, true, SessionId(1), 0, 0), "its answer is stored, its key package is not");
        assert!(!asks.count(device, true, SessionId(1), 0, 0));
    }
}
