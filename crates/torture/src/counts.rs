//! What a run has seen and compared: the figures that make "no violation" mean something.
//!
//! Lives add to their own counts; the run adds the lives up in order of their seeds. Start at
//! [`Counts::add`].

use market_data_model::{Body, EventRef};
use std::collections::BTreeMap;

/// Figures of one life, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Whole numbers by name, in the order of [`NAMES`].
    numbers: Numbers,
    /// Faults that the simulator injected, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Gaps opened, by cause.
    pub gaps: BTreeMap<&'static str, u64>,
    /// Bars told, by state.
    pub bars: BTreeMap<&'static str, u64>,
    /// Rows compared, by channel.
    pub channels: BTreeMap<String, u64>,
}

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Lives lived to the end.
    Lives,
    /// Of these, lives on the whole catalogue.
    CatalogueLives,
    /// Invented time, in milliseconds.
    Millis,
    /// Inputs given to feeds.
    Inputs,
    /// Text frames among them.
    Frames,
    /// Of these, damaged ones.
    Damaged,
    /// Books said to be live that were compared with the truth.
    BooksCompared,
    /// Levels in them.
    LevelsCompared,
    /// Readers' copies compared with the truth.
    CopiesCompared,
    /// Views compared with the truth.
    ViewsCompared,
    /// Rows of other channels compared with what was emitted.
    RowsCompared,
    /// Flat records among them.
    FlatCompared,
    /// Fields of all rows, text by text.
    ValuesCompared,
    /// Events emitted.
    Events,
    /// Faults reported by feeds.
    FaultsReported,
    /// Gaps opened.
    Gaps,
    /// Gaps closed.
    GapsClosed,
    /// Gaps opened because the feed was told to stop; nobody closes them.
    GapsAtStop,
    /// Resyncs on the same connection.
    Resyncs,
    /// Connections lost or replaced.
    Reconnects,
    /// Handshakes.
    Handshakes,
    /// Requests: to subscribe, to unsubscribe, to log in.
    Requests,
    /// Logins among them.
    Logins,
    /// Commands given in the middle of life.
    Drills,
    /// Trades that had not come and were fetched.
    TradesFilled,
    /// Announced changes of instruments that came into force.
    ChangesInForce,
    /// Trades that had not come and could not be fetched.
    TradesGone,
    /// Bars that were fetched and compared with the answer.
    BarsFilled,
    /// Bars made of their trades.
    BarsRebuilt,
    /// Bars that nobody has.
    BarsMissing,
    /// Finished bars that are the exchange's own, at the end.
    BarsSame,
    /// Among them, bars that were made of their trades.
    RebuiltSame,
    /// Bars with the number of their trades, which is the exchange's own, at the end.
    FlowsSame,
    /// Trades that are the exchange's own, at the end, id by id.
    TradesSame,
    /// Processes that ended and were followed by another.
    Restarts,
    /// Of these, processes that were killed.
    Kills,
    /// Trades and bars told by a killed process and not kept on its tape.
    NotKept,
    /// REST answers that were lost, late, or not what the exchange has.
    RestSpoilt,
    /// Feeds with two lines.
    TwoLines,
    /// Connections replaced by others that had caught up.
    HandOvers,
    /// Lines lost while the other one was whole, without a gap.
    LossesHidden,
    /// Times that a second witness agreed with a book.
    WitnessesAgreed,
    /// Times that one did not.
    WitnessesDiffered,
    /// Times that there was nothing to compare.
    WitnessesSkipped,
    /// Books that were wrong without a sign.
    RotsTaken,
    /// Of these, found by a second witness.
    RotsFound,
    /// Milliseconds from the end of the faults to full health, summed.
    RecoveryMillis,
    /// The longest of them.
    RecoveryMillisMax,
    /// Feeds that became bytes and lived on.
    Restored,
    /// Inputs given a second time to a fresh feed.
    Replayed,
}

/// The names of [`Figure`]s, in order, as printed.
pub const NAMES: [&str; 50] = [
    "lives",
    "catalogue_lives",
    "simulated_ms",
    "inputs",
    "frames",
    "frames_damaged",
    "live_books_compared",
    "levels_compared",
    "reader_copies_compared",
    "views_compared",
    "rows_compared",
    "flat_records_compared",
    "values_compared",
    "events",
    "faults_reported",
    "gaps_opened",
    "gaps_closed",
    "gaps_at_stop",
    "resyncs",
    "reconnects",
    "handshakes",
    "requests",
    "logins",
    "drills",
    "trades_filled",
    "changes_in_force",
    "trades_gone",
    "bars_filled",
    "bars_rebuilt",
    "bars_missing",
    "bars_as_the_exchange_has_them",
    "rebuilt_bars_as_it_has_them",
    "bar_flows_as_it_has_them",
    "trades_as_it_has_them",
    "restarts",
    "restarts_by_kill",
    "told_and_not_kept",
    "rest_answers_spoilt",
    "feeds_of_two_lines",
    "hand_overs",
    "line_losses_hidden",
    "witnesses_agreed",
    "witnesses_differed",
    "witnesses_skipped",
    "rots_taken",
    "rots_found",
    "recovery_ms",
    "recovery_ms_max",
    "feeds_restored",
    "inputs_replayed",
];

const _: () = assert!(Figure::Replayed as usize + 1 == NAMES.len());

/// The figures, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers([u64; NAMES.len()]);

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers([0; NAMES.len()])
    }
}

impl Counts {
    /// Adds `by` to a figure.
    pub fn more(&mut self, figure: Figure, by: u64) {
        self.numbers.0[figure as usize] += by;
    }

    /// A row of so many fields was compared with its event.
    pub fn compared(&mut self, channel: &str, event: &EventRef<'_>, fields: usize) {
        self.more(Figure::RowsCompared, 1);
        self.more(Figure::ValuesCompared, fields as u64);
        self.more(Figure::FlatCompared, matches!(event.body, Body::Figures(_)).into());
        match self.channels.get_mut(channel) {
            Some(count) => *count += 1,
            None => drop(self.channels.insert(channel.to_owned(), 1)),
        }
    }

    /// Raises a figure to at least `to`.
    pub fn most(&mut self, figure: Figure, to: u64) {
        let number = &mut self.numbers.0[figure as usize];
        *number = (*number).max(to);
    }

    /// A figure.
    pub fn get(&self, figure: Figure) -> u64 {
        self.numbers.0[figure as usize]
    }

    /// Names and figures in order.
    pub fn numbers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.into_iter().zip(self.numbers.0)
    }

    /// Adds another life's figures.
    pub fn add(&mut self, other: &Counts) {
        for (n, (sum, more)) in self.numbers.0.iter_mut().zip(other.numbers.0).enumerate() {
            if n == Figure::RecoveryMillisMax as usize {
                *sum = (*sum).max(more);
            } else {
                *sum += more;
            }
        }
        for (kind, count) in &other.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        for (channel, count) in &other.channels {
            *self.channels.entry(channel.clone()).or_default() += count;
        }
        for (state, count) in &other.bars {
            *self.bars.entry(state).or_default() += count;
        }
        for (cause, count) in &other.gaps {
            *self.gaps.entry(cause).or_default() += count;
        }
    }
}
