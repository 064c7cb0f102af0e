//! The numbers of each line of each feed, and of each witness of its books, for Prometheus.

use super::{FeedMetrics, label};
use crate::venue::FeedStatus;
use market_data_okx::{LineStatus, WitnessStatus};
use std::sync::Arc;

/// Name, what it is, its kind, and a value for each feed or line.
type Family = (&'static str, &'static str, &'static str, Vec<(String, u64)>);

/// What is counted of a line.
type Read = fn(&LineStatus) -> u64;

const LINES: [(&str, &str, &str, Read); 5] = [
    ("okx_line_up", "Whether the connection of the line is open", "gauge", |line| {
        line.is_up().into()
    }),
    ("okx_line_first_total", "Rows of which the line brought the first copy", "counter", |line| {
        line.first
    }),
    (
        "okx_line_copies_total",
        "Rows of which the line brought the second copy",
        "counter",
        |line| line.copies,
    ),
    (
        "okx_line_late_ns_total",
        "Nanoseconds by which second copies came after the first",
        "counter",
        |line| line.late_ns,
    ),
    ("okx_line_missed_total", "Rows that only the other line brought", "counter", |line| {
        line.missed
    }),
];

pub(super) fn families(feeds: &[Arc<FeedMetrics>]) -> Vec<Family> {
    let statuses: Vec<(u32, FeedStatus)> =
        feeds.iter().filter_map(|feed| Some((feed.feed.0, feed.report().status?))).collect();
    let each = |read: Read| {
        let of = |(feed, status): &(u32, FeedStatus)| {
            let feed = *feed;
            let label = move |line: u8| format!("feed=\"{feed}\",line=\"{line}\"");
            let rows = status.lines.iter().map(move |line| (label(line.line), read(line)));
            rows.collect::<Vec<_>>()
        };
        statuses.iter().flat_map(of).collect()
    };
    let lines = LINES.iter().map(|(name, help, kind, read)| (*name, *help, *kind, each(*read)));
    let over = |(feed, status): &(u32, FeedStatus)| (format!("feed=\"{feed}\""), status.hand_overs);
    let help = "Connections replaced by others that had caught up";
    let overs = statuses.iter().map(over).collect();
    let lines = lines.chain([("okx_hand_overs_total", help, "counter", overs)]);
    lines.chain(witnesses(&statuses)).collect()
}

/// What is counted of a witness.
type Count = fn(&WitnessStatus) -> u64;

const WITNESSES: [(&str, &str, Count); 3] = [
    ("okx_witness_agree_total", "Times that a witness agreed with a live book", |w| w.agree),
    ("okx_witness_differ_total", "Times that a witness contradicted a live book", |w| w.differ),
    ("okx_witness_skipped_total", "Times that a witness said nothing to compare", |w| w.skipped),
];

fn witnesses(statuses: &[(u32, FeedStatus)]) -> impl Iterator<Item = Family> {
    let each = |read: Count| {
        let of = |(feed, status): &(u32, FeedStatus)| {
            let feed = *feed;
            let row = move |said: &WitnessStatus| {
                let channel = label("channel", &said.book.channel);
                let inst_id = label("inst_id", &said.book.key);
                let witness = label("witness", said.witness);
                (format!("feed=\"{feed}\",{channel},{inst_id},{witness}"), read(said))
            };
            status.witnesses.iter().map(row).collect::<Vec<_>>()
        };
        statuses.iter().flat_map(of).collect()
    };
    WITNESSES.iter().map(move |(name, help, read)| (*name, *help, "counter", each(*read)))
}
