use super::*;
use crate::audio::opus::{Encoder, Settings};

const KEY: (u64, u32) = (3, 1);

/// Packets of a voice that rises and falls, as a decoder tells apart.
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

/// What is heard of packets of one key that come at such times (milliseconds), looked at every 20 ms.
fn heard(arrivals: &[(u64, usize)], packets: &[Vec<u8>]) -> Vec<Heard> {
    let mut listener = Listener::new().unwrap();
    let mut all = Vec::new();
    let last = arrivals.iter().map(|(at, _)| *at).max().unwrap();
    let mut arrivals = arrivals.iter().peekable();
    for now in (0..last + 1_000).step_by(20) {
        while let Some((at, n)) = arrivals.next_if(|(at, _)| *at <= now) {
            listener.packet(KEY, *n as u64, &packets[*n], *at);
        }
        all.extend(listener.frames(now));
    }
    all
}

fn on_time(count: usize) -> Vec<(u64, usize)> {
    (0..count).map(|n| (1_000 + 20 * n as u64, n)).collect()
}

#[test]
fn a_machine_that_stands_still_hears_the_same_as_one_that_does_not() {
    let packets = packets(400);
    let steady = heard(&on_time(400), &packets);
    assert_eq!(steady.len(), 400);
    // It stands still for up to 1.8 s, again and again, and finds all that came in the meantime.
    let still = |at: u64| if at < 2_000 { at } else { at.next_multiple_of(if at < 5_000 { 300 } else { 1_800 }) };
    let bursts: Vec<_> = on_time(400).into_iter().map(|(at, n)| (still(at), n)).collect();
    let bursts = heard(&bursts, &packets);
    assert_eq!(bursts.len(), 400);
    for (n, (a, b)) in steady.iter().zip(&bursts).enumerate() {
        assert!(a.frame == b.frame, "another sound in frame {n}");
        assert!((a.at_s - (1.0 + 0.02 * n as f64)).abs() < 1e-6, "frame {n} at {}", a.at_s);
        assert_eq!(a.at_s, b.at_s, "frame {n} in another place");
    }
}

#[test]
fn order_is_restored_and_what_is_lost_is_filled_in_its_place() {
    let packets = packets(200);
    let mut arrivals = on_time(200);
    // 50 comes after 52, 60 as a copy a third of a second later, 100 and 110 to 114 never.
    arrivals.swap(50, 52);
    arrivals[60].0 += 350;
    arrivals.retain(|(_, n)| *n != 100 && !(110..115).contains(n));
    arrivals.sort_by_key(|(at, _)| *at);
    let (steady, heard) = (heard(&on_time(200), &packets), heard(&arrivals, &packets));
    assert_eq!(heard.len(), 200, "every place is filled");
    assert!(heard.windows(2).all(|pair| (pair[1].at_s - pair[0].at_s - 0.02).abs() < 1e-6));
    assert!((0..100).all(|n| heard[n].frame == steady[n].frame), "order, and a copy that was waited for");
    let level = |frame: &Frame| frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    let (was, filled) = (level(&steady[100].frame), level(&heard[100].frame));
    assert!((0.3 * was..3.0 * was).contains(&filled), "the copy in the next packet: {filled} for {was}");
}

#[test]
fn a_longer_hole_is_left_and_what_follows_is_in_its_place() {
    let packets = packets(200);
    let mut arrivals = on_time(200);
    arrivals.retain(|(_, n)| !(80..130).contains(n));
    let heard = heard(&arrivals, &packets);
    assert_eq!(heard.len(), 150);
    assert!((heard[79].at_s - 2.58).abs() < 1e-6 && (heard[80].at_s - 3.6).abs() < 1e-6);
}

#[test]
fn a_missing_packet_is_waited_for_and_not_for_ever() {
    let packets = packets(200);
    let mut listener = Listener::new().unwrap();
    listener.packet(KEY, 0, &packets[0], 0);
    listener.packet(KEY, 2, &packets[2], 40);
    assert_eq!(listener.frames(40 + PATIENCE_MS - 1).len(), 1);
    assert_eq!(listener.frames(40 + PATIENCE_MS).len(), 2);
    // Nor while packets flood in at one moment.
    for n in 4..4 + MOST_WAITING as u64 {
        listener.packet(KEY, n, &packets[n as usize], 600);
    }
    assert_eq!(listener.frames(600).len(), 1 + MOST_WAITING);
    listener.packet(KEY, 90, &packets[90], 700);
    assert_eq!(listener.finish().len(), 7, "what is left at the end, and the places before it");
}

