//! Attendance of speakers in a recording: how much of each one's audio was received. Speakers send continuously, silence too,
//! so a gap in the packets of one speaker is missing audio, even while others are received.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use telcon_proto::{Card, DeviceId, PersonId, Qualified, limits::FRAME_MS};

/// Longest gap that is not recorded as missing, milliseconds. Joining, and rejoining after a reload, take less.
pub(crate) const MAX_GAP_MS: u64 = 4_000;
/// Packet loss of a speaker from which the record is partial, percent: speech is intelligible below (docs/network.md).
const PARTIAL_LOSS_PERCENT: u64 = 5;
/// Fewest packets from which a loss rate is computed.
const MIN_PACKETS: u64 = 50;
/// A packet this far behind the newest, under a later key, means that the device reloaded and counts from 0 again. Redundant
/// copies are less far behind.
const RELOAD_DISTANCE: u64 = 50;
/// Consecutive lost packets that count as a gap: a second, which loses words that no redundancy recovers.
const GAP_PACKETS: u64 = 1_000 / FRAME_MS;
/// Most speakers named in the reason of a partial record.
const MAX_NAMED: usize = 4;

/// A period without packets of a speaker.
#[derive(Debug, PartialEq)]
pub(crate) struct Gap {
    /// The speaker's device.
    pub(crate) device: DeviceId,
    /// Start, milliseconds since 1970 UTC.
    pub(crate) since_ms: u64,
}

/// The attendance of all speakers of a call.
#[derive(Default)]
pub(crate) struct Attendance {
    speakers: BTreeMap<DeviceId, Speaker>,
}

/// By person.
type Heard = BTreeMap<Qualified<PersonId>, u64>;

#[derive(Default)]
struct Speaker {
    name: String,
    person: Option<Qualified<PersonId>>,
    /// Since when it is in the call; none while it is not.
    present_since_ms: Option<u64>,
    received: Option<Received>,
    missed_ms: u64,
}

/// Receive statistics of a speaker.
struct Received {
    first_ms: u64,
    last_ms: u64,
    stream: (u64, u32),
    newest: u64,
    /// How often its counter restarted.
    run: u32,
    packets: u64,
    lost: u64,
}

impl Attendance {
    /// Sets the participants, and who of them is heard. Returns the gaps of those who left.
    pub(crate) fn members(
        &mut self,
        members: &[(DeviceId, Card)],
        speakers: &[DeviceId],
        live_ms: Option<u64>,
        now_ms: u64,
    ) -> Vec<Gap> {
        let speak =
            |device: &DeviceId| members.iter().find(|(member, _)| member == device && speakers.contains(member));
        let mut gaps = Vec::new();
        let heard = self.heard();
        for (device, speaker) in &mut self.speakers {
            if speak(device).is_none() {
                gaps.extend(speaker.gap(*device, &heard, live_ms, now_ms));
                speaker.present_since_ms = None;
            }
        }
        for (device, card) in members.iter().filter(|(device, _)| speakers.contains(device)) {
            let speaker = self.speakers.entry(*device).or_default();
            speaker.name.clone_from(&card.name);
            speaker.person = Some(card.qualified());
            speaker.present_since_ms.get_or_insert(now_ms);
        }
        gaps
    }

    /// A packet arrived, with the epoch and leaf of its key and its authenticated frame counter. Returns the run of the counter
    /// that it belongs to, and the gap before it.
    pub(crate) fn packet(
        &mut self,
        device: DeviceId,
        stream: (u64, u32),
        counter: u64,
        live_ms: Option<u64>,
        now_ms: u64,
    ) -> (u32, Option<Gap>) {
        let heard = self.heard();
        let speaker = self.speakers.entry(device).or_default();
        let outage = speaker.gap(device, &heard, live_ms, now_ms);
        let received = speaker.received.get_or_insert(Received {
            first_ms: now_ms,
            last_ms: now_ms,
            stream,
            newest: counter.saturating_sub(1),
            run: 0,
            packets: 0,
            lost: 0,
        });
        let missing = received.packet(stream, counter, now_ms);
        let run = received.run;
        (run, outage.or_else(|| speaker.loss_gap(device, missing, live_ms, now_ms)))
    }

    /// The call ended. Returns the gaps of its participants.
    pub(crate) fn over(&mut self, live_ms: Option<u64>, now_ms: u64) -> Vec<Gap> {
        let heard = self.heard();
        self.speakers.iter_mut().filter_map(|(device, speaker)| speaker.gap(*device, &heard, live_ms, now_ms)).collect()
    }

    /// Whether there are speakers in the call, and nothing is received from any of them.
    pub(crate) fn receives_nothing(&self, live_ms: Option<u64>, now_ms: u64) -> bool {
        let mut present = self.speakers.values().filter(|speaker| speaker.present_since_ms.is_some()).peekable();
        let heard = self.heard();
        present.peek().is_some() && present.all(|speaker| speaker.missing_since(&heard, live_ms, now_ms).is_some())
    }

