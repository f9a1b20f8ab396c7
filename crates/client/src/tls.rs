//! TLS configurations: 1.3 to the office's server. TLS protects against the network only; calls are protected against the
//! server by the engine, so that TLS is trusted for the server's identity and nothing else.

use std::sync::{Arc, OnceLock};

use crate::error::ClientError;
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::CryptoProvider, pki_types::CertificateDer,
};

/// The trusted roots: the system's, or those in the file named by `SSL_CERT_FILE`.
fn roots() -> Result<&'static [CertificateDer<'static>], ClientError> {
    static ROOTS: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in found.errors {
            tracing::warn!(%error, "some of the system's root certificates cannot be read");
        }
        found.certs
    });
    if roots.is_empty() {
        return Err(ClientError::NoRootCertificates);
    }
    Ok(roots)
}

/// AWS-LC, preferring X25519MLKEM768: these connections carry the names of callers and callees.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The configuration of WebSockets.
///
/// # Errors
/// When there are no root certificates.
pub fn websocket() -> Result<Arc<ClientConfig>, ClientError> {
    config_with(&[&rustls::version::TLS13])
}

/// The configuration of TURN over TLS. Many TURN servers support no newer version than TLS 1.2. This TLS only traverses
/// firewalls: datagrams are encrypted twice beneath it, and a TURN password is never sent (RFC 8489 section 9.2).
///
/// # Errors
/// When there are no root certificates.
pub fn turn() -> Result<Arc<ClientConfig>, ClientError> {
    config_with(&[&rustls::version::TLS13, &rustls::version::TLS12])
}

fn config_with(versions: &[&'static SupportedProtocolVersion]) -> Result<Arc<ClientConfig>, ClientError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots()?.iter().cloned());
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The configuration of HTTP requests.
///
/// # Errors
/// When there are no root certificates.
pub fn http() -> Result<ureq::tls::TlsConfig, ClientError> {
    let roots = roots()?.iter().map(|der| ureq::tls::Certificate::from_der(der).to_owned());
    Ok(ureq::tls::TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider())
        .root_certs(ureq::tls::RootCerts::new_with_certs(&roots.collect::<Vec<_>>()))
        .build())
}
