//! The endpoint's audio path: encoding and sending, receiving and playout, and statistics.

use super::{MediaSink, ReceiveStats, Stats};
use crate::audio::{
    frame::{FRAME_SAMPLES, Frame, SILENCE},
    opus::{Encoder, OpusError, Settings},
    playout::SpeakerPlayout,
};
use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    time::Instant,
};
use telcon_core::{Engine, media::keyring::OpenError};
use telcon_proto::{DeviceId, limits::FRAME_MS};
use tokio::sync::oneshot;

/// Frames of an unknown epoch that are kept until the commit arrives: a fifth of a second of seven speakers.
const MAX_EARLY_FRAMES: usize = 70;

/// Sends and receives the media of one device.
pub(super) struct Media {
    encoder: Encoder,
    /// Origin of the monotonic clock of playout.
    epoch: Instant,
    speakers: BTreeMap<DeviceId, SpeakerPlayout>,
    /// First and last frame counter of each stream.
    counter_ranges: BTreeMap<(DeviceId, (u64, u32)), (u64, u64)>,
    send_queue: VecDeque<(Frame, Option<oneshot::Sender<()>>)>,
    rtp_timestamp: u32,
    /// Frames of an epoch whose commit has not arrived yet.
    early: VecDeque<Vec<u8>>,
    pub(super) stats: Stats,
    /// When ringing or answering was requested, until it is measured.
    pub(super) ring_requested: Option<Instant>,
    pub(super) answered: Option<Instant>,
}

impl Media {
    pub(super) fn new() -> Result<Self, OpusError> {
        Ok(Self {
            encoder: Encoder::new(Settings::default())?,
            epoch: Instant::now(),
            speakers: BTreeMap::new(),
            counter_ranges: BTreeMap::new(),
            send_queue: VecDeque::new(),
            rtp_timestamp: 0,
            early: VecDeque::new(),
            stats: Stats::default(),
            ring_requested: None,
            answered: None,
        })
    }

    /// Queues frames to be sent; `sent` is notified when the last one was.
    pub(super) fn queue(&mut self, frames: Vec<Frame>, sent: oneshot::Sender<()>) {
        self.send_queue.extend(frames.into_iter().map(|frame| (frame, None)));
        match self.send_queue.back_mut() {
            Some((_, last)) => *last = Some(sent),
            None => drop(sent.send(())),
        }
    }

    /// Encodes and seals the next frame, or silence if none is queued; passes it with its RTP timestamp to `send`. Does
    /// nothing outside a live call.
    pub(super) fn send_next(&mut self, engine: &mut Engine, send: impl FnOnce(Vec<u8>, u32)) {
        if !engine.is_sending() {
            return;
        }
        let (frame, sent) = self.send_queue.pop_front().unwrap_or((SILENCE, None));
        if let Err(error) = self.encoder.apply(engine.send_profile()) {
            tracing::error!(%error, "the encoder rejected the send profile and keeps its settings");
        }
        if let Ok(packet) = self.encoder.encode(&frame)
            && let Some(sealed) = engine.seal(&packet)
        {
            send(sealed, self.rtp_timestamp);
        }
        self.rtp_timestamp = self.rtp_timestamp.wrapping_add(FRAME_SAMPLES as u32);
        if let Some(sent) = sent {
            let _ = sent.send(());
        }
    }

    /// Opens the frames that arrived before the commit of their epoch.
    pub(super) fn open_early(&mut self, engine: &mut Engine, sink: &mut dyn MediaSink, now_ms: u64) {
        for frame in std::mem::take(&mut self.early) {
            self.receive(frame, engine, sink, now_ms);
        }
    }

    /// Discards frames of a leg that was closed.
    pub(super) fn discard_early(&mut self) {
        self.early.clear();
    }

    /// Opens a received frame and passes its packets to the sink and to playout.
    pub(super) fn receive(&mut self, frame: Vec<u8>, engine: &mut Engine, sink: &mut dyn MediaSink, now_ms: u64) {
        let opened = match engine.open(&frame) {
            Ok(opened) => opened,
            Err(OpenError::UnknownEpoch) if self.early.len() < MAX_EARLY_FRAMES => {
                self.early.push_back(frame);
                return;
            }
            Err(_) => return,
        };
        if let Some(at) = self.answered.take() {
            self.stats.answer_to_audio_ms = Some(at.elapsed().as_secs_f64() * 1e3);
        }
        let frames = 1 + if opened.aggregated { opened.earlier.len() as u64 } else { 0 };
        self.count(opened.device, opened.stream, opened.counter, frames);
        let now_us = self.now_us();
        engine.record_arrival(&opened, now_us);
        // Each packet is passed once, whether the original or a copy arrives first, with its own counter and time.
        for (counter, packet) in &opened.earlier {
            let sent_before_ms = (opened.counter - counter) * FRAME_MS;
            sink.on_packet(opened.device, opened.stream, *counter, packet, now_ms.saturating_sub(sent_before_ms));
        }
        if !opened.duplicate {
            sink.on_packet(opened.device, opened.stream, opened.counter, &opened.packet, now_ms);
        }
        if !sink.wants_playout() {
            return;
        }
        if let Entry::Vacant(place) = self.speakers.entry(opened.device) {
            match SpeakerPlayout::new() {
                Ok(speaker) => drop(place.insert(speaker)),
                Err(error) => return tracing::warn!(device = %opened.device, %error, "no decoder for this speaker"),
            }
        }
        if let Some(speaker) = self.speakers.get_mut(&opened.device) {
            speaker.push_with_copies(opened.counter, opened.packet, opened.earlier, now_us);
        }
    }

    /// Passes the next 20 ms of each speaker to the sink.
    pub(super) fn play(&mut self, sink: &mut dyn MediaSink, now_ms: u64) {
        let now_us = self.now_us();
        for (device, speaker) in &mut self.speakers {
            let played = speaker.pull(now_us);
            sink.on_frame(*device, &played.frame, played.origin, now_ms);
        }
    }

    fn now_us(&self) -> u64 {
        self.epoch.elapsed().as_micros() as u64
    }

    /// Updates the loss statistics. A sender's counter continues over epochs, so its streams are one range, except after a
    /// reload.
    fn count(&mut self, device: DeviceId, stream: (u64, u32), counter: u64, frames: u64) {
        let (first, last) = self.counter_ranges.entry((device, stream)).or_insert((counter, counter));
        (*first, *last) = ((*first).min(counter), (*last).max(counter));
        let ranges = self.counter_ranges.iter().filter(|((sender, _), _)| *sender == device);
        let (low, high) =
            ranges.fold((u64::MAX, 0), |(low, high), (_, (first, last))| (low.min(*first), high.max(*last)));
        let ReceiveStats { frames: received, lost } = self.stats.received.entry(device).or_default();
        *received += frames;
        *lost = (high.saturating_add(1) - low).saturating_sub(*received);
    }
}
