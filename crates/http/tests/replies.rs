//! Answers that plugins give, and heads that they change.

mod common;

use common::guests::{Wat, recorder};
use common::{MODES, Mode, Proxy, frames, get, request, run};
use enginebay_http::Body;
use http::{Request, Response};

#[test]
fn replies_by_callback() {
    // Where the plugin answers 418, what the client gets, and whether the plugin's response callbacks run then.
    let cases = [
        ("request_headers", 418, false, true),
        ("request_body", 418, false, true),
        ("request_trailers", 418, false, true),
        ("response_headers", 418, false, false),
        ("response_body", 200, true, false),
        ("response_trailers", 200, true, false),
    ];
    for mode in MODES {
        for (callback, status, cut, own) in cases {
            run(async {
                let mut wat = Wat::default();
                for name in [
                    "request_headers",
                    "request_body",
                    "request_trailers",
                    "response_body",
                    "response_trailers",
                ] {
                    if name != callback {
                        wat = wat.on(name, "(i32.const 0)");
                    }
                }
                let wat = match callback {
                    "response_headers" => wat,
                    _ => wat.on("response_headers", "(call $log 'own') (i32.const 0)"),
                };
                let wat = wat
                    .on(callback, "(call $reply (i32.const 418) 'teapot') (i32.const 1)")
                    .on("log", "(call $log 'over')");
                let mut proxy = Proxy::start(mode, [wat.quick()]);
                proxy
                    .upstream
                    .respond(|| Response::new(frames(&["x"]).trailers(&[("r", "1")]).body()));
                let body = frames(&["a"]).trailers(&[("t", "1")]).body();
                let answer = proxy.fetch(request("/", &[], body)).await;
                assert_eq!(
                    (answer.status, answer.error.is_some()),
                    (status, cut),
                    "{mode:?} {callback}"
                );
                if !cut {
                    assert_eq!(answer.text(), "teapot");
                }
                let own_calls = proxy.log.count("own");
                assert_eq!(own_calls > 0, own || cut, "{mode:?} {callback}");
                assert_eq!(proxy.log.count("over"), 1, "{mode:?} {callback}");
            });
        }
    }
}

#[test]
fn a_reply_passes_the_plugins_that_saw_the_request_backwards() {
    run(async {
        let replies = Wat::default().on(
            "request_headers",
            "(call $reply (i32.const 200) 'body') (i32.const 0)",
        );
        let proxy = Proxy::start(
            Mode::Local,
            [
                recorder("a").quick(),
                recorder("b").quick(),
                replies.quick(),
                recorder("d").quick(),
            ],
        );
        assert_eq!(proxy.fetch(get("/")).await.text(), "body");
        assert_eq!(
            proxy.log.lines(),
            [
                "a request_headers",
                "b request_headers",
                "b response_headers",
                "a response_headers",
                "b response_body",
                "a response_body",
                "a log",
                "b log",
                "a done",
                "a delete",
                "b done",
                "b delete",
            ]
        );
    });
}

