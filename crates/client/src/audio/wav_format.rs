//! The format of WAV files (RIFF, Microsoft's "Multimedia Programming Interface"; `WAVEFORMATEXTENSIBLE`), read as ffmpeg does:
//! chunks of odd size are padded, unknown ones skipped, and a length that a streaming writer could not know is the rest.

use std::io::{ErrorKind, Read, Result as IoResult};

use hound::Error;

/// Most chunks before the samples: a file of nothing but chunks ends.
const MAX_CHUNKS: usize = 1000;
/// Longest `fmt` chunk that is kept, bytes: `WAVEFORMATEXTENSIBLE` has 40.
const FORMAT_BYTES: usize = 40;
/// Frames per read.
const BLOCK_FRAMES: usize = 4096;

/// Kind of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Integers; of 8 bits without sign, of more with sign. Fewer valid bits than the container has are its upper ones.
    Integer,
    /// IEEE 754.
    Float,
}

/// The format of a file whose header was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) channels: u16,
    /// Samples per second.
    pub(super) rate: u32,
    /// Bytes of one sample.
    container: usize,
    kind: Kind,
    /// Bytes of samples; none if the header does not say.
    pub(super) data_bytes: Option<u64>,
}

/// Reads everything before the samples.
pub(super) fn read_header(input: &mut impl Read) -> Result<Format, Error> {
    let mut head = [0; 12];
    read_exact(input, &mut head)?;
    if !matches!(&head[..4], b"RIFF" | b"RF64") || &head[8..] != b"WAVE" {
        return Err(Error::FormatError("not a WAV file"));
    }
    let mut format = None;
    for _ in 0..MAX_CHUNKS {
        let mut chunk = [0; 8];
        read_exact(input, &mut chunk)?;
        let size = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        match &chunk[..4] {
            b"fmt " => {
                let mut bytes = [0; FORMAT_BYTES];
                let kept = (size as usize).min(FORMAT_BYTES);
                read_exact(input, &mut bytes[..kept])?;
                skip(input, u64::from(size) - kept as u64 + u64::from(size % 2))?;
                format = Some(parse_format(&bytes[..kept])?);
            }
            b"data" => {
                let format = format.ok_or(Error::FormatError("the samples come before their format"))?;
                // A writer that cannot seek leaves 0 or the largest number.
                let known = !matches!(size, 0 | u32::MAX);
                return Ok(Format { data_bytes: known.then_some(u64::from(size)), ..format });
            }
            _ => skip(input, u64::from(size) + u64::from(size % 2))?,
        }
    }
    Err(Error::FormatError("too many chunks before the samples"))
}

fn parse_format(bytes: &[u8]) -> Result<Format, Error> {
    let short = |at: usize| -> Result<u16, Error> {
        let pair = bytes.get(at..at + 2).ok_or(Error::FormatError("the format is cut off"))?;
        Ok(u16::from_le_bytes([pair[0], pair[1]]))
    };
    let rate = u32::from(short(4)?) | u32::from(short(6)?) << 16;
    let (channels, block, bits) = (short(2)?, usize::from(short(12)?), usize::from(short(14)?));
    let tag = match short(0)? {
        // The first two bytes of the sub-format's GUID are the tag; more of it names what nobody uses.
        0xfffe => short(24)?,
        tag => tag,
    };
    let container = bits.div_ceil(8);
    let kind = match (tag, container) {
        (1, 1..=4) => Kind::Integer,
        (3, 4 | 8) if bits.is_multiple_of(32) => Kind::Float,
        (1 | 3, _) => return Err(Error::Unsupported),
        _ => return Err(Error::FormatError("the samples are compressed; only PCM and floating point are supported")),
    };
    if channels == 0 || block != container * usize::from(channels) {
        return Err(Error::FormatError("the size of a frame contradicts the number of channels and bits"));
    }
    Ok(Format { channels, rate, container, kind, data_bytes: None })
}

impl Format {
    /// Bytes of one sample of every channel.
    pub(super) fn frame_bytes(&self) -> usize {
        self.container * usize::from(self.channels)
    }

    /// Reads all samples and averages the channels; none if there are more than `most` frames. Bytes of a frame that
    /// is not whole are left out. A file that ends before the length it states is refused: it is a copy that was cut off.
    pub(super) fn read_mono(&self, input: &mut impl Read, most: u64) -> Result<Option<Vec<f32>>, Error> {
        let mut input = input.take(self.data_bytes.unwrap_or(u64::MAX));
        let mut block = vec![0; self.frame_bytes() * BLOCK_FRAMES];
        let (mut mono, mut read) = (Vec::new(), 0u64);
        loop {
            let filled = fill(&mut input, &mut block)?;
            read += filled as u64;
            for frame in block[..filled].chunks_exact(self.frame_bytes()) {
                let sum: f32 = frame.chunks_exact(self.container).map(|sample| self.sample(sample)).sum();
                mono.push(sum / f32::from(self.channels));
            }
            if mono.len() as u64 > most {
                return Ok(None);
            }
            if filled < block.len() {
                if self.data_bytes.is_some_and(|stated| read < stated) {
                    return Err(Error::FormatError("cut off: it has fewer samples than it states"));
                }
                return Ok(Some(mono));
            }
        }
    }

