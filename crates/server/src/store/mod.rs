//! The store: durable state in a database (devices, calls, the order of their commits).
//!
//! | module | idea |
//! |---|---|
//! | `port` | the traits: [`Store`], the only writer, and [`Queries`], the read side for HTTP requests |
//! | `rows` | the types: rows, [`Write`]s, the [`Snapshot`] that is loaded at start |
//! | `write`, `load`, `read` | the SQL text that all databases share |
//! | `database`, `over_sql` | the interface of a database, and the ports implemented over it |
//! | `sqlite`, `postgres`, `schema` | the databases |
//! | `alerts` | the SQL text of alerts, and of devices that were added in somebody's name |
//! | `protection`, `protection_rows` | passkeys, lockers, tickets and accounts at the provider: writes and queries; rows |
//! | `lines` | lines and their versions: writes and queries |
//! | `push`, `push_rows` | Web Push subscriptions: writes and queries; rows |
//! | `shifts` | shifts at devices of places: writes and queries |
//! | `sign_ins` | when devices were connected: writes and queries |
//! | `office` | the mark that binds a database to its office |
//! | `migration` | copies a whole database to another one |
//!
//! # What it is trusted for
//! The store is trusted for who may sign in and for the order of commits. Whoever can change it can refuse service,
//! replay an order of commits that members refuse, or invent devices that no member accepts, because devices verify
//! certificates and log proofs. It contains names, but no content and no keys; the secrets of lockers open nothing without the
//! PIN and the device. A PostgreSQL server learns what an
//! SQLite file contains: who calls whom and when. So the office should run it, and connections to it over a network use
//! TLS with its certificate verified.

mod alerts;
mod database;
mod delegations;
mod document_rows;
mod documents;
mod lines;
mod load;
mod location;
pub mod migration;
mod office;
mod over_sql;
mod port;
mod postgres;
mod protection;
mod protection_rows;
mod push;
mod push_rows;
mod read;
mod recoveries;
mod rows;
mod schema;
mod shifts;
mod sign_ins;
mod sqlite;
mod value;
mod write;

pub use document_rows::{
    DeviceKeyRow, DocumentRow, DocumentStanding, DocumentsOf, OpeningRow, SealedVersion, StoredDocument, StoredKey,
    StoredVersion,
};
pub use location::StoreLocation;
pub use port::{Applied, LogPosition, Queries, Store, StoreError, StoredRecord};
pub use protection_rows::{AccountUse, LockerRow, PasskeyRow, ProtectionRow, ProtectionWrite, TicketRow};
pub use push_rows::{PushRow, PushWrite, RingPushRow};
pub(crate) use rows::is_holders_chain;
pub use rows::{
    ActiveCall, AddedDeviceRow, AlertId, AlertRow, Ask, AttestationRow, CallRow, CallSummary, Certified,
    DelegationEndRow, DelegationRow, DeviceRow, DeviceSummary, FirstApprovalRow, Handshake, InvitationRow,
    IssuedLinkRow, LineOfCall, LinePage, LineRow, LineVersion, LinesOf, LostDevice, OfferedForRow, ReachRow, RecordRow,
    RecoveryConfirmationRow, RecoveryRow, RegistrarRow, ShiftRow, SignedLine, Snapshot, Stage, Unfinished, Write,
};

#[cfg(test)]
pub(crate) mod faulty;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
