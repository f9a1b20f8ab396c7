use super::*;
use crate::audio::opus::{Encoder, Settings};

const KEY: (u64, u32) = (3, 1);

/// Packets of a tone with varying pitch and level, so that decoded frames differ.
fn packets(count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(Settings { expected_loss: 20, ..Settings::default() }).unwrap();
    let packet = |n: usize| {
        let frame: Frame = std::array::from_fn(|i| {
            let t = (n * 960 + i) as f32 / 48_000.0;
            (9_000.0 * (2.0 * t).sin() * (std::f32::consts::TAU * (180.0 + 40.0 * (3.0 * t).sin()) * t).sin()) as i16
        });
        encoder.encode(&frame).unwrap()
    };
    (0..count).map(packet).collect()
}

/// The frames from packets of one key arriving at these times (milliseconds), polled every 20 ms.
fn reassembled(arrivals: &[(u64, usize)], packets: &[Vec<u8>]) -> Vec<TimedFrame> {
    let mut reassembler = StreamReassembler::new().unwrap();
    let mut all = Vec::new();
    let last = arrivals.iter().map(|(at, _)| *at).max().unwrap();
    let mut arrivals = arrivals.iter().peekable();
    for now in (0..last + 1_000).step_by(20) {
        while let Some((at, n)) = arrivals.next_if(|(at, _)| *at <= now) {
            reassembler.push(KEY, *n as u64, &packets[*n], *at);
        }
        all.extend(reassembler.frames(now));
    }
    all
}

fn on_time(count: usize) -> Vec<(u64, usize)> {
    (0..count).map(|n| (1_000 + 20 * n as u64, n)).collect()
}

#[test]
fn a_suspended_process_produces_the_same_audio() {
    let packets = packets(400);
    let steady = reassembled(&on_time(400), &packets);
    assert_eq!(steady.len(), 400);
    // It is suspended for up to 1.8 s, repeatedly, and then receives all that arrived meanwhile.
    let suspended_until =
        |at: u64| if at < 2_000 { at } else { at.next_multiple_of(if at < 5_000 { 300 } else { 1_800 }) };
    let bursts: Vec<_> = on_time(400).into_iter().map(|(at, n)| (suspended_until(at), n)).collect();
    let bursts = reassembled(&bursts, &packets);
    assert_eq!(bursts.len(), 400);
    for (n, (a, b)) in steady.iter().zip(&bursts).enumerate() {
        assert!(a.frame == b.frame, "frame {n} differs");
        assert!((a.at_s - (1.0 + 0.02 * n as f64)).abs() < 1e-6, "frame {n} at {}", a.at_s);
        assert_eq!(a.at_s, b.at_s, "frame {n} has another time");
    }
}

#[test]
fn packets_are_reordered_and_losses_concealed() {
    let packets = packets(200);
    let mut arrivals = on_time(200);
    // 50 arrives after 52, 60 as a copy a third of a second later; 100 and 110 to 114 are lost.
    arrivals.swap(50, 52);
    arrivals[60].0 += 350;
    arrivals.retain(|(_, n)| *n != 100 && !(110..115).contains(n));
    arrivals.sort_by_key(|(at, _)| *at);
    let (steady, frames) = (reassembled(&on_time(200), &packets), reassembled(&arrivals, &packets));
    assert_eq!(frames.len(), 200, "every loss is concealed");
    assert!(frames.windows(2).all(|pair| (pair[1].at_s - pair[0].at_s - 0.02).abs() < 1e-6));
    assert!((0..100).all(|n| frames[n].frame == steady[n].frame), "order, and the late copy");
    let level = |frame: &Frame| frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    let (was, filled) = (level(&steady[100].frame), level(&frames[100].frame));
    assert!((0.3 * was..3.0 * was).contains(&filled), "concealed from the FEC copy: {filled} for {was}");
}

#[test]
fn a_long_loss_is_left_as_a_gap() {
    let packets = packets(200);
    let mut arrivals = on_time(200);
    arrivals.retain(|(_, n)| !(80..130).contains(n));
    let frames = reassembled(&arrivals, &packets);
    assert_eq!(frames.len(), 150);
    assert!((frames[79].at_s - 2.58).abs() < 1e-6 && (frames[80].at_s - 3.6).abs() < 1e-6);
}

#[test]
fn the_wait_for_a_missing_packet_is_bounded() {
    let packets = packets(200);
    let mut reassembler = StreamReassembler::new().unwrap();
    reassembler.push(KEY, 0, &packets[0], 0);
    reassembler.push(KEY, 2, &packets[2], 40);
    assert_eq!(reassembler.frames(40 + REORDER_WINDOW_MS - 1).len(), 1);
    assert_eq!(reassembler.frames(40 + REORDER_WINDOW_MS).len(), 2);
    // A flood of packets ends the wait.
    for n in 4..4 + MAX_BUFFERED as u64 {
        reassembler.push(KEY, n, &packets[n as usize], 600);
    }
    assert_eq!(reassembler.frames(600).len(), 1 + MAX_BUFFERED);
    reassembler.push(KEY, 90, &packets[90], 700);
    assert_eq!(reassembler.finish().len(), 7, "the last packet and the concealed losses before it");
}

