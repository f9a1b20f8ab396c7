//! Packet framing on a TCP connection: segmentation of the stream changes neither the packets nor the error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use telcon_relay::{framing::Unframer, limits::MAX_DATAGRAM_BYTES};

/// Everything that comes out of the stream, and whether it was followed to its end.
fn packets<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, bool) {
    let (mut unframer, mut out) = (Unframer::default(), Vec::new());
    for piece in pieces {
        if unframer.take(piece, |packet| out.push(packet.to_vec())).is_err() {
            return (out, false);
        }
        assert!(unframer.buffered() < 2 + MAX_DATAGRAM_BYTES);
    }
    (out, true)
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, stream)) = data.split_first() else { return };
    let whole = packets(std::iter::once(stream));
    assert_eq!(whole, packets(stream.chunks(usize::from(*cut) + 1)));
    assert!(whole.0.iter().all(|packet| packet.len() <= MAX_DATAGRAM_BYTES));
});
