//! What is heard over bad networks, counted in frames. What is understood is measured by `make bench-network`.

#[path = "network/channel.rs"]
mod channel;
#[path = "network/path.rs"]
mod path;

use channel::{BASE_US, Channel, QUEUE_US, Weather};
use path::{OVERHEAD, TAIL, plain, telcon};
use std::path::Path;
use telcon_client::audio::{Frame, frames, wav};

const TICK_US: u64 = 20_000;

/// Real speech, 38 s.
fn speech() -> Vec<Frame> {
    let read = |name| wav::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap();
    let once: Vec<Frame> = frames(&read("a.wav")).chain(frames(&read("b.wav"))).collect();
    once.repeat(2)
}

fn calm() -> Weather {
    Weather { burst: 1.0, ..Weather::default() }
}

#[test]
fn the_simulated_network_does_what_it_is_told() {
    const PACKETS: u64 = 200_000;
    let run = |weather: Weather| -> Vec<Option<u64>> {
        let mut channel = Channel::new(weather, 7);
        (0..PACKETS).map(|n| channel.send(100, n * TICK_US).map(|at| at - n * TICK_US)).collect()
    };
    let lost = |run: &[Option<u64>]| run.iter().filter(|at| at.is_none()).count() as f64 / PACKETS as f64;
    for (loss, burst) in [(0.05, 1.0), (0.2, 1.0), (0.1, 4.0), (0.2, 6.0)] {
        let run = run(Weather { loss, burst, ..calm() });
        assert!((lost(&run) - loss).abs() < 0.1 * loss, "{} of {loss}", lost(&run));
        let bursts = run.windows(2).filter(|pair| pair[0].is_some() && pair[1].is_none()).count() as f64;
        let mean = lost(&run) * PACKETS as f64 / bursts;
        let expected = if burst > 1.0 { burst } else { 1.0 / (1.0 - loss) };
        assert!((mean - expected).abs() < 0.1 * expected, "{mean} in a row, not {expected}");
    }
    let jitter = run(Weather { jitter_us: 100_000, ..calm() });
    let delays: Vec<u64> = jitter.into_iter().map(Option::unwrap).collect();
    assert!(delays.iter().all(|delay| (BASE_US..=BASE_US + 100_000).contains(delay)));
    assert!((delays.iter().sum::<u64>() / PACKETS).abs_diff(BASE_US + 50_000) < 1_000);
    // 40 kbit/s into 20: half is dropped, and the rest stands in the queue.
    let choked = run(Weather { bottleneck: 20_000, ..calm() });
    assert!((lost(&choked) - 0.5).abs() < 0.01);
    let last = choked.iter().flatten().next_back().unwrap();
    assert!((QUEUE_US..=QUEUE_US + BASE_US + 2 * TICK_US + 1).contains(last));
}

#[test]
fn on_a_good_network_everything_is_heard_with_the_least_delay_and_no_copies() {
    let said = speech();
    let heard = telcon(&said, calm(), 1);
    assert_eq!((heard.whole, heard.recovered), (said.len(), 0));
    assert!(heard.delay_ms() < 45.0, "{} ms", heard.delay_ms());
    assert!(heard.sizes.len() <= 3, "sizes: {:?}", heard.sizes);
    assert_eq!(heard.frames.len(), said.len() + TAIL);
}

#[test]
fn random_loss_is_mended_by_copies_and_left_in_the_plain_path() {
    let said = speech();
    for (loss, left) in [(0.05, 0.015), (0.1, 0.015), (0.2, 0.02), (0.3, 0.05)] {
        for seed in 0..3 {
            let weather = Weather { loss, ..calm() };
            let (ours, theirs) = (telcon(&said, weather, seed), plain(&said, weather, seed));
            assert!(ours.made_up() < left, "seed {seed}, {loss}: {} made up", ours.made_up());
            assert!(theirs.made_up() > 0.8 * loss, "seed {seed}, {loss}: {} made up", theirs.made_up());
        }
    }
}

#[test]
fn the_buffer_waits_as_long_as_jitter_needs_and_the_plain_one_does_not() {
    let said = speech();
    for (jitter_us, left) in [(20_000, 0.01), (50_000, 0.03), (100_000, 0.05), (200_000, 0.08)] {
        let weather = Weather { jitter_us, ..calm() };
        let (ours, theirs) = (telcon(&said, weather, 5), plain(&said, weather, 5));
        assert!(ours.made_up() < left, "{jitter_us}: {} made up", ours.made_up());
        assert!(jitter_us < 200_000 || theirs.made_up() > ours.made_up() + 0.05, "{} made up", theirs.made_up());
    }
}

#[test]
fn a_narrow_way_is_not_filled_with_copies() {
    let said = speech();
    for bottleneck in [64_000, 48_000, 32_000, 24_000, 16_000] {
        let weather = Weather { bottleneck, ..calm() };
        let (ours, theirs) = (telcon(&said, weather, 3), plain(&said, weather, 3));
        assert!(ours.queue_ms < 100, "{bottleneck}: {} ms stand in the queue at the end", ours.queue_ms);
        assert!(ours.rate() < bottleneck as f64 * 1.3, "{bottleneck}: {} sent", ours.rate());
        assert!(ours.made_up() < theirs.made_up() + 0.02, "{bottleneck}: {} made up", ours.made_up());
    }
}

/// Promise 7: the sizes of packets, in their order, are the same whatever is said, on a bad network too.
#[test]
fn sizes_tell_nothing_of_what_is_said() {
    let speech = speech();
    let silence = vec![telcon_client::audio::SILENCE; speech.len()];
    for weather in [Weather { loss: 0.2, burst: 3.0, ..calm() }, Weather { bottleneck: 48_000, ..calm() }] {
        let (one, other) = (telcon(&speech, weather, 9), telcon(&silence, weather, 9));
        assert_eq!(one.sizes, other.sizes);
        assert_eq!(one.bytes, other.bytes);
        assert!(one.sizes.keys().all(|size| *size > OVERHEAD));
        assert!(one.sizes.len() > 4, "the network was not bad: {:?}", one.sizes);
    }
}
