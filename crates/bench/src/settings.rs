//! What the environment says to a bench, and what the system says of its memory.

/// The value of an environment variable, or the default where there is none.
///
/// # Errors
/// When it cannot be read; the text names it.
pub fn setting<T: std::str::FromStr>(name: &str, default: T) -> Result<T, String> {
    match std::env::var(name) {
        Err(_) => Ok(default),
        Ok(text) => text.parse().map_err(|_| format!("{name} is {text:?}: not a number")),
    }
}

/// A line of what Linux says of this process's memory (`VmRSS`, `VmHWM`), in kB; elsewhere `None`.
pub fn memory_kb(line: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let rest = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'))?;
    rest.trim().strip_suffix("kB")?.trim().parse().ok()
}
