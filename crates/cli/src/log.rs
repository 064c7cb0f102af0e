//! Starts the log: structured lines on stderr, through the console so that they do not tear the
//! status line.
//!
//! `main.rs` calls [`start`] once.

use crate::args::{LogArgs, LogFormat};
use crate::out::console::{Console, LogWriter};
use std::sync::Arc;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// What a command logs when nobody says anything.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// How much.
    pub level: LevelFilter,
    /// How it looks.
    pub format: LogFormat,
}

/// Logs from here on.
pub fn start(args: &LogArgs, defaults: Defaults, console: &Arc<Console>) {
    let lines = tracing_subscriber::fmt::layer().with_writer(LogWriter(Arc::clone(console)));
    let lines = match args.log_format.unwrap_or(defaults.format) {
        LogFormat::Human => {
            lines.with_ansi(console.err_paint().is_on()).with_target(args.verbose > 0).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let lines = lines.with_filter(args.filter(defaults.level));
    // Fails only when a log was started already, and nobody does that twice.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}
