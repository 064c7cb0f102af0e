//! Tables of text with aligned columns, for reports and plans.
//!
//! Invariant: widths count characters as shown, so colours do not shift columns; no line ends in
//! spaces.

use super::paint::{Colour, Paint};

/// Where the text of a column stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// One cell: its text and perhaps its colour.
pub struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl Cell {
    /// Plain text.
    pub fn new(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), colour: None }
    }

    /// Coloured text.
    pub fn painted(text: impl Into<String>, colour: Colour) -> Cell {
        Cell { text: text.into(), colour: Some(colour) }
    }
}

/// A table being filled row by row.
pub struct Table {
    head: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(head: &[(&'static str, Align)]) -> Table {
        Table { head: head.to_vec(), rows: Vec::new() }
    }

    /// Appends a row; missing cells stay empty.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table as lines.
    pub fn render(&self, paint: Paint) -> String {
        let widths: Vec<usize> = (0..self.head.len()).map(|i| self.width(i)).collect();
        let head = self.head.iter().map(|(name, _)| Cell::painted(*name, Colour::Strong));
        let mut text = self.line(&head.collect::<Vec<_>>(), &widths, paint);
        for row in &self.rows {
            text.push_str(&self.line(row, &widths, paint));
        }
        text
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0);
        widest.max(self.head[column].0.chars().count())
    }

    fn line(&self, cells: &[Cell], widths: &[usize], paint: Paint) -> String {
        let mut text = String::new();
        let mut pending = 0;
        for (i, cell) in cells.iter().enumerate().take(widths.len()) {
            let room = widths[i] - cell.text.chars().count();
            let before = if self.head[i].1 == Align::Right { room } else { 0 };
            if !cell.text.is_empty() {
                text.extend(std::iter::repeat_n(' ', pending + before));
                pending = 0;
                match cell.colour {
                    Some(colour) => text.push_str(&paint.apply(colour, &cell.text)),
                    None => text.push_str(&cell.text),
                }
                pending += room - before;
            } else {
                pending += room;
            }
            pending += 2;
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_end_where_the_text_ends() {
        let mut table = Table::new(&[("channel", Align::Left), ("frames", Align::Right)]);
        table.row(vec![Cell::new("books"), Cell::new("12,345")]);
        table.row(vec![Cell::painted("trades-all", Colour::Good), Cell::new("7")]);
        table.row(vec![Cell::new(""), Cell::new("1")]);
        table.row(vec![Cell::new("x"), Cell::new("")]);
        assert_eq!(
            table.render(Paint::plain()),
            "channel     frames\nbooks       12,345\ntrades-all       7\n                 1\nx\n"
        );
    }
}
