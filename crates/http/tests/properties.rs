//! Every attribute of the table, as a guest reads it, and what plugins set.

mod common;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::guests::Wat;
use common::{Log, MODES, Mode, Proxy, QUICK, engines, frames, get, run, runtimes};
use enginebay::abi::attributes::ATTRIBUTES;
use enginebay::abi::{AttributeType, PropertyPath};
use enginebay_http::{
    Attributes, Body, ChainOptions, ConnectionInfo, ConnectionState, FilterChain, LocalBody,
    StreamAttributes, StreamView,
};
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// What a guest finds.
type Bytes = Option<Vec<u8>>;

fn text(text: &str) -> Bytes {
    Some(text.as_bytes().to_vec())
}

fn int(value: i64) -> Bytes {
    Some(value.to_le_bytes().to_vec())
}

fn pairs(pairs: &[(&str, &str)]) -> Bytes {
    enginebay::abi::pairs::encode(pairs.iter().copied()).ok()
}

/// What a line of the log says a guest found.
fn found(line: &str) -> Bytes {
    let Some(hex) = line.strip_prefix('x') else {
        assert_eq!(line, "1", "not NOT_FOUND");
        return None;
    };
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    Some((0..hex.len()).step_by(2).map(digit).collect())
}

/// A guest that asks for these properties in these callbacks.
fn asks(callbacks: &[&str], paths: &[String]) -> Wat {
    let code: String = paths
        .iter()
        .map(|path| format!("(call $log_property '{}')\n", path.replace('/', "\0")))
        .collect();
    callbacks.iter().fold(Wat::default(), |wat, callback| {
        let result = match *callback {
            "log" => "",
            _ => "(i32.const 0)",
        };
        wat.on(callback, &format!("{code} {result}"))
    })
}

/// An embedder that knows everything that the chain can't, but what Envoy has a default for: the value is the path.
struct Knows(AtomicUsize);

impl Attributes for Knows {
    fn attribute(&self, stream: &StreamView<'_>, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        let path = path.to_string();
        if path == "of.the.request" {
            out.extend_from_slice(stream.request_header(":path").unwrap_or_default());
            return true;
        }
        // Those of the chain are not there in every phase.
        let default = [
            "request.duration",
            "response.code",
            "response.grpc_status",
            "connection.mtls",
            "connection.requested_server_name",
            "response.flags",
            "upstream.request_attempt_count",
            "metadata",
            "metadata.filter_metadata",
        ];
        let known = |known: &&str| path == known.replace('/', ".").trim_start_matches("xds.");
        let names: Vec<String> = ATTRIBUTES
            .iter()
            .filter(|(_, kind)| *kind != AttributeType::Object)
            .map(|(parts, _)| parts.join("/"))
            .collect();
        let is_attribute = names.iter().any(|name| known(&name.as_str()));
        // What it writes and takes back must not be seen.
        out.extend_from_slice(path.as_bytes());
        is_attribute && !default.contains(&path.as_str())
    }
}

const PHASES: [&str; 3] = ["request_headers", "response_headers", "log"];

