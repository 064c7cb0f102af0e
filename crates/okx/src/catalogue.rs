//! Every instrument we know of, from REST at the start and from the `instruments` channel since.
//!
//! The shell asks [`Catalogue::requests`] what to GET, hands in the answers, and resolves what
//! people call instruments; feeds' `instruments` rows arrive through [`Catalogue::apply_row`].
//! Nothing here fetches anything.
//!
//! Invariants: one odd row never spoils its neighbours; nothing is deleted because a list does not
//! mention it (pushes are incremental since 2026-09-30, REST caches may lag); an id that is a spot
//! market is never overwritten by its MARGIN twin; rows without an id are kept apart.
//!
//! Start at [`Catalogue::apply_response`]. `rows.rs` reads one row, `response.rs` the envelope
//! around them, `resolve.rs` people's spellings, `upcoming.rs`
//! announced changes.

use crate::json::{self, Kind, Raw};
use market_data_model::{InstType, Instrument, Nanos};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod nearest;
mod resolve;
mod response;
mod rows;
#[cfg(test)]
mod tests;
pub mod upcoming;

pub(crate) use nearest::nearest;
pub use resolve::{ResolveError, channel_fits, instrument_fits};
pub use response::ResponseError;
pub use rows::instrument_from_row;

use response::Ask;

/// Fault texts kept of one response; the rest is counted (ours).
const FAULTS_MAX: usize = 50;
/// Rows without an id kept of one kind (ours: OKX announces a handful at a time).
const ANNOUNCED_MAX: usize = 1000;

/// What a REST answer changed.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Instruments that are new or differ from what was known, in the answer's order.
    pub changed: Vec<Arc<Instrument>>,
    /// Further paths to GET, such as one for each family of options.
    pub follow_up: Vec<String>,
    /// What was odd and skipped, in words; the rest of the answer was used.
    pub faults: Vec<String>,
    /// Instrument rows read, changed or not.
    pub rows: usize,
}

impl Applied {
    fn fault(&mut self, text: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(text);
        } else if self.faults.len() == FAULTS_MAX {
            self.faults.push("more of the same, not listed".to_owned());
        }
    }
}

/// Every instrument known.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    by_id: BTreeMap<Box<str>, Arc<Instrument>>,
    /// Rows the venue has not given an id yet, by the list they came from.
    announced: BTreeMap<Box<str>, Vec<Arc<Instrument>>>,
    /// Families of options that the last list of underlyings named.
    families: BTreeSet<Box<str>>,
}

impl Catalogue {
    /// An empty catalogue.
    pub fn new() -> Catalogue {
        Catalogue::default()
    }

    /// How many instruments are known, those without an id included.
    pub fn len(&self) -> usize {
        self.by_id.len() + self.announced.values().map(Vec::len).sum::<usize>()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The instrument of that id, in the venue's exact spelling. For an id that is both SPOT and
    /// MARGIN this is the SPOT row.
    pub fn get(&self, inst_id: &str) -> Option<&Arc<Instrument>> {
        self.by_id.get(inst_id)
    }

    /// Every instrument: first by id, then those without one.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Instrument>> {
        self.by_id.values().chain(self.announced.values().flatten())
    }

