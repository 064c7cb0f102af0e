//! The way to a server that is encrypted (`[serve] cert_file`).
//!
//! Invariant: whom is trusted is decided by the node's rules; nothing turns the check off.

use super::Socket;
use crate::failure::Failure;
use market_data::TlsTrust;
use std::path::Path;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError, Error as TlsError};

/// Whom a server must prove to be, and to whose satisfaction.
#[derive(Clone)]
pub struct Tls {
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Tls {
    /// For a host as it stands in an address. The certificates in `ca` are trusted, too.
    ///
    /// # Errors
    /// When no certificate can bear that name, or the file cannot be read or holds none.
    pub fn new(host: &str, ca: Option<&Path>) -> Result<Tls, Failure> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| {
            let what = format!("cannot attach to {host:?}: no certificate can bear that name");
            Failure::new(what, "name the server as its certificate does")
        })?;
        let trust = ca.map_or(TlsTrust::default(), |path| TlsTrust::File(path.to_owned()));
        let config = trust.client_config().map_err(|error| {
            Failure::new(error.to_string(), "--ca takes a PEM file with certificates")
        })?;
        Ok(Tls { name, connector: TlsConnector::from(config) })
    }

    /// Encrypts a connection.
    ///
    /// # Errors
    /// In words: it is not encrypted there, or its certificate is not believed.
    pub async fn shake_hands(&self, socket: TcpStream) -> Result<Socket, String> {
        match self.connector.connect(self.name.clone(), socket).await {
            Ok(socket) => Ok(Box::new(socket)),
            Err(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
                Err(inner.and_then(words).unwrap_or_else(|| error.to_string()))
            }
        }
    }
}

/// What a person can do about it; `None` if there is nothing to add.
fn words(error: &TlsError) -> Option<String> {
    let why = match error {
        TlsError::InvalidMessage(_) => "it is not encrypted there; is it an http address?",
        TlsError::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => {
                "nobody who is trusted has signed its certificate; \
                 --ca FILE names certificates to trust"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name than the address has"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired"
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(why.to_owned())
}
