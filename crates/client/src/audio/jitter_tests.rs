//! The jitter buffer in virtual time, over a seeded network.

use super::*;

const TICK: u64 = FRAME_US as u64;

/// A small seeded generator (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

/// The result of a simulation.
struct Run {
    buffer: JitterBuffer,
    /// The output of each tick.
    pulls: Vec<Pull>,
    /// For each played packet, its delay since it was sent, microseconds.
    delays: Vec<i64>,
}

/// Sends `frames` frames; `network` returns the arrival times of each (none if it is lost). The receiver's ticks are `tick`
/// microseconds apart (20,000 unless its clock drifts).
fn run(frames: u64, tick: u64, mut network: impl FnMut(u64, u64) -> Vec<u64>) -> Run {
    let mut arrivals: Vec<(u64, u64)> = Vec::new();
    for counter in 0..frames {
        let sent = 1_000_000 + counter * TICK;
        arrivals.extend(network(counter, sent).into_iter().map(|at| (at, counter)));
    }
    arrivals.sort_unstable();
    let end = 1_000_000 + frames * TICK + 1_000_000;
    let mut result = Run { buffer: JitterBuffer::new(), pulls: Vec::new(), delays: Vec::new() };
    let mut arrived = arrivals.into_iter().peekable();
    let mut now = 1_000_000;
    while now < end {
        while let Some((at, counter)) = arrived.next_if(|(at, _)| *at <= now) {
            result.buffer.push(counter, counter.to_be_bytes().to_vec(), at);
        }
        let pull = result.buffer.pull(now, false);
        if let Pull::Packet(packet) = &pull {
            let counter = counter_of(packet);
            result.delays.push(now as i64 - (1_000_000 + counter * TICK) as i64);
        }
        result.pulls.push(pull);
        now += tick;
        check(&result);
    }
    result
}

fn counter_of(packet: &[u8]) -> u64 {
    u64::from_be_bytes(packet.try_into().unwrap())
}

/// Invariants after every step of every run.
fn check(run: &Run) {
    let stats = run.buffer.stats();
    let waiting = run.buffer.slots.len() as u64;
    let undecided = run.buffer.discontinuity.as_ref().map_or(0, |seen| seen.packets.len() as u64);
    assert_eq!(
        stats.received,
        stats.played + stats.late + stats.duplicate + stats.skipped + stats.stray + waiting + undecided,
        "packets leaked: {stats:?}, {waiting} waiting"
    );
    assert!(waiting <= 2 * WINDOW_FRAMES + 1);
    assert!((MIN_DELAY_US..=MAX_DELAY_US).contains(&run.buffer.target_delay_us()));
}

fn played(run: &Run) -> Vec<u64> {
    let packet = |pull: &Pull| match pull {
        Pull::Packet(packet) => Some(counter_of(packet)),
        _ => None,
    };
    run.pulls.iter().filter_map(packet).collect()
}

fn in_order(counters: &[u64]) -> bool {
    counters.windows(2).all(|pair| pair[0] < pair[1])
}

#[test]
fn a_perfect_network_has_no_loss_and_the_smallest_delay() {
    let run = run(1_000, TICK, |_, sent| vec![sent + 30_000]);
    assert_eq!(played(&run), (0..1_000).collect::<Vec<_>>());
    assert_eq!(run.buffer.target_delay_us(), MIN_DELAY_US);
    let worst = *run.delays.iter().max().unwrap();
    assert!(worst <= 30_000 + MIN_DELAY_US + FRAME_US, "{worst} µs");
    let stats = run.buffer.stats();
    // After the last packet the buffer counts a few frames as lost before it detects a stall.
    let tail = u64::from(STALL_FRAMES) - 1;
    assert_eq!((stats.lost, stats.late, stats.held, stats.skipped), (tail, 0, 0, 0));
}

