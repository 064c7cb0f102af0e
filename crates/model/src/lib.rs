//! The words of the project; read the modules in the order they are listed.
//!
//! Everybody else imports this crate and it imports nobody: no I/O, no JSON reader, no venue, no
//! async, no clock. It holds
//!
//! 1. [`decimal`]: exact decimal numbers that print back as the venue wrote them;
//! 2. [`time`]: instants in nanoseconds and the little calendar that bars need;
//! 3. [`instrument`]: what trades, and [`units`]: what a quantity of it is in coins and money;
//! 4. [`event`]: the normalised facts, and [`batch`], in which they travel;
//! 5. [`book`]: one instrument's order book;
//! 6. [`feed`]: the contract between a feed, which decides, and a driver, which acts;
//! 7. [`figures`]: records whose fields are listed as data;
//! 8. [`fields`]: what each record says, field by field, and [`wire`]: the same as JSON text.
#![forbid(unsafe_code)]

pub mod batch;
pub mod book;
pub mod decimal;
mod digits;
pub mod event;
pub mod feed;
pub mod fields;
pub mod figures;
pub mod instrument;
pub mod time;
pub mod tiny;
pub mod units;
pub mod wire;

pub use batch::{Batch, EventRef, Events, Names};
pub use book::{Book, BookError, Side};
pub use decimal::{Decimal, DecimalError, Px, Qty};
pub use event::*;
pub use feed::{Action, Command, Feed, Input, Known, LineNews, Outbox, Subscription};
pub use figures::Figures;
pub use instrument::{InstType, Instrument};
pub use time::Nanos;
pub use tiny::Tiny;
