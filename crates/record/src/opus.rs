//! Ogg Opus (RFC 7845): a chunk of one speaker's audio as a complete file, and concatenation of chunks into one file per
//! speaker.

use std::io::{Cursor, Write};

use ogg::{PacketReader, PacketWriteEndInfo, PacketWriter};

use crate::payload::{Payload, Salt};

/// Samples per packet: 20 ms at 48 kHz, the only packet duration that Telcon sends.
pub const SAMPLES_PER_PACKET: u64 = 960;

/// Duration of a packet, milliseconds.
pub const MS_PER_PACKET: u64 = 20;

/// Maximum size of an Opus packet with one frame, bytes (RFC 6716, section 3.2.1).
pub const MAX_PACKET_BYTES: usize = 1276;

/// Packets per Ogg page: one second. A page has at most 255 segments of 255 bytes.
const PACKETS_PER_PAGE: u64 = 50;

/// Longest gap between chunks that is filled with silence: a day. A chunk that claims a later start is appended directly.
const MAX_GAP_PACKETS: u64 = 24 * 3600 * 50;

/// Shortest gap that is filled with silence. Smaller differences between a chunk's start time and the position in the output
/// come from clock drift and from cutting chunks at packet boundaries.
const MIN_GAP_PACKETS: u64 = 5;

/// 20 ms of digital silence: fullband CELT, mono, one frame of two bytes.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// A packet with only its TOC byte marks a lost frame, which a decoder conceals (RFC 6716, section 3.2.1).
const LOST_PACKET: [u8; 1] = [0xf8];

const START_COMMENT: &str = "TELCON_START_MS=";

/// A few seconds of one speaker's audio.
#[derive(Debug, Clone, Copy)]
pub struct OpusChunk<'a> {
    /// Start of the first packet, milliseconds since the start of the call.
    pub start_ms: u64,
    /// Samples (48 kHz) for the decoder to discard at the start, because of the encoder's look-ahead; usually 312.
    pub pre_skip: u16,
    /// Opus packets of 20 ms, mono; an empty one marks a lost packet.
    pub packets: &'a [&'a [u8]],
}

/// Audio that is not Ogg Opus as [`ogg_opus`] writes it, or cannot be written as such.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpusError(pub(crate) String);

/// A chunk as a complete Ogg Opus file, salted with a comment in its tags.
///
/// # Errors
/// The chunk has no packets, or one larger than [`MAX_PACKET_BYTES`].
pub fn ogg_opus(salt: Salt, chunk: &OpusChunk<'_>) -> Result<Payload, OpusError> {
    if chunk.packets.is_empty() || chunk.packets.iter().any(|p| p.len() > MAX_PACKET_BYTES) {
        return Err(OpusError("a chunk needs packets, each of at most 1276 bytes".to_owned()));
    }
    // Chained streams (RFC 3533) need distinct serial numbers; the salt is random.
    let comments = [format!("{START_COMMENT}{}", chunk.start_ms), format!("TELCON_SALT={}", salt.hex())];
    let serial = u32::from_str_radix(&salt.hex()[..8], 16).expect("invariant: a salt is hexadecimal digits");
    let mut out = Vec::with_capacity(chunk.packets.iter().map(|p| p.len() + 2).sum::<usize>() + 1024);
    let mut writer = OpusWriter::new(&mut out, serial ^ 0x5a5a_5a5a, chunk.pre_skip, &comments)?;
    for packet in chunk.packets {
        writer.packet(packet)?;
    }
    writer.finish()?;
    Ok(Payload::salted(out))
}

/// Writes one Ogg Opus stream packet by packet: mono, packets of 20 ms.
pub struct OpusWriter<W: Write> {
    writer: PacketWriter<'static, W>,
    serial: u32,
    /// The newest packet, held back because the last packet of a stream needs a flag.
    next: Option<Vec<u8>>,
    written: u64,
}

