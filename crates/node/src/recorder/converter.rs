//! Converts closed segments to Parquet while the recording goes on, and lets old ones go.
//!
//! The recorder wakes it when a segment is complete, and once at the start for what an earlier
//! process left. It has a thread of its own: neither feeds nor the tape ever wait for it.
//!
//! Invariants: at most one call waits, because one run converts everything there is; what fails is
//! logged, counted and tried again with the next segment; when the recorder ends it stops, and
//! what was half done is undone at the next start.

use super::Shared;
use crate::clock::wall_now;
use crate::convert::{ConvertError, ConvertOptions, convert};
use crate::options::ParquetSettings;
use crate::retain;
use market_data_archive::Manifest;
use market_data_tape::Tape;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Wakes the converter; ends it when dropped.
pub(super) struct Wake {
    calls: SyncSender<()>,
    stop: Arc<AtomicBool>,
}

impl Wake {
    /// A segment is complete.
    pub fn call(&self) {
        // When a call waits already, it will see this segment too.
        let _ = self.calls.try_send(());
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// Starts the thread; it has nothing to do before the first call.
///
/// # Errors
/// When there is no thread to be had.
pub(super) fn start(settings: ParquetSettings, shared: Arc<Shared>) -> std::io::Result<Wake> {
    let (calls, waiting) = sync_channel(1);
    let stop = Arc::new(AtomicBool::new(false));
    let converter = Converter { settings, shared, stop: Arc::clone(&stop) };
    let work = move || converter.run(&waiting);
    std::thread::Builder::new().name("convert".to_owned()).spawn(work)?;
    Ok(Wake { calls, stop })
}

struct Converter {
    settings: ParquetSettings,
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
}

impl Converter {
    fn run(&self, waiting: &Receiver<()>) {
        for () in waiting {
            if self.stop.load(Relaxed) {
                return;
            }
            let done = self.convert().and_then(|()| self.retain());
            match done {
                Ok(()) => {}
                Err(ConvertError::Stopped) => return,
                // Before the first segment is complete there is no tape.
                Err(ConvertError::Tape(market_data_tape::reader::ReadError::Empty { .. })) => {}
                Err(error) => {
                    let out = self.settings.dir.display();
                    tracing::error!(%out, why = %error, "a segment could not be converted");
                    self.shared.convert_failures.fetch_add(1, Relaxed);
                }
            }
        }
    }

    fn convert(&self) -> Result<(), ConvertError> {
        let tape = Tape::open(&self.shared.dir)?;
        let options = ConvertOptions {
            closed_only: true,
            by_length: true,
            book_interval_ms: self.settings.book_interval_ms,
            ..ConvertOptions::default()
        };
        let done = convert(&tape, &self.settings.dir, &options, |_| {
            let stop = self.stop.load(Relaxed);
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if done.segments > 0 {
            let (segments, files, rows) = (done.segments, done.files, done.rows);
            tracing::info!(segments, files, rows, bytes = done.bytes, "converted to Parquet");
            self.shared.converted.fetch_add(segments, Relaxed);
        }
        Ok(())
    }

    /// Segments that are converted go when they are too old or too much.
    fn retain(&self) -> Result<(), ConvertError> {
        let ParquetSettings { retain, retain_bytes, .. } = &self.settings;
        let age = retain.map(|age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
        let keep = retain::Keep { from: age.map(|age| wall_now() - age), max_bytes: *retain_bytes };
        if keep == retain::Keep::default() {
            return Ok(());
        }
        let tape = Tape::open(&self.shared.dir)?;
        let root = Manifest::load(&self.settings.dir)?.map(|(root, _)| root).unwrap_or_default();
        let going = retain::plan(&tape, Some(&root), keep)?;
        retain::drop_segments(&going)?;
        for (path, bytes) in &going.segments {
            tracing::info!(segment = %path.display(), bytes, "a converted segment was deleted");
        }
        Ok(())
    }
}
