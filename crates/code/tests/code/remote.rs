//! What becomes of a fetch.

use std::time::Duration;

use enginebay_code::{Digest, Options, Reason};
use enginebay_config::model::RemoteCode;

use crate::clusters::Clusters;
use crate::server::{Answer, Piece, answer, ok, raw, serve};
use crate::setup::{Setup, module, remote, run, until};

const GIVEN_UP: &str = "Retry limit exceeded for fetching data from remote data source.";

/// Fetches something from a server that always answers so, with one retry, and looks at all that must be the same for
/// each failure. The reason comes back.
async fn fails(answer: Answer, options: Options, change: impl Fn(&mut RemoteCode)) -> Reason {
    let code = module(1, 1000);
    let (address, seen) = serve(move |_, _| answer.clone()).await;
    let setup = Setup::new(Clusters::of("c", address), options);
    let mut asked = remote(&format!("http://{address}/p.wasm"), &code);
    asked.num_retries = 1;
    change(&mut asked);
    let error = setup.source.code(&asked).await.unwrap_err();
    assert_eq!(seen.count(), 2, "{error}");
    let warning = format!("fetch remote data [uri = {}]: {}", asked.uri, error.reason);
    assert_eq!(setup.warnings(), [warning.clone(), warning, GIVEN_UP.to_owned()]);
    assert_eq!(setup.counts(), [0, 0, 1, 0, 1]);
    assert!(!error.cached);
    assert_eq!(
        error.to_string(),
        format!("failed to load from {}: {}", asked.uri, error.reason)
    );
    // It broke the connection off, too.
    until(|| *seen.open.borrow() == 0).await;

    // And a moment later it is not tried again.
    let again = setup.source.code(&asked).await.unwrap_err();
    let mut expected = error.clone();
    expected.cached = true;
    assert_eq!(again, expected);
    assert_eq!(setup.source.cached_or_fetch(&asked).await, None);
    let cached = format!("createWasm: failed to load (cached) from {}", asked.uri);
    assert_eq!(setup.warnings()[3..], [cached.clone(), cached]);
    assert_eq!((seen.count(), setup.counts()), (2, [0, 2, 1, 0, 1]));
    error.reason
}

#[test]
fn code_is_fetched_once_and_then_known() {
    run(async {
        let code = module(1, 100_000);
        let body = code.clone();
        let (address, seen) = serve(move |_, _| ok(&body)).await;
        let setup = Setup::new(Clusters::of("c", address), Options::default());
        let asked = remote(&format!("http://{address}/some/p.wasm?v=1"), &code);
        for _ in 0..2 {
            let got = setup.source.code(&asked).await.unwrap();
            assert!(got[..] == code && got.sha256() == Digest::of(&code));
        }
        assert_eq!(seen.paths(), ["/some/p.wasm?v=1"]);
        let first = seen.asked.borrow()[0].clone();
        assert_eq!(
            (first.method.as_str(), first.header("host")),
            ("GET", Some(address.to_string()))
        );
        assert_eq!(setup.counts(), [1, 0, 1, 1, 0]);
        assert_eq!(setup.counters.cache_entries(), 1);
        assert!(setup.warnings().is_empty());
    });
}

#[test]
fn the_wrong_code() {
    run(async {
        let reason = fails(ok(b"something else"), Options::default(), |_| {}).await;
        let expected = Digest::of(&module(1, 1000));
        let actual = Digest::of(b"something else");
        assert_eq!(reason, Reason::WrongHash { expected, actual });
    });
}

#[test]
fn an_answer_that_is_not_200() {
    run(async {
        // The body is the right one: the status alone decides.
        let code = module(1, 1000);
        for status in [204, 206, 301, 302, 404, 500, 503] {
            let headers = [("location", "http://127.0.0.1:1/")];
            let body: &[u8] = if status == 204 { b"" } else { &code };
            let reason = fails(answer(status, &headers, body), Options::default(), |_| {}).await;
            assert_eq!(reason, Reason::Status(status));
        }
    });
}

#[test]
fn an_empty_body() {
    run(async {
        assert_eq!(fails(ok(b""), Options::default(), |_| {}).await, Reason::Empty);
    });
}

#[test]
fn no_answer_in_time() {
    run(async {
        let short = Duration::from_millis(300);
        let silent = vec![Piece::Wait(Duration::from_secs(600))];
        let reason = fails(silent, Options::default(), |asked| asked.timeout = short).await;
        assert_eq!(reason, Reason::Timeout(short));
    });
}

#[test]
fn a_slow_trickle() {
    run(async {
        // Something comes all the time, and still it ends.
        let limit = Duration::from_millis(300);
        let every = Duration::from_millis(5);
        for lines in ["", "content-length: 1000\r\n"] {
            let trickle = raw(lines, vec![Piece::Trickle(every)]);
            let reason = fails(trickle, Options::default(), |asked| asked.timeout = limit).await;
            assert_eq!(reason, Reason::Timeout(limit));
        }
        // A time-out of 0 is not for ever.
        let mut options = Options::default();
        options.longest_fetch = limit;
        let trickle = raw("", vec![Piece::Trickle(every)]);
        let reason = fails(trickle, options, |asked| asked.timeout = Duration::ZERO).await;
        assert_eq!(reason, Reason::Timeout(limit));
    });
}

