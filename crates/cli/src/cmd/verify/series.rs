//! Whether the bars of one series follow each other in time.
//!
//! `account.rs` hands over every bar and says when a gap has interrupted the series.
//!
//! Invariant: a bar is called absent only where no gap explains it. Whether it was lost or the
//! venue sent none, because nothing was traded, cannot be told from the series: so absent bars
//! make it unverifiable, never a gap.

use market_data_model::event::Bar;

/// The bars of one channel of one instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// Bars, each counted once.
    pub bars: u64,
    /// Bars by time between the first and the last that never came, though no gap says why.
    pub absent: u64,
    /// Bars whose last word never came, though the next one did and no gap says why.
    pub unfinished: u64,
    last: Option<Last>,
    interrupted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Last {
    open_ms: u64,
    close_ms: u64,
    closed: Option<bool>,
}

impl Series {
    /// A gap has begun, or the feed: what is missing before the next bar is explained.
    pub fn interrupted(&mut self) {
        self.interrupted = true;
    }

    /// The venue sent this.
    pub fn bar(&mut self, bar: &Bar) {
        let last = Last { open_ms: bar.open_ms, close_ms: bar.close_ms, closed: bar.closed };
        let explained = std::mem::take(&mut self.interrupted);
        let Some(before) = self.last.replace(last.clone()) else {
            self.bars += 1;
            return;
        };
        if last.open_ms <= before.open_ms {
            // The same bar again, or an older one that is told late: neither opens a hole.
            if last.open_ms < before.open_ms {
                self.last = Some(before);
            }
            return;
        }
        self.bars += 1;
        if !explained {
            let length = last.close_ms.saturating_sub(last.open_ms).max(1);
            // Months differ in length: a started one counts.
            self.absent += last.open_ms.saturating_sub(before.close_ms).div_ceil(length);
            self.unfinished += u64::from(before.closed == Some(false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market_data_model::event::BarKind;
    use market_data_model::{Decimal, Px};

    fn bar(minute: u64, closed: bool) -> Bar {
        let px = Px(Decimal::NONE);
        Bar {
            kind: BarKind::Trade,
            interval: "1m",
            open_ms: minute * 60_000,
            close_ms: (minute + 1) * 60_000,
            open: px,
            high: px,
            low: px,
            close: px,
            volume: None,
            volume_ccy: None,
            volume_quote: None,
            closed: Some(closed),
            state: None,
            filled: None,
            flow: None,
        }
    }

    fn counts(series: &Series) -> (u64, u64, u64) {
        (series.bars, series.absent, series.unfinished)
    }

    #[test]
    fn bars_that_never_came_are_counted_unless_a_gap_explains_them() {
        let mut series = Series::default();
        for (minute, closed) in [(1, false), (1, true), (2, false), (2, true), (3, false)] {
            series.bar(&bar(minute, closed));
        }
        assert_eq!(counts(&series), (3, 0, 0));
        series.bar(&bar(6, true));
        assert_eq!(counts(&series), (4, 2, 1), "minutes 4 and 5, and the end of 3");
        series.bar(&bar(5, true));
        series.bar(&bar(7, false));
        assert_eq!(counts(&series), (5, 2, 1), "an older bar opens no hole");
        series.interrupted();
        series.bar(&bar(20, true));
        assert_eq!(counts(&series), (6, 2, 1), "the gap explains them");
        series.bar(&bar(22, true));
        assert_eq!(counts(&series), (7, 3, 1));
    }
}
