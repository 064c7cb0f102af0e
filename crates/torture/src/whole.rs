//! The whole of a life, through the ends of processes: which trades somebody was told who reads
//! what is on the tapes, compared with the exchange's own, id by id.
//!
//! `judge.rs` notes every trade and the end of every gap, `reborn.rs` cuts off what a process that
//! was killed did not keep, `ending.rs` asks the exchange for its own trades at the end.
//!
//! Demanded: of all ids between the first that was told since the key was wanted and the last,
//! each was told, with the exchange's numbers, or counts among those that a gap says are lost, or
//! lies in a gap that is open; and none was told twice. What cannot be demanded: that a process
//! does not repeat what the one before was told behind something that it was still fetching
//! (decision 0026); that is known from [`Known::last`], and nothing else may come again.
//!
//! Start at [`Whole::trade`].

use super::json::Json;
use market_data_model::{Aggressor, Decimal, Gap, Known, Nanos, Trade};
use std::collections::BTreeMap;

/// What was told of one key, in stretches for which it was wanted without a break.
#[derive(Clone, Debug, Default)]
pub(super) struct Whole {
    stretches: Vec<Stretch>,
}

/// From the first row after the key was wanted until nobody wanted it.
#[derive(Clone, Debug, Default)]
struct Stretch {
    /// The lowest id of the first row; `None` = none came yet.
    first: Option<u64>,
    /// By the last id of each.
    told: BTreeMap<u64, Told>,
    /// What a process before was told, which the one after it may tell again.
    before: BTreeMap<u64, Told>,
    lost: Vec<Lost>,
    ended: bool,
}

/// A row.
#[derive(Clone, Copy, Debug)]
struct Told {
    first: u64,
    px: Decimal,
    qty: Decimal,
    aggressor: Aggressor,
    ts: Option<Nanos>,
    at: Nanos,
    /// It came in a frame that was damaged: what it says may not be what was sent.
    doubtful: bool,
}

/// A gap that closed with so many lost between two ids.
#[derive(Clone, Copy, Debug)]
struct Lost {
    from: u64,
    to: u64,
    lost: u64,
    at: Nanos,
}

/// A trade as the exchange has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Own {
    px: String,
    sz: String,
    side: String,
    ts: String,
}

impl Own {
    /// When it was, in ms.
    pub(super) fn millis(&self) -> u64 {
        self.ts.parse().unwrap_or(0)
    }
}

impl Whole {
    fn last(&mut self) -> &mut Stretch {
        if self.stretches.last().is_none_or(|last| last.ended) {
            self.stretches.push(Stretch::default());
        }
        let at = self.stretches.len() - 1;
        &mut self.stretches[at]
    }

    /// A trade was told.
    ///
    /// # Errors
    /// When one of its ids had been told.
    pub(super) fn trade(
        &mut self,
        (now, ts): (Nanos, Option<Nanos>),
        trade: &Trade,
        doubtful: bool,
    ) -> Result<(), String> {
        let fills = u64::from(trade.count.unwrap_or(1).max(1));
        let ids = (trade.trade_id.saturating_sub(fills - 1), trade.trade_id);
        let last = self.last();
        last.first.get_or_insert(ids.0);
        let (px, qty, aggressor) = (trade.px.0, trade.qty.0, trade.aggressor);
        let told = Told { first: ids.0, px, qty, aggressor, ts, at: now, doubtful };
        let known = last.told.range(ids.0..).next().filter(|(_, known)| known.first <= ids.1);
        if let Some((id, known)) = known {
            let (first, at) = (known.first, known.at);
            return Err(format!(
                "trades {} to {} are told, and {first} to {id} had been told at {at}",
                ids.0, ids.1
            ));
        }
        last.told.insert(ids.1, told);
        Ok(())
    }

    /// A gap closed.
    pub(super) fn gap(&mut self, now: Nanos, gap: &Gap) {
        let id = |id: Option<i64>| id.and_then(|id| u64::try_from(id).ok());
        if let (Some(to), Some(lost)) = (id(gap.to_id), gap.lost.filter(|lost| *lost > 0)) {
            let from = id(gap.from_id).unwrap_or(0);
            let lost = Lost { from, to, lost, at: now };
            match self.stretches.last_mut() {
                // Also of what has ended: it may have been under way.
                Some(last) => last.lost.push(lost),
                None => self.last().lost.push(lost),
            }
        }
        if gap.healed.is_none() {
            self.ends();
        }
    }

    /// Nobody wants it any more, or it is another thing from here on.
    pub(super) fn ends(&mut self) {
        if let Some(last) = self.stretches.last_mut() {
            last.ended = true;
        }
    }

