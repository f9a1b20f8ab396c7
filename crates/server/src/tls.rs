//! TLS to other servers (PostgreSQL, push services): rustls over AWS-LC, as everywhere in this program.

use std::sync::Arc;
use tokio_rustls::rustls::{
    ClientConfig, Error, RootCertStore,
    crypto::aws_lc_rs,
    version::{TLS12, TLS13},
};

/// The roots that this machine trusts (`SSL_CERT_FILE` names others). Those that cannot be read are left out, with a warning.
pub(crate) fn native_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "root certificates of this machine could not be read: servers that need them are not trusted");
    }
    let mut roots = RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(found.certs);
    if ignored > 0 {
        tracing::debug!(ignored, "root certificates of this machine are of a form that is not supported");
    }
    roots
}

/// The configuration of a client that trusts these roots.
///
/// # Errors
/// If the cryptography lacks what these versions of TLS need.
pub(crate) fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
