//! Foreign functions.

use http::Request;
use http_body_util::{BodyExt, Empty};

use crate::client::{Answer, Client};
use crate::config::{Plugin, bootstrap, http_listener};
use crate::runtimes::RUNTIMES;
use crate::server::Server;

/// Declares the property `once` as a text that can be set once and lives as long as the connection. In a request shows
/// it in `x-once` and sets it to the header `x-value`; the status of that, as a letter, is the header `x-set`.
const DECLARES: &str = r#"(module
    (import "env" "proxy_call_foreign_function"
        (func $call (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 4096))
    (global $before (mut i32) (i32.const 0))
    (global $before_len (mut i32) (i32.const 0))
    (data (i32.const 16) "declare_property")
    (data (i32.const 32) "\0a\04once\10\01\18\01\28\02")
    (data (i32.const 48) "oncex-oncex-valuex-set")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32)
        (global.get $heap)
        (global.set $heap (i32.add (global.get $heap) (local.get 0))))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (i32.eqz (call $call
            (i32.const 16) (i32.const 16) (i32.const 32) (i32.const 12) (i32.const 0) (i32.const 4))))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (global.set $heap (i32.const 4096))
        (global.set $before_len (i32.const 0))
        (if (i32.eqz (call $get (i32.const 48) (i32.const 4) (i32.const 0) (i32.const 4)))
            (then
                (global.set $before (i32.load (i32.const 0)))
                (global.set $before_len (i32.load (i32.const 4)))))
        (if (i32.eqz (call $header (i32.const 0) (i32.const 58) (i32.const 7) (i32.const 0) (i32.const 4)))
            (then
                (i32.store8 (i32.const 8) (i32.add (i32.const 65) (call $set
                    (i32.const 48) (i32.const 4) (i32.load (i32.const 0)) (i32.load (i32.const 4)))))))
        (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
        (drop (call $add
            (i32.const 2) (i32.const 52) (i32.const 6) (global.get $before) (global.get $before_len)))
        (drop (call $add (i32.const 2) (i32.const 65) (i32.const 5) (i32.const 8) (i32.const 1)))
        (i32.const 0)))"#;

/// The answer of the guest to a call.
async fn call(client: &mut Client, name: &str, data: &str) -> Answer {
    let request = Request::get("/direct?q")
        .header("x-foreign", name)
        .header("x-data", data)
        .body(Empty::new().boxed());
    client.send(request.unwrap()).await.unwrap()
}

#[cfg(feature = "cel")]
#[tokio::test]
async fn expressions_look_at_the_request() {
    for runtime in RUNTIMES.iter().copied() {
        let listener = http_listener("foreign", &[Plugin::new(runtime, "foreign")], &[]);
        let server = Server::start(&bootstrap(&[listener], &[], false));
        let mut client = Client::http1(server.at("foreign")).await;
        let answer = call(&mut client, "expr", "request.method + ' ' + request.path").await;
        assert_eq!(answer.text(), "GET /direct?q");
        assert!(answer.header("x-deleted").is_some_and(|status| status != "there"));
        for (expression, status, body) in [
            // A byte that is one is true.
            (
                "request.headers['x-foreign'] == 'expr' && source.port > 0",
                200,
                "01",
            ),
            ("not ( an expression", 500, "expr_create: BadArgument\n"),
        ] {
            let answer = call(&mut client, "expr", expression).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text()),
                (status, body),
                "{expression}"
            );
        }
    }
}

#[tokio::test]
async fn functions_work_on_the_request_and_its_connection() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("declares.wasm");
    std::fs::write(&file, wat::parse_str(DECLARES).unwrap()).unwrap();
    for runtime in RUNTIMES.iter().copied() {
        let declares = Plugin {
            file: file.clone(),
            ..Plugin::new(runtime, "declares")
        };
        // The second shows what the first one left, in requests that the first one lets pass.
        let lines = "/filter_state/of_request\n/filter_state/of_connection";
        let shows = Plugin::configured(runtime, "properties", lines);
        let listeners = [
            http_listener("foreign", &[Plugin::new(runtime, "foreign"), shows], &[]),
            http_listener("declares", &[declares], &[]),
        ];
        let server = Server::start(&bootstrap(&listeners, &[], false));

        let mut client = Client::http1(server.at("foreign")).await;
        let text = "word ".repeat(100);
        let answer = call(&mut client, "roundtrip", text.trim()).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, text.trim()));
        let compressed: usize = answer.header("x-compressed-bytes").unwrap().parse().unwrap();
        assert!(compressed < 100, "{compressed}");
        let declared = format!("declared{runtime}=text");
        // Field 1, `of_connection`, field 2, `2`, and field 3, the life span of a connection.
        let of_connection = "0a0d6f665f636f6e6e656374696f6e1201321802";
        for (name, data, status, body) in [
            ("nothing", "", 500, "nothing: NotFound\n"),
            ("state", "of_request=1", 200, "1"),
            ("declare", &declared, 200, "text"),
            ("set_envoy_filter_state", of_connection, 200, ""),
        ] {
            let answer = call(&mut client, name, data).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text()),
                (status, body),
                "{name} {data}"
            );
        }
        // The next request on the same connection, and one on another.
        assert_eq!(
            shown(&mut client).await,
            ["/filter_state/of_request none", "/filter_state/of_connection=2"]
        );
        let mut other = Client::http1(server.at("foreign")).await;
        let none = [
            "/filter_state/of_request none",
            "/filter_state/of_connection none",
        ];
        assert_eq!(shown(&mut other).await, none);

        let mut client = Client::http1(server.at("declares")).await;
        let mut other = Client::http1(server.at("declares")).await;
        assert_eq!(set(&mut client, "one").await, ["", "A"]);
        let refused = set(&mut client, "two").await;
        assert!(refused[0] == "one" && refused[1] != "A", "{refused:?}");
        assert_eq!(set(&mut client, "three").await[0], "one");
        assert_eq!(set(&mut other, "other").await, ["", "A"]);
        assert_eq!(set(&mut other, "other").await[0], "other");
        server.has_no_complaints();
    }
}

async fn shown(client: &mut Client) -> Vec<String> {
    let answer = client.get("/direct").await;
    let lines = answer.headers.get_all("x-property").iter();
    lines.map(|line| line.to_str().unwrap().to_owned()).collect()
}

/// What the property was before, and the status of setting it.
async fn set(client: &mut Client, value: &str) -> [String; 2] {
    let answer = client.get_with("/direct", "x-value", value).await;
    ["x-once", "x-set"].map(|name| answer.header(name).unwrap().to_owned())
}