    /// The process ends; what came behind `cut` is not on its tape, and what it knew is `known`.
    /// Says how many rows were not kept.
    ///
    /// # Errors
    /// When it knows nothing of what it had told.
    pub(super) fn cut(&mut self, cut: Nanos, known: Option<&Known>) -> Result<u64, String> {
        let mut dropped = 0;
        for stretch in &mut self.stretches {
            let before = stretch.told.len();
            stretch.told.retain(|_, told| told.at <= cut);
            dropped += (before - stretch.told.len()) as u64;
            stretch.lost.retain(|lost| lost.at <= cut);
            if stretch.told.is_empty() && stretch.before.is_empty() {
                stretch.first = None;
            }
        }
        let last = self.last();
        let Some(known) = known.and_then(|known| known.last) else {
            let forgotten = last.told.last_key_value().map(|(id, _)| *id);
            self.ends();
            return match forgotten {
                None => Ok(dropped),
                Some(id) => Err(format!("trade {id} was told, and the process knows of none")),
            };
        };
        let again = last.told.split_off(&known.saturating_add(1));
        last.before.extend(again);
        Ok(dropped)
    }

    /// The ids that the exchange is to be asked for: from the first told to the last.
    pub(super) fn ids(&self) -> Option<(u64, u64)> {
        let first = self.stretches.iter().filter_map(|stretch| stretch.first).min()?;
        let last = self.stretches.iter().filter_map(Stretch::newest).max()?;
        Some((first, last))
    }

    /// Compares everything with the exchange's own trades; says how many are the same.
    ///
    /// # Errors
    /// The first that is not, or that was neither told nor said to be lost.
    pub(super) fn compare(&self, own: &BTreeMap<u64, Own>, open: bool) -> Result<u64, String> {
        let mut same = 0;
        for stretch in &self.stretches {
            for (id, told) in stretch.told.iter().chain(&stretch.before) {
                same += told.compare(*id, own)?;
            }
            stretch.complete(own, open)?;
        }
        Ok(same)
    }
}

impl Stretch {
    fn newest(&self) -> Option<u64> {
        let last = |rows: &BTreeMap<u64, Told>| rows.last_key_value().map(|(id, _)| *id);
        last(&self.told).max(last(&self.before))
    }

