//! The published window of a book that is deeper than 400 levels.

use market_data_sim::MarketSize;

use crate::rig::{Books, NaiveBook, Rig, SECOND, config, units};

/// A minute of a deep book on one channel, compared after every jump in time.
fn a_minute_of(channel: &str, login: bool) {
    let ids = ["BTC-USDT", "BTC-USDT-SWAP"];
    let mut rig = Rig::new(config(3, MarketSize::Full, "none"));
    let conn = rig.open("/ws/v5/public");
    if login {
        rig.login(conn);
    }
    rig.subscribe(conn, &[channel], &ids);
    let mut books = Books::default();
    rig.out.iter().for_each(|delivery| drop(books.apply(delivery)));
    let (mut full, mut crossed) = (0, 0);
    rig.run_with(60 * SECOND, |exchange, fresh| {
        for delivery in fresh {
            let Some(key) = books.apply(delivery) else { continue };
            let book: &NaiveBook = &books.0[&key];
            assert!(book.agrees(delivery.truth.as_ref().unwrap().book.as_ref().unwrap()));
            assert!(book.bids.len() <= 400 && book.asks.len() <= 400);
            assert!(book.agrees(&exchange.published(channel, &key.1).unwrap()), "{key:?}");
            full += usize::from(book.bids.len() == 400 && book.asks.len() == 400);
            crossed += usize::from(units(&book.bids[0].0) >= units(&book.asks[0].0));
        }
    });
    for id in ids {
        let book = &books.0[&(channel.to_owned(), id.to_owned())];
        assert!(book.agrees(&rig.exchange.published(channel, id).unwrap()));
        assert!(book.updates > 200, "{channel} {id}: {}", book.updates);
    }
    assert!(full > 400, "the window is in use: {full}");
    assert_eq!(crossed, 0);
}

#[test]
fn books_keep_to_400_levels_and_equal_what_was_published() {
    a_minute_of("books", false);
}

#[test]
fn books_l2_tbt_keep_to_400_levels_after_login() {
    a_minute_of("books-l2-tbt", true);
}
