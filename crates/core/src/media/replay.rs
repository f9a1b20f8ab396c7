//! Replay window over frame counters (as in RFC 4303, section 3.4.3).

/// How far behind the newest counter a frame may arrive, in frames (20 s). Older audio is useless to a listener.
pub(super) const WINDOW_FRAMES: usize = 1024;

/// Largest frame counter: 700 years of speech. Sums with it cannot overflow.
const MAX_COUNTER: u64 = 1 << 40;

/// The counters of one sender that were accepted.
pub(super) struct ReplayWindow {
    newest: u64,
    seen: [u64; WINDOW_FRAMES / 64],
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self { newest: 0, seen: [0; WINDOW_FRAMES / 64] }
    }
}

impl ReplayWindow {
    /// Whether `counter` is new; records it. Only for authenticated counters.
    pub(super) fn accept(&mut self, counter: u64) -> bool {
        let size = WINDOW_FRAMES as u64;
        if counter > MAX_COUNTER {
            return false;
        }
        if counter > self.newest {
            for skipped in self.newest + 1..=counter.min(self.newest + size) {
                self.clear(skipped);
            }
            if counter - self.newest >= size {
                self.seen = [0; WINDOW_FRAMES / 64];
            }
            self.newest = counter;
        } else if self.newest - counter >= size {
            return false;
        }
        let (word, bit) = Self::position(counter);
        let fresh = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        fresh
    }

    fn clear(&mut self, counter: u64) {
        let (word, bit) = Self::position(counter);
        self.seen[word] &= !bit;
    }

    fn position(counter: u64) -> (usize, u64) {
        let at = (counter % WINDOW_FRAMES as u64) as usize;
        (at / 64, 1 << (at % 64))
    }
}
