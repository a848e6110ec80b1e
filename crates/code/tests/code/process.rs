//! Processes that are ended while they write, and disks that are full.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use enginebay_code::{Digest, Options};
use tempfile::TempDir;

use crate::clusters::Clusters;
use crate::server::{ok, serve};
use crate::setup::{Setup, module, remote, run};

/// The directory that the child is to use.
const DIRECTORY: &str = "ENGINEBAY_TEST_CODE_DIRECTORY";
const SIZE: usize = 300_000;

/// What the child says when it has the code.
const DONE: &str = "the child has the code";

/// Not a test of its own: the child of those below.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    fetch(Path::new(&directory), |_| {});
    println!("{DONE}");
}

/// Fetches into a directory, with nothing in memory. The requests that it took, and what was warned of.
fn fetch(directory: &Path, change: impl Fn(&mut Options)) -> (usize, Vec<String>) {
    run(async {
        let code = module(9, SIZE);
        let body = code.clone();
        let (address, seen) = serve(move |_, _| ok(&body)).await;
        let mut options = Options::default();
        options.directory = Some(directory.to_owned());
        change(&mut options);
        let setup = Setup::new(Clusters::of("c", address), options);
        let got = setup
            .source
            .code(&remote(&format!("http://{address}/"), &code))
            .await;
        assert!(got.unwrap()[..] == code);
        let warnings = setup.warnings();
        for warning in &warnings {
            println!("{warning}");
        }
        (seen.count(), warnings)
    })
}

/// Runs the child with files of at most 100 KiB or so.
fn limited(directory: &Path, first: &str) -> Output {
    let shell = format!("ulimit -c 0; {first} ulimit -f 100; exec \"$0\" --exact process::child --nocapture");
    let child = std::env::current_exe().unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(shell)
        .arg(child)
        .env(DIRECTORY, directory)
        .output()
        .unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_full() {
    let directory = TempDir::new().unwrap();
    // With the signal ignored, writing fails in the middle of the file.
    let output = limited(directory.path(), "trap '' XFSZ;");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && out.contains(DONE), "{output:?}");
    assert!(out.contains("the code is used from memory"), "{out}");
    // Nothing is left behind.
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    // Once there is room, it is written.
    let (requests, warnings) = fetch(directory.path(), |_| {});
    assert_eq!((requests, warnings.len()), (1, 0));
    assert_eq!(fetch(directory.path(), |_| {}).0, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_killed_while_it_writes() {
    use std::os::unix::process::ExitStatusExt;
    let directory = TempDir::new().unwrap();
    let output = limited(directory.path(), "");
    // The kernel ends it between two bytes of the file.
    const SIGXFSZ: i32 = 25;
    assert_eq!(output.status.signal(), Some(SIGXFSZ), "{output:?}");
    let left: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let half = left[0].path();
    assert_eq!(half.extension().and_then(|end| end.to_str()), Some("tmp"));
    let size = fs::metadata(&half).unwrap().len();
    assert!(size > 0 && size < SIZE as u64, "{size}");

    // Started again: nothing of it is used. What is left goes when nobody can be writing it any more.
    assert_eq!(fetch(directory.path(), |_| {}), (1, Vec::new()));
    assert!(half.exists());
    fs::remove_file(
        directory
            .path()
            .join(format!("{}.wasm", Digest::of(&module(9, SIZE)))),
    )
    .unwrap();
    let at_once = |options: &mut Options| options.temporary_age = std::time::Duration::ZERO;
    assert_eq!(fetch(directory.path(), at_once), (1, Vec::new()));
    assert!(!half.exists());
    assert_eq!(fetch(directory.path(), |_| {}).0, 0);
}

#[test]
fn half_a_file_under_the_whole_name() {
    // What a file system may leave after a power cut.
    let directory = TempDir::new().unwrap();
    let code = module(9, SIZE);
    let path = directory.path().join(format!("{}.wasm", Digest::of(&code)));
    fs::write(&path, &code[..SIZE / 2]).unwrap();
    let (requests, warnings) = fetch(directory.path(), |_| {});
    assert_eq!((requests, warnings.len()), (1, 1));
    assert!(fs::read(&path).unwrap() == code);
    assert_eq!(fetch(directory.path(), |_| {}), (0, Vec::new()));
}
