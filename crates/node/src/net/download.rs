//! One file from the venue onto the disk, whole or not at all.
//!
//! Invariants: no more than the bytes allowed are written; the file appears under its name when it
//! is whole and on the disk; no redirect is followed.

use super::{DialError, Rest};
use crate::error::chain;
use http_body_util::BodyExt as _;
use hyper::Uri;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for the next bytes.
const IDLE_WAIT: Duration = Duration::from_secs(30);
/// Longest answer kept of one that is not the file.
const REFUSAL_MAX: usize = 4_096;

/// Why there is no file.
#[derive(Debug)]
pub(crate) enum Unfetched {
    /// The venue said something else: status and the beginning of the body.
    Refused(u16, Vec<u8>),
    /// The connection, or the length, in words.
    Failed(String),
    /// Our own disk.
    Disk(PathBuf, std::io::Error),
}

impl From<DialError> for Unfetched {
    fn from(error: DialError) -> Unfetched {
        Unfetched::Failed(error.0)
    }
}

impl Rest {
    /// Fetches `url` into the file `to`, at most `most` bytes.
    ///
    /// *Cancel safety:* what was fetched by then lies beside it under another name, and is written
    /// anew by the next call.
    pub async fn download(&self, url: &str, to: &Path, most: u64) -> Result<(), Unfetched> {
        let uri: Uri = url
            .parse()
            .map_err(|error| Unfetched::Failed(format!("{url} is not an address: {error}")))?;
        let stream = patient(self.dialer.dial(&uri)).await??;
        let (mut sender, connection) = patient(http1::handshake(TokioIo::new(stream)))
            .await?
            .map_err(|error| Unfetched::Failed(format!("no HTTP: {}", chain(&error))))?;
        let connection = tokio::spawn(connection);
        let failed = |error: hyper::Error| {
            Unfetched::Failed(format!("the file broke off: {}", chain(&error)))
        };
        let answer = sender.send_request(self.request(&uri)?);
        let answer = patient(answer).await?.map_err(failed)?;
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        let mut refusal = Vec::new();
        let part = beside(to);
        let disk = |error| Unfetched::Disk(part.clone(), error);
        let mut file = match status {
            200 => Some(File::create(&part).map_err(disk)?),
            _ => None,
        };
        let mut bytes = 0;
        while let Some(frame) = patient(body.frame()).await? {
            let Ok(data) = frame.map_err(failed)?.into_data() else { continue };
            bytes += data.len() as u64;
            if bytes > most {
                return Err(Unfetched::Failed(format!("the file is longer than {most} bytes")));
            }
            match &mut file {
                Some(file) => file.write_all(&data).map_err(disk)?,
                None if refusal.len() + data.len() <= REFUSAL_MAX => {
                    refusal.extend_from_slice(&data)
                }
                None => break,
            }
        }
        connection.abort();
        let Some(file) = file else { return Err(Unfetched::Refused(status, refusal)) };
        file.sync_all().map_err(disk)?;
        std::fs::rename(&part, to).map_err(disk)
    }
}

/// Where a file is written until it is whole.
pub(crate) fn beside(to: &Path) -> PathBuf {
    let mut name = OsString::from(to);
    name.push(".part");
    PathBuf::from(name)
}

async fn patient<T>(what: impl Future<Output = T>) -> Result<T, Unfetched> {
    let waited = tokio::time::timeout(IDLE_WAIT, what).await;
    waited.map_err(|_| Unfetched::Failed(format!("nothing came for {} s", IDLE_WAIT.as_secs())))
}
