//! Copies in circulation: what a reader sees and prints, and how well a leaked text fits each of them.

use crate::fail;
use telcon_papers::{
    Content,
    circulation::{Circulation, IssuedCopy},
    memorandum::Memorandum,
    trace::Lines,
};
use telcon_pdf::{memorandum_pdf, trace_leak, turn_lines};
use wasm_bindgen::prelude::*;

fn copy(json: &str) -> Result<IssuedCopy, JsError> {
    IssuedCopy::from_json(json.as_bytes()).map_err(fail)
}

/// The paragraphs of a copy, JSON of a `Sheet`. `offset_seconds`: the clock that it shows, east of UTC.
#[wasm_bindgen]
pub fn copy_sheet(issued: &str, offset_seconds: i32) -> Result<String, JsError> {
    serde_json::to_string(&copy(issued)?.sheet(offset_seconds)).map_err(fail)
}

/// The lines of each turn of a copy, as its marks break them: JSON of `string[][]`, in the order of the turns.
#[wasm_bindgen]
pub fn copy_lines(issued: &str, offset_seconds: i32) -> Result<String, JsError> {
    let copy = copy(issued)?;
    serde_json::to_string(&turn_lines(&copy.sheet(offset_seconds), Some(&copy.copy.layout_key))).map_err(fail)
}

/// A copy as PDF/A, with its number on every page and its marks in the layout.
#[wasm_bindgen]
pub fn copy_pdf(issued: &str, offset_seconds: i32) -> Result<Vec<u8>, JsError> {
    let copy = copy(issued)?;
    Ok(memorandum_pdf(&copy.sheet(offset_seconds), Some(&copy.copy.layout_key)))
}

/// How well a leaked text fits each copy, JSON of a `Trace`. Without the memorandum (an empty text) only wordings are compared.
/// `as_printed`: whether the text has the lines of the page that it was typed off.
#[wasm_bindgen]
pub fn trace_copies(circulation: &str, memorandum: &str, leaked: &str, as_printed: bool) -> Result<String, JsError> {
    let circulation = Circulation::from_json(circulation.as_bytes()).map_err(fail)?;
    let memorandum = match memorandum {
        "" => None,
        json => Some(Memorandum::from_json(json.as_bytes()).map_err(fail)?),
    };
    let lines = if as_printed { Lines::AsPrinted } else { Lines::Reflowed };
    serde_json::to_string(&trace_leak(&circulation, memorandum.as_ref(), leaked, lines)).map_err(fail)
}
