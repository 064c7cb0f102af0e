//! `docs/parquet-schema.md` names the columns of every table, in their order.

use crate::support::{Dice, events};
use market_data_archive::place::Table;
use market_data_archive::schema::Schema;
use market_data_model::Nanos;
use std::collections::BTreeSet;

const DOCUMENT: &str = include_str!("../../../../docs/parquet-schema.md");

#[test]
fn the_document_names_every_column_in_order() {
    let mut dice = Dice::new();
    let batch = events(&mut dice, 500, Nanos(0));
    let mut kinds = BTreeSet::new();
    for event in batch.iter() {
        let kind = event.body.kind();
        if !kinds.insert(kind) {
            continue;
        }
        let heading = format!("`{kind}`");
        let section = DOCUMENT
            .split("\n## ")
            .find(|part| part.lines().next().is_some_and(|line| line.contains(&heading)));
        let mut rest = section.unwrap_or_else(|| panic!("there is no section of {kind}"));
        let schema = Schema::of(&event, Table::of(&event).form());
        let skipped = ["session", "subscription", "fault", "raw"].contains(&kind);
        for column in &schema.columns {
            let name = format!("`{}`", column.name);
            let at = rest.find(&name);
            let at = at
                .unwrap_or_else(|| panic!("{kind}: {} is not there, or not in order", column.name));
            // Sections of several kinds share their first columns, so there order is not looked at.
            rest = if skipped { rest } else { &rest[at..] };
        }
    }
    assert!(kinds.len() >= 11, "{kinds:?}");
}
