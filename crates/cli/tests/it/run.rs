//! Runs the built command and catches everything it says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What one run of the command did.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The command with an environment of its own: no proxies, no configuration from outside.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_market-data"));
    command.args(args).env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "TMPDIR", "SYSTEMROOT"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs it to its end.
pub fn run(args: &[&str]) -> Ran {
    ran(command(args).output().expect("the command starts"))
}

/// Runs it with this text as stdin.
pub fn run_with(args: &[&str], stdin: &str) -> Ran {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut pipe = child.stdin.take().expect("stdin is piped");
    pipe.write_all(stdin.as_bytes()).expect("the command reads its stdin");
    drop(pipe);
    ran(child.wait_with_output().expect("the command ends"))
}

/// Sends it this signal once it has printed a line.
#[cfg(unix)]
pub fn run_until_told(args: &[&str], signal: &str) -> Ran {
    let mut child = command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut text = String::new();
    stdout.read_line(&mut text).expect("a record comes out");
    let told = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(told.expect("kill is there").success());
    stdout.read_to_string(&mut text).expect("the rest comes out");
    Ran { stdout: text, ..ran(child.wait_with_output().expect("the command ends")) }
}

fn ran(output: Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command writes UTF-8");
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Asserts a failure: exit code 2, nothing on stdout, exactly this on stderr.
#[track_caller]
pub fn fails(args: &[&str], stderr: &str) {
    let ran = run(args);
    let expected = Ran { code: Some(2), stdout: String::new(), stderr: stderr.to_owned() };
    assert_eq!(ran, expected, "market-data {}", args.join(" "));
}

/// Asserts that a tape, replayed, gives what was recorded.
#[track_caller]
pub fn identical(dir: &str) {
    let ran = run(&["replay", dir, "--check"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(ran.stdout.contains("identical: "), "{}", ran.stdout);
}

/// A file in a folder that goes away with the test.
pub fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("the temporary folder takes files");
    shown(&path)
}

/// A path as text.
pub fn shown(path: &Path) -> String {
    path.to_str().expect("the path is UTF-8").to_owned()
}