#[test]
fn a_reply_to_the_body_takes_the_place_of_a_stuck_upstream() {
    for mode in MODES {
        run(async {
            let wat = Wat::default().on(
                "request_body",
                "(if (local.get $end) (then (call $reply (i32.const 400) 'no'))) (i32.const 0)",
            );
            let mut proxy = Proxy::start(mode, [wat.quick()]);
            proxy.upstream.early = false;
            let (to, body) = common::channel();
            to.send("a").unwrap();
            let sender = proxy.clone();
            let sent = async move { sender.fetch(request("/", &[], body)).await };
            let end = async {
                while proxy.upstream.called() == 0 {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                drop(to);
            };
            let (answer, ()) = tokio::join!(sent, end);
            assert_eq!((answer.status, answer.text().as_str()), (400, "no"), "{mode:?}");
        });
    }
}

#[test]
fn closing_a_stream() {
    run(async {
        let wat = Wat::default().on(
            "request_headers",
            "(drop (call $close (i32.const 0))) (i32.const 1)",
        );
        let proxy = Proxy::start(Mode::Local, [wat.quick()]);
        let answer = proxy.fetch(get("/")).await;
        assert_eq!(
            (answer.status, answer.details.as_deref()),
            (503, Some("wasm_close_stream"))
        );
        assert_eq!(proxy.upstream.called(), 0);
        let wat = Wat::default().on(
            "response_body",
            "(drop (call $close (i32.const 1))) (i32.const 0)",
        );
        let mut proxy = Proxy::start(Mode::Local, [wat.quick()]);
        proxy
            .upstream
            .respond(|| Response::new(frames(&["x", "y"]).body()));
        assert!(proxy.fetch(get("/")).await.error.is_some());
    });
}

/// Sends a request through a plugin that runs this in its request headers callback.
async fn changed(code: &str, request: Request<Body>) -> (common::Answer, Option<common::upstream::Seen>) {
    let wat = Wat::default().on("request_headers", &format!("{code} (i32.const 0)"));
    let proxy = Proxy::start(Mode::Local, [wat.quick()]);
    let answer = proxy.fetch(request).await;
    let seen = proxy.upstream.seen.lock().unwrap().last().cloned();
    (answer, seen)
}

#[test]
fn pseudo_headers_can_be_changed() {
    run(async {
        let code = "(drop (call $set (i32.const 0) ':path' '/new?q'))
             (drop (call $set (i32.const 0) ':method' 'PUT'))
             (drop (call $set (i32.const 0) ':authority' 'other.example:8080'))";
        // HTTP/1: the URI has the path alone, and there is a host.
        let seen = changed(code, get("/old")).await.1.unwrap();
        assert_eq!((seen.uri.as_str(), seen.method.as_str()), ("/new?q", "PUT"));
        assert_eq!(seen.headers["host"], "other.example:8080");
        assert_eq!(seen.headers.len(), 1);
        // HTTP/2: the URI has everything, and there is none.
        let absolute = Request::get("https://example.org/old")
            .body(Body::empty())
            .unwrap();
        let seen = changed(code, absolute).await.1.unwrap();
        assert_eq!(seen.uri, "https://other.example:8080/new?q");
        assert!(seen.headers.is_empty());
    });
}

#[test]
fn heads_that_cannot_be_sent() {
    run(async {
        let cases = [
            ("(drop (call $remove (i32.const 0) ':path'))", 404),
            ("(drop (call $remove (i32.const 0) ':method'))", 503),
            ("(drop (call $set (i32.const 0) ':path' 'no path'))", 400),
            ("(drop (call $set (i32.const 0) ':method' ' '))", 400),
            ("(drop (call $add (i32.const 0) ':unknown' '1'))", 400),
            ("(drop (call $add (i32.const 0) 'x' '\u{1}'))", 400),
        ];
        for (code, status) in cases {
            let (answer, seen) = changed(code, get("/")).await;
            assert_eq!(answer.status, status, "{code}");
            assert!(seen.is_none(), "{code}");
        }
        for code in [
            "(drop (call $remove (i32.const 2) ':status'))",
            "(drop (call $set (i32.const 2) ':status' 'fine'))",
            "(drop (call $set (i32.const 2) ':status' '1000'))",
        ] {
            let wat = Wat::default().on("response_headers", &format!("{code} (i32.const 0)"));
            let proxy = Proxy::start(Mode::Local, [wat.quick()]);
            assert_eq!(proxy.fetch(get("/")).await.status, 500, "{code}");
        }
        let wat = Wat::default().on(
            "response_headers",
            "(drop (call $set (i32.const 2) ':status' '404')) (i32.const 0)",
        );
        let proxy = Proxy::start(Mode::Local, [wat.quick()]);
        assert_eq!(proxy.fetch(get("/")).await.status, 404);
    });
}

#[test]
fn maps_are_there_in_their_phases_alone() {
    run(async {
        let all = "(call $log_header (i32.const 0) ':path') (call $log_header (i32.const 2) ':status')";
        let mut wat = Wat::default();
        for name in [
            "request_headers",
            "request_body",
            "response_headers",
            "response_body",
        ] {
            wat = wat.on(name, &format!("(call $log '{name}') {all} (i32.const 0)"));
        }
        let wat = wat.on("log", &format!("(call $log 'log') {all}"));
        let proxy = Proxy::start(Mode::Local, [wat.quick()]);
        proxy
            .fetch(request("/p", &[], bytes::Bytes::from("a").into()))
            .await;
        // 2 is BAD_ARGUMENT.
        assert_eq!(
            proxy.log.lines(),
            [
                "request_headers",
                "/p",
                "2",
                "request_body",
                "2",
                "2",
                "response_headers",
                "2",
                "200",
                "response_body",
                "2",
                "2",
                "log",
                "/p",
                "200",
            ]
        );
    });
}

#[test]
fn properties_of_a_stream() {
    run(async {
        let read =
            |path: &str| format!("(call $log_result (call $property '{path}' (i32.const 0) (i32.const 4)))");
        let paths = [
            "request\0path",
            "request\0url_path",
            "request\0query",
            "request\0host",
            "request\0method",
            "request\0scheme",
            "request\0protocol",
            "request\0useragent",
            "request\0headers\0x-a",
            "response\0headers\0x-r",
            "source\0address",
            "mine",
            "nobodys",
        ];
        let code: String = paths.iter().map(|path| read(path)).collect();
        let sets = Wat::default().on(
            "request_headers",
            "(drop (call $set_property 'mine' 'value')) (i32.const 0)",
        );
        let reads = Wat::default().on("response_headers", &format!("{code} (i32.const 0)"));
        let mut proxy = Proxy::start(Mode::Local, [sets.quick(), reads.quick()]);
        proxy.upstream.respond(|| {
            Response::builder()
                .header("x-r", "2")
                .body(Body::empty())
                .unwrap()
        });
        let mut request = request("/a?b", &[("x-a", "1"), ("user-agent", "test")], Body::empty());
        let address = |text: &str| text.parse().unwrap();
        request
            .extensions_mut()
            .insert(enginebay_http::ConnectionInfo::new(
                address("127.0.0.1:1"),
                address("127.0.0.1:2"),
            ));
        proxy.fetch(request).await;
        assert_eq!(
            proxy.log.lines(),
            [
                "/a?b",
                "/a",
                "b",
                "example.org",
                "GET",
                "http",
                "HTTP/1.1",
                "test",
                "1",
                "2",
                "127.0.0.1:1",
                "value",
                "1",
            ]
        );
    });
}

#[test]
fn set_properties_are_bounded() {
    run(async {
        // 2 is BAD_ARGUMENT.
        let wat = Wat::default().on(
            "request_headers",
            "(drop (call $set_property 'a' '1'))
             (i32.store8 (i32.const 8) (i32.add (i32.const 48) (call $set_property 'b' '2')))
             (call $log (i32.const 8) (i32.const 1)) (i32.const 0)",
        );
        let mut options = enginebay_http::ChainOptions::default();
        options.properties = 1;
        let proxy = Proxy::with_options(Mode::Local, [wat.quick()], options);
        proxy.fetch(get("/")).await;
        assert_eq!(proxy.log.lines(), ["2"]);
    });
}

#[test]
fn a_stale_length_never_breaks_a_message() {
    let grows = || {
        Wat::default().on(
            "response_body",
            "(if (local.get $n) (then
               (drop (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 0) 'more '))))
             (i32.const 0)",
        )
    };
    for mode in MODES {
        run(async {
            let mut proxy = Proxy::start(mode, [grows().quick()]);
            let with_length = |body: Body| {
                Response::builder()
                    .header("content-length", "2")
                    .body(body)
                    .unwrap()
            };
            // Known before the head goes out.
            proxy
                .upstream
                .respond(move || with_length(frames(&["ab"]).body()));
            let answer = proxy.fetch(get("/")).await;
            assert_eq!(
                (answer.text().as_str(), answer.header("content-length")),
                ("more ab", None)
            );
            assert_eq!(answer.error, None);
            // Known too late.
            let (to, body) = common::channel();
            let body = std::sync::Mutex::new(Some(body));
            proxy
                .upstream
                .respond(move || with_length(body.lock().unwrap().take().unwrap()));
            let response = proxy.send(get("/")).await;
            assert_eq!(response.headers()["content-length"], "2");
            to.send("ab").unwrap();
            drop(to);
            let answer = common::read(response).await;
            assert!(answer.error.unwrap().contains("content-length"));
        });
    }
}