impl<W: Write> OpusWriter<W> {
    /// Starts a stream with this serial number, samples to skip (see [`OpusChunk::pre_skip`]) and comments.
    ///
    /// # Errors
    /// The output's.
    pub fn new(out: W, serial: u32, pre_skip: u16, comments: &[String]) -> Result<Self, OpusError> {
        let mut head = b"OpusHead\x01\x01".to_vec();
        head.extend_from_slice(&pre_skip.to_le_bytes());
        head.extend_from_slice(&48_000u32.to_le_bytes());
        // No gain, channel mapping family 0.
        head.extend_from_slice(&[0, 0, 0]);
        let mut tags = b"OpusTags".to_vec();
        let text = |tags: &mut Vec<u8>, value: &[u8]| {
            tags.extend_from_slice(&(value.len() as u32).to_le_bytes());
            tags.extend_from_slice(value);
        };
        text(&mut tags, b"telcon");
        tags.extend_from_slice(&(comments.len() as u32).to_le_bytes());
        comments.iter().for_each(|comment| text(&mut tags, comment.as_bytes()));
        let mut writer = PacketWriter::new(out);
        for packet in [head, tags] {
            writer.write_packet(packet, serial, PacketWriteEndInfo::EndPage, 0).map_err(write_error)?;
        }
        Ok(Self { writer, serial, next: None, written: 0 })
    }

    /// Appends a packet; an empty one is written as lost.
    ///
    /// # Errors
    /// The output's.
    pub fn packet(&mut self, packet: &[u8]) -> Result<(), OpusError> {
        let packet = if packet.is_empty() { LOST_PACKET.to_vec() } else { packet.to_vec() };
        match self.next.replace(packet) {
            Some(previous) => self.write(previous, false),
            None => Ok(()),
        }
    }

    /// Number of packets appended so far.
    pub(crate) fn position(&self) -> u64 {
        self.written + u64::from(self.next.is_some())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// The output's, and a stream without packets.
    pub fn finish(mut self) -> Result<(), OpusError> {
        match self.next.take() {
            Some(packet) => self.write(packet, true)?,
            None => return Err(OpusError("no packets".to_owned())),
        }
        self.writer.inner_mut().flush().map_err(write_error)
    }

    fn write(&mut self, packet: Vec<u8>, last: bool) -> Result<(), OpusError> {
        self.written += 1;
        let end = match (last, self.written % PACKETS_PER_PAGE) {
            (true, _) => PacketWriteEndInfo::EndStream,
            (false, 0) => PacketWriteEndInfo::EndPage,
            (false, _) => PacketWriteEndInfo::NormalPacket,
        };
        // RFC 7845, section 4: the granule position counts the samples that all packets so far decode to.
        let granule = self.written * SAMPLES_PER_PACKET;
        self.writer.write_packet(packet, self.serial, end, granule).map_err(write_error)
    }
}

fn write_error(e: std::io::Error) -> OpusError {
    OpusError(format!("writing audio: {e}"))
}

/// A parsed chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReadChunk {
    pub(crate) start_ms: u64,
    pub(crate) pre_skip: u16,
    pub(crate) packets: Vec<Vec<u8>>,
}

/// Parses what [`ogg_opus`] wrote.
pub(crate) fn read_chunk(bytes: &[u8]) -> Result<ReadChunk, OpusError> {
    let bad = |what: &str| OpusError(what.to_owned());
    let mut reader = PacketReader::new(Cursor::new(bytes));
    let mut next = || reader.read_packet().map_err(|e| OpusError(format!("not an Ogg stream: {e}")));
    let head = next()?.ok_or_else(|| bad("no packets"))?;
    let Some([1, 1, skip_low, skip_high, ..]) = head.data.strip_prefix(b"OpusHead") else {
        return Err(bad("not a mono Opus stream"));
    };
    let pre_skip = u16::from_le_bytes([*skip_low, *skip_high]);
    let tags = next()?.ok_or_else(|| bad("no tags"))?;
    let comments = parse_comments(&tags.data).ok_or_else(|| bad("the tags are malformed"))?;
    let start = comments.iter().find_map(|c| c.strip_prefix(START_COMMENT));
    let start_ms = start.and_then(|ms| ms.parse().ok()).ok_or_else(|| bad("the tags have no start time"))?;
    let mut packets = Vec::new();
    while let Some(packet) = next()? {
        if packet.stream_serial() != head.stream_serial() || packet.data.len() > MAX_PACKET_BYTES {
            return Err(bad("more than one stream, or a packet that is too large"));
        }
        packets.push(packet.data);
    }
    Ok(ReadChunk { start_ms, pre_skip, packets })
}

