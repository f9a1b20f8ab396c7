//! Media frames of the generator: constant size, with the shape of SFrame ciphertext (RFC 9605), containing their send
//! time.

use crate::relay::srtp::{HEADER, TAG};
use std::ops::Range;

/// Bytes of a frame: 100.
pub const FRAME: usize = SFRAME_HEADER + OPUS + SFRAME_TAG;
/// Bytes of an SRTP packet.
pub const PACKET: usize = HEADER + FRAME + TAG;

/// One byte of configuration, four of counter (RFC 9605 section 4.3).
const SFRAME_HEADER: usize = 5;
/// Opus at 32 kbit/s has 80 bytes in 20 ms; one less makes the frame a round number.
const OPUS: usize = 79;
/// AES-GCM's.
const SFRAME_TAG: usize = 16;
/// Where the send time is, nanoseconds.
const TIME: Range<usize> = SFRAME_HEADER..SFRAME_HEADER + 8;
/// Where [`MARK`] is.
const MARK_AT: Range<usize> = TIME.end..TIME.end + 4;
/// Identifies a frame of the generator.
const MARK: u32 = 0x7e1c_0a11;
/// All other bytes.
const FILLER: u8 = 0xa5;

/// Writes a frame.
pub fn write(frame: &mut [u8; FRAME], sender: u32, counter: u32, now: u64) {
    frame[0] = 0x0b | ((sender as u8 & 7) << 4);
    frame[1..SFRAME_HEADER].copy_from_slice(&counter.to_be_bytes());
    frame[TIME].copy_from_slice(&now.to_be_bytes());
    frame[MARK_AT].copy_from_slice(&MARK.to_be_bytes());
    frame[MARK_AT.end..].fill(FILLER);
}

/// The send time, if this is an unmodified frame of the generator.
pub fn read(frame: &[u8]) -> Option<u64> {
    let frame: &[u8; FRAME] = frame.try_into().ok()?;
    let ours = frame[MARK_AT] == MARK.to_be_bytes() && frame[FRAME - 1] == FILLER;
    ours.then(|| u64::from_be_bytes(frame[TIME].try_into().expect("invariant: eight bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_contain_their_send_time() {
        let mut frame = [0; FRAME];
        write(&mut frame, 3, 77, 1_234_567_890_123_456_789);
        assert_eq!(read(&frame), Some(1_234_567_890_123_456_789));
        assert_eq!(read(&frame[1..]), None);
        frame[MARK_AT.start] ^= 1;
        assert_eq!(read(&frame), None);
    }
}
