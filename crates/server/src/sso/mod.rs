//! Single sign-on (OpenID Connect): the office's provider says which account a person signed in with. It stands before what a device
//! may do, never instead of the device's key: a sign-in at the provider is asked for and taken over a connection whose device has
//! proven its key, and counts for that device alone.
//!
//! | module | idea |
//! |---|---|
//! | `config` | the operator's file |
//! | `http` | one request to the provider, over the TLS of the rest of the server |
//! | `provider` | discovery, keys, the authorization code flow with PKCE, and what an ID token has to prove |
//!
//! No token of the provider is stored: an ID token is verified once, and what is left of it is the account's name.

mod config;
mod http;
mod provider;

pub use config::{SsoConfig, SsoConfigError};
pub(crate) use provider::{Expected, Provider, Redirect, SsoError};