    /// Whether every id in between is accounted for.
    fn complete(&self, own: &BTreeMap<u64, Own>, open: bool) -> Result<(), String> {
        let (Some(first), Some(newest)) = (self.first, self.newest()) else { return Ok(()) };
        let told = |id: u64| {
            let holds = |rows: &BTreeMap<u64, Told>| {
                rows.range(id..).next().is_some_and(|(_, row)| row.first <= id)
            };
            holds(&self.told) || holds(&self.before)
        };
        let absent: Vec<u64> =
            own.range(first..=newest).map(|(id, _)| *id).filter(|id| !told(*id)).collect();
        let mut said: Vec<u64> = self.lost.iter().map(|lost| lost.lost).collect();
        for id in absent {
            let of = |lost: &&Lost| lost.from < id && id < lost.to;
            let some = (0..).zip(&self.lost).find(|(n, lost)| of(lost) && said[*n as usize] > 0);
            match some {
                Some((n, _)) => said[n as usize] -= 1,
                None if open => {}
                None => {
                    let lost = &self.lost;
                    return Err(format!(
                        "trade {id} of {first} to {newest} was not told, no gap is open, and none \
                         says so: {lost:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Told {
    fn compare(&self, id: u64, own: &BTreeMap<u64, Own>) -> Result<u64, String> {
        let fills: Vec<(&u64, &Own)> = own.range(self.first..=id).collect();
        let count = fills.len() as u64;
        if count != id - self.first + 1 || self.doubtful {
            // Older than what the exchange keeps.
            return Ok(0);
        }
        let side = match self.aggressor {
            Aggressor::Buyer => "buy",
            Aggressor::Seller => "sell",
            Aggressor::Unknown => "",
        };
        let number = |text: &str| Decimal::parse(text.as_bytes()).ok();
        let sum =
            fills.iter().try_fold(Decimal::ZERO, |sum, (_, fill)| add(sum, number(&fill.sz)?));
        let ts = self.ts.map_or(String::new(), |ts| ts.millis().to_string());
        let like = |fill: &Own| {
            number(&fill.px).is_some_and(|px| px.cmp_value(self.px).is_eq()) && fill.side == side
        };
        let last = fills.last().is_some_and(|(_, fill)| fill.ts == ts);
        let whole = sum.is_some_and(|sum| sum.cmp_value(self.qty).is_eq());
        if whole && last && fills.iter().all(|(_, fill)| like(fill)) {
            return Ok(count);
        }
        Err(format!("trades {} to {id} were told as {self:?}, they are {fills:?}", self.first))
    }
}

fn add(a: Decimal, b: Decimal) -> Option<Decimal> {
    let scale = a.scale().max(b.scale());
    Decimal::from_parts(a.at_scale(scale)?.checked_add(b.at_scale(scale)?)?, scale)
}

/// The exchange's trades in an answer, by id.
pub(super) fn own(answer: &str) -> BTreeMap<u64, Own> {
    let json = Json::parse(answer);
    let rows = json.as_ref().and_then(|json| json.get("data")).map_or(&[][..], Json::list);
    let one = |row: &Json| {
        let text = |name| row.get(name).map_or(String::new(), Json::plain);
        let own = Own { px: text("px"), sz: text("sz"), side: text("side"), ts: text("ts") };
        Some((text("tradeId").parse().ok()?, own))
    };
    rows.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use market_data_model::{GapCause, Healed, Px, Qty, Subscription, Whose};

    fn trade(id: u64, count: u32) -> Trade {
        Trade {
            trade_id: id,
            px: Px("5".parse().unwrap()),
            qty: Qty(Decimal::small(u64::from(count), 0)),
            aggressor: Aggressor::Buyer,
            count: Some(count),
            source: None,
            seq: None,
            filled: None,
        }
    }

    fn exchange(ids: std::ops::RangeInclusive<u64>) -> BTreeMap<u64, Own> {
        let row = |id| format!(r#"{{"tradeId":"{id}","px":"5","sz":"1","side":"buy","ts":"0"}}"#);
        let rows: Vec<String> = ids.map(row).collect();
        own(&format!(r#"{{"code":"0","data":[{}]}}"#, rows.join(",")))
    }

    fn tell(whole: &mut Whole, at: u64, id: u64, count: u32) -> Result<(), String> {
        whole.trade((Nanos(at), Some(Nanos(0))), &trade(id, count), false)
    }

    fn known(last: Option<u64>) -> Known {
        let subscription = Subscription::new("trades", "B-U");
        Known { subscription, last, heard: Nanos(0) }
    }

    #[test]
    fn every_id_is_told_or_said_to_be_lost() {
        let mut whole = Whole::default();
        tell(&mut whole, 1, 11, 2).unwrap();
        tell(&mut whole, 2, 14, 1).unwrap();
        assert_eq!(whole.ids(), Some((10, 14)));
        let tape = exchange(5..=20);
        assert!(whole.compare(&tape, false).unwrap_err().contains("trade 12 of 10 to 14"));
        assert_eq!(whole.compare(&tape, true), Ok(3));
        let gap = Gap {
            id: 1,
            closed: true,
            cause: GapCause::Sequence,
            whose: Whose::Venue,
            from_id: Some(11),
            to_id: Some(14),
            from: None,
            to: None,
            lost: Some(1),
            healed: Some(Healed::Resumed),
        };
        whole.gap(Nanos(3), &gap);
        assert!(whole.compare(&tape, false).unwrap_err().contains("trade 13 of"));
        whole.gap(Nanos(3), &Gap { lost: Some(2), ..gap });
        assert_eq!(whole.compare(&tape, false), Ok(3));
        assert!(tell(&mut whole, 4, 12, 2).unwrap_err().contains("had been told"));
        // Other numbers are found.
        let other =
            exchange(5..=20).into_iter().map(|(id, own)| (id, Own { px: "6".into(), ..own }));
        assert!(whole.compare(&other.collect(), false).is_err());
    }

    #[test]
    fn what_was_not_kept_must_come_again_and_what_was_kept_must_not() {
        let mut whole = Whole::default();
        (1..=5).for_each(|id| tell(&mut whole, id, id, 1).unwrap());
        whole.cut(Nanos(4), Some(&known(Some(3)))).unwrap();
        // 5 was not kept; 4 was, but the old process was fetching from there.
        tell(&mut whole, 9, 6, 1).unwrap();
        let tape = exchange(1..=9);
        assert!(whole.compare(&tape, false).unwrap_err().contains("trade 5 of"));
        tell(&mut whole, 9, 5, 1).unwrap();
        assert_eq!(whole.compare(&tape, false), Ok(6));
        tell(&mut whole, 9, 4, 1).unwrap();
        assert!(tell(&mut whole, 9, 3, 1).is_err());
        // Of what nobody remembers, nothing is demanded.
        assert!(whole.cut(Nanos(9), None).is_err());
        tell(&mut whole, 10, 9, 1).unwrap();
        assert_eq!(whole.compare(&tape, false), Ok(8));
    }
}
