//! The book against a naive map, and what it refuses.

use super::*;
use crate::decimal::{Decimal, Qty};
use proptest::prelude::*;

fn level(px: &str, qty: &str) -> Level {
    Level {
        px: Px(px.parse().unwrap()),
        qty: Qty(qty.parse().unwrap()),
        non_rpi: Qty(Decimal::NONE),
        orders: 1,
    }
}

#[test]
fn keeps_text_through_a_finer_tick() {
    let mut book = Book::new();
    book.apply(Side::Bid, level("83726", "1")).unwrap();
    book.apply(Side::Bid, level("83725.9", "2.50")).unwrap();
    book.apply(Side::Bid, level("83725.95", "3")).unwrap();
    let text: Vec<_> = book.levels(Side::Bid).map(|l| format!("{}@{}", l.qty, l.px)).collect();
    assert_eq!(text, ["1@83726", "3@83725.95", "2.50@83725.9"]);
    assert!(book.is_consistent());
}

#[test]
fn gives_back_every_kind_of_level() {
    let mut book = Book::new();
    let non_rpi = Level { non_rpi: Qty("0.70".parse().unwrap()), ..level("3.1", "7") };
    let beyond = Level { non_rpi: Qty(Decimal::from_parts(1 << 70, 2).unwrap()), ..non_rpi };
    let levels = [
        level("-0.0", "1"),
        level("0.1", "18446744073709551616"),
        level("1", "18446744073709551615"),
        level("2", "0.000000000000000000001"),
        non_rpi,
        Level { px: Px("4.00".parse().unwrap()), ..beyond },
        // The last that a cell holds, and the first that it does not.
        Level { orders: (1 << 14) - 1, ..level("5", "4398046511102") },
        Level { orders: 1 << 14, ..level("6", "0.000000000000001") },
        level("7.5", "4398046511103"),
        Level { orders: u32::MAX, ..level("8.000000000000000", "1") },
    ];
    for round in 0..2 {
        for level in levels {
            book.apply(Side::Ask, level).unwrap();
        }
        assert_eq!(book.levels(Side::Ask).collect::<Vec<_>>(), levels, "round {round}");
        assert_eq!(book.best(Side::Ask), Some(levels[0]));
        assert!(book.is_consistent());
    }
    book.apply(Side::Ask, level("9.0000000000000001", "2")).unwrap();
    assert_eq!(book.levels(Side::Ask).take(levels.len()).collect::<Vec<_>>(), levels);
    for level in levels {
        book.apply(Side::Ask, Level { qty: Qty("0".parse().unwrap()), ..level }).unwrap();
        assert!(book.is_consistent());
    }
    assert_eq!(book.depth(Side::Ask), 1);
}

#[test]
fn refuses_what_it_cannot_hold_and_stays_as_it_was() {
    let mut book = Book::new();
    book.apply(Side::Ask, level("4000000000000000000", "1")).unwrap();
    let fine = level("0.1", "1");
    assert_eq!(book.apply(Side::Ask, fine), Err(BookError::PriceRange(fine.px)));
    assert_eq!(book.apply(Side::Ask, level("1", "-1")), Err(BookError::Negative));
    let far = level("-4700000000000000000", "1");
    assert_eq!(book.apply(Side::Ask, far), Err(BookError::PriceRange(far.px)));
    assert_eq!(book.depth(Side::Ask), 1);
}

#[test]
fn what_it_refuses_leaves_no_trace_in_an_empty_one() {
    let mut book = Book::new();
    let long = level("4000000000000000000.5", "1");
    assert_eq!(book.apply(Side::Ask, long), Err(BookError::PriceRange(long.px)));
    book.apply(Side::Ask, level("4000000000000000000", "1")).unwrap();
    let mut book = Book::new();
    let tiny = level("0.0000000000000000001", "1");
    book.apply(Side::Bid, tiny).unwrap();
    assert_eq!(book.best(Side::Bid), Some(tiny));
    assert!(book.is_consistent());
}