    /// When a packet of each person last came, from whichever of their devices: while somebody continues a call on another device, one
    /// of the two is silent, and nothing of the person is missing.
    fn heard(&self) -> Heard {
        let mut heard = Heard::new();
        for speaker in self.speakers.values() {
            if let (Some(person), Some(received)) = (&speaker.person, &speaker.received) {
                let last = heard.entry(person.clone()).or_insert(received.last_ms);
                *last = received.last_ms.max(*last);
            }
        }
        heard
    }

    /// Removes a gap that is recorded as an outage of all speakers.
    pub(crate) fn excuse(&mut self, gap: &Gap, now_ms: u64) {
        if let Some(speaker) = self.speakers.get_mut(&gap.device) {
            speaker.missed_ms = speaker.missed_ms.saturating_sub(now_ms.saturating_sub(gap.since_ms));
        }
    }

    /// The name of a speaker.
    pub(crate) fn name(&self, device: DeviceId) -> String {
        self.speakers.get(&device).map(|speaker| speaker.name.clone()).unwrap_or_default()
    }

    /// Why the record is partial, if it is.
    pub(crate) fn lacks(&self) -> Option<String> {
        let name = |speaker: &Speaker| match speaker.name.as_str() {
            "" => "a speaker".to_owned(),
            name => name.to_owned(),
        };
        let missed = self.speakers.values().filter(|speaker| speaker.missed_ms > 0);
        let missed = missed.map(|one| format!("no audio from {} for {} s", name(one), one.missed_ms.div_ceil(1000)));
        let lost =
            self.speakers.values().filter(|one| one.missed_ms == 0 && one.percent_lost() >= PARTIAL_LOSS_PERCENT);
        let lost = lost.map(|one| format!("only {} % of the audio from {}", 100 - one.percent_lost(), name(one)));
        let mut all: Vec<String> = missed.chain(lost).collect();
        if all.len() > MAX_NAMED {
            all.truncate(MAX_NAMED);
            all.push("incomplete audio from others".to_owned());
        }
        (!all.is_empty()).then(|| format!("the note-taker received {}", all.join(" and ")))
    }

    /// Statistics for the record's events.
    pub(crate) fn statistics(&self) -> Vec<Value> {
        let one = |(device, speaker): (&DeviceId, &Speaker)| {
            let (packets, lost) =
                speaker.received.as_ref().map_or((0, 0), |received| (received.packets, received.lost()));
            json!({ "from": device, "packets": packets, "lost": lost, "missed_ms": speaker.missed_ms })
        };
        self.speakers.iter().map(one).collect()
    }
}

impl Speaker {
    /// Since when nothing was received, if for longer than [`MAX_GAP_MS`].
    fn missing_since(&self, heard: &Heard, live_ms: Option<u64>, now_ms: u64) -> Option<u64> {
        let own_ms = self.received.as_ref().map_or(0, |received| received.last_ms);
        let heard_ms =
            self.person.as_ref().and_then(|person| heard.get(person)).map_or(own_ms, |last| own_ms.max(*last));
        let since = live_ms?.max(self.present_since_ms?).max(heard_ms);
        (now_ms.saturating_sub(since) > MAX_GAP_MS).then_some(since)
    }

    fn gap(&mut self, device: DeviceId, heard: &Heard, live_ms: Option<u64>, now_ms: u64) -> Option<Gap> {
        let since_ms = self.missing_since(heard, live_ms, now_ms)?;
        self.missed_ms += now_ms - since_ms;
        Some(Gap { device, since_ms })
    }

    /// The period of the `missing` packets before the current one, if it is long. A counter that runs too fast makes no gap.
    fn loss_gap(&mut self, device: DeviceId, missing: u64, live_ms: Option<u64>, now_ms: u64) -> Option<Gap> {
        let received = self.received.as_mut()?;
        let present_ms = now_ms.saturating_sub(live_ms?.max(self.present_since_ms?));
        // Nothing is missing from the time before it joined the call.
        let missing = missing.min(received.lost());
        let missed = missing.min(present_ms / FRAME_MS);
        received.lost -= missing - missed;
        let gap = Gap { device, since_ms: now_ms - missed * FRAME_MS };
        self.missed_ms += if missed >= GAP_PACKETS { missed * FRAME_MS } else { 0 };
        (missed >= GAP_PACKETS).then_some(gap)
    }

    fn percent_lost(&self) -> u64 {
        let Some(received) = &self.received else { return 0 };
        let all = received.packets + received.lost();
        if all < MIN_PACKETS { 0 } else { received.lost() * 100 / all }
    }
}

