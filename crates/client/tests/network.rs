//! Audio quality over impaired networks, in frames. Intelligibility is measured by `make bench-network`.

#[path = "network/channel.rs"]
mod channel;
#[path = "network/path.rs"]
mod path;

use channel::{BASE_US, Channel, Impairments, QUEUE_US};
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

fn unimpaired() -> Impairments {
    Impairments { burst: 1.0, ..Impairments::default() }
}

#[test]
fn the_simulated_network_has_the_requested_impairments() {
    const PACKETS: u64 = 200_000;
    let run = |impairments: Impairments| -> Vec<Option<u64>> {
        let mut channel = Channel::new(impairments, 7);
        (0..PACKETS).map(|n| channel.send(100, n * TICK_US).map(|at| at - n * TICK_US)).collect()
    };
    let lost = |run: &[Option<u64>]| run.iter().filter(|at| at.is_none()).count() as f64 / PACKETS as f64;
    for (loss, burst) in [(0.05, 1.0), (0.2, 1.0), (0.1, 4.0), (0.2, 6.0)] {
        let run = run(Impairments { loss, burst, ..unimpaired() });
        assert!((lost(&run) - loss).abs() < 0.1 * loss, "{} of {loss}", lost(&run));
        let bursts = run.windows(2).filter(|pair| pair[0].is_some() && pair[1].is_none()).count() as f64;
        let mean = lost(&run) * PACKETS as f64 / bursts;
        let expected = if burst > 1.0 { burst } else { 1.0 / (1.0 - loss) };
        assert!((mean - expected).abs() < 0.1 * expected, "mean burst length {mean}, not {expected}");
    }
    let jitter = run(Impairments { jitter_us: 100_000, ..unimpaired() });
    let delays: Vec<u64> = jitter.into_iter().map(Option::unwrap).collect();
    assert!(delays.iter().all(|delay| (BASE_US..=BASE_US + 100_000).contains(delay)));
    assert!((delays.iter().sum::<u64>() / PACKETS).abs_diff(BASE_US + 50_000) < 1_000);
    // 40 kbit/s into 20 kbit/s: half is dropped, and the queue is full.
    let congested = run(Impairments { bottleneck: 20_000, ..unimpaired() });
    assert!((lost(&congested) - 0.5).abs() < 0.01);
    let last = congested.iter().flatten().next_back().unwrap();
    assert!((QUEUE_US..=QUEUE_US + BASE_US + 2 * TICK_US + 1).contains(last));
}

#[test]
fn an_unimpaired_network_has_no_loss_least_delay_and_no_redundancy() {
    let input = speech();
    let output = telcon(&input, unimpaired(), 1);
    assert_eq!((output.decoded, output.recovered), (input.len(), 0));
    assert!(output.delay_ms() < 45.0, "{} ms", output.delay_ms());
    assert!(output.sizes.len() <= 3, "sizes: {:?}", output.sizes);
    assert_eq!(output.frames.len(), input.len() + TAIL);
}

#[test]
fn random_loss_is_repaired_by_redundancy() {
    let input = speech();
    for (loss, left) in [(0.05, 0.015), (0.1, 0.015), (0.2, 0.02), (0.3, 0.05)] {
        for seed in 0..3 {
            let impairments = Impairments { loss, ..unimpaired() };
            let (ours, theirs) = (telcon(&input, impairments, seed), plain(&input, impairments, seed));
            assert!(ours.concealed() < left, "seed {seed}, {loss}: {} concealed", ours.concealed());
            assert!(theirs.concealed() > 0.8 * loss, "seed {seed}, {loss}: {} concealed", theirs.concealed());
        }
    }
}

#[test]
fn the_jitter_buffer_adapts_to_jitter() {
    let input = speech();
    for (jitter_us, left) in [(20_000, 0.01), (50_000, 0.03), (100_000, 0.05), (200_000, 0.08)] {
        let impairments = Impairments { jitter_us, ..unimpaired() };
        let (ours, theirs) = (telcon(&input, impairments, 5), plain(&input, impairments, 5));
        assert!(ours.concealed() < left, "{jitter_us}: {} concealed", ours.concealed());
        assert!(
            jitter_us < 200_000 || theirs.concealed() > ours.concealed() + 0.05,
            "{} concealed",
            theirs.concealed()
        );
    }
}

#[test]
fn a_bottleneck_is_not_filled_with_redundancy() {
    let input = speech();
    for bottleneck in [64_000, 48_000, 32_000, 24_000, 16_000] {
        let impairments = Impairments { bottleneck, ..unimpaired() };
        let (ours, theirs) = (telcon(&input, impairments, 3), plain(&input, impairments, 3));
        assert!(ours.queue_ms < 100, "{bottleneck}: {} ms of standing queue at the end", ours.queue_ms);
        assert!(ours.rate() < bottleneck as f64 * 1.3, "{bottleneck}: {} sent", ours.rate());
        assert!(ours.concealed() < theirs.concealed() + 0.02, "{bottleneck}: {} concealed", ours.concealed());
    }
}

/// Promise 7: the sequence of packet sizes is independent of the audio, on an impaired network too.
#[test]
fn packet_sizes_are_independent_of_the_audio() {
    let speech = speech();
    let silence = vec![telcon_client::audio::SILENCE; speech.len()];
    for impairments in
        [Impairments { loss: 0.2, burst: 3.0, ..unimpaired() }, Impairments { bottleneck: 48_000, ..unimpaired() }]
    {
        let (one, other) = (telcon(&speech, impairments, 9), telcon(&silence, impairments, 9));
        assert_eq!(one.sizes, other.sizes);
        assert_eq!(one.bytes, other.bytes);
        assert!(one.sizes.keys().all(|size| *size > OVERHEAD));
        assert!(one.sizes.len() > 4, "the network was not impaired: {:?}", one.sizes);
    }
}
