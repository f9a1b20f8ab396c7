//! What the relay counts. Numbers only: no address, no identity, nothing of content.

/// Counters since the relay was made. Each dropped datagram or packet is in exactly one of the `dropped_*` counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayStats {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Media packets received from a leg and authenticated.
    pub media_in: u64,
    /// Media packets forwarded, once for each receiving leg.
    pub media_forwarded: u64,
    /// Datagrams shorter than any valid one, or of no known protocol.
    pub dropped_malformed: u64,
    /// Datagrams longer than [`crate::limits::MAX_DATAGRAM_BYTES`].
    pub dropped_oversized: u64,
    /// Datagrams from an address that belongs to no leg.
    pub dropped_unknown_source: u64,
    /// STUN requests for no leg's user name.
    pub dropped_unknown_user: u64,
    /// STUN requests whose address belongs to another leg that is in use.
    pub dropped_address_taken: u64,
    /// Datagrams above a leg's rate before authentication.
    pub dropped_flood: u64,
    /// Datagrams that the leg's transport refused: wrong key, replayed, unknown stream or a broken handshake.
    pub dropped_refused: u64,
    /// Authenticated media packets above a leg's media rate.
    pub dropped_rate: u64,
    /// Authenticated media packets larger than [`crate::limits::MAX_FRAME_BYTES`], or empty.
    pub dropped_frame_size: u64,
    /// Packets not forwarded to a leg because all its receive slots are in use.
    pub dropped_no_slot: u64,
    /// Packets not forwarded to a leg because it is not connected, or was not heard of for a while.
    pub dropped_not_connected: u64,
    /// Packets not forwarded because they are older than the first one of their slot.
    pub dropped_too_old: u64,
    /// Legs ended because of a bug that was contained. Must be zero.
    pub contained_panics: u64,
    /// Legs made since the start.
    pub legs_opened: u64,
    /// Calls open now.
    pub calls: u64,
    /// Legs now.
    pub legs: u64,
}
