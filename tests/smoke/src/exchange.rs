//! One request and its response through one plugin, without a network.

use std::collections::BTreeMap;
use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use enginebay::abi::{BufferType, MapType, PropertyPath, Status};
use enginebay::engine::Engine;
use enginebay::host::Program;
use enginebay::{
    Body, Failure, HeaderMap, LocalResponse, PluginConfig, PropertyDeclaration, StreamState, Vm, VmConfig,
};

use crate::cases::Given;
use crate::page::Page;

/// What the plugin sees of the exchange.
#[derive(Default)]
struct Stream {
    request: HeaderMap,
    response: HeaderMap,
    request_body: Body,
    response_body: Body,
    answering: bool,
    reply: Option<LocalResponse>,
    /// What the plugin set.
    properties: BTreeMap<Vec<u8>, Vec<u8>>,
    panics: bool,
}

impl StreamState for Stream {
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        assert!(!self.panics, "told to panic");
        match map {
            MapType::HttpRequestHeaders if !self.answering => Some(&mut self.request),
            MapType::HttpResponseHeaders if self.answering => Some(&mut self.response),
            _ => None,
        }
    }

    fn buffer(&mut self, buffer: BufferType) -> Option<impl DerefMut<Target = Body>> {
        match buffer {
            BufferType::HttpRequestBody if !self.answering => Some(&mut self.request_body),
            BufferType::HttpResponseBody if self.answering => Some(&mut self.response_body),
            _ => None,
        }
    }

    fn send_local_response(&mut self, response: LocalResponse) -> Status {
        self.reply.get_or_insert(response);
        Status::Ok
    }

    fn property(&mut self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        let value = self.properties.get(path.as_bytes());
        out.extend(value.into_iter().flatten());
        value.is_some()
    }

    fn set_property(&mut self, path: PropertyPath<'_>, value: &[u8], _: &PropertyDeclaration) -> Status {
        self.properties.insert(path.as_bytes().into(), value.into());
        Status::Ok
    }
}

/// Runs it, and writes down what happened.
pub(crate) fn run(engine: &dyn Engine, code: &[u8], given: &Given) -> Rc<Page> {
    let page = Rc::new(Page::default());
    if let Err(failure) = exchange(engine, code, given, &page) {
        page.failure(&failure);
    }
    page
}

fn exchange(engine: &dyn Engine, code: &[u8], given: &Given, page: &Rc<Page>) -> Result<(), Failure> {
    let program = Arc::new(Program::load(engine, code)?);
    let vm_config = VmConfig {
        configuration: given.vm_config.as_bytes().to_vec(),
        ..VmConfig::default()
    };
    let vm = Vm::new(&program, &Arc::new(vm_config), page.clone())?;
    let root = vm.start_plugin(PluginConfig {
        configuration: given.config.as_bytes().to_vec(),
        ..PluginConfig::default()
    })?;

    let mut stream = Stream {
        panics: given.host_panics,
        ..Stream::default()
    };
    let request = [(":method", "GET"), (":path", "/")];
    for (name, value) in request.iter().chain(given.headers) {
        stream.request.push_valid(name, value);
    }
    stream.response.push_valid(":status", "200");
    stream
        .request_body
        .push(Bytes::from_static(given.body.as_bytes()));
    stream
        .response_body
        .push(Bytes::from_static(given.response_body.as_bytes()));

    let headers = stream.request.len();
    let id = vm.create_stream(root, stream)?;
    let (size, ends) = (given.body.len(), given.body.is_empty());
    let action = vm.on_request_headers(id, headers, ends)?;
    page.line(format!("request_headers {action}"));
    if !ends {
        let action = vm.on_request_body(id, size, true)?;
        page.line(format!("request_body {action}"));
    }
    let shown = vm.stream(id).map(|mut stream| {
        stream.answering = true;
        page.headers("request", &stream.request);
        show_body(page, "request", &stream.request_body);
        stream.reply.take()
    });
    if let Some(Some(reply)) = shown {
        page.line(format!("reply {}", reply.status));
        page.headers("reply", &reply.headers);
        page.line(format!(
            "reply body {}",
            String::from_utf8_lossy(&reply.body).trim_end()
        ));
    } else {
        let (size, ends) = (given.response_body.len(), given.response_body.is_empty());
        let action = vm.on_response_headers(id, 1, ends)?;
        page.line(format!("response_headers {action}"));
        if !ends {
            let action = vm.on_response_body(id, size, true)?;
            page.line(format!("response_body {action}"));
        }
        if let Some(stream) = vm.stream(id) {
            page.headers("response", &stream.response);
            show_body(page, "response", &stream.response_body);
        }
    }
    vm.on_log(id)?;
    vm.finish(id)?;
    page.line(format!("contexts left {}", vm.context_count()));
    Ok(())
}

fn show_body(page: &Page, of: &str, body: &Body) {
    if !body.is_empty() {
        page.line(format!("{of} body {}", String::from_utf8_lossy(&body.to_bytes())));
    }
}
