//! What must survive a power cut: devices, calls and the order of their commits, in a database.
//!
//! | module | idea |
//! |---|---|
//! | `port` | the traits: [`Store`], the one writer, and [`Queries`], what HTTP requests read |
//! | `rows` | the vocabulary: rows, [`Write`]s, the [`Snapshot`] that a start loads |
//! | `write`, `load`, `read` | the one SQL text |
//! | `database`, `over_sql` | what a database must be able to do, and the ports over any that can |
//! | `sqlite`, `postgres`, `schema` | the databases |
//! | `migration` | copying everything from one database to another |
//!
//! # What it is trusted for
//! The store is trusted for who may sign in and for the order of commits. Whoever can change it can refuse service, replay
//! an order that members refuse, or invent devices that no member accepts, because certificates and log proofs are checked
//! by the devices. It holds names, and no content and no key. A PostgreSQL server sees the same as an SQLite file does: it
//! learns who calls whom and when, so it belongs to the office, and connections to it over a network are TLS with its
//! certificate verified.

mod database;
mod load;
mod location;
pub mod migration;
mod over_sql;
mod port;
mod postgres;
mod read;
mod rows;
mod schema;
mod sqlite;
mod value;
mod write;

pub use location::StoreLocation;
pub use port::{LogPosition, Queries, Store, StoreError, StoredRecord};
pub use rows::{ActiveCall, Ask, CallRow, DeviceRow, Handshake, RecordRow, Snapshot, Stage, Unfinished, Write};

#[cfg(test)]
pub(crate) mod faulty;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
