//! Plugins that hold things up, and how they go on.

mod common;

use bytes::Bytes;
use common::guests::{Wat, recorder};
use common::{Mode, Proxy, channel, frames, get, is_pending, request, run};
use enginebay_http::{Body, ChainOptions};
use http::Response;

/// Holds the stream with context 2 at this callback; the next stream lets it go on.
fn holds(callback: &str, status: u32, direction: u32) -> Wat {
    let go_on = format!(
        "(if (i32.eq (local.get $id) (i32.const 3)) (then
           (drop (call $effective (i32.const 2))) (drop (call $continue (i32.const {direction})))))"
    );
    let hold = format!("(if (i32.eq (local.get $id) (i32.const 2)) (then (return (i32.const {status}))))");
    match callback {
        "request_headers" => Wat::default().on("request_headers", &format!("{go_on} {hold} (i32.const 0)")),
        callback => {
            let mut wat = Wat::default().on("request_headers", &format!("{go_on} (i32.const 0)"));
            // Trailers that a plugin lets pass take the body along.
            for callback in [callback, &callback.replace("_body", "_trailers")] {
                wat = wat.on(callback, &format!("{hold} (i32.const 0)"));
                if !callback.ends_with("_body") {
                    break;
                }
            }
            wat
        }
    }
}

#[test]
fn a_held_stream_goes_on_when_another_says_so() {
    let cases = [
        ("request_headers", 1, 0),
        ("request_headers", 3, 0),
        ("request_body", 1, 0),
        ("request_trailers", 1, 0),
        ("response_headers", 1, 1),
        ("response_headers", 3, 1),
        ("response_body", 1, 1),
        ("response_trailers", 1, 1),
    ];
    for (callback, status, direction) in cases {
        run(async {
            let mut proxy = Proxy::start(
                Mode::Local,
                [holds(callback, status, direction).quick(), recorder("b").quick()],
            );
            proxy
                .upstream
                .respond(|| Response::new(frames(&["x", "y"]).trailers(&[("r", "1")]).body()));
            let waiting = proxy.clone();
            let mut waiting = Box::pin(async move {
                let body = frames(&["a", "b"]).trailers(&[("t", "1")]).body();
                waiting.fetch(request("/", &[], body)).await
            });
            assert!(is_pending(&mut waiting).await, "{callback} {status}");
            assert!(is_pending(&mut waiting).await, "{callback} {status}");
            assert_eq!(proxy.fetch(get("/")).await.status, 200);
            let answer = waiting.await;
            assert_eq!(answer.status, 200, "{callback} {status}");
            assert_eq!(answer.text(), "xy", "{callback} {status}");
            assert_eq!(answer.trailers.unwrap()["r"], "1");
            let seen = proxy.upstream.seen.lock().unwrap().clone();
            let seen = seen.iter().find(|seen| !seen.frames.is_empty()).unwrap();
            assert_eq!(seen.text(), "ab");
            assert_eq!(seen.trailers.as_ref().unwrap()["t"], "1");
            assert_eq!(proxy.streams(), [0, 0]);
        });
    }
}

#[test]
fn go_on_in_the_same_callback_is_not_lost() {
    run(async {
        let wat = Wat::default().on(
            "request_headers",
            "(drop (call $continue (i32.const 0))) (i32.const 1)",
        );
        let proxy = Proxy::start(Mode::Local, [wat.quick()]);
        assert_eq!(proxy.fetch(get("/")).await.status, 200);
    });
}

#[test]
fn headers_that_wait_alone_go_on_with_the_body() {
    run(async {
        // Held until the body's end, in which a header can still be added.
        let mut wat = Wat::default().on("request_headers", "(i32.const 1)").on(
            "request_body",
            "(if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
             (drop (call $add (i32.const 0) 'x-late' '1')) (i32.const 0)",
        );
        wat.stop_iteration = true;
        let proxy = Proxy::start(Mode::Local, [wat.quick(), recorder("b").quick()]);
        let (to, body) = channel();
        let sender = proxy.clone();
        let mut sent = Box::pin(async move { sender.fetch(request("/", &[], body)).await });
        assert!(is_pending(&mut sent).await);
        to.send("a").unwrap();
        assert!(is_pending(&mut sent).await);
        assert_eq!(proxy.log.lines(), [] as [&str; 0]);
        to.send("b").unwrap();
        drop(to);
        assert_eq!(sent.await.text(), "ab");
        assert_eq!(proxy.upstream.last().headers["x-late"], "1");
        assert_eq!(proxy.log.lines()[..2], ["b request_headers", "b request_body"]);
    });
}

#[test]
fn body_callbacks_see_what_is_held_and_the_end() {
    run(async {
        // Logs the size as a digit and the end as another.
        let wat = Wat::default().on(
            "request_body",
            "(i32.store8 (i32.const 8) (i32.add (i32.const 48) (local.get $n)))
             (i32.store8 (i32.const 9) (i32.add (i32.const 48) (local.get $end)))
             (call $log (i32.const 8) (i32.const 2))
             (i32.eqz (local.get $end))",
        );
        let proxy = Proxy::start(Mode::Local, [wat.quick()]);
        proxy.fetch(request("/", &[], frames(&["a", "bc"]).body())).await;
        proxy.fetch(request("/", &[], Bytes::from("abcd").into())).await;
        proxy.fetch(get("/")).await;
        assert_eq!(proxy.log.lines(), ["10", "30", "31", "41"]);
        assert_eq!(proxy.upstream.seen.lock().unwrap()[0].text(), "abc");
    });
}