#[test]
fn a_reload_starts_a_new_timeline() {
    let packets = packets(120);
    let mut reassembler = StreamReassembler::new().unwrap();
    let mut frames = Vec::new();
    for n in 0..100 {
        reassembler.push(KEY, n, &packets[n as usize], 20 * n);
        frames.extend(reassembler.frames(20 * n));
    }
    for n in 0..20 {
        reassembler.push((5, 1), n, &packets[n as usize], 6_000 + 20 * n);
        frames.extend(reassembler.frames(6_000 + 20 * n));
    }
    assert_eq!(frames.len(), 120);
    assert_eq!(frames[100].at_s, 6.0);
    // A late packet under the old key does not.
    reassembler.push(KEY, 30, &packets[30], 6_500);
    assert_eq!(reassembler.frames(6_500).len(), 0);
}

#[test]
fn the_clock_of_a_suspended_sender_is_corrected_in_a_pause() {
    let mut encoder = Encoder::new(Settings::default()).unwrap();
    let silence: Vec<_> = (0..2_000).map(|_| encoder.encode(&crate::audio::frame::SILENCE).unwrap()).collect();
    // After ten seconds it sends nothing for half a second, then continues counting.
    let arrivals: Vec<_> = (0..2_000).map(|n| (20 * n as u64 + if n < 500 { 0 } else { 500 }, n)).collect();
    let frames = reassembled(&arrivals, &silence);
    assert!((frames[400].at_s - 8.0).abs() < 1e-6);
    assert!((frames[1_999].at_s - 40.48).abs() < 1e-6, "{}", frames[1_999].at_s);
}

#[test]
fn undecodable_packets_leave_gaps_and_a_stop_is_reported_once() {
    let packets = packets(10);
    let mut reassembler = StreamReassembler::new().unwrap();
    for (n, packet) in packets.iter().enumerate() {
        let nonsense = vec![0xff; 80];
        reassembler.push(KEY, n as u64, if n == 4 { &nonsense } else { packet }, 20 * n as u64);
    }
    assert_eq!(reassembler.frames(200).len(), 9);
    assert!(!reassembler.stopped(180 + STOPPED_AFTER_MS - 1));
    assert!(reassembler.stopped(180 + STOPPED_AFTER_MS));
    assert!(!reassembler.stopped(180 + STOPPED_AFTER_MS + 20));
    reassembler.push(KEY, 10, &packets[0], 5_000);
    assert!(!reassembler.stopped(5_100) && reassembler.stopped(7_000));
    reassembler.push(KEY, u64::MAX, &packets[0], 7_000);
    reassembler.push((u64::MAX, 1), 0, &packets[0], u64::MAX);
    reassembler.finish();
}

#[test]
fn arbitrary_counters_keep_memory_bounded() {
    let packets = packets(8);
    for seed in 1..400_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut reassembler = StreamReassembler::new().unwrap();
        let (mut counter, mut stream, mut now) = (random(1_000), (1, 1), 1_000);
        for _ in 0..200 {
            counter = match random(12) {
                0 => random(3).wrapping_neg(),
                1 => random(400),
                2 => counter.wrapping_add(random(600)),
                3 => counter.wrapping_sub(random(600)),
                _ => counter.wrapping_add(1),
            };
            stream.0 = if random(20) == 0 { random(5) } else { stream.0 };
            now += random(60) * random(60);
            let packet = if random(10) == 0 { &[7; 3][..] } else { &packets[random(8) as usize] };
            reassembler.push(stream, counter, packet, if random(30) == 0 { random(u64::MAX) } else { now });
            assert!(reassembler.buffered.len() < MAX_BUFFERED);
            assert!(reassembler.frames(now).len() <= 2 * MAX_BUFFERED * (MAX_CONCEALED as usize + 1));
            reassembler.stopped(now);
        }
    }
}

#[test]
fn a_counter_that_runs_too_fast_cannot_produce_more_audio_than_real_time() {
    let packets = packets(50);
    for step in [2, 11, 60, 200, 600] {
        let mut reassembler = StreamReassembler::new().unwrap();
        let (mut count, mut jumps, mut last) = (0, 0, 0.0_f64);
        for n in 0..3_000_u64 {
            reassembler.push(KEY, n * step, &packets[n as usize % 50], 20 * n);
            for frame in reassembler.frames(20 * n) {
                jumps += u32::from(frame.at_s < last || frame.at_s > last + 3.0);
                (count, last) = (count + 1, frame.at_s);
            }
        }
        assert!(count <= 3_000 + 250, "a minute of packets became {} s of audio at a step of {step}", count / 50);
        assert!(jumps <= 2 * (30 + RESTARTS as u32), "{jumps} segments were interrupted at a step of {step}");
    }
}
