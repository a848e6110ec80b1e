//! A native plugin in a shared library calls host functions of the program that opens it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let dylib = std::env::var_os("CARGO_FEATURE_NULL_DYLIB").is_some();
    let unix = std::env::var_os("CARGO_CFG_UNIX").is_some();
    if dylib && unix {
        println!("cargo::rustc-link-arg-bins=-rdynamic");
    }
}
