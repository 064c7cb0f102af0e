//! Prints trades of BTC-USDT and, every now and then, the best bid and ask of its live book.
//!
//! Run it against the pretend exchange: `cargo run -p market-data --example watch_trades -- --sim`

use market_data::model::Side;
use market_data::{Body, Client};

#[tokio::main]
async fn main() -> Result<(), market_data::Error> {
    let mut builder = Client::builder().subscribe("BTC-USDT", ["trades", "books"]);
    if std::env::args().any(|arg| arg == "--sim") {
        builder = builder.sim(1);
    }
    let mut client = builder.connect().await?;
    let mut trades = 0;
    while let Some(event) = client.next().await {
        match event.view().body {
            Body::Trade(trade) => {
                println!("{:?} {} at {}", trade.aggressor, trade.qty, trade.px);
                trades += 1;
            }
            Body::Gap(gap) => eprintln!("gap: {gap:?}"),
            _ => {}
        }
        if trades == 20 {
            break;
        }
    }
    match client.book("BTC-USDT", "books").await {
        Ok(book) => println!("book: {:?} / {:?}", book.best(Side::Bid), book.best(Side::Ask)),
        Err(why) => println!("no book: {why}"),
    }
    client.close().await;
    Ok(())
}
