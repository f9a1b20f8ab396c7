//! The one certificate profile that this system issues and accepts (RFC 5280; ML-DSA as in RFC 9881).
//!
//! A certificate has a few fields, and the fields have exactly one encoding. Reading parses the fields, encodes them again
//! and compares the bytes: an unknown extension, another criticality, a second algorithm, a trailing byte, and anything else
//! outside the profile is refused.

use crate::{
    error::{Flaw, IdentityError, Misuse, Result},
    key::{DeviceKey, public_key_bytes, verify_signature},
};
use sha2::{Digest, Sha256};
use std::time::Duration;
use telcon_proto::SuiteName;
use x509_cert::{
    Certificate as X509, TbsCertificate,
    builder::{self, Builder, CertificateBuilder, profile::BuilderProfile},
    der::{
        DateTime, Decode, Document, Encode,
        asn1::{BitString, GeneralizedTime, OctetString},
        flagset::FlagSet,
    },
    ext::{
        Extension, ToExtension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, PrivateKeyUsagePeriod, SubjectKeyIdentifier,
        },
    },
    name::Name,
    serial_number::SerialNumber,
    spki::{
        self, AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey, ObjectIdentifier,
        SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef,
    },
    time::{Time, Validity},
};

/// Longest certificate, bytes. ML-DSA-87 needs 2592 for the key and 4627 for the signature; the longest names add 1 KB.
pub const MAX_CERTIFICATE_BYTES: usize = 12 * 1024;
/// RFC 8410 section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// RFC 9881 section 2.
const ML_DSA_87: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19");

/// A time span with inclusive ends, in seconds since 1970 UTC, the resolution of certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from_s: u64,
    pub(crate) until_s: u64,
}

impl Span {
    pub(crate) fn contains(&self, other: &Span) -> bool {
        other.from_s <= other.until_s && self.from_s <= other.from_s && other.until_s <= self.until_s
    }

    pub(crate) fn contains_s(&self, time_s: u64) -> bool {
        (self.from_s..=self.until_s).contains(&time_s)
    }

    pub(crate) fn length_s(&self) -> u64 {
        self.until_s.saturating_sub(self.from_s)
    }
}

/// RFC 7093 section 2, method 1: the first 160 bits of SHA-256 over the public key.
pub(crate) type KeyId = [u8; 20];

pub(crate) fn key_id(public: &[u8]) -> KeyId {
    let mut id = [0; 20];
    id.copy_from_slice(&Sha256::digest(public)[..20]);
    id
}

/// The serial number derived from an identifier: unique, and positive for every identifier.
pub(crate) fn serial(id: &[u8; 16]) -> [u8; 17] {
    let mut serial = [1; 17];
    serial[1..].copy_from_slice(id);
    serial
}

/// The fields of a certificate of the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: Name,
    /// `None` in the authority's own certificate.
    pub(crate) issuer_key: Option<KeyId>,
    pub(crate) subject: Name,
    pub(crate) valid: Span,
    /// The suite of the key and of the signature.
    pub(crate) suite: SuiteName,
    pub(crate) public: Vec<u8>,
    pub(crate) constraints: BasicConstraints,
    pub(crate) usage: FlagSet<KeyUsages>,
    /// Usage period of the private key, if shorter than the certificate's validity (X.509 privateKeyUsagePeriod). The
    /// certificate stays valid longer, so that standard tools still accept what the key signed.
    pub(crate) key_use: Option<Span>,
}

/// A certificate of the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    fields: Fields,
    tbs: Vec<u8>,
    signature: Vec<u8>,
    der: Vec<u8>,
}

impl Fields {
    /// Issues the certificate, signed by the issuer's key.
    ///
    /// # Errors
    /// [`Misuse::Time`]: a date after the year 9999.
    pub(crate) fn sign(self, issuer: &DeviceKey) -> Result<Certificate> {
        let (tbs, _) = self.encode(&[]).map_err(|_| Misuse::Time)?;
        let signature = issuer.sign(&tbs);
        let (_, der) = self.encode(&signature).map_err(|_| Misuse::Time)?;
        Ok(Certificate { fields: self, tbs, signature, der })
    }

    /// The TBSCertificate, and the certificate with `signature`.
    fn encode(&self, signature: &[u8]) -> builder::Result<(Vec<u8>, Vec<u8>)> {
        let key = Key { suite: self.suite, public: self.public.clone() };
        let validity = Validity::new(time(self.valid.from_s)?, time(self.valid.until_s)?);
        let serial = SerialNumber::new(&self.serial)?;
        let mut builder = CertificateBuilder::new(Profile(self), serial, validity, key.info()?)?;
        // The builder asks the signer for its algorithm and nothing else.
        let tbs = builder.finalize(&key)?;
        let certificate = builder.assemble(BitString::from_bytes(signature)?, &key)?;
        Ok((tbs, certificate.to_der()?))
    }
}

impl Certificate {
    /// Parses one certificate in DER. Its signature is not verified yet.
    ///
    /// # Errors
    /// [`Flaw::TooLong`], [`Flaw::CertificateForm`].
    pub(crate) fn read(der: &[u8]) -> Result<Self> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(Flaw::TooLong.into());
        }
        let form = |_| IdentityError::from(Flaw::CertificateForm);
        let x509 = X509::from_der(der).map_err(form)?;
        let fields = read_fields(x509.tbs_certificate()).ok_or(Flaw::CertificateForm)?;
        let signature = x509.signature().as_bytes().ok_or(Flaw::CertificateForm)?.to_vec();
        let (tbs, again) = fields.encode(&signature).map_err(|_| Flaw::CertificateForm)?;
        if again != der {
            return Err(Flaw::CertificateForm.into());
        }
        Ok(Self { fields, tbs, signature, der: again })
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// Verifies the issuer's signature.
    ///
    /// # Errors
    /// [`Flaw::Signature`], [`Flaw::PublicKey`].
    pub(crate) fn verify(&self, issuer_public: &[u8]) -> Result<()> {
        verify_signature(self.fields.suite, issuer_public, &self.tbs, &self.signature)
    }
}

