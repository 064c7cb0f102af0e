//! Which settings differ from others that are in force, besides what is subscribed: those take
//! effect at the next start only.
//!
//! Invariant: a setting is left out of no comparison; the patterns below name every section.

use super::{Config, Log, Output, Runtime, Venue};
use std::fmt::Debug;

impl Config {
    /// The keys whose values differ, `subscribe` left out, as `venue.region`; of `tape` and `serve`
    /// the section.
    pub fn differences(&self, other: &Config) -> Vec<&'static str> {
        let mut keys = Vec::new();
        let mut differ = |key, one: &dyn Debug, two: &dyn Debug| {
            if format!("{one:?}") != format!("{two:?}") {
                keys.push(key);
            }
        };
        let Config {
            venue: a,
            subscribe: _,
            books,
            trades,
            bars,
            funding,
            output,
            tape,
            serve,
            log,
            runtime,
        } = self;
        let Venue { region, url, public_url, business_url, rest_url, proxy, .. } = a;
        let Venue { ca_file, credentials, sbe, binary_url, refresh_seconds, .. } = a;
        let Venue { lines, second_proxy, second_address, rotate_hours, witness_seconds, .. } = a;
        let b = &other.venue;
        differ("venue.lines", lines, &b.lines);
        differ("venue.second_proxy", second_proxy, &b.second_proxy);
        differ("venue.second_address", second_address, &b.second_address);
        differ("venue.rotate_hours", rotate_hours, &b.rotate_hours);
        differ("venue.witness_seconds", witness_seconds, &b.witness_seconds);
        differ("venue.region", region, &b.region);
        differ("venue.url", url, &b.url);
        differ("venue.public_url", public_url, &b.public_url);
        differ("venue.business_url", business_url, &b.business_url);
        differ("venue.binary_url", binary_url, &b.binary_url);
        differ("venue.rest_url", rest_url, &b.rest_url);
        differ("venue.proxy", proxy, &b.proxy);
        differ("venue.ca_file", ca_file, &b.ca_file);
        differ("venue.credentials", credentials, &b.credentials);
        differ("venue.sbe", sbe, &b.sbe);
        differ("venue.refresh_seconds", refresh_seconds, &b.refresh_seconds);
        differ("books.view_depth", &books.view_depth, &other.books.view_depth);
        differ("books.deltas", &books.deltas, &other.books.deltas);
        differ("trades.refill", &trades.refill, &other.trades.refill);
        differ("bars.refill", &bars.refill, &other.bars.refill);
        differ("funding.refill", &funding.refill, &other.funding.refill);
        let Output { sinks, overflow, queue, in_order } = output;
        differ("output.sinks", sinks, &other.output.sinks);
        differ("output.overflow", overflow, &other.output.overflow);
        differ("output.queue", queue, &other.output.queue);
        differ("output.in_order", in_order, &other.output.in_order);
        let Log { level, format } = log;
        differ("log.level", level, &other.log.level);
        differ("log.format", format, &other.log.format);
        let Runtime { core, busy_poll } = runtime;
        differ("runtime.core", core, &other.runtime.core);
        differ("runtime.busy_poll", busy_poll, &other.runtime.busy_poll);
        // Not as text: a token is not shown, so two look alike.
        if *tape != other.tape {
            keys.push("tape");
        }
        if *serve != other.serve {
            keys.push("serve");
        }
        keys
    }
}
