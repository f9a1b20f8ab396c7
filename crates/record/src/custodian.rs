//! Custodians' keys: the keys of [`telcon_sealing`] to which records are sealed.

pub use telcon_sealing::{Identity as CustodianIdentity, KeyError, Recipient as CustodianRecipient};