fn read_fields(tbs: &TbsCertificate) -> Option<Fields> {
    let suite = suite_of(&tbs.subject_public_key_info().algorithm.oid)?;
    let public = tbs.subject_public_key_info().subject_public_key.as_bytes()?;
    if public.len() != public_key_bytes(suite) {
        return None;
    }
    let issuer_key = match tbs.get_extension::<AuthorityKeyIdentifier>().ok()? {
        Some((_, issuer)) => Some(issuer.key_identifier?.as_bytes().try_into().ok()?),
        None => None,
    };
    let key_use = match tbs.get_extension::<PrivateKeyUsagePeriod>().ok()? {
        Some((_, period)) => Some(Span {
            from_s: period.not_before?.to_unix_duration().as_secs(),
            until_s: period.not_after?.to_unix_duration().as_secs(),
        }),
        None => None,
    };
    Some(Fields {
        serial: tbs.serial_number().as_bytes().to_vec(),
        issuer: tbs.issuer().clone(),
        issuer_key,
        subject: tbs.subject().clone(),
        valid: Span {
            from_s: tbs.validity().not_before.to_unix_duration().as_secs(),
            until_s: tbs.validity().not_after.to_unix_duration().as_secs(),
        },
        suite,
        public: public.to_vec(),
        constraints: tbs.get_extension::<BasicConstraints>().ok()??.1,
        usage: tbs.get_extension::<KeyUsage>().ok()??.1.0,
        key_use,
    })
}

fn suite_of(oid: &ObjectIdentifier) -> Option<SuiteName> {
    match *oid {
        ED25519 => Some(SuiteName::Hybrid),
        ML_DSA_87 => Some(SuiteName::Cnsa2),
        _ => None,
    }
}

fn time(time_s: u64) -> builder::Result<Time> {
    Ok(DateTime::from_unix_duration(Duration::from_secs(time_s))?.into())
}

/// The extensions, in this order: constraints, usage, period, subject key, issuer key.
struct Profile<'a>(&'a Fields);

impl BuilderProfile for Profile<'_> {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.0.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.0.subject.clone()
    }

    fn build_extensions(
        &self,
        _key: SubjectPublicKeyInfoRef<'_>,
        _issuer_key: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let fields = self.0;
        let subject = tbs.subject();
        let mut extensions =
            vec![fields.constraints.to_extension(subject, &[])?, KeyUsage(fields.usage).to_extension(subject, &[])?];
        if let Some(span) = fields.key_use {
            let moment = |time_s| GeneralizedTime::from_unix_duration(Duration::from_secs(time_s));
            let period = PrivateKeyUsagePeriod {
                not_before: Some(moment(span.from_s)?),
                not_after: Some(moment(span.until_s)?),
            };
            extensions.push(period.to_extension(subject, &[])?);
        }
        let own = SubjectKeyIdentifier(OctetString::new(key_id(&fields.public))?);
        extensions.push(own.to_extension(subject, &[])?);
        if let Some(issuer) = fields.issuer_key {
            let issuer =
                AuthorityKeyIdentifier { key_identifier: Some(OctetString::new(issuer)?), ..Default::default() };
            extensions.push(issuer.to_extension(subject, &[])?);
        }
        Ok(extensions)
    }
}

/// A public key with the traits that the builder requires.
#[derive(Clone)]
struct Key {
    suite: SuiteName,
    public: Vec<u8>,
}

impl Key {
    fn algorithm(&self) -> AlgorithmIdentifierOwned {
        let oid = match self.suite {
            SuiteName::Hybrid => ED25519,
            SuiteName::Cnsa2 => ML_DSA_87,
        };
        AlgorithmIdentifierOwned { oid, parameters: None }
    }

    fn info(&self) -> spki::Result<SubjectPublicKeyInfoOwned> {
        let subject_public_key = BitString::from_bytes(&self.public)?;
        Ok(SubjectPublicKeyInfoOwned { algorithm: self.algorithm(), subject_public_key })
    }
}

impl signature::Keypair for Key {
    type VerifyingKey = Key;
    fn verifying_key(&self) -> Key {
        self.clone()
    }
}

impl DynSignatureAlgorithmIdentifier for Key {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(self.algorithm())
    }
}

impl EncodePublicKey for Key {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        Ok(Document::encode_msg(&self.info()?)?)
    }
}

/// The certificate with an additional, harmless extension and a valid signature: for the test that refuses it.
#[cfg(test)]
pub(crate) fn with_extra_extension(der: &[u8], issuer: &DeviceKey) -> Vec<u8> {
    let fields = Certificate::read(der).expect("a certificate").fields;
    let key = Key { suite: fields.suite, public: fields.public.clone() };
    let validity = Validity::new(time(fields.valid.from_s).unwrap(), time(fields.valid.until_s).unwrap());
    let serial = SerialNumber::new(&fields.serial).unwrap();
    let mut builder = CertificateBuilder::new(Profile(&fields), serial, validity, key.info().unwrap()).unwrap();
    let extra = x509_cert::ext::pkix::ExtendedKeyUsage(vec![]);
    builder.add_extension(&extra).unwrap();
    let tbs = builder.finalize(&key).unwrap();
    builder.assemble(BitString::from_bytes(&issuer.sign(&tbs)).unwrap(), &key).unwrap().to_der().unwrap()
}
