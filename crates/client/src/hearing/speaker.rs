//! One speaker's stream on its way to the recogniser: which passages to hear, and when.
//!
//! Utterances are gathered into *groups* of up to 25 s, because a recogniser hears a word better in its sentence. A
//! group ends when its speaker has been silent for a while, or is full; it is cut in pauses only. Until it ends, its newest
//! *part*, a few seconds, is heard again and again as it grows, for captions: hearing all of it would take too long.

use super::vad::{Edge, SpeechFinder, seconds};
use crate::audio::frame::Frame;
use crate::audio::rate::{Downsampler, HEARING_FRAME, HEARING_RATE};

/// Silence that ends a group.
pub const END_SILENCE_S: f64 = 1.2;
/// Length from which on a group is ended at its last pause, even in mid-speech: the model hears 30 s at a time.
pub const FULL_S: f64 = 25.0;
/// Pause that a full group may be cut in.
pub const CUT_PAUSE_S: f64 = 0.5;
/// Length at which a group without any such pause is cut at its longest pause, or its quietest moment.
const OVERFULL_S: f64 = 28.5;
/// A forced cut is looked for in this much of the group's end, so that the group before it is long.
const FORCED_CUT_S: f64 = 8.0;
/// New sound that makes another provisional pass worth while. With the pass itself this keeps captions within 3 s.
pub const PASS_EVERY_S: f64 = 1.5;
/// Length from which on a part is ended at a pause, and at which it is ended wherever it is.
const PART_S: f64 = 4.0;
const LONGEST_PART_S: f64 = 9.0;
/// Speech that a group must have for a provisional pass (and any pass): less is a cough or a click.
const PROVISIONAL_SPEECH_S: f64 = 0.6;
const LEAST_SPEECH_S: f64 = 0.15;
/// Sound that is taken along before and after speech: soft sounds, and room for the model to see a beginning.
const MARGIN_S: f64 = 0.3;
/// A step in the stream's time that is taken for the caller's rounding, and the longest that is filled with silence.
const TIME_SLACK_S: f64 = 0.1;
const FILL_S: f64 = 3.0;

/// A passage for the recogniser.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// Number of the group within its speaker's stream.
    pub group: u64,
    /// Which part of the group it is, from 0; of a final passage 0, for it is the whole group.
    pub part: u32,
    /// Whether the group ends here: its last and best pass.
    pub is_final: bool,
    /// Where the passage begins and ends, in seconds of the call.
    pub start_s: f64,
    /// See `start_s`.
    pub end_s: f64,
    /// Where speech was found, in seconds from the start of the passage.
    pub speech: Vec<(f64, f64)>,
    /// The sound, 16 kHz.
    pub sound: Vec<f32>,
}

/// Cuts one speaker's stream into passages.
pub struct SpeakerStream {
    down: Downsampler,
    finder: SpeechFinder,
    /// Time in the call of sample 0.
    origin_s: f64,
    started: bool,
    /// Sound from sample `kept_from` on.
    kept: Vec<f32>,
    kept_from: u64,
    /// Spans of speech of the group that is open, as samples; the last may have no end yet.
    spans: Vec<(u64, Option<u64>)>,
    group: u64,
    /// The part of the open group that is heard for captions, and the sample it begins at.
    part: u32,
    part_from: u64,
    /// Sample up to which the open group was last heard.
    heard_to: u64,
}

impl SpeakerStream {
    /// A stream that has not begun.
    pub fn new() -> Self {
        Self {
            down: Downsampler::new(),
            finder: SpeechFinder::new(),
            origin_s: 0.0,
            started: false,
            kept: Vec::new(),
            kept_from: 0,
            spans: Vec::new(),
            group: 0,
            part: 0,
            part_from: 0,
            heard_to: 0,
        }
    }