#[test]
fn removing_what_cannot_be_there_is_fine_however_fine_its_price() {
    let mut book = Book::new();
    let held = level("50000000.5", "1");
    book.apply(Side::Ask, held).unwrap();
    book.apply(Side::Ask, level("0.0000000000001", "0")).unwrap();
    book.apply(Side::Ask, level("50000000.50000001", "0")).unwrap();
    assert_eq!(book.levels(Side::Ask).collect::<Vec<_>>(), [held]);
    book.apply(Side::Ask, level("50000000.5000000000", "0")).unwrap();
    assert_eq!(book.depth(Side::Ask), 0);
    assert!(book.is_consistent());
}

proptest! {
    /// Against a sorted map of (price in 1/1000) to quantity text.
    #[test]
    fn agrees_with_a_naive_map(
        steps in prop::collection::vec((any::<bool>(), -200i64..400, 0u8..4, 0u32..5), 0..300)
    ) {
        let mut book = Book::new();
        let mut naive = [std::collections::BTreeMap::new(), std::collections::BTreeMap::new()];
        for (step, (bid, px, scale, qty)) in steps.into_iter().enumerate() {
            if step % 7 == 6 {
                // There and back changes nothing.
                let bytes = postcard::to_allocvec(&book).unwrap();
                book = postcard::from_bytes(&bytes).unwrap();
            }
            let text = Decimal::from_parts(i128::from(px), scale).unwrap().to_string();
            let (side, n) = if bid { (Side::Bid, 0) } else { (Side::Ask, 1) };
            book.apply(side, level(&text, &qty.to_string())).unwrap();
            let key = px * 10i64.pow(u32::from(3 - scale));
            if qty == 0 { naive[n].remove(&key); } else { naive[n].insert(key, (text, qty)); }
            prop_assert!(book.is_consistent());
        }
        let text = |l: Level| (l.px.to_string(), l.qty.to_string().parse().unwrap());
        let ours = |side| book.levels(side).map(text).collect::<Vec<_>>();
        prop_assert_eq!(ours(Side::Bid), naive[0].values().rev().cloned().collect::<Vec<_>>());
        prop_assert_eq!(ours(Side::Ask), naive[1].values().cloned().collect::<Vec<_>>());
    }
}

/// A book beside a sorted map of the price in 10^-6 to price and quantity, both as text.
#[derive(Default)]
struct Pair {
    book: Book,
    naive: [std::collections::BTreeMap<i64, (String, String)>; 2],
}

impl Pair {
    /// `units` are of 10^-scale, scale at most 6.
    fn apply(&mut self, (bid, units, scale): (bool, i64, u8), qty: u32) {
        let px = Decimal::from_parts(i128::from(units), scale).unwrap().to_string();
        let side = if bid { Side::Bid } else { Side::Ask };
        let qty = match qty {
            0 => "0.00".to_string(),
            // More than 64 bits hold.
            2 if units % 16 == 0 => "98765432109876543210.50".to_string(),
            qty => format!("{qty}.50"),
        };
        self.book.apply(side, level(&px, &qty)).unwrap();
        let (map, key) =
            (&mut self.naive[usize::from(bid)], units * 10i64.pow(6 - u32::from(scale)));
        if qty == "0.00" {
            map.remove(&key)
        } else {
            map.insert(key, (px, qty))
        };
    }

    fn truncate(&mut self, depth: usize) {
        let [asks, bids] = &mut self.naive;
        let mut dropped = 0;
        while asks.len() > depth {
            asks.pop_last();
            dropped += 1;
        }
        while bids.len() > depth {
            bids.pop_first();
            dropped += 1;
        }
        assert_eq!(self.book.truncate(depth), dropped);
    }

    fn clear(&mut self) {
        self.book.clear();
        self.naive.iter_mut().for_each(|side| side.clear());
    }

