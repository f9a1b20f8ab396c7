//! Cuts one speaker's stream into segments for the recognizer.
//!
//! Utterances are collected into *groups* of up to 25 s, because recognition is more accurate with context. A group ends
//! after a silence, or at a pause once it is full. Until then its newest *part*, a few seconds, is recognized repeatedly
//! as it grows, for provisional captions: recognizing the whole group each time would take too long.

use super::onset::OnsetDetector;
use super::vad::{Boundary, SpeechDetector, seconds};
use crate::audio::frame::Frame;
use crate::audio::resample::{ASR_FRAME_SAMPLES, ASR_SAMPLE_RATE, Downsampler};

/// Silence that ends a group.
pub const END_SILENCE_S: f64 = 1.2;
/// Length at which a group ends at its last pause, even in mid-speech: the model's input is 30 s.
pub const FULL_S: f64 = 25.0;
/// Shortest pause at which a full group is cut.
pub const CUT_PAUSE_S: f64 = 0.5;
/// Length at which a group without such a pause is cut at its longest pause or its quietest moment.
const OVERFULL_S: f64 = 28.5;
/// A forced cut is made within this time before the end of the group, so that the group stays long.
const FORCED_CUT_S: f64 = 8.0;
/// New audio that triggers another provisional pass. Together with the pass itself this keeps caption latency below 3 s.
pub const PASS_INTERVAL_S: f64 = 1.5;
/// Length from which a part ends at the next pause, and at which it ends in any case.
const PART_S: f64 = 4.0;
const MAX_PART_S: f64 = 9.0;
/// Least speech for a provisional pass, and for any pass: less is a cough or a click.
const MIN_PROVISIONAL_SPEECH_S: f64 = 0.6;
const MIN_SPEECH_S: f64 = 0.15;
/// Audio included before and after speech: it contains soft sounds, and gives the model context.
const MARGIN_S: f64 = 0.3;
/// A time step below the first is a rounding error of the caller; one below the second is filled with silence.
const TIME_TOLERANCE_S: f64 = 0.1;
const MAX_FILL_S: f64 = 3.0;

/// Speech that begins this soon after a cut, or ends this soon before one, may be cut within a word.
const CUT_TOLERANCE_S: f64 = 0.25;
/// Most cuts that are remembered. Each is a gap of at least 0.1 s in what is buffered, half a minute.
const MAX_CUTS: usize = 300;

/// A segment of speech for the recognizer.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeechSegment {
    /// Number of the group within the speaker's stream.
    pub group: u64,
    /// Number of the part within the group, from 0. A final segment is the whole group and has part 0.
    pub part: u32,
    /// Whether this is the group's final pass, with the best effort.
    pub is_final: bool,
    /// Start, seconds since the start of the call.
    pub start_s: f64,
    /// End, seconds since the start of the call.
    pub end_s: f64,
    /// Spans of detected speech, seconds from the start of the segment.
    pub speech: Vec<(f64, f64)>,
    /// Where speech may begin within a word, because what was said before is missing: seconds from the start of the segment,
    /// in order. Causes are joining in mid-speech, the end of muting, a gap, and a cut without a pause.
    pub cut_beginnings: Vec<f64>,
    /// Whether the segment may end within a word.
    pub cut_end: bool,
    /// The samples, 16 kHz.
    pub samples: Vec<f32>,
}

/// Cuts one speaker's stream into segments.
pub struct Segmenter {
    down: Downsampler,
    detector: SpeechDetector,
    /// Call time of sample 0, seconds.
    origin_s: f64,
    started: bool,
    /// Samples from number `buffer_start` on.
    buffer: Vec<f32>,
    buffer_start: u64,
    /// Speech spans of the open group, as sample numbers; the last may be open-ended.
    spans: Vec<(u64, Option<u64>)>,
    group: u64,
    /// The current part of the open group, and its first sample.
    part: u32,
    part_start: u64,
    /// Sample up to which the open group was last submitted.
    submitted_to: u64,
    /// Samples before which sound is missing, or was muted.
    cuts: Vec<u64>,
    /// Those of them before which nothing was received, so that there is only silence that was filled in.
    gaps: Vec<u64>,
    onset: OnsetDetector,
    /// The stream ended in mid-speech.
    cut_short: bool,
}

