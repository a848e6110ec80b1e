//! What memory the process has to itself.

/// Bytes of private memory, clean and dirty, where the system says so (Linux).
pub fn private() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some((kib("Private_Clean:")? + kib("Private_Dirty:")?) << 10)
}
