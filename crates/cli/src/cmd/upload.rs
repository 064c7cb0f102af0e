//! `market-data upload`: Parquet files into object storage. Only with the feature `s3`.
//!
//! `upload/` does it; this file says how far it is and what came of it.
//!
//! Invariants: the archive is locked while it is sent, so nothing changes under the upload; an
//! interrupt leaves a place that the next run completes.

use super::convert::refused;
use crate::out::console::Console;
use crate::out::number::{counted, size};
use crate::signals::Interrupt;
use crate::upload::local::{Local, look};
use crate::upload::place::Place;
use crate::upload::{Sent, Upload};
use clap::Args;
use market_data_archive::{Archive, Error as ArchiveError};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  market-data upload parquet s3://bucket/okx
  market-data upload parquet s3://bucket/okx --dry-run
  AWS_ENDPOINT=http://localhost:9000 market-data upload parquet s3://bucket/okx      MinIO
  market-data upload parquet file:///mnt/backup/okx";

const LONG_ABOUT: &str = "\
Copy Parquet files to object storage

DIR is what `convert --out` made; its manifests must hold. What is at URL already, by the manifests \
there, is not sent again. Files go first, then the manifests from the lowest up, the root's last: \
whoever reads there never finds a manifest before its files. It can be interrupted at any time; the \
next run goes on. Nothing is deleted without --prune. Credentials and settings come from the \
environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, and \
AWS_ENDPOINT for other stores with S3's protocol.";

/// Flags of `upload`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct UploadArgs {
    /// The archive
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Where to: s3://BUCKET/PREFIX or file:///PATH
    #[arg(value_name = "URL")]
    url: String,
    /// Only say what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Delete what the manifests of DIR's directories do not name any more, such as files that
    /// were merged; days that DIR no longer has stay
    #[arg(long)]
    prune: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Uploads the archive.
///
/// # Errors
/// When the archive does not verify, or the place refuses.
pub async fn run(args: &UploadArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::listen();
    let sent = upload(args, console, &interrupt).await;
    console.status("");
    let (local, sent) = sent.map_err(|error| match error.downcast::<ArchiveError>() {
        Ok(error) => refused(&error).into(),
        Err(error) => error,
    })?;
    let text = if args.json { json(&local, &sent) } else { words(args, &sent) };
    console.data(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

async fn upload(
    args: &UploadArgs,
    console: &Console,
    interrupt: &Interrupt,
) -> anyhow::Result<(Local, Sent)> {
    console.status("checking manifests …");
    let archive = Archive::existing(&args.dir)?;
    let local = look(archive.dir(), interrupt)?;
    let place = Place::open(&args.url, args.dry_run)?;
    let watch = |sent: &Sent| console.status(&progress(sent, &local));
    let mut upload = Upload::new(place, archive.dir(), interrupt.flag(), &watch);
    upload.dry_run = args.dry_run;
    upload.prune = args.prune;
    upload.expects(archive.root()).await?;
    let sent = upload.run(&local).await?;
    Ok((local, sent))
}

fn progress(sent: &Sent, local: &Local) -> String {
    let (files, bytes) = (sent.files + sent.skipped, sent.bytes + sent.skipped_bytes);
    let (bytes, of) = (size(bytes), size(local.bytes));
    format!("uploading  {bytes} of {of}  {files} of {}", counted(local.files, "file", "files"))
}

fn words(args: &UploadArgs, sent: &Sent) -> String {
    let (verb, deleted) =
        if args.dry_run { ("would be sent", "would be deleted") } else { ("sent", "deleted") };
    let mut text = format!(
        "{}: {verb}: {}, {}, and {}; there already: {}, {}\n",
        args.url,
        counted(sent.files, "file", "files"),
        size(sent.bytes),
        counted(sent.manifests, "manifest", "manifests"),
        counted(sent.skipped, "file", "files"),
        size(sent.skipped_bytes),
    );
    if sent.deleted > 0 {
        let files = counted(sent.deleted, "file", "files");
        text.push_str(&format!("{files} that no manifest names {deleted}\n"));
    }
    if sent.unknown > 0 {
        let files = counted(sent.unknown, "file", "files");
        text.push_str(&format!("{files} there that no manifest names; --prune deletes\n"));
    }
    text
}

fn json(local: &Local, sent: &Sent) -> String {
    let report = serde_json::json!({
        "files": sent.files, "bytes": sent.bytes, "manifests": sent.manifests,
        "skipped": sent.skipped, "skipped_bytes": sent.skipped_bytes,
        "unknown": sent.unknown, "deleted": sent.deleted,
        "root": local.dirs.first().map(|root| root.sum.as_str()),
    });
    format!("{report}\n")
}
