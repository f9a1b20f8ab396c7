//! The relay's counters. Numbers only: no address, no identity, no content.

/// Counters since the start of the relay. Each dropped datagram or packet is in exactly one of the `dropped_*` counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayStats {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Media packets received from a leg and authenticated.
    pub media_in: u64,
    /// Media packets forwarded, counted once per receiving leg.
    pub media_forwarded: u64,
    /// Datagrams that are too short or of an unknown protocol.
    pub dropped_malformed: u64,
    /// Datagrams longer than [`crate::limits::MAX_DATAGRAM_BYTES`].
    pub dropped_oversized: u64,
    /// Datagrams from an address that belongs to no leg.
    pub dropped_unknown_source: u64,
    /// STUN requests whose user name matches no leg.
    pub dropped_unknown_user: u64,
    /// STUN requests from an address that is bound to another active leg.
    pub dropped_address_taken: u64,
    /// Datagrams above a leg's pre-authentication rate limit.
    pub dropped_flood: u64,
    /// Datagrams refused by the leg's transport: wrong key, replay, unknown stream or invalid handshake message.
    pub dropped_refused: u64,
    /// Authenticated media packets above a leg's media rate limit.
    pub dropped_rate: u64,
    /// Authenticated media packets larger than [`crate::limits::MAX_FRAME_BYTES`], or empty.
    pub dropped_frame_size: u64,
    /// Packets not forwarded to a leg because all its receive slots are in use.
    pub dropped_no_slot: u64,
    /// Packets not forwarded to a leg because it is not connected or interrupted.
    pub dropped_not_connected: u64,
    /// Packets not forwarded because they precede the first packet of their run in the slot.
    pub dropped_too_old: u64,
    /// Datagrams that could not be sent: the socket's send buffer or a TCP send queue was full.
    pub dropped_unsent: u64,
    /// Panics that were caught and contained to one leg or datagram. Must be zero.
    pub contained_panics: u64,
    /// Legs created since the start.
    pub legs_opened: u64,
    /// Open calls (gauge).
    pub calls: u64,
    /// Legs (gauge).
    pub legs: u64,
}

impl RelayStats {
    /// The sum of two engines' counters.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            datagrams_in: self.datagrams_in + other.datagrams_in,
            datagrams_out: self.datagrams_out + other.datagrams_out,
            media_in: self.media_in + other.media_in,
            media_forwarded: self.media_forwarded + other.media_forwarded,
            dropped_malformed: self.dropped_malformed + other.dropped_malformed,
            dropped_oversized: self.dropped_oversized + other.dropped_oversized,
            dropped_unknown_source: self.dropped_unknown_source + other.dropped_unknown_source,
            dropped_unknown_user: self.dropped_unknown_user + other.dropped_unknown_user,
            dropped_address_taken: self.dropped_address_taken + other.dropped_address_taken,
            dropped_flood: self.dropped_flood + other.dropped_flood,
            dropped_refused: self.dropped_refused + other.dropped_refused,
            dropped_rate: self.dropped_rate + other.dropped_rate,
            dropped_frame_size: self.dropped_frame_size + other.dropped_frame_size,
            dropped_no_slot: self.dropped_no_slot + other.dropped_no_slot,
            dropped_not_connected: self.dropped_not_connected + other.dropped_not_connected,
            dropped_too_old: self.dropped_too_old + other.dropped_too_old,
            dropped_unsent: self.dropped_unsent + other.dropped_unsent,
            contained_panics: self.contained_panics + other.contained_panics,
            legs_opened: self.legs_opened + other.legs_opened,
            calls: self.calls + other.calls,
            legs: self.legs + other.legs,
        }
    }
}
