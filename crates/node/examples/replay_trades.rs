//! Prints the trades on a tape: the same program as for live data, with the tape in the network's
//! place.
//!
//! Record one with `market-data run --sim --for 10s`, then
//! `cargo run -p market-data --example replay_trades -- tape`

use market_data::{Body, Client, ReplaySettings};

#[tokio::main]
async fn main() -> Result<(), market_data::Error> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "tape".to_owned());
    let mut client = Client::builder().replay(ReplaySettings::new(path)).connect().await?;
    while let Some(event) = client.next().await {
        let view = event.view();
        if let Body::Trade(trade) = view.body {
            println!("{} {} {} at {}", view.header.ts_recv, view.inst_id(), trade.qty, trade.px);
        }
    }
    client.close().await;
    Ok(())
}
