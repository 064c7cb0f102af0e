//! Where an upload goes: an URL as a store, and what a store refuses in words.
//!
//! Invariant: no secret is printed; credentials come from the environment only.

use crate::failure::Failure;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, RetryConfig};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

const URLS: &str = "write s3://BUCKET/PREFIX or file:///PATH";
/// How long a request is tried again. Waiting longer for a store that is gone helps nobody: the
/// next run goes on where this one ended.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// A store and where in it the archive's root is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The root.
    pub root: Path,
}

impl Place {
    /// The place that an URL names.
    ///
    /// # Errors
    /// When it is no URL of a kind we know, or the settings in the environment do not suffice.
    pub fn open(url: &str, dry_run: bool) -> anyhow::Result<Place> {
        match url.split_once("://") {
            Some(("s3", rest)) => s3(url, rest),
            Some(("file", path)) if path.starts_with('/') => file(path, dry_run),
            _ => Err(Failure::new(format!("{url:?} is no place to upload to"), URLS).into()),
        }
    }
}

fn s3(url: &str, rest: &str) -> anyhow::Result<Place> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let root = Path::parse(prefix.trim_end_matches('/'));
    let Some(root) = root.ok().filter(|_| !bucket.is_empty()) else {
        return Err(Failure::new(format!("{url:?} names no bucket and prefix"), URLS).into());
    };
    // Fails only when it was chosen before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetryConfig { max_retries: 5, retry_timeout: RETRY_FOR, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
    // Whoever writes http:// into the endpoint means it.
    let endpoint = ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"];
    if endpoint.iter().any(|n| std::env::var(n).is_ok_and(|url| url.starts_with("http://"))) {
        builder = builder.with_allow_http(true);
    }
    let store = builder.build().map_err(|error| refused("use", url, &error))?;
    Ok(Place { store: Arc::new(store), root })
}

fn file(path: &str, dry_run: bool) -> anyhow::Result<Place> {
    let dir = std::path::Path::new(path);
    if !dir.is_dir() {
        if dry_run {
            // Nothing is made by a dry run; a place without anything is the same.
            let store = Arc::new(object_store::memory::InMemory::new());
            return Ok(Place { store, root: Path::default() });
        }
        std::fs::create_dir_all(dir).map_err(|why| {
            let hint = "name a directory that can be written to";
            Failure::new(format!("cannot make {path}: {why}"), hint)
        })?;
    }
    let store = LocalFileSystem::new_with_prefix(dir);
    let store = store.map_err(|error| refused("use", path, &error))?.with_fsync(true);
    Ok(Place { store: Arc::new(store), root: Path::default() })
}

/// A store's refusal, with advice.
pub fn refused(what: &str, place: &str, error: &dyn Display) -> Failure {
    let text = error.to_string();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let hint = if has(&["169.254.169.254", "MissingAccessKeyId", "MissingSecretAccessKey"]) {
        "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    } else if has(&["authentication credentials", "InvalidAccessKeyId", "SignatureDoesNotMatch"]) {
        "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION"
    } else if has(&["privileges", "AccessDenied", "Permission denied"]) {
        "these credentials need leave to list, read and write below the URL"
    } else if has(&["NoSuchBucket"]) {
        "make the bucket first, or check its name, AWS_REGION and AWS_ENDPOINT"
    } else if has(&["error sending request", "Connect", "dns", "timed out"]) {
        "check the network, AWS_REGION and AWS_ENDPOINT, then run it again: it goes on from here"
    } else {
        "run it again: it goes on where it ended"
    };
    Failure::new(format!("cannot {what} {place}: {}", brief(&text)), hint)
}

/// One line: what a store sends as XML is told by its code and message.
fn brief(text: &str) -> String {
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0)
    };
    match (part("Code"), part("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => text.lines().next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_says_becomes_one_line_and_advice() {
        let xml = "Generic S3 error: 404 Not Found: <?xml version=\"1.0\"?>\n<Error><Code>\
                   NoSuchBucket</Code><Message>It does not exist</Message></Error>";
        let error = anyhow::Error::new(refused("list", "okx", &xml));
        let shown = crate::failure::render(&error, crate::out::paint::Paint::plain());
        assert_eq!(
            shown,
            "error: cannot list okx: NoSuchBucket: It does not exist\n\nhint: make the bucket \
             first, or check its name, AWS_REGION and AWS_ENDPOINT\n"
        );
        assert_eq!(brief("one\ntwo"), "one");
    }
}
