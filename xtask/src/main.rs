//! The project's own chores: `cargo run -p xtask -- tidy`, `cargo run -p xtask -- mutants`.
//!
//! CI calls them; each is a module beside this file. To add one, add a module and a line in
//! [`main`].

#[cfg(feature = "audit")]
mod audit;
mod mutants;
mod tidy;

use anyhow::bail;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let chore = arguments.next().unwrap_or_default();
    match chore.as_str() {
        #[cfg(feature = "audit")]
        "audit" => audit::run(&arguments.collect::<Vec<_>>()),
        "mutants" => mutants::run(&arguments.collect::<Vec<_>>()),
        "tidy" => tidy::run(),
        other => bail!(
            "no chore called {other:?}; there are: mutants, tidy, and audit (build with --features audit)"
        ),
    }
}
