//! The frames are what they claim to be, and two independent readings of them agree.

use crate::frames::{Group, Stream};
use crate::market;
use crate::reference::{KEY_DECIMALS, Reference};
use crate::systems;
use market_data_model::*;
use market_data_okx::Instructions;

fn stream() -> Stream {
    market::generate(7, 4000)
}

#[test]
fn the_same_seed_gives_the_same_frames() {
    let (a, b) = (stream(), stream());
    assert_eq!(a.select(Group::Mix), b.select(Group::Mix));
    assert_ne!(a.select(Group::Mix), market::generate(8, 4000).select(Group::Mix));
    for group in Group::ALL {
        assert!(a.select(group).len() > 50, "{}", group.name());
    }
}

#[test]
fn feed_and_reference_hold_the_same_books() {
    let stream = stream();
    let mut feed = systems::passive_feed(Instructions::Best);
    let mut reference = Reference::new(true);
    let mut out = Outbox::default();
    feed.handle(Nanos(1), Input::Opened, &mut out);
    for frame in stream.select(Group::Mix) {
        out.clear();
        feed.handle(Nanos(2), Input::Frame(frame), &mut out);
        assert!(reference.take(frame).is_some(), "{}", String::from_utf8_lossy(frame));
    }
    let stats = feed.stats();
    assert_eq!((stats.faults, stats.unknown_fields, stats.gaps_opened), (0, 0, 0));
    assert_eq!((stats.trades_lost, stats.trades_repeated, stats.frames), (0, 0, 4000));
    assert!(stats.book.chain_checked > 2000 && stats.book.chain_ok == stats.book.chain_checked);
    let mut compared = 0;
    let kinds = ["books", "books5", "bbo-tbt"].into_iter().zip(&reference.books);
    for (channel, (inst_id, theirs)) in
        kinds.flat_map(|(c, books)| books.iter().map(move |b| (c, b)))
    {
        let ours = feed.book(channel, inst_id).unwrap();
        for (side, rows) in [(Side::Ask, &theirs.asks), (Side::Bid, &theirs.bids)] {
            let key = |l: &Level| l.px.0.at_scale(KEY_DECIMALS).unwrap();
            let ours = ours.levels(side).map(|l| (key(&l), l.qty.0.mantissa(), l.orders));
            let rows = rows.iter().map(|r| (i128::from(r.0), i128::from(r.1), r.3));
            assert!(ours.eq(rows), "{channel} {inst_id} {side:?}");
            compared += 1;
        }
        assert!(!ours.is_crossed() && ours.is_consistent());
        assert!(channel != "books" || ours.depth(Side::Bid) > 350, "{}", ours.depth(Side::Bid));
    }
    assert!(compared >= 100, "{compared}");
}

#[test]
fn updates_have_the_levels_they_should() {
    let stream = stream();
    let (changes, books) = systems::changes(&[stream.select(Group::Books)]);
    let mut counts: Vec<_> =
        changes.iter().filter(|c| !c.is_snapshot).map(|c| c.rows.len()).collect();
    counts.sort_unstable();
    assert_eq!(books, 20);
    assert!((15..=23).contains(&counts[counts.len() / 2]), "{}", counts[counts.len() / 2]);
    assert_eq!(
        systems::apply_ours(&changes, books, || 0).1,
        systems::apply_sorted(&changes, books, || 0).1
    );
}

#[test]
fn one_line_and_two_say_the_same_but_for_their_own_lives() {
    let stream = stream();
    let frames = [stream.select(Group::Mix)];
    let [one, of_two, both] = [systems::Lines::One, systems::Lines::OneOfTwo, systems::Lines::Both]
        .map(|how| systems::lines(&frames, &systems::ready(&frames, how), how));
    assert!(one > 3_900, "{one} records");
    assert_eq!((of_two, both), (one, one), "rows come out once");
    let ids = systems::trade_ids(&[stream.select(Group::Trades)]);
    assert!(ids.iter().map(Vec::len).sum::<usize>() > 500);
    assert_eq!(systems::account(&ids), 0, "none is missing, none comes twice");
}