/// What the chain answers by itself, or by default, in each of the phases.
fn own() -> BTreeMap<&'static str, [Bytes; 3]> {
    let always = |value: Bytes| [value.clone(), value.clone(), value];
    let none = || pairs(&[]);
    let headers = pairs(&[
        (":authority", "example.org"),
        (":path", "/a?b=c"),
        (":method", "GET"),
        (":scheme", "http"),
        ("x-a", "1,2"),
        ("referer", "r"),
        ("user-agent", "u"),
        ("x-request-id", "i"),
    ]);
    let response = pairs(&[(":status", "200"), ("x-r", "1")]);
    BTreeMap::from([
        ("request/path", always(text("/a?b=c"))),
        ("request/url_path", always(text("/a"))),
        ("request/query", always(text("b=c"))),
        ("request/host", always(text("example.org"))),
        ("request/scheme", always(text("http"))),
        ("request/method", always(text("GET"))),
        ("request/headers", always(headers)),
        ("request/headers/x-a", always(text("1,2"))),
        ("request/headers/X-A", always(text("1,2"))),
        ("request/headers/host", always(text("example.org"))),
        ("request/headers/x-none", always(None)),
        ("request/headers/x-a/more", always(None)),
        ("request/headers_bytes", always(int(93))),
        ("request/referer", always(text("r"))),
        ("request/useragent", always(text("u"))),
        ("request/time", always(int(1_700_000_000_000_000_000))),
        ("request/id", always(text("i"))),
        ("request/protocol", always(text("HTTP/1.1"))),
        ("request/duration", [None, None, int(0)]),
        ("request/size", [int(0), int(4), int(4)]),
        ("request/total_size", [int(93), int(97), int(97)]),
        (
            "request/trailers",
            [none(), pairs(&[("x-q", "1")]), pairs(&[("x-q", "1")])],
        ),
        ("request/trailers/x-q", [None, text("1"), text("1")]),
        ("request/nothing", always(None)),
        ("request/path/x", always(None)),
        ("response/code", [None, int(200), int(200)]),
        ("response/flags", always(int(0))),
        // As Envoy maps what is no error: unknown.
        ("response/grpc_status", [None, int(2), int(9)]),
        ("response/headers", [none(), response.clone(), response]),
        ("response/headers/x-r", [None, text("1"), text("1")]),
        ("response/headers_bytes", [int(0), int(14), int(14)]),
        (
            "response/trailers",
            [none(), none(), pairs(&[("grpc-status", "9")])],
        ),
        ("response/trailers/grpc-status", [None, None, text("9")]),
        ("response/size", [int(0), int(0), int(6)]),
        ("response/total_size", [int(0), int(14), int(14 + 6 + 12)]),
        ("connection/id", always(int(7))),
        ("connection_id", always(int(7))),
        ("connection/mtls", always(Some(vec![0]))),
        ("connection/requested_server_name", always(text(""))),
        ("source/address", always(text("127.0.0.1:1"))),
        ("source/port", always(int(1))),
        ("destination/address", always(text("[::1]:2"))),
        ("destination/port", always(int(2))),
        ("upstream/request_attempt_count", always(int(0))),
        ("upstream_filter_state", always(text("upstream_filter_state"))),
        ("metadata", always(text(""))),
        ("metadata/filter_metadata", always(none())),
        ("metadata/filter_metadata/x", always(None)),
        ("filter_state", always(None)),
        ("filter_state/none", always(None)),
        ("plugin_name", always(text("me"))),
        ("plugin_root_id", always(text("mine"))),
        ("plugin_vm_id", always(text(""))),
        ("xds", always(None)),
        ("xds/nothing", always(None)),
        // Below `xds` alone.
        ("virtual_host_name", always(None)),
        ("of/the/request", always(text("/a?b=c"))),
        ("nothing", always(None)),
    ])
}

/// Every attribute, and what it is to be in each phase.
fn expected() -> BTreeMap<String, [Bytes; 3]> {
    let mut all: BTreeMap<String, [Bytes; 3]> = own()
        .into_iter()
        .map(|(path, values)| (path.to_owned(), values))
        .collect();
    for (parts, kind) in ATTRIBUTES {
        let path = parts.join("/");
        all.entry(path.clone()).or_insert_with(|| match kind {
            AttributeType::Object => [None, None, None],
            _ => {
                let value = text(&path.trim_start_matches("xds/").replace('/', "."));
                [value.clone(), value.clone(), value]
            }
        });
    }
    all
}

