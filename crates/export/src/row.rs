//! One line of CSV: commas between, a line feed at the end, quotes where RFC 4180 wants them.

use market_data_model::Decimal;
use std::io::Write as _;

/// Writes fields into a buffer; [`Row::end`] ends the line.
pub struct Row<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Row<'a> {
    /// Begins a line.
    pub fn new(out: &'a mut Vec<u8>) -> Row<'a> {
        Row { out, first: true }
    }

    fn comma(&mut self) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
    }

    /// Text that needs no quotes: words and numbers of our own making.
    pub fn plain(&mut self, text: &[u8]) -> &mut Self {
        self.comma();
        self.out.extend_from_slice(text);
        self
    }

    /// Any text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.comma();
        if !text.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r')) {
            self.out.extend_from_slice(text.as_bytes());
            return self;
        }
        self.out.push(b'"');
        for byte in text.bytes() {
            if byte == b'"' {
                self.out.push(b'"');
            }
            self.out.push(byte);
        }
        self.out.push(b'"');
        self
    }

    /// A whole number; nothing if absent.
    pub fn number(&mut self, number: Option<impl std::fmt::Display>) -> &mut Self {
        self.comma();
        if let Some(number) = number {
            write!(self.out, "{number}").expect("a vector takes every write");
        }
        self
    }

    /// An exact number; nothing if absent.
    pub fn decimal(&mut self, number: Option<Decimal>) -> &mut Self {
        self.comma();
        if let Some(number) = number {
            number.write_to(self.out);
        }
        self
    }

    /// Ends the line.
    pub fn end(&mut self) {
        self.out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_where_it_must() {
        let mut out = Vec::new();
        let mut row = Row::new(&mut out);
        row.text("a b").text("").text("x,y").text("say \"no\"").number(Some(7)).number(None::<u8>);
        row.decimal("1.50".parse().ok()).decimal(None).end();
        assert_eq!(out, b"a b,,\"x,y\",\"say \"\"no\"\"\",7,,1.50,\n");
    }
}
