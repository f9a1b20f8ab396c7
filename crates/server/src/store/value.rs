//! Values and rows, common to all databases: integers, texts and byte strings. A flag is 0 or 1.

use super::StoreError;
use serde::{Serialize, de::DeserializeOwned};
use telcon_proto::{
    Blob, CallId, Card, DelegationId, DeviceId, Digest, DocumentId, InvitationId, LineId, OfficeName, PersonId,
    RecoveryId, ShiftId,
};

/// One value of a statement or a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<u64> for Value {
    /// Times and indices, which stay far below 2^63.
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<&Blob> for Value {
    fn from(value: &Blob) -> Self {
        Self::Bytes(value.0.clone())
    }
}

impl From<&DeviceId> for Value {
    fn from(value: &DeviceId) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}

impl From<&RecoveryId> for Value {
    fn from(value: &RecoveryId) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}

impl From<&InvitationId> for Value {
    fn from(value: &InvitationId) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}

impl From<&DelegationId> for Value {
    fn from(value: &DelegationId) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}

impl From<&DocumentId> for Value {
    fn from(value: &DocumentId) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}

impl From<&LineId> for Value {
    fn from(value: &LineId) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}

impl From<&ShiftId> for Value {
    fn from(value: &ShiftId) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}

impl From<&Digest> for Value {
    fn from(value: &Digest) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<&CallId> for Value {
    fn from(value: &CallId) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}

impl<T> From<Option<T>> for Value
where
    Value: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::from)
    }
}

/// The values of a statement, in the order of `$1`, `$2` and so on.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::value::Value::from($value)),*] };
}
pub(super) use values;

/// A value serialized as JSON text.
pub(super) fn json<T: Serialize>(value: &T) -> Value {
    let text = serde_json::to_string(value);
    Value::Text(text.expect("invariant: stored types have no map keys that JSON cannot hold"))
}

/// One row of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row(pub Vec<Value>);

impl Row {
    fn value(&self, column: usize) -> &Value {
        self.0.get(column).unwrap_or(&Value::Null)
    }

    pub fn is_null(&self, column: usize) -> bool {
        *self.value(column) == Value::Null
    }

    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self.value(column) {
            Value::Int(value) => Ok(*value),
            _ => Err(StoreError::Damaged("number")),
        }
    }

    pub fn number(&self, column: usize) -> Result<u64, StoreError> {
        u64::try_from(self.int(column)?).map_err(|_| StoreError::Damaged("number"))
    }

    pub fn optional_number(&self, column: usize) -> Result<Option<u64>, StoreError> {
        if self.is_null(column) { Ok(None) } else { self.number(column).map(Some) }
    }

    pub fn flag(&self, column: usize) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    pub fn text(&self, column: usize) -> Result<String, StoreError> {
        match self.value(column) {
            Value::Text(value) => Ok(value.clone()),
            _ => Err(StoreError::Damaged("text")),
        }
    }

    pub fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        if self.is_null(column) { Ok(None) } else { self.text(column).map(Some) }
    }

    pub fn bytes(&self, column: usize) -> Result<Vec<u8>, StoreError> {
        match self.value(column) {
            Value::Bytes(value) => Ok(value.clone()),
            _ => Err(StoreError::Damaged("byte string")),
        }
    }

    pub fn blob(&self, column: usize) -> Result<Blob, StoreError> {
        self.bytes(column).map(Blob)
    }

    pub fn optional_blob(&self, column: usize) -> Result<Option<Blob>, StoreError> {
        if self.is_null(column) { Ok(None) } else { self.blob(column).map(Some) }
    }

    pub fn device(&self, column: usize) -> Result<DeviceId, StoreError> {
        let bytes = self.bytes(column)?.try_into();
        bytes.map(DeviceId::from_bytes).map_err(|_| StoreError::Damaged("device id"))
    }

    pub fn optional_device(&self, column: usize) -> Result<Option<DeviceId>, StoreError> {
        if self.is_null(column) { Ok(None) } else { self.device(column).map(Some) }
    }

    pub fn call(&self, column: usize) -> Result<CallId, StoreError> {
        let bytes = self.bytes(column)?.try_into();
        bytes.map(CallId::from_bytes).map_err(|_| StoreError::Damaged("call id"))
    }

    pub fn invitation(&self, column: usize) -> Result<InvitationId, StoreError> {
        let bytes = self.bytes(column)?.try_into();
        bytes.map(InvitationId::from_bytes).map_err(|_| StoreError::Damaged("invitation id"))
    }

    pub fn recovery(&self, column: usize) -> Result<RecoveryId, StoreError> {
        let bytes = self.bytes(column)?.try_into();
        bytes.map(RecoveryId::from_bytes).map_err(|_| StoreError::Damaged("recovery id"))
    }

    pub fn delegation(&self, column: usize) -> Result<DelegationId, StoreError> {
        let bytes = self.bytes(column)?.try_into();
        bytes.map(DelegationId::from_bytes).map_err(|_| StoreError::Damaged("delegation id"))
    }

    pub fn line(&self, column: usize) -> Result<LineId, StoreError> {
        let bytes = self.bytes(column)?.try_into();
        bytes.map(LineId::from_bytes).map_err(|_| StoreError::Damaged("line id"))
    }

    pub fn shift(&self, column: usize) -> Result<ShiftId, StoreError> {
        let bytes = self.bytes(column)?.try_into();
        bytes.map(ShiftId::from_bytes).map_err(|_| StoreError::Damaged("shift id"))
    }

    pub fn optional_delegation(&self, column: usize) -> Result<Option<DelegationId>, StoreError> {
        if self.is_null(column) { Ok(None) } else { self.delegation(column).map(Some) }
    }

    /// A person, stored as hexadecimal text.
    pub fn person(&self, column: usize) -> Result<PersonId, StoreError> {
        self.text(column)?.parse().map_err(|_| StoreError::Damaged("person id"))
    }

    pub fn digest(&self, column: usize) -> Result<Digest, StoreError> {
        self.text(column)?.parse().map_err(|_| StoreError::Damaged("digest"))
    }

    /// A value that was stored with [`json`].
    pub fn json<T: DeserializeOwned>(&self, column: usize, what: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| StoreError::Damaged(what))
    }

    /// A card. Cards that were stored without an office are of the office `home`.
    pub fn card(&self, column: usize, home: &OfficeName) -> Result<Card, StoreError> {
        Card::from_stored(&self.text(column)?, home).map_err(|_| StoreError::Damaged("card"))
    }

    /// A value in its wire form, such as a record mode.
    pub fn word<T: DeserializeOwned>(&self, column: usize, what: &'static str) -> Result<T, StoreError> {
        let word = serde_json::Value::String(self.text(column)?);
        serde_json::from_value(word).map_err(|_| StoreError::Damaged(what))
    }
}