    /// The REST paths that list instruments of these kinds. Some answers name follow-ups.
    pub fn requests(types: &[InstType]) -> Vec<String> {
        let mut paths = Vec::new();
        for kind in types {
            let path = match kind {
                // OKX lists options by family only, and events by series only.
                InstType::Option => format!("{}?instType=OPTION", response::UNDERLYING),
                InstType::Events => response::SERIES.to_owned(),
                other => response::instruments(other.as_str(), None),
            };
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    /// Takes the answer to a GET of `path`. `status` 0 means that there was no answer; `body` then
    /// says why in words.
    ///
    /// A lasting refusal of anything but a whole kind (a family, a series, the list of either) is
    /// a fault of [`Applied`], not an error: it must not stop the rest.
    ///
    /// # Errors
    /// [`ResponseError`] when the answer cannot be used; the catalogue is unchanged.
    pub fn apply_response(
        &mut self,
        path: &str,
        status: u16,
        body: &[u8],
    ) -> Result<Applied, ResponseError> {
        let ask = Ask::of(path).ok_or_else(|| ResponseError::not_ours(path))?;
        let data = match response::data(path, status, body) {
            Ok(data) => data,
            Err(error) if ask.is_optional() && !error.retryable => {
                let faults = vec![error.to_string()];
                return Ok(Applied { faults, ..Applied::default() });
            }
            Err(error) => return Err(error),
        };
        let mut applied = Applied::default();
        match ask {
            Ask::Instruments { scope, .. } => self.list(scope, data, &mut applied),
            Ask::Underlying => self.underlyings(data, &mut applied),
            Ask::TickBands => self.tick_bands(data, &mut applied),
            Ask::Series => series(data, &mut applied),
        }
        Ok(applied)
    }

    /// Takes one row of the `instruments` channel. `true` if it is new or differs from what was
    /// known. Never deletes.
    pub fn apply_row(&mut self, row: &Arc<Instrument>) -> bool {
        if row.inst_id.is_empty() {
            return self.announce(row);
        }
        let Some(held) = self.by_id.get_mut(&row.inst_id) else {
            self.by_id.insert(row.inst_id.clone(), Arc::clone(row));
            return true;
        };
        let twin = row.inst_type == Some(InstType::Margin)
            && held.inst_type.as_ref().is_some_and(|t| *t != InstType::Margin);
        let only_named = row.row.is_empty() && !held.row.is_empty();
        if twin || only_named || same(held, row) {
            return false;
        }
        *held = Arc::clone(row);
        true
    }

    /// Forgets dated contracts (futures, options, events) that ended before `before`, so that a
    /// node that runs for months does not collect them. Says how many.
    pub fn forget_ended(&mut self, before: Nanos) -> usize {
        let known = self.by_id.len();
        self.by_id.retain(|_, x| {
            let dated = matches!(
                x.inst_type,
                Some(InstType::Futures | InstType::Option | InstType::Events)
            );
            !(dated && x.exp_time.is_some_and(|end| end < before))
        });
        known - self.by_id.len()
    }

    fn list(&mut self, scope: &str, data: Raw<'_>, applied: &mut Applied) {
        let mut nameless = Vec::new();
        for (n, row) in data.items().enumerate() {
            match instrument_from_row(row).map(Arc::new) {
                Ok(row) if row.inst_id.is_empty() => nameless.push(row),
                Ok(row) => {
                    if self.apply_row(&row) {
                        applied.changed.push(row);
                    }
                }
                Err(why) => applied.fault(format!("row {n} of {scope}: {why}")),
            }
            applied.rows += 1;
        }
        let before = self.announced.remove(scope).unwrap_or_default();
        let is_new = |x: &&Arc<Instrument>| !before.iter().any(|old| same(old, x));
        applied.changed.extend(nameless.iter().filter(is_new).cloned());
        nameless.truncate(ANNOUNCED_MAX);
        if !nameless.is_empty() {
            self.announced.insert(scope.into(), nameless);
        }
    }

    /// Keeps a row without an id until the next full list of its kind.
    fn announce(&mut self, row: &Arc<Instrument>) -> bool {
        let alike = |x: &&mut Arc<Instrument>| {
            x.inst_type == row.inst_type
                && x.inst_family == row.inst_family
                && x.uly == row.uly
                && x.list_time == row.list_time
        };
        if let Some(held) = self.announced.values_mut().flatten().find(alike) {
            let changed = !same(held, row);
            *held = Arc::clone(row);
            return changed;
        }
        let kind = row.inst_type.as_ref().map_or("", InstType::as_str);
        let list = self.announced.entry(kind.into()).or_default();
        if list.len() >= ANNOUNCED_MAX {
            list.remove(0);
        }
        list.push(Arc::clone(row));
        true
    }

    /// `{"data":[["BTC-USD","ETH-USD"]]}`
    fn underlyings(&mut self, data: Raw<'_>, applied: &mut Applied) {
        self.families.clear();
        // The list of underlyings leaves out families such as BTC-USD_UM; the tick bands name
        // every family (captured 2026-04).
        applied.follow_up.push(format!("{}?instType=OPTION", response::TICK_BANDS));
        for family in data.items().flat_map(Raw::items) {
            match family.text() {
                Some(name) if !name.is_empty() => self.family(&name, applied),
                _ => applied.fault(format!("an underlying without a name: {}", family.as_str())),
            }
        }
    }

    /// `{"data":[{"instFamily":"BTC-USD_UM","instType":"OPTION","tickBand":[…]}]}`
    fn tick_bands(&mut self, data: Raw<'_>, applied: &mut Applied) {
        for row in data.items() {
            match row.field("instFamily").and_then(Raw::text) {
                Some(name) if !name.is_empty() => self.family(&name, applied),
                _ => applied.fault(format!("a tick band without a family: {}", row.as_str())),
            }
        }
    }

    fn family(&mut self, name: &str, applied: &mut Applied) {
        if self.families.insert(name.into()) {
            let narrow = Some(("instFamily", name));
            applied.follow_up.push(response::instruments("OPTION", narrow));
        }
    }
}

/// `{"data":[{"seriesId":"BTC-ABOVE-DAILY",…}]}`
fn series(data: Raw<'_>, applied: &mut Applied) {
    for row in data.items() {
        match row.field("seriesId").and_then(Raw::text) {
            Some(name) if !name.is_empty() => {
                let path = response::instruments("EVENTS", Some(("seriesId", &name)));
                if !applied.follow_up.contains(&path) {
                    applied.follow_up.push(path);
                }
            }
            _ => applied.fault(format!("a series without a name: {}", rows::cut(row.as_str()))),
        }
    }
}

/// Whether two rows say the same: REST and the channel order their fields differently.
fn same(a: &Instrument, b: &Instrument) -> bool {
    if a.row == b.row {
        return a == b;
    }
    let (Ok(x), Ok(y)) = (json::parse(a.row.as_bytes()), json::parse(b.row.as_bytes())) else {
        return false;
    };
    let sorted = |raw: Raw<'_>| {
        let mut fields: Vec<_> = raw
            .fields()
            .map(|(key, value)| (key.into_owned(), value.as_str().to_owned()))
            .collect();
        fields.sort_unstable();
        fields
    };
    x.kind() == Kind::Object && sorted(x) == sorted(y)
}
