//! `market-data run --take-over`: from the process that records in the directory to this one,
//! without a hole; and that other process's side of it.
//!
//! The node's `Service::take_over` does it (decision 0033); this file decides when, and says what
//! came of it.
//!
//! Invariants: the old process is asked only when everything is live here; while it has not
//! answered, whatever goes wrong here ends this process and leaves that one alone.

use crate::failure::Failure;
use crate::out::number::counted;
use crate::signals::Stop;
use crate::status::Feeds;
use market_data::take_over::{Accepted, asked, holder};
use market_data::{Service, ServiceOptions};
use std::future::pending;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

/// How long it may take until everything is live.
const LIVE_WAIT: Duration = Duration::from_secs(300);
/// How long everything is live here before the other process is asked: what was on its way to that
/// one only has arrived by then.
const LINGER: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const WITHOUT: &str = "without --take-over a new process begins where the tape of the old one ends";

/// Whether there is somebody to take over from.
///
/// # Errors
/// When there is not.
pub fn check(options: &ServiceOptions) -> Result<(), Failure> {
    let Some(tape) = &options.tape else {
        let why = "nothing can be taken over without a tape".to_owned();
        return Err(Failure::new(why, "name its directory with --tape or [tape]"));
    };
    let dir = tape.dir.display();
    match holder(&tape.dir) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => {
            let why = format!("no process records in {dir}, so there is nothing to take over");
            Err(Failure::new(why, WITHOUT))
        }
        Err(error) => {
            let why = format!("cannot look who records in {dir}: {error}");
            Err(Failure::new(why, "both processes need the same user and directory"))
        }
    }
}

/// Follows everything, then takes over. False if somebody asked this process to stop before.
///
/// # Errors
/// When not everything can be followed, or the other process does not end.
pub async fn take(service: &mut Service, stop: &mut Stop) -> anyhow::Result<bool> {
    tokio::select! {
        done = over(service) => done.map(|()| true),
        () = stop.asked() => Ok(false),
    }
}

async fn over(service: &mut Service) -> anyhow::Result<()> {
    let end = Instant::now() + LIVE_WAIT;
    let mut since = None;
    loop {
        let reports = service.feeds();
        let feeds = Feeds::of(&reports);
        let refused = reports.iter().filter(|report| !report.replaced);
        let refused: usize = refused.filter_map(|r| Some(r.status.as_ref()?.refused)).sum();
        let well =
            feeds.wanted > 0 && feeds.live + refused == feeds.wanted && feeds.up == feeds.all;
        let began = match well {
            true => *since.get_or_insert_with(Instant::now),
            false => {
                since = None;
                Instant::now()
            }
        };
        if began.elapsed() >= LINGER {
            break;
        }
        if Instant::now() >= end {
            let (live, wanted) = (feeds.live, counted(feeds.wanted as u64, "one", "ones"));
            let wait = LIVE_WAIT.as_secs();
            let why = format!("{live} subscriptions of {wanted} are live after {wait} s");
            return Err(Failure::new(
                format!("cannot take over: {why}"),
                "the old process goes on; its log or `health` may say what is wrong",
            )
            .into());
        }
        sleep(LOOK_EVERY).await;
    }
    tracing::info!("everything is live; asking the process that records to end");
    let before = service.take_over().await.map_err(Failure::from)?;
    let (took_ms, known) = (before.took.as_millis(), before.known);
    let pid = before.pid.unwrap_or(0);
    tracing::info!(pid, took_ms, subscriptions = known, "taken over; goes on from the tape's end");
    Ok(())
}

/// Where another process may ask this one to end.
pub struct Door {
    dir: Option<PathBuf>,
    look: Interval,
    accepted: Option<Accepted>,
    complained: bool,
}

impl Door {
    /// At the directory of the tape; nobody can ask a process that has none.
    pub fn at(dir: Option<&Path>) -> Door {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let dir = dir.map(Path::to_owned);
        Door { dir, look, accepted: None, complained: false }
    }

    /// Returns when another process takes over.
    ///
    /// *Cancel safety:* a call that is dropped loses nothing.
    pub async fn asked(&mut self) {
        let Some(dir) = self.dir.clone() else { return pending().await };
        loop {
            self.look.tick().await;
            match asked(&dir) {
                Ok(None) => self.complained = false,
                Ok(Some(asked)) => {
                    let pid = asked.pid.unwrap_or(0);
                    self.accepted = asked.accept();
                    if self.accepted.is_some() {
                        tracing::info!(pid, "another process takes over");
                        return;
                    }
                }
                Err(error) if !self.complained => {
                    self.complained = true;
                    tracing::warn!(%error, "somebody asks to take over and is not heard");
                }
                Err(_) => {}
            }
        }
    }

    /// Everything is written and closed: whoever asked need not wait any longer.
    pub fn close(self) {
        if let Some(accepted) = self.accepted {
            accepted.done();
        }
    }
}
