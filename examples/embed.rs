//! A plugin without a proxy: some headers in, what it makes of them out.
//!
//! ```console
//! $ cargo run -p enginebay-examples --bin embed tests/guests/wasm/add_header.wasm
//! ```
//!
//! Arguments: the plugin, the runtime's name (default `envoy.wasm.runtime.wasmtime`).

use std::error::Error;
use std::ops::DerefMut;
use std::rc::Rc;

use enginebay::abi::{MapType, Status};
use enginebay::{Engines, HeaderMap, LocalResponse, Plugin, StdPlatform, StreamState};

/// What the plugin sees of a request, and what it answers.
#[derive(Default)]
struct Request {
    headers: HeaderMap,
    answer: Option<LocalResponse>,
}

impl StreamState for Request {
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        (map == MapType::HttpRequestHeaders).then_some(&mut self.headers)
    }

    fn send_local_response(&mut self, response: LocalResponse) -> Status {
        self.answer = Some(response);
        Status::Ok
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let code = std::fs::read(args.next().ok_or("which plugin?")?)?;
    let runtime = args
        .next()
        .unwrap_or_else(|| "envoy.wasm.runtime.wasmtime".to_owned());

    let engine = Engines::new()?.get(&runtime)?;
    let plugin = Plugin::new(&*engine, &code, Default::default(), Default::default())?;
    let running = plugin.start::<Request>(Rc::new(StdPlatform))?;

    let mut headers = HeaderMap::new();
    for (name, value) in [(":method", "GET"), (":path", "/"), (":authority", "example.org")] {
        headers.add(name, value)?;
    }
    let count = headers.len();
    let request = Request {
        headers,
        answer: None,
    };
    let id = running
        .vm
        .create_stream(running.root, request)
        .map_err(|f| (*f).clone())?;
    let action = running
        .vm
        .on_request_headers(id, count, true)
        .map_err(|f| (*f).clone())?;

    println!("{action}");
    let stream = running.vm.stream(id).ok_or("the stream is gone")?;
    for (name, value) in stream.headers.iter() {
        println!(
            "{}: {}",
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(value)
        );
    }
    if let Some(answer) = &stream.answer {
        println!(
            "answered {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    Ok(())
}
