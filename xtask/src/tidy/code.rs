//! Rules about Rust files: their shape, and words that must not be in them.

use super::source::{Line, Source};
use super::tree::Tree;
use super::{Complaint, complaint};

/// Longest line, in characters; what stands in a string does not count (captured frames).
const COLUMNS_MAX: usize = 100;
/// Longest function, in lines.
const FUNCTION_LINES_MAX: usize = 70;
/// Functions that are longer: path, name, lines. It may shrink and never grow.
const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[];

/// Crates that decide and never act: bytes in, values out.
const PURE: [&str; 3] = ["crates/model/", "crates/okx/", "crates/sim/"];
/// Crates in which no float may appear.
const EXACT: [&str; 3] = PURE;

/// Words that STYLE.md replaces by others; no public item of the pure crates is named so.
const BANNED_WORDS: [&str; 43] = [
    "backend",
    "backfill",
    "backup",
    "bbo",
    "candle",
    "capture",
    "chaos",
    "client",
    "common",
    "connector",
    "consumer",
    "dedup",
    "exchange",
    "handler",
    "helper",
    "journal",
    "layout",
    "log",
    "manager",
    "market",
    "message",
    "mock",
    "outage",
    "packet",
    "pair",
    "payload",
    "primary",
    "print",
    "provider",
    "record",
    "sequence",
    "shard",
    "sharding",
    "simulate",
    "stream",
    "subject",
    "symbol",
    "topic",
    "transport",
    "update",
    "util",
    "utils",
    "writer",
];
/// Public names that use one all the same.
const ALLOWED_NAMES: &[&str] = &[
    // The user's own word for a spelling that records carry for reading only.
    "symbol",
];

/// Every rule of this file, over every Rust file.
pub fn check(tree: &Tree, found: &mut Vec<Complaint>) {
    for (path, source) in tree.sources() {
        first_comment(path, source, found);
        lengths(path, source, found);
        for (index, line) in source.lines.iter().enumerate() {
            let mut complain = |what: String| found.push(complaint(path, index + 1, what));
            columns(line, &mut complain);
            half_built(line, &mut complain);
            no_bound(line, &mut complain);
            if PURE.iter().any(|c| path.starts_with(c)) && path.contains("/src/") {
                pure(path, line, &mut complain);
            }
            let prints = path.starts_with("crates/node/src/") && !line.test;
            if prints && has_print(&line.code) {
                complain("only the command line prints; use tracing".to_owned());
            }
        }
        dead_port(path, source, found);
    }
    channels(tree, found);
    limits(tree, found);
    stale_exceptions(tree, found);
}

fn first_comment(path: &str, source: &Source, found: &mut Vec<Complaint>) {
    // Two lines each, which hand their bytes to a module of fuzz/src.
    if path.starts_with("fuzz/fuzz_targets/") {
        return;
    }
    let mut lines = source.lines.iter().map(|line| line.text.as_str());
    let first = lines.find(|line| !line.starts_with("#![")).unwrap_or_default();
    if !first.starts_with("//! ") {
        found.push(complaint(path, 1, "starts without a `//!` comment that says what it is"));
    }
}

fn lengths(path: &str, source: &Source, found: &mut Vec<Complaint>) {
    for function in source.functions() {
        let allowed = LONG_FUNCTIONS
            .iter()
            .find(|(file, name, _)| *file == path && *name == function.name)
            .map_or(FUNCTION_LINES_MAX, |(_, _, lines)| *lines);
        if function.lines > allowed {
            let what =
                format!("`{}` has {} lines, {allowed} at most", function.name, function.lines);
            found.push(complaint(path, function.line, what));
        }
    }
}

/// An exception that nothing needs any more would hide the next offender.
fn stale_exceptions(tree: &Tree, found: &mut Vec<Complaint>) {
    for (path, name, lines) in LONG_FUNCTIONS {
        let source = tree.get(path).and_then(|file| file.source.as_ref());
        let functions = source.map(Source::functions).unwrap_or_default();
        let longest = functions.iter().filter(|f| f.name == *name).map(|f| f.lines).max();
        if longest != Some(*lines) {
            let what =
                format!("the exception for `{name}` does not fit: tidy/code.rs says {lines}");
            found.push(complaint(path, 0, what));
        }
    }
}