#[test]
fn losses_are_reported_per_frame_with_the_packet_to_recover_from() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let mut lost = Vec::new();
        let run = run(2_000, TICK, |counter, sent| {
            if random.chance(100) && counter > 0 {
                lost.push(counter);
                Vec::new()
            } else {
                vec![sent + 20_000]
            }
        });
        let stats = run.buffer.stats();
        let trailing = lost.iter().rev().zip((0..2_000).rev()).take_while(|(a, b)| **a == *b).count() as u64;
        assert_eq!(stats.played, 2_000 - lost.len() as u64);
        let tail = u64::from(STALL_FRAMES) - 1;
        assert_eq!(stats.lost, lost.len() as u64 - trailing + tail);
        for (i, pull) in run.pulls.iter().enumerate() {
            if let Pull::Lost { fec_from: Some(next) } = pull {
                assert_eq!(run.pulls[i + 1], Pull::Packet(next.clone()), "seed {seed}");
            }
        }
        assert!(stats.recoverable * 10 > lost.len() as u64 * 8);
    }
}

#[test]
fn reordered_and_duplicated_packets_are_played_once_and_in_order() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let run = run(2_000, TICK, |_, sent| {
            let at = sent + 20_000 + random.below(2) * 25_000;
            if random.chance(50) { vec![at, at + random.below(60_000)] } else { vec![at] }
        });
        let counters = played(&run);
        assert!(in_order(&counters));
        let stats = run.buffer.stats();
        assert!(stats.played >= 1_990, "seed {seed}: {stats:?}");
        assert!(stats.duplicate + stats.late > 50);
    }
}

#[test]
fn the_delay_grows_with_jitter_and_shrinks_when_it_is_gone() {
    let mut random = Random(5);
    let mut targets = Vec::new();
    let run = run(6_000, TICK, |counter, sent| {
        let rough = (1_000..3_000).contains(&counter);
        vec![sent + 20_000 + if rough { random.below(150_000) } else { random.below(5_000) }]
    });
    assert!(in_order(&played(&run)));
    let mut buffer = JitterBuffer::new();
    let mut random = Random(5);
    for counter in 0..6_000_u64 {
        let rough = (1_000..3_000).contains(&counter);
        let at = 1_000_000 + counter * TICK + if rough { random.below(150_000) } else { random.below(5_000) };
        buffer.push(counter, Vec::new(), at);
        buffer.pull(at, false);
        targets.push(buffer.target_delay_us());
    }
    assert_eq!(targets[999], MIN_DELAY_US);
    assert!(targets[2_999] >= 140_000, "{} µs with jitter", targets[2_999]);
    assert_eq!(targets[5_999], MIN_DELAY_US);
    // After the buffer has adapted, hardly anything is lost.
    let late_share = run.buffer.stats().late as f64 / 6_000.0;
    assert!(late_share < 0.02, "{late_share} late");
    let settled = &run.delays[5_500..];
    assert!(settled.iter().all(|delay| *delay <= 20_000 + MIN_DELAY_US + 3 * FRAME_US), "the delay did not shrink");
}

#[test]
fn bursts_are_smoothed_by_a_larger_delay() {
    // Every two seconds, packets are held back for 160 ms and arrive in a burst.
    let run = run(3_000, TICK, |counter, sent| {
        let phase = counter % 100;
        vec![if phase < 8 { sent + 20_000 + (8 - phase) * TICK } else { sent + 20_000 }]
    });
    let counters = played(&run);
    assert!(in_order(&counters));
    // Once it has adapted (here: from the tenth burst on), it plays through them.
    let missing = (1_000..2_900).filter(|counter| !counters.contains(counter)).count();
    assert!(missing <= 20, "{missing} frames missing");
    assert!(run.buffer.target_delay_us() >= 160_000);
}

#[test]
fn clock_drift_neither_fills_nor_starves_the_buffer() {
    // Receivers with 0.1 % clock drift, for five minutes: 15 frames too many or too few.
    for tick in [TICK - 20, TICK + 20] {
        let mut random = Random(9);
        let run = run(15_000, tick, |_, sent| vec![sent + 30_000 + random.below(10_000)]);
        let stats = run.buffer.stats();
        assert!(stats.lost <= 20 + u64::from(STALL_FRAMES), "{stats:?}");
        assert!(stats.late <= 20, "{stats:?}");
        let fixes = stats.held + stats.skipped;
        assert!((10..=40).contains(&fixes), "{stats:?}");
        assert!(run.delays.iter().all(|delay| (30_000..160_000).contains(delay)));
    }
}

