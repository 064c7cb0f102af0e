//! `market-data completions SHELL`: the script that lets a shell complete commands and flags.

use crate::args::Cli;
use crate::out::console::Console;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  market-data completions bash > ~/.local/share/bash-completion/completions/market-data
  market-data completions zsh > ~/.zfunc/_market-data
  market-data completions fish > ~/.config/fish/completions/market-data.fish";

/// Flags of `completions`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// When stdout cannot be written to.
pub fn run(args: &CompletionsArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "market-data", &mut script);
    console.data(&script)?;
    Ok(ExitCode::SUCCESS)
}
