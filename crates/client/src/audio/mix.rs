//! One sound file of several speakers', for people who listen to a record: each speaker's file starts with the call, so
//! frames with the same number belong together.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use telcon_record::{OpusPackets, OpusWriter};

use super::frame::{FRAME_SAMPLES, Frame, SILENCE};
use super::opus::{Decoder, Encoder, OpusError, PRE_SKIP, Settings};

/// Bit rate of the mix, bit/s: two voices at once, without audible loss.
const BITRATE: u32 = 48_000;

/// Why the files could not be mixed.
#[derive(Debug, thiserror::Error)]
pub enum MixError {
    /// A file could not be read or written.
    #[error("{path}: {cause}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: std::io::Error,
    },
    /// A file is not Ogg Opus of one channel.
    #[error("{path}: {cause}", path = path.display())]
    Stream {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: telcon_record::OpusError,
    },
    /// Coding failed.
    #[error(transparent)]
    Opus(#[from] OpusError),
}

/// One speaker's file.
struct Voice {
    path: PathBuf,
    packets: Option<OpusPackets<BufReader<File>>>,
    decoder: Decoder,
}

impl Voice {
    fn open(path: &Path) -> Result<Self, MixError> {
        let file = File::open(path).map_err(|cause| MixError::File { path: path.to_owned(), cause })?;
        let packets = OpusPackets::new(BufReader::new(file));
        let packets = packets.map_err(|cause| MixError::Stream { path: path.to_owned(), cause })?;
        Ok(Self { path: path.to_owned(), packets: Some(packets), decoder: Decoder::new()? })
    }

    /// The next frame; none after the end. A packet that is lost or cannot be decoded is concealed.
    fn frame(&mut self) -> Result<Option<Frame>, MixError> {
        let Some(packets) = &mut self.packets else { return Ok(None) };
        let next = packets.next_packet().map_err(|cause| MixError::Stream { path: self.path.clone(), cause })?;
        let Some(packet) = next else {
            self.packets = None;
            return Ok(None);
        };
        match self.decoder.decode(&packet) {
            Ok(frame) => Ok(Some(frame)),
            Err(_) => Ok(Some(self.decoder.conceal()?)),
        }
    }
}

/// Mixes speakers' files into `out`, which must not exist and which this user alone can read; returns its duration, milliseconds. Memory does not grow with the
/// length of the call.
///
/// # Errors
/// [`MixError`].
pub fn mix(inputs: &[PathBuf], out: &Path) -> Result<u64, MixError> {
    let mut voices = inputs.iter().map(|path| Voice::open(path)).collect::<Result<Vec<_>, _>>()?;
    let failed = |cause| MixError::File { path: out.to_owned(), cause };
    let unwritten = |cause| MixError::Stream { path: out.to_owned(), cause };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(out);
    let file = BufWriter::new(file.map_err(failed)?);
    let mut writer = OpusWriter::new(file, 1, PRE_SKIP, &[]).map_err(unwritten)?;
    let mut encoder = Encoder::new(Settings { bitrate: BITRATE, expected_loss: 1 })?;
    let mut frames = 0u64;
    loop {
        let (mut sum, mut any) = ([0i32; FRAME_SAMPLES], false);
        for voice in &mut voices {
            if let Some(frame) = voice.frame()? {
                any = true;
                sum.iter_mut().zip(frame).for_each(|(sum, sample)| *sum += i32::from(sample));
            }
        }
        if !any {
            break;
        }
        let mut frame = SILENCE;
        frame.iter_mut().zip(sum).for_each(|(out, sum)| *out = limit(sum));
        writer.packet(&encoder.encode(&frame)?).map_err(unwritten)?;
        frames += 1;
    }
    writer.finish().map_err(unwritten)?;
    Ok(frames * telcon_record::opus::MS_PER_PACKET)
}

/// A sum of voices as a sample: linear up to three quarters of full scale, compressed beyond, so that two loud voices do not
/// clip.
fn limit(sum: i32) -> i16 {
    const KNEE: f32 = 24_576.0;
    const ROOM: f32 = 32_767.0 - KNEE;
    let size = sum.unsigned_abs() as f32;
    let limited = if size <= KNEE { size } else { KNEE + ROOM * ((size - KNEE) / ROOM).tanh() };
    (limited as i16) * if sum < 0 { -1 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_record::opus::MS_PER_PACKET;

    /// `seconds` of a tone after `silent` seconds of silence, as a speaker's file.
    fn voice(path: &Path, hertz: f32, silent: usize, seconds: usize) {
        let mut encoder = Encoder::new(Settings::default()).unwrap();
        let mut writer = OpusWriter::new(File::create(path).unwrap(), 1, PRE_SKIP, &[]).unwrap();
        for n in 0..(silent + seconds) * 50 {
            let at = |i: usize| (n * FRAME_SAMPLES + i) as f32 / 48_000.0 * hertz * std::f32::consts::TAU;
            let mut frame = SILENCE;
            if n >= silent * 50 {
                frame.iter_mut().enumerate().for_each(|(i, out)| *out = (at(i).sin() * 20_000.0) as i16);
            }
            writer.packet(&encoder.encode(&frame).unwrap()).unwrap();
        }
        writer.finish().unwrap();
    }

    fn loudness(frames: &[Frame]) -> f32 {
        let squares = frames.iter().flatten().map(|s| f32::from(*s) * f32::from(*s));
        (squares.sum::<f32>() / (frames.len() * FRAME_SAMPLES) as f32).sqrt()
    }

    #[test]
    fn the_mix_has_every_voice_at_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two, out] = ["one.opus", "two.opus", "call.opus"].map(|name| dir.path().join(name));
        voice(&one, 300.0, 0, 2);
        voice(&two, 500.0, 3, 2);
        assert_eq!(mix(&[one, two], &out).unwrap(), 5_000);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&out).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "others can read {mode:o}");
        let mut mixed = Voice::open(&out).unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = mixed.frame().unwrap() {
            frames.push(frame);
        }
        assert_eq!(frames.len() as u64 * MS_PER_PACKET, 5_000);
        for (from, to, speaks) in [(0.2, 1.8, true), (2.3, 2.8, false), (3.2, 4.8, true)] {
            let part = &frames[(from * 50.0) as usize..(to * 50.0) as usize];
            assert_eq!(loudness(part) > 3_000.0, speaks, "{from} s: {}", loudness(part));
        }
    }

    #[test]
    fn loud_voices_do_not_clip_and_quiet_ones_are_unchanged() {
        assert_eq!([limit(1_000), limit(-24_000), limit(0)], [1_000, -24_000, 0]);
        assert!(limit(60_000) > limit(40_000) && limit(65_534) < i16::MAX && limit(-65_534) > i16::MIN);
    }

    #[test]
    fn what_is_no_sound_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.opus");
        std::fs::write(&path, b"no").unwrap();
        let error = mix(&[path], &dir.path().join("out")).unwrap_err();
        assert!(matches!(&error, MixError::Stream { path, .. } if path.ends_with("x.opus")), "{error}");
    }
}