#[test]
fn a_stalled_sender_resumes() {
    // It stops for two seconds and continues with the next counter: the transit of every later packet is two seconds longer.
    let run = run(1_000, TICK, |counter, sent| vec![sent + 20_000 + if counter < 400 { 0 } else { 2_000_000 }]);
    let counters = played(&run);
    assert!(in_order(&counters));
    // All but the packets that had not arrived at the end of the simulation.
    assert!(counters.len() >= 940, "{}", counters.len());
    let stats = run.buffer.stats();
    assert_eq!(stats.resyncs, 1);
    assert!(stats.lost < 2 * u64::from(STALL_FRAMES), "{stats:?}");
    assert!(run.buffer.target_delay_us() <= 60_000, "the stall was mistaken for jitter");
}

#[test]
fn a_network_outage_is_skipped() {
    let run =
        run(1_000, TICK, |counter, sent| if (400..600).contains(&counter) { Vec::new() } else { vec![sent + 20_000] });
    let stats = run.buffer.stats();
    assert_eq!(stats.played, 800);
    assert_eq!(stats.resyncs, 1);
    assert!(stats.lost < 2 * u64::from(STALL_FRAMES));
    assert!(run.delays.iter().all(|delay| *delay < 120_000));
}

#[test]
fn a_counter_reset_is_a_new_stream_and_a_single_stray_packet_is_not() {
    let mut buffer = JitterBuffer::new();
    let mut now = 0;
    let mut step = |buffer: &mut JitterBuffer, counter: u64| {
        buffer.push(counter, counter.to_be_bytes().to_vec(), now);
        let pull = buffer.pull(now, false);
        now += TICK;
        pull
    };
    for counter in 50_000..50_100 {
        step(&mut buffer, counter);
    }
    buffer.push(7, Vec::new(), 100 * TICK);
    buffer.push(90_000, Vec::new(), 100 * TICK);
    for counter in 50_100..50_200 {
        assert!(matches!(step(&mut buffer, counter), Pull::Packet(_)));
    }
    assert_eq!(buffer.stats().resyncs, 0);
    let pulls: Vec<Pull> = (0..50).map(|counter| step(&mut buffer, counter)).collect();
    assert_eq!(buffer.stats().resyncs, 1);
    let played_counters = pulls.iter().filter(|pull| matches!(pull, Pull::Packet(_))).count();
    assert!(played_counters >= 45, "{played_counters} of 50");
    assert!(buffer.position().unwrap() < 60);
}

#[test]
fn invariants_hold_on_arbitrary_networks() {
    // All impairments together, over many seeds; `check` runs after every tick.
    for seed in 0..200 {
        let mut random = Random(seed);
        let jitter = 1 + random.below(300_000);
        let loss = random.below(400);
        let tick = TICK - 100 + random.below(200);
        let mut outage = 0;
        let run = run(1_500, tick, |_, sent| {
            if outage == 0 && random.chance(3) {
                outage = random.below(200);
            }
            if outage > 0 {
                outage -= 1;
                return Vec::new();
            }
            let copies = if random.chance(30) { 2 } else { 1 };
            if random.chance(loss) {
                return Vec::new();
            }
            (0..copies).map(|_| sent + random.below(jitter)).collect()
        });
        let stats = run.buffer.stats();
        assert!(stats.played > 0 && stats.played <= 1_500, "seed {seed}: {stats:?}");
        assert!(in_order(&played(&run)), "seed {seed}");
    }
}

#[test]
fn extreme_counters_and_times_do_not_overflow() {
    let mut buffer = JitterBuffer::new();
    buffer.push(u64::MAX >> 20, Vec::new(), 0);
    assert_eq!(buffer.pull(0, false), Pull::NotYet);
    buffer.push(0, Vec::new(), u64::MAX >> 1);
    buffer.pull(u64::MAX >> 1, false);
    buffer.push(u64::MAX, Vec::new(), 5);
    buffer.push(u64::MAX - 1, Vec::new(), 5);
    buffer.pull(10, false);
}

