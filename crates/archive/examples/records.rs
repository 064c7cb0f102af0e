//! Prints the records of an archive, or of some of its files, as JSON lines.
//!
//! `cargo run -p market-data-archive --example records -- DIR|FILE...`

use market_data_archive::read;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    for path in std::env::args_os().skip(1) {
        find(Path::new(&path), &mut files)?;
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    for file in files {
        read::records(std::fs::read(&file)?.into(), |record| {
            out.write_all(record.json)?;
            out.write_all(b"\n")
        })?;
    }
    Ok(out.flush()?)
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if path.is_dir() {
        let mut below: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(path)? {
            below.push(entry?.path());
        }
        below.sort();
        below.iter().try_for_each(|path| find(path, files))
    } else {
        if path.extension().is_some_and(|end| end == "parquet") {
            files.push(path.to_owned());
        }
        Ok(())
    }
}
