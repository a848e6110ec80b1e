//! Lets the shared libraries that the tests load find the host functions in the test programs, and finds out where the panic
//! of a C function can be ended.

use std::env::var_os;

/// Machines that `src/panic/unwind.rs` has a way to leave a plugin's code on: those of 64 bits that `sjlj2` knows.
const MACHINES: [&str; 3] = ["x86_64", "aarch64", "riscv64"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(ends_panics)");
    if var_os("CARGO_CFG_UNIX").is_none() {
        return;
    }
    // Applies to this package alone: a program that loads plugins from shared libraries says it for itself.
    println!("cargo:rustc-link-arg-tests=-rdynamic");
    let is = |name, value: &str| var_os(name).is_some_and(|found| found == value);
    if is("CARGO_CFG_PANIC", "unwind") && MACHINES.iter().any(|machine| is("CARGO_CFG_TARGET_ARCH", machine)) {
        println!("cargo:rustc-cfg=ends_panics");
    }
}