    /// One sample, -1..1.
    fn sample(&self, bytes: &[u8]) -> f32 {
        match (self.kind, bytes) {
            (Kind::Float, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Kind::Float, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            (Kind::Integer, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (_, bytes) => {
                // Aligned at the upper end of 32 bits, so that one scale fits all.
                let mut wide = [0; 4];
                wide[4 - bytes.len().min(4)..].copy_from_slice(&bytes[..bytes.len().min(4)]);
                i32::from_le_bytes(wide) as f32 / 2_147_483_648.0
            }
        }
    }
}

fn read_exact(input: &mut impl Read, bytes: &mut [u8]) -> Result<(), Error> {
    input.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Error::FormatError("not a WAV file, or cut off before the samples"),
        _ => Error::IoError(error),
    })
}

fn skip(input: &mut impl Read, bytes: u64) -> Result<(), Error> {
    std::io::copy(&mut input.take(bytes), &mut std::io::sink()).map(drop).map_err(Error::IoError)
}

/// Reads until `block` is full or the input ends.
fn fill(input: &mut impl Read, block: &mut [u8]) -> IoResult<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match input.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], size: u32, bytes: &[u8]) -> Vec<u8> {
        [&name[..], &size.to_le_bytes(), bytes].concat()
    }

    fn fmt(tag: u16, channels: u16, bits: u16, more: &[u8]) -> Vec<u8> {
        let block = channels * bits.div_ceil(8);
        let mut bytes = Vec::new();
        bytes.extend(tag.to_le_bytes());
        bytes.extend(channels.to_le_bytes());
        bytes.extend(48_000u32.to_le_bytes());
        bytes.extend((48_000 * u32::from(block)).to_le_bytes());
        bytes.extend(block.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(more);
        chunk(b"fmt ", bytes.len() as u32, &bytes)
    }

    fn read(chunks: &[Vec<u8>]) -> Result<Vec<f32>, String> {
        let file = [&b"RIFF\xff\xff\xff\xffWAVE"[..], &chunks.concat()].concat();
        let mut input = &file[..];
        let format = read_header(&mut input).map_err(|e| e.to_string())?;
        format.read_mono(&mut input, 1000).map_err(|e| e.to_string())?.ok_or("too long".to_owned())
    }

    const HALF: [u8; 2] = [0x00, 0x40];

    #[test]
    fn odd_chunks_are_padded_and_lengths_of_streams_mean_the_rest() {
        let odd = chunk(b"iXML", 3, b"<x>\0");
        for size in [2, 0, u32::MAX] {
            let data = chunk(b"data", size, &HALF);
            assert_eq!(read(&[odd.clone(), fmt(1, 1, 16, &[]), odd.clone(), data]).unwrap(), [0.5], "{size}");
        }
        let after = [chunk(b"data", 2, &HALF), chunk(b"LIST", 4, b"INFO")].concat();
        assert_eq!(read(&[fmt(1, 1, 16, &[]), after]).unwrap(), [0.5], "what follows the samples is no sound");
        assert_eq!(read(&[fmt(1, 1, 16, &[]), chunk(b"data", 0, &[])]).unwrap(), [0.0; 0]);
        assert_eq!(read(&[fmt(1, 1, 16, &[]), chunk(b"data", 3, &[0, 0x40, 9])]).unwrap(), [0.5]);
    }

    #[test]
    fn valid_bits_are_the_upper_ones_of_their_container() {
        let guid = [1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
        let more = [&[22, 0, 24, 0, 4, 0, 0, 0][..], &guid].concat();
        let quarter = chunk(b"data", 4, &[0, 0, 0, 0x20]);
        assert_eq!(read(&[fmt(0xfffe, 1, 32, &more), quarter.clone()]).unwrap(), [0.25]);
        assert_eq!(read(&[fmt(1, 1, 32, &[0, 0]), quarter]).unwrap(), [0.25], "an 18-byte format");
        assert_eq!(read(&[fmt(1, 1, 24, &[]), chunk(b"data", 3, &[0, 0, 0xc0])]).unwrap(), [-0.5]);
        assert_eq!(read(&[fmt(1, 2, 8, &[]), chunk(b"data", 2, &[192, 128])]).unwrap(), [0.25]);
        assert_eq!(read(&[fmt(3, 1, 64, &[]), chunk(b"data", 8, &0.5f64.to_le_bytes())]).unwrap(), [0.5]);
    }

    #[test]
    fn other_formats_and_damage_are_refused_with_words() {
        let data = chunk(b"data", 2, &HALF);
        for (chunks, words) in [
            (vec![fmt(85, 1, 16, &[]), data.clone()], "compressed"),
            (vec![fmt(0xfffe, 1, 16, &[0, 0]), data.clone()], "cut off"),
            (vec![data.clone()], "before their format"),
            (vec![fmt(1, 0, 16, &[]), data.clone()], "contradicts"),
            (vec![fmt(1, 1, 16, &[])], "cut off"),
            (vec![fmt(1, 1, 16, &[]), chunk(b"data", 1000, &HALF)], "fewer samples than it states"),
            (vec![chunk(b"fmt ", 4, &[1, 0, 1, 0]), data], "cut off"),
        ] {
            let error = read(&chunks).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let long = chunk(b"data", 0, &vec![0; 2 * 2000]);
        assert_eq!(read(&[fmt(1, 1, 16, &[]), long]).unwrap_err(), "too long");
    }
}
