//! Whether the committed `.wasm` files belong to the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::source::{children, names, source_hash};

/// What is wrong with the guests in the folder `guests`, one line each that names the guest; nothing when all is well.
///
/// Found are: a guest without a `.wasm` or without a hash, a hash that is not that of the source, and a file in `wasm`
/// that belongs to no guest.
///
/// # Errors
///
/// A folder or a source file cannot be read.
pub fn check(guests: &Path) -> Result<Vec<String>> {
    let wasm = guests.join("wasm");
    let names: BTreeSet<String> = names(guests)?.into_iter().collect();
    let mut problems = Vec::new();

    for name in &names {
        if !wasm.join(name).with_extension("wasm").is_file() {
            problems.push(format!("{name}: no wasm/{name}.wasm (run `cargo xtask guests`)"));
        }
        match fs::read_to_string(wasm.join(name).with_extension("sha256")) {
            Err(_) => problems.push(format!(
                "{name}: no wasm/{name}.sha256 (run `cargo xtask guests`)"
            )),
            Ok(hash) if hash.trim_end() != source_hash(guests, name)? => problems.push(format!(
                "{name}: the source is not what wasm/{name}.wasm was built from (run `cargo xtask guests`)"
            )),
            Ok(_) => {}
        }
    }

    if wasm.is_dir() {
        for path in children(&wasm)? {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let known = path
                .extension()
                .is_some_and(|extension| extension == "wasm" || extension == "sha256");
            if !known || !names.contains(&*stem) {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                problems.push(format!("wasm/{file} belongs to no guest"));
            }
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A folder with one guest, `one`, that is in order.
    fn guests() -> TempDir {
        let dir = TempDir::new().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[workspace]");
        write("Cargo.lock", "version = 4");
        write("one/Cargo.toml", "[package]");
        write("one/src/lib.rs", "mod a;");
        write("one/src/a/mod.rs", "");
        write("wasm/one.wasm", "\0asm");
        write("wasm/one.sha256", &source_hash(dir.path(), "one").unwrap());
        dir
    }

    fn problems(dir: &TempDir) -> String {
        check(dir.path()).unwrap().join("\n")
    }

    #[test]
    fn guests_in_order_have_no_problem() {
        let dir = guests();
        assert_eq!(problems(&dir), "");
        // The hash is written with a newline at its end.
        let hash = source_hash(dir.path(), "one").unwrap();
        fs::write(dir.path().join("wasm/one.sha256"), format!("{hash}\n")).unwrap();
        assert_eq!(problems(&dir), "");
    }

    #[test]
    fn every_file_of_the_source_counts() {
        for file in [
            "Cargo.toml",
            "Cargo.lock",
            "one/Cargo.toml",
            "one/src/lib.rs",
            "one/src/a/mod.rs",
            "one/src/new.rs",
        ] {
            let dir = guests();
            fs::write(dir.path().join(file), "// changed").unwrap();
            assert!(
                problems(&dir).starts_with("one: the source is not what wasm/one.wasm was built from"),
                "{file}"
            );
        }
    }

    #[test]
    fn a_file_that_moves_changes_the_hash() {
        let dir = guests();
        let src = dir.path().join("one/src");
        fs::rename(src.join("a/mod.rs"), src.join("a.rs")).unwrap();
        assert!(problems(&dir).contains("one: the source is not"));
    }

    #[test]
    fn every_file_of_a_script_counts() {
        for file in [
            "two/package.json",
            "two/package-lock.json",
            "two/assembly/index.ts",
            "two/assembly/new.ts",
        ] {
            let dir = guests();
            let write = |path: &str, text: &str| fs::write(dir.path().join(path), text).unwrap();
            fs::create_dir_all(dir.path().join("two/assembly")).unwrap();
            for path in [
                "two/package.json",
                "two/package-lock.json",
                "two/assembly/index.ts",
            ] {
                write(path, "");
            }
            write("wasm/two.wasm", "\0asm");
            write("wasm/two.sha256", &source_hash(dir.path(), "two").unwrap());
            assert_eq!(problems(&dir), "");
            write("Cargo.lock", "changed");
            assert!(!problems(&dir).contains("two: "), "what guests in Rust share");
            write(file, "changed");
            assert!(problems(&dir).contains("two: the source is not"), "{file}");
        }
    }

    #[test]
    fn a_missing_wasm_or_hash_is_found() {
        let dir = guests();
        fs::remove_file(dir.path().join("wasm/one.wasm")).unwrap();
        assert!(problems(&dir).starts_with("one: no wasm/one.wasm"));

        let dir = guests();
        fs::remove_file(dir.path().join("wasm/one.sha256")).unwrap();
        assert!(problems(&dir).starts_with("one: no wasm/one.sha256"));

        let dir = guests();
        fs::remove_dir_all(dir.path().join("wasm")).unwrap();
        assert_eq!(check(dir.path()).unwrap().len(), 2);
    }

    #[test]
    fn a_file_without_a_guest_is_found() {
        let dir = guests();
        fs::write(dir.path().join("wasm/two.wasm"), "\0asm").unwrap();
        fs::write(dir.path().join("wasm/one.txt"), "").unwrap();
        assert_eq!(
            problems(&dir),
            "wasm/one.txt belongs to no guest\nwasm/two.wasm belongs to no guest"
        );
    }
}
