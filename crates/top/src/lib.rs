//! The terminal screen of `market-data top`, without a terminal: what a running server tells goes
//! in, a state comes of it, and the state is drawn into cells.
//!
//! ```text
//! let mut screen = Screen::new("http://127.0.0.1:9870");
//! screen.handle(now_ms, Input::Frame(text), &mut actions);   // cannot fail, cannot wait
//! terminal.draw(|frame| draw(&screen, &theme, frame));        // a pure function of the state
//! ```
//!
//! The shell (`crates/cli/src/cmd/top.rs`) owns the terminal, the sockets and the clock. Start at
//! `screen.rs` (what may happen), then `wants.rs` (subscriptions), `watch.rs`, `market.rs` and
//! `health.rs` (the state), `view.rs` and `view/` (the picture). The server's contract is
//! `docs/api.md`.
//!
//! Invariants: prices and sizes are the server's text, sums and ratios are whole numbers; what is
//! not proven at the moment is never shown as if it were; nothing grows without a bound; no text
//! from outside makes it panic or reaches the terminal as a control sequence.
#![forbid(unsafe_code)]

mod health;
mod market;
mod number;
mod said;
mod screen;
mod view;
mod wants;
mod watch;

pub use screen::{Action, Asked, Input, Key, Screen};
pub use view::{Theme, draw};
