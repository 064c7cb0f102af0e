//! Writes the seeds of every target into `fuzz/corpus/<target>/`. Called by `fuzz/run.sh`.

use market_data_fuzz::{catalogue, sbe, seeds, tape};
use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let texts = |list: &[&str]| list.iter().map(|text| text.as_bytes().to_vec()).collect();
    let frames: Vec<_> = seeds::frames().map(|frame| frame.as_bytes().to_vec()).collect();
    let mut json = frames.clone();
    json.extend(seeds::INSTRUMENTS.iter().map(|(_, body)| body.as_bytes().to_vec()));
    let mut answers: Vec<Vec<u8>> = Vec::new();
    for (n, (_, body)) in seeds::INSTRUMENTS.iter().enumerate() {
        answers.push([&[b'a' + n as u8, b'2'], body.as_bytes()].concat());
    }
    for body in seeds::BODIES {
        answers.push([b"d2", body.as_bytes()].concat());
    }
    answers.push(answers.join(&catalogue::END));
    write(&root, "decimal", texts(&seeds::NUMBERS))?;
    write(&root, "resolve", texts(&seeds::SPELLINGS))?;
    write(&root, "frame", frames)?;
    write(&root, "json", json)?;
    write(&root, "catalogue", answers)?;
    write(&root, "sbe", sbe::seeds())?;
    write(&root, "tape", tape::seeds())?;
    write(&root, "feed", seeds::lives())
}

fn write(root: &Path, target: &str, seeds: Vec<Vec<u8>>) -> io::Result<()> {
    let folder = root.join(target);
    fs::create_dir_all(&folder)?;
    for (n, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{n:03}")), seed)?;
    }
    Ok(())
}
