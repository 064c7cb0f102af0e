//! How a feed was made, there and back: what the tape says and what the feed takes.
//!
//! Invariant: a feed made from its own tape is the feed that was recorded.

use market_data_model::FeedId;
use market_data_okx::OkxConfig;
use market_data_tape::FeedConfig;

/// What a tape must know to make this feed again.
pub(crate) fn tape_config(config: &OkxConfig) -> FeedConfig {
    FeedConfig {
        url: config.url.to_string(),
        subscriptions: config.subscriptions.clone(),
        instruments: config.instruments.clone(),
        view_depth: config.view_depth,
        deltas: config.deltas,
        seed: config.seed,
        login: config.login,
        refill: config.refill,
        sbe: config.sbe,
        bars: config.bars,
        known: config.known.clone(),
        more_lines: config.lines.saturating_sub(1),
        rotate_ns: config.rotate_ns,
        witness_ns: config.witness_ns,
        funding: config.funding,
        successor: config.successor,
    }
}

/// What makes the recorded feed again.
pub(crate) fn feed_config(feed: FeedId, taped: FeedConfig) -> OkxConfig {
    let mut config = OkxConfig::new(feed, &taped.url);
    config.subscriptions = taped.subscriptions;
    config.instruments = taped.instruments;
    config.view_depth = taped.view_depth;
    config.deltas = taped.deltas;
    config.seed = taped.seed;
    config.login = taped.login;
    config.refill = taped.refill;
    config.sbe = taped.sbe;
    config.bars = taped.bars;
    config.known = taped.known;
    config.lines = taped.more_lines.saturating_add(1);
    config.rotate_ns = taped.rotate_ns;
    config.witness_ns = taped.witness_ns;
    config.funding = taped.funding;
    config.successor = taped.successor;
    config
}
