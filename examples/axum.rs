//! An axum application behind two plugins: one lets only requests with a token through, the other adds headers.
//!
//! ```console
//! $ cargo run -p enginebay-examples --bin axum
//! $ curl -i -H 'x-token: secret' http://127.0.0.1:3000/
//! ```
//!
//! Arguments: the address to listen on (default `127.0.0.1:3000`), the runtime's name (default
//! `envoy.wasm.runtime.wasmtime`).
#![forbid(unsafe_code)]

use std::error::Error;
use std::num::NonZeroUsize;
use std::rc::Rc;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use enginebay::config::model::{Code, Plugin as PluginModel};
use enginebay::{Engines, Failure, Plugin, StdPlatform};
use enginebay_http::{FilterChain, Workers};

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/wasm");

fn plugin(engines: &Engines, runtime: &str, name: &str, configuration: &str) -> Result<Plugin, Failure> {
    let file = format!("{GUESTS}/{name}.wasm");
    let mut model = PluginModel::new(runtime, Code::LocalFile(file.into()));
    model.name = name.to_owned();
    model.configuration = configuration.as_bytes().to_vec();
    Plugin::load(engines, &model)
}

async fn hello(headers: HeaderMap) -> String {
    let from = headers.get("x-plugin").and_then(|value| value.to_str().ok());
    format!("hello from axum, behind {}\n", from.unwrap_or("nothing"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let runtime = args
        .next()
        .unwrap_or_else(|| "envoy.wasm.runtime.wasmtime".to_owned());

    let engines = Engines::new()?;
    let headers = r#"{"request": {"x-plugin": "enginebay"}, "response": {"x-plugin": "enginebay"}}"#;
    let chain = FilterChain::new([
        plugin(&engines, &runtime, "auth", "secret")?,
        plugin(&engines, &runtime, "add_header", headers)?,
    ]);
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let workers = Workers::spawn(chain, threads, || Rc::new(StdPlatform))?;

    let app = Router::new()
        .route("/", get(hello))
        .route("/echo", post(|body: String| async { body }))
        .layer(workers.layer());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
