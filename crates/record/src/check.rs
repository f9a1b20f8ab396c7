//! What can be said of a record without any key: its seal is consistent and its parts are the ones sealed.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::digest::sha256;
use crate::error::RecordError;
use crate::part::{self, is_part_name};
use crate::seal::{self, PartDigest, Seal};

/// Checks a record's directory without opening it: `seal.json` ([`seal::parse`]), that exactly the listed parts are there
/// with their lengths and SHA-256, and that each is sealed to as many post-quantum keys as there are custodians and to
/// nothing else. Does not verify the signature; see [`crate::SignatureVerifier`].
pub fn check_record(dir: &Path) -> Result<Seal, RecordError> {
    let (seal, problems) = check_all(dir)?;
    match problems.into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(seal),
    }
}

/// As [`check_record`], but goes on after a bad part and gives every problem. Fails only without a readable seal.
pub fn check_all(dir: &Path) -> Result<(Seal, Vec<RecordError>), RecordError> {
    let seal = seal::load(dir)?;
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| RecordError::io(dir, e))? {
        let name = entry.map_err(|e| RecordError::io(dir, e))?.file_name().to_string_lossy().into_owned();
        // Anything else in the directory (a desktop's files) is not in the record and does no harm.
        if is_part_name(&name) && seal.parts.binary_search_by(|p| p.name.as_str().cmp(&name)).is_err() {
            problems.push(RecordError::PartExtra(name));
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

/// Reads a part into memory, if it is the one that was sealed.
pub(crate) fn read_part(dir: &Path, part: &PartDigest) -> Result<Vec<u8>, RecordError> {
    let path = dir.join(&part.name);
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => RecordError::PartMissing(part.name.clone()),
        _ => RecordError::io(&path, e),
    };
    // The seal limits the length; a longer file is not read to its end, and no link is followed to a device.
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