impl Segmenter {
    /// A segmenter before the first frame.
    pub fn new() -> Self {
        Self {
            down: Downsampler::new(),
            detector: SpeechDetector::new(),
            origin_s: 0.0,
            started: false,
            buffer: Vec::new(),
            buffer_start: 0,
            spans: Vec::new(),
            group: 0,
            part: 0,
            part_start: 0,
            submitted_to: 0,
            cuts: vec![0],
            gaps: vec![0],
            onset: OnsetDetector::default(),
            cut_short: false,
        }
    }

    /// Adds 20 ms that start at `at_s` seconds of the call; returns the segments that are due for recognition.
    pub fn push(&mut self, frame: &Frame, at_s: f64) -> Vec<SpeechSegment> {
        let mut segments = Vec::new();
        let gap = at_s - self.time(self.end());
        if self.started && (TIME_TOLERANCE_S..MAX_FILL_S).contains(&gap) {
            let missing = (gap * f64::from(ASR_SAMPLE_RATE)) as usize / ASR_FRAME_SAMPLES;
            for _ in 0..missing {
                self.append(&[0.0; ASR_FRAME_SAMPLES]);
            }
            self.add_cut(self.end());
            self.gaps.push(self.end());
        } else if !self.started || gap.abs() >= TIME_TOLERANCE_S {
            segments.extend(self.finish());
            let group = self.group;
            *self = Self { origin_s: at_s, started: true, group, ..Self::new() };
        }
        let samples = self.down.push(frame);
        self.append(&samples);
        segments.extend(self.due());
        segments
    }

    /// Ends the stream and returns its open group. The stream may be restarted at any time of the call.
    pub fn finish(&mut self) -> Option<SpeechSegment> {
        self.started = false;
        self.cut_short = self.detector.speaking();
        if let Some(Boundary::End(end)) = self.detector.finish() {
            self.close_span(end);
        }
        self.end_group(self.spans.len())
    }

    /// Call time before which everything that was pushed is in a final segment or is no speech.
    pub fn settled_s(&self) -> f64 {
        self.time(self.spans.first().map_or(self.end(), |(begin, _)| begin.saturating_sub(samples(MARGIN_S))))
    }

    fn add_cut(&mut self, sample: u64) {
        if self.cuts.len() < MAX_CUTS {
            self.cuts.push(sample);
        }
    }

    fn append(&mut self, samples: &[f32]) {
        if let Some(onset) = self.onset.push(samples) {
            self.add_cut(self.end().saturating_sub(onset));
        }
        self.buffer.extend_from_slice(samples);
        for boundary in self.detector.push(samples) {
            match boundary {
                Boundary::Start(start) => self.spans.push((start, None)),
                Boundary::End(end) => self.close_span(end),
            }
        }
    }

    fn close_span(&mut self, end: u64) {
        if let Some(last) = self.spans.last_mut() {
            last.1 = Some(end.max(last.0));
        }
    }

