//! The audio of one speaker between two sealed parts: packets by position, split into Ogg files.

use crate::audio::opus::PRE_SKIP;
use std::collections::BTreeMap;
use telcon_record::{OpusChunk, OpusError, Payload, Salt, ogg_opus};

/// Most packets of one speaker per part, while the disk is full: half an hour, 7 MB.
const MAX_PACKETS: usize = 50 * 60 * 30;
/// Longest gap within a chunk, packets: five seconds.
const MAX_GAP_PACKETS: u64 = 250;
/// Most chunks of one speaker per part. Counters are continuous except after a reload; a participant whose counter jumps
/// constantly must not fill the record with files.
const MAX_CHUNKS: usize = 16;

/// Packets by run (how often the counter restarted) and counter, with their time in the call, milliseconds.
type Packets = BTreeMap<(u32, u64), (u64, Vec<u8>)>;

/// The packets of one speaker that are not sealed yet.
#[derive(Default)]
pub(super) struct SpeakerAudio(Packets);

/// The chunks of a part.
pub(super) struct Chunks {
    /// The first [`MAX_CHUNKS`].
    pub(super) kept: Vec<Packets>,
    /// How many more there were.
    pub(super) omitted: usize,
}

impl SpeakerAudio {
    /// Adds a packet. The first packet at a position is kept, so that a counter that goes backwards overwrites nothing.
    pub(super) fn push(&mut self, run: u32, counter: u64, at_ms: u64, packet: &[u8]) {
        if self.0.len() < MAX_PACKETS {
            self.0.entry((run, counter)).or_insert_with(|| (at_ms, packet.to_vec()));
        }
    }

    /// Splits the packets where the counter restarted or has a gap longer than [`MAX_GAP_PACKETS`], so that a jump of the
    /// counter does not fill the record with silence.
    pub(super) fn into_chunks(self) -> Chunks {
        let mut kept: Vec<Packets> = Vec::new();
        for ((run, counter), packet) in self.0 {
            let continues = kept
                .last()
                .and_then(|chunk| chunk.last_key_value())
                .is_some_and(|((last_run, last), _)| run == *last_run && counter - last <= MAX_GAP_PACKETS);
            if !continues {
                kept.push(Packets::new());
            }
            kept.last_mut().expect("invariant: one was just pushed").insert((run, counter), packet);
        }
        let omitted = kept.len().saturating_sub(MAX_CHUNKS);
        kept.truncate(MAX_CHUNKS);
        Chunks { kept, omitted }
    }
}

/// A chunk as an Ogg Opus file. Packets are placed by their counter; lost ones leave empty positions.
pub(super) fn encode_chunk(salt: Salt, chunk: &Packets) -> Result<Payload, OpusError> {
    let (first, start_ms) = chunk.first_key_value().map_or((0, 0), |((_, first), (start_ms, _))| (*first, *start_ms));
    let positions = chunk.last_key_value().map_or(0, |((_, last), _)| (last - first) as usize + 1);
    let mut packets: Vec<&[u8]> = vec![&[]; positions];
    for ((_, counter), (_, packet)) in chunk {
        packets[(counter - first) as usize] = packet;
    }
    ogg_opus(salt, &OpusChunk { start_ms, pre_skip: PRE_SKIP, packets: &packets })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_goes_backwards_overwrites_nothing_and_starts_another_chunk() {
        let mut audio = SpeakerAudio::default();
        for (run, counter, at_ms) in [(0, 1, 0), (0, 2, 20), (1, 1, 40), (1, 900, 60), (0, 2, 80)] {
            audio.push(run, counter, at_ms, &[1]);
        }
        let chunks = audio.into_chunks();
        let sizes: Vec<usize> = chunks.kept.iter().map(BTreeMap::len).collect();
        assert_eq!((sizes, chunks.omitted), (vec![2, 1, 1], 0));
        assert_eq!(chunks.kept[0][&(0, 2)].0, 20);
    }

    #[test]
    fn a_counter_that_jumps_constantly_makes_a_bounded_number_of_chunks() {
        let mut audio = SpeakerAudio::default();
        (0..50).for_each(|jump| audio.push(0, jump * 1_000, 20 * jump, &[1]));
        let chunks = audio.into_chunks();
        assert_eq!((chunks.kept.len(), chunks.omitted), (MAX_CHUNKS, 50 - MAX_CHUNKS));
    }
}
