//! Building the guests.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::script;
use super::source::{Language, children, names, source_hash};
use crate::{process, workspace};

const TARGET: &str = "wasm32-wasip1";

/// Builds every guest in `guests` and writes its `.wasm` and its hash. `cargo` is the cargo to use, if not the usual one.
pub(super) fn build(guests: &Path, cargo: Option<&Path>) -> Result<()> {
    let cargo = match cargo {
        Some(path) => program(path)?,
        None => process::cargo(),
    };
    // A folder of its own: the flags here would rebuild whatever else lies in the target folder.
    let target_dir = workspace::target_dir().join("guests");
    let flags = remap_flags(guests, &target_dir);
    let wasm = guests.join("wasm");
    fs::create_dir_all(&wasm).with_context(|| format!("cannot create {}", wasm.display()))?;

    let names = names(guests)?;
    for name in &names {
        let bytes = match Language::of(&guests.join(name)) {
            Some(Language::AssemblyScript) => {
                if !script::npm_is_there() {
                    eprintln!("{name}: not built: there is no npm; its .wasm stays as it is");
                    continue;
                }
                script::build(&guests.join(name), &target_dir.join(name))?
            }
            _ => {
                // `cargo build` would make the rlib too, and cargo does no link-time optimisation for a package that has
                // one.
                process::run(
                    Command::new(&cargo)
                        .args(["rustc", "--release", "--locked", "--target", TARGET])
                        .args(["--crate-type", "cdylib", "--package", name])
                        .arg("--target-dir")
                        .arg(&target_dir)
                        .env("CARGO_ENCODED_RUSTFLAGS", &flags)
                        .current_dir(guests),
                )?;
                let built = target_dir
                    .join(TARGET)
                    .join("release")
                    .join(name)
                    .with_extension("wasm");
                // Read and write, not copy: the linker's output is executable, and a plugin is not.
                fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?
            }
        };
        let file = wasm.join(name).with_extension("wasm");
        fs::write(&file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
        let file = file.with_extension("sha256");
        fs::write(&file, source_hash(guests, name)? + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
        eprintln!("{name}: {} bytes", bytes.len());
    }
    Ok(())
}

/// A path is from where we are called, but the build runs in the guests' folder; a bare name is looked up in `PATH`.
fn program(path: &Path) -> Result<OsString> {
    if path.components().count() == 1 {
        return Ok(path.into());
    }
    let path = std::path::absolute(path).with_context(|| format!("bad path {}", path.display()))?;
    Ok(path.into())
}

/// rustc flags that give every file of the build a name that does not depend on the machine, in the encoding of
/// `CARGO_ENCODED_RUSTFLAGS`, which unlike `RUSTFLAGS` can hold a path with spaces.
fn remap_flags(guests: &Path, target_dir: &Path) -> OsString {
    let mut flags = OsString::new();
    // rustc takes the last match, so what is inside something else comes after it.
    for (from, to) in remaps(guests, target_dir) {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    flags
}

fn remaps(guests: &Path, target_dir: &Path) -> Vec<(PathBuf, &'static str)> {
    let dir = |name: &str| {
        std::env::var_os(name)
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    };
    let home = std::env::home_dir();
    let in_home = |folder: &str| home.as_ref().map(|home| home.join(folder));

    let mut remaps = Vec::new();
    remaps.extend(home.clone().map(|home| (home, "/user")));
    remaps.push((target_dir.to_owned(), "/target"));
    remaps.push((guests.to_owned(), "/guests"));
    if let Some(cargo_home) = dir("CARGO_HOME").or_else(|| in_home(".cargo")) {
        // One folder per registry, named after its host.
        let registries = children(&cargo_home.join("registry").join("src")).unwrap_or_default();
        remaps.push((cargo_home, "/cargo"));
        remaps.extend(registries.into_iter().map(|folder| (folder, "/deps")));
    }
    // Where rustc's own sources can be: rustup's toolchains, and the one that a cargo for machines without a wasm32
    // standard library keeps for itself.
    remaps.extend(
        dir("RUSTUP_HOME")
            .or_else(|| in_home(".rustup"))
            .into_iter()
            .flat_map(|home| children(&home.join("toolchains")).unwrap_or_default())
            .map(|folder| (folder, "/rust")),
    );
    if let Some(toolchain) = dir("WASM_TOOLCHAIN").or_else(|| in_home(".cache/wasm-toolchain")) {
        let root = toolchain.join("root").join("usr");
        let sources = children(&root.join("src")).unwrap_or_default();
        remaps.push((root.clone(), "/rust"));
        remaps.extend(sources.into_iter().map(|folder| (folder, "/rust")));
        remaps.push((root.join("lib/rustlib/src/rust"), "/rust"));
    }
    // An empty prefix would match everything.
    remaps.retain(|(from, _)| from.as_os_str() != OsStr::new(""));
    remaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cargo_by_name_is_left_to_the_path() {
        assert_eq!(program(Path::new("other-cargo")).unwrap(), "other-cargo");
    }

    #[test]
    fn a_cargo_by_path_does_not_depend_on_the_folder() {
        let path = program(Path::new("tools/cargo")).unwrap();
        assert!(Path::new(&path).is_absolute());
        assert!(Path::new(&path).ends_with("tools/cargo"));
    }

    #[test]
    fn the_guests_folder_is_renamed() {
        let flags = remap_flags(Path::new("/a b/guests"), Path::new("/t"));
        let flags = flags.into_string().unwrap();
        assert!(
            flags
                .split('\u{1f}')
                .any(|flag| flag == "--remap-path-prefix=/a b/guests=/guests"),
            "{flags}"
        );
    }
}
