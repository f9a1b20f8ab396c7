//! How often a device may sign in. Each sign-in replaces its connection, and is sent lists, notices and alerts. What is counted here is
//! lost at a restart.

use crate::allowance::{Allowance, Rate};
use std::collections::HashMap;
use telcon_proto::DeviceId;

/// Sign-ins of one device. Far more than a device needs whose network fails again and again: it waits longer after each failure.
const SIGN_IN_RATE: Rate = Rate::every_ms(1_000, 60);

/// Limits of all devices: one number for each that ever signed in. Only who has a device's key uses it up.
#[derive(Debug, Default)]
pub(super) struct SignInLimits(HashMap<DeviceId, Allowance>);

impl SignInLimits {
    /// Counts a sign-in; false if the device has none left, which then costs nothing.
    pub fn sign_in(&mut self, device: DeviceId, now_ms: u64) -> bool {
        self.0.entry(device).or_default().take(SIGN_IN_RATE, now_ms)
    }

    /// The device is revoked: it signs in no more.
    pub fn forget(&mut self, device: &DeviceId) {
        self.0.remove(device);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::office_with_faults::*, *};
    use crate::switchboard::SessionId;
    use telcon_proto::{Role, ServerMessage, message::RefusalCode};

    /// The attacker has a device, and signs in with it without pause.
    #[test]
    fn a_device_that_signs_in_without_pause_is_refused_and_keeps_its_connection() {
        let mut office = Office::new();
        for n in [20, 21] {
            office.enrol(device(n), card(n, Role::Principal));
        }
        let accepted = (100..1_000).filter(|session| office.connect(*session, device(20))).count();
        assert_eq!(accepted, SIGN_IN_RATE.burst() as usize);
        let refused = office.board.connected(SessionId(1_000), device(20), "token".into(), office.now);
        let Err(refused) = refused else { panic!("not refused") };
        assert!(matches!(*refused, ServerMessage::Refused { code: RefusalCode::TooMany, .. }), "{refused:?}");
        assert_eq!(office.board.gauges().sessions, 2, "its last connection, and the officer's");
        assert!(office.connect(1_001, device(21)), "others sign in");
        office.wait(SIGN_IN_RATE.interval_ms());
        assert!(office.connect(1_002, device(20)) && !office.connect(1_003, device(20)));
    }
}
