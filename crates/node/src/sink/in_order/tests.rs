//! Against an oracle that sees all events at once: nothing is lost or doubled, ids ascend where a
//! gap was open, everything else stays where it was.

use super::*;
use market_data_model::batch::Other;
use market_data_model::event::{Aggressor, Gap, GapCause, Healed, Ticker, Whose};
use market_data_model::{Instrument, Px, Qty};
use proptest::prelude::*;

/// What happens, in the order of receipt.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A trade of an instrument.
    Trade(u32, u64),
    /// A ticker.
    Ticker(u32),
    /// A gap of the trades of an instrument opens or closes.
    Gap(u32, u64, bool),
}

const TRADES: u16 = 0;
const TICKERS: u16 = 1;

fn names() -> Arc<Names> {
    let instruments = ["A-U", "B-U"].map(|name| Arc::new(Instrument::named(name)));
    let channels = vec!["trades".into(), "tickers".into()];
    Arc::new(Names { venue: "okx", channels, instruments: instruments.into() })
}

fn header(n: u64, (channel, inst): (u16, u32), at: u64) -> Header {
    let (channel, inst) = (Some(channel), Some(inst));
    Header { feed: FeedId(1), n, channel, inst, ts_event: None, ts_recv: Nanos(at) }
}

fn gap(id: u64, closed: bool) -> Gap {
    Gap {
        id,
        closed,
        cause: GapCause::Sequence,
        whose: Whose::Link,
        from_id: None,
        to_id: None,
        from: None,
        to: None,
        lost: None,
        healed: closed.then_some(Healed::Rest),
    }
}

/// One batch; `n` counts on from `first`, receive times are `step_ns` apart.
fn batch(steps: &[Step], first: u64, step_ns: u64) -> Arc<Batch> {
    let mut batch = Batch::default();
    batch.set_names(&names());
    for (n, step) in (first..).zip(steps) {
        match *step {
            Step::Trade(inst, trade_id) => batch.push_trade(
                header(n, (TRADES, inst), n * step_ns),
                Trade {
                    trade_id,
                    px: Px("1.50".parse().unwrap()),
                    qty: Qty("2".parse().unwrap()),
                    aggressor: Aggressor::Buyer,
                    count: None,
                    source: None,
                    seq: None,
                    filled: None,
                },
            ),
            Step::Ticker(inst) => {
                batch.push_ticker(header(n, (TICKERS, inst), n * step_ns), Ticker::default());
            }
            Step::Gap(inst, id, closed) => {
                let header = header(n, (TRADES, inst), n * step_ns);
                batch.push_other(header, Other::Gap(gap(id, closed)));
            }
        }
    }
    Arc::new(batch)
}

/// What comes out, as `n` and, of a trade, its instrument and id.
fn seen(batches: &[Arc<Batch>]) -> Vec<(u64, Option<(u32, u64)>)> {
    let one = |event: EventRef<'_>| {
        let id = match event.body {
            Body::Trade(trade) => event.header.inst.map(|inst| (inst, trade.trade_id)),
            _ => None,
        };
        (event.header.n, id)
    };
    batches.iter().flat_map(|batch| batch.iter().map(one)).collect()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..2_u32, 1..500_u64).prop_map(|(inst, id)| Step::Trade(inst, id)),
        2 => (0..2_u32).prop_map(Step::Ticker),
        1 => (0..2_u32, 1..4_u64).prop_map(|(inst, id)| Step::Gap(inst, id, false)),
        2 => (0..2_u32, 1..4_u64).prop_map(|(inst, id)| Step::Gap(inst, id, true)),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn everything_comes_out_once_and_in_order(
        steps in steps(),
        sizes in proptest::collection::vec(1..9_usize, 1..40),
    ) {
        let (mut order, mut out) = (TradeOrder::default(), Vec::new());
        let (mut first, mut rest, mut sizes) = (1, &steps[..], sizes.into_iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            order.take(batch(now, first, 1), |batch| out.push(batch));
            (first, rest) = (first + now.len() as u64, later);
        }
        order.end(|batch| out.push(batch));
        let out = seen(&out);

        // Once each.
        let mut numbers: Vec<u64> = out.iter().map(|(n, _)| *n).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (1..=steps.len() as u64).collect::<Vec<_>>());
        // What is no trade keeps its order.
        let others = out.iter().filter(|(_, trade)| trade.is_none()).map(|(n, _)| *n);
        prop_assert!(others.clone().zip(others.skip(1)).all(|(a, b)| a < b));
        // The trades of an instrument: the stretches between and within gaps, each sorted by id
        // where a gap was open.
        for inst in 0..2 {
            let (mut open, mut expected, mut stretch) = (BTreeSet::new(), Vec::new(), Vec::new());
            for step in &steps {
                match *step {
                    Step::Trade(of, id) if of == inst && open.is_empty() => expected.push(id),
                    Step::Trade(of, id) if of == inst => stretch.push(id),
                    Step::Gap(of, id, false) if of == inst => {
                        open.insert(id);
                    }
                    Step::Gap(of, id, true) if of == inst => {
                        open.remove(&id);
                        if open.is_empty() {
                            stretch.sort_unstable();
                            expected.append(&mut stretch);
                        }
                    }
                    _ => {}
                }
            }
            stretch.sort_unstable();
            expected.append(&mut stretch);
            let came = out.iter().filter_map(|(_, trade)| *trade);
            let came: Vec<u64> = came.filter(|(of, _)| *of == inst).map(|(_, id)| id).collect();
            prop_assert_eq!(came, expected);
        }
    }
}

