//! Rules about documents, and about code and documents saying the same.

use super::source::Source;
use super::tree::Tree;
use super::{Complaint, complaint};

/// Biggest file in git, in bytes.
const FILE_BYTES_MAX: u64 = 500 * 1024;
/// Longest ARCHITECTURE.md and README.md, in lines.
const LINES_MAX: [(&str, usize); 2] = [("ARCHITECTURE.md", 300), ("README.md", 200)];

const README: &str = "README.md";
const EXAMPLE: &str = "crates/node/examples/watch_trades.rs";
const SETTINGS: &str = "crates/node/config.example.toml";
const NOTES: &str = "docs/decisions/";

/// Every rule of this file.
pub fn check(tree: &Tree, found: &mut Vec<Complaint>) {
    for (path, file) in tree.iter() {
        if file.size > FILE_BYTES_MAX {
            let what = format!("{} bytes in git, {FILE_BYTES_MAX} at most", file.size);
            found.push(complaint(path, 0, what));
        }
        if path.ends_with(".md") {
            links(tree, path, &file.text, found);
        }
    }
    for (path, most) in LINES_MAX {
        let lines = tree.text(path).lines().count();
        if lines == 0 || lines > most {
            found.push(complaint(path, 0, format!("{lines} lines; between 1 and {most}")));
        }
    }
    notes(tree, found);
    example(tree, found);
    said(tree, found);
}

/// Links to files go somewhere.
fn links(tree: &Tree, path: &str, text: &str, found: &mut Vec<Complaint>) {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    for (index, line) in text.lines().enumerate() {
        for part in line.split("](").skip(1) {
            let target = part.split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !tree.has(&joined(folder, target)) {
                found.push(complaint(
                    path,
                    index + 1,
                    format!("a link to {target}, which is not there"),
                ));
            }
        }
    }
}

fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Decision notes are numbered without holes and listed in their index.
fn notes(tree: &Tree, found: &mut Vec<Complaint>) {
    let index_path = format!("{NOTES}README.md");
    let index = tree.text(&index_path);
    let names = tree.iter().filter_map(|(path, _)| path.strip_prefix(NOTES));
    for (number, name) in (1..).zip(names.filter(|name| *name != "README.md")) {
        let path = format!("{NOTES}{name}");
        if !name.starts_with(&format!("{number:04}-")) {
            found.push(complaint(&path, 0, format!("the next number is {number:04}")));
        }
        if !index.contains(&format!("]({name})")) {
            found.push(complaint(&path, 0, format!("is not listed in {index_path}")));
        }
    }
}

/// The README quotes the example as it is compiled.
fn example(tree: &Tree, found: &mut Vec<Complaint>) {
    let example = tree.text(EXAMPLE);
    let code = example.lines().skip_while(|line| line.starts_with("//!") || line.trim().is_empty());
    let code: Vec<&str> = code.collect();
    let quoted = block(tree.text(README), "```rust");
    if code.is_empty() || quoted != code {
        found.push(complaint(README, 0, format!("its ```rust block is not the code of {EXAMPLE}")));
    }
}

/// The first fenced block that opens with `fence`.
fn block<'a>(text: &'a str, fence: &str) -> Vec<&'a str> {
    text.lines()
        .skip_while(|line| *line != fence)
        .skip(1)
        .take_while(|line| *line != "```")
        .collect()
}

/// What the code can say is in its document.
fn said(tree: &Tree, found: &mut Vec<Complaint>) {
    let source = |path: &str| tree.get(path).and_then(|file| file.source.as_ref());
    let mut must = |doc: &str, code: &str, words: Vec<String>| {
        let text = tree.text(doc);
        for word in words.into_iter().filter(|word| !mentions(text, word)) {
            found.push(complaint(doc, 0, format!("does not mention `{word}` of {code}")));
        }
    };
    let one_word =
        |s: &&String| !s.is_empty() && s.chars().all(|c| c.is_alphanumeric() || c == '_');
    for name in ["fields", "wire", "event"] {
        let path = &format!("crates/model/src/{name}.rs");
        let strings = source(path).map(|s| s.strings.iter().filter(one_word).cloned().collect());
        must("docs/records.md", path, strings.unwrap_or_default());
    }
    let code = |s: &&String| s.len() == 5 && s.bytes().all(|b| b.is_ascii_digit());
    for path in ["crates/okx/src/codes.rs", "crates/okx/src/catalogue/response.rs"] {
        let strings = source(path).map(|s| s.strings.iter().filter(code).cloned().collect());
        must("docs/okx.md", path, strings.unwrap_or_default());
    }
    let table = "crates/okx/src/channel/mod.rs";
    must("docs/okx.md", table, source(table).map(channel_names).unwrap_or_default());
    must("docs/config.md", SETTINGS, keys(tree.text(SETTINGS)));
}

fn mentions(text: &str, word: &str) -> bool {
    // Numbers of codes stand in lists.
    if word.bytes().all(|b| b.is_ascii_digit()) {
        return text.split(|c: char| !c.is_ascii_digit()).any(|number| number == word);
    }
    [format!("`{word}`"), format!("\"{word}\""), format!("`{word} "), format!("\"{word}\":")]
        .iter()
        .any(|form| text.contains(form.as_str()))
}

fn channel_names(source: &Source) -> Vec<String> {
    let name =
        |s: &&String| s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    source.strings.iter().filter(name).filter(|s| !s.is_empty()).cloned().collect()
}

/// The keys of a TOML file, those that are commented out included.
fn keys(toml: &str) -> Vec<String> {
    let key = |line: &str| {
        let (key, _) = line.trim_start_matches(['#', ' ']).split_once(" = ")?;
        let plain = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        (plain && !key.is_empty()).then(|| key.to_owned())
    };
    toml.lines().filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_keys_and_blocks_and_folders() {
        assert_eq!(keys("# Words = and more\n# url = \"x\"\n[a]\ndepth = 1\n"), ["url", "depth"]);
        assert_eq!(block("a\n```rust\nb\n```\nc", "```rust"), ["b"]);
        assert_eq!(joined("docs/decisions", "../okx.md"), "docs/okx.md");
        assert!(mentions("| `from` |", "from") && !mentions("from", "from"));
    }
}