    /// Takes 20 ms that began at `at_s` seconds of the call, and gives the passages that are now to be heard.
    pub fn push(&mut self, frame: &Frame, at_s: f64) -> Vec<Passage> {
        let mut passages = Vec::new();
        let gap = at_s - self.time(self.end());
        if self.started && (TIME_SLACK_S..FILL_S).contains(&gap) {
            let missing = (gap * f64::from(HEARING_RATE)) as usize / HEARING_FRAME;
            for _ in 0..missing {
                self.hear(&[0.0; HEARING_FRAME]);
            }
        } else if !self.started || gap.abs() >= TIME_SLACK_S {
            passages.extend(self.finish());
            let group = self.group;
            *self = Self { origin_s: at_s, started: true, group, ..Self::new() };
        }
        let sound = self.down.push(frame);
        self.hear(&sound);
        passages.extend(self.due());
        passages
    }

    /// Ends the stream: what is open is to be heard now. It may begin again, at any time of the call.
    pub fn finish(&mut self) -> Option<Passage> {
        self.started = false;
        if let Some(Edge::End(end)) = self.finder.finish() {
            self.close_span(end);
        }
        self.end_group(self.spans.len())
    }

    fn hear(&mut self, sound: &[f32]) {
        self.kept.extend_from_slice(sound);
        for edge in self.finder.push(sound) {
            match edge {
                Edge::Begin(begin) => self.spans.push((begin, None)),
                Edge::End(end) => self.close_span(end),
            }
        }
    }

    fn close_span(&mut self, end: u64) {
        if let Some(last) = self.spans.last_mut() {
            last.1 = Some(end.max(last.0));
        }
    }

    /// What is to be heard at this moment, if anything.
    fn due(&mut self) -> Option<Passage> {
        let now = self.end();
        let (first, last) = match (self.spans.first(), self.spans.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => {
                self.forget(now.saturating_sub(samples(2.0 * MARGIN_S)));
                return None;
            }
        };
        if let Some(end) = last.1
            && now - end >= samples(END_SILENCE_S)
        {
            return self.end_group(self.spans.len());
        }
        let length = seconds(now - first.0);
        if length >= FULL_S
            && let Some(count) = self.last_pause(CUT_PAUSE_S)
        {
            return self.end_group(count);
        }
        if length >= OVERFULL_S {
            return self.force_cut();
        }
        self.provisional(last)
    }

    /// The part that is to be heard for captions at this moment, if any.
    fn provisional(&mut self, last: (u64, Option<u64>)) -> Option<Passage> {
        let now = self.end();
        let new = last.1.is_none_or(|end| end > self.heard_to);
        let from = self.part_from.max(self.spans[0].0);
        let length = seconds(now - from);
        let paused = last.1.is_some();
        let ends = length >= LONGEST_PART_S || (paused && length >= PART_S);
        let spans: Vec<(u64, u64)> = self
            .spans
            .iter()
            .map(|(begin, end)| ((*begin).max(from), end.unwrap_or(now)))
            .filter(|(begin, end)| end > begin)
            .collect();
        let speech: f64 = spans.iter().map(|(begin, end)| seconds(end - begin)).sum();
        let waited = now - self.heard_to.max(from) >= samples(PASS_EVERY_S);
        // In a pause at once: the last words of a sentence are not to wait for its final pass.
        let passage = (new && speech >= PROVISIONAL_SPEECH_S && (waited || paused || ends)).then(|| {
            let begin = spans[0].0.saturating_sub(samples(MARGIN_S)).max(self.part_from).max(self.kept_from);
            self.passage(begin, now, &spans, false)
        });
        if passage.is_some() {
            self.heard_to = now;
        }
        if ends && (passage.is_some() || !new) {
            self.part += 1;
            self.part_from = now;
        }
        passage
    }

    /// How many spans lie before the last pause of at least `least_s`.
    fn last_pause(&self, least_s: f64) -> Option<usize> {
        let long = |pair: &[(u64, Option<u64>)]| {
            pair[0].1.is_some_and(|end| pair[1].0.saturating_sub(end) >= samples(least_s))
        };
        if let Some((_, Some(end))) = self.spans.last()
            && self.end() - end >= samples(least_s)
        {
            return Some(self.spans.len());
        }
        self.spans.windows(2).rposition(long).map(|i| i + 1)
    }

