//! The directory: what is written, found again, found wrong, and removed.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use enginebay_code::{Digest, Options};
use enginebay_config::model::RemoteCode;
use tempfile::TempDir;

use crate::clusters::Clusters;
use crate::server::{ok, serve};
use crate::setup::{Setup, module, remote, run};

fn options(directory: &Path) -> Options {
    let mut options = Options::default();
    options.directory = Some(directory.to_owned());
    options
}

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn name(code: &[u8]) -> String {
    format!("{}.wasm", Digest::of(code))
}

/// Asks a new source, with nothing in memory. What was asked for, and how many requests it took.
async fn fresh(directory: &Path, code: &[u8], change: impl Fn(&mut Options)) -> (usize, Setup, RemoteCode) {
    let body = code.to_vec();
    let (address, seen) = serve(move |_, _| ok(&body)).await;
    let mut options = options(directory);
    change(&mut options);
    let setup = Setup::new(Clusters::of("c", address), options);
    let asked = remote(&format!("http://{address}/"), code);
    let got = setup.source.code(&asked).await.unwrap();
    assert!(got[..] == *code);
    (seen.count(), setup, asked)
}

#[test]
fn code_survives_the_process() {
    run(async {
        let parent = TempDir::new().unwrap();
        // It is made.
        let directory = parent.path().join("a/b");
        let code = module(1, 200_000);
        let (requests, setup, _) = fresh(&directory, &code, |_| {}).await;
        assert_eq!((requests, setup.counts()), (1, [0, 0, 1, 1, 0]));
        assert_eq!(names(&directory), [name(&code)]);
        assert!(fs::read(directory.join(name(&code))).unwrap() == code);
        drop(setup);
        let (requests, setup, _) = fresh(&directory, &code, |_| {}).await;
        assert_eq!((requests, setup.counts()), (0, [1, 0, 0, 0, 0]));
        assert!(setup.warnings().is_empty());
    });
}

#[test]
#[cfg(unix)]
fn it_is_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    run(async {
        let parent = TempDir::new().unwrap();
        let directory = parent.path().join("cache");
        let code = module(1, 100);
        fresh(&directory, &code, |_| {}).await;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join(name(&code))), 0o600);
    });
}

#[test]
fn what_is_in_the_directory_is_there_at_once() {
    run(async {
        let directory = TempDir::new().unwrap();
        let code = module(1, 1000);
        fs::write(directory.path().join(name(&code)), &code).unwrap();
        let setup = Setup::new(Clusters::default(), options(directory.path()));
        let asked = remote("http://host/", &code);
        assert!(setup.source.cached_or_fetch(&asked).await.unwrap()[..] == code);
        assert_eq!(setup.counts(), [1, 0, 0, 0, 0]);
    });
}

#[test]
fn what_is_wrong_is_removed_and_fetched_again() {
    run(async {
        let code = module(1, 1000);
        let mut flipped = code.clone();
        flipped[500] ^= 1;
        let wrong: [(&[u8], &str); 4] = [
            (&flipped, "data is invalid: its SHA-256 is"),
            (&code[..999], "data is invalid: its SHA-256 is"),
            (b"", "data is invalid: its SHA-256 is"),
            (&[0; 1001], "larger than 1000 bytes"),
        ];
        for (wrong, reason) in wrong {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join(name(&code));
            fs::write(&path, wrong).unwrap();
            let (requests, setup, _) =
                fresh(directory.path(), &code, |options| options.code_bytes = 1000).await;
            assert_eq!((requests, setup.counts()), (1, [0, 0, 1, 1, 0]));
            let warnings = setup.warnings();
            let start = format!("code cache: {}: {reason}", path.display());
            assert!(
                warnings.len() == 1
                    && warnings[0].starts_with(&start)
                    && warnings[0].ends_with(": removed, to be fetched again"),
                "{warnings:?}"
            );
            assert!(fs::read(&path).unwrap() == code);
        }
    });
}

#[test]
fn what_is_no_file() {
    run(async {
        let code = module(1, 1000);
        let directory = TempDir::new().unwrap();
        let path = directory.path().join(name(&code));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("x"), "x").unwrap();
        let (requests, setup, _) = fresh(directory.path(), &code, |_| {}).await;
        assert_eq!(requests, 1);
        let warnings = setup.warnings();
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings[0].contains("not a file"), "{warnings:?}");
        assert!(warnings[1].contains("can't be removed"), "{warnings:?}");
        assert!(
            warnings[2].ends_with("the code is used from memory"),
            "{warnings:?}"
        );
        assert_eq!(names(directory.path()), [name(&code)]);
    });
}

