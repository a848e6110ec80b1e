//! Compiled code that is kept, and code that gets better while the server runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::Client;
use crate::config::{Plugin, config};
use crate::runtimes::RUNTIMES;
use crate::server::{Server, refused_with, until};

/// Those that compile.
fn compiling() -> impl Iterator<Item = &'static str> {
    let compile = |name: &&str| name.ends_with("wasmtime") || name.ends_with("wasmer");
    RUNTIMES.iter().copied().filter(compile)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

async fn is_served(server: &Server) {
    let answer = Client::http1(server.address).await.get("/direct").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-enginebay")),
        (200, Some("hello"))
    );
}

#[tokio::test]
async fn compiled_code_is_kept_for_the_next_start() {
    for runtime in compiling() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("compiled");
        let config = config(&[Plugin::new(runtime, "add_header")], &[], false);
        let args = ["--compiled-cache", kept.to_str().unwrap()];
        let start = || Server::start_with(&config, &args);
        is_served(&start()).await;
        let [file] = &files(&kept)[..] else {
            panic!("{:?}", files(&kept));
        };
        let written = fs::metadata(file).unwrap().len();
        let server = start();
        is_served(&server).await;
        server.has_no_complaints();
        drop(server);
        // One that is damaged is not run.
        fs::write(file, fs::read(file).unwrap().split_last().unwrap().1).unwrap();
        let server = start();
        let log = server
            .log_with("it is damaged: removed, to be compiled again")
            .await;
        assert!(log.contains(file.to_str().unwrap()), "{log}");
        is_served(&server).await;
        assert_eq!(fs::metadata(file).unwrap().len(), written);
    }
}

#[cfg(unix)]
#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let path = dir.path().to_str().unwrap();
    let refused = refused_with(&config(&[], &[], false), &["--compiled-cache", path]);
    let errors = refused.errors();
    let start = format!("error: {path}: others can write to this directory");
    assert!(errors.len() == 1 && errors[0].starts_with(&start), "{errors:?}");
}

/// Requests all the while, with an answer to each: first by quick code, then by better code in new VMs.
#[tokio::test]
async fn quick_code_serves_until_better_code_is_there() {
    for runtime in compiling().filter(|runtime| runtime.ends_with("wasmtime")) {
        let config = config(&[Plugin::new(runtime, "add_header")], &[], false);
        let server = Server::start_with(&config, &["--baseline-first", "--concurrency", "1"]);
        let mut client = Client::http1(server.address).await;
        let mut requests = 0;
        while !server.log().contains("a module has better code now") {
            let answer = client.get("/direct").await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("x-enginebay")),
                (200, Some("hello"))
            );
            requests += 1;
            assert!(requests < 1_000_000, "the better code does not come");
        }
        // It looks for better code once a second. A machine may be so quick, or so slow, that the first VM has it.
        tokio::time::sleep(Duration::from_secs(2)).await;
        is_served(&server).await;
        until("gone", || server.stat(&format!("wasm.{runtime}.active")) == 1).await;
        let created = server.stat(&format!("wasm.{runtime}.created"));
        assert!(matches!(created, 2 | 3), "{created}");
        server.has_no_complaints();
    }
}
