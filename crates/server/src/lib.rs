//! The switchboard: sign-in, rings, call ordering, the archive it keeps, and the relay it embeds.
