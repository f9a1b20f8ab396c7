//! The switchboard: sign-in, rings, call ordering, the archive it keeps, and the relay it embeds.

pub mod entry;
pub mod limits;
pub mod store;
pub mod switchboard;
