//! One request and its response through one plugin, without a network.

use std::collections::BTreeMap;
use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use enginebay::abi::{BufferType, MapType, PropertyPath, Status, StreamType};
use enginebay::host::Program;
use enginebay::{
    Body, ContextId, Failure, HeaderMap, LocalResponse, PluginConfig, PropertyDeclaration, StreamState, Vm,
    VmConfig,
};

use libtest_mimic::Failed;

use crate::cases::{Case, Given};
use crate::loader::Loader;
use crate::page::Page;

/// What the plugin sees of the exchange.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) request: HeaderMap,
    response: HeaderMap,
    request_trailers: HeaderMap,
    response_trailers: HeaderMap,
    request_body: Body,
    response_body: Body,
    answering: bool,
    reply: Option<LocalResponse>,
    pub(crate) resumed: bool,
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
            MapType::HttpRequestTrailers if !self.answering => Some(&mut self.request_trailers),
            MapType::HttpResponseTrailers if self.answering => Some(&mut self.response_trailers),
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

    fn continue_stream(&mut self, _: StreamType) -> Status {
        self.resumed = true;
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
pub(crate) fn run(loader: &Loader, case: &Case) -> Result<Rc<Page>, Failed> {
    let page = Rc::new(Page::new(case.given.upstreams));
    let consumer = case.given.consumer.as_ref();
    let consumer = consumer.map(|code| loader.program(code)).transpose()?;
    let program = loader.program(&case.code)?;
    let result = program.and_then(|program| {
        let consumer = consumer.transpose()?;
        exchange(&program, consumer.as_ref(), &case.given, &page)
    });
    if let Err(failure) = result {
        page.failure(&failure);
    }
    Ok(page)
}

/// A VM with one plugin.
pub(crate) fn start<S: StreamState>(
    program: &Arc<Program>,
    vm_config: VmConfig,
    config: &str,
    page: &Rc<Page>,
) -> Result<(Vm<S>, ContextId), Failure> {
    let vm = Vm::new(program, &Arc::new(vm_config), page.clone())?;
    let root = vm.start_plugin(PluginConfig {
        configuration: config.as_bytes().to_vec(),
        ..PluginConfig::default()
    })?;
    Ok((vm, root))
}

fn exchange(
    program: &Arc<Program>,
    consumer: Option<&Arc<Program>>,
    given: &Given,
    page: &Rc<Page>,
) -> Result<(), Failure> {
    let config_of_consumer = VmConfig {
        vm_id: "consumer".to_owned(),
        ..VmConfig::default()
    };
    let consumer = consumer
        .map(|program| start::<Stream>(program, config_of_consumer, "", page))
        .transpose()?;
    let vm_config = VmConfig {
        configuration: given.vm_config.as_bytes().to_vec(),
        ..VmConfig::default()
    };
    let (vm, root) = start(program, vm_config, given.config, page)?;

    let id = vm.create_stream(root, stream(given))?;
    request(&vm, id, given, page)?;
    let shown = vm.stream(id).map(|mut stream| {
        stream.answering = true;
        if std::mem::take(&mut stream.resumed) {
            page.line("request resumed");
        }
        page.headers("request", &stream.request);
        show_body(page, "request", &stream.request_body);
        page.headers("request trailer", &stream.request_trailers);
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
        response(&vm, id, given, page)?;
    }
    vm.on_log(id)?;
    vm.finish(id)?;
    page.line(format!("contexts left {}", vm.context_count()));
    if let Some((consumer, _)) = &consumer {
        consumer.deliver()?;
    }
    Ok(())
}

fn stream(given: &Given) -> Stream {
    let mut stream = Stream {
        panics: given.host_panics,
        ..Stream::default()
    };
    let request = [(":method", "GET"), (":path", "/")];
    for (name, value) in request.iter().chain(given.headers) {
        stream.request.push_valid(name, value);
    }
    for (name, value) in given.trailers {
        stream.request_trailers.push_valid(name, value);
    }
    stream.response.push_valid(":status", "200");
    for (name, value) in given.response_trailers {
        stream.response_trailers.push_valid(name, value);
    }
    stream
        .request_body
        .push(Bytes::from_static(given.body.as_bytes()));
    stream
        .response_body
        .push(Bytes::from_static(given.response_body.as_bytes()));
    stream
}

fn request(vm: &Vm<Stream>, id: ContextId, given: &Given, page: &Page) -> Result<(), Failure> {
    let (size, trailers) = (given.body.len(), given.trailers.len());
    let headers = given.headers.len() + 2;
    let action = vm.on_request_headers(id, headers, size == 0 && trailers == 0)?;
    page.line(format!("request_headers {action}"));
    if size > 0 {
        let action = vm.on_request_body(id, size, trailers == 0)?;
        page.line(format!("request_body {action}"));
    }
    if trailers > 0 {
        let action = vm.on_request_trailers(id, trailers)?;
        page.line(format!("request_trailers {action}"));
    }
    while page.upstreams().deliver_one(vm)? {}
    Ok(())
}

fn response(vm: &Vm<Stream>, id: ContextId, given: &Given, page: &Page) -> Result<(), Failure> {
    let (size, trailers) = (given.response_body.len(), given.response_trailers.len());
    let action = vm.on_response_headers(id, 1, size == 0 && trailers == 0)?;
    page.line(format!("response_headers {action}"));
    if size > 0 {
        let action = vm.on_response_body(id, size, trailers == 0)?;
        page.line(format!("response_body {action}"));
    }
    if trailers > 0 {
        let action = vm.on_response_trailers(id, trailers)?;
        page.line(format!("response_trailers {action}"));
    }
    if let Some(stream) = vm.stream(id) {
        page.headers("response", &stream.response);
        show_body(page, "response", &stream.response_body);
        page.headers("response trailer", &stream.response_trailers);
    }
    Ok(())
}

fn show_body(page: &Page, of: &str, body: &Body) {
    if !body.is_empty() {
        page.line(format!("{of} body {}", String::from_utf8_lossy(&body.to_bytes())));
    }
}
