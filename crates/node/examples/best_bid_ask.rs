//! Prints the best bid and ask of two instruments whenever they change.
//!
//! Run it against the pretend exchange: `cargo run -p market-data --example best_bid_ask -- --sim`

use market_data::{Body, Client};

#[tokio::main]
async fn main() -> Result<(), market_data::Error> {
    let mut builder = Client::builder()
        .subscribe("BTC-USDT", ["books"])
        .subscribe("BTC-USDT-SWAP", ["books"])
        .view_depth(1)
        .deltas(false);
    if std::env::args().any(|arg| arg == "--sim") {
        builder = builder.sim(1);
    }
    let mut client = builder.connect().await?;
    let mut shown = 0;
    while let Some(event) = client.next().await {
        let view = event.view();
        if let Body::Book(_, [bid, ..], [ask, ..]) = view.body {
            println!("{:<14} {} x {} | {} x {}", view.inst_id(), bid.qty, bid.px, ask.px, ask.qty);
            shown += 1;
        }
        if shown == 50 {
            break;
        }
    }
    client.close().await;
    Ok(())
}
