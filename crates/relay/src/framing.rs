//! Packets on a stream of bytes: each has its length before it, in two bytes (RFC 4571).

use crate::limits::MAX_DATAGRAM_BYTES;

/// A packet longer than [`MAX_DATAGRAM_BYTES`] was announced: the stream leads nowhere any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of more than {MAX_DATAGRAM_BYTES} bytes was announced")]
pub struct TooLong;

/// Takes packets out of a stream that comes in pieces of any size.
#[derive(Debug, Default)]
pub struct Unframer {
    /// The beginning of a packet that has not come whole.
    held: Vec<u8>,
}

impl Unframer {
    /// Takes the next bytes of the stream, and gives every packet that is now whole. Their number.
    ///
    /// # Errors
    /// [`TooLong`]. Packets before it have been given.
    pub fn take(&mut self, bytes: &[u8], mut packet: impl FnMut(&mut [u8])) -> Result<usize, TooLong> {
        self.held.extend_from_slice(bytes);
        let (mut taken, mut packets) = (0, 0);
        while let Some((head, rest)) = self.held[taken..].split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*head));
            if length > MAX_DATAGRAM_BYTES {
                return Err(TooLong);
            }
            if rest.len() < length {
                break;
            }
            let from = taken + head.len();
            packet(&mut self.held[from..from + length]);
            taken = from + length;
            packets += 1;
        }
        self.held.drain(..taken);
        Ok(packets)
    }

    /// Bytes that wait for the rest of their packet: fewer than a packet and its length have.
    pub fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(packets: &[&[u8]]) -> Vec<u8> {
        packets.iter().flat_map(|p| [&(p.len() as u16).to_be_bytes()[..], p].concat()).collect()
    }

    #[test]
    fn packets_come_out_as_they_went_in_however_the_stream_is_cut() {
        let packets: [&[u8]; 4] = [b"one", b"", &[7; MAX_DATAGRAM_BYTES], b"last"];
        let bytes = stream(&packets);
        for piece in [1, 2, 3, 100, bytes.len()] {
            let (mut unframer, mut out) = (Unframer::default(), Vec::new());
            for chunk in bytes.chunks(piece) {
                unframer.take(chunk, |packet| out.push(packet.to_vec())).unwrap();
                assert!(unframer.held() < 2 + MAX_DATAGRAM_BYTES);
            }
            assert_eq!(out, packets, "in pieces of {piece}");
            assert_eq!(unframer.held(), 0);
        }
    }

    #[test]
    fn a_packet_that_is_too_long_ends_the_stream_before_it_is_waited_for() {
        let mut bytes = stream(&[b"good"]);
        bytes.extend((MAX_DATAGRAM_BYTES as u16 + 1).to_be_bytes());
        let mut out = 0;
        assert_eq!(Unframer::default().take(&bytes, |_| out += 1), Err(TooLong));
        assert_eq!(out, 1);
    }
}
