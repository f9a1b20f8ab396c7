//! Values as SQLite holds them.

use super::StoreError;
use rusqlite::Row;
use serde::{Serialize, de::DeserializeOwned};
use telcon_proto::{CallId, DeviceId, Digest};

pub(super) fn id(bytes: &[u8; 16]) -> &[u8] {
    bytes
}

/// Times and indices: far below 2^63 for longer than anybody will run this.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn optional(value: Option<u64>) -> Option<i64> {
    value.map(int)
}

pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("invariant: stored types have no map keys that JSON cannot hold")
}

pub(super) fn parse<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged(what))
}

/// Reads back a word of the wire, such as a record mode.
pub(super) fn from_word<T: DeserializeOwned>(word: String, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(|_| StoreError::Damaged(what))
}

pub(super) fn bytes16(row: &Row<'_>, column: usize, what: &'static str) -> Result<[u8; 16], StoreError> {
    row.get::<_, Vec<u8>>(column)?.try_into().map_err(|_| StoreError::Damaged(what))
}

pub(super) fn device(row: &Row<'_>, column: usize) -> Result<DeviceId, StoreError> {
    bytes16(row, column, "device id").map(DeviceId::from_bytes)
}

pub(super) fn call(row: &Row<'_>, column: usize) -> Result<CallId, StoreError> {
    bytes16(row, column, "call id").map(CallId::from_bytes)
}

pub(super) fn digest(row: &Row<'_>, column: usize) -> Result<Digest, StoreError> {
    row.get::<_, String>(column)?.parse().map_err(|_| StoreError::Damaged("digest"))
}

pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    Ok(row.get::<_, i64>(column)? as u64)
}

pub(super) fn maybe(row: &Row<'_>, column: usize) -> Result<Option<u64>, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|v| v as u64))
}
