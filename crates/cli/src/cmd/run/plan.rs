//! The plan of `run --dry-run`: which subscription goes on which connection, and what it costs.

use crate::out::number::{counted, grouped};
use crate::out::paint::Paint;
use crate::out::table::{Align, Cell, Table};
use market_data::{Endpoints, Plan};
use market_data_okx::channel;
use market_data_okx::limits::REQUESTS_PER_HOUR;
use serde_json::{Value, json};
use std::path::Path;

/// What the plan does not say itself.
pub struct About<'a> {
    /// Where connections go.
    pub endpoints: &'a Endpoints,
    /// Where everything would be recorded; `None` = nowhere.
    pub tape: Option<&'a Path>,
}

/// The plan as two tables, or as one JSON object on one line.
///
/// # Errors
/// Never in practice: every field is text or a number.
pub fn text(
    plan: &Plan,
    about: &About<'_>,
    as_json: bool,
    paint: Paint,
) -> serde_json::Result<String> {
    let endpoints = about.endpoints;
    if as_json {
        return Ok(serde_json::to_string(&object(plan, about))? + "\n");
    }
    let tape = match about.tape {
        Some(dir) => format!("everything received would be recorded in {}", dir.display()),
        None => "nothing would be recorded".to_owned(),
    };
    Ok(format!(
        "{}\n{}\n{} subscribe to everything once; an hour allows {} on each connection\n{tape}\n",
        subscriptions(plan).render(paint),
        connections(plan, endpoints).render(paint),
        counted(plan.requests() as u64, "request", "requests"),
        REQUESTS_PER_HOUR,
    ))
}

fn name(path: channel::Path) -> &'static str {
    match path {
        channel::Path::Public => "public",
        channel::Path::Business => "business",
        channel::Path::Binary => "binary",
    }
}

fn subscriptions(plan: &Plan) -> Table {
    let mut table = Table::new(&[
        ("connection", Align::Right),
        ("path", Align::Left),
        ("channel", Align::Left),
        ("instrument", Align::Left),
    ]);
    for (i, connection) in plan.connections.iter().enumerate() {
        for subscription in &connection.subscriptions {
            table.row(vec![
                Cell::new((i + 1).to_string()),
                Cell::new(name(connection.path)),
                Cell::new(&*subscription.channel),
                Cell::new(&*subscription.key),
            ]);
        }
    }
    table
}

fn connections(plan: &Plan, endpoints: &Endpoints) -> Table {
    let mut table = Table::new(&[
        ("connection", Align::Right),
        ("subscriptions", Align::Right),
        ("deep books", Align::Right),
        ("requests", Align::Right),
        ("bytes", Align::Right),
        ("address", Align::Left),
    ]);
    for (i, connection) in plan.connections.iter().enumerate() {
        let numbers = [
            i + 1,
            connection.subscriptions.len(),
            connection.deep_books(),
            connection.requests,
            connection.bytes,
        ];
        let mut cells: Vec<Cell> =
            numbers.iter().map(|number| Cell::new(grouped(*number as u64))).collect();
        cells.push(Cell::new(endpoints.url(connection.path)));
        table.row(cells);
    }
    table
}

fn object(plan: &Plan, about: &About<'_>) -> Value {
    let endpoints = about.endpoints;
    let tape = about.tape.map(|dir| dir.display().to_string());
    let connections: Vec<Value> = plan
        .connections
        .iter()
        .enumerate()
        .map(|(i, connection)| {
            let subscriptions: Vec<Value> = connection
                .subscriptions
                .iter()
                .map(|s| json!({"channel": &*s.channel, "key": &*s.key}))
                .collect();
            json!({
                "connection": i + 1,
                "path": name(connection.path),
                "url": endpoints.url(connection.path),
                "subscriptions": subscriptions,
                "deepBooks": connection.deep_books(),
                "requests": connection.requests,
                "bytes": connection.bytes,
            })
        })
        .collect();
    json!({"connections": connections, "requests": plan.requests(), "tape": tape})
}
