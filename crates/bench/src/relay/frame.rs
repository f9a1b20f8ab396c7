//! Media frames of the generator: constant size, with the shape of SFrame ciphertext (RFC 9605), containing their send
//! time.

use crate::relay::srtp::{HEADER, TAG};

/// Bytes of a frame: 80 of Opus at 32 kbit/s and the SFrame overhead.
pub const FRAME: usize = 100;
/// Bytes of an SRTP packet.
pub const PACKET: usize = HEADER + FRAME + TAG;

/// One byte of configuration, four of counter (RFC 9605 section 4.3).
const SFRAME_HEADER: usize = 5;
/// Identifies a frame of the generator.
const MARK: u32 = 0x7e1c_0a11;

/// Writes a frame.
pub fn write(frame: &mut [u8], sender: u32, counter: u32, now: u64) {
    frame[0] = 0x0b | ((sender as u8 & 7) << 4);
    frame[1..SFRAME_HEADER].copy_from_slice(&counter.to_be_bytes());
    frame[5..13].copy_from_slice(&now.to_be_bytes());
    frame[13..17].copy_from_slice(&MARK.to_be_bytes());
    frame[17..].fill(0xa5);
}

/// The send time, if this is an unmodified frame of the generator.
pub fn read(frame: &[u8]) -> Option<u64> {
    let ours = frame.len() == FRAME && frame[13..17] == MARK.to_be_bytes() && frame[FRAME - 1] == 0xa5;
    ours.then(|| u64::from_be_bytes(frame[5..13].try_into().expect("invariant: eight bytes")))
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
        frame[13] ^= 1;
        assert_eq!(read(&frame), None);
    }
}
