//! PDF files, for browsers: `wasm-bindgen` bindings without logic. JSON of papers goes in, bytes come out.

mod copies;
mod memoranda;

use telcon_papers::{Content, brief::Brief};
use wasm_bindgen::prelude::*;

pub(crate) fn fail(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}

/// A brief as PDF/A. `banner` is its classification line, and `id` identifies the version: the same gives the same file.
#[wasm_bindgen]
pub fn brief_pdf(brief: &str, banner: &str, id: &str) -> Result<Vec<u8>, JsError> {
    let brief = Brief::from_json(brief.as_bytes()).map_err(fail)?;
    Ok(telcon_pdf::brief_pdf(&brief, banner, id.as_bytes()))
}
