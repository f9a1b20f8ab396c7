//! A network in virtual time: it loses, delays, reorders and chokes packets, the same ones for the same seed.

/// Microseconds that every packet takes at least.
pub const BASE_US: u64 = 30_000;
/// Longest wait in front of a bottleneck, microseconds; what would wait longer is dropped.
pub const QUEUE_US: u64 = 200_000;

/// What a network does to packets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// Mean number of packets lost in a row. 1: each packet's luck is its own. Above, the Gilbert–Elliott model: a good
    /// state that loses nothing, and a bad one that loses everything.
    pub burst: f64,
    /// Additional delay, uniform between 0 and this, each packet's its own: packets overtake each other.
    pub jitter_us: u64,
    /// Bits per second of a bottleneck, counted with IP headers; 0: none. In front of it is a queue of [`QUEUE_US`].
    pub bottleneck: u64,
}

/// A small seeded generator (SplitMix64).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to 1.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// One direction of the network.
pub struct Channel {
    weather: Weather,
    random: Random,
    bad: bool,
    /// When the bottleneck has sent all that it took.
    free_at_us: u64,
}

impl Channel {
    /// A network in its good state, with nothing in its queue.
    pub fn new(weather: Weather, seed: u64) -> Self {
        Self { weather, random: Random(seed), bad: false, free_at_us: 0 }
    }

    /// When a packet of so many bytes (with its IP headers), sent at `now_us`, arrives; nothing if it does not. Packets
    /// are given in the order in which they are sent.
    pub fn send(&mut self, bytes: usize, now_us: u64) -> Option<u64> {
        let Weather { jitter_us, bottleneck, .. } = self.weather;
        // Each packet draws the same number of times, whatever becomes of the others.
        let (luck, delay) = (self.random.share(), self.random.share());
        let mut at = now_us;
        if let Some(takes_us) = (bytes as u64 * 8 * 1_000_000).checked_div(bottleneck) {
            let begin = self.free_at_us.max(now_us);
            if begin - now_us > QUEUE_US {
                return None;
            }
            self.free_at_us = begin + takes_us;
            at = self.free_at_us;
        }
        (!self.lost(luck)).then_some(at + BASE_US + (delay * jitter_us as f64) as u64)
    }

    fn lost(&mut self, luck: f64) -> bool {
        let Weather { loss, burst, .. } = self.weather;
        if burst <= 1.0 {
            return luck < loss;
        }
        let leave = 1.0 / burst;
        let enter = leave * loss / (1.0 - loss);
        self.bad = if self.bad { luck >= leave } else { luck < enter };
        self.bad
    }
}
