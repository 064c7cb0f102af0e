//! A service that says and records nothing until the process before it has ended, and then goes on
//! where that one's tape ends, with what it has received meanwhile.
//!
//! `market-data run --take-over` is the user. Start at [`Service::take_over`]; why so: decision
//! 0033.
//!
//! Invariants: nothing is published and nothing written before [`Service::take_over`]; the old
//! process is asked to end only when everything is live here; when it does not answer, it goes on.

use super::Service;
use crate::error::Error;
use crate::live::Ask;
use crate::options::TapeSettings;
use crate::recorder;
use crate::take_over::{Request, holder};
use market_data_model::{Command, Known, Subscription};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the old process may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How long it may take to end after it said that it would.
const END_WAIT: Duration = Duration::from_secs(60);
/// How long it may take to flush its sinks after its tape is closed.
const DONE_WAIT: Duration = Duration::from_secs(10);
/// Between two looks at the directory.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a silent service waits with.
pub(super) struct Silent {
    dir: PathBuf,
    resume: bool,
    flag: Arc<AtomicBool>,
    begin: SyncSender<()>,
}

impl Silent {
    pub fn new(settings: &TapeSettings, begin: SyncSender<()>) -> Silent {
        let flag = Arc::new(AtomicBool::new(true));
        Silent { dir: settings.dir.clone(), resume: settings.resume, flag, begin }
    }

    /// Raised while feeds are made silent.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }
}

/// The process that was taken over from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Predecessor {
    /// Its process id, if it wrote that down.
    pub pid: Option<u32>,
    /// How long it took to end once it was asked.
    pub took: Duration,
    /// Subscriptions that it had heard of.
    pub known: usize,
}

impl Service {
    /// Asks the process that records in the directory of the tape to end, waits until it has, and
    /// goes on from there: everything that was received here since the start and not told there
    /// comes out, and is recorded. Call when everything is live.
    ///
    /// # Errors
    /// [`Error::TakeOver`] when the options do not say `successor`, nobody records there, or the
    /// other does not answer or end in time. If it has not answered it goes on. The service
    /// is of no use then, but to be stopped.
    ///
    /// *Cancel safety:* a call that is dropped before the other has answered changes nothing.
    pub async fn take_over(&mut self) -> Result<Predecessor, Error> {
        let cannot = |why: &str| Error::TakeOver(why.to_owned());
        let silent = self.tape.as_ref().and_then(|tape| tape.silent.as_ref());
        let Some(Silent { dir, resume, .. }) = silent else {
            return Err(cannot("this service records by itself already"));
        };
        let (dir, resume) = (dir.clone(), *resume);
        let io = |source| Error::Io { what: format!("take over in {}", dir.display()), source };
        let Some(held) = holder(&dir).map_err(io)? else {
            return Err(cannot(&format!("no process records in {}", dir.display())));
        };
        let who = held.pid.map_or("the process".to_owned(), |pid| format!("process {pid}"));
        let request = match Request::put(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(cannot(&format!("somebody else takes over from {who}")));
            }
            request => request.map_err(io)?,
        };
        let asked = Instant::now();
        if !until(ANSWER_WAIT, || Ok(request.is_accepted())).await? && request.withdraw() {
            let wait = ANSWER_WAIT.as_secs();
            return Err(cannot(&format!("{who} does not answer in {wait} s; it goes on")));
        }
        let free = || holder(&dir).map(|held| held.is_none()).map_err(io);
        if !until(END_WAIT, free).await? {
            let wait = END_WAIT.as_secs();
            return Err(cannot(&format!("{who} said that it ends, and has not in {wait} s")));
        }
        if !until(DONE_WAIT, || Ok(request.is_done())).await? {
            tracing::warn!(%who, "its tape is closed, but it does not say that its sinks are");
        }
        let took = asked.elapsed();
        let known = match resume {
            true => tokio::task::spawn_blocking(move || recorder::known(&dir)).await,
            false => Ok(BTreeMap::new()),
        };
        let known = known.map_err(|_| cannot("reading the tape failed by a mistake of ours"))?;
        let predecessor = Predecessor { pid: held.pid, took, known: known.len() };
        self.speak(known).await;
        Ok(predecessor)
    }

    /// Lets everything out that was held back.
    async fn speak(&mut self, known: BTreeMap<Subscription, Known>) {
        let silent = self.tape.as_mut().and_then(|tape| tape.silent.take());
        let Some(silent) = silent else { return };
        silent.flag.store(false, Relaxed);
        // A recorder that is gone has said so.
        let _ = silent.begin.send(());
        for line in self.lines() {
            let carried = crate::fleet::lock(&line.carried).clone();
            let of = carried.iter().filter_map(|one| known.get(one).cloned()).collect();
            // A line that has ended has nothing to say.
            drop(line.asks.send(Ask::Command(Command::TakeOver(of))).await);
        }
    }
}

/// Waits until something is so, at most so long; says whether it is.
async fn until(
    wait: Duration,
    mut is_so: impl FnMut() -> Result<bool, Error>,
) -> Result<bool, Error> {
    let end = Instant::now() + wait;
    loop {
        if is_so()? {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Prepared, ServiceOptions};
    use market_data_okx::catalogue::Catalogue;
    use market_data_okx::plan::Plan;
    use market_data_tape::storage::{Disk, Storage as _};

    fn silent(dir: &std::path::Path) -> Service {
        let tape = Some(TapeSettings::new(dir));
        let options = ServiceOptions { tape, successor: true, ..ServiceOptions::default() };
        let prepared = Prepared {
            catalogue: Catalogue::default(),
            subscriptions: Vec::new(),
            plan: Plan::default(),
            left_out: Vec::new(),
            turnovers: Default::default(),
            named: Default::default(),
        };
        Service::start(options, prepared, Vec::new()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_does_not_answer_goes_on_and_its_directory_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut service = silent(folder.path());
        let error = service.take_over().await.unwrap_err().to_string();
        assert!(error.starts_with("cannot take over: no process records in "), "{error}");
        // It records, and does not look for requests.
        let lock = Disk.lock(folder.path(), market_data_model::Nanos(1)).unwrap().ok().unwrap();
        let error = service.take_over().await.unwrap_err().to_string();
        let pid = std::process::id();
        let wanted = format!("process {pid} does not answer in 10 s; it goes on");
        assert_eq!(error, format!("cannot take over: {wanted}"));
        service.stop().await;
        let left =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["tape.lock"]);
        drop(lock);
    }
}
