//! Changes of a file, whatever way they are made.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::local;
use crate::serve::discovery::watch::{FileWatch, file};

async fn changes(watch: &mut FileWatch) {
    timeout(Duration::from_secs(20), watch.changed()).await.unwrap();
}

async fn stays(watch: &mut FileWatch) {
    let change = timeout(Duration::from_millis(2500), watch.changed()).await;
    assert!(change.is_err());
}

fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn a_file_changes_when_its_content_does() {
    local(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("envoy.yaml");
        fs::write(&path, "one").unwrap();
        let mut watch = file(&path, b"one");
        stays(&mut watch).await;
        fs::write(&path, "two").unwrap();
        changes(&mut watch).await;
        replace(&path, "three");
        changes(&mut watch).await;
        // Other files with the same content are no change, nor is one that is gone.
        replace(&path, "three");
        fs::write(&path, "three").unwrap();
        stays(&mut watch).await;
        fs::remove_file(&path).unwrap();
        stays(&mut watch).await;
        fs::write(&path, "four").unwrap();
        changes(&mut watch).await;
    });
}

#[test]
fn what_changed_before_is_told() {
    local(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("envoy.yaml");
        fs::write(&path, "two").unwrap();
        changes(&mut file(&path, b"one")).await;
    });
}

#[test]
fn a_file_that_is_being_written_is_left_alone() {
    local(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("envoy.yaml");
        fs::write(&path, "one").unwrap();
        let mut watch = file(&path, b"one");
        let mut text = String::new();
        let writing = async {
            for _ in 0..60 {
                text.push_str("more\n");
                fs::write(&path, &text).unwrap();
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let mut done = false;
        tokio::select! {
            biased;
            () = writing => done = true,
            () = watch.changed() => {}
        }
        assert!(done, "told while it was still written");
        changes(&mut watch).await;
        stays(&mut watch).await;
    });
}
