//! `feeds`: how connections, sinks and the tape fare.

use super::paging::{Page, ROWS_MAX};
use super::{Asked, Asks, Failure, Form, arrow, csv, json_text, tables};
use crate::server::Shared;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use market_data::{FeedReport, Latency};
use serde_json::{Value, json};
use std::sync::Arc;

/// Feeds that are in use: one that was replaced after a mistake of ours is not.
pub(crate) fn present(reports: &[FeedReport]) -> impl Iterator<Item = &FeedReport> {
    reports.iter().filter(|feed| !feed.replaced)
}

/// `feeds?limit=&before=&after=`.
///
/// # Errors
/// When the query cannot be used.
pub(crate) async fn feeds(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    asks: Asks,
) -> Result<Response, Failure> {
    let asked = Asked::read(asks, &["limit", "before", "after"])?;
    let page = Page::of_numbers(&asked, ROWS_MAX, ROWS_MAX)?;
    let reports = shared.metrics.reports();
    let mut all: Vec<&FeedReport> = present(&reports).collect();
    all.sort_by_key(|report| report.feed.0);
    let fits = |report: &&FeedReport| page.holds(&u64::from(report.feed.0));
    let feeds: Vec<Value> = page.cut(all.into_iter().filter(fits)).into_iter().map(feed).collect();
    match Form::wanted(&headers) {
        Form::Csv => return Ok(csv::values(tables::FEEDS.csv, &feeds)),
        Form::Arrow => return arrow::values(&tables::FEEDS, &feeds, &[]),
        Form::Json => {}
    }
    let sinks: Vec<Value> = shared
        .metrics
        .sinks()
        .iter()
        .map(|sink| {
            json!({
                "name": sink.name,
                "delivered": sink.delivered,
                "dropped": sink.dropped,
                "waits": sink.waits,
                "depth": sink.depth,
            })
        })
        .collect();
    let tape = shared.metrics.tape().map(|tape| {
        json!({
            "records": tape.records,
            "bytes": tape.stored_bytes,
            "lost": tape.lost_records,
            "lagMs": tape.lag_ns / 1_000_000,
            "error": tape.failing,
        })
    });
    Ok(json_text(json!({"feeds": feeds, "sinks": sinks, "tape": tape}).to_string()))
}

fn feed(report: &FeedReport) -> Value {
    let stats = &report.stats;
    let status = report.status.as_ref();
    json!({
        "feed": report.feed.0,
        "url": &*report.url,
        "connected": report.connected,
        "frames": stats.frames,
        "bytes": stats.bytes,
        "records": stats.records,
        "faults": stats.faults,
        "gapsOpen": status.map(|s| s.open_gaps),
        "gaps": stats.gaps_opened,
        "resyncs": stats.resyncs,
        "reconnects": stats.reconnects,
        "requestsLeft": status.map(|s| s.requests_left),
        "handOvers": status.map(|s| s.hand_overs),
        "lines": status.map(|s| s.lines.iter().map(|line| json!({
            "line": line.line,
            "front": line.front,
            "up": line.is_up(),
            "first": line.first,
            "copies": line.copies,
            "lateUs": (line.copies > 0).then(|| line.late_ns / line.copies / 1_000),
            "lateMaxUs": line.late_max_ns / 1_000,
            "missed": line.missed,
        })).collect::<Vec<_>>()),
        "witnesses": status.map(|s| s.witnesses.iter().map(|said| json!({
            "channel": &*said.book.channel,
            "instId": &*said.book.key,
            "witness": said.witness,
            "agree": said.agree,
            "differ": said.differ,
            "skipped": said.skipped,
        })).collect::<Vec<_>>()),
        "lastFrameAgeMs": report.last_frame_age.map(|age| u64::try_from(age.as_millis()).ok()),
        "venueToReceiveUs": latency(&report.venue_to_receive),
        "receiveToRecordUs": latency(&report.receive_to_record),
        "subscriptions": status.map(|s| json!({
            "live": s.live,
            "waiting": s.wanted.saturating_sub(s.live),
        })),
    })
}

/// In microseconds; `null` before the first record.
fn latency(hop: &Latency) -> Value {
    let us = |ns: u64| ns / 1000;
    match hop.count {
        0 => Value::Null,
        _ => json!({"p50": us(hop.p50), "p99": us(hop.p99), "p999": us(hop.p999)}),
    }
}