fn connection() -> ConnectionInfo {
    let mut info = ConnectionInfo::new("127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap());
    info.id = Some(7);
    info
}

fn full_request() -> Request<Body> {
    let headers = [
        ("x-a", "1"),
        ("x-a", "2"),
        ("referer", "r"),
        ("user-agent", "u"),
        ("x-request-id", "i"),
    ];
    let body = frames(&["bo", "dy"]).trailers(&[("x-q", "1")]).body();
    let mut request = common::request("/a?b=c", &headers, body);
    request.extensions_mut().insert(connection());
    request
}

#[test]
fn every_attribute_on_every_runtime() {
    let expected = expected();
    let paths: Vec<String> = expected.keys().cloned().collect();
    let code = asks(&PHASES, &paths).code();
    for runtime in runtimes() {
        for mode in MODES {
            run(async {
                let mut model = enginebay::config::model::Plugin::new(
                    runtime,
                    enginebay::config::model::Code::InlineBytes(code.clone()),
                );
                (model.name, model.root_id) = ("me".to_owned(), "mine".to_owned());
                let plugin = enginebay::Plugin::load(&engines(), &model).unwrap();
                let mut proxy = Proxy::start(mode, [plugin]);
                proxy.upstream.respond(|| {
                    let body = frames(&["ans", "wer"]).trailers(&[("grpc-status", "9")]);
                    Response::builder().header("x-r", "1").body(body.body()).unwrap()
                });
                let mut request = full_request();
                request
                    .extensions_mut()
                    .insert(StreamAttributes(Arc::new(Knows(AtomicUsize::new(0)))));
                proxy.fetch(request).await;
                // The end of the stream may come after the answer, on its thread.
                while proxy.log.lines().len() < paths.len() * PHASES.len() {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                let lines = proxy.log.lines();
                assert_eq!(lines.len(), paths.len() * PHASES.len());
                for (at, phase) in PHASES.iter().enumerate() {
                    for (path, line) in paths.iter().zip(&lines[at * paths.len()..]) {
                        assert_eq!(
                            found(line),
                            expected[path][at],
                            "{path} in {phase} on {runtime}, {mode:?}"
                        );
                    }
                }
            });
        }
    }
}

#[test]
fn nobody_is_asked_for_what_no_plugin_wants() {
    run(async {
        let knows = Arc::new(Knows(AtomicUsize::new(0)));
        let plugin = asks(&["request_headers"], &["request/path".to_owned()]);
        let proxy = Proxy::start(Mode::Local, [plugin.quick()]);
        let mut request = get("/");
        request.extensions_mut().insert(StreamAttributes(knows.clone()));
        proxy.fetch(request).await;
        assert_eq!(knows.0.load(Ordering::Relaxed), 0);
    });
}

/// Says one thing.
struct Says(&'static str);

impl Attributes for Says {
    fn attribute(&self, _: &StreamView<'_>, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(self.0.as_bytes());
        path.is(&["route_name"])
    }
}

#[test]
fn whoever_knew_last_is_believed() {
    run(async {
        let plugin = asks(&PHASES, &["route_name".to_owned()]);
        let chain = FilterChain::new([plugin.quick()]);
        let log = Log::default();
        let chain = chain.start(log.platform()).unwrap();
        let wanted = Rc::new(Cell::new(None));
        let seen = wanted.clone();
        let service = chain.service(tower::service_fn(move |request: Request<LocalBody<Body>>| {
            seen.set(Some(request.body().wants_attributes()));
            request.body().set_attributes(Rc::new(Says("service")));
            let mut response = Response::new(Body::empty());
            let attributes = StreamAttributes(Arc::new(Says("response")));
            response.extensions_mut().insert(attributes);
            std::future::ready(Ok::<_, std::convert::Infallible>(response))
        }));
        let mut request = get("/");
        let mut info = connection();
        info.attributes = Some(Arc::new(Says("connection")));
        request.extensions_mut().insert(info);
        drop(service.oneshot(request).await.unwrap().collect().await);
        assert_eq!(wanted.get(), Some(true));
        let lines: Vec<_> = log.lines().iter().map(|line| found(line)).collect();
        assert_eq!(lines, [text("connection"), text("service"), text("service")]);
    });
}

#[test]
fn attributes_of_a_response() {
    for mode in MODES {
        run(async {
            let plugin = asks(&PHASES, &["route_name".to_owned()]);
            let mut proxy = Proxy::start(mode, [plugin.quick()]);
            proxy.upstream.respond(|| {
                let mut response = Response::new(Body::empty());
                response
                    .extensions_mut()
                    .insert(StreamAttributes(Arc::new(Says("response"))));
                response
            });
            let mut request = get("/");
            request
                .extensions_mut()
                .insert(StreamAttributes(Arc::new(Says("request"))));
            proxy.fetch(request).await;
            while proxy.log.lines().len() < 3 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            let lines: Vec<_> = proxy.log.lines().iter().map(|line| found(line)).collect();
            assert_eq!(lines, [text("request"), text("response"), text("response")]);
        });
    }
}

#[test]
fn what_one_plugin_sets_the_others_see() {
    run(async {
        let sets = Wat::default().on(
            "request_headers",
            "(drop (call $set_property 'mine' 'value'))
             (drop (call $set_property 'a\0b' 'deep'))
             (drop (call $set_property 'request\0path' 'hidden')) (i32.const 0)",
        );
        let paths = [
            "mine",
            "mine/",
            "mine/x",
            "a/b",
            "filter_state/wasm.mine",
            "filter_state/wasm.a/b",
            "filter_state/mine",
            "request/path",
            "filter_state/wasm.request/path",
        ];
        let reads = asks(&["request_headers", "log"], &paths.map(str::to_owned));
        let proxy = Proxy::start(Mode::Local, [sets.quick(), reads.quick()]);
        proxy.fetch(get("/")).await;
        let lines: Vec<_> = proxy.log.lines().iter().map(|line| found(line)).collect();
        let values = [
            text("value"),
            text("value"),
            None,
            text("deep"),
            text("value"),
            text("deep"),
            None,
            text("/"),
            text("hidden"),
        ];
        assert_eq!(lines, [values.clone(), values].concat());
        // Of one request alone.
        proxy.fetch(get("/")).await;
        assert_eq!(proxy.log.lines().len(), 36);
    });
}

#[test]
fn what_is_of_the_connection_stays_for_its_requests() {
    for mode in MODES {
        run(async {
            let paths = ["filter_state/given", "mine"].map(str::to_owned);
            let reads = asks(&["request_headers"], &paths);
            let sets = Wat::default().on(
                "request_headers",
                "(drop (call $set_property 'mine' 'of a plugin')) (i32.const 0)",
            );
            let proxy = Proxy::start(mode, [reads.quick(), sets.quick()]);
            let info = connection();
            let state: &ConnectionState = info.state.as_ref().unwrap();
            assert!(state.set(b"given", b"by the embedder"));
            // That it is there makes it the connection's, whoever changes it.
            assert!(state.set(b"wasm.mine", b"at first"));
            for _ in 0..2 {
                let mut request = get("/");
                request.extensions_mut().insert(info.clone());
                proxy.fetch(request).await;
            }
            // Another connection.
            let mut request = get("/");
            request.extensions_mut().insert(connection());
            proxy.fetch(request).await;
            assert_eq!(state.get(b"wasm.mine").as_deref(), Some(&b"of a plugin"[..]));
            let lines: Vec<_> = proxy.log.lines().iter().map(|line| found(line)).collect();
            assert_eq!(
                lines,
                [
                    text("by the embedder"),
                    text("at first"),
                    text("by the embedder"),
                    text("of a plugin"),
                    None,
                    None
                ]
            );
        });
    }
}

#[test]
fn a_plugins_reply_says_why() {
    run(async {
        let code = "(drop (call $send (i32.const 403) 'because' (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const -1))) (i32.const 0)";
        let replies = Wat::default().on("request_headers", code);
        let paths = ["response/code_details", "response/code", "response/grpc_status"].map(str::to_owned);
        let reads = asks(&["response_headers", "log"], &paths);
        let proxy = Proxy::start(Mode::Local, [reads.quick(), replies.quick()]);
        assert_eq!(proxy.fetch(get("/")).await.status, 403);
        let lines: Vec<_> = proxy.log.lines().iter().map(|line| found(line)).collect();
        let values = [text("because"), int(403), int(7)];
        assert_eq!(lines, [values.clone(), values].concat());
    });
}

#[test]
fn the_size_of_a_request_is_what_it_says_where_it_says_it() {
    run(async {
        let reads = asks(&["request_headers"], &["request/size".to_owned()]);
        let proxy = Proxy::start(Mode::Local, [reads.load(&engines(), QUICK)]);
        for length in ["12", "many"] {
            let request = common::request("/", &[("content-length", length)], Body::empty());
            proxy.fetch(request).await;
        }
        let lines: Vec<_> = proxy.log.lines().iter().map(|line| found(line)).collect();
        assert_eq!(lines, [int(12), None]);
    });
}

#[test]
fn what_a_connection_keeps_is_bounded_too() {
    run(async {
        // The status as a digit: 2 is BAD_ARGUMENT.
        let sets = Wat::default().on(
            "request_headers",
            "(call $log_result (i32.add (i32.const 1) (call $set_property 'mine' '0123456789')))
             (call $log_result (i32.add (i32.const 1) (call $set_property 'mine' '1'))) (i32.const 0)",
        );
        let mut options = ChainOptions::default();
        options.property_bytes = 8;
        let proxy = Proxy::with_options(Mode::Local, [sets.quick()], options);
        let info = connection();
        assert!(info.state.as_ref().unwrap().set(b"wasm.mine", b""));
        let mut request = get("/");
        request.extensions_mut().insert(info.clone());
        proxy.fetch(request).await;
        assert_eq!(proxy.log.lines(), ["3", "1"]);
        let kept = info.state.unwrap().get(b"wasm.mine");
        assert_eq!(kept.as_deref(), Some(&b"1"[..]));
    });
}

/// The table of `docs/properties.md` has the attributes that there are, with their types.
#[test]
fn the_page_is_as_the_code() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/properties.md");
    let page = std::fs::read_to_string(file).unwrap();
    let rows: Vec<(String, String)> = page
        .lines()
        .skip_while(|line| !line.starts_with("| path |"))
        .skip(2)
        .map_while(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let (path, kind, when) = (cells.next()?, cells.next()?, cells.next()?);
            assert!(when.len() > 2, "{path} says nothing");
            Some((path.trim_matches('`').to_owned(), kind.to_owned()))
        })
        .collect();
    let kind = |kind| match kind {
        AttributeType::String => "string",
        AttributeType::Bytes => "bytes",
        AttributeType::Int => "int",
        AttributeType::Uint => "uint",
        AttributeType::Bool => "bool",
        AttributeType::Timestamp => "timestamp",
        AttributeType::Duration => "duration",
        AttributeType::StringMap => "map of strings",
        AttributeType::BytesMap => "map of bytes",
        AttributeType::Message => "message",
        AttributeType::Object => "",
    };
    let known: Vec<(String, String)> = ATTRIBUTES
        .iter()
        .filter(|(_, of)| *of != AttributeType::Object)
        .map(|(path, of)| (path.join("."), kind(*of).to_owned()))
        .collect();
    assert_eq!(rows, known);
}
