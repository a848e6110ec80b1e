//! Compiles our `.proto` files, without `protoc`: Rust messages for the program, and descriptors for reading JSON.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use prost::Message as _;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let root = Path::new("proto");
    println!("cargo::rerun-if-changed=proto");
    let mut files = Vec::new();
    find(root, &mut files)?;
    // The order decides the order of the generated code, and a directory has none.
    files.sort();

    // Not used by any of our messages, but a plugin's configuration may be one.
    files.push(PathBuf::from("google/protobuf/empty.proto"));
    let descriptors = protox::compile(&files, [root])?;

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let mut bare = descriptors.clone();
    for file in &mut bare.file {
        file.source_code_info = None;
    }
    fs::write(out.join("descriptors.bin"), bare.encode_to_vec())?;
    prost_build::Config::new()
        .btree_map(["."])
        .include_file("messages.rs")
        .compile_fds(descriptors)?;
    Ok(())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
