//! Lets the shared libraries that the tests load find the host functions in the test programs.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Applies to this package alone: a program that loads plugins from shared libraries says it for itself.
    if std::env::var_os("CARGO_CFG_UNIX").is_some() {
        println!("cargo:rustc-link-arg-tests=-rdynamic");
    }
}
