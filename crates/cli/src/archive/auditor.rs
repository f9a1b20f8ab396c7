//! An archive with its office: what verification, listing and opening begin with.

#[cfg(test)]
mod tests;

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use telcon_identity::{Office, TrustStore};
use telcon_proto::{InvitationId, Role, http::OfficeInfo};
use telcon_record::{
    ArchiveOptions, ArchiveReport, Devices, Digest, EnrolledDevice, LineListing, Listing, RecordReference,
    RecordStanding, SignatureVerifier, SignedVersion, Signer, list_calls, list_lines, verify_archive, verify_record,
};

/// Grace period for the record of an ended call, milliseconds: the time after which the server logs it as missing, and two
/// minutes.
pub const GRACE_MS: u64 = telcon_server::limits::RECORD_DUE_MS + 120_000;
/// Maximum size of a checkpoint file, bytes: a signed note with many cosignatures.
const MAX_CHECKPOINT_BYTES: u64 = 64 * 1024;
/// Maximum size of the office's description, bytes: certificates with post-quantum keys have some 10 kB.
const MAX_OFFICE_BYTES: u64 = 1 << 20;

/// Reads a checkpoint that somebody saw earlier, a signed note that is not verified yet.
pub fn read_note(path: &Path) -> anyhow::Result<String> {
    telcon_files::read_text_named(path, MAX_CHECKPOINT_BYTES).with_context(|| path.display().to_string())
}

/// What an auditor knows from sources other than the archive.
#[derive(Default)]
pub struct Known<'a> {
    /// The authority's digest.
    pub authority: Option<[u8; 32]>,
    /// Files with checkpoints seen earlier.
    pub checkpoints: &'a [PathBuf],
    /// Keys of witnesses.
    pub witnesses: &'a [String],
}

impl Known<'_> {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.authority.is_none() && self.checkpoints.is_empty() && self.witnesses.is_empty()
    }
}

/// Verifies certificates, record signatures and revocations against one office.
pub struct OfficeVerifier(TrustStore);

impl OfficeVerifier {
    /// With the office's authority.
    pub fn new(office: Office) -> Self {
        Self(office.into())
    }
}

/// An archive, the office that it claims to be of, and what the auditor knows.
pub struct Auditor {
    dir: PathBuf,
    verifier: OfficeVerifier,
    options: ArchiveOptions,
}

impl Auditor {
    /// Reads the office of the archive in `dir`. The records of calls that ended shortly before `now_ms` may still arrive.
    pub fn new(dir: &Path, known: &Known<'_>, now_ms: u64) -> anyhow::Result<Self> {
        let path = dir.join("office.json");
        if !dir.join("log").is_dir() {
            bail!("{} is not an archive: name the `archive` directory inside the server's", dir.display());
        }
        let info = telcon_files::read_beneath(dir, "office.json", MAX_OFFICE_BYTES)
            .with_context(|| format!("cannot read {}; is this an archive?", path.display()))?;
        let info: OfficeInfo =
            serde_json::from_slice(&info).with_context(|| format!("{} is damaged", path.display()))?;
        let office = Office::pin(&info, None)?;
        if known.authority.is_some_and(|wanted| office.authority_sha256() != wanted) {
            bail!(
                "the archive's authority is {}, not the one given with --authority",
                telcon_proto::hex(&office.authority_sha256())
            );
        }
        let mut options = ArchiveOptions {
            log_key: office.log_key().clone(),
            known_checkpoints: Vec::new(),
            witnesses: Vec::new(),
            grace_since_ms: now_ms.saturating_sub(GRACE_MS),
            now_ms,
            floor: office.floor(),
        };
        for path in known.checkpoints {
            let seen = options.log_key.verify_checkpoint(&read_note(path)?);
            let seen = seen.with_context(|| format!("{} is not a checkpoint of this log", path.display()))?;
            options.known_checkpoints.push(seen);
        }
        for key in known.witnesses {
            let witness =
                key.parse().map_err(|_| anyhow::anyhow!("{key:?} is not a witness key (NAME+HASH+BASE64)"))?;
            options.witnesses.push(witness);
        }
        Ok(Self { dir: dir.to_owned(), verifier: OfficeVerifier::new(office), options })
    }

    /// The archive that contains this record, if it is in one.
    pub fn around(record: &Path, known: &Known<'_>, now_ms: u64) -> anyhow::Result<Option<Self>> {
        let record = std::fs::canonicalize(record).with_context(|| format!("cannot read {}", record.display()))?;
        let archive = record.parent().filter(|dir| dir.ends_with("records")).and_then(Path::parent);
        match archive.filter(|dir| dir.join("office.json").exists() && dir.join("log").is_dir()) {
            Some(archive) => Self::new(archive, known, now_ms).map(Some),
            None => Ok(None),
        }
    }