/// Packets that carry a copy of the packet `age` before; `lost` decides which are lost. Returns the played counters and the
/// buffer.
fn run_with_copies(frames: u64, age: u64, mut lost: impl FnMut() -> bool) -> (Vec<u64>, JitterBuffer) {
    let (mut buffer, mut played_counters) = (JitterBuffer::new(), Vec::new());
    let mut had = std::collections::BTreeSet::new();
    for counter in 0..frames + 50 {
        let now = 1_000_000 + counter * TICK;
        if counter < frames && (counter == 0 || !lost()) {
            had.insert(counter);
            buffer.push(counter, counter.to_be_bytes().to_vec(), now);
            if counter >= age && had.insert(counter - age) {
                buffer.push_copy(counter - age, (counter - age).to_be_bytes().to_vec(), now);
            }
        }
        if let Pull::Packet(packet) = buffer.pull(now + 5_000, false) {
            played_counters.push(counter_of(&packet));
        }
        let stats = buffer.stats();
        let waiting = buffer.slots.len() as u64;
        assert_eq!(
            stats.received,
            stats.played + stats.late + stats.duplicate + stats.skipped + stats.stray + waiting,
            "{stats:?}, {waiting} waiting"
        );
    }
    (played_counters, buffer)
}

#[test]
fn the_target_delay_adapts_to_redundant_copies() {
    for age in [1, 2, 4, 6] {
        for seed in 0..20 {
            let mut random = Random(seed);
            let (played_counters, buffer) = run_with_copies(3_000, age, || random.chance(200));
            assert!(in_order(&played_counters), "age {age}, seed {seed}");
            // One frame in 25 is lost with its copy; the rest is played, except while the delay adapts.
            let stats = buffer.stats();
            assert!(
                played_counters.len() > 2_800,
                "age {age}, seed {seed}: {} played_counters, {stats:?}",
                played_counters.len()
            );
            assert!(stats.late < 40, "age {age}, seed {seed}: {stats:?}");
            assert!(buffer.target_delay_us() >= age as i64 * FRAME_US);
        }
    }
}

#[test]
fn without_losses_copies_add_no_delay() {
    let (played_counters, buffer) = run_with_copies(1_000, 3, || false);
    assert_eq!(played_counters.len(), 1_000);
    assert_eq!((buffer.target_delay_us(), buffer.stats().copies), (MIN_DELAY_US, 0));
}

#[test]
fn a_copy_neither_starts_nor_moves_a_stream() {
    let mut buffer = JitterBuffer::new();
    buffer.push_copy(5, vec![5], 0);
    assert_eq!((buffer.position(), buffer.pull(100_000, false)), (None, Pull::NotYet));
    buffer.push(1_000, vec![1], 200_000);
    buffer.push_copy(999, vec![0], 200_000);
    buffer.push_copy(90_000, vec![0], 200_000);
    buffer.push_copy(u64::MAX, vec![0], 200_000);
    assert_eq!((buffer.position(), buffer.stats().stray), (Some(1_000), 4));
}

#[test]
fn excess_delay_is_reduced_in_pauses_first() {
    // A hundred packets with jitter increase the delay; then the network is good, and the delay must shrink.
    let skips = |in_pause: bool| {
        let mut buffer = JitterBuffer::new();
        let mut random = Random(3);
        let mut skipped_at = Vec::new();
        for counter in 0..6_000_u64 {
            let at = 1_000_000 + counter * TICK + if counter < 100 { random.below(160_000) } else { 0 };
            buffer.push(counter, counter.to_be_bytes().to_vec(), at);
            let before = buffer.stats().skipped;
            buffer.pull(1_000_000 + counter * TICK + 10_000, in_pause);
            (before..buffer.stats().skipped).for_each(|_| skipped_at.push(counter));
        }
        assert!(!skipped_at.is_empty());
        skipped_at
    };
    let in_speech = skips(false);
    assert!(in_speech.windows(2).all(|pair| pair[1] - pair[0] >= u64::from(TICKS_UNTIL_SKIP_IN_SPEECH)));
    let in_pause = skips(true);
    assert!(in_pause.last() <= in_speech.last());
}
