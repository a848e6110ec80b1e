//! Traces of the machine that built a `.wasm`.

/// What a path on a builder's machine, or the folder of a package registry, has in it. Long enough not to turn up by
/// chance in the bytes between function names.
const TRACES: [&str; 12] = [
    "/root",
    "/home/",
    "/Users/",
    "\\Users\\",
    "/builds/",
    "/workspace/",
    "/tmp/",
    ".cache/",
    ".cargo/",
    ".rustup/",
    "registry/src",
    "crates.io",
];

/// How much of the text around a trace is shown, in bytes, to either side.
const AROUND: usize = 60;

/// The printable text around every trace of the building machine in a `.wasm` file: absolute paths and registry folders,
/// such as a panic's location holds them unless the build maps them to something neutral.
pub fn machine_paths(wasm: &[u8]) -> Vec<String> {
    wasm.split(|byte| !(b' '..=b'~').contains(byte))
        .filter_map(|text| std::str::from_utf8(text).ok())
        .filter_map(|text| {
            let at = TRACES.iter().filter_map(|trace| text.find(trace)).min()?;
            let end = text.len().min(at + AROUND);
            Some(text[at.saturating_sub(AROUND)..end].to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_between_other_bytes() {
        let found = machine_paths(b"\0\x01/home/x/src/lib.rs\0ok\0/deps/log/src/lib.rs\xff/home/me/y.rs");
        assert_eq!(found, ["/home/x/src/lib.rs", "/home/me/y.rs"]);
    }

    #[test]
    fn registry_folders_are_found_without_a_root() {
        assert_eq!(machine_paths(b"\0index.crates.io-0/log-0.4/src/lib.rs").len(), 1);
    }

    #[test]
    fn only_the_text_around_is_shown() {
        let long = "x".repeat(1000);
        let found = machine_paths(format!("{long}/home/me{long}").as_bytes());
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("/home/me") && found[0].len() == 2 * AROUND);
    }

    #[test]
    fn neutral_paths_pass() {
        assert!(machine_paths(b"/rust/library/std/src/io.rs\0/guests/noop/src/lib.rs").is_empty());
    }
}