#[test]
fn after_a_reload_a_device_is_heard_from_its_new_beginning() {
    let packets = packets(120);
    let mut listener = Listener::new().unwrap();
    let mut heard = Vec::new();
    for n in 0..100 {
        listener.packet(KEY, n, &packets[n as usize], 20 * n);
        heard.extend(listener.frames(20 * n));
    }
    for n in 0..20 {
        listener.packet((5, 1), n, &packets[n as usize], 6_000 + 20 * n);
        heard.extend(listener.frames(6_000 + 20 * n));
    }
    assert_eq!(heard.len(), 120);
    assert_eq!(heard[100].at_s, 6.0);
    // A straggler under the old key is no new beginning.
    listener.packet(KEY, 30, &packets[30], 6_500);
    assert_eq!(listener.frames(6_500).len(), 0);
}

#[test]
fn the_time_of_a_sender_that_stood_still_is_put_right_in_a_pause() {
    let mut encoder = Encoder::new(Settings::default()).unwrap();
    let silence: Vec<_> = (0..2_000).map(|_| encoder.encode(&crate::audio::frame::SILENCE).unwrap()).collect();
    // After ten seconds it sends nothing for half a second, and counts on.
    let arrivals: Vec<_> = (0..2_000).map(|n| (20 * n as u64 + if n < 500 { 0 } else { 500 }, n)).collect();
    let heard = heard(&arrivals, &silence);
    assert!((heard[400].at_s - 8.0).abs() < 1e-6);
    assert!((heard[1_999].at_s - 40.48).abs() < 1e-6, "{}", heard[1_999].at_s);
}

#[test]
fn what_is_no_sound_leaves_its_place_empty_and_a_speaker_who_stopped_is_told_once() {
    let packets = packets(10);
    let mut listener = Listener::new().unwrap();
    for (n, packet) in packets.iter().enumerate() {
        let nonsense = vec![0xff; 80];
        listener.packet(KEY, n as u64, if n == 4 { &nonsense } else { packet }, 20 * n as u64);
    }
    assert_eq!(listener.frames(200).len(), 9);
    assert!(!listener.stopped(180 + SILENT_MS - 1));
    assert!(listener.stopped(180 + SILENT_MS));
    assert!(!listener.stopped(180 + SILENT_MS + 20));
    listener.packet(KEY, 10, &packets[0], 5_000);
    assert!(!listener.stopped(5_100) && listener.stopped(7_000));
    listener.packet(KEY, u64::MAX, &packets[0], 7_000);
    listener.packet((u64::MAX, 1), 0, &packets[0], u64::MAX);
    listener.finish();
}

#[test]
fn whatever_a_member_sends_the_listener_keeps_little_and_goes_on() {
    let packets = packets(8);
    for seed in 1..400_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut listener = Listener::new().unwrap();
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
            listener.packet(stream, counter, packet, if random(30) == 0 { random(u64::MAX) } else { now });
            assert!(listener.waiting.len() < MOST_WAITING);
            assert!(listener.frames(now).len() <= 2 * MOST_WAITING * (MOST_GUESSES as usize + 1));
            listener.stopped(now);
        }
    }
}

#[test]
fn a_member_that_counts_too_fast_is_heard_no_longer_than_it_spoke() {
    let packets = packets(50);
    for step in [2, 11, 60, 200, 600] {
        let mut listener = Listener::new().unwrap();
        let (mut heard, mut jumps, mut last) = (0, 0, 0.0_f64);
        for n in 0..3_000_u64 {
            listener.packet(KEY, n * step, &packets[n as usize % 50], 20 * n);
            for frame in listener.frames(20 * n) {
                jumps += u32::from(frame.at_s < last || frame.at_s > last + 3.0);
                (heard, last) = (heard + 1, frame.at_s);
            }
        }
        assert!(heard <= 3_000 + 250, "a minute of packets became {} s of sound at a step of {step}", heard / 50);
        assert!(jumps <= 2 * (30 + RESTARTS as u32), "{jumps} passages were broken off at a step of {step}");
    }
}
