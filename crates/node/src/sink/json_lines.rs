//! One JSON object a line (NDJSON), to a file, a pipe or anything else that takes bytes.

use super::{Lost, Sink, SinkError};
use market_data_model::{Batch, wire};
use std::io::Write;
use std::sync::Arc;

/// Bytes gathered before they are written.
const CHUNK: usize = 64 << 10;

/// Writes events as NDJSON. A loss is written as a `gap` record with the cause `slow_consumer`.
#[derive(Debug)]
pub struct JsonLines<W> {
    place: String,
    out: W,
    buffer: Vec<u8>,
}

impl<W: Write + Send + 'static> JsonLines<W> {
    /// Writes to `out`; `place` names it in errors, for example a file's path.
    pub fn new(place: &str, out: W) -> JsonLines<W> {
        JsonLines { place: place.to_owned(), out, buffer: Vec::with_capacity(2 * CHUNK) }
    }

    fn write(&mut self) -> Result<(), SinkError> {
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|e| SinkError::io(&self.place, e))
    }

    fn append(&mut self, batch: &Batch) -> Result<(), SinkError> {
        for event in batch.iter() {
            wire::write_json(&event, &mut self.buffer);
            self.buffer.push(b'\n');
            if self.buffer.len() >= CHUNK {
                self.write()?;
            }
        }
        Ok(())
    }
}

impl<W: Write + Send + 'static> Sink for JsonLines<W> {
    fn batch(&mut self, batch: &Arc<Batch>) -> Result<(), SinkError> {
        self.append(batch)
    }

    fn lost(&mut self, lost: &Lost) -> Result<(), SinkError> {
        self.append(&lost.to_batch())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.write()?;
        self.out.flush().map_err(|e| SinkError::io(&self.place, e))
    }
}
