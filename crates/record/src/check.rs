//! Verification of a record without a key: the seal is consistent and the parts are those it lists.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::digest::sha256;
use crate::error::RecordError;
use crate::part::{self, is_part_name};
use crate::seal::{self, PartDigest, Seal};

/// Checks a record's directory without decrypting: `seal.json` is valid ([`seal::parse`]), exactly the listed parts exist with
/// their lengths and SHA-256, and each is sealed to as many post-quantum keys as there are custodians and to nothing else.
/// Does not verify the signature; see [`crate::SignatureVerifier`].
///
/// # Errors
/// The first problem found.
pub fn check_record(dir: &Path) -> Result<Seal, RecordError> {
    let (seal, problems) = check_all(dir)?;
    match problems.into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(seal),
    }
}

/// As [`check_record`], but continues after an invalid part and returns every problem.
///
/// # Errors
/// The seal is missing or invalid.
pub fn check_all(dir: &Path) -> Result<(Seal, Vec<RecordError>), RecordError> {
    let seal = seal::load(dir)?;
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| RecordError::io(dir, e))? {
        let name = entry.map_err(|e| RecordError::io(dir, e))?.file_name().to_string_lossy().into_owned();
        // Other files (a desktop environment's, for example) are not part of the record and harmless.
        if is_part_name(&name) && seal.parts.binary_search_by(|p| p.name.as_str().cmp(&name)).is_err() {
            problems.push(RecordError::PartUnlisted(name));
        }
    }
    for part in &seal.parts {
        match read_part(dir, part) {
            Ok(bytes) => problems.extend(part::check_header(&part.name, &bytes, seal.custodians.len()).err()),
            Err(problem) => problems.push(problem),
        }
    }
    Ok((seal, problems))
}

/// Reads a part into memory if it is the listed one.
pub(crate) fn read_part(dir: &Path, part: &PartDigest) -> Result<Vec<u8>, RecordError> {
    let path = dir.join(&part.name);
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => RecordError::PartMissing(part.name.clone()),
        _ => RecordError::io(&path, e),
    };
    // The seal bounds the length: a longer file is not read to its end. Symbolic links are not followed.
    let kind = std::fs::symlink_metadata(&path).map_err(failed)?;
    if !kind.is_file() || kind.len() != part.bytes {
        return Err(RecordError::PartChanged(part.name.clone()));
    }
    let mut bytes = Vec::with_capacity(part.bytes as usize);
    File::open(&path).and_then(|f| f.take(part.bytes + 1).read_to_end(&mut bytes)).map_err(failed)?;
    match bytes.len() as u64 == part.bytes && sha256(&bytes) == part.sha256 {
        true => Ok(bytes),
        false => Err(RecordError::PartChanged(part.name.clone())),
    }
}
