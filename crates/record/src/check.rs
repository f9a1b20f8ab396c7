//! Verification of a record without a key: the seal is consistent and the parts are those it lists.

use std::path::Path;

use telcon_files::FileError;

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
    check_in(dir, Path::new(""))
}

/// As [`check_all`], of the record in directory `relative` of `root`, where a link in `relative` is not followed.
pub(crate) fn check_in(root: &Path, relative: &Path) -> Result<(Seal, Vec<RecordError>), RecordError> {
    let seal = seal::load_in(root, relative)?;
    let mut problems = Vec::new();
    let listed =
        telcon_files::list_beneath(root, relative).map_err(|e| RecordError::io(root.join(relative), e.into()))?;
    for (name, _) in listed {
        let name = name.to_string_lossy().into_owned();
        // Other files (a desktop environment's, for example) are not part of the record and harmless.
        if is_part_name(&name) && seal.parts.binary_search_by(|p| p.name.as_str().cmp(&name)).is_err() {
            problems.push(RecordError::PartUnlisted(name));
        }
    }
    for part in &seal.parts {
        match read_part_in(root, relative, part) {
            Ok(bytes) => problems.extend(part::check_header(&part.name, &bytes, seal.custodians.len()).err()),
            Err(problem) => problems.push(problem),
        }
    }
    Ok((seal, problems))
}

/// Reads a part into memory if it is the listed one.
pub(crate) fn read_part(dir: &Path, part: &PartDigest) -> Result<Vec<u8>, RecordError> {
    read_part_in(dir, Path::new(""), part)
}

pub(crate) fn read_part_in(root: &Path, relative: &Path, part: &PartDigest) -> Result<Vec<u8>, RecordError> {
    // The seal bounds the length: a longer file is not read to its end.
    let bytes = match telcon_files::read_beneath(root, relative.join(&part.name), part.bytes) {
        Ok(bytes) => bytes,
        Err(e) if e.is_not_found() => return Err(RecordError::PartMissing(part.name.clone())),
        Err(FileError::TooLarge { .. } | FileError::Link | FileError::NotRegular(_)) => {
            return Err(RecordError::PartChanged(part.name.clone()));
        }
        Err(e) => return Err(RecordError::io(root.join(relative).join(&part.name), e.into())),
    };
    match bytes.len() as u64 == part.bytes && sha256(&bytes) == part.sha256 {
        true => Ok(bytes),
        false => Err(RecordError::PartChanged(part.name.clone())),
    }
}
