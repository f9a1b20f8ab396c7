//! The switchboard: sign-in, rings, call ordering, the archive it keeps, and the relay it embeds.
//!
//! ```text
//!            web ──────────────► hub ───► switchboard (sans-IO: who may do what, in which order)
//!  devices ◄─ socket, records ◄──┘│ └───► store       (SQLite: durable before anything leaves)
//!                                 ├─────► archive     (log, records, certificates: what auditors get)
//!                                 └─────► media ────► relay
//! ```
//!
//! What must not exist here: code that could open anything. This crate depends on neither the crate with the group
//! keys nor the one with the sealed records.

pub mod archive;
mod digest;
mod hub;
pub mod limits;
mod media;
pub mod node;
mod reconcile;
mod server;
pub mod store;
pub mod switchboard;
mod web;

pub use reconcile::ReconcileError;
pub use server::{Running, Server, ServerConfig, StartError};
pub use web::openapi;
pub use web::{ConnectionLimits, MAX_TURN_SECRET_BYTES, MAX_TURN_URLS, Turn, TurnError};
