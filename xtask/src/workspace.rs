//! Where things are in the checkout.

use std::path::{Path, PathBuf};

/// The root folder of the checkout that `cargo xtask` was called in, or else that xtask was built from: two checkouts
/// with one target directory share one program.
pub fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_owned(), PathBuf::from);
    xtask.parent().unwrap_or(&xtask).to_owned()
}

/// The folder with the guest plugins.
pub fn guests() -> PathBuf {
    root().join("tests").join("guests")
}

/// Where builds of our own go: `$CARGO_TARGET_DIR`, else `target` in the root.
pub fn target_dir() -> PathBuf {
    // A relative `CARGO_TARGET_DIR` is relative to where cargo was called, which is where we still are.
    match std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => std::path::absolute(&dir).unwrap_or_else(|_| dir.into()),
        None => root().join("target"),
    }
}
