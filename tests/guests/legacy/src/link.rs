//! How this guest is linked.

fn main() {
    // The old SDK does not say of its functions that the host has them.
    println!("cargo::rustc-cdylib-link-arg=--import-undefined");
    println!("cargo::rerun-if-changed=src/link.rs");
}
