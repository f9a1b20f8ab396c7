//! Received audio as WAV files.

use super::lock;
use anyhow::Context as _;
use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use telcon_client::{
    audio::{frame::Frame, playout::Origin, wav},
    endpoint::MediaSink,
};
use telcon_core::{Engine, Event};
use telcon_proto::DeviceId;

/// What a [`WavSink`] has written, for the program that started it.
#[derive(Default)]
pub(super) struct Written {
    /// Names of the files, by speaker.
    pub(super) names: BTreeMap<DeviceId, String>,
    /// Why audio is missing from the files, if it is.
    pub(super) failure: Option<String>,
}

/// A [`MediaSink`] that writes one WAV file per speaker. A file that cannot be written is given up.
pub struct WavSink {
    dir: PathBuf,
    /// By speaker; none if it was given up.
    files: BTreeMap<DeviceId, Option<wav::Writer>>,
    written: Arc<Mutex<Written>>,
}

impl WavSink {
    /// Writes into `dir`, which is created. Files in it are kept.
    pub fn new(dir: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self { dir: dir.to_owned(), files: BTreeMap::new(), written: Arc::default() })
    }

    /// What is written from now on.
    pub(super) fn written(&self) -> Arc<Mutex<Written>> {
        self.written.clone()
    }

    /// Creates the file of a speaker, `<device>.wav`. With a number if an earlier call left a file of that name.
    fn create(&self, from: DeviceId) -> Option<wav::Writer> {
        let name = |number: u32| if number == 1 { format!("{from}.wav") } else { format!("{from}-{number}.wav") };
        let name = (1..).map(name).find(|name| !self.dir.join(name).exists())?;
        match wav::Writer::create(&self.dir.join(&name)) {
            Ok(file) => {
                lock(&self.written).names.insert(from, name);
                Some(file)
            }
            Err(error) => {
                self.report(&error);
                None
            }
        }
    }

    /// Reports a failure: once per file, because the file is given up.
    fn report(&self, error: &wav::WavError) {
        tracing::error!(%error, "received audio of one speaker is no longer written: check the disk");
        lock(&self.written).failure.get_or_insert_with(|| error.to_string());
    }
}

impl MediaSink for WavSink {
    fn on_event(&mut self, event: &Event, _: &Engine, _: u64) {
        if let Event::Ended { .. } = event {
            let mut files = std::mem::take(&mut self.files);
            for file in files.values_mut() {
                if let Some(Err(error)) = file.as_mut().map(wav::Writer::flush) {
                    self.report(&error);
                    *file = None;
                }
            }
            self.files = files;
        }
    }

    fn on_frame(&mut self, from: DeviceId, frame: &Frame, _: Origin, _: u64) {
        if !self.files.contains_key(&from) {
            let file = self.create(from);
            self.files.insert(from, file);
        }
        let Some(Some(file)) = self.files.get_mut(&from) else { return };
        if let Err(error) = file.write(frame) {
            self.report(&error);
            self.files.insert(from, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_client::audio::frame::SILENCE;

    fn device(number: u8) -> DeviceId {
        DeviceId::from_bytes([number; 16])
    }

    #[test]
    fn received_audio_does_not_replace_that_of_an_earlier_call() {
        let dir = tempfile::tempdir().unwrap();
        let earlier = dir.path().join(format!("{}.wav", device(1)));
        std::fs::write(&earlier, "earlier").unwrap();
        let mut sink = WavSink::new(dir.path()).unwrap();
        sink.on_frame(device(1), &SILENCE, Origin::Decoded, 0);
        sink.on_frame(device(2), &SILENCE, Origin::Decoded, 0);
        assert_eq!(std::fs::read(&earlier).unwrap(), b"earlier");
        let names = lock(&sink.written).names.clone();
        assert_eq!(names[&device(1)], format!("{}-2.wav", device(1)));
        assert_eq!(names[&device(2)], format!("{}.wav", device(2)));
        assert!(names.values().all(|name| dir.path().join(name).exists()));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_given_up_and_reported() {
        let dir = tempfile::tempdir().unwrap();
        let heard = dir.path().join("heard");
        let mut sink = WavSink::new(&heard).unwrap();
        std::fs::remove_dir(&heard).unwrap();
        sink.on_frame(device(1), &SILENCE, Origin::Decoded, 0);
        assert!(lock(&sink.written).failure.is_some());
        std::fs::create_dir(&heard).unwrap();
        sink.on_frame(device(1), &SILENCE, Origin::Decoded, 0);
        assert_eq!(std::fs::read_dir(&heard).unwrap().count(), 0, "it is not tried again for each frame");
        sink.on_frame(device(2), &SILENCE, Origin::Decoded, 0);
        assert_eq!(std::fs::read_dir(&heard).unwrap().count(), 1, "other speakers are still written");
    }
}