#[test]
fn a_body_without_end() {
    run(async {
        // With the default limit: read up to it, and not further than buffers of sockets reach.
        let code = module(1, 1000);
        let endless = raw("", vec![Piece::Endless(vec![7; 1 << 20])]);
        let (address, seen) = serve(move |_, _| endless.clone()).await;
        let setup = Setup::new(Clusters::of("c", address), Options::default());
        let asked = remote(&format!("http://{address}/"), &code);
        let error = setup.source.code(&asked).await.unwrap_err();
        assert_eq!(error.reason, Reason::TooLarge(64 << 20));
        until(|| *seen.open.borrow() == 0).await;
        let written = *seen.written.borrow();
        assert!((64 << 20..96 << 20).contains(&written), "{written}");
        assert!(peak() < 400 << 20, "{} bytes at most", peak());
    });
}

/// The most memory this process ever had.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[test]
fn a_body_that_says_it_is_five_gigabytes() {
    run(async {
        let mut options = Options::default();
        options.code_bytes = 1 << 20;
        let large = raw(
            "content-length: 5368709120\r\n",
            vec![Piece::Wait(Duration::from_secs(600))],
        );
        let reason = fails(large, options, |_| {}).await;
        assert_eq!(reason, Reason::TooLarge(1 << 20));
    });
}

#[test]
fn the_limit_is_the_last_size_that_fits() {
    run(async {
        let code = module(3, 5000);
        for (limit, fits) in [(5000, true), (4999, false)] {
            for chunked in [false, true] {
                let body = code.clone();
                let (address, _) = serve(move |_, _| match chunked {
                    true => raw("", vec![Piece::Send(body.clone())]),
                    false => ok(&body),
                })
                .await;
                let mut options = Options::default();
                options.code_bytes = limit;
                let setup = Setup::new(Clusters::of("c", address), options);
                let got = setup
                    .source
                    .code(&remote(&format!("http://{address}/"), &code))
                    .await;
                match got {
                    Ok(_) => assert!(fits),
                    Err(error) => assert_eq!((error.reason, fits), (Reason::TooLarge(limit), false)),
                }
            }
        }
    });
}

#[test]
fn a_reset_in_the_middle() {
    run(async {
        for lines in ["content-length: 1000\r\n", "transfer-encoding: chunked\r\n"] {
            let half = raw(lines, vec![Piece::Send(b"1F4\r\n".to_vec()), Piece::Reset]);
            let reason = fails(half, Options::default(), |_| {}).await;
            assert!(
                matches!(&reason, Reason::Network(text) if !text.is_empty()),
                "{reason:?}"
            );
        }
    });
}

#[test]
fn an_end_in_the_middle() {
    run(async {
        let half = raw("content-length: 1000\r\n", vec![Piece::Send(module(1, 500))]);
        let reason = fails(half, Options::default(), |_| {}).await;
        assert!(matches!(reason, Reason::Network(_)), "{reason:?}");
    });
}

#[test]
fn nobody_there() {
    run(async {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        let setup = Setup::new(Clusters::of("c", address), Options::default());
        let mut asked = remote("http://host/p.wasm", b"x");
        let error = setup.source.code(&asked).await.unwrap_err();
        assert!(matches!(error.reason, Reason::Network(_)), "{error}");
        asked.cluster = "other".to_owned();
        let error = setup.source.code(&asked).await.unwrap_err();
        assert_eq!(error.reason, Reason::NoCluster("other".to_owned()));
    });
}

#[test]
fn a_retry_that_works() {
    run(async {
        let code = module(1, 1000);
        let right = code.clone();
        // Two failures of different kinds, and then it.
        let (address, seen) = serve(move |_, number| match number {
            0 => answer(503, &[], b""),
            1 => ok(b"wrong"),
            _ => ok(&right),
        })
        .await;
        let setup = Setup::new(Clusters::of("c", address), Options::default());
        let mut asked = remote(&format!("http://{address}/p.wasm"), &code);
        asked.num_retries = 2;
        assert!(setup.source.code(&asked).await.unwrap()[..] == code);
        assert_eq!((seen.count(), setup.warnings().len()), (3, 2));
        assert_eq!(setup.counts(), [0, 0, 1, 1, 0]);
        assert!(
            setup
                .logged()
                .contains("Remote data provider will retry in 0 ms.")
        );
        assert!(!setup.logged().contains(GIVEN_UP));
    });
}

#[test]
fn what_no_retry_can_help() {
    run(async {
        let no_registry = "invalid URI: user is not the name of a registry: it has neither a dot nor a port";
        for (uri, hash, expected) in [
            ("oci://user/p:v1", None, no_registry),
            (
                "http://host\\/?token=secret",
                None,
                "invalid URI: invalid uri character",
            ),
            (
                "http://host/?token=secret",
                Some("abc"),
                "sha256 is not 64 hexadecimal digits",
            ),
        ] {
            let setup = Setup::new(Clusters::default(), Options::default());
            let mut asked = remote(uri, b"x");
            asked.num_retries = 5;
            if let Some(hash) = hash {
                asked.sha256 = hash.to_owned();
            }
            let error = setup.source.code(&asked).await.unwrap_err();
            assert_eq!(error.reason.to_string(), expected);
            assert_eq!(
                setup.warnings(),
                [format!("fetch remote data [uri = {}]: {expected}", error.uri)]
            );
            assert!(!setup.logged().contains("retry") && !setup.logged().contains("secret"));
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    });
}
