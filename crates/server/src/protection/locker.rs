//! How many PINs may be tried, and how fast.

use crate::store::LockerRow;
use telcon_proto::{Digest, limits::MAX_PIN_ATTEMPTS};

/// Wrong PINs in a row that cost no waiting: people mistype.
const FREE_ATTEMPTS: u64 = 3;
/// Waiting after the first wrong PIN beyond them, milliseconds. It doubles with each further one.
const FIRST_WAIT_MS: u64 = 30_000;

/// What an attempt comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The proof is correct.
    Correct,
    /// It is wrong.
    Wrong {
        /// Failures that this one makes.
        failures: u64,
        /// 0: the secret has to be erased.
        attempts_left: u64,
        wait_ms: u64,
    },
    /// Too soon: the proof is not looked at, and nothing is counted.
    Wait { wait_ms: u64 },
    /// The same, but the stored end of the wait is further away than the wait is long: the clock was set back since. The wait begins
    /// anew, and its end has to be stored.
    WaitAnew { wait_ms: u64 },
    /// There is no secret any more.
    Erased,
}

/// How long the attempt after so many failures has to wait, milliseconds.
fn wait_after(failures: u64) -> u64 {
    if failures < FREE_ATTEMPTS { 0 } else { FIRST_WAIT_MS << (failures - FREE_ATTEMPTS).min(10) }
}

/// The outcome of an attempt on a locker.
pub(crate) fn attempt(locker: &LockerRow, proof: &Digest, now_ms: u64) -> Attempt {
    if locker.secret.is_none() || locker.failures >= MAX_PIN_ATTEMPTS {
        return Attempt::Erased;
    }
    let (wait_ms, longest_ms) = (locker.retry_ms.saturating_sub(now_ms), wait_after(locker.failures));
    if wait_ms > longest_ms && longest_ms > 0 {
        return Attempt::WaitAnew { wait_ms: longest_ms };
    }
    if wait_ms.min(longest_ms) > 0 {
        return Attempt::Wait { wait_ms };
    }
    if *proof == locker.proof {
        return Attempt::Correct;
    }
    let failures = locker.failures + 1;
    Attempt::Wrong { failures, attempts_left: MAX_PIN_ATTEMPTS - failures, wait_ms: wait_after(failures) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_proto::{Blob, DeviceId};

    const NOW: u64 = 1_800_000_000_000;

    fn locker(failures: u64, retry_ms: u64) -> LockerRow {
        LockerRow {
            locker: Digest::from_bytes([1; 32]),
            device: DeviceId::from_bytes([2; 16]),
            proof: Digest::from_bytes([3; 32]),
            secret: Some(Blob(vec![4; 32])),
            failures,
            retry_ms,
            confirmed: true,
            made_ms: 0,
        }
    }

    #[test]
    fn wrong_pins_wait_longer_each_time_and_the_tenth_erases_the_secret() {
        let wrong = Digest::from_bytes([9; 32]);
        let waits: Vec<_> = (0..MAX_PIN_ATTEMPTS).map(|n| attempt(&locker(n, 0), &wrong, NOW)).collect();
        let expected = [0, 0, 30, 60, 120, 240, 480, 960, 1_920, 3_840].into_iter().zip((0..10).rev());
        let expected: Vec<_> = expected
            .map(|(s, attempts_left)| Attempt::Wrong {
                failures: MAX_PIN_ATTEMPTS - attempts_left,
                attempts_left,
                wait_ms: s * 1_000,
            })
            .collect();
        assert_eq!(waits, expected);
        assert_eq!(attempt(&locker(MAX_PIN_ATTEMPTS, 0), &locker(0, 0).proof, NOW), Attempt::Erased);
        let erased = LockerRow { secret: None, ..locker(0, 0) };
        assert_eq!(attempt(&erased, &erased.proof, NOW), Attempt::Erased);
    }

    /// The server's clock was a month ahead for a moment, and is right again.
    #[test]
    fn a_wait_is_never_longer_than_its_own_step() {
        const MONTH_MS: u64 = 30 * 86_400_000;
        for failures in 0..MAX_PIN_ATTEMPTS {
            let waiting = locker(failures, NOW + MONTH_MS);
            let expected = match wait_after(failures) {
                0 => Attempt::Correct,
                wait_ms => Attempt::WaitAnew { wait_ms },
            };
            assert_eq!(attempt(&waiting, &waiting.proof, NOW), expected, "{failures}");
        }
        // What the caller stores of it is waited for once.
        let again = locker(5, NOW + wait_after(5));
        assert_eq!(attempt(&again, &again.proof, NOW + 1), Attempt::Wait { wait_ms: wait_after(5) - 1 });
        assert_eq!(attempt(&again, &again.proof, NOW + wait_after(5)), Attempt::Correct);
    }

    #[test]
    fn the_right_pin_is_not_looked_at_before_its_time() {
        let waiting = locker(5, NOW + 7);
        assert_eq!(attempt(&waiting, &waiting.proof, NOW), Attempt::Wait { wait_ms: 7 });
        assert_eq!(attempt(&waiting, &waiting.proof, NOW + 7), Attempt::Correct);
    }
}
