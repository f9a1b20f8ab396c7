//! A seeded network simulation in virtual time: loss, jitter, reordering, and a bottleneck.

/// Base delay, microseconds.
pub const BASE_US: u64 = 30_000;
/// Queue length of the bottleneck, microseconds; packets that would wait longer are dropped.
pub const QUEUE_US: u64 = 200_000;

/// Network impairments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Impairments {
    /// Packet loss rate, 0 to 1.
    pub loss: f64,
    /// Mean burst length of losses. 1: independent losses. Above: the Gilbert–Elliott model with a good state that loses nothing
    /// and a bad state that loses everything.
    pub burst: f64,
    /// Jitter: additional delay, uniform between 0 and this, independent per packet, so that packets are reordered.
    pub jitter_us: u64,
    /// Bandwidth of the bottleneck with IP headers, bit/s; 0: none. It has a queue of [`QUEUE_US`].
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
    impairments: Impairments,
    random: Random,
    bad: bool,
    /// When the bottleneck is idle again.
    free_at_us: u64,
}

impl Channel {
    /// A network in its good state with an empty queue.
    pub fn new(impairments: Impairments, seed: u64) -> Self {
        Self { impairments, random: Random(seed), bad: false, free_at_us: 0 }
    }

    /// The arrival time of a packet of this size (with IP headers) sent at `now_us`; none if it is lost. Packets must be passed in
    /// sending order.
    pub fn send(&mut self, bytes: usize, now_us: u64) -> Option<u64> {
        let Impairments { jitter_us, bottleneck, .. } = self.impairments;
        // Every packet draws the same number of random values, so that packets do not influence each other.
        let (draw, delay) = (self.random.share(), self.random.share());
        let mut at = now_us;
        if let Some(takes_us) = (bytes as u64 * 8 * 1_000_000).checked_div(bottleneck) {
            let begin = self.free_at_us.max(now_us);
            if begin - now_us > QUEUE_US {
                return None;
            }
            self.free_at_us = begin + takes_us;
            at = self.free_at_us;
        }
        (!self.lost(draw)).then_some(at + BASE_US + (delay * jitter_us as f64) as u64)
    }

    fn lost(&mut self, draw: f64) -> bool {
        let Impairments { loss, burst, .. } = self.impairments;
        if burst <= 1.0 {
            return draw < loss;
        }
        let leave = 1.0 / burst;
        let enter = leave * loss / (1.0 - loss);
        self.bad = if self.bad { draw >= leave } else { draw < enter };
        self.bad
    }
}
