//! Circulation, readouts and promises.

use crate::{answer, argument, fail, read, written};
use telcon_papers::{
    Content,
    action::Action,
    circulation::{Alternatives, Circulation, Reader},
    memorandum::{Colophon, Memorandum},
    profile::Profile,
    readout::{Readout, ReadoutFile},
};
use wasm_bindgen::prelude::*;

/// A circulation of a memorandum's version without copies yet. `alternatives` is JSON of `Alternatives[]`; `group` may be empty.
#[wasm_bindgen]
pub fn circulation_of(
    memorandum: &str,
    memorandum_version: u32,
    alternatives: &str,
    group: &str,
) -> Result<String, JsError> {
    let alternatives: Vec<Alternatives> = argument(alternatives)?;
    let circulation = Circulation::of(&read::<Memorandum>(memorandum)?, memorandum_version, alternatives, group.into());
    written(&circulation.map_err(fail)?)
}

/// Adds a copy for each of these readers (JSON of `Reader[]`). `random`: 32 bytes for each of them.
#[wasm_bindgen]
pub fn circulation_add(circulation: &str, readers: &str, random: &[u8]) -> Result<String, JsError> {
    let mut circulation = read::<Circulation>(circulation)?;
    let readers: Vec<Reader> = argument(readers)?;
    let (random, rest) = random.as_chunks::<32>();
    if random.len() != readers.len() || !rest.is_empty() {
        return Err(JsError::new("each reader needs 32 random bytes"));
    }
    for (reader, random) in readers.into_iter().zip(random) {
        circulation.add(reader, *random);
    }
    written(&circulation)
}

/// The circulation with this copy recalled; as it is, if there is none or it was recalled before.
#[wasm_bindgen]
pub fn circulation_recall(circulation: &str, number: u32, now_ms: f64) -> Result<String, JsError> {
    let mut circulation = read::<Circulation>(circulation)?;
    circulation.recall(number, now_ms as u64);
    written(&circulation)
}

/// What each reader gets, JSON of `IssuedCopy[]` in the order of the copies. `colophon` is JSON of a `Colophon`.
#[wasm_bindgen]
pub fn circulation_issue(circulation: &str, memorandum: &str, colophon: &str) -> Result<String, JsError> {
    let (circulation, memorandum) = (read::<Circulation>(circulation)?, read::<Memorandum>(memorandum)?);
    circulation.fits(&memorandum).map_err(fail)?;
    let colophon: Colophon = argument(colophon)?;
    answer(&circulation.issue(&memorandum, &colophon).collect::<Vec<_>>())
}

/// The bytes of a readout (JSON) that are signed, as text.
#[wasm_bindgen]
pub fn readout_payload(readout: &str) -> Result<String, JsError> {
    let readout = read::<Readout>(readout)?;
    String::from_utf8(readout.payload().map_err(fail)?).map_err(fail)
}

/// What is published next of a readout's file (JSON of a `Readout`), from its draft; a correction of the last one if something was published.
/// `id`: 16 random bytes, hexadecimal.
#[wasm_bindgen]
pub fn readout_next(file: &str, id: &str, office: &str, language: &str, now_ms: f64) -> Result<String, JsError> {
    let file = read::<ReadoutFile>(file)?;
    let (id, office) = (id.parse().map_err(fail)?, office.parse().map_err(fail)?);
    let next = file.next(id, office, language, now_ms as u64).map_err(fail)?;
    written(&next)
}

/// A profile (JSON) with these promises (JSON of `Action[]`): a known one is replaced.
#[wasm_bindgen]
pub fn profile_with_promises(profile: &str, promises: &str) -> Result<String, JsError> {
    let mut profile = read::<Profile>(profile)?;
    let promises: Vec<Action> = argument(promises)?;
    promises.iter().try_for_each(Content::check).map_err(fail)?;
    profile.promise(&promises);
    written(&profile)
}
