//! Lets the shared libraries that the tests load find the host functions in the test programs, and finds out on which
//! machines frames can be left that can't be unwound.

use std::env::var_os;

/// Machines that `src/panic/unwind.rs` has a way to leave a plugin's code on: those of 64 bits that `sjlj2` knows.
const MACHINES: [&str; 3] = ["x86_64", "aarch64", "riscv64"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(leaves_frames)");
    if var_os("CARGO_CFG_UNIX").is_none() {
        return;
    }
    // Applies to this package alone: a program that loads plugins from shared libraries says it for itself.
    println!("cargo:rustc-link-arg-tests=-rdynamic");
    let machine = var_os("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if MACHINES.iter().any(|known| *known == machine) {
        println!("cargo:rustc-cfg=leaves_frames");
    }
}