    /// Somebody speaks for half a minute without a pause: cuts at the longest one there is near the end, or at the
    /// quietest tenth of a second.
    fn force_cut(&mut self) -> Option<Passage> {
        let now = self.end();
        let earliest = now.saturating_sub(samples(FORCED_CUT_S));
        let pause = |i: &usize| {
            let end = self.spans[*i].1.unwrap_or(now);
            if end < earliest { 0 } else { self.spans[i + 1].0.saturating_sub(end) }
        };
        let longest = (0..self.spans.len().saturating_sub(1)).max_by_key(pause).filter(|i| pause(i) > 0);
        if let Some(i) = longest {
            return self.end_group(i + 1);
        }
        let from = (earliest.max(self.kept_from) - self.kept_from) as usize;
        let tenth = samples(0.1) as usize;
        let loudness = |chunk: &[f32]| chunk.iter().map(|sample| sample * sample).sum::<f32>();
        let quietest = self.kept[from..]
            .chunks_exact(tenth)
            .enumerate()
            .min_by(|a, b| loudness(a.1).total_cmp(&loudness(b.1)))
            .map_or(0, |(i, _)| i);
        let at = self.kept_from + (from + quietest * tenth + tenth / 2) as u64;
        let (begin, end) = self.spans.pop()?;
        self.spans.push((begin, Some(at.max(begin))));
        self.spans.push((at.max(begin), end));
        self.end_group(self.spans.len() - 1)
    }

    /// Ends the group after `count` spans; what comes after them opens the next.
    fn end_group(&mut self, count: usize) -> Option<Passage> {
        if count == 0 {
            return None;
        }
        let now = self.end();
        let spans: Vec<(u64, u64)> =
            self.spans[..count].iter().map(|(begin, end)| (*begin, end.unwrap_or(now))).collect();
        let speech: f64 = spans.iter().map(|(begin, end)| seconds(end - begin)).sum();
        let end = spans[count - 1].1;
        let passage = (speech >= LEAST_SPEECH_S).then(|| {
            let begin = spans[0].0.saturating_sub(samples(MARGIN_S)).max(self.kept_from);
            // Not into the next span: its words belong to the next group.
            let limit = self.spans.get(count).map_or(now, |next| next.0.max(end));
            self.passage(begin, (end + samples(MARGIN_S)).min(limit), &spans, true)
        });
        self.spans.drain(..count);
        self.group += 1;
        (self.part, self.part_from, self.heard_to) = (0, end, end);
        self.forget(end);
        passage
    }

    fn passage(&self, begin: u64, end: u64, spans: &[(u64, u64)], is_final: bool) -> Passage {
        let place = |sample: u64| seconds(sample.saturating_sub(begin));
        Passage {
            group: self.group,
            part: if is_final { 0 } else { self.part },
            is_final,
            start_s: self.time(begin),
            end_s: self.time(end),
            speech: spans.iter().map(|(begin, end)| (place(*begin), place(*end))).collect(),
            sound: self.kept[(begin - self.kept_from) as usize..(end - self.kept_from) as usize].to_vec(),
        }
    }

    /// Drops sound before `sample`, when there is enough of it to be worth the move.
    fn forget(&mut self, sample: u64) {
        let keep = sample.saturating_sub(samples(MARGIN_S)).min(self.end());
        let drop = keep.saturating_sub(self.kept_from);
        if drop >= u64::from(HEARING_RATE) {
            self.kept.drain(..drop as usize);
            self.kept_from = keep;
        }
    }

    /// Number of the sample that comes next.
    fn end(&self) -> u64 {
        self.kept_from + self.kept.len() as u64
    }

    /// Time in the call of a sample.
    fn time(&self, sample: u64) -> f64 {
        self.origin_s + seconds(sample)
    }
}

impl Default for SpeakerStream {
    fn default() -> Self {
        Self::new()
    }
}

fn samples(seconds: f64) -> u64 {
    (seconds * f64::from(HEARING_RATE)) as u64
}

#[cfg(test)]
#[path = "speaker_tests.rs"]
mod tests;
