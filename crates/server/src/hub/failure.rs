//! What people are told while the store fails.

use super::Input;
use crate::{
    store::StoreError,
    switchboard::{Refusal, RefusalKind},
};
use telcon_proto::{ServerMessage, message::RefusalCode};

/// The database failed, for whatever reason.
pub(super) const STORE_FAILED: &str = "the server's database failed: try again, and tell its operator";
const DISK_FULL: &str = "the disk of the server's database is full: try again when its operator has freed space";

/// What people are told of an error of the store.
pub(super) fn sentence(error: &StoreError) -> &'static str {
    if matches!(error, StoreError::Full(_)) { DISK_FULL } else { STORE_FAILED }
}

/// The refusal of a request that the store could not serve.
pub(super) fn store_failed() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, STORE_FAILED)
}

/// Tells the sender of an input why it is not processed. Messages need no answer: connections are closed, and a device
/// repeats what its person did when it is signed in again.
pub(super) fn refuse(input: Input, failure: &'static str) {
    let refusal = || Refusal::new(RefusalKind::Unavailable, failure);
    // Receivers are gone if their connections are.
    match input {
        Input::Connected { reply, .. } => {
            let (code, message) = (RefusalCode::Unavailable, failure.to_owned());
            let _ = reply.send(Err(Box::new(ServerMessage::Refused { call: None, code, message })));
        }
        Input::Enrol(_, reply) | Input::Revoke(_, _, reply) | Input::Seal(_, reply) => drop(reply.send(Err(refusal()))),
        Input::MaySeal(_, _, reply) => drop(reply.send(Err(refusal()))),
        _ => {}
    }
}