#[test]
fn a_body_can_be_dropped_and_a_stream_ended_at_its_head() {
    run(async {
        let drops = Wat::default().on(
            "request_body",
            "(select (i32.const 0) (i32.const 3) (local.get $end))",
        );
        let ends = Wat::default().on("response_headers", "(i32.const 2)");
        let mut proxy = Proxy::start(Mode::Local, [drops.quick(), ends.quick()]);
        proxy.upstream.respond(|| {
            let mut response = Response::new(Body::from(Bytes::from("abc")));
            response.headers_mut().insert("content-length", 3.into());
            response
        });
        let body = frames(&["a", "b"]).body();
        let answer = proxy.fetch(request("/", &[("content-length", "2")], body)).await;
        assert_eq!(proxy.upstream.last().text(), "");
        assert!(!proxy.upstream.last().headers.contains_key("content-length"));
        assert_eq!((answer.text().as_str(), answer.error), ("", None));
        assert_eq!(answer.headers.get("content-length"), None);
    });
}

#[test]
fn a_plugin_may_add_trailers_at_the_end_of_a_body() {
    run(async {
        let adds = Wat::default()
            .on(
                "request_body",
                "(if (local.get $end) (then (drop (call $add (i32.const 1) 'x-t' '1')))) (i32.const 0)",
            )
            .on(
                "response_body",
                "(if (local.get $end) (then (drop (call $add (i32.const 3) 'x-r' '2')))) (i32.const 0)",
            );
        let proxy = Proxy::start(Mode::Local, [adds.quick(), recorder("b").quick()]);
        let answer = proxy.fetch(request("/", &[], frames(&["a"]).body())).await;
        assert_eq!(proxy.upstream.last().trailers.unwrap()["x-t"], "1");
        assert_eq!(answer.trailers.unwrap()["x-r"], "2");
        assert!(proxy.log.has("b request_trailers"));
        // The response passes the other plugin first, before there are any.
        assert!(!proxy.log.has("b response_trailers"));
    });
}

#[test]
fn more_than_the_limit_is_an_error_or_waits() {
    let options = || {
        let mut options = ChainOptions::default();
        options.body_buffer = 4;
        options
    };
    run(async {
        // At the body and, with everything held, at the headers.
        for wat in [
            Wat::default().on("request_body", "(i32.const 1)"),
            Wat::default().on("request_headers", "(i32.const 3)"),
        ] {
            let proxy = Proxy::with_options(Mode::Local, [wat.quick()], options());
            let answer = proxy
                .fetch(request("/", &[], frames(&["abc", "de", "f"]).body()))
                .await;
            assert_eq!(answer.status, 413);
            assert_eq!(answer.text(), "Payload Too Large");
            assert_eq!(proxy.streams(), [0]);
        }
        // The head of the response waits.
        let mut wat = Wat::default()
            .on("response_headers", "(i32.const 1)")
            .on("response_body", "(i32.const 1)");
        wat.stop_iteration = true;
        for wat in [wat, Wat::default().on("response_headers", "(i32.const 3)")] {
            let mut proxy = Proxy::with_options(Mode::Local, [wat.quick()], options());
            proxy
                .upstream
                .respond(|| Response::new(frames(&["abc", "de"]).body()));
            let answer = proxy.fetch(get("/")).await;
            assert_eq!((answer.status, answer.error), (500, None));
        }
        // The head of the response is out.
        let wat = Wat::default().on("response_body", "(i32.const 1)");
        let mut proxy = Proxy::with_options(Mode::Local, [wat.quick()], options());
        proxy
            .upstream
            .respond(|| Response::new(frames(&["abc", "de"]).body()));
        let answer = proxy.fetch(get("/")).await;
        assert_eq!(answer.status, 200);
        assert!(answer.error.is_some());
        // With a watermark nothing more is read.
        let wat = Wat::default().on("request_body", "(call $log 'called') (i32.const 2)");
        let proxy = Proxy::with_options(Mode::Local, [wat.quick()], options());
        let body = frames(&["abc", "de", "f"]).body();
        let mut sent = Box::pin(proxy.fetch(request("/", &[], body)));
        assert!(is_pending(&mut sent).await);
        assert_eq!(proxy.log.count("called"), 2);
        drop(sent);
        assert_eq!(proxy.streams(), [0]);
    });
}

#[test]
fn a_buffer_that_grows_too_much_is_gone() {
    run(async {
        let wat = Wat::default().on(
            "request_body",
            "(loop $again
               (br_if $again (i32.eqz
                 (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024)))))
             (call $log 'refused')
             (i32.const 0)",
        );
        let mut options = ChainOptions::default();
        options.body_growth = 10_000;
        let proxy = Proxy::with_options(Mode::Local, [wat.quick()], options);
        let answer = proxy.fetch(request("/", &[], Bytes::from("a").into())).await;
        assert_eq!(answer.frames.concat().len(), 10 * 1024 + 1);
        assert!(proxy.log.has("refused"));
    });
}
