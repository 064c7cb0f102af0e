//! The instruments that a tape speaks of.
//!
//! Only what feeds were made with and what they were told is read; no feed runs. Start at
//! [`listed`].

use market_data_model::{Command, Input};
use market_data_okx::catalogue::Catalogue;
use market_data_tape::reader::{Item, Range, ReadError, Tape};
use market_data_tape::{Entry, decode_config};
use std::path::Path;

/// Every instrument on a tape (a directory, or one segment), each as it was told last. What is
/// damaged is stepped over.
///
/// # Errors
/// [`ReadError`] when there is no tape, or it cannot be read.
pub fn listed(path: &Path) -> Result<Catalogue, ReadError> {
    let tape = Tape::open(path)?;
    let mut records = tape.records(Range::ALL);
    let mut catalogue = Catalogue::new();
    while let Some(item) = records.read()? {
        let Item::Record(record) = item else { continue };
        let told = match record.entry() {
            // A configuration of a later version says nothing to this one.
            Ok(Entry::FeedStart(start)) => {
                decode_config(start.config).map(|config| config.instruments).unwrap_or_default()
            }
            Ok(Entry::Input(Input::Command(Command::Instruments(list)))) => list,
            _ => continue,
        };
        // Those that were only named have no row, and nobody lists them.
        for instrument in told.iter().filter(|x| !x.row.is_empty()) {
            catalogue.apply_row(instrument);
        }
    }
    Ok(catalogue)
}