    /// The segment that is due now, if any.
    fn due(&mut self) -> Option<SpeechSegment> {
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

    /// The provisional segment that is due now, if any.
    fn provisional(&mut self, last: (u64, Option<u64>)) -> Option<SpeechSegment> {
        let now = self.end();
        let new = last.1.is_none_or(|end| end > self.submitted_to);
        let from = self.part_start.max(self.spans[0].0);
        let length = seconds(now - from);
        let paused = last.1.is_some();
        let ends = length >= MAX_PART_S || (paused && length >= PART_S);
        let spans: Vec<(u64, u64)> = self
            .spans
            .iter()
            .map(|(begin, end)| ((*begin).max(from), end.unwrap_or(now)))
            .filter(|(begin, end)| end > begin)
            .collect();
        let speech: f64 = spans.iter().map(|(begin, end)| seconds(end - begin)).sum();
        let waited = now - self.submitted_to.max(from) >= samples(PASS_INTERVAL_S);
        // In a pause without delay, so that the last words of a sentence do not wait for the final pass.
        let segment = (new && speech >= MIN_PROVISIONAL_SPEECH_S && (waited || paused || ends)).then(|| {
            let begin = spans[0].0.saturating_sub(samples(MARGIN_S)).max(self.part_start).max(self.buffer_start);
            self.segment(begin, now, &spans, false)
        });
        if segment.is_some() {
            self.submitted_to = now;
        }
        if ends && (segment.is_some() || !new) {
            self.part += 1;
            self.part_start = now;
        }
        segment
    }

    /// The number of spans before the last pause of at least `least_s`.
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

    /// Cuts half a minute of speech without a sufficient pause, at the longest pause near its end or at the quietest tenth of
    /// a second.
    fn force_cut(&mut self) -> Option<SpeechSegment> {
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
        let from = (earliest.max(self.buffer_start) - self.buffer_start) as usize;
        let tenth = samples(0.1) as usize;
        let loudness = |chunk: &[f32]| chunk.iter().map(|sample| sample * sample).sum::<f32>();
        let quietest = self.buffer[from..]
            .chunks_exact(tenth)
            .enumerate()
            .min_by(|a, b| loudness(a.1).total_cmp(&loudness(b.1)))
            .map_or(0, |(i, _)| i);
        let at = self.buffer_start + (from + quietest * tenth + tenth / 2) as u64;
        let (begin, end) = self.spans.pop()?;
        self.add_cut(at.max(begin));
        self.spans.push((begin, Some(at.max(begin))));
        self.spans.push((at.max(begin), end));
        self.end_group(self.spans.len() - 1)
    }

    /// Ends the group after `count` spans; later spans belong to the next group.
    fn end_group(&mut self, count: usize) -> Option<SpeechSegment> {
        if count == 0 {
            return None;
        }
        let now = self.end();
        let spans: Vec<(u64, u64)> =
            self.spans[..count].iter().map(|(begin, end)| (*begin, end.unwrap_or(now))).collect();
        let speech: f64 = spans.iter().map(|(begin, end)| seconds(end - begin)).sum();
        let end = spans[count - 1].1;
        let segment = (speech >= MIN_SPEECH_S).then(|| {
            let begin = spans[0].0.saturating_sub(samples(MARGIN_S)).max(self.buffer_start);
            // Not beyond the start of the next span, which belongs to the next group.
            let limit = self.spans.get(count).map_or(now, |next| next.0.max(end));
            self.segment(begin, (end + samples(MARGIN_S)).min(limit), &spans, true)
        });
        self.spans.drain(..count);
        self.group += 1;
        (self.part, self.part_start, self.submitted_to) = (0, end, end);
        self.forget(end);
        segment
    }

    fn segment(&self, begin: u64, end: u64, spans: &[(u64, u64)], is_final: bool) -> SpeechSegment {
        let cut = |span: &(u64, u64)| {
            let near =
                |cut: &&u64| span.0.abs_diff(**cut) <= samples(CUT_TOLERANCE_S) || (span.0 < **cut && **cut < span.1);
            self.cuts.iter().filter(near).copied().collect::<Vec<u64>>()
        };
        let cuts: Vec<u64> = spans.iter().flat_map(cut).collect();
        // Silence in the place of a gap would invite the model to complete the sentence. After a sudden onset it is kept: that may
        // be a whole word, which the model understands better after silence.
        let at_start = self.gaps.iter().filter(|gap| gap.abs_diff(spans[0].0) <= samples(CUT_TOLERANCE_S)).copied();
        let begin = at_start.fold(begin, u64::max).min(end);
        let offset = |sample: u64| seconds(sample.saturating_sub(begin));
        SpeechSegment {
            group: self.group,
            part: if is_final { 0 } else { self.part },
            is_final,
            start_s: self.time(begin),
            end_s: self.time(end),
            speech: spans.iter().map(|(begin, end)| (offset(*begin), offset(*end))).collect(),
            cut_beginnings: cuts.into_iter().filter(|cut| *cut < end).map(offset).collect(),
            cut_end: is_final && (self.cut_short || self.cuts.contains(&spans[spans.len() - 1].1)),
            samples: self.buffer[(begin - self.buffer_start) as usize..(end - self.buffer_start) as usize].to_vec(),
        }
    }

    /// Discards samples before `sample`, once there are enough of them to justify the copy.
    fn forget(&mut self, sample: u64) {
        let keep = sample.saturating_sub(samples(MARGIN_S)).min(self.end());
        let excess = keep.saturating_sub(self.buffer_start);
        if excess >= u64::from(ASR_SAMPLE_RATE) {
            self.buffer.drain(..excess as usize);
            self.buffer_start = keep;
            self.cuts.retain(|cut| *cut >= keep);
            self.gaps.retain(|gap| *gap >= keep);
        }
    }

    /// Number of the next sample.
    fn end(&self) -> u64 {
        self.buffer_start + self.buffer.len() as u64
    }

    /// Call time of a sample, seconds.
    fn time(&self, sample: u64) -> f64 {
        self.origin_s + seconds(sample)
    }
}

impl Default for Segmenter {
    fn default() -> Self {
        Self::new()
    }
}

fn samples(seconds: f64) -> u64 {
    (seconds * f64::from(ASR_SAMPLE_RATE)) as u64
}

#[cfg(test)]
#[path = "segmenter_tests.rs"]
mod tests;
