//! WAV files: common formats are read as 48 kHz, one channel; files being written are valid at any moment.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{BufReader, BufWriter};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};

use super::frame::{FRAME_DURATION, Frame, SAMPLE_RATE};
use super::resample::{self, ResampleError};
use super::wav_format;

/// Longest file accepted, seconds: it is held in memory, 11 MB per minute.
pub const MAX_SECONDS: u32 = 2 * 60 * 60;
/// Most channels accepted: eight are 7.1 surround.
pub const MAX_CHANNELS: u16 = 8;
/// Sample rates accepted: telephone to studio.
pub const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;
/// Frames between header updates: once a second. At most that much is lost when the process dies.
const FRAMES_PER_HEADER: u32 = 1000 / FRAME_DURATION.as_millis() as u32;

/// Why a WAV file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// The file cannot be opened, read or written, or is not a WAV file.
    #[error("{path}: {cause}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: hound::Error,
    },
    /// The WAV file exceeds a limit.
    #[error("{path}: {what}", path = path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Which limit.
        what: String,
    },
    /// The sample rate cannot be converted.
    #[error(transparent)]
    Rate(#[from] ResampleError),
}

/// Reads a WAV file as 48 kHz, one channel, -1..1. Channels are averaged; any rate in [`RATES`], 8 to
/// 32-bit or float. A length that is absent, as in a stream, or too large means: to the end of the file.
///
/// # Errors
/// [`WavError`].
pub fn read(path: &Path) -> Result<Vec<f32>, WavError> {
    read_at(path, SAMPLE_RATE)
}

/// Reads a WAV file as one channel of -1..1 at `rate` Hz.
///
/// # Errors
/// [`WavError`].
pub fn read_at(path: &Path, rate: u32) -> Result<Vec<f32>, WavError> {
    let file = |cause| WavError::File { path: path.to_owned(), cause };
    let refused = |what| WavError::Refused { path: path.to_owned(), what };
    let input = telcon_files::open_named(path).map_err(|error| file(hound::Error::IoError(error.into())))?;
    let mut input = BufReader::new(input);
    let format = wav_format::read_header(&mut input).map_err(file)?;
    if !(1..=MAX_CHANNELS).contains(&format.channels) {
        return Err(refused(format!("{} channels; at most {MAX_CHANNELS} are supported", format.channels)));
    }
    if !RATES.contains(&format.rate) {
        let (low, high) = (RATES.start(), RATES.end());
        return Err(refused(format!("{} samples per second; {low} to {high} are supported", format.rate)));
    }
    let most = u64::from(MAX_SECONDS) * u64::from(format.rate);
    let too_long = || refused(format!("longer than {} minutes", MAX_SECONDS / 60));
    // What the header says is checked before any allocation; what it does not say, while reading.
    if format.data_bytes.is_some_and(|bytes| bytes / format.frame_bytes() as u64 > most) {
        return Err(too_long());
    }
    let mono = format.read_mono(&mut input, most).map_err(file)?.ok_or_else(too_long)?;
    if mono.iter().any(|sample| !sample.is_finite()) {
        return Err(refused("contains samples that are not finite numbers".into()));
    }
    Ok(resample::resample(&mono, format.rate, rate)?)
}

/// Writes a WAV file frame by frame (48 kHz, one channel, 16-bit). The header is updated once a second, so that the file of
/// a process that died is playable up to that point.
pub struct Writer {
    path: PathBuf,
    inner: WavWriter<BufWriter<File>>,
    since_header: u32,
}

