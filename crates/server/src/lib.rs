//! The switchboard: sign-in, rings, call ordering, the archive it keeps, and the relay it embeds.
//!
//! ```text
//!            web ──────────────► hub ───► switchboard ──► assignment  (engines: who may do what, in which order;
//!  devices ◄─ socket, records ◄──┘│ │                                  which note-taker records a call)
//!                                 │ └───► store       (SQLite or PostgreSQL: durable before anything is sent)
//!                                 ├─────► archive     (log, records, certificates: what auditors get)
//!                                 ├─────► push        (engine: what devices are sent while their page is closed)
//!                                 └─────► media ────► placement       (engine: which relay a call is on)
//!                                           └───────► relay
//! ```
//!
//! Engines (`switchboard`, `assignment`, `placement`, `push::queue`, `codes`) have no clock, socket, disk or randomness; `hub` and `media` drive them.
//!
//! What must not exist here: code that could decrypt content. This crate depends neither on the crate with the group
//! keys nor on the one that opens sealed records.

mod allowance;
pub mod archive;
mod assignment;
mod clock;
mod codes;
mod device_policy;
mod digest;
mod hub;
pub mod limits;
mod local_time;
mod media;
mod migrate;
pub mod node;
pub mod objects;
mod outbox;
pub mod placement;
mod places;
mod private;
mod protection;
mod push;
mod random;
mod reconcile;
mod server;
pub mod sign_in;
mod sso;
mod start_error;
pub mod store;
pub mod switchboard;
mod timers;
mod tls;
mod web;

pub use migrate::{MigrateError, Progress as MigrateProgress, Report as MigrateReport, migrate};
pub use places::PlacesError;
pub use push::{PushService, PushServiceError};
pub use reconcile::{CertificateSource, ReconcileError, SecondCertificates, reconcile};
pub use server::{PushConfig, Running, Server, ServerConfig};
pub use sso::{SsoConfig, SsoConfigError};
pub use start_error::StartError;
pub use web::openapi;
pub use web::{
    ConnectionLimits, MAX_TURN_SECRET_BYTES, MAX_TURN_URLS, Network, NetworkError, OriginError, ProtectionConfig,
    TrustedProxies, Turn, TurnError,
};

#[cfg(test)]
#[path = "../tests/peers/mod.rs"]
mod peers;
