//! Framing of packets on a TCP connection: a two-byte length precedes each packet (RFC 4571).

use crate::limits::MAX_DATAGRAM_BYTES;

/// The length field exceeds [`MAX_DATAGRAM_BYTES`]: the stream cannot be used any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the length field exceeds {MAX_DATAGRAM_BYTES} bytes")]
pub struct TooLong;

/// Extracts packets from a byte stream that arrives in chunks of any size.
///
/// ```
/// let mut unframer = telcon_relay::framing::Unframer::default();
/// let mut packets = Vec::new();
/// unframer.take(&[0, 3, b'o', b'n'], |packet| packets.push(packet.to_vec()))?;
/// unframer.take(&[b'e', 0], |packet| packets.push(packet.to_vec()))?;
/// assert_eq!(packets, [b"one"]);
/// assert_eq!(unframer.buffered(), 1);
/// # Ok::<(), telcon_relay::framing::TooLong>(())
/// ```
#[derive(Debug, Default)]
pub struct Unframer {
    /// The incomplete last packet.
    buffer: Vec<u8>,
}

impl Unframer {
    /// Appends the next bytes of the stream and calls `packet` for every complete packet. Returns their number.
    ///
    /// # Errors
    /// [`TooLong`], after `packet` was called for the packets before the invalid length.
    pub fn take(&mut self, bytes: &[u8], mut packet: impl FnMut(&mut [u8])) -> Result<usize, TooLong> {
        self.buffer.extend_from_slice(bytes);
        let (mut taken, mut packets) = (0, 0);
        while let Some((head, rest)) = self.buffer[taken..].split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*head));
            if length > MAX_DATAGRAM_BYTES {
                return Err(TooLong);
            }
            if rest.len() < length {
                break;
            }
            let from = taken + head.len();
            packet(&mut self.buffer[from..from + length]);
            taken = from + length;
            packets += 1;
        }
        self.buffer.drain(..taken);
        Ok(packets)
    }

    /// Number of buffered bytes of an incomplete packet: less than `2 + MAX_DATAGRAM_BYTES`.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(packets: &[&[u8]]) -> Vec<u8> {
        packets.iter().flat_map(|p| [&(p.len() as u16).to_be_bytes()[..], p].concat()).collect()
    }

    #[test]
    fn packets_are_restored_for_any_chunk_size() {
        let packets: [&[u8]; 4] = [b"one", b"", &[7; MAX_DATAGRAM_BYTES], b"last"];
        let bytes = stream(&packets);
        for piece in [1, 2, 3, 100, bytes.len()] {
            let (mut unframer, mut out) = (Unframer::default(), Vec::new());
            for chunk in bytes.chunks(piece) {
                unframer.take(chunk, |packet| out.push(packet.to_vec())).unwrap();
                assert!(unframer.buffered() < 2 + MAX_DATAGRAM_BYTES);
            }
            assert_eq!(out, packets, "in chunks of {piece}");
            assert_eq!(unframer.buffered(), 0);
        }
    }

    #[test]
    fn an_oversized_length_is_refused_before_its_packet_is_buffered() {
        let mut bytes = stream(&[b"good"]);
        bytes.extend((MAX_DATAGRAM_BYTES as u16 + 1).to_be_bytes());
        let mut out = 0;
        assert_eq!(Unframer::default().take(&bytes, |_| out += 1), Err(TooLong));
        assert_eq!(out, 1);
    }
}
