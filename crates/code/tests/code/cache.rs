//! One fetch for all, and how long it is remembered.

use std::time::Duration;

use enginebay_code::{CodeSource, Digest, Options, Reason};
use enginebay_config::model::RemoteCode;
use tokio::task::spawn_local;

use crate::clusters::Clusters;
use crate::server::{Piece, answer, head, ok, serve};
use crate::setup::{Setup, module, remote, run, until};

/// An answer that takes a while.
fn slow(status: u16, body: &[u8]) -> Vec<Piece> {
    let mut bytes = head(status, &[]);
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    vec![Piece::Wait(Duration::from_millis(100)), Piece::Send(bytes)]
}

#[test]
fn one_fetch_for_all_who_ask() {
    run(async {
        for status in [200, 500] {
            let code = module(1, 1000);
            let body = code.clone();
            let (address, seen) = serve(move |_, _| slow(status, &body)).await;
            let setup = Setup::new(Clusters::of("c", address), Options::default());
            let asked = remote(&format!("http://{address}/"), &code);
            let all: Vec<_> = (0..20)
                .map(|_| {
                    let (source, asked) = (setup.source.clone(), asked.clone());
                    spawn_local(async move { source.code(&asked).await })
                })
                .collect();
            for one in all {
                match one.await.unwrap() {
                    Ok(got) => assert!(status == 200 && got[..] == code),
                    Err(error) => assert_eq!((error.reason, error.cached), (Reason::Status(500), false)),
                }
            }
            assert_eq!(seen.count(), 1);
            let (successes, failures) = if status == 200 { (1, 0) } else { (0, 1) };
            assert_eq!(setup.counts(), [0, 0, 20, successes, failures]);
        }
    });
}

#[test]
fn who_goes_away_takes_nobody_along() {
    run(async {
        let code = module(1, 1000);
        let body = code.clone();
        let (address, seen) = serve(move |_, _| slow(200, &body)).await;
        let setup = Setup::new(Clusters::of("c", address), Options::default());
        let asked = remote(&format!("http://{address}/"), &code);
        let (source, first) = (setup.source.clone(), asked.clone());
        let first = spawn_local(async move { source.code(&first).await });
        until(|| seen.count() == 1).await;
        let (source, second) = (setup.source.clone(), asked.clone());
        let second = spawn_local(async move { source.code(&second).await });
        tokio::task::yield_now().await;
        first.abort();
        assert!(first.await.is_err());
        assert!(second.await.unwrap().unwrap()[..] == code);
        assert_eq!(seen.count(), 1);
    });
}

#[test]
fn a_fetch_goes_on_when_nobody_waits() {
    run(async {
        let code = module(1, 1000);
        let body = code.clone();
        let (address, seen) = serve(move |_, _| slow(200, &body)).await;
        let setup = Setup::new(Clusters::of("c", address), Options::default());
        let asked = remote(&format!("http://{address}/"), &code);
        let short = Duration::from_millis(20);
        assert!(
            tokio::time::timeout(short, setup.source.code(&asked))
                .await
                .is_err()
        );
        until(|| setup.counts()[3] == 1).await;
        assert!(setup.source.code(&asked).await.unwrap()[..] == code);
        assert_eq!(seen.count(), 1);
    });
}

#[test]
fn refused_first_and_there_the_next_time() {
    run(async {
        let code = module(1, 1000);
        let body = code.clone();
        let (address, seen) = serve(move |_, _| slow(200, &body)).await;
        let setup = Setup::new(Clusters::of("c", address), Options::default());
        let uri = format!("http://{address}/");
        let asked = remote(&uri, &code);
        assert_eq!(setup.source.cached_or_fetch(&asked).await, None);
        assert_eq!(setup.counters.cache_entries(), 1);
        assert!(
            setup
                .logged()
                .contains(&format!("Failed to load Wasm code (fetching) from {uri}"))
        );
        until(|| setup.counts()[2] == 1).await;
        assert_eq!(setup.source.cached_or_fetch(&asked).await, None);
        let progress = format!("createWasm: failed to load (in progress) from {uri}");
        assert_eq!(setup.warnings(), [progress]);
        until(|| setup.counts()[3] == 1).await;
        assert!(setup.source.cached_or_fetch(&asked).await.unwrap()[..] == code);
        assert_eq!(setup.counts(), [1, 0, 2, 1, 0]);
        assert_eq!(seen.count(), 1);
    });
}

#[test]
fn a_failure_is_forgotten_after_its_time() {
    run(async {
        let code = module(1, 1000);
        let body = code.clone();
        let (address, seen) = serve(move |_, number| match number {
            0 => answer(404, &[], b""),
            _ => ok(&body),
        })
        .await;
        let mut options = Options::default();
        options.negative_ttl = Duration::from_millis(500);
        let setup = Setup::new(Clusters::of("c", address), options);
        let asked = remote(&format!("http://{address}/"), &code);
        assert!(!setup.source.code(&asked).await.unwrap_err().cached);
        assert!(setup.source.code(&asked).await.unwrap_err().cached);
        tokio::time::sleep(Duration::from_millis(520)).await;
        assert!(setup.source.code(&asked).await.unwrap()[..] == code);
        assert_eq!((seen.count(), setup.counts()), (2, [0, 1, 2, 1, 1]));
    });
}

