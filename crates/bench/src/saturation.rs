//! Whether the generator, not what it measures, is the bottleneck: by the share of its core that it uses.

/// CPU share of the generator's core above which it cannot raise the load, so that the relay's highest load is unknown. Beside
/// a relay that is at its own limit, the generator still uses up to 95 % of its core.
const EXHAUSTED: f64 = 0.97;
/// CPU share of the generator's core above which the latency that it measures is its own as well: at random arrivals and 90 %,
/// nine events are waiting or being handled on average (M/M/1).
const SATURATED: f64 = 0.9;

/// Whether the generator cannot raise the load.
pub(crate) fn is_exhausted(generator_share: f64) -> bool {
    generator_share > EXHAUSTED
}

/// Whether the latency that the generator measures is its own as well.
pub(crate) fn is_saturated(generator_share: f64) -> bool {
    generator_share > SATURATED
}

/// What stands behind the share of a saturated generator in a line of output.
pub(crate) fn note(generator_share: f64) -> &'static str {
    if is_saturated(generator_share) { " (saturated: it is the bottleneck)" } else { "" }
}