fn columns(line: &Line, complain: &mut impl FnMut(String)) {
    let whole = line.text.chars().count();
    if whole <= COLUMNS_MAX {
        return;
    }
    // Frames stay as they were sent; an address in a comment cannot be broken either.
    let quoted = line.code.contains('"') || line.code.trim().is_empty();
    let comment = line.text.trim_start().starts_with("//");
    let frame = line.text.contains("[[\"") || line.text.contains("{\"");
    let excused = if comment { frame || line.text.contains("://") } else { quoted };
    if !excused || (!comment && line.code.chars().count() > COLUMNS_MAX) {
        complain(format!("{whole} columns, {COLUMNS_MAX} at most"));
    }
}

fn half_built(line: &Line, complain: &mut impl FnMut(String)) {
    // Written apart so that this file does not complain about itself.
    let words = [concat!("FIX", "ME"), concat!("TO", "DO")];
    for word in words {
        if has_word(&line.text, word) {
            complain(format!("{word}: nothing half-built is called done"));
        }
    }
    let calls = [concat!("to", "do!"), concat!("unimple", "mented!")];
    for call in calls {
        if line.code.contains(call) {
            complain(format!("{call}: nothing half-built is called done"));
        }
    }
    let switched_off = [concat!("#[ig", "nore"), concat!("#[should", "_panic")];
    for mark in switched_off {
        if line.code.contains(mark) {
            complain(format!(
                "{mark}]: a test that does not run, or fails to pass, proves nothing"
            ));
        }
    }
}

fn no_bound(line: &Line, complain: &mut impl FnMut(String)) {
    let words = ["unbounded_channel", "unbounded(", "mpsc::channel()", " channel()"];
    if !line.test && words.iter().any(|word| line.code.contains(word)) {
        complain(
            "an unbounded queue; every queue is bounded and says what it does when full".into(),
        );
    }
}

fn pure(path: &str, line: &Line, complain: &mut impl FnMut(String)) {
    let exact = EXACT.iter().any(|c| path.starts_with(c));
    if exact && ["f32", "f64"].iter().any(|word| has_word(&line.code, word)) {
        complain("a float; no float holds a price or a quantity".to_owned());
    }
    if ["async", "await"].iter().any(|word| has_word(&line.code, word)) {
        complain("async below the shell; time and bytes arrive as arguments".to_owned());
    }
    if line.test {
        return;
    }
    if has_print(&line.code) {
        complain("only the command line prints".to_owned());
    }
    for part in ["std::fs", "std::net", "std::thread", "std::env", "std::process", "SystemTime"] {
        if line.code.contains(part) {
            complain(format!("{part} below the shell"));
        }
    }
    if path.starts_with("crates/sim/") {
        return;
    }
    let Some(name) = public_name(&line.code) else { return };
    let banned = words_of(&name).into_iter().find(|word| BANNED_WORDS.contains(&word.as_str()));
    if let Some(word) = banned.filter(|_| !ALLOWED_NAMES.contains(&name.as_str())) {
        complain(format!("`{name}`: STYLE.md has another word for {word:?}"));
    }
}

fn has_print(code: &str) -> bool {
    ["println!", "print!(", "dbg!("].iter().any(|word| code.contains(word))
}

/// The name that a line makes public, if it does.
fn public_name(code: &str) -> Option<String> {
    let mut words = code.trim_start().strip_prefix("pub ")?.split_whitespace();
    let kinds = ["struct", "enum", "trait", "fn", "const", "static", "type", "mod"];
    let mut word = words.next()?;
    while ["const", "async"].contains(&word) && code.contains(" fn ") && word != "fn" {
        word = words.next()?;
    }
    if !kinds.contains(&word) {
        return None;
    }
    let name: String =
        words.next()?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Some(name)
}

/// `BookUpdate` and `book_update` are both `book`, `update`.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let screaming = !name.chars().any(char::is_lowercase);
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && !screaming) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c != '_') {
            word.extend(c.to_lowercase());
        }
    }
    words
}

fn has_word(text: &str, word: &str) -> bool {
    let ident = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(ident) && !text[at + word.len()..].starts_with(ident))
}

/// The port that OKX closed may be named only where its end is said.
fn dead_port(path: &str, source: &Source, found: &mut Vec<Complaint>) {
    let port = concat!("84", "43");
    let ends = ["dead", "no longer", "stopped serving", "has not served"];
    for (index, line) in source.lines.iter().enumerate() {
        let mut around = source.lines[index.saturating_sub(2)..].iter().take(4);
        let said = around.any(|line| {
            let text = line.text.to_lowercase();
            ends.iter().any(|word| text.contains(word))
        });
        if has_word(&line.text, port) && !line.test && !said {
            let what = format!("port {port} is dead since 2026-10-31; say so or leave it out");
            found.push(complaint(path, index + 1, what));
        }
    }
}

