//! Whom to trust, and the one place that names the cryptography behind TLS.

use crate::error::Error;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;

/// Whose certificates are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsTrust {
    /// The bundled Mozilla roots and the system's own (which company proxies need).
    #[default]
    BundledAndSystem,
    /// Only the bundled Mozilla roots.
    Bundled,
    /// The bundled roots, the system's, and those in this PEM file.
    File(PathBuf),
}

impl TlsTrust {
    /// The client side of TLS for somebody else's sockets that trust the same.
    ///
    /// # Errors
    /// [`Error::Tls`]: the file cannot be read, or holds something else.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        client_config(self)
    }
}

/// The client side of TLS for everything that we connect to.
pub(crate) fn client_config(trust: &TlsTrust) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if *trust != TlsTrust::Bundled {
        let found = rustls_native_certs::load_native_certs();
        let (added, odd) = roots.add_parsable_certificates(found.certs);
        tracing::debug!(
            added,
            odd,
            errors = found.errors.len(),
            "loaded the system's certificates"
        );
    }
    if let TlsTrust::File(path) = trust {
        let failed = |e: &dyn std::fmt::Display| Error::Tls(format!("{}: {e}", path.display()));
        for cert in CertificateDer::pem_file_iter(path).map_err(|e| failed(&e))? {
            let cert = cert.map_err(|e| failed(&e))?;
            roots.add(cert).map_err(|e| failed(&e))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Tls(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_roots_suffice_and_a_missing_file_is_named() {
        client_config(&TlsTrust::Bundled).unwrap();
        let error = client_config(&TlsTrust::File("/nowhere/ca.pem".into())).unwrap_err();
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    }
}
