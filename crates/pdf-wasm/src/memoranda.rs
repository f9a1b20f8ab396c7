//! Memoranda as PDF/A.

use crate::fail;
use telcon_papers::{
    Content,
    memorandum::{Colophon, Memorandum},
    plain::sheet,
};
use wasm_bindgen::prelude::*;

/// A memorandum as PDF/A. `colophon`: JSON of a `Colophon`; `offset_seconds`: of the clock at its first place. The same arguments give the
/// same file on every device.
#[wasm_bindgen]
pub fn memorandum_pdf(memo: &str, colophon: &str, offset_seconds: i32) -> Result<Vec<u8>, JsError> {
    let memo = Memorandum::from_json(memo.as_bytes()).map_err(fail)?;
    let colophon: Colophon = serde_json::from_str(colophon).map_err(fail)?;
    Ok(telcon_pdf::memorandum_pdf(&sheet(&memo, &colophon, None, offset_seconds, &|_| None), None))
}
