//! Calendar feeds: busy times are ordered, apart from each other, and within reach of the window.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_papers::calendar::Feed;
use telcon_papers::clock::{Utc, ZoneClock};

/// 2026-05-29 and the four weeks after it.
const WINDOW: (u64, u64) = (1_780_012_800_000, 1_782_432_000_000);

fuzz_target!(|bytes: &[u8]| {
    let zones = |name: &str| (name.len() < 8).then(|| Box::new(Utc) as Box<dyn ZoneClock>);
    if let Ok(feed) = Feed::read(bytes, WINDOW, &Utc, &zones) {
        assert!(feed.busy.iter().all(|busy| busy.start_ms < busy.end_ms));
        assert!(feed.busy.iter().all(|busy| busy.start_ms < WINDOW.1 && busy.end_ms > WINDOW.0));
        assert!(feed.busy.windows(2).all(|pair| pair[0].end_ms < pair[1].start_ms));
    }
});
