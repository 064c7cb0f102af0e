//! Events as Parquet tables in a directory tree that proves itself, and back.
#![forbid(unsafe_code)]

pub mod chunk;
mod number;
pub mod place;
pub mod read;
pub mod schema;
pub mod write;
