//! One call record: the bag, sealing to custodians, opening, and checking an archive against its log.
