//! When a device heard each speaker first: sound, not silence.

use crate::call::WavSink;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use telcon_client::{
    audio::{
        frame::{FRAME_SAMPLES, Frame},
        playout::Origin,
    },
    endpoint::MediaSink,
};
use telcon_core::{Engine, Event};
use telcon_proto::DeviceId;

/// Amplitude above which a sample is not silence, of 32,767.
const AUDIBLE: u16 = 300;
/// Period of [`hum`], samples: 200 Hz.
const HUM_PERIOD: usize = 240;
/// Amplitude of [`hum`]: well above [`AUDIBLE`] after coding, and quiet beside speech.
const HUM: f32 = 1_500.0;

/// A frame of a soft tone, which continues from frame to frame: a sound check that no recogniser takes for words.
pub(super) fn hum() -> Frame {
    const { assert!(FRAME_SAMPLES.is_multiple_of(HUM_PERIOD)) };
    std::array::from_fn(|at| {
        let turn = (at % HUM_PERIOD) as f32 / HUM_PERIOD as f32 * std::f32::consts::TAU;
        (turn.sin() * HUM) as i16
    })
}

/// The times of first frames, milliseconds since 1970 UTC, by speaker.
#[derive(Clone, Default)]
pub(super) struct FirstHeard(Arc<Mutex<BTreeMap<DeviceId, u64>>>);

impl FirstHeard {
    /// Notes the times of what this sink writes.
    pub(super) fn over(&self, sink: WavSink) -> Box<dyn MediaSink> {
        Box::new(Noting { sink, first: self.clone() })
    }

    /// When a speaker was heard first.
    pub(super) fn of(&self, speaker: DeviceId) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&speaker).copied()
    }
}

struct Noting {
    sink: WavSink,
    first: FirstHeard,
}

impl MediaSink for Noting {
    fn on_event(&mut self, event: &Event, engine: &Engine, now_ms: u64) {
        self.sink.on_event(event, engine, now_ms);
    }

    fn on_frame(&mut self, from: DeviceId, frame: &Frame, origin: Origin, now_ms: u64) {
        // A device that waits for the other principal plays silence in place of what arrives.
        if origin == Origin::Decoded && frame.iter().any(|sample| sample.unsigned_abs() > AUDIBLE) {
            self.first.0.lock().unwrap_or_else(PoisonError::into_inner).entry(from).or_insert(now_ms);
        }
        self.sink.on_frame(from, frame, origin, now_ms);
    }
}