#[test]
fn a_batch_without_gaps_is_handed_on_as_it_is() {
    let mut order = TradeOrder::default();
    let whole = batch(&[Step::Trade(0, 5), Step::Ticker(1), Step::Gap(1, 7, true)], 1, 1);
    let mut out = Vec::new();
    order.take(Arc::clone(&whole), |batch| out.push(batch));
    assert!(out.len() == 1 && Arc::ptr_eq(&out[0], &whole));
}

#[test]
fn what_waited_long_enough_comes_out_and_the_gap_holds_nothing_more() {
    let mut order = TradeOrder::default();
    let mut out = Vec::new();
    let minute = 60_000_000_000;
    let early = [Step::Gap(0, 1, false), Step::Trade(0, 9), Step::Trade(0, 8)];
    order.take(batch(&early, 1, minute), |batch| out.push(batch));
    assert_eq!(seen(&out), [(1, None)]);
    order.take(batch(&[Step::Ticker(1)], 8, minute), |batch| out.push(batch));
    assert_eq!((out.len(), order.given_up()), (3, 1), "five minutes have passed behind the second");
    order.take(batch(&[Step::Trade(0, 7), Step::Gap(0, 1, true)], 9, minute), |b| out.push(b));
    let last = [(1, None), (3, Some((0, 8))), (2, Some((0, 9))), (8, None), (9, Some((0, 7)))];
    assert_eq!(seen(&out), [&last[..], &[(10, None)]].concat());
}

#[test]
fn a_loss_lets_out_what_its_feed_holds() {
    let mut order = TradeOrder::default();
    let mut out = Vec::new();
    order.take(batch(&[Step::Gap(0, 1, false), Step::Trade(0, 9)], 1, 1), |b| out.push(b));
    order.lost(FeedId(2), |batch| out.push(batch));
    assert_eq!(seen(&out), [(1, None)]);
    order.lost(FeedId(1), |batch| out.push(batch));
    assert_eq!(seen(&out), [(1, None), (2, Some((0, 9)))]);
    // The gap's end was lost with the rest; the next gap holds trades back again.
    out.clear();
    let next = [Step::Gap(0, 2, false), Step::Trade(0, 12), Step::Trade(0, 11)];
    order.take(batch(&next, 10, 1), |batch| out.push(batch));
    order.take(batch(&[Step::Gap(0, 2, true), Step::Trade(0, 13)], 13, 1), |b| out.push(b));
    let [first, trades @ .., last] = &seen(&out)[..] else { panic!("{out:?}") };
    assert_eq!((first, last), (&(10, None), &(14, Some((0, 13)))));
    assert_eq!(trades[..2], [(12, Some((0, 11))), (11, Some((0, 12)))]);
}

#[test]
fn so_many_are_held_and_no_more() {
    let mut order = TradeOrder::default();
    let mut out = Vec::new();
    let mut steps = vec![Step::Gap(0, 1, false)];
    steps.extend((0..MOST as u64 + 1).rev().map(|id| Step::Trade(0, id)));
    order.take(batch(&steps, 1, 1), |batch| out.push(batch));
    assert_eq!((seen(&out).len(), order.given_up()), (MOST + 2, 1));
    assert_eq!(seen(&out)[1].1, Some((0, 0)));
}
