//! The one CSV in a zip, piece by piece, without trust.
//!
//! Invariants: nothing is held but a piece; more bytes than the zip declares, or than a CSV can
//! shrink to, are never read; the sum of the zip is right, or the end is an error.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// Most bytes of a CSV; the longest of OKX's are about 600 MB (all swaps of a day, 2023).
const RAW_MAX: u64 = 4 << 30;
/// How many times longer than its zip a CSV may be; OKX's are 8 to 10 times as long.
const RATIO_MAX: u64 = 100;
/// Bytes read at a time.
const PIECE: usize = 64 << 10;

/// Hands over the content of the zip's only file.
///
/// # Errors
/// In words: why the zip cannot be trusted, or what `each` said.
pub(super) fn each_piece(
    path: &Path,
    mut each: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!("it cannot be opened: {error}"))?;
    let length = file.metadata().map_err(|error| format!("it cannot be read: {error}"))?.len();
    let broken = |error: &dyn std::fmt::Display| format!("it is not a whole zip: {error}");
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| broken(&error))?;
    if zip.len() != 1 {
        return Err(format!("{} files are in the zip, not one", zip.len()));
    }
    let mut entry = zip.by_index(0).map_err(|error| broken(&error))?;
    let method = entry.compression();
    if entry.encrypted()
        || !matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated)
    {
        return Err(format!("the zip is packed in a way that is not read here ({method:?})"));
    }
    let declared = entry.size();
    let most = RAW_MAX.min(length.saturating_mul(RATIO_MAX));
    if declared > most {
        return Err(format!("it declares {declared} bytes in a zip of {length}"));
    }
    let (mut piece, mut bytes) = (vec![0; PIECE], 0);
    loop {
        let read = entry.read(&mut piece).map_err(|error| broken(&error))?;
        bytes += read as u64;
        if read == 0 && bytes == declared {
            return Ok(());
        }
        if read == 0 || bytes > declared {
            return Err(format!("it holds other than the {declared} bytes that it declares"));
        }
        each(piece.get(..read).unwrap_or_default())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Cursor, Write as _};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, content) in files {
            zip.start_file(*name, options).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut all = Vec::new();
        each_piece(file.path(), |piece| {
            all.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn one_deflated_file_comes_out_and_nothing_else_does() {
        let text = b"a,b\n1,2\n".repeat(30);
        let good = zipped(&[("x.csv", &text)]);
        assert_eq!(read(&good).unwrap(), text);
        for cut in 0..good.len() {
            assert!(read(&good[..cut]).is_err(), "{cut}");
        }
        assert!(read(&zipped(&[("a", b"1"), ("b", b"2")])).unwrap_err().contains("2 files"));
        assert!(read(&zipped(&[])).unwrap_err().contains("0 files"));
        // A megabyte of one letter is a bomb, not a table.
        let bomb = read(&zipped(&[("x.csv", &vec![b'1'; 1 << 20])])).unwrap_err();
        assert!(bomb.contains("it declares 1048576 bytes"), "{bomb}");
    }

    proptest! {
        /// One changed byte is seen, or changes nothing that is handed out.
        #[test]
        fn damage_is_seen(
            at in any::<proptest::sample::Index>(), byte in 1u8..=255,
        ) {
            let text = b"7,buy,1.0,2.0,1000\n8,sell,1.0,2.5,1001\n";
            let mut bytes = zipped(&[("x.csv", text)]);
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
            if let Ok(all) = read(&bytes) {
                prop_assert_eq!(all, text);
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(read(&bytes).is_err());
        }
    }
}
