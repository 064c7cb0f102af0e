//! The one place that writes to the terminal: data to stdout, words to stderr, and a status line
//! that never tears either.
//!
//! Commands and the log share one [`Console`]; whoever writes a line takes the status line away
//! first and puts it back below, in one lock.
//!
//! Invariants: stdout gets data only; nothing but the log, words and the status line goes to
//! stderr; the status line exists only while stderr is a terminal; a write to stdout that fails is
//! reported to the caller (a closed pipe ends the command in success), a write to stderr that
//! fails is not worth ending for.

use super::paint::Paint;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// Both streams and the status line.
pub struct Console {
    inner: Mutex<Inner>,
    out: Paint,
    err: Paint,
    live: bool,
}

struct Inner {
    out: io::Stdout,
    status: String,
    shown: bool,
}

impl Console {
    /// The console of this process.
    pub fn new() -> Console {
        let err_is_terminal = io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Console {
            inner: Mutex::new(Inner { out: io::stdout(), status: String::new(), shown: false }),
            out: Paint::for_stream(io::stdout().is_terminal()),
            err: Paint::for_stream(err_is_terminal),
            live: err_is_terminal && !dumb,
        }
    }

    /// Colours for stdout.
    pub fn out_paint(&self) -> Paint {
        self.out
    }

    /// Colours for stderr.
    pub fn err_paint(&self) -> Paint {
        self.err
    }

    /// Whether somebody sees the status line.
    pub fn has_status(&self) -> bool {
        self.live
    }

    /// Writes whole lines of data.
    ///
    /// # Errors
    /// When stdout cannot be written to, for example because its reader has gone.
    pub fn data(&self, lines: &[u8]) -> io::Result<()> {
        let mut inner = self.lock();
        inner.hide();
        let mut out = inner.out.lock();
        let result = out.write_all(lines).and_then(|()| out.flush());
        inner.show();
        result
    }

    /// Writes whole lines of words to stderr.
    pub fn words(&self, lines: &str) {
        self.words_bytes(lines.as_bytes());
    }

    /// Replaces the status line; an empty one takes it away.
    pub fn status(&self, text: &str) {
        if !self.live {
            return;
        }
        let mut inner = self.lock();
        inner.hide();
        inner.status.clear();
        inner.status.push_str(text);
        inner.show();
    }

    fn words_bytes(&self, lines: &[u8]) {
        let mut inner = self.lock();
        inner.hide();
        // If stderr is gone there is nobody left to tell.
        let _ = io::stderr().write_all(lines);
        inner.show();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Console {
    fn default() -> Console {
        Console::new()
    }
}

impl Inner {
    fn hide(&mut self) {
        if self.shown {
            self.shown = false;
            let _ = io::stderr().write_all(b"\r\x1b[2K");
        }
    }

    /// Wrapping is off while the line is written, so that a narrow terminal cuts it instead of
    /// breaking it in two.
    fn show(&mut self) {
        if !self.status.is_empty() {
            self.shown = true;
            let line = format!("\x1b[?7l{}\x1b[?7h", self.status);
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        inner.hide();
    }
}

/// Lets the log write through a console.
#[derive(Clone)]
pub struct LogWriter(pub Arc<Console>);

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.words_bytes(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LogWriter;

    fn make_writer(&'a self) -> LogWriter {
        self.clone()
    }
}
