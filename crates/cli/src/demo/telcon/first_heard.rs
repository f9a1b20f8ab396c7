//! When a device heard each speaker first.

use crate::call::WavSink;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use telcon_client::{
    audio::{frame::Frame, playout::Origin},
    endpoint::MediaSink,
};
use telcon_core::{Engine, Event};
use telcon_proto::DeviceId;

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
        if origin == Origin::Decoded {
            self.first.0.lock().unwrap_or_else(PoisonError::into_inner).entry(from).or_insert(now_ms);
        }
        self.sink.on_frame(from, frame, origin, now_ms);
    }
}
