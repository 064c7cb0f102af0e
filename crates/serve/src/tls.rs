//! Encrypted connections, with a certificate from files.
//!
//! Invariant: a certificate and a key that do not belong together are found at the start.

use crate::options::OptionsError;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

/// Reads a chain of certificates, the server's own first, and its key, both PEM.
///
/// # Errors
/// [`OptionsError::Tls`], which names the file.
pub(crate) fn load(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, OptionsError> {
    fn bad(path: &Path) -> impl Fn(&dyn Display) -> OptionsError {
        move |why| OptionsError::Tls { path: path.to_owned(), why: why.to_string() }
    }
    let (bad_cert, bad_key) = (bad(cert), bad(key));
    let chain = CertificateDer::pem_file_iter(cert).map_err(|e| bad_cert(&e))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|e| bad_cert(&e))?;
    if chain.is_empty() {
        return Err(bad_cert(&"there is no certificate in it"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| bad_key(&e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad_cert(&e))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|e| bad_key(&e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
