//! A plugin without a proxy: some headers in, what it makes of them out.
//!
//! ```console
//! $ cargo run -p enginebay-examples --bin embed tests/guests/wasm/add_header.wasm
//! ```
//!
//! Arguments: the plugin, the runtime's name (default `envoy.wasm.runtime.wasmtime`).
#![forbid(unsafe_code)]

use std::error::Error;
use std::ops::DerefMut;
use std::rc::Rc;

use enginebay::abi::{MapType, Status};
use enginebay::{Engines, HeaderMap, LocalResponse, Plugin, StdPlatform, StreamState};

/// What the plugin sees of a request.
struct Request(HeaderMap);

impl StreamState for Request {
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        (map == MapType::HttpRequestHeaders).then_some(&mut self.0)
    }

    fn send_local_response(&mut self, response: LocalResponse) -> Status {
        let body = String::from_utf8_lossy(&response.body);
        println!("answers {}: {}", response.status, body.trim());
        Status::Ok
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let code = std::fs::read(args.next().ok_or("which plugin?")?)?;
    let runtime = args.next();
    let runtime = runtime.as_deref().unwrap_or("envoy.wasm.runtime.wasmtime");

    let engine = Engines::new()?.get(runtime)?;
    let plugin = Plugin::new(&*engine, &code, Default::default(), Default::default())?;
    let running = plugin.start::<Request>(Rc::new(StdPlatform))?;
    let vm = &running.vm;

    let mut headers = HeaderMap::new();
    headers.add(":method", "GET")?;
    headers.add(":path", "/")?;
    let count = headers.len();
    let stream = vm.create_stream(running.root, Request(headers))?;
    println!("{}", vm.on_request_headers(stream, count, true)?);

    let request = vm.stream(stream).ok_or("the stream is gone")?;
    for (name, value) in request.0.iter() {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        println!("{name}: {value}");
    }
    Ok(())
}
