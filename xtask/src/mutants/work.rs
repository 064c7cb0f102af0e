//! A copy of the tree in which mutants are tried: apply, build, torture, test, restore.
//!
//! `mutants.rs` calls it. It never writes outside its own copy. Start at [`Workshop::set_up`].

use super::list::{Edit, Mutant};
use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What is not copied: results of builds, history, and this repository's large captures.
const LEFT_OUT: &[&str] = &["target", ".git", "corpus"];
/// How long a torture or test run of a broken tree may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// The tests of the crates that mutants touch.
pub const OF_OTHERS: &[&str] = &[
    "test",
    "--package",
    "market-data-model",
    "--package",
    "market-data-okx",
    "--package",
    "market-data-tape",
    "--package",
    "market-data-top",
];
/// Those of the server that need no sockets.
pub const OF_SERVER: &[&str] = &["test", "--package", "market-data-serve", "--lib"];

/// Those of sockets, which need none.
pub const OF_SOCKETS: &[&str] = &["test", "--package", "market-data", "--lib", "net::ws"];

/// How a run ended.
pub enum End {
    /// Nobody noticed anything.
    Passed,
    /// Somebody did, and this is who.
    Failed(String),
    /// It had to be stopped.
    Stuck,
}

/// A copy of the tree.
pub struct Workshop {
    tree: PathBuf,
    original: PathBuf,
    /// Held for as long as the copy is ours; none for one that is only read.
    _lock: Option<fs::File>,
}

impl Workshop {
    /// The tree this program was built from, to be read only.
    pub fn here() -> Workshop {
        let original = root();
        Workshop { tree: original.clone(), original, _lock: None }
    }

    /// A fresh copy in the system's temporary folder.
    pub fn set_up() -> anyhow::Result<Workshop> {
        let original = root();
        let tree = std::env::temp_dir().join("market-data-mutants");
        let lock = fs::File::create(tree.with_extension("lock"))?;
        let taken = || format!("another run works in {}; wait for its end", tree.display());
        lock.try_lock().with_context(taken)?;
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        copy(&original, &tree)?;
        Ok(Workshop { tree, original, _lock: Some(lock) })
    }

    /// Where the copy is.
    pub fn path(&self) -> &Path {
        &self.tree
    }

    /// How often the edit's text stands in its file.
    pub fn count(&self, edit: &Edit) -> anyhow::Result<usize> {
        Ok(read(&self.tree.join(edit.file))?.matches(edit.old).count())
    }

    /// Breaks the copy; gives back the files as they were.
    pub fn apply(&self, mutant: &Mutant) -> anyhow::Result<Vec<(PathBuf, String)>> {
        let mut originals = Vec::new();
        for edit in mutant.edits {
            let path = self.tree.join(edit.file);
            let text = read(&path)?;
            write(&path, &text.replacen(edit.old, edit.new, 1))?;
            originals.push((path, text));
        }
        Ok(originals)
    }

    /// Mends the copy.
    pub fn restore(&self, originals: Vec<(PathBuf, String)>) -> anyhow::Result<()> {
        // The first text of a file is the oldest.
        originals.into_iter().rev().try_for_each(|(path, text)| write(&path, &text))
    }

    /// Builds the torture.
    pub fn build(&self) -> anyhow::Result<()> {
        self.compile(&["build", "--quiet", "--package", "market-data-torture", "--bins"])
    }

    fn compile(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = self.cargo(arguments).output()?;
        if !output.status.success() {
            bail!("it does not build:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Runs it.
    pub fn torture(&self, arguments: &[&str]) -> anyhow::Result<End> {
        let mut command = Command::new(self.target().join("debug/torture-lives"));
        let (status, out) = run(command.args(arguments))?;
        let rule = || {
            let (_, rest) = out.split_once("\"rule\":\"")?;
            Some(rest.split('"').next()?.to_owned())
        };
        Ok(match status {
            None => End::Stuck,
            Some(status) if status.success() => End::Passed,
            Some(status) => End::Failed(rule().unwrap_or_else(|| status.to_string())),
        })
    }

    /// Runs tests: [`OF_SERVER`], [`OF_SOCKETS`] or [`OF_OTHERS`].
    pub fn tests(&self, which: &[&str]) -> anyhow::Result<End> {
        self.compile(&[which, &["--quiet", "--no-run"]].concat())?;
        let mut command = self.cargo(&[which, &["--no-fail-fast"]].concat());
        let (status, out) = run(&mut command)?;
        let failed = out.lines().find_map(|line| {
            let name = line.strip_prefix("---- ")?.strip_suffix(" stdout ----")?;
            Some(name.to_owned())
        });
        Ok(match status {
            None => End::Stuck,
            Some(status) if status.success() => End::Passed,
            Some(status) => End::Failed(failed.unwrap_or_else(|| status.to_string())),
        })
    }

    fn target(&self) -> PathBuf {
        self.original.join("target/mutants")
    }

    /// A little optimised: the torture of a plain debug build takes longer than building it.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command
            .current_dir(&self.tree)
            .args(arguments)
            .env("CARGO_TARGET_DIR", self.target())
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_TERM_COLOR", "never");
        command
    }
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let (from, to) = (entry.path(), to.join(&name));
        if entry.file_type()?.is_dir() {
            copy(&from, &to)?;
        } else if entry.file_type()?.is_file() {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Runs a command to its end, or for as long as our patience lasts; gives back what it printed.
fn run(command: &mut Command) -> anyhow::Result<(Option<ExitStatus>, String)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut stdout = child.stdout.take().context("a piped child has a stdout")?;
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        // A reader that fails has read what there was.
        let _ = std::io::Read::read_to_end(&mut stdout, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = wait(&mut child)?;
    let text = reader.join().unwrap_or_default();
    Ok((status, text))
}

fn wait(child: &mut Child) -> anyhow::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
