//! One thread on one core, with a runtime of its own, for a service that shall be quick rather than
//! spread out.
//!
//! Invariant: the thread ends when this is dropped; what was spawned on it is ended before.

use crate::error::Error;
use crate::options::OneCore;
use std::io;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// See the file's first comment.
pub(crate) struct Home {
    runtime: Handle,
    /// Dropped, it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Home {
    /// Starts the thread.
    ///
    /// # Errors
    /// When this machine has no such core, or cannot confine a thread to one.
    pub fn start(one: OneCore) -> Result<Home, Error> {
        let OneCore { core, busy_poll } = one;
        let failed = |source| Error::Io { what: format!("run on core {core}"), source };
        let mut builder = Builder::new_current_thread();
        // While it never sleeps it has to look for bytes each time around.
        builder.enable_all().event_interval(if busy_poll { 1 } else { 61 });
        let runtime = builder.build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let (say, said) = std::sync::mpsc::sync_channel(1);
        let work = move || {
            let confined = confine(core);
            let is_confined = confined.is_ok();
            // The other end waits for exactly this.
            if say.send(confined).is_ok() && is_confined {
                // Nothing is ever sent: the end of the sender is the sign.
                drop(runtime.block_on(stopped));
            }
        };
        std::thread::Builder::new().name(format!("core {core}")).spawn(work).map_err(failed)?;
        let ended = || io::Error::other("its thread has ended at once");
        said.recv().unwrap_or_else(|_| Err(ended())).map_err(failed)?;
        Ok(Home { runtime: handle, _stop: stop })
    }

    /// Where to spawn.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

/// Confines the calling thread.
#[cfg(target_os = "linux")]
fn confine(core: usize) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None)?;
    if core >= CpuSet::MAX_CPU || !allowed.is_set(core) {
        let has = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let has: Vec<String> = has.map(|core| core.to_string()).collect();
        let why = format!("there is no core {core} to be had; there are: {}", has.join(", "));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}

/// Refuses: this system has no way that is known here.
#[cfg(not(target_os = "linux"))]
fn confine(_core: usize) -> io::Result<()> {
    let why = "a thread can be confined to a core on Linux only; leave `core` out";
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_spawned_runs_on_that_core_and_a_core_that_is_not_there_is_refused() {
        use rustix::thread::{CpuSet, sched_getaffinity};
        let allowed = sched_getaffinity(None).unwrap();
        let core = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)).unwrap();
        for busy_poll in [false, true] {
            let home = Home::start(OneCore { core, busy_poll }).unwrap();
            let (say, said) = std::sync::mpsc::sync_channel(1);
            home.runtime().spawn(async move { say.send(sched_getaffinity(None).unwrap()) });
            let set = said.recv().unwrap();
            assert!(set.is_set(core) && set.count() == 1);
        }
        let Err(error) = Home::start(OneCore { core: 1023, busy_poll: false }) else {
            panic!("there is no core 1023")
        };
        assert!(error.to_string().contains("run on core 1023"), "{error}");
    }
}
