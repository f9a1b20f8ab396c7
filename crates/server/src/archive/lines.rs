//! Sealed forms of lines' versions, in the object store beside the records: `lines/<SHA-256 of the form>.age`.
//!
//! A form is durable before its version is. One whose version was refused afterwards stays under its own digest, which no log entry names.

use crate::{
    objects::{Key, ObjectError, Objects},
    switchboard::SealedLine,
};
use std::sync::Arc;
use telcon_proto::line_seal::{SEALED_LINES_DIR, sealed_line_name};

/// The sealed forms.
pub struct SealedLines {
    objects: Arc<dyn Objects>,
}

impl SealedLines {
    /// Forms in this store.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects }
    }

    /// Stores a form, durably.
    ///
    /// # Errors
    /// The object store's.
    pub fn put(&self, form: &SealedLine) -> Result<(), ObjectError> {
        let key = Key::parse(&format!("{SEALED_LINES_DIR}/{}", sealed_line_name(&form.sha256)))
            .expect("invariant: digests are hexadecimal");
        self.objects.create(&key, &form.bytes).map(drop)
    }
}
