//! Which guests there are, and the hash of a guest's source.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The language a guest is written in, told by the file that its package manager reads.
#[derive(Clone, Copy)]
pub(super) enum Language {
    /// A `Cargo.toml`, in the workspace of the guests.
    Rust,
    /// A `package.json`, with a lock file of its own.
    AssemblyScript,
}

impl Language {
    /// The language of the guest in this folder, if there is one.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        if folder.join("Cargo.toml").is_file() {
            Some(Self::Rust)
        } else if folder.join("package.json").is_file() {
            Some(Self::AssemblyScript)
        } else {
            None
        }
    }
}

/// The names of the guests in the folder `guests`, sorted: every folder with a `Cargo.toml` or a `package.json`.
///
/// # Errors
///
/// The folder cannot be read.
pub fn names(guests: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for path in children(guests)? {
        if Language::of(&path).is_some()
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// SHA-256, as hexadecimal digits, of all that decides what the guest `name` is built from. Of a guest in Rust: its
/// `Cargo.toml` and all files under its `src`, and the `Cargo.toml` and `Cargo.lock` that those guests share. Of one in
/// AssemblyScript: its `package.json`, its `package-lock.json` and all files under its `assembly`.
///
/// # Errors
///
/// One of the files cannot be read.
pub fn source_hash(guests: &Path, name: &str) -> Result<String> {
    let folder = Path::new(name);
    let (mut files, source) = match Language::of(&guests.join(name)) {
        Some(Language::AssemblyScript) => (
            vec![folder.join("package.json"), folder.join("package-lock.json")],
            "assembly",
        ),
        _ => (
            vec![
                "Cargo.lock".into(),
                "Cargo.toml".into(),
                folder.join("Cargo.toml"),
            ],
            "src",
        ),
    };
    collect(guests, &folder.join(source), &mut files)?;

    let mut hash = Sha256::new();
    for file in files {
        let path = guests.join(&file);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // The name and the length keep a byte that moves from one file to the next from going unseen.
        hash.update(slashed(&file));
        hash.update([0]);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    Ok(hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

/// Adds every file under `guests/folder`, by its path from `guests`, in sorted order.
fn collect(guests: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for path in children(&guests.join(folder))? {
        let Some(name) = path.file_name() else {
            continue;
        };
        let inner = folder.join(name);
        if path.is_dir() {
            collect(guests, &inner, files)?;
        } else {
            files.push(inner);
        }
    }
    Ok(())
}

/// The paths of all that is in a folder, sorted.
pub(super) fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    };
    let mut paths = entries().with_context(|| format!("cannot read {}", folder.display()))?;
    paths.sort();
    Ok(paths)
}

/// The path with `/` between its parts on every system, so that the hash is the same on each.
fn slashed(path: &Path) -> String {
    path.iter()
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}
