//! `market-data replay --serve`: a recording in a browser and for programs, without a service.
//!
//! The serving is the crate `market-data-serve`; a thread plays the tape into its hub once.
//!
//! Invariant: nothing is connected and nothing is written.

use super::open;
use crate::cmd::run::serve::cannot;
use crate::failure::Failure;
use crate::out::console::Console;
use crate::signals::Stop;
use market_data::Metrics;
use market_data::config::Config;
use market_data_serve::{Hub, ServeOptions, Server, bind};
use market_data_tape::reader::Tape;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Serves the tape until it is asked to stop.
///
/// # Errors
/// When the tape cannot be read, or the address cannot be used or others could reach it and no
/// token is set.
pub fn run(path: &Path, address: &str, console: &Console) -> anyhow::Result<ExitCode> {
    let tape = open(path)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(serve(path, tape, address, console))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(path: &Path, tape: Tape, address: &str, console: &Console) -> Result<(), Failure> {
    let mut stop = Stop::listen();
    // The token is in the environment, as for `run`.
    let mut config = Config::load(None).map_err(|error| {
        Failure::new(error.to_string(), "MARKET_DATA_SERVE_* of the environment are read")
    })?;
    config.serve.address = Some(address.to_owned());
    let mut options = ServeOptions::from_config(&config.serve).map_err(cannot)?;
    options.tape = Some(path.to_owned());
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let bound = bind(&options).await.map_err(cannot)?;
    let (hub, _) = Hub::new([]);
    let server =
        Server::start(bound, options, Arc::clone(&hub), Arc::new(Metrics::default()), None);
    let address = server.address();
    console.words(&format!("serving {} at {scheme}://{address}\n", path.display()));
    let over = Arc::new(AtomicBool::new(false));
    let goes_on = {
        let over = Arc::clone(&over);
        move || !over.load(Relaxed)
    };
    let played = tokio::task::spawn_blocking(move || hub.play(&tape, goes_on));
    tokio::pin!(played);
    let failed = tokio::select! {
        () = stop.asked() => None,
        played = &mut played => {
            let failed = match played {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(super::failed(error)),
                Err(_) => Some(Failure::new(
                    "the tape was not played to its end by a mistake of ours",
                    "`market-data verify` says what is on it",
                )),
            };
            if failed.is_none() {
                stop.asked().await;
            }
            failed
        }
    };
    over.store(true, Relaxed);
    server.stop().await;
    failed.map_or(Ok(()), Err)
}