/// Every file of a channel shows a frame and tests its reader.
fn channels(tree: &Tree, found: &mut Vec<Complaint>) {
    let folder = "crates/okx/src/channel/";
    for (path, source) in tree.sources().filter(|(path, _)| path.starts_with(folder)) {
        let name = &path[folder.len()..];
        // The table, the readers that channels share, and tests of their own.
        if ["mod.rs", "read.rs", "key.rs", "figures.rs"].contains(&name) || name.contains('/') {
            continue;
        }
        // A channel that is nothing but data: its sample is part of it, and read by
        // `figures/tests.rs`.
        if source.lines.iter().any(|line| line.text.trim_start().starts_with("sample: r#")) {
            continue;
        }
        if !source.lines.iter().any(|line| line.text.trim() == "//! ```json") {
            found.push(complaint(
                path,
                1,
                "a channel without a ```json sample in its first comment",
            ));
        }
        let apart = format!("{}/tests.rs", path.trim_end_matches(".rs"));
        if !source.lines.iter().any(|line| line.test) && !tree.has(&apart) {
            found.push(complaint(path, 0, "a channel without a test"));
        }
    }
}

/// Every number in `limits.rs` says where it comes from.
fn limits(tree: &Tree, found: &mut Vec<Complaint>) {
    let path = "crates/okx/src/limits.rs";
    let Some(source) = tree.get(path).and_then(|file| file.source.as_ref()) else { return };
    let mut said = String::new();
    for (index, line) in source.lines.iter().enumerate().filter(|(_, line)| !line.test) {
        let text = line.text.trim();
        if text.starts_with("///") {
            said.push_str(&text.to_lowercase());
            continue;
        }
        let sources = ["docs", "changelog", "captured", "(ours", "see [`"];
        let named = sources.iter().any(|word| said.contains(word));
        if text.starts_with("pub const ") && !named {
            let what =
                "a limit without its source: docs, changelog, captured (with the day) or ours";
            found.push(complaint(path, index + 1, what));
        }
        said.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<String> {
        let source = Source::read(path, text);
        let mut found = Vec::new();
        for (index, line) in source.lines.iter().enumerate() {
            let mut complain = |what: String| found.push(complaint(path, index + 1, what));
            columns(line, &mut complain);
            half_built(line, &mut complain);
            no_bound(line, &mut complain);
            pure(path, line, &mut complain);
        }
        first_comment(path, &source, &mut found);
        lengths(path, &source, &mut found);
        dead_port(path, &source, &mut found);
        found.iter().map(|c| format!("{} {}", c.line, c.what)).collect()
    }

    #[test]
    fn each_rule_finds_its_offender() {
        let long = format!("//! A.\n// {}\n", "a".repeat(100));
        let function = format!("//! A.\nfn f() {{\n{}}}\n", "g();\n".repeat(70));
        let half = format!("//! A.\n// {}: later\n", concat!("TO", "DO"));
        for (text, what) in [
            ("fn main() {}\n", "1 starts without"),
            (&*long, "2 103 columns"),
            (&*function, "2 `f` has 72 lines"),
            (&*half, concat!("2 TO", "DO: nothing half-built")),
            ("//! A.\nlet (a, b) = mpsc::unbounded_channel();\n", "2 an unbounded queue"),
            ("//! A.\nlet px: f64 = 1;\n", "2 a float"),
            ("//! A.\nasync fn f() {}\n", "2 async"),
            ("//! A.\npub struct BookUpdate;\n", "2 `BookUpdate`: STYLE.md has another word"),
            ("//! A.\npub const fn topic_of() {}\n", "2 `topic_of`: STYLE.md has another word"),
            ("//! A.\nlet at = \"ws.okx.com:8443\";\n", "2 port 8443 is dead"),
            ("//! A.\nlet now = SystemTime::now();\n", "2 SystemTime below the shell"),
        ] {
            let found = broken("crates/okx/src/x.rs", text);
            assert!(found.iter().any(|f| f.starts_with(what)), "{text}: {found:?}");
            assert_eq!(found.len(), 1, "{found:?}");
        }
    }

    #[test]
    fn what_is_fine_is_left_alone() {
        let frame = "a".repeat(120);
        let text = format!(
            "//! A.\n// the port 8443 is dead\nlet a = \"{frame}\"; // f64\nlet symbol = 1;\n\
             pub fn symbol() {{}}\npub fn books() {{}}\n"
        );
        assert_eq!(broken("crates/okx/src/x.rs", &text), Vec::<String>::new());
    }
}
