//! What people are told when the switchboard recovers, or cannot.

use super::Input;
use crate::{
    reconcile::ReconcileError,
    store::StoreError,
    switchboard::{Refusal, RefusalKind},
};
use telcon_proto::{ServerMessage, message::RefusalCode};

/// The database failed, for whatever reason.
pub(super) const STORE_FAILED: &str = "the server's database failed: try again, and tell its operator";
const DISK_FULL: &str = "the disk of the server's database is full: try again when its operator has freed space";
/// The engine restarts because of a step of the wall clock.
pub(super) const CLOCK_SET: &str = "the clock of the server was set, or its machine was suspended: try again";
const NOT_RECONCILED: &str = "the server cannot continue from its log and archive: tell its operator";

/// What people are told of a failed recovery.
pub(super) fn of_recovery(error: &ReconcileError) -> &'static str {
    match error {
        ReconcileError::Store(error) => sentence(error),
        ReconcileError::Log(_)
        | ReconcileError::Certificates(_)
        | ReconcileError::RolledBack { .. }
        | ReconcileError::EmptyStore(_) => NOT_RECONCILED,
    }
}

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
        Input::Enrol(_, reply)
        | Input::LinkIssued(_, reply)
        | Input::Revoke(_, _, reply)
        | Input::Seal(_, reply)
        | Input::Appoint(_, reply)
        | Input::DeviceAsked(_, reply)
        | Input::RevokeAsRegistrar(_, _, reply)
        | Input::ConfirmRecovery(_, _, reply)
        | Input::Erased(_, reply)
        | Input::BeginShift(_, reply)
        | Input::Subscribe(_, _, reply)
        | Input::PutDocument(_, reply)
        | Input::OpenCopy(_, _, _, reply)
        | Input::PublishReadout(_, _, reply)
        | Input::Approve(_, _, _, reply) => drop(reply.send(Err(refusal()))),
        Input::Recall(_, _, reply) => drop(reply),
        Input::MaySeal(_, _, reply) => drop(reply.send(Err(refusal()))),
        _ => {}
    }
}
