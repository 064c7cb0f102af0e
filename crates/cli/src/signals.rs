//! Being asked to stop: SIGINT (Ctrl-C) and SIGTERM; or to read the settings again: SIGHUP.
//!
//! A command that waits makes one [`Stop`] at its start and asks it wherever it waits. One that
//! works through a file makes an [`Interrupt`] and checks it once a record: it returns the error,
//! drops what it was writing on the way, and `main.rs` makes exit code 130 of it.
//!
//! Invariant: a signal that comes while nobody waits is not lost; the next wait returns at once.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of a command that was interrupted: what a shell makes of SIGINT.
pub const INTERRUPTED: u8 = 130;

/// Somebody interrupted the command; what it was writing is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Both signals, for commands without a runtime. A second signal ends the process at once.
pub struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// Starts to listen, on a thread of its own.
    pub fn listen() -> Interrupt {
        let asked = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&asked);
        let listen = move || {
            // Without a runtime the system's default ends the process, which is what was asked.
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build()
            else {
                return;
            };
            runtime.block_on(async {
                let mut stop = Stop::listen();
                stop.asked().await;
                flag.store(true, Relaxed);
                stop.asked().await;
                std::process::exit(INTERRUPTED.into());
            });
        };
        // Without a thread, likewise.
        drop(std::thread::Builder::new().name("signals".to_owned()).spawn(listen));
        Interrupt { asked }
    }

    /// What is set from the first signal on, for those who look themselves.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    /// Cheap enough for every record.
    ///
    /// # Errors
    /// [`Interrupted`] from the first signal on.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.asked.load(Relaxed) { Err(Interrupted) } else { Ok(()) }
    }
}

/// Listens for both signals from when it is made.
pub struct Stop {
    #[cfg(unix)]
    signals: [Option<Signal>; 2],
}

impl Stop {
    /// Starts to listen. Call within a tokio runtime.
    pub fn listen() -> Stop {
        Stop {
            // Without a handler the system's default ends the process, which is what was asked.
            #[cfg(unix)]
            signals: [SignalKind::interrupt(), SignalKind::terminate()]
                .map(|kind| signal(kind).ok()),
        }
    }

    /// Returns when somebody asks the process to stop.
    ///
    /// *Cancel safety:* a call that is dropped loses nothing.
    #[cfg(unix)]
    pub async fn asked(&mut self) {
        let [interrupt, terminate] = &mut self.signals;
        tokio::select! {
            () = received(interrupt) => {}
            () = received(terminate) => {}
        }
    }

    /// Returns when somebody asks the process to stop.
    #[cfg(not(unix))]
    pub async fn asked(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            pending::<()>().await;
        }
    }
}

/// Listens for SIGHUP from when it is made; without it, that signal ends the process.
pub struct Hangup {
    #[cfg(unix)]
    signal: Option<Signal>,
}

impl Hangup {
    /// Starts to listen. Call within a tokio runtime.
    pub fn listen() -> Hangup {
        Hangup {
            #[cfg(unix)]
            signal: signal(SignalKind::hangup()).ok(),
        }
    }

    /// Returns when the signal has come; never where there is no such signal.
    ///
    /// *Cancel safety:* a call that is dropped loses nothing.
    pub async fn asked(&mut self) {
        #[cfg(unix)]
        received(&mut self.signal).await;
        #[cfg(not(unix))]
        pending::<()>().await;
    }
}

#[cfg(unix)]
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => pending().await,
    }
}
