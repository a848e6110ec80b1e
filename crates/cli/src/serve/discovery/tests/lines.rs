//! What is logged.

use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use super::control_plane::ControlPlane;
use super::{GRPC, Server, any, extension, local, resource, response};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What this thread logs from now on, without debugging.
    fn start() -> (Self, DefaultGuard) {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const KIND: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";

#[test]
fn of_an_xds_server() {
    let (log, _guard) = Log::start();
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start(plane.port, GRPC, "0.2s");
        let mut stream = plane.stream().await;
        stream.request().await;
        server.goes_on().await;
        stream.send(response("1", vec![resource("one", "a")]));
        server.accept().await;
        stream.request().await;
        stream.send(response("2", vec![resource("one", "b")]));
        server.update().await.verdict.refuse("it does not start");
        stream.request().await;
        stream.send(response("3", vec![extension("one", any("x/y.Z", vec![]))]));
        stream.request().await;
        stream.close(tonic::Status::unimplemented("not here"));
        plane.stream().await;
    });
    let expected = [
        format!("WARN gRPC config: initial fetch timed out for {KIND} (one)"),
        format!("WARN gRPC config for {KIND} rejected: it does not start (one, version 2)"),
        format!(
            "WARN gRPC config for {KIND} rejected: filter one: resources[0].typed_config.@type: Error: filter config has type \
             URL y.Z but expect envoy.extensions.filters.http.wasm.v3.Wasm. (one, version 3)"
        ),
        "WARN StreamExtensionConfigs gRPC config stream to xds closed: 12, not here".to_owned(),
    ];
    assert_eq!(log.lines(), expected);
}

#[test]
fn of_a_file() {
    let (log, _guard) = Log::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ecds.yaml");
    let place = path.display().to_string();
    let source = format!("path_config_source: {{path: '{place}'}}");
    for text in ["version_info: '1'\nresourcess: []\n", "resources: []\n"] {
        fs::write(&path, text).unwrap();
        local(async {
            Server::start(1, &source, "0s").goes_on().await;
        });
    }
    let expected = [
        format!(
            "WARN Filesystem config update failure: in {place}, resourcess: unknown field; did you mean `resources`? \
             (line 2)"
        ),
        format!(
            "WARN Filesystem config update rejected: {place}: resources: Unexpected number of resources in ExtensionConfigDS \
             response: 0"
        ),
    ];
    assert_eq!(log.lines(), expected);
}