#[test]
fn a_directory_that_can_not_be() {
    run(async {
        // Not even root can make a directory in a file.
        let file = tempfile::NamedTempFile::new().unwrap();
        let directory = file.path().join("cache");
        let code = module(1, 1000);
        let (requests, setup, asked) = fresh(&directory, &code, |_| {}).await;
        assert_eq!((requests, setup.counts()[3..].to_vec()), (1, vec![1, 0]));
        let warnings = setup.warnings();
        assert!(
            warnings
                .last()
                .is_some_and(|last| last.ends_with("the code is used from memory")),
            "{warnings:?}"
        );
        // From memory from now on.
        assert!(setup.source.code(&asked).await.is_ok());
        assert_eq!(setup.warnings().len(), warnings.len());
    });
}

#[test]
fn half_written_files_go_when_they_are_old() {
    run(async {
        let directory = TempDir::new().unwrap();
        let code = module(1, 1000);
        let temporary = |n: u8| directory.path().join(format!("{}.{n}.tmp", Digest::of(&[n])));
        let others = ["mine.tmp", "notes.wasm", "README"];
        for other in others {
            fs::write(directory.path().join(other), "x").unwrap();
        }
        let old = SystemTime::now() - Duration::from_secs(3600);
        for n in [1, 2] {
            fs::write(temporary(n), "half").unwrap();
        }
        for path in [temporary(1), directory.path().join("mine.tmp")] {
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(old)
                .unwrap();
        }
        fresh(directory.path(), &code, |_| {}).await;
        assert!(!temporary(1).exists());
        // Somebody may still be writing this one, and those are nobody's.
        assert!(temporary(2).exists());
        assert!(others.iter().all(|other| directory.path().join(other).exists()));
    });
}

#[test]
fn the_least_recently_used_makes_room() {
    run(async {
        let directory = TempDir::new().unwrap();
        let codes: Vec<Vec<u8>> = (1..=4).map(|seed| module(seed, 1000)).collect();
        let limit = |options: &mut Options| options.directory_bytes = 3000;
        let path = |n: usize| directory.path().join(name(&codes[n]));
        for (n, code) in codes[..3].iter().enumerate() {
            fresh(directory.path(), code, limit).await;
            let time = SystemTime::now() - Duration::from_secs(1000 - n as u64);
            File::options()
                .write(true)
                .open(path(n))
                .unwrap()
                .set_modified(time)
                .unwrap();
        }
        // The oldest is used, so that it is the newest.
        assert_eq!(fresh(directory.path(), &codes[0], limit).await.0, 0);
        assert_eq!(fresh(directory.path(), &codes[3], limit).await.0, 1);
        let there: Vec<bool> = (0..4).map(|n| path(n).exists()).collect();
        assert_eq!(there, [true, false, true, true]);
    });
}

#[test]
fn what_is_too_large_for_the_directory() {
    run(async {
        let directory = TempDir::new().unwrap();
        let (small, large) = (module(1, 900), module(2, 1001));
        let limit = |options: &mut Options| options.directory_bytes = 1000;
        fresh(directory.path(), &small, limit).await;
        let (_, setup, _) = fresh(directory.path(), &large, limit).await;
        assert!(setup.warnings()[0].contains("1001 bytes are more than it may have (1000): not kept"));
        // And nothing else goes for it.
        assert_eq!(names(directory.path()), [name(&small)]);
    });
}

#[test]
fn two_write_the_same_at_the_same_time() {
    run(async {
        let directory = TempDir::new().unwrap();
        let code = module(1, 1_000_000);
        let body = code.clone();
        let (address, seen) = serve(move |_, _| ok(&body)).await;
        let asked = remote(&format!("http://{address}/"), &code);
        // As two processes would, they know nothing of each other.
        let one = Setup::new(Clusters::of("c", address), options(directory.path()));
        let two = Setup::new(Clusters::of("c", address), options(directory.path()));
        let (first, second) = tokio::join!(one.source.code(&asked), two.source.code(&asked));
        assert!(first.unwrap()[..] == code && second.unwrap()[..] == code);
        assert_eq!(seen.count(), 2);
        assert!(two.warnings().is_empty(), "{:?}", two.warnings());
        assert_eq!(names(directory.path()), [name(&code)]);
        assert!(fs::read(directory.path().join(name(&code))).unwrap() == code);
    });
}