    /// The archive's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The office.
    pub fn office(&self) -> &Office {
        self.verifier.0.home()
    }

    /// Verifies everything.
    pub fn verify(&self) -> ArchiveReport {
        verify_archive(&self.dir, &self.verifier, &self.options)
    }

    /// Verifies the log and one record, of a call with these devices.
    pub fn verify_record(&self, name: &str, members: &[String]) -> RecordStanding {
        verify_record(&self.dir, name, members, &self.verifier, &self.options)
    }

    /// Lists the calls.
    pub fn list(&self) -> Listing {
        list_calls(&self.dir, &self.verifier, &self.options)
    }

    /// Lists what the log says of lines.
    pub fn lines(&self) -> LineListing {
        list_lines(&self.dir, &self.verifier, &self.options)
    }

    /// Whom a certificate names.
    pub fn person(&self, certificate: &telcon_record::ListedCertificate) -> Option<telcon_proto::Card> {
        self.verifier
            .0
            .verify_chain(&certificate.chain, certificate.enrolled_ms)
            .ok()
            .map(|device| device.card().clone())
    }
}

impl SignatureVerifier for OfficeVerifier {
    fn verify(&self, jws: &str, claims: &RecordReference, _: &Devices) -> Result<Signer, String> {
        let signed = self.0.verify_record(jws, claims.call, &claims.record_digest).map_err(|e| e.to_string())?;
        let device = signed.device();
        Ok(Signer {
            device: device.device().to_hex(),
            cert_sha256: Some(Digest::from_bytes(device.cert_sha256())),
            role: device.card().role,
            signed_ms: signed.at_ms(),
            valid_ms: device.valid_ms(),
        })
    }

    fn seals_lines(&self) -> bool {
        !self.0.home().custodians().is_empty()
    }

    fn verify_enrolment(&self, chain: &[Vec<u8>], enrolled_ms: u64) -> Result<EnrolledDevice, String> {
        let device = self.0.verify_chain(chain, enrolled_ms).map_err(|e| e.to_string())?;
        let registrars = device.registrars().iter().map(|device| device.to_hex()).collect();
        let (role, person_sha256) = (device.card().role, device.person_sha256());
        let given_by = device.given_by().map(|giver| giver.to_hex());
        Ok(EnrolledDevice { device: device.device().to_hex(), registrars, given_by, role, person_sha256 })
    }

    fn claimed_revoker(&self, jws: &str) -> Option<String> {
        telcon_identity::claimed_revoker(jws).map(|device| device.to_hex())
    }

    fn verify_revocation(&self, jws: &str, registrar: Option<(&[u8], Role)>) -> Result<String, String> {
        let revocation = match registrar {
            // The log has no certificates: one in it would be of the server's choice.
            _ if telcon_identity::without_certificate(jws) != jws => {
                return Err("a certificate stands beside the statement".to_owned());
            }
            None => self.0.home().verify_revocation(jws),
            Some((der, _)) => self.0.home().verify_revocation(&telcon_identity::with_certificate(jws, der)),
        };
        let revocation = revocation.map_err(|e| e.to_string())?;
        if registrar.is_some_and(|(_, role)| !revocation.is_allowed(role)) {
            return Err("that registrar may not revoke devices of people of this role".to_owned());
        }
        Ok(revocation.device().to_hex())
    }

    fn verify_recovery(
        &self,
        opened: (&str, &[u8]),
        confirmed: Option<(&str, &[u8], InvitationId)>,
    ) -> Result<(), String> {
        let office = self.0.home();
        // The log has no certificates, as of revocations.
        let statement = |jws: &str, der: &[u8]| match telcon_identity::without_certificate(jws) == jws {
            true => Ok(telcon_identity::with_certificate(jws, der)),
            false => Err("a certificate stands beside the statement".to_owned()),
        };
        let opened = office.verify_recovery(&statement(opened.0, opened.1)?).map_err(|e| e.to_string())?;
        if let Some((jws, der, invitation)) = confirmed {
            let confirmed = office.verify_recovery_confirmation(&statement(jws, der)?, &opened);
            if confirmed.map_err(|e| e.to_string())?.invitation() != invitation {
                return Err("the confirmation is of another invitation".to_owned());
            }
        }
        Ok(())
    }

    fn verify_version(&self, statement: &str, before: Option<&str>) -> Result<SignedVersion, String> {
        let office = self.0.home();
        let version = office.verify_version(statement).map_err(|e| e.to_string())?;
        if let Some(before) = before {
            let before = office.verify_version(before).map_err(|e| e.to_string())?;
            before.check_next(&version).map_err(|e| e.to_string())?;
        }
        Ok(SignedVersion { content: version.content().clone(), device: version.device().device().to_hex() })
    }
}
