//! What is written about a call, for browsers: `wasm-bindgen` bindings without logic. JSON goes in and out; every decision is
//! `telcon-papers`', and so are the types of the JSON.

mod circulation;
mod memoranda;
mod plans;
mod zones;

use serde::{Serialize, de::DeserializeOwned};
use telcon_papers::{
    Content, action::Action, brief::Brief, circulation::Circulation, circulation::IssuedCopy, debrief::Debrief,
    memorandum::Memorandum, notes::Notes, profile::Profile, readout::ReadoutFile, request::Request, schedule::Schedule,
};
use wasm_bindgen::prelude::*;

pub(crate) fn fail(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}

/// Reads JSON of a paper, within its limits.
pub(crate) fn read<T: Content>(json: &str) -> Result<T, JsError> {
    T::from_json(json.as_bytes()).map_err(fail)
}

/// JSON of a paper, within its limits.
pub(crate) fn written(paper: &impl Content) -> Result<String, JsError> {
    String::from_utf8(paper.to_json().map_err(fail)?).map_err(fail)
}

/// Reads JSON of an argument that is no paper.
pub(crate) fn argument<T: DeserializeOwned>(json: &str) -> Result<T, JsError> {
    serde_json::from_str(json).map_err(fail)
}

/// JSON of an answer that is no paper.
pub(crate) fn answer(value: &impl Serialize) -> Result<String, JsError> {
    serde_json::to_string(value).map_err(fail)
}

fn checked<T: Content>(json: &str) -> Result<String, JsError> {
    written(&read::<T>(json)?)
}

/// Checks a paper of this name (`request`, `schedule`, `brief`, `profile`, `notes`, `memorandum`, `circulation`, `copy`, `debrief`,
/// `readout`, `action`) and returns it as it is written. Throws a sentence that names the field.
#[wasm_bindgen]
pub fn check(paper: &str, json: &str) -> Result<String, JsError> {
    match paper {
        "request" => checked::<Request>(json),
        "schedule" => checked::<Schedule>(json),
        "brief" => checked::<Brief>(json),
        "profile" => checked::<Profile>(json),
        "notes" => checked::<Notes>(json),
        "memorandum" => checked::<Memorandum>(json),
        "circulation" => checked::<Circulation>(json),
        "copy" => checked::<IssuedCopy>(json),
        "debrief" => checked::<Debrief>(json),
        "readout" => checked::<ReadoutFile>(json),
        "action" => checked::<Action>(json),
        other => Err(JsError::new(&format!("there is no paper called {other}"))),
    }
}

/// Whether two requests seem to be the same wish.
#[wasm_bindgen]
pub fn requests_resemble(one: &str, other: &str) -> Result<bool, JsError> {
    Ok(read::<Request>(one)?.resembles(&read::<Request>(other)?))
}
