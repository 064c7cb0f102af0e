//! Being asked to stop: SIGINT (Ctrl-C) and SIGTERM.
//!
//! Cancel safety: [`stop_asked`] may be dropped and called again.

/// Returns when somebody asks the process to stop.
#[cfg(unix)]
pub async fn stop_asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return interrupted().await;
    };
    tokio::select! {
        () = interrupted() => {}
        _ = terminate.recv() => {}
    }
}

/// Returns when somebody asks the process to stop.
#[cfg(not(unix))]
pub async fn stop_asked() {
    interrupted().await;
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without the handler the system's default ends the process, which is what was asked.
        std::future::pending::<()>().await;
    }
}
