//! Lists of instruments for `decode`: answers of REST `instruments`, as they were saved.
//!
//! Invariant: a row that is no instrument is left out, and costs its neighbours nothing.

use crate::failure::Failure;
use anyhow::Context as _;
use market_data_model::Instrument;
use market_data_okx::catalogue::instrument_from_row;
use market_data_okx::json;
use std::sync::Arc;

/// Reads these files.
///
/// # Errors
/// When one cannot be read, or is no answer with `data`.
pub fn read(files: &[String]) -> anyhow::Result<Vec<Arc<Instrument>>> {
    let mut all = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
        let data = json::parse(&bytes).ok().and_then(|raw| raw.field("data"));
        let Some(data) = data else {
            let hint = "save the body of GET /api/v5/public/instruments?instType=SPOT as it comes";
            return Err(Failure::new(format!("{file} is no list of instruments"), hint).into());
        };
        let rows = data.items().filter_map(|row| instrument_from_row(row).ok());
        all.extend(rows.filter(|x| !x.inst_id.is_empty()).map(Arc::new));
    }
    Ok(all)
}