/// Reads the packets of one mono Ogg Opus stream, one after the other.
pub struct OpusPackets<R: std::io::Read + std::io::Seek> {
    reader: PacketReader<R>,
}

impl<R: std::io::Read + std::io::Seek> OpusPackets<R> {
    /// Reads the stream's header.
    ///
    /// # Errors
    /// Not an Ogg Opus stream with one channel.
    pub fn new(input: R) -> Result<Self, OpusError> {
        let mut reader = PacketReader::new(input);
        let mut next = || {
            let packet = reader.read_packet().map_err(|e| OpusError(format!("not an Ogg stream: {e}")))?;
            packet.ok_or_else(|| OpusError("no packets".to_owned()))
        };
        let head = next()?;
        let Some([1, 1, _, _, ..]) = head.data.strip_prefix(b"OpusHead") else {
            return Err(OpusError("not a mono Opus stream".to_owned()));
        };
        next()?;
        Ok(Self { reader })
    }

    /// The next packet; none at the end.
    ///
    /// # Errors
    /// The stream is damaged.
    pub fn next_packet(&mut self) -> Result<Option<Vec<u8>>, OpusError> {
        let packet = self.reader.read_packet().map_err(|e| OpusError(format!("not an Ogg stream: {e}")))?;
        Ok(packet.map(|packet| packet.data))
    }
}

/// Reads a 32-bit length and advances.
fn read_length(rest: &mut &[u8]) -> Option<usize> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

fn parse_comments(tags: &[u8]) -> Option<Vec<String>> {
    let mut rest = tags.strip_prefix(b"OpusTags")?;
    let vendor = read_length(&mut rest)?;
    rest = rest.split_at_checked(vendor)?.1;
    let count = read_length(&mut rest)?;
    let mut comments = Vec::new();
    for _ in 0..count {
        let length = read_length(&mut rest)?;
        let (text, after) = rest.split_at_checked(length)?;
        rest = after;
        comments.push(String::from_utf8_lossy(text).into_owned());
    }
    Some(comments)
}

/// Concatenates chunks into one stream on the call's timeline: it starts with the call, and gaps become silence.
pub(crate) struct ChunkJoiner<W: Write> {
    out: Option<W>,
    writer: Option<OpusWriter<W>>,
    serial: u32,
}

impl<W: Write> ChunkJoiner<W> {
    pub(crate) fn new(out: W, serial: u32) -> Self {
        Self { out: Some(out), writer: None, serial }
    }

    /// Appends a chunk; chunks must be in order of time.
    pub(crate) fn chunk(&mut self, chunk: &ReadChunk) -> Result<(), OpusError> {
        if let Some(out) = self.out.take() {
            self.writer = Some(OpusWriter::new(out, self.serial, chunk.pre_skip, &[format!("{START_COMMENT}0")])?);
        }
        let Some(writer) = &mut self.writer else {
            return Err(OpusError("the stream is finished".to_owned()));
        };
        let gap = (chunk.start_ms / MS_PER_PACKET).saturating_sub(writer.position());
        if (MIN_GAP_PACKETS..=MAX_GAP_PACKETS).contains(&gap) {
            for _ in 0..gap {
                writer.packet(&SILENCE)?;
            }
        }
        chunk.packets.iter().try_for_each(|packet| writer.packet(packet))
    }

