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

/// Logs from here on; `default` is the level when the user did not ask for one.
pub fn start(args: &LogArgs, default: LevelFilter, console: &Arc<Console>) {
    let lines = tracing_subscriber::fmt::layer().with_writer(LogWriter(Arc::clone(console)));
    let lines = match args.log_format {
        LogFormat::Human => lines.with_ansi(console.err_paint().is_on()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let log = tracing_subscriber::registry().with(lines.with_filter(args.filter(default)));
    // Fails only when a log was started already, and this is the only place that does.
    let _ = log.try_init();
}
