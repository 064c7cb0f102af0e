//! Telling the service manager (systemd) how it goes: ready, alive, in a word, stopping.
//!
//! The protocol is sd_notify(3): datagrams to the socket that `NOTIFY_SOCKET` names; without that
//! variable, and on other systems, nothing happens. `run` calls it.
//!
//! Invariant: [`Beat::alive`] is called from the loop that everything else waits in, so a loop that
//! hangs is not alive.

use std::time::Duration;

/// How often the service manager is told that we live.
pub struct Beat(Option<Duration>);

#[cfg(target_os = "linux")]
mod said {
    use sd_notify::NotifyState;

    pub fn all(states: &[NotifyState<'_>]) {
        // A manager that is gone is no reason to stop.
        if let Err(error) = sd_notify::notify(states) {
            tracing::debug!(%error, "the service manager cannot be told");
        }
    }
}

impl Beat {
    /// As often as the service manager wants, twice over; never, if it does not.
    pub fn wanted() -> Beat {
        #[cfg(target_os = "linux")]
        let every = sd_notify::watchdog_enabled().map(|within| within / 2);
        #[cfg(not(target_os = "linux"))]
        let every = None;
        Beat(every)
    }

    /// Waits until it is time again, for ever if that is never.
    ///
    /// *Cancel safety:* a call that is dropped begins the wait anew, so call it from a loop that
    /// keeps the future.
    pub async fn due(&self) {
        match self.0 {
            Some(every) => tokio::time::sleep(every).await,
            None => std::future::pending().await,
        }
    }

    /// The loop goes round.
    pub fn alive(&self) {
        #[cfg(target_os = "linux")]
        said::all(&[sd_notify::NotifyState::Watchdog]);
    }
}

/// Everything has been started.
pub fn ready() {
    #[cfg(target_os = "linux")]
    said::all(&[sd_notify::NotifyState::Ready]);
}

/// How it goes, in words.
pub fn status(words: &str) {
    #[cfg(target_os = "linux")]
    said::all(&[sd_notify::NotifyState::Status(words)]);
    #[cfg(not(target_os = "linux"))]
    let _ = words;
}

/// The end has begun.
pub fn stopping() {
    #[cfg(target_os = "linux")]
    said::all(&[sd_notify::NotifyState::Stopping]);
}
