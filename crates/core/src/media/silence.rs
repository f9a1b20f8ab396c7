//! Silence in place of a packet of sound, of the same size: what a device sends while its sound is kept back.

/// A mono packet of CELT, full band, 20 ms (RFC 6716, section 3.1), with one frame.
const TOC: u8 = 31 << 3;
/// A CELT frame whose silence flag is set (RFC 6716, section 4.3).
const FRAME: [u8; 2] = [0xff, 0xfe];
/// Flags of a packet of code 3 (RFC 6716, section 3.2.5).
const PADDED: u8 = 0x40;

/// A packet of silence that is as long as `len`, so that nothing on the way tells it from sound.
pub fn silence(len: usize) -> Vec<u8> {
    let mut packet = match len {
        0..=3 => vec![TOC, FRAME[0], FRAME[1]],
        4 => vec![TOC | 3, 1, FRAME[0], FRAME[1]],
        _ => {
            let mut packet = vec![TOC | 3, PADDED | 1];
            // Each length byte of 255 stands for 254 bytes of padding, beside itself.
            let mut left = len - 5;
            while left > 254 {
                packet.push(255);
                left -= 255;
            }
            packet.push(left as u8);
            packet.extend(FRAME);
            packet
        }
    };
    packet.resize(len, 0);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::repacketize::repacketize;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn silence_of_any_size_is_a_packet_with_the_one_silent_frame() {
        for len in 3..=1275 {
            let packet = silence(len);
            assert_eq!(packet.len(), len);
            // Our own parser of packets takes the padding off.
            assert_eq!(repacketize(&[&packet]), Some(vec![TOC | 3, 0x81, 0xff, 0xfe]), "{len}");
        }
        assert_eq!(silence(2).len(), 2);
    }
}