    /// Ends the stream; returns its duration, milliseconds.
    pub(crate) fn finish(self) -> Result<u64, OpusError> {
        let writer = self.writer.ok_or_else(|| OpusError("no chunks".to_owned()))?;
        let length = writer.position() * MS_PER_PACKET;
        writer.finish()?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(start_ms: u64, packets: &[&[u8]]) -> ReadChunk {
        let payload = ogg_opus(Salt::from_bytes([9; 32]), &OpusChunk { start_ms, pre_skip: 312, packets }).unwrap();
        read_chunk(payload.bytes()).unwrap()
    }

    #[test]
    fn chunk_round_trips() {
        let many: Vec<Vec<u8>> = (0..500).map(|n| vec![0xf8, n as u8, (n >> 8) as u8]).collect();
        let refs: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
        let read = chunk(1234, &refs);
        assert_eq!((read.start_ms, read.pre_skip, read.packets), (1234, 312, many));
    }

    #[test]
    fn lost_packet_is_marked() {
        assert_eq!(chunk(0, &[&[1, 2], &[], &[3]]).packets, [vec![1, 2], LOST_PACKET.to_vec(), vec![3]]);
    }

    #[test]
    fn headers_conform_to_rfc_7845() {
        let chunk = OpusChunk { start_ms: 0, pre_skip: 0x0138, packets: &[&SILENCE] };
        let file = ogg_opus(Salt::from_bytes([1; 32]), &chunk).unwrap();
        let at = file.bytes().windows(8).position(|w| w == b"OpusHead").unwrap();
        let expected = b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00";
        assert_eq!(&file.bytes()[at..at + 19], expected);
        let last_page = file.bytes().windows(4).rposition(|w| w == b"OggS").unwrap();
        // Flag 4: end of stream. Then the granule position.
        assert_eq!(file.bytes()[last_page + 5], 4);
        assert_eq!(file.bytes()[last_page + 6..last_page + 14], 960u64.to_le_bytes());
    }

    #[test]
    fn gaps_become_silence_but_drift_does_not() {
        let mut out = Vec::new();
        let mut joiner = ChunkJoiner::new(&mut out, 1);
        joiner.chunk(&chunk(200, &[&[1], &[2]])).unwrap();
        joiner.chunk(&chunk(260, &[&[3]])).unwrap();
        joiner.chunk(&chunk(1000, &[&[4]])).unwrap();
        joiner.chunk(&chunk(10, &[&[5]])).unwrap();
        assert_eq!(joiner.finish().unwrap(), 52 * 20);
        let packets = read_chunk(&out).unwrap().packets;
        assert_eq!(packets.len(), 52);
        assert_eq!((&packets[9][..], &packets[10][..], &packets[12][..]), (&SILENCE[..], &[1][..], &[3][..]));
        assert_eq!((&packets[49][..], &packets[50][..], &packets[51][..]), (&SILENCE[..], &[4][..], &[5][..]));
    }

    #[test]
    fn empty_and_oversized_chunks_are_refused() {
        let huge = [0; MAX_PACKET_BYTES + 1];
        for packets in [&[][..], &[&huge[..]][..]] {
            assert!(ogg_opus(Salt::from_bytes([1; 32]), &OpusChunk { start_ms: 0, pre_skip: 0, packets }).is_err());
        }
        assert!(ChunkJoiner::new(Vec::new(), 1).finish().is_err());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..400, value: u8) {
            let _ = read_chunk(&bytes);
            let chunk = OpusChunk { start_ms: 1, pre_skip: 0, packets: &[&SILENCE] };
            let mut file = ogg_opus(Salt::from_bytes([1; 32]), &chunk).unwrap().bytes().to_vec();
            let at = at % file.len();
            file[at] = value;
            let _ = read_chunk(&file);
            let _ = parse_comments(&bytes);
        }
    }
}