#[test]
fn code_that_nobody_uses_goes() {
    run(async {
        let code = module(1, 1000);
        let body = code.clone();
        let (address, seen) = serve(move |_, _| ok(&body)).await;
        let mut options = Options::default();
        options.positive_ttl = Duration::from_millis(50);
        let setup = Setup::new(Clusters::of("c", address), options);
        let asked = remote(&format!("http://{address}/"), &code);
        let other = remote("http://host/", b"other");
        assert!(setup.source.code(&asked).await.is_ok());
        tokio::time::sleep(Duration::from_millis(70)).await;
        // What is asked for now is not dropped for its age, as on Envoy.
        assert!(setup.source.code(&asked).await.is_ok());
        assert_eq!(seen.count(), 1);
        tokio::time::sleep(Duration::from_millis(70)).await;
        assert!(setup.source.code(&other).await.is_err());
        assert_eq!(setup.counters.cache_entries(), 1);
        assert!(setup.source.code(&asked).await.is_ok());
        // One of them is the other's, which got the wrong code.
        assert_eq!(seen.count(), 3);
    });
}

#[test]
fn another_place_is_another_chance() {
    run(async {
        let code = module(1, 1000);
        let body = code.clone();
        let (address, seen) = serve(move |asked, _| match asked.path.as_str() {
            "/right" => ok(&body),
            _ => slow(404, b""),
        })
        .await;
        let setup = Setup::new(Clusters::of("c", address), Options::default());
        let wrong = remote(&format!("http://{address}/wrong"), &code);
        let right = remote(&format!("http://{address}/right"), &code);
        let (source, first) = (setup.source.clone(), wrong.clone());
        let first = spawn_local(async move { source.code(&first).await });
        until(|| seen.count() == 1).await;
        // It waits for the fetch that is under way, which fails, and makes its own then.
        assert!(setup.source.code(&right).await.unwrap()[..] == code);
        assert!(first.await.unwrap().is_err());
        assert_eq!(seen.paths(), ["/wrong", "/right"]);
        // Now that it is here, it does not matter from where.
        assert!(setup.source.code(&wrong).await.is_ok());
    });
}

#[test]
fn what_does_not_fit_in_memory_is_fetched_again() {
    run(async {
        let (one, two) = (module(1, 600), module(2, 600));
        let (first, second) = (one.clone(), two.clone());
        let (address, seen) = serve(move |asked, _| match asked.path.as_str() {
            "/1" => ok(&first),
            _ => ok(&second),
        })
        .await;
        let ask = |path: &str, code: &[u8]| remote(&format!("http://{address}/{path}"), code);
        let (one, two) = (ask("1", &one), ask("2", &two));
        for (bytes, entries, kept) in [(1200, 1024, 2), (1199, 1024, 1), (599, 1024, 0), (1200, 1, 1)] {
            let mut options = Options::default();
            options.memory_bytes = bytes;
            options.entries = entries;
            let setup = Setup::new(Clusters::of("c", address), options);
            assert!(setup.source.code(&one).await.is_ok());
            assert!(setup.source.code(&two).await.is_ok());
            assert_eq!(setup.counters.cache_entries(), kept);
            let before = seen.count();
            // The newer one is the one that stays.
            assert!(setup.source.code(&two).await.is_ok());
            assert_eq!(seen.count() - before, usize::from(kept == 0));
        }
    });
}

#[test]
fn only_so_many_fetches_at_a_time() {
    run(async {
        let (address, seen) = serve(move |_, _| slow(404, b"")).await;
        let mut options = Options::default();
        options.concurrent_fetches = 2;
        let setup = Setup::new(Clusters::of("c", address), options);
        let all: Vec<_> = (0..6u8)
            .map(|number| {
                let source = setup.source.clone();
                let mut asked = remote(&format!("http://{address}/"), &[number]);
                // For one, not for all: those who wait don't run out of time.
                asked.timeout = Duration::from_secs(2);
                spawn_local(async move { source.code(&asked).await })
            })
            .collect();
        let most = seen.clone();
        let watch = spawn_local(async move {
            let mut most_open = 0;
            loop {
                most_open = most_open.max(*most.open.borrow());
                assert!(most_open <= 2, "{most_open}");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        for one in all {
            assert_eq!(one.await.unwrap().unwrap_err().reason, Reason::Status(404));
        }
        assert!(!watch.is_finished());
        assert_eq!(seen.count(), 6);
    });
}

#[test]
fn without_a_driver() {
    run(async {
        let asked = remote("http://host/", b"x");
        let (source, driver) = CodeSource::new(Options::default(), std::sync::Arc::new(()));
        let waiting = (source.clone(), asked.clone());
        let waiting = spawn_local(async move { waiting.0.code(&waiting.1).await });
        tokio::task::yield_now().await;
        drop(driver);
        assert_eq!(waiting.await.unwrap().unwrap_err().reason, Reason::Ended);
        assert_eq!(source.code(&asked).await.unwrap_err().reason, Reason::Ended);
        assert_eq!(source.cached_or_fetch(&asked).await, None);
    });
}

#[test]
fn from_other_threads() {
    run(async {
        let code = module(1, 1000);
        let body = code.clone();
        let (address, seen) = serve(move |_, _| slow(200, &body)).await;
        let setup = Setup::new(Clusters::of("c", address), Options::default());
        let asked = remote(&format!("http://{address}/"), &code);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (source, asked) = (setup.source.clone(), asked.clone());
                tokio::task::spawn_blocking(move || elsewhere(source, asked))
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.await.unwrap(), Digest::of(&code));
        }
        assert_eq!(seen.count(), 1);
    });
}

/// What asks can be moved between threads while it waits.
fn moves<T: Send>(future: T) -> T {
    future
}

fn elsewhere(source: CodeSource, asked: RemoteCode) -> Digest {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let asking = moves(async {
        drop(source.cached_or_fetch(&asked).await);
        source.code(&asked).await.unwrap().sha256()
    });
    runtime.block_on(asking)
}
