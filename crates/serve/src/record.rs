//! One record on its way to clients: its text, and its bytes once somebody wants those.
//!
//! Invariant: it is made text once and packed at most once, however many clients get it.

use crate::book::Text;
use crate::pack::{Packed, Templates};
use market_data_model::Nanos;
use std::sync::{Arc, OnceLock};

/// See the file's first comment.
pub(crate) struct Record {
    text: Text,
    packed: OnceLock<Packed>,
    received: Option<Nanos>,
}

impl Record {
    pub fn new(text: Text) -> Arc<Record> {
        Arc::new(Record { text, packed: OnceLock::new(), received: None })
    }

    /// One that has just come.
    pub fn live(text: Text, received: Nanos) -> Arc<Record> {
        Arc::new(Record { text, packed: OnceLock::new(), received: Some(received) })
    }

    /// When it was received, if it goes out as it comes; `None` of what was and of states.
    pub fn received(&self) -> Option<Nanos> {
        self.received
    }

    /// As JSON.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// In the binary form.
    pub fn packed(&self, templates: &Templates) -> &Packed {
        self.packed.get_or_init(|| templates.pack(&self.text))
    }
}

/// One WebSocket message that is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
}

#[cfg(test)]
impl Frame {
    /// The text of one that is text.
    pub fn text(&self) -> &str {
        match self {
            Frame::Text(text) => text,
            Frame::Binary(_) => panic!("a binary frame"),
        }
    }
}