    fn agree(&self) {
        assert!(self.book.is_consistent());
        let text = |l: Level| (l.px.to_string(), l.qty.to_string());
        for (side, naive) in [(Side::Ask, &self.naive[0]), (Side::Bid, &self.naive[1])] {
            let mut expected: Vec<_> = naive.values().cloned().collect();
            if side == Side::Bid {
                expected.reverse();
            }
            let ours: Vec<_> = self.book.levels(side).map(text).collect();
            assert_eq!(ours, expected);
            let (levels, mut back) = (self.book.levels(side), expected.clone());
            back.reverse();
            assert_eq!(levels.len(), expected.len());
            assert_eq!(levels.rev().map(text).collect::<Vec<_>>(), back);
            assert_eq!(self.book.best(side).map(text), expected.first().cloned());
            assert_eq!(self.book.depth(side), expected.len());
            let mut both = self.book.levels(side);
            let (mut from_front, mut from_back) = (Vec::new(), Vec::new());
            while let Some(level) = both.next() {
                from_front.push(text(level));
                from_back.extend(both.next_back().map(text));
            }
            from_back.reverse();
            assert_eq!([from_front, from_back].concat(), expected);
        }
        let (ask, bid) = (self.naive[0].first_key_value(), self.naive[1].last_key_value());
        let crossed = ask.zip(bid).is_some_and(|(ask, bid)| bid.0 >= ask.0);
        assert_eq!(self.book.is_crossed(), crossed);
    }
}

/// One step in a book's life.
#[derive(Clone, Debug)]
enum Step {
    /// Near the market, which has moved by so much: (side, distance in ticks, quantity).
    Near(i64, Vec<(bool, i64, u32)>),
    /// Anywhere at all.
    Far(bool, i64, u32),
    /// Between two ticks.
    Finer(bool, i64, u8, u32),
    Truncate(usize),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let near = prop::collection::vec((any::<bool>(), -40i64..900, 0u32..3), 0..60);
    let finer = (any::<bool>(), 1i64..400, 3u8..7, 0u32..3);
    prop_oneof![
        60 => (-60i64..60, near.clone()).prop_map(|(by, list)| Step::Near(by, list)),
        4 => (-5000i64..5000, near).prop_map(|(by, list)| Step::Near(by, list)),
        10 => (any::<bool>(), 1i64..2_000_000, 0u32..3).prop_map(|(b, p, q)| Step::Far(b, p, q)),
        2 => finer.prop_map(|(b, p, s, q)| Step::Finer(b, p, s, q)),
        8 => (0usize..420).prop_map(Step::Truncate),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(120)
    })]

    /// A market that walks and jumps, with far prices, finer prices, truncation and snapshots.
    #[test]
    fn agrees_through_any_life(steps in prop::collection::vec(step(), 0..60)) {
        let (mut pair, mut middle) = (Pair::default(), 100_000i64);
        for step in steps {
            match step {
                Step::Near(by, list) => {
                    middle = (middle + by).max(5000);
                    for (bid, away, qty) in list {
                        let price = if bid { middle - away } else { middle + away };
                        pair.apply((bid, price, 2), qty);
                    }
                }
                Step::Far(bid, price, qty) => pair.apply((bid, price, 2), qty),
                Step::Finer(bid, away, scale, qty) => {
                    let price = middle * 10i64.pow(u32::from(scale) - 2) + away;
                    pair.apply((bid, price, scale), qty);
                }
                Step::Truncate(depth) => pair.truncate(depth),
                Step::Clear => pair.clear(),
            }
            pair.agree();
        }
    }
}

/// More levels than a window can number, then back to a venue's depth.
#[test]
fn a_side_of_any_size_is_held() {
    let mut pair = Pair::default();
    for units in 1..=70_000 {
        pair.apply((false, 2 * units, 1), 1);
    }
    // The place that is free now has a number above 16 bits, and is taken near the best price.
    pair.apply((false, 140_000, 1), 0);
    pair.apply((false, 5, 1), 1);
    pair.agree();
    pair.truncate(400);
    pair.agree();
    for units in 1..=400 {
        pair.apply((false, units, 1), units as u32 % 2);
        pair.apply((false, units * 10 + 5, 2), 1);
        pair.apply((false, units + 10_000, 1), 1);
    }
    pair.agree();
    pair.clear();
    for units in 1..=400 {
        pair.apply((false, units, 1), 1);
    }
    pair.agree();
}
