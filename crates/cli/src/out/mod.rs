//! How things look: colours, record lines, tables, and the one place that writes to the terminal.
//!
//! Commands use these; nothing here knows what a command does.
//!
//! Start at [`console::Console`].

pub mod console;
pub mod file;
pub mod html;
pub mod human;
pub mod number;
pub mod paint;
pub mod progress;
pub mod table;
