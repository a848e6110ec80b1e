//! The committed guests in chains, on every runtime, on one thread and on workers.

mod common;

use bytes::Bytes;
use common::{MODES, Mode, Proxy, engines, frames, get, guest, request, run, runtimes};
use enginebay::FailurePolicy::FailClosed;
use enginebay_http::Body;
use http::Response;

#[test]
fn headers_are_added_both_ways() {
    let engines = engines();
    for runtime in runtimes() {
        for mode in MODES {
            run(async {
                let proxy = Proxy::start(mode, [guest(&engines, runtime, "add_header", "", FailClosed)]);
                let answer = proxy.fetch(get("/a?b=c")).await;
                assert_eq!(answer.status, 200, "{runtime} {mode:?} {answer:?}");
                assert_eq!(answer.header("x-enginebay"), Some("hello"));
                let seen = proxy.upstream.last();
                assert_eq!(seen.uri, "/a?b=c");
                assert_eq!(seen.headers["x-enginebay"], "hello");
                assert_eq!(seen.headers["host"], "example.org");
                assert_eq!(seen.headers.len(), 2);
            });
        }
    }
}

#[test]
fn a_chain_of_three_in_order_and_back() {
    let engines = engines();
    for runtime in runtimes() {
        for mode in MODES {
            run(async {
                let adds = |value: &str| {
                    let json = format!(
                        r#"{{"request": {{"x-order": "{value}"}}, "response": {{"x-order": "{value}"}}}}"#
                    );
                    guest(&engines, runtime, "add_header", &json, FailClosed)
                };
                let proxy = Proxy::start(mode, [adds("a"), adds("b"), adds("c")]);
                let answer = proxy.fetch(get("/")).await;
                let order = |headers: &http::HeaderMap| -> Vec<String> {
                    let values = headers.get_all("x-order").into_iter();
                    values.map(|value| value.to_str().unwrap().to_owned()).collect()
                };
                assert_eq!(order(&proxy.upstream.last().headers), ["a", "b", "c"]);
                assert_eq!(order(&answer.headers), ["c", "b", "a"]);
            });
        }
    }
}

#[test]
fn a_denied_request_never_reaches_the_upstream() {
    let engines = engines();
    for runtime in runtimes() {
        for mode in MODES {
            run(async {
                let plugins = [
                    guest(&engines, runtime, "add_header", "", FailClosed),
                    guest(&engines, runtime, "auth", "", FailClosed),
                    guest(
                        &engines,
                        runtime,
                        "add_header",
                        r#"{"response": {"x-third": "1"}}"#,
                        FailClosed,
                    ),
                ];
                let proxy = Proxy::start(mode, plugins);
                let answer = proxy.fetch(get("/")).await;
                assert_eq!(answer.status, 403);
                assert_eq!(answer.text(), "forbidden\n");
                assert_eq!(answer.header("x-auth"), Some("denied"));
                assert_eq!(answer.header("content-length"), Some("10"));
                assert_eq!(answer.header("content-type"), Some("text/plain"));
                // The first plugin saw the request, the third did not.
                assert_eq!(answer.header("x-enginebay"), Some("hello"));
                assert_eq!(answer.header("x-third"), None);
                assert_eq!(proxy.upstream.called(), 0);

                let answer = proxy
                    .fetch(request("/", &[("x-token", "secret")], Body::empty()))
                    .await;
                assert_eq!(answer.status, 200);
                assert_eq!(proxy.upstream.called(), 1);
            });
        }
    }
}

#[test]
fn bodies_are_rewritten_both_ways() {
    let engines = engines();
    for runtime in runtimes() {
        for mode in MODES {
            run(async {
                let mut proxy =
                    Proxy::start(mode, [guest(&engines, runtime, "body_rewrite", "", FailClosed)]);
                let answer = proxy
                    .fetch(request("/", &[], frames(&["ab", "cd", "ef"]).body()))
                    .await;
                assert_eq!(proxy.upstream.last().text(), "ABCDEF");
                assert_eq!(answer.text(), "rewritten: ABCDEF");
                assert_eq!(answer.error, None);

                // Trailers end a body without a last body callback.
                let body = frames(&["ab", "cd"]).trailers(&[("x-t", "1")]).body();
                proxy
                    .upstream
                    .respond(|| Response::new(frames(&["x", "y"]).trailers(&[("x-r", "2")]).body()));
                let answer = proxy.fetch(request("/", &[], body)).await;
                let seen = proxy.upstream.last();
                assert_eq!(seen.text(), "ABCD");
                assert_eq!(seen.trailers.unwrap()["x-t"], "1");
                assert_eq!(answer.text(), "rewritten: xy");
                assert_eq!(answer.trailers.unwrap()["x-r"], "2");
            });
        }
    }
}

#[test]
fn what_a_plugin_sees_of_a_request() {
    let engines = engines();
    for mode in MODES {
        run(async {
            let proxy = Proxy::start(
                mode,
                [guest(&engines, common::QUICK, "headers_dump", "", FailClosed)],
            );
            let body = frames(&["a"]).trailers(&[("x-t", "1")]).body();
            proxy
                .fetch(request("/p?q", &[("x-a", "1"), ("x-a", "2")], body))
                .await;
            assert_eq!(
                proxy.log.lines(),
                [
                    "request header: :authority: example.org",
                    "request header: :path: /p?q",
                    "request header: :method: GET",
                    "request header: :scheme: http",
                    "request header: x-a: 1",
                    "request header: x-a: 2",
                    "request trailer: x-t: 1",
                    "response header: :status: 200",
                ]
            );
        });
    }
}

#[test]
fn an_empty_chain_passes_everything() {
    for mode in MODES {
        run(async {
            let proxy = Proxy::start(mode, []);
            let body = frames(&["a", "b"]).trailers(&[("x-t", "1")]).body();
            let answer = proxy.fetch(request("/", &[], body)).await;
            assert_eq!(answer.text(), "ab");
            assert_eq!(proxy.upstream.last().trailers.unwrap()["x-t"], "1");
        });
    }
}

#[test]
fn bodies_that_no_plugin_looks_at_stay_in_frames() {
    for mode in MODES {
        run(async {
            let wat = common::guests::Wat::default().on("log", "(call $log 'over')");
            let mut proxy = Proxy::start(mode, [wat.quick()]);
            proxy
                .upstream
                .respond(|| Response::new(frames(&["x", "y"]).trailers(&[("x-r", "2")]).body()));
            let body = frames(&["a", "b"]).trailers(&[("x-t", "1")]).body();
            let answer = proxy.fetch(request("/", &[], body)).await;
            assert_eq!(proxy.upstream.last().frames, [Bytes::from("a"), Bytes::from("b")]);
            assert_eq!(proxy.upstream.last().trailers.unwrap()["x-t"], "1");
            assert_eq!(answer.frames, [Bytes::from("x"), Bytes::from("y")]);
            assert_eq!(answer.trailers.unwrap()["x-r"], "2");
            assert_eq!(proxy.log.count("over"), 1);
            if mode == Mode::Local {
                assert_eq!(proxy.streams(), [0]);
            }
        });
    }
}

#[test]
fn a_body_that_is_there_has_a_known_length() {
    for mode in MODES {
        run(async {
            let mut proxy = Proxy::start(mode, [common::guests::recorder("a").quick()]);
            proxy
                .upstream
                .respond(|| Response::new(Bytes::from("abc").into()));
            let response = proxy.send(get("/")).await;
            let size = http_body::Body::size_hint(response.body());
            assert_eq!(size.exact(), Some(3), "{mode:?}");
        });
    }
}
