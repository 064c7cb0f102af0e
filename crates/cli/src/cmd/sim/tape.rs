//! `market-data sim --tape`: what was recorded, served to whoever asks, until its end.
//!
//! The serving is the node's `serve_tape`; this file checks the flags and prints.

use super::{SimArgs, not_started};
use crate::cmd::replay::{open, within};
use crate::failure::Failure;
use crate::instant;
use crate::out::console::Console;
use crate::out::number::counted;
use crate::out::paint::Colour;
use crate::signals::Stop;
use clap::Args;
use market_data::Error;
use market_data::replay::Speed;
use market_data::sim_server::{self, SimServer, TapeOptions};
use market_data_model::Nanos;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags about the tape.
#[derive(Args, Debug)]
#[command(next_help_heading = "Serve a recording instead of a pretend market")]
pub struct TapeArgs {
    /// Serve what `run` recorded here: a directory, or one segment file
    #[arg(long, value_name = "PATH", conflicts_with_all = ["universe", "rate"])]
    pub tape: Option<PathBuf>,
    /// 1 is as it came, 10 ten times as fast, max as fast as clients read
    #[arg(long, value_name = "N", default_value = "1", requires = "tape")]
    speed: Speed,
    /// Begin with what was received at this time
    #[arg(long, value_name = "TIME", value_parser = instant::parse, requires = "tape")]
    from: Option<Nanos>,
    /// End before what was received at this time
    #[arg(long, value_name = "TIME", value_parser = instant::parse, requires = "tape")]
    to: Option<Nanos>,
    /// Begin when so many subscriptions are there; `no` begins at once
    #[arg(long, value_name = "N", default_value = "1", value_parser = wait, requires = "tape")]
    wait: Wait,
    /// At the end close every connection, and begin anew
    #[arg(long = "loop", requires = "tape")]
    again: bool,
}

#[derive(Clone, Copy, Debug)]
struct Wait(usize);

fn wait(text: &str) -> Result<Wait, String> {
    match text {
        "no" => Ok(Wait(0)),
        _ => text.parse().map(Wait).map_err(|_| "not a whole number, and not `no`".to_owned()),
    }
}

/// Serves until the end of the tape, or until it is asked to stop.
///
/// # Errors
/// When the tape cannot be read, or the address cannot be listened on.
pub async fn run(args: &SimArgs, path: &Path, console: &Console) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::listen();
    let flags = &args.tape;
    let tape = open(path)?;
    within(&tape, flags.from, flags.to)?;
    let times = tape.times().map_err(crate::cmd::replay::failed)?;
    let options = TapeOptions {
        listen: args.listen,
        path: path.to_owned(),
        speed: flags.speed,
        from: flags.from,
        to: flags.to,
        wait: flags.wait.0,
        again: flags.again,
        faults: args.faults,
        seed: args.seed,
    };
    let started = tokio::select! {
        started = sim_server::serve_tape(options) => started,
        () = stop.asked() => return Ok(ExitCode::SUCCESS),
    };
    let mut server = started.map_err(|error| match error {
        Error::Io { source, .. } => not_started(args, &source),
        error => Failure::from(error),
    })?;
    console.words(&greeting(args, path, times, (&server, console)));
    let end = tokio::select! {
        end = server.ended() => Some(end),
        () = stop.asked() => None,
    };
    server.close().await;
    let Some(end) = end else {
        console.words("stopped\n");
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(error) = end.error {
        let hint = "`market-data verify` says what is wrong with a tape";
        return Err(Failure::new(format!("cannot play the tape: {error}"), hint).into());
    }
    console.words(&format!(
        "the tape is over: {}, {}\n",
        counted(end.frames, "frame", "frames"),
        counted(end.gaps, "interruption", "interruptions")
    ));
    Ok(ExitCode::SUCCESS)
}

fn greeting(
    args: &SimArgs,
    path: &Path,
    times: Option<(Nanos, Nanos)>,
    (server, console): (&SimServer, &Console),
) -> String {
    let at = server.address();
    let endpoints = server.endpoints();
    let flags = &args.tape;
    let (first, last) = times.unwrap_or_default();
    let (from, to) = (flags.from.unwrap_or(first).max(first), flags.to.unwrap_or(last).min(last));
    let begins = match flags.wait.0 {
        0 => "begins now".to_owned(),
        n => format!("begins with {}", counted(n as u64, "subscription", "subscriptions")),
    };
    let title = format!("a recorded OKX listens on {at}");
    format!(
        "{}, faults: {}\n\
         \n  tape      {}\n  from      {from}\n  to        {to}\n  speed     {}, {begins}\n\
         \n  public    {}\n  business  {}\n  REST      {}\n\
         \nCtrl-C stops it.\n",
        console.err_paint().apply(Colour::Strong, &title),
        args.faults.name,
        path.display(),
        flags.speed,
        endpoints.public,
        endpoints.business,
        endpoints.rest,
    )
}
