//! Being asked to stop: SIGINT (Ctrl-C) and SIGTERM.
//!
//! A command makes one [`Stop`] at its start and asks it wherever it waits.
//!
//! Invariant: a signal that comes while nobody waits is not lost; the next wait returns at once.

use std::future::pending;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

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

#[cfg(unix)]
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => pending().await,
    }
}