impl Received {
    /// Returns how many packets are missing between the newest one before and this one.
    fn packet(&mut self, stream: (u64, u32), counter: u64, now_ms: u64) -> u64 {
        let mut missing = 0;
        self.packets += 1;
        self.last_ms = self.last_ms.max(now_ms);
        if counter > self.newest {
            missing = counter - self.newest - 1;
            self.lost = self.lost.saturating_add(missing);
        } else if stream > self.stream && self.newest - counter > RELOAD_DISTANCE {
            self.run += 1;
        } else {
            // Late, or a redundant copy.
            self.lost = self.lost.saturating_sub(1);
            return 0;
        }
        (self.newest, self.stream) = (counter, self.stream.max(stream));
        missing
    }

    /// Lost packets: by the counters, but no more than there was time for, so that a counter that runs too fast loses nothing.
    fn lost(&self) -> u64 {
        let time_for = (self.last_ms - self.first_ms) / FRAME_MS + 1;
        self.lost.min(time_for.saturating_sub(self.packets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_proto::{PersonId, Role};

    const A: DeviceId = DeviceId::from_bytes([1; 16]);
    const B: DeviceId = DeviceId::from_bytes([2; 16]);
    const KEY: (u64, u32) = (2, 0);

    fn speakers(members: &[(DeviceId, Card)]) -> Vec<DeviceId> {
        members.iter().filter(|(_, card)| card.role.speaks()).map(|(device, _)| *device).collect()
    }

    fn members() -> Vec<(DeviceId, Card)> {
        let card = |n: u8, name: &str, role| Card {
            person: PersonId::from_bytes([n; 16]),
            name: name.into(),
            office: telcon_proto::OfficeName::parse("office.example").unwrap(),
            organisation: "Office".into(),
            role,
            zone: "UTC".into(),
            place: false,
        };
        let desk = DeviceId::from_bytes([3; 16]);
        vec![
            (A, card(1, "A", Role::Principal)),
            (B, card(2, "B", Role::Counterpart)),
            (desk, card(3, "Desk", Role::DutyOfficer)),
        ]
    }

    /// A call of some seconds that is live from the start; `arrival` returns the counter received from a device per frame.
    fn call(seconds: u64, arrival: impl Fn(DeviceId, u64) -> Option<u64>) -> Attendance {
        let mut attendance = Attendance::default();
        attendance.members(&members(), &speakers(&members()), None, 0);
        for frame in 0..seconds * 50 {
            for device in [A, B] {
                if let Some(counter) = arrival(device, frame) {
                    attendance.packet(device, KEY, counter, Some(0), 20 * frame);
                }
            }
        }
        attendance.over(Some(0), seconds * 1_000);
        attendance
    }

    #[test]
    fn a_gap_of_one_speaker_is_detected_while_others_are_received() {
        assert_eq!(call(30, |_, frame| Some(frame)).lacks(), None);
        let in_gap = |frame: u64| (500..800).contains(&frame);
        let lacks = call(30, |device, frame| (device == B || !in_gap(frame)).then_some(frame)).lacks();
        assert_eq!(lacks.as_deref(), Some("the note-taker received no audio from A for 7 s"));
        let lacks = call(30, |device, frame| (device == A).then_some(frame)).lacks();
        assert_eq!(lacks.as_deref(), Some("the note-taker received no audio from B for 30 s"), "nothing at all");
        let lacks = call(30, |device, frame| (device == A || frame < 1_200).then_some(frame)).lacks();
        assert_eq!(lacks.as_deref(), Some("the note-taker received no audio from B for 7 s"), "to the end");
    }

    #[test]
    fn a_speaker_who_continues_on_another_device_misses_nothing() {
        let desk = DeviceId::from_bytes([9; 16]);
        let mut members = members();
        members.push((desk, members[0].1.clone()));
        let mut attendance = Attendance::default();
        let call = |attendance: &mut Attendance, who: &[(DeviceId, Card)], now_ms| {
            attendance.members(who, &[A, B, desk], Some(0), now_ms)
        };
        // Ten seconds on the phone, five of them with the desk there but silent; then on the desk, with the phone there for as long.
        let phases: [(&[DeviceId], &[DeviceId]); 4] =
            [(&[A, B], &[A, B]), (&[A, B, desk], &[A, B]), (&[A, B, desk], &[B, desk]), (&[B, desk], &[B, desk])];
        let mut gaps = Vec::new();
        for (n, (present, heard)) in phases.into_iter().enumerate() {
            let start = n as u64 * 250;
            let who: Vec<_> = members.iter().filter(|(device, _)| present.contains(device)).cloned().collect();
            gaps.extend(call(&mut attendance, &who, 20 * start));
            for frame in start..start + 250 {
                for device in heard {
                    let counter = if *device == desk { frame - 500 } else { frame };
                    gaps.extend(attendance.packet(*device, KEY, counter, Some(0), 20 * frame).1);
                }
            }
        }
        gaps.extend(attendance.over(Some(0), 20_000));
        assert_eq!((gaps, attendance.lacks()), (vec![], None));
        // Seven seconds without sound from either device are a gap.
        assert!(!attendance.over(Some(0), 27_000).is_empty());
    }

    #[test]
    fn shorter_gaps_count_as_packet_loss() {
        // Eight tenths of every three seconds.
        let lacks = call(60, |device, frame| (device == B || frame % 150 > 40).then_some(frame)).lacks();
        assert_eq!(lacks.as_deref(), Some("the note-taker received only 74 % of the audio from A"));
        assert_eq!(call(60, |_, frame| (frame % 50 > 0).then_some(frame)).lacks(), None, "two in a hundred");
    }

    #[test]
    fn a_loss_of_seconds_is_a_gap_even_if_packets_resume_at_once() {
        // As for a note-taker that was suspended for three seconds of two minutes, and whose socket buffered the first of them.
        let received = |frame: u64| !(1_010..1_150).contains(&frame);
        let mut attendance = Attendance::default();
        attendance.members(&members(), &speakers(&members()), None, 0);
        let mut gaps = Vec::new();
        for frame in (0..6_000).filter(|frame| received(*frame)) {
            let now_ms = 20 * if (1_000..1_150).contains(&frame) { 1_150 } else { frame };
            for device in [A, B] {
                gaps.extend(attendance.packet(device, KEY, frame, Some(0), now_ms).1);
            }
        }
        let gap = |device| Gap { device, since_ms: 20_200 };
        assert_eq!(gaps, [gap(A), gap(B)]);
        let lacks = "the note-taker received no audio from A for 3 s and no audio from B for 3 s";
        assert_eq!(attendance.lacks().as_deref(), Some(lacks));
    }

    #[test]
    fn the_time_before_rejoining_is_no_gap() {
        let mut attendance = call(10, |_, frame| Some(frame));
        attendance.members(&members()[1..], &speakers(&members()), Some(0), 10_000);
        attendance.members(&members(), &speakers(&members()), Some(0), 13_000);
        assert_eq!(attendance.packet(A, KEY, 655, Some(0), 13_100), (0, None));
        assert_eq!(attendance.lacks(), None);
    }

    #[test]
    fn a_counter_that_runs_too_fast_has_no_loss() {
        let attendance = call(30, |_, frame| Some(11 * frame));
        assert_eq!((attendance.lacks(), attendance.statistics()[0]["lost"].as_u64()), (None, Some(0)));
        let attendance = call(30, |_, frame| Some(if frame > 700 { u64::MAX - 2_000 + frame } else { frame }));
        assert_eq!(attendance.lacks(), None);
    }

    #[test]
    fn redundant_copies_repair_losses_and_a_reload_is_another_run() {
        let mut attendance = Attendance::default();
        let mut run = |stream, counters: &[u64], at_ms: u64| {
            let mut runs = Vec::new();
            for (n, counter) in counters.iter().enumerate() {
                runs.push(attendance.packet(A, stream, *counter, Some(0), at_ms + 20 * n as u64).0);
            }
            (runs.last().copied(), attendance.speakers[&A].received.as_ref().unwrap().lost)
        };
        assert_eq!(run(KEY, &[7, 8, 11, 10, 9, 12], 0), (Some(0), 0));
        assert_eq!(run(KEY, &[16], 120), (Some(0), 3));
        assert_eq!(run(KEY, &[400], 8_000), (Some(0), 386), "a jump under one key is loss");
        assert_eq!(run((3, 0), &[399], 8_020), (Some(0), 385), "a copy, under the key after");
        assert_eq!(run((4, 0), &[0, 1, 2], 9_000), (Some(1), 385));
    }

    #[test]
    fn a_speaker_who_left_has_no_gap_and_one_who_rejoins_has() {
        let mut attendance = call(10, |_, frame| Some(frame));
        let all = members();
        assert_eq!(attendance.members(&all[..1], &speakers(&all), Some(0), 10_000), []);
        for frame in 500..1_000 {
            attendance.packet(A, KEY, frame, Some(0), 20 * frame);
        }
        assert!(!attendance.receives_nothing(Some(0), 20_000));
        assert_eq!(attendance.members(&all, &speakers(&all), Some(0), 20_000), []);
        assert_eq!(attendance.lacks(), None);
        assert_eq!(attendance.over(Some(0), 26_000).len(), 2);
        assert_eq!(
            attendance.lacks().as_deref(),
            Some("the note-taker received no audio from A for 7 s and no audio from B for 6 s")
        );
        assert!(attendance.receives_nothing(Some(0), 26_000) && !attendance.receives_nothing(None, 26_000));
    }
}
