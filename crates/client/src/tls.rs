//! TLS: 1.3 to the office's server. It guards against the network; against the server itself it is the engine that
//! guards, so that what TLS is trusted for is whom a device talks to, and no more.

use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, bail};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::CryptoProvider, pki_types::CertificateDer,
};

/// What this machine trusts: the roots of the system, or of the file that `SSL_CERT_FILE` names.
fn roots() -> anyhow::Result<&'static [CertificateDer<'static>]> {
    static ROOTS: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in found.errors {
            tracing::warn!(%error, "some of this machine's root certificates cannot be read");
        }
        found.certs
    });
    if roots.is_empty() {
        bail!(
            "this machine has no root certificates to know the office's server by: install ca-certificates, or name a \
             file with SSL_CERT_FILE"
        );
    }
    Ok(roots)
}

/// AWS-LC, with X25519MLKEM768 offered first: the names of who rings whom are in these connections, too.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// For WebSockets.
///
/// # Errors
/// When this machine has no root certificates.
pub fn config() -> anyhow::Result<Arc<ClientConfig>> {
    versions(&[&rustls::version::TLS13])
}

/// For TURN servers, of which many speak nothing newer than TLS 1.2. It only gets datagrams through a network that lets
/// nothing else through: they are encrypted twice beneath it, and a TURN password is never sent (RFC 8489, section 9.2).
///
/// # Errors
/// When this machine has no root certificates.
pub fn turn() -> anyhow::Result<Arc<ClientConfig>> {
    versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
}

fn versions(versions: &[&'static SupportedProtocolVersion]) -> anyhow::Result<Arc<ClientConfig>> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots()?.iter().cloned());
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .context("this build lacks a version of TLS")?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// For HTTP requests.
///
/// # Errors
/// When this machine has no root certificates.
pub fn http() -> anyhow::Result<ureq::tls::TlsConfig> {
    let roots = roots()?.iter().map(|der| ureq::tls::Certificate::from_der(der).to_owned());
    Ok(ureq::tls::TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider())
        .root_certs(ureq::tls::RootCerts::new_with_certs(&roots.collect::<Vec<_>>()))
        .build())
}
