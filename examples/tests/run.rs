//! Runs the examples as a user would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/wasm");
const RUNTIMES: [&str; 2] = ["envoy.wasm.runtime.wasmi", "envoy.wasm.runtime.wasmtime"];

fn embed(guest: &str, runtime: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_embed"))
        .args([&format!("{GUESTS}/{guest}.wasm"), runtime])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn embed_prints_what_a_plugin_does() {
    for runtime in RUNTIMES {
        assert_eq!(
            embed("add_header", runtime),
            "CONTINUE\n:method: GET\n:path: /\nx-enginebay: hello\n"
        );
        assert!(embed("auth", runtime).starts_with("answers 403: forbidden\n"));
    }
}

/// A server that ends with the test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(runtime: &str) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_axum"))
            .args(["127.0.0.1:0", runtime])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .unwrap()
            .to_owned();
        Server { child, address }
    }

    fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn axum_serves_behind_plugins() {
    for runtime in RUNTIMES {
        let server = Server::start(runtime);
        let end = "host: x\r\nconnection: close\r\n";
        let denied = server.send(&format!("GET / HTTP/1.1\r\n{end}\r\n"));
        assert!(denied.starts_with("HTTP/1.1 403 "), "{denied}");
        assert!(
            denied.contains("x-auth: denied") && denied.ends_with("forbidden\n"),
            "{denied}"
        );

        let hello = server.send(&format!("GET / HTTP/1.1\r\n{end}x-token: secret\r\n\r\n"));
        assert!(
            hello.starts_with("HTTP/1.1 200 ") && hello.contains("x-plugin: enginebay"),
            "{hello}"
        );
        assert!(hello.ends_with("hello from axum, behind enginebay\n"), "{hello}");

        let body = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        let head =
            format!("POST /echo HTTP/1.1\r\n{end}x-token: secret\r\ntransfer-encoding: chunked\r\n\r\n");
        let echo = server.send(&(head + body));
        assert!(
            echo.starts_with("HTTP/1.1 200 ") && echo.ends_with("hello world"),
            "{echo}"
        );
    }
}
