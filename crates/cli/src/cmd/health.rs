//! `market-data health`: asks a running server whether all is well, for containers and scripts.
//!
//! Invariant: exit code 0 only if the server itself said so.

use crate::failure::Failure;
use crate::out::console::Console;
use crate::server::Address;
use clap::Args;
use market_data_serve::DEFAULT_ADDRESS;
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  market-data health
  market-data health --ready http://127.0.0.1:9870
  market-data health https://localhost:9870 --ca cert.pem
  HEALTHCHECK CMD [\"market-data\", \"health\"]          in a Dockerfile";

const LONG_ABOUT: &str = "\
Ask a running server whether all is well

Prints the server's answer. The exit code is 0 if everything that is followed can be trusted (with --ready: if every subscription \
is confirmed), 1 if not, 2 if no server answers. No token is needed.";

/// Flags of `health`.
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct HealthArgs {
    /// The server's address [default: http://127.0.0.1:9870]
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Trust the certificates in this PEM file, too: of an https server that nobody has vouched for
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Ask whether every subscription is confirmed, whatever became of it since
    #[arg(long)]
    ready: bool,
}

/// Asks, prints, and judges.
///
/// # Errors
/// When the address is none, or no server answers there.
pub async fn run(args: &HealthArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let place = args.url.clone().unwrap_or_else(|| format!("http://{DEFAULT_ADDRESS}"));
    let address = Address::open(&place, args.ca.as_deref())?;
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let (status, body) = address.ask_once(path).await.map_err(|why| {
        let what = format!("no answer from {}: {why}", address.shown());
        Failure::new(what, "is `market-data run` running there, and does it serve?")
    })?;
    match status {
        200 | 503 => console.data(format!("{}\n", body.trim_end()).as_bytes())?,
        _ => {
            let what = format!("{}{path} answers {status}", address.shown());
            return Err(Failure::new(what, "that is no market-data server").into());
        }
    }
    Ok(ExitCode::from(u8::from(status != 200)))
}