impl Writer {
    /// Creates a file that this user alone can read, replacing an existing one: it will have what somebody said.
    pub fn create(path: &Path) -> Result<Self, WavError> {
        let spec =
            WavSpec { channels: 1, sample_rate: SAMPLE_RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let private = || {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            // One that was there keeps its permissions. File systems without them refuse.
            let _ = file.set_permissions(Permissions::from_mode(0o600));
            Ok::<_, hound::Error>(file)
        };
        let made = private().and_then(|file| WavWriter::new(BufWriter::new(file), spec));
        let made = made.and_then(|mut inner| inner.flush().map(|()| inner));
        let inner = made.map_err(|cause| WavError::File { path: path.to_owned(), cause })?;
        Ok(Self { path: path.to_owned(), inner, since_header: 0 })
    }

    /// Appends a frame.
    pub fn write(&mut self, frame: &Frame) -> Result<(), WavError> {
        let mut put = || -> Result<(), hound::Error> {
            for sample in frame {
                self.inner.write_sample(*sample)?;
            }
            self.since_header += 1;
            if self.since_header >= FRAMES_PER_HEADER {
                self.inner.flush()?;
                self.since_header = 0;
            }
            Ok(())
        };
        put().map_err(|cause| WavError::File { path: self.path.clone(), cause })
    }

    /// Updates the header, so that everything written so far is playable.
    pub fn flush(&mut self) -> Result<(), WavError> {
        self.since_header = 0;
        self.inner.flush().map_err(|cause| WavError::File { path: self.path.clone(), cause })
    }

    /// Finalises the file. Dropping the writer does the same but ignores errors.
    pub fn finish(self) -> Result<(), WavError> {
        let Self { path, inner, .. } = self;
        inner.finalize().map_err(|cause| WavError::File { path, cause })
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{FRAME_SAMPLES, frames};
    use super::*;

    fn write_spec(path: &Path, spec: WavSpec, samples: impl Fn(&mut WavWriter<BufWriter<File>>)) {
        let mut writer = WavWriter::create(path, spec).unwrap();
        samples(&mut writer);
        writer.finalize().unwrap();
    }

    #[test]
    fn stereo_at_16_khz_is_averaged_and_resampled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stereo.wav");
        let spec = WavSpec { channels: 2, sample_rate: 16_000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        write_spec(&path, spec, |writer| {
            for _ in 0..16_000 {
                writer.write_sample(16_384_i16).unwrap();
                writer.write_sample(0_i16).unwrap();
            }
        });
        let sound = read(&path).unwrap();
        assert_eq!(sound.len(), 48_000);
        assert!(sound[10_000..40_000].iter().all(|sample| (sample - 0.25).abs() < 0.01));
    }

    #[test]
    fn float_8_bit_and_24_bit_are_scaled_correctly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("any.wav");
        let spec = |bits_per_sample, sample_format| WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample,
            sample_format,
        };
        write_spec(&path, spec(32, SampleFormat::Float), |writer| writer.write_sample(0.5_f32).unwrap());
        assert_eq!(read(&path).unwrap(), [0.5]);
        write_spec(&path, spec(8, SampleFormat::Int), |writer| writer.write_sample(64_i8).unwrap());
        assert_eq!(read(&path).unwrap(), [0.5]);
        write_spec(&path, spec(24, SampleFormat::Int), |writer| writer.write_sample(-(1 << 22)).unwrap());
        assert_eq!(read(&path).unwrap(), [-0.5]);
    }

    #[test]
    fn a_file_is_complete_after_finish_and_readable_while_it_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.wav");
        let ramp: Vec<f32> = (0..FRAME_SAMPLES * 60).map(|i| (i % 1000) as f32 / 2000.0).collect();
        let mut writer = Writer::create(&path).unwrap();
        assert_eq!(read(&path).unwrap(), Vec::<f32>::new());
        for frame in frames(&ramp) {
            writer.write(&frame).unwrap();
        }
        // 60 frames are 1.2 s: the first second is readable although the file is not closed.
        assert_eq!(read(&path).unwrap().len(), 48_000);
        writer.finish().unwrap();
        let back = read(&path).unwrap();
        assert_eq!(back.len(), ramp.len());
        assert!(back.iter().zip(&ramp).all(|(a, b)| (a - b).abs() < 1.0 / 16_384.0));
    }

    #[test]
    fn what_somebody_said_is_readable_by_this_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (new, old) = (dir.path().join("new.wav"), dir.path().join("old.wav"));
        std::fs::write(&old, b"of an earlier call").unwrap();
        std::fs::set_permissions(&old, Permissions::from_mode(0o644)).unwrap();
        for path in [new, old] {
            Writer::create(&path).unwrap().finish().unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "others can read {}: {mode:o}", path.display());
        }
    }

    #[test]
    fn invalid_files_and_exceeded_limits_are_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad.wav");
        std::fs::write(&path, b"RIFF but not really").unwrap();
        assert!(matches!(read(&path), Err(WavError::File { .. })));
        assert!(matches!(read(&dir.path().join("absent.wav")), Err(WavError::File { .. })));
        let spec = |channels, sample_rate| WavSpec {
            channels,
            sample_rate,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        write_spec(&path, spec(9, 48_000), |_| ());
        assert!(read(&path).unwrap_err().to_string().contains("9 channels"));
        write_spec(&path, spec(1, 4_000), |_| ());
        assert!(read(&path).unwrap_err().to_string().contains("4000 samples per second"));
    }

    #[test]
    fn a_float_file_with_infinities_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inf.wav");
        let spec =
            WavSpec { channels: 1, sample_rate: 48_000, bits_per_sample: 32, sample_format: SampleFormat::Float };
        write_spec(&path, spec, |writer| writer.write_sample(f32::INFINITY).unwrap());
        assert!(matches!(read(&path), Err(WavError::Refused { .. })));
    }
}
