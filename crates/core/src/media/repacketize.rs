//! Repacketizing: several 20 ms Opus packets as one longer packet (RFC 6716, section 3.2), for players that take one packet
//! per frame.

/// Longest frame within a packet, bytes (RFC 6716, section 3.2.1).
const MAX_FRAME: usize = 1275;

/// The single frame in a packet, without padding; nothing if there are several, or the packet is malformed.
fn single_frame(packet: &[u8]) -> Option<&[u8]> {
    let (toc, rest) = packet.split_first()?;
    let frame = match toc & 3 {
        0 => rest,
        3 => {
            let (count, mut rest) = rest.split_first()?;
            if count & 0x3f != 1 {
                return None;
            }
            let mut padding = 0;
            if count & 0x40 != 0 {
                loop {
                    let (more, after) = rest.split_first()?;
                    rest = after;
                    padding += usize::from(*more).min(254);
                    if *more != 255 {
                        break;
                    }
                }
            }
            rest.get(..rest.len().checked_sub(padding)?)?
        }
        _ => return None,
    };
    (frame.len() <= MAX_FRAME).then_some(frame)
}

/// One packet with the frames of all of these. Nothing if they cannot be combined: their modes differ, or one does not
/// hold exactly one frame.
pub fn repacketize(packets: &[&[u8]]) -> Option<Vec<u8>> {
    let toc = *packets.first()?.first()?;
    let frames: Vec<&[u8]> = packets.iter().map(|packet| single_frame(packet)).collect::<Option<_>>()?;
    if packets.iter().any(|packet| packet[0] >> 2 != toc >> 2) || frames.len() > 6 {
        return None;
    }
    // Code 3, variable bit rate: a length before each frame but the last (section 3.2.5).
    let mut combined = vec![toc | 3, 0x80 | frames.len() as u8];
    for frame in &frames[..frames.len() - 1] {
        match frame.len() {
            short @ 0..252 => combined.push(short as u8),
            long => {
                let first = 252 + (long % 4) as u8;
                combined.extend([first, ((long - usize::from(first)) / 4) as u8]);
            }
        }
    }
    combined.extend(frames.concat());
    Some(combined)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const TOC: u8 = 9 << 3;

    #[test]
    fn packets_with_and_without_padding_are_combined() {
        let plain = [TOC, 1, 2, 3];
        let padded = [TOC | 3, 0x41, 2, 4, 5, 0, 0];
        let one = [TOC | 3, 1, 6];
        assert_eq!(repacketize(&[&plain, &padded, &one]), Some(vec![TOC | 3, 0x83, 3, 2, 1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn long_frames_and_long_paddings_are_coded_in_two_bytes() {
        let long = [&[TOC][..], &[7; 300]].concat();
        let combined = repacketize(&[&long, &[TOC, 9]]).unwrap();
        assert_eq!(combined[..4], [TOC | 3, 0x82, 252, 12]);
        assert_eq!(252 + 4 * 12, 300);
        assert_eq!(combined.len(), 4 + 301);
        let padded = [&[TOC | 3, 0x41, 255, 10][..], &[8; 5], &[0; 264]].concat();
        assert_eq!(single_frame(&padded), Some(&[8; 5][..]));
    }

    #[test]
    fn packets_that_cannot_be_combined_are_refused() {
        assert_eq!(repacketize(&[]), None);
        assert_eq!(repacketize(&[&[]]), None);
        assert_eq!(repacketize(&[&[TOC, 1], &[15 << 3, 1]]), None, "two modes");
        assert_eq!(repacketize(&[&[TOC | 1, 1, 2]]), None, "two frames");
        assert_eq!(repacketize(&[&[TOC | 3, 0x42, 0, 1]]), None, "two frames, code 3");
        assert_eq!(repacketize(&[&[TOC | 3]]), None, "truncated");
        assert_eq!(repacketize(&[&[TOC | 3, 0x41, 255]]), None, "truncated in its padding");
        assert_eq!(repacketize(&[&[TOC | 3, 0x41, 9, 1]]), None, "more padding than packet");
    }
}
